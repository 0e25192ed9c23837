"""Gradescope's `results.json`, one for each student, as its autograder reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from grader import feedback
from grader.model import Verdict, plain, to_json

if TYPE_CHECKING:
    from grader.model import Evidence, Grade, Language, Scored

_STATUS = {Verdict.PASS: "passed", Verdict.PARTIAL: "failed", Verdict.FAIL: "failed"}


def results_json(grade: Grade, evidence: Evidence, *, language: Language) -> str:
    """The file's text; sentences are plain text, since a student's own words may stand in them."""
    value = {
        "score": grade.points,
        "execution_time": round(evidence.seconds, 3),
        "output_format": "text",
        "visibility": "visible",
        "tests": [_test(scored, language) for scored in grade.scored if scored.out_of],
    }
    return msgspec.json.format(to_json(plain(value)), indent=2).decode()


def _test(scored: Scored, language: Language) -> dict[str, Any]:
    """One criterion; what waits for a person has no status, so that it looks neither passed nor failed."""
    status = _STATUS.get(scored.finding.verdict)
    return {
        "name": feedback.title(scored, language),
        "score": scored.points,
        "max_score": scored.out_of,
        "output": "\n".join(sentences(scored, language)),
        "output_format": "text",
    } | ({"status": status} if status else {})


def sentences(scored: Scored, language: Language) -> list[str]:
    """What is said about a criterion, a person's comment first."""
    finding = scored.finding
    comment = scored.decided.decision.comment if scored.decided and not scored.decided.stale else ""
    said = [finding.message, *finding.details, *([finding.hint] if finding.hint else [])]
    return [*([feedback.safe(comment, 2000)] if comment else []), *(feedback.text(one, language) for one in said)]
