"""`grader export`: the grades in the form that another system takes."""

from __future__ import annotations

import io
import secrets
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from grader import feedback, files
from grader.cli import options, results
from grader.cli.errors import UNDECIDED, USAGE, Stop, stops
from grader.cli.terminal import log, say
from grader.decisions import net
from grader.export import anonymous, gradescope, junit, nbgrader
from grader.export.csv import grades_csv
from grader.export.gradebook import fill
from grader.export.points import is_missing, rounded
from grader.export.returned import page_name
from grader.export.sheet import Sheet
from grader.export.systems import SYSTEMS
from grader.model import GraderError, Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grader.export.gradebook import Filled
    from grader.model import Grade, Language
    from grader.store import Store

_TABLES = ("csv", "nbgrader", "junit")
_FOLDERS = ("gradescope",)
FORMATS = (*SYSTEMS, *_FOLDERS, *_TABLES)
_FIRST = 8

_HELP = """\b
canvas, moodle and blackboard fill the table that the system exported (--template) and leave the rest as it is:
Canvas's gradebook, Moodle's grading worksheet, Blackboard's grade centre. Rows are found by the system's id, the
student's number, login or mail address, and only then by the name. gradescope writes a results.json for each student.

\b
Example:
  grader export moodle results --template Grades.csv -o Grades-filled.csv
  grader export canvas results --template gradebook.csv --column "HW3 (1234)" -o filled.csv
  grader export gradescope results -o gradescope
  grader export csv results -o class.csv --feedback-zip feedback.zip
  grader export csv results -o class.csv --anonymise key.csv

\b
Exit codes:
  0  written
  2  wrong usage, or a table of something else
  3  points are pending: nothing was written
"""


class Class(Record, frozen=True, kw_only=True):
    """The final grades of a batch, and the students who have none yet."""

    grades: tuple[Grade, ...]
    left: tuple[str, ...]
    language: Language


@click.command("export", short_help="Write grades as another system takes them.", epilog=_HELP)
@click.argument("format", type=click.Choice(FORMATS), metavar="FORMAT")
@click.argument("folder", metavar="RESULTS", type=click.Path(path_type=Path))
@click.option("--template", type=options.FILE, help="The table that the system exported, to be filled.")
@click.option("--column", help="The column that takes the points, where there are several.")
@click.option("--scale", is_flag=True, help="Scale the points to the most that the system allows.")
@click.option("--comments", is_flag=True, help="Fill the system's column for comments with the points by criterion.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where it goes, instead of to the terminal.")
@click.option("--allow-pending", is_flag=True, help="Export points so far where some are pending.")
@click.option("--feedback-zip", type=click.Path(dir_okay=False, path_type=Path), help="All pages, for uploading.")
@click.option(
    "--anonymise", "key", metavar="KEY.csv", type=click.Path(dir_okay=False, path_type=Path),
    help="Put tokens for names, in pages too; KEY.csv says whose they are.",
)  # fmt: skip
@options.lang_of_results
def command(
    format: str,
    folder: Path,
    template: Path | None,
    column: str | None,
    scale: bool,
    comments: bool,
    output: Path | None,
    allow_pending: bool,
    feedback_zip: Path | None,
    key: Path | None,
    chosen: Language | None,
) -> int:
    """Write the final grades in RESULTS in a FORMAT: canvas, moodle, blackboard, gradescope, nbgrader, csv, junit.

    Who handed in nothing stays blank, which is another thing than a zero. While points are pending nothing is
    written, unless --allow-pending says that the points so far will do.
    """
    _refuse_mixed(format, template, column, output, scale=scale, comments=comments)
    if key is not None and (format in SYSTEMS or format in _FOLDERS):
        raise Stop(f"{format} needs to know whose a grade is", hint="--anonymise is for csv, nbgrader and junit")
    with stops(USAGE), results.reading(folder) as store:
        known = _class(store, results.language_of(store, chosen))
        _wait(known, allow_pending=allow_pending)
        tokens = _tokens(known, key) if key is not None else None
        if format in SYSTEMS:
            asked = _Asked(template=template or Path(), column=column, scale=scale, comments=comments)
            _write(_filled(format, known, asked), output)
        elif format in _FOLDERS:
            _gradescope(store, output or Path(), known.language)
        else:
            _write(_table(format, _hidden(known, tokens) if tokens else known), output)
        if feedback_zip is not None and tokens:
            _zip_anonymous(store, tokens, known.language, feedback_zip)
        elif feedback_zip is not None:
            _zip(folder, known, feedback_zip)
    return 0


def _refuse_mixed(
    format: str, template: Path | None, column: str | None, output: Path | None, *, scale: bool, comments: bool
) -> None:
    if format in SYSTEMS and template is None:
        raise Stop(f"{format} needs the table that it exported", hint="give it with --template FILE")
    if format not in SYSTEMS and (template or column or scale or comments):
        raise Stop(f"{format} is not filled into a table", hint="leave out --template, --column, --scale, --comments")
    if format in _FOLDERS and output is None:
        raise Stop(f"{format} writes a file for each student", hint="give a folder with -o")
    if template is not None and output is not None and output.resolve() == template.resolve():
        raise Stop("this would write over the table that was given", where=str(output), hint="give another name")


def _class(store: Store, language: Language) -> Class:
    grades = results.all_of(store)
    return Class(grades=grades, left=store.pending(), language=language)


