"""Start one program in a jail, watch it, and end it with everything that it started."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from grader.model import GraderError, Isolation, Limits
from grader.sandbox import environment
from grader.sandbox.limits import MB, children, memory, rlimits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BOOT = Path(__file__).with_name("boot.py")
HOME = "/home/student"
IPC = "/run/k"
_FIRST_UID = 60600  # 60578 to 61183 belong to nobody (systemd, "Users, Groups, UIDs and GIDs")
_UIDS = 500


@dataclass(kw_only=True)
class Jail:
    """A running program with its tree; `room` is the folder on the host that it shares with the grader."""

    process: subprocess.Popen[bytes]
    room: Path
    limits: Limits

    @property
    def pipes(self) -> tuple[IO[bytes], ...]:
        """What the program writes to, to be read here."""
        return tuple(stream for stream in (self.process.stdout, self.process.stderr) if stream is not None)

    def memory(self) -> int:
        """Say how many bytes the whole tree uses now."""
        return memory(self.process.pid)

    def too_big(self) -> bool:
        """Say whether the tree uses more memory than it may."""
        return self.memory() > self.limits.memory_mb * MB

    def kill(self) -> None:
        """End every process of the jail, and return once none is left.

        The first process of the namespace goes first: the kernel ends all others before its parent hears of it.
        """
        if self.process.poll() is None:
            for child in children(self.process.pid):
                _kill(child)
            try:
                self.process.wait(timeout=2)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def close(self) -> None:
        """End the jail and remove its room."""
        self.kill()
        for stream in self.pipes:
            stream.close()
        shutil.rmtree(self.room, ignore_errors=True)


def start(
    argv: Sequence[str],
    *,
    isolation: Isolation,
    limits: Limits,
    inputs: Mapping[str, Path | bytes],
    slot: int = 0,
    home: Mapping[str, bytes] | None = None,
    python: str = sys.executable,
) -> Jail:
    """Start a program in a jail.

    `inputs` appear read-only under /job, `home` as files in its home. The room's folder `ipc` is the only one that
    both sides may write; inside it is /run/k. `slot` tells apart jails that run at the same time.
    """
    if isolation.level != "bubblewrap" or isolation.program is None:
        raise GraderError(f"no jail can be built at isolation level {isolation.level!r}")
    uid = _FIRST_UID + slot % _UIDS if os.geteuid() == 0 else None
    room = Path(tempfile.mkdtemp(prefix="dg-"))
    ipc = room / "ipc"
    ipc.mkdir(mode=0o700)
    if uid is not None:
        os.chown(ipc, uid, uid)
    orders = {"argv": list(argv), "rlimits": rlimits(limits), "uid": uid}
    files = {**inputs, "boot.py": BOOT, "boot.json": json.dumps(orders).encode("utf-8")}
    with _Handed() as handed:
        words = _arguments(python, limits, ipc, files, home or {}, handed, user_namespace=uid is None)
        packed = handed.give(b"".join(word.encode("utf-8", "surrogateescape") + b"\0" for word in words))
        process = subprocess.Popen(
            [isolation.program, "--args", packed, "--", sys.executable, "-I", "-S", "/job/boot.py", "/job/boot.json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=handed.numbers,
            env={"PATH": os.defpath},
            cwd="/",
            start_new_session=True,
        )
    return Jail(process=process, room=room, limits=limits)


def _arguments(
    python: str,
    limits: Limits,
    ipc: Path,
    files: Mapping[str, Path | bytes],
    home: Mapping[str, bytes],
    handed: _Handed,
    *,
    user_namespace: bool,
) -> list[str]:
    """Say to bubblewrap what the jail looks like."""
    shown = environment.visible(python)
    if python != sys.executable:
        shown = tuple(dict.fromkeys([*shown, *environment.visible(sys.executable)]))
    return [
        *_walls(user_namespace=user_namespace),
        *_surroundings(),
        *_host(shown),
        *("--proc", "/proc", "--dev", "/dev"),
        *("--perms", "1777", "--size", str(64 * MB), "--tmpfs", "/dev/shm"),  # noqa: S108 - inside the jail
        *("--perms", "1777", "--size", str(limits.disk_mb * MB // 4), "--tmpfs", "/tmp"),  # noqa: S108
        *("--perms", "0755", "--dir", "/home"),
        *("--perms", "0777", "--size", str(limits.disk_mb * MB), "--tmpfs", HOME),
        *_files(home, HOME, "0777", "0666", handed),
        *("--perms", "0755", "--dir", "/run", "--bind", str(ipc), IPC),
        *_files(files, "/job", "0755", "0444", handed),
        *(word for path in environment.masked(shown) for word in ("--tmpfs", str(path), "--remount-ro", str(path))),
        *("--remount-ro", "/dev", "--remount-ro", "/", "--chdir", HOME),
    ]


def _walls(*, user_namespace: bool) -> list[str]:
    """Say which namespaces are new; root mounts without a user namespace, and the boot program then leaves root."""
    walls = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    walls += ["--hostname", "jail", "--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL"]
    if user_namespace:
        return [*walls, "--unshare-user", "--disable-userns"]
    return [*walls, *(word for name in ("SETUID", "SETGID", "SETPCAP") for word in ("--cap-add", f"CAP_{name}"))]


def _surroundings() -> list[str]:
    """Say what the environment variables inside are; nothing of the host's is among them."""
    variables = {
        "HOME": HOME,
        "USER": "student",
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "TMPDIR": "/tmp",  # noqa: S108 - inside the jail
        "MPLCONFIGDIR": f"{HOME}/.config/matplotlib",
        "IPYTHONDIR": f"{HOME}/.ipython",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }
    return [word for name, value in variables.items() for word in ("--setenv", name, value)]


def _host(shown: tuple[Path, ...]) -> list[str]:
    """Bind what is shown; each folder above it is made readable, or an unprivileged user inside could not pass."""
    words: list[str] = []
    above = {parent for path in shown for parent in path.parents} - {Path("/")}
    bound = {path for path in shown if not path.is_symlink()}
    for folder in sorted(above - bound):
        if not any(folder.is_relative_to(path) for path in bound):
            words += ["--perms", "0755", "--dir", str(folder)]
    for path in shown:
        linked = path.is_symlink() and path.parent == Path("/")  # /bin -> usr/bin, as most systems have it
        words += ["--symlink", str(path.readlink()), str(path)] if linked else ["--ro-bind", str(path), str(path)]
    return words


def _files(
    files: Mapping[str, Path | bytes], folder: str, folder_mode: str, file_mode: str, handed: _Handed
) -> list[str]:
    """Copy files into a folder of the jail: what the host calls them, and who may read them there, does not matter."""
    above = {parent for name in files for parent in Path(folder, name).parents if parent.is_relative_to(folder)}
    words = [word for path in sorted(above) for word in ("--perms", folder_mode, "--dir", str(path))]
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.read_bytes()
        words += ["--perms", file_mode, "--file", handed.give(data), f"{folder}/{name}"]
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


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
