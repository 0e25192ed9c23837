"""Opening files whose names come from a folder, which may be pipes, devices, links or of any size.

A pipe makes the one who opens it wait for ever, a device may have no end, and a link leads anywhere. Whoever opens
what somebody else named does it here.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path

_LOOK = os.O_NONBLOCK | os.O_CLOEXEC


class NoFileError(OSError):
    """This name leads to no ordinary file: to a pipe, a device, a folder, or to a link where none may be followed."""


class TooLargeError(OSError):
    """The file holds more bytes than are read."""


def opened(path: Path, *, follow: bool = False) -> io.BufferedReader:
    """Open an ordinary file to read its bytes; `follow` lets its name be a link.

    Raises:
        NoFileError: at anything else, without waiting for it.
        OSError: where it cannot be opened.
    """
    if not is_file(path, follow=follow):  # first, since some devices do something when they are opened
        raise _none(path)
    number = os.open(path, os.O_RDONLY | _LOOK | (0 if follow else os.O_NOFOLLOW))
    if not stat.S_ISREG(os.fstat(number).st_mode):  # it was changed in between
        os.close(number)
        raise _none(path)
    return os.fdopen(number, "rb")


def is_file(path: Path, *, follow: bool = False) -> bool:
    """Whether there is an ordinary file at this name; raises `OSError` where nothing is or nobody may look."""
    return stat.S_ISREG(path.stat(follow_symlinks=follow).st_mode)


def content(path: Path, *, most: int, follow: bool = False) -> bytes:
    """Read an ordinary file whole.

    Raises:
        TooLargeError: where it holds more than `most` bytes; no more than that is read.
        OSError: as `opened` does.
    """
    with opened(path, follow=follow) as file:
        size = os.fstat(file.fileno()).st_size
        data = b"" if size > most else file.read(most + 1)
    if max(size, len(data)) > most:
        raise TooLargeError(errno.EFBIG, f"more than {most // 2**20} MB", str(path))
    return data


def beginning(path: Path, size: int) -> bytes:
    """Read the first bytes of an ordinary file; none where there is no such file."""
    try:
        with opened(path) as file:
            return file.read(size)
    except OSError:
        return b""


def _none(path: Path) -> NoFileError:
    return NoFileError(errno.EINVAL, "this is no ordinary file", str(path))
