"""Runs whose learning rate changes from step to step: by a known law, or by none."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from grader.model import message
from grader.verify import bounds, rules
from grader.verify.case import FOLLOWED, PREFIX, Diagnosis, meant_fit, plain_forms, told
from grader.verify.identify import PREFIX as SCREENED
from grader.verify.identify import Fit, factors, first, name_rate, open_shared_eps

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from grader.model import Floats
    from grader.verify.bounds import Gradient, Steps
    from grader.verify.case import Case
    from grader.verify.rules import Form

MOST_LEVELS = 100


def scheduled(case: Case) -> Diagnosis | None:
    """Every step goes along the rule's direction, with a rate that falls by a known law."""
    for form, rates in _rates_by_step(case):
        between = factors(form, case.problem.size)
        begun, ended = (name_rate(rates.low[k], rates.high[k], between, case.said) for k in (0, -1))
        fit = Fit(form, (begun,), rates.worst, None)
        falls = rates.high[-1] < rates.low[0]
        law = next((name for name, law in LAWS.items() if falls and rates.keeps(law)), None)
        if law is None and np.max(rates.low) > np.min(rates.high):
            law = next((name for name, clock in _clocks(case) if rates.timed(clock).keeps(LAWS["linear"])), None)
        law = law or ("steps" if 1 < _levels(rates) <= MOST_LEVELS else None)
        if law:
            last = ended.value * begun.stated / begun.value  # in the scale in which the first one is stated
            note = message("verify.rate-schedule", law=law, first=begun.stated, last=last)
            return Diagnosis("matches", note, (fit,))
    return None


def varying_rate(case: Case) -> Diagnosis | None:
    """Every step goes along the rule's direction, each with a rate of its own: a person looks."""
    for form, rates in _rates_by_step(case):
        if _levels(rates) == 1:
            continue
        size = np.linalg.norm(case.gradient.g[:, rates.step.astype(int)], axis=0)
        if np.max(rates.low * size) <= np.min(rates.high * size):  # the same length in every step
            return told(case, "bug.normalised-gradient", meant_fit(case, form), verdict="review")
        ends = float(rates.low[0]), float(rates.low[-1])
        return told(case, "bug.rate-varies", meant_fit(case, form), verdict="review", first=ends[0], last=ends[1])
    return None


def _rates_by_step(case: Case) -> Iterator[tuple[Form, _Rates]]:
    """The forms along whose direction every step goes, with the rates of the steps."""
    if case.history.length < FOLLOWED or len(case.history.theta) < 2:
        return
    for form in _forms(case):
        for history, moved in _rate_outside_or_inside(case.history, form):
            best = _closest(history, _with_and_without_eps(history, moved, case), case.gradient)
            if best is not None:
                yield _with_eps_of(form, best[0]), best[1]


def _closest(history: Steps, tried: Iterable[Form], gradient: Gradient) -> tuple[Form, _Rates] | None:
    """The first form that every step goes along within one bound, else the one that comes closest."""
    best: tuple[Form, _Rates] | None = None
    for form in tried:
        rates = _along(history, gradient, form)
        if rates is not None and (best is None or rates.worst < best[1].worst):
            best = form, rates
            if rates.worst <= bounds.MATCHES:
                break
    return best


def _with_eps_of(form: Form, tried: Form) -> Form:
    """A form with what was found of the step that enters its velocity."""
    return form._replace(
        hyper=form.hyper | tried.hyper,
        convention=form.convention | tried.convention,
        eps=tried.eps,
        eps_inside=tried.eps_inside,
    )


def _forms(case: Case) -> Iterator[Form]:
    """The usual forms, whose decay rates are stated where they have a velocity, and those of libraries."""
    for form in plain_forms(case.said):
        if "momentum" not in form.hyper or form.hyper["momentum"] in case.said.decays:
            yield form
    yield from rules.adagrads_from(0.1, case.problem.size)
    yield from rules.rmsprops_with_momentum(case.said)


def _along(history: Steps, gradient: Gradient, form: Form) -> _Rates | None:
    """The rate of each step along a form, asked of the first steps before all of them."""
    if _rate_by_step(bounds.prefix(history, PREFIX), form.direction(first(gradient, PREFIX))) is None:
        return None
    return _rate_by_step(history, form.direction(gradient))


def _with_and_without_eps(history: Steps, form: Form, case: Case) -> Iterator[Form]:
    """A form, and where it divides by a root, itself with the eps that the run shows at any rates."""
    yield form
    if form.velocity:
        yield from rules.with_usual_eps(form, case.said, case.problem.size)
        return
    short, g = bounds.prefix(history, SCREENED), first(case.gradient, SCREENED)
    if open_shared_eps(short, g, form, case.said, case.problem.size):
        yield from open_shared_eps(history, case.gradient, form, case.said, case.problem.size)


def _rate_outside_or_inside(history: Steps, form: Form) -> Iterator[tuple[Steps, Form]]:
    """The steps with what a changing rate multiplies: the velocity, or what enters it."""
    yield history, form
    if form.velocity:
        yield bounds.unwound(history, form.velocity, ahead=form.ahead), form._replace(velocity=0.0, ahead=False)
    elif form.linear and "momentum" in form.hyper and not form.convention:
        alone = bounds.unwound(history, form.hyper["momentum"], ahead=form.rule == "nesterov")
        yield alone, form._replace(parts=rules.sgd)


class _Rates(NamedTuple):
    """The steps that tell their rate, with its lower and upper end, and how far the steps are from the middle one."""

    step: Floats
    low: Floats
    high: Floats
    worst: float

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
    low, high = low[known], high[known]
    told = history._replace(d=history.d[:, known], room=history.room[:, known])
    off = bounds.residual(told, bounds.Direction(direction.D[:, known], direction.error[:, known]), (low + high) / 2)
    return _Rates(np.flatnonzero(known).astype(np.float64), low, high, float(off.max()))


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
