"""What a jail is made of, whatever its walls are: its places, its variables and what is handed in."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from grader.model import Limits

BOOT = Path(__file__).with_name("boot.py")
HOME = "/home/student"
IPC = "/run/k"
JOB = "/job"
TMP = "/tmp"  # noqa: S108 - inside the jail


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One jail to build: `inputs` and `home` map names inside to content, `room` is its folder on the host."""

    python: str
    inputs: Mapping[str, Path | bytes]
    home: Mapping[str, bytes]
    room: Path
    limits: Limits
    uid: int | None


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
    return given if isinstance(given, bytes) else given.read_bytes()
