"""What verification says of whole notebooks' numbers: right runs match, mistakes are named, decoys are left alone."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import battery, examples, honest_runs, series_of_numbers, spoilt_runs

from grader import verify
from grader.feedback.catalogue import catalogue
from grader.model import Declared, Match, Message, Names, Series, from_json, to_json
from reference import histories, line_fit, optimizers

X, Y = np.array(line_fit.X_DATA), np.array(line_fit.Y_DATA)
START = np.array([-120.0, -4.0])


def path(rule: Callable[..., Any], *, steps: int = 200, **keywords: Any) -> Any:
    with np.errstate(all="ignore"):
        return optimizers.descend(rule, line_fit.gradient, START, steps=steps, **keywords)


def notebook(
    theta: Any,
    *extra: Series,
    cell: int = 4,
    names: Sequence[str] = ("b_history", "w_history"),
    data: bool = True,
) -> list[Series]:
    """The numbers of a notebook as capture finds them, with the demo's contour grids."""
    held = [Series(cell=2, name="x_data", values=X), Series(cell=2, name="y_data", values=Y)] if data else []
    held += [
        Series(cell=3, name="x", values=np.arange(-200.0, -100.0, 1.0)),
        Series(cell=3, name="y", values=np.arange(-5.0, 5.0, 0.1)),
        Series(cell=3, name="Z", values=np.outer(np.arange(100.0), np.arange(100.0))),
    ]
    return [*held, *(Series(cell=cell, name=n, values=v) for n, v in zip(names, theta, strict=True)), *extra]


def standardised(rule: Callable[..., Any], *, lr: Any, steps: int = 300, **keywords: Any) -> list[Series]:
    """A notebook that trains on standardised data, where gradients are small enough to show an eps."""
    x, y = (X - X.mean()) / X.std(), (Y - Y.mean()) / Y.std()
    rates = np.broadcast_to(lr, steps)
    state, path = None, [np.array([1.0, -0.5])]
    for t in range(steps):
        step, state = rule(_summed(path[-1], x, y), state, lr=rates[t], **keywords)
        path.append(path[-1] - step)
    data = [Series(cell=2, name=name, values=values) for name, values in (("x_data", x), ("y_data", y))]
    return [*data, *notebook(np.array(path).T, data=False)]


def said(cell: int = 4, **numbers: float) -> list[Declared]:
    return [Declared(name=name, cell=cell, value=value) for name, value in numbers.items()]


def only(series: Sequence[Series], declared: Sequence[Declared]) -> Match:
    found = verify.runs(series, declared=declared, names=Names())
    assert len(found) == 1
    return found[0]


# -- right runs ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "name", "lr", "keywords"),
    [
        (optimizers.sgd, "gd", 1e-7, {}),
        (optimizers.momentum, "momentum", 1e-7, {"beta": 0.9}),
        (optimizers.nesterov, "nesterov", 1e-7, {"beta": 0.9}),
        (optimizers.adagrad, "adagrad", 1.0, {}),
        (optimizers.rmsprop, "rmsprop", 1.0, {"rho": 0.9}),
        (optimizers.rmsprop, "rmsprop", 1.0, {"rho": 0.9, "start": None}),
        (optimizers.adam, "adam", 0.1, {"beta1": 0.9, "beta2": 0.999}),
    ],
)
def test_a_run_of_the_homework_matches_its_rule_within_one_rounding_bound(
    rule: Callable[..., Any], name: str, lr: float, keywords: dict[str, Any]
) -> None:
    declared = {key: value for key, value in keywords.items() if value is not None}

    match = only(notebook(path(rule, lr=lr, **keywords)), said(lr=lr, **declared))

    assert (match.verdict, match.rule, match.names) == ("matches", name, ("b_history", "w_history"))
    assert match.hyperparameters["lr"] == lr
    assert match.max_residual is not None
    assert match.max_residual <= 1.0
    assert match.informative_steps == match.steps == 200


@pytest.mark.parametrize(
    ("keywords", "root"),
    [({}, None), ({"centered": True}, "variance"), ({"start": None}, None)],
    ids=["from zero", "centred", "from the first square"],
)
@pytest.mark.parametrize(("eps", "place"), [(1e-3, "outside"), (1e-6, "inside")])
def test_the_eps_of_rmsprop_is_read_through_its_velocity(
    keywords: dict[str, Any], root: str | None, eps: float, place: str
) -> None:
    numbers: dict[str, Any] = {"lr": 0.1, "rho": 0.99, "beta": 0.8, "eps": eps, "eps_inside": place == "inside"}
    series = standardised(optimizers.rmsprop, **numbers, **keywords)

    match = only(series, said(lr=0.1, momentum=0.8, alpha=0.99, epsilon=eps))

    assert (match.verdict, match.rule, match.convention.get("root")) == ("matches", "rmsprop", root)
    assert (match.hyperparameters["eps"], match.convention["eps"]) == (eps, place)


