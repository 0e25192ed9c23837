"""Runs of which only every k-th state was kept, under any rule: the steps in between are taken again.

From each kept state the rule takes k steps with the memory that it has by then; the kept states correct the path, so
only the rounding within k steps builds up. 1e-8 of the way that a parameter went lies far above that rounding and far
below the distance of any other rule. Where RMSprop turns round in the valley it blows rounding up within a few steps:
so some stretches may be rough, if most are not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from grader.model import message
from grader.verify import rules
from grader.verify.case import Diagnosis, plain_forms
from grader.verify.identify import Fit, Rate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from grader.model import Floats
    from grader.verify.case import Case
    from grader.verify.rules import Form

STRIDES = (10, 100, 1000, 2, 5, 20, 50, 500)
MOST_STEPS = 200_000  # taken again for one run
FEWEST, BEGUN = 4, 6  # states that prove a rule, and that are tried first
NEAR, ROUGHLY = 1e-8, 0.05  # of the way that a parameter went between two kept states
MOSTLY = 0.6

Vector = list[float]
Move = Callable[[Vector, list[Vector], int], Vector]  # from the gradient, the memory and the count of the step


class Model(NamedTuple):
    """The gradient of the sum of squares as plain numbers, which is what a loop over single steps is fast with."""

    A: list[Vector]
    q: Vector

    def gradient(self, theta: Vector) -> Vector:
        """The gradient at one state."""
        return [sum(a * t for a, t in zip(row, theta, strict=True)) - q for row, q in zip(self.A, self.q, strict=True)]


def strided(case: Case) -> Diagnosis | None:
    """The run follows a rule at a stated rate, if so many steps lie between its records."""
    theta = case.history.theta
    if theta.shape[1] < FEWEST or not np.all(np.isfinite(theta)):
        return None
    model = Model(case.problem.A.tolist(), case.problem.q.tolist())
    for stride, (form, lr, factor) in product(_strides(case), list(_tried(case))):
        move = _move(form, lr * factor)
        if move is None:
            continue
        if _keeps(model, move, theta[:, :BEGUN], stride) and _keeps(model, move, theta, stride):
            fit = Fit(form, (Rate(lr * factor, lr, None, declared=True),), 0.0, None)
            return Diagnosis("matches", message("verify.every-kth", stride=stride), (fit,))
    return None


def _strides(case: Case) -> tuple[int, ...]:
    """How many steps may lie between two records: the stated count over the recorded one, then the usual ones."""
    length = case.history.length
    counts = [round(value / length) for value in case.said.positive if value >= 2 * length and value.is_integer()]
    stated = [int(value) for value in case.said.positive if value.is_integer() and 1 < value <= 1000]
    tried = dict.fromkeys((*counts[:3], *STRIDES, *stated[:5]))
    return tuple(k for k in tried if 1 < k <= MOST_STEPS // max(length, 1))


def _tried(case: Case) -> Iterator[tuple[Form, float, float]]:
    """The plain forms with the stated rates, in every scale of the loss where that shows."""
    for form in plain_forms(case.said):
        for lr in case.said.rates[:4] or case.said.positive[:6]:
            for factor in rules.scales(case.problem.size).values() if form.linear else (1.0,):
                yield form, lr, factor


def _keeps(model: Model, move: Move, theta: Floats, stride: int) -> bool:
    """Whether the kept states follow from each other by so many steps: most of them nearly, all of them roughly."""
    memory: list[Vector] = []
    count = near = 0
    for begin, end in zip(theta.T[:-1].tolist(), theta.T[1:].tolist(), strict=True):
        state, moved = begin, [0.0] * len(begin)
        for _ in range(stride):
            count += 1
            step = move(model.gradient(state), memory, count)
            state = [t - s for t, s in zip(state, step, strict=True)]
            moved = [m + abs(s) for m, s in zip(moved, step, strict=True)]
        off = [abs(r - e) - 1e-12 * abs(e) for r, e in zip(state, end, strict=True)]
        if not all(math.isfinite(m) and o <= ROUGHLY * m for o, m in zip(off, moved, strict=True)):
            return False
        near += all(o <= NEAR * m for o, m in zip(off, moved, strict=True))
    return bool(near >= MOSTLY * (theta.shape[1] - 1))


def _move(form: Form, lr: float) -> Move | None:
    """The step of a rule as plain numbers; None for a convention that is not taken step by step."""
    hyper = form.hyper
    match form.rule:
        case "gd" if not form.convention:
            return lambda g, _memory, _count: [lr * each for each in g]
        case "momentum" if set(hyper) == {"momentum"} and not form.convention:
            return lambda g, memory, _count: [lr * v for v in _velocity(g, memory, hyper["momentum"])]
        case "adagrad" if not form.convention:
            return lambda g, memory, count: _divided(lr, g, _squares(g, memory, 1.0, 1.0, count))
        case "rmsprop" if set(hyper) == {"rho"} and not set(form.convention) - {"start"}:
            rho, first = hyper["rho"], 1.0 if form.convention.get("start") == "first gradient" else 1 - hyper["rho"]
            return lambda g, memory, count: _divided(
                lr, g, _squares(g, memory, rho, first if count == 1 else 1 - rho, count)
            )
        case "adam" if set(hyper) == {"beta1", "beta2"} and not form.convention:
            return _adam(lr, hyper["beta1"], hyper["beta2"])
    return None


def _velocity(g: Vector, memory: list[Vector], beta: float) -> Vector:
    memory[:] = [[beta * v + each for v, each in zip(memory[0], g, strict=True)] if memory else list(g)]
    return memory[0]


def _squares(g: Vector, memory: list[Vector], keep: float, add: float, count: int) -> Vector:
    """Add the squares of a gradient to their sum, or to their decaying mean."""
    before = memory[0] if memory and count > 1 else [0.0] * len(g)
    memory[:] = [[keep * s + add * each * each for s, each in zip(before, g, strict=True)]]
    return memory[0]


def _divided(lr: float, top: Vector, squares: Vector) -> Vector:
    return [lr * each / math.sqrt(s) if s > 0 else 0.0 for each, s in zip(top, squares, strict=True)]


def _adam(lr: float, beta1: float, beta2: float) -> Move:
    def move(g: Vector, memory: list[Vector], count: int) -> Vector:
        m, v = memory or ([0.0] * len(g), [0.0] * len(g))
        m = [beta1 * a + (1 - beta1) * each for a, each in zip(m, g, strict=True)]
        v = [beta2 * a + (1 - beta2) * each * each for a, each in zip(v, g, strict=True)]
        memory[:] = [m, v]
        scale = lr * math.sqrt(1 - beta2**count) / (1 - beta1**count)
        return _divided(scale, m, v)

    return move
