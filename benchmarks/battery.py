# ruff: noqa: ARG001, ARG005 - a table of small functions that share a signature, one a line
"""The battery: correct runs and mistakes of every kind, made at random from a seed, and what is said of them.

    python benchmarks/battery.py --draws 20 --seed 1

The trajectories are made here step by step, in the plain way that students write, and share no formula with the rules
that judge them. A correct run must never be said to differ; a mistake must never be said to match, and its right name
is known here. A mistake that leaves exactly the numbers of a correct run, which is shown by training correctly again,
is counted apart as "identical".
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # run from a checkout without installing

from grader import verify
from grader.model import Declared, Match, Names, Series
from grader.verify.sources import MOST_DRAWS

Array = Any  # of float64 or float32
Random = np.random.Generator
Step = Callable[[Array, int], Array]  # (gradient, step number) -> what is subtracted

LEE_X = np.array([338.0, 333, 328, 207, 226, 25, 179, 60, 208, 606])
LEE_Y = np.array([640.0, 633, 619, 393, 428, 27, 193, 66, 226, 1591])


class World(NamedTuple):
    """What a run is trained on, where it begins, and rates that suit it."""

    x: Array
    y: Array
    start: Array
    steps: int
    curvature: float  # the largest of the sum of squares' Hessian
    scale: float  # the size of the parameters' way
    phi: Array = None  # of a model with more parameters than a line


class Made(NamedTuple):
    """A run as capture would deliver it, and what is right to say of it (any of the names in `right`)."""

    series: tuple[Series, ...]
    declared: tuple[Declared, ...]
    right: tuple[str, ...]


# -- drawing -------------------------------------------------------------------------------------


def world(rng: Random, *, steps: int | None = None) -> World:
    """Lee's ten points, a made line, or standardised data; a start of the right size."""
    kind = rng.integers(3)
    if kind == 0:
        x, y = LEE_X, LEE_Y
        start = np.array([-120.0, -4.0]) if rng.random() < 0.5 else np.round(rng.normal(0, 50, 2), 1)
    else:
        x = np.round(rng.uniform(-5, 20, int(rng.integers(4, 40))), 2)
        y = np.round(rng.normal(0, 3) + rng.normal(0, 2) * x + rng.normal(0, 2, len(x)), 2)
        start = np.round(rng.normal(0, 3, 2), 1)
        if kind == 2:
            x = (x - x.mean()) / x.std()
            y = (y - y.mean()) / y.std()
    phi = np.stack([np.ones_like(x), x], axis=1)
    best = np.linalg.lstsq(phi, y, rcond=None)[0]
    curvature = float(np.linalg.eigvalsh(2 * phi.T @ phi)[-1])
    return World(x, y, start, steps or int(rng.integers(30, 600)), curvature, float(np.abs(best - start).max() + 0.1))


def wide(rng: Random, *, powers: bool = False) -> World:
    """Two or three features of one scale, as they are or standardised; or the powers of one x."""
    features = int(rng.integers(2, 4))
    size = int(rng.integers(8, 40))
    x = np.round(rng.uniform(-2, 3, (size, features)), 2)
    if powers:
        x = np.round(rng.uniform(-1, 1, size), 3)
        table = np.stack([x, x**2], axis=1)
    else:
        x = (x - x.mean(axis=0)) / x.std(axis=0) if rng.random() < 0.5 else x
        table = x
    phi = np.concatenate([np.ones((size, 1)), table], axis=1)
    y = np.round(phi @ rng.normal(0, 2, phi.shape[1]) + rng.normal(0, 1, size), 2)
    start = np.round(rng.normal(0, 3, phi.shape[1]), 1)
    best = np.linalg.lstsq(phi, y, rcond=None)[0]
    curvature = float(np.linalg.eigvalsh(2 * phi.T @ phi)[-1])
    return World(x, y, start, int(rng.integers(30, 400)), curvature, float(np.abs(best - start).max() + 0.1), phi)


def rounded(value: float) -> float:
    """A number as a person would type it."""
    return float(f"{value:.1g}")


def linear_rate(rng: Random, w: World, *, keep: float = 1.0) -> float:
    """A rate for the sum of squares at which descent is stable."""
    return rounded(rng.uniform(0.05, 0.8) * keep / w.curvature)


def step_rate(rng: Random, w: World) -> float:
    """A rate for rules whose steps have about its own size."""
    return rounded(w.scale * rng.uniform(0.003, 0.05))


def decay_rate(rng: Random) -> float:
    """A decay rate as people choose them, or a less usual one."""
    return float(rng.choice([0.9, 0.99, 0.95, 0.8, 0.5, 0.85, 0.7]))


# -- training as students write it -----------------------------------------------------------------


def slope(w: World, theta: Array) -> Array:
    """The gradient of the sum of squares, summed in the notebook's own way."""
    if w.phi is not None:
        return np.asarray(-2.0 * w.phi.T @ (w.y - w.phi @ theta))
    error = w.y - (theta[0] + theta[1] * w.x)
    return np.array([-2.0 * np.sum(error), -2.0 * np.sum(error * w.x)])


def slope_in_a_loop(w: World, theta: Array) -> Array:
    """The same, one sample after another, as in the lecture's demo."""
    b_grad = w_grad = 0.0
    for n in range(len(w.x)):
        b_grad = b_grad - 2.0 * (w.y[n] - theta[0] - theta[1] * w.x[n]) * 1.0
        w_grad = w_grad - 2.0 * (w.y[n] - theta[0] - theta[1] * w.x[n]) * w.x[n]
    return np.array([b_grad, w_grad])


def train(w: World, step: Step, *, gradient: Callable[[World, Array], Array] = slope) -> Array:
    """The path [2, T+1] of a rule, up to the first state that is not finite."""
    theta = w.start.copy()
    path = [theta]
    with np.errstate(all="ignore"):
        for t in range(w.steps):
            theta = theta - step(gradient(w, theta), t)
            path.append(theta)
    return np.array(path).T


def gd(lr: float) -> Step:
    """Plain descent."""
    return lambda g, t: lr * g


def heavy_ball(lr: float, beta: float, *, weight: float = 1.0, inside: bool = False) -> Step:
    """A velocity that takes in `weight` times the gradient."""
    v: Array = 0.0

    def step(g: Array, t: int) -> Array:
        nonlocal v
        v = beta * v + (lr if inside else 1.0) * weight * g
        return v if inside else lr * v

    return step


def nesterov(lr: float, beta: float) -> Step:
    """Nesterov as torch writes it."""
    v: Array = 0.0

    def step(g: Array, t: int) -> Array:
        nonlocal v
        v = beta * v + g
        return lr * (g + beta * v)

    return step


def lookahead(w: World, lr: float, beta: float) -> Array:
    """Nesterov with the gradient at the point ahead."""
    theta, v, path = w.start.copy(), np.zeros(2), [w.start.copy()]
    for _ in range(w.steps):
        v = beta * v + lr * slope(w, theta - beta * v)
        theta = theta - v
        path.append(theta)
    return np.array(path).T


def adagrad(lr: float, *, eps: float = 0.0, inside: bool = False, start: float = 0.0, mean: bool = False) -> Step:
    """Adagrad."""
    s: Array = start

    def step(g: Array, t: int) -> Array:
        nonlocal s
        s = s + g**2
        now = s / (t + 1) if mean else s
        return lr * g / (np.sqrt(now + eps) if inside else np.sqrt(now) + eps)

    return step


def rmsprop(
    lr: float, rho: float, *, eps: float = 0.0, inside: bool = False, start: float | None = 0.0, beta: float = 0.0
) -> Step:
    """RMSprop; with `start=None` the average begins with the first square."""
    s: Array = start
    v: Array = 0.0

    def step(g: Array, t: int) -> Array:
        nonlocal s, v
        s = g**2 if s is None else rho * s + (1 - rho) * g**2
        move = lr * g / (np.sqrt(s + eps) if inside else np.sqrt(s) + eps)
        v = beta * v + move
        return v if beta else move

    return step


def adam(lr: float, beta1: float, beta2: float, *, eps: float = 0.0, hat: bool = False) -> Step:
    """Adam."""
    m: Array = 0.0
    s: Array = 0.0

    def step(g: Array, t: int) -> Array:
        nonlocal m, s
        m, s = beta1 * m + (1 - beta1) * g, beta2 * s + (1 - beta2) * g**2
        c1, c2 = 1 - beta1 ** (t + 1), 1 - beta2 ** (t + 1)
        if hat:
            return lr * np.sqrt(c2) / c1 * m / (np.sqrt(s) + eps)
        return lr * (m / c1) / (np.sqrt(s / c2) + eps)

    return step


# -- delivering ------------------------------------------------------------------------------------


def deliver(
    where: World,
    path: Array,
    /,
    *right: str,
    layout: str = "pair",
    losses: Array | None = None,
    **declared: Any,
) -> Made:
    """The run among the usual decoys: grids for the contour plot, predictions, the data."""
    series = [
        Series(cell=2, name="x_data", values=where.x),
        Series(cell=2, name="y_data", values=where.y),
        Series(cell=3, name="x", values=np.arange(-200.0, -100.0, 1.0)),
        Series(cell=3, name="y", values=np.arange(-5.0, 5.0, 0.1)),
        Series(cell=3, name="Z", values=np.outer(np.arange(100.0), np.arange(100.0))),
        Series(cell=4, name="y_pred", values=where.x @ path[1:, -1] if where.x.ndim > 1 else where.x * path[1, -1]),
    ]
    made = {
        "pair": [("b_history", path[0]), ("w_history", path[1])],
        "columns": [("theta_history", path.T)],
        "columns, w first": [("params", path[::-1].T)],
        "rows": [("history", path)],
        "columns, b last": [("weights_history", np.roll(path, -1, axis=0).T)],
        "other names": [("bs", path[0]), ("ws", path[1])],
        "no names": [("first", path[0]), ("second", path[1])],
        "weights and intercept": [("W_hist", path[1:].T), ("b_hist", path[0])],
    }[layout]
    series += [Series(cell=4, name=name, values=values) for name, values in made]
    if losses is not None:
        series.append(Series(cell=4, name="loss_history", values=losses))
    stated = [Declared(name=name, cell=4, value=value) for name, value in declared.items()]
    stated.append(Declared(name="iteration", cell=4, value=float(where.steps)))
    return Made(tuple(series), tuple(stated), right)


