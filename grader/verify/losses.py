"""A recorded loss history against the loss derived from the parameters and the data.

A loss is `L_k = s · f(S)` with S the sum of squares at some state; the interval of the scale s over all k is exact, as
for learning rates, so which loss it is and when it was recorded is read off, not guessed.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from grader.model import Divergence, LossMatch
from grader.verify import bounds
from grader.verify.rules import USUAL_DECAYS
from reference import histories

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from grader.model import Floats
    from grader.verify.bounds import Data
    from grader.verify.pair import Column
    from grader.verify.said import Said

_AT: dict[int, Literal["before", "after"]] = {0: "before", 1: "after"}
MOST_POINTS = 200_000
MOST_WIDTH = 1000  # of the window of a moving mean


class Derived(NamedTuple):
    """A loss at every state, unscaled, with the bound on its rounding."""

    kind: str
    value: Floats
    error: Floats
    scales: dict[str, float]


def match(
    problem: Data, theta: Floats, u: float, recorded: Sequence[Column], stated: Said, *, states: int
) -> LossMatch:
    """The first recorded loss that agrees with the run, else what is known of the likeliest.

    `states` counts the recorded states, of which `theta` holds those before an overflow.
    """
    if not recorded:
        return LossMatch()
    theta = theta[:, :MOST_POINTS]
    derived = list(_derived(problem, theta, u))
    tried = [
        _one(each, derived, states, u)
        or _one(each, list(_in_part(problem, theta, u, stated)), states, u)
        or _one(each, list(_smoothed(derived[0], len(each.values), states, stated)), states, u)
        or _astray(each, derived[0], states, u)
        for each in recorded[:4]
    ]
    for verdict in ("matches", "differs"):
        for found in tried:
            if found.verdict == verdict:
                return found
    return tried[0]


def _derived(problem: Data, theta: Floats, u: float) -> Iterator[Derived]:
    """The losses that a notebook may record, from the residuals themselves."""
    n = problem.size
    misfit = problem.phi @ theta - problem.y[:, None]
    doubt = 4.0 * u * (np.abs(problem.phi) @ np.abs(theta) + np.abs(problem.y)[:, None])
    with np.errstate(over="ignore", invalid="ignore"):
        square = np.sum(misfit**2, axis=0)
        error = np.sum((2 * np.abs(misfit) + doubt) * doubt, axis=0) + (n + 4) * u * square
        scales = {"sse": 1.0, "mse": 1.0 / n, "half-sse": 0.5, "half-mse": 0.5 / n}
        if n > 2:
            scales |= {"unbiased": 1.0 / (n - 1), "residual-variance": 1.0 / (n - 2)}
        yield Derived("square", square, error, scales)
        root = np.sqrt(square)
        yield Derived("root", root, error / (2 * np.maximum(root, u)) + 2 * u * root, {"rmse": n**-0.5, "norm": 1.0})
        size = np.sum(np.abs(misfit), axis=0)
        yield Derived("absolute", size, np.sum(doubt, axis=0) + n * u * size, {"sae": 1.0, "mae": 1.0 / n})
        yield Derived("last", misfit[-1] ** 2, (2 * np.abs(misfit[-1]) + doubt[-1]) * doubt[-1],
                      {"last-sample": 1.0, "half-last-sample": 0.5})  # fmt: skip
        total = np.sum(misfit, axis=0)
        total_error = np.sum(doubt, axis=0) + n * u * size
        yield Derived("square-of-sum", total**2, (2 * np.abs(total) + total_error) * total_error,
                      {"square-of-sum": 1.0, "square-of-sum/n": 1.0 / n})  # fmt: skip
        yield Derived("cumulative", square, error, scales)


def _in_part(problem: Data, theta: Floats, u: float, stated: Said) -> Iterator[Derived]:
    """The loss of the one sample, or the one batch, whose turn it is before each step, or after it."""
    misfit = problem.phi @ theta - problem.y[:, None]
    doubt = 4.0 * u * (np.abs(problem.phi) @ np.abs(theta) + np.abs(problem.y)[:, None])
    square, error = misfit**2, (2 * np.abs(misfit) + doubt) * doubt
    for size in dict.fromkeys(
        (1, *(int(v) for v in stated.positive if 1 < v < problem.size and problem.size % v == 0))
    ):
        for late in (0, 1):
            turn = (np.arange(theta.shape[1]) - late) % (problem.size // size)
            rows = turn * size + np.arange(size)[:, None]
            value = np.take_along_axis(square, rows, axis=0).sum(axis=0)
            scales = {"one-sample": 1.0, "half-one-sample": 0.5}
            if size > 1:
                scales = {"batch-sse": 1.0, "batch-mse": 1.0 / size, "half-batch-mse": 0.5 / size}
            bound = np.take_along_axis(error, rows, axis=0).sum(axis=0) + (size + 4) * u * value
            yield Derived("in part", value, bound, scales)


def _smoothed(loss: Derived, length: int, states: int, stated: Said) -> Iterator[Derived]:
    """Means over a window, whose width the length of the record tells, and running means with a usual decay rate."""
    for width in (states - length + 1, states - length):
        if 2 <= width <= MOST_WIDTH and length > width:
            window = np.full(width, 1.0 / width)
            value, error = (np.convolve(rows, window, mode="valid") for rows in (loss.value, loss.error))
            scales = {f"{name}, mean of {width}": scale for name, scale in loss.scales.items()}
            yield Derived("mean", value, error + width * bounds.DOUBLE * value, scales)
    for beta in dict.fromkeys((*stated.decays, *USUAL_DECAYS)):
        for shifted, start in product((0, 1), (None, 0.0)):
            begun = loss.value[shifted:], loss.error[shifted:]
            value, error = (histories.decay(rows, beta, weight=1 - beta, start=start) for rows in begun)
            scales = {f"{name}, running mean {beta:g}": scale for name, scale in loss.scales.items()}
            pad = np.full(shifted, np.nan)  # a mean that begins after the first update has no value before it
            value, error = (np.concatenate([pad, rows]) for rows in (value, error + value * bounds.DOUBLE / (1 - beta)))
            yield Derived("running mean", value, error, scales)


WRONG = ("last", "square-of-sum", "cumulative")


def _one(column: Column, derived: Sequence[Derived], states: int, u: float) -> LossMatch | None:
    """The loss that a column is, over its best alignment; a loss of the wrong kind or sign differs."""
    values = column.values
    u = max(u, bounds.unit(values[None, :])) if np.all(np.isfinite(values)) else u
    grid = _grid(values)
    for loss in derived:
        for offset, stride, value, error in _aligned(loss, len(values), states, u):
            count = len(value)
            if loss.kind == "cumulative":
                value, error = np.cumsum(value), np.cumsum(error) + u * np.sqrt(len(value)) * np.cumsum(value)
            named = _scale(values[:count], value, error, loss.scales, grid)
            if named is None:
                continue
            kind, worst = named
            right = loss.kind not in WRONG and not kind.startswith("-")
            return LossMatch(
                name=column.name,
                kind=(f"cumulative-{kind}" if loss.kind == "cumulative" else kind) + (", rounded" if grid else ""),
                verdict="matches" if right else "differs",
                at=_at(offset, stride, len(values), states),
                max_residual=worst,
            )
    return None


def _grid(values: Floats) -> float:
    """Half the last decimal of a loss that was rounded before it was recorded, if rounding left anything to compare."""
    with np.errstate(invalid="ignore", over="ignore"):
        spread = np.ptp(values) if np.all(np.isfinite(values)) else 0.0
        places = (10.0**-digits for digits in range(9) if np.all(values == np.round(values, digits)))
        place = next(places, 0.0)
    return 0.51 * place if place < 1e-3 * spread else 0.0


def _aligned(loss: Derived, length: int, states: int, u: float) -> Iterator[tuple[int, int, Floats, Floats]]:
    """The losses, with their bounds, that so many recorded ones may stand for: offset and stride first."""
    for offset, stride in _alignments(length, states):
        count = min(length, len(range(offset, len(loss.value), stride)))
        where = slice(offset, offset + count * stride, stride)
        if count:
            yield offset, stride, loss.value[where], loss.error[where] + 4 * u * loss.value[where]


def _alignments(length: int, states: int) -> Iterator[tuple[int, int]]:
    """Which states a history of losses may belong to, as (offset, stride)."""
    if length >= states - 1:
        yield 0, 1
        if length == states - 1:
            yield 1, 1
        return
    stride = max((states - 1) // length, 1)
    for step in dict.fromkeys((stride, -(-(states - 1) // length), (states - 1) // max(length - 1, 1))):
        for offset in dict.fromkeys((0, 1, step - 1, step)):
            if step > 1 and offset + (length - 1) * step < states:
                yield offset, step
    yield 0, 1
    yield 1, 1


def _at(offset: int, stride: int, length: int, states: int) -> Literal["before", "after"] | None:
    """Whether a loss was recorded before or after the update; undecided for sub-sampled ones."""
    if stride > 1 or length >= states:
        return None
    return _AT.get(offset)


def _scale(
    values: Floats, value: Floats, error: Floats, scales: dict[str, float], grid: float
) -> tuple[str, float] | None:
    """The name of the scale within whose bound, beside the grid, every value lies, with the largest residual."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        usable = np.isfinite(value) & (value < 1e290)
        if not usable.any() or not np.all(np.isfinite(values[usable])):
            return None
        values, value, error = values[usable], value[usable], error[usable]
        start = values[0] / value[0]
        for name, scale in scales.items():
            for sign, label in ((1.0, name), (-1.0, f"-{name}")):
                if not abs(start - sign * scale) <= 0.01 * scale + (100 * scale * error[0] + grid) / value[0]:
                    continue
                worst = float(np.max((np.abs(values - sign * scale * value) - grid) / (scale * error)))
                if worst <= bounds.ROUNDING:
                    return label, worst
    return None


def _astray(column: Column, loss: Derived, states: int, u: float) -> LossMatch:
    """A loss that agrees with nothing: it differs if most of it is one known loss, else it stays unexplained."""
    values = column.values
    for _, _, value, error in _aligned(loss, len(values), states, u):
        for name, scale in loss.scales.items():
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                off = np.abs(values[: len(value)] - scale * value) / (scale * error)
            off[np.isnan(off)] = np.inf
            if np.mean(off <= bounds.ROUNDING) > 0.5 and off.max() > bounds.DIFFERS:
                k = int(np.argmax(off > bounds.DIFFERS))
                return LossMatch(
                    name=column.name,
                    kind=name,
                    verdict="differs",
                    max_residual=float(off.max()),
                    first_divergence=Divergence(
                        step=k + 1, before=(), expected=(float(scale * value[k]),), seen=(float(values[k]),)
                    ),
                )
    return LossMatch(name=column.name, verdict="unexplained")
