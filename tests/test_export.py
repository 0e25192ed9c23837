"""What other programs read: the contract's JSON, and a table that no spreadsheet misreads."""

from __future__ import annotations

import csv
import io
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from grader.export.csv import grades_csv, harmless
from grader.export.json import grade_json
from grader.model import (
    Coverage,
    Criterion,
    Divergence,
    Evidence,
    Experiment,
    Finding,
    Grade,
    Isolation,
    Match,
    ReportFacts,
    RubricId,
    Scored,
    Snippet,
    Submission,
    Verdict,
    Where,
    message,
    to_json,
)

MATCH = Match(
    cell=7,
    names=("b_history", "w_history"),
    steps=100,
    verdict="differs",
    rule="adagrad",
    max_residual=math.inf,
    final_loss=math.nan,
    first_divergence=Divergence(step=1, before=(0.0, 0.0), expected=(1.0, 1.0), seen=(0.5, -math.inf)),
    diagnosis=message("bug.adagrad-no-root"),
)
EVIDENCE = Evidence(
    submission=Submission(student="b1", root="/class/b1", notebook="a.ipynb"),
    isolation=Isolation(level="bubblewrap", memory="watchdog"),
    matches=(MATCH,),
    report=ReportFacts(outcome="read", pages={"pdfplumber": 3, "pypdfium2": 3}, languages=("zh-Hant",)),
)
GRADE = Grade(
    submission=EVIDENCE.submission,
    rubric=RubricId(title="Test", digest="sha256:1"),
    scored=(
        Scored(
            criterion=Criterion(id="updates", check="updates-match", points=30),
            finding=Finding(
                check="updates-match",
                verdict=Verdict.FAIL,
                credit=0,
                message=message("checks.fault"),
                where=Where(cell=7, line=2),
            ),
            points=0,
            pending=0,
            out_of=30,
        ),
    ),
    points=0,
    pending=0,
    out_of=30,
    needs_review=False,
    experiments=(Experiment(name="lr", cell=7, before="1e-7", after="10 ** -6", effect="faster"),),
    coverage=(Coverage(topic="sgd", status="thin", evidence=(Snippet(page=1, bbox=(1, 2, 3, 4), text="SGD"),)),),
)


def test_the_json_has_the_fields_of_the_contract() -> None:
    value = json.loads(to_json(grade_json(GRADE, EVIDENCE, language="en")))

    assert value["schema"] == "grader/grade/1"
    assert value["isolation"] == {"level": "bubblewrap", "network": "none", "memory": "watchdog"}
    assert value["findings"][0]["where"] == {"cell": 7, "line": 2}
    assert value["findings"][0]["summary"].startswith("The grader itself failed")
    assert value["report"]["topics"]["sgd"] == {
        "status": "thin",
        "evidence": [{"page": 1, "bbox": [1, 2, 3, 4], "text": "SGD"}],
    }
    assert value["report"]["pages"] == 3


def test_numbers_that_json_cannot_say_are_strings() -> None:
    run = json.loads(to_json(grade_json(GRADE, EVIDENCE, language="en")))["runs"][0]

    assert (run["max_residual"], run["final_loss"]) == ("inf", "nan")
    assert run["first_divergence"]["seen"] == [0.5, "-inf"]
    assert run["diagnosis"] == "bug.adagrad-no-root"


def test_a_changed_value_is_a_number_where_the_notebook_writes_one() -> None:
    experiment = grade_json(GRADE, EVIDENCE, language="en")["experiments"][0]

    assert (experiment["before"], experiment["after"]) == (1e-7, "10 ** -6")


@pytest.mark.parametrize("counts", [{"pdfplumber": 3, "pypdfium2": 4}, {"pdfplumber": None, "pypdfium2": 3}, {}])
def test_pages_on_which_the_engines_disagree_stay_open(counts: dict[str, int | None]) -> None:
    evidence = replace(EVIDENCE, report=ReportFacts(outcome="read", pages=counts))

    assert grade_json(GRADE, evidence, language="en")["report"]["pages"] is None


def test_sentences_are_in_the_language_that_is_asked_for() -> None:
    assert "評分程式" in grade_json(GRADE, EVIDENCE, language="zh-TW")["findings"][0]["summary"]


@given(st.text())
def test_no_text_is_a_formula_and_none_is_lost(text: str) -> None:
    """A cell that begins with = + - @ is quoted for spreadsheets."""
    shown = harmless(text)

    assert not shown.lstrip(" ").startswith(tuple("=+-@\t\r＝＋－＠"))
    assert shown.replace("'", "") == text.replace("'", "")


UNSEEN = ("", " ", "\ufeff", "\u200b", "\u00a0", "\u3000", "\u2060", "\x00", "\u0301", " \u200b\n")


@pytest.mark.parametrize("before", UNSEEN, ids=ascii)
@pytest.mark.parametrize("sign", "=+-@＝＋－＠﹦﹢\u2212")
def test_what_does_not_show_hides_no_formula(before: str, sign: str) -> None:
    assert harmless(before + sign + "1+1").lstrip("".join(UNSEEN)).startswith("'")


@pytest.mark.parametrize("apart", [";", "\t", "\n", "\r", ",", "|"], ids=ascii)
@pytest.mark.parametrize("before", UNSEEN, ids=ascii)
def test_a_formula_behind_a_sign_that_parts_cells_is_none(apart: str, before: str) -> None:
    assert "'" in harmless(f"y{apart}{before}=1+1").partition("=")[0]


@pytest.mark.parametrize("text", ["a=b", "x;y", "王小明", "b10901234", "feedback/b1/feedback.html", "", ";"])
def test_a_harmless_text_stays_as_it_is(text: str) -> None:
    assert harmless(text) == text


def test_the_table_reads_back_with_one_column_for_each_criterion() -> None:
    odd = replace(GRADE, submission=replace(GRADE.submission, student='王,"小"明\n', report=None))
    rows = list(csv.DictReader(io.StringIO(grades_csv([GRADE, odd], links={"b1": "feedback/b1/feedback.html"}))))

    assert [row["student"] for row in rows] == ["b1", '王,"小"明\n']
    assert [row["updates"] for row in rows] == ["0", "0"]
    assert [row["feedback"] for row in rows] == ["feedback/b1/feedback.html", ""]
