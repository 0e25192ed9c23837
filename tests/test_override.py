"""Decisions of people on the command line: what they change, what they survive, and how they are told."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import test_cli
from test_cli import Child, hand_in, run

from grader.cli.errors import USAGE
from grader.cli.results import opened

child, here = test_cli.child, test_cli.here


@pytest.fixture
def graded(here: Path, child: Child) -> Path:
    """Two students with a report that waits for a person, and the folder of their results."""
    for number, text in enumerate(("ok", "error")):
        hand_in(here / "class" / f"b{number}", f"{text} {number}")
    assert run("grade", "class", "--jobs", "1") == 0
    return here / "results"


def line(graded: Path, student: str) -> dict[str, object]:
    lines = map(json.loads, (graded / "grades.jsonl").read_text(encoding="utf-8").splitlines())
    return next(one for one in lines if one["submission"]["student"] == student)


def row(graded: Path, student: str) -> dict[str, str]:
    with (graded / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        return next(one for one in csv.DictReader(file) if one["student"] == student)


def page(graded: Path, student: str) -> str:
    return (graded / f"feedback/{student}/feedback.html").read_text(encoding="utf-8")


def test_a_decision_changes_every_table_and_page(graded: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("override", "results", "b1", "runs", "4", "--why", "Only a plot is missing.", "--by", "ta") == 0

    assert "b1  runs: 0 → 4 of 6" in capfd.readouterr().out
    assert line(graded, "b1")["points"] == 4
    assert (row(graded, "b1")["points"], row(graded, "b1")["runs"]) == ("4", "4")
    assert (row(graded, "b1")["percent"], row(graded, "b1")["decided"]) == ("40", "runs")
    assert "Only a plot is missing." in page(graded, "b1")
    assert "decided by a person" in page(graded, "b1")
    assert "decided by a person" in (graded / "summary.html").read_text(encoding="utf-8")
    assert line(graded, "b0")["points"] == 6


def test_the_student_reads_the_comment_in_their_language_and_never_the_note(graded: Path) -> None:
    run(
        "override",
        "results",
        "b1",
        "runs",
        "4",
        "--why",
        "圖不清楚",
        "--note",
        "secret",
        "--by",
        "ta77",
        "--lang",
        "zh-TW",
    )

    assert "由助教決定" in page(graded, "b1")
    assert "圖不清楚" in page(graded, "b1")
    assert "secret" not in page(graded, "b1")
    assert "ta77" not in page(graded, "b1")


def test_a_decision_survives_grading_again(graded: Path, here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run("override", "results", "b1", "runs", "50%", "--why", "half")
    assert run("grade", "class") == 0

    assert line(graded, "b1")["points"] == 3
    assert "decided by a person: runs" in capfd.readouterr().out
    assert "half" in page(graded, "b1")


def test_a_decision_on_files_that_were_replaced_waits_again(graded: Path, here: Path) -> None:
    run("override", "results", "b1", "runs", "4", "--why", "seen")
    hand_in(here / "class/b1", "error again")
    run("grade", "class")

    assert (line(graded, "b1")["points"], line(graded, "b1")["pending"]) == (0, 6)
    assert "A person gave 4 points" in page(graded, "b1")
    decision = next(f["decision"] for f in line(graded, "b1")["findings"] if f["id"] == "runs")  # type: ignore[attr-defined] # JSON
    assert decision["stale"]
    assert decision["points"] == 4


def test_a_withdrawn_decision_is_history(graded: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run("override", "results", "b1", "runs", "4", "--why", "seen", "--by", "ann", "--note", "ask Bob")
    assert run("override", "results", "b1", "runs", "--withdraw", "--by", "bob") == 0
    assert line(graded, "b1")["points"] == 0
    capfd.readouterr()

    assert run("history", "results", "b1") == 0
    said = capfd.readouterr().out
    assert "ann decided runs: 4, on fail 0/6" in said
    assert "for the student: seen" in said
    assert "for the staff: ask Bob" in said
    assert "bob withdrew the decision about runs" in said
    assert said.endswith("Now: 0 of 10, 0 pending\n")


def test_history_tells_stale_decisions_and_programs_read_it(
    graded: Path, here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run("override", "results", "b1", "runs", "4", "--why", "seen")
    hand_in(here / "class/b1", "ok again")
    run("grade", "class")
    capfd.readouterr()

    run("history", "results", "b1")
    assert "stale: runs waits for a person once more." in capfd.readouterr().out
    run("history", "results", "b1", "--format", "json")
    told = json.loads(capfd.readouterr().out)
    assert told["stale"] == ["runs"]
    assert [grade["points"] for grade in told["grades"]] == [0, 6]
    assert told["decisions"][0]["basis"]["verdict"] == "fail"


def test_many_decisions_come_from_a_table(graded: Path, here: Path) -> None:
    table = "student;criterion;points;comment;note\nb0;runs;5;一點;\nb1;readable;25%;quarter;see mail\n"
    (here / "d.csv").write_text("\ufeff" + table, encoding="utf-8")

    assert run("override", "results", "--from", "d.csv") == 0
    assert (row(graded, "b0")["runs"], row(graded, "b1")["readable"]) == ("5", "1")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("student,criterion,points\nb0,runs,5\nb9,runs,5\n", "d.csv: line 3"),
        ("student,criterion,points\nb0,runs,5\nb1,run,5\n", "there are: runs, readable"),
        ("student,criterion,points\nb0,runs,5\nb1,runs,7\n", "from 0 to 6"),
        ("student,criterion,points\nb0,runs,5\nb1,runs,\n", "no points in this line"),
        ("student,criterion,points\nb0,runs,5\nb1,runs,5,,more\n", "more cells than the first"),
        ("who,what\nb0,5\n", "column `student`"),
        ("", "column `student`"),
        ("student,points\nb0,5\n", "no column of this table is a criterion"),
    ],
    ids=["student", "criterion", "points", "blank", "long", "columns", "empty", "class"],
)
def test_a_table_with_a_mistake_changes_nothing_and_says_where(
    graded: Path, here: Path, capfd: pytest.CaptureFixture[str], table: str, said: str
) -> None:
    (here / "d.csv").write_text(table, encoding="utf-8")

    assert run("override", "results", "--from", "d.csv") == USAGE
    assert said in capfd.readouterr().err
    with opened(graded) as store:
        assert not store.decided_students()


def _edit(graded: Path, old: str, new: str) -> None:
    path = graded / "grades.csv"
    path.write_text(path.read_text(encoding="utf-8-sig").replace(old, new), encoding="utf-8-sig")


def test_the_class_table_with_changed_points_is_taken_as_decisions(
    graded: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    text = (graded / "grades.csv").read_text(encoding="utf-8-sig").splitlines()
    cells = text[2].split(",")
    cells[text[0].split(",").index("runs")] = "3"
    (graded / "grades.csv").write_text("\n".join([*text[:2], ",".join(cells)]) + "\n", encoding="utf-8-sig")

    assert run("override", "results", "--from", "results/grades.csv", "--why", "looked again") == 0
    said = capfd.readouterr()
    assert "b1  runs: 0 → 3 of 6" in said.out
    assert "Decisions kept: 1." in said.out
    assert "changed by hand" not in said.err
    assert line(graded, "b0")["points"] == 6
    assert run("override", "results", "--from", "results/grades.csv") == 0
    assert "Nothing in this file differs" in capfd.readouterr().out


@pytest.mark.parametrize(
    "command",
    [("summary", "results"), ("grade", "class"), ("override", "results", "b0", "runs", "1", "--why", "x")],
    ids=lambda command: command[0],
)
def test_an_edited_table_is_kept_and_told(
    graded: Path, capfd: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    _edit(graded, "b1", "b1 edited")
    run(*command)

    assert "grades.csv was changed by hand" in capfd.readouterr().err
    assert "b1 edited" in (graded / "grades.edited.csv").read_text(encoding="utf-8-sig")
    assert row(graded, "b1")["runs"] == "0"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("b1", "runs", "4"), "a decision needs its reason"),
        (("b1", "runs"), "give STUDENT, CRITERION and POINTS"),
        ((), "give STUDENT, CRITERION and POINTS"),
        (("b7", "runs", "4", "--why", "x"), "no student `b7` has a grade here\nhint: there are for example: b"),
        (("b1", "run", "4", "--why", "x"), "no criterion is named `run`"),
        (("b1", "runs", "7", "--why", "x"), "from 0 to 6"),
        (("b1", "runs", "4", "--why", "x" * 2001), "at most 2000 characters"),
        (("b1", "runs", "4", "--withdraw"), "give STUDENT, CRITERION and POINTS"),
    ],
)
def test_a_wrong_decision_is_refused_with_a_way_out(
    graded: Path, capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert run("override", "results", *arguments) == USAGE
    assert said in capfd.readouterr().err


def test_what_a_person_decided_against_a_student_is_no_common_mistake(graded: Path) -> None:
    run("override", "results", "b0", "runs", "1", "--why", "copied")

    diagnoses = (graded / "summary.html").read_text(encoding="utf-8").split('id="diagnoses-head"')[1]
    assert "looked at this and decided" not in diagnoses.split("</section>")[0]


def test_a_full_disk_loses_no_decision(
    graded: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    opened = Path.open

    def full(path: Path, mode: str = "r", *rest: Any, **more: Any) -> Any:
        if mode == "xb":
            raise OSError(28, "No space left on device", str(path))
        return opened(path, mode, *rest, **more)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", full)
        assert run("override", "results", "b1", "runs", "4", "--why", "Half of it.") == USAGE
    assert "this cannot be written: No space left on device" in capfd.readouterr().err
    run("summary", "results")

    assert line(graded, "b1")["points"] == 4
    assert "Half of it." in page(graded, "b1")


def test_summary_reads_while_another_grader_is_at_work(graded: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with opened(graded):
        assert run("summary", "results") == 0
    said = capfd.readouterr()
    assert "Read only: another grader is at work" in said.err
    assert "b1" in said.out
