"""The pages of a report beside the judgement: boxes where the evidence is, words for who cannot see them."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from sample_grades import SAMPLES, coverage, perfect, report, thumbnail

from grader import feedback
from grader.feedback import sheets
from grader.model import Coverage, Language, Snippet, Thumbnail

BOX = (72.0, 90.0, 300.0, 110.0)


def topic(*boxes: tuple[float, float, float, float], name: str = "sgd", page: int = 1) -> Coverage:
    return Coverage(
        topic=name, status="covered", evidence=tuple(Snippet(page=page, bbox=box, text="said") for box in boxes)
    )


def test_every_topic_is_boxed_with_its_number_on_the_page_where_it_is() -> None:
    (sheet,) = sheets.pages(report(), coverage(momentum="missing"), "en")

    assert re.findall(r"<text[^>]*>(\d)</text>", sheet.boxes) == ["1", "3", "4"]
    assert set(re.findall(r'<rect [^>]*class="([^"]*)"', sheet.boxes)) == {"topic-1", "topic-3", "topic-4"}
    assert 'viewBox="0 0 595.3 841.9"' in sheet.boxes
    assert [line.name for line in sheets.key(coverage(momentum="missing"), "en")] == ["SGD", "Adagrad", "RMSprop"]


def test_what_the_boxes_show_is_said_in_words() -> None:
    found = (topic(BOX, (72, 200, 300, 220)), topic(BOX, name="rmsprop"))

    english, chinese = (sheets.pages(report(), found, language)[0].words for language in ("en", "zh-TW"))

    assert (
        english
        == "Page 1 of the report with boxes around the sentences quoted above: 1 SGD, 2 places; 2 RMSprop, 1 place."
    )
    assert "2 RMSprop，1 處" in chinese


def test_one_place_that_shows_two_things_is_boxed_once() -> None:
    (sheet,) = sheets.pages(report(), (topic(BOX, BOX, BOX),), "en")

    assert sheet.boxes.count("<rect") == 1


def test_sentences_that_share_a_line_are_boxed_together() -> None:
    (sheet,) = sheets.pages(report(), (topic((72, 90, 300, 115), (72, 103, 250, 128), (72, 127, 300, 140)),), "en")

    assert re.findall(r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"', sheet.boxes) == [
        ("69.5", "87.5", "233", "43"),
        ("69.5", "124.5", "233", "18"),
    ]


def test_two_topics_in_one_sentence_have_badges_side_by_side() -> None:
    (sheet,) = sheets.pages(report(), (topic(BOX), topic(BOX, name="adagrad")), "en")

    assert len(set(re.findall(r'<circle cx="([\d.]+)"', sheet.boxes))) == 2


def test_a_page_without_evidence_is_not_shown() -> None:
    two = report(thumbnails=(thumbnail(1), thumbnail(2)))

    assert [sheet.page for sheet in sheets.pages(two, (topic(BOX, page=2),), "en")] == [2]
    assert sheets.pages(two, (), "en") == ()
    assert sheets.pages(None, coverage(), "en") == ()


def test_what_is_no_picture_is_not_shown() -> None:
    odd = report(thumbnails=(Thumbnail(page=1, width=595, height=842, png=b"<svg onload=alert(1)>"),))

    assert sheets.pages(odd, coverage(), "en") == ()


@pytest.mark.parametrize("language", ["en", "zh-TW"])
def test_the_pages_are_folded_and_carry_an_alternative(language: Language) -> None:
    html = feedback.render(*perfect(), language=language)

    folded = re.search(r'<details class="sheets">.*?</details>', html, re.DOTALL)
    assert folded is not None
    (shown,) = re.findall(r'<img src="data:image/png;base64,([A-Za-z0-9+/=]+)" alt="[^"]+SGD[^"]+">', folded[0])
    assert base64.b64decode(shown) == thumbnail().png
    assert html.count("<img") == 1


def test_a_page_is_shown_even_where_most_was_not_judged() -> None:
    grade, evidence = SAMPLES["perfect"]()
    bare = replace(evidence, matches=(), run=None, notebook=None)

    assert 'class="sheet"' in feedback.render(replace(grade, experiments=()), bare, language="en")


@given(st.tuples(*[st.floats()] * 4), st.integers(1, 40))
def test_whatever_the_boxes_are_the_drawing_is_sound(box: tuple[float, float, float, float], topics: int) -> None:
    found = tuple(topic(box, name=str(n)) for n in range(topics))

    for sheet in sheets.pages(report(), found, "en"):
        assert not re.search(r"nan|inf", sheet.boxes)
        assert sheet.boxes.count("<rect") == sheet.boxes.count("<circle") == topics
