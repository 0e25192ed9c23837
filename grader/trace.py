"""Read what capture sent from inside the kernel: strictly, bounded, as plain numbers and nothing else."""

from __future__ import annotations

import base64
import binascii
import re
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from grader.model import Declared, Series

if TYPE_CHECKING:
    from grader.model import Floats

Source = Literal["namespace", "attribute", "container", "returned", "plotted", "recorded", "filled"]
_SOURCES: dict[str, Source] = {
    "n": "namespace",
    "a": "attribute",
    "c": "container",
    "l": "returned",
    "p": "plotted",
    "r": "recorded",
    "f": "filled",
}
_NAME = r"(?:[0-9a-f]{2}){1,1000}"
_ENTRY = re.compile(rf"({_NAME}):([naclprf]):([0-9]{{1,12}}):([0-9]{{1,3}}):([01]|{_NAME})", re.ASCII)
_SCALAR = re.compile(rf"({_NAME}):([0-9a-f]{{16}})", re.ASCII)
_SKIPPED = re.compile(rf"({_NAME}):([0-9]{{1,15}})", re.ASCII)
_MOST_ENTRIES = 2000


class TraceError(Exception):
    """The kernel's answer is not what capture would have said."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One series that the kernel announces; `same` is the name of numbers that are already here, or nothing."""

    name: str
    source: Source
    rows: int
    columns: int
    same: str

    @property
    def size(self) -> int:
        """How many bytes follow for it."""
        return 0 if self.same else 8 * self.rows * max(self.columns, 1)


@dataclass(frozen=True, kw_only=True)
class Announced:
    """The first part of an answer: what there is, and the bytes that came with it."""

    entries: tuple[Entry, ...]
    scalars: tuple[tuple[str, float], ...]
    skipped: tuple[tuple[str, int], ...]
    total: int
    data: bytes


@dataclass(kw_only=True)
class Reader:
    """What is known of one kernel's series so far: needed where it says "the same as before"."""

    known: dict[str, Floats] = field(default_factory=dict)

    def series(self, cell: int, announced: Announced, data: bytes | bytearray) -> tuple[Series, ...]:
        """Cut the bytes into series, which stay views of them: histories can be large."""
        found, offset, view = [], 0, memoryview(data).toreadonly()
        for entry in announced.entries:
            if not entry.same:
                self.known[entry.name] = _numbers(entry, view[offset : offset + entry.size])
                offset += entry.size
            values = self.known.get(entry.same or entry.name)
            if values is None:
                raise TraceError("a series is said to be unchanged that was never sent")
            found.append(Series(cell=cell, name=entry.name, values=values, source=entry.source))
        return tuple(found)


def announced(text: str, *, nonce: str, budget: int) -> Announced:
    """Read the first part of an answer, or raise `TraceError`."""
    fields = text.split(";")
    if len(fields) != 6 or fields[0] != nonce:
        raise TraceError("not an answer to this question")
    entries = tuple(
        Entry(
            name=_name(name),
            source=_SOURCES[source],
            rows=int(rows),
            columns=int(columns),
            same="" if same == "0" else _name(name if same == "1" else same),
        )
        for name, source, rows, columns, same in _all(_ENTRY, fields[2])
    )
    total = _count(fields[1])
    if total != sum(entry.size for entry in entries) or total > budget:
        raise TraceError("the announced sizes do not add up, or are over the budget")
    return Announced(
        entries=entries,
        scalars=tuple(
            (_name(name), struct.unpack("<d", bytes.fromhex(value))[0]) for name, value in _all(_SCALAR, fields[3])
        ),
        skipped=tuple((_name(name), int(rows)) for name, rows in _all(_SKIPPED, fields[4])),
        total=total,
        data=_bytes(fields[5]),
    )


def piece(text: str, *, nonce: str, offset: int) -> bytes:
    """Read a further part of an answer, or raise `TraceError`."""
    fields = text.split(";")
    if len(fields) != 3 or fields[:2] != [nonce, str(offset)]:
        raise TraceError("not the piece that was asked for")
    return _bytes(fields[2])


def scalars(cell: int, told: Announced) -> tuple[Declared, ...]:
    """Name the single numbers that the namespace held after a cell."""
    return tuple(Declared(name=name, cell=cell, value=value) for name, value in told.scalars)


def _numbers(entry: Entry, data: memoryview) -> Floats:
    if len(data) != entry.size:
        raise TraceError("fewer bytes than announced")
    values = np.frombuffer(data, dtype="<f8").astype(np.float64, copy=False)
    return values.reshape(entry.rows, entry.columns) if entry.columns else values


def _all(pattern: re.Pattern[str], text: str) -> list[tuple[str, ...]]:
    """Match every part of a list, each as a whole."""
    parts = text.split(",") if text else []
    if len(parts) > _MOST_ENTRIES:
        raise TraceError("too many entries")
    matches = [pattern.fullmatch(part) for part in parts]
    if not all(matches):
        raise TraceError("an entry is malformed")
    return [match.groups() for match in matches if match]


def _name(text: str) -> str:
    try:
        name = bytes.fromhex(text).decode("utf-8")
    except UnicodeDecodeError as error:
        raise TraceError("a name is not UTF-8") from error
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)


def _count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,15}", text, re.ASCII):
        raise TraceError("a count is malformed")
    return int(text)


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise TraceError("the bytes are malformed") from error
