"""The rounding bounds hold for every order of summation, and intervals contain the rate that was used."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import battery, seeds

from grader.model import Declared, Names, Series
from grader.verify import bounds, effects, identify, naming, pair, rules, said, sources


@given(seeds)
def test_any_order_of_summation_stays_within_the_bound_of_the_gradient(rng: np.random.Generator) -> None:
    w = battery.world(rng)
    problem = bounds.line(w.x, w.y)
    theta = w.start[:, None] + rng.normal(0, w.scale, (2, 20))
    ours = bounds.gradient(problem, theta, bounds.DOUBLE)
    order = rng.permutation(len(w.x))

    for state, g, error in zip(theta.T, ours.g.T, ours.error.T, strict=True):
        theirs = battery.slope_in_a_loop(w._replace(x=w.x[order], y=w.y[order]), state)
        assert np.all(np.abs(theirs - g) <= error)


@given(seeds, st.floats(1e-4, 10.0))
def test_a_penalty_stays_within_the_bound_of_the_gradient(rng: np.random.Generator, weight: float) -> None:
    w = battery.world(rng)
    theta = w.start[:, None] + rng.normal(0, w.scale, (2, 20))
    history = bounds.steps(np.concatenate([theta, theta[:, -1:]], axis=1), bounds.DOUBLE)

    ours = sources.with_penalty(bounds.line(w.x, w.y), history, np.array([weight, 0.0]))

    for state, g, error in zip(theta.T, ours.g.T, ours.error.T, strict=True):
        theirs = battery.slope_in_a_loop(w, state) + weight * np.array([1.0, 0.0]) * state
        assert np.all(np.abs(theirs - g) <= error)


@given(seeds, st.floats(1e-5, 0.3))
def test_steps_beside_a_decay_of_the_parameters_are_found_again(rng: np.random.Generator, share: float) -> None:
    steps = rng.normal(size=(2, 40))
    path = [rng.normal(0, 10, 2)]
    for step in steps.T:
        path.append(path[-1] * (1 - share) - step)

    found = sources.undecayed(bounds.steps(np.array(path).T, bounds.DOUBLE), share)

    assert np.all(np.abs(found.d + steps) <= found.room)


@given(seeds)
def test_the_interval_of_rates_holds_the_rate_that_was_used(rng: np.random.Generator) -> None:
    w = battery.world(rng)
    lr = battery.linear_rate(rng, w)
    theta = battery.train(w, battery.gd(lr))
    history = bounds.steps(theta, bounds.DOUBLE)
    g = bounds.gradient(bounds.line(w.x, w.y), theta[:, :-1], bounds.DOUBLE)

    low, high = bounds.rates(history, bounds.Direction(g.g, g.error)).joint()

    assert low <= lr <= high
    assert high - low <= 1e-9 * lr


@given(seeds, st.floats(0.05, 0.99), st.booleans())
def test_what_enters_a_velocity_comes_out_of_it_again(rng: np.random.Generator, beta: float, ahead: bool) -> None:
    entered = rng.normal(size=(2, 60))
    alone = bounds.Direction(entered, np.zeros_like(entered))
    moved = rules.carried(alone, beta, bounds.DOUBLE, ahead=ahead)
    path = np.concatenate([np.zeros((2, 1)), np.cumsum(moved.D, axis=1)], axis=1)

    found = bounds.unwound(bounds.steps(path, bounds.DOUBLE), beta, ahead=ahead)

    assert np.all(np.abs(found.d - entered) <= found.room + 4 * moved.error)


@given(seeds, st.sampled_from([1e-8, 1e-6, 1e-3]), st.booleans())
def test_the_eps_that_two_parameters_share_is_read_whatever_the_rates(
    rng: np.random.Generator, eps: float, inside: bool
) -> None:
    """Each step has a rate of its own, which cancels between the parameters."""
    w = battery.world(rng, steps=60)
    w = w._replace(x=(w.x - w.x.mean()) / w.x.std() + 0.5, y=w.y / np.abs(w.y).max(), start=np.array([1.0, -0.5]))
    rates, adagrad = rng.uniform(0.01, 0.02, w.steps), battery.adagrad(1.0, eps=eps, inside=inside)
    theta = battery.train(w, lambda g, t: rates[t] * adagrad(g, t))
    gradient = bounds.gradient(bounds.line(w.x, w.y), theta[:, :-1], bounds.DOUBLE)
    stated = said.said([Declared(name="eps", cell=1, value=eps)], 1)
    form = next(rules.adagrads_from(0.0, len(w.x)))

    found = identify.open_shared_eps(bounds.steps(theta, bounds.DOUBLE), gradient, form, stated, len(w.x))

    assert (eps, inside) in [(each.eps, each.eps_inside) for each in found]


def test_a_nan_residual_loses_every_comparison() -> None:
    theta = np.array([[0.0, 1.0, 2.0]])
    history = bounds.steps(theta, bounds.DOUBLE)

    off = bounds.residual(history, bounds.Direction(np.array([[np.nan, -1.0]]), np.zeros((1, 2))), 1.0)

    assert off.tolist() == [[np.inf, 0.0]]


@pytest.mark.parametrize(
    ("values", "unit"),
    [
        (np.array([[0.1, 0.2]]), bounds.DOUBLE),
        (np.array([[0.1, 0.2]], dtype=np.float32).astype(np.float64), bounds.SINGLE),
        (np.array([[1.0, 2.0]]), bounds.DOUBLE),
    ],
    ids=["double", "single", "whole numbers say nothing"],
)
def test_the_arithmetic_is_read_off_the_numbers(values: Any, unit: float) -> None:
    assert bounds.unit(values) == unit


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("b_history", ("b", "history")),
        ("model.hist['b_history']", ("b", "history")),
        ("bHistory", ("b", "history")),
        ("theta_0", ("theta0",)),
        ("th0l", ("th0", "l")),
        ("theta[:, 0]", ("theta",)),
        ("bs", ("b",)),
    ],
)
def test_a_name_is_read_as_its_words(name: str, words: tuple[str, ...]) -> None:
    assert naming.tokens(name) == words


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("b_ada", "w_ada"), True),
        (("theta0_list", "theta1_list"), True),
        (("intercepts", "slopes"), False),
        (("b_ada", "w_rms"), False),
        (("b_grad", "w_grad"), False),
        (("hist['b']", "hist['w']"), True),
    ],
)
def test_two_names_that_differ_in_the_parameter_only_are_a_pair(names: tuple[str, ...], found: bool) -> None:
    rng = np.random.default_rng(1)
    series = [Series(cell=1, name=name, values=np.cumsum(rng.normal(size=30))) for name in names]

    named = [path for path in pair.paths(series, 1, Names()) if path.named]

    assert bool(named) is found


def test_data_by_the_rubrics_names_come_before_grids() -> None:
    series = [
        Series(cell=1, name="x_data", values=np.array([1.0, 2.0, 4.0])),
        Series(cell=1, name="y_data", values=np.array([1.0, 3.0, 2.0])),
        Series(cell=2, name="x", values=np.arange(100.0)),
        Series(cell=2, name="y", values=np.arange(100.0)),
    ]

    found = pair.samples(series, 3, Names())

    assert [each.names for each in found] == [("x_data", "y_data")]


def test_a_table_is_data_and_the_points_of_a_grid_are_none() -> None:
    table = np.array([[1.0, 3.0], [2.0, 5.0], [4.0, 9.0], [5.0, 9.5]])
    points = np.stack(np.meshgrid(np.linspace(-1, 1, 5), np.linspace(-2, 2, 4)), axis=-1).reshape(-1, 2)
    series = [Series(cell=1, name="table", values=table), Series(cell=1, name="points", values=points)]

    assert [each.names[0] for each in pair.samples(series, 2, Names())] == ["table[:, :-1]"]


def test_a_model_of_many_weights_is_a_path_where_its_name_says_so() -> None:
    weights = np.random.default_rng(1).normal(size=(40, 65)).cumsum(axis=0)
    series = [Series(cell=1, name=name, values=weights) for name in ("w_history", "digits")]

    assert [(path.theta.shape, path.named) for path in pair.paths(series, 1, Names())] == [((65, 40), True)]


def test_a_declared_number_is_sorted_by_its_name_and_the_cells_own_come_first() -> None:
    declared = [
        Declared(name="lr", cell=1, value=0.5),
        Declared(name="η", cell=2, value=0.1),
        Declared(name="β1", cell=2, value=0.9),
        Declared(name="eps=", cell=2, value=1e-8),
        Declared(name="iteration", cell=2, value=100.0),
        Declared(name="lr", cell=3, value=7.0),
    ]

    found = said.said(declared, 2)

    assert (found.rates, found.own_rates) == ((0.1, 0.5), (0.1,))
    assert (found.decays, found.epsilons) == ((0.9,), (1e-8,))
    assert found.table["iteration"] == 100.0


def test_what_a_rate_or_the_parameters_fall_by_is_no_rate_and_no_share_of_a_velocity() -> None:
    numbers = {"lr_decay": 0.01, "weight_decay": 0.1, "lr": 0.5, "decay": 0.9}

    found = said.said([Declared(name=name, cell=1, value=value) for name, value in numbers.items()], 1)

    assert (found.rates, found.decays, found.rate_decays) == ((0.5,), (0.9,), (0.01, 0.9))


@pytest.mark.parametrize(
    ("numbers", "rule"),
    [({"beta1": 0.8, "beta2": 0.95}, "adam"), ({"rho": 0.7}, "rmsprop"), ({"momentum": 0.7}, "momentum")],
)
def test_rules_whose_numbers_the_cell_names_are_tried_right_after_plain_descent(
    numbers: dict[str, float], rule: str
) -> None:
    stated = said.said([Declared(name=name, cell=1, value=value) for name, value in numbers.items()], 1)

    tried = rules.forms(stated, 10)

    assert [form.rule for form in tried[:2]] == ["gd", rule]
    assert set(tried[1].hyper.values()) <= set(numbers.values())


def test_a_loss_near_its_minimum_is_exact() -> None:
    problem = bounds.line(battery.LEE_X, battery.LEE_Y)
    centre, least = effects.best(problem)

    near = effects.losses(problem, centre[:, None] + np.array([[0.0, 1e-7], [0.0, 0.0]]))

    assert near[0] == least
    assert near[1] >= least
