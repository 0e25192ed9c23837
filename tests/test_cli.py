"""The command line: exit codes, files and output as the contract says; only the child process is made up here."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader import cli, files, pipeline, sandbox
from grader.cli import results, terminal
from grader.cli.errors import BELOW, INTERRUPTED, NOTHING, UNDECIDED, USAGE
from grader.model import CellRun, Evidence, Fault, GraderError, Isolation, Run, from_json, to_json
from grader.pipeline import Job

JAIL = Isolation(level="bubblewrap", program="/usr/bin/bwrap")
RUBRIC = """
title = "Two checks"
[[criterion]]
id = "runs"
check = "notebook-runs"
points = 6
title = { en = "The notebook runs", zh-TW = "notebook 可以執行" }
[[criterion]]
id = "readable"
check = "report-readable"
points = 4
"""


class Child:
    """Stands in for the child process: what a notebook's text says is what its run is said to have done."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, job: bytes, **_: float) -> bytes:
        submission = from_json(job, Job).submission
        self.asked.append(submission.student)
        notebook = submission.notebook and Path(submission.root, submission.notebook)
        text = notebook.read_text(encoding="utf-8").split()[0] if notebook else ""
        if text == "interrupt":
            raise KeyboardInterrupt
        fault = Fault(stage="notebook", traceback="…\nKeyError: 'odd'\n") if text == "fault" else None
        cell = CellRun(
            index=1, status="error" if text == "error" else "ok", error="NameError: x" if text == "error" else None
        )
        run = Run(outcome="complete", isolation=JAIL, cells=(cell,)) if submission.notebook else None
        return to_json(Evidence(submission=submission, isolation=JAIL, run=run, fault=fault))


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch) -> Child:
    child = Child()
    monkeypatch.setattr(pipeline, "_ask", child)
    monkeypatch.setattr(sandbox, "probe", lambda: JAIL)
    return child


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder with a rubric of two checks beside it."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (tmp_path / "rubric.toml").write_text(RUBRIC, encoding="utf-8")
    (tmp_path / "topics.toml").write_text(
        Path(__file__).parents[1].joinpath("rubrics/gradient_descent/topics.toml").read_text(encoding="utf-8"),
        encoding="utf-8",
    )
    return folder


def hand_in(folder: Path, text: str = "ok", *, report: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "gradient descent.ipynb").write_text(text, encoding="utf-8")
    if report:
        (folder / "report.pdf").write_bytes(b"%PDF-")


def run(*arguments: str) -> int:
    return cli.run([*arguments, *(("--rubric", "../rubric.toml") if arguments[0] in ("check", "grade") else ())])


# -- exit codes ------------------------------------------------------------------------------------


def _nothing(here: Path) -> None:
    pass


def _notebook(text: str) -> Callable[[Path], None]:
    return lambda here: hand_in(here, text)


def _class(*texts: str) -> Callable[[Path], None]:
    def make(here: Path) -> None:
        for number, text in enumerate(texts):
            hand_in(here / "class" / f"b{number}", f"{text} {number}")  # no two alike, or they are run once

    return make


NOTEBOOK = "gradient descent.ipynb"


@pytest.mark.parametrize(
    ("make", "arguments", "code"),
    [
        (_notebook("ok"), ("check", NOTEBOOK), 0),
        (_notebook("error"), ("check", NOTEBOOK), 0),
        (_notebook("ok"), ("check", NOTEBOOK, "--fail-under", "100"), 0),
        (_notebook("error"), ("check", NOTEBOOK, "--fail-under", "60"), BELOW),
        (_notebook("fault"), ("check", NOTEBOOK), UNDECIDED),
        (_notebook("interrupt"), ("check", NOTEBOOK), INTERRUPTED),
        (_nothing, ("check",), NOTHING),
        (_nothing, ("check", "missing.ipynb"), USAGE),
        (_nothing, ("check", "--no-such-option"), USAGE),
        (_notebook("ok"), ("check", NOTEBOOK, "--fail-under", "nan"), USAGE),
        (_notebook("ok"), ("check", NOTEBOOK, "--cell-seconds", "nan"), USAGE),
        (_notebook("ok"), ("check", NOTEBOOK, "--notebook-seconds", "inf"), USAGE),
        (_nothing, ("no-such-command",), USAGE),
        (_class("ok", "error"), ("grade", "class"), 0),
        (_class("ok", "fault"), ("grade", "class"), UNDECIDED),
        (_class("interrupt"), ("grade", "class"), INTERRUPTED),
        (_class(), ("grade", "class"), USAGE),
        (_nothing, ("grade", "."), NOTHING),
        (_nothing, ("summary", "."), USAGE),
        (_nothing, ("rubric", "validate", "no-such-rubric"), USAGE),
        (_nothing, ("rubric", "validate", "../rubric.toml"), 0),
        (_nothing, ("rubric", "show"), 0),
        (_nothing, ("--help",), 0),
    ],
)  # fmt: skip
def test_the_exit_code_is_the_contracts(
    here: Path, child: Child, make: Callable[[Path], None], arguments: tuple[str, ...], code: int
) -> None:
    make(here)

    assert run(*arguments) == code


