"""The rules and conventions that a run is held against, each as a direction with the bound on its rounding.

The formulas are those of `reference.histories`; what is added here is how the rounding of the gradient passes through
them. A `Form` is one rule in one convention with its numbers. The learning rate stays open, as every direction is
proportional to it, and so does the eps of rules that divide by a root, until the run itself shows it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from grader.verify.bounds import Direction, Gradient
from reference import histories
from reference.optimizers import root

if TYPE_CHECKING:
    from collections.abc import Iterator

    from grader.model import Floats, Scalar
    from grader.verify.said import Said

USUAL_DECAYS = (0.9, 0.99, 0.999, 0.95, 0.5)
USUAL_EPSILONS = (1e-8, 1e-7, 1e-10, 1e-6, 1e-5, 1e-12, 1e-9, 1e-4, 1e-3)
MOST_DECAYS = 7
SIGNED = "first gradient with its sign"


class Parts(NamedTuple):
    """What a rule moves along, `top`, and the state `s` whose root it divides by, if it does.

    `sign` is the root's, where it may be negative.
    """

    top: Direction
    s: Floats | None = None
    s_error: Floats | None = None
    sign: Floats | None = None


class Form(NamedTuple):
    """A rule in one convention; `linear` rules keep the loss's scale in their learning rate, the others lose it.

    `eps` is in units of the sum of squares, whatever scale the notebook's own loss has. With a `velocity` the step of a
    rule enters one that keeps this share of itself; `ahead` takes it as Nesterov does.
    """

    rule: str
    hyper: dict[str, float]
    convention: dict[str, Scalar]
    parts: Callable[[Gradient], Parts]
    linear: bool = False
    eps: float = 0.0
    eps_inside: bool = False
    velocity: float = 0.0
    ahead: bool = False

    def direction(self, gradient: Gradient) -> Direction:
        """The direction of this form over a history of gradients."""
        parts = self.parts(gradient)
        alone = parts.top if parts.s is None else over(*rooted(parts), self.eps, self.eps_inside, sign=parts.sign)
        return carried(alone, self.velocity, gradient.u, ahead=self.ahead) if self.velocity else alone


# -- directions ----------------------------------------------------------------------------------


def sgd(gradient: Gradient) -> Parts:
    """The gradient itself."""
    return Parts(Direction(histories.sgd(gradient.g), gradient.error))


def momentum(gradient: Gradient, *, beta: float, first: float = 1.0) -> Parts:
    """The velocity of the heavy ball; `first` weighs the first gradient against the others."""
    velocity, error = histories.momentum(gradient.g, beta=beta), histories.decay(gradient.error, abs(beta))
    if first != 1.0:  # torch's dampening leaves the first buffer whole
        alone = np.zeros_like(gradient.g)
        alone[:, 0] = (first - 1.0) * gradient.g[:, 0]
        velocity = velocity + histories.decay(alone, beta)
    return Parts(Direction(velocity, error * max(first, 1.0)))


def corrected_momentum(gradient: Gradient, *, beta: float) -> Parts:
    """The decaying mean of the gradients, corrected for its start at zero."""
    return Parts(adam(gradient, beta1=beta, beta2=beta).top)


def nesterov(gradient: Gradient, *, beta: float, lookahead: bool = False) -> Parts:
    """Nesterov's velocity, as libraries write it or with the gradient taken ahead."""
    rule = histories.nesterov_lookahead if lookahead else histories.nesterov
    later = histories.decay(gradient.error, abs(beta))
    return Parts(Direction(rule(gradient.g, beta=beta), 2.0 * gradient.error + 3.0 * abs(beta) * later))


