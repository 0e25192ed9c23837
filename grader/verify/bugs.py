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


def _shifted(by: int) -> Formula:
    """Each y beside the x of another point, the next or the one before."""
    return lambda problem: (np.roll(problem.phi, by, axis=0), np.roll(problem.phi, by, axis=0), problem.y)


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
    "bug.prediction-sign-w": _right(_opposite(1)),
    "bug.prediction-b-times-x": _right(_all_factors),
    "bug.prediction-exchanged": _right(lambda phi: phi[:, ::-1]),
    "bug.misaligned-data": _shifted(1),
    "bug.misaligned-data-ahead": _shifted(-1),
    "bug.every-second-sample": _rows(slice(None, None, 2)),
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


def _one_not_reset(row: int) -> Change:
    """The gradient of one parameter keeps growing, the others begin anew."""

    def change(run: Recorded) -> Gradient | None:
        if row >= len(run.gradient.g):
            return None
        summed, g, error = _not_reset(run), run.gradient.g.copy(), run.gradient.error.copy()
        g[row], error[row] = summed.g[row], summed.error[row]
        return Gradient(g, error, run.gradient.u)

    return change


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
    "bug.one-gradient-not-reset": _one_not_reset(0),
    "bug.one-gradient-not-reset ": _one_not_reset(1),
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
    return Parts(top, s * s, 2.0 * s * s_error)  # whose root is taken


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


def _rows_of_state(gradient: Gradient, *, state: Callable[..., Parts], order: slice) -> Parts:
    """The parameters divide by each other's accumulators, or all by the first one's."""
    top, s, s_error = rooted(state(gradient))
    if order.stop == 1:
        return Parts(top, np.repeat(s[order], len(s), axis=0), np.repeat(s_error[order], len(s), axis=0))
    return Parts(top, s[order], s_error[order])


def _mean_size(gradient: Gradient, *, rho: float | None) -> Parts:
    """The gradient over the accumulated sizes, without square and without root."""
    top, s, s_error = rooted(_rooted_sum(gradient, rho=rho, absolute=True))
    return Parts(top, s * s, 2.0 * s * s_error)


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
    top, s, s_error = rooted(state(gradient))
    return Parts(Direction(np.ones_like(top.D), np.zeros_like(top.D)), s, s_error)


def _squared_numerator(gradient: Gradient, *, state: Callable[..., Parts]) -> Parts:
    """The gradient's square over the root."""
    _, s, s_error = rooted(state(gradient))
    return Parts(Direction(gradient.g**2, square_error(gradient)), s, s_error)


def _added_twice(gradient: Gradient, *, rho: float) -> Parts:
    """`v += rho*v + (1-rho)*g**2`: the old average is kept whole and added again."""
    s = histories.decay(gradient.g**2, 1 + rho, weight=1 - rho)
    error = histories.decay(square_error(gradient), 1 + rho, weight=1 - rho)
    left = ~np.isfinite(s)  # for good: a sum that doubles in each step leaves the numbers, and the run stands still
    return Parts(Direction(gradient.g, gradient.error), np.where(left, ENDLESS, s), np.where(left, 0.0, error))


ENDLESS = 1e300
_ASKED = -1.0  # the decay rate of the average itself corrects it


def _adam(
    gradient: Gradient,
    *,
    beta1: float,
    beta2: float,
    first: float | None = _ASKED,
    second: float | None = _ASKED,
    ahead: int = 0,
) -> Parts:
    """Adam whose averages are corrected by other decay rates than their own, or not at all, or for other counts."""
    top, s, s_error = rooted(rules.adam(gradient, beta1=beta1, beta2=beta2, bias_correction=False))
    count = np.arange(1.0, gradient.g.shape[1] + 1) + ahead
    weights = [
        np.ones_like(count) if rate is None else 1.0 - (own if rate == _ASKED else rate) ** count
        for rate, own in ((first, beta1), (second, beta2))
    ]
    doubt = 4.0 * gradient.u
    m, v = top.D / weights[0], s / weights[1]
    return Parts(Direction(m, top.error / weights[0] + doubt * np.abs(m)), v, s_error / weights[1] + doubt * v)


def _adam_of_sizes(gradient: Gradient, *, beta1: float, beta2: float) -> Parts:
    """Adam whose second average takes in the gradient, not its square; its size is what the root is taken of."""
    meant = rules.adam(gradient, beta1=beta1, beta2=beta2)
    weights = 1.0 - beta2 ** np.arange(1.0, gradient.g.shape[1] + 1)
    v = np.abs(histories.decay(gradient.g, beta2, weight=1 - beta2)) / weights
    return Parts(meant.top, v, histories.decay(gradient.error, beta2, weight=1 - beta2) / weights + gradient.u * v)


