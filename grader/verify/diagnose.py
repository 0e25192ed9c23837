"""Names what is wrong with a run that follows no rule: the recipe of looks, from the plainest to the oddest.

A look says something only if the run agrees with it to the last bit over all of its steps, or if it is plain to see.
"Differs" needs such a proof, or a rule that the run follows exactly until it leaves it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from grader.model import Divergence, message
from grader.verify import bounds, rules
from grader.verify.bounds import Direction
from grader.verify.bugs import CHANGES, FORMULAS, Recorded, bugs
from grader.verify.identify import (
    FEWEST,
    Fit,
    Rate,
    at_full_length,
    begins_sharp,
    first,
    is_sharp,
    measure,
    open_eps,
    read_rates,
    telling_steps,
    twice_used,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from grader.model import Floats, Match, Message, RunVerdict, Scalar
    from grader.verify.bounds import Data, Gradient, Steps
    from grader.verify.bugs import Change
    from grader.verify.rules import Form
    from grader.verify.said import Said

PREFIX = 120
MOST_LEVELS = 100
FOLLOWED = 10  # a rule that was followed for so many informative steps is the run's rule


class Case(NamedTuple):
    """A run that follows no rule, with all that a look needs."""

    names: tuple[str, ...]
    problem: Data
    history: Steps
    gradient: Gradient
    said: Said


class Diagnosis(NamedTuple):
    """What a look found: the verdict, the sentence, the first step that shows it, and the rule that was meant.

    `fits` are the forms that the run is said to follow or to have meant; empty where nothing is sure.
    `stated` says that the notebook states the rate at which the run agrees.
    """

    verdict: RunVerdict
    diagnosis: Message
    fits: tuple[Fit, ...] = ()
    divergence: Divergence | None = None
    meant: Fit | None = None
    stated: bool = True


def diagnose(case: Case) -> Diagnosis | None:
    """The first look that explains the run, at a rate that the notebook states before one that only the run shows."""
    doubtful: Diagnosis | None = None
    for look in LOOKS:
        found = look(case)
        if found is not None and (found.stated or not case.said.rates):
            return doubtful if doubtful and found.verdict != "differs" else found
        doubtful = doubtful or found
    return doubtful


# -- telling -------------------------------------------------------------------------------------


def told(case: Case, id: str, meant: Fit, *, verdict: RunVerdict = "differs", **more: Scalar) -> Diagnosis:
    """The sentence of a bug, with the first step where the run leaves the rule that was meant."""
    direction = meant.form.direction(case.gradient)
    judged = measure(case.history, direction, meant)
    step = judged.first or 0
    move = -(meant.lr * direction.D)[:, step]
    seen = case.history.d[:, step]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        share = np.abs(seen - move) / (np.abs(seen) + np.abs(move))
    row = int(np.argmax(np.nan_to_num(share)))
    here, there = apart(float(seen[row]), float(move[row]))
    return Diagnosis(
        verdict=verdict,
        diagnosis=message(
            id,
            step=step + 1,
            name=case.names[row],
            seen=here,
            expected=there,
            lr=meant.rates[min(row, len(meant.rates) - 1)].stated,
            **meant.form.hyper,
            **more,
        ),
        fits=(judged,),
        meant=judged,
        divergence=divergence(case.history, step, move),
    )


def apart(a: float, b: float) -> tuple[Scalar, Scalar]:
    """Two numbers shown side by side: as text with as many digits as it takes, where six do not tell them apart.

    >>> apart(1.0, 2.0), apart(1.1306812345, 1.1306812999)
    ((1.0, 2.0), ('1.13068123', '1.13068130'))
    """
    digits = next((n for n in range(6, 18) if f"{a:.{n}g}" != f"{b:.{n}g}"), 6)
    return (a, b) if digits == 6 else (f"{a:#.{digits + 1}g}", f"{b:#.{digits + 1}g}")


def divergence(history: Steps, step: int, move: Floats) -> Divergence:
    """One step as a record: where it began, where the rule leads, where the run went."""
    before = history.theta[:, step]
    return Divergence(
        step=step + 1,
        before=tuple(before.tolist()),
        expected=tuple((before + move).tolist()),
        seen=tuple(history.theta[:, step + 1].tolist()),
    )


def _meant(case: Case, form: Form, rates: Sequence[Rate] = ()) -> Fit:
    """The form that was meant, at the declared rate, else at the rate that the run shows."""
    found = [rate for rate in rates if rate.declared and rate.value > 0]
    stated = case.said.rates or tuple(abs(rate.stated) for rate in rates if np.isfinite(rate.stated)) or (1.0,)
    rate = found[0] if found else Rate(stated[0], stated[0], "sse" if form.linear else None, bool(case.said.rates))
    return Fit(form, (rate,), np.inf, 0)


# -- rates that contradict the notebook ----------------------------------------------------------


def contradicted(case: Case, fit: Fit) -> Diagnosis | None:
    """The run follows a rule with another rate than the one that its own cell states."""
    own_rates = [rate for rate in case.said.own_rates if rate not in fit.form.hyper.values()]  # alpha may be a decay
    if not own_rates:
        return None
    used, own = fit.rates[0], own_rates[0]
    meant = fit._replace(rates=(Rate(own, own, used.scale, declared=True),))
    if len(fit.rates) > 1:
        ends = {"first": used.stated, "last": fit.rates[-1].stated}
        return told(case, "bug.rates-unstated", meant, verdict="review", **ends)
    differs = told(case, "bug.lr-differs", meant, verdict="review", used=used.stated, ratio=used.stated / own)
    for rate in own_rates:
        for name, factor in _lost_factors(case, fit):
            if _equal(used.value, rate * factor):  # a power of ten is a slip of the pen as well
                return differs if _equal(np.log10(factor), round(np.log10(factor))) else told(case, name, meant)
        if any(_equal(used.value, rate * rate * scale) for scale in rules.scales(case.problem.size).values()):
            return told(case, "bug.lr-twice", meant, used=used.value)
    return differs


def _lost_factors(case: Case, fit: Fit) -> Iterator[tuple[str, float]]:
    """What a known slip in an average does to the learning rate, and nothing else."""
    hyper = fit.form.hyper
    if fit.form.rule == "rmsprop":
        yield "bug.no-one-minus-rho", float(np.sqrt(1 - hyper["rho"]))
    if fit.form.rule == "adagrad":
        for rho in case.said.own_decays:
            yield "bug.rmsprop-never-forgets", float(1 / np.sqrt(1 - rho))
    if fit.form.rule == "adam" and fit.form.convention.get("bias") == "uncorrected":
        yield "bug.adam-count-stands", float(np.sqrt(1 - hyper["beta2"]) / (1 - hyper["beta1"]))
    if fit.form.rule == "adam":
        yield "bug.adam-no-one-minus-beta", 1 / (1 - hyper["beta1"])
        yield "bug.adam-no-one-minus-beta", float(np.sqrt(1 - hyper["beta2"]))
        yield "bug.adam-no-one-minus-beta", float(np.sqrt(1 - hyper["beta2"])) / (1 - hyper["beta1"])


def exchanged_decays(case: Case, fit: Fit) -> Diagnosis | None:
    """The run follows Adam with the two decay rates in each other's place, by the names that the cell gives them."""
    if fit.form.rule != "adam":
        return None
    one, two = fit.form.hyper["beta1"], fit.form.hyper["beta2"]
    if one == two or any((case.said.own(f"{b}1"), case.said.own(f"{b}2")) != (two, one) for b in _beta_names(case)):
        return None
    meant = fit._replace(form=rules.adams(two, one)[0])
    return told(case, "bug.adam-betas-swapped", meant, verdict="review")


