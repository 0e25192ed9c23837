"""Names what is wrong with a run that follows no rule: the recipe of looks, from the plainest to the oddest.

A look says something only if the run agrees with it to the last bit over all of its steps, or if it is plain to see.
"Differs" needs such a proof, or a rule that the run follows exactly until it leaves it.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from grader.model import Divergence, message
from grader.verify import bounds, rules
from grader.verify.bugs import CHANGES, FORMULAS, Recorded, bugs, by_formula
from grader.verify.identify import Fit, Rate, at_full_length, first, measure, open_eps, read_rates

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from grader.model import Floats, Match, Message, RunVerdict, Scalar
    from grader.verify.bounds import Data, Gradient, Steps
    from grader.verify.rules import Form
    from grader.verify.said import Said

PREFIX = 120
FOLLOWED = 10  # a rule that was followed for so many informative steps is the run's rule


class Case(NamedTuple):
    """A run that follows no rule, with all that a look needs."""

    names: tuple[str, ...]
    problem: Data
    history: Steps
    gradient: Gradient
    said: Said


class Diagnosis(NamedTuple):
    """What a look found: the verdict, the sentence, the nearest form and the first step that shows it."""

    verdict: RunVerdict
    diagnosis: Message
    fits: tuple[Fit, ...] = ()
    divergence: Divergence | None = None


def diagnose(case: Case) -> Diagnosis | None:
    """The first look that explains the run."""
    for look in (_signs, _wrong_rule, _wrong_gradient, _assigned, _torn, _rounded, _varying_rate,
                 _left_the_rule, _made_up):  # fmt: skip
        found = look(case)
        if found is not None:
            return found
    return None


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
    return Diagnosis(
        verdict=verdict,
        diagnosis=message(
            id,
            step=step + 1,
            name=case.names[row],
            seen=float(seen[row]),
            expected=float(move[row]),
            lr=meant.rates[min(row, len(meant.rates) - 1)].stated,
            **meant.form.hyper,
            **more,
        ),
        fits=(judged,),
        divergence=divergence(case.history, step, move),
    )


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


def contradicted(case: Case, fit: Fit) -> Diagnosis:
    """The run follows a rule with another rate than the one that its own cell states."""
    used, own = fit.rates[0], case.said.own_rates[0]
    meant = fit._replace(rates=(Rate(own, own, used.scale, declared=True),))
    for rate in case.said.own_rates:
        if fit.form.rule == "rmsprop" and _equal(used.value, rate * np.sqrt(1 - fit.form.hyper["rho"])):
            return told(case, "bug.no-one-minus-rho", meant)
        if any(_equal(used.value, rate * rate * scale) for scale in rules.scales(case.problem.size).values()):
            return told(case, "bug.lr-twice", meant, used=used.value)
    return told(case, "bug.lr-differs", meant, verdict="review", used=used.stated, ratio=used.stated / own)


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


def _signs(case: Case) -> Diagnosis | None:
    """The run follows a rule but for the sign of some parameters."""
    for form, rates in _agreeing(case, case.gradient, list(rules.forms(case.said, case.problem.size))):
        wrong = [rate.value < 0 for rate in rates]
        if not any(wrong):
            continue
        rates = tuple(rate._replace(value=abs(rate.value), stated=abs(rate.stated)) for rate in rates)
        meant = Fit(form, rates, np.inf, 0)
        return told(case, "bug.sign" if all(wrong) else "bug.sign-one", meant)
    return None


def _wrong_rule(case: Case) -> Diagnosis | None:
    """The run follows a rule with a mistake in it."""
    for bug in bugs(case.said):
        for _, rates in _agreeing(case, case.gradient, [bug.form], several=False):
            return told(case, bug.id, _meant(case, bug.meant, rates))
    return None


def _wrong_gradient(case: Case) -> Diagnosis | None:
    """The run follows a rule with a mistaken gradient."""
    forms = _plain_forms(case.said)
    for name, gradient in _gradients(case):
        for form, rates in _agreeing(case, gradient, forms, several=False):
            return told(case, name, _meant(case, form, rates))
    return None


def _gradients(case: Case) -> Iterator[tuple[str, Gradient]]:
    run = Recorded(case.problem, case.history, case.gradient)
    for name, formula in FORMULAS.items():
        made = by_formula(run, formula)
        if made is not None:
            yield name, made
    for name, change in CHANGES.items():
        made = change(run)
        if made is not None:
            yield name, made


def _assigned(case: Case) -> Diagnosis | None:
    """`w = -lr * g` where `w -= lr * g` was meant: each state is the step alone."""
    history = case.history._replace(d=case.history.theta[:, 1:])
    for form, rates in _agreeing(case._replace(history=history), case.gradient, _plain_forms(case.said)):
        rates = tuple(rate._replace(value=abs(rate.value), stated=abs(rate.stated)) for rate in rates)
        return told(case, "bug.assigned", _meant(case, form, rates))
    return None


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
        for form, rates in _agreeing(case._replace(history=history), gradient, _plain_forms(case.said)):
            if all(rate.value > 0 for rate in rates):
                return told(case, "bug.torn-pair", _meant(case, form, rates), early=case.names[early],
                            late=case.names[late])  # fmt: skip
    return None


def _rounded(case: Case) -> Diagnosis | None:
    """The states lie on a grid of decimals: what was lost in rounding cannot be judged."""
    theta = case.history.theta
    if case.history.length < 5 or np.all(theta == np.round(theta)):
        return None
    for digits in range(1, 9):
        if np.all(theta == np.round(theta, digits)):
            meant = _meant(case, _plain_forms(case.said)[0])
            found = told(case, "bug.rounded", meant, verdict="review", digits=digits)
            return found._replace(fits=(), divergence=None)
    return None


def _varying_rate(case: Case) -> Diagnosis | None:
    """Every step goes along the rule's direction, each with a rate of its own."""
    if case.history.length < FOLLOWED or len(case.history.theta) < 2:
        return None
    short, g = bounds.prefix(case.history, PREFIX), first(case.gradient, PREFIX)
    for form in _plain_forms(case.said):
        if form.rule in ("momentum", "nesterov"):
            continue
        if _rate_by_step(short, form.direction(g)) is None:
            continue
        rate = _rate_by_step(case.history, form.direction(case.gradient))
        if rate is not None:
            return _named_schedule(case, form, rate)
    return None


