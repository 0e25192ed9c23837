"""Canvas's archive of an assignment (NTU COOL is a Canvas): all files side by side.

`{name}[_LATE]_{user}_{attachment}_{file}`; a name has no spaces and is in lower case, so that LATE cannot be one.
Only the current attempt is in it, and no school number: the gradebook's table says whose number a user has.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from grader.intake.handin import HandIn, Reading, grouped
from grader.model import Person

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grader.intake.handin import Entry, Read

_NAME = re.compile(
    r"^(?:(?P<name>(?!LATE_).+?)_)?(?:(?P<late>LATE)_)?(?P<user>\d+|anon_[0-9A-Za-z]+)_"
    r"(?:(?P<attachment>\d+)_(?P<file>.+)|(?P<entry>text|link)\.html)$"
)


def read(entries: Sequence[Entry], read: Read) -> Reading:  # noqa: ARG001 - the signature of every reader
    """Everyone's files by the id of the user, anonymous ones by theirs."""
    groups, left = grouped(entries, _user)
    return Reading(hand_ins=tuple(_hand_in(user, group) for user, group in groups.items()), left=tuple(left))


def _user(entry: Entry) -> str | None:
    found = _NAME.match(entry.path) if len(entry.parts) == 1 else None
    return found["user"] if found else None


def _hand_in(user: str, group: Sequence[Entry]) -> HandIn:
    found = [one for entry in group if (one := _NAME.match(entry.path))]
    name = next((one["name"] for one in found if one["name"]), "")
    files = {one.string: one["file"] or f"{one['entry']}.html" for one in found}
    notebook = next((path for path in files if path.lower().endswith(".ipynb")), next(iter(files)))
    return HandIn(
        key=name or user,
        person=Person(name=name, ids={"canvas": user}),
        files=tuple(files),
        origin=notebook,
        names=files,
        late=any(one["late"] for one in found) or None,
    )
