"""The catalogue of mistakes: what students really get wrong, each as the history it would leave behind.

A mistake in the gradient is a gradient of its own, which any rule may then use; a mistake in the rule is a form of its
own, beside the correct form that it misses. The ids are those of the sentences in `messages/verify.toml`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from grader.verify import rules
from grader.verify.bounds import Data, Direction, Gradient, Steps
from grader.verify.bounds import gradient as gradient_at
from grader.verify.rules import Form, Parts, rooted, square_error
from grader.verify.sources import MOST_NUMBERS, in_batches
from reference import histories

if TYPE_CHECKING:
    from collections.abc import Iterator

    from grader.model import Floats
    from grader.verify.said import Said

Formula = Callable[[Data], "tuple[Floats, Floats, Floats] | None"]
Change = Callable[["Recorded"], "Gradient | None"]


class Bug(NamedTuple):
    """A mistake in a rule: its id, the form it amounts to, and the form that was meant."""

    id: str
    form: Form
    meant: Form


# -- mistakes in the gradient's formula: 2 Lᵀ(R θ - y) with the wrong L, R or y -----------------------


def _left(change: Callable[[Floats], Floats]) -> Formula:
    return lambda problem: (change(problem.phi), problem.phi, problem.y)


def _right(change: Callable[[Floats], Floats]) -> Formula:
    return lambda problem: (problem.phi, change(problem.phi), problem.y)


def _rows(where: slice) -> Formula:
    return lambda problem: (problem.phi[where], problem.phi[where], problem.y[where])


def _no_factor(phi: Floats) -> Floats:
    return np.ones_like(phi)


def _all_factors(phi: Floats) -> Floats:
    return np.repeat(phi[:, -1:], phi.shape[1], axis=1)


def _square_factor(phi: Floats) -> Floats:
    return phi * phi


def _summed_factor(phi: Floats) -> Floats:
    return np.concatenate([phi[:, :-1], np.full_like(phi[:, -1:], phi[:, -1].sum())], axis=1)


def _without(column: int) -> Callable[[Floats], Floats]:
    def change(phi: Floats) -> Floats:
        changed = phi.copy()
        changed[:, column] = 0.0
        return changed

    return change


def _opposite(column: int) -> Callable[[Floats], Floats]:
    def change(phi: Floats) -> Floats:
        changed = phi.copy()
        changed[:, column] *= -1.0
        return changed

    return change


def _exchanged(problem: Data) -> tuple[Floats, Floats, Floats] | None:
    """The data the wrong way round: x is predicted from y."""
    if problem.phi.shape[1] != 2:
        return None
    phi = np.stack([np.ones_like(problem.y), problem.y], axis=1)
    return phi, phi, problem.phi[:, 1]


_FORMULAS: dict[str, Formula] = {
    "bug.swapped-gradients": _left(lambda phi: phi[:, ::-1]),
    "bug.missing-x": _left(_no_factor),
    "bug.x-in-every-gradient": _left(_all_factors),
    "bug.x-squared": _left(_square_factor),
    "bug.product-of-sums": _left(_summed_factor),
    "bug.no-target": lambda problem: (problem.phi, problem.phi, np.zeros_like(problem.y)),
    "bug.target-sign": lambda problem: (problem.phi, problem.phi, -problem.y),
    "bug.prediction-without-b": _right(_without(0)),
    "bug.prediction-without-w": _right(_without(1)),
    "bug.prediction-sign": _right(_opposite(0)),
    "bug.prediction-b-times-x": _right(_all_factors),
    "bug.last-sample": _rows(slice(-1, None)),
    "bug.first-sample": _rows(slice(0, 1)),
    "bug.skips-last-sample": _rows(slice(0, -1)),
    "bug.skips-first-sample": _rows(slice(1, None)),
    "bug.data-exchanged": _exchanged,
}


class Recorded(NamedTuple):
    """A run as it was recorded: what it was trained on, its steps, and the correct gradients at its states."""

    problem: Data
    history: Steps
    gradient: Gradient


def by_formula(run: Recorded, formula: Formula) -> Gradient | None:
    """The gradient that a wrong formula gives at every state."""
    made = formula(run.problem)
    if made is None:
        return None
    left, right, y = made
    theta, u = run.history.theta[:, :-1], run.history.u
    g = 2.0 * (left.T @ right) @ theta - 2.0 * (left.T @ y)[:, None]
    error = 2.0 * (np.abs(left).T @ np.abs(right)) @ np.abs(theta) + 2.0 * (np.abs(left).T @ np.abs(y))[:, None]
    return Gradient(g, u * (run.problem.size + 8) * error, u)


FORMULAS: dict[str, Change] = {name: partial(by_formula, formula=formula) for name, formula in _FORMULAS.items()}


# -- mistakes in when and how the gradient is used -----------------------------------------------------


def _newer(step: int) -> Change:
    """The parameters are updated one after another, each with a gradient that knows of those before it."""

    def change(run: Recorded) -> Gradient:
        mixed = run.history.theta[:, :-1].copy()
        g, error = run.gradient.g.copy(), run.gradient.error.copy()
        for row in range(len(g))[::step]:
            later = gradient_at(run.problem, mixed, run.history.u)
            g[row], error[row] = later.g[row], later.error[row]
            mixed[row] = run.history.theta[row, 1:]
        return Gradient(g, error, run.history.u)

    return change


def _not_reset(run: Recorded) -> Gradient:
    return _through(run, lambda rows: histories.decay(rows, 1.0))


def _stale(run: Recorded) -> Gradient:
    return _through(run, lambda rows: np.concatenate([rows[:, :1], rows[:, :-1]], axis=1))


def _frozen(run: Recorded) -> Gradient:
    return _through(run, lambda rows: np.repeat(rows[:, :1], rows.shape[1], axis=1))


def _through(run: Recorded, change: Callable[[Floats], Floats]) -> Gradient:
    """A gradient and its bound, both changed in the same linear way."""
    return Gradient(change(run.gradient.g), change(run.gradient.error), run.gradient.u)


def _squared(run: Recorded) -> Gradient:
    return Gradient(run.gradient.g**2, square_error(run.gradient), run.gradient.u)


def _absolute(run: Recorded) -> Gradient:
    return run.gradient._replace(g=np.abs(run.gradient.g))


def _inside_loop(run: Recorded) -> Gradient:
    """The parameters move once a sample, by the sum of the gradients so far in this pass."""
    size, length = run.problem.size, run.history.length
    passes = -(-length // size)

    def summed(rows: Floats) -> Floats:
        padded = np.zeros((len(rows), passes * size))
        padded[:, :length] = rows
        return np.cumsum(padded.reshape(len(rows), passes, size), axis=2).reshape(len(rows), -1)[:, :length]

    alone = in_batches(run.problem, run.history, 1)
    return Gradient(summed(alone.g), summed(alone.error), alone.u)


def _of_errors(change: Callable[[Floats], Floats], power: int) -> Change:
    """The gradient with something else in the place of the error: its sign, or its square."""

    def changed(run: Recorded) -> Gradient | None:
        if run.problem.size * run.history.length > MOST_NUMBERS:
            return None
        phi, theta, u = run.problem.phi, run.history.theta[:, :-1], run.history.u
        misfit = phi @ theta - run.problem.y[:, None]
        doubt = 4.0 * u * (np.abs(phi) @ np.abs(theta) + np.abs(run.problem.y)[:, None])
        unsure = 2.0 * (np.abs(misfit) <= doubt) if power == 0 else 2.0 * (np.abs(misfit) + doubt) * doubt
        value = change(misfit)
        error = np.abs(phi).T @ (2.0 * unsure + (run.problem.size + 8) * u * 2.0 * np.abs(value))
        return Gradient(2.0 * phi.T @ value, error, u)

    return changed


CHANGES: dict[str, Change] = {
    "bug.gauss-seidel": _newer(1),
    "bug.gauss-seidel-w-first": _newer(-1),
    "bug.gradient-not-reset": _not_reset,
    "bug.stale-gradient": _stale,
    "bug.frozen-gradient": _frozen,
    "bug.gradient-squared": _squared,
    "bug.gradient-absolute": _absolute,
    "bug.update-inside-loop": _inside_loop,
    "bug.absolute-error": _of_errors(np.sign, 0),
    "bug.error-squared": _of_errors(lambda misfit: -(misfit**2), 2),
}


# -- mistakes in the rule ------------------------------------------------------------------------------


def _without_root(gradient: Gradient, *, state: Callable[..., Parts]) -> Parts:
    """The gradient over the accumulated squares themselves."""
    top, s, s_error = rooted(state(gradient))
    return Parts(_quotient(top, s, s_error))


def _quotient(top: Direction, s: Floats, s_error: Floats) -> Direction:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        D = np.where(s != 0, top.D / s, 0.0)
        return Direction(D, np.where(s != 0, (top.error + np.abs(D) * s_error) / np.abs(s), np.inf))


def _rooted_sum(gradient: Gradient, *, rho: float | None, absolute: bool) -> Parts:
    """The accumulator takes in the gradient, not its square."""
    x = np.abs(gradient.g) if absolute else gradient.g
    a, weight = (1.0, 1.0) if rho is None else (rho, 1.0 - rho)
    s = histories.decay(x, a, weight=weight)
    error = histories.decay(gradient.error, a, weight=weight)
    s = np.where(s >= 0, s, np.nan)
    return Parts(Direction(gradient.g, gradient.error), s, error)


def _rooted_size(gradient: Gradient, *, rho: float | None) -> Parts:
    """The accumulator takes in the gradient with its sign, and the root of its size is taken."""
    parts = _rooted_sum(gradient, rho=rho, absolute=False)
    a, weight = (1.0, 1.0) if rho is None else (rho, 1.0 - rho)
    return parts._replace(s=np.abs(histories.decay(gradient.g, a, weight=weight)))


def _reset(gradient: Gradient) -> Parts:
    """The accumulator is emptied every step: the sign of the gradient remains."""
    return Parts(Direction(gradient.g, gradient.error), gradient.g**2, square_error(gradient))


def _late(gradient: Gradient, *, state: Callable[..., Parts], start: float) -> Parts:
    """The accumulator takes in the gradient after it was used."""
    top, s, s_error = rooted(state(gradient))
    before = np.concatenate([np.full_like(s[:, :1], start), s[:, :-1]], axis=1)
    return Parts(top, before, np.concatenate([np.zeros_like(s[:, :1]), s_error[:, :-1]], axis=1))


def _shared_sum(gradient: Gradient, *, rho: float | None) -> Parts:
    """One accumulator for all parameters, which each adds to in its turn."""
    squares, error = _in_turn(gradient.g**2), _in_turn(square_error(gradient))
    a, weight = (1.0, 1.0) if rho is None else (rho, 1.0 - rho)
    shape = gradient.g.shape
    s = _back(histories.decay(squares, a, weight=weight), shape)
    return Parts(Direction(gradient.g, gradient.error), s, _back(histories.decay(error, a, weight=weight), shape))


def _shared_velocity(gradient: Gradient, *, beta: float) -> Parts:
    """One velocity for all parameters."""
    shape = gradient.g.shape
    velocity = _back(histories.decay(_in_turn(gradient.g), beta), shape)
    return Parts(Direction(velocity, _back(histories.decay(_in_turn(gradient.error), beta), shape)))


def _in_turn(rows: Floats) -> Floats:
    return rows.T.reshape(1, -1)


def _back(row: Floats, shape: tuple[int, ...]) -> Floats:
    return np.ascontiguousarray(row.reshape(shape[1], shape[0]).T)


def _no_numerator(gradient: Gradient, *, state: Callable[..., Parts]) -> Parts:
    """The rate over the root, without the gradient."""
    top, s, s_error = state(gradient)
    return Parts(Direction(np.ones_like(top.D), np.zeros_like(top.D)), s, s_error)


def _squared_numerator(gradient: Gradient, *, state: Callable[..., Parts]) -> Parts:
    """The gradient's square over the root."""
    _, s, s_error = state(gradient)
    return Parts(Direction(gradient.g**2, square_error(gradient)), s, s_error)