def other_decay(case: Case, fit: Fit) -> Diagnosis | None:
    """The run follows a rule with a usual decay rate that is stated nowhere, where its own cell states another."""
    decays = [(name, value) for name, value in fit.form.hyper.items() if name in ("momentum", "rho")]
    if len(decays) != 1 or not case.said.own_decays or decays[0][1] in case.said.positive:
        return None
    (name, value), stated = decays[0], case.said.own_decays[0]
    meant = fit._replace(form=_with_decay(name, stated)[0])
    return told(case, "bug.decay-differs", meant, verdict="review", used=value, stated=stated)


def _beta_names(case: Case) -> list[str]:
    """How the cell calls the two decay rates; the plain name where it states none, which then equals nothing."""
    return [b for b in ("beta", "beta_", "b", "b_") if case.said.own(f"{b}1") is not None] or ["beta"]


def _equal(a: float, b: float) -> bool:
    return abs(a - b) <= 1e-8 * abs(b)


def uneven(case: Case, fit: Fit) -> Diagnosis | None:
    """Parameters with rates of their own that differ by a factor which a gradient may have lost."""
    declared = [rate for rate in fit.rates if rate.declared]
    if len(declared) == len(fit.rates) or not (case.said.own_rates and declared):
        return None
    row = next(k for k, rate in enumerate(fit.rates) if not rate.declared)
    meant = fit._replace(rates=(declared[0],))
    ratio = fit.rates[row].value / declared[0].value
    size = case.problem.size
    known = any(_equal(ratio, factor) for factor in (2.0, 0.5, size, 1 / size, 2 * size, 0.5 / size))
    return told(case, "bug.uneven-factor", meant, verdict="differs" if known else "review", ratio=ratio)


def nearest(case: Case) -> Diagnosis:
    """For a run that nothing explains: the rule whose steps are closest, and the first step that leaves it."""
    tried = [_at_any_scale(case, form) for form in _plain_forms(case.said)]
    fit = min((fit for group in tried for fit in group), key=lambda fit: _distance(case, fit))
    found = told(case, "verify.unexplained", fit, verdict="unexplained")
    return found._replace(fits=())


