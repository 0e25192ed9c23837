"""What the grader makes of answers that no honest kernel would give."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader import trace

HISTORY, TWO = b"h".hex(), base64.b64encode(np.array([1.0, 2.0], dtype="<f8").tobytes()).decode()
HONEST = f"n;16;{HISTORY}:n:2:0:0;{HISTORY}:{'00' * 8};;{TWO}"


def read(text: str, budget: int = 1000) -> trace.Announced:
    return trace.announced(text, nonce="n", budget=budget)


def test_an_honest_answer_is_read() -> None:
    told = read(HONEST)
    (series,) = trace.Reader().series(3, told, told.data)

    assert (series.cell, series.name, series.source) == (3, "h", "namespace")
    assert np.array_equal(series.values, [1.0, 2.0])
    assert told.scalars == (("h", 0.0),)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("n;16", "m;16"),
        ("n;16", "'n;16"),
        (";16;", ";17;"),
        (";16;", ";-16;"),
        (";16;", ";1e1;"),
        (":2:0:0", ":2:0:0,"),
        (":2:0:0", ":9999999999999:0:0"),
        (":2:0:0", ":2:9999:0"),
        (":n:", ":x:"),
        (HISTORY, "zz"),
        (HISTORY, "ff"),
        ("00" * 8, "00"),
        (TWO, TWO + "é"),
        (TWO, "%%%%"),
        (":2:0:0", ":٢:0:0"),
        ("n;16", "n;n;16"),
    ],
)
def test_an_answer_that_is_off_anywhere_is_refused(before: str, after: str) -> None:
    with pytest.raises(trace.TraceError):
        read(HONEST.replace(before, after))


def test_an_answer_over_the_budget_is_refused_before_its_bytes_are_asked_for() -> None:
    with pytest.raises(trace.TraceError, match="budget"):
        read(HONEST, budget=15)


def test_fewer_bytes_than_announced_are_refused() -> None:
    told = read(HONEST)

    with pytest.raises(trace.TraceError, match="fewer"):
        trace.Reader().series(1, told, told.data[:-1])


def test_a_series_cannot_be_the_same_as_one_that_never_came() -> None:
    told = read(f"n;0;{HISTORY}:n:2:0:1;;;")

    with pytest.raises(trace.TraceError, match="never sent"):
        trace.Reader().series(1, told, b"")


def test_a_piece_of_another_question_is_refused() -> None:
    assert trace.piece(f"n;8;{TWO}", nonce="n", offset=8)
    for wrong in (f"n;9;{TWO}", f"m;8;{TWO}", f"n;8;{TWO};", f"'n;8;{TWO}'"):
        with pytest.raises(trace.TraceError):
            trace.piece(wrong, nonce="n", offset=8)


def test_a_name_shows_no_control_characters() -> None:
    told = read(HONEST.replace(HISTORY, "a\u202eb\x1b[2J".encode().hex()))

    assert told.scalars[0][0] == "a\ufffdb\ufffd[2J"


@given(st.text())
def test_no_text_does_more_than_be_refused(text: str) -> None:
    with pytest.raises(trace.TraceError):
        read(f"n;{text}")
