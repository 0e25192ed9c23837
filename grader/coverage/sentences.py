"""The sentences of a report, each with its place and the topic of its section."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grader.model import Box, Record
from grader.reading import sentence_ends
from grader.reading.tokens import han

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from grader.coverage.matcher import Matcher, Read
    from grader.model import Line

SENTENCE_LETTERS = 400
REFERENCES_LETTERS = 24
TITLE_LETTERS = 60
LESSER_HEADING = 0.97  # times the size of the topic's own heading
PARAGRAPH_SHORT = 0.3  # of the column's width that the last line of a paragraph leaves free
_ENDINGS = ("。", ".", ";", "；", ",", "，")
_ORNAMENT = frozenset(" \t\u3000.()（）、,:：-–—一二三四五六七八九十#■●◆▲►➤•*[]【】《》<>0123456789")
_TAIL = frozenset(" \t\u3000.()（）:：-–—[]【】《》<>")
_ROMAN = frozenset("ivxIVX")
_BULLETS = frozenset("•‧·●○◦▪■□◆➤►-*")


class Sentence(Record, frozen=True, kw_only=True):
    """A sentence or heading with its place; `section` is the topic of the heading above it."""

    text: str
    page: int
    bbox: Box
    section: str | None
    heading: bool = False
    resets: bool = False  # a heading after which the topic named last no longer goes on
    opens: bool = False  # the first of its paragraph


def sentences(lines: Sequence[Line], matcher: Matcher, *, section: str | None = None) -> Iterator[Sentence]:
    """Yield headings and sentences before the references, each with the topic of its section."""
    size, closed = 0.0, 0.0
    block: list[Line] = []
    columns = _columns(lines)
    for line in lines:
        bare = bared(line.text)
        read = matcher.read(bare, title=len(bare) <= TITLE_LETTERS)
        if bare and len(bare) <= REFERENCES_LETTERS and matcher.references(read):
            yield from _split(block, section, matcher)
            block, closed = [], max(line.size, 0.1)
        elif closed and not (line.heading and read.named and line.size >= closed):
            continue
        elif _title(line, read, matcher):
            yield from _split(block, section, matcher)
            block, closed = [], 0.0
            before, (section, size, resets) = section, _section(line, bare, read, section, size, matcher)
            yield Sentence(
                text=line.text,
                page=line.page,
                bbox=line.bbox,
                section=section,
                heading=True,
                resets=resets or section != before,
            )
        elif block and _parts(block[-1], line, columns):
            yield from _split(block, section, matcher)
            block = [line]
        else:
            block.append(line)
    yield from _split(block, section, matcher)


def bared(text: str) -> str:
    """A heading without its number, bullet and brackets.

    >>> bared("（四） RMSProp："), bared("iv) SGD")
    ('RMSProp', 'SGD')
    """
    start, end = 0, len(text)
    while start < end and (text[start] in _ORNAMENT or text[start].isspace()):
        start += 1
    roman = start
    while roman < end and text[roman] in _ROMAN:
        roman += 1
    if start < roman < end and text[roman] in ".)、）":
        return bared(text[roman + 1 :])
    while end > start and (text[end - 1] in _TAIL or text[end - 1].isspace()):
        end -= 1
    return text[start:end]


def _title(line: Line, read: Read, matcher: Matcher) -> bool:
    """A heading by its type, or a line that holds nothing but the name of one topic."""
    if line.heading:
        return True
    if not read.places or len(read.folded) > TITLE_LETTERS or line.text.rstrip().endswith(_ENDINGS):
        return False
    spans = [*((start, end) for start, end, _ in read.places), *matcher.aspects(read)]
    held = {index for start, end in spans for index in range(start, end)}
    return all(index in held or token.kind in ("sign", "number") for index, token in enumerate(read.said))


def _section(
    line: Line, bare: str, read: Read, section: str | None, size: float, matcher: Matcher
) -> tuple[str | None, float, bool]:
    """The topic after a heading: the one it names; a lesser heading or one about an aspect leaves it."""
    first = read.named if len(read.named) == 1 else matcher.read(_before_subtitle(bare), title=True).named
    if len(first) == 1:
        return first[0], line.size, True
    if read.named or matcher.heading(read, "general"):
        return None, line.size, True
    if matcher.aspects(read) or (section and line.size < LESSER_HEADING * size):
        return section, size, False
    return None, line.size, True


def _before_subtitle(bare: str) -> str:
    cuts = [bare.find(mark) for mark in ("(", "（", ":", "：", " - ", " – ", " — ")]
    return bare[: min((cut for cut in cuts if cut > 0), default=len(bare))]


def _columns(lines: Sequence[Line]) -> dict[tuple[int, int], float]:
    """How far to the right the lines reach that begin about where one begins, page by page."""
    widest: dict[tuple[int, int], float] = {}
    for line in lines:
        for near in (-1, 0, 1):
            place = line.page, _at(line) + near
            widest[place] = max(widest.get(place, 0.0), line.bbox[2])
    return widest


def _at(line: Line) -> int:
    return int(line.bbox[0] // 20)


def _parts(before: Line, line: Line, columns: dict[tuple[int, int], float]) -> bool:
    """Whether a new paragraph begins: a bullet, or the line before stops well short of its column."""
    if bulleted(line.text):
        return True
    if before.page != line.page:
        return False
    wide = columns.get((before.page, _at(before)), 0.0)
    width = max(wide - before.bbox[0], 1.0)
    begins_small = line.text[:1].isascii() and line.text[:1].islower()
    return before.bbox[2] < wide - PARAGRAPH_SHORT * width and not begins_small


def bulleted(text: str) -> bool:
    """Whether a line begins with a bullet or the number of an item.

    >>> [bulleted(text) for text in ("• one", "(2) two", "3. three", "0.9 is", "2011")]
    [True, True, True, False, False]
    """
    text = text.lstrip()
    if text[:1] in _BULLETS and text[:1]:
        return text[1:2].isspace()
    at = 1 if text[:1] in ("(", "（") else 0
    end = at
    while end < len(text) and end < at + 2 and text[end].isdigit():
        end += 1
    return end > at and text[end : end + 1] in (")", "）", ".", "、") and not text[end + 1 : end + 2].isdigit()


def _split(block: Sequence[Line], section: str | None, matcher: Matcher) -> Iterator[Sentence]:
    """Cut a paragraph into sentences, each with the lines that it stands on."""
    said = ""
    starts: list[int] = []
    pieces: list[str] = []
    length = 0
    for line in block:
        glue, drop = _glue(pieces[-1] if pieces else "", line.text, matcher)
        if drop:
            pieces[-1] = pieces[-1][:-1]
            length -= 1
        pieces.append(glue + line.text)
        starts.append(length + len(glue))
        length += len(pieces[-1])
    said = "".join(pieces)
    ends = [*starts[1:], length]
    begin, opens, first = 0, True, 0
    for end in [*sentence_ends(said), length]:
        for start, stop in _pieces(said, begin, end):
            text = said[start:stop].strip()
            while first + 1 < len(block) and ends[first] <= start:
                first += 1
            if text:
                inside = _inside(block, starts, first, stop)
                yield Sentence(
                    text=text,
                    page=inside[0].page,
                    bbox=_around([line.bbox for line in _together(inside)]),
                    section=section,
                    opens=opens,
                )
                opens = False
        begin = end


def _inside(block: Sequence[Line], starts: Sequence[int], first: int, stop: int) -> list[Line]:
    last = first + 1
    while last < len(block) and starts[last] < stop:
        last += 1
    return list(block[first:last])


def _glue(before: str, line: str, matcher: Matcher) -> tuple[str, bool]:
    """What stands between two lines of a paragraph, and whether the hyphen of a word goes."""
    if not before:
        return "", False
    if len(before) > 1 and before[-1] == "-" and before[-2].isalpha() and before[-2].isascii():
        joined = (before[:-1].rsplit(maxsplit=1)[-1] + line.split(maxsplit=1)[0]).lower() if line.strip() else ""
        if line[:1].islower() or joined in matcher.known:
            return "", True
    return ("" if han(before[-1]) and han(line[:1]) else " "), False


def _pieces(text: str, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut what no full stop ends, so that a page without punctuation is not one sentence."""
    while end - begin > SENTENCE_LETTERS:
        cut = max(text.rfind(mark, begin + 80, begin + SENTENCE_LETTERS) for mark in ",，、 ")
        cut = cut + 1 if cut > begin else begin + SENTENCE_LETTERS
        yield begin, cut
        begin = cut
    yield begin, end


def _together(lines: Sequence[Line]) -> list[Line]:
    """The lines of a sentence up to where it goes on in another column or on another page."""
    kept = [lines[0]]
    for line in lines[1:]:
        if line.page != kept[-1].page or line.bbox[3] < kept[-1].bbox[1]:
            break
        kept.append(line)
    return kept


def _around(boxes: Sequence[Box]) -> Box:
    x0, top, x1, bottom = zip(*boxes, strict=True)
    return min(x0), min(top), max(x1), max(bottom)
