"""What the readers of layouts yield: files grouped by whose they are, as the system that packed them says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grader.model import Person, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Read = Callable[[str], bytes]
    """The content of one of a source's own files (never of a student's), by its path."""


class Entry(Record, frozen=True, kw_only=True):
    """One file of a folder or an archive: its path below it with `/`, and when it was last written, as local time."""

    path: str
    size: int = 0
    modified: str | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        """The path as folders and name."""
        return tuple(self.path.split("/"))


class HandIn(Record, frozen=True, kw_only=True):
    """One attempt of one student: whose it is, its files, and what the system says of its time.

    `key` is what the student is called where no roster says more, and `base` the folder that is the student's own,
    empty where the files lie among those of others. `names` are the students' own names of files whose name the
    system has changed. `late` is the system's own mark, None where it has none.
    """

    key: str
    person: Person
    files: tuple[str, ...]
    origin: str
    base: str = ""
    names: dict[str, str] = {}  # noqa: RUF012 - a record copies an empty default
    at: str | None = None
    late: bool | None = None


class Reading(Record, frozen=True, kw_only=True):
    """What one reader made of a source; `left` are files that it gave to nobody."""

    hand_ins: tuple[HandIn, ...]
    left: tuple[str, ...] = ()


def grouped(entries: Sequence[Entry], key: Callable[[Entry], str | None]) -> tuple[dict[str, list[Entry]], list[str]]:
    """The entries by their key in the order in which they come, and the paths of those that have none."""
    groups: dict[str, list[Entry]] = {}
    left = []
    for entry in entries:
        name = key(entry)
        if name is None:
            left.append(entry.path)
        else:
            groups.setdefault(name, []).append(entry)
    return groups, left