def _wait(known: Class, *, allow_pending: bool) -> None:
    """Refuse to export what is not final."""
    waiting = [grade.submission.student for grade in known.grades if grade.pending or grade.needs_review]
    if allow_pending or not (waiting or known.left):
        return
    names = _some([*waiting, *known.left])
    raise Stop(
        say("export.waits", known.language, count=len(waiting) + len(known.left), names=names),
        hint=say("export.waits-hint", known.language),
        code=UNDECIDED,
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join([*map(feedback.safe, names[:_FIRST]), *(["…"] if len(names) > _FIRST else [])])


# -- tables that are filled ----------------------------------------------------------------------


class _Asked(Record, frozen=True, kw_only=True):
    """How the system's table is to be filled."""

    template: Path
    column: str | None
    scale: bool
    comments: bool


def _filled(format: str, known: Class, asked: _Asked) -> bytes:
    where = str(asked.template)
    sheet = Sheet(_read(asked.template), where=where)
    layout = SYSTEMS[format](sheet, asked.column, where)
    most = layout.out_of
    if most is not None and not asked.scale:
        _refuse_other_total(known, most, where)

    def points(grade: Grade) -> str:
        if is_missing(grade):
            return ""
        share = most / grade.out_of if asked.scale and most is not None and grade.out_of else 1.0
        return rounded(net(grade) * share)

    def comment(grade: Grade) -> str:
        return _comment(grade, known.language) if asked.comments else ""

    filled = fill(sheet, layout, known.grades, points=points, comment=comment)
    _tell(filled, known, column=sheet.header[layout.column])
    return filled.data


def _refuse_other_total(known: Class, most: float, where: str) -> None:
    other = {grade.out_of for grade in known.grades if not is_missing(grade) and grade.out_of != most}
    if other:
        totals = ", ".join(f"{total:g}" for total in sorted(other))
        raise GraderError(
            f"the table allows {most:g} points, and grades here are out of {totals}",
            where=where,
            hint="add --scale, or change the points in the system",
        )


def _comment(grade: Grade, language: Language) -> str:
    parts = (
        f"{feedback.title(scored, language)}: {rounded(scored.points)}/{rounded(scored.out_of)}"
        for scored in grade.scored
        if scored.out_of
    )
    return "; ".join(parts)


def _tell(filled: Filled, known: Class, *, column: str) -> None:
    """Say on stderr what was written, and whose points were not."""
    log(say("export.filled", known.language, count=len(filled.written), column=column))
    for kind in ("blank", "unknown", "ambiguous", "locked"):
        students = getattr(filled, kind)
        if students:
            log(say(f"export.{kind}", known.language, count=len(students), names=_some(students)))


# -- other files ---------------------------------------------------------------------------------


def _table(format: str, known: Class) -> bytes:
    if format == "junit":
        return junit.suites(known.grades, language=known.language).encode()
    if format == "nbgrader":
        return nbgrader.grades_csv(known.grades).encode()
    links = {grade.submission.student: results.feedback_page(grade.submission.student) for grade in known.grades}
    return grades_csv(known.grades, links=links).encode("utf-8-sig", "backslashreplace")


def _gradescope(store: Store, folder: Path, language: Language) -> None:
    for grade, evidence in results.finals(store):
        _write(gradescope.results_json(grade, evidence, language=language).encode(), folder / _result_name(grade))


def _result_name(grade: Grade) -> str:
    return results.feedback_page(grade.submission.student).split("/")[1] + "/results.json"


def _zip(folder: Path, known: Class, path: Path) -> None:
    """Pack all pages under the names by which the system takes feedback back."""
    packed = io.BytesIO()
    absent = []
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for grade in known.grades:
            page = folder / results.feedback_page(grade.submission.student)
            if is_missing(grade):
                continue
            if not page.is_file():
                absent.append(grade.submission.student)
                continue
            archive.writestr(
                page_name(grade.submission, page.parent.name), files.content(page, most=results.MOST_BYTES)
            )
    _write(packed.getvalue(), path)
    if absent:
        log(say("export.no-page", known.language, names=_some(absent)))


def _tokens(known: Class, key: Path) -> dict[str, str]:
    """A token for everyone, by the key that is there already, which is then written with whoever is new."""
    before = anonymous.read_key(_read(key), where=str(key)) if key.exists() else {}
    students = [grade.submission.student for grade in known.grades]
    tokens = anonymous.tokens_for(students, before, draw=lambda: secrets.token_hex(4))
    _write(anonymous.key(tokens).encode("utf-8-sig"), key)
    return tokens


def _hidden(known: Class, tokens: dict[str, str]) -> Class:
    """The class in the order of its tokens: its own order would say who is who."""
    grades = sorted((anonymous.anonymous(grade, tokens) for grade in known.grades), key=lambda g: g.submission.student)
    return Class(grades=tuple(grades), left=known.left, language=known.language)


def _zip_anonymous(store: Store, tokens: dict[str, str], language: Language, path: Path) -> None:
    """Pack pages that are made anew, without names."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for grade, evidence in results.finals(store):
            hidden = anonymous.anonymous(grade, tokens)
            page = feedback.render(hidden, evidence, language=language)
            archive.writestr(f"{hidden.submission.student}/feedback.html", page.encode("utf-8", "backslashreplace"))
    _write(packed.getvalue(), path)


def _read(path: Path) -> bytes:
    try:
        return files.content(path, most=results.MOST_BYTES, follow=True)
    except OSError as error:
        raise GraderError(f"cannot be read: {error.strerror}", where=str(path)) from error


def _write(data: bytes, output: Path | None) -> None:
    if output is None:
        sys.stdout.buffer.write(data)
        return
    results.write_bytes(output, data)
