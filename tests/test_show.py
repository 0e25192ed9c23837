"""Looking at a class: one student, and who made the same mistake; and what grading it once more says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import test_cli
from test_cli import RUBRIC, Child, hand_in, run

from grader.cli.errors import USAGE

child, here = test_cli.child, test_cli.here


@pytest.fixture
def graded(here: Path, child: Child) -> Path:
    for number, text in enumerate(("ok", "error", "error")):
        hand_in(here / "class" / f"b{number}", f"{text} {number}")
    assert run("grade", "class", "--jobs", "1") == 0
    return here


def test_show_prints_one_student_with_what_a_person_decided(graded: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run("override", "results", "b1", "runs", "3", "--why", "Half of it runs.")
    capfd.readouterr()

    assert run("show", "results", "b1") == 0
    said = capfd.readouterr().out
    assert said.startswith("b1  gradient descent.ipynb")
    assert "~ The notebook runs  3 of 6  (decided by a person)" in said
    assert "3 of 10 points" in said
    assert "feedback/b1/feedback.html" in said
    assert "Told by a person about The notebook runs: Half of it runs." in said


def test_show_as_json_is_the_line_of_the_student(graded: Path, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    run("show", "results", "b1", "--format", "json")
    told = json.loads(capfd.readouterr().out)

    lines = map(json.loads, (graded / "results/grades.jsonl").read_text(encoding="utf-8").splitlines())
    assert told in list(lines)


def test_find_lists_who_made_the_same_mistake(graded: Path, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()

    assert run("find", "results", "--check", "runs", "--verdict", "fail") == 0
    lines = capfd.readouterr().out.splitlines()
    assert [line.split()[:4] for line in lines[:2]] == [["b1", "runs", "fail", "0/6"], ["b2", "runs", "fail", "0/6"]]
    assert lines[2] == "Findings: 2, of 2 students."


@pytest.mark.parametrize(
    ("asked", "students"),
    [
        (("--message", "nameerror"), ["b1", "b1", "b2", "b2"]),
        (("--message", "沒有繳交報告"), ["b0", "b1", "b2"]),
        (("--message", "nothing of the kind"), []),
        (("--verdict", "pass"), ["b0"]),
        (("--check", "notebook-runs", "--verdict", "pass", "--verdict", "fail"), ["b0", "b1", "b2"]),
    ],
    ids=["error", "chinese", "nothing", "pass", "check"],
)
def test_find_answers_to_all_that_is_asked(
    graded: Path, capfd: pytest.CaptureFixture[str], asked: tuple[str, ...], students: list[str]
) -> None:
    capfd.readouterr()
    run("find", "results", *asked, "--format", "jsonl")

    assert [json.loads(line)["student"] for line in capfd.readouterr().out.splitlines()] == students


@pytest.mark.parametrize("command", [("show", "results", "b9"), ("show", "class", "b1"), ("find", "class")])
def test_what_is_not_there_is_told(graded: Path, command: tuple[str, ...]) -> None:
    assert run(*command) == USAGE


def page(folder: Path, name: str) -> str:
    return (folder / "results" / name).read_text(encoding="utf-8")


def test_another_language_is_that_of_every_page(graded: Path) -> None:
    run("summary", "results", "--lang", "zh-TW")
    run("override", "results", "b1", "runs", "1", "--why", "x")

    for name in ("summary.html", "feedback/b0/feedback.html", "feedback/b1/feedback.html"):
        assert 'lang="zh-Hant-TW"' in page(graded, name)


@pytest.mark.parametrize(
    "command",
    [("summary", "results", "--both-languages"), ("grade", "class", "--both-languages")],
    ids=lambda command: command[0],
)
def test_both_languages_stand_side_by_side_and_stay_so(graded: Path, command: tuple[str, ...]) -> None:
    run(*command)
    run("override", "results", "b1", "runs", "1", "--why", "seen")

    for name in ("summary", "feedback/b0/feedback", "feedback/b1/feedback"):
        assert '<html lang="en"' in page(graded, f"{name}.html")
        assert '<html lang="zh-Hant-TW"' in page(graded, f"{name}.zh-TW.html")
    assert "seen" in page(graded, "feedback/b1/feedback.zh-TW.html")


def test_pages_of_whoever_left_the_class_are_moved_aside_and_told(
    graded: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(graded / "class/b1")
    for _ in range(2):
        run("grade", "class")

    assert "their pages were moved to results/removed: b1." in capfd.readouterr().err
    assert sorted(path.name for path in (graded / "results/feedback").iterdir()) == ["b0", "b2"]
    assert (graded / "results/removed/b1/feedback.html").exists()


def test_what_runs_again_for_a_change_of_gathering_is_told_before(
    graded: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    run("grade", "class")
    assert "run again" not in capfd.readouterr().err

    (graded.parent / "rubric.toml").write_text(RUBRIC + "[gather.limits]\ncell_seconds = 7\n", encoding="utf-8")
    run("grade", "class")
    assert "has changed (limits, names" in capfd.readouterr().err


def test_the_earlier_grade_of_whoever_has_no_new_one_stays_in_sight(
    graded: Path, child: Child, capfd: pytest.CaptureFixture[str]
) -> None:
    hand_in(graded / "class/b1", "interrupt")
    hand_in(graded / "class/b2", "ok 2 now")
    run("grade", "class", "--jobs", "1")
    capfd.readouterr()

    assert run("summary", "results") == 0
    assert "Earlier grades, of those who have no new one yet: b1 0/10, b2 0/10." in capfd.readouterr().out
    page = (graded / "results/summary.html").read_text(encoding="utf-8")
    assert "Earlier grades" in page
    assert "b1" in page.split('id="earlier-head"')[1].split("</section>")[0]


def test_a_submission_that_is_new_is_not_said_to_run_again(graded: Path, capfd: pytest.CaptureFixture[str]) -> None:
    hand_in(graded / "class/b1", "ok now")
    capfd.readouterr()
    run("grade", "class")

    assert "run again" not in capfd.readouterr().err
