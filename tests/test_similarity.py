"""What a report shares with the assignment: long passages, told with their place, and nothing by chance."""

from __future__ import annotations

import doctest
import itertools
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader import similarity
from grader.model import Line
from grader.similarity import LONG, notebook_text, shared

ROOT = Path(__file__).parents[1]
PASSAGES = list(
    dict.fromkeys(  # a passage about two topics stands there for each
        passage["text"]
        for name in ("tuning.toml", "holdout.toml")
        for passage in tomllib.loads((ROOT / "tests/passages" / name).read_text(encoding="utf-8"))["passage"]
    )
)
BASE = notebook_text((files("rubrics") / "gradient_descent" / "gradient descent.ipynb").read_text(encoding="utf-8"))
ADAGRAD = (
    "Adagrad gives every parameter a learning rate of its own: lr is divided by the root of the sum of all its "
    "squared gradients so far."
)
ADAGRAD_ZH = "Adagrad 讓每個參數擁有自己的學習率：把 lr 除以該參數到目前為止所有梯度平方和的平方根。"


def lines(*texts: str) -> tuple[Line, ...]:
    return tuple(
        Line(page=1 + number // 40, text=text, bbox=(50.0, 50.0 + 14 * number, 540.0, 62.0 + 14 * number))
        for number, text in enumerate(texts)
    )


@pytest.mark.parametrize("text", [ADAGRAD, ADAGRAD_ZH], ids=["en", "zh-TW"])
def test_a_sentence_of_the_handed_out_notebook_is_told_with_its_place(text: str) -> None:
    half = text.rindex(" ", 0, len(text) // 2) if text is ADAGRAD else len(text) // 2
    own = "I then tried it with three learning rates and it was fast."
    report = lines(own, text[:half].strip(), text[half:].strip(), own)

    (found,) = shared(report, {"notebook": BASE})

    assert (found.concept, found.page) == ("notebook", 1)
    assert found.bbox == (50.0, 64.0, 540.0, 90.0)
    assert found.text == text.rstrip(".。")


def test_two_changed_words_do_not_hide_a_passage() -> None:
    said = ADAGRAD.replace("of its own", "of its very own").replace("so far", "until now")

    (found,) = shared(lines(said), {"notebook": BASE})

    assert found.text.startswith("Adagrad gives every parameter")


def test_a_hyphen_at_a_lines_end_does_not_hide_a_passage() -> None:
    begin, end = ADAGRAD.split("meter")

    (found,) = shared(lines(f"{begin}-", f"meter{end}"), {"notebook": BASE})

    assert found.text == ADAGRAD.rstrip(".")


def test_passages_written_apart_about_the_same_methods_share_nothing_long() -> None:
    """No accusation by chance: 30,000 pairs of passages about four methods, by one author."""
    found = [
        passage.text
        for text, other in itertools.combinations(PASSAGES, 2)
        for passage in shared(lines(*other.splitlines()), {"assignment": text})
    ]

    assert len(PASSAGES) >= 120
    assert found == []


def test_no_passage_shares_anything_with_the_handed_out_notebook() -> None:
    assert [text for text in PASSAGES if shared(lines(*text.splitlines()), {"notebook": BASE})] == []


def test_a_passage_is_long_from_fifteen_words() -> None:
    words = [f"word{n}" for n in range(15)]

    assert len(words) == LONG
    assert shared(lines(" ".join(words)), {"assignment": " ".join(words)})
    assert not shared(lines(" ".join(words[1:])), {"assignment": " ".join(words)})


def test_what_two_sources_hold_is_told_once() -> None:
    (found,) = shared(lines(ADAGRAD), {"notebook": BASE, "assignment": BASE})

    assert found.concept == "notebook"


@given(st.lists(st.text(max_size=80), max_size=6), st.text(max_size=200))
def test_whatever_the_texts_are_they_are_compared(texts: list[str], source: str) -> None:
    for found in shared(lines(*texts), {"assignment": source}):
        assert found.text
        assert len(found.text) <= 300


@given(st.lists(st.text(alphabet="abc 梯度\n-", max_size=60), min_size=1, max_size=5))
def test_a_report_that_is_the_assignment_shares_all_that_is_long(texts: list[str]) -> None:
    found = shared(lines(*texts), {"assignment": "\n".join(texts)})

    assert len(found) <= 1


@pytest.mark.parametrize(
    "source",
    ["", "no json", "[]", '{"cells": 3}', '{"cells": [{}]}', '{"cells": [{"cell_type": "markdown", "source": 3}]}'],
)
def test_what_is_no_notebook_has_no_text(source: str) -> None:
    assert notebook_text(source) == ""


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(similarity).failed == 0
