"""Decisions of people: final grade = automatic grade + decisions, computed anew each time.

A decision is made on an automatic result. Where that result is another one by now (another verdict, other points,
other files), the decision is stale: it is neither applied nor dropped, and its points wait for a person once more.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec.structs import replace

from grader.model import Basis, Decided, Decision, Finding, Grade, GraderError, Scored, Verdict, message
from grader.rubric import totals

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from grader.model import Message


def standing(decisions: Iterable[Decision]) -> dict[str, Decision]:
    """The decision that holds for each criterion: of several the last one; none where that one withdraws."""
    last = {decision.criterion: decision for decision in decisions}
    return {criterion: decision for criterion, decision in last.items() if not withdraws(decision)}


def withdraws(decision: Decision) -> bool:
    """Whether it takes an earlier decision back."""
    return decision.points is None and decision.share is None


def final(grade: Grade, decisions: Iterable[Decision]) -> Grade:
    """The grade with what people decided about this student, oldest decision first."""
    holds = standing(decisions)
    if not any(scored.criterion.id in holds for scored in grade.scored):
        return grade
    scored = tuple(_final(one, holds, grade.submission.digest) for one in grade.scored)
    return replace(grade, scored=scored, **totals(scored))


def net(grade: Grade) -> float:
    """The points after what the rubric takes off for late work; where it says nothing of that, all of them.

    A day that has begun counts as one, and so does a mark of the system without a time. The time of a file proves too
    little to take points for it.
    """
    return round(grade.points - deduction(grade), 2)


def deduction(grade: Grade) -> float:
    """The points that late work loses."""
    lateness, policy = grade.submission.lateness, grade.late
    if policy is None or lateness is None or not lateness.late or lateness.known_by == "file":
        return 0.0
    days = math.ceil((lateness.seconds or 1.0) / 86_400)
    of = grade.out_of if policy.of == "max" else grade.points
    return round(min(grade.points, of * min(policy.cap, days * policy.per_day)), 2)


def without_criterion(grade: Grade, decisions: Iterable[Decision]) -> tuple[Decision, ...]:
    """Decisions about criteria that this grade's rubric does not have; they wait until it has them again."""
    known = {scored.criterion.id for scored in grade.scored}
    return tuple(decision for criterion, decision in standing(decisions).items() if criterion not in known)


def basis(scored: Scored, digest: str) -> Basis:
    """The automatic result of a criterion as a decision remembers it."""
    automatic = scored.decided.automatic if scored.decided else None
    return automatic or Basis(verdict=scored.finding.verdict, points=scored.points, out_of=scored.out_of, digest=digest)


def points_of(decision: Decision, out_of: float) -> float:
    """The points that a decision gives where the criterion has so many."""
    return round(decision.share * out_of, 2) if decision.share is not None else decision.points or 0.0


def amount(text: str, out_of: float) -> tuple[float | None, float | None]:
    """Read points (`7.5`) or a share of them (`75%`), within what the criterion has.

    >>> amount("7.5", 10), amount("75%", 10)
    ((7.5, None), (None, 0.75))
    """
    is_share = text.strip().endswith("%")
    most = 100.0 if is_share else out_of
    try:
        number = float(text.strip().removesuffix("%"))
    except ValueError:
        number = math.nan
    if not 0 <= number <= most:  # NaN among them
        raise GraderError(
            f"points must be a number from 0 to {out_of:g}, or a share such as 80%, not `{text.strip()}`",
            hint="a comma or a unit is not read",
        )
    return (None, number / 100) if is_share else (number, None)


def _final(scored: Scored, holds: Mapping[str, Decision], digest: str) -> Scored:
    decision = holds.get(scored.criterion.id)
    if decision is None:
        return scored
    now = basis(scored, digest)
    decided = Decided(decision=decision, automatic=now, stale=not _is_on(decision, now))
    return _waiting(scored, decided) if decided.stale else _applied(scored, decided)


def _is_on(decision: Decision, now: Basis) -> bool:
    """Whether the result is still the one that was decided on; a share stays where only the weight has changed."""
    then = decision.basis
    if then is None or (then.verdict, then.digest) != (now.verdict, now.digest):
        return False
    if decision.share is not None:
        return math.isclose(_credit(then), _credit(now), abs_tol=1e-9)
    return (then.points, then.out_of) == (now.points, now.out_of)


def _credit(result: Basis) -> float:
    return result.points / result.out_of if result.out_of else 0.0


def _applied(scored: Scored, decided: Decided) -> Scored:
    out_of = scored.out_of or scored.criterion.points  # a person may judge what the grader skipped
    points = points_of(decided.decision, out_of)
    credit = points / out_of
    verdict = Verdict.PASS if credit >= 1 else Verdict.PARTIAL if credit > 0 else Verdict.FAIL
    finding = _said(scored.finding, verdict, credit, message("decision.made"))
    return replace(scored, finding=finding, points=points, pending=0.0, out_of=out_of, decided=decided)


def _waiting(scored: Scored, decided: Decided) -> Scored:
    out_of = scored.out_of or scored.criterion.points
    then = decided.decision.basis or decided.automatic
    said = message(
        "decision.stale",
        decided=points_of(decided.decision, out_of),
        before=_words(then),
        now=_words(decided.automatic),
    )
    finding = _said(scored.finding, Verdict.REVIEW, 0.0, said)
    return replace(scored, finding=finding, points=0.0, pending=out_of, out_of=out_of, decided=decided)


def _words(result: Basis) -> str:
    return result.verdict.value if result.verdict in (Verdict.REVIEW, Verdict.FAULT) else f"{result.points:g}"


def _said(finding: Finding, verdict: Verdict, credit: float, said: Message) -> Finding:
    """The finding with the person's word first; what the grader itself had seen stays below it."""
    return replace(
        finding, verdict=verdict, credit=credit, message=said, details=(finding.message, *finding.details), hint=None
    )
