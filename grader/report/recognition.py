"""Has the pages of a scan read by text recognition, where the extra `ocr` is installed.

What it reads is shown to a person and decides nothing: a misread word can make or unmake a sentence.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec

from grader import sandbox
from grader.model import UNREADABLE, Isolation, Limits, Line, Problem, Record, decoder
from grader.report.lines import Word, lines

if TYPE_CHECKING:
    from collections.abc import Sequence

SCRIPT = Path(__file__).with_name("recognise.py")
PAGES = 3
OUTPUT_BYTES = 1_000_000
TYPE_SHARE = 0.75  # of the height of a recognised line; the rest is the room above and below the letters

_Side = Annotated[float, msgspec.Meta(ge=-1e6, le=1e6)]
_Length = Annotated[float, msgspec.Meta(ge=0, le=1e6)]
_Text = Annotated[str, msgspec.Meta(max_length=200)]


class Page(Record, frozen=True, kw_only=True):
    """What was read on one page."""

    number: Annotated[int, msgspec.Meta(ge=1, le=PAGES)]
    width: _Length
    height: _Length
    lines: Annotated[tuple[tuple[_Text, _Side, _Side, _Side, _Side], ...], msgspec.Meta(max_length=400)]


def installed() -> bool:
    """Whether the extra `ocr` is there."""
    return all(find_spec(name) is not None for name in ("rapidocr", "onnxruntime"))


def recognised(
    path: Path, *, pages: int, limits: Limits, isolation: Isolation
) -> tuple[tuple[Line, ...], tuple[Problem, ...]]:
    """Read the first pages in the jail; the time limit keeps the pages before it."""
    finished = sandbox.run(
        [sys.executable, "-I", "/job/recognise.py", "/job/report.pdf", str(PAGES)],
        isolation=isolation,
        limits=limits,
        inputs={"recognise.py": SCRIPT, "report.pdf": path},
        seconds=limits.ocr_seconds,
        output_bytes=OUTPUT_BYTES,
    )
    read = answers(finished.stdout)
    missed = set(range(1, min(pages, PAGES) + 1)) - {page.number for page in read}
    return _lines(read), tuple(Problem(id="not-recognised", page=number) for number in sorted(missed))


def answers(said: bytes) -> tuple[Page, ...]:
    """Decode what the child printed, each page once; what is out of shape is left out."""
    found: dict[int, Page] = {}
    for line in said.splitlines()[:PAGES]:
        try:
            page = decoder(Page).decode(line)
        except UNREADABLE:
            continue
        found[page.number] = page
    return tuple(found.values())


def _lines(pages: Sequence[Page]) -> tuple[Line, ...]:
    words = [
        Word(
            page=page.number, text=text, bbox=(x0, top, x1, bottom), size=round((bottom - top) * TYPE_SHARE), line=line
        )
        for page in pages
        for line, (text, x0, top, x1, bottom) in enumerate(page.lines)
        if text.strip()
    ]
    return lines(words, heights={page.number: page.height for page in pages})
