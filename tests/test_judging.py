"""Judging happens in a process that can be ended, and what ends it is a person's look at that part only."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from grader import checks, judging, pipeline
from grader.cli.settings import read_rubric
from grader.model import CellRun, Evidence, Isolation, Prose, Run, Submission, Verdict, from_json, to_json
from grader.rubric import Rubric

RUBRIC = read_rubric("gradient-descent")
RUN = Run(outcome="complete", isolation=Isolation(), cells=(CellRun(index=1, status="ok"),))
EVIDENCE = Evidence(submission=Submission(student="b1", root="/", notebook="a.ipynb", asked=("notebook",)), run=RUN)


@pytest.fixture(autouse=True)
def _own_processes() -> Any:
    judging._processes.close()
    yield
    judging._processes.close()


def _patched(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Let judging processes run this code before they begin to answer."""
    popen = subprocess.Popen
    begin = f"import os, re, signal, time\nfrom grader import checks, judging\n{code}\njudging.main()"

    def started(words: list[str], **options: Any) -> Any:
        return popen([words[0], "-I", "-c", begin], **options)

    monkeypatch.setattr(subprocess, "Popen", started)


def test_it_judges_as_in_the_same_process() -> None:
    assert judging.judge(EVIDENCE, RUBRIC) == pipeline.judge(EVIDENCE, RUBRIC)


def test_the_rubric_arrives_as_it_was() -> None:
    assert from_json(to_json(RUBRIC), Rubric) == RUBRIC


def test_a_process_is_asked_again() -> None:
    judging.judge(EVIDENCE, RUBRIC)
    (first,) = judging._processes._idle
    judging.judge(EVIDENCE, RUBRIC)

    assert judging._processes._idle == [first]


@pytest.mark.parametrize(
    "work",
    [
        "while True: pass",
        "re.search(r'(a+)+b', 'a' * 60)",
        "signal.signal(signal.SIGPROF, signal.SIG_IGN)\n  10 ** 10 ** 9",
    ],
    ids=["python", "regular-expression", "deaf"],
)
def test_a_part_that_takes_too_long_is_left_to_a_person_and_no_other(
    monkeypatch: pytest.MonkeyPatch, work: str
) -> None:
    code = (
        f"def endless(_):\n  {work}\n"
        "checks.experiments_.experiments = endless\njudging.PART_SECONDS = 0.2\njudging.SPARE_SECONDS = 1"
    )
    _patched(monkeypatch, code)

    found = judging.judge(EVIDENCE, RUBRIC).scored

    left = {s.criterion.check for s in found if s.finding.message.id == "checks.too-long"}
    assert left == {"experiments-made", "effects-explained"}
    assert [s.finding.verdict for s in found if s.criterion.check == "notebook-runs"] == [Verdict.PASS]


@pytest.mark.parametrize(
    "work", ["os.kill(os.getpid(), signal.SIGSEGV)", "os._exit(0)", "bytearray(1 << 40)", "print('{}' * 10000)"]
)
def test_one_check_that_breaks_the_process_costs_the_others_nothing(monkeypatch: pytest.MonkeyPatch, work: str) -> None:
    _patched(monkeypatch, f"def broken(case, **_):\n  {work}\nchecks.CHECKS['experiments-made'] = broken")

    found = judging.judge(EVIDENCE, RUBRIC)

    assert found.needs_review
    assert found.points + found.pending >= 0
    assert len(found.scored) == len(RUBRIC.criteria)


def test_a_process_that_dies_at_once_makes_a_fault_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    _patched(monkeypatch, "raise SystemExit('no judge here')")

    found = judging.judge(EVIDENCE, RUBRIC)

    verdicts = {s.finding.verdict for s in found.scored if s.criterion.check.startswith("notebook")}
    assert verdicts == {Verdict.FAULT}


def test_it_can_be_broken_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _patched(
        monkeypatch,
        f"checks.experiments_.experiments = lambda _: (open({str(tmp_path / 'on')!r}, 'w'), time.sleep(99))",
    )
    ended: list[BaseException] = []

    def ask() -> None:
        try:
            judging.judge(EVIDENCE, RUBRIC)
        except judging.StoppedError as error:
            ended.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    while not (tmp_path / "on").exists():
        time.sleep(0.01)
    judging.stop()
    thread.join(30)

    assert len(ended) == 1


def test_threads_that_ask_at_the_same_time_are_answered_apart() -> None:
    found: dict[str, str] = {}

    def ask(name: str) -> None:
        own = Evidence(submission=Submission(student=name, root="/", notebook="a", asked=("notebook",)), run=RUN)
        found[name] = judging.judge(own, RUBRIC).submission.student

    threads = [threading.Thread(target=ask, args=(f"b{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == {f"b{number}": f"b{number}" for number in range(4)}


def test_every_part_that_a_check_looks_at_is_judged() -> None:
    assert set(checks.LOOKS_AT) <= set(checks.CHECKS)
    source = files("grader").joinpath("checks.py").read_text(encoding="utf-8")
    assert set(checks.LOOKS_AT.values()) == set(re.findall(r'within\("(\w+)"\)', source))


def test_prose_that_is_all_digits_is_judged() -> None:
    prose = tuple(Prose(cell=1, line=line, text="1" * 2000) for line in range(1000))

    found = judging.judge(Evidence(submission=EVIDENCE.submission, run=RUN, prose=prose), RUBRIC)

    assert not any(s.finding.message.id == "checks.too-long" for s in found.scored)
    assert signal.getsignal(signal.SIGPROF) is signal.SIG_DFL


def test_a_criterion_that_is_named_like_a_part_is_not_taken_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    (criterion,) = (c for c in RUBRIC.criteria if c.check == "notebook-runs")
    rubric = replace(
        RUBRIC, criteria=tuple(replace(criterion, id=name) for name in ("experiments", "coverage", "shared"))
    )
    slow = "checks.experiments_.experiments = lambda _: [0 for _ in iter(int, 1)]\njudging.PART_SECONDS = 0.2"
    _patched(monkeypatch, slow)

    assert {s.finding.verdict for s in judging.judge(EVIDENCE, rubric).scored} == {Verdict.PASS}
