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


def test_chinese_lines_begin_and_end_as_in_print(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "請重新匯出成 PDF，繳交前先打開確認（例如在 lr = 0.1 時）。曲線是「b_history」，不是別的。"

    for columns in range(20, 60):
        monkeypatch.setattr(terminal, "columns", lambda columns=columns: columns)
        lines = terminal.wrap(text, "  ").split("\n")

        assert "".join(line.strip() for line in lines).replace(" ", "") == text.replace(" ", "")
        assert not [line for line in lines if line.strip()[0] in "，。）」" or line[-1] in "（「"]
        assert any("lr = 0.1" in line for line in lines)
        assert all(terminal.width(line) <= columns for line in lines)
