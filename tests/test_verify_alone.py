"""What is named where no run was found: histories that cannot be verified, and no data or grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from grader.model import CellRun, Match, Names, Series
from grader.verify.alone import alone, beside, printed

FALLING = np.array([9.0, 5.0, 3.0, 2.0, 1.5, 1.25])


def found(name: str, values: Any, source: Any = "namespace") -> list[tuple[str, ...]]:
    return [m.names for m in alone([Series(cell=3, name=name, values=values, source=source)], names=Names())]


@pytest.mark.parametrize(
    ("name", "values", "source"),
    [
        ("theta_history", FALLING, "namespace"),
        ("self.losses", FALLING, "attribute"),
        ("cost_list", FALLING, "namespace"),
        ("GD.x", FALLING, "recorded"),
    ],
)
def test_a_history_that_cannot_be_verified_is_named(name: str, values: Any, source: Any) -> None:
    assert found(name, values, source) == [(name,)]


def test_each_column_of_a_table_is_named() -> None:
    assert found("path", np.stack([FALLING, -FALLING], axis=1)) == [("path[:, 0]", "path[:, 1]")]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("x_data", FALLING),
        ("y_p", FALLING),
        ("theta_history", np.linspace(-1.0, 1.0, 50)),
        ("loss_history", np.zeros(20)),
        ("loss_history", np.array([3.0, 1.0])),
        ("loss_history", np.full(20, np.nan)),
    ],
    ids=["data", "prediction", "grid", "constant", "too-short", "no-number"],
)
def test_data_grids_and_constants_are_not_taken_for_a_history(name: str, values: Any) -> None:
    assert found(name, values) == []


def test_it_is_said_that_a_person_looks_and_what_was_recorded() -> None:
    (match,) = alone([Series(cell=3, name="GD.x", values=FALLING, source="recorded")], names=Names())

    assert (match.verdict, match.steps) == ("unverifiable", 5)
    assert [note.id for note in match.notes] == ["kernel.recorded", "kernel.alone"]


def test_of_many_turns_the_first_are_named_and_none_where_a_name_still_holds_one() -> None:
    turns = [Series(cell=3, name=f"loop[{k}].losses", values=FALLING + k, source="returned") for k in range(2, 30)]
    held = Series(cell=3, name="losses", values=FALLING)

    assert [match.names[0] for match in alone(turns, names=Names())] == [f"loop[{k}].losses" for k in range(2, 7)]
    assert [match.names for match in alone([*turns, held], names=Names())] == [("losses",)]


RUN = Match(cell=3, names=("b_history", "w_history"), steps=5, verdict="matches")
KEPT = Series(cell=3, name="b_history", values=FALLING)


@pytest.mark.parametrize(
    ("cell", "name", "values", "told"),
    [
        (5, "x_history", FALLING + 1, True),
        (5, "descend.path", np.stack([FALLING + 1, -FALLING], axis=1), True),
        (5, "path", np.stack([FALLING, -FALLING], axis=1), False),
        (3, "x_history", FALLING + 1, False),
        (5, "loss_history", FALLING + 1, False),
        (5, "grad_history", FALLING + 1, False),
        (5, "xs", FALLING + 1, False),
    ],
    ids=["one-parameter", "function", "copy", "cell-of-the-run", "loss", "gradient", "no-history"],
)
def test_beside_a_run_other_cells_histories_are_named(cell: int, name: str, values: Any, told: bool) -> None:
    found = beside([KEPT, Series(cell=cell, name=name, values=values)], [RUN], names=Names())

    assert [match.verdict for match in found] == ["unverifiable"] * told


@pytest.mark.parametrize(
    "line",
    [
        "Iteration {0}: loss = {1}",
        "epoch {0}/100 - cost: {1:.3e}",
        "step {0}  w 2.5  b -1.0  MSE {1}",
        "第 {0} 次迭代，損失：{1}",
    ],
)
def test_printed_losses_are_the_weakest_evidence(line: str) -> None:
    text = "\n".join(line.format(10 * step, value) for step, value in enumerate(FALLING))

    shown = printed([CellRun(index=4, status="ok", printed=text)])

    assert [(each.cell, each.source, len(each.values)) for each in shown] == [(4, "printed", 6)]
    assert [match.verdict for match in alone(shown, names=Names())] == ["unverifiable"]
    kept = Series(cell=4, name="theta_history", values=FALLING)
    assert [match.names for match in alone([*shown, kept], names=Names())] == [("theta_history",)]


@pytest.mark.parametrize(
    "text",
    ["iteration 100", "loss 3.5", "100 iterations, loss 3.5", "epoch 2 loss 1\nepoch 1 loss 2\nepoch 3 loss 0"],
    ids=["no-loss", "no-step", "final", "not-in-order"],
)
def test_other_printed_lines_are_no_history(text: str) -> None:
    assert alone(printed([CellRun(index=4, status="ok", printed=text)]), names=Names()) == ()
