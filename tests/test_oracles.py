"""The reference against PyTorch and optax: their paths on the homework's data, judged step by step.

Every step is compared from the path's own previous points, so nothing drifts.
The difference is divided by a bound of what rounding can do: a residual of at most 1 is agreement.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from reference import histories, line_fit, optimizers
from reference.histories import Array, decay
from reference.line_fit import X_DATA, Y_DATA

pytestmark = [pytest.mark.oracle, pytest.mark.slow]

STEPS = 1000
START = (-120.0, -4.0)
SCHEDULE = 1 / np.sqrt(np.arange(1.0, STEPS + 1))

Keywords = dict[str, Any]
Oracle = Callable[[str, Keywords], Array]


# -- paths ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def torch_path() -> Oracle:
    """The path of a torch optimizer; `schedule` and `dtype` are ours, all other keywords torch's."""
    import torch

    def path(name: str, keywords: Keywords) -> Array:
        keywords = dict(keywords)
        dtype, schedule = getattr(torch, keywords.pop("dtype", "float64")), keywords.pop("schedule", None)
        x, y = torch.tensor(X_DATA.tolist(), dtype=dtype), torch.tensor(Y_DATA.tolist(), dtype=dtype)
        b, w = (torch.tensor(value, dtype=dtype, requires_grad=True) for value in START)
        optimizer = getattr(torch.optim, name)([b, w], **keywords)
        points = [[b.item(), w.item()]]
        for t in range(STEPS):
            if schedule is not None:
                optimizer.param_groups[0]["lr"] = keywords["lr"] * float(schedule[t])
            optimizer.zero_grad()
            ((y - (b + w * x)) ** 2).sum().backward()
            optimizer.step()
            points.append([b.item(), w.item()])
        return np.array(points).T

    return path


@pytest.fixture(scope="module")
def optax_path() -> Oracle:
    """The path of an optax optimizer; `schedule` is ours, all other keywords optax's."""
    import jax
    import optax

    jax.config.update("jax_enable_x64", True)
    numpy = jax.numpy
    gradient = jax.grad(lambda theta: numpy.sum((Y_DATA - (theta[0] + theta[1] * X_DATA)) ** 2))

    def path(name: str, keywords: Keywords) -> Array:
        keywords = dict(keywords)
        lr, schedule = keywords.pop("lr"), keywords.pop("schedule", None)
        rate = lr if schedule is None else lambda count: lr * numpy.asarray(schedule)[count]
        if name == "ema":
            optimizer = optax.chain(optax.ema(**keywords), optax.scale_by_learning_rate(rate))
        else:
            optimizer = getattr(optax, name)(rate, **keywords)

        def move(theta: Any, state: Any) -> Any:
            updates, state = optimizer.update(gradient(theta), state, theta)
            return optax.apply_updates(theta, updates), state

        step = jax.jit(move)
        theta = numpy.array(START)
        points, state = [np.asarray(theta)], optimizer.init(theta)
        for _ in range(STEPS):
            theta, state = step(theta, state)
            points.append(np.asarray(theta))
        return np.stack(points, axis=-1)

    return path


# -- what rounding can do ------------------------------------------------------------------------


def gradient_error(theta: Array, u: float) -> Array:
    """The rounding bound of a sum-of-squares gradient, in whatever order it is summed."""
    phi = np.stack([np.ones_like(X_DATA), X_DATA])
    size = 2 * phi @ phi.T @ np.abs(theta) + 2 * (phi @ np.abs(Y_DATA))[:, None]
    return np.asarray(u * (X_DATA.size + 8) * size)


def sgd_error(dg: Array, g: Array, u: float) -> Array:
    """That of the gradient."""
    return dg


def momentum_error(dg: Array, g: Array, u: float, *, beta: float = 0.9, **_: Any) -> Array:
    """The same recursion over the gradients' errors."""
    return decay(dg, beta)


def nesterov_error(dg: Array, g: Array, u: float, *, beta: float = 0.9, **_: Any) -> Array:
    """The same rule over the gradients' errors."""
    return histories.nesterov(dg, beta=beta)


def adagrad_error(dg: Array, g: Array, u: float, *, start: float = 0.0, **keywords: Any) -> Array:
    """The error above the root, and that of the root: half the relative error of its square."""
    root = g / histories.adagrad(g, start=start, **keywords)
    return dg / root + np.abs(g / root) * np.cumsum(np.abs(g) * dg, axis=-1) / histories.adagrad_state(g, start=start)


