"""nbgrader's folder `submitted/{student}/{assignment}/…`, where `timestamp.txt` says when it was handed in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from grader.intake.handin import HandIn, Reading, grouped
from grader.model import Person

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grader.intake.handin import Entry, Read

TIME = "timestamp.txt"
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.\d+)?\s*(UTC|Z|[+-]\d\d:?\d\d)?")


def read(entries: Sequence[Entry], read: Read) -> Reading:
    """Everyone's work on each assignment, by the student's folder; without a `timestamp.txt` it is another layout."""
    timed = {entry.parts[:2] for entry in entries if len(entry.parts) == 3 and entry.parts[2] == TIME}
    if not timed:
        return Reading(hand_ins=())
    groups, left = grouped(entries, lambda entry: "/".join(entry.parts[:2]) if entry.parts[:2] in timed else None)
    return Reading(hand_ins=tuple(_hand_in(base, group, read) for base, group in groups.items()), left=tuple(left))


def _hand_in(base: str, group: Sequence[Entry], read: Read) -> HandIn:
    student = base.split("/")[0]
    found = _TIME.search(read(f"{base}/{TIME}").decode("ascii", "replace"))
    zone = "" if found is None else "+00:00" if found[3] in ("UTC", "Z") else found[3] or ""
    return HandIn(
        key=student,
        person=Person(ids={"number": student}),
        files=tuple(entry.path for entry in group if entry.parts[-1] != TIME),
        origin=base,
        base=base,
        at=f"{found[1]}T{found[2]}{zone}" if found else None,
    )
