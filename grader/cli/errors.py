"""Exit codes, and how an error looks: what happened, where, and what to do."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from typing import IO, TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

BELOW = 1
USAGE = 2
UNDECIDED = 3
NOTHING = 4
INTERRUPTED = 130


_UNSHOWN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def shown(text: str) -> str:
    """Text as a terminal may be given it: without what moves, colours or turns it; lines stay lines."""
    return _UNSHOWN.sub("", text)


class Stop(click.ClickException):
    """Ends the command with a message and an exit code."""

    def __init__(self, what: str, *, where: str = "", hint: str = "", code: int = USAGE) -> None:
        super().__init__(what)
        self.where, self.hint, self.code = where, hint, code

    def show(self, file: IO[Any] | None = None) -> None:  # noqa: ARG002 - click's signature
        """Print the error to stderr."""
        click.secho("error: ", fg="red", bold=True, nl=False, err=True)
        click.echo(shown(self.message), err=True)
        for name, text in (("where", self.where), ("hint", self.hint)):
            if text:
                click.echo(f"{name}: {shown(text)}", err=True)


@contextlib.contextmanager
def stops(code: int) -> Iterator[None]:
    """End the command with this exit code where what is inside raises `GraderError`."""
    from grader.model import GraderError

    try:
        yield
    except GraderError as error:
        raise Stop(error.message, where=error.where, hint=error.hint, code=code) from error


def stop(error: Exception) -> Stop | None:
    """The way to end for an error that a person can mend; None for one of our own."""
    from grader.model import GraderError

    if isinstance(error, GraderError):
        return Stop(error.message, where=error.where, hint=error.hint, code=USAGE)
    if isinstance(error, OSError):
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        hint = "free some space, or set TMPDIR to a larger folder for temporary files" if full else ""
        return Stop(error.strerror or str(error), where=str(error.filename or ""), hint=hint, code=UNDECIDED)
    return None


def silence(stream: IO[str]) -> None:
    """Give output that nobody reads any more a place to go, so that the work goes on without complaint."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
