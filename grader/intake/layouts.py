"""Which layout a folder or an archive has: the readers by name, the surest first, and the one that fits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec.structs import replace

from grader.intake import blackboard, canvas, classroom, gradescope, moodle, nbgrader, plain
from grader.intake.handin import Entry, HandIn, Reading
from grader.model import GraderError, Person

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from grader.intake.handin import Read

    Reader = Callable[[Sequence[Entry], Read], Reading]

LAYOUTS: dict[str, Reader] = {
    "gradescope": gradescope.read,
    "moodle": moodle.read,
    "blackboard": blackboard.read,
    "canvas": canvas.read,
    "classroom": classroom.read,
    "nbgrader": nbgrader.read,
    "folders": plain.folders,
    "flat": plain.flat,
}
_OF_SYSTEMS = tuple(name for name in LAYOUTS if name not in ("folders", "flat"))
_ENOUGH = 0.5
_DEEPEST = 3


def recognised(entries: Sequence[Entry], read: Read) -> tuple[str, Reading]:
    """The layout's name, and what its reader made of the entries.

    A folder around everything is looked into: systems and people pack one more often than not.
    """
    for top in _tops(entries):
        inside = _below(entries, top)
        for name in _OF_SYSTEMS:
            found = LAYOUTS[name](inside, _reading(read, top))
            if found.hand_ins and _share(found, inside) >= _ENOUGH:
                return name, _above(found, top)
    top = _wrapping(entries)
    inside = _below(entries, top)
    name = "folders" if any(len(entry.parts) > 1 for entry in inside) else "flat"
    return name, _above(LAYOUTS[name](inside, read), top)


def named(name: str, entries: Sequence[Entry], read: Read) -> tuple[str, Reading]:
    """What the reader of this very layout makes of the entries.

    Raises:
        GraderError: where that is nothing.
    """
    for top in _tops(entries):
        found = LAYOUTS[name](_below(entries, top), _reading(read, top))
        if found.hand_ins:
            return name, _above(found, top)
    raise GraderError(f"nothing in here has the layout `{name}`", hint="leave out --layout to have it recognised")


def by_expression(expression: str, entries: Sequence[Entry]) -> tuple[str, Reading]:
    """Files by a regular expression over their paths, with nbgrader's names for its groups.

    `student_id` is needed; `file_id`, `first_name`, `last_name`, `email` and `timestamp` may be there.
    """
    try:
        pattern = re.compile(expression)
    except re.error as error:
        raise GraderError(f"--name-regex is no regular expression: {error}") from error
    if "student_id" not in pattern.groupindex:
        raise GraderError("--name-regex needs a group (?P<student_id>…)")
    found = [(entry.path, match) for entry in entries if (match := pattern.search(entry.path))]
    left = tuple(entry.path for entry in entries if not pattern.search(entry.path))
    students: dict[str, list[tuple[str, re.Match[str]]]] = {}
    for path, match in found:
        students.setdefault(match["student_id"], []).append((path, match))
    return "name-regex", Reading(hand_ins=tuple(_by_match(*item) for item in students.items()), left=left)


def _by_match(student: str, group: Sequence[tuple[str, re.Match[str]]]) -> HandIn:
    known = {name: text for _, match in group for name, text in match.groupdict().items() if text}
    name = " ".join(filter(None, (known.get("first_name"), known.get("last_name"))))
    return HandIn(
        key=student,
        person=Person(name=name, mail=known.get("email", ""), ids={"number": student}),
        files=tuple(path for path, _ in group),
        origin=group[0][0],
        at=known.get("timestamp"),
    )


def _share(found: Reading, entries: Sequence[Entry]) -> float:
    """How much of what lies at the top the reader could place."""
    placed = {path.split("/")[0] for hand_in in found.hand_ins for path in hand_in.files}
    tops = {entry.parts[0] for entry in entries}
    return len(placed & tops) / len(tops) if tops else 0.0


def _tops(entries: Sequence[Entry]) -> Iterator[str]:
    """No folder, and then the folders around everything, the outer one first."""
    top = ""
    for _ in range(_DEEPEST):
        yield top
        inside = {entry.parts[0] for entry in _below(entries, top)}
        is_folder = all(len(entry.parts) > 1 for entry in _below(entries, top))
        if len(inside) != 1 or not is_folder:
            return
        top = f"{top}{inside.pop()}/"


def _wrapping(entries: Sequence[Entry]) -> str:
    """The folder around several students' folders; one student's folder with several of their own is none."""
    best = ""
    for top in _tops(entries):
        below = _below(entries, top)
        owners = {entry.parts[0] for entry in below if len(entry.parts) > 1 and entry.path.lower().endswith(".ipynb")}
        if top and len(owners) > 1 and all(len(entry.parts) > 1 for entry in below):
            best = top
    return best


def _below(entries: Sequence[Entry], top: str) -> list[Entry]:
    return [replace(entry, path=entry.path.removeprefix(top)) for entry in entries] if top else list(entries)


def _reading(read: Read, top: str) -> Read:
    return lambda path: read(top + path)


def _above(found: Reading, top: str) -> Reading:
    """The same with paths from the outermost folder on."""
    if not top:
        return found
    hand_ins = tuple(
        replace(
            hand_in,
            files=tuple(top + path for path in hand_in.files),
            base=top + hand_in.base if hand_in.base else "",
            names={top + path: name for path, name in hand_in.names.items()},
        )
        for hand_in in found.hand_ins
    )
    return Reading(hand_ins=hand_ins, left=tuple(top + path for path in found.left))