def adagrad(
    gradient: Gradient, *, start: float = 0.0, mean: bool = False, norm: bool = False, lr_decay: float = 0.0
) -> Parts:
    """The gradient over the root of all squares so far; with torch's `lr_decay` its weight falls as 1/t."""
    s = histories.adagrad_state(gradient.g, start=start, mean=mean, norm=norm)
    squares = square_error(gradient)
    error = histories.decay(squares.sum(axis=0, keepdims=True) if norm else squares, 1.0)
    count = np.arange(1.0, gradient.g.shape[1] + 1)
    if mean:
        error = error / count
    top = Direction(gradient.g, gradient.error)
    if lr_decay:
        late = 1.0 + lr_decay * (count - 1.0)
        top = Direction(top.D / late, (top.error + 4.0 * gradient.u * np.abs(top.D)) / late)
    return Parts(top, s, error + gradient.u * np.sqrt(count) * s)


def rmsprop(gradient: Gradient, *, rho: float, start: float | None = 0.0) -> Parts:
    """The gradient over the root of a decaying mean of squares."""
    s = histories.rmsprop_state(gradient.g, rho=rho, start=start)
    error = histories.decay(square_error(gradient), rho, weight=1 - rho, start=None if start is None else 0.0)
    return Parts(Direction(gradient.g, gradient.error), s, error + gradient.u / np.sqrt(1 - rho) * s)


def rmsprop_signed(gradient: Gradient, *, rho: float) -> Parts:
    """RMSprop whose root begins as the first gradient with its sign, by which it is divided first."""
    parts = rmsprop(gradient, rho=rho, start=None)
    sign = np.ones_like(gradient.g)
    sign[:, 0] = np.where(gradient.g[:, 0] < 0, -1.0, 1.0)
    return parts._replace(sign=sign)


def rmsprop_centered(gradient: Gradient, *, rho: float) -> Parts:
    """The gradient over the root of a decaying variance: the mean of squares less the square of the mean.

    The two nearly cancel while the gradient changes little, and their rounding, which does not, is what is left.
    """
    mean = histories.decay(gradient.g, rho, weight=1 - rho)
    doubt = histories.decay(gradient.error, rho, weight=1 - rho) + 2.0 * gradient.u / (1 - rho) * np.abs(mean)
    top, squares, error = rooted(rmsprop(gradient, rho=rho))
    s = histories.rmsprop_state(gradient.g, rho=rho, centered=True)
    return Parts(top, s, error + gradient.u * squares + (2.0 * np.abs(mean) + doubt) * doubt)


def adam(
    gradient: Gradient,
    *,
    beta1: float,
    beta2: float,
    eps_hat: bool = False,
    bias_correction: bool = True,
    largest: bool = False,
) -> Parts:
    """Decaying mean over the root of a decaying mean of squares, both corrected for their start at zero.

    With `largest` the root is of the largest mean so far, as in AMSGrad.
    """
    m, s = histories.adam_state(gradient.g, beta1=beta1, beta2=beta2)
    m_error = histories.decay(gradient.error + gradient.u * np.abs(gradient.g), beta1, weight=1 - beta1)
    s_error = histories.decay(square_error(gradient), beta2, weight=1 - beta2) + gradient.u / np.sqrt(1 - beta2) * s
    if largest:
        s, s_error = np.maximum.accumulate(s, axis=1), np.maximum.accumulate(s_error, axis=1)
    if not bias_correction:
        return Parts(Direction(m, m_error), s, s_error)
    c1, c2 = _weights_so_far(beta1, gradient.g.shape[1]), _weights_so_far(beta2, gradient.g.shape[1])
    m_error += 4 * gradient.u * np.abs(m)  # the weights lose digits while they are small, however computed
    s_error += 4 * gradient.u * s
    if eps_hat:
        c = np.ones(gradient.g.shape[1])
        c[: len(c1)] /= c1
        c[: len(c2)] *= np.sqrt(c2)
        return Parts(Direction(c * m, c * m_error), s, s_error)
    for rows, c in ((m, c1), (m_error, c1), (s, c2), (s_error, c2)):
        rows[:, : len(c)] /= c
    return Parts(Direction(m, m_error), s, s_error)


