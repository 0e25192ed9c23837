"""The lower walls: no namespaces. Landlock and the filter of system calls where the kernel has them, else only limits.

The program sees the host's paths and processes. With Landlock it can open no file but the environment's and its own.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grader.sandbox import cgroups, environment
from grader.sandbox.limits import threads_of
from grader.sandbox.rooms import BOOT, IPC, JOB, content, variables

if TYPE_CHECKING:
    from grader.model import Isolation
    from grader.sandbox.rooms import Layout

_MOST_JAILS = 8  # that room for processes is left for; one needs a quarter of it
_DEVICES = ("null", "full", "random", "urandom")  # shared memory of /dev/zero would count nowhere


def launch(order: dict[str, Any], layout: Layout, isolation: Isolation) -> subprocess.Popen[bytes]:
    """Lay out the room as plain folders and start the boot program in it, with a keeper above."""
    room = layout.room
    job, home, tmp = (room / name for name in ("job", "home", "tmp"))
    _write(job, {name: content(given) for name, given in {**layout.inputs, "boot.py": BOOT}.items()})
    _write(home, layout.home)
    tmp.mkdir()
    if layout.uid is not None:
        room.chmod(0o711)
        for path in (home, tmp, *home.rglob("*")):
            os.chown(path, layout.uid, layout.uid)
    environ = variables(home=str(home), tmp=str(tmp))
    order = {
        **order,
        "argv": [_placed(word, room) for word in order["argv"]],
        "environment": environ,
        "folder": str(home),
        "keeper": os.getpid(),
        "landlock": _rules(layout) if isolation.landlock else None,
        "may_read": layout.uid is not None,
        "rlimits": {**order["rlimits"], "RLIMIT_NPROC": _processes(layout)},
    }
    (job / "boot.json").write_text(json.dumps(order), encoding="utf-8")
    return subprocess.Popen(
        cgroups.inside(layout.group, [sys.executable, "-I", "-S", str(job / "boot.py"), str(job / "boot.json")]),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environ,
        cwd="/",
        start_new_session=True,
    )


def _processes(layout: Layout) -> int:
    """Say how many processes the jail's user may have, which are all of the assistant's where it is she.

    Other jails that start at the same time, and her own programs, must find room as well as this one.
    """
    if layout.uid is not None:
        return layout.limits.processes
    return threads_of(os.geteuid()) + layout.limits.processes * min(max(4, os.cpu_count() or 1), _MOST_JAILS)


def _rules(layout: Layout) -> list[tuple[str, str]]:
    """Say what may be opened."""
    own = (("job", "read"), ("ipc", "sockets"), ("home", "write"), ("tmp", "write"))
    rules = [(str(layout.room / name), kind) for name, kind in own]
    return [*_readable(layout.python), *rules, *((f"/dev/{name}", "device") for name in _DEVICES)]


@functools.cache
def _readable(python: str) -> tuple[tuple[str, str], ...]:
    """Say what may be read of the environment: around our own answers the folders are opened one by one."""
    shown, hidden = environment.visible(python, sys.executable), environment.ours(python, sys.executable)
    return tuple(rule for path in shown for rule in _around(path.resolve(), hidden))


def _around(path: Path, hidden: tuple[Path, ...]) -> list[tuple[str, str]]:
    """Allow to read a folder but for what is hidden in it; the names of what is hidden can still be listed."""
    if path in hidden:
        return []
    if not any(place.is_relative_to(path) for place in hidden):
        return [(str(path), "read")]
    return [
        (str(path), "list"),
        *(rule for inner in sorted(path.iterdir()) for rule in _around(inner.resolve(), hidden)),
    ]


def _placed(word: str, room: Path) -> str:
    """Say where a place of the jail is on the host."""
    for inside, name in ((JOB, "job"), (IPC, "ipc")):
        if word == inside or word.startswith(f"{inside}/"):
            return f"{room / name}{word.removeprefix(inside)}"
    return word


def _write(folder: Path, files: Any) -> None:
    folder.mkdir()
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
