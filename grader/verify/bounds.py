"""Rounding bounds: how far an honest step can be from its formula, and no further.

Everything is in columns, `[P, T]` with time last, which is some eighteen times faster than rows. A step is judged
from the student's own states before it, so errors never build up, and every tolerance is derived from the unit
roundoff `u` of the arithmetic that was used; there is no rtol and no atol.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from reference import histories

if TYPE_CHECKING:
    from grader.model import Floats

DOUBLE, SINGLE = 2.0**-53, 2.0**-24
MATCHES, ROUNDING, DIFFERS = 1.0, 10.0, 1e3
HUGE = 1e70  # beyond this a run has left for infinity: its effect is judged, its steps are not


class Data(NamedTuple):
    """A model that is linear in its parameters, `y = Φ θ`, with the data it is fitted to.

    The gradient of the sum of squares is `A θ - q`; `size_A` and `size_q` are the same sums without cancellation.
    """

    phi: Floats
    y: Floats
    A: Floats
    q: Floats
    size_A: Floats  # noqa: N815 - the letter of the formula
    size_q: Floats

    @property
    def size(self) -> int:
        """The number of samples."""
        return len(self.y)


class Gradient(NamedTuple):
    """A gradient history `g` [P, T] and the bound `error` on its rounding in arithmetic with unit roundoff `u`."""

    g: Floats
    error: Floats
    u: float


class Direction(NamedTuple):
    """What a rule multiplies by the learning rate, `D` [P, T], with the bound `error` on its rounding."""

    D: Floats
    error: Floats


class Steps(NamedTuple):
    """A recorded path `theta` [P, T+1], its steps `d` [P, T], and the rounding `room` of `theta - step`."""

    theta: Floats
    d: Floats
    room: Floats
    u: float

    @property
    def length(self) -> int:
        """The number of steps, T."""
        return int(self.d.shape[1])


def data(phi: Floats, y: Floats) -> Data:
    """Prepare a model that is linear in its parameters; `phi` is [N, P]."""
    return Data(
        phi=phi,
        y=y,
        A=2.0 * phi.T @ phi,
        q=2.0 * phi.T @ y,
        size_A=2.0 * np.abs(phi).T @ np.abs(phi),
        size_q=2.0 * np.abs(phi).T @ np.abs(y),
    )


def line(x: Floats, y: Floats) -> Data:
    """The model of the homework, `y = b + w x`, with parameters (b, w)."""
    return data(np.stack([np.ones_like(x), x], axis=1), y)


def unit(theta: Floats) -> float:
    """The unit roundoff of the arithmetic that recorded `theta`: single if every value is one, else double."""
    with np.errstate(over="ignore"):
        single = bool(np.all(theta.astype(np.float32) == theta))
    return SINGLE if single and not np.all(theta == np.round(theta)) else DOUBLE


def finite_steps(theta: Floats) -> int:
    """How many steps, from the start, lead to a finite state below 1e70."""
    with np.errstate(invalid="ignore"):
        gone = ~np.all(np.abs(theta) <= HUGE, axis=0)  # NaN compares false, so it counts as gone
    return int(np.argmax(gone)) - 1 if gone.any() else theta.shape[1] - 1


def steps(theta: Floats, u: float) -> Steps:
    """The steps of a finite path."""
    size = np.abs(theta)
    return Steps(theta=theta, d=np.diff(theta, axis=1), room=2.0 * u * (size[:, :-1] + size[:, 1:]), u=u)


def prefix(history: Steps, count: int) -> Steps:
    """The first `count` steps, as views."""
    return Steps(history.theta[:, : count + 1], history.d[:, :count], history.room[:, :count], history.u)


def unwound(history: Steps, beta: float, *, ahead: bool = False) -> Steps:
    """The steps as they were before they entered a velocity that keeps the share `beta` of itself.

    A velocity keeps x_t = d_t - β d_{t-1}; taken ahead, this difference is (1 + β) x_t - β x_{t-1}.
    """
    d, room = history.d.copy(), history.room.copy()
    d[:, 1:] -= beta * history.d[:, :-1]
    room[:, 1:] += beta * history.room[:, :-1]
    if ahead:
        d, room = (histories.decay(rows / (1 + beta), beta / (1 + beta)) for rows in (d, room))
    return history._replace(d=d, room=room)


def gradient(problem: Data, theta: Floats, u: float) -> Gradient:
    """The gradient of the sum of squares at every state, with the bound on any way to sum it."""
    g = problem.A @ theta - problem.q[:, None]
    error = u * (problem.size + 8) * (problem.size_A @ np.abs(theta) + problem.size_q[:, None])
    return Gradient(g, error, u)


def residual(history: Steps, direction: Direction, lr: float | Floats) -> Floats:
    """How many rounding bounds each step is away from `-lr D`; NaN, which loses every comparison, becomes infinity."""
    move = lr * direction.D
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        bound = history.room + np.abs(lr) * direction.error + 8.0 * history.u * np.abs(move)
        off = np.abs(history.d + move)
        ratio = off / bound
    ratio[off == 0.0] = 0.0
    ratio[np.isnan(ratio)] = np.inf
    return ratio


class Interval(NamedTuple):
    """The learning rates of each parameter for which every step is within its bound; empty where low > high."""

    low: Floats
    high: Floats

    def joint(self) -> tuple[float, float]:
        """The rates that serve all parameters at once."""
        return float(self.low.max()), float(self.high.min())

    def has(self, lr: float) -> bool:
        """Whether one rate serves all parameters."""
        low, high = self.joint()
        return low <= lr <= high


def rates(history: Steps, direction: Direction, *, slack: float = 1.0) -> Interval:
    """Intersect, over all steps, the learning rates that bring the step within `slack` times its bound.

    A parameter that climbs its direction gets a negative interval.
    """
    D, d = direction.D, history.d
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        sure = (np.abs(d) > history.room) & (np.abs(D) > direction.error)  # a converged tail has no direction
        downhill = np.sum(np.sign(d) * np.sign(D) * sure, axis=1) <= 0
        along = np.where(downhill, -1.0, 1.0)[:, None] * np.where(D < 0, -d, d)
        size = np.abs(D)
        low, high = ends(along, size, slack * history.room, slack * (direction.error + 8.0 * history.u * size))
    low, high = _extremes(low, high)
    return Interval(np.where(downhill, low, -high), np.where(downhill, high, -low))


def ends(along: Floats, size: Floats, room: Floats, error: Floats) -> tuple[Floats, Floats]:
    """The least and the greatest rate for which |along - rate · size| ≤ room + rate · error, step by step.

    A step against a direction that is all rounding needs a rate which makes that rounding as large as the step.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        low = np.where(size + error > 0, (along - room) / (size + error), np.where(along <= room, -np.inf, np.inf))
        back = np.where((along + room < 0) & (size <= error), -(along + room) / (error - size), -np.inf)
        low = np.maximum(low, back)
        return low, np.where(size > error, (along + room) / (size - error), np.inf)


def _extremes(low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """The tightest ends; a NaN anywhere empties the interval."""
    most, least = low.max(axis=1), high.min(axis=1)
    return np.where(np.isnan(most), np.inf, most), np.where(np.isnan(least), -np.inf, least)


def informative(history: Steps) -> int:
    """How many steps move some parameter by more than four units in the last place."""
    moved = np.abs(history.d) > 8.0 * history.u * np.abs(history.theta[:, 1:])
    return int(np.count_nonzero(moved.any(axis=0)))