def test_adam_without_its_first_mean_is_not_taken_for_corrected_rmsprop() -> None:
    """They are one formula; the names of the decay rates say which of the two was meant."""
    s, theta = np.zeros(2), [START]
    for t in range(1, 200):
        g = line_fit.gradient(theta[-1])
        s = 0.999 * s + 0.001 * g**2
        theta.append(theta[-1] - 0.1 * g / np.sqrt(s / (1 - 0.999**t)))
    series = notebook(np.array(theta).T)

    adam = only(series, said(lr=0.1, beta1=0.9, beta2=0.999))
    rmsprop = only(series, said(lr=0.1, rho=0.999))

    assert adam.diagnosis is not None
    assert (adam.verdict, adam.diagnosis.id) == ("differs", "bug.adam-no-mean")
    assert (rmsprop.verdict, rmsprop.rule, rmsprop.convention["bias"]) == ("matches", "rmsprop", "corrected")


@pytest.mark.parametrize("stated", [{"lr_decay": 0.01}, {}], ids=["stated", "not stated"])
@pytest.mark.parametrize("eps", [0.0, 1e-10, 1e-6])
def test_adagrad_whose_rate_falls_as_in_torch_matches(stated: dict[str, Any], eps: float) -> None:
    theta = standardised(optimizers.adagrad, lr=0.1, lr_decay=0.01, eps=eps)

    match = only(theta, said(lr=0.1, **stated))

    assert (match.verdict, match.rule) == ("matches", "adagrad")
    assert match.hyperparameters["lr"] == 0.1
    assert match.hyperparameters.get("lr_decay", 0.01) == 0.01
    assert [note.id for note in match.notes] == ([] if stated else ["verify.rate-schedule"])


@pytest.mark.parametrize(
    ("rule", "keywords"),
    [
        (optimizers.rmsprop, {"rho": 0.9, "eps": 1e-8}),
        (optimizers.adam, {"eps": 1e-7}),
        (optimizers.rmsprop, {"rho": 0.9, "beta": 0.5, "eps": 1e-8, "lr_inside": True}),
        (optimizers.rmsprop, {"rho": 0.9, "beta": 0.5, "eps": 1e-8}),
        (optimizers.nesterov, {"beta": 0.5, "lr_inside": True}),
        (optimizers.nesterov, {"beta": 0.5}),
    ],
    ids=["rmsprop", "adam", "rmsprop, inside its velocity", "rmsprop, outside", "nesterov, inside", "nesterov"],
)
def test_a_rate_that_falls_along_a_rule_with_eps_or_a_velocity_matches(
    rule: Callable[..., Any], keywords: dict[str, Any]
) -> None:
    rates = 0.02 / np.sqrt(np.arange(1.0, 301.0))
    series = standardised(rule, lr=rates, **keywords)

    match = only(series, said(lr=0.02, decay=0.9, momentum=0.5))

    assert (match.verdict, match.rule) == ("matches", rule.__name__)
    assert match.max_residual is not None
    assert 0 < match.max_residual <= 1
    assert [(note.id, note.parameters["law"]) for note in match.notes] == [("verify.rate-schedule", "1/sqrt(t)")]


@pytest.mark.parametrize(("eps", "under"), [(1e-8, 1e-8), (1e-3, 1e-2), (10.0, 100.0)])
def test_adam_with_an_eps_beside_its_root_and_one_under_it_matches(eps: float, under: float) -> None:
    """Once read as Adam that left its rule where the gradients had become as small as the second eps."""

    def step(g: Any, state: Any, *, lr: float) -> Any:
        m, s, t = state or (0.0, 0.0, 1)
        m, s = 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g**2
        return lr * (m / (1 - 0.9**t)) / (np.sqrt(s / (1 - 0.999**t) + under) + eps), (m, s, t + 1)

    match = only(standardised(step, lr=0.01), said(lr=0.01, eps=eps, eps_root=under))

    assert (match.verdict, match.rule) == ("matches", "adam")
    assert (match.hyperparameters["eps"], match.hyperparameters["eps_root"]) == (eps, under)


@pytest.mark.parametrize("eps", [0.0, 1e-8, 1e-4])
@pytest.mark.parametrize("start", [[-120.0, -4.0], [-120.0, 8.0], [300.0, 8.0]], ids=["climbs", "one climbs", "falls"])
def test_rmsprop_that_divides_the_first_gradient_by_itself_matches_and_says_so(start: list[float], eps: float) -> None:
    """σ⁰ = g⁰ as the slides write it: the first step takes the rate off every parameter, whatever the slope."""
    sigma, theta = None, [np.array(start)]
    for _ in range(300):
        g = line_fit.gradient(theta[-1])
        sigma = g if sigma is None else np.sqrt(0.9 * sigma**2 + 0.1 * g**2)
        theta.append(theta[-1] - 0.5 * g / (sigma + eps))

    match = only(notebook(np.array(theta).T), said(eta=0.5, alpha=0.9, eps=eps))

    climbs = bool(np.any(line_fit.gradient(np.array(start)) < 0))
    assert (match.verdict, match.rule, match.hyperparameters["lr"]) == ("matches", "rmsprop", 0.5)
    assert match.max_residual is not None
    assert match.max_residual <= 1.0
    assert ("verify.signed-start" in [note.id for note in match.notes]) is climbs


