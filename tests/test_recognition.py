"""Scans read by text recognition: shown to a person, never decided by; and what the child prints is hostile."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make_reports import essay
from msgspec.structs import replace
from sample_grades import scanned

from grader import feedback, sandbox
from grader.coverage import coverage, topics
from grader.model import Isolation, Limits, Line, Problem, ReportFacts
from grader.report import read, recognition
from grader.report.recognition import answers

ROOT = Path(__file__).parents[1]
REPORTS = ROOT / "tests/reports"
LEXICON = topics(tomllib.loads((ROOT / "rubrics/gradient_descent/topics.toml").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def isolation() -> Isolation:
    return sandbox.probe()


def page(number: int = 1, **fields: Any) -> bytes:
    lines = [["2. Momentum", 60, 100, 160, 118], ["It keeps a part of the last step.", 60, 124, 300, 138]]
    return json.dumps({"number": number, "width": 595, "height": 842, "lines": lines} | fields).encode()


def test_what_was_read_before_the_time_ran_out_is_kept() -> None:
    assert [one.number for one in answers(page(1) + b"\n" + page(2) + b"\n" + page(3)[:40])] == [1, 2]


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"no json",
        page(4),
        page(0),
        page(width=-1),
        page(lines=[["a", 0, 0, 1]]),
        page(lines=[["a" * 201, 0, 0, 1, 1]]),
        page(lines=[["a", 0, 0, 1, 1]] * 401),
        b"[" * 100_000,
    ],
)
def test_what_is_out_of_bounds_is_left_out(said: bytes) -> None:
    assert answers(said) == ()
    assert len(answers(said + b"\n" + page(2))) <= 1


@given(st.binary(max_size=200))
def test_whatever_the_child_prints_is_an_answer(said: bytes) -> None:
    assert isinstance(answers(said), tuple)


def test_a_report_that_was_recognised_is_judged_and_never_certain() -> None:
    line = Line(page=1, text="Momentum keeps a part of the last step and adds it.", bbox=(60, 124, 300, 138), size=11)
    facts = ReportFacts(outcome="unreadable", recognised=(line,))

    found = {one.topic: one for one in coverage(facts, LEXICON)}

    assert found["momentum"].evidence[0].text == line.text
    assert not any(one.certain for one in found.values())
    assert coverage(replace(facts, recognised=()), LEXICON) == ()


def test_the_page_says_that_a_machine_read_it_and_ticks_nothing_off() -> None:
    html = feedback.render(*scanned(), language="en")

    report = html[html.index('id="report-head"') :]
    assert report.index("Read by OCR") < report.index('class="topics"')
    assert "All lines read by OCR" in report
    assert not re.search(r'class="verdict (pass|fail)"', report.partition('class="topics"')[2].partition("</div>")[0])


def test_without_the_extra_a_scan_waits_for_a_person(monkeypatch: pytest.MonkeyPatch, isolation: Isolation) -> None:
    monkeypatch.setattr(recognition, "installed", lambda: False)

    found = read(REPORTS / "scan.pdf", limits=Limits(), isolation=isolation)

    assert (found.outcome, found.recognised) == ("unreadable", ())
    assert found.problems == (Problem(id="scanned-page", page=1),)


def test_pages_that_were_not_reached_are_told(monkeypatch: pytest.MonkeyPatch, isolation: Isolation) -> None:
    monkeypatch.setattr(recognition, "installed", lambda: True)

    found = read(REPORTS / "scan.pdf", limits=Limits(ocr_seconds=0.01), isolation=isolation)

    assert found.outcome == "unreadable"
    assert Problem(id="not-recognised", page=1) in found.problems


@pytest.mark.slow
@pytest.mark.parametrize(("name", "script"), [("scan", "en"), ("no-mapping-tw", "tw")])
def test_a_scan_is_read_and_stays_for_a_person(name: str, script: str, isolation: Isolation) -> None:
    if not recognition.installed():
        pytest.skip("the extra `ocr` is not installed")

    found = read(REPORTS / f"{name}.pdf", limits=Limits(ocr_seconds=300), isolation=isolation)

    assert found.outcome == "unreadable"
    wanted = " ".join(text for _, texts in essay(script) for text in texts)
    assert recall(wanted, " ".join(line.text for line in found.recognised)) > 0.85
    assert sum(one.status == "covered" for one in coverage(found, LEXICON)) >= 3


def recall(wanted: str, found: str) -> float:
    """The share of groups of four letters that were read."""
    grams = [{text[at : at + 4] for at in range(len(text) - 3)} for text in (bare(wanted), bare(found))]
    return len(grams[0] & grams[1]) / len(grams[0])


def bare(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalnum())
