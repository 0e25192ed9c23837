"""One folder for each student, and one folder without any: files whose names say whose they are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from grader.intake.handin import HandIn, Reading, grouped
from grader.model import Person

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from grader.intake.handin import Entry, Read

# School numbers as Taiwanese universities write them; what could as well be a date in either calendar is none.
_NUMBER = re.compile(r"(?<![0-9A-Za-z])([A-Za-z]\d{8}|[A-Za-z]\d{2}[A-Za-z]\d{5}|\d{9}|\d{7}[A-Za-z]?)(?![0-9A-Za-z])")
_DATE = re.compile(r"1[01]\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")


def numbers(text: str) -> Iterator[str]:
    """The school numbers that stand in a name."""
    yield from (found for found in _NUMBER.findall(text.replace("_", " ")) if not _DATE.fullmatch(found))


def folders(entries: Sequence[Entry], read: Read) -> Reading:  # noqa: ARG001 - the signature of every reader
    """Everyone's folder by its name; files beside the folders belong to nobody."""
    groups, left = grouped(entries, lambda entry: entry.parts[0] if len(entry.parts) > 1 else None)
    hand_ins = tuple(
        HandIn(key=name, person=Person(), files=tuple(entry.path for entry in group), origin=name, base=name)
        for name, group in groups.items()
    )
    return Reading(hand_ins=hand_ins, left=tuple(left))


def flat(entries: Sequence[Entry], read: Read) -> Reading:  # noqa: ARG001 - the signature of every reader
    """Files by the one school number in their name; those without any, or with several, belong to nobody yet."""
    groups, left = grouped([entry for entry in entries if len(entry.parts) == 1], _only_number)
    hand_ins = tuple(
        HandIn(
            key=number,
            person=Person(ids={"number": number}),
            files=tuple(entry.path for entry in group),
            origin=group[0].path,
        )
        for number, group in groups.items()
    )
    inside = [entry.path for entry in entries if len(entry.parts) > 1]
    return Reading(hand_ins=hand_ins, left=(*left, *inside))


def _only_number(entry: Entry) -> str | None:
    found = {number.lower() for number in numbers(entry.path.rpartition(".")[0])}
    return found.pop() if len(found) == 1 else None
