"""Text on a terminal: safe, aligned in wide scripts too, and quiet when nobody reads it."""

from __future__ import annotations

import re
import shutil
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Self, TextIO

import click

from grader import feedback
from grader.cli.errors import silence
from grader.model import Verdict, message

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from grader.model import Fault, Language, Scalar

MARKS = {
    Verdict.PASS: ("✓", "green"),
    Verdict.PARTIAL: ("~", "yellow"),
    Verdict.FAIL: ("✗", "red"),
    Verdict.REVIEW: ("?", "cyan"),
    Verdict.SKIPPED: ("-", "bright_black"),
    Verdict.FAULT: ("!", "magenta"),
}
_TICK_SECONDS = 1.0
_WORD = r"[^\s\u2e80-\uffef]+"
_PIECE = re.compile(rf"\s+|[（「]*(?:{_WORD}(?: = {_WORD})*|[\u2e80-\uffef])[，。、；：？！）」]*")
_PLAIN = {"✓": "+", "✗": "x", "█": "#", "░": "."}


def out(text: str = "", **style: Any) -> None:
    """Print a line of the result."""
    _print(text, sys.stdout, **style)


def log(text: str = "", **style: Any) -> None:
    """Print a line about the work, to stderr."""
    _print(text, sys.stderr, **style)


def _print(text: str, stream: TextIO, *, nl: bool = True, **style: Any) -> None:
    try:
        click.echo(click.style(text, **style) if style else text, file=stream, nl=nl)
    except BrokenPipeError:  # nobody reads any more; the exit code still counts
        silence(stream)


def say(id: str, language: Language, **parameters: Scalar) -> str:
    """One of the command line's own sentences."""
    return feedback.text(message(f"cli.{id}", **parameters), language)


def why(fault: Fault) -> str:
    """Where the grader broke, and by which error."""
    return f"{fault.stage}: {fault.reason}" if fault.reason else fault.stage


def mark(verdict: Verdict) -> str:
    """The verdict's sign in its colour, in ASCII where the console knows no more."""
    sign, colour = MARKS[verdict]
    return click.style(symbol(sign), fg=colour)


def symbol(sign: str) -> str:
    """The sign, or its ASCII stand-in where the console's encoding lacks it."""
    try:
        sign.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return _PLAIN.get(sign, sign)
    return sign


def columns() -> int:
    """How wide a line may be: the terminal's width, or wide where the output is no terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000


def width(text: str) -> int:
    """How many columns the text takes on a terminal: two for a wide character, none for a combining one.

    >>> width("王小明"), width("abc")
    (6, 3)
    """
    return feedback.columns(click.unstyle(text))


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """The text with spaces after it, or before it, up to that many columns."""
    space = " " * max(0, columns - width(text))
    return space + text if right else text + space


def clip(text: str, columns: int) -> str:
    """The text, cut with an ellipsis where it is wider than that."""
    return feedback.cut(text, columns)


def wrap(text: str, indent: str, *, first: str = "") -> str:
    """The text on lines that fit the terminal, each indented; it breaks at spaces and beside wide characters.

    `first` stands in place of the first line's indent.
    No line begins with a sign that closes or ends with one that opens, and `lr = 0.1` stays together.
    """
    begun = (indent, first)
    lines = [first or indent]
    for piece in _PIECE.findall(text):
        if width(lines[-1] + piece.rstrip()) > columns() and lines[-1] not in begun:
            lines.append(indent)
        if piece.strip() or lines[-1] not in begun:
            lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)


def table(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> list[str]:
    """Lines of aligned columns, the ones in `right` to the right, each cut to the terminal.

    Where they are too wide, the widest column but the last gives way first, down to a third of the terminal.
    """
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    beyond = sum(widths) + 2 * (len(widths) - 1) - columns()
    if beyond > 0 and len(widths) > 1:
        widest = widths.index(max(widths[:-1]))
        widths[widest] = max(widths[widest] - beyond, min(widths[widest], columns() // 3))
    lines = (
        "  ".join(
            pad(clip(cell, size), size, right=index in right)
            for index, (cell, size) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    return [clip(line.rstrip(), columns()) for line in lines]


class Progress:
    """Shows on stderr how far a batch is: one moving line on a terminal, else a plain line per student.

    Used by `with`, at whose end the moving line is gone; until then its clock goes on.
    """

    def __init__(self, total: int) -> None:
        self._total, self._done = total, 0
        self._running: dict[str, None] = {}
        self._since = time.monotonic()
        self._live = sys.stderr.isatty()
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._clock = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Self:
        if self._live:
            self._draw()
            self._clock.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._over.set()
            self._clear()

    def started(self, student: str) -> None:
        """Show that this student's work is being run."""
        with self._lock:
            self._running[student] = None
            self._draw()

    def done(self, student: str, line: str) -> None:
        """Show that this student's work is graded; `line` is what a log keeps."""
        with self._lock:
            self._done += 1
            self._running.pop(student, None)
            if not self._live:
                log(f"[{self._done:{len(str(self._total))}}/{self._total}] {line}")
            self._draw()

    def note(self, line: str) -> None:
        """Print a line above the moving one."""
        with self._lock:
            self._clear()
            log(line)
            self._draw()

    def _tick(self) -> None:
        while not self._over.wait(_TICK_SECONDS):
            with self._lock:
                self._draw()

    def _clear(self) -> None:
        if self._live:
            log("\r\x1b[K", nl=False)

    def _draw(self) -> None:
        if not self._live or self._over.is_set():
            return
        full = round(24 * self._done / max(1, self._total))
        bar = symbol("█") * full + symbol("░") * (24 - full)
        seconds = round(time.monotonic() - self._since)
        names = ", ".join(feedback.safe(name) for name in self._running)
        line = f"{bar} {self._done}/{self._total}  {seconds // 60}:{seconds % 60:02d}  {names}"
        log("\r\x1b[K" + clip(line, shutil.get_terminal_size().columns - 1), nl=False)