def adam_ahead(gradient: Gradient, *, beta1: float, beta2: float) -> Parts:
    """Adam whose mean is taken one step ahead, as Nesterov does; Dozat 2016, the way optax writes it."""
    mean = adam(gradient, beta1=beta1, beta2=beta2, bias_correction=False).top
    _, s, s_error = rooted(adam(gradient, beta1=beta1, beta2=beta2))
    weights = np.ones(gradient.g.shape[1] + 1)
    early = _weights_so_far(beta1, len(weights))
    weights[: len(early)] = early
    kept, entered = beta1 / weights[1:], (1 - beta1) / weights[:-1]
    error = kept * (mean.error + 4.0 * gradient.u * np.abs(mean.D))
    error += entered * (gradient.error + 4.0 * gradient.u * np.abs(gradient.g))
    return Parts(Direction(kept * mean.D + entered * gradient.g, error), s, s_error)


def with_eps_under_root(gradient: Gradient, *, parts: Callable[[Gradient], Parts], eps: float) -> Parts:
    """A rule with an eps under its root, beside which another may stand."""
    top, s, s_error = rooted(parts(gradient))
    return Parts(top, s + eps, s_error + gradient.u * (s + eps))


def largest_corrected(gradient: Gradient, *, beta1: float, beta2: float) -> Parts:
    """AMSGrad as optax has it: the largest of the means that are corrected already."""
    top, s, s_error = rooted(adam(gradient, beta1=beta1, beta2=beta2))
    return Parts(top, np.maximum.accumulate(s, axis=1), np.maximum.accumulate(s_error, axis=1))


def _weights_so_far(beta: float, steps: int) -> Floats:
    """1 - β^t for t = 1, 2, …, as far as the powers are not lost beside 1."""
    early = min(steps, int(40 / -np.log(beta)) + 1)
    return np.asarray(1.0 - beta ** np.arange(1.0, early + 1))


def over(
    top: Direction, s: Floats, s_error: Floats, eps: float, eps_inside: bool, *, sign: Floats | None = None
) -> Direction:
    """A direction over the root of `s`; where `s` is all rounding, little is known of the quotient's size."""
    r = np.asarray(root(s, eps=eps, eps_inside=eps_inside))
    if sign is not None:
        r = np.where(sign < 0, (0.0 if eps_inside else 2.0 * eps) - r, r)
    size = np.abs(r)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        share = s_error / (2.0 * (s + eps)) if eps_inside else s_error / (2.0 * np.sqrt(s) * size)
        share = np.where(s > 0, share / (1.0 - np.minimum(share, 0.9)), 0.0)
        D = np.where(r == 0, 0.0, top.D / r)  # a nan stays one
        error = np.where(r == 0, 0.0, top.error / size) + np.abs(D) * share
    return Direction(D, error)


def carried(alone: Direction, beta: float, u: float, *, ahead: bool) -> Direction:
    """The velocity that steps enter, or the velocity of one step ahead; its product and its sum round as well."""
    velocity = histories.momentum(alone.D, beta=beta)
    error = histories.decay(alone.error + 2.0 * u * np.abs(velocity), beta)
    if not ahead:
        return Direction(velocity, error)
    added = 2.0 * u * (np.abs(alone.D) + beta * np.abs(velocity))
    return Direction(alone.D + beta * velocity, alone.error + beta * error + added)


def rooted(parts: Parts) -> tuple[Direction, Floats, Floats]:
    """The parts of a rule that divides by a root."""
    if parts.s is None or parts.s_error is None:
        raise ValueError("this rule divides by no root")
    return parts.top, parts.s, parts.s_error


def square_error(gradient: Gradient) -> Floats:
    """The bound on the rounding of g²."""
    return 2.0 * (np.abs(gradient.g) + gradient.error) * gradient.error