def test_a_first_step_that_climbs_by_another_amount_is_no_rmsprop() -> None:
    theta = path(optimizers.rmsprop, lr=0.5, rho=0.9, start=None)
    theta[:, 1:] -= 2 * (theta[:, 1:2] - theta[:, :1]) * np.array([[1.0], [0.5]])

    match = only(notebook(theta), said(lr=0.5, rho=0.9))

    assert match.verdict != "matches"


def test_adagrad_from_a_number_that_is_stated_nowhere_is_not_called_rmsprop() -> None:
    """It once was, with a decay rate of 0.9999999999997."""
    match = only(standardised(optimizers.adagrad, lr=0.1, start=0.5, eps=1e-10), said(lr=0.1))

    assert match.rule != "rmsprop"
    assert match.verdict != "differs"


def test_amsgrad_whose_eps_is_added_to_the_uncorrected_root_matches() -> None:
    """As Keras writes it."""

    def step(g: Any, state: Any, *, lr: float) -> Any:
        m, s, most, t = state or (0.0, 0.0, 0.0, 1)
        m, s = 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g**2
        most = np.maximum(most, s)
        rate = lr * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        return rate * m / (np.sqrt(most) + 1e-7), (m, s, most, t + 1)

    match = only(standardised(step, lr=0.01), said(learning_rate=0.01, beta_1=0.9, beta_2=0.999))

    assert (match.verdict, match.rule, match.convention["root"]) == ("matches", "adam", "largest")


@pytest.mark.parametrize(
    ("weights", "name", "value", "note"),
    [
        ([0.4, 0.4], "weight_decay", 0.4, "verify.weight-decay"),
        ([0.4, 0.4], "l2", 0.2, "verify.weight-decay"),
        ([0.0, 0.4], "lam", 0.4, "verify.weight-decay-slopes"),
    ],
    ids=["half the squares", "the squares", "of the slope alone"],
)
def test_descent_on_a_loss_with_a_stated_penalty_matches_and_says_so(
    weights: list[float], name: str, value: float, note: str
) -> None:
    theta = [START]
    for _ in range(200):
        g = line_fit.gradient(theta[-1]) / len(X) + np.array(weights) * theta[-1]
        theta.append(theta[-1] - 1e-6 * g)
    series = notebook(np.array(theta).T)
    stated: dict[str, Any] = {name: value}

    match, unstated = only(series, said(lr=1e-6, **stated)), only(series, said(lr=1e-6))

    assert (match.verdict, match.rule, [each.id for each in match.notes]) == ("matches", "gd", [note])
    assert match.hyperparameters == {"lr": 1e-6, "weight_decay": value}
    assert unstated.verdict == "unexplained"


@settings(max_examples=examples(30))
@given(honest_runs)
def test_a_correct_run_is_never_said_to_differ_nor_left_unexplained(run: tuple[str, np.random.Generator]) -> None:
    """No correct student is failed: every rule in every convention, whatever the data and the numbers."""
    name, rng = run

    match = battery.judge(battery.CORRECT[name](rng))

    assert match is not None, name
    assert match.verdict not in ("differs", "unexplained"), (name, match.verdict, match.diagnosis)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(battery.CORRECT))
def test_every_kind_of_correct_run_passes(name: str) -> None:
    for draw in range(3):
        match = battery.judge(battery.CORRECT[name](np.random.default_rng([7, draw])))
        assert match is not None
        assert match.verdict in ("matches", "review"), (draw, match.verdict, match.diagnosis)


def test_two_correct_students_whose_runs_drift_apart_both_match() -> None:
    """RMSprop with the data in another order leaves the first path by more than one percent."""
    backwards = X[::-1].copy(), Y[::-1].copy()
    one = path(optimizers.rmsprop, steps=20_000, lr=1.0, rho=0.9)
    other = optimizers.descend(
        optimizers.rmsprop, lambda theta: _summed(theta, *backwards), START, steps=20_000, lr=1.0, rho=0.9
    )

    verdicts = [only(notebook(theta), said(lr=1.0, rho=0.9)).verdict for theta in (one, other)]

    assert np.max(np.abs(one - other) / np.abs(one)) > 0.01
    assert verdicts == ["matches", "matches"]


def _summed(theta: Any, x: Any, y: Any) -> Any:
    error = 0.0 * theta
    for n in range(len(x)):
        error = error - 2.0 * (y[n] - theta[0] - theta[1] * x[n]) * np.array([1.0, x[n]])
    return error


def test_each_cell_that_trains_again_is_a_run_of_its_own() -> None:
    first, second = path(optimizers.sgd, lr=1e-7), path(optimizers.sgd, lr=1e-6)
    series = notebook(first) + notebook(second, cell=5, data=False)

    found = verify.runs(series, declared=said(lr=1e-7) + said(cell=5, lr=1e-6), names=Names())

    assert [(each.cell, each.verdict, each.hyperparameters["lr"]) for each in found] == [
        (4, "matches", 1e-7),
        (5, "matches", 1e-6),
    ]


