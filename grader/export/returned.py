"""Under which names feedback goes back to a learning management system, so that it finds whose it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grader.model import Submission

MOODLE = re.compile(r"^(?P<name>.+)_(?P<id>\d+)_assignsubmission_(?P<plugin>[a-z]+)_?$")
CANVAS = re.compile(r"^(?:.+?_)?(?:LATE_)?(?:\d+|anon_[0-9A-Za-z]+)_\d+_")


def page_name(submission: Submission, folder: str) -> str:
    """The page's name in the archive: the system's own name where it gave one, else the student's folder."""
    origin = submission.origin or submission.student
    if MOODLE.match(origin):
        return f"{origin.removesuffix('_')}/feedback.html"
    if CANVAS.match(origin):
        return f"{origin.rpartition('.')[0] or origin}.feedback.html"
    return f"{folder}/feedback.html"