def _one(name: str, value: float) -> dict[str, Any]:
    return {str(name): value}


def judge(made: Made) -> Match | None:
    """What verification says of the run in cell 4."""
    found = [each for each in verify.runs(made.series, declared=made.declared, names=Names()) if each.cell == 4]
    return found[0] if found else None


# -- mistakes that cannot be seen -------------------------------------------------------------------


def recorded(made: Made, names: tuple[str, ...]) -> Array:
    """The path [P, T+1] under its names."""
    held = {each.name: each.values for each in made.series if each.cell == 4}
    return np.stack([held[name] for name in names])


def is_a_correct_run(made: Made, match: Match) -> bool:
    """Whether training correctly, by the rule of the match and from the same start, gives the recorded numbers.

    Then no number tells the mistake from its absence, and "matches" is the right answer: standardised data uncouple the
    parameters, so that the newer one may be used; a gradient that stays positive is its own size; the moving average of
    a linear recursion obeys it. The training is done here, step by step, with the numbers that are declared only.
    """
    numbers = match.hyperparameters
    if not set(numbers.values()) <= {each.value for each in made.declared} or match.rule not in PLAIN:
        return False
    if not {"b_history", "w_history"} <= {each.name for each in made.series}:
        return False
    path = recorded(made, match.names)
    x, y = (next(each.values for each in made.series if each.name == name) for name in ("x_data", "y_data"))
    w = World(x, y, path[:, 0], path.shape[1] - 1, 0.0, 0.0)
    scale = {"mse": 1 / len(x), "half-sse": 0.5, "half-mse": 0.5 / len(x)}.get(str(match.convention.get("loss")), 1.0)
    again = train(w, PLAIN[match.rule](numbers, match.convention), gradient=lambda w, theta: scale * slope(w, theta))
    size = np.max(np.abs(path), axis=1, keepdims=True)  # a parameter that stands at zero has the other's rounding
    return bool(np.all(np.abs(again - path) <= 1e-10 * size + 1e-14 * size.max()))


PLAIN: dict[str, Callable[[dict[str, float], dict[str, Any]], Step]] = {
    "gd": lambda n, _: gd(n["lr"]),
    "momentum": lambda n, _: heavy_ball(n["lr"], n["momentum"]),
    "nesterov": lambda n, _: nesterov(n["lr"], n["momentum"]),
    "adagrad": lambda n, _: adagrad(n["lr"]),
    "rmsprop": lambda n, c: rmsprop(n["lr"], n["rho"], start=None if c.get("start") == "first gradient" else 0.0),
}


# -- correct runs ----------------------------------------------------------------------------------

Kind = Callable[[Random], Made]
CORRECT: dict[str, Kind] = {}
MISTAKES: dict[str, Kind] = {}


def correct(name: str) -> Callable[[Kind], Kind]:
    """Enter a kind of correct run."""
    return lambda kind: CORRECT.setdefault(name, kind)


def mistake(name: str) -> Callable[[Kind], Kind]:
    """Enter a kind of mistake."""
    return lambda kind: MISTAKES.setdefault(name, kind)


def _scaled(name: str, factor: Callable[[World], float]) -> None:
    @correct(f"gd, {name}")
    def _(rng: Random) -> Made:
        w = world(rng)
        lr = rounded(rng.uniform(0.05, 0.8) / w.curvature / factor(w))
        c = factor(w)
        return deliver(w, train(w, lambda g, t: lr * (c * g)), "gd", lr=lr)


_scaled("sum of squares", lambda w: 1.0)
_scaled("mean", lambda w: 1.0 / len(w.x))
_scaled("half the sum", lambda w: 0.5)
_scaled("half the mean", lambda w: 0.5 / len(w.x))


@correct("gd, samples in a loop")
def _(rng: Random) -> Made:
    w = world(rng, steps=100)
    lr = linear_rate(rng, w)
    return deliver(w, train(w, gd(lr), gradient=slope_in_a_loop), "gd", learning_rate=lr)


@correct("gd, long, into the converged tail")
def _(rng: Random) -> Made:
    w = world(rng, steps=4000)
    lr = linear_rate(rng, w)
    return deliver(w, train(w, gd(lr)), "gd", lr=lr)


@correct("gd, diverging to overflow")
def _(rng: Random) -> Made:
    w = world(rng, steps=600)
    lr = rounded(rng.uniform(3, 30) / w.curvature)
    return deliver(w, train(w, gd(lr)), "gd", lr=lr)


@correct("gd, a few steps")
def _(rng: Random) -> Made:
    w = world(rng, steps=int(rng.integers(1, 6)))
    lr = linear_rate(rng, w)
    return deliver(w, train(w, gd(lr)), "gd", lr=lr)


@correct("gd, float32")
def _(rng: Random) -> Made:
    w = world(rng)
    lr = linear_rate(rng, w)
    single = w._replace(x=w.x.astype(np.float32), y=w.y.astype(np.float32), start=w.start.astype(np.float32))
    two, rate = np.float32(2), np.float32(lr)

    def gradient(_: World, theta: Array) -> Array:
        error = single.y - (theta[0] + theta[1] * single.x)
        return np.array([-two * np.sum(error), -two * np.sum(error * single.x)], dtype=np.float32)

    return deliver(w, train(single, lambda g, t: rate * g, gradient=gradient), "gd", lr=lr)


@correct("gd, rate not declared")
def _(rng: Random) -> Made:
    w = world(rng)
    return deliver(w, train(w, gd(linear_rate(rng, w))), "gd")


@correct("gd, a rate for each parameter")
def _(rng: Random) -> Made:
    w = world(rng)
    lr = linear_rate(rng, w)
    rates = np.array([rounded(lr * 3), lr])
    return deliver(w, train(w, lambda g, t: rates * g * 0.3), "gd", lr_b=rates[0] * 0.3, lr_w=rates[1] * 0.3)


@correct("gd, rate / (1 + t/50)")
def _(rng: Random) -> Made:
    w = world(rng)
    lr = linear_rate(rng, w)
    return deliver(w, train(w, lambda g, t: lr / (1 + t / 50) * g), "gd", lr=lr)


@correct("gd, rate decays by 0.99")
def _(rng: Random) -> Made:
    w = world(rng)
    lr = linear_rate(rng, w)
    return deliver(w, train(w, lambda g, t: lr * 0.99**t * g), "gd", lr=lr, decay=0.99)


