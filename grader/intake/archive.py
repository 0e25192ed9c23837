"""A ZIP that a learning management system made: what is in it, by names that are read right, and files out of it.

Its size, counts, ratios, depth and paths are held to bounds before one byte is written. Names that do not say their
encoding are decoded by one verdict for the whole archive, and before they are split: the second byte of a Chinese
character may be a backslash.
"""

from __future__ import annotations

import os
import re
import stat
import zipfile
from datetime import datetime
from typing import TYPE_CHECKING

from grader import files
from grader.encodings import verdict
from grader.intake.handin import Entry
from grader.model import GraderError, Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

MAX_ENTRIES = 200_000
MAX_BYTES = 32 * 2**30
MAX_FILE = 2**30
MAX_RATIO = 200
SMALL = 2**20
"""A file of at most so many bytes may be packed as tightly as it likes."""
MAX_DEPTH = 20
MAX_PATH = 1000
MAX_READ = 64 * 2**20
_UTF8 = 0x800
_ENCRYPTED = 0x1
_OTHERS = {b"Rar!": "RAR", b"7z\xbc\xaf": "7z", b"\x1f\x8b": "gzip", b"%PDF": "PDF"}
_CHUNK = 2**20


class Listing(Record, frozen=True, kw_only=True):
    """What an archive holds; `encoding` is that of names that do not say theirs, `skipped` are links or locked."""

    entries: tuple[Entry, ...]
    encoding: str
    skipped: tuple[str, ...] = ()


class Archive:
    """An open ZIP whose entries are within all bounds; to be closed by `with`."""

    def __init__(self, path: Path, *, encoding: str | None = None) -> None:
        self._path = path
        self._zip = _opened(path)
        try:
            files = [info for info in self._zip.infolist() if not info.is_dir()]
            self.encoding = encoding or _encoding(files)
            self._infos = self._named(files)
        except BaseException:
            self._zip.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()

    def listing(self) -> Listing:
        """What is in it."""
        skipped = tuple(name for name, info in self._infos.items() if _is_odd(info))
        entries = tuple(
            Entry(path=name, size=info.file_size, modified=_written(info))
            for name, info in self._infos.items()
            if name not in skipped
        )
        return Listing(entries=entries, encoding=self.encoding, skipped=skipped)

    def read(self, name: str) -> bytes:
        """A small file of the system's own."""
        info = self._infos[name]
        if info.file_size > MAX_READ:
            raise self._refused(name, f"is larger than {MAX_READ // 2**20} MB")
        return b"".join(self._chunks(name))

    def unpack(self, name: str, target: Path) -> None:
        """Write a file under a name of ours; one that is there already with this content stays."""
        info = self._infos[name]
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f"{target.name}.part")
        draft.unlink(missing_ok=True)
        with draft.open("xb") as file:
            for chunk in self._chunks(name):
                file.write(chunk)
        _set_time(draft, info)
        draft.replace(target)

    def _chunks(self, name: str) -> Iterator[bytes]:
        try:
            with self._zip.open(self._infos[name]) as file:
                while chunk := file.read(_CHUNK):
                    yield chunk
        except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
            raise self._refused(name, f"cannot be unpacked: {error}") from error

    def _named(self, files: Sequence[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
        """The entries by their names, all of which are held to the bounds."""
        if len(files) > MAX_ENTRIES:
            raise self._refused("", f"holds more than {MAX_ENTRIES} files")
        if sum(info.file_size for info in files) > MAX_BYTES:
            raise self._refused("", f"would take more than {MAX_BYTES // 2**30} GB")
        named: dict[str, zipfile.ZipInfo] = {}
        for info in files:
            name = _name(info, self.encoding)
            wrong = _wrong(name, info)
            if wrong:
                raise self._refused(name, wrong)
            named[_unused(name, named)] = info
        return named

    def _refused(self, name: str, why: str) -> GraderError:
        what = f"a file in this archive {why}" if name else f"this archive {why}"
        where = f"{self._path}: {name[:200]}" if name else str(self._path)
        return GraderError(what, where=where, hint="nothing was unpacked; look into the archive before you trust it")


def is_archive(path: Path) -> bool:
    """Whether this is a file that could be a ZIP, rather than a folder."""
    return path.is_file()


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        with files.opened(path, follow=True) as file:
            head = file.read(8)
        return zipfile.ZipFile(path)
    except OSError as error:
        raise GraderError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except (zipfile.BadZipFile, ValueError) as error:
        other = next((kind for magic, kind in _OTHERS.items() if head.startswith(magic)), None)
        what = f"this is a {other} file, not a ZIP" if other else f"this ZIP is damaged or not complete: {error}"
        hint = "unpack it and give the folder" if other else "download it again"
        raise GraderError(what, where=str(path), hint=hint) from error


def _encoding(files: Sequence[zipfile.ZipInfo]) -> str:
    """The one encoding of all names that do not say theirs."""
    raw = [info.orig_filename.encode("cp437", "replace") for info in files if not info.flag_bits & _UTF8]
    found = verdict(raw)
    return "utf-8" if found == "ascii" else found


def _name(info: zipfile.ZipInfo, encoding: str) -> str:
    """The path with `/`, decoded before anything in it is taken for a separator."""
    name = info.orig_filename
    if not info.flag_bits & _UTF8:
        name = name.encode("cp437", "replace").decode(encoding, "replace")
    return name.replace("\\", "/")


def _wrong(name: str, info: zipfile.ZipInfo) -> str | None:
    """Why an entry is refused, and with it the archive."""
    parts = name.split("/")
    if name.startswith("/") or re.match(r"^[A-Za-z]:", name) or ".." in parts:
        return "names a place outside of it"
    if not name.strip("/") or "" in parts or any(ord(character) < 32 for character in name):
        return "has no proper name"
    if len(parts) > MAX_DEPTH or len(name) > MAX_PATH:
        return "lies too deep"
    if info.file_size > MAX_FILE:
        return f"is larger than {MAX_FILE // 2**20} MB"
    if info.file_size > SMALL and info.file_size > MAX_RATIO * max(1, info.compress_size):
        return "is packed more tightly than real files are"
    return None


def _is_odd(info: zipfile.ZipInfo) -> bool:
    """Whether it is a link, a device or a locked file, which are passed over."""
    mode = info.external_attr >> 16
    return bool(info.flag_bits & _ENCRYPTED) or (stat.S_IFMT(mode) not in (0, stat.S_IFREG))


def _unused(name: str, named: dict[str, zipfile.ZipInfo]) -> str:
    """The name, with a number where the archive has it twice."""
    stem, dot, end = name.rpartition(".")
    number = 1
    unused = name
    while unused in named:
        number += 1
        unused = f"{stem} ({number}){dot}{end}" if dot else f"{name} ({number})"
    return unused


def _written(info: zipfile.ZipInfo) -> str | None:
    year, month, day, hour, minute, second = info.date_time
    if not (year > 1980 and 1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60):
        return None
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{min(second, 59):02}"


def _set_time(path: Path, info: zipfile.ZipInfo) -> None:
    """Give the file the time that the archive says, which may tell when it was handed in."""
    written = _written(info)
    try:
        stamp = datetime.fromisoformat(written).timestamp() if written else None
    except (ValueError, OverflowError):
        return
    if stamp is not None:
        os.utime(path, (stamp, stamp))
