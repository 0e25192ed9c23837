"""The update rules, one step each, against closed forms."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference import line_fit, optimizers
from reference.line_fit import X_DATA, Y_DATA, Array, Scale
from reference.optimizers import Value, descend

Rule = Callable[..., tuple[Value, Any]]
START = np.array([-120.0, -4.0])
U = 2.0**-53

betas = st.floats(0.0, 0.99)
rates = st.floats(1e-6, 10.0)


def steps_of(rule: Rule, gradients: list[float], **keywords: Any) -> Array:
    """The steps for gradients that are given, whatever theta."""
    steps, state = [], None
    for g in gradients:
        step, state = rule(g, state, **keywords)
        steps.append(step)
    return np.array(steps)


def ages(steps: int) -> Array:
    """How many steps came before, and this one: 1, 2, …"""
    return np.arange(1.0, steps + 1)


# -- plain gradient descent ----------------------------------------------------------------------


@pytest.mark.parametrize("lr", [1e-8, 1e-7, 1e-6])
def test_gradient_descent_on_a_quadratic_has_a_closed_form(lr: float) -> None:
    """theta_t − minimum shrinks by (1 − lr·λ)^t along each eigenvector of the Hessian."""
    path = descend(optimizers.sgd, line_fit.gradient, START, steps=2000, lr=lr)

    values, vectors = np.linalg.eigh(line_fit.hessian())
    away = vectors.T @ (START - line_fit.minimum())
    expected = line_fit.minimum()[:, None] + vectors @ (away[:, None] * (1 - lr * values[:, None]) ** np.arange(2001))
    assert path == pytest.approx(expected, rel=1e-11)


def test_the_loss_scale_is_a_learning_rate_for_gradient_descent() -> None:
    whole = descend(optimizers.sgd, line_fit.gradient, START, steps=50, lr=1e-7)
    halved = descend(optimizers.sgd, _gradient("half-sse"), START, steps=50, lr=2e-7)

    assert np.array_equal(whole, halved)


@pytest.mark.parametrize("rule", [optimizers.adagrad, optimizers.rmsprop, optimizers.adam])
def test_the_loss_scale_is_invisible_in_an_adaptive_rule_without_eps(rule: Rule) -> None:
    whole = descend(rule, line_fit.gradient, START, steps=50, lr=0.1)
    halved = descend(rule, _gradient("half-sse"), START, steps=50, lr=0.1)

    assert np.array_equal(whole, halved)


def _gradient(scale: Scale) -> Callable[[Array], Array]:
    return lambda theta: line_fit.gradient(theta, scale=scale)


# -- momentum ------------------------------------------------------------------------------------


@given(betas, rates)
def test_momentum_answers_an_impulse_with_powers_of_beta(beta: float, lr: float) -> None:
    steps = steps_of(optimizers.momentum, [1.0] + [0.0] * 9, lr=lr, beta=beta)

    assert steps == pytest.approx(lr * beta ** (ages(10) - 1), rel=1e-14)


@given(betas, rates)
def test_momentum_answers_a_constant_gradient_with_a_geometric_sum(beta: float, lr: float) -> None:
    steps = steps_of(optimizers.momentum, [1.0] * 10, lr=lr, beta=beta)

    assert steps == pytest.approx(lr * (1 - beta ** ages(10)) / (1 - beta), rel=1e-12)


@given(betas, rates)
def test_the_moving_average_is_the_heavy_ball_with_a_smaller_learning_rate(beta: float, lr: float) -> None:
    gradients = [3.0, -1.0, 2.0, 5.0]

    average = steps_of(optimizers.momentum, gradients, lr=lr, beta=beta, dampening=beta)

    assert average == pytest.approx(steps_of(optimizers.momentum, gradients, lr=lr * (1 - beta), beta=beta), rel=1e-13)


def test_with_no_start_the_first_gradient_is_not_dampened() -> None:
    assert steps_of(optimizers.momentum, [8.0, 0.0], lr=1.0, beta=0.5, dampening=0.5, start=None).tolist() == [8, 4]
    assert steps_of(optimizers.momentum, [8.0, 0.0], lr=1.0, beta=0.5, dampening=0.5).tolist() == [4, 2]


@pytest.mark.parametrize("rule", [optimizers.momentum, optimizers.nesterov, optimizers.rmsprop])
def test_where_the_learning_rate_stands_shows_only_when_it_changes(rule: Rule) -> None:
    def changing(*, lr_inside: bool) -> float:
        _, v = rule(1.0, lr=1.0, beta=0.5, lr_inside=lr_inside)
        return float(rule(0.0, v, lr=0.25, beta=0.5, lr_inside=lr_inside)[0])

    gradients = [3.0, -1.0, 2.0, 5.0]
    outside = steps_of(rule, gradients, lr=0.25, beta=0.5)
    inside = steps_of(rule, gradients, lr=0.25, beta=0.5, lr_inside=True)
    assert np.array_equal(outside, inside)
    assert changing(lr_inside=True) == 4 * changing(lr_inside=False) > 0


def test_polyaks_heavy_ball_is_momentum_with_the_learning_rate_inside() -> None:
    path = [4.0, 4.0]
    for _ in range(20):
        path.append(path[-1] + 0.5 * (path[-1] - path[-2]) - 0.125 * 2 * path[-1])

    expected = descend(optimizers.momentum, _double, 4.0, steps=20, lr=0.125, beta=0.5, lr_inside=True)

    assert path[1:] == pytest.approx(expected, rel=1e-13)


@given(betas, rates)
def test_nesterov_answers_an_impulse_one_power_of_beta_ahead(beta: float, lr: float) -> None:
    steps = steps_of(optimizers.nesterov, [1.0] + [0.0] * 9, lr=lr, beta=beta)

    assert steps == pytest.approx(lr * np.append(1 + beta, beta ** ages(10)[1:]), rel=1e-14)


@given(betas, st.floats(0.01, 0.5))
def test_nesterovs_lookahead_differs_from_the_libraries_form_by_the_first_step_only(beta: float, lr: float) -> None:
    """On a quadratic: D_lookahead = D_library − β^{t+1}·g_0, from the same gradients."""
    gradients: list[float] = []
    steps: list[float] = []
    theta, v = 1.0, None
    for _ in range(12):
        gradients.append(2 * theta)
        step, v = optimizers.nesterov_lookahead(_double, theta, v, lr=lr, beta=beta)
        steps.append(float(step))
        theta -= steps[-1]

    library = steps_of(optimizers.nesterov, gradients, lr=lr, beta=beta)

    expected = library - lr * beta ** ages(12) * gradients[0]
    assert np.all(np.abs(steps - expected) <= 100 * U * lr * np.sum(np.abs(gradients)) / (1 - beta))


def _double(theta: Value) -> Value:
    return 2 * theta


# -- adaptive rules ------------------------------------------------------------------------------


@given(st.floats(1e-3, 1e3), rates)
def test_adagrad_slows_by_the_root_of_time_when_the_gradient_is_constant(g: float, lr: float) -> None:
    steps = steps_of(optimizers.adagrad, [g] * 20, lr=lr)

    assert steps == pytest.approx(lr / np.sqrt(ages(20)), rel=1e-14)


def test_adagrads_mean_form_keeps_its_pace_when_the_gradient_is_constant() -> None:
    assert steps_of(optimizers.adagrad, [-3.0] * 5, lr=0.5, mean=True).tolist() == [-0.5] * 5


def test_adagrads_mean_form_is_a_learning_rate_that_grows_with_the_root_of_time() -> None:
    gradients = [3.0, -1.0, 2.0, 5.0]

    mean = steps_of(optimizers.adagrad, gradients, lr=0.5, mean=True)

    assert mean == pytest.approx(steps_of(optimizers.adagrad, gradients, lr=0.5) * np.sqrt(ages(4)), rel=1e-15)


def test_adagrads_norm_form_has_one_root_for_all_parameters() -> None:
    step, _ = optimizers.adagrad(np.array([3.0, 4.0]), lr=10.0, norm=True)

    assert np.asarray(step).tolist() == [6.0, 8.0]


def test_adagrads_learning_rate_decays_like_one_over_time() -> None:
    steps = steps_of(optimizers.adagrad, [1.0] * 5, lr=1.0, mean=True, lr_decay=0.5)

    assert steps == pytest.approx(1 / (1 + 0.5 * np.arange(5)), rel=1e-15)


@pytest.mark.parametrize(
    ("rule", "keywords"),
    [
        pytest.param(optimizers.adagrad, {}, id="adagrad"),
        pytest.param(optimizers.rmsprop, {"start": None}, id="rmsprop"),
        pytest.param(optimizers.adam, {"bias_correction": True}, id="adam"),
    ],
)
def test_eps_stands_under_the_root_or_beside_it(rule: Rule, keywords: dict[str, Any]) -> None:
    """The first root is |g| = 4 in all three rules."""
    beside, _ = rule(4.0, lr=12.0, eps=8.0, **keywords)
    under, _ = rule(4.0, lr=12.0, eps=20.0, eps_inside=True, **keywords)

    assert beside == pytest.approx(12 * 4 / (4 + 8), rel=1e-13)
    assert under == pytest.approx(12 * 4 / 6, rel=1e-13)


@given(st.floats(0.01, 0.99))
def test_rmsprop_starts_fast_from_zero_and_even_from_the_first_gradient(rho: float) -> None:
    zero = steps_of(optimizers.rmsprop, [-5.0] * 20, lr=1.0, rho=rho)
    first = steps_of(optimizers.rmsprop, [-5.0] * 20, lr=1.0, rho=rho, start=None)
    one = steps_of(optimizers.rmsprop, [-5.0] * 20, lr=1.0, rho=rho, start=1.0)

    left = rho ** ages(20)
    assert zero == pytest.approx(-1 / np.sqrt(1 - left), rel=1e-12)
    assert first == pytest.approx(-np.ones(20), rel=1e-14)
    assert one == pytest.approx(-5 / np.sqrt(left + (1 - left) * 25), rel=1e-12)


def test_centered_rmsprop_divides_by_the_spread_of_the_gradients() -> None:
    """For a constant gradient c the variance is c²·ρ^t·(1 − ρ^t)."""
    steps = steps_of(optimizers.rmsprop, [5.0] * 20, lr=1.0, rho=0.75, centered=True)

    left = 0.75 ** ages(20)
    assert steps == pytest.approx(1 / np.sqrt(left * (1 - left)), rel=1e-11)


def test_rmsprop_with_momentum_passes_its_direction_through_momentum() -> None:
    gradients = [3.0, -1.0, 2.0, 5.0]

    direction = steps_of(optimizers.rmsprop, gradients, lr=1.0)
    with_momentum = steps_of(optimizers.rmsprop, gradients, lr=0.5, beta=0.75)

    assert np.array_equal(with_momentum, steps_of(optimizers.momentum, direction.tolist(), lr=0.5, beta=0.75))


@given(st.floats(1e-3, 1e3), st.floats(0.0, 0.99), st.floats(0.0, 0.999))
def test_adam_keeps_its_pace_when_the_gradient_is_constant(g: float, beta1: float, beta2: float) -> None:
    steps = steps_of(optimizers.adam, [g] * 20, lr=0.5, beta1=beta1, beta2=beta2)

    assert steps == pytest.approx(0.5 * np.ones(20), rel=1e-11)


def test_epsilon_hat_is_an_eps_that_shrinks_with_the_bias_correction() -> None:
    gradients = [3.0, -1.0, 2.0, 5.0]
    corrections = np.sqrt(1 - 0.99 ** ages(4))

    hat = steps_of(optimizers.adam, gradients, lr=0.5, beta2=0.99, eps=0.25, eps_hat=True)

    plain = [
        steps_of(optimizers.adam, gradients, lr=0.5, beta2=0.99, eps=0.25 / correction)[t]
        for t, correction in enumerate(corrections)
    ]
    assert hat == pytest.approx(plain, rel=1e-13)


def test_adam_without_correction_begins_with_the_bare_averages() -> None:
    step, _ = optimizers.adam(4.0, lr=1.0, beta1=0.75, beta2=0.9375, bias_correction=False)

    assert step == 1.0


# -- whole descents ------------------------------------------------------------------------------


def test_a_path_has_time_last() -> None:
    path = descend(optimizers.sgd, line_fit.gradient, START, steps=7, lr=1e-7)

    assert path.shape == (2, 8)
    assert path[:, 0].tolist() == START.tolist()


@pytest.mark.parametrize(
    ("rule", "lr", "b", "w"),
    [
        pytest.param(optimizers.sgd, 1e-7, -123.6921749751593, 2.4834016183794727, id="lr=1e-7"),
        pytest.param(optimizers.sgd, 1e-6, -149.22912849448707, 2.556789952179512, id="lr=1e-6"),
        pytest.param(optimizers.adagrad, 1.0, -188.3668387495323, 2.6692640713379903, id="adagrad"),
    ],
)
def test_a_hundred_thousand_steps_end_where_the_demo_notebook_ends(rule: Rule, lr: float, b: float, w: float) -> None:
    """In the notebook's own arithmetic: plain numbers, and ten points added one after another."""
    here_b, here_w, state_b, state_w = -120.0, -4.0, None, None
    points = list(zip(X_DATA.tolist(), Y_DATA.tolist(), strict=True))
    for _ in range(100_000):
        b_grad = w_grad = 0.0
        for x, y in points:
            error = y - here_b - here_w * x
            b_grad -= 2.0 * error
            w_grad -= 2.0 * error * x
        step_b, state_b = rule(b_grad, state_b, lr=lr)
        step_w, state_w = rule(w_grad, state_w, lr=lr)
        here_b, here_w = float(here_b - step_b), float(here_w - step_w)

    assert (here_b, here_w) == pytest.approx((b, w), rel=1e-13)