@correct("gd, rate halves twice")
def _(rng: Random) -> Made:
    w = world(rng, steps=300)
    lr = linear_rate(rng, w)
    return deliver(w, train(w, lambda g, t: lr * 0.5 ** (t // 100) * g), "gd", lr=lr)


@correct("gd, history without the last state")
def _(rng: Random) -> Made:
    w = world(rng)
    lr = linear_rate(rng, w)
    return deliver(w, train(w, gd(lr))[:, :-1], "gd", lr=lr)


@correct("gd, first state twice")
def _(rng: Random) -> Made:
    w = world(rng)
    lr = linear_rate(rng, w)
    path = train(w, gd(lr))
    return deliver(w, np.concatenate([path[:, :1], path], axis=1), "gd", lr=lr)


@correct("gd, array longer than the training")
def _(rng: Random) -> Made:
    w = world(rng)
    lr = linear_rate(rng, w)
    return deliver(w, np.concatenate([train(w, gd(lr)), np.zeros((2, 40))], axis=1), "gd", lr=lr)


for _layout in ("columns", "columns, w first", "rows", "other names", "no names"):

    @correct(f"gd, {_layout}")
    def _(rng: Random, layout: str = _layout) -> Made:
        w = world(rng)
        lr = linear_rate(rng, w)
        return deliver(w, train(w, gd(lr)), "gd", layout=layout, lr=lr)


@correct("sgd, one sample a step, in order")
def _(rng: Random) -> Made:
    w = world(rng)
    lr = linear_rate(rng, w)
    path, theta = [w.start], w.start
    for t in range(w.steps):
        i = t % len(w.x)
        error = w.y[i] - (theta[0] + theta[1] * w.x[i])
        theta = theta + lr * 2 * error * np.array([1.0, w.x[i]])
        path.append(theta)
    return deliver(w, np.array(path).T, "sgd", lr=lr)


@correct("sgd, one sample a step, at random")
def _(rng: Random) -> Made:
    w = world(rng)
    lr = linear_rate(rng, w)
    path, theta = [w.start], w.start
    for _ in range(w.steps):
        i = rng.integers(len(w.x))
        error = w.y[i] - (theta[0] + theta[1] * w.x[i])
        theta = theta + lr * 2 * error * np.array([1.0, w.x[i]])
        path.append(theta)
    return deliver(w, np.array(path).T, "sgd", lr=lr)


@correct("sgd, recorded once a pass")
def _(rng: Random) -> Made:
    w = world(rng)
    lr = linear_rate(rng, w)
    path, theta = [w.start], w.start
    for _ in range(w.steps):
        for x, y in zip(w.x, w.y, strict=True):
            theta = theta + lr * 2 * (y - (theta[0] + theta[1] * x)) * np.array([1.0, x])
        path.append(theta)
    return deliver(w, np.array(path).T, "sgd", lr=lr)


@correct("gd, every tenth state")
def _(rng: Random) -> Made:
    w = world(rng, steps=600)
    lr = linear_rate(rng, w)
    return deliver(w, train(w, gd(lr))[:, ::10], "gd", lr=lr)


def _with_momentum(name: str, make: Callable[[float, float], Step], keep: Callable[[float], float]) -> None:
    @correct(name)
    def _(rng: Random) -> Made:
        w = world(rng)
        beta = decay_rate(rng)
        lr = linear_rate(rng, w, keep=keep(beta))
        rule = "nesterov" if "nesterov" in name else "momentum"
        return deliver(
            w, train(w, make(lr, beta)), rule, lr=lr, **_one(rng.choice(["beta", "momentum", "gamma"]), beta)
        )


_with_momentum("momentum, rate outside", heavy_ball, lambda beta: 1 - beta)
_with_momentum("momentum, rate inside", lambda lr, beta: heavy_ball(lr, beta, inside=True), lambda beta: 1 - beta)
_with_momentum("momentum, average", lambda lr, beta: heavy_ball(lr, beta, weight=1 - beta), lambda _: 1.0)
_with_momentum("nesterov, as torch", nesterov, lambda beta: 1 - beta)


@correct("nesterov, gradient ahead")
def _(rng: Random) -> Made:
    w = world(rng)
    beta = decay_rate(rng)
    lr = linear_rate(rng, w, keep=1 - beta)
    return deliver(w, lookahead(w, lr, beta), "nesterov", lr=lr, momentum=beta)


@correct("momentum, history begins after the first update")
def _(rng: Random) -> Made:
    w = world(rng)
    beta = decay_rate(rng)
    lr = linear_rate(rng, w, keep=1 - beta)
    return deliver(
        w, train(w, heavy_ball(lr, beta))[:, 1:], "momentum", lr=lr, momentum=beta, b=w.start[0], w=w.start[1]
    )


@correct("momentum, not declared")
def _(rng: Random) -> Made:
    w = world(rng)
    beta = decay_rate(rng)
    lr = linear_rate(rng, w, keep=1 - beta)
    return deliver(w, train(w, heavy_ball(lr, beta)), "momentum", lr=lr)


@correct("momentum, dampened as torch")
def _(rng: Random) -> Made:
    w = world(rng)
    beta, tau = decay_rate(rng), 0.3
    lr = linear_rate(rng, w, keep=1 - beta)
    v: Array | None = None

    def step(g: Array, t: int) -> Array:
        nonlocal v
        v = g if v is None else beta * v + (1 - tau) * g
        return lr * v

    return deliver(w, train(w, step), "momentum", lr=lr, momentum=beta, dampening=tau)


def _adaptive(name: str, rule: str, make: Callable[[Random, float, World], tuple[Step, dict[str, Any]]]) -> None:
    @correct(name)
    def _(rng: Random) -> Made:
        w = world(rng)
        lr = step_rate(rng, w)
        step, declared = make(rng, lr, w)
        return deliver(w, train(w, step), rule, **({"lr": lr} | declared))


def _mean_gradient(w: World, step: Step) -> Step:
    return lambda g, t: step(g / len(w.x), t)


_adaptive("adagrad, no eps", "adagrad", lambda rng, lr, w: (adagrad(lr), {}))
_adaptive("adagrad, eps outside", "adagrad", lambda rng, lr, w: (adagrad(lr, eps=1e-8), {"eps": 1e-8}))
_adaptive("adagrad, eps inside", "adagrad", lambda rng, lr, w: (adagrad(lr, eps=1e-6, inside=True), {"epsilon": 1e-6}))
_adaptive("adagrad, eps not declared", "adagrad", lambda rng, lr, w: (adagrad(lr, eps=1e-7), {}))
_adaptive(
    "adagrad, starts from 0.1",
    "adagrad",
    lambda rng, lr, w: (adagrad(lr, eps=1e-7, inside=True, start=0.1), {"eps": 1e-7}),
)
_adaptive(
    "adagrad, mean gradient, eps",
    "adagrad",
    lambda rng, lr, w: (_mean_gradient(w, adagrad(lr, eps=1e-8)), {"eps": 1e-8}),
)
_adaptive("adagrad, root of the mean", "adagrad", lambda rng, lr, w: (adagrad(lr, mean=True), {}))


@correct("adagrad, one root for the norm")
def _(rng: Random) -> Made:
    w = world(rng)
    lr = step_rate(rng, w) * 5
    s = 0.0

    def step(g: Array, t: int) -> Array:
        nonlocal s
        s += float(np.sum(g**2))
        return lr * g / np.sqrt(s)

    return deliver(w, train(w, step), "adagrad", lr=lr)


@correct("adagrad, 5000 steps")
def _(rng: Random) -> Made:
    w = world(rng, steps=5000)
    lr = step_rate(rng, w) * 10
    return deliver(w, train(w, adagrad(lr)), "adagrad", lr=lr)


def _rmsprops(name: str, **keywords: Any) -> None:
    def make(rng: Random, lr: float, w: World) -> tuple[Step, dict[str, Any]]:
        rho = decay_rate(rng)
        declared = {str(rng.choice(["rho", "alpha", "decay", "beta"])): rho}
        if "eps" in keywords:
            declared["eps"] = keywords["eps"]
        return rmsprop(lr, rho, **keywords), declared

    _adaptive(name, "rmsprop", make)


_rmsprops("rmsprop, starts from zero")
_rmsprops("rmsprop, starts from the first square", start=None)
_rmsprops("rmsprop, starts from one", start=1.0)
_rmsprops("rmsprop, eps outside", eps=1e-8)
_rmsprops("rmsprop, eps inside", eps=1e-7, inside=True)
_rmsprops("rmsprop, slides with eps", eps=1e-8, start=None)
_adaptive("rmsprop, nothing declared but the rate", "rmsprop", lambda rng, lr, w: (rmsprop(lr, decay_rate(rng)), {}))
_adaptive(
    "rmsprop with momentum",
    "rmsprop",
    lambda rng, lr, w: (rmsprop(lr / 5, 0.9, beta=0.5), {"lr": lr / 5, "alpha": 0.9, "momentum": 0.5}),
)
_adaptive(
    "adam, eps 1e-8",
    "adam",
    lambda rng, lr, w: (adam(lr, 0.9, 0.999, eps=1e-8), {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8}),
)
_adaptive(
    "adam, eps hat",
    "adam",
    lambda rng, lr, w: (adam(lr, 0.9, 0.999, eps=1e-7, hat=True), {"beta_1": 0.9, "beta_2": 0.999, "eps": 1e-7}),
)
_adaptive("adam, other betas", "adam", lambda rng, lr, w: (adam(lr, 0.8, 0.95), {"beta1": 0.8, "beta2": 0.95}))


@correct("rmsprop, bouncing, 3000 steps")
def _(rng: Random) -> Made:
    w = world(rng, steps=3000)
    lr = step_rate(rng, w)
    return deliver(w, train(w, rmsprop(lr, 0.9)), "rmsprop", lr=lr, rho=0.9)


# more parameters than a line has

WIDE = ("columns", "rows", "columns, b last")


@correct("gd, several features")
def _(rng: Random) -> Made:
    w = wide(rng)
    lr = linear_rate(rng, w)
    return deliver(w, train(w, gd(lr)), "gd", layout=str(rng.choice(WIDE)), lr=lr)


@correct("gd, powers of x")
def _(rng: Random) -> Made:
    w = wide(rng, powers=True)
    lr = linear_rate(rng, w)
    return deliver(w, train(w, gd(lr)), "gd", layout="columns", lr=lr)


@correct("momentum, several features")
def _(rng: Random) -> Made:
    w, beta = wide(rng), decay_rate(rng)
    lr = linear_rate(rng, w, keep=1 - beta)
    return deliver(w, train(w, heavy_ball(lr, beta)), "momentum", layout=str(rng.choice(WIDE)), lr=lr, momentum=beta)


@correct("adagrad, several features")
def _(rng: Random) -> Made:
    w = wide(rng)
    lr = step_rate(rng, w)
    return deliver(w, train(w, adagrad(lr, eps=1e-8)), "adagrad", layout=str(rng.choice(WIDE)), lr=lr, eps=1e-8)


@correct("rmsprop, several features")
def _(rng: Random) -> Made:
    w, rho = wide(rng), decay_rate(rng)
    lr = step_rate(rng, w)
    return deliver(w, train(w, rmsprop(lr, rho)), "rmsprop", layout=str(rng.choice(WIDE)), lr=lr, rho=rho)


@correct("adam, powers of x")
def _(rng: Random) -> Made:
    w = wide(rng, powers=True)
    lr = step_rate(rng, w)
    step = adam(lr, 0.9, 0.999, eps=1e-8)
    return deliver(w, train(w, step), "adam", layout="columns", lr=lr, beta1=0.9, beta2=0.999, eps=1e-8)


@correct("sgd, several features, at random")
def _(rng: Random) -> Made:
    w = wide(rng)
    lr = linear_rate(rng, w)
    path, theta = [w.start], w.start
    for _ in range(w.steps):
        i = rng.integers(len(w.y))
        theta = theta + lr * 2 * (w.y[i] - w.phi[i] @ theta) * w.phi[i]
        path.append(theta)
    return deliver(w, np.array(path).T, "sgd", layout="columns", lr=lr)


@correct("momentum, averaged and corrected")
def _(rng: Random) -> Made:
    w = world(rng)
    beta = decay_rate(rng)
    lr = linear_rate(rng, w)
    m: Array = 0.0

    def step(g: Array, t: int) -> Array:
        nonlocal m
        m = beta * m + (1 - beta) * g
        return lr * m / (1 - beta ** (t + 1))

    return deliver(w, train(w, step), "momentum", lr=lr, beta=beta)


@correct("momentum, 1/t schedule inside")
def _(rng: Random) -> Made:
    w = world(rng)
    beta = decay_rate(rng)
    lr = linear_rate(rng, w, keep=1 - beta)
    v: Array = 0.0

    def step(g: Array, t: int) -> Array:
        nonlocal v
        v = beta * v + lr / (1 + 0.01 * t) * g
        return v

    return deliver(w, train(w, step), "momentum", lr=lr, beta=beta, decay=0.01)


@correct("gd, many falling steps of the rate")
def _(rng: Random) -> Made:
    w = world(rng, steps=300)
    lr = linear_rate(rng, w)
    return deliver(w, train(w, lambda g, t: lr * 0.8 ** (t // 15) * g), "gd", lr=lr)


@correct("rmsprop, centred")
def _(rng: Random) -> Made:
    w = world(rng)
    rho, lr = decay_rate(rng), step_rate(rng, w)
    m: Array = 0.0
    s: Array = 0.0

    def step(g: Array, t: int) -> Array:
        nonlocal m, s
        m, s = rho * m + (1 - rho) * g, rho * s + (1 - rho) * g**2
        return lr * g / (np.sqrt(s - m**2) + 1e-8)

    return deliver(w, train(w, step), "rmsprop", lr=lr, rho=rho, eps=1e-8)


@correct("sgd, batches with a smaller last one")
def _(rng: Random) -> Made:
    w = world(rng)
    size = next(size for size in (3, 4, 5, 7) if len(w.x) % size)
    lr = rounded(rng.uniform(0.05, 0.5) / (1 + float(np.max(w.x**2))) / 2)
    return deliver(w, _passes(w, size, lr), "sgd", lr=lr, batch_size=size)


@correct("sgd, batches recorded once a pass")
def _(rng: Random) -> Made:
    w = world(rng)
    size = int(rng.choice([2, 3]))
    lr = rounded(rng.uniform(0.05, 0.5) / (1 + float(np.max(w.x**2))) / 2)
    path = _passes(w, size, lr)
    return deliver(w, path[:, :: -(-len(w.x) // size)], "sgd", lr=lr, batch_size=size)


@correct("sgd, batches drawn at random")
def _(rng: Random) -> Made:
    w = world(rng)
    size = int(rng.choice([size for size in (2, 3, 4) if math.comb(len(w.x), size) <= MOST_DRAWS]))
    lr = rounded(rng.uniform(0.05, 0.5) / (1 + float(np.max(w.x**2))) / 2)
    theta = w.start
    path = [theta]
    for _ in range(w.steps):
        taken = rng.choice(len(w.x), size, replace=False)
        theta = theta - lr * slope(w._replace(x=w.x[taken], y=w.y[taken]), theta) / size
        path.append(theta)
    return deliver(w, np.array(path).T, "sgd", lr=lr, batch_size=size)


def _passes(w: World, size: int, lr: float) -> Array:
    """Twelve passes over the data in batches, each step along the mean gradient of its batch."""
    theta = w.start
    path = [theta]
    for _ in range(12):
        for k in range(0, len(w.x), size):
            part = w._replace(x=w.x[k : k + size], y=w.y[k : k + size])
            theta = theta - lr * slope(part, theta) / len(part.x)
            path.append(theta)
    return np.array(path).T


@correct("gd, weights in one array beside the intercept")
def _(rng: Random) -> Made:
    w = wide(rng)
    lr = linear_rate(rng, w)
    path = train(w, gd(lr), gradient=lambda w, theta: -2.0 * w.phi.T @ (w.y - w.phi @ theta))
    return deliver(w, path, "gd", lr=lr, layout="weights and intercept")


@correct("adagrad, beside its accumulators")
def _(rng: Random) -> Made:
    w = world(rng)
    lr = step_rate(rng, w)
    path = train(w, adagrad(lr))
    squares = np.array([slope(w, theta) ** 2 for theta in path.T[:-1]]).T
    made = deliver(w, path, "adagrad", lr=lr)
    kept = [Series(cell=4, name=f"g2_{name}", values=row) for name, row in zip("bw", squares, strict=True)]
    return made._replace(series=(*made.series, *kept))


def library_rmsprop(
    lr: float, rho: float, beta: float, *, centred: bool = False, corrected: bool = False, ahead: bool = False
) -> Step:
    """RMSprop with what libraries offer beside it: a variance, a corrected mean, a velocity or one taken ahead."""
    m: Array = 0.0
    s: Array = 0.0
    v: Array = 0.0

    def step(g: Array, t: int) -> Array:
        nonlocal m, s, v
        m, s = rho * m + (1 - rho) * g, rho * s + (1 - rho) * g**2
        now = s - m**2 if centred else s / (1 - rho ** (t + 1)) if corrected else s
        move = g / (np.sqrt(now) + 1e-8)
        v = beta * v + move
        return lr * (move + beta * v if ahead else v)

    return step


def _library_rmsprops(name: str, **keywords: Any) -> None:
    def make(rng: Random, lr: float, w: World) -> tuple[Step, dict[str, Any]]:
        rho, beta = decay_rate(rng), float(rng.choice([0.5, 0.8, 0.9]))
        step = library_rmsprop(lr / 5, rho, beta, **keywords)
        return step, {"lr": lr / 5, "alpha": rho, "momentum": beta, "eps": 1e-8}

    _adaptive(name, "rmsprop", make)


_library_rmsprops("rmsprop, centred, with momentum", centred=True)
_library_rmsprops("rmsprop, corrected, with momentum", corrected=True)
_library_rmsprops("rmsprop, with momentum taken ahead", ahead=True)


@correct("rmsprop, corrected for its start")
def _(rng: Random) -> Made:
    w, rho = world(rng), decay_rate(rng)
    lr = step_rate(rng, w)
    return deliver(w, train(w, library_rmsprop(lr, rho, 0.0, corrected=True)), "rmsprop", lr=lr, rho=rho)


@correct("adagrad, torch's lr_decay")
def _(rng: Random) -> Made:
    w = world(rng)
    lr, lr_decay = step_rate(rng, w), float(rng.choice([0.1, 0.01, 0.001]))
    stated = _one("lr_decay", lr_decay) if rng.random() < 0.5 else {}
    return deliver(w, train(w, _falling(adagrad(1.0, eps=1e-10), lr, lr_decay)), "adagrad", lr=lr, **stated)


@correct("adagrad, starts from a stated number")
def _(rng: Random) -> Made:
    w = world(rng)
    lr, start = step_rate(rng, w), float(rng.choice([0.5, 1.0, 0.01]))
    step = adagrad(lr, eps=1e-10, start=start)
    return deliver(w, train(w, step), "adagrad", lr=lr, initial_accumulator_value=start)


def library_adam(lr: float, beta1: float, beta2: float, *, eps: float, root: float, ahead: bool) -> Step:
    """Adam as optax has it: an eps under the root beside the usual one, and its mean taken ahead."""
    m: Array = 0.0
    s: Array = 0.0

    def step(g: Array, t: int) -> Array:
        nonlocal m, s
        m, s = beta1 * m + (1 - beta1) * g, beta2 * s + (1 - beta2) * g**2
        mean = m / (1 - beta1 ** (t + 1))
        if ahead:
            mean = beta1 * m / (1 - beta1 ** (t + 2)) + (1 - beta1) * g / (1 - beta1 ** (t + 1))
        return lr * mean / (np.sqrt(s / (1 - beta2 ** (t + 1)) + root) + eps)

    return step


_adaptive(
    "adam, eps beside and under its root",
    "adam",
    lambda rng, lr, w: (
        library_adam(lr, 0.9, 0.999, eps=1e-6, root=1e-4, ahead=False),
        {"eps": 1e-6, "eps_root": 1e-4},
    ),
)
_adaptive(
    "adam, its mean taken ahead",
    "adam",
    lambda rng, lr, w: (library_adam(lr, 0.9, 0.99, eps=1e-8, root=0.0, ahead=True), {"b1": 0.9, "b2": 0.99}),
)


@correct("rmsprop, starts from the first gradient with its sign")
def _(rng: Random) -> Made:
    w, rho = world(rng), decay_rate(rng)
    lr = step_rate(rng, w)
    sigma: Array | None = None

    def step(g: Array, t: int) -> Array:
        nonlocal sigma
        sigma = g if sigma is None else np.sqrt(rho * sigma**2 + (1 - rho) * g**2)
        return lr / sigma * g

    return deliver(w, train(w, step), "rmsprop", lr=lr, alpha=rho)


def _penalised(name: str, rule: str, weights: tuple[float, float], make: Callable[[float], Step]) -> None:
    """A loss with a penalty: the sum or the mean of squares and λ/2 times the squares of the weighed parameters."""

    @correct(name)
    def _(rng: Random) -> Made:
        w = world(rng)
        part = float(rng.choice([1.0, 1.0 / len(w.x)]))
        lr = step_rate(rng, w) if rule not in ("gd", "momentum") else rounded(0.1 / w.curvature / part)
        decay = float(rng.choice([0.01, 0.1, 0.5]))

        def gradient(w: World, theta: Array) -> Array:
            return part * slope(w, theta) + decay * np.array(weights) * theta

        return deliver(w, train(w, make(lr), gradient=gradient), rule, lr=lr, weight_decay=decay)


_penalised("gd, weight decay", "gd", (1.0, 1.0), gd)
_penalised("gd, weight decay of the slope alone", "gd", (0.0, 1.0), gd)
_penalised("momentum, weight decay", "momentum", (1.0, 1.0), lambda lr: heavy_ball(lr, 0.9))
_penalised("adam, weight decay", "adam", (1.0, 1.0), lambda lr: adam(lr, 0.9, 0.999, eps=1e-8))


@correct("adam, weight decay apart")
def _(rng: Random) -> Made:
    w = world(rng)
    lr, decay = step_rate(rng, w), float(rng.choice([0.01, 0.1]))
    step, theta = adam(lr, 0.9, 0.999, eps=1e-8), w.start
    path = [theta]
    for t in range(w.steps):
        theta = theta * (1 - lr * decay) - step(slope(w, theta), t)
        path.append(theta)
    return deliver(w, np.array(path).T, "adam", lr=lr, weight_decay=decay)


def _scheduled(name: str, rule: str, make: Callable[[Random], tuple[Step, dict[str, Any]]]) -> None:
    @correct(name)
    def _(rng: Random) -> Made:
        w = world(rng)
        lr = step_rate(rng, w)
        step, declared = make(rng)
        return deliver(w, train(w, _falling(step, lr, 0.01)), rule, lr=lr, **declared)


def _falling(step: Step, lr: float, fall: float) -> Step:
    """A rule whose rate falls as 1/t."""
    return lambda g, t: lr / (1 + fall * t) * step(g, t)


_scheduled("rmsprop, eps, 1/t schedule", "rmsprop", lambda rng: (rmsprop(1.0, 0.9, eps=1e-8), {"rho": 0.9}))
_scheduled("adam, eps, 1/t schedule", "adam", lambda rng: (adam(1.0, 0.9, 0.999, eps=1e-8), {}))
_scheduled(
    "rmsprop with momentum, 1/t schedule",
    "rmsprop",
    lambda rng: (library_rmsprop(0.2, 0.9, 0.5), {"rho": 0.9, "momentum": 0.5}),
)


@correct("nesterov, 1/t schedule")
def _(rng: Random) -> Made:
    w, beta = world(rng), decay_rate(rng)
    lr = linear_rate(rng, w, keep=1 - beta)
    return deliver(w, train(w, _falling(nesterov(1.0, beta), lr, 0.01)), "nesterov", lr=lr, momentum=beta)


# -- mistakes --------------------------------------------------------------------------------------

Rule = tuple[Step, dict[str, Any]]


def any_rule(rng: Random, w: World) -> Rule:
    """One of the homework's four rules."""
    which = rng.integers(4)
    beta = decay_rate(rng)
    if which == 0:
        lr = linear_rate(rng, w)
        return gd(lr), {"lr": lr}
    if which == 1:
        lr = linear_rate(rng, w, keep=1 - beta)
        return heavy_ball(lr, beta), {"lr": lr, "beta": beta}
    lr = step_rate(rng, w)
    if which == 2:
        return adagrad(lr), {"lr": lr}
    return rmsprop(lr, beta), {"lr": lr, "rho": beta}


def _in_gradient(name: str, change: Callable[[World, Array], Array], *right: str) -> None:
    @mistake(name)
    def _(rng: Random) -> Made:
        w = world(rng)
        step, declared = any_rule(rng, w)
        return deliver(w, train(w, step, gradient=change), *right, **declared)


def _error(w: World, theta: Array) -> Array:
    return np.asarray(w.y - (theta[0] + theta[1] * w.x))


def _sums(at_b: Array, at_w: Array) -> Array:
    return np.array([-2.0 * np.sum(at_b), -2.0 * np.sum(at_w)])


_in_gradient("gradient: wrong sign", lambda w, th: -slope(w, th), "bug.sign")
_in_gradient("gradient: wrong sign of b", lambda w, th: slope(w, th) * [-1, 1], "bug.sign-one")
_in_gradient("gradient: wrong sign of w", lambda w, th: slope(w, th) * [1, -1], "bug.sign-one")
_in_gradient("gradient: b and w swapped", lambda w, th: slope(w, th)[::-1], "bug.swapped-gradients")
_in_gradient("gradient: factor x missing", lambda w, th: _sums(_error(w, th), _error(w, th)), "bug.missing-x")
_in_gradient(
    "gradient: factor x in both",
    lambda w, th: _sums(_error(w, th) * w.x, _error(w, th) * w.x),
    "bug.x-in-every-gradient",
)
_in_gradient("gradient: x squared", lambda w, th: _sums(_error(w, th), _error(w, th) * w.x**2), "bug.x-squared")
_in_gradient(
    "gradient: product of sums",
    lambda w, th: _sums(_error(w, th), np.sum(_error(w, th)) * w.x),
    "bug.product-of-sums",
    "bug.missing-x",
)
_in_gradient(
    "gradient: y forgotten", lambda w, th: _sums(-(th[0] + th[1] * w.x), -(th[0] + th[1] * w.x) * w.x), "bug.no-target"
)
_in_gradient(
    "gradient: y with the wrong sign",
    lambda w, th: _sums(-w.y - th[0] - th[1] * w.x, (-w.y - th[0] - th[1] * w.x) * w.x),
    "bug.target-sign",
)
_in_gradient(
    "gradient: b forgotten",
    lambda w, th: _sums(w.y - th[1] * w.x, (w.y - th[1] * w.x) * w.x),
    "bug.prediction-without-b",
)
_in_gradient(
    "gradient: b with the wrong sign",
    lambda w, th: _sums(w.y + th[0] - th[1] * w.x, (w.y + th[0] - th[1] * w.x) * w.x),
    "bug.prediction-sign",
    "bug.sign-one",  # the same on standardised data
)
_in_gradient(
    "gradient: last sample only", lambda w, th: _sums(_error(w, th)[-1], _error(w, th)[-1] * w.x[-1]), "bug.last-sample"
)
_in_gradient(
    "gradient: first sample only", lambda w, th: _sums(_error(w, th)[0], _error(w, th)[0] * w.x[0]), "bug.first-sample"
)
_in_gradient(
    "gradient: last sample skipped",
    lambda w, th: _sums(_error(w, th)[:-1], (_error(w, th) * w.x)[:-1]),
    "bug.skips-last-sample",
)
_in_gradient(
    "gradient: first sample skipped",
    lambda w, th: _sums(_error(w, th)[1:], (_error(w, th) * w.x)[1:]),
    "bug.skips-first-sample",
)
_in_gradient(
    "gradient: absolute error",
    lambda w, th: _sums(np.sign(_error(w, th)), np.sign(_error(w, th)) * w.x),
    "bug.absolute-error",
)
_in_gradient(
    "gradient: error squared", lambda w, th: _sums(_error(w, th) ** 2, _error(w, th) ** 2 * w.x), "bug.error-squared"
)


@mistake("gradient: factor 2 for b only")
def _(rng: Random) -> Made:
    w = world(rng)
    lr = linear_rate(rng, w)
    return deliver(w, train(w, lambda g, t: lr * g * [1.0, 0.5]), "bug.uneven-factor", lr=lr)


@mistake("gradient: not reset")
def _(rng: Random) -> Made:
    w = world(rng, steps=100)
    step, declared = any_rule(rng, w)
    total = np.zeros(2)

    def gradient(w: World, theta: Array) -> Array:
        nonlocal total
        total = total + slope(w, theta)
        return total

    return deliver(w, train(w, step, gradient=gradient), "bug.gradient-not-reset", **declared)


@mistake("gradient: of the step before")
def _(rng: Random) -> Made:
    w = world(rng)
    step, declared = any_rule(rng, w)
    kept = slope(w, w.start)

    def gradient(w: World, theta: Array) -> Array:
        nonlocal kept
        used, kept = kept, slope(w, theta)
        return used

    return deliver(w, train(w, step, gradient=gradient), "bug.stale-gradient", **declared)


@mistake("gradient: computed once")
def _(rng: Random) -> Made:
    w = world(rng)
    step, declared = any_rule(rng, w)
    return deliver(
        w,
        train(w, step, gradient=lambda w, _: slope(w, w.start)),
        "bug.frozen-gradient",
        "bug.evenly-spaced",
        **declared,
    )


@mistake("gradient: squared")
def _(rng: Random) -> Made:
    w = world(rng)
    lr = linear_rate(rng, w) / w.curvature / w.scale
    return deliver(w, train(w, lambda g, t: lr * g**2), "bug.gradient-squared", lr=lr)


@mistake("gradient: absolute")
def _(rng: Random) -> Made:
    w = world(rng)
    step, declared = any_rule(rng, w)
    return deliver(
        w,
        train(w, step, gradient=lambda w, th: np.abs(slope(w, th))),
        "bug.gradient-absolute",
        "bug.sign",
        "bug.sign-one",
        **declared,
    )


@mistake("gradient: one parameter already updated (Gauss-Seidel)")
def _(rng: Random) -> Made:
    w = world(rng)
    first = int(rng.integers(2))
    lr = linear_rate(rng, w)
    path, theta = [w.start], w.start.copy()
    for _ in range(w.steps):
        theta = theta.copy()
        theta[first] -= lr * slope(w, theta)[first]
        theta[1 - first] -= lr * slope(w, theta)[1 - first]
        path.append(theta)
    return deliver(w, np.array(path).T, ("bug.gauss-seidel", "bug.gauss-seidel-w-first")[first], lr=lr)


@mistake("gradient: Gauss-Seidel in Adagrad")
def _(rng: Random) -> Made:
    w = world(rng)
    lr = step_rate(rng, w)
    path, theta, s = [w.start], w.start.copy(), np.zeros(2)
    for _ in range(w.steps):
        theta = theta.copy()
        for k in (0, 1):
            g = slope(w, theta)[k]
            s[k] += g**2
            theta[k] -= lr * g / np.sqrt(s[k])
        path.append(theta)
    return deliver(w, np.array(path).T, "bug.gauss-seidel", lr=lr)


@mistake("update inside the loop over samples")
def _(rng: Random) -> Made:
    w = world(rng)
    lr = linear_rate(rng, w) / 3
    path, theta = [w.start], w.start
    while len(path) <= w.steps:
        total = np.zeros(2)
        for x, y in zip(w.x, w.y, strict=True):
            total = total - 2.0 * (y - theta[0] - theta[1] * x) * np.array([1.0, x])
            theta = theta - lr * total
            path.append(theta)
    return deliver(w, np.array(path).T, "bug.update-inside-loop", lr=lr)


@mistake("assignment instead of -=")
def _(rng: Random) -> Made:
    w = world(rng, steps=100)
    step, declared = any_rule(rng, w)
    path, theta = [w.start], w.start
    for t in range(w.steps):
        theta = -step(slope(w, theta), t)
        path.append(theta)
    return deliver(w, np.array(path).T, "bug.assigned", **declared)


# mistakes in rules: each returns the rule with the mistake


def _in_rule(name: str, make: Callable[[float, float], Step], *right: str, kind: str = "step", decay: str = "") -> None:
    @mistake(name)
    def _(rng: Random) -> Made:
        w = world(rng)
        rho = decay_rate(rng)
        while rho == 0.5 and "swapped" in name:  # one half swapped is one half
            rho = decay_rate(rng)
        lr = step_rate(rng, w) if kind == "step" else linear_rate(rng, w, keep=1 - rho)
        if kind == "no root":
            lr = rounded(lr * w.curvature * w.scale)
        declared: dict[str, Any] = {"lr": lr} | ({decay: rho} if decay else {})
        return deliver(w, train(w, make(lr, rho)), *right, **declared)


def _accumulating(
    lr: float,
    take: Callable[[Array, Array], Array],
    use: Callable[[Array, Array], Array],
    *,
    late: bool = False,
    start: float = 0.0,
) -> Step:
    s: Array = start

    def step(g: Array, t: int) -> Array:
        nonlocal s
        before = s
        s = take(s, g)
        return lr * use(g, before if late else s)

    return step


def _over_root(g: Array, s: Array) -> Array:
    return np.asarray(g / np.sqrt(s))


_in_rule(
    "adagrad: no root",
    lambda lr, _: _accumulating(lr, lambda s, g: s + g**2, lambda g, s: g / s),
    "bug.adagrad-no-root",
    kind="no root",
)
_in_rule(
    "adagrad: gradient not squared",
    lambda lr, _: _accumulating(lr, lambda s, g: s + g, lambda g, s: g / np.sqrt(np.abs(s))),
    "bug.adagrad-not-squared",
    "bug.adagrad-absolute",
)
_in_rule(
    "adagrad: absolute gradient",
    lambda lr, _: _accumulating(lr, lambda s, g: s + np.abs(g), _over_root),
    "bug.adagrad-absolute",
)
_in_rule(
    "adagrad: reset every step", lambda lr, _: _accumulating(lr, lambda s, g: g**2, _over_root), "bug.adagrad-reset"
)
_in_rule(
    "adagrad: updated after use",
    lambda lr, _: _accumulating(lr, lambda s, g: s + g**2, _over_root, late=True, start=1.0),
    "bug.adagrad-late",
)
_in_rule(
    "adagrad: accumulator decays",
    lambda lr, rho: _accumulating(lr, lambda s, g: rho * s + g**2, _over_root),
    "bug.no-one-minus-rho",
    decay="decay",
)
_in_rule(
    "adagrad: no gradient in the step",
    lambda lr, _: _accumulating(lr, lambda s, g: s + g**2, lambda g, s: 1 / np.sqrt(s)),
    "bug.no-gradient-factor",
)
_in_rule(
    "adagrad: gradient squared in the step",
    lambda lr, _: _accumulating(lr * 0.001, lambda s, g: s + g**2, lambda g, s: 1000 * g**2 / np.sqrt(s)),
    "bug.gradient-squared",
    "bug.lr-differs",
)
_in_rule(
    "rmsprop: weights swapped",
    lambda lr, rho: _accumulating(lr, lambda s, g: (1 - rho) * s + rho * g**2, _over_root),
    "bug.rmsprop-swapped",
    decay="rho",
)
_in_rule(
    "rmsprop: no (1 - rho)",
    lambda lr, rho: _accumulating(lr, lambda s, g: rho * s + g**2, _over_root),
    "bug.no-one-minus-rho",
    decay="rho",
)
_in_rule(
    "rmsprop: no root",
    lambda lr, rho: _accumulating(lr, lambda s, g: rho * s + (1 - rho) * g**2, lambda g, s: g / s),
    "bug.rmsprop-no-root",
    decay="rho",
)
_in_rule(
    "rmsprop: absolute gradient",
    lambda lr, rho: _accumulating(lr, lambda s, g: rho * s + (1 - rho) * np.abs(g), _over_root),
    "bug.rmsprop-absolute",
    decay="rho",
)
_in_rule(
    "rmsprop: no gradient in the step",
    lambda lr, rho: _accumulating(lr, lambda s, g: rho * s + (1 - rho) * g**2, lambda g, s: 1 / np.sqrt(s)),
    "bug.no-gradient-factor",
    decay="rho",
)
_in_rule(
    "rmsprop: v += rho v",
    lambda lr, rho: _accumulating(lr, lambda s, g: s + rho * s + (1 - rho) * g**2, _over_root),
    "bug.rmsprop-added-twice",
    decay="rho",
)
_in_rule(
    "rmsprop: updated after use",
    lambda lr, rho: _accumulating(lr, lambda s, g: rho * s + (1 - rho) * g**2, _over_root, late=True, start=1.0),
    "bug.rmsprop-late",
    decay="rho",
)
_in_rule(
    "rmsprop: eps outside the division",
    lambda lr, rho: _accumulating(
        1.0, lambda s, g: rho * s + (1 - rho) * g**2, lambda g, s: lr * g / np.sqrt(s) + 1e-6
    ),
    "bug.eps-outside-division",
    decay="rho",
)


def _velocity(lr: float, change: Callable[[Array, Array], Array]) -> Step:
    v = np.zeros(2)

    def step(g: Array, t: int) -> Array:
        nonlocal v
        v = change(v, g)
        return lr * v

    return step


_in_rule(
    "momentum: weights swapped",
    lambda lr, b: _velocity(lr, lambda v, g: (1 - b) * v + b * g),
    "bug.momentum-swapped",
    kind="linear",
    decay="beta",
)
_in_rule(
    "momentum: old velocity subtracted",
    lambda lr, b: _velocity(lr, lambda v, g: -b * v + g),
    "bug.momentum-sign",
    kind="linear",
    decay="momentum",
)
_in_rule(
    "momentum: climbs",
    lambda lr, b: _velocity(-lr, lambda v, g: b * v + g),
    "bug.sign",
    kind="linear",
    decay="momentum",
)
_in_rule(
    "momentum: rate applied twice",
    lambda lr, b: _velocity(lr, lambda v, g: b * v + lr * g),
    "bug.lr-twice",
    kind="linear",
    decay="momentum",
)
_in_rule(
    "momentum: above one",
    lambda lr, _: _velocity(lr, lambda v, g: 1.05 * v + g),
    "bug.momentum-above-one",
    "verify.estimated",
    kind="linear",
)


@mistake("adagrad: one accumulator for both")
def _(rng: Random) -> Made:
    w = world(rng)
    lr = step_rate(rng, w)
    s = 0.0

    def step(g: Array, t: int) -> Array:
        nonlocal s
        s += float(g[0] ** 2)
        at_b = lr * g[0] / np.sqrt(s)
        s += float(g[1] ** 2)
        return np.array([at_b, lr * g[1] / np.sqrt(s)])

    return deliver(w, train(w, step), "bug.adagrad-shared", lr=lr)


@mistake("momentum: one velocity for both")
def _(rng: Random) -> Made:
    w = world(rng)
    beta = decay_rate(rng)
    lr = linear_rate(rng, w, keep=1 - beta) / 3
    v = 0.0

    def step(g: Array, t: int) -> Array:
        nonlocal v
        v = beta * v + float(g[0])
        at_b = lr * v
        v = beta * v + float(g[1])
        return np.array([at_b, lr * v])

    return deliver(w, train(w, step), "bug.momentum-shared", lr=lr, beta=beta)


# mistakes with more parameters than a line has


_in_gradient(
    "gradient: w with the wrong sign",
    lambda w, th: _sums(w.y - th[0] + th[1] * w.x, (w.y - th[0] + th[1] * w.x) * w.x),
    "bug.prediction-sign-w",
    "bug.sign-one",  # the same on standardised data
)
_in_gradient(
    "gradient: b x + w",
    lambda w, th: _sums(w.y - th[0] * w.x - th[1], (w.y - th[0] * w.x - th[1]) * w.x),
    "bug.prediction-exchanged",
)
_in_gradient(
    "gradient: every second sample",
    lambda w, th: _sums(_error(w, th)[::2], (_error(w, th) * w.x)[::2]),
    "bug.every-second-sample",
)
_in_gradient(
    "gradient: x of the point before",
    lambda w, th: slope(w._replace(x=np.roll(w.x, 1)), th),
    "bug.misaligned-data",
)
_in_gradient(
    "gradient: x of the next point",
    lambda w, th: slope(w._replace(x=np.roll(w.x, -1)), th),
    "bug.misaligned-data-ahead",
)


@mistake("gradient: of w not reset")
def _(rng: Random) -> Made:
    w = world(rng, steps=60)
    lr = linear_rate(rng, w)
    total = 0.0

    def gradient(w: World, theta: Array) -> Array:
        nonlocal total
        g = slope(w, theta)
        total += g[1]
        return np.array([g[0], total])

    return deliver(w, train(w, gd(lr), gradient=gradient), "bug.one-gradient-not-reset", lr=lr)


@mistake("gradient: b is never updated")
def _(rng: Random) -> Made:
    w = world(rng)
    lr = linear_rate(rng, w)
    return deliver(w, train(w, lambda g, t: lr * g * [0.0, 1.0]), "bug.one-never-moves", lr=lr)


_in_rule(
    "adagrad: accumulators exchanged",
    lambda lr, _: _accumulating(lr, lambda s, g: s + g**2, lambda g, s: g / np.sqrt(s[::-1])),
    "bug.accumulators-exchanged",
)
_in_rule(
    "adagrad: accumulator of b for both",
    lambda lr, _: _accumulating(lr, lambda s, g: s + g**2, lambda g, s: g / np.sqrt(s[0])),
    "bug.adagrad-shared",
)
_in_rule(
    "adagrad: sizes without a root",
    lambda lr, _: _accumulating(lr, lambda s, g: s + np.abs(g), lambda g, s: g / s),
    "bug.accumulated-sizes",
)
_in_rule(
    "rmsprop: accumulators exchanged",
    lambda lr, rho: _accumulating(lr, lambda s, g: rho * s + (1 - rho) * g**2, lambda g, s: g / np.sqrt(s[::-1])),
    "bug.accumulators-exchanged",
    decay="rho",
)
_in_rule(
    "rmsprop: never forgets",
    lambda lr, rho: _accumulating(lr, lambda s, g: s + (1 - rho) * g**2, _over_root),
    "bug.rmsprop-never-forgets",
    "bug.lr-differs",  # where the factor is a power of ten
    decay="rho",
)
_in_rule(
    "rmsprop: gradient not squared",
    lambda lr, rho: _accumulating(lr, lambda s, g: rho * s + (1 - rho) * g, lambda g, s: g / np.sqrt(np.abs(s))),
    "bug.rmsprop-not-squared",
    "bug.rmsprop-absolute",
    kind="no root",
    decay="rho",
)
_in_rule(
    "nesterov: looks against its velocity",
    lambda lr, beta: _looking(lr, beta, -1.0),
    "bug.nesterov-sign",
    kind="linear",
    decay="momentum",
)


def _looking(lr: float, beta: float, way: float) -> Step:
    v: Array = 0.0

    def step(g: Array, t: int) -> Array:
        nonlocal v
        v = beta * v + g
        return lr * (g + way * beta * v)

    return step


def _in_adam(name: str, change: Callable[[Array, Array, Array, int, float, float], Array], *right: str) -> None:
    """A step from the two averages, the gradient, the count from 1 and the two decay rates."""

    @mistake(name)
    def _(rng: Random) -> Made:
        w = world(rng)
        lr, beta1, beta2 = step_rate(rng, w), float(rng.choice([0.9, 0.8])), float(rng.choice([0.999, 0.99]))
        m: Array = 0.0
        v: Array = 0.0

        def step(g: Array, t: int) -> Array:
            nonlocal m, v
            m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
            return lr * change(m, v, g, t + 1, beta1, beta2)

        return deliver(w, train(w, step), *right, lr=lr, beta1=beta1, beta2=beta2)


_in_adam(
    "adam: only the first average corrected",
    lambda m, v, g, t, b1, b2: m / (1 - b1**t) / np.sqrt(v),
    "bug.adam-half-corrected",
)
_in_adam(
    "adam: only the second average corrected",
    lambda m, v, g, t, b1, b2: m / np.sqrt(v / (1 - b2**t)),
    "bug.adam-half-corrected",
)
_in_adam(
    "adam: counts one too far",
    lambda m, v, g, t, b1, b2: m / (1 - b1 ** (t + 1)) / np.sqrt(v / (1 - b2 ** (t + 1))),
    "bug.adam-count",
)
_in_adam(
    "adam: count stands still",
    lambda m, v, g, t, b1, b2: m / (1 - b1) / np.sqrt(v / (1 - b2)),
    "bug.adam-count-stands",
)
_in_adam(
    "adam: corrections exchanged",
    lambda m, v, g, t, b1, b2: m / (1 - b2**t) / np.sqrt(v / (1 - b1**t)),
    "bug.adam-corrections-exchanged",
)
_in_adam(
    "adam: no root",
    lambda m, v, g, t, b1, b2: m / (1 - b1**t) / (v / (1 - b2**t)),
    "bug.adam-no-root",
)
_in_adam(
    "adam: gradient in place of its average",
    lambda m, v, g, t, b1, b2: g / np.sqrt(v / (1 - b2**t)),
    "bug.adam-no-mean",
)
_in_adam(
    "adam: no (1 - beta1)",
    lambda m, v, g, t, b1, b2: m / (1 - b1) / (1 - b1**t) / np.sqrt(v / (1 - b2**t)),
    "bug.adam-no-one-minus-beta",
    "bug.lr-differs",  # where the factor is a power of ten
)


@mistake("adam: decay rates exchanged")
def _(rng: Random) -> Made:
    w = world(rng)
    lr = step_rate(rng, w)
    return deliver(w, train(w, adam(lr, 0.999, 0.9)), "bug.adam-betas-swapped", lr=lr, beta1=0.9, beta2=0.999)


def _in_features(name: str, change: Callable[[World, Array], Array], *right: str) -> None:
    @mistake(f"several features: {name}")
    def _(rng: Random) -> Made:
        w = wide(rng)
        step, declared = any_rule(rng, w)
        return deliver(w, train(w, step, gradient=change), *right, layout=str(rng.choice(WIDE[:2])), **declared)


def _flipped(w: World, theta: Array) -> Array:
    g = slope(w, theta)
    g[1] *= -1
    return g


_in_features("wrong sign", lambda w, th: -slope(w, th), "bug.sign")
_in_features("wrong sign of one", _flipped, "bug.sign-one")
_in_features("last sample only", lambda w, th: -2.0 * w.phi[-1] * (w.y[-1] - w.phi[-1] @ th), "bug.last-sample")
_in_features(
    "first sample skipped", lambda w, th: -2.0 * w.phi[1:].T @ (w.y[1:] - w.phi[1:] @ th), "bug.skips-first-sample"
)
_in_features("y forgotten", lambda w, th: 2.0 * w.phi.T @ (w.phi @ th), "bug.no-target")


@mistake("several features: one after another (Gauss-Seidel)")
def _(rng: Random) -> Made:
    w = wide(rng)
    lr = linear_rate(rng, w)
    path, theta = [w.start], w.start.copy()
    for _ in range(w.steps):
        theta = theta.copy()
        for k in range(len(theta)):
            theta[k] -= lr * slope(w, theta)[k]
        path.append(theta)
    return deliver(w, np.array(path).T, "bug.gauss-seidel", layout="columns", lr=lr)


@mistake("several features: adagrad without root")
def _(rng: Random) -> Made:
    w = wide(rng)
    lr = rounded(step_rate(rng, w) * w.curvature * w.scale)
    step = _accumulating(lr, lambda s, g: s + g**2, lambda g, s: g / s)
    return deliver(w, train(w, step), "bug.adagrad-no-root", layout="columns", lr=lr)


@mistake("several features: one point edited")
def _(rng: Random) -> Made:
    w = wide(rng)
    step, declared = any_rule(rng, w)
    path = train(w, step)
    path[1, int(rng.integers(12, path.shape[1] - 5))] += w.scale * 1e-3
    return deliver(w, path, "bug.edited-point", layout="columns", **declared)


# mistakes with the rate


@mistake("rate: ten times the declared one")
def _(rng: Random) -> Made:
    w = world(rng)
    while len(w.x) == 10:  # there it is the same as another scale of the loss
        w = world(rng)
    lr = linear_rate(rng, w)
    return deliver(w, train(w, gd(lr)), "bug.lr-differs", lr=rounded(lr / 10))


@mistake("rate: Adagrad with another than declared")
def _(rng: Random) -> Made:
    w = world(rng)
    lr = step_rate(rng, w)
    return deliver(w, train(w, adagrad(lr)), "bug.lr-differs", lr=rounded(lr * 3))


@mistake("momentum: another decay rate than declared")
def _(rng: Random) -> Made:
    w, beta = world(rng), float(rng.choice([0.85, 0.7, 0.65, 0.45]))
    lr = linear_rate(rng, w, keep=1 - beta)
    return deliver(w, train(w, heavy_ball(lr, beta)), "bug.decay-differs", lr=lr, momentum=0.9)


@mistake("rmsprop: another decay rate than declared")
def _(rng: Random) -> Made:
    w, rho = world(rng), float(rng.choice([0.85, 0.7, 0.65, 0.45]))
    lr = step_rate(rng, w)
    return deliver(w, train(w, rmsprop(lr, rho)), "bug.decay-differs", lr=lr, rho=0.9)


@mistake("rate: gradient normalised")
def _(rng: Random) -> Made:
    w = world(rng)
    lr = step_rate(rng, w)
    return deliver(w, train(w, lambda g, t: lr * g / np.linalg.norm(g)), "bug.normalised-gradient", lr=lr)


@mistake("rate: random in every step")
def _(rng: Random) -> Made:
    w = world(rng)
    lr = linear_rate(rng, w)
    return deliver(w, train(w, lambda g, t: lr * rng.uniform(0.5, 1) * g), "bug.rate-varies", lr=lr)


@mistake("steps clipped")
def _(rng: Random) -> Made:
    w = world(rng)
    lr = linear_rate(rng, w)
    limit = rounded(0.2 * float(np.max(np.abs(np.diff(train(w, gd(lr)))))))
    return deliver(w, train(w, lambda g, t: np.clip(lr * g, -limit, limit)), "bug.clipped", lr=lr)


# mistakes with the record, and fakes


def honest(rng: Random, *, steps: int | None = None) -> tuple[World, Array, dict[str, Any]]:
    """A correct run, to be spoilt."""
    w = world(rng, steps=steps)
    step, declared = any_rule(rng, w)
    return w, train(w, step), declared


@mistake("record: one point edited")
def _(rng: Random) -> Made:
    w, path, declared = honest(rng)
    k = int(rng.integers(12, path.shape[1] - 5))
    path[int(rng.integers(2)), k] += w.scale * 1e-3
    return deliver(w, path, "bug.edited-point", **declared)


@mistake("record: b before and w after the update")
def _(rng: Random) -> Made:
    w, path, declared = honest(rng)
    return deliver(w, np.stack([path[0, :-1], path[1, 1:]]), "bug.torn-pair", **declared)


@mistake("record: rounded to 4 decimals")
def _(rng: Random) -> Made:
    w, path, declared = honest(rng)
    return deliver(w, np.round(path, 4), "bug.rounded", **declared)


@mistake("record: same object in every entry")
def _(rng: Random) -> Made:
    w, path, declared = honest(rng)
    return deliver(w, np.repeat(path[:, -1:], path.shape[1], axis=1), "bug.never-moves", **declared)


@mistake("record: noisy")
def _(rng: Random) -> Made:
    w, path, declared = honest(rng)
    return deliver(w, path + rng.normal(0, 1e-6 * w.scale, path.shape), "verify.unexplained", **declared)


@mistake("record: smoothed")
def _(rng: Random) -> Made:
    w, path, declared = honest(rng)
    smooth = np.stack([np.convolve(row, np.ones(5) / 5, mode="valid") for row in path])
    return deliver(w, smooth, "verify.unexplained", "bug.leaves-rule", **declared)


@mistake("record: another data set")
def _(rng: Random) -> Made:
    w, path, declared = honest(rng)
    other = w._replace(y=np.round(w.y + rng.normal(0, 1, len(w.y)), 2))
    # descent on standardised data is a geometric curve, and is then called so
    return deliver(other, path, "verify.unexplained", "bug.exponential", **declared)


@mistake("record: b of one run, w of another")
def _(rng: Random) -> Made:
    w, path, declared = honest(rng)
    other = train(w._replace(start=w.start + 1), gd(linear_rate(rng, w) * 0.9))
    # where the data uncouple the parameters, these are two right halves with rates of their own
    return deliver(w, np.stack([path[0], other[1]]), "verify.unexplained", "bug.uneven-factor", **declared)


@mistake("fake: evenly spaced")
def _(rng: Random) -> Made:
    w, path, declared = honest(rng)
    made = np.stack([np.linspace(row[0], row[-1], len(row)) for row in path])
    return deliver(w, made, "bug.evenly-spaced", **declared)


@mistake("fake: exponential")
def _(rng: Random) -> Made:
    w, path, declared = honest(rng)
    best = np.array([1.0, 2.0]) * w.scale
    t = np.arange(path.shape[1])
    made = np.stack([c + (s - c) * np.exp(-t / k) for c, s, k in zip(best, w.start, (40.0, 25.0), strict=True)])
    return deliver(w, made, "bug.exponential", **declared)


@mistake("fake: straight line with noise")
def _(rng: Random) -> Made:
    w, path, declared = honest(rng)
    made = np.stack([np.linspace(row[0], row[-1], len(row)) for row in path]) + rng.normal(
        0, 0.01 * w.scale, path.shape
    )
    return deliver(w, made, "verify.unexplained", **declared)


@mistake("record: a state twice")
def _(rng: Random) -> Made:
    w, path, declared = honest(rng, steps=60)
    return deliver(w, np.insert(path, 21, path[:, 20], axis=1), "bug.state-repeated", **declared)


@mistake("record: a state missing")
def _(rng: Random) -> Made:
    w, path, declared = honest(rng, steps=60)
    return deliver(w, np.delete(path, 20, axis=1), "bug.state-missing", **declared)


@mistake("record: whole numbers")
def _(rng: Random) -> Made:
    w, path, declared = honest(rng)
    scaled = np.concatenate([path[:, :1], np.trunc(path[:, 1:])], axis=1)
    return deliver(w, scaled, "bug.whole-numbers", **declared)


# -- the table -------------------------------------------------------------------------------------


class Row(NamedTuple):
    """What was said of the draws of one kind."""

    name: str
    verdicts: Counter[str]
    named: int
    wrong: Counter[str]
    seconds: float


def outcome(match: Match | None) -> tuple[str, str]:
    """The verdict and the name that was given."""
    if match is None:
        return "none", "none"
    return match.verdict, match.diagnosis.id if match.diagnosis else str(match.rule)


def rows(kinds: dict[str, Kind], *, draws: int, seed: int, jobs: int = 1) -> Iterator[Row]:
    """Draw every kind and judge it; several at once give the same rows."""
    tasks = [(name, number, draws, seed) for number, name in enumerate(kinds)]
    if jobs == 1:
        yield from map(drawn, tasks)
        return
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        yield from pool.imap(drawn, tasks)


def drawn(task: tuple[str, int, int, int]) -> Row:
    """One kind, drawn from the seed and its place among the others."""
    name, number, draws, seed = task
    verdicts: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    named, spent = 0, 0.0
    for draw in range(draws):
        made = (CORRECT | MISTAKES)[name](np.random.default_rng([seed, number, draw]))
        begun = time.process_time()
        match = judge(made)
        spent += time.process_time() - begun
        verdict, said = outcome(match)
        if match and name in MISTAKES and verdict == "matches" and is_a_correct_run(made, match):
            verdict = "identical"
        verdicts[verdict] += 1
        named += said in made.right
        wrong[said] += said not in made.right and verdict != "identical"
    return Row(name, verdicts, named, +wrong, spent / draws)


def line(row: Row, *, draws: int) -> str:
    """One row of the table."""
    verdicts = ", ".join(f"{count} {name}" for name, count in row.verdicts.most_common())
    wrong = ", ".join(f"{count} {name}" for name, count in row.wrong.most_common())
    return f"{row.name:52} {verdicts:44} {row.named:2}/{draws} {row.seconds * 1e3:5.0f}  {wrong}"


def summary(found: list[Row]) -> str:
    """All rows in two lines."""
    total: Counter[str] = sum((row.verdicts for row in found), Counter())
    seen = total.total() - total["identical"]
    right = sum(row.named for row in found)
    verdicts = ", ".join(f"{count} {name}" for name, count in total.most_common())
    misnamed = sum(count for row in found for name, count in row.wrong.items() if name.startswith("bug."))
    return (
        f"{len(found)} kinds, {total.total()} runs: {verdicts}\n"
        f"of {seen} not identical to a correct run, {total['matches']} ({total['matches'] / max(seen, 1):.2%}) "
        f"match and {right} ({right / max(seen, 1):.1%}) are named rightly, "
        f"{misnamed} by another name"
    )


def by_area(found: list[Row]) -> str:
    """The kinds by what their names begin with, as a table for the documents."""
    areas: dict[str, list[Row]] = {}
    for row in found:
        areas.setdefault(row.name.partition(":")[0] if ":" in row.name else "others", []).append(row)
    lines = ["| mistakes | kinds | runs | identical to a right run | match | named rightly | by another name |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for area, some in areas.items():
        verdicts: Counter[str] = sum((row.verdicts for row in some), Counter())
        seen, right = verdicts.total() - verdicts["identical"], sum(row.named for row in some)
        other = sum(count for row in some for name, count in row.wrong.items() if name.startswith("bug."))
        share = f"{right} ({right / max(seen, 1):.0%})"
        numbers = (len(some), verdicts.total(), verdicts["identical"], verdicts["matches"], share, other)
        lines.append(f"| {' | '.join(map(str, (area, *numbers)))} |")
    return "\n".join(lines)


def main() -> None:
    """Run the battery and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="kinds at once")
    parser.add_argument("--only", default="", help="kinds whose name contains this")
    options = parser.parse_args()
    for title, kinds in (("Correct runs", CORRECT), ("Mistakes and fakes", MISTAKES)):
        chosen = {name: kind for name, kind in kinds.items() if options.only in name} if options.only else kinds
        print(f"\n{title}\n\n{'kind':52} {'verdicts':44} right    ms  otherwise called", flush=True)
        found = []
        for row in rows(chosen, draws=options.draws, seed=options.seed, jobs=options.jobs):
            found.append(row)
            print(line(row, draws=options.draws), flush=True)
        print(summary(found))
        if kinds is MISTAKES:
            print(f"\n{by_area(found)}")


if __name__ == "__main__":
    main()
