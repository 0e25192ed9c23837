"""The losses that a notebook may record of a run, derived from its parameters and the data, each with its rounding.

They are unscaled: whether a notebook divides by N, by 2N or by nothing is for `scales` to name.
"""

from __future__ import annotations

from itertools import chain, product
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from grader.verify import bounds
from grader.verify.rules import USUAL_DECAYS
from grader.verify.sources import taken
from reference import histories

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from grader.model import Floats, LossMistake
    from grader.verify.bounds import Data
    from grader.verify.said import Said

At = Literal["before", "after"]
MOST_TRACED = 1_000_000  # of ways to draw a batch, times steps
MOST_WIDTH = 1000  # of the window of a moving mean
WINDOWS = (5, 10, 20, 50, 100)  # whose first means are over fewer
MOST_PRODUCTS = 20_000_000  # of such a window and the steps


class Derived(NamedTuple):
    """A loss at every state, or at every step if `at` says on which side of it, with the bound on its rounding.

    `states` counts them over the whole run, of which `value` may hold the beginning only. One with a `mistake`
    is what that makes of a loss.
    """

    kind: str
    value: Floats
    error: Floats
    scales: dict[str, float]
    states: int
    at: At | None = None
    mistake: LossMistake | None = None


class Misfit(NamedTuple):
    """The errors of all samples at every state, [N, T+1], and how far rounding may have moved each.

    `missing` more states were recorded: they lie behind an overflow, or are not needed yet.
    """

    value: Floats
    doubt: Floats
    u: float
    missing: int = 0

    @property
    def states(self) -> int:
        """How many states were recorded."""
        return int(self.value.shape[1]) + self.missing

    @property
    def square(self) -> tuple[Floats, Floats]:
        """The squared errors with their bound."""
        return self.value**2, (2 * np.abs(self.value) + self.doubt) * self.doubt


def misfit(problem: Data, theta: Floats, u: float, *, missing: int = 0) -> Misfit:
    """The errors from the residuals themselves, which do not cancel near the minimum."""
    value = problem.phi @ theta - problem.y[:, None]
    doubt = 4.0 * u * (np.abs(problem.phi) @ np.abs(theta) + np.abs(problem.y)[:, None])
    return Misfit(value, doubt, u, missing)


def squares(errors: Misfit) -> Derived:
    """The sum of the squared errors, by the names that its usual scales have."""
    n = len(errors.value)
    each, bound = errors.square
    value = np.sum(each, axis=0)
    scales = {"sse": 1.0, "mse": 1.0 / n, "half-sse": 0.5, "half-mse": 0.5 / n}
    if n > 2:
        scales |= {"unbiased": 1.0 / (n - 1), "residual-variance": 1.0 / (n - 2)}
    return Derived("square", value, np.sum(bound, axis=0) + (n + 4) * errors.u * value, scales, errors.states)


def full(errors: Misfit) -> Iterator[Derived]:
    """The losses over all samples, the right ones first."""
    n, u, states = len(errors.value), errors.u, errors.states
    square = squares(errors)
    yield square
    root = np.sqrt(square.value)
    yield Derived("root", root, square.error / (2 * np.maximum(root, u)) + 2 * u * root,
                  {"rmse": n**-0.5, "norm": 1.0}, states)  # fmt: skip
    size = np.sum(np.abs(errors.value), axis=0)
    doubt = np.sum(errors.doubt, axis=0) + n * u * size
    yield Derived("absolute", size, doubt, {"sae": 1.0, "mae": 1.0 / n}, states)
    each, bound = errors.square
    for name, row in (("last", -1), ("first", 0)):
        scales = {f"{name}-sample": 1.0, f"half-{name}-sample": 0.5, f"{name}-sample/n": 1 / n}
        yield Derived("sample", each[row], bound[row], scales, states, mistake="sample")
    total = np.sum(errors.value, axis=0)
    yield Derived("square-of-sum", total**2, (2 * np.abs(total) + doubt) * doubt,
                  {"square-of-sum": 1.0, "square-of-sum/n": 1 / n, "square-of-mean": n**-2}, states,
                  mistake="square-of-sum")  # fmt: skip
    yield Derived("cumulative", square.value, square.error, square.scales, states, mistake="cumulative")
    yield Derived("no-square", total, doubt, {"sum-of-errors": 1.0, "mean-of-errors": 1 / n}, states,
                  mistake="no-square")  # fmt: skip


