"""`grader history`: what was decided about a student by whom, when and on what."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from grader import decisions, feedback
from grader.cli import options, results
from grader.cli.errors import USAGE, stops
from grader.cli.terminal import out, say, wrap
from grader.model import to_json

if TYPE_CHECKING:
    from grader.model import Decision, Grade, Language
    from grader.store import Store

_SHOWN = 8
"""Characters of a digest that tell one from another."""

_HELP = """\b
Example:
  grader history results b10901023
  grader history results b10901023 --format json
"""


@click.command("history", short_help="Say what was decided about a student, and on what.", epilog=_HELP)
@click.argument("folder", metavar="RESULTS", type=click.Path(path_type=Path))
@click.argument("student")
@click.option("--format", "format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@options.lang_of_results
def command(folder: Path, student: str, format: str, chosen: Language | None) -> int:
    """List every grade that a STUDENT has had, every decision of a person, and what holds now."""
    with stops(USAGE), results.reading(folder) as store:
        language = results.language_of(store, chosen)
        automatic, _ = results.student_of(store, student)
        final = results.final(store, automatic)
        if format == "json":
            out(msgspec.json.format(to_json(_plain(store, student, final)), indent=2).decode())
        else:
            _tell(store, student, final, language)
    return 0


def _plain(store: Store, student: str, final: Grade) -> dict[str, Any]:
    return {
        "student": student,
        "grades": [
            {"at": at, "points": grade.points, "pending": grade.pending, "out_of": grade.out_of}
            | {"rubric": grade.rubric.digest, "digest": grade.submission.digest}
            for at, grade in store.history(student)
        ],
        "decisions": store.decisions(student),
        "stale": [scored.criterion.id for scored in final.scored if scored.decided and scored.decided.stale],
        "final": {"points": final.points, "pending": final.pending, "out_of": final.out_of},
    }


def _tell(store: Store, student: str, final: Grade, language: Language) -> None:
    for at, grade in store.history(student):
        digests = {"rubric": _short(grade.rubric.digest), "files": _short(grade.submission.digest)}
        out(say("history.graded", language, at=at, **_sums(grade), **digests))
    made = store.decisions(student)
    for decision in made:
        _tell_decision(decision, language)
    for scored in final.scored:
        if scored.decided and scored.decided.stale:
            why = feedback.text(scored.finding.message, language)
            out(say("history.stale", language, criterion=scored.criterion.id, why=why))
    for decision in decisions.without_criterion(final, made):
        out(say("history.unknown", language, criterion=decision.criterion))
    out(say("history.final", language, **_sums(final)), bold=True)


def _tell_decision(decision: Decision, language: Language) -> None:
    names = {"at": decision.at, "by": decision.by or "?", "criterion": decision.criterion}
    if decisions.withdraws(decision):
        out(say("history.withdrawn", language, **names))
    else:
        amount = feedback.number(decision.points) if decision.points is not None else f"{_percent(decision)} %"
        out(say("history.decided", language, **names, amount=amount, before=_basis(decision)))
    for kind in ("comment", "note"):
        text = getattr(decision, kind)
        if text:
            out(wrap(say(f"history.{kind}", language, **{kind: text}), "    "))


def _percent(decision: Decision) -> str:
    return feedback.number(round(100 * (decision.share or 0.0), 2))


def _basis(decision: Decision) -> str:
    on = decision.basis
    return f"{on.verdict.value} {on.points:g}/{on.out_of:g}" if on else "?"


def _sums(grade: Grade) -> dict[str, float]:
    return {"points": grade.points, "out_of": grade.out_of, "pending": grade.pending}


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:_SHOWN] or "–"