def _at_any_scale(case: Case, form: Form) -> list[Fit]:
    scales = rules.scales(case.problem.size) if form.linear else {"": 1.0}
    rates = case.said.rates[:2] or (1.0,)
    return [Fit(form, (Rate(lr * s, lr, name or None, declared=True),), np.inf, 0) for lr in rates
            for name, s in scales.items()]  # fmt: skip


def _distance(case: Case, fit: Fit) -> float:
    """The middle relative distance between the steps of a run and those of a rule, near the start."""
    short, g = bounds.prefix(case.history, PREFIX), first(case.gradient, PREFIX)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        move = fit.lr * fit.form.direction(g).D
        share = np.abs(short.d + move) / (np.abs(short.d) + np.abs(move))
    return float(np.median(np.nan_to_num(share, nan=1.0)))


# -- looks ---------------------------------------------------------------------------------------


def never_moves(history: Steps) -> bool:
    """Whether every recorded state is the same."""
    return history.length > 1 and not np.any(history.d)


def standstill(case: Case) -> Diagnosis:
    """The same object was appended again and again, or nothing is updated."""
    return told(case, "bug.never-moves", _meant(case, _plain_forms(case.said)[0]))


def _one_stands(case: Case) -> Diagnosis | None:
    """One parameter keeps its first value while its gradient says that it should move, and the others move."""
    stands = ~np.any(case.history.d, axis=1)
    pulled = np.median(np.abs(case.gradient.g) / case.gradient.error, axis=1) > bounds.DIFFERS
    if case.history.length < FEWEST or np.all(stands) or not np.any(stands & pulled):
        return None
    found = told(case, "bug.one-never-moves", _meant(case, _plain_forms(case.said)[0]))
    name = case.names[int(np.argmax(stands & pulled))]
    return found if found.diagnosis.parameters["name"] == name else None


def _surest(case: Case, found: Iterator[Diagnosis]) -> Diagnosis | None:
    """The first explanation at a stated rate, else the first one; where no rate is stated, all are alike."""
    doubtful: Diagnosis | None = None
    for each in found:
        if each.stated or not case.said.rates:
            return each
        doubtful = doubtful or each
    return doubtful


def _is_stated(rates: Sequence[Rate]) -> bool:
    return all(rate.declared for rate in rates)


def _signs(case: Case) -> Diagnosis | None:
    """The run follows a rule but for the sign of some parameters."""
    return _surest(case, _uphill(case))


def _uphill(case: Case) -> Iterator[Diagnosis]:
    for form, rates in _agreeing(case, rules.forms(case.said, case.problem.size)):
        wrong = [rate.value < 0 for rate in rates]
        unstated = case.said.rates and not any(rate.declared for rate in rates)
        if not any(wrong) or (len(rates) > 1 and unstated):  # a rate of its own for each fits too much
            continue
        stated = _is_stated(rates)
        rates = tuple(rate._replace(value=abs(rate.value), stated=abs(rate.stated)) for rate in rates)
        meant = Fit(form, rates, np.inf, 0)
        yield told(case, "bug.sign" if all(wrong) else "bug.sign-one", meant)._replace(stated=stated)


def wrong_rule(case: Case) -> Diagnosis | None:
    """The run follows a rule with a mistake in it."""
    return _surest(case, _by_wrong_rule(case))


def _by_wrong_rule(case: Case) -> Iterator[Diagnosis]:
    for bug in bugs(case.said, case.problem.size):
        verdict: RunVerdict = "review" if bug.id == "bug.adagrad-reset" else "differs"  # sign descent is a rule too
        for _, rates in _agreeing(case, [bug.form], several=False):
            found = told(case, bug.id, _meant(case, bug.meant, rates), verdict=verdict)
            yield found._replace(stated=_is_stated(rates))


def _wrong_gradient(case: Case) -> Diagnosis | None:
    """The run follows a rule with a mistaken gradient."""
    return _surest(case, _by_wrong_gradient(case))


def _by_wrong_gradient(case: Case) -> Iterator[Diagnosis]:
    forms = _plain_forms(case.said)
    for name, change in (FORMULAS | CHANGES).items():
        for form, rates in _agreeing(case, forms, change=change, several=False):
            yield told(case, name.strip(), _meant(case, form, rates))._replace(stated=_is_stated(rates))


def _assigned(case: Case) -> Diagnosis | None:
    """`w = -lr * g` where `w -= lr * g` was meant: each state is the step alone."""
    return _surest(case, _by_assignment(case))


