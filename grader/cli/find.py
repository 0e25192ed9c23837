"""`grader find`: who made the same mistake."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from grader import feedback
from grader.cli import options, results, selection
from grader.cli.errors import USAGE, stops
from grader.cli.terminal import out, say, table
from grader.model import Verdict, plain, to_json

if TYPE_CHECKING:
    from grader.model import Language, Scored

_HELP = """\b
Example:
  grader find results --check updates --verdict fail
  grader find results --message "root"
  grader find results --verdict review --format jsonl
"""


@click.command("find", short_help="List who made the same mistake.", epilog=_HELP)
@click.argument("folder", metavar="RESULTS", type=click.Path(path_type=Path))
@click.option("--check", "criteria", multiple=True, help="This criterion or check; may be repeated.")
@click.option(
    "--verdict", "verdicts", multiple=True, type=click.Choice([verdict.value for verdict in Verdict]),
    help="This verdict; may be repeated.",
)  # fmt: skip
@click.option("--message", "text", default="", help="Words of what is said, in either language, or of an error.")
@click.option("--format", "format", type=click.Choice(["text", "jsonl"]), default="text", show_default=True)
@options.lang_of_results
def command(
    folder: Path, criteria: tuple[str, ...], verdicts: tuple[str, ...], text: str, format: str, chosen: Language | None
) -> int:
    """List the findings of a class that answer to all that is asked, with what was said to each student."""
    wanted = selection.Wanted(criteria=criteria, verdicts=tuple(map(Verdict, verdicts)), text=text)
    rows: list[tuple[str, Scored]] = []
    with stops(USAGE), results.reading(folder) as store:
        language = results.language_of(store, chosen)
        for grade, evidence in results.finals(store):
            rows += [(grade.submission.student, scored) for scored in selection.found(grade, evidence, wanted)]
    if format == "jsonl":
        for student, scored in rows:
            out(_line(student, scored, language))
        return 0
    for line in table([_row(student, scored, language) for student, scored in rows], right=(3,)) if rows else ():
        out(line)
    out(say("find.count", language, count=len(rows), students=len({student for student, _ in rows})))
    return 0


def _row(student: str, scored: Scored, language: Language) -> tuple[str, ...]:
    verdict = feedback.text(scored.finding.message, language)
    points = f"{feedback.number(scored.points)}/{feedback.number(scored.out_of)}"
    return (feedback.safe(student), scored.criterion.id, scored.finding.verdict.value, points, verdict)


def _line(student: str, scored: Scored, language: Language) -> str:
    value = {
        "student": student,
        "criterion": scored.criterion.id,
        "verdict": scored.finding.verdict.value,
        "points": scored.points,
        "pending": scored.pending,
        "out_of": scored.out_of,
        "message": scored.finding.message.id,
        "summary": feedback.text(scored.finding.message, language),
    }
    return to_json(plain(value)).decode()
