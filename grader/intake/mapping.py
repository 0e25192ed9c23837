"""Who handed in what, as a table that a person reads, corrects and gives back."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from grader.model import GraderError, Record
from grader.tables import MARK, rows, unmarked

if TYPE_CHECKING:
    from collections.abc import Iterable

COLUMNS = ("source", "student", "notebook", "report", "name", "received", "late", "what a person should know")
NONE = "-"
"""What stands for no file of a kind."""


class Line(Record, frozen=True, kw_only=True):
    """One hand-in as a person wants it: an empty `student` leaves it out, an empty file lets the grader choose."""

    source: str
    student: str
    notebook: str = ""
    report: str = ""
    place: str = ""


def written(lines: Iterable[tuple[str, ...]]) -> str:
    """The table's text, to be read back; whoever calls it shields the cells from being formulas in a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    writer.writerows(lines)
    return out.getvalue()


def read(data: bytes, *, where: str) -> dict[str, tuple[Line, ...]]:
    """The lines of a table that somebody has corrected, by source; a source of a group has one for each member.

    Raises:
        GraderError: where it is no such table, or names a source twice for one student.
    """
    table = rows(data, where=where)
    header = [title.removeprefix(MARK).strip() for title in table[0][1]] if table else []
    if "source" not in header or "student" not in header:
        raise GraderError(
            "this table needs the columns source and student",
            where=where,
            hint="`grader inspect -o FILE.csv` writes it",
        )
    found: dict[str, tuple[Line, ...]] = {}
    for place, row in table[1:]:
        cells = dict(zip(header, row, strict=False))
        line = Line(place=place, **{name: unmarked(cells.get(name, "").strip()) for name in COLUMNS[:4]})
        before = found.get(line.source, ())
        if any(line.student == other.student for other in before):
            raise GraderError(f"`{line.source}` is in this table twice for one student", where=place)
        found[line.source] = (*before, line)
    return found
