"""The tables that learning management systems export and take back: where Canvas, Moodle and Blackboard keep what."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from grader.export.gradebook import Layout, chosen, column_of, columns_of, number_of
from grader.model import GraderError

if TYPE_CHECKING:
    from collections.abc import Callable

    from grader.export.sheet import Sheet

# Headers as the systems write them in English, 正體中文 and 简体中文.
_MOODLE = {
    "identifier": ("Identifier", "識別碼", "识别码", "标识符", "编号"),
    "grade": ("Grade", "成績", "分數", "成绩"),
    "name": ("Full name", "全名", "姓名"),
    "mail": ("Email address", "Email", "電子郵件信箱", "電子郵件位址", "電子郵件", "电子邮件地址", "电子邮件"),
    "id": ("ID number", "Username", "學號", "學號 (ID)", "ID 號碼", "帳號", "使用者帳號", "用户名", "学号"),
    "maximum": ("Maximum Grade", "Maximum grade", "最高分", "最高成績", "最大分數", "最高分数"),
    "locked": ("Grade can be changed", "成績可以更改", "可以更改成績", "可更改成績"),
    "comments": ("Feedback comments", "回饋評語", "意見回饋", "評語", "反馈评论"),
}


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
    identifier = column_of(header, _MOODLE["identifier"])
    if identifier is None:
        raise _foreign("a grading worksheet of Moodle (it needs its column Identifier)", where)
    grades = columns_of(header, _MOODLE["grade"]) if column is None else range(len(header))
    points = chosen(header, tuple(grades), column, where=where)
    maximum = column_of(header, _MOODLE["maximum"])
    return Layout(
        keys={
            "moodle": (identifier,),
            "id": columns_of(header, _MOODLE["id"]),
            "mail": columns_of(header, _MOODLE["mail"]),
            "name": columns_of(header, _MOODLE["name"]),
        },
        column=points,
        out_of=number_of(sheet.cell(1, maximum)) if len(sheet) > 1 else None,
        locked=column_of(header, _MOODLE["locked"]),
        comments=column_of(header, _MOODLE["comments"]),
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