def test_the_same_numbers_under_two_names_are_one_run() -> None:
    theta = path(optimizers.sgd, lr=1e-7)
    again = [Series(cell=4, name=f"model.{n}", values=v) for n, v in zip(("bs", "ws"), theta, strict=True)]

    assert len(verify.runs(notebook(theta, *again), declared=said(lr=1e-7), names=Names())) == 1


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (lambda theta: theta.T, ("theta[:, 0]", "theta[:, 1]")),
        (lambda theta: theta[::-1].T, ("theta[:, 1]", "theta[:, 0]")),
        (lambda theta: theta, ("theta[0]", "theta[1]")),
    ],
    ids=["columns", "columns, w first", "rows"],
)
def test_an_array_of_parameters_is_read_whatever_its_layout(values: Any, names: tuple[str, ...]) -> None:
    theta = path(optimizers.sgd, lr=1e-7)
    series = notebook([], Series(cell=4, name="theta", values=values(theta)), names=())

    match = only(series, said(lr=1e-7))

    assert (match.verdict, match.names) == ("matches", names)


def test_the_greater_scale_of_the_loss_is_a_convention_not_a_mistake() -> None:
    match = only(notebook(path(optimizers.sgd, lr=1e-7)), said(learning_rate=1e-6))

    assert (match.verdict, match.convention) == ("matches", {"loss": "mse"})


def test_a_run_into_overflow_is_judged_to_its_last_number_and_called_diverging() -> None:
    theta = path(optimizers.sgd, lr=1e-5, steps=1000)

    match = only(notebook(theta), said(lr=1e-5))

    assert not np.all(np.isfinite(theta))
    assert (match.verdict, match.effect) == ("matches", "diverging")
    assert 0 < match.steps < 1000
    assert [(note.id, note.parameters["length"]) for note in match.notes] == [("verify.overflow", 1000)]


def test_a_run_that_goes_on_from_an_earlier_cell_is_said_to() -> None:
    first = path(optimizers.sgd, lr=1e-7)
    second = optimizers.descend(optimizers.sgd, line_fit.gradient, first[:, -1], steps=100, lr=1e-6)

    found = verify.runs(
        notebook(first) + notebook(second, cell=5, data=False), declared=said(lr=1e-7) + said(cell=5, lr=1e-6),
        names=Names(),
    )  # fmt: skip

    assert [each.verdict for each in found] == ["matches", "matches"]
    assert [(note.id, note.parameters) for note in found[1].notes] == [("verify.continued", {"cell": 4})]


def test_a_run_that_goes_on_with_the_sums_of_an_earlier_cell_matches() -> None:
    """Adagrad trained on in the next cell keeps its accumulator."""
    whole = path(optimizers.adagrad, steps=300, lr=1.0)
    series = notebook(whole[:, :201]) + notebook(whole[:, 200:], cell=5, data=False)

    found = verify.runs(series, declared=said(lr=1.0), names=Names())

    assert [(each.verdict, each.rule, each.steps) for each in found] == [
        ("matches", "adagrad", 200),
        ("matches", "adagrad", 100),
    ]
    assert "verify.continued-memory" in [note.id for note in found[1].notes]


def test_data_that_differ_from_those_handed_out_are_noted_and_used() -> None:
    """One student typed 663 where 633 was handed out."""
    y = Y.copy()
    y[1] = 663.0
    theta = optimizers.descend(optimizers.sgd, lambda at: _summed(at, X, y), START, steps=50, lr=1e-7)
    data = [Series(cell=2, name="x_data", values=X), Series(cell=2, name="y_data", values=y)]

    match = only([*data, *notebook(theta, data=False)], said(lr=1e-7))

    assert match.verdict == "matches"
    assert [(note.id, note.parameters["y"], note.parameters["y_given"]) for note in match.notes] == [
        ("verify.data-differ", 663.0, 633.0)
    ]


def test_numbers_side_by_side_have_the_digits_that_tell_them_apart() -> None:
    """Gauss-Seidel differs from the rule in the sixth digit; both used to read 1.13068."""
    theta = [START]
    for _ in range(200):
        at = theta[-1].copy()
        for k in (0, 1):
            at[k] -= 1e-7 * line_fit.gradient(at)[k]
        theta.append(at)

    match = only(notebook(np.array(theta).T), said(lr=1e-7))

    assert match.diagnosis is not None
    assert match.diagnosis.id == "bug.gauss-seidel"
    assert str(match.diagnosis.parameters["seen"])[:8] != str(match.diagnosis.parameters["expected"])[:8]


# -- mistakes --------------------------------------------------------------------------------------