# -- of a part of the samples ----------------------------------------------------------------------


class Turn(NamedTuple):
    """The squared errors of the samples whose turn each step is, summed, and how many they are."""

    value: Floats
    error: Floats
    size: Floats
    states: int
    at: At


def in_part(problem: Data, theta: Floats, errors: Misfit, stated: Said) -> Iterator[Derived]:
    """The loss of the one sample, or the one batch, of each step; then what a pass over all of them adds up to."""
    turns = chain.from_iterable(_turns(draws, turn, errors) for draws, turn in _orders(problem, theta, errors, stated))
    for turn in turns:
        yield from _of_a_step(turn)
        yield from _of_a_pass(turn, len(errors.value))


def _orders(
    problem: Data, theta: Floats, errors: Misfit, stated: Said
) -> Iterator[tuple[list[list[int]], NDArray[np.intp]]]:
    """Which samples each step takes: round and round in order, or those that its direction is traced to."""
    n, steps = problem.size, theta.shape[1] - 1
    sizes = dict.fromkeys((1, *(int(value) for value in stated.positive if 1 < value < n)))
    for size in sizes:
        parts = [list(range(k, min(k + size, n))) for k in range(0, n, size)]
        yield parts, np.arange(steps) % len(parts)
    history = bounds.steps(theta, errors.u)
    for size in sizes:
        traced = taken(problem, history, size, most=MOST_TRACED // max(steps + errors.missing, 1))
        if traced is not None:
            yield traced


def _turns(draws: list[list[int]], turn: NDArray[np.intp], errors: Misfit) -> Iterator[Turn]:
    """The same samples before the step and after it."""
    size = np.array([len(rows) for rows in draws])[turn]
    rows = np.array([rows + [rows[0]] * (max(map(len, draws)) - len(rows)) for rows in draws])[turn].T
    counts = np.arange(len(rows))[:, None] < size
    each, bound = errors.square
    sides: tuple[tuple[At, slice], ...] = (("before", slice(None, -1)), ("after", slice(1, None)))
    for at, states in sides:
        value, error = (
            np.sum(np.take_along_axis(table[:, states], rows, axis=0) * counts, axis=0) for table in (each, bound)
        )
        yield Turn(value, error + (len(rows) + 4) * errors.u * value, size.astype(np.float64), errors.states - 1, at)


def _of_a_step(turn: Turn) -> Iterator[Derived]:
    if turn.size.max() == 1:
        yield Derived("step", turn.value, turn.error, {"one-sample": 1.0, "half-one-sample": 0.5}, turn.states, turn.at)
        return
    mean, error = turn.value / turn.size, turn.error / turn.size
    yield Derived("step", mean, error, {"batch-mse": 1.0, "half-batch-mse": 0.5}, turn.states, turn.at)
    yield Derived("step", turn.value, turn.error, {"batch-sse": 1.0, "half-batch-sse": 0.5}, turn.states, turn.at)


def _of_a_pass(turn: Turn, n: int) -> Iterator[Derived]:
    """The losses of the steps of each pass, summed or averaged: what a loop over the batches adds up."""
    per = -(-n // int(turn.size[0]))
    if len(turn.value) < per:
        return
    for weight, scales in (
        (np.ones_like(turn.size), {"pass-sse": 1.0, "pass-mse": 1 / n, "half-pass-sse": 0.5, "half-pass-mse": 0.5 / n}),
        (1 / turn.size, {"batch-mse-summed": 1.0, "batch-mse-averaged": 1 / per, "half-batch-mse-averaged": 0.5 / per}),
    ):
        value, error = (_blocks(rows * weight, per) for rows in (turn.value, turn.error))
        yield Derived("pass", value, error + per * bounds.DOUBLE * value, scales, turn.states // per, turn.at)


def _blocks(rows: Floats, width: int) -> Floats:
    return np.asarray(rows[: len(rows) // width * width].reshape(-1, width).sum(axis=1))


# -- averages --------------------------------------------------------------------------------------


def averaged(loss: Derived, length: int, stated: Said) -> Iterator[Derived]:
    """Means over a window or a block whose width the length tells, over all so far, and with a usual decay rate."""
    yield from _over_windows(loss, length)
    yield from _over_blocks(loss, length)
    yield from _over_a_few(loss, stated)
    yield from _running(loss, stated)


def _named(
    loss: Derived, how: str, value: Floats, error: Floats, *, states: int | None = None, shifted: int = 0
) -> Derived:
    """An average that begins so many states late, and has no value before."""
    scales = {f"{name}, {how}": scale for name, scale in loss.scales.items()}
    pad = np.full(shifted, np.nan)
    value, error = np.concatenate([pad, value]), np.concatenate([pad, error])
    return loss._replace(kind="average", value=value, error=error, scales=scales, states=states or loss.states)


def _over_windows(loss: Derived, length: int) -> Iterator[Derived]:
    for width in (loss.states - length + 1, loss.states - length):
        if 2 <= width <= min(MOST_WIDTH, len(loss.value)) and length > width:
            window = np.full(width, 1.0 / width)
            value, error = (np.convolve(rows, window, mode="valid") for rows in (loss.value, loss.error))
            error = error + width * bounds.DOUBLE * value
            yield _named(loss, f"mean of {width}", value, error, states=loss.states - width + 1)


def _over_blocks(loss: Derived, length: int) -> Iterator[Derived]:
    width = (loss.states - 1) // max(length, 1)
    if not 2 <= width <= MOST_WIDTH:
        return
    for late in (0, 1):
        value, error = (_blocks(rows[late:], width) / width for rows in (loss.value, loss.error))
        error = error + width * bounds.DOUBLE * value
        yield _named(loss, f"mean of every {width}", value, error, states=(loss.states - late) // width)


def _over_a_few(loss: Derived, stated: Said) -> Iterator[Derived]:
    """The mean of all losses so far, or of the last few, of which there are fewer in the beginning."""
    stated_widths = (int(value) for value in stated.positive if 2 <= value <= MOST_WIDTH and value == int(value))
    widths = (0, *dict.fromkeys((*stated_widths, *WINDOWS)))
    for width, late in product(widths, (0, 1)):
        rows = (loss.value[late:], loss.error[late:])
        count = np.arange(1.0, len(rows[0]) + 1)
        if width == 0:
            value, error = (np.cumsum(each) / count for each in rows)
            yield _named(loss, "mean so far", value, error + 2 * np.sqrt(count) * bounds.DOUBLE * value, shifted=late)
        elif 2 <= width < len(rows[0]) <= MOST_PRODUCTS // width:
            value, error = (np.convolve(each, np.ones(width))[: len(each)] / np.minimum(count, width) for each in rows)
            error = error + width * bounds.DOUBLE * value
            yield _named(loss, f"mean of the last {width}", value, error, shifted=late)


def _running(loss: Derived, stated: Said) -> Iterator[Derived]:
    """Running means that begin with the first loss, or with nothing, also corrected for that."""
    for beta in dict.fromkeys((*stated.decays, *USUAL_DECAYS)):
        for late, start in product((0, 1), (None, 0.0)):
            rows = (loss.value[late:], loss.error[late:])
            value, error = (histories.decay(each, beta, weight=1 - beta, start=start) for each in rows)
            error = error + value * bounds.DOUBLE / (1 - beta)
            yield _named(loss, f"running mean {beta:g}", value, error, shifted=late)
            if start is not None:
                grown = 1 - beta ** np.arange(1.0, len(value) + 1)
                error = (error + 4 * bounds.DOUBLE * value / grown) / grown
                yield _named(loss, f"running mean {beta:g}, corrected", value / grown, error, shifted=late)
