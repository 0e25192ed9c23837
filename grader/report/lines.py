"""Puts words together to lines in reading order, finds headings, drops running heads."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grader.model import Box, Line, Problem
from grader.report.text import repaired

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

TINY_POINTS = 5.0  # below it nothing is evidence
SMALL_POINTS = 7.0
SMALL_SHARE = 0.5
HEADING_SIZE = 1.12  # times the size of the body
HEADING_LETTERS = 80
NUMBERED_LETTERS = 40
MARGIN = 0.08  # of the page's height, where running heads stand
HIDDEN_LETTERS = 12  # fewer are a rule or an accent that failed to render
EXCERPT = 200
OVERLAP_LETTERS = 2  # accents and formula signs lie on each other by design
OVERLAP_SHARE = 0.4  # of the smaller box
OVERLAP_ROW = 8.0  # points

_NUMBERED = re.compile(
    r"^(?:\d{1,2}(?:\.\d{1,2})*[.)、．:：]?\s?|[(（]?(?:[一二三四五六七八九十]{1,2}|\d{1,2}|[a-dA-D]|[ivIV]{1,4})[)）.、．]\s?|[一二三四五六七八九十]\s|[#■●◆▲►➤]+\s?)(?=\D)"
)
_SENTENCE_END = re.compile(r"[.。;；,，!！?？、]$")
_MATH = re.compile(r"[=+√∑Σ∇←≈≤≥×∂^]|\\\\frac")
_LETTERS = re.compile(r"[A-Za-z]{2,}|[\u3400-\u9fff]{2,}")
_FURNITURE = re.compile(
    r"^[-–—\s]*(?:page|第)?\s*\d{1,3}\s*(?:/|of|頁|页)?\s*(?:共)?\s*\d{0,3}\s*(?:頁|页)?[-–—\s]*$"
    r"|^(?:https?|file)://\S+(?:\s\d+/\d+)?$|^\d{1,4}/\d{1,2}/\d{1,4}[,，]?\s.{0,40}$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Word:
    """A word with its place; `line` numbers the lines of its page as the engine broke them."""

    page: int
    text: str
    bbox: Box
    size: float
    line: int

    @property
    def tiny(self) -> bool:
        """Whether it is too small to be read on paper."""
        return self.size < TINY_POINTS


def lines(words: Sequence[Word], *, heights: Mapping[int, float]) -> tuple[Line, ...]:
    """Make the lines of the report in reading order, without page numbers and running heads."""
    body = _body_size(words)
    rows = [_line(row, body) for row in _rows(words)]
    dropped = _running(rows, heights)
    return tuple(row for index, row in enumerate(rows) if row.text and index not in dropped)


def _rows(words: Iterable[Word]) -> list[list[Word]]:
    """Group words to rows; a row that an engine broke at a formula is mended."""
    rows: list[list[Word]] = []
    for word in words:
        last = rows[-1] if rows else None
        if last and last[-1].page == word.page and (last[-1].line == word.line or _continues(last, word)):
            last.append(word)
        else:
            rows.append([word])
    return rows


def _continues(row: Sequence[Word], word: Word) -> bool:
    """Whether a word stands on the row before it, right behind it; a subscript stands a little lower."""
    before = row[-1]
    size = max(word.size, before.size)
    gap = word.bbox[0] - before.bbox[2]
    shared = min(max(w.bbox[3] for w in row), word.bbox[3]) - max(min(w.bbox[1] for w in row), word.bbox[1])
    height = max(word.bbox[3] - word.bbox[1], 0.1)
    return -0.3 * size < gap < (1.5 if shared > 0.5 * height else 0.3) * size and shared > -0.1 * size


def _line(row: Sequence[Word], body: float) -> Line:
    text = repaired(" ".join(word.text for word in row))
    size = max(Counter({word.size: 0 for word in row} | _weights(row)).items(), key=lambda pair: pair[1])[0]
    x0, top, x1, bottom = zip(*(word.bbox for word in row), strict=True)
    bbox = (min(x0), min(top), max(x1), max(bottom))
    return Line(page=row[0].page, text=text, bbox=bbox, size=size, heading=_heading(text, size, body))


def _weights(words: Iterable[Word]) -> Counter[float]:
    weights: Counter[float] = Counter()
    for word in words:
        weights[word.size] += len(word.text)
    return weights


def _body_size(words: Iterable[Word]) -> float:
    weights = _weights(words)
    return max(weights, key=lambda size: weights[size], default=0.0)


def _heading(text: str, size: float, body: float) -> bool:
    """A short line in larger type or with a number, with words and without mathematics."""
    if not _LETTERS.search(text) or _MATH.search(text) or _SENTENCE_END.search(text):
        return False
    if size >= HEADING_SIZE * body:
        return len(text) <= HEADING_LETTERS
    return bool(_NUMBERED.match(text)) and len(text) <= NUMBERED_LETTERS and not re.search(r"[。，；;!?]|[:：].", text)


def _running(rows: Sequence[Line], heights: Mapping[int, float]) -> set[int]:
    """Find the page numbers, addresses and repeated lines in the margins."""
    seen: defaultdict[str, set[int]] = defaultdict(set)
    margin = []
    for index, row in enumerate(rows):
        height = heights.get(row.page) or 1.0
        if row.bbox[3] < MARGIN * height or row.bbox[1] > (1 - MARGIN) * height:
            margin.append(index)
            seen[re.sub(r"\d+", "#", row.text)].add(row.page)
    return {
        index
        for index in margin
        if _FURNITURE.match(rows[index].text) or len(seen[re.sub(r"\d+", "#", rows[index].text)]) > 1
    }


def overlapping(words: Sequence[Word]) -> frozenset[Word]:
    """Find words that lie on other words of like size: what is underneath may hide below what is seen."""
    rows: defaultdict[tuple[int, int], list[Word]] = defaultdict(list)
    found: set[Word] = set()
    for word in words:
        if len(word.text) < OVERLAP_LETTERS:
            continue
        row = int((word.bbox[1] + word.bbox[3]) / 2 / OVERLAP_ROW)
        for near in (row - 1, row, row + 1):
            piled = [other for other in rows[word.page, near] if _covers(word, other)]
            found.update(piled, [word] if piled else [])
        rows[word.page, row].append(word)
    return frozenset(found)


def _covers(word: Word, other: Word) -> bool:
    if word.text in other.text or other.text in word.text or not 0.67 < (word.size or 1) / (other.size or 1) < 1.5:
        return False
    wide = min(word.bbox[2], other.bbox[2]) - max(word.bbox[0], other.bbox[0])
    high = min(word.bbox[3], other.bbox[3]) - max(word.bbox[1], other.bbox[1])
    return wide > 0 and high > 0 and wide * high > OVERLAP_SHARE * min(_area(word), _area(other))


def _area(word: Word) -> float:
    x0, top, x1, bottom = word.bbox
    return (x1 - x0) * (bottom - top)


def sheet_problems(
    visible: Sequence[Word],
    *,
    hidden: Iterable[Word],
    tiny: Iterable[Word],
    piled: Iterable[Word],
    undrawn: Iterable[Word],
    unlike: Iterable[Word],
) -> list[Problem]:
    """Say what was hidden or small, with an excerpt for the teacher; no accusation is meant."""
    found = [
        *_excerpts("hidden-text", hidden),
        *_excerpts("tiny-text", tiny),
        *_excerpts("font-missing", undrawn),
        *_excerpts("unlike-letters", unlike),
        *_excerpts("overlapping-text", sorted(piled, key=lambda word: (word.page, word.line, word.bbox))),
    ]
    letters = sum(len(word.text) for word in visible)
    small = sum(len(word.text) for word in visible if word.size < SMALL_POINTS)
    if letters and small > SMALL_SHARE * letters:
        found.append(Problem(id="small-text", text=f"{100 * small / letters:.0f} %"))
    return found


def _excerpts(id: str, words: Iterable[Word]) -> list[Problem]:
    pages: defaultdict[int, list[str]] = defaultdict(list)
    for word in words:
        pages[word.page].append(word.text)
    texts = {page: repaired(" ".join(said)) for page, said in pages.items()}
    return [
        Problem(id=id, page=page, text=text[:EXCERPT]) for page, text in texts.items() if len(text) >= HIDDEN_LETTERS
    ]
