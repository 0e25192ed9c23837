"""Grades without names: each student is called by a token, which only a key that stays with the staff explains."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from msgspec.structs import replace

from grader.export.csv import harmless
from grader.model import GraderError, Person
from grader.tables import rows, unmarked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from grader.model import Grade

HEADER = ("token", "student")


def anonymous(grade: Grade, tokens: Mapping[str, str]) -> Grade:
    """The grade without the student's name, ids and names of files; what a report itself says stays in quotes."""
    submission = grade.submission
    hidden = replace(
        submission,
        student=tokens[submission.student],
        root="",
        notebook=submission.notebook and "notebook.ipynb",
        report=submission.report and "report.pdf",
        files=(),
        problems=(),
        person=Person(),
        origin="",
    )
    return replace(grade, submission=hidden)


def tokens_for(students: Iterable[str], known: Mapping[str, str], draw: Callable[[], str]) -> dict[str, str]:
    """A token for every student: the one that the key has, else one that is drawn and nobody's yet."""
    tokens = dict(known)
    for student in students:
        while student not in tokens:
            token = draw()
            if token not in tokens.values():
                tokens[student] = token
    return tokens


def key(tokens: Mapping[str, str]) -> str:
    """The table that explains the tokens, in the order of the tokens, which is nobody's."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(HEADER)
    writer.writerows(sorted((token, harmless(student)) for student, token in tokens.items()))
    return out.getvalue()


def read_key(data: bytes, *, where: str) -> dict[str, str]:
    """The tokens of a key that was written before.

    Raises:
        GraderError: where it is none.
    """
    table = rows(data, where=where)
    if not table or table[0][1] != HEADER:
        raise GraderError("this is no key of tokens", where=where, hint="name a file that is not there yet")
    return {unmarked(row[1]): row[0] for _, row in table[1:] if len(row) == len(HEADER)}
