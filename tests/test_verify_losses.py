"""What is said of recorded loss curves: right ones in every form that students keep, wrong ones, and made-up ones."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import examples, series_of_numbers
from strategies import losses as curves

from grader import verify
from grader.model import Declared, LossMatch, Names, Series
from reference import line_fit, optimizers

START = np.array([-120.0, -4.0])
RATE = 1e-7


def descent(steps: int = 200) -> Any:
    return optimizers.descend(optimizers.sgd, line_fit.gradient, START, steps=steps, lr=RATE)


def judged(theta: Any, *losses: Series, **numbers: float) -> LossMatch:
    """What is said of the losses beside a run on Lee's data; they are in the run's own cell."""
    held = [
        Series(cell=2, name="x_data", values=np.array(line_fit.X_DATA)),
        Series(cell=2, name="y_data", values=np.array(line_fit.Y_DATA)),
        Series(cell=4, name="b_history", values=theta[0]),
        Series(cell=4, name="w_history", values=theta[1]),
    ]
    declared = [Declared(name=name, cell=4, value=value) for name, value in ({"lr": RATE} | numbers).items()]
    (found,) = verify.runs([*held, *losses], declared=declared, names=Names())
    return found.loss


def named(values: Any, name: str = "loss_history", **more: Any) -> Series:
    return Series(cell=4, name=name, values=np.asarray(values, dtype=np.float64), **more)


def of(theta: Any) -> Any:
    return line_fit.loss(theta) / 10


# -- right losses in unusual form ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        (lambda loss: np.log(loss[1:]), "mse, logarithm"),
        (lambda loss: np.log10(loss[1:]), "mse, log10"),
        (lambda loss: np.trunc(loss[1:]), "mse, cut off"),
        (lambda loss: [float(f"{value:.4g}") for value in loss[1:]], "mse, rounded"),
        (lambda loss: [float(f"{value:.2e}") for value in loss[1:]], "mse, rounded"),
        (lambda loss: np.concatenate([[0.0], loss[1:]]), "mse, unused entries left out"),
        (lambda loss: np.concatenate([[np.inf], loss[1:]]), "mse, unused entries left out"),
        (lambda loss: np.concatenate([loss[1:], np.zeros(50)]), "mse, unused entries left out"),
        (lambda loss: np.concatenate([loss[1:], np.full(50, np.nan)]), "mse, unused entries left out"),
        (lambda loss: [*loss[:-1:30], loss[-1]], "mse"),
        (lambda loss: [*loss[1::30], loss[-1]], "mse"),
        (lambda loss: loss[21:], "mse"),
        (lambda loss: loss / loss[0], "sse/first"),
        (lambda loss: np.cumsum(loss[1:]) / np.arange(1, 201), "mse, mean so far"),
        (lambda loss: [np.mean(loss[max(1, k - 9) : k + 1]) for k in range(1, 201)], "mse, mean of the last 10"),
        (lambda loss: loss[1:].reshape(-1, 10).mean(axis=1), "mse, mean of every 10"),
        (lambda loss: np.stack([loss[:-1], loss[1:]], axis=1).ravel(), "mse, one entry in 2"),
        (lambda loss: np.concatenate([np.arange(90.0), loss[1:]]), "mse, the last entries"),
    ],
    ids=[
        *(
            "logarithm",
            "common-logarithm",
            "whole-numbers",
            "four-digits",
            "three-digits",
            "zero-before",
            "infinity-before",
        ),
        *("zeros-after", "nan-after", "thinned-and-last", "thinned-after-and-last", "begun-later", "share-of-first"),
        *("mean-so-far", "last-ten", "blocks", "both-sides-of-the-update", "list-not-emptied"),
    ],
)
def test_a_right_loss_matches_in_whatever_form_it_is_kept(record: Callable[[Any], Any], kind: str) -> None:
    theta = descent()

    found = judged(theta, named(record(of(theta))))

    assert (found.verdict, ", ".join(filter(None, (found.kind, found.manner)))) == ("matches", kind)


@pytest.mark.parametrize(
    ("states", "losses"),
    [
        (slice(None, -1), slice(1, None)),
        (slice(1, None), slice(None, -1)),
        (slice(1, None), slice(None)),
        (slice(None, -1), slice(None)),
    ],
    ids=["states-before-losses-after", "states-after-losses-before", "no-first-state", "no-last-state"],
)
def test_a_loss_on_the_other_side_of_the_update_than_the_states_matches(states: slice, losses: slice) -> None:
    theta = descent()

    assert judged(theta[:, states], named(of(theta)[losses]), b=-120.0, w=-4.0).verdict == "matches"


def test_a_loss_that_is_only_drawn_is_judged_by_its_heights() -> None:
    theta = descent()
    drawn = np.stack([np.arange(1.0, 201.0), of(theta)[1:]], axis=1)

    found = judged(theta, named(drawn, "plot[1]", source="plotted"))

    assert (found.verdict, found.kind, found.at) == ("matches", "mse", "after")


def test_a_table_of_steps_and_losses_is_a_loss_and_no_run() -> None:
    theta = descent()
    table = np.stack([np.arange(200.0), of(theta)[1:]], axis=1)

    found = judged(theta, named(table, "log"))

    assert (found.verdict, found.name) == ("matches", "log[:, 1]")


@pytest.mark.parametrize(
    "columns",
    [
        lambda theta, loss: [theta[0], theta[1], loss],
        lambda theta, loss: [loss, theta[1], theta[0]],
        lambda theta, loss: [np.arange(201.0), theta[0], theta[1], loss],
        lambda theta, loss: [theta[0][1:], theta[1][1:], loss[:-1]],
    ],
    ids=["loss-last", "loss-first", "steps-as-well", "loss-before-the-update"],
)
def test_a_table_of_parameters_and_losses_is_a_run_and_its_loss(columns: Callable[[Any, Any], Any]) -> None:
    theta = descent()
    table = np.stack(columns(theta, of(theta)), axis=1)
    held = [
        Series(cell=2, name="x_data", values=np.array(line_fit.X_DATA)),
        Series(cell=2, name="y_data", values=np.array(line_fit.Y_DATA)),
        Series(cell=4, name="history", values=table),
    ]

    (found,) = verify.runs(held, declared=[Declared(name="lr", cell=4, value=RATE)], names=Names())

    assert (found.verdict, found.rule, len(found.names)) == ("matches", "gd", 2)
    assert (found.loss.verdict, found.loss.kind) == ("matches", "mse")


@pytest.mark.parametrize("name", ["損失", "L", "loss1", "losslist", "J_hist", "train_mse"])
def test_what_people_call_a_loss_is_judged_as_one(name: str) -> None:
    theta = descent()

    assert judged(theta, named(of(theta)[1:], name)).name == name
    assert judged(theta, named(np.linspace(9.0, 1.0, 200), name)).verdict == "unexplained"


@pytest.mark.parametrize("name", ["time_cost", "loss_diff", "best_loss", "gradient", "losses_of_rates_final"])
def test_what_only_speaks_of_losses_is_left_alone(name: str) -> None:
    assert judged(descent(), named(np.linspace(9.0, 1.0, 200) ** 2, name)).verdict == "absent"


def test_the_errors_of_the_samples_at_the_end_are_no_loss_curve() -> None:
    theta = descent()

    assert judged(theta, named(line_fit.errors(theta)[:, -1], "errors")).verdict == "absent"


# -- of a part of the samples ----------------------------------------------------------------------


def random_descent(size: int) -> tuple[Any, Any, Any]:
    """Stochastic descent on drawn batches: the path, the batches, and the squared errors before each step."""
    rng = np.random.default_rng(3)
    order = [rng.permutation(10) for _ in range(20)]
    batches = [draw[k : k + size] for draw in order for k in range(0, 10, size)]
    x, y = np.array(line_fit.X_DATA), np.array(line_fit.Y_DATA)
    theta, path = START.copy(), [START.copy()]
    for rows in batches:
        error = theta[0] + theta[1] * x[rows] - y[rows]
        theta = theta - 1e-6 * np.array([2 * error.sum(), 2 * (error * x[rows]).sum()])
        path.append(theta)
    states = np.array(path).T
    return states, batches, line_fit.errors(states) ** 2


@pytest.mark.parametrize(
    ("size", "late", "kind", "at"),
    [
        (1, 0, "one-sample", "before"),
        (1, 1, "one-sample", "after"),
        (2, 0, "batch-mse", "before"),
        (5, 1, "batch-mse", "after"),
    ],
)
def test_the_loss_of_a_drawn_sample_or_batch_is_traced_to_its_step(size: int, late: int, kind: str, at: str) -> None:
    theta, batches, squares = random_descent(size)
    losses = [squares[rows, t + late].mean() for t, rows in enumerate(batches)]

    found = judged(theta, named(losses), lr=1e-6, batch_size=size)

    assert (found.verdict, found.kind, found.at) == ("matches", kind, at)


@pytest.mark.parametrize(
    ("size", "whole", "kind"), [(1, sum, "pass-sse"), (1, np.mean, "pass-mse"), (5, np.mean, "pass-mse")]
)
def test_what_a_pass_adds_up_of_its_samples_is_a_right_loss(size: int, whole: Callable[[Any], Any], kind: str) -> None:
    theta, batches, squares = random_descent(size)
    losses = np.array([squares[rows, t].mean() for t, rows in enumerate(batches)]).reshape(20, -1)

    found = judged(theta, named([whole(row) for row in losses]), lr=1e-6, batch_size=size)

    assert (found.verdict, found.kind) == ("matches", kind)


# -- wrong ones ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "mistake", "kind"),
    [
        (lambda errors: errors[0] ** 2, "sample", "first-sample"),
        (lambda errors: errors[-1] ** 2 / 10, "sample", "last-sample/n"),
        (lambda errors: errors.mean(axis=0) ** 2, "square-of-sum", "square-of-mean"),
        (lambda errors: -errors.sum(axis=0), "no-square", "sum-of-errors"),
        (lambda errors: -np.sum(errors**2, axis=0), "sign", "-sse"),
        (lambda errors: np.cumsum(np.sum(errors**2, axis=0)), "cumulative", "cumulative-sse"),
    ],
)
def test_a_known_mistake_in_a_loss_differs_by_its_name(wrong: Callable[[Any], Any], mistake: str, kind: str) -> None:
    theta = descent()

    found = judged(theta, named(wrong(line_fit.errors(theta)[:, 1:])))

    assert (found.verdict, found.mistake, found.kind) == ("differs", mistake, kind)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("mean_error", lambda theta: line_fit.errors(theta).mean(axis=0)),
        ("cumulative_loss", lambda theta: np.cumsum(of(theta))),
        ("neg_loss", lambda theta: -of(theta)),
        ("loss_of_last_sample", lambda theta: line_fit.errors(theta)[-1] ** 2),
    ],
)
def test_a_name_that_says_what_is_recorded_leaves_it_to_a_person(name: str, wrong: Callable[[Any], Any]) -> None:
    theta = descent()

    assert judged(theta, named(wrong(theta)[1:], name)).verdict in ("unexplained", "absent")


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda loss: np.where(np.arange(200) == 0, 12345.678, loss),
        lambda loss: np.where(np.arange(200) > 180, 0.7 * loss, loss),
        lambda loss: np.round(np.where(np.arange(200) == 90, 0.9 * loss, loss), 4),
        lambda loss: np.where(np.isin(np.arange(200), (20, 50, 80)), 1.3 * loss, loss),
    ],
    ids=["first", "end", "rounded", "three"],
)
def test_a_curve_that_was_edited_differs_where_it_was(spoilt: Callable[[Any], Any]) -> None:
    theta = descent()

    found = judged(theta, named(spoilt(of(theta)[1:])))

    assert found.verdict == "differs"
    assert found.first_divergence is not None


@pytest.mark.parametrize(
    "kept",
    [
        lambda loss: np.minimum(loss, loss[30]),
        lambda loss: np.concatenate([loss[:150], loss[100:150]]),
        lambda loss: loss * (1 + 1e-6 * (np.arange(200) == 90)),
        lambda loss: np.where(np.arange(200) == 90, np.nan, loss),
        lambda loss: [float(f"{value:.1e}") for value in loss],
    ],
    ids=["cut-for-a-plot", "of-other-states", "less-than-can-be-seen", "no-number", "two-digits"],
)
def test_most_of_a_right_loss_beside_what_proves_nothing_goes_to_a_person(kept: Callable[[Any], Any]) -> None:
    theta = descent()

    assert judged(theta, named(kept(of(theta)[1:]))).verdict == "unexplained"


@pytest.mark.parametrize(
    "made",
    [
        lambda loss: loss[::-1],
        lambda loss: loss + 100.0,
        lambda loss: np.full(200, loss[-1]),
        lambda loss: np.interp(np.arange(200), np.arange(0, 200, 20), loss[::20]),
        lambda loss: loss * (1 + 1e-9 * np.sin(np.arange(200))),
        lambda loss: np.round(loss[-1] + (loss[0] - loss[-1]) * np.exp(-np.arange(200) / 20), 2),
        lambda loss: loss**2,
    ],
    ids=["reversed", "shifted", "constant", "interpolated", "noisy", "exponential", "squared-again"],
)
def test_a_made_up_curve_never_matches(made: Callable[[Any], Any]) -> None:
    theta = descent()

    assert judged(theta, named(made(of(theta)[1:]))).verdict == "unexplained"


def test_a_constant_times_the_loss_is_told_to_a_person() -> None:
    theta = descent()

    found = judged(theta, named(3.7 * of(theta)[1:]))

    assert (found.verdict, found.factor, found.kind) == ("unexplained", 0.37, "sse")


def test_a_curve_under_any_name_counts_only_where_it_is_the_loss() -> None:
    theta = descent()
    right, made = of(theta)[1:], np.exp(-np.arange(200) / 20)

    assert judged(theta, named(right, "values")).verdict == "matches"
    assert judged(theta, named(made, "values")).verdict == "absent"
    assert judged(theta, named(made), named(right, "values")).verdict == "unexplained"


@settings(max_examples=examples(60))
@given(series_of_numbers(), st.sampled_from([1, 3, 30, 400]), st.sampled_from([1e-7, 1e-5, 0.0]))
def test_whatever_is_called_a_loss_is_told_without_an_error(values: Any, steps: int, lr: float) -> None:
    with np.errstate(all="ignore"):
        theta = optimizers.descend(optimizers.sgd, line_fit.gradient, START, steps=steps, lr=lr)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = judged(theta, named(values), named(np.resize(values, 20), "cost"), lr=lr)

    assert found.verdict in ("absent", "unexplained", "differs", "matches")


def test_a_run_that_overflows_before_its_first_average_is_told() -> None:
    with np.errstate(all="ignore"):
        theta = optimizers.descend(optimizers.sgd, line_fit.gradient, START, steps=2000, lr=1e-5)

    assert judged(theta, named(np.arange(10.0) ** 2), lr=1e-5).verdict == "unexplained"


# -- of other data and other runs -------------------------------------------------------------------

VAL_X, VAL_Y = np.array([50.0, 120.0, 300.0, 410.0]), np.array([120.0, 250.0, 520.0, 900.0])


@pytest.mark.parametrize(
    ("name", "data", "verdict"),
    [
        ("val_loss", "val", "matches"),
        ("test_mse", "test", "matches"),
        ("loss_history", "val", "unexplained"),
        ("loss_history", "all", "unexplained"),
    ],
)
def test_a_loss_on_other_data_is_right_where_both_names_say_so(name: str, data: str, verdict: str) -> None:
    theta = descent()
    losses = [np.mean((b + w * VAL_X - VAL_Y) ** 2) for b, w in theta.T[1:]]
    held = [Series(cell=2, name=f"x_{data}", values=VAL_X), Series(cell=2, name=f"y_{data}", values=VAL_Y)]

    found = judged(theta, named(losses, name), *held)

    assert (found.verdict, found.kind, found.data) == (verdict, "mse", f"x_{data}, y_{data}")


def several(*runs: Any) -> list[LossMatch]:
    """What is said of the losses of runs that one cell keeps in lists of lists."""
    held = [
        Series(cell=2, name="x_data", values=np.array(line_fit.X_DATA)),
        Series(cell=2, name="y_data", values=np.array(line_fit.Y_DATA)),
    ]
    for number, (theta, losses) in enumerate(runs):
        kept = {f"r[{number}].b_history": theta[0], f"r[{number}].w_history": theta[1], f"all_costs[{number}]": losses}
        held += [named(values, name) for name, values in kept.items() if values is not None]
    found = verify.runs(held, declared=[Declared(name="lr", cell=4, value=RATE)], names=Names())
    return [match.loss for match in found]


def begun_at(b: float) -> Any:
    return optimizers.descend(optimizers.sgd, line_fit.gradient, np.array([b, -4.0]), steps=60, lr=RATE)


def test_each_of_many_runs_finds_its_own_loss() -> None:
    runs = [(theta, of(theta)[1:]) for theta in map(begun_at, np.arange(-120.0, -111.0))]

    assert [(loss.verdict, loss.name) for loss in several(*runs)] == [
        ("matches", f"all_costs[{number}]") for number in range(9)
    ]


def test_a_run_without_a_loss_is_not_asked_about_that_of_another_run() -> None:
    first, second, third = begun_at(-120.0), begun_at(-110.0), begun_at(-100.0)
    made_up = np.linspace(9.0, 1.0, 60) ** 2

    assert [loss.verdict for loss in several((first, of(first)[1:]), (second, None))] == ["matches", "absent"]
    assert [loss.verdict for loss in several((third, made_up))] == ["unexplained"]


def test_the_errors_of_many_samples_are_held_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grader.verify.losses.MOST_NUMBERS", 330)
    theta = descent()

    assert judged(theta, named(of(theta)[1:])).verdict == "matches"
    assert judged(theta, named(np.where(np.arange(200) == 150, 1.0, of(theta)[1:]))).verdict == "differs"


# -- the battery -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(curves.KINDS))
def test_a_right_curve_never_differs_and_a_wrong_one_never_matches(name: str) -> None:
    (row,) = curves.rows({name: curves.KINDS[name]}, draws=2, seed=11)

    assert row.not_right == 0, row.verdicts


def test_the_battery_of_curves_holds_many_kinds_of_each_group() -> None:
    groups = [name.partition(":")[0] for name in curves.KINDS]

    assert {group: groups.count(group) >= 7 for group in curves.GROUPS} == dict.fromkeys(curves.GROUPS, True)


def test_the_table_of_curves_counts_every_draw() -> None:
    chosen = {name: kind for name, kind in curves.KINDS.items() if name.startswith("none")}

    table = curves.by_group(list(curves.rows(chosen, draws=1, seed=2)))

    assert f"| no loss curve | {len(chosen)} | {len(chosen)} | 0 | 0 | 0 | 0 | {len(chosen)} | 0 |" in table
