"""Moodle's archive of an assignment: a folder for each participant, or all files side by side.

`{Full name}_{participant}_assignsubmission_file/…`, with a further `_` before Moodle 4.1, or flat with the file's name
after it. The number is the participant's in this assignment, neither the user's nor the school's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from grader.intake.handin import HandIn, Reading, grouped
from grader.model import Person

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grader.intake.handin import Entry, Read

_NAME = re.compile(r"^(?P<name>.+)_(?P<id>\d+)_assignsubmission_(?P<plugin>[a-z]+)(?:_(?P<file>.+)|_)?$")


def read(entries: Sequence[Entry], read: Read) -> Reading:  # noqa: ARG001 - the signature of every reader
    """Everyone's files by participant; what was typed into the page itself joins the files."""
    groups, left = grouped(entries, lambda entry: found["id"] if (found := _NAME.match(entry.parts[0])) else None)
    return Reading(hand_ins=tuple(_hand_in(number, group) for number, group in groups.items()), left=tuple(left))


def _hand_in(number: str, group: Sequence[Entry]) -> HandIn:
    """One participant's files; the folder of files is what feedback goes back to.

    What was typed into the page stands in for a missing file, for a person to look at; beside both files it is none.
    """
    uploaded = [entry for entry in group if "_assignsubmission_file" in entry.parts[0]]
    kinds = {entry.path.lower().rpartition(".")[2] for entry in uploaded}
    taken = uploaded if {"ipynb", "pdf"} <= kinds else list(group)
    first = (uploaded or taken)[0].parts[0]
    found = _NAME.match(first)
    name = found["name"] if found else number
    is_flat = all(len(entry.parts) == 1 for entry in taken)
    return HandIn(
        key=name,
        person=Person(name=name, ids={"moodle": number}),
        files=tuple(entry.path for entry in taken),
        origin=first.removesuffix(f"_{found['file']}") if found and found["file"] else first,
        base="" if is_flat or len({entry.parts[0] for entry in taken}) > 1 else first,
        names=_names(taken),
    )


def _names(group: Sequence[Entry]) -> dict[str, str]:
    """The students' own names of files that stand flat among others."""
    flat = [(entry.path, found["file"]) for entry in group if (found := _NAME.match(entry.parts[-1])) and found["file"]]
    return dict(flat)