@settings(max_examples=examples(8))
@given(spoilt_runs)
def test_a_mistake_that_shows_is_not_passed(run: tuple[str, np.random.Generator]) -> None:
    """A mistake matches only where no recorded number tells it from a correct run."""
    name, rng = run
    made = battery.MISTAKES[name](rng)
    match = battery.judge(made)

    if match is not None and match.verdict == "matches":
        assert battery.is_a_correct_run(made, match), (name, match.rule, match.hyperparameters, match.notes)


def test_a_bound_that_grows_with_the_run_proves_nothing() -> None:
    """Gauss-Seidel in Adagrad once passed as thinned descent at a rate whose bound grew beyond every step."""
    made = battery.MISTAKES["gradient: Gauss-Seidel in Adagrad"](np.random.default_rng([2, 25, 3]))

    match = battery.judge(made)

    assert match is not None
    assert (match.verdict, match.rule) == ("differs", "adagrad")


def test_an_edited_point_where_descent_has_converged_is_no_new_rate() -> None:
    """The way back to the minimum is one step of a larger rate, which once passed as a schedule."""
    made = battery.MISTAKES["record: one point edited"](np.random.default_rng([1, 66, 4]))

    match = battery.judge(made)

    assert match is not None
    assert match.verdict != "matches"


def test_a_learning_rate_that_equals_a_decay_rate_is_asked_about_all_the_same() -> None:
    made = battery.MISTAKES["adam: no (1 - beta1)"](np.random.default_rng([4711, 72, 12]))

    match = battery.judge(made)

    assert match is not None
    assert (match.verdict, match.rule) != ("matches", "adam")


def test_the_battery_is_as_large_as_its_promise() -> None:
    assert len(battery.CORRECT) >= 30
    assert len(battery.MISTAKES) >= 70


@pytest.mark.slow
def test_the_battery_names_most_mistakes_rightly() -> None:
    found = list(battery.rows(battery.MISTAKES, draws=1, seed=5))

    assert sum(row.named for row in found) >= 0.85 * len(found), [row.name for row in found if not row.named]


def test_adagrad_without_its_root_is_named_with_what_was_seen_and_expected() -> None:
    s, theta = np.zeros(2), [START]
    for _ in range(50):
        g = line_fit.gradient(theta[-1])
        s = s + g**2
        theta.append(theta[-1] - g / s)

    match = only(notebook(np.array(theta).T), said(lr=1.0))

    assert (match.verdict, match.rule) == ("differs", "adagrad")
    assert match.diagnosis is not None
    assert match.diagnosis.id == "bug.adagrad-no-root"
    assert match.diagnosis.parameters["expected"] == 1.0
    assert match.first_divergence is not None
    assert match.first_divergence.step == 1
    assert match.curve.expected_path[0] == tuple(START)


def test_one_edited_point_is_found_where_it_is() -> None:
    theta = path(optimizers.sgd, lr=1e-7)
    theta[1, 120] += 1e-3

    match = only(notebook(theta), said(lr=1e-7))

    assert match.verdict == "differs"
    assert match.diagnosis is not None
    assert (match.diagnosis.id, match.diagnosis.parameters["step"]) == ("bug.edited-point", 120)


def test_a_direction_that_is_all_rounding_explains_no_step() -> None:
    """On standardised data the intercept's gradient is rounding, and once explained every step of the slope."""
    x, y = (X - X.mean()) / X.std(), (Y - Y.mean()) / Y.std()
    s, theta = np.ones(2), [np.zeros(2)]
    for _ in range(60):
        g = _summed(theta[-1], x, y)
        theta.append(theta[-1] - 0.03 * g / np.sqrt(s))
        s = s + g**2
    data = [Series(cell=2, name="x_data", values=x), Series(cell=2, name="y_data", values=y)]

    match = only([*data, *notebook(np.array(theta).T, data=False)], said(lr=0.03))

    assert match.diagnosis is not None
    assert match.diagnosis.id == "bug.adagrad-late"


def test_one_unused_place_at_the_end_of_an_array_is_left_out() -> None:
    theta = np.concatenate([path(optimizers.sgd, lr=1e-7), np.zeros((2, 1))], axis=1)

    match = only(notebook(theta), said(lr=1e-7))

    assert (match.verdict, [note.id for note in match.notes]) == ("matches", ["verify.unused-end"])


def test_accumulators_that_are_kept_beside_a_run_are_no_run() -> None:
    theta = path(optimizers.adagrad, lr=1.0)
    squares = line_fit.gradient(theta[:, :-1]) ** 2
    kept = [Series(cell=4, name=f"g2_{name}", values=row) for name, row in zip("bw", squares, strict=True)]

    match = only(notebook(theta, *kept), said(lr=1.0))

    assert (match.verdict, match.names) == ("matches", ("b_history", "w_history"))


def test_a_start_that_the_names_hold_only_after_the_run_is_not_put_before_it() -> None:
    """The kernel tells b and w as they are at the end; from the minimum every first step was explained."""
    theta = path(optimizers.sgd, lr=1e-7)
    theta[0, 1:] += 0.01
    last = said(lr=1e-7, b=theta[0, -1], w=theta[1, -1])

    match = only(notebook(theta), last)

    assert match.verdict != "matches"
    assert "verify.first-state-missing" not in [note.id for note in match.notes]


