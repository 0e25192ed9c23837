"""The class as one table for a spreadsheet: a line per student, a column per criterion."""

from __future__ import annotations

import csv
import io
import unicodedata
from itertools import pairwise
from typing import TYPE_CHECKING

from grader.decisions import net
from grader.model import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from grader.model import Grade, Lateness, Scored

_PENDING = (Verdict.REVIEW, Verdict.FAULT)
_BEGINS = "=+-@\u2212"  # in any width
_APART = "\t\r\n;,|"  # what a spreadsheet may part cells by
_UNSEEN = ("Z", "C", "Mn")  # categories of characters that do not show, or are dropped


def grades_csv(grades: Sequence[Grade], *, links: dict[str, str]) -> str:
    """The table's text, to be written as UTF-8 with a mark, which spreadsheets need to see that it is UTF-8.

    Points that are pending or skipped are blank: a spreadsheet would count a zero.
    """
    ids = _ids(grades)
    out = io.StringIO()
    writer = csv.writer(out)
    head = ["student", "points", "pending", "out_of", "percent", "needs_review", "decided", "late", "net"]
    writer.writerow([*head, *ids, "notebook", "report", "feedback"])
    for grade in grades:
        student = grade.submission.student
        points = {scored.criterion.id: _points(scored) for scored in grade.scored}
        writer.writerow(
            [
                harmless(student),
                *(f"{number:g}" for number in (grade.points, grade.pending, grade.out_of, percent(grade))),
                "yes" if grade.needs_review else "no",
                " ".join(scored.criterion.id for scored in grade.scored if scored.decided),
                _late(grade.submission.lateness),
                f"{net(grade):g}",
                *(points.get(criterion, "") for criterion in ids),
                *(harmless(name or "") for name in (grade.submission.notebook, grade.submission.report)),
                harmless(links.get(student, "")),
            ]
        )
    return out.getvalue()


def harmless(text: str) -> str:
    """Text that no spreadsheet takes for a formula; a mark before it shows that it is text.

    Where another sign than the comma parts cells, text behind that sign begins a cell as well.

    >>> harmless("=1"), harmless("a;\u200b=1"), harmless("a=b;c")
    ("'=1", "a;'\u200b=1", 'a=b;c')
    """
    if text[:1] in ("\t", "\r"):
        text = "'" + text
    begins = [0, *(place + 1 for place, letter in enumerate(text) if letter in _APART)]
    parts = (text[start:end] for start, end in pairwise((*begins, len(text))))
    return "".join("'" + part if _is_formula(part) else part for part in parts)


def _is_formula(part: str) -> bool:
    first = next((letter for letter in part if not unicodedata.category(letter).startswith(_UNSEEN)), "")
    return first != "" and unicodedata.normalize("NFKC", first)[0] in _BEGINS


def _late(lateness: Lateness | None) -> str:
    """Blank where no deadline is known, else yes with the way in which it is known, or no."""
    if lateness is None:
        return ""
    return f"yes ({lateness.known_by})" if lateness.late else "no"


def percent(grade: Grade) -> float:
    """The points as a share of all that were judged, to two digits."""
    return round(100 * grade.points / grade.out_of, 2) if grade.out_of else 0.0


def _ids(grades: Iterable[Grade]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(scored.criterion.id for grade in grades for scored in grade.scored))


def _points(scored: Scored) -> str:
    verdict = scored.finding.verdict
    return "" if verdict in _PENDING or verdict is Verdict.SKIPPED else f"{scored.points:g}"