# -- the table -----------------------------------------------------------------------------------


def decays(said: Said) -> tuple[float, ...]:
    """The decay rates worth a try: those with a fitting name, the usual ones, then any other number below one."""
    others = tuple(value for value in said.positive if 0.05 <= value < 1)
    return tuple(dict.fromkeys((*said.decays, *USUAL_DECAYS, *others)))[:MOST_DECAYS]


def scales(size: int) -> dict[str, float]:
    """What the sum of squares is multiplied by in each convention of the loss, the homework's own first."""
    return {"sse": 1.0, "mse": 1.0 / size, "half-sse": 0.5, "half-mse": 0.5 / size}


HINTS = {  # what a number is called that only one of the rules has
    "adam": re.compile(r"(.*_)?(beta|b)_?[12]|.*adam.*"),
    "rmsprop": re.compile(r"(.*_)?rho|.*rms.*|alpha|decay(_rate)?"),
    "momentum": re.compile(r"(.*_)?(momentum|mu|mom)"),
    "adagrad": re.compile(r".*ada_?g.*"),
}


def forms(said: Said, size: int) -> list[Form]:
    """Every rule and convention to try, the likeliest first, with eps still zero.

    Plain descent leads, then come the rules whose numbers the cell names, then those that need no unstated number.
    """
    hinted = [rule for rule, hint in HINTS.items() if any(map(hint.fullmatch, said.own_words))]

    def doubt(form: Form) -> tuple[int, int, int]:
        guessed = sum(value not in said.positive for value in form.hyper.values())
        place = hinted.index(form.rule) if form.rule in hinted else len(hinted)
        return int(form.rule != "gd"), guessed, place

    return sorted(_forms(said, size), key=doubt)


def _forms(said: Said, size: int) -> Iterator[Form]:
    tried = decays(said)
    yield Form("gd", {}, {}, sgd, linear=True)
    for beta in (*((1.0,) if said.lossless else ()), *tried):
        yield from momenta(beta)
    for beta in said.decays[:3] or USUAL_DECAYS[:1]:
        yield _corrected(beta)
    for beta, tau in product(said.decays[:3], said.decays[:3]):
        hyper: dict[str, float] = {"momentum": beta, "dampening": tau}
        yield Form("momentum", hyper, {}, partial(momentum, beta=beta, first=1 / (1 - tau)), linear=True)
    yield from _adagrads(size)
    for rho in tried:
        yield from rmsprops(rho, size, rare=rho in (said.decays or USUAL_DECAYS[:1]))
    for beta1, beta2 in _betas(said):
        yield from adams(beta1, beta2)
        if beta1 < beta2:
            yield from _amsgrads(beta1, beta2)
    yield from rmsprops_with_momentum(said)


def momenta(beta: float) -> Iterator[Form]:
    """The rules with a velocity."""
    hyper = {"momentum": beta}
    yield Form("momentum", hyper, {}, partial(momentum, beta=beta), linear=True)
    yield Form("nesterov", hyper, {}, partial(nesterov, beta=beta), linear=True)
    yield Form("nesterov", hyper, {"gradient": "ahead"}, partial(nesterov, beta=beta, lookahead=True), linear=True)


def _corrected(beta: float) -> Form:
    """The averaged velocity, corrected for its start at zero: Adam without its root."""
    hyper = {"momentum": beta}
    return Form("momentum", hyper, {"bias": "corrected"}, partial(corrected_momentum, beta=beta), linear=True)


def _adagrads(size: int) -> Iterator[Form]:
    yield Form("adagrad", {}, {}, adagrad)
    yield Form("adagrad", {}, {"root": "mean"}, partial(adagrad, mean=True))
    yield Form("adagrad", {}, {"root": "norm"}, partial(adagrad, norm=True))
    yield from adagrads_from(0.1, size)  # as Keras and optax do


