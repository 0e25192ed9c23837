"""Which row of a system's table is whose, and which column takes the points: what Canvas, Moodle and Blackboard share.

Rows are found by the surest key first: the system's own id, the school's number, the login, the mail address, and
only then the name. Nothing is guessed: a row that two students answer to, or a student with two rows, is left alone.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from grader.model import GraderError, Record
from grader.tables import folded, name_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from grader.export.sheet import Sheet
    from grader.model import Grade, Submission


class Layout(Record, frozen=True, kw_only=True):
    """Where a system's table has what; each kind of key with the columns that hold it, `head` rows are no students."""

    keys: dict[str, tuple[int, ...]]
    column: int
    head: int = 1
    out_of: float | None = None
    locked: int | None = None
    comments: int | None = None


class Filled(Record, frozen=True, kw_only=True):
    """A table with the points in it, and what a person should know about it.

    `unknown` have a grade and no row; `ambiguous` answer to several rows or share one; `locked` rows take no points.
    """

    data: bytes
    written: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    ambiguous: tuple[str, ...] = ()
    locked: tuple[str, ...] = ()
    blank: tuple[str, ...] = ()


def fill(
    sheet: Sheet,
    layout: Layout,
    grades: Sequence[Grade],
    *,
    points: Callable[[Grade], str],
    comment: Callable[[Grade], str] = lambda _: "",
) -> Filled:
    """Put everybody's points in their row; empty points leave the cell as it was, and so does every doubt."""
    rows, ambiguous = _rows(sheet, layout, grades)
    sorted_in: dict[str, list[str]] = {"written": [], "unknown": [], "locked": [], "blank": []}
    for grade in grades:
        student = grade.submission.student
        row = rows.get(student)
        if student not in ambiguous:
            kind = _put(sheet, layout, row, points(grade), comment(grade))
            sorted_in[kind].append(student)
    told = {kind: tuple(students) for kind, students in sorted_in.items()}
    return Filled(data=sheet.data(), ambiguous=tuple(sorted(ambiguous)), **told)


def _put(sheet: Sheet, layout: Layout, row: int | None, points: str, comment: str) -> str:
    """Fill one row, and say what became of it."""
    if not points:
        return "blank"
    if row is None:
        return "unknown"
    if folded(sheet.cell(row, layout.locked)) in ("no", "否"):
        return "locked"
    sheet.fill(row, layout.column, points)
    if comment and layout.comments is not None:
        sheet.fill(row, layout.comments, comment)
    return "written"


def _rows(sheet: Sheet, layout: Layout, grades: Sequence[Grade]) -> tuple[dict[str, int], frozenset[str]]:
    """Every student's row, and those whose row is in doubt."""
    index = _index(sheet, layout)
    found: dict[str, int] = {}
    doubtful: set[str] = set()
    for grade in grades:
        student = grade.submission.student
        rows = next((rows for key in keys(grade.submission) if (rows := index.get(key))), frozenset())
        if len(rows) == 1:
            (found[student],) = rows
        elif rows:
            doubtful.add(student)
    shared = {row for row, count in Counter(found.values()).items() if count > 1}
    doubtful |= {student for student, row in found.items() if row in shared}
    return found, frozenset(doubtful)


def _index(sheet: Sheet, layout: Layout) -> Mapping[tuple[str, str], frozenset[int]]:
    """The rows by kind and key."""
    index: dict[tuple[str, str], set[int]] = {}
    for row in range(layout.head, len(sheet)):
        for kind, columns in layout.keys.items():
            for key in _written(kind, [sheet.cell(row, column) for column in columns]):
                index.setdefault((kind, key), set()).add(row)
    return {key: frozenset(rows) for key, rows in index.items()}


def _written(kind: str, cells: Iterable[str]) -> Iterator[str]:
    """The keys that a row's cells spell; of an address both the whole and what stands before the `@`."""
    for cell in cells:
        key = name_key(cell) if kind == "name" else folded(cell)
        if kind == "moodle":
            digits = re.search(r"(\d+)$", key)
            key = digits[1] if digits else ""
        if key:
            yield key
        if kind == "mail" and "@" in key:
            yield key.partition("@")[0]


def keys(submission: Submission) -> Iterator[tuple[str, str]]:
    """By what a student's row is found, the surest first."""
    person = submission.person
    for kind in ("canvas", "moodle"):
        if kind in person.ids:
            yield kind, folded(person.ids[kind])
    known = [person.ids.get("number", ""), person.ids.get("login", ""), submission.student]
    for text in filter(None, known):
        yield "id", folded(text)
    for text in filter(None, (person.mail, *known)):
        yield "mail", folded(text)
    for text in filter(None, (person.name, submission.student)):
        yield "name", name_key(text)


def chosen(header: Sequence[str], among: Sequence[int], wanted: str | None, *, where: str) -> int:
    """The column that takes the points: the named one, else the only one there is.

    Raises:
        GraderError: where none or several answer, with their names.
    """
    if wanted is None:
        found = list(among)
    else:
        exact = [number for number in among if folded(header[number]) == folded(wanted)]
        found = exact or [number for number in among if folded(wanted) in folded(header[number])]
    if len(found) == 1:
        return found[0]
    names = ", ".join(f"`{header[number]}`" for number in (found or among)[:8])
    what = "several columns could take the points" if found else "no column of this table takes the points"
    raise GraderError(
        what, where=where, hint=f"choose one with --column: {names}" if names else "is it the right table?"
    )


def number_of(text: str) -> float | None:
    """A number in a cell, with a decimal point or a comma; None where there is none."""
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        return None