def test_adam_with_the_stated_decay_rates_in_each_others_place_is_left_to_a_person() -> None:
    theta = path(optimizers.adam, lr=0.1, beta1=0.999, beta2=0.9)

    match = only(notebook(theta), said(lr=0.1, beta1=0.9, beta2=0.999))

    assert match.verdict == "review"
    assert match.diagnosis is not None
    assert match.diagnosis.id == "bug.adam-betas-swapped"


def test_rates_by_parameter_that_the_cell_does_not_state_are_left_to_a_person() -> None:
    theta = path(optimizers.sgd, lr=np.array([1e-4, 1e-7]))

    match = only(notebook(theta), said(lr=0.5))

    assert match.verdict == "review"
    assert match.diagnosis is not None
    assert match.diagnosis.id == "bug.rates-unstated"


def test_one_number_is_not_the_rate_and_the_decay_at_once() -> None:
    """A stale gradient on standardised data is a heavy ball whose two numbers are the one that is stated."""
    x, y = (X - X.mean()) / X.std(), (Y - Y.mean()) / Y.std()
    theta, kept = [np.array([1.0, -0.5])], np.zeros(2)
    for _ in range(60):
        theta.append(theta[-1] - 0.37 * kept)
        kept = _summed(theta[-2], x, y) / (2 * len(x))
    data = [Series(cell=2, name="x_data", values=x), Series(cell=2, name="y_data", values=y)]

    match = only([*data, *notebook(np.array(theta).T, data=False)], said(alpha=0.37))

    assert match.verdict != "matches"


def test_a_rate_that_the_cell_contradicts_is_left_to_a_person() -> None:
    match = only(notebook(path(optimizers.adagrad, lr=1.0)), said(lr=0.1))

    assert match.verdict == "review"
    assert match.diagnosis is not None
    assert match.diagnosis.id == "bug.lr-differs"


def test_an_estimated_rate_passes_a_run_and_says_so() -> None:
    match = only(notebook(path(optimizers.sgd, lr=1e-7)), [])

    assert match.verdict == "matches"
    assert [note.id for note in match.notes] == ["verify.rate-read-off"]


# -- what is no run --------------------------------------------------------------------------------


def test_grids_and_predictions_are_no_runs() -> None:
    decoys = [
        Series(cell=4, name="y_pred", values=X * 2),
        Series(cell=4, name="epochs", values=np.arange(100.0)),
        Series(cell=4, name="theta", values=np.stack([np.linspace(-1, 1.5, 50), *[np.linspace(-1.5, 1, 50)] * 3])),
        Series(cell=4, name="b_grad_history", values=np.random.default_rng(1).normal(size=100)),
        Series(cell=4, name="w_grad_history", values=np.random.default_rng(2).normal(size=100)),
    ]

    assert verify.runs(notebook([], *decoys, names=()), declared=[], names=Names()) == ()


def test_the_run_is_found_among_dozens_of_series_of_its_length() -> None:
    """Two histories under names that say nothing, among thirty others as long."""
    theta = path(optimizers.sgd, lr=1e-7)
    walks = np.random.default_rng(2).normal(size=(30, theta.shape[1])).cumsum(axis=1)
    many = [Series(cell=4, name=f"q{k}_kept", values=row) for k, row in enumerate(walks)]
    pair = [Series(cell=4, name=name, values=row) for name, row in zip(("first", "second"), theta, strict=True)]

    match = only(notebook([], *many[:17], *pair, *many[17:], names=()), said(lr=1e-7))

    assert (match.verdict, match.names) == ("matches", ("first", "second"))


@pytest.mark.slow
@pytest.mark.parametrize("spoil", ["noise", "rounded", "edited"])
def test_a_long_run_that_follows_no_rule_costs_seconds_at_most(spoil: str) -> None:
    theta = path(optimizers.adagrad, steps=100_000, lr=1.0)
    if spoil == "noise":
        theta += np.random.default_rng(1).normal(0, 1e-6, theta.shape)
    elif spoil == "rounded":
        theta = np.round(theta, 4)
    else:
        theta[0, 50_000] += 1e-3
    begun = time.process_time()

    match = only(notebook(theta), said(lr=1.0))

    assert match.verdict != "matches"
    assert time.process_time() - begun < 10.0  # one second is usual


def test_a_run_without_data_is_unverifiable_and_says_why() -> None:
    theta = path(optimizers.sgd, lr=1e-7)
    series = [Series(cell=4, name=n, values=v) for n, v in zip(("b_history", "w_history"), theta, strict=True)]

    match = only(series, said(lr=1e-7))

    assert (match.verdict, [note.id for note in match.notes]) == ("unverifiable", ["verify.no-data"])