def adagrads_from(start: float, size: int, *, lr_decay: float = 0.0) -> Iterator[Form]:
    """Adagrad whose sum of squares begins from a number, in every scale of the loss; from zero they are all one."""
    hyper = {"lr_decay": lr_decay} if lr_decay else {}
    for name, scale in scales(size).items() if start else (("", 1.0),):
        convention: dict[str, Scalar] = {"start": start, "loss": name} if start else {}
        yield Form("adagrad", hyper, convention, partial(adagrad, start=start / scale**2, lr_decay=lr_decay))


def _rmsprop(rho: float) -> Form:
    return Form("rmsprop", {"rho": rho}, {"start": 0.0}, partial(rmsprop, rho=rho))


def _rmsprop_of_slides(rho: float) -> Form:
    return Form("rmsprop", {"rho": rho}, {"start": "first gradient"}, partial(rmsprop, rho=rho, start=None))


def signed_forms(said: Said) -> Iterator[Form]:
    """RMSprop as slides write it, σ⁰ = g⁰ to the letter: the one rule whose first step may climb."""
    for rho in decays(said):
        yield Form("rmsprop", {"rho": rho}, {"start": SIGNED}, partial(rmsprop_signed, rho=rho))


def rmsprops(rho: float, size: int, *, rare: bool) -> Iterator[Form]:
    """RMSprop from each start; the rare one only if asked for."""
    yield _rmsprop(rho)
    yield _rmsprop_of_slides(rho)
    if rare:
        yield _centered(rho)
        yield from _rmsprops_from(1.0, rho, size)  # as TensorFlow 1 did


def _rmsprops_from(start: float, rho: float, size: int) -> Iterator[Form]:
    for name, scale in scales(size).items():
        convention: dict[str, Scalar] = {"start": start, "loss": name}
        yield Form("rmsprop", {"rho": rho}, convention, partial(rmsprop, rho=rho, start=start / scale**2))


def with_usual_eps(form: Form, said: Said, size: int) -> Iterator[Form]:
    """A form with the eps that is stated, else with the usual one, beside its root, in every scale of the loss."""
    eps = (said.epsilons or USUAL_EPSILONS)[0]
    for name, scale in scales(size).items():
        convention: dict[str, Scalar] = {"eps": "outside", "loss": name}
        yield form._replace(hyper=form.hyper | {"eps": eps}, convention=form.convention | convention, eps=eps / scale)


def rmsprops_with_momentum(said: Said) -> Iterator[Form]:
    """RMSprop whose step enters a velocity, at the decay rates that are stated."""
    for rho, beta in product(_rhos(said), said.decays[:2]):
        yield _moving(_rmsprop(rho), beta)


def _centered(rho: float) -> Form:
    return Form("rmsprop", {"rho": rho}, {"start": 0.0, "root": "variance"}, partial(rmsprop_centered, rho=rho))


def _moving(form: Form, beta: float, *, ahead: bool = False) -> Form:
    """A form whose step enters a velocity."""
    convention: dict[str, Scalar] = {"velocity": "nesterov"} if ahead else {}
    return form._replace(
        hyper=form.hyper | {"momentum": beta}, convention=form.convention | convention, velocity=beta, ahead=ahead
    )


def _rhos(said: Said) -> tuple[float, ...]:
    """The decay rates of RMSprop that are stated, and those that libraries take by themselves."""
    return tuple(dict.fromkeys((*said.decays[:3], 0.99, 0.9)))


def _betas(said: Said) -> Iterator[tuple[float, float]]:
    """Adam's decay rates: every two that are stated, and those that are usual."""
    yield from dict.fromkeys((*product(said.decays[:3], said.decays[:3]), (0.9, 0.999), (0.9, 0.99)))


