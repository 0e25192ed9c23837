"""A graded class as a table on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grader import feedback
from grader.cli.collecting import late_words, some
from grader.cli.results import EDITED, OVERVIEW, edited
from grader.cli.terminal import log, out, say, table
from grader.model import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from grader.model import Grade, Language
    from grader.store import Store

_TOLD = (Verdict.FAULT, Verdict.REVIEW, Verdict.FAIL, Verdict.PARTIAL)


def tell(
    grades: Sequence[Grade],
    folder: Path,
    language: Language,
    *,
    left: int = 0,
    missing: Sequence[str] = (),
    earlier: Sequence[Grade] = (),
) -> None:
    """Print students, points and verdicts, who is missing or `left` without a grade, and which page to open."""
    head = [say(f"table.{column}", language) for column in ("student", "points", "pending", "verdicts")]
    lines = table([head, *(_row(grade, language) for grade in grades)], right=(1, 2))
    out(lines[0], bold=True)
    for line in lines[1:]:
        out(line)
    out()
    review = sum(grade.needs_review for grade in grades)
    out(say("class", language, count=len(grades), review=review))
    if missing:
        out(say("handins.missing", language, count=len(missing), names=some(missing)))
    if earlier:
        known = [f"{grade.submission.student} {_points(grade)}" for grade in earlier]
        out(say("earlier", language, names=some(known)))
    if left:
        out(say("left", language, count=left))
    out(say("open", language, path=str(folder / OVERVIEW)))


def faulty(grades: Sequence[Grade]) -> list[str]:
    """The students on whose work the grader itself broke."""
    return [
        grade.submission.student
        for grade in grades
        if any(scored.finding.verdict is Verdict.FAULT for scored in grade.scored)
    ]


def note_edits(folder: Path, database: Store, language: Language) -> None:
    """Say, before the table is written again, where somebody's edits of it are kept and how they are taken."""
    if edited(folder, database):
        log(say("edited", language, folder=str(folder), path=str(folder / EDITED)))


def _row(grade: Grade, language: Language) -> list[str]:
    pending = feedback.number(grade.pending) if grade.pending else ""
    points = _points(grade)
    return [feedback.safe(grade.submission.student), points, pending, _verdicts(grade, language)]


def _points(grade: Grade) -> str:
    return f"{feedback.number(grade.points)}/{feedback.number(grade.out_of)}"


def _verdicts(grade: Grade, language: Language) -> str:
    """What did not pass, the gravest first: `fail: updates, losses; partial: sgd`."""
    ids = {
        verdict: [scored.criterion.id for scored in grade.scored if scored.finding.verdict is verdict]
        for verdict in _TOLD
    }
    decided = [scored.criterion.id for scored in grade.scored if scored.decided]
    told = [
        say("told", language, what=say(f"verdict.{verdict}", language), names=", ".join(names))
        for verdict, names in ids.items()
        if names
    ]
    if decided:
        told.append(say("told", language, what=say("decided", language), names=", ".join(decided)))
    late = late_words(grade.submission.lateness, language)
    if late:
        told.append(late)
    return say("then", language).join(told) or say("verdict.pass", language)
