"""`grader inspect`: which file is whose, and why, before anything runs."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from grader import feedback, intake
from grader.cli import collecting, options, results
from grader.cli.errors import NOTHING, USAGE, Stop, stops
from grader.cli.terminal import log, out, say, table
from grader.export.csv import harmless
from grader.intake import collection, mapping, nested

if TYPE_CHECKING:
    from grader.intake.collection import Collected
    from grader.model import Language, Part, Submission

_HELP = """\b
Example:
  grader inspect HW3.zip
  grader inspect HW3.zip --roster gradebook.csv --deadline 2026-10-08T23:59 --zone Asia/Taipei
  grader inspect submissions --layout moodle -o who.csv
  grader inspect submissions --mapping who.csv

\b
Exit codes:
  0  done     2  wrong usage, or an archive beyond all bounds     4  no hand-ins found
"""


@click.command("inspect", short_help="Say which file is whose, before anything runs.", epilog=_HELP)
@click.argument("source", metavar="FOLDER|ZIP", type=click.Path(exists=True, path_type=Path))
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the table as CSV.")
@options.lang
@collecting.collecting
def command(source: Path, output: Path | None, language: Language, **given: Any) -> int:
    """Read a class as `grader grade` would, and print who handed in what, who is missing and what goes to a person.

    Nothing is run and nothing is graded. A ZIP is read within bounds and never unpacked beside the original.
    """
    collecting.refuse_unknown_encoding(given["encoding"])
    wishes = collecting.wishes(given)
    with stops(USAGE), tempfile.TemporaryDirectory() as folder:
        found = collection.collect(source.resolve(), wishes, unpacked=Path(folder))
        if not found.submissions:
            raise Stop("there are no hand-ins in this", where=str(source), code=NOTHING)
        _tell(found, language)
        if output is not None:
            lines = mapping.written(_line(submission, language) for submission in found.submissions)
            results.write(output, lines, encoding="utf-8-sig")
            log(say("handins.written", language, path=str(output)))
    return 0


def _tell(found: Collected, language: Language) -> None:
    columns = ("table.student", "handins.notebook", "handins.report", "handins.source", "handins.to-know")
    head = [say(column, language) for column in columns]
    rows = [[feedback.safe(cell) for cell in _row(submission, language)] for submission in found.submissions]
    lines = table([head, *rows])
    out(lines[0], bold=True)
    for line in lines[1:]:
        out(line)
    collecting.tell(found, language)


def _row(submission: Submission, language: Language) -> tuple[str, ...]:
    return (
        submission.student,
        _file(submission, "notebook", language),
        _file(submission, "report", language),
        submission.origin,
        _to_know(submission, language),
    )


def _file(submission: Submission, part: Part, language: Language) -> str:
    name = getattr(submission, part)
    if name:
        others = _alternatives(submission, part)
        return say("handins.of", language, name=name, count=others + 1) if others else str(name)
    doubtful = any(problem.id.startswith(f"intake.{part}-") for problem in submission.problems)
    if doubtful and nested.archive_of(submission):
        return say("handins.in-archive", language)
    return say("handins.person" if doubtful else "handins.none", language)


def _alternatives(submission: Submission, part: Part) -> int:
    """How many other files of this kind there were."""
    kind = [name for name in submission.files if name.lower().endswith(intake.SUFFIX[part])]
    return max(0, len(kind) - 1)


def _why(submission: Submission, language: Language) -> str:
    """Why these files were chosen, where there was a choice."""
    parts: tuple[Part, ...] = ("notebook", "report")
    chosen = [part for part in parts if getattr(submission, part) and _alternatives(submission, part)]
    return " ".join(say(f"handins.why-{part}", language, name=getattr(submission, part)) for part in chosen)


def _to_know(submission: Submission, language: Language) -> str:
    late = collecting.late_words(submission.lateness, language)
    archive = nested.archive_of(submission)
    if archive is not None:
        return " ".join(filter(None, (late, say("handins.opened-later", language, name=archive))))
    said = [late, _why(submission, language), *(feedback.text(problem, language) for problem in submission.problems)]
    return " ".join(filter(None, said))


def _line(submission: Submission, language: Language) -> tuple[str, ...]:
    cells = (
        submission.origin,
        submission.student,
        submission.notebook or "",
        submission.report or "",
        submission.person.name,
        submission.received or "",
        collecting.late_words(submission.lateness, language),
        _to_know(submission, language),
    )
    return tuple(map(harmless, cells))
