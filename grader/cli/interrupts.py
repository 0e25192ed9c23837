"""Ending a command: Ctrl-C and SIGTERM let it tidy up for a moment, and a second one ends it at once.

Python tells the main thread of a signal only between two of its own steps; a thread that waits for signals is told
whatever the main thread is doing, and so can end the process in its place.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
import time

from grader.cli.errors import INTERRUPTED

PATIENCE_SECONDS = 1.5
_ENDING = (signal.SIGINT, signal.SIGTERM)


def watch() -> None:
    """Let SIGINT and SIGTERM end this process, within a moment whatever it does."""
    heard, told = os.pipe()
    os.set_blocking(told, False)
    for number in _ENDING:
        signal.signal(number, signal.default_int_handler)  # a job that is cancelled ends like one on Ctrl-C
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    threading.Thread(target=_wait, args=(heard,), daemon=True).start()


def _wait(heard: int) -> None:
    while not _is_told(heard):
        pass
    until = time.monotonic() + PATIENCE_SECONDS
    while select.select([heard], [], [], max(0.0, until - time.monotonic()))[0] and not _is_told(heard):
        pass
    _end()


def _is_told(heard: int) -> bool:
    """Take one signal, of several that have come as well, and say whether it is to end the process."""
    return bool(set(os.read(heard, 1)) & set(_ENDING))


def _end() -> None:
    """End the processes that were started, and this one, without another word from the main thread."""
    for name in ("grader.pipeline", "grader.judging"):
        module = sys.modules.get(name)
        if module is not None:
            with contextlib.suppress(Exception):  # half imported, or just ending as well
                module.stop()
    with contextlib.suppress(OSError):
        os.write(2, b"\ninterrupted\n")
    os._exit(INTERRUPTED)
