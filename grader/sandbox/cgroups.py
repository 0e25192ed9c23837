"""A memory cgroup for each jail, where the grader may make one: there the kernel itself holds the limit.

The watch over the tree looks every 50 ms. What grows between two looks, or is memory that the kernel tells of no
process, meets this bound at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from grader.model import GraderError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_PREFIX = "descent-grader-"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_MEMBER = re.compile(r"^[0-9]+:([^:]*):(/.*)$", re.MULTILINE)
_MOUNT = re.compile(r"^(?:\S+ ){3}(\S+) (\S+) .*- (cgroup2?) \S+ (\S+)$", re.MULTILINE)
_KILLED = re.compile(r"^oom_kill ([0-9]+)$", re.MULTILINE)
_AT_ITS_LIMIT = re.compile(r"^oom ([0-9]+)$", re.MULTILINE)
_CLOSE = 1024 * 1024  # bytes: version 1 keeps no count of how often a limit was met, only the most that was used
_EVENTS = ("memory.events", "memory.oom_control")  # version 2, version 1
_LIMITS = ("memory.max", "memory.limit_in_bytes")
_ENTER = """
echo 0 >"$0" || exit
while read -r name value; do
    [ "$name" = PPid: ] && break
done </proc/$$/status
[ "$value" = "$1" ] || exit
shift
exec "$@"
"""
_BESIDE = 4  # processes that are bubblewrap's or the keeper


@dataclass(frozen=True, kw_only=True)
class Group:
    """One cgroup; `lock` says that it is in use, as long as this process lives."""

    place: Path
    lock: int

    def killed(self) -> bool:
        """Say whether the kernel has ended a process of it at its own limit: that of a group above is not its own."""
        told = "".join(_read(self.place / name) for name in _EVENTS)
        return any(int(count) for count in _KILLED.findall(told)) and self._has_met_its_limit(told)

    def _has_met_its_limit(self, told: str) -> bool:
        """Version 2 counts how often it did; in version 1 the most that was used is close to the limit then."""
        most, limit = (_read(self.place / f"memory.{name}_in_bytes").strip() for name in ("max_usage", "limit"))
        if most and limit:
            return int(most) >= int(limit) - _CLOSE
        return any(int(count) for count in _AT_ITS_LIMIT.findall(told))

    def processes(self) -> tuple[int, ...]:
        """List the processes in it; those that this process cannot see, as in a container, are told as 0."""
        return tuple(int(word) for word in _read(self.place / "cgroup.procs").split() if word != "0")

    def close(self) -> None:
        """Remove it; the last process may take a moment to leave."""
        until = time.monotonic() + 1
        while not _removed(self.place) and time.monotonic() < until:
            time.sleep(0.001)
        os.close(self.lock)


def parent(proc: Path = Path("/proc/self")) -> Path | None:
    """Find the group in which those of jails can be made; None where there is none.

    In version 1 it is the grader's own. In version 2 a group that has processes can give its children no limits, so
    it is the one above, where that is ours too.
    """
    member = dict(_MEMBER.findall(_read(proc / "cgroup")))
    of_memory = next((path for names, path in member.items() if "memory" in names.split(",")), None)
    for root, at, kind, options in _MOUNT.findall(_read(proc / "mountinfo")):
        if kind == "cgroup2":
            own = _below(root, Path(at), member.get(""))
            place = own if own in (None, Path(at)) else own.parent
            if place and _writable(place, place / "cgroup.procs") and "memory" in _given_on(place):
                return place
        elif "memory" in options.split(","):
            place = _below(root, Path(at), of_memory)
            if place and _writable(place):
                return place
    return None


def _below(root: str, at: Path, path: str | None) -> Path | None:
    """Say where a group lies, of which a mount may show only a part."""
    if path is None or not Path(path).is_relative_to(root) or ".." in Path(path).parts:
        return None
    return at / Path(path).relative_to(root)


def _writable(*paths: Path) -> bool:
    return all(os.access(path, os.W_OK) for path in paths)


def _given_on(place: Path) -> list[str]:
    """Say what a group of version 2 lets its children limit."""
    return _read(place / "cgroup.subtree_control").split()


def make(most: int, *, processes: int) -> Group:
    """Make a group that may hold so many bytes, pages of files that could be given up not counted.

    Version 2 counts its processes as well, threads each for themselves, whoever their user is.
    """
    above = parent()
    if above is None:
        raise GraderError("no cgroup can be made here")
    try:
        _clear(above)
        with contextlib.ExitStack() as held:
            place, lock = _claimed(above)
            held.callback(Group(place=place, lock=lock).close)
            _bound(place, most, processes + _BESIDE)
            held.pop_all()
    except OSError as error:
        raise GraderError(f"no cgroup can be made here: {error.strerror}", where=str(above)) from error
    return Group(place=place, lock=lock)


def _claimed(above: Path) -> tuple[Path, int]:
    """Make a group and lock it, before a grader that clears up takes it for one left behind."""
    while True:
        place = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=above))
        with contextlib.suppress(FileNotFoundError):
            lock = os.open(place, _FOLDER)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if place.exists():
                return place, lock
            os.close(lock)


def _bound(place: Path, most: int, processes: int) -> None:
    """Set the limits that this kernel knows; swap is no way around them."""
    limit = next((place / name for name in _LIMITS if (place / name).exists()), None)
    if limit is None:
        raise FileNotFoundError(2, "it has no limit of memory")
    limit.write_text(str(most), encoding="ascii")
    others = {
        "memory.oom_control": 0,  # version 1 takes over from above whether the kernel may end anybody
        "memory.swap.max": 0,
        "memory.memsw.limit_in_bytes": most,
        "memory.oom.group": 1,  # where one is ended for its memory, all are
        "pids.max": processes,
    }
    for name, value in others.items():
        if (place / name).exists():
            (place / name).write_text(str(value), encoding="ascii")


def _clear(above: Path) -> None:
    """Remove the groups that nobody holds any more, and end what is in them: their grader was killed."""
    for place in above.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError), _opened(place) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for pid in Group(place=place, lock=lock).processes():
                os.kill(pid, signal.SIGKILL)
            _removed(place)


@contextlib.contextmanager
def _opened(place: Path) -> Iterator[int]:
    number = os.open(place, _FOLDER)
    try:
        yield number
    finally:
        os.close(number)


def _removed(place: Path) -> bool:
    """Remove a group if no process is left in it."""
    try:
        place.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def inside(group: Group | None, command: Sequence[str]) -> list[str]:
    """Let a command begin in a group: a shell enters it and becomes the command, so that nothing starts outside.

    Entering takes a while; where the grader was killed meanwhile, there is nobody whose death would end the jail.
    """
    if group is None:
        return list(command)
    return ["/bin/sh", "-c", _ENTER, str(group.place / "cgroup.procs"), str(os.getpid()), *command]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:  # not there, or its group has just been removed
        return ""
