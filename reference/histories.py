"""The update rules of `reference.optimizers` over a whole history of gradients at once.

g holds the gradient of step t in column t, shape [P, T]: time runs along the last axis, where NumPy is fastest.
A rule returns the steps that these gradients call for, of the same shape: theta_{t+1} = theta_t − step_t.
All keywords are those of the step form; `start` may be a number or one number per parameter, shape [P].

The learning rate is 1 unless given, and every step is proportional to it: `adagrad(g)` is the direction D, and the
displacement is −lr·D. So whoever looks for a learning rate computes D once. `lr` may also be one number per parameter,
shape [P, 1], or a schedule, shape [T]: pass its shape as `lr` and its height is still a factor.

There is no loop over steps. What a rule remembers is a running sum or one that decays, `decay`, which is linear in its
input, so rounding bounds of the gradients pass through the same function. `…_state` is what the rule takes the root of.
Where a gradient has been exactly zero from the start, a rule that divides by a root steps by 0 (as in optax), where the
step form divides zero by zero (as a notebook does). What overflows, or makes no sense, is inf or NaN without a warning.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reference.optimizers import root

Array = NDArray[np.float64]
Value = Array | float

_BLOCK = 32
_LARGE = 1e300
_quiet = np.errstate(over="ignore", invalid="ignore", divide="ignore")


@_quiet
def decay(x: ArrayLike, a: float, *, start: Value | None = 0.0, weight: float = 1.0) -> Array:
    """The running sum y_t = a·y_{t−1} + weight·x_t that begins from `start`; with None it begins with y_0 = x_0.

    A row of y is NaN from where x is not finite, or from where y or, since the first term, |a|^n passes 1e300.

    >>> decay([1.0, 0.0, 0.0, 2.0], 0.5)
    array([1.   , 0.5  , 0.25 , 2.125])
    >>> decay([8.0, 0.0, 0.0], 0.5, weight=0.5, start=None)
    array([8., 4., 2.])
    """
    x = np.asarray(x, dtype=float)
    if x.shape[-1] == 0:
        return x
    terms = weight * x
    terms[..., 0] = x[..., 0] if start is None else terms[..., 0] + a * np.asarray(start)
    y = _decay(terms, a)
    if abs(a) <= 1 and np.all(np.abs(y[..., -1] if a else y) <= _LARGE):  # what is not finite stays so to the end
        return y
    return _decay_within_reach(terms, a)


def _decay(x: Array, a: float) -> Array:
    """The decaying sum from zero, block by block: what a block hands on enters the next one's first term.

    What the blocks hand on is itself a decaying sum, by a^size; within the blocks one matrix of powers of a does all.
    """
    if a == 0:
        return x
    if a == 1:
        return np.cumsum(x, axis=-1)
    steps = x.shape[-1]
    size = min(_BLOCK, steps)
    powers = np.clip(np.power(a, np.arange(size + 1.0)), -_LARGE, _LARGE)  # infinity times zero is not zero
    blocks = np.zeros((*x.shape[:-1], -(-steps // size), size))
    blocks.reshape(*x.shape[:-1], -1)[..., :steps] = x
    if steps > size:
        blocks[..., 1:, 0] += a * _decay(blocks[..., :-1, :] @ powers[size - 1 :: -1], powers[size])
    age = np.arange(size) - np.arange(size)[:, None]
    y = blocks.reshape(-1, size) @ np.where(age >= 0, powers[np.abs(age)], 0.0)
    return y.reshape(*x.shape[:-1], -1)[..., :steps]


def _decay_within_reach(x: Array, a: float) -> Array:
    """The decaying sum from zero, with NaN from where floats no longer hold it."""
    lost = np.logical_or.accumulate(~(np.abs(x) <= _LARGE), axis=-1)
    y = _decay(np.where(lost, 0.0, x), a)
    lost |= ~(np.abs(y) <= _LARGE)
    if abs(a) > 1:
        age = np.arange(x.shape[-1]) - np.argmax(x != 0, axis=-1)[..., None]
        lost |= (age > np.log(_LARGE) / np.log(abs(a))) & (y != 0)
    return np.where(np.logical_or.accumulate(lost, axis=-1), np.nan, y)


def sgd(g: Array, *, lr: Value = 1.0) -> Array:
    """Plain gradient descent.

    >>> sgd(np.array([[4.0, 2.0, 1.0]]), lr=0.5)
    array([[2. , 1. , 0.5]])
    """
    return lr * g


def momentum(
    g: Array,
    *,
    lr: Value = 1.0,
    beta: float = 0.9,
    dampening: float = 0.0,
    start: Value | None = 0.0,
    lr_inside: bool = False,
) -> Array:
    """Momentum; the direction (lr=1) is the velocity itself.

    >>> momentum(np.array([[4.0, 2.0, 1.0]]), beta=0.5)
    array([[4., 4., 3.]])
    """
    if lr_inside:
        return decay(lr * g, beta, weight=1 - dampening, start=start)
    return lr * decay(g, beta, weight=1 - dampening, start=start)


def nesterov(g: Array, *, lr: Value = 1.0, beta: float = 0.9, start: Value = 0.0, lr_inside: bool = False) -> Array:
    """Nesterov momentum as libraries compute it.

    >>> nesterov(np.array([[4.0, 2.0, 1.0]]), beta=0.5)
    array([[6. , 4. , 2.5]])
    """
    x = lr * g if lr_inside else g
    ahead = x + beta * decay(x, beta, start=start)
    return ahead if lr_inside else lr * ahead


@_quiet
def nesterov_lookahead(g: Array, *, lr: Value = 1.0, beta: float = 0.9) -> Array:
    """Nesterov momentum as first written, for a quadratic loss, from the gradients at theta (not at the points ahead).

    A quadratic's gradient is linear, so the one ahead is g_t + β(g_t − g_{t−1}), and g_0 at the first step.

    >>> nesterov_lookahead(np.array([[4.0, 2.0, 1.0]]), beta=0.5)
    array([[4., 3., 2.]])
    """
    ahead = g + beta * np.diff(g, axis=-1, prepend=g[..., :1])
    return decay(lr * ahead, beta)


@_quiet
def adagrad_state(g: Array, *, start: Value = 0.0, mean: bool = False, norm: bool = False) -> Array:
    """What Adagrad takes the root of: the sum of the squared gradients so far, or their mean; [1, T] with `norm`.

    >>> adagrad_state(np.array([[3.0, 4.0]]))
    array([[ 9., 25.]])
    """
    squares = np.sum(g**2, axis=0, keepdims=True) if norm else g**2
    s = decay(squares, 1.0, start=start)
    return s / np.arange(1.0, g.shape[-1] + 1) if mean else s


@_quiet
def adagrad(
    g: Array,
    *,
    lr: Value = 1.0,
    eps: float = 0.0,
    eps_inside: bool = False,
    start: Value = 0.0,
    mean: bool = False,
    norm: bool = False,
    lr_decay: float = 0.0,
) -> Array:
    """Adagrad.

    >>> adagrad(np.array([[3.0, 4.0]]))
    array([[1. , 0.8]])
    """
    s = adagrad_state(g, start=start, mean=mean, norm=norm)
    schedule = lr / (1 + lr_decay * np.arange(g.shape[-1]))
    return schedule * _over(g, root(s, eps=eps, eps_inside=eps_inside))


@_quiet
def rmsprop_state(g: Array, *, rho: float = 0.9, start: Value | None = 0.0, centered: bool = False) -> Array:
    """What RMSprop takes the root of: the moving average of the squared gradients.

    With `centered` the moving average of the gradients, squared, is taken off.

    >>> rmsprop_state(np.array([[3.0, 4.0]]), rho=0.5, start=None)
    array([[ 9. , 12.5]])
    """
    s = decay(g**2, rho, weight=1 - rho, start=start)
    return np.maximum(s - decay(g, rho, weight=1 - rho) ** 2, 0.0) if centered else s


@_quiet
def rmsprop(
    g: Array,
    *,
    lr: Value = 1.0,
    rho: float = 0.9,
    eps: float = 0.0,
    eps_inside: bool = False,
    start: Value | None = 0.0,
    centered: bool = False,
    beta: float = 0.0,
    lr_inside: bool = False,
) -> Array:
    """RMSprop.

    >>> rmsprop(np.array([[3.0, 5.0]]), rho=0.5, start=None)
    array([[1.        , 1.21267813]])
    """
    s = rmsprop_state(g, rho=rho, start=start, centered=centered)
    scaled = _over(g, root(s, eps=eps, eps_inside=eps_inside))
    return momentum(scaled, lr=lr, beta=beta, lr_inside=lr_inside)


@_quiet
def adam_state(g: Array, *, beta1: float = 0.9, beta2: float = 0.999) -> tuple[Array, Array]:
    """Adam's moving averages of the gradients and of their squares, before the correction for starting at zero."""
    return decay(g, beta1, weight=1 - beta1), decay(g**2, beta2, weight=1 - beta2)


