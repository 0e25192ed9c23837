"""Regular expressions that judge what students write do work in proportion to its length; it is counted, not timed."""

from __future__ import annotations

import re

import pytest
import work_of_patterns as patterns

from grader.experiments import claims, words
from grader.model import Prose

LISTS = {
    **{name: value for name, value in vars(words).items() if isinstance(value, re.Pattern)},
    **{
        f"{name}.{key}": pattern
        for name, value in vars(words).items()
        if isinstance(value, dict)
        for key, pattern in value.items()
        if isinstance(pattern, re.Pattern)
    },
}


@pytest.mark.parametrize(
    "pattern",
    [r"a+b", r"(a+)+b", r"\d+\.?\d*x", r"(?:a|b|ab)*c", r".*=.*x", r"\s+but\s+", r"(?:\w+ ){0,6}steps", r"\d++x"],
)
def test_work_that_grows_faster_than_the_text_is_found(pattern: str) -> None:
    with pytest.raises(patterns.TooMuchWorkError):
        patterns.check(re.compile(pattern))


@pytest.mark.parametrize(
    "pattern",
    [r"abc", r"(?<!\d)\d+x", r"\d{1,40}x", r"(?<!\d)\d++x", r"v\s*=\s*x", r"x.{0,30}?y", r"(?>a{0,9})b", r"^(a)\1$"],
)
def test_work_in_proportion_to_the_text_passes(pattern: str) -> None:
    patterns.check(re.compile(pattern))


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [("ab", "xxab", 5), ("a{0,3}b", "aaab", 11), ("a|b", "b", 2), ("[^a]", "b", 2), (r"\D(?=x)", "bx", 7)],
)
def test_steps_are_counted(pattern: str, text: str, found: int) -> None:
    assert patterns.steps(re.compile(pattern), text) == found


@pytest.mark.parametrize("name", sorted(LISTS))
def test_a_list_of_words_does_work_in_proportion_to_the_text(name: str) -> None:
    patterns.check(LISTS[name])


# -- how much is read at all ------------------------------------------------------------------------


def test_a_sentence_that_is_longer_than_anybodys_is_cut_at_a_comma() -> None:
    cut = words.sentences("學習率變大，" * 400)

    assert max(map(len, cut)) <= words.LONGEST_SENTENCE
    assert all(piece.endswith("，") for piece in cut)
    assert "".join(cut) == "學習率變大，" * 400


@pytest.mark.parametrize("text", ["a;" * 1000, "1" * 2000], ids=["sentences", "characters"])
def test_no_more_prose_is_judged_than_anybody_reads(text: str) -> None:
    prose = [Prose(cell=1, line=line, text=text) for line in range(1000)]

    found = claims.statements(prose)

    assert len(found) <= claims.MOST_SENTENCES
    assert sum(len(each.sentence) for each in found) <= claims.MOST_CHARACTERS


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1" * 39 + "y", {float("1" * 39)}),
        ("1" * 2000, set()),
        ("lr is 1e-6, 3.5×10^-7 and 0.5 times, 20萬 or 10 times as much", {1e-6, 3.5e-7, 200000.0}),
    ],
)
def test_numbers_are_read_as_before(text: str, found: set[float]) -> None:
    assert {value for value in words.values(text) if value != float("inf")} == found
