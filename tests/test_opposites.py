"""What a good passage says, turned into its opposite, introduces nothing; most of it is told as wrong."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import opposites
import pytest

from grader.coverage import coverage, topics
from grader.coverage.matcher import matcher
from grader.model import Line, ReportFacts

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
LEXICON = topics(tomllib.loads((ROOT / "rubrics/gradient_descent/topics.toml").read_text(encoding="utf-8")))
MATCHER = matcher(LEXICON)
TOLD = 0.6  # of the opposites are told as wrong


def good() -> Iterator[tuple[str, str]]:
    """Every good passage of the sets, with the topic that it introduces."""
    for name in ("holdout", "second-holdout", "tuning"):
        text = (ROOT / f"tests/passages/{name}.toml").read_text(encoding="utf-8")
        yield from (
            (one["topic"], one["text"].strip()) for one in tomllib.loads(text)["passage"] if one["kind"] == "good"
        )
    for report in tomllib.loads((ROOT / "tests/passages/reports.toml").read_text(encoding="utf-8"))["report"]:
        yield from ((topic, report["text"].strip()) for topic, right in report["topics"].items() if right == "good")


GOOD = tuple(good())


def status(topic: str, text: str) -> str:
    lines = tuple(
        Line(
            page=1,
            text=said.removeprefix("# "),
            bbox=(50.0, 50.0 + 18 * number, 500.0, 62.0 + 18 * number),
            size=16.0 if said.startswith("# ") else 12.0,
            heading=said.startswith("# "),
        )
        for number, said in enumerate(text.splitlines())
    )
    found = coverage(ReportFacts(outcome="read", lines=lines), LEXICON)
    return next(one.status for one in found if one.topic == topic)


def folded(text: str) -> str:
    """A passage in the form in which it is compared, its headings as they are."""
    return "\n".join(line if line.startswith("#") else MATCHER.read(line).folded for line in text.splitlines())


def test_what_is_called_untrue_introduces_nothing_and_is_told_as_wrong() -> None:
    found = Counter(status(topic, opposites.denied_as_a_whole(text)) for topic, text in GOOD)

    assert found["covered"] == 0
    assert found["wrong"] >= TOLD * len(GOOD)


def test_clauses_that_are_denied_by_their_verbs_are_told_as_wrong() -> None:
    """Some turned passages deny every clause but the one that holds the mechanism, and are covered for it."""
    found = Counter(status(topic, opposites.denied_by_verb(text, MATCHER)) for topic, text in GOOD)

    assert found["wrong"] >= TOLD * len(GOOD)
    assert found["covered"] <= 0.15 * len(GOOD)


def test_a_mechanism_or_effect_turned_round_is_told_as_wrong() -> None:
    """Where one phrase is turned and the others still say what is right, a passage may be covered."""
    turned = [(topic, opposites.reversed_(folded(text), topic)) for topic, text in GOOD]
    found = Counter(status(topic, text) for topic, text in turned if text is not None)

    assert found["wrong"] >= TOLD * found.total()
    assert found["covered"] <= 0.3 * found.total()


@pytest.mark.parametrize("by", [1, 2, 3])
def test_a_passage_under_the_name_of_another_method_does_not_introduce_that(by: int) -> None:
    found = Counter(status(opposites.other(topic, by), opposites.exchanged(text, MATCHER, by)) for topic, text in GOOD)

    assert found["covered"] <= 0.01 * len(GOOD)


def test_without_its_verbs_a_passage_is_no_introduction() -> None:
    found = Counter(status(topic, opposites.without_verbs(text, MATCHER)) for topic, text in GOOD)

    assert found["covered"] <= 0.02 * len(GOOD)
