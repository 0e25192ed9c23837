"""Runs both engines on a report and makes facts of their answers: pages, visible lines, notices for a person."""

from __future__ import annotations

import os
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from grader import files, sandbox
from grader.model import UNREADABLE, Isolation, Limits, Problem, Record, ReportFacts, Sheet, Thumbnail, decoder
from grader.report import recognition, text
from grader.report.ink import ink, unlike
from grader.report.lines import Word, lines, overlapping, said_by, sheet_problems
from grader.report.pictures import picture

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from grader.model import Box

PARSE = Path(__file__).with_name("parse.py")
OUTPUT_BYTES = 4_000_000
PICTURED = 3
PDFIUM_SHARE = 0.5  # of the seconds; it needs a tenth of one, and the other engine must get its turn
A4_POINTS = 595.28 * 841.89
LARGE_PAGE = 1.3  # times A4: US Letter and Legal pass, A3 does not
SCAN_SHARE = 0.5  # of a page under one picture
OCR_SHARE = 0.9  # of text objects that paint nothing
UNLIKE_WORDS = 4  # in a line or on a page, of which the shapes of letters can be told
UNLIKE_SHARE = 0.25  # of them; honest files have 2 in 54,000

_Side = Annotated[float, msgspec.Meta(ge=-1e6, le=1e6)]
_Length = Annotated[float, msgspec.Meta(ge=0, le=1e6)]
_Text = Annotated[str, msgspec.Meta(max_length=300)]
_Offsets = Annotated[tuple[Annotated[int, msgspec.Meta(ge=-100_000, le=100_000)], ...], msgspec.Meta(max_length=800)]
_Notice = Literal["javascript", "attachments", "xfa-form", "portfolio"]
_Count = Annotated[int, msgspec.Meta(ge=0, le=10_000_000)]


class _Pixels(Record, frozen=True, kw_only=True):
    width: Annotated[int, msgspec.Meta(ge=1, le=20_000)]
    height: Annotated[int, msgspec.Meta(ge=1, le=20_000)]
    bits: str


class _Sheet(Record, frozen=True, kw_only=True):
    number: Annotated[int, msgspec.Meta(ge=1, le=10)]
    width: _Length = 0.0
    height: _Length = 0.0
    unit: Annotated[float, msgspec.Meta(gt=0, le=1e5)] = 1.0
    words: Annotated[
        tuple[tuple[_Text, _Side, _Side, _Side, _Side, _Length, _Count, bool, _Offsets], ...],
        msgspec.Meta(max_length=10_000),
    ] = ()
    cut: bool = False
    pictures: _Length = 0.0
    unpainted: _Length = 0.0
    drawn: bool = False
    blank: bool = False
    ink: _Pixels | None = None
    picture: _Pixels | None = None
    error: _Text = ""


class Answer(Record, frozen=True, kw_only=True):
    """What one engine said, or how it ended when it said nothing that can be read."""

    engine: str = ""
    outcome: Literal["done", "timeout", "memory", "output-limit", "crashed"] = "done"
    error: Literal["", "encrypted", "failed"] = ""
    detail: _Text = ""
    pages: Annotated[int, msgspec.Meta(ge=0, le=10_000_000)] | None = None
    sheets: Annotated[tuple[_Sheet, ...], msgspec.Meta(max_length=10)] = ()
    notices: Annotated[tuple[_Notice, ...], msgspec.Meta(max_length=4)] = ()
    cut: bool = False


def read(path: Path, *, limits: Limits, isolation: Isolation) -> ReportFacts:
    """Read a report in the jail; whatever the file holds, the answer is facts and no exception."""
    refused = refusal(path, limits=limits)
    if refused is not None:
        return refused
    begun = time.monotonic()

    def ask(engine: str, seconds: float) -> Answer:
        finished = sandbox.run(
            [sys.executable, "-I", "/job/parse.py", engine, "/job/report.pdf"],
            isolation=isolation,
            limits=limits,
            inputs={"parse.py": PARSE, "report.pdf": path},
            seconds=seconds,
            output_bytes=OUTPUT_BYTES,
        )
        return answer(finished.stdout) if finished.outcome == "done" else Answer(outcome=finished.outcome)

    first = ask("pdfium", limits.report_seconds * PDFIUM_SHARE)
    left = max(limits.report_seconds - (time.monotonic() - begun), 1.0)
    second = ask("pdfplumber-count" if text.readable(_said(first)) else "pdfplumber", left)
    found = facts(first, second)
    if found.outcome == "unreadable" and first.pages and limits.ocr_seconds > 0 and recognition.installed():
        seen, told = recognition.recognised(path, pages=first.pages, limits=limits, isolation=isolation)
        found = msgspec.structs.replace(found, recognised=seen, problems=(*found.problems, *told))
    return msgspec.structs.replace(found, seconds=round(time.monotonic() - begun, 3))


