"""Text on a terminal: a table keeps its columns in sight."""

import pytest

from grader.cli import terminal

LONG = "a-very-long-student-name-" + "x" * 140
ROWS = [["Student", "Points", "Verdicts"], [LONG, "85/100", "fail: explained"], ["王小明", "100/100", "all pass"]]


@pytest.mark.parametrize("columns", [60, 80])
def test_one_long_name_takes_no_column_from_the_others(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "columns", lambda: columns)

    lines = terminal.table(ROWS, right=(1,))

    assert all(terminal.width(line) <= columns for line in lines)
    assert "… " in lines[1]
    assert [line.split()[-1] for line in lines] == ["Verdicts", "explained", "pass"]


def test_a_table_that_fits_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "columns", lambda: 10_000)

    assert LONG in terminal.table(ROWS)[1]


def test_the_last_column_is_cut_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "columns", lambda: 30)

    assert terminal.table([["b1", "x" * 60]]) == ["b1  " + "x" * 25 + "…"]