def _by_assignment(case: Case) -> Iterator[Diagnosis]:
    history = case.history._replace(d=case.history.theta[:, 1:])
    for form, rates in _agreeing(case._replace(history=history), _plain_forms(case.said)):
        stated = _is_stated(rates)
        rates = tuple(rate._replace(value=abs(rate.value), stated=abs(rate.stated)) for rate in rates)
        yield told(case, "bug.assigned", _meant(case, form, rates))._replace(stated=stated)


def _clipped(case: Case) -> Diagnosis | None:
    """Steps of a rule that stop at a limit."""
    if case.history.length < FOLLOWED:
        return None
    size = np.abs(case.history.d)
    limit = float(size.max())
    at_limit = np.abs(size - limit) <= 2.0 * case.history.room
    if np.count_nonzero(at_limit) < FEWEST or np.all(at_limit):
        return None
    for form in _plain_forms(case.said):
        for fit in _at_any_scale(case, form):
            if _stops_at(_begun(case, PREFIX), fit, limit) and _stops_at(case, fit, limit):
                return told(case, "bug.clipped", fit, verdict="review", limit=limit)
    return None


def _stops_at(case: Case, fit: Fit, limit: float) -> bool:
    """Whether every step is the rule's, or the limit where the rule's is larger."""
    direction = fit.form.direction(case.gradient)
    free = bounds.residual(case.history, direction, fit.lr) <= bounds.ROUNDING
    larger = np.abs(fit.lr * direction.D) >= limit * (1 - 1e-9)
    at_limit = np.abs(np.abs(case.history.d) - limit) <= 2.0 * case.history.room
    return bool(np.all(free | (at_limit & larger)))


def _offset_steps(case: Case) -> Diagnosis | None:
    """Every step carries the same small constant: an eps that was added outside the division."""
    if case.history.length < FOLLOWED or not case.said.rates:
        return None
    for form in _plain_forms(case.said):
        for fit in _at_any_scale(case, form)[: 1 if not form.linear else None]:
            if _carries_constant(_begun(case, PREFIX), fit) and _carries_constant(case, fit):
                return told(case, "bug.eps-outside-division", fit)
    return None


def _carries_constant(case: Case, fit: Fit) -> bool:
    """Whether one constant, which is not zero, makes up the difference to the rule in every step."""
    direction = fit.form.direction(case.gradient)
    if not is_sharp(case.history, direction, fit.lr, case.gradient):
        return False
    rest = case.history.d + fit.lr * direction.D
    bound = case.history.room + fit.lr * direction.error + 8.0 * case.history.u * np.abs(fit.lr * direction.D)
    low, high = np.max(rest - bound), np.min(rest + bound)
    return bool(low <= high and not low <= 0.0 <= high)


def _estimated(case: Case) -> Diagnosis | None:
    """A decay rate that is stated nowhere, read off the run: it shows that the run is right, or is left to a person."""
    short, g = bounds.prefix(case.history, PREFIX), first(case.gradient, PREFIX)
    for name, decay in _decay_estimates(short, g):
        for value in dict.fromkeys((*(round(decay, digits) for digits in (1, 2, 3, 4)), decay)):
            above = value > 1 and (value != round(value, 4) or not _coupled(case.problem))  # any two terms fit one mode
            if not 0 < value < (2 if name == "momentum" else 1) or above:
                continue
            for form, rates in _agreeing(case, _with_decay(name, value), several=False):
                if rates[0].value > 0:
                    return _told_estimate(case, Fit(form, rates, 0.0, None), name, value)
    return None


def _with_decay(name: str, value: float) -> list[Form]:
    return list(rules.momenta(value) if name == "momentum" else rules.rmsprops(value, 1, rare=False))


def _told_estimate(case: Case, fit: Fit, name: str, value: float) -> Diagnosis:
    fit = measure(case.history, fit.form.direction(case.gradient), fit)
    if value > 1:
        meant = fit._replace(form=_with_decay(name, 0.9)[0])
        return told(case, "bug.momentum-above-one", meant, used=value)
    if case.said.own_decays:
        stated = case.said.own_decays[0]
        meant = fit._replace(form=_with_decay(name, stated)[0])
        return told(case, "bug.decay-differs", meant, verdict="review", used=value, stated=stated)
    return Diagnosis("matches", message("verify.estimated", value=value, lr=fit.rates[0].stated), (fit,))


def _decay_estimates(history: Steps, gradient: Gradient) -> Iterator[tuple[str, float]]:
    """The decay rates that closed forms suggest.

    With momentum d_t = β d_{t-1} - lr g_t, and Nesterov has a term in g_{t-1} besides; with RMSprop the squares
    Q_t = (g_t / d_t)² follow Q_t = ρ Q_{t-1} + c g_t².
    """
    d, g = history.d, gradient.g
    if d.shape[1] < 6:
        return
    weight = 1.0 / (history.room[:, 1:] + history.room[:, :-1] + np.abs(d[:, 1:]) * 1e-15)
    for columns in ((d[:, :-1], g[:, 1:]), (d[:, :-1], g[:, 1:], g[:, :-1])):
        yield "momentum", _leading(columns, d[:, 1:], weight)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        Q = (g / d) ** 2
        doubt = 2 * Q * (gradient.error / np.abs(g) + history.room / np.abs(d))
        yield "rho", _leading((Q[:, :-1], g[:, 1:] ** 2), Q[:, 1:], 1.0 / (doubt[:, 1:] + doubt[:, :-1]))


