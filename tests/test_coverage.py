"""Whether topics are introduced: passages in three scripts, and the rules one by one."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from grader.coverage import Topics, coverage, topics
from grader.model import Coverage, GraderError, Line, ReportFacts

ROOT = Path(__file__).parents[1]
TABLE = tomllib.loads((ROOT / "rubrics/gradient_descent/topics.toml").read_text(encoding="utf-8"))
LEXICON = topics(TABLE)


def passages(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads((ROOT / "tests/passages" / name).read_text(encoding="utf-8"))["passage"]
    return found


def report(text: str) -> ReportFacts:
    """Set a text as a page would: 16 points for lines that begin with "# ", 12 for the others."""
    lines = []
    for number, said in enumerate(text.strip().splitlines()):
        heading = said.startswith("# ")
        box = (50.0, 50.0 + 18 * number, 500.0, 62.0 + 18 * number)
        lines.append(Line(page=1, text=said.removeprefix("# "), bbox=box, size=16 if heading else 12, heading=heading))
    return ReportFacts(outcome="read", lines=tuple(lines))


def judged(text: str, topic: str, lexicon: Topics = LEXICON) -> Coverage:
    return next(one for one in coverage(report(text), lexicon) if one.topic == topic)


def questions(text: str) -> set[str]:
    return {question.id for one in coverage(report(text), LEXICON) for question in one.questions}


def test_the_topics_come_in_the_order_of_the_lexicon() -> None:
    found = coverage(report("Nothing of this kind."), LEXICON)

    assert [one.topic for one in found] == ["sgd", "momentum", "adagrad", "rmsprop"]
    assert {one.status for one in found} == {"missing"}


@pytest.mark.parametrize("name", ["holdout.toml", "tuning.toml"])
def test_no_thin_or_stuffed_passage_is_covered(name: str) -> None:
    wrongly = [
        p["id"]
        for p in passages(name)
        if p["kind"] in ("thin", "stuffed", "off") and judged(p["text"], p["topic"]).status == "covered"
    ]

    assert not wrongly


@pytest.mark.parametrize("name", ["holdout.toml", "tuning.toml"])
def test_no_good_passage_is_lost(name: str) -> None:
    lost = [
        p["id"]
        for p in passages(name)
        if p["kind"] == "good" and judged(p["text"], p["topic"]).status in ("missing", "mentioned")
    ]

    assert not lost


def test_nine_of_ten_good_passages_are_covered_that_the_lexicon_never_saw() -> None:
    good = [p for p in passages("holdout.toml") if p["kind"] == "good"]
    covered = [p for p in good if judged(p["text"], p["topic"]).status == "covered"]

    assert len(covered) >= 0.9 * len(good)


def test_mistakes_of_a_lexicon_are_told_all_at_once_with_their_places() -> None:
    table = {
        "words": {"a": ["fine"], "b": ["half (open"]},
        "topic": [{"id": "x", "names": ["x y"], "concepts": {"mechanism": ["a & c"]}, "colour": 1}],
        "extra": {},
    }

    with pytest.raises(GraderError) as told:
        topics(table)

    for place in ("$.words.b[0]", "$.topic[0].concepts.mechanism[0]", "$.topic[0].colour", "$.extra"):
        assert place in told.value.message
