"""Tables of decisions that people write: one line a decision, or the class's own table with changed points."""

from __future__ import annotations

from itertools import zip_longest
from types import TracebackType
from typing import TYPE_CHECKING

from grader import files, tables
from grader.cli import results
from grader.model import GraderError, Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from grader.model import Grade
    from grader.store import Store

Row = dict[str, str]


class Wish(Record, frozen=True, kw_only=True):
    """A decision as somebody wrote it; empty `points` withdraw one, and `place` says where it stands."""

    student: str
    criterion: str
    points: str
    comment: str = ""
    note: str = ""
    place: str = ""


class Placed:
    """Adds the place of a table's line to the mistakes that are found inside the `with`."""

    def __init__(self, place: str) -> None:
        self._place = place

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, GraderError) and self._place and not error.where:
            raise GraderError(error.message, where=self._place, hint=error.hint) from error


def wish(student: str, criterion: str, points: str, comment: str, note: str, place: str = "") -> Wish:
    """One wish, without the space around its words and the mark that shields a table's text from a spreadsheet."""
    texts = (tables.unmarked(text.strip()) for text in (student, criterion, points, comment, note))
    return Wish(**dict(zip(("student", "criterion", "points", "comment", "note"), texts, strict=True)), place=place)


def read(path: Path) -> tuple[tuple[str, Row], ...]:
    """The rows of a CSV file by the titles of its columns, with their places.

    Raises:
        GraderError: where it is no table, or lacks its columns.
    """
    found = tables.rows(files.content(path, most=tables.MOST_BYTES, follow=True), where=str(path))
    header = found[0][1] if found else ()
    if len(found) < 2 or "student" not in header:
        raise GraderError(
            "this table needs a first line with the column `student`, and a line for each decision",
            where=str(path),
            hint="columns: student, criterion, points, comment, note; or a grades.csv of these results",
        )
    for place, row in found[1:]:
        if len(row) > len(header):
            raise GraderError("this line has more cells than the first one", where=place)
    return tuple((place, dict(zip_longest(header, row, fillvalue=""))) for place, row in found[1:])


def asked(rows: Sequence[tuple[str, Row]], store: Store, *, why: str = "") -> tuple[Wish, ...]:
    """What a table asks for: each of its lines, or what differs in a table of the class; `why` where no comment is."""
    if "criterion" in rows[0][1]:
        return tuple(_line(place, row, why) for place, row in rows)
    return tuple(found for place, row in rows for found in _differences(place, row, store, why))


def _line(place: str, row: Row, why: str) -> Wish:
    found = wish(
        row["student"], row["criterion"], row.get("points", ""), row.get("comment") or why, row.get("note", ""), place
    )
    if not found.points:
        raise GraderError("there are no points in this line", where=place, hint="leave the line out, or give points")
    return found


def _differences(place: str, row: Row, store: Store, why: str) -> Iterator[Wish]:
    """Where a line of the class's table has other points than the class has now; blank cells ask for nothing."""
    with Placed(place):
        automatic, _ = results.student_of(store, tables.unmarked(row["student"].strip()))
        grade = results.final(store, automatic)
        known = {scored.criterion.id for scored in grade.scored} & row.keys()
        if not known:
            raise GraderError("no column of this table is a criterion", hint=f"criteria: {', '.join(_ids(grade))}")
        for scored in grade.scored:
            given = row.get(scored.criterion.id, "").strip()
            if given and (scored.pending or not _same(given, scored.points)):
                yield wish(
                    row["student"], scored.criterion.id, given, row.get("comment") or why, row.get("note", ""), place
                )


def _ids(grade: Grade) -> list[str]:
    return [scored.criterion.id for scored in grade.scored]


def _same(given: str, points: float) -> bool:
    try:
        return float(given) == float(f"{points:g}")
    except ValueError:
        return False
