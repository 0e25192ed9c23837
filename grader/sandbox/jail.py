"""Start one program in a jail, watch it, and end it with everything that it started."""

from __future__ import annotations

import base64
import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from grader.model import GraderError, Isolation, Limits
from grader.sandbox import bare, bubblewrap, cgroups, rooms, syscalls, users
from grader.sandbox import limits as bounds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(kw_only=True)
class Jail:
    """A running program with its tree; `room` is the folder on the host that it shares with the grader.

    `uid` is the user that is this jail's alone, where the grader runs as root;
    `cpu_seconds` is known once the jail was killed: what dies with its namespace is in no parent's accounts.
    """

    process: subprocess.Popen[bytes]
    room: Path
    locks: tuple[IO[bytes], ...]
    limits: Limits
    namespaces: bool
    uid: int | None
    group: cgroups.Group | None
    cpu_seconds: float = 0.0

    @property
    def ipc(self) -> Path:
        """The folder for sockets that both sides may use."""
        return self.room / "ipc"

    @property
    def pipes(self) -> tuple[IO[bytes], ...]:
        """What the program writes to, to be read here."""
        return tuple(stream for stream in (self.process.stdout, self.process.stderr) if stream is not None)

    def seal(self) -> None:
        """Let nothing more be made, replaced or removed in the shared folder: whatever sockets it needs are there."""
        if self.uid is not None:
            os.chown(self.ipc, 0, 0)
        self.ipc.chmod(0o555)

    def too_big(self) -> bool:
        """Say whether the tree uses more memory than it may, that of the kernel for its files included.

        It did where the kernel ended a part of it for that.
        """
        if self.group is not None and self.group.killed():
            return True
        files = bubblewrap.files(self.room) if self.namespaces else 0
        return bounds.exceeds(self.process.pid, self.limits.memory_mb * bounds.MB - files * bounds.FILE_BYTES)

    def kill(self) -> None:
        """End every process of the jail, and return once none is left."""
        if self.process.poll() is None:
            self.cpu_seconds = bounds.cpu_seconds(self.process.pid)
            self._end()
        if self.namespaces:
            self._see_the_end()
        elif self.uid is not None:
            _kill_all(lambda: bounds.of_user(self.uid))
        if self.group is not None:
            _kill_all(self.group.processes)

    def _see_the_end(self) -> None:
        """Wait for the namespace's first process: bubblewrap may end a moment before it, and it before the others."""
        first, until = bubblewrap.first_process(self.room), time.monotonic() + 2
        while first is not None and bounds.alive(first, "bwrap") and time.monotonic() < until:
            time.sleep(0.001)

    def _end(self) -> None:
        """End the tree from where nothing escapes.

        With namespaces that is their first process: the kernel ends all others before it is gone.
        Without, the keeper sweeps until no child is left.
        """
        if self.namespaces:
            for child in bounds.children(self.process.pid):
                _kill(child)
        else:
            self.process.terminate()
        try:
            self.process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            _kill_all(lambda: bounds.tree(self.process.pid)[1:])
            self.process.kill()
            self.process.wait()

    def close(self) -> None:
        """End the jail and remove its room."""
        self.kill()
        for stream in self.pipes:
            stream.close()
        rooms.remove(self.room)
        if self.group is not None:
            self.group.close()
        for lock in self.locks:
            lock.close()


def start(
    argv: Sequence[str],
    *,
    isolation: Isolation,
    limits: Limits,
    inputs: Mapping[str, Path | bytes],
    home: Mapping[str, bytes] | None = None,
    python: str = sys.executable,
) -> Jail:
    """Start a program in a jail.

    `inputs` appear read-only under /job, `home` as files in its home; /run/k is the one folder that both sides may
    write. For root, each jail has a user of its own.
    At the levels without namespaces these places have other names, which are put into `argv`.
    """
    if isolation.level == "none":
        raise GraderError("no jail can be built without isolation", hint="Run `grader doctor`.")
    with contextlib.ExitStack() as held:
        room, lock = rooms.make()
        held.callback(lock.close)
        held.callback(rooms.remove, room)
        uid, claimed = users.claim() if os.geteuid() == 0 else (None, None)
        if claimed is not None:
            held.callback(claimed.close)
        (room / "ipc").mkdir(mode=0o700)
        if uid is not None:
            os.chown(room / "ipc", uid, uid)
        group = None
        if isolation.memory == "cgroup":
            group = cgroups.make(bounds.all_bytes(limits), processes=limits.processes)
            held.callback(group.close)
        order = _order(argv, isolation, limits, uid)
        layout = rooms.Layout(
            python=python, inputs=inputs, home=home or {}, room=room, limits=limits, uid=uid, group=group
        )
        launch = bubblewrap.launch if isolation.level == "bubblewrap" else bare.launch
        process = launch(order, layout, isolation)
        held.pop_all()
    return Jail(
        process=process,
        room=room,
        locks=(lock, claimed) if claimed is not None else (lock,),
        limits=limits,
        namespaces=isolation.level == "bubblewrap",
        uid=uid,
        group=group,
    )


def _order(argv: Sequence[str], isolation: Isolation, limits: Limits, uid: int | None) -> dict[str, Any]:
    """Say what the boot program has to do; each level adds what is its own."""
    filtered = syscalls.program(namespaces=isolation.level == "bubblewrap") if isolation.seccomp else None
    return {
        "argv": list(argv),
        "environment": None,
        "folder": None,
        "keeper": None,
        "landlock": None,
        "may_read": False,
        "rlimits": bounds.rlimits(limits),
        "seccomp": base64.b64encode(filtered).decode("ascii") if filtered else None,
        "uid": uid,
    }


def _kill_all(found: Any) -> None:
    """Kill until none is found: processes may still be starting others."""
    until = time.monotonic() + 5
    while (pids := found()) and time.monotonic() < until:
        for pid in pids:
            _kill(pid)
        time.sleep(0.002)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
