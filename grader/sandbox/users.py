"""A user of its own for each jail, where the grader runs as root.

The kernel counts processes by user, and below bubblewrap a jail is ended by its user. Two jails of one user would
share the count and end each other, whoever started them: so a user is claimed among all graders of the machine.
"""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
from pathlib import Path
from typing import IO

from grader.model import GraderError
from grader.sandbox import limits as bounds

_FIRST_UID = 60600  # 60578 to 61183 belong to nobody (systemd, "Users, Groups, UIDs and GIDs")
_UIDS = 500


def claim() -> tuple[int, IO[bytes]]:
    """Claim a user that no jail has and no process runs as; it is free again when the lock is closed."""
    folder = _folder()
    for uid in range(_FIRST_UID, _FIRST_UID + _UIDS):
        lock = (folder / str(uid)).open("wb")
        if _locked(lock) and not bounds.of_user(uid):
            return uid, lock
        lock.close()
    raise GraderError(
        f"all {_UIDS} users for jails are taken", hint="Wait for other graders on this machine, or start fewer jobs."
    )


def _locked(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _folder() -> Path:
    """Make the folder of locks, which nobody but root may touch."""
    parent = Path("/run") if os.access("/run", os.W_OK) else Path(tempfile.gettempdir())
    folder = parent / "descent-grader"
    folder.mkdir(mode=0o700, exist_ok=True)
    known = folder.lstat()
    if known.st_uid != 0 or not stat.S_ISDIR(known.st_mode) or known.st_mode & 0o022:
        raise GraderError("another user made the folder of locks", where=str(folder), hint="Remove it.")
    return folder
