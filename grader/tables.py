"""Tables that people and learning management systems export: whatever their encoding, delimiter and language.

`COLUMNS` lists by which titles each kind of column is known, in English, 正體中文 and 简体中文.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from typing import TYPE_CHECKING

from grader.encodings import text_of
from grader.model import GraderError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST_BYTES = 64 * 2**20  # of a table that is read
DELIMITERS = ",;\t"
MARK = "\ufeff"

COLUMNS: dict[str, tuple[str, ...]] = {
    "name": ("Student", "Full name", "Name", "Student name", "全名", "姓名", "學生姓名", "学生姓名"),
    "mail": (
        *("Email address", "Email", "E-mail", "Mail"),
        *("電子郵件信箱", "電子郵件位址", "電子郵件", "信箱", "电子邮件地址", "电子邮件", "邮箱"),
    ),
    "number": (
        *("SIS User ID", "ID number", "Student ID", "Student number", "SID", "student_id", "identifier_number"),
        *("roster_identifier", "學號", "學號 (ID)", "ID 號碼", "学号", "student", "id"),
    ),
    "login": (
        "SIS Login ID",
        "Username",
        "Login",
        "Login ID",
        "github_username",
        "帳號",
        "使用者帳號",
        "使用者名稱",
        "用户名",
    ),
    "moodle": ("Identifier", "識別碼", "识别码", "标识符", "编号"),
    "group": ("Group", "Groups", "Team", "組別", "群組", "组别", "小组"),
    "grade": ("Grade", "成績", "分數", "成绩"),
    "maximum": ("Maximum Grade", "最高分", "最高成績", "最大分數", "最高分数"),
    "locked": ("Grade can be changed", "成績可以更改", "可以更改成績", "可更改成績"),
    "comments": ("Feedback comments", "回饋評語", "意見回饋", "評語", "反馈评论"),
}


def folded(text: str) -> str:
    """A text as keys are compared: width, case and spaces make no difference.

    >>> folded(" Ｂ10901001 ")
    'b10901001'
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def name_key(text: str) -> str:
    """A name without what systems leave out or put in.

    >>> name_key("Wang, Xiao-Ming") == name_key("wangxiaoming")
    True
    """
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", text)).casefold()


def unmarked(text: str) -> str:
    """The text without the mark that the grader puts before what a spreadsheet would take for a formula.

    >>> unmarked("'=1+1"), unmarked("'tis"), unmarked("b1")
    ('=1+1', "'tis", 'b1')
    """
    return text[1:] if text.startswith("'") and text[1:].lstrip(" ").startswith(tuple("=+-@＝＋－＠")) else text


def columns_of(header: Sequence[str], names: Iterable[str]) -> tuple[int, ...]:
    """All columns that have one of these titles, in the order of the titles."""
    titles = [folded(title.removeprefix(MARK)) for title in header]
    return tuple(number for name in names for number, title in enumerate(titles) if title == folded(name))


def column_of(header: Sequence[str], names: Iterable[str]) -> int | None:
    """The first of these columns; None where there is none."""
    return next(iter(columns_of(header, names)), None)


def delimiter_of(text: str) -> str:
    """What stands between the cells of a table, by its first line."""
    head = text.partition("\n")[0]
    return max(DELIMITERS, key=head.count)


def decoded(data: bytes, *, where: str) -> tuple[str, str]:
    """The text of a table and its encoding.

    Raises:
        GraderError: where it is in no encoding that is known here.
    """
    try:
        return text_of(data)
    except UnicodeDecodeError as error:
        raise GraderError(
            "this table is in no encoding that is known here (UTF-8, UTF-16, Big5, GBK)",
            where=where,
            hint="export it again, or save it as UTF-8",
        ) from error


def rows(data: bytes, *, where: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Every row of a table with its place, the header first.

    Raises:
        GraderError: where it is no table, or in no encoding that is known here.
    """
    text = decoded(data, where=where)[0].removeprefix(MARK)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text), strict=True)
    try:
        return tuple((f"{where}: line {reader.line_num}", tuple(row)) for row in reader if any(row))
    except csv.Error as error:
        raise GraderError(f"this is no table: {error}", where=f"{where}: line {reader.line_num}") from error
