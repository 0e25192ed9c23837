"""A folder or an archive of a whole class, from its layout to one submission for each student."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from grader import files, intake
from grader.intake import layouts, roster
from grader.intake.archive import MAX_READ, Archive, is_archive
from grader.intake.deadline import Deadline, counting, lateness
from grader.intake.handin import Entry, HandIn, Reading
from grader.intake.mapping import NONE, Line
from grader.intake.names import own_name
from grader.model import GraderError, Message, Part, Person, Record, Submission, message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import tzinfo

    from grader.intake.handin import Read
    from grader.intake.roster import Roster

MAX_ENTRIES = 500_000
Kept = tuple[HandIn, str]


class Wishes(Record, frozen=True, kw_only=True):
    """What a person says about a class: how it is laid out, who is in it, until when, and what was corrected."""

    layout: str | None = None
    name_regex: str | None = None
    encoding: str | None = None
    roster: Roster | None = None
    mapping: dict[str, tuple[Line, ...]] | None = None
    deadline: Deadline | None = None
    zone: tzinfo | None = None
    attempt: Literal["last", "first"] = "last"
    handed_out: str = ""


class Collected(Record, frozen=True, kw_only=True):
    """A class as it was found: a submission for each student, in the order of their names, and what is to be said.

    `notes` say what was done and left out; `missing` are of the roster and handed in nothing; `nobody` are students
    whom the roster does not know.
    """

    layout: str
    submissions: tuple[Submission, ...]
    notes: tuple[Message, ...] = ()
    missing: tuple[Person, ...] = ()
    nobody: tuple[str, ...] = ()


def collect(path: Path, wishes: Wishes, *, unpacked: Path) -> Collected:
    """Find everyone's submission in a folder or a ZIP; what is in a ZIP is written below `unpacked`.

    Raises:
        GraderError: where it cannot be read, is beyond all bounds, or does not have the layout that is named.
    """
    if not is_archive(path):
        entries = _files(path)
        layout, reading = _read(entries, lambda name: _own(path / name), wishes)
        reading = _with_empty_folders(path, reading) if layout == "folders" else reading
        return _collected(layout, reading, wishes, _in_place(path))
    with Archive(path, encoding=wishes.encoding) as archive:
        listing = archive.listing()
        entries = tuple(entry for entry in listing.entries if not _is_junk(entry))
        found = _collected(*_read(entries, archive.read, wishes), wishes, _out_of(archive, unpacked))
        notes = [message("intake.archive", files=len(entries), encoding=listing.encoding)]
        if listing.skipped:
            notes.append(message("intake.skipped", files=_some(listing.skipped)))
        return replace(found, notes=(*notes, *found.notes))


Place = tuple[Path, list[str] | None]


def _collected(layout: str, reading: Reading, wishes: Wishes, placed: Callable[[HandIn, str], Place]) -> Collected:
    """The recipe: owners, attempts, files, and what a person has corrected."""
    owned, missing, nobody = _owners(reading.hand_ins, wishes)
    kept, notes = _attempts(owned, wishes)
    submissions = []
    for hand_in, student in kept:
        root, names = placed(hand_in, student)
        submission = intake.of_files(student, root, names, handed_out=wishes.handed_out)
        submissions.append(_known(hand_in, submission, wishes))
    left = [message("intake.left", files=_some(reading.left), count=len(reading.left))] if reading.left else []
    where = [message("intake.layout", layout=layout, count=len(reading.hand_ins))]
    return Collected(
        layout=layout,
        submissions=tuple(sorted(submissions, key=lambda submission: submission.student)),
        notes=(*where, *left, *notes),
        missing=missing,
        nobody=nobody,
    )


def _read(entries: Sequence[Entry], read: Read, wishes: Wishes) -> tuple[str, Reading]:
    if wishes.name_regex is not None:
        return layouts.by_expression(wishes.name_regex, entries)
    if wishes.layout is not None:
        return layouts.named(wishes.layout, entries, read)
    return layouts.recognised(entries, read)


# -- whose it is ---------------------------------------------------------------------------------


def _owners(hand_ins: Sequence[HandIn], wishes: Wishes) -> tuple[list[Kept], tuple[Person, ...], tuple[str, ...]]:
    """Every hand-in with its student; the work of a group once for each member; who is missing, and who is unknown."""
    owned: list[Kept] = []
    nobody: list[str] = []
    seen: set[str] = set()
    for hand_in, called in roster.named(hand_ins):
        lines = wishes.mapping.get(hand_in.origin) if wishes.mapping else None
        if lines is not None:
            students = [line.student for line in lines if line.student]
            owned += [(hand_in, student) for student in students]
            seen.update(students)
            continue
        people = wishes.roster.owners(hand_in) if wishes.roster else ()
        for person in people:
            owned.append((roster.with_person(hand_in, person), roster.student_of(person)))
            seen.add(roster.student_of(person))
        if not people:
            owned.append((hand_in, called))
            nobody.append(called)
    everyone = wishes.roster.people if wishes.roster else ()
    missing = tuple(person for person in everyone if roster.student_of(person) not in seen)
    return owned, missing, tuple(nobody) if wishes.roster else ()


def _attempts(owned: Sequence[Kept], wishes: Wishes) -> tuple[list[Kept], list[Message]]:
    """The one attempt of each student that counts; where that is not certain, both are kept apart for a person."""
    groups: dict[str, list[HandIn]] = {}
    for hand_in, student in owned:
        groups.setdefault(student, []).append(hand_in)
    kept: list[Kept] = []
    notes: list[Message] = []
    for student, attempts in groups.items():
        number = counting(attempts, wishes.attempt, wishes.deadline, wishes.zone)
        if number is None:
            names = [student if n == 0 else f"{student} ({n + 1})" for n in range(len(attempts))]
            kept += zip(attempts, names, strict=True)
            notes.append(message("intake.attempts-unsure", student=student, count=len(attempts)))
        else:
            kept.append((attempts[number], student))
            if len(attempts) > 1:
                at = attempts[number].at or ""
                notes.append(message("intake.attempts", student=student, count=len(attempts), at=at))
    return kept, notes


# -- its files -----------------------------------------------------------------------------------


def _in_place(path: Path) -> Callable[[HandIn, str], Place]:
    """Files of a folder stay where they are."""

    def placed(hand_in: HandIn, student: str) -> Place:  # noqa: ARG001 - the same for an archive
        if hand_in.base:
            return path / hand_in.base, None
        return path, list(hand_in.files)

    return placed


def _out_of(archive: Archive, unpacked: Path) -> Callable[[HandIn, str], Place]:
    """Files of an archive are written below a folder of ours, each student's apart."""

    def placed(hand_in: HandIn, student: str) -> Place:
        root = unpacked / own_name(student)
        targets = {path: root.joinpath(*_below(hand_in, path)) for path in hand_in.files}
        for path, target in targets.items():
            archive.unpack(path, target)
        root.mkdir(parents=True, exist_ok=True)
        _clear(root, keep=set(targets.values()))
        return root, None

    return placed


