"""Puts words together to lines in reading order, finds headings, drops running heads."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from grader.model import Box, Line, Problem
from grader.report.text import repaired

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

TINY_POINTS = 5.0  # below it nothing is evidence
SMALL_POINTS = 7.0
SMALL_SHARE = 0.5
HEADING_SIZE = 1.12  # times the size of the body
HEADING_LETTERS = 80
NUMBERED_LETTERS = 40
MARGIN = 0.08  # of the page's height, where running heads stand
HIDDEN_LETTERS = 12  # fewer are a rule or an accent that failed to render
EXCERPT = 200
CELL_GAP = 0.45  # times the size, more than between words that are not justified
COLUMN_LINES = 3  # that begin where a word does
LEAST_GAPS = 3  # between Latin letters, from which a row can be told to be spaced out
LETTERS_ALONE = 0.12  # of the pieces of a row that are one letter
LETTERS_TOGETHER = 2.1  # letters a piece, up to which a row without wider gaps is one word
GAP_JUMP = 1.5  # times; a gap between words is that of letters and a space more
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
    rows = [_line(row, body) for row in _cells(_rows(words))]
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


def _cells(rows: Sequence[Sequence[Word]]) -> list[Sequence[Word]]:
    """Part the rows that an engine drew through several cells of a table, where a column of cells begins."""
    starts: Counter[tuple[int, int]] = Counter()
    for row in rows:
        for near in (-1, 0, 1):
            starts[row[0].page, round(row[0].bbox[0]) + near] += 1
    return [cell for row in rows for cell in _parted(row, starts)]


def _parted(row: Sequence[Word], starts: Counter[tuple[int, int]]) -> Iterator[Sequence[Word]]:
    first = 0
    for index in range(1, len(row)):
        before, word = row[index - 1], row[index]
        wide = word.bbox[0] - before.bbox[2] > CELL_GAP * max(before.size, word.size)
        said = any(sign.isalpha() for earlier in row[first:index] for sign in earlier.text)
        if wide and said and starts[word.page, round(word.bbox[0])] >= COLUMN_LINES:
            yield row[first:index]
            first = index
    yield row[first:]


def _line(row: Sequence[Word], body: float) -> Line:
    text = repaired(_spelled(row))
    size = max(Counter({word.size: 0 for word in row} | _weights(row)).items(), key=lambda pair: pair[1])[0]
    x0, top, x1, bottom = zip(*(word.bbox for word in row), strict=True)
    bbox = (min(x0), min(top), max(x1), max(bottom))
    return Line(page=row[0].page, text=text, bbox=bbox, size=size, heading=_heading(text, size, body))


def said_by(words: Iterable[Word]) -> str:
    """What words say, row by row."""
    return " ".join(_spelled(row) for row in _rows(words))


def _spelled(row: Sequence[Word]) -> str:
    """The text of a row; what was spaced out letter by letter is put together by its gaps.

    Within a word that is set so the gaps are like each other, and those between words are wider.
    """
    limit = _letter_gap(row)
    text = ""
    for before, word in zip([None, *row], row, strict=False):
        apart = before is None or not _latin_gap(before, word) or word.bbox[0] - before.bbox[2] >= limit
        text += (" " if text and apart else "") + word.text
    return text


def _latin_gap(before: Word, word: Word) -> bool:
    """Whether two words of Latin letters stand beside each other on one line."""
    letters = before.text[-1:] + word.text[:1]
    beside = word.bbox[0] > before.bbox[2] and min(before.bbox[3], word.bbox[3]) > max(before.bbox[1], word.bbox[1])
    return beside and before.text[-1:].isalpha() and letters.isascii() and not word.text[:1].isdigit()


def _letter_gap(row: Sequence[Word]) -> float:
    """The gap in points below which two pieces are one word; 0 where the row is set as rows usually are."""
    gaps = sorted(b.bbox[0] - a.bbox[2] for a, b in pairwise(row) if _latin_gap(a, b))
    letters = [word.text for word in row if word.text.isascii() and any(sign.isalpha() for sign in word.text)]
    alone = sum(len(text) == 1 and text not in "aAI" for text in letters)
    if len(gaps) < LEAST_GAPS or alone < LETTERS_ALONE * len(letters):
        return 0.0
    wider = max(range(1, len(gaps)), key=lambda i: gaps[i] / max(gaps[i - 1], 0.01))
    if gaps[wider] >= GAP_JUMP * gaps[wider - 1]:
        return math.sqrt(gaps[wider] * gaps[wider - 1])
    return math.inf if sum(map(len, letters)) <= LETTERS_TOGETHER * len(letters) else 0.0


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
