"""`grader show`: one student of a class, as the page would say it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from grader import feedback
from grader.cli import options, results, student
from grader.cli.collecting import late_words
from grader.cli.errors import USAGE, stops
from grader.cli.terminal import out, say, wrap
from grader.export.json import grade_json
from grader.model import to_json

if TYPE_CHECKING:
    from grader.model import Grade, Language

_HELP = """\b
Example:
  grader show results b10901023
  grader show results b10901023 --format json
"""


@click.command("show", short_help="Print one student of a class.", epilog=_HELP)
@click.argument("folder", metavar="RESULTS", type=click.Path(path_type=Path))
@click.argument("name", metavar="STUDENT")
@click.option("--format", "format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@options.lang_of_results
def command(folder: Path, name: str, format: str, chosen: Language | None) -> int:
    """Print the final grade of a STUDENT: every criterion, what a person decided, and what would help next."""
    with stops(USAGE), results.reading(folder) as store:
        language = results.language_of(store, chosen)
        automatic, evidence = results.student_of(store, name)
        grade = results.final(store, automatic)
    if format == "json":
        out(msgspec.json.format(to_json(grade_json(grade, evidence, language=language)), indent=2).decode())
        return 0
    _head(grade, language)
    student.tell(grade, language, page=str(folder / results.feedback_page(grade.submission.student)))
    _comments(grade, language)
    return 0


def _head(grade: Grade, language: Language) -> None:
    submission = grade.submission
    files = [name for name in (submission.notebook, submission.report) if name]
    late = late_words(submission.lateness, language)
    parts = (submission.student, submission.person.name, ", ".join(files), submission.received or "", late)
    out("  ".join(feedback.safe(part) for part in parts if part), bold=True)
    for problem in submission.problems:
        out(wrap(feedback.text(problem, language), "  "))


def _comments(grade: Grade, language: Language) -> None:
    """What people wrote to the student."""
    for scored in grade.scored:
        comment = scored.decided.decision.comment if scored.decided else ""
        if comment:
            title = feedback.title(scored, language)
            out(wrap(say("show.comment", language, title=title, comment=comment), "  "))