def _leading(columns: Sequence[Floats], target: Floats, weight: Floats) -> float:
    """The first coefficient of a weighted least-squares fit, NaN where there is none."""
    rows = np.stack([column.ravel() for column in columns], axis=1)
    use = np.all(np.isfinite(rows), axis=1) & np.isfinite(target.ravel()) & np.isfinite(weight.ravel())
    if np.count_nonzero(use) < len(columns) + 2:
        return float("nan")
    rows, aim, w = rows[use], target.ravel()[use], weight.ravel()[use]
    with np.errstate(over="ignore", invalid="ignore"):
        rows, aim = rows * w[:, None], aim * w
        scale = np.linalg.norm(rows, axis=0)
        if not np.all(np.isfinite(scale) & (scale > 0)) or not np.all(np.isfinite(aim)):
            return float("nan")
        return float((np.linalg.lstsq(rows / scale, aim, rcond=None)[0] / scale)[0])


def _torn(case: Case) -> Diagnosis | None:
    """One parameter is recorded before the update and the other after it."""
    theta = case.history.theta
    if len(theta) != 2 or case.history.length < 4:
        return None
    for early, late in ((0, 1), (1, 0)):
        mended = np.empty_like(theta[:, 1:])
        mended[early], mended[late] = theta[early, 1:], theta[late, :-1]
        history = bounds.steps(mended, case.history.u)
        gradient = bounds.gradient(case.problem, mended[:, :-1], history.u)
        for form, rates in _agreeing(case._replace(history=history, gradient=gradient), _plain_forms(case.said)):
            if all(rate.value > 0 for rate in rates):
                return told(case, "bug.torn-pair", _meant(case, form, rates), early=case.names[early],
                            late=case.names[late])  # fmt: skip
    return None


def _rounded(case: Case) -> Diagnosis | None:
    """The states lie on a grid of decimals: what was lost in rounding cannot be judged."""
    theta = case.history.theta[:, 1:]  # the start is what the notebook states
    if case.history.length < 5:
        return None
    for digits in range(9):
        if np.all(theta == np.round(theta, digits)):
            meant = _meant(case, _plain_forms(case.said)[0])
            name = "bug.rounded" if digits else "bug.whole-numbers"
            found = told(case, name, meant, verdict="review", digits=digits)
            return found._replace(fits=(), divergence=None)
    return None


def _scheduled(case: Case) -> Diagnosis | None:
    """Every step goes along the rule's direction, with a rate that falls by a known law."""
    for form, rates in _rates_by_step(case):
        value = (rates.low + rates.high) / 2
        fit = Fit(form, (Rate(float(value[0]), float(value[0]), None, declared=False),), 0.0, None)
        falls = rates.high[-1] < rates.low[0]
        law = next((name for name, law in LAWS.items() if falls and rates.keeps(law)), None)
        if law is None and np.max(rates.low) > np.min(rates.high):
            law = next((name for name, clock in _clocks(case) if rates.timed(clock).keeps(LAWS["linear"])), None)
        law = law or ("steps" if 1 < _levels(rates) <= MOST_LEVELS else None)
        if law:
            note = message("verify.rate-schedule", law=law, first=float(value[0]), last=float(value[-1]))
            return Diagnosis("matches", note, (fit,))
    return None


def _varying_rate(case: Case) -> Diagnosis | None:
    """Every step goes along the rule's direction, each with a rate of its own: a person looks."""
    for form, rates in _rates_by_step(case):
        if _levels(rates) == 1:
            continue
        size = np.linalg.norm(case.gradient.g[:, rates.step.astype(int)], axis=0)
        if np.max(rates.low * size) <= np.min(rates.high * size):  # the same length in every step
            return told(case, "bug.normalised-gradient", _meant(case, form), verdict="review")
        ends = float(rates.low[0]), float(rates.low[-1])
        return told(case, "bug.rate-varies", _meant(case, form), verdict="review", first=ends[0], last=ends[1])
    return None


def _rates_by_step(case: Case) -> Iterator[tuple[Form, _Rates]]:
    """The forms along whose direction every step goes, with the rates of the steps."""
    if case.history.length < FOLLOWED or len(case.history.theta) < 2:
        return
    for form in _plain_forms(case.said):
        guessed = form.rule == "momentum" and form.hyper["momentum"] not in case.said.decays
        if form.rule == "nesterov" or guessed:
            continue
        for history, direction in _rate_outside_or_inside(case, form):
            short, begun = bounds.prefix(history, PREFIX), direction(first(case.gradient, PREFIX))
            if _rate_by_step(short, begun) is None:
                continue
            rates = _rate_by_step(history, direction(case.gradient))
            if rates is not None:
                yield form, rates