def refusal(path: Path, *, limits: Limits) -> ReportFacts | None:
    """Judge what needs no parser: an empty or oversized file, and one that is no PDF.

    A file that was handed in and cannot be opened here is ours to look at, whatever the reason.
    """
    try:
        with files.opened(path) as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(1024)
    except OSError as error:
        return _refused("crashed", "no-file", error.strerror or "")
    if size == 0:
        return _refused("not-a-pdf", "empty-file")
    if size > limits.pdf_mb * 1e6:
        return _refused("too-large", "large-file", f"{size / 1e6:.1f} MB")
    return None if b"%PDF-" in head else _refused("not-a-pdf", "other-file", _kind(head))


def _refused(outcome: Literal["not-a-pdf", "too-large", "crashed"], id: str, detail: str = "") -> ReportFacts:
    return ReportFacts(outcome=outcome, problems=(Problem(id=id, text=detail),))


def _kind(head: bytes) -> str:
    kinds = {
        b"PK": "zip or docx",
        b"\xd0\xcf\x11\xe0": "doc",
        b"\x89PNG": "PNG",
        b"\xff\xd8": "JPEG",
        b"{": "notebook",
        b"<": "HTML",
    }
    return next((kind for magic, kind in kinds.items() if head.lstrip().startswith(magic)), "")


def answer(said: bytes) -> Answer:
    """Decode what a child printed; anything out of shape is a crash of that child."""
    try:
        return decoder(Answer).decode(said)
    except UNREADABLE:
        return Answer(outcome="crashed")


def _said(engine: Answer) -> str:
    return said_by(
        Word(page=sheet.number, text=text, bbox=(x0, top, x1, bottom), size=size, line=line)
        for sheet in engine.sheets
        for text, x0, top, x1, bottom, size, line, *_ in sheet.words
    )


def facts(pdfium: Answer, pdfplumber: Answer) -> ReportFacts:
    """Put two answers together: counts of both, the text of the one that reads it, what pdfium saw painted."""
    counts = {"pdfium": pdfium.pages, "pdfplumber": pdfplumber.pages}
    answers = (pdfium, pdfplumber)
    if not any(engine.pages for engine in answers):
        return ReportFacts(outcome=_failure(answers), pages=counts, problems=_trouble(answers))
    chosen = pdfium if text.readable(_said(pdfium)) or not text.readable(_said(pdfplumber)) else pdfplumber
    painted, hidden, tiny, undrawn, spoiled = _sorted_words(chosen, {sheet.number: sheet for sheet in pdfium.sheets})
    piled = overlapping(painted)
    visible = tuple(word for word in painted if word not in piled)
    found = lines(visible, heights={sheet.number: sheet.height for sheet in chosen.sheets})
    shown = "\n".join(line.text for line in found)
    outcome: Literal["read", "unreadable", "crashed"] = "read" if text.readable(shown) else "unreadable"
    problems = [
        *_trouble(answers),
        *_page_problems(pdfium, pdfplumber),
        *sheet_problems(visible, hidden=hidden, tiny=tiny, piled=piled, undrawn=undrawn, unlike=spoiled),
    ]
    foreign = text.other_language(shown)
    if foreign:
        problems.append(Problem(id="other-language", text=text.LANGUAGE_NAMES[foreign]))
    layer = _layer(pdfium, hidden)
    if layer:
        problems = [p for p in problems if not (p.id == "hidden-text" and p.page in layer)]
        problems += [Problem(id="ocr-layer", page=page) for page in layer]
    if outcome == "read" and not _painted(pdfium, visible):
        outcome = "crashed"
        problems.append(Problem(id="not-rendered"))
    return ReportFacts(
        outcome=outcome,
        pages=counts,
        languages=text.languages(shown),
        lines=found,
        problems=tuple(problems),
        sheets=_sheets(pdfium, pdfplumber, visible),
        thumbnails=tuple(_thumbnails(pdfium)),
    )


def _failure(answers: Sequence[Answer]) -> Literal["encrypted", "timeout", "crashed", "unreadable"]:
    if any(engine.error == "encrypted" for engine in answers):
        return "encrypted"
    ends = {engine.outcome for engine in answers}
    if "timeout" in ends:
        return "timeout"
    return "unreadable" if ends == {"done"} else "crashed"


def _trouble(answers: Sequence[Answer]) -> tuple[Problem, ...]:
    found = [
        Problem(id=f"engine-{engine.outcome}", text=name)
        for name, engine in zip(("pdfium", "pdfplumber"), answers, strict=True)
        if engine.outcome != "done"
    ]
    found += [
        Problem(id="engine-failed", text=f"{engine.engine}: {engine.detail}")
        for engine in answers
        if engine.error == "failed"
    ]
    found += [Problem(id=notice) for notice in dict.fromkeys(n for engine in answers for n in engine.notices)]
    if any(sheet.cut for engine in answers for sheet in engine.sheets) or any(engine.cut for engine in answers):
        found.append(Problem(id="not-all-read"))
    return tuple(found)