def rmsprop_error(
    dg: Array, g: Array, u: float, *, rho: float = 0.9, start: Any = 0.0, beta: float = 0.0, **keywords: Any
) -> Array:
    """As Adagrad; centered, also the error of the mean, and that of a difference that cancels."""
    root = g / histories.rmsprop(g, rho=rho, start=start, **keywords)
    spread = histories.rmsprop_state(g, rho=rho, start=start, centered=bool(keywords.get("centered")))
    error = 2 * decay(np.abs(g) * dg, rho, weight=1 - rho)
    if keywords.get("centered"):
        mean = np.abs(decay(g, rho, weight=1 - rho))
        error = error + 2 * mean * decay(dg, rho, weight=1 - rho) + 8 * u * (spread + 2 * mean**2)
    return decay(dg / root + np.abs(g / root) * error / (2 * spread), beta)


def adam_error(dg: Array, g: Array, u: float, *, beta1: float = 0.9, beta2: float = 0.999, **keywords: Any) -> Array:
    """As Adagrad, and the rounding of 1 − β^t, which cancels while t is small."""
    D = histories.adam(g, beta1=beta1, beta2=beta2, **keywords)
    m, s = histories.adam_state(g, beta1=beta1, beta2=beta2)
    t = np.arange(1, STEPS + 1)
    relative = decay(np.abs(g) * dg, beta2, weight=1 - beta2) / s + u / (1 - beta1**t) + u / (1 - beta2**t)
    return np.asarray(decay(dg, beta1, weight=1 - beta1) * np.abs(D / m) + np.abs(D) * relative)


ERRORS: dict[str, Callable[..., Array]] = {
    "sgd": sgd_error,
    "momentum": momentum_error,
    "nesterov": nesterov_error,
    "adagrad": adagrad_error,
    "rmsprop": rmsprop_error,
    "adam": adam_error,
}


def residuals(path: Array, rule: str, lr: Any, keywords: Keywords, *, u: float = 2.0**-53) -> tuple[float, float]:
    """The largest residuals of a path, from the history form and from the step form."""
    before, moved = path[:, :-1], np.diff(path)
    g = line_fit.gradient(before)
    D = getattr(histories, rule)(g, lr=lr / np.max(lr), **keywords)
    height = float(np.max(lr))
    places = 2 * u * (np.abs(before) + np.abs(path[:, 1:]))
    scaled = {name: value for name, value in keywords.items() if name != "lr_inside"}
    bound = places + height * ERRORS[rule](gradient_error(before, u), g, u, **scaled) + 8 * u * np.abs(height * D)
    steps = stepped(rule, g, lr, keywords)
    return float(np.max(np.abs(moved + height * D) / bound)), float(np.max(np.abs(moved + steps) / bound))


def stepped(rule: str, g: Array, lr: Any, keywords: Keywords) -> Array:
    """The steps of the step form over the same gradients."""
    state, steps = None, []
    for t in range(STEPS):
        step, state = getattr(optimizers, rule)(g[:, t], state, lr=np.broadcast_to(lr, STEPS)[t], **keywords)
        steps.append(step)
    return np.stack(steps, axis=-1)


# -- the comparisons -----------------------------------------------------------------------------

TORCH = [
    pytest.param("SGD", {"lr": 1e-7}, "sgd", {}, id="sgd"),
    pytest.param("SGD", {"lr": 1e-7, "momentum": 0.9}, "momentum", {}, id="momentum"),
    pytest.param("SGD", {"lr": 1e-7, "momentum": 0.9, "schedule": SCHEDULE}, "momentum", {}, id="momentum-schedule"),
    pytest.param(
        "SGD",
        {"lr": 1e-7, "momentum": 0.9, "dampening": 0.3},
        "momentum",
        {"dampening": 0.3, "start": None},
        id="dampening",
    ),
    pytest.param("SGD", {"lr": 1e-7, "momentum": 0.8, "nesterov": True}, "nesterov", {"beta": 0.8}, id="nesterov"),
    pytest.param("Adagrad", {"lr": 1.0}, "adagrad", {"eps": 1e-10}, id="adagrad"),
    pytest.param(
        "Adagrad",
        {"lr": 1.0, "lr_decay": 0.01, "initial_accumulator_value": 0.1, "eps": 1.0},
        "adagrad",
        {"lr_decay": 0.01, "start": 0.1, "eps": 1.0},
        id="adagrad-all",
    ),
    pytest.param("RMSprop", {"lr": 0.1}, "rmsprop", {"rho": 0.99, "eps": 1e-8}, id="rmsprop"),
    pytest.param(
        "RMSprop",
        {"lr": 0.01, "alpha": 0.9, "momentum": 0.9},
        "rmsprop",
        {"rho": 0.9, "eps": 1e-8, "beta": 0.9},
        id="rmsprop-momentum",
    ),
    pytest.param(
        "RMSprop",
        {"lr": 0.1, "centered": True, "eps": 10.0},
        "rmsprop",
        {"rho": 0.99, "eps": 10.0, "centered": True},
        id="rmsprop-centered",
    ),
    pytest.param("Adam", {"lr": 0.1}, "adam", {"eps": 1e-8}, id="adam"),
    pytest.param(
        "Adam",
        {"lr": 0.1, "betas": (0.5, 0.9), "eps": 10.0},
        "adam",
        {"beta1": 0.5, "beta2": 0.9, "eps": 10.0},
        id="adam-all",
    ),
]

