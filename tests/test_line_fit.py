"""The line that the homework fits: data, loss, gradient, minimum."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference import line_fit
from reference.line_fit import X_DATA, Y_DATA, Array, Scale

SCALES: tuple[Scale, ...] = ("sse", "mse", "half-sse", "half-mse")
U = 2.0**-53

scales = st.sampled_from(SCALES)
thetas = st.tuples(st.floats(-1e3, 1e3), st.floats(-1e2, 1e2)).map(np.array)


def gradient_bound(theta: Array, x: Array = X_DATA, y: Array = Y_DATA) -> Array:
    """What rounding can do to the sum-of-squares gradient, in whatever order it is summed."""
    phi = np.stack([np.ones_like(x), x])
    size = 2 * np.abs(phi) @ np.abs(phi).T @ np.abs(theta)
    return np.asarray(U * (x.size + 8) * (size + 2 * np.abs(phi) @ np.abs(y)))


def notebook_gradient(b: float, w: float) -> tuple[float, float]:
    """The loop of the demo notebook, in plain Python."""
    b_grad = w_grad = 0.0
    for x, y in zip(X_DATA.tolist(), Y_DATA.tolist(), strict=True):
        b_grad = b_grad - 2.0 * (y - b - w * x) * 1.0
        w_grad = w_grad - 2.0 * (y - b - w * x) * x
    return b_grad, w_grad


def test_the_data_are_lees_ten_points_and_nobody_can_change_them() -> None:
    assert X_DATA.tolist() == [338, 333, 328, 207, 226, 25, 179, 60, 208, 606]
    assert Y_DATA.tolist() == [640, 633, 619, 393, 428, 27, 193, 66, 226, 1591]
    with pytest.raises(ValueError, match="read-only"):
        X_DATA[0] = 0.0


def test_the_best_line_has_a_mean_squared_error_of_about_10194() -> None:
    best = line_fit.minimum()

    assert best == pytest.approx(np.polynomial.Polynomial.fit(X_DATA, Y_DATA, 1).convert().coef, rel=1e-12)
    assert float(line_fit.loss(best, scale="mse")) == pytest.approx(10193.673, abs=1e-3)


def test_the_gradient_vanishes_at_the_minimum() -> None:
    best = line_fit.minimum()

    assert np.all(np.abs(line_fit.gradient(best)) <= 2 * gradient_bound(best))


@given(thetas)
def test_the_gradient_is_that_of_the_notebooks_loop_up_to_rounding(theta: Array) -> None:
    difference = line_fit.gradient(theta) - notebook_gradient(*theta.tolist())

    assert np.all(np.abs(difference) <= gradient_bound(theta))


@given(thetas, thetas, scales)
def test_the_loss_changes_by_the_gradient_at_the_middle(theta: Array, move: Array, scale: Scale) -> None:
    """A quadratic changes between two points by its slope half-way, exactly."""
    before, after = line_fit.loss(theta, scale=scale), line_fit.loss(theta + move, scale=scale)

    change = np.dot(line_fit.gradient(theta + move / 2, scale=scale), move)

    reach = np.abs(theta) + np.abs(move)
    size = X_DATA.size * (reach[0] + reach[1] * X_DATA.max() + Y_DATA.max()) ** 2
    assert abs(after - before - change) <= 100 * U * size


@given(thetas, scales)
def test_the_gradient_is_the_hessian_times_the_way_from_the_minimum(theta: Array, scale: Scale) -> None:
    expected = line_fit.hessian(scale=scale) @ (theta - line_fit.minimum())

    bound = gradient_bound(theta) + gradient_bound(line_fit.minimum())
    assert np.all(np.abs(line_fit.gradient(theta, scale=scale) - expected) <= 2 * bound)


@given(thetas)
def test_the_scales_differ_by_their_factor_alone(theta: Array) -> None:
    whole = line_fit.loss(theta), line_fit.gradient(theta), line_fit.hessian()

    for scale, factor in zip(SCALES, (1, 1 / 10, 1 / 2, 1 / 20), strict=True):
        assert line_fit.loss(theta, scale=scale) == pytest.approx(factor * whole[0], rel=4 * U)
        assert np.all(np.abs(line_fit.gradient(theta, scale=scale) - factor * whole[1]) <= gradient_bound(theta))
        assert line_fit.hessian(scale=scale) == pytest.approx(factor * whole[2], rel=4 * U)


@given(st.lists(thetas, min_size=1, max_size=5), scales)
def test_a_history_has_one_column_for_each_step(history: list[Array], scale: Scale) -> None:
    theta = np.stack(history, axis=-1)

    losses = line_fit.loss(theta, scale=scale)
    gradients = line_fit.gradient(theta, scale=scale)

    assert losses.shape == (len(history),)
    assert gradients.shape == theta.shape
    for t, one in enumerate(history):
        assert losses[t] == pytest.approx(line_fit.loss(one, scale=scale), rel=32 * U)
        assert np.all(np.abs(gradients[:, t] - line_fit.gradient(one, scale=scale)) <= gradient_bound(one))


def test_no_line_lies_lower_than_the_minimum() -> None:
    best = line_fit.minimum()

    for away in ([1.0, 0.0], [-1.0, 0.0], [0.0, 0.01], [0.0, -0.01]):
        assert line_fit.loss(best + away) > line_fit.loss(best)
