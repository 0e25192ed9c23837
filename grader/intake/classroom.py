"""Clones of GitHub Classroom: `{slug}-submissions/{slug}-{username}/…`, one repository for each student or team."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grader.intake.handin import HandIn, Reading, grouped
from grader.model import Person

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grader.intake.handin import Entry, Read

_END = "-submissions"


def read(entries: Sequence[Entry], read: Read) -> Reading:  # noqa: ARG001 - the signature of every reader
    """Everyone's repository by the GitHub name; the folder around them says where that name begins."""
    tops = {entry.parts[0] for entry in entries}
    if len(tops) != 1 or not (top := next(iter(tops))).endswith(_END):
        return Reading(hand_ins=())
    start = top.removesuffix(_END) + "-"

    def username(entry: Entry) -> str | None:
        is_inside = len(entry.parts) > 2 and entry.parts[1].startswith(start)
        return entry.parts[1].removeprefix(start) if is_inside else None

    groups, left = grouped(entries, username)
    hand_ins = tuple(
        HandIn(
            key=name,
            person=Person(ids={"login": name}),
            files=tuple(entry.path for entry in group),
            origin=f"{start}{name}",
            base=f"{top}/{start}{name}",
        )
        for name, group in groups.items()
    )
    return Reading(hand_ins=hand_ins, left=tuple(left))