def _adam_of_mean(gradient: Gradient, *, beta1: float, beta2: float) -> Parts:
    """Adam whose second average takes in the square of the first average."""
    mean = rules.adam(gradient, beta1=beta1, beta2=beta2, bias_correction=False).top
    meant = rules.adam(gradient, beta1=beta1, beta2=beta2)
    squares = rules.adam(Gradient(mean.D, mean.error, gradient.u), beta1=beta1, beta2=beta2)
    return Parts(meant.top, squares.s, squares.s_error)


def _weights_exchanged(gradient: Gradient, *, rho: float, start: float | None = 0.0) -> Parts:
    return rules.rmsprop(gradient, rho=1.0 - rho, start=start)


def _velocity_exchanged(gradient: Gradient, *, beta: float) -> Parts:
    """V = (1-β)v + βg."""
    return rules.momentum(gradient, beta=1.0 - beta)


def _velocity_opposed(gradient: Gradient, *, beta: float) -> Parts:
    """V = -βv + g, or a velocity that is subtracted where it should be added."""
    return rules.momentum(gradient, beta=-beta)


def _nesterov_opposed(gradient: Gradient, *, beta: float) -> Parts:
    """G - βv, where Nesterov's step is g + βv."""
    velocity, error = histories.momentum(gradient.g, beta=beta), histories.decay(gradient.error, beta)
    return Parts(Direction(gradient.g - beta * velocity, gradient.error + beta * error))


def _looking_back(gradient: Gradient, *, beta: float) -> Parts:
    """A velocity of gradients taken on the other side, where the velocity came from."""
    behind = gradient.g - beta * np.diff(gradient.g, axis=1, prepend=gradient.g[:, :1])
    error = gradient.error + beta * (
        gradient.error + np.concatenate([gradient.error[:, :1], gradient.error[:, :-1]], axis=1)
    )
    return Parts(Direction(histories.decay(behind, beta), histories.decay(error, beta)))


def bugs(said: Said, size: int) -> Iterator[Bug]:
    """Every mistake in a rule, with the declared decay rates, else the usual ones."""
    yield from _adagrad_bugs(size)
    for beta1, beta2 in ((a, b) for a in said.decays[:3] for b in said.decays[:3] if a < b):
        yield from _adam_bugs(beta1, beta2)
    for rho in said.decays[:3] or rules.USUAL_DECAYS[:2]:
        yield from _rmsprop_bugs(rho, size)
        yield from _momentum_bugs(rho)
    for beta in (value for value in said.positive if 1 < value < 2):
        meant = Form("momentum", {"momentum": 0.9}, {}, partial(rules.momentum, beta=0.9), linear=True)
        yield Bug("bug.momentum-above-one", meant._replace(hyper={"momentum": beta},
                  parts=partial(rules.momentum, beta=beta)), meant)  # fmt: skip


def _adagrad_bugs(size: int) -> Iterator[Bug]:
    meant = Form("adagrad", {}, {}, rules.adagrad)
    made: dict[str, Callable[[Gradient], Parts]] = {
        "bug.adagrad-no-root": partial(_without_root, state=rules.adagrad),
        "bug.adagrad-not-squared": partial(_rooted_sum, rho=None, absolute=False),
        "bug.adagrad-not-squared ": partial(_rooted_size, rho=None),
        "bug.adagrad-absolute": partial(_rooted_sum, rho=None, absolute=True),
        "bug.adagrad-reset": _reset,
        "bug.adagrad-late": partial(_late, state=rules.adagrad, start=0.0),
        "bug.adagrad-shared": partial(_shared_sum, rho=None),
        "bug.adagrad-shared ": partial(_rows_of_state, state=rules.adagrad, order=slice(0, 1)),
        "bug.accumulators-exchanged": partial(_rows_of_state, state=rules.adagrad, order=slice(None, None, -1)),
        "bug.accumulated-sizes": partial(_mean_size, rho=None),
        "bug.no-gradient-factor": partial(_no_numerator, state=rules.adagrad),
        "bug.gradient-squared": partial(_squared_numerator, state=rules.adagrad),
    }
    for scale in rules.scales(size).values():  # from one, which keeps the first step from dividing by zero
        one = 1.0 / scale**2
        made |= {f"bug.adagrad-late {scale}": partial(_late, state=partial(rules.adagrad, start=one), start=one)}
    for name, parts in made.items():
        yield Bug(name.split()[0], meant._replace(parts=parts), meant)


