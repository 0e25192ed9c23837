"""Which rule a run follows: declared numbers first, then the exact interval of the learning rate, then closed forms.

A rule is screened on the first 300 steps and judged on all of them. A rate or an eps that is not declared is read off
the run; such an estimate can show that a run is right, never that it is wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from grader.verify import bounds
from grader.verify.rules import USUAL_EPSILONS, Form, forms, rare_forms, rooted, scales, signed_forms

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from grader.model import Floats
    from grader.verify.bounds import Direction, Gradient, Interval, Steps
    from grader.verify.said import Said
    from grader.verify.sources import Source

    _Eps = tuple[float, float]  # as stated, and in units of the sum of squares

PREFIX = 300
FEWEST = 3  # steps that can prove one rate for each parameter
OFF_THE_LINE = 1e4  # rounding bounds: the normal equations lose digits, which the judgement after them does not
STANDS_STILL = 1e-9  # a rate so far below another's is none: its parameter does not move
SHARP = 6  # steps that move far beyond their bound
SAME_RATE = 1e-9  # of a rate read off, beside the one that the steps in between were computed with
KNOWN = 100.0  # rounding bounds: a gradient this far above its own is known well enough to prove a rule
MOST_SHARED = 3  # eps in one place, where each step has a rate of its own
MOST_EPSILONS = 8  # in their scales of the loss, of those that the run does not tell apart
NEAR = 20  # first steps that show whether a run keeps to a direction
DECIDES = 50  # informative steps that leave room for one rule only


class Rate(NamedTuple):
    """A learning rate: `value` is its height for the sum of squares, `stated` what a notebook would call it.

    `scale` is the loss that lies between the two; `declared` says that the notebook states it.
    """

    value: float
    stated: float
    scale: str | None
    declared: bool


class Fit(NamedTuple):
    """A form with its rates (one, or one a parameter), and how far every step of the run is from it."""

    form: Form
    rates: tuple[Rate, ...]
    worst: float
    first: int | None  # the first step (from 0) beyond the rounding tier

    @property
    def lr(self) -> Floats:
        """The rates as a column, for every parameter or for each."""
        return np.array([[rate.value] for rate in self.rates])

    @property
    def declared(self) -> bool:
        """Whether every rate is stated in the notebook."""
        return all(rate.declared for rate in self.rates)


def identify(history: Steps, gradient: Gradient, said: Said, size: int) -> list[Fit]:
    """Every form that the run follows to within the rounding tier, the likeliest first; empty if there is none."""
    short, g = bounds.prefix(history, PREFIX), first(gradient, PREFIX)
    decided = bounds.informative(short) >= DECIDES
    survivors: list[Fit] = []
    for fit in screen(short, g, forms(said, size), said, size):
        if decided and fit.declared and len(fit.rates) == 1:
            judged = at_full_length(history, gradient, fit, said, size)
            if judged.worst <= bounds.MATCHES and begins_sharp(history, gradient, judged, gradient):
                return [judged]
        survivors.append(fit)
    fits = _judge(history, gradient, survivors, said, size)
    if fits and fits[0].worst <= bounds.MATCHES and len(fits[0].rates) == 1:
        return fits
    opened = (opened for form in forms(said, size) for opened in open_eps(short, g, form, said, size))
    with_eps = _judge(history, gradient, list(screen(short, g, opened, said, size)), said, size)
    found = _surest([*fits, *with_eps])
    if found and len(found[0].rates) == 1 and (found[0].declared or not said.rates):
        return found
    return _surest([*found, *_judge(history, gradient, list(_screen_rare(short, g, said, size)), said, size)])


def _surest(fits: Sequence[Fit]) -> list[Fit]:
    """One rate before several, what lies within one bound before what is further off, stated rates before others."""
    return sorted(fits, key=lambda fit: (len(fit.rates), fit.worst > bounds.MATCHES, not fit.declared))


def _screen_rare(history: Steps, gradient: Gradient, said: Said, size: int) -> Iterator[Fit]:
    """The rare forms that some rate fits, with the eps that the run shows where one is stated or it is small."""
    for form in rare_forms(said, size):
        yield from screen(history, gradient, [form], said, size)
        if said.epsilons or comes_near(history, form.direction(gradient)):
            yield from screen(history, gradient, open_eps(history, gradient, form, said, size), said, size)


def identify_climbing(history: Steps, gradient: Gradient, said: Said, size: int) -> list[Fit]:
    """The forms that the run follows from a first step that climbs."""
    short, g = bounds.prefix(history, PREFIX), first(gradient, PREFIX)
    tried = (each for form in signed_forms(said) for each in (form, *open_eps(short, g, form, said, size)))
    return _judge(history, gradient, list(screen(short, g, tried, said, size)), said, size)


def follows(history: Steps, gradient: Gradient, source: Source, said: Said) -> list[Fit]:
    """The forms that the run follows with gradients of another source: plain descent, or any rule; one rate only.

    `gradient` is the one of all samples, which says what steps can be known at all.
    """
    history = source.steps(history)
    short = bounds.prefix(history, PREFIX)
    g = source.gradient(short) if bounds.informative(short) >= FEWEST else None
    if g is None or not np.all(np.isfinite(g.g)):
        return []
    found = _along_source(short, g, source, said)
    whole = source.gradient(history) if found else None
    if whole is None or not np.all(np.isfinite(whole.g)):
        return []
    judged = _judge(history, whole, found, said, source.size)
    if source.rate is not None:
        judged = [fit for fit in judged if abs(fit.rates[0].value - source.rate) <= SAME_RATE * source.rate]
    if source.weight_decay and said.rates:  # a small penalty in a wrong scale looks like another rate
        judged = [fit for fit in judged if fit.declared]
    if source.apart is not None:
        judged = [fit for fit in judged if fit.rates[0].stated == source.apart]
    return [fit for fit in judged if is_sharp(history, fit.form.direction(whole), fit.lr, gradient)]


def _along_source(history: Steps, gradient: Gradient, source: Source, said: Said) -> list[Fit]:
    """The forms that one rate fits, with the eps that the run shows where none fits at a stated rate without."""
    tried = [form for form in forms(said, source.size) if not source.plain or form.rule == "gd"]
    found = _at_one_rate(screen(history, gradient, tried, said, source.size))
    if source.plain or any(fit.declared or not said.rates for fit in found):
        return found
    near = [
        form
        for form in tried
        if not form.linear and (said.epsilons or source.size == 1 or comes_near(history, form.direction(gradient)))
    ]
    opened = (each for form in near for each in open_eps(history, gradient, form, said, source.size))
    return [*found, *_at_one_rate(screen(history, gradient, opened, said, source.size))]


def _at_one_rate(fits: Iterable[Fit]) -> list[Fit]:
    return [fit for fit in fits if len(fit.rates) == 1]


def is_sharp(history: Steps, direction: Direction, lr: Floats, gradient: Gradient) -> bool:
    """Whether enough steps of every parameter are far larger than their bound: one that has grown fits them all.

    Judged are the steps that move where the correct gradient is far above its rounding. So a direction that is
    rounding alone, as the intercept's is on standardised data, explains nothing at some huge rate.
    """
    told = _told(history, gradient)
    sharp = told & (np.abs(lr) * direction.error <= 0.01 * np.abs(history.d))
    enough = np.minimum(np.count_nonzero(told, axis=1), SHARP)
    return bool(np.all(2 * np.count_nonzero(sharp, axis=1) >= enough))


def begins_sharp(history: Steps, used: Gradient, fit: Fit, correct: Gradient) -> bool:
    """Whether the first steps are far larger than their bound, with the gradients that were `used`."""
    short, g = bounds.prefix(history, PREFIX), first(used, PREFIX)
    return is_sharp(short, fit.form.direction(g), fit.lr, first(correct, PREFIX))


def _told(history: Steps, gradient: Gradient) -> NDArray[np.bool_]:
    """The numbers that move where the correct gradient is far above its rounding."""
    moved = np.abs(history.d) > 8.0 * history.u * np.abs(history.theta[:, 1:])
    return np.asarray(moved & (np.abs(gradient.g) > KNOWN * gradient.error))


def comes_near(history: Steps, direction: Direction) -> bool:
    """Whether the first steps keep to a direction within some percent, as they do beside one with a small eps."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = np.sort(np.abs(history.d / direction.D)[:, :NEAR], axis=1)
        return bool(np.any(ratio[:, ratio.shape[1] // 4] > 0.9 * ratio[:, 3 * ratio.shape[1] // 4]))


def telling_steps(history: Steps, gradient: Gradient) -> int:
    """How many steps can tell one explanation from another."""
    return int(np.count_nonzero(_told(history, gradient).any(axis=0)))


def first(gradient: Gradient, count: int) -> Gradient:
    """The gradients of the first `count` steps."""
    return type(gradient)(gradient.g[:, :count], gradient.error[:, :count], gradient.u)


def screen(history: Steps, gradient: Gradient, tried: Iterable[Form], said: Said, size: int) -> Iterator[Fit]:
    """The forms that some learning rate fits; not yet judged."""
    for form in tried:
        direction = form.direction(gradient)
        rates = read_rates(history, direction, form, said, size)
        if rates is not None and all(rate.value > 0 and not twice_used(rate, form, said) for rate in rates):
            yield Fit(form, rates, np.inf, 0)


def twice_used(rate: Rate, form: Form, said: Said) -> bool:
    """Whether one stated number would be the learning rate, by its name or its use, and the decay rate at once."""
    called = set(said.sure_rates) | ({rate.stated} if rate.declared else set())
    return any(value in called and said.times(value) == 1 for value in form.hyper.values())


def read_rates(history: Steps, direction: Direction, form: Form, said: Said, size: int) -> tuple[Rate, ...] | None:
    """The rates that fit every step; of those that are not declared, the ones within a single bound are closer.

    Several rates need a few steps to prove anything: any first step fits one rate for each parameter.
    """
    rates = name_rates(bounds.rates(history, direction, slack=bounds.ROUNDING), form, said, size)
    if rates is None or (len(rates) == 1 and rates[0].declared):
        return rates
    if len(rates) > 1 and bounds.informative(history) < FEWEST:
        return None
    return name_rates(bounds.rates(history, direction, slack=bounds.MATCHES), form, said, size) or rates


def _doubt(fit: Fit, said: Said) -> tuple[int, int, int]:
    """Sorts the forms that fit: one rate before several, declared numbers before guesses."""
    guessed = sum(value not in said.positive for value in fit.form.hyper.values())
    return len(fit.rates), int(not fit.declared), guessed


def _judge(history: Steps, gradient: Gradient, survivors: Sequence[Fit], said: Said, size: int) -> list[Fit]:
    """Hold the survivors against every step; once one follows the rule, the rest need not be tried at full length."""
    passed: list[Fit] = []
    for fit in sorted(survivors, key=lambda fit: _doubt(fit, said)):
        if passed and history.length > PREFIX and passed[-1].worst <= bounds.MATCHES:
            break
        judged = at_full_length(history, gradient, fit, said, size)
        if judged.worst <= bounds.ROUNDING and begins_sharp(history, gradient, judged, gradient):
            passed.append(judged)
    return passed


def at_full_length(history: Steps, gradient: Gradient, fit: Fit, said: Said, size: int) -> Fit:
    """Judge every step; where the screened rate or eps does not reach to the end, ask the whole run for it."""
    direction = fit.form.direction(gradient)
    best = measure(history, direction, fit)
    if best.worst <= bounds.MATCHES or history.length <= PREFIX:
        return best
    for asked in _asked_whole(history, gradient, direction, fit, said, size):
        best = asked if asked.worst < best.worst else best
        if best.worst <= bounds.MATCHES:
            break
    return best


def _asked_whole(
    history: Steps, gradient: Gradient, direction: Direction, fit: Fit, said: Said, size: int
) -> Iterator[Fit]:
    """What the whole run says of the rate, and then of eps, the likeliest first."""
    rates = read_rates(history, direction, fit.form, said, size)
    if rates is not None:
        yield measure(history, direction, fit._replace(rates=rates))
    for form in open_eps(history, gradient, fit.form, said, size) if fit.form.eps == 0 else ():
        direction = form.direction(gradient)
        rates = read_rates(history, direction, form, said, size)
        if rates is not None:
            yield measure(history, direction, fit._replace(form=form, rates=rates))


def measure(history: Steps, direction: Direction, fit: Fit) -> Fit:
    """How far every step is from the form."""
    off = bounds.residual(history, direction, fit.lr).max(axis=0)
    beyond = off > bounds.ROUNDING
    return fit._replace(worst=float(off.max()), first=int(np.argmax(beyond)) if beyond.any() else None)


# -- learning rates ------------------------------------------------------------------------------


def name_rates(interval: Interval, form: Form, said: Said, size: int) -> tuple[Rate, ...] | None:
    """One rate for all parameters, or one for each, or None where some step fits no rate."""
    low, high = interval.joint()
    if low <= high and low < np.inf:
        return (name_rate(low, high, factors(form, size), said),)
    if not np.all((interval.low <= interval.high) & (interval.low < np.inf)):
        return None
    ends = list(zip(interval.low.tolist(), interval.high.tolist(), strict=True))
    named = [
        tuple(name_rate(each_low, each_high, {name: factor}, said) for each_low, each_high in ends)
        for name, factor in factors(form, size).items()
    ]
    best = max(named, key=lambda rates: sum(rate.declared for rate in rates))  # one scale of the loss for all
    values = [abs(rate.value) for rate in best]
    return best if min(values) > STANDS_STILL * max(values) else None


def factors(form: Form, size: int) -> dict[str, float]:
    """What may lie between a stated rate and its height for the sum of squares: the loss's scale, the velocity's."""
    if not form.linear:
        return {"": 1.0}
    found = scales(size)
    if "dampening" in form.hyper:
        return {name: scale * (1 - form.hyper["dampening"]) for name, scale in found.items()}
    if "momentum" in form.hyper and "bias" not in form.convention:  # an exponential average carries 1 - β
        found |= {f"{name}, ema": scale * (1 - form.hyper["momentum"]) for name, scale in found.items()}
    return found


def name_rate(low: float, high: float, between: dict[str, float], said: Said) -> Rate:
    """A declared rate inside the interval, in some scale of the loss, else the shortest decimal there is."""
    if high < 0:  # uphill, by a rate that may be declared all the same
        down = name_rate(-high, -low, between, said)
        return down._replace(value=-down.value, stated=-down.stated)
    for rate in dict.fromkeys((*said.rates, *said.positive)):
        for name, factor in between.items():
            if low <= rate * factor <= high:
                return Rate(rate * factor, rate, name or None, declared=True)
    shortest = {name: shortest_decimal(low / factor, high / factor) for name, factor in between.items()}
    name = min(shortest, key=lambda each: len(f"{shortest[each]:.17g}"))
    return Rate(shortest[name] * between[name], shortest[name], name or None, declared=False)


def shortest_decimal(low: float, high: float) -> float:
    """The number with the fewest digits in an interval, as a person would have typed it."""
    if not (np.isfinite(low) and np.isfinite(high)):
        return high if np.isfinite(high) else max(low, 0.0) if np.isfinite(low) else 1.0
    middle = low + (high - low) / 2
    for digits in range(1, 17):
        short = float(f"{middle:.{digits}g}")
        if low <= short <= high:
            return short
    return middle


# -- eps -----------------------------------------------------------------------------------------


def open_eps(history: Steps, gradient: Gradient, form: Form, said: Said, size: int) -> list[Form]:
    """The form with the eps that the run shows, beside the root and under it; none for rules without a root.

    |top/d| = (√s + eps)/lr is a line in √s, and its square a line in s: two columns and weighted least squares.
    """
    found = _quotients(history, gradient, form)
    if found is None:
        return []
    usable = found.usable
    if np.count_nonzero(usable) < 2:
        return []
    spread, r, weight = found.s[usable], found.ratio[usable], 1.0 / found.doubt[usable]
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        beside = _named_eps(_offset(np.sqrt(spread), r, weight), said, size, power=1)
        under = _named_eps(_offset(spread, r**2, weight / 2), said, size, power=2)
    return _all_with_eps(form, beside, under)


def open_shared_eps(history: Steps, gradient: Gradient, form: Form, said: Said, size: int) -> list[Form]:
    """The form with the eps that the run shows whatever the rate of each step, which two parameters share.

    In |top/d| = (√s + eps)/lr the quotient of two parameters has no rate: r₀ (√s₁ + eps) = r₁ (√s₀ + eps).
    """
    found = _quotients(history, gradient, form)
    if found is None or len(found.ratio) < 2:
        return []
    usable = found.usable[0] & found.usable[1]
    if np.count_nonzero(usable) < FEWEST:
        return []
    s, r, doubt = found.s[:2, usable], found.ratio[:2, usable], found.doubt[:2, usable].sum(axis=0)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        beside = _named_eps(_shared_offset(np.sqrt(s), r, doubt), said, size, power=1)
        under = _named_eps(_shared_offset(s, r**2, 2 * doubt), said, size, power=2)
    return _all_with_eps(form, beside[:MOST_SHARED], under[:MOST_SHARED])


class _Quotients(NamedTuple):
    """How often each step goes into what a rule divides by its root, with what is divided and the relative doubt."""

    s: Floats
    ratio: Floats
    doubt: Floats

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Where the quotient is known."""
        return np.asarray(np.isfinite(self.ratio) & np.isfinite(self.doubt) & (self.doubt < 0.5) & (self.s > 0))


def _quotients(history: Steps, gradient: Gradient, form: Form) -> _Quotients | None:
    parts = form.parts(gradient)
    if parts.s is None:
        return None
    if form.velocity:
        history = bounds.unwound(history, form.velocity, ahead=form.ahead)
    top, s, s_error = rooted(parts)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = np.abs(top.D / history.d)
        doubt = top.error / np.abs(top.D) + history.room / np.abs(history.d) + s_error / (2 * s) + 8 * history.u
    if parts.sign is not None:
        doubt = np.where(parts.sign < 0, np.inf, doubt)  # a negative root lies on another line
    return _Quotients(np.broadcast_to(s, ratio.shape), ratio, doubt)


def _with_eps(form: Form, place: str, stated: float, eps: float) -> Form:
    hyper, convention = form.hyper | {"eps": stated}, form.convention | {"eps": place}
    return form._replace(hyper=hyper, convention=convention, eps=eps, eps_inside=place == "inside")


def _all_with_eps(form: Form, beside: Sequence[_Eps], under: Sequence[_Eps]) -> list[Form]:
    return [_with_eps(form, "outside", *offer) for offer in beside] + [
        _with_eps(form, "inside", *offer) for offer in under
    ]


def _offset(x: Floats, y: Floats, weight: Floats) -> tuple[float, float]:
    """The offset eps in y ∝ x + eps with its standard error, each point weighed by how well it is known.

    NaN where the points lie on no such line, or on a flat one: beside an eps so large no root is left to be seen.
    """
    rows = np.stack([x, np.ones_like(x)], axis=1) * (weight / y)[:, None]
    scale = np.linalg.norm(rows, axis=0)
    if not np.all(np.isfinite(scale) & (scale > 0)):
        return np.nan, np.nan
    rows /= scale
    covariance = np.linalg.pinv(rows.T @ rows)
    solution = covariance @ (rows.T @ weight)
    if not np.max(np.abs(rows @ solution - weight)) <= OFF_THE_LINE:
        return np.nan, np.nan
    slope, offset = solution / scale
    flat, error = 1e3 * np.sqrt(np.abs(np.diag(covariance))) / scale
    return (float(offset / slope), float(error / slope)) if slope > flat else (np.nan, np.nan)


def _shared_offset(x: Floats, y: Floats, doubt: Floats) -> tuple[float, float]:
    """The offset eps in y₀ (x₁ + eps) = y₁ (x₀ + eps) with its standard error; NaN where the points have none."""
    here, there = y[1] * x[0], y[0] * x[1]
    weight = 1.0 / (doubt * (here + there))
    aim, row = weight * (here - there), weight * (y[0] - y[1])
    size = np.linalg.norm(row)
    if not (np.all(np.isfinite(aim)) and np.isfinite(size) and size > 0):
        return np.nan, np.nan
    eps = np.sum(aim * (row / size)) / size
    if not np.max(np.abs(aim - eps * row)) <= OFF_THE_LINE:
        return np.nan, np.nan
    return float(eps), float(1e3 / size)


def _named_eps(estimate: tuple[float, float], said: Said, size: int, *, power: int) -> list[_Eps]:
    """The eps of the run as (stated, in units of the sum of squares): named ones near the estimate, or itself."""
    eps, error = estimate
    if not np.isfinite(eps) or eps + error <= 0:
        return []
    named = [
        (value, value / scale**power)
        for value in dict.fromkeys((*said.epsilons, *USUAL_EPSILONS, *said.positive))
        for scale in scales(size).values()
        if abs(value / scale**power - eps) <= max(error, 1e-3 * eps)
    ]
    named.sort(key=lambda offer: (offer[0] not in said.epsilons, abs(offer[1] - eps)))
    return [*named[:MOST_EPSILONS], *([(eps, eps)] if eps > 0 else [])]
