"""The table that `nbgrader export` writes, with its columns, and with the quotes that it leaves out."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from grader.decisions import deduction, net
from grader.export.csv import harmless
from grader.export.points import is_missing, rounded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grader.model import Grade

COLUMNS = (
    "assignment",
    "duedate",
    "timestamp",
    "student_id",
    "last_name",
    "first_name",
    "email",
    "raw_score",
    "late_submission_penalty",
    "score",
    "max_score",
)


def grades_csv(grades: Sequence[Grade]) -> str:
    """The table's text; a student who handed in nothing has no score, which is another thing than a zero."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for grade in grades:
        submission = grade.submission
        missing = is_missing(grade)
        score = "" if missing else rounded(net(grade))
        raw, lost = ("", "") if missing else (rounded(grade.points), rounded(deduction(grade)))
        texts = (grade.rubric.title, "", submission.received or "", submission.student, submission.person.name, "")
        writer.writerow([*map(harmless, (*texts, submission.person.mail)), raw, lost, score, rounded(grade.out_of)])
    return out.getvalue()
