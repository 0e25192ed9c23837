"""What a jail may use: the limits of one process for the boot program, and the memory of the whole tree."""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from grader.model import Limits

MB = 1024 * 1024
SHM_MB = 64
WALLS_MB = 32  # bubblewrap or the keeper, stacks in the kernel, small files
FILE_BYTES = 1024  # an inode of a tmpfs and its name
_STATUS = re.compile(r"^(VmRSS|VmSwap|VmPTE|RssAnon|RssShmem):\s+([0-9]+) kB", re.MULTILINE)
_SHARES = re.compile(r"^(?:Pss|SwapPss):\s+([0-9]+) kB", re.MULTILINE)


def rlimits(limits: Limits) -> dict[str, int]:
    """Say what one process in the jail may use.

    `RLIMIT_DATA` lies below the limit of the tree, so that one greedy process meets a MemoryError that its
    notebook survives, before the watchdog ends the jail. Address space is looser: libraries map more than they touch.
    """
    return {
        "RLIMIT_NPROC": limits.processes,
        "RLIMIT_NOFILE": 1024,
        "RLIMIT_FSIZE": limits.disk_mb * MB,
        "RLIMIT_DATA": limits.memory_mb * MB * 7 // 8,
        "RLIMIT_AS": (2 * limits.memory_mb + 1024) * MB,
        "RLIMIT_CORE": 0,
    }


def all_bytes(limits: Limits) -> int:
    """Say what a whole jail may hold in the books of the kernel: its memory, and beside it its files and its walls.

    Its files are what it may write, and what it is handed, of which a report is the largest.
    """
    files_mb = limits.disk_mb + tmp_mb(limits) + SHM_MB + limits.pdf_mb
    return int((limits.memory_mb + files_mb + WALLS_MB) * MB)


def tmp_mb(limits: Limits) -> int:
    """Say how much the temporary files of a jail may hold."""
    return limits.disk_mb // 4


def tree(pid: int) -> tuple[int, ...]:
    """List a process and all its descendants, as far as they can be seen now."""
    found, waiting = [], [pid]
    while waiting:
        parent = waiting.pop()
        found.append(parent)
        waiting.extend(children(parent))
    return tuple(found)


def children(pid: int) -> tuple[int, ...]:
    """List the children of a process, of whichever thread."""
    found: list[int] = []
    for task in _listed(Path(f"/proc/{pid}/task")):
        found.extend(int(word) for word in _read(task / "children").split())
    return tuple(found)


def exceeds(pid: int, most: int) -> bool:
    """Say whether a process tree uses more memory than so many bytes.

    What is resident counts shared pages in every process, so it is never less and much cheaper to ask for.
    """
    seen = [_seen(process) for process in tree(pid)]
    left = most - sum(_descriptors(process) for process in seen) * _socket_bytes()
    return sum(process.resident for process in seen) > left and sum(map(_memory_of, seen)) > left


def memory(pid: int) -> int:
    """Add up the memory in bytes of a whole process tree, pages that are shared counted once."""
    return sum(_memory_of(_seen(process)) for process in tree(pid))


def resident() -> int:
    """Say how much memory this very process holds."""
    return _seen(os.getpid()).resident


class _Seen(NamedTuple):
    """What the kernel tells of one process in `place`, in bytes; page tables and what is swapped out count.

    `own` is what it would free if it ended, or more: files apart, each page counts wherever it is mapped.
    """

    place: Path
    resident: int
    own: int
    tables: int


def _seen(pid: int) -> _Seen:
    """Look at a process; where its first thread has ended, only the others still tell of its memory and files."""
    place = Path(f"/proc/{pid}")
    told = _told(place)
    if "VmRSS" not in told:
        threads = ((task, _told(task)) for task in _listed(place / "task"))
        place, told = next((found for found in threads if "VmRSS" in found[1]), (place, told))
    tables, swapped = told.get("VmPTE", 0), told.get("VmSwap", 0)
    return _Seen(
        place=place,
        resident=told.get("VmRSS", 0) + swapped + tables,
        own=told.get("RssAnon", 0) + told.get("RssShmem", 0) + swapped + tables,
        tables=tables,
    )


def _told(place: Path) -> dict[str, int]:
    return {name: int(number) * 1024 for name, number in _STATUS.findall(_read(place / "status"))}


def _memory_of(process: _Seen) -> int:
    """Say what one process holds, its shared pages in proportion; in full where it may not be looked at so closely."""
    shares = _SHARES.findall(_read(process.place / "smaps_rollup"))
    return sum(int(share) * 1024 for share in shares) + process.tables if shares else process.own


def _descriptors(process: _Seen) -> int:
    """Count its open files, each of which may be a socket; Linux tells their number since 6.2, before that it is 0."""
    try:
        return (process.place / "fd").stat().st_size
    except OSError:
        return 0


@functools.cache
def _socket_bytes() -> int:
    """Say how much a socket holds; the filter of system calls keeps programs from asking for more."""
    return int(_read(Path("/proc/sys/net/core/wmem_default")).strip() or 212_992)


def alive(pid: int, name: str) -> bool:
    """Say whether a process of this name still runs; one that only waits to be counted does not."""
    head, _, tail = _read(Path(f"/proc/{pid}/stat")).rpartition(")")
    return head.partition("(")[2] == name and tail.split()[:1] not in ([], ["Z"], ["X"])


def cpu_seconds(pid: int) -> float:
    """Add up the processor time of a whole process tree, of children that have ended too."""
    return sum(_ticks(process) for process in tree(pid)) / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int) -> int:
    """Read what one process used, by itself and by the children that it waited for."""
    fields = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15])


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:  # the process is gone, or not ours to look at
        return ""


def _listed(path: Path) -> list[Path]:
    try:
        return list(path.iterdir())
    except OSError:
        return []


def of_user(uid: int | None) -> tuple[int, ...]:
    """List the processes of one user."""
    return tuple(int(path.name) for path in _listed(Path("/proc")) if path.name.isdigit() and _owner(path) == uid)


def threads_of(uid: int) -> int:
    """Count the threads of one user on the whole machine: without namespaces the limit of processes counts them too."""
    return sum(len(_listed(Path(f"/proc/{pid}/task"))) for pid in of_user(uid))


def _owner(path: Path) -> int | None:
    try:
        return path.stat().st_uid
    except OSError:
        return None
