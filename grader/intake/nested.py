"""A ZIP that a student handed in, in place of the files themselves: opened in a jail, never by the grader.

What comes out is a bounded list and the content of notebooks and PDFs, which are written under names of ours. Whatever
goes wrong, the hand-in stays as it was, and a person looks at it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec.structs import replace

from grader import files, intake, sandbox
from grader.encodings import verdict
from grader.intake.names import own_name
from grader.model import GraderError, Record, from_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grader.model import Isolation, Limits, Submission

UNPACK = Path(__file__).with_name("unpack.py")
MAX_ARCHIVE = 100 * 2**20
SECONDS = 30.0
HEAD_BYTES = 4_000_000
_DEEPEST = 4


class _Listed(Record, frozen=True, kw_only=True):
    name: Annotated[str, msgspec.Meta(max_length=2000, pattern="^([0-9a-f]{2})*$")]
    utf8: bool
    size: Annotated[int, msgspec.Meta(ge=0)] | None = None


class _List(Record, frozen=True, kw_only=True):
    files: Annotated[tuple[_Listed, ...], msgspec.Meta(max_length=2000)]


def archive_of(submission: Submission) -> str | None:
    """The one ZIP that may hold what is missing; None where nothing is, or there is no or more than one."""
    missing = any(problem.id in ("intake.notebook-other", "intake.report-other") for problem in submission.problems)
    archives = [name for name in submission.files if name.lower().endswith(".zip")]
    return archives[0] if missing and len(archives) == 1 else None


def opened(submission: Submission, *, isolation: Isolation, limits: Limits, unpacked: Path) -> Submission:
    """The submission with the files of the archive in it, where a jail could open that; else as it was."""
    name = archive_of(submission)
    path = Path(submission.root, name) if name else None
    if path is None or path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_ARCHIVE:
        return submission
    root = unpacked / own_name(submission.student) / _digest(path)[:16]
    if not root.is_dir():
        files = _files(path, isolation=isolation, limits=limits)
        if not files:
            return submission
        _write(root, [*files, *_own(submission)])
    found = intake.of_files(submission.student, root)
    return replace(found, person=submission.person, origin=submission.origin, lateness=submission.lateness)


def _files(path: Path, *, isolation: Isolation, limits: Limits) -> list[tuple[str, bytes]]:
    """The notebooks and PDFs of an archive with their paths; none where the jail could not say."""
    budget = int((limits.notebook_mb + limits.pdf_mb) * 1e6)
    finished = sandbox.run(
        [sys.executable, "-I", "/job/unpack.py", "/job/archive.zip", str(budget)],
        isolation=isolation,
        limits=limits,
        inputs={"unpack.py": UNPACK, "archive.zip": path},
        seconds=SECONDS,
        output_bytes=budget + HEAD_BYTES,
    )
    try:
        return _read(finished.stdout) if finished.outcome == "done" else []
    except GraderError:
        return []


def _read(answer: bytes) -> list[tuple[str, bytes]]:
    """Take the jail's answer apart; what does not fit together is refused as a whole.

    Raises:
        GraderError: where it does not.
    """
    length = int.from_bytes(answer[:8], "big")
    if len(answer) < 8 or length > HEAD_BYTES:
        raise GraderError("the answer has no list")
    listed = from_json(b'{"files":' + answer[8 : 8 + length] + b"}", _List).files
    names = _names(listed)
    at = 8 + length
    found = []
    for one, name in zip(listed, names, strict=True):
        if one.size is not None:
            found.append((name, answer[at : at + one.size]))
            at += one.size
    if at != len(answer):
        raise GraderError("the answer is longer or shorter than its list")
    return found


def _names(listed: Sequence[_Listed]) -> list[str]:
    """The paths as text, all in the one encoding that the archive has."""
    raw = [bytes.fromhex(one.name) for one in listed]
    encoding = verdict(name for one, name in zip(listed, raw, strict=True) if not one.utf8)
    return [
        name.decode("utf-8" if one.utf8 or encoding == "ascii" else encoding, "replace")
        for one, name in zip(listed, raw, strict=True)
    ]


def _own(submission: Submission) -> list[tuple[str, bytes]]:
    """The file that was handed in beside the archive and counts, so that both lie in one place."""
    chosen = [name for name in (submission.notebook, submission.report) if name]
    return [(name, files.content(Path(submission.root, name), most=MAX_ARCHIVE)) for name in chosen]


def _write(root: Path, files: Sequence[tuple[str, bytes]]) -> None:
    """Write the files under names of ours; the folder is there with all of them or not at all."""
    draft = root.with_name(f".{root.name}.{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    for number, (name, content) in enumerate(files):
        target = _target(draft, name, number)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    draft.replace(root)


def _target(draft: Path, name: str, number: int) -> Path:
    """Where a file goes: below its folders, or in one of its own where another has taken the place."""
    parts = [own_name(part) for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    target = draft.joinpath(*(parts or ["file"])[-_DEEPEST:])
    taken = target.exists() or any(path.is_file() for path in target.parents)
    return draft / str(number) / target.name if taken else target


def _digest(path: Path) -> str:
    with files.opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
