"""The strongest walls: bubblewrap shows the program a file system of its own, and no network and no other process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from grader.model import GraderError
from grader.sandbox import cgroups, environment
from grader.sandbox.limits import MB, SHM_MB, tmp_mb
from grader.sandbox.rooms import BOOT, HOME, IPC, JOB, TMP, content, variables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from grader.model import Isolation
    from grader.sandbox.rooms import Layout

INFO = "bwrap.json"
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_RULES = (
    ("/", "read"),
    (HOME, "write"),
    (TMP, "write"),
    ("/dev/shm", "write"),  # noqa: S108 - inside the jail
    (IPC, "sockets"),
    *((f"/dev/{name}", "device") for name in _DEVICES),
)


def launch(order: dict[str, Any], layout: Layout, isolation: Isolation) -> subprocess.Popen[bytes]:
    """Start bubblewrap, which starts the boot program; the words that describe the jail are not in its command line."""
    if isolation.program is None:
        raise GraderError("the bubblewrap that was probed is not known")
    order = {**order, "landlock": _RULES if isolation.landlock else None}
    with _Handed() as handed:
        words = _arguments(order, layout, handed)
        packed = handed.give(b"".join(os.fsencode(word) + b"\0" for word in words))
        with (layout.room / INFO).open("wb") as info:
            command = [isolation.program, "--args", packed, "--info-fd", str(info.fileno()), "--", sys.executable]
            return subprocess.Popen(
                cgroups.inside(layout.group, [*command, "-I", "-S", f"{JOB}/boot.py", f"{JOB}/boot.json"]),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(*handed.numbers, info.fileno()),
                env={"PATH": os.defpath},
                cwd="/",
                start_new_session=True,
            )


def first_process(room: Path) -> int | None:
    """Say which process, as the host counts, is the first of the jail's namespace; None before there is one."""
    try:
        return int(json.loads((room / INFO).read_bytes())["child-pid"])
    except (OSError, ValueError, KeyError):
        return None


def files(room: Path) -> int:
    """Count the files in the jail's own file systems, which bubblewrap cannot limit: they are memory of the kernel."""
    root = f"/proc/{first_process(room)}/root"
    if not os.access(f"{root}{JOB}/boot.json", os.F_OK):  # not yet built: what is seen there is the host's
        return 0
    return sum(_files_in(f"{root}{place}") for place in (HOME, TMP, "/dev/shm"))  # noqa: S108 - inside the jail


def _files_in(place: str) -> int:
    try:
        known = os.statvfs(place)
    except OSError:  # already gone
        return 0
    return known.f_files - known.f_ffree


def _arguments(order: dict[str, Any], layout: Layout, handed: _Handed) -> list[str]:
    """Say to bubblewrap what the jail looks like; later words may cover what earlier ones made."""
    shown = environment.visible(layout.python, sys.executable)
    hidden = environment.masked(shown, environment.ours(layout.python, sys.executable))
    disk, tmp = layout.limits.disk_mb * MB, tmp_mb(layout.limits) * MB
    files = {**layout.inputs, "boot.py": BOOT, "boot.json": json.dumps(order).encode("utf-8")}
    return [
        *_walls(user_namespace=layout.uid is None),
        *(word for pair in variables(home=HOME, tmp=TMP).items() for word in ("--setenv", *pair)),
        *("--proc", "/proc", "--dev", "/dev"),
        *("--dev-bind", "/dev/full", "/dev/zero"),  # gives zeros as well, but no shared memory that counts nowhere
        *("--perms", "1777", "--size", str(SHM_MB * MB), "--tmpfs", "/dev/shm"),  # noqa: S108 - inside the jail
        *("--perms", "1777", "--size", str(tmp), "--tmpfs", TMP),
        *("--perms", "0755", "--dir", "/home", "--perms", "0777", "--size", str(disk), "--tmpfs", HOME),
        *_host(shown),  # after these, since a Python may lie below one of them
        *_files(layout.home, HOME, "0777", "0666", handed),
        *("--perms", "0755", "--dir", "/run", "--bind", str(layout.room / "ipc"), IPC),
        *_files(files, JOB, "0755", "0444", handed),
        *(word for path in hidden for word in ("--tmpfs", str(path), "--remount-ro", str(path))),
        *("--remount-ro", "/dev", "--remount-ro", "/", "--chdir", HOME),
    ]


def _walls(*, user_namespace: bool) -> list[str]:
    """Say which namespaces are new; root mounts without a user namespace, and the boot program then leaves root."""
    walls = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    walls += ["--hostname", "jail", "--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL"]
    if user_namespace:
        return [*walls, "--unshare-user", "--disable-userns"]
    return [*walls, *(word for name in ("SETUID", "SETGID", "SETPCAP") for word in ("--cap-add", f"CAP_{name}"))]


def _host(shown: tuple[Path, ...]) -> list[str]:
    """Bind what is shown; each folder above it is made readable, or an unprivileged user inside could not pass."""
    words: list[str] = []
    bound = {path for path in shown if not path.is_symlink()}
    above = {parent for path in shown for parent in path.parents} - {Path("/")} - bound
    for folder in sorted(above):
        if not any(folder.is_relative_to(path) for path in bound):
            words += ["--perms", "0755", "--dir", str(folder)]
    for path in shown:
        if environment.linked(path, shown):
            words += ["--symlink", str(path.readlink()), str(path)]
        else:
            words += ["--ro-bind", str(path), str(path)]
    return words


def _files(
    files: Mapping[str, Path | bytes], folder: str, folder_mode: str, file_mode: str, handed: _Handed
) -> list[str]:
    """Copy files into a folder of the jail: what the host calls them, and who may read them there, does not matter."""
    above = {parent for name in files for parent in Path(folder, name).parents if parent.is_relative_to(folder)}
    words = [word for path in sorted(above) for word in ("--perms", folder_mode, "--dir", str(path))]
    for name, given in files.items():
        words += ["--perms", file_mode, "--file", handed.give(content(given)), f"{folder}/{name}"]
    return words


class _Handed:
    """Open files that are handed to bubblewrap by number."""

    def __init__(self) -> None:
        self._files: list[IO[bytes]] = []

    def __enter__(self) -> _Handed:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            file.close()

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(file.fileno() for file in self._files)

    def give(self, data: bytes) -> str:
        """Keep the bytes in an unnamed file and say its number."""
        file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with all the others
        self._files.append(file)
        file.write(data)
        file.seek(0)
        return str(file.fileno())