def _added_twice(gradient: Gradient, *, rho: float) -> Parts:
    """`v += rho*v + (1-rho)*g**2`: the old average is kept whole and added again."""
    s = histories.decay(gradient.g**2, 1 + rho, weight=1 - rho)
    error = histories.decay(square_error(gradient), 1 + rho, weight=1 - rho)
    return Parts(Direction(gradient.g, gradient.error), s, error)


def _weights_exchanged(gradient: Gradient, *, rho: float, start: float | None = 0.0) -> Parts:
    return rules.rmsprop(gradient, rho=1.0 - rho, start=start)


def _velocity_exchanged(gradient: Gradient, *, beta: float) -> Parts:
    """V = (1-β)v + βg."""
    return rules.momentum(gradient, beta=1.0 - beta)


def _velocity_opposed(gradient: Gradient, *, beta: float) -> Parts:
    """V = -βv + g, or a velocity that is subtracted where it should be added."""
    return rules.momentum(gradient, beta=-beta)


def bugs(said: Said) -> Iterator[Bug]:
    """Every mistake in a rule, with the declared decay rates, else the usual ones."""
    yield from _adagrad_bugs()
    for rho in said.decays[:3] or rules.USUAL_DECAYS[:2]:
        yield from _rmsprop_bugs(rho)
        yield from _momentum_bugs(rho)
    for beta in (value for value in said.positive if 1 < value < 2):
        meant = Form("momentum", {"momentum": 0.9}, {}, partial(rules.momentum, beta=0.9), linear=True)
        yield Bug("bug.momentum-above-one", meant._replace(hyper={"momentum": beta},
                  parts=partial(rules.momentum, beta=beta)), meant)  # fmt: skip