def adams(beta1: float, beta2: float) -> tuple[Form, ...]:
    """Adam as it is usually written, with eps unscaled, and without the correction."""
    hyper, make = {"beta1": beta1, "beta2": beta2}, partial(adam, beta1=beta1, beta2=beta2)
    return (
        Form("adam", hyper, {}, make),
        Form("adam", hyper, {"eps": "hat"}, partial(make, eps_hat=True)),
        Form("adam", hyper, {"bias": "uncorrected"}, partial(make, bias_correction=False)),
    )


def rare_forms(said: Said, size: int) -> Iterator[Form]:
    """What few notebooks have, tried where all the others leave a run unexplained."""
    for start in (*said.accumulators, 1.0):
        yield from adagrads_from(start, size)
    for lr_decay in said.rate_decays[:2]:
        yield from _fading_adagrads(lr_decay, said, size)
    for beta1, beta2 in _betas(said):
        yield from _rare_adams(beta1, beta2, said, size)
    bases = [base for rho in _rhos(said) for base in _rare_rmsprops(rho, said, size)]
    yield from bases
    for rho, beta in product(_rhos(said), said.decays[:2]):
        yield _moving(_rmsprop(rho), beta, ahead=True)
        yield _moving(_rmsprop_of_slides(rho), beta)
    for base, beta, ahead in product(bases, said.decays[:2], (False, True)):
        yield _moving(base, beta, ahead=ahead)


def _rare_adams(beta1: float, beta2: float, said: Said, size: int) -> Iterator[Form]:
    """Adam with its mean taken ahead, Keras's AMSGrad, and a stated eps under the root beside the one that is open."""
    hyper = {"beta1": beta1, "beta2": beta2}
    ahead = Form("adam", hyper, {"mean": "ahead"}, partial(adam_ahead, beta1=beta1, beta2=beta2))
    yield ahead
    largest = partial(adam, beta1=beta1, beta2=beta2, largest=True, eps_hat=True)
    yield Form("adam", hyper, {"root": "largest", "eps": "hat"}, largest)
    stated = said.root_epsilons or (said.epsilons if len(said.epsilons) > 1 else ())
    for form, eps, (name, scale) in product((adams(beta1, beta2)[0], ahead), stated[:2], scales(size).items()):
        parts = partial(with_eps_under_root, parts=form.parts, eps=eps / scale**2)
        convention: dict[str, Scalar] = {"loss": name}
        yield form._replace(hyper=hyper | {"eps_root": eps}, convention=form.convention | convention, parts=parts)


def _fading_adagrads(lr_decay: float, said: Said, size: int) -> Iterator[Form]:
    """Adagrad with torch's own schedule."""
    for start in dict.fromkeys((0.0, *said.accumulators, 0.1)):
        yield from adagrads_from(start, size, lr_decay=lr_decay)


def _rare_rmsprops(rho: float, said: Said, size: int) -> Iterator[Form]:
    """RMSprop centred, from a stated start, and with its mean corrected for the start at zero.

    The last is Adam without the first mean. So a decay rate that the notebook calls one of Adam's is not taken for
    RMSprop's: there the first mean is lost.
    """
    yield _centered(rho)
    for start in said.accumulators:
        yield from _rmsprops_from(start, rho, size)
    if not said.called(rho, HINTS["adam"]):
        yield Form("rmsprop", {"rho": rho}, {"start": 0.0, "bias": "corrected"}, partial(adam, beta1=0.0, beta2=rho))


def _amsgrads(beta1: float, beta2: float) -> Iterator[Form]:
    """Adam that divides by the largest mean of squares so far, however it is corrected."""
    hyper, make = {"beta1": beta1, "beta2": beta2}, partial(adam, beta1=beta1, beta2=beta2, largest=True)
    yield Form("adam", hyper, {"root": "largest"}, make)
    yield Form("adam", hyper, {"root": "largest", "bias": "uncorrected"}, partial(make, bias_correction=False))
    corrected = partial(largest_corrected, beta1=beta1, beta2=beta2)
    yield Form("adam", hyper, {"root": "largest corrected"}, corrected)
