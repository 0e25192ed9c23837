"""The tables that learning management systems export and take back: where Canvas, Moodle and Blackboard keep what."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from grader.export.gradebook import Layout, chosen, number_of
from grader.model import GraderError
from grader.tables import COLUMNS, column_of, columns_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from grader.export.sheet import Sheet


def canvas(sheet: Sheet, column: str | None, where: str) -> Layout:
    """The gradebook that Canvas exports: `Student,ID,…,Section,Assignment (123)`, and a row of the points possible."""
    header = sheet.header
    if column_of(header, ("Student", "LastName")) is None or column_of(header, ("ID",)) is None:
        raise _foreign("a gradebook that Canvas exported", where)
    assignments = [number for number, title in enumerate(header) if re.search(r"\(\d+\)\s*$", title)]
    points = chosen(header, assignments, column, where=where)
    student = columns_of(header, ("Student",))
    possible = next((row for row in range(1, min(len(sheet), 5)) if _is_possible(sheet, row)), None)
    return Layout(
        keys={
            "canvas": columns_of(header, ("ID",)),
            "id": columns_of(header, ("SIS User ID", "SIS Login ID", "Integration ID")),
            "mail": columns_of(header, ("SIS Login ID", "Email")),
            "name": student,
        },
        column=points,
        head=1 if possible is None else possible + 1,
        out_of=None if possible is None else number_of(sheet.cell(possible, points)),
    )


def _is_possible(sheet: Sheet, row: int) -> bool:
    return any("points possible" in cell.casefold() for cell in sheet.row(row)[:5])


def moodle(sheet: Sheet, column: str | None, where: str) -> Layout:
    """The grading worksheet of a Moodle assignment; its rows are the participants, known by a localised identifier."""
    header = sheet.header
    identifier = column_of(header, COLUMNS["moodle"])
    if identifier is None:
        raise _foreign("a grading worksheet of Moodle (it needs its column Identifier)", where)
    grades = columns_of(header, COLUMNS["grade"]) if column is None else range(len(header))
    points = chosen(header, tuple(grades), column, where=where)
    maximum = column_of(header, COLUMNS["maximum"])
    return Layout(
        keys={
            "moodle": (identifier,),
            "id": columns_of(header, (*COLUMNS["number"], *COLUMNS["login"])),
            "mail": columns_of(header, COLUMNS["mail"]),
            "name": columns_of(header, COLUMNS["name"]),
        },
        column=points,
        out_of=number_of(sheet.cell(1, maximum)) if len(sheet) > 1 else None,
        locked=column_of(header, COLUMNS["locked"]),
        comments=column_of(header, COLUMNS["comments"]),
    )


def blackboard(sheet: Sheet, column: str | None, where: str) -> Layout:
    """The grade centre's download: `Last Name,First Name,Username,…,"Title [Total Pts: 10 Score] |12345"`."""
    header = sheet.header
    username = columns_of(header, ("Username", "Student ID", "使用者名稱", "學生 ID", "学生 ID", "用户名"))
    titles = [number for number, title in enumerate(header) if re.search(r"\|\s*\d+\s*$", title)]
    if not username:
        raise _foreign("a grade centre download of Blackboard (it needs its column Username)", where)
    points = chosen(header, titles, column, where=where)
    total = re.search(r"Total Pts:\s*([\d.,]+)", header[points])
    return Layout(keys={"id": username}, column=points, out_of=number_of(total[1]) if total else None)


def _foreign(what: str, where: str) -> GraderError:
    return GraderError(f"this is not {what}", where=where, hint="export it anew and give that file with --template")


SYSTEMS: dict[str, Callable[[Sheet, str | None, str], Layout]] = {
    "canvas": canvas,
    "moodle": moodle,
    "blackboard": blackboard,
}