OPTAX = [
    pytest.param("sgd", {"lr": 1e-7}, "sgd", {}, id="sgd"),
    pytest.param("sgd", {"lr": 1e-7, "momentum": 0.9}, "momentum", {}, id="momentum"),
    pytest.param("sgd", {"lr": 1e-7, "momentum": 0.9, "schedule": SCHEDULE}, "momentum", {}, id="momentum-schedule"),
    pytest.param("ema", {"lr": 1e-6, "decay": 0.9, "debias": False}, "momentum", {"dampening": 0.9}, id="ema"),
    pytest.param("sgd", {"lr": 1e-7, "momentum": 0.8, "nesterov": True}, "nesterov", {"beta": 0.8}, id="nesterov"),
    pytest.param("adagrad", {"lr": 1.0}, "adagrad", {"start": 0.1, "eps": 1e-7, "eps_inside": True}, id="adagrad"),
    pytest.param("rmsprop", {"lr": 0.1}, "rmsprop", {"eps": 1e-8, "eps_inside": True}, id="rmsprop"),
    pytest.param(
        "rmsprop",
        {"lr": 0.1, "initial_scale": 1.0, "eps": 1e-3, "eps_in_sqrt": False},
        "rmsprop",
        {"start": 1.0, "eps": 1e-3},
        id="rmsprop-one-outside",
    ),
    pytest.param(
        "rmsprop",
        {"lr": 0.01, "momentum": 0.9, "schedule": SCHEDULE},
        "rmsprop",
        {"eps": 1e-8, "eps_inside": True, "beta": 0.9, "lr_inside": True},
        id="rmsprop-momentum-schedule",
    ),
    pytest.param(
        "rmsprop",
        {"lr": 0.1, "centered": True, "eps": 100.0},
        "rmsprop",
        {"eps": 100.0, "eps_inside": True, "centered": True},
        id="rmsprop-centered",
    ),
    pytest.param("adam", {"lr": 0.1}, "adam", {"eps": 1e-8}, id="adam"),
    pytest.param(
        "adam", {"lr": 0.1, "eps": 0.0, "eps_root": 10.0}, "adam", {"eps": 10.0, "eps_inside": True}, id="adam-inside"
    ),
]


@pytest.mark.parametrize(("name", "theirs", "rule", "ours"), TORCH)
def test_torchs_steps_are_the_references_up_to_rounding(
    torch_path: Oracle, name: str, theirs: Keywords, rule: str, ours: Keywords
) -> None:
    path = torch_path(name, theirs)

    history, step = residuals(path, rule, theirs["lr"] * theirs.get("schedule", 1.0), ours)
    assert 0 < history <= 1
    assert 0 < step <= 1


@pytest.mark.parametrize(("name", "theirs", "rule", "ours"), OPTAX)
def test_optaxs_steps_are_the_references_up_to_rounding(
    optax_path: Oracle, name: str, theirs: Keywords, rule: str, ours: Keywords
) -> None:
    path = optax_path(name, theirs)

    history, step = residuals(path, rule, theirs["lr"] * theirs.get("schedule", 1.0), ours)
    assert 0 < history <= 1
    assert 0 < step <= 1


@pytest.mark.parametrize(("name", "theirs", "rule", "ours"), [TORCH[0], TORCH[1], TORCH[5], TORCH[10]])
def test_single_precision_has_its_own_bound(
    torch_path: Oracle, name: str, theirs: Keywords, rule: str, ours: Keywords
) -> None:
    path = torch_path(name, {**theirs, "dtype": "float32"})

    history, _ = residuals(path, rule, theirs["lr"], ours, u=2.0**-24)
    assert 1e-3 < history <= 1


def test_the_bound_tells_conventions_apart(torch_path: Oracle) -> None:
    """Without this the comparisons above could pass for any rule."""
    adagrad = torch_path("Adagrad", {"lr": 1.0})
    dampened = torch_path("SGD", {"lr": 1e-7, "momentum": 0.9, "dampening": 0.3})

    assert min(residuals(adagrad, "adagrad", 1.0, {"start": 0.1})) > 10
    assert min(residuals(adagrad, "adagrad", 1.0, {"mean": True})) > 1e9
    assert min(residuals(adagrad, "adagrad", 1.0, {"norm": True})) > 1e9
    assert min(residuals(dampened, "momentum", 1e-7, {"dampening": 0.3})) > 1e9