@pytest.mark.parametrize(
    ("points", "pending", "fail_under", "code"),
    [
        (60, 0, 60, 0),
        (59.9, 0, 60, BELOW),
        (50, 10, 60, UNDECIDED),
        (50, 9, 60, BELOW),
        (60, 40, 60, 0),
        (0.1 + 0.2, 99.7, 0.3, 0),
        (0, 100, None, 0),
    ],
)
def test_pending_points_leave_it_undecided_only_where_they_could_turn_the_answer(
    points: float, pending: float, fail_under: float | None, code: int
) -> None:
    from grader.cli.check import verdict
    from grader.model import Grade, RubricId, Submission

    grade = Grade(
        submission=Submission(student="b1", root="/"),
        rubric=RubricId(title="", digest=""),
        scored=(),
        points=points,
        pending=pending,
        out_of=100,
        needs_review=False,
    )

    assert verdict(grade, fail_under=fail_under) == code


def test_missing_isolation_is_undecided_and_never_a_grade(
    here: Path, child: Child, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def probe() -> Isolation:
        raise GraderError("no jail can be made", hint="grader doctor")

    hand_in(here)
    monkeypatch.setattr(sandbox, "probe", probe)

    assert run("check") == UNDECIDED
    assert capfd.readouterr().err == "error: no jail can be made\nhint: grader doctor\n"
    assert not child.asked
    assert not (here / "feedback.html").exists()


def test_weaker_isolation_than_required_is_refused(
    here: Path, child: Child, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    hand_in(here / "class" / "b1")
    monkeypatch.setattr(sandbox, "probe", lambda: Isolation(level="process-limits"))

    assert run("grade", "class") == UNDECIDED
    assert "only the isolation `process-limits` works here, and `landlock` is required" in capfd.readouterr().err
    assert run("grade", "class", "--require-isolation", "process-limits") == 0


def test_a_bug_of_ours_is_undecided_and_never_looks_like_a_low_grade(
    here: Path, child: Child, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> str:
        raise ZeroDivisionError

    hand_in(here)
    monkeypatch.setattr("grader.feedback.render", broken)

    assert run("check", "--fail-under", "50") == UNDECIDED
    assert "the grader itself broke" in capfd.readouterr().err


def test_the_reason_for_a_low_exit_code_is_told(here: Path, child: Child, capfd: pytest.CaptureFixture[str]) -> None:
    hand_in(here, "error", report=True)
    run("check", "--fail-under", "60")

    assert "0 % is below the 60 % that are asked for." in capfd.readouterr().err


# -- check -----------------------------------------------------------------------------------------


def test_check_says_what_to_do_next_and_writes_the_page(
    here: Path, child: Child, capfd: pytest.CaptureFixture[str]
) -> None:
    hand_in(here, "error")
    run("check", NOTEBOOK)
    said = capfd.readouterr()

    assert "✗ The notebook runs  0 of 6" in said.out
    assert "- readable           not checked" in said.out
    assert "0 of 6 points" in said.out
    assert "1. The notebook runs (up to 6 points), cell 1" in said.out
    assert "NameError: x" in said.out
    assert "feedback.html" in said.out
    assert said.err == "Running and checking gradient descent.ipynb …\n"
    assert "<html" in (here / "feedback.html").read_text(encoding="utf-8")


def test_check_speaks_chinese(here: Path, child: Child, capfd: pytest.CaptureFixture[str]) -> None:
    hand_in(here, "error")
    run("check", NOTEBOOK, "--lang", "zh-TW", "-o", "回饋.html")

    assert "✗ notebook 可以執行  0 / 6 分" in capfd.readouterr().out
    assert "zh-Hant" in (here / "回饋.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "error: 沒有可以評分的筆記本或報告\nwhere: {here}\nhint: 請切換到作業資料夾，或指定檔案\n"),
        (("no.ipynb",), "error: 找不到這個檔案\nwhere: no.ipynb\n"),
        (("a.pdf", "-o", "no/page.html"), "error: 回饋頁面無法寫到這個位置\nwhere: no/page.html\nhint: 請用 -o 指定"),
    ],
    ids=["nothing", "missing", "no-place"],
)
def test_what_check_refuses_is_told_in_the_students_language(
    here: Path, child: Child, capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    if arguments[-1:] == ("no/page.html",):
        (here / "a.pdf").write_bytes(b"%PDF-")

    run("check", "--lang", "zh-TW", *arguments)
    assert capfd.readouterr().err.startswith(said.format(here=here))


def test_a_rubric_that_asks_for_nothing_that_was_given_is_told(
    here: Path, child: Child, capfd: pytest.CaptureFixture[str]
) -> None:
    hand_in(here)
    (here.parent / "rubric.toml").write_text(RUBRIC.replace("notebook-runs", "report-readable"), encoding="utf-8")

    assert run("check", NOTEBOOK) == NOTHING
    assert "Nothing was judged" in capfd.readouterr().err


def test_check_takes_this_folder_by_default(here: Path, child: Child) -> None:
    hand_in(here, report=True)
    run("check")

    assert child.asked == ["here"]


def test_check_prints_the_contracts_json_and_nothing_else(
    here: Path, child: Child, capfd: pytest.CaptureFixture[str]
) -> None:
    hand_in(here)
    run("check", NOTEBOOK, "--format", "json")
    value = json.loads(capfd.readouterr().out)

    assert value["schema"] == "grader/grade/1"
    assert value["submission"]["notebook"] == NOTEBOOK
    assert (value["points"], value["pending"], value["out_of"]) == (6, 0, 6)
    assert [finding["verdict"] for finding in value["findings"]] == ["pass", "skipped"]
    assert value["isolation"] == {"level": "bubblewrap", "network": "none", "memory": "rlimit"}


def test_the_limits_and_the_python_of_the_command_line_reach_the_child(
    here: Path, child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs: list[Job] = []

    def ask(job: bytes, *, seconds: float) -> bytes:
        jobs.append(from_json(job, Job))
        return child(job, seconds=seconds)

    hand_in(here)
    handed_out = json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    (here / "base.ipynb").write_text(handed_out, encoding="utf-8")
    monkeypatch.setattr(pipeline, "_ask", ask)
    (here / "python").symlink_to(sys.executable)
    limits = ("--cell-seconds", "7", "--memory-mb", "512")
    run("check", NOTEBOOK, *limits, "--base", "base.ipynb", "--kernel-python", "python")

    gather = next(job.gather for job in jobs if job.submission.student)  # the other job runs the base notebook
    assert (gather.limits.cell_seconds, gather.limits.notebook_seconds, gather.limits.memory_mb) == (7, 300, 512)
    assert (gather.base, gather.kernel) == (handed_out, str(here / "python"))


# -- grade -----------------------------------------------------------------------------------------


def test_grade_writes_the_results_folder(here: Path, child: Child, capfd: pytest.CaptureFixture[str]) -> None:
    hand_in(here / "class" / "b1")
    hand_in(here / "class" / "王小明", "error")
    run("grade", "class", "-o", "out", "--jobs", "1")
    said = capfd.readouterr()

    lines = (here / "out/grades.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["submission"]["student"] for line in lines] == ["b1", "王小明"]
    assert "<html" in (here / "out/summary.html").read_text(encoding="utf-8")
    assert "<html" in (here / "out/feedback/王小明/feedback.html").read_text(encoding="utf-8")
    assert sorted(p.name for p in (here / "out").iterdir() if p.name != ".lock") == [
        "feedback", "grades.csv", "grades.jsonl", "grades.sqlite", "summary.html",
    ]  # fmt: skip
    assert said.out.splitlines() == [
        "Student  Points  Pending  Verdicts",
        "b1         6/10           fail: readable",
        "王小明     0/10           fail: runs, readable",
        "",
        "Submissions: 2. For a person to look at: 0.",
        "Open this page: out/summary.html",
    ]
    assert re.fullmatch(
        r"Submissions: 2, 1 at a time, isolated by bubblewrap.*\.\n"
        r"\[1/2\] b1  6 of 10, [\d.]+ s\n"
        r"\[2/2\] 王小明  0 of 10, [\d.]+ s\n",
        said.err,
    )


def test_grade_goes_on_where_it_stopped(here: Path, child: Child, capfd: pytest.CaptureFixture[str]) -> None:
    _class("ok", "ok", "interrupt", "ok")(here)
    assert run("grade", "class", "--jobs", "1") == INTERRUPTED
    assert "Submissions left: 2." in capfd.readouterr().err
    assert len((here / "results/grades.jsonl").read_text(encoding="utf-8").splitlines()) == 2

    child.asked.clear()
    hand_in(here / "class" / "b2", "ok 2")
    assert run("grade", "class", "--jobs", "1") == 0
    assert child.asked == ["b2", "b3"]


def test_a_fault_is_told_with_its_error_and_costs_nothing(
    here: Path, child: Child, capfd: pytest.CaptureFixture[str]
) -> None:
    _class("fault", "ok")(here)
    run("grade", "class", "--jobs", "1")
    said = capfd.readouterr()
    value = json.loads((here / "results/grades.jsonl").read_text(encoding="utf-8").splitlines()[0])

    assert "[1/2] b0  0 of 10, 6 pending, 0 s; the grader broke (notebook: KeyError: 'odd')\n" in said.err
    assert "The grader itself broke on: b0." in said.err
    assert "fault: runs" in said.out
    assert (value["points"], value["pending"], value["fault"]["stage"]) == (0, 6, "notebook")


def test_a_page_that_cannot_be_made_does_not_stop_the_others(
    here: Path, child: Child, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def write(folder: Path, grade: object, evidence: Evidence, **_: object) -> None:
        if evidence.submission.student == "b0":
            raise ValueError("odd")

    _class("ok", "ok")(here)
    monkeypatch.setattr(results, "write_feedback", write)

    assert run("grade", "class") == UNDECIDED
    said = capfd.readouterr()
    assert "ValueError: odd" in said.err
    assert "without a feedback page: b0." in said.err
    assert "b1" in said.out


def test_a_page_for_which_the_disk_has_no_room_is_told_without_a_traceback(
    here: Path, child: Child, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = Path.open

    def opened(path: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if path.parent.name == "b0" and mode == "xb":
            raise OSError(28, "No space left on device", str(path))
        return whole(path, mode, *args, **kwargs)

    _class("ok", "ok")(here)
    monkeypatch.setattr(Path, "open", opened)

    assert run("grade", "class", "--jobs", "1") == UNDECIDED
    said = capfd.readouterr().err
    assert "results/feedback/b0/feedback.html: this cannot be written: No space left on device" in said
    assert "Traceback" not in said
    assert list((here / "results/feedback/b0").iterdir()) == []
    assert (here / "results/feedback/b1/feedback.html").exists()


def test_a_full_disk_for_temporary_files_says_what_to_do(
    here: Path, child: Child, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def full() -> Isolation:
        raise OSError(28, "No space left on device")

    hand_in(here)
    monkeypatch.setattr(sandbox, "probe", full)

    assert run("check", NOTEBOOK) == UNDECIDED
    assert "error: No space left on device\nhint: free some space, or set TMPDIR" in capfd.readouterr().err


@pytest.mark.parametrize("folder", ["/proc/results", "/proc"], ids=["made", "there"])
def test_results_that_cannot_be_written_are_wrong_usage_before_anything_runs(
    here: Path, child: Child, capfd: pytest.CaptureFixture[str], folder: str
) -> None:
    _class("ok")(here)

    assert run("grade", "class", "-o", folder) == USAGE
    assert f"where: {folder}\nhint: " in capfd.readouterr().err
    assert not child.asked


def test_results_inside_the_folder_of_submissions_are_no_student(here: Path, child: Child) -> None:
    _class("ok")(here)
    for _ in range(2):
        assert run("grade", "class", "-o", "class/results") == 0
    assert run("grade", "class", "-o", "class/more/results") == 0
    assert run("grade", "class", "-o", "elsewhere") == 0

    assert set(child.asked) == {"b0"}


def test_a_folder_of_results_is_no_class(here: Path, child: Child, capfd: pytest.CaptureFixture[str]) -> None:
    _class("ok")(here)
    run("grade", "class")

    assert run("grade", "results", "-o", "again") == USAGE
    assert "holds results, not submissions" in capfd.readouterr().err
    assert not (here / "again").exists()


def test_results_inside_a_students_folder_are_refused(
    here: Path, child: Child, capfd: pytest.CaptureFixture[str]
) -> None:
    _class("ok", "ok")(here)

    assert run("grade", "class", "-o", "class/b0/results") == USAGE
    assert "inside a student's folder" in capfd.readouterr().err


@pytest.mark.parametrize("name", ["notes.txt", "grades.sqlite"])
def test_a_folder_of_something_else_is_refused_and_left_as_it_was(
    here: Path, child: Child, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    _class("ok")(here)
    (here / "mine").mkdir()
    (here / "mine" / name).write_text("precious", encoding="utf-8")

    assert run("grade", "class", "-o", "mine") == USAGE
    assert [p.name for p in (here / "mine").iterdir()] == [name]
    assert (here / "mine" / name).read_text(encoding="utf-8") == "precious"
    assert "error: " in capfd.readouterr().err


def test_a_folder_in_which_a_grader_was_killed_at_once_may_be_used(here: Path, child: Child) -> None:
    _class("ok")(here)
    (here / "results").mkdir()
    for name in (".lock", ".grades.sqlite.123"):
        (here / "results" / name).touch()

    assert run("grade", "class") == 0


@given(st.lists(st.text(min_size=1), min_size=2, max_size=2, unique=True))
def test_every_student_has_a_page_of_their_own_below_the_results(students: list[str]) -> None:
    pages = [results.feedback_page(student) for student in students]

    assert pages[0] != pages[1]
    for page in pages:
        assert re.fullmatch(r"feedback/[^/]+/feedback\.html", page)
        assert page.split("/")[1] not in (".", "..")
        page.encode()


def test_a_name_that_is_no_text_is_told_before_anything_runs(
    here: Path, child: Child, capfd: pytest.CaptureFixture[str]
) -> None:
    hand_in(here / "class" / "b1")
    (here / "class/b1" / os.fsdecode("報告".encode("big5") + b".pdf")).write_bytes(b"%PDF-")

    assert run("grade", "class") == USAGE
    assert "convmv -f big5" in capfd.readouterr().err
    assert not child.asked
    assert not (here / "results").exists()


def test_a_locale_that_cannot_name_the_files_is_told_as_such(
    here: Path, child: Child, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    hand_in(here)
    (here / os.fsdecode("報告".encode("big5") + b".pdf")).write_bytes(b"%PDF-")
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "ascii")

    assert run("check") == USAGE
    assert "put LC_ALL=C.UTF-8 before the command" in capfd.readouterr().err


def test_two_graders_do_not_write_the_same_results(here: Path, child: Child, capfd: pytest.CaptureFixture[str]) -> None:
    _class("ok")(here)
    run("grade", "class")
    with results.opened(here / "results"):
        assert run("grade", "class") == USAGE
    assert "another grader is at work" in capfd.readouterr().err


def test_the_table_for_spreadsheets_is_safe_and_leaves_undecided_points_blank(here: Path, child: Child) -> None:
    hand_in(here / "class" / "=cmd()", "fault")
    hand_in(here / "class" / "王,小明")
    run("grade", "class")
    data = (here / "results/grades.csv").read_bytes()
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))

    assert data.startswith(b"\xef\xbb\xbf")
    assert [row["student"] for row in rows] == ["'=cmd()", "王,小明"]
    assert [(row["points"], row["pending"], row["runs"]) for row in rows] == [("0", "6", ""), ("6", "0", "6")]


def test_grade_prints_the_lines_of_the_class_for_programs(
    here: Path, child: Child, capfd: pytest.CaptureFixture[str]
) -> None:
    _class("ok", "ok")(here)
    run("grade", "class", "--format", "jsonl")

    assert capfd.readouterr().out == (here / "results/grades.jsonl").read_text(encoding="utf-8")


def test_summary_tells_the_class_again(here: Path, child: Child, capfd: pytest.CaptureFixture[str]) -> None:
    _class("ok", "error")(here)
    run("grade", "class")
    told = capfd.readouterr().out
    (here / "results/summary.html").unlink()

    assert run("summary", "results") == 0
    assert capfd.readouterr().out == told
    assert (here / "results/summary.html").exists()


def test_summary_says_how_many_have_no_grade_yet(here: Path, child: Child, capfd: pytest.CaptureFixture[str]) -> None:
    _class("ok", "interrupt", "ok")(here)
    run("grade", "class", "--jobs", "1")

    assert run("summary", "results") == 0
    assert "Not graded yet: 2." in capfd.readouterr().out


# -- rubric ----------------------------------------------------------------------------------------


def test_every_mistake_of_a_rubric_is_listed(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    wrong = RUBRIC.replace("points = 6", 'points = "six"').replace("report-readable", "report-redable")
    (here.parent / "rubric.toml").write_text(wrong, encoding="utf-8")

    assert run("rubric", "validate", "../rubric.toml") == USAGE
    said = capfd.readouterr().err
    assert "2 mistakes" in said
    assert "`points`" in said
    assert "report-readable" in said
    assert "where: ../rubric.toml" in said


def test_the_packaged_rubric_is_shown_with_its_sum(capfd: pytest.CaptureFixture[str]) -> None:
    run("rubric", "show", "--lang", "zh-TW")
    shown = capfd.readouterr().out

    assert "可以執行" in shown
    assert "100  總分" in shown


def test_a_copy_of_the_packaged_rubric_works_by_itself(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run("rubric", "show", "--format", "toml")
    copy = tmp_path / "our.toml"
    copy.write_text(capfd.readouterr().out.replace("points = 10", "points = 20"), encoding="utf-8")

    assert run("rubric", "validate", str(copy)) == 0
    assert "110 points" in capfd.readouterr().out


@pytest.mark.parametrize(
    "arguments", [("rubric", "validate", "bad"), ("check", "--rubric", "bad"), ("check", "--base", "bad")]
)
def test_a_file_that_is_no_text_is_named(
    here: Path, child: Child, capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    hand_in(here)
    (here / "bad").write_bytes(b"\xff\xfe\x00")

    assert cli.run(list(arguments)) == USAGE
    assert capfd.readouterr().err == "error: this is not UTF-8 text\nwhere: bad\n"


@pytest.mark.parametrize("text", ["", "not JSON", "[1]"], ids=["empty", "other", "no-cells"])
def test_a_handed_out_notebook_that_is_none_is_refused_before_anything_runs(
    here: Path, child: Child, capfd: pytest.CaptureFixture[str], text: str
) -> None:
    hand_in(here / "class" / "b1")
    (here.parent / "base.ipynb").write_text(text, encoding="utf-8")
    (here.parent / "with-base.toml").write_text(f'{RUBRIC}[gather]\nbase = "base.ipynb"\n', encoding="utf-8")

    assert run("grade", "class", "--base", "../base.ipynb") == USAGE
    assert "where: ../base.ipynb" in capfd.readouterr().err
    assert cli.run(["rubric", "validate", "../with-base.toml"]) == USAGE
    assert "no handed-out notebook" in capfd.readouterr().err
    assert not child.asked


def test_a_python_for_notebooks_that_is_not_there_is_told(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (here.parent / "rubric.toml").write_text(f'{RUBRIC}[gather]\nkernel = "/no/python"\n', encoding="utf-8")

    assert cli.run(["rubric", "validate", "../rubric.toml"]) == USAGE
    assert "no such Python to run notebooks with: /no/python" in capfd.readouterr().err


@pytest.mark.parametrize("command", [("grade", "class"), ("check", NOTEBOOK)], ids=["grade", "check"])
def test_a_program_that_a_rubric_names_is_started_only_where_that_is_said(
    here: Path, child: Child, command: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    program, started = here.parent / "python", here.parent / "started"
    program.write_text(f"#!/bin/sh\ntouch {started}\necho '[]'\n", encoding="utf-8")
    program.chmod(0o755)
    (here.parent / "rubric.toml").write_text(f'{RUBRIC}[gather]\nkernel = "{program}"\n', encoding="utf-8")
    hand_in(here)
    hand_in(here / "class" / "b1")

    assert run(*command) == USAGE
    assert "--trust-rubric" in capfd.readouterr().err
    assert not child.asked
    assert cli.run(["rubric", "validate", "../rubric.toml"]) == 0
    assert f"asks for --trust-rubric: {program}\n" in capfd.readouterr().out
    assert cli.run(["rubric", "show", "../rubric.toml"]) == 0
    assert not started.exists()
    assert run(*command, "--trust-rubric") in (0, BELOW)
    assert child.asked


def test_a_rubric_that_may_not_be_read_is_wrong_usage(
    here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with mock.patch.object(files, "opened", side_effect=PermissionError(13, "Permission denied")):
        assert cli.run(["rubric", "validate", "../rubric.toml"]) == USAGE

    assert capfd.readouterr().err == "error: cannot be read: Permission denied\nwhere: ../rubric.toml\n"


def test_the_rubric_as_json_has_everything_a_program_needs(capfd: pytest.CaptureFixture[str]) -> None:
    run("rubric", "show", "gradient-descent", "--format", "json")
    value = json.loads(capfd.readouterr().out)

    assert value["out_of"] == 100
    assert value["gather"]["limits"]["cell_seconds"] == 120


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["grede"], "error: No such command 'grede'.\nhint: did you mean `grader grade`?\n"),
        (["check", "--lang", "zh"], "hint: `grader check --help` says how\n"),
        (["check", "--outputs", "x"], "--output"),
    ],
)
def test_wrong_usage_says_what_to_do(arguments: list[str], said: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(arguments) == USAGE
    assert said in capfd.readouterr().err


# -- the terminal ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "columns"), [("abc", 3), ("王小明", 6), ("e\u0301", 1), ("（）", 4), ("\x1b[32m✓\x1b[0m", 1)]
)
def test_the_width_of_text_is_what_a_terminal_shows(text: str, columns: int) -> None:
    assert terminal.width(text) == columns


def test_a_cut_text_keeps_to_its_columns() -> None:
    assert terminal.clip("王小明同學", 6) == "王小…"
    assert terminal.clip("王小明", 6) == "王小明"


@given(text=st.text(st.sampled_from("ab .,王小明，。")), columns=st.integers(12, 30))
def test_wrapped_text_loses_nothing_and_fits(text: str, columns: int) -> None:
    with mock.patch.object(terminal, "columns", return_value=columns):
        lines = terminal.wrap(text, "  ").splitlines()

    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(
        terminal.width(line) <= columns or len(re.findall(r"[ab.,]+|[王小明，。][，。]*", line)) == 1 for line in lines
    )


class Terminal(io.StringIO):
    """Stands in for a terminal that shows stderr."""

    def isatty(self) -> bool:
        return True


def test_the_clock_of_a_batch_goes_on_and_its_line_is_gone_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(terminal, "_TICK_SECONDS", 0.01)

    with terminal.Progress(2) as progress:
        progress.started("b1")
        drawn = screen.getvalue().count("0/2")
        while screen.getvalue().count("0/2") < drawn + 3:  # nothing else happens, so only the clock draws
            time.sleep(0.01)
        progress.done("b1", "for a log only")
        progress.note("a word")
    lines = screen.getvalue()

    assert "for a log only" not in lines
    assert "\x1b[Ka word\n" in lines
    assert lines.endswith("\r\x1b[K")


def test_help_imports_click_only() -> None:
    program = """
        import json, sys
        import grader.cli
        grader.cli.run(["--help"])
        print(json.dumps(list(sys.modules)))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, check=True, encoding="utf-8"
    )
    modules = set(json.loads(done.stdout.splitlines()[-1]))

    ours = {name for name in modules if name.startswith("grader")}
    assert ours == {"grader", "grader.cli", "grader.cli.errors", "grader.cli.interrupts"}
    assert not modules & {"msgspec", "numpy", "jinja2", "sqlite3", "nbformat"}


@pytest.mark.parametrize("command", [[], ["check"], ["grade"], ["summary"], ["rubric"], ["rubric", "show"], ["doctor"]])
def test_every_help_has_an_example(command: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run([*command, "--help"]) == 0
    shown = capfd.readouterr().out
    assert "Example:\n" in shown
    assert "    grader " in shown


def test_a_closed_pipe_is_quiet_and_keeps_the_exit_code(tmp_path: Path) -> None:
    program = "import sys, grader.cli; sys.argv = ['grader', 'rubric', 'show']; grader.cli.main()"
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-c", program], stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)

    assert (done.returncode, done.stderr) == (0, b"")


def test_streams_that_were_closed_change_no_exit_code() -> None:
    program = "import sys, grader.cli; sys.argv = ['grader', 'rubric', 'show']; grader.cli.main()"
    command = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", program]

    assert subprocess.run(command, check=False).returncode == 0


@pytest.mark.parametrize("command", [[], ["rubric"]])
def test_a_command_without_its_word_shows_its_help(command: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(command) == USAGE
    said = capfd.readouterr()
    assert (said.out, said.err.partition(" ")[0]) == ("", "Usage:")


def test_a_console_without_unicode_still_shows_the_result(here: Path) -> None:
    program = "import sys, grader.cli; sys.argv = ['grader', 'rubric', 'show', '--lang', 'zh-TW']; grader.cli.main()"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, env=environment, check=False)

    assert (done.returncode, done.stderr) == (0, b"")
    assert b"100  ??" in done.stdout


def test_colour_is_off_where_it_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert cli._colours() is False
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "xterm")
    assert cli._colours() is None


def test_a_feedback_page_never_replaces_the_students_own_file(here: Path, child: Child) -> None:
    hand_in(here, "ok")
    mine = here / "mine.html"
    mine.write_text("<h1>my own page</h1>", encoding="utf-8")

    assert run("check", NOTEBOOK, "-o", NOTEBOOK) == USAGE
    assert run("check", NOTEBOOK, "-o", "mine.html") == USAGE
    assert run("check", NOTEBOOK, "-o", "nowhere/page.html") == USAGE
    assert mine.read_text(encoding="utf-8") == "<h1>my own page</h1>"
    assert child.asked == []


def test_a_feedback_page_of_an_earlier_check_is_written_over(here: Path, child: Child) -> None:
    hand_in(here, "ok")

    assert run("check", NOTEBOOK, "-o", "page.html") == 0
    assert run("check", NOTEBOOK, "-o", "page.html") == 0


def test_drafts_of_a_grader_that_was_ended_are_swept_and_nothing_else(here: Path, child: Child) -> None:
    hand_in(here / "class" / "b1")
    run("grade", "class")
    token = "0123456789abcdef"
    drafts = [f".grades.jsonl.{token}", f".summary.html.{token}", f"feedback/b1/.feedback.html.{token}"]
    others = [".grades.jsonl.mine", ".notes", f"feedback/b1/.notes.{token}"]
    for name in (*drafts, *others):
        (here / "results" / name).write_text("x", encoding="utf-8")

    run("grade", "class")

    assert [name for name in drafts if (here / "results" / name).exists()] == []
    assert [name for name in others if (here / "results" / name).exists()] == others


# -- what a name may do to a terminal, and to links ---------------------------------------------------

NASTY = "\x1b]0;owned\x07\x1b[31mred\u202egnp"


def test_no_message_moves_colours_or_turns_the_terminal(
    here: Path, child: Child, capfd: pytest.CaptureFixture[str]
) -> None:
    hand_in(here / "class" / "b1")
    run("grade", "class", "-o", f"class/{NASTY}")
    run("grade", "class", "-o", "elsewhere")
    run("grade", f"class/{NASTY}", "-o", "third")
    run("check", NASTY)
    run("summary", NASTY)
    run("rubric", "show", NASTY)
    (here / "rubric.toml").write_text(
        f"{RUBRIC}# {NASTY[-5:]}\n".replace("Two checks", "Two \\u001b[2Jchecks"), encoding="utf-8"
    )
    cli.run(["rubric", "show", "rubric.toml"])
    cli.run(["rubric", "show", "rubric.toml", "--format", "toml"])
    cli.run(["rubric", "validate", "rubric.toml"])

    said = "".join(capfd.readouterr())
    assert "left out, since it holds results" in said
    assert "Two [2Jchecks" in said
    assert not set(said) & {"\x1b", "\x07", "\u202e"}


def test_what_a_child_says_as_it_breaks_is_shown_without_escapes(
    here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def ask(job: bytes, *, seconds: float) -> bytes:
        raise GraderError("it broke", hint=NASTY)

    hand_in(here)
    monkeypatch.setattr(pipeline, "_ask", ask)
    monkeypatch.setattr(sandbox, "probe", lambda: JAIL)

    assert run("check") == UNDECIDED
    said = "".join(capfd.readouterr())
    assert "it broke" in said
    assert not set(said) & {"\x1b", "\x07", "\u202e"}


@pytest.mark.parametrize("student", ["a\u202egnp", "a\u200b", "a\ufeff", "a\u2028b"], ids=ascii)
def test_a_folder_of_pages_is_named_by_what_shows(student: str) -> None:
    assert results.feedback_page(student).split("/")[1].isascii()
