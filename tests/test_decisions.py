"""Decisions of people: final = automatic + decisions, and none is dropped or applied to another result."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from grader import decisions
from grader.model import (
    Basis,
    Criterion,
    Decided,
    Decision,
    Finding,
    Grade,
    GraderError,
    Lateness,
    LatePolicy,
    RubricId,
    Scored,
    Submission,
    Verdict,
    from_json,
    message,
    to_json,
)
from grader.rubric import score, totals


def grade_of(*verdicts: tuple[str, Verdict, float], points: float = 10.0, digest: str = "sha256:a") -> Grade:
    scored = tuple(
        score(
            Criterion(id=name, check="updates-match", points=points),
            Finding(check="updates-match", verdict=verdict, credit=credit, message=message("updates.some")),
        )
        for name, verdict, credit in verdicts
    )
    return Grade(
        submission=Submission(student="b1", root="/class/b1", digest=digest),
        rubric=RubricId(title="Test", digest="sha256:1"),
        scored=scored,
        **totals(scored),
    )


def decided(grade: Grade, criterion: str, **fields: object) -> Decision:
    (scored,) = (one for one in grade.scored if one.criterion.id == criterion)
    known = Decision(student="b1", criterion=criterion, basis=decisions.basis(scored, grade.submission.digest))
    return replace(known, **fields)


WAITS = grade_of(("a", Verdict.REVIEW, 0.0), ("b", Verdict.PARTIAL, 0.5))


def of(grade: Grade, criterion: str) -> Scored:
    return next(one for one in grade.scored if one.criterion.id == criterion)


def test_without_a_decision_the_automatic_grade_is_final() -> None:
    assert decisions.final(WAITS, []) == WAITS


def test_a_decision_settles_pending_points() -> None:
    final = decisions.final(WAITS, [decided(WAITS, "a", points=7.0, comment="Good.")])

    assert (final.points, final.pending, final.out_of, final.needs_review) == (12.0, 0.0, 20.0, False)
    assert of(final, "a").finding.verdict is Verdict.PARTIAL
    assert of(final, "a").decided == Decided(
        decision=decided(WAITS, "a", points=7.0, comment="Good."),
        automatic=Basis(verdict=Verdict.REVIEW, points=0.0, out_of=10.0, digest="sha256:a"),
    )


def test_what_the_grader_had_seen_stays_below_the_decision() -> None:
    final = decisions.final(WAITS, [decided(WAITS, "a", points=7.0)])

    assert of(final, "a").finding.message == message("decision.made")
    assert of(final, "a").finding.details[0] == message("updates.some")


@pytest.mark.parametrize(
    ("points", "verdict"), [(10.0, Verdict.PASS), (0.0, Verdict.FAIL), (3.0, Verdict.PARTIAL)], ids=str
)
def test_the_verdict_follows_from_the_points_that_a_person_gave(points: float, verdict: Verdict) -> None:
    final = decisions.final(WAITS, [decided(WAITS, "a", points=points)])

    assert of(final, "a").finding.verdict is verdict


def test_of_several_decisions_the_last_one_holds() -> None:
    final = decisions.final(WAITS, [decided(WAITS, "a", points=7.0), decided(WAITS, "a", points=2.0)])

    assert of(final, "a").points == 2.0


def test_a_clock_that_goes_back_changes_no_order() -> None:
    made = [decided(WAITS, "a", points=7.0, at="2026-10-08"), decided(WAITS, "a", points=2.0, at="2026-10-01")]

    assert of(decisions.final(WAITS, made), "a").points == 2.0


def test_a_withdrawn_decision_gives_the_automatic_grade_back() -> None:
    assert decisions.final(WAITS, [decided(WAITS, "a", points=7.0), decided(WAITS, "a")]) == WAITS


@pytest.mark.parametrize(
    "now",
    [
        grade_of(("a", Verdict.PASS, 1.0), ("b", Verdict.PARTIAL, 0.5)),
        grade_of(("a", Verdict.REVIEW, 0.0), ("b", Verdict.PARTIAL, 0.5), digest="sha256:b"),
        grade_of(("a", Verdict.REVIEW, 0.0), ("b", Verdict.PARTIAL, 0.5), points=20),
        grade_of(("a", Verdict.FAULT, 0.0), ("b", Verdict.PARTIAL, 0.5)),
    ],
    ids=["verdict", "files", "weight", "fault"],
)
def test_a_decision_on_another_result_is_stale_and_waits_with_both_values(now: Grade) -> None:
    final = decisions.final(now, [decided(WAITS, "a", points=7.0)])
    waiting = of(final, "a")

    assert waiting.finding.verdict is Verdict.REVIEW
    assert (waiting.points, waiting.pending) == (0.0, waiting.out_of)
    assert waiting.decided is not None
    assert waiting.decided.stale
    assert waiting.finding.message.parameters["decided"] == 7.0
    assert final.needs_review


def test_a_stale_decision_holds_again_when_the_result_comes_back() -> None:
    made = decided(WAITS, "a", points=7.0)

    assert of(decisions.final(WAITS, [made]), "a").points == 7.0


def test_a_share_stays_where_only_the_weight_changed() -> None:
    heavier = grade_of(("a", Verdict.REVIEW, 0.0), ("b", Verdict.PARTIAL, 0.5), points=20)
    final = decisions.final(heavier, [decided(WAITS, "a", share=0.7), decided(WAITS, "b", share=1.0)])

    assert [one.points for one in final.scored] == [14.0, 20.0]


def test_a_decision_about_a_criterion_that_is_gone_is_told_and_changes_nothing() -> None:
    gone = replace(decided(WAITS, "a", points=7.0), criterion="z")

    assert decisions.final(WAITS, [gone]) == WAITS
    assert decisions.without_criterion(WAITS, [gone]) == (gone,)


def test_a_criterion_that_was_skipped_counts_once_a_person_judged_it() -> None:
    skipped = grade_of(("a", Verdict.SKIPPED, 0.0))
    final = decisions.final(skipped, [decided(skipped, "a", points=4.0)])

    assert (final.points, final.out_of) == (4.0, 10.0)


def test_deciding_again_remembers_the_automatic_result_and_not_the_earlier_decision() -> None:
    final = decisions.final(WAITS, [decided(WAITS, "a", points=7.0)])

    assert decisions.basis(of(final, "a"), "sha256:a") == decisions.basis(of(WAITS, "a"), "sha256:a")


def test_a_final_grade_comes_back_from_json() -> None:
    final = decisions.final(WAITS, [decided(WAITS, "a", points=7.0)])

    assert from_json(to_json(final), Grade) == final


@pytest.mark.parametrize("text", ["11", "-1", "nan", "inf", "120%", "-5%", "7,5", "", "seven", "1e400"])
def test_points_that_a_criterion_cannot_have_are_refused(text: str) -> None:
    with pytest.raises(GraderError, match="from 0 to 10"):
        decisions.amount(text, 10)


# -- late work -------------------------------------------------------------------------------------


def late(seconds: float | None, *, known_by: Literal["system", "mark", "file"] = "system", **policy: Any) -> Grade:
    """Eight of ten points, handed in late, under a policy."""
    grade = grade_of(("a", Verdict.PARTIAL, 0.8))
    lateness = Lateness(late=True, seconds=seconds, known_by=known_by)
    rules = LatePolicy(**policy) if policy else None
    return replace(grade, late=rules, submission=replace(grade.submission, lateness=lateness))


@pytest.mark.parametrize(
    ("grade", "net"),
    [
        (late(3600), 8.0),
        (late(3600, per_day=0.1), 7.0),
        (late(90_000, per_day=0.1), 6.0),
        (late(90_000, per_day=0.1, of="earned"), 6.4),
        (late(900_000, per_day=0.1, cap=0.5), 3.0),
        (late(9_000_000, per_day=0.1), 0.0),
        (late(None, known_by="mark", per_day=0.1), 7.0),
        (late(90_000, known_by="file", per_day=0.1), 8.0),
    ],
    ids=["no policy", "a day begun", "two days", "of the earned", "cap", "never below zero", "mark", "file"],
)
def test_late_work_loses_what_the_rubric_says(grade: Grade, net: float) -> None:
    assert decisions.net(grade) == net
    assert grade.points == 8.0


def test_work_in_time_loses_nothing() -> None:
    grade = late(None, per_day=0.1)

    in_time = replace(grade, submission=replace(grade.submission, lateness=Lateness(late=False)))
    assert decisions.net(in_time) == 8.0
    assert decisions.net(replace(grade, submission=replace(grade.submission, lateness=None))) == 8.0


@given(st.floats(0, 10), st.booleans())
def test_what_is_decided_is_what_counts(points: float, is_share: bool) -> None:
    """Final = automatic + decisions: a decided criterion has the points that were given, and the sum follows."""
    given_ = {"share": points / 10} if is_share else {"points": points}
    final = decisions.final(WAITS, [decided(WAITS, "a", **given_)])

    assert of(final, "a").points == pytest.approx(points, abs=0.01)
    assert final.points == pytest.approx(sum(one.points for one in final.scored), abs=0.01)