def _adagrad_bugs() -> Iterator[Bug]:
    meant = Form("adagrad", {}, {}, rules.adagrad)
    made: dict[str, Callable[[Gradient], Parts]] = {
        "bug.adagrad-no-root": partial(_without_root, state=rules.adagrad),
        "bug.adagrad-not-squared": partial(_rooted_sum, rho=None, absolute=False),
        "bug.adagrad-not-squared ": partial(_rooted_size, rho=None),
        "bug.adagrad-absolute": partial(_rooted_sum, rho=None, absolute=True),
        "bug.adagrad-reset": _reset,
        "bug.adagrad-late": partial(_late, state=rules.adagrad, start=0.0),
        "bug.adagrad-late ": partial(_late, state=partial(rules.adagrad, start=1.0), start=1.0),
        "bug.adagrad-shared": partial(_shared_sum, rho=None),
        "bug.no-gradient-factor": partial(_no_numerator, state=rules.adagrad),
        "bug.gradient-squared": partial(_squared_numerator, state=rules.adagrad),
    }
    for name, parts in made.items():
        yield Bug(name.strip(), meant._replace(parts=parts), meant)


def _rmsprop_bugs(rho: float) -> Iterator[Bug]:
    for start, label in ((0.0, 0.0), (None, "first gradient")):
        state = partial(rules.rmsprop, rho=rho, start=start)
        meant = Form("rmsprop", {"rho": rho}, {"start": label}, state)
        yield Bug("bug.rmsprop-swapped", meant._replace(parts=partial(_weights_exchanged, rho=rho, start=start)), meant)
        yield Bug("bug.rmsprop-no-root", meant._replace(parts=partial(_without_root, state=state)), meant)
        yield Bug("bug.no-gradient-factor", meant._replace(parts=partial(_no_numerator, state=state)), meant)
        yield Bug("bug.gradient-squared", meant._replace(parts=partial(_squared_numerator, state=state)), meant)
        yield Bug("bug.rmsprop-late", meant._replace(parts=partial(_late, state=state, start=0.0)), meant)
    meant = Form("rmsprop", {"rho": rho}, {"start": 0.0}, partial(rules.rmsprop, rho=rho))
    from_one = partial(_late, state=partial(rules.rmsprop, rho=rho, start=1.0), start=1.0)
    yield Bug("bug.rmsprop-late", meant._replace(parts=from_one), meant)
    yield Bug("bug.rmsprop-not-squared", meant._replace(parts=partial(_rooted_sum, rho=rho, absolute=False)), meant)
    yield Bug("bug.rmsprop-absolute", meant._replace(parts=partial(_rooted_sum, rho=rho, absolute=True)), meant)
    yield Bug("bug.rmsprop-shared", meant._replace(parts=partial(_shared_sum, rho=rho)), meant)
    yield Bug("bug.rmsprop-added-twice", meant._replace(parts=partial(_added_twice, rho=rho)), meant)


def _momentum_bugs(beta: float) -> Iterator[Bug]:
    meant = Form("momentum", {"momentum": beta}, {}, partial(rules.momentum, beta=beta), linear=True)
    yield Bug("bug.momentum-swapped", meant._replace(parts=partial(_velocity_exchanged, beta=beta)), meant)
    yield Bug("bug.momentum-sign", meant._replace(parts=partial(_velocity_opposed, beta=beta)), meant)
    yield Bug("bug.momentum-shared", meant._replace(parts=partial(_shared_velocity, beta=beta)), meant)