def _sorted_words(chosen: Answer, rendered: dict[int, _Sheet]) -> tuple[tuple[Word, ...], ...]:
    """Part the words: seen, painted by nothing, too small, not drawn by this machine, seen as other letters."""
    visible, hidden, tiny, undrawn, spoiled = [list[Word]() for _ in range(5)]
    for sheet in chosen.sheets:
        seen = rendered.get(sheet.number)
        painted = ink(seen.ink.width, seen.ink.height, seen.ink.bits, points=seen.width) if seen and seen.ink else None
        looks: defaultdict[int, list[bool]] = defaultdict(list)
        for said, x0, top, x1, bottom, size, line, unknown, offsets in sheet.words:
            word = Word(page=sheet.number, text=said, bbox=(x0, top, x1, bottom), size=size, line=line)
            letters = _letters(word, offsets)
            spells = any(letter.isalnum() for letter in said)
            shown = painted is None or (
                painted.shows(said, word.bbox, letters) if spells else painted.paints(word.bbox)
            )
            if not shown and not spells:
                continue  # a row of underscores has hardly any ink, and says nothing
            (tiny if word.tiny else visible if shown else undrawn if unknown else hidden).append(word)
            odd = unlike(said, letters) if shown else None
            if odd is not None:
                looks[line].append(odd)
        whole = _often([odd for line in looks.values() for odd in line])
        lying = {word for word in visible if word.page == sheet.number and (whole or _often(looks[word.line]))}
        spoiled += [word for word in visible if word in lying]
        visible = [word for word in visible if word not in lying]
    return tuple(visible), tuple(hidden), tuple(tiny), tuple(undrawn), tuple(spoiled)


def _often(odd: Sequence[bool]) -> bool:
    return len(odd) >= UNLIKE_WORDS and sum(odd) >= UNLIKE_SHARE * len(odd)


def _letters(word: Word, offsets: Sequence[int]) -> list[Box]:
    """The boxes of a word's letters, where the engine gave one for each."""
    if len(offsets) != 4 * len(word.text):
        return []
    x, y = word.bbox[:2]
    sides = [start + offset / 10 for start, offset in zip((x, y) * (len(offsets) // 2), offsets, strict=True)]
    return list(zip(sides[::4], sides[1::4], sides[2::4], sides[3::4], strict=True))


def _painted(pdfium: Answer, visible: Sequence[Word]) -> bool:
    """Whether every page with words was rendered, so that "visible" means seen."""
    rendered = {sheet.number for sheet in pdfium.sheets if sheet.ink is not None}
    return all(word.page in rendered for word in visible)


def _layer(pdfium: Answer, hidden: Sequence[Word]) -> list[int]:
    """The pages that are a picture under unpainted text: a scan that was read by a machine."""
    silent = {word.page for word in hidden}
    return [
        s.number for s in pdfium.sheets if s.number in silent and s.pictures >= SCAN_SHARE and s.unpainted >= OCR_SHARE
    ]


def _page_problems(pdfium: Answer, pdfplumber: Answer) -> list[Problem]:
    units = {sheet.number: sheet.unit for sheet in pdfplumber.sheets}
    found: list[Problem] = []
    for sheet in pdfium.sheets or pdfplumber.sheets:
        unit = units.get(sheet.number, 1.0)
        if sheet.width * sheet.height * unit**2 > LARGE_PAGE * A4_POINTS:
            size = f"{sheet.width * unit / 72 * 25.4:.0f} × {sheet.height * unit / 72 * 25.4:.0f} mm"
            found.append(Problem(id="large-page", page=sheet.number, text=size))
        if sheet.blank:
            found.append(Problem(id="blank-page", page=sheet.number))
        if sheet.pictures >= SCAN_SHARE and not sheet.words:
            found.append(Problem(id="scanned-page", page=sheet.number))
        if sheet.drawn:
            found.append(Problem(id="drawn-letters", page=sheet.number))
        if sheet.error:
            found.append(Problem(id="page-failed", page=sheet.number, text=sheet.error))
    return found


def _thumbnails(pdfium: Answer) -> Iterator[Thumbnail]:
    """The pages in small, each once and as files of our own making."""
    for sheet in {sheet.number: sheet for sheet in pdfium.sheets if sheet.number <= PICTURED}.values():
        small = sheet.picture
        png = picture(small.width, small.height, small.bits) if small and sheet.width and sheet.height else None
        if png:
            yield Thumbnail(page=sheet.number, width=sheet.width, height=sheet.height, png=png)


def _sheets(pdfium: Answer, pdfplumber: Answer, visible: Sequence[Word]) -> tuple[Sheet, ...]:
    units = {sheet.number: sheet.unit for sheet in pdfplumber.sheets}
    said = {
        number: text.repaired(" ".join(w.text for w in visible if w.page == number))
        for number in {w.page for w in visible}
    }
    return tuple(
        Sheet(
            page=sheet.number,
            width=sheet.width * units.get(sheet.number, 1.0),
            height=sheet.height * units.get(sheet.number, 1.0),
            characters=len(said.get(sheet.number, "")),
            languages=text.languages(said.get(sheet.number, "")),
            pictures=sheet.pictures,
        )
        for sheet in pdfium.sheets or pdfplumber.sheets
    )