def _rmsprop_bugs(rho: float, size: int) -> Iterator[Bug]:
    for start, label in ((0.0, 0.0), (None, "first gradient")):
        state = partial(rules.rmsprop, rho=rho, start=start)
        meant = Form("rmsprop", {"rho": rho}, {"start": label}, state)
        yield Bug("bug.rmsprop-swapped", meant._replace(parts=partial(_weights_exchanged, rho=rho, start=start)), meant)
        yield Bug("bug.rmsprop-no-root", meant._replace(parts=partial(_without_root, state=state)), meant)
        yield Bug("bug.no-gradient-factor", meant._replace(parts=partial(_no_numerator, state=state)), meant)
        yield Bug("bug.gradient-squared", meant._replace(parts=partial(_squared_numerator, state=state)), meant)
        yield Bug("bug.rmsprop-late", meant._replace(parts=partial(_late, state=state, start=0.0)), meant)
    meant = Form("rmsprop", {"rho": rho}, {"start": 0.0}, partial(rules.rmsprop, rho=rho))
    for scale in rules.scales(size).values():
        one = 1.0 / scale**2
        from_one = partial(_late, state=partial(rules.rmsprop, rho=rho, start=one), start=one)
        yield Bug("bug.rmsprop-late", meant._replace(parts=from_one), meant)
    for order, name in ((slice(0, 1), "bug.rmsprop-shared"), (slice(None, None, -1), "bug.accumulators-exchanged")):
        yield Bug(name, meant._replace(parts=partial(_rows_of_state, state=meant.parts, order=order)), meant)
    yield Bug("bug.accumulated-sizes", meant._replace(parts=partial(_mean_size, rho=rho)), meant)
    yield Bug("bug.rmsprop-not-squared", meant._replace(parts=partial(_rooted_sum, rho=rho, absolute=False)), meant)
    yield Bug("bug.rmsprop-not-squared", meant._replace(parts=partial(_rooted_size, rho=rho)), meant)
    yield Bug("bug.rmsprop-absolute", meant._replace(parts=partial(_rooted_sum, rho=rho, absolute=True)), meant)
    yield Bug("bug.rmsprop-shared", meant._replace(parts=partial(_shared_sum, rho=rho)), meant)
    yield Bug("bug.rmsprop-added-twice", meant._replace(parts=partial(_added_twice, rho=rho)), meant)


def _adam_bugs(beta1: float, beta2: float) -> Iterator[Bug]:
    meant = rules.adams(beta1, beta2)[0]
    made: dict[str, Callable[[Gradient], Parts]] = {
        "bug.adam-half-corrected": partial(_adam, beta1=beta1, beta2=beta2, second=None),
        "bug.adam-half-corrected ": partial(_adam, beta1=beta1, beta2=beta2, first=None),
        "bug.adam-count": partial(_adam, beta1=beta1, beta2=beta2, ahead=1),
        "bug.adam-corrections-exchanged": partial(_adam, beta1=beta1, beta2=beta2, first=beta2, second=beta1),
        "bug.adam-no-mean": partial(rules.adam, beta1=0.0, beta2=beta2),
        "bug.adam-no-root": partial(_without_root, state=meant.parts),
        "bug.adam-not-squared": partial(_adam_of_sizes, beta1=beta1, beta2=beta2),
        "bug.adam-squared-mean": partial(_adam_of_mean, beta1=beta1, beta2=beta2),
        "bug.no-gradient-factor": partial(_no_numerator, state=meant.parts),
    }
    for name, parts in made.items():
        yield Bug(name.strip(), meant._replace(parts=parts), meant)


def _momentum_bugs(beta: float) -> Iterator[Bug]:
    meant = Form("momentum", {"momentum": beta}, {}, partial(rules.momentum, beta=beta), linear=True)
    yield Bug("bug.momentum-swapped", meant._replace(parts=partial(_velocity_exchanged, beta=beta)), meant)
    yield Bug("bug.momentum-sign", meant._replace(parts=partial(_velocity_opposed, beta=beta)), meant)
    ahead = Form("nesterov", {"momentum": beta}, {}, partial(rules.nesterov, beta=beta), linear=True)
    yield Bug("bug.nesterov-sign", ahead._replace(parts=partial(_nesterov_opposed, beta=beta)), ahead)
    yield Bug("bug.nesterov-sign", ahead._replace(parts=partial(_looking_back, beta=beta)), ahead)
    yield Bug("bug.momentum-shared", meant._replace(parts=partial(_shared_velocity, beta=beta)), meant)
