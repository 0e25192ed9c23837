"""How two runs compare, measured on their loss curves; every word that the grader uses for an effect is defined here.

With S the sum of squared errors, S* the least possible and S - S* the *height* of a run:

- diverging, oscillating, converged: as verification measured the run itself; where both runs oscillate, the change
  did not make it so, and they are compared.
- The common level of two runs is the larger of their two lowest heights, or the height that counts as converged
  (S*/1000, or a billionth of the start), whichever is larger. Both runs reach it.
- faster: the run reaches the common level in at most 4/5 of the other's steps; slower: it needs at least 5/4.
- no-visible-change: neither, and their lowest heights differ by less than a quarter.
- not-converged: none of these, and the run has not converged.
A changed number of iterations changes where a run ends, not how fast it is, so it is judged by its end alone.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from grader.model import ExperimentEffect, Match

FASTER, SLOWER = 0.8, 1.25
CLEARLY = 2.0
SHARES = (0.5, 0.1, 0.01)
FEW_STEPS = 10  # below this, who is first at a height is chance


class Comparison(NamedTuple):
    """A run against another: steps needed for the same height, at several heights, and the ratio of lowest heights."""

    speed: float | None
    speeds: tuple[float, ...]
    height: float | None


NOTHING = Comparison(None, (), None)


def effect(run: Match, other: Match | None, *, name: str) -> ExperimentEffect | None:
    """Name what the change did to the run, against the other run or, without one, by itself."""
    if run.effect is None:
        return None
    if run.effect == "diverging" or (run.effect == "oscillating" and (other is None or other.effect != run.effect)):
        return run.effect
    own: ExperimentEffect = "converged" if run.effect == "converged" else "not-converged"
    compared = comparison(run, other) if other and name != "data" else NOTHING
    if compared.height is None:
        return own
    if name != "iteration" and compared.speed is not None:
        if compared.speed <= FASTER:
            return "faster"
        if compared.speed >= SLOWER:
            return "slower"
    return "no-visible-change" if FASTER <= compared.height <= SLOWER else own


def comparison(run: Match, other: Match) -> Comparison:
    """Compare two runs on the same data; nothing where either has no finite curve."""
    a, b = _finite(run), _finite(other)
    if len(a) < 2 or len(b) < 2 or "diverging" in (run.effect, other.effect):
        return NOTHING
    least = _least(run, other, a, b)
    start = min(a[0][1], b[0][1]) - least
    floor = max(abs(least) / 1000.0, 1e-9 * max(a[0][1], b[0][1]), 1e-300)
    ends = tuple(max(min(loss for _, loss in curve) - least, 0.0) for curve in (a, b))
    common = max(*ends, floor)
    speed = _ratio(a, b, least + common * (1 + 1e-9))
    levels = [share * start for share in SHARES if share * start > common]
    speeds = [_ratio(a, b, least + level) for level in (*levels, common * (1 + 1e-9))]
    return Comparison(speed, tuple(s for s in speeds if s is not None), (ends[0] + floor) / (ends[1] + floor))


def _finite(run: Match) -> list[tuple[int, float]]:
    pairs = zip(run.curve.steps, run.curve.losses, strict=False)
    return [(step, loss) for step, loss in pairs if math.isfinite(loss)]


def _least(run: Match, other: Match, a: list[tuple[int, float]], b: list[tuple[int, float]]) -> float:
    for each in (run, other):
        if each.curve.surface is not None:
            return each.curve.surface.minimum
    return min(loss for _, loss in (*a, *b))


def _ratio(a: list[tuple[int, float]], b: list[tuple[int, float]], level: float) -> float | None:
    mine, theirs = _steps_to(a, level), _steps_to(b, level)
    if mine is None or theirs is None or max(mine, theirs) < FEW_STEPS:
        return None
    return max(mine, 1.0) / max(theirs, 1.0)


def _steps_to(curve: list[tuple[int, float]], level: float) -> float | None:
    """Interpolate when a thinned curve first comes down to a level."""
    before: tuple[int, float] | None = None
    for step, loss in curve:
        if loss <= level:
            if before is None or before[1] == loss:
                return float(step)
            return before[0] + (step - before[0]) * (before[1] - level) / (before[1] - loss)
        before = (step, loss)
    return None