def _rate_outside_or_inside(case: Case, form: Form) -> Iterator[tuple[Steps, Callable[[Gradient], Direction]]]:
    """The steps with the direction that a changing rate multiplies: the velocity, or the gradient that enters it."""
    yield case.history, form.direction
    if form.rule != "momentum":
        return
    beta, d, room = form.hyper["momentum"], case.history.d.copy(), case.history.room.copy()
    d[:, 1:] -= beta * case.history.d[:, :-1]
    room[:, 1:] += beta * case.history.room[:, :-1]
    yield case.history._replace(d=d, room=room), lambda gradient: Direction(gradient.g, gradient.error)


class _Rates(NamedTuple):
    """The steps that tell their rate, with its lower and upper end."""

    step: Floats
    low: Floats
    high: Floats

    def timed(self, clock: Callable[[Floats], Floats]) -> _Rates:
        """The same rates by another clock than the count of steps."""
        return self._replace(step=clock(self.step))

    def keeps(self, law: Callable[[Floats], Floats]) -> bool:
        """Whether some straight line over the steps goes through `law(rate)` in every interval."""
        with np.errstate(all="ignore"):
            ends = law(self.low * (1 - 1e-12)), law(self.high * (1 + 1e-12))
            middle, half = (ends[0] + ends[1]) / 2, np.abs(ends[1] - ends[0]) / 2
            if not np.all(np.isfinite(middle) & (half > 0)):
                return False
            rows = np.stack([np.ones_like(self.step), self.step], axis=1) / half[:, None]
            scale = np.linalg.norm(rows, axis=0)
            line, *_ = np.linalg.lstsq(rows / scale, middle / half, rcond=None)
            return bool(np.all(np.abs(rows / scale @ line - middle / half) <= bounds.ROUNDING))


