"""Other ways to take a gradient that are right: one sample or one batch a step, or many steps between two records.

Each gives a gradient history that takes the place of the full one; the rules stay the same.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from grader.model import message
from grader.verify import bounds
from grader.verify.bounds import Data, Gradient, Steps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from grader.model import Floats, Message
    from grader.verify.said import Said

STRIDES = (10, 100, 1000, 2, 5, 20, 50)
MOST_NUMBERS = 4_000_000  # of samples times steps that are worth holding at once


class Source(NamedTuple):
    """A way to take the gradients of some steps, with what is said of it, and what plain descent along it is called.

    `size` is how many samples a mean would be taken over; `plain` sources are for descent without memory only.
    `rate` is the one, for the sum of squares, at which the steps between two records were computed.
    """

    gradient: Callable[[Steps], Gradient | None]
    note: Message
    size: int
    plain: bool
    rule: str = "sgd"
    rate: float | None = None


def sources(problem: Data, history: Steps, said: Said) -> Iterator[Source]:
    """The ways to try, the commonest first."""
    for size in _batches(problem, said):
        name = "verify.sample-order" if size == 1 else "verify.batch-order"
        yield Source(partial(in_batches, problem, size=size), message(name, size=size), size, plain=False)
        if problem.size % size:  # the mean of the last few is over fewer
            means = partial(in_batches, problem, size=size, means=True)
            yield Source(means, message(name, size=size), size, plain=False)
    yield Source(partial(one_at_random, problem), message("verify.sample-random"), 1, plain=True)
    for rate in said.rates[:2]:
        for size, scale in product(_batches(problem, said), (1.0, 0.5)):
            for at, mean in ((rate * scale / size, True), (rate * scale, False))[: 1 if size == 1 else 2]:
                swept = partial(one_pass, problem, rate=at, size=size, means=mean)
                yield Source(swept, message("verify.once-a-pass"), size, plain=True, rate=at)
        for stride in _strides(history, said):
            for scale in (1.0, 1.0 / problem.size, 0.5, 0.5 / problem.size):
                at = rate * scale
                leap = partial(many_steps, problem, rate=at, stride=stride)
                note = message("verify.every-kth", stride=stride)
                yield Source(leap, note, problem.size, plain=True, rule="gd", rate=at)


def _batches(problem: Data, said: Said) -> tuple[int, ...]:
    """How many samples a step may take: one, or a number that the notebook states."""
    return tuple(dict.fromkeys((1, *(int(value) for value in said.positive if 1 < value < problem.size))))


def _strides(history: Steps, said: Said) -> tuple[int, ...]:
    """How many steps may lie between two records: the declared count over the recorded one, then the usual ones."""
    stated = [round(value / history.length) for value in said.positive if value >= 2 * history.length]
    most = MOST_NUMBERS // max(history.length, 1)
    return tuple(dict.fromkeys(k for k in (*stated[:2], *STRIDES) if 1 < k <= min(most, 2000)))


def _cut(problem: Data, size: int, *, means: bool) -> list[Data]:
    """The samples, so many at a time; with `means` a last batch of fewer weighs as much as the others."""
    parts = []
    for k in range(0, problem.size, size):
        phi, y = problem.phi[k : k + size], problem.y[k : k + size]
        weight = np.sqrt(size / len(y)) if means else 1.0
        parts.append(bounds.data(weight * phi, weight * y))
    return parts


def in_batches(problem: Data, history: Steps, size: int, *, means: bool = False) -> Gradient:
    """The gradient of so many samples at a time, in order, round and round."""
    parts = _cut(problem, size, means=means)
    turn = np.arange(history.length) % len(parts)
    theta = history.theta[:, :-1]

    def taken(A: list[Floats], q: list[Floats], states: Floats, sign: float) -> Floats:
        return np.asarray(np.einsum("tij,jt->it", np.array(A)[turn], states) + sign * np.array(q)[turn].T)

    g = taken([part.A for part in parts], [part.q for part in parts], theta, -1.0)
    error = taken([part.size_A for part in parts], [part.size_q for part in parts], np.abs(theta), 1.0)
    return Gradient(g, history.u * (size + 8) * error, history.u)


def one_at_random(problem: Data, history: Steps) -> Gradient | None:
    """The gradient of the one sample that each step points along, whichever it was."""
    if problem.size * history.length > MOST_NUMBERS:
        return None
    theta, d = history.theta[:, :-1], history.d
    misfit = 2.0 * (problem.phi @ theta - problem.y[:, None])
    along = np.abs(problem.phi @ d) / np.linalg.norm(problem.phi, axis=1)[:, None]
    nearest = np.argmax(along, axis=0)
    where = np.arange(history.length)
    with np.errstate(divide="ignore", invalid="ignore"):
        g = misfit[nearest, where] * problem.phi[nearest].T
        rates = -np.sum(d * g, axis=0) / np.sum(g * g, axis=0)
    rate = float(np.nanmedian(rates)) if np.any(np.isfinite(rates)) else np.nan
    if not rate > 0:
        return None
    off = sum(np.abs(d[p] + rate * misfit * problem.phi[:, p : p + 1]) for p in range(len(d)))
    chosen = np.argmin(off, axis=0)  # samples with the same x differ in y, so in the size of the step
    if np.all(chosen == chosen[0]):  # always the same one: a mistake with a name of its own
        return None
    phi, y = problem.phi[chosen].T, problem.y[chosen]
    error = 2.0 * np.abs(phi) * (np.sum(np.abs(phi * theta), axis=0) + np.abs(y))
    return Gradient(misfit[chosen, where] * phi, 9.0 * history.u * error, history.u)


def one_pass(problem: Data, history: Steps, rate: float, size: int = 1, *, means: bool = True) -> Gradient:
    """A whole pass over the samples, so many after one another, seen as a single step of the given rate."""
    return _leap(history, _cut(problem, size, means=means), rate)


def many_steps(problem: Data, history: Steps, rate: float, stride: int) -> Gradient:
    """So many full steps, seen as a single step of the given rate."""
    return _leap(history, [problem] * stride, rate)


def _leap(history: Steps, maps: list[Data], rate: float) -> Gradient:
    """Take a step along each gradient in turn from every recorded state at once; the errors of the steps add up."""
    theta = history.theta[:, :-1]
    reached, error = theta, np.zeros_like(theta)
    with np.errstate(over="ignore", invalid="ignore"):
        for part in maps:
            g = bounds.gradient(part, reached, history.u)
            spread = np.abs(np.eye(len(theta)) - rate * part.A)
            reached, error = (
                reached - rate * g.g,
                spread @ error + rate * g.error + 4.0 * history.u * np.abs(reached),
            )
        return Gradient((theta - reached) / rate, error / rate, history.u)