@_quiet
def adam(
    g: Array,
    *,
    lr: Value = 1.0,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 0.0,
    eps_inside: bool = False,
    eps_hat: bool = False,
    bias_correction: bool = True,
) -> Array:
    """Adam.

    >>> adam(np.array([[3.0, 3.0, 3.0]]), lr=0.1)
    array([[0.1, 0.1, 0.1]])
    """
    m, s = adam_state(g, beta1=beta1, beta2=beta2)
    steps = g.shape[-1]
    c1, c2 = (_correction(beta1, steps), _correction(beta2, steps)) if bias_correction else (1.0, 1.0)
    if eps_hat:
        return lr * np.sqrt(c2) / c1 * _over(m, root(s, eps=eps, eps_inside=eps_inside))
    return lr * _over(m / c1, root(s / c2, eps=eps, eps_inside=eps_inside))


def _correction(beta: float, steps: int) -> Array:
    """The sum 1 − β^t of the weights in a moving average of t values, for t = 1 … steps."""
    c = np.ones(steps)
    early = min(steps, int(40 / -np.log(beta)) + 1) if 0 < beta < 1 else steps  # then β^t is lost beside 1
    c[:early] -= beta ** np.arange(1.0, early + 1)
    return c


def _over(x: Array, divisor: Value) -> Array:
    """Divide, and give 0 where the divisor is 0; a NaN on either side stays one."""
    return np.divide(x, divisor, out=np.zeros_like(x), where=np.not_equal(divisor, 0.0))