def _rate_by_step(history: Steps, direction: bounds.Direction) -> Floats | None:
    """The rate of each step if all parameters agree on it, in every step; NaN where a step says nothing."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        size = np.abs(direction.D)
        error = direction.error + 8.0 * history.u * size
        along = -np.sign(direction.D) * history.d
        low = np.max((along - history.room) / (size + error), axis=0)
        high = np.min(np.where(size > error, (along + history.room) / (size - error), np.inf), axis=0)
        known = np.isfinite(low) & np.isfinite(high) & (high - low < 1e-3 * np.abs(high))
    if np.count_nonzero(known) < FOLLOWED or not np.all((low <= high) | ~np.isfinite(low)) or np.any(high < 0):
        return None
    return np.where(known, (low + high) / 2, np.nan)


def _named_schedule(case: Case, form: Form, rate: Floats) -> Diagnosis:
    """A rate that falls by a known law is a schedule; any other is left to a person."""
    known = np.flatnonzero(~np.isnan(rate))
    value = rate[known]
    size = np.linalg.norm(case.gradient.g[:, known], axis=0)
    fit = Fit(form, (Rate(float(value[0]), float(value[0]), None, declared=False),), 0.0, None)
    details: dict[str, Scalar] = {"first": float(value[0]), "last": float(value[-1])}
    if _constant(value * size):
        return told(case, "bug.normalised-gradient", _meant(case, form), verdict="review")
    for law, straight in (("1/t", 1 / value), ("1/sqrt(t)", value**-2.0), ("exponential", np.log(value))):
        if _straight(known, straight):
            return Diagnosis("matches", message("verify.rate-schedule", law=law, **details), (fit,))
    if len(np.unique(np.round(value / value[0], 9))) <= 8:
        return Diagnosis("matches", message("verify.rate-schedule", law="steps", **details), (fit,))
    return told(case, "bug.rate-varies", _meant(case, form), verdict="review", **details)


def _constant(values: Floats) -> bool:
    return bool(np.all(np.abs(values - values[0]) <= 1e-7 * np.abs(values[0])))


def _straight(t: NDArray[np.intp], values: Floats) -> bool:
    """Whether values lie on a line over t; rates are known to far better than this."""
    with np.errstate(invalid="ignore"):
        slope = (values[-1] - values[0]) / max(float(t[-1] - t[0]), 1.0)
        line = values[0] + slope * (t - t[0])
        return bool(np.all(np.abs(values - line) <= 1e-6 * np.abs(values)))


def _left_the_rule(case: Case) -> Diagnosis | None:
    """The run follows a rule exactly, then leaves it: an edited point, or another rule from there on."""
    short, g = bounds.prefix(case.history, FOLLOWED), first(case.gradient, FOLLOWED)
    if bounds.informative(short) < FOLLOWED:
        return None
    followed = []
    for form, rates in _agreeing(case._replace(history=short), g, _plain_forms(case.said), whole=False):
        if all(rate.value > 0 for rate in rates):
            direction = form.direction(case.gradient)
            followed.append(measure(case.history, direction, Fit(form, rates, np.inf, 0)))
    if not followed:
        return None
    best = max(followed, key=lambda fit: (fit.first or 0, fit.declared))
    verdict: RunVerdict = "differs" if best.worst > bounds.DIFFERS else "review"
    return told(case, "bug.edited-point" if _mends(case, best) else "bug.leaves-rule", best, verdict=verdict)


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


def _made_up(case: Case) -> Diagnosis | None:
    """Evenly spaced or exactly geometric states, which no gradient leaves behind."""
    d, room = case.history.d, case.history.room.max(axis=1, keepdims=True)
    if case.history.length < 5:
        return None
    meant = _meant(case, _plain_forms(case.said)[0])
    if np.all(np.abs(np.diff(d, axis=1)) <= 4.0 * room):
        return told(case, "bug.evenly-spaced", meant)._replace(fits=())
    bent = np.abs(d[:, 1:] * d[:, :1] - d[:, :-1] * d[:, 1:2])  # nothing if each step is the same share of the last
    noise = 4.0 * room * (np.abs(d[:, 1:]) + np.abs(d[:, :-1]) + np.abs(d[:, :1]) + np.abs(d[:, 1:2]))
    if np.all(bent <= noise):
        return told(case, "bug.exponential", meant, verdict="unexplained")._replace(fits=())
    return None


# -- searching -----------------------------------------------------------------------------------


def _plain_forms(said: Said) -> list[Form]:
    """Each rule in its usual conventions, with the declared decay rates, else the usual ones."""
    few = said._replace(decays=said.decays[:2] or rules.USUAL_DECAYS[:2], positive=())
    return [form for form in rules.forms(few, 1) if _is_plain(form, few)]


def _is_plain(form: Form, said: Said) -> bool:
    decays = {form.hyper.get(name) for name in ("momentum", "rho")} - {None}
    return decays <= set(said.decays) and not {"root", "loss", "bias"} & set(form.convention) and form.hyper.keys() != {
        "rho", "momentum"}  # fmt: skip


def _agreeing(
    case: Case, gradient: Gradient, forms: Sequence[Form], *, whole: bool = True, several: bool = True
) -> Iterator[tuple[Form, tuple[Rate, ...]]]:
    """The forms that the run follows with this gradient, at rates of any sign, to the last step if `whole`.

    Unless `several`, one rate serves all parameters: with a rate for each, too much would fit.
    """
    size = case.problem.size
    short, g = bounds.prefix(case.history, PREFIX), first(gradient, PREFIX)
    for form in forms:
        for opened in chain((form,), _opened(short, g, form, case.said, size)):
            rates = _rates(short, g, opened, case.said, size)
            if rates is None or (len(rates) > 1 and not several):
                continue
            if not whole or case.history.length <= PREFIX:
                yield opened, rates
                break
            judged = at_full_length(case.history, gradient, Fit(opened, rates, np.inf, 0), case.said, size)
            if judged.worst <= bounds.ROUNDING and (several or len(judged.rates) == 1):
                yield judged.form, judged.rates
                break


def _opened(history: Steps, gradient: Gradient, form: Form, said: Said, size: int) -> Iterator[Form]:
    yield from open_eps(history, gradient, form, said, size)


def _rates(history: Steps, gradient: Gradient, form: Form, said: Said, size: int) -> tuple[Rate, ...] | None:
    """The rates that fit, if the form has a direction at all."""
    direction = form.direction(gradient)
    if not np.all(np.isfinite(direction.D)):
        return None
    rates = read_rates(history, direction, form, said, size)
    if rates is None or not all(np.isfinite(rate.value) for rate in rates):
        return None
    return rates


# -- the whole notebook --------------------------------------------------------------------------


def unused_velocity(matches: Sequence[Match]) -> Iterator[Match]:
    """A cell that states a momentum but whose only run is plain descent: was the velocity kept? A person looks."""
    for match in matches:
        alone = sum(each.cell == match.cell for each in matches) == 1
        if match.verdict == "matches" and match.rule == "gd" and alone and "momentum" in match.declared:
            yield msgspec.structs.replace(match, notes=(*match.notes, message("verify.momentum-unused")))
        else:
            yield match
