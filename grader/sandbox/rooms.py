"""What a jail is made of, whatever its walls are: its places, its variables and what is handed in."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from grader import files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from grader.model import Limits
    from grader.sandbox.cgroups import Group

_PREFIX, _LOCK, _MOVED, _AT_ONCE = "dg-", "lock", "moved-", 5000
MAX_CONTENT = 2**30
BOOT = Path(__file__).with_name("boot.py")
HOME = "/home/student"
IPC = "/run/k"
JOB = "/job"
TMP = "/tmp"  # noqa: S108 - inside the jail


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One jail to build: `inputs` and `home` map names inside to content, `room` is its folder on the host.

    `group` is the cgroup that it begins in, where it has one.
    """

    python: str
    inputs: Mapping[str, Path | bytes]
    home: Mapping[str, bytes]
    room: Path
    limits: Limits
    uid: int | None
    group: Group | None


def make() -> tuple[Path, IO[bytes]]:
    """Make a room, its name short for the sake of socket paths, with a lock to hold as long as it is in use."""
    _clear()
    while True:
        room = Path(tempfile.mkdtemp(prefix=_PREFIX))
        lock = (room / _LOCK).open("wb")
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (room / _LOCK).exists():
            return room, lock
        lock.close()  # a grader that cleared up between the two lines took it for one left behind


def _clear() -> None:
    """Remove the rooms of ours that nobody holds any more: their grader was killed."""
    for room in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if room.is_symlink() or room.stat().st_uid != os.geteuid():
                continue
            with (room / _LOCK).open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove(room)


def remove(room: Path) -> None:
    """Remove a room with whatever was left in it: folders that were closed to us, or nested beyond what a path can say.

    What lies in a folder is moved up into the room first, so that no path grows long and nothing is recursive;
    of a million files only some are listed at a time.
    """
    number = itertools.count()
    waiting = [path for path, is_folder in _some(room) if is_folder]
    while waiting:
        folder = waiting.pop()
        inside, moved = _some(folder), []
        for path, is_folder in inside:
            with contextlib.suppress(OSError):
                if is_folder:
                    _open_up(path)
                    moved.append(path.rename(room / f"{_MOVED}{next(number)}"))
                else:
                    path.unlink()
        if len(inside) == _AT_ONCE and _some(folder) != inside:
            waiting.append(folder)
        waiting += moved
        with contextlib.suppress(OSError):
            folder.rmdir()
    shutil.rmtree(room, ignore_errors=True)


def _some(folder: Path) -> list[tuple[Path, bool]]:
    """List some of what is in a folder, and whether it is a folder itself; a link is none, and leads nowhere."""
    try:
        _open_up(folder)
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return []
    try:
        with os.scandir(number) as found:
            return [
                (folder / entry.name, entry.is_dir(follow_symlinks=False))
                for entry in itertools.islice(found, _AT_ONCE)
            ]
    except OSError:
        return []
    finally:
        os.close(number)


def _open_up(folder: Path) -> None:
    """Let us into a folder; where a program that is not yet dead has put a link in its place, nothing is changed."""
    if sys.platform != "linux":
        folder.chmod(0o700, follow_symlinks=False)
        return
    number = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        Path(f"/proc/self/fd/{number}").chmod(0o700)
    finally:
        os.close(number)


def variables(*, home: str, tmp: str) -> dict[str, str]:
    """Say what the environment variables inside are; nothing of the host's is among them."""
    return {
        "HOME": home,
        "USER": "student",
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "TMPDIR": tmp,
        "MPLCONFIGDIR": f"{home}/.config/matplotlib",
        "IPYTHONDIR": f"{home}/.ipython",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }


def content(given: Path | bytes) -> bytes:
    """Read what is handed in: it is copied, so that the jail never holds a host's path or file."""
    return given if isinstance(given, bytes) else files.content(given, most=MAX_CONTENT, follow=True)