@pytest.mark.parametrize("copies", [2, 3, 50])
def test_a_run_that_stands_at_the_minimum_is_left_undecided(copies: int) -> None:
    """Nobody can tell a converged run from one that updates nothing; it is no mistake either."""
    least = np.linalg.lstsq(np.stack([np.ones_like(X), X], axis=1), Y, rcond=None)[0]

    match = only(notebook(np.tile(least, (copies, 1)).T), said(lr=1e-7))

    assert (match.verdict, [note.id for note in match.notes]) == ("unverifiable", ["verify.no-steps"])


def test_an_infinite_number_plays_no_part() -> None:
    match = only(notebook(path(optimizers.sgd, lr=1e-7)), said(best=np.inf, lr=1e-7, worst=np.nan))

    assert (match.verdict, match.hyperparameters) == ("matches", {"lr": 1e-7})


def test_losses_of_a_run_that_overflows_in_its_second_step_are_told() -> None:
    theta = np.array([[-120.0, -119.0, 1e300, np.nan], [-4.0, -3.0, 1e300, np.nan]])
    loss = Series(cell=4, name="loss_history", values=np.array([1.0, 2.0, 3.0, 4.0]))

    match = only(notebook(theta, loss), said(lr=1e-7))

    assert (match.effect, match.loss.verdict) == ("diverging", "unexplained")


@settings(max_examples=examples(20))
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["b_history", "w_history", "x_data", "y_data", "theta", "loss_history", "x", "q['b']"]),
            series_of_numbers(),
        ),
        max_size=7,
    ),
    st.lists(st.tuples(st.sampled_from(["lr", "beta", "eps", "b", "w", "n"]), st.floats()), max_size=4),
)
def test_whatever_a_kernel_holds_is_judged_without_an_error_or_a_warning(held: Any, numbers: Any) -> None:
    """Histories may hold infinities and nan; a verdict can always be stored and read back."""
    series = [Series(cell=1, name=name, values=values) for name, values in held]
    declared = [Declared(name=name, cell=1, value=value) for name, value in numbers]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = verify.runs(series, declared=declared, names=Names())

    for match in found:
        assert to_json(from_json(to_json(match), Match)) == to_json(match)
        assert match.verdict != "matches" or match.informative_steps > 0


# -- losses ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("losses", "kind", "at"),
    [
        (lambda loss: loss[:-1], "sse", "before"),
        (lambda loss: loss[1:] / 10, "mse", "after"),
        (lambda loss: loss / 20, "half-mse", None),
        (lambda loss: np.sqrt(loss[1:] / 10), "rmse", "after"),
        (lambda loss: loss[:-1:10] / 10, "mse", None),
        (lambda loss: np.round(loss[1:] / 10, 2), "mse, rounded", "after"),
        (lambda loss: np.convolve(loss[:-1], np.ones(20) / 20, mode="valid"), "sse, mean of 20", "before"),
        (lambda loss: histories.decay(loss[:-1] / 10, 0.9, weight=0.1, start=None), "mse, running mean 0.9", "before"),
        (lambda loss: histories.decay(loss[1:], 0.99, weight=0.01), "sse, running mean 0.99", "after"),
    ],
)
def test_a_recorded_loss_is_recognised_by_its_scale_and_moment(
    losses: Callable[[Any], Any], kind: str, at: str | None
) -> None:
    theta = path(optimizers.sgd, lr=1e-7)
    recorded = Series(cell=4, name="loss_history", values=losses(line_fit.loss(theta)))

    found = only(notebook(theta, recorded), said(lr=1e-7)).loss

    said_of_it = ", ".join(filter(None, (found.kind, found.manner)))
    assert (found.verdict, said_of_it, found.at) == ("matches", kind, at)


def test_the_loss_of_the_sample_or_batch_of_each_step_is_recognised() -> None:
    theta = path(optimizers.sgd, lr=1e-7)[:, :-1]
    squares = line_fit.errors(theta) ** 2
    steps = np.arange(theta.shape[1])
    one = squares[steps % 10, steps]
    batch = squares.reshape(2, 5, -1).mean(axis=1)[steps % 2, steps]

    kinds = []
    for values in (one, batch):
        recorded = Series(cell=4, name="loss_history", values=values)
        found = only(notebook(path(optimizers.sgd, lr=1e-7), recorded), said(lr=1e-7, batch_size=5)).loss
        kinds.append((found.verdict, found.kind, found.at))

    assert kinds == [("matches", "one-sample", "before"), ("matches", "batch-mse", "before")]


@pytest.mark.parametrize(
    ("losses", "verdict"),
    [
        (lambda loss: -loss[1:], "differs"),
        (lambda loss: np.cumsum(loss[1:]), "differs"),
        (lambda loss: np.linspace(loss[0], loss[-1], len(loss)), "unexplained"),
        (lambda loss: np.where(np.arange(len(loss)) == 90, 1.0, loss), "differs"),
    ],
    ids=["negative", "cumulative", "made up", "one value edited"],
)
def test_a_wrong_loss_never_matches(losses: Callable[[Any], Any], verdict: str) -> None:
    theta = path(optimizers.sgd, lr=1e-7)
    recorded = Series(cell=4, name="loss_history", values=losses(line_fit.loss(theta)))

    assert only(notebook(theta, recorded), said(lr=1e-7)).loss.verdict == verdict