def _rate_by_step(history: Steps, direction: bounds.Direction) -> _Rates | None:
    """The rate of each step that tells one, if all parameters agree on it in every step."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        size = np.abs(direction.D)
        error = bounds.ROUNDING * (direction.error + 8.0 * history.u * size)
        along, room = np.where(direction.D < 0, history.d, -history.d), bounds.ROUNDING * history.room
        low, high = bounds.ends(along, size, room, error)
        low, high = np.max(low, axis=0), np.min(high, axis=0)
    if not np.all((low <= high) | ~np.isfinite(low)) or np.any(high < 0):
        return None
    known = np.isfinite(low) & np.isfinite(high) & (low > 0) & (high - low < 0.1 * high)
    if np.count_nonzero(known) < FOLLOWED:
        return None
    if np.any(high < 1e-3 * np.min(low[known])):  # a state that is recorded twice has no rate
        return None
    if np.any(low[np.isfinite(low)] > 10.0 * np.max(high[known])):  # a jump where the gradient says nothing
        return None
    return _Rates(np.flatnonzero(known).astype(np.float64), low[known], high[known])


LAWS: dict[str, Callable[[Floats], Floats]] = {
    "1/t": lambda rate: 1 / rate,
    "1/sqrt(t)": lambda rate: rate**-2.0,
    "exponential": np.log,
    "linear": lambda rate: rate,
}


def _clocks(case: Case) -> Iterator[tuple[str, Callable[[Floats], Floats]]]:
    """What a rate may be linear in, over a period that the notebook states or the run has."""
    periods = (int(value) for value in case.said.positive if 2 <= value <= 10 * case.history.length)
    for n in dict.fromkeys((*periods, case.history.length)):
        yield "cosine", partial(_cosine, period=n)
        yield "cosine with restarts", partial(_cosine_again, period=n)
        yield "warm-up", partial(_warm_up, period=n)


def _cosine(t: Floats, period: int) -> Floats:
    return np.asarray(np.cos(np.pi * t / period))


def _cosine_again(t: Floats, period: int) -> Floats:
    return _cosine(t % period, period)


def _warm_up(t: Floats, period: int) -> Floats:
    return np.asarray(np.minimum(t + 1.0, period))


def _levels(rates: _Rates) -> int:
    """How many constant rates, one after another, explain all steps; each is kept for a while."""
    levels, begun = 1, 0
    low, high = np.maximum.accumulate(rates.low), np.minimum.accumulate(rates.high)
    while levels <= MOST_LEVELS and np.any(low > high):
        kept = int(np.argmax(low > high))
        if kept < FOLLOWED:
            return MOST_LEVELS + 1
        begun += kept
        low, high = np.maximum.accumulate(rates.low[begun:]), np.minimum.accumulate(rates.high[begun:])
        levels += 1
    return levels if len(rates.low) - begun >= FOLLOWED else MOST_LEVELS + 1  # an edited point is no new rate


def _left_the_rule(case: Case) -> Diagnosis | None:
    """The run follows a rule exactly, then leaves it: an edited point, or another rule from there on."""
    begun = _begun(case, FOLLOWED)
    if bounds.informative(begun.history) < FOLLOWED:
        return None
    followed = []
    for form, rates in _agreeing(begun, _plain_forms(case.said)):
        if all(rate.value > 0 for rate in rates) and (len(rates) == 1 or _is_stated(rates)):
            direction = form.direction(case.gradient)
            followed.append(measure(case.history, direction, Fit(form, rates, np.inf, 0)))
    if not followed:
        return None
    best = max(followed, key=lambda fit: (fit.first or 0, fit.declared))
    verdict: RunVerdict = "differs" if best.worst > bounds.DIFFERS else "review"
    if _mends(case, best):
        return told(case, "bug.edited-point", best, verdict=verdict)
    for name, mended in _other_records(case, best):
        if _follows(case, mended, best):
            return told(case, name, best, verdict="review")
    return told(case, "bug.leaves-rule", best, verdict=verdict)


def _other_records(case: Case, fit: Fit) -> Iterator[tuple[str, Floats]]:
    """The path as it would be with the state at the first wrong step recorded once less, or the lost one put back."""
    theta, step = case.history.theta, fit.first or 0
    yield "bug.state-repeated", np.delete(theta, step + 1, axis=1)
    move = (fit.lr * fit.form.direction(case.gradient).D)[:, step]
    yield "bug.state-missing", np.insert(theta, step + 1, theta[:, step] - move, axis=1)


def _follows(case: Case, theta: Floats, fit: Fit) -> bool:
    """Whether another path over the same data follows the rule to its end."""
    history = bounds.steps(np.ascontiguousarray(theta), case.history.u)
    gradient = bounds.gradient(case.problem, history.theta[:, :-1], history.u)
    return measure(history, fit.form.direction(gradient), fit).worst <= bounds.ROUNDING


def _mends(case: Case, fit: Fit) -> bool:
    """Whether replacing the one state where the run leaves its rule makes it whole."""
    step = fit.first
    if step is None or step + 1 >= case.history.length:
        return False
    theta = case.history.theta.copy()
    theta[:, step + 1] -= case.history.d[:, step] + (fit.lr * fit.form.direction(case.gradient).D)[:, step]
    history = bounds.steps(theta, case.history.u)
    gradient = bounds.gradient(case.problem, theta[:, :-1], history.u)
    return measure(history, fit.form.direction(gradient), fit).worst <= bounds.DIFFERS


def _evenly_spaced(case: Case) -> Diagnosis | None:
    """Equal steps, which no gradient leaves behind, but for one that is kept or of which only the sign is used."""
    d, room = case.history.d, case.history.room.max(axis=1, keepdims=True)
    if case.history.length < 5 or not np.all(np.abs(np.diff(d, axis=1)) <= 4.0 * room):
        return None
    size, signed = np.abs(d[:, 0]), CHANGES["bug.absolute-error"](_recorded(_begun(case, 1)))
    kept = [np.ones_like(size), *(np.abs(each.g[:, 0]) for each in (case.gradient, signed) if each is not None)]
    if any(np.ptp(np.log(size / each)) < 1e-6 for each in kept if np.all(size * each > 0)):
        return None
    return told(case, "bug.evenly-spaced", _meant(case, _plain_forms(case.said)[0]))._replace(fits=())


def _coupled(problem: Data) -> bool:
    """Whether the parameters pull at each other; on standardised data each descends by itself, geometrically."""
    apart = np.diag(np.diag(problem.A))
    return bool(np.abs(problem.A - apart).max() > 1e-6 * np.abs(problem.A).max())


def _exponential(case: Case) -> Diagnosis | None:
    """Exactly geometric states, which no rule explains."""
    d, room = case.history.d, case.history.room.max(axis=1, keepdims=True)
    if case.history.length < 5 or not _coupled(case.problem) or not np.all(np.abs(d[:, 1]) < np.abs(d[:, 0])):
        return None
    bent = np.abs(d[:, 1:] * d[:, :1] - d[:, :-1] * d[:, 1:2])  # nothing if each step is the same share of the last
    noise = 4.0 * room * (np.abs(d[:, 1:]) + np.abs(d[:, :-1]) + np.abs(d[:, :1]) + np.abs(d[:, 1:2]))
    if not np.all(bent <= noise):
        return None
    meant = _meant(case, _plain_forms(case.said)[0])
    return told(case, "bug.exponential", meant, verdict="unexplained")._replace(fits=())


LOOKS: tuple[Callable[[Case], Diagnosis | None], ...] = (
    _one_stands,
    _evenly_spaced,
    _scheduled,
    _signs,
    wrong_rule,
    _wrong_gradient,
    _assigned,
    _offset_steps,
    _clipped,
    _torn,
    _estimated,
    _rounded,
    _varying_rate,
    _left_the_rule,
    _exponential,
)


# -- searching -----------------------------------------------------------------------------------


def _plain_forms(said: Said) -> list[Form]:
    """Each rule in its usual conventions, with the declared decay rates, else the usual ones."""
    few = said._replace(decays=said.decays[:2] or rules.USUAL_DECAYS[:2], positive=())
    return [form for form in rules.forms(few, 1) if _is_plain(form, few)]


def _is_plain(form: Form, said: Said) -> bool:
    if form.rule == "adam":
        beta1, beta2 = form.hyper.values()
        return not form.convention and ((beta1 < beta2 and {beta1, beta2} <= set(said.decays))
                                        or (beta1, beta2) == (0.9, 0.999))  # fmt: skip
    decays = {form.hyper.get(name) for name in ("momentum", "rho")} - {None}
    return decays <= set(said.decays) and not {"root", "loss", "bias"} & set(form.convention) and form.hyper.keys() != {
        "rho", "momentum"}  # fmt: skip


def _begun(case: Case, count: int) -> Case:
    """The first steps of a run."""
    return case._replace(history=bounds.prefix(case.history, count), gradient=first(case.gradient, count))


def _recorded(case: Case) -> Recorded:
    return Recorded(case.problem, case.history, case.gradient)


def _agreeing(
    case: Case, forms: Sequence[Form], *, change: Change | None = None, several: bool = True
) -> Iterator[tuple[Form, tuple[Rate, ...]]]:
    """The forms that the run follows to its last step, at rates of any sign, with the gradient as `change` makes it.

    Unless `several`, one rate serves all parameters: with a rate for each, too much would fit. What does not agree with
    the first steps costs no more than these.
    """
    size = case.problem.size
    begun = _begun(case, PREFIX)
    if telling_steps(begun.history, begun.gradient) < FEWEST:  # so few steps may be anything
        return
    g = change(_recorded(begun)) if change else begun.gradient
    whole: Gradient | None = None
    if g is None:
        return
    for form in forms:
        for opened, rates in _screened(begun.history, g, form, case.said, size):
            if (len(rates) > 1 and not several) or any(twice_used(rate, opened, case.said) for rate in rates):
                continue
            if case.history.length > PREFIX and whole is None:
                whole = change(_recorded(case)) if change else case.gradient
            judged = Fit(opened, rates, np.inf, 0)
            if whole is not None:
                judged = at_full_length(case.history, whole, judged, case.said, size)
            elif case.history.length <= PREFIX:
                judged = judged._replace(worst=0.0)  # the screened rates were asked of every step
            sharp = begins_sharp(begun.history, g, judged, begun.gradient)
            if sharp and judged.worst <= bounds.ROUNDING and (several or len(judged.rates) == 1):
                yield judged.form, judged.rates
                break


def _screened(
    history: Steps, gradient: Gradient, form: Form, said: Said, size: int
) -> Iterator[tuple[Form, tuple[Rate, ...]]]:
    """The form and, where it comes near, itself with the eps that the run shows, each with the rates that fit."""
    direction = form.direction(gradient)
    if not np.all(np.isfinite(direction.D)):
        return
    rates = read_rates(history, direction, form, said, size)
    if rates is not None and all(np.isfinite(rate.value) for rate in rates):
        yield form, rates
    if form.linear or not (said.epsilons or _comes_near(history, direction)):
        return
    for opened in open_eps(history, gradient, form, said, size):
        direction = opened.direction(gradient)
        rates = read_rates(history, direction, opened, said, size) if np.all(np.isfinite(direction.D)) else None
        if rates is not None and all(np.isfinite(rate.value) for rate in rates):
            yield opened, rates


def _comes_near(history: Steps, direction: Direction) -> bool:
    """Whether the steps keep to a direction within some percent, as they do beside one with a small eps."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = np.sort(np.abs(history.d / direction.D)[:, : 2 * FOLLOWED], axis=1)
        return bool(np.any(ratio[:, ratio.shape[1] // 4] > 0.9 * ratio[:, 3 * ratio.shape[1] // 4]))


# -- the whole notebook --------------------------------------------------------------------------


def unused_velocity(matches: Sequence[Match]) -> Iterator[Match]:
    """A cell that states a momentum but whose only run is plain descent: was the velocity kept? A person looks."""
    for match in matches:
        alone = sum(each.cell == match.cell for each in matches) == 1
        if match.verdict == "matches" and match.rule == "gd" and alone and "momentum" in match.declared:
            yield msgspec.structs.replace(
                match, notes=(*match.notes, message("verify.momentum-unused", momentum=match.declared["momentum"]))
            )
        else:
            yield match
