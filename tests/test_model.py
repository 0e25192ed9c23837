"""Records are frozen, plain, and read back as they were written."""

from __future__ import annotations

import math
import pickle
import threading

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader import model
from grader.model import (
    Curve,
    Evidence,
    GraderError,
    Match,
    Message,
    Submission,
    Verdict,
    from_json,
    message,
    plain,
    to_json,
)

numbers = st.floats(width=64)
texts = st.text(max_size=20)


@st.composite
def matches(draw: st.DrawFn) -> Match:
    return Match(
        cell=draw(st.integers(1, 99)),
        names=tuple(draw(st.lists(texts, max_size=2))),
        steps=draw(st.integers(0, 10**7)),
        verdict=draw(st.sampled_from(["matches", "differs", "unexplained"])),
        hyperparameters=draw(st.dictionaries(texts, numbers, max_size=3)),
        max_residual=draw(st.none() | numbers),
        curve=Curve(steps=(0, 1), losses=tuple(draw(st.lists(numbers, max_size=3))), path=((draw(numbers), 0.0),)),
        diagnosis=message("bug", name=draw(texts), step=draw(st.integers())),
    )


@given(st.lists(matches(), max_size=3))
def test_what_is_written_is_read_back_equal_infinities_and_nan_included(found: list[Match]) -> None:
    evidence = Evidence(submission=Submission(student="a", root="/"), matches=tuple(found))

    again = from_json(to_json(evidence), Evidence)

    assert to_json(again) == to_json(evidence)  # as text, since NaN is not equal to itself
    for ours, theirs in zip(found, again.matches, strict=True):
        assert [math.isnan(x) for x in ours.curve.losses] == [math.isnan(x) for x in theirs.curve.losses]
        assert ours.steps == theirs.steps


def test_a_number_that_json_cannot_say_is_spelled() -> None:
    assert plain([math.nan, math.inf, -math.inf, 1.5]) == ["nan", "inf", "-inf", 1.5]


@pytest.mark.parametrize("text", ["nan", "inf", "1", "true"])
def test_a_text_that_looks_like_a_number_stays_text(text: str) -> None:
    student = Submission(student=text, root="/")

    assert from_json(to_json(student), Submission).student == text


def test_a_bad_record_says_where() -> None:
    with pytest.raises(GraderError, match=r"\$\.submission\.student"):
        from_json(b'{"submission": {"student": {}, "root": "/"}}', Evidence)


def test_bytes_that_are_not_json_are_a_grader_error() -> None:
    with pytest.raises(GraderError, match="cannot read Evidence"):
        from_json(b"\xff\x00", Evidence)


def test_a_record_is_frozen() -> None:
    with pytest.raises(AttributeError):
        message("a").id = "b"  # type: ignore[misc]


def test_an_error_crosses_processes_whole() -> None:
    error = pickle.loads(pickle.dumps(GraderError("what", where="where", hint="do")))  # noqa: S301 - our own bytes

    assert (error.message, error.where, error.hint) == ("what", "where", "do")


def test_verdicts_are_the_six_words_of_the_contract() -> None:
    assert [v.value for v in Verdict] == ["pass", "partial", "fail", "review", "skipped", "fault"]


def test_a_message_reads_as_a_call() -> None:
    assert message("pages", found=4, limit=3) == Message(id="pages", parameters={"found": 4, "limit": 3})


def test_threads_that_read_a_kind_of_record_first_make_its_decoder_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads that have msgspec look at a record's fields at once end the process with a segmentation fault."""
    made: list[type] = []
    gate = threading.Barrier(8)

    def decoder(kind: type, *, strict: bool) -> msgspec.json.Decoder[Evidence]:
        made.append(kind)
        threading.Event().wait(0.01)  # long enough for the others to come as well
        return msgspec.json.Decoder(Evidence, strict=strict)

    def read() -> None:
        gate.wait()
        from_json(b'{"submission": {"student": "b1", "root": "/"}}', Evidence)

    monkeypatch.setattr(model, "_decoders", {})
    monkeypatch.setattr(model, "_decoder_of", decoder)
    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert made == [Evidence]
