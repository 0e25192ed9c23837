"""Other ways to take a gradient that are right: one sample or one batch a step, many steps between records, a penalty.

Each gives a gradient history that takes the place of the full one; the rules stay the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from itertools import combinations, product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from grader.model import message
from grader.verify import bounds, rules
from grader.verify.bounds import Data, Gradient, Steps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from grader.model import Floats, Message
    from grader.verify.said import Said

STRIDES = (10, 100, 1000, 2, 5, 20, 50)
MOST_NUMBERS = 4_000_000  # of samples times steps that are worth holding at once
MOST_DRAWS = 2000  # of samples: any batch of a dozen of them, and one at a time of many


class Source(NamedTuple):
    """A way to take the gradients of some steps, with what is said of it, and what plain descent along it is called.

    `size` is how many samples a mean would be taken over; `plain` sources are for descent without memory only.
    `rate` is the one, for the sum of squares, at which the steps between two records were computed. A `weight_decay`
    enters the gradient, or at the rate `apart` the parameters themselves.
    """

    gradient: Callable[[Steps], Gradient | None]
    note: Message
    size: int
    plain: bool
    rule: str = "sgd"
    rate: float | None = None
    weight_decay: float = 0.0
    apart: float | None = None

    def steps(self, history: Steps) -> Steps:
        """The steps along the gradient alone."""
        return history if self.apart is None else undecayed(history, self.apart * self.weight_decay)


def sources(problem: Data, history: Steps, said: Said) -> Iterator[Source]:
    """The ways to try, the commonest first; what the notebook names goes before."""
    for decay in said.weight_decays[:2]:
        yield from _penalised(problem, decay, said)
    for size in _batches(problem, said):
        name = "verify.sample-order" if size == 1 else "verify.batch-order"
        yield Source(partial(in_batches, problem, size=size), message(name, size=size), size, plain=False)
        if problem.size % size:  # the mean of the last few is over fewer
            means = partial(in_batches, problem, size=size, means=True)
            yield Source(means, message(name, size=size), size, plain=False)
            whole = partial(in_batches, _whole_batches(problem, size), size=size)
            yield Source(whole, message("verify.batch-order", size=size), size, plain=False)
    for size in _batches(problem, said):
        note = message("verify.sample-random") if size == 1 else message("verify.batch-random", size=size)
        yield Source(partial(drawn, problem, size=size), note, size, plain=True)
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


def _penalised(problem: Data, decay: float, said: Said) -> Iterator[Source]:
    """The gradient with a penalty, of all parameters or without the intercept's; and AdamW's, apart from the gradient.

    The penalty λ|θ|² or half of it stands beside a loss in any scale.
    """
    slopes = np.ptp(problem.phi, axis=0) > 0
    weights = dict.fromkeys(
        decay * part / scale for part in (1.0, 2.0) for scale in rules.scales(problem.size).values()
    )
    for weight in weights:
        for of, name in ((np.ones_like(slopes), "verify.weight-decay"), (slopes, "verify.weight-decay-slopes")):
            if name == "verify.weight-decay" or not np.all(slopes):
                taken = partial(with_penalty, problem, weights=weight * of)
                yield Source(
                    taken, message(name, value=decay), problem.size, plain=False, rule="gd", weight_decay=decay
                )
    for rate in said.rates[:2]:
        note = message("verify.weight-decay-apart", value=decay)
        taken = partial(with_penalty, problem, weights=np.zeros(len(slopes)))
        yield Source(taken, note, problem.size, plain=False, rule="gd", weight_decay=decay, apart=rate)


def with_penalty(problem: Data, history: Steps, weights: Floats) -> Gradient:
    """The gradient of a loss that punishes large parameters, each with its weight: the parabola has grown steeper."""
    steeper = problem._replace(A=problem.A + np.diag(weights), size_A=problem.size_A + np.diag(weights))
    return bounds.gradient(steeper, history.theta[:, :-1], history.u)


def undecayed(history: Steps, share: float) -> Steps:
    """The steps without the share by which each state has shrunk; that factor and its product round as well."""
    theta = history.theta[:, :-1]
    room = history.room + 3.0 * history.u * (1.0 + share) * np.abs(theta)
    return history._replace(d=history.d + share * theta, room=room)


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


def _whole_batches(problem: Data, size: int) -> Data:
    """The samples without the last few, which fill no batch and are left out in every pass."""
    count = problem.size - problem.size % size
    return bounds.data(problem.phi[:count], problem.y[:count])


def in_batches(problem: Data, history: Steps, size: int, *, means: bool = False) -> Gradient:
    """The gradient of so many samples at a time, in order, round and round."""
    parts = _cut(problem, size, means=means)
    return _of_parts(parts, np.arange(history.length) % len(parts), history, size)


def _of_parts(parts: list[Data], turn: NDArray[np.intp], history: Steps, size: int) -> Gradient:
    """The gradients of the part whose turn it is in each step."""
    theta = history.theta[:, :-1]

    def taken(A: list[Floats], q: list[Floats], states: Floats, sign: float) -> Floats:
        return np.asarray(np.einsum("tij,jt->it", np.array(A)[turn], states) + sign * np.array(q)[turn].T)

    g = taken([part.A for part in parts], [part.q for part in parts], theta, -1.0)
    error = taken([part.size_A for part in parts], [part.size_q for part in parts], np.abs(theta), 1.0)
    return Gradient(g, history.u * (size + 8) * error, history.u)


def drawn(problem: Data, history: Steps, size: int) -> Gradient | None:
    """The gradient of the samples that each step takes, so many at a time: every step is traced to its own.

    None where there are too many ways to draw them, or every step takes the same: that is a mistake with its own name.
    """
    found = taken(problem, history, size)
    if found is None:
        return None
    draws, turn = found
    return _of_parts([bounds.data(problem.phi[rows], problem.y[rows]) for rows in draws], turn, history, size)


def taken(
    problem: Data, history: Steps, size: int, *, most: int = MOST_DRAWS
) -> tuple[list[list[int]], NDArray[np.intp]] | None:
    """All ways to draw so many samples, at `most` as many as that, and which of them each step went along."""
    if math.comb(problem.size, size) > min(most, MOST_DRAWS):
        return None
    draws = [list(each) for each in combinations(range(problem.size), size)]
    parts = [bounds.data(problem.phi[rows], problem.y[rows]) for rows in draws]
    A, q = np.array([part.A for part in parts]), np.array([part.q for part in parts])
    chosen, rate = [], None
    for at in range(0, history.length, MOST_NUMBERS // len(parts)):
        some = slice(at, at + MOST_NUMBERS // len(parts))
        theta, d = history.theta[:, :-1][:, some], history.d[:, some]
        g = np.einsum("cij,jt->cit", A, theta) - q[:, :, None]
        rate = _usual_rate(g, d) if rate is None else rate
        if not rate > 0:
            return None
        chosen.append(np.argmin(np.sum(np.abs(d + rate * g), axis=1), axis=0))
    turn = np.concatenate(chosen)
    return None if np.all(turn == turn[0]) else (draws, turn)


def _usual_rate(g: Floats, d: Floats) -> float:
    """The rate at which most steps `d` go along one of the gradients `g`, which are [draws, P, T]."""
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = -np.sum(d * g, axis=1) / np.sum(g * g, axis=1)
        off = np.sum(np.abs(d + rates[:, None, :] * g), axis=1)
    nearest = np.argmin(np.where(np.isfinite(off), off, np.inf), axis=0)
    rates = rates[nearest, np.arange(d.shape[1])]
    return float(np.nanmedian(rates)) if np.any(np.isfinite(rates)) else np.nan


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
