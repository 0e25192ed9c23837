"""`grader regrade`: another rubric shows what it changes before it changes it, and no notebook runs unless asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import test_cli
from test_cli import RUBRIC, Child, hand_in, run

from grader import pipeline, regrade
from grader.cli.errors import UNDECIDED, USAGE
from grader.cli.results import opened
from grader.cli.settings import read_rubric
from grader.model import Evidence, Fault, from_json, to_json
from grader.pipeline import Job

child, here = test_cli.child, test_cli.here
OTHER = RUBRIC.replace("points = 6", "points = 16").replace('id = "readable"', 'id = "pdf"')


@pytest.fixture
def graded(here: Path, child: Child) -> Path:
    """Two students, one of whom has errors; beside them another rubric."""
    for number, text in enumerate(("ok", "error")):
        hand_in(here / "class" / f"b{number}", f"{text} {number}")
    assert run("grade", "class", "--jobs", "1") == 0
    (here.parent / "other.toml").write_text(OTHER, encoding="utf-8")
    child.asked.clear()
    return here / "results"


def points(graded: Path) -> dict[str, float]:
    lines = map(json.loads, (graded / "grades.jsonl").read_text(encoding="utf-8").splitlines())
    return {line["submission"]["student"]: line["points"] for line in lines}


def page(graded: Path, student: str) -> str:
    return (graded / f"feedback/{student}/feedback.html").read_text(encoding="utf-8")


def test_another_rubric_is_shown_first_and_nothing_is_written(
    graded: Path, child: Child, capfd: pytest.CaptureFixture[str]
) -> None:
    before = page(graded, "b0")
    assert run("regrade", "results", "--rubric", "../other.toml") == 0
    said = capfd.readouterr()

    assert said.out.splitlines()[:2] == ["Grades: 2. Changed: 2; up: 1, down: 0.", "Mean points: 3 → 8."]
    assert [line.split() for line in said.out.splitlines()[3:]] == [
        ["b0", "total", "6/10", "→", "16/20"],
        ["runs", "6/6", "→", "16/16"],
        ["pdf", "–", "→", "0/4"],
        ["readable", "0/4", "→", "–"],
        ["b1", "total", "0/10", "→", "0/20"],
        ["runs", "0/6", "→", "0/16"],
        ["pdf", "–", "→", "0/4"],
        ["readable", "0/4", "→", "–"],
    ]
    assert "Add --yes" in said.err
    assert points(graded) == {"b0": 6, "b1": 0}
    assert page(graded, "b0") == before
    assert not child.asked


def test_yes_writes_every_table_and_page_and_runs_nothing(graded: Path, child: Child) -> None:
    assert run("regrade", "results", "--rubric", "../other.toml", "--yes") == 0

    assert points(graded) == {"b0": 16, "b1": 0}
    assert "16" in page(graded, "b0")
    assert not child.asked
    with opened(graded) as store:
        assert [grade.out_of for _, grade in store.history("b0")] == [10, 20]
        assert store.unwritten() == ()


def test_without_a_name_the_rubric_of_the_results_counts_as_it_is_now(
    graded: Path, here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    run("regrade", "results")
    assert "Changed: 0" in capfd.readouterr().out
    (here.parent / "rubric.toml").write_text(OTHER, encoding="utf-8")
    run("regrade", "results")
    assert "Changed: 2" in capfd.readouterr().out


def test_a_page_that_was_not_written_in_time_is_written_by_the_same_command(
    graded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("grader.cli.results.write_pages", _interrupted)
        assert run("regrade", "results", "--rubric", "../other.toml", "--yes") == 130
    assert run("regrade", "results", "--rubric", "../other.toml", "--yes") == 0

    assert points(graded) == {"b0": 16, "b1": 0}
    assert "/ 20" in page(graded, "b0") or "of 20" in page(graded, "b0")


def _interrupted(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_decision_that_another_rubric_makes_stale_is_told(graded: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run("override", "results", "b1", "runs", "3", "--why", "seen")
    run("override", "results", "b0", "runs", "50%", "--why", "copied")
    capfd.readouterr()
    run("regrade", "results", "--rubric", "../other.toml", "--yes")
    said = capfd.readouterr().out

    assert "Decisions of people that no longer hold and wait again: b1 (runs)." in said
    assert points(graded) == {"b0": 8, "b1": 0}


def test_a_decision_about_a_criterion_that_is_gone_comes_back_with_it(graded: Path) -> None:
    run("override", "results", "b1", "readable", "2", "--why", "on paper")
    run("regrade", "results", "--rubric", "../other.toml", "--yes")
    assert points(graded)["b1"] == 0
    run("regrade", "results", "--rubric", "../rubric.toml", "--yes")

    assert points(graded)["b1"] == 2


def test_facts_of_another_verifier_are_told(
    graded: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with opened(graded) as store:
        ((_, key), _) = store.batch()
        evidence = store.evidence(key)
        assert evidence is not None
        store.keep_evidence(key, Evidence(submission=evidence.submission, run=evidence.run, verifier="an older one"))
    capfd.readouterr()
    run("regrade", "results")

    assert "Facts from another version of the grader: 1 (b0)" in capfd.readouterr().out


@pytest.mark.slow
def test_several_processes_judge_as_one_does(graded: Path) -> None:
    run("override", "results", "b1", "runs", "3", "--why", "seen")
    rubric = read_rubric("../other.toml")
    with opened(graded) as store:
        assert list(regrade.changes(store, rubric, jobs=2)) == list(regrade.changes(store, rubric))


# -- again -----------------------------------------------------------------------------------------


class Later:
    """Stands in for the child process on a better day: what failed before now runs, or the grader breaks."""

    def __init__(self, *, fault: bool = False) -> None:
        self.asked: list[str] = []
        self._fault = fault

    def __call__(self, job: bytes, **_: float) -> bytes:
        submission = from_json(job, Job).submission
        self.asked.append(submission.student)
        fault = Fault(stage="notebook", traceback="OSError") if self._fault else None
        run = Child()(to_json(Job(submission=submission, gather=from_json(job, Job).gather, isolation=test_cli.JAIL)))
        evidence = from_json(run.replace(b'"error"', b'"ok"'), Evidence)
        return to_json(Evidence(submission=submission, run=evidence.run, isolation=test_cli.JAIL, fault=fault))


@pytest.mark.parametrize(
    "choice",
    [("--student", "b1"), ("--criterion", "runs"), ("--reason", "NameError"), ("--reason", "error", "--student", "b1")],
    ids=["student", "criterion", "reason", "both"],
)
def test_those_that_are_chosen_run_again(
    graded: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], choice: tuple[str, ...]
) -> None:
    later = Later()
    monkeypatch.setattr(pipeline, "_ask", later)
    capfd.readouterr()

    assert run("regrade", "results", "--rerun", *choice, "--yes") == 0
    assert later.asked == ["b1"]
    assert points(graded) == {"b0": 6, "b1": 6}
    said = capfd.readouterr()
    assert "To be run again: 1 (b1)" in said.err
    assert "Changed: 1; up: 1" in said.out
    assert "6" in page(graded, "b1")


def test_without_yes_nothing_runs_again(
    graded: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    later = Later()
    monkeypatch.setattr(pipeline, "_ask", later)

    assert run("regrade", "results", "--rerun") == 0
    assert "To be run again: 2 (b0, b1)" in capfd.readouterr().err
    assert not later.asked


def test_facts_stay_where_gathering_them_again_breaks(
    graded: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pipeline, "_ask", Later(fault=True))

    assert run("regrade", "results", "--rerun", "--student", "b0", "--yes") == UNDECIDED
    assert "the facts there were stay: b0" in capfd.readouterr().err
    assert points(graded) == {"b0": 6, "b1": 0}


def test_facts_stay_where_the_files_have_changed(graded: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "_ask", Later())
    hand_in(here / "class/b1", "something else")

    assert run("regrade", "results", "--rerun", "--student", "b1", "--yes") == UNDECIDED
    assert points(graded) == {"b0": 6, "b1": 0}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--student", "b1"), "add --rerun"),
        (("--rerun", "--student", "b9"), "no student `b9`"),
        (("--rerun", "--rubric", "../other.toml"), "judged by another rubric"),
        (("--rubric", "no.toml"), "there is no such rubric"),
    ],
)
def test_wrong_usage_of_regrade_has_a_way_out(
    graded: Path, capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert run("regrade", "results", *arguments) == USAGE
    assert said in capfd.readouterr().err


def test_nobody_to_run_again_is_told(graded: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("regrade", "results", "--rerun", "--reason", "no such thing") == 0
    assert "Nobody answers to this" in capfd.readouterr().out


def test_a_batch_that_was_broken_off_is_finished_before_any_of_it_runs_again(
    here: Path, child: Child, capfd: pytest.CaptureFixture[str]
) -> None:
    for number, text in enumerate(("ok", "interrupt")):
        hand_in(here / "class" / f"b{number}", f"{text} {number}")
    run("grade", "class", "--jobs", "1")

    assert run("regrade", "results", "--rerun") == USAGE
    assert "not complete yet" in capfd.readouterr().err
    assert run("regrade", "results") == 0
    assert "Not graded yet, so not in this table: 1 (b1)" in capfd.readouterr().out
