"""Blackboard's archive of an assignment: all files side by side, every attempt of everyone.

`{Assignment}_{username}_attempt_{time}_{file}`, and a `….txt` for each attempt that says which file was called what.
The word "attempt" is in the language of the site.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from grader.encodings import text_of
from grader.intake.handin import HandIn, Reading, grouped
from grader.model import Person

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grader.intake.handin import Entry, Read

LONGEST_NOTE = 65_536
"""How much of a note is read; a student's comment may be as long as it likes."""
_NAME = re.compile(
    r"^(?P<assignment>.+)_(?P<user>[^_]+)_(?P<word>[^\W\d_]+)_(?P<at>\d{4}(?:-\d{2}){5})(?:_(?P<file>.+)|\.txt)$"
)
_PAIR = re.compile(r"Original filename:\s*(?P<own>.+?)\s*\n\s*Filename:\s*(?P<packed>.+?)\s*(?:\n|$)")
_WHO = re.compile(r"^Name:\s*(?P<name>.+?)\s*\((?P<user>[^()]+)\)\s*$", re.MULTILINE)


def read(entries: Sequence[Entry], read: Read) -> Reading:
    """Everyone's attempts, each by itself."""
    groups, left = grouped(entries, _attempt)
    return Reading(hand_ins=tuple(_hand_in(group, read) for group in groups.values()), left=tuple(left))


def _attempt(entry: Entry) -> str | None:
    found = _NAME.match(entry.path) if len(entry.parts) == 1 else None
    return f"{found['user']} {found['at']}" if found else None


def _hand_in(group: Sequence[Entry], read: Read) -> HandIn:
    found = [one for entry in group if (one := _NAME.match(entry.path))]
    notes = [one.string for one in found if not one["file"]]
    told = "\n".join(text_of(read(path)[:LONGEST_NOTE])[0].replace("\r\n", "\n") for path in notes)
    own = {pair["packed"]: pair["own"] for pair in _PAIR.finditer(told)}
    who = _WHO.search(told)
    user, at = found[0]["user"], found[0]["at"]
    names = {one.string: own.get(one.string, one["file"]) for one in found if one["file"]}
    day, clock = at[:10], at[11:].replace("-", ":")
    return HandIn(
        key=user,
        person=Person(name=who["name"] if who else "", ids={"login": user}),
        files=tuple(names),
        origin=next(iter(names), notes[0] if notes else user),
        names=names,
        at=f"{day}T{clock}",
    )
