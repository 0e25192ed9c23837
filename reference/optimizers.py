"""The update rules of gradient descent, one step each.

Every rule takes the gradient g and the state that the step before returned (nothing before the first step) and returns
the step and the new state. The step points down: `theta = theta - step`. Numbers and arrays of any shape both work.

Authors write these rules differently; every difference is a keyword, named alike in all rules:

- `start`: what an accumulator holds before the first step. None: nothing yet, so the first gradient is taken whole.
- `eps_inside`: eps is added under the square root, not to the root.
- `lr_inside`: the learning rate multiplies the gradient before it enters the velocity. The path is the same as with the
  learning rate outside, unless the learning rate changes on the way.

`reference.histories` has the same rules, with the same keywords, over a whole history of gradients.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Value = Array | float


def descend(
    rule: Callable[..., tuple[Value, Any]],
    gradient: Callable[[Any], Value],
    theta: Value,
    *,
    steps: int,
    **keywords: Any,
) -> Array:
    """The path theta_0 … theta_steps that a rule takes, time last; `keywords` go to the rule.

    >>> descend(sgd, lambda theta: 2 * theta, 1.0, steps=4, lr=0.25)
    array([1.    , 0.5   , 0.25  , 0.125 , 0.0625])
    """
    path, state = [theta], None
    for _ in range(steps):
        step, state = rule(gradient(theta), state, **keywords)
        theta = theta - step
        path.append(theta)
    return np.stack(path, axis=-1)


def root(s: Value, *, eps: float, eps_inside: bool) -> Value:
    """The square root that adaptive rules divide by, with eps where the convention puts it."""
    return np.sqrt(s + eps) if eps_inside else np.sqrt(s) + eps


def sgd(g: Value, state: None = None, *, lr: Value) -> tuple[Value, None]:
    """Plain gradient descent: the gradient times the learning rate.

    >>> path = descend(sgd, lambda theta: 2 * theta, 4.0, steps=4, lr=0.25)
    >>> path**2
    array([16.    ,  4.    ,  1.    ,  0.25  ,  0.0625])
    """
    return lr * g, state


def momentum(
    g: Value,
    v: Value | None = None,
    *,
    lr: Value,
    beta: float = 0.9,
    dampening: float = 0.0,
    start: Value | None = 0.0,
    lr_inside: bool = False,
) -> tuple[Value, Value]:
    """Momentum: a velocity v keeps the share beta of itself and takes in the gradient.

    - Heavy ball, and `torch.optim.SGD(momentum=beta)`: the defaults.
    - `torch.optim.SGD(dampening=…)`: the same `dampening` with `start=None`: its first buffer is the gradient, whole.
    - Exponential moving average, v = βv + (1−β)g: `dampening=beta`; the path of the heavy ball with lr·(1−β).
    - Keras `SGD`, m = βm − lr·g: `lr_inside=True`. So are v = λv − ηg of H.-Y. Lee's lecture and
      x + β(x − x_prev) − lr·g of Polyak 1964, "Some methods of speeding up the convergence of iteration methods".

    >>> path = descend(momentum, lambda theta: 2 * theta, 4.0, steps=5, lr=0.25, beta=0.5)
    >>> path**2
    array([16.  ,  4.  ,  0.  ,  1.  ,  1.  ,  0.25])
    """
    if v is None:
        v = start
    x = lr * g if lr_inside else g
    v = x if v is None else beta * v + (1 - dampening) * x
    return (v if lr_inside else lr * v), v


def nesterov(
    g: Value, v: Value | None = None, *, lr: Value, beta: float = 0.9, start: Value = 0.0, lr_inside: bool = False
) -> tuple[Value, Value]:
    """Nesterov momentum as libraries compute it: from the gradient at theta, the velocity of one step ahead.

    - `torch.optim.SGD(nesterov=True)`, `optax.sgd(nesterov=True)`: the defaults.
    - Keras `SGD(nesterov=True)`: `lr_inside=True`.

    >>> path = descend(nesterov, lambda theta: 2 * theta, 4.0, steps=5, lr=0.25, beta=0.5)
    >>> np.round(path**2, 4)
    array([1.600e+01, 1.000e+00, 6.250e-02, 1.914e-01, 7.060e-02, 8.100e-03])
    """
    if v is None:
        v = start
    x = lr * g if lr_inside else g
    v = beta * v + x
    return (x + beta * v if lr_inside else lr * (x + beta * v)), v


def nesterov_lookahead(
    gradient: Callable[[Any], Value], theta: Value, v: Value | None = None, *, lr: Value, beta: float = 0.9
) -> tuple[Value, Value]:
    """Nesterov momentum as first written: the gradient is taken where the velocity is about to lead.

    Sutskever, Martens, Dahl and Hinton 2013, "On the importance of initialization and momentum in deep learning",
    equations 3 and 4; v has the other sign here, so that it points down like every step.

    >>> theta, v, losses = 4.0, None, []
    >>> for _ in range(5):
    ...     step, v = nesterov_lookahead(lambda theta: 2 * theta, theta, v, lr=0.25, beta=0.5)
    ...     theta = theta - step
    ...     losses.append(theta**2)
    >>> losses
    [4.0, 0.25, 0.015625, 0.0478515625, 0.01763916015625]
    """
    if v is None:
        v = 0.0
    v = beta * v + lr * gradient(theta - beta * v)
    return v, v


def adagrad(
    g: Value,
    state: tuple[Value, int] | None = None,
    *,
    lr: Value,
    eps: float = 0.0,
    eps_inside: bool = False,
    start: Value = 0.0,
    mean: bool = False,
    norm: bool = False,
    lr_decay: float = 0.0,
) -> tuple[Value, tuple[Value, int]]:
    """Adagrad: every parameter's step is divided by the root of the sum s of its squared gradients.

    Duchi, Hazan and Singer 2011, "Adaptive subgradient methods". The state is s and the number of steps taken.

    - H.-Y. Lee's demo notebook (2017): the defaults, with lr=1.
    - H.-Y. Lee's slides (2021), lr/√mean(g²): `mean=True`.
    - `torch.optim.Adagrad`: `eps=1e-10`, its `lr_decay`, and its initial_accumulator_value as `start`.
    - Keras, `optax.adagrad`: `start=0.1, eps=1e-7, eps_inside=True`.
    - AdaGrad-Norm, one s for all parameters (Ward, Wu and Bottou 2019, "AdaGrad stepsizes"): `norm=True`.

    >>> path = descend(adagrad, lambda theta: 2 * theta, 4.0, steps=5, lr=2.0)
    >>> np.round(path**2, 4)
    array([16.    ,  4.    ,  1.2223,  0.3914,  0.1271,  0.0414])
    """
    s, t = (start, 0) if state is None else state
    s = s + (np.sum(g**2, axis=0) if norm else g**2)
    lr = lr / (1 + lr_decay * t)
    return lr * g / root(s / (t + 1) if mean else s, eps=eps, eps_inside=eps_inside), (s, t + 1)


def rmsprop(
    g: Value,
    state: tuple[Value, Value, Value] | None = None,
    *,
    lr: Value,
    rho: float = 0.9,
    eps: float = 0.0,
    eps_inside: bool = False,
    start: Value | None = 0.0,
    centered: bool = False,
    beta: float = 0.0,
    lr_inside: bool = False,
) -> tuple[Value, tuple[Value, Value, Value]]:
    """RMSprop: every parameter's step is divided by the root of a moving average s of its squared gradients.

    Hinton, Srivastava and Swersky 2012, "Neural networks for machine learning", lecture 6e. The state is s, the moving
    average m of the gradients (only `centered` looks at it) and the velocity v (a single step while beta is 0).

    - `torch.optim.RMSprop`: `rho=0.99, eps=1e-8`; its `centered`, and its momentum as `beta`.
    - Keras: `eps=1e-7, eps_inside=True, lr_inside=True`; its `centered`, and its momentum as `beta`.
    - `optax.rmsprop`: `eps=1e-8, eps_inside=True, lr_inside=True`; with its eps_in_sqrt=False eps is outside.
    - H.-Y. Lee's slides, σ⁰ = g⁰: `start=None`. The first step is √(1−ρ) times that of `start=0.0`.
    - TensorFlow 1: `start=1.0, eps=1e-10, eps_inside=True, lr_inside=True`.

    >>> path = descend(rmsprop, lambda theta: 2 * theta, 4.0, steps=5, lr=1.0, rho=0.5, start=None)
    >>> np.round(path**2, 4)
    array([16.    ,  9.    ,  4.6288,  2.0059,  0.6404,  0.1124])
    """
    s, m, v = (start, 0.0, 0.0) if state is None else state
    s = g**2 if s is None else rho * s + (1 - rho) * g**2
    m = rho * m + (1 - rho) * g
    spread = np.maximum(s - m**2, 0.0) if centered else s  # a variance, which rounding alone could make negative
    step, v = momentum(g / root(spread, eps=eps, eps_inside=eps_inside), v, lr=lr, beta=beta, lr_inside=lr_inside)
    return step, (s, m, v)


def adam(
    g: Value,
    state: tuple[Value, Value, int] | None = None,
    *,
    lr: Value,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 0.0,
    eps_inside: bool = False,
    eps_hat: bool = False,
    bias_correction: bool = True,
) -> tuple[Value, tuple[Value, Value, int]]:
    """Adam: a moving average m of the gradients over the root of one of their squares, s.

    Both start at zero and are corrected for it. Kingma and Ba 2015, "Adam: a method for stochastic optimization".
    The state is m, s and the number of steps taken.

    - The paper's algorithm 1, `torch.optim.Adam`, `optax.adam`: `eps=1e-8`.
    - optax's eps_root, under the root: `eps_inside=True`.
    - Keras, and the end of the paper's section 2 ("epsilon hat"): eps joins the uncorrected root,
      `eps=1e-7, eps_hat=True`.
    - BERT's optimizer (Devlin et al. 2019) leaves the correction out: `bias_correction=False`.

    >>> path = descend(adam, lambda theta: 2 * theta, 4.0, steps=5, lr=1.0)
    >>> np.round(path**2, 4)
    array([16.    ,  9.    ,  4.07  ,  1.1534,  0.041 ,  0.3068])
    """
    m, s, t = (0.0, 0.0, 0) if state is None else state
    m = beta1 * m + (1 - beta1) * g
    s = beta2 * s + (1 - beta2) * g**2
    c1, c2 = (1 - beta1 ** (t + 1), 1 - beta2 ** (t + 1)) if bias_correction else (1.0, 1.0)
    if eps_hat:
        return lr * np.sqrt(c2) / c1 * m / root(s, eps=eps, eps_inside=eps_inside), (m, s, t + 1)
    return lr * (m / c1) / root(s / c2, eps=eps, eps_inside=eps_inside), (m, s, t + 1)
