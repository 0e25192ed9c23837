"""Run one program in a jail to its end, under limits of time, memory and output."""

from __future__ import annotations

import os
import selectors
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from grader.sandbox.jail import Jail, start

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from grader.model import Isolation, Limits

Outcome = Literal["done", "timeout", "memory", "output-limit", "crashed"]
_POLL_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class Finished:
    """How a jailed program ended; `crashed` means that it ended by itself with another code than 0."""

    outcome: Outcome
    returncode: int | None
    stdout: bytes
    stderr: bytes


def run(
    argv: Sequence[str],
    *,
    isolation: Isolation,
    limits: Limits,
    inputs: Mapping[str, Path | bytes],
    seconds: float,
    output_bytes: int,
    python: str = sys.executable,
) -> Finished:
    """Run a program in a jail; `inputs` appear read-only as /job/<name>, and output is capped while it is read."""
    jail = start(argv, isolation=isolation, limits=limits, inputs=inputs, python=python)
    try:
        jail.seal()
        return _watched(jail, time.monotonic() + seconds, output_bytes)
    finally:
        jail.close()


def _watched(jail: Jail, deadline: float, output_bytes: int) -> Finished:
    """Read what the program prints until it ends, or a limit ends it."""
    said: dict[str, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
    stopped: Outcome | None = None
    with selectors.DefaultSelector() as waiting:
        for name, stream in (("stdout", jail.process.stdout), ("stderr", jail.process.stderr)):
            if stream is not None:
                waiting.register(stream, selectors.EVENT_READ, name)
        looked = 0.0
        while stopped is None and waiting.get_map():
            for key, _ in waiting.select(_POLL_SECONDS):
                chunk = os.read(key.fd, 65536)
                if not chunk:
                    waiting.unregister(key.fileobj)
                said[key.data] += chunk
            now = time.monotonic()
            if sum(map(len, said.values())) > output_bytes:
                stopped = "output-limit"
            elif now > deadline:
                stopped = "timeout"
            elif now - looked > _POLL_SECONDS:
                looked = now
                stopped = "memory" if jail.too_big() else None
    return _finished(jail, stopped, deadline, {name: bytes(data[:output_bytes]) for name, data in said.items()})


def _finished(jail: Jail, stopped: Outcome | None, deadline: float, said: dict[str, bytes]) -> Finished:
    """Say how it ended; a program may close its output and go on, which the deadline ends."""
    if stopped is None:
        stopped = _ended(jail, deadline)
    jail.kill()
    code = jail.process.returncode
    if stopped is None and jail.too_big():
        stopped = "memory"
    if stopped is None and code != 0:
        stopped = "memory" if b"MemoryError" in said["stderr"][-2000:] else "crashed"
    return Finished(outcome=stopped or "done", returncode=code, stdout=said["stdout"], stderr=said["stderr"])


def _ended(jail: Jail, deadline: float) -> Outcome | None:
    while jail.process.poll() is None:
        if time.monotonic() > deadline:
            return "timeout"
        if jail.too_big():
            return "memory"
        time.sleep(0.005)
    return None
