"""Points as other systems take them: rounded to two digits, blank where nothing was handed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grader.model import Grade


def is_missing(grade: Grade) -> bool:
    """Whether nothing was handed in and nobody decided otherwise; such work has no grade, not a grade of zero."""
    submission = grade.submission
    handed_in = submission.notebook or submission.report or submission.problems
    return not handed_in and not any(scored.decided for scored in grade.scored)


def rounded(points: float) -> str:
    """Two digits at most, with a point and without separators.

    >>> rounded(87.5), rounded(100.0), rounded(1 / 3), rounded(1234.0)
    ('87.5', '100', '0.33', '1234')
    """
    return f"{points:.2f}".rstrip("0").rstrip(".")
