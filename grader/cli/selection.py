"""Chooses students of a class by what was found about them: for `find`, and for what is gathered again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grader import feedback
from grader.model import Record, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from grader.model import Evidence, Grade, Message, Scored

NOT_PASSED = (Verdict.PARTIAL, Verdict.FAIL, Verdict.REVIEW, Verdict.FAULT)


class Wanted(Record, frozen=True, kw_only=True):
    """Which findings are wanted; what is empty wants any. `text` is looked for without regard to case."""

    students: tuple[str, ...] = ()
    criteria: tuple[str, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    text: str = ""


def found(grade: Grade, evidence: Evidence, wanted: Wanted) -> tuple[Scored, ...]:
    """The criteria of one student that answer to all that is wanted."""
    if wanted.students and grade.submission.student not in wanted.students:
        return ()
    beside = wanted.text and any(_has(text, wanted.text) for text in _beside(evidence))
    return tuple(
        scored
        for scored in grade.scored
        if not wanted.criteria or {scored.criterion.id, scored.finding.check} & set(wanted.criteria)
        if not wanted.verdicts or scored.finding.verdict in wanted.verdicts
        if not wanted.text or beside or any(_has(text, wanted.text) for text in _said(scored))
    )


def _has(text: str, part: str) -> bool:
    return part.casefold() in text.casefold()


def _said(scored: Scored) -> Iterator[str]:
    """What was said about a criterion, in both languages and by id."""
    finding = scored.finding
    for message in (finding.message, *finding.details, *([finding.hint] if finding.hint else [])):
        yield from _texts(message)


def _texts(message: Message) -> Iterator[str]:
    yield message.id
    yield feedback.text(message, "en")
    yield feedback.text(message, "zh-TW")


def _beside(evidence: Evidence) -> Iterator[str]:
    """What happened while the facts were gathered: how cells ended, and where the grader broke."""
    if evidence.fault:
        yield evidence.fault.traceback
    if evidence.run:
        for cell in evidence.run.cells:
            yield from (cell.status, cell.error or "")
        if evidence.run.problem:
            yield from _texts(evidence.run.problem)