# -- effects ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "keywords", "steps", "effect"),
    [
        (optimizers.sgd, {"lr": 1e-5}, 40, "diverging"),
        (optimizers.sgd, {"lr": 1e-7}, 2000, "stalled"),
        (optimizers.adagrad, {"lr": 1.0}, 2000, "converging"),
        (optimizers.adagrad, {"lr": 10.0}, 4000, "converged"),
        (optimizers.rmsprop, {"lr": 1.0, "rho": 0.9}, 2000, "oscillating"),
    ],
)
def test_the_effect_is_what_the_run_did_to_the_loss(
    rule: Callable[..., Any], keywords: dict[str, Any], steps: int, effect: str
) -> None:
    assert only(notebook(path(rule, steps=steps, **keywords)), said(**keywords)).effect == effect


# -- plots and sentences ---------------------------------------------------------------------------


def test_a_curve_has_few_points_and_keeps_the_ends_and_the_extremes() -> None:
    theta = path(optimizers.rmsprop, steps=5_000, lr=1.0, rho=0.9)

    curve = only(notebook(theta), said(lr=1.0, rho=0.9)).curve

    assert len(curve.steps) <= 300
    assert (curve.steps[0], curve.steps[-1]) == (0, 5_000)
    assert min(curve.losses) == pytest.approx(line_fit.loss(theta).min(), rel=1e-9)
    assert curve.surface is not None
    assert curve.surface.centre == pytest.approx(line_fit.minimum(), rel=1e-6)


@pytest.mark.slow
def test_every_sentence_of_a_mistake_has_its_words_and_parameters_in_both_languages() -> None:
    for name, kind in battery.MISTAKES.items():
        match = battery.judge(kind(np.random.default_rng([3, 0])))
        assert match is not None
        for message in (*match.notes, *([match.diagnosis] if match.diagnosis else [])):
            _complete(message, name)


def _complete(message: Message, name: str) -> None:
    for language in ("en", "zh-TW"):
        sentence = catalogue()[message.id][language]
        missing = [word for word in _placeholders(sentence) if word not in message.parameters]
        assert not missing, (name, message.id, missing)


def _placeholders(sentence: str) -> list[str]:
    return [part.split("}")[0] for part in sentence.split("{")[1:]]


def _doubling(g: Any, state: Any = None, *, lr: float) -> tuple[Any, Any]:
    """`s += rho * s + (1 - rho) * g**2`, which soon leaves the numbers."""
    with np.errstate(over="ignore"):
        s = 0.1 * g**2 + (0.0 if state is None else 1.9 * state)
        return lr * g / np.sqrt(s), s


def test_a_sum_that_grows_until_it_leaves_the_numbers_is_still_named() -> None:
    match = only(notebook(path(_doubling, steps=3000, lr=0.1)), said(lr=0.1, rho=0.9))

    assert (match.verdict, match.slip) == ("differs", True)
    assert match.diagnosis is not None
    assert match.diagnosis.id == "bug.rmsprop-added-twice"


KEPT_SELDOM = {
    "momentum": (optimizers.momentum, {"lr": 1e-7, "beta": 0.9}, {"lr": 1e-7, "momentum": 0.9}),
    "adagrad": (optimizers.adagrad, {"lr": 5.0}, {"lr": 5.0}),
    "rmsprop": (optimizers.rmsprop, {"lr": 0.01, "rho": 0.9}, {"lr": 0.01, "rho": 0.9}),
    "adam": (optimizers.adam, {"lr": 0.1}, {"lr": 0.1, "beta1": 0.9, "beta2": 0.999}),
}


@pytest.mark.parametrize("stride", [5, 10, 100])
@pytest.mark.parametrize(("rule", "keywords", "stated"), KEPT_SELDOM.values(), ids=KEPT_SELDOM)
def test_every_kth_state_of_any_rule_is_enough(
    rule: Callable[..., Any], keywords: dict[str, Any], stated: dict[str, float], stride: int
) -> None:
    match = only(notebook(path(rule, steps=2000, **keywords)[:, ::stride]), said(4, **stated))

    assert match.verdict == "matches"
    assert ("verify.every-kth", stride) in [(note.id, note.parameters.get("stride")) for note in match.notes]


@pytest.mark.parametrize("stride", [10, 100])
def test_every_kth_state_of_a_wrong_rule_is_not_passed(stride: int) -> None:
    match = only(notebook(path(_doubling, steps=2000, lr=0.1)[:, ::stride]), said(lr=0.1, rho=0.9))

    assert match.verdict != "matches"


def test_a_momentum_that_is_stated_and_not_used_is_asked_about() -> None:
    match = only(notebook(path(optimizers.sgd, lr=1e-7)), said(lr=1e-7, momentum=0.9))

    assert match.verdict == "review"
    assert match.diagnosis is not None
    assert match.diagnosis.id == "verify.momentum-unused"