def _below(hand_in: HandIn, path: str) -> list[str]:
    """Where a file of an archive goes below the student's folder."""
    name = hand_in.names.get(path) or (path.removeprefix(f"{hand_in.base}/") if hand_in.base else path)
    return [own_name(part) for part in name.replace("\\", "/").split("/")]


def _clear(root: Path, *, keep: set[Path]) -> None:
    """Remove what an earlier archive has left in this student's folder."""
    for path in sorted(root.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path not in keep:
            path.unlink()


def _known(hand_in: HandIn, submission: Submission, wishes: Wishes) -> Submission:
    """The submission with all that is known of it, and with the files that a person chose."""
    known = replace(submission, person=hand_in.person, origin=hand_in.origin)
    lines = wishes.mapping.get(hand_in.origin, ()) if wishes.mapping else ()
    for line in (line for line in lines if line.student == submission.student):
        named: tuple[tuple[Part, str], ...] = (("notebook", line.notebook), ("report", line.report))
        chosen = {part: None if name == NONE else name for part, name in named if name}
        known = intake.with_files(known, chosen) if chosen else known
    return replace(known, lateness=lateness(hand_in, known, wishes.deadline, wishes.zone))


# -- a folder ------------------------------------------------------------------------------------


def _files(path: Path) -> tuple[Entry, ...]:
    """The files of a folder; links are not followed, and what systems leave behind is no file of anybody's."""
    if not path.is_dir():
        raise GraderError("there is no such folder or archive", where=str(path))
    return tuple(_walked(path))


def _own(path: Path) -> bytes:
    """A small file of the system's own; a link is none."""
    try:
        return files.content(path, most=MAX_READ)
    except OSError as error:
        raise GraderError("this file is too large, or no ordinary file", where=str(path)) from error


def _with_empty_folders(path: Path, reading: Reading) -> Reading:
    """Students whose folder holds nothing that can be seen have handed in nothing, and are no less in the class."""
    tops = {hand_in.base.rpartition("/")[0] for hand_in in reading.hand_ins} or {""}
    known = {hand_in.base for hand_in in reading.hand_ins}
    empty = [
        HandIn(key=folder.name, person=Person(), files=(), origin=folder.name, base=base)
        for top in sorted(tops)
        for folder in sorted(intake.students_folders(path / top))
        if (base := folder.relative_to(path).as_posix()) not in known
    ]
    return replace(reading, hand_ins=(*reading.hand_ins, *empty))


def _walked(path: Path) -> Iterator[Entry]:
    count = 0
    for here, folders, names in os.walk(path, followlinks=False):
        folders[:] = sorted(name for name in folders if name not in intake.IGNORED_FOLDERS and not name.startswith("."))
        for name in sorted(names):
            entry = Entry(path=Path(here, name).relative_to(path).as_posix())
            count += 1
            if count > MAX_ENTRIES:
                raise GraderError(f"this folder holds more than {MAX_ENTRIES} files", where=str(path))
            if not _is_junk(entry):
                yield entry


def _is_junk(entry: Entry) -> bool:
    """Whether it is what a system leaves behind, and nobody's hand-in."""
    name = entry.parts[-1]
    hidden = name.startswith((".", "~$")) or name in intake.IGNORED_FILES
    return hidden or any(part in intake.IGNORED_FOLDERS for part in entry.parts[:-1])


def _some(names: Sequence[str]) -> str:
    return ", ".join([*names[:5], *(["…"] if len(names) > 5 else [])])
