"""Finds tables whose columns are the methods, and reads them column by column."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grader.model import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grader.coverage.matcher import Matcher
    from grader.model import Line

HEADER_LETTERS = 40
SLACK = 4.0  # points by which a cell's text may stand out to the left
LEAST_COLUMNS = 2


class Stream(Record, frozen=True, kw_only=True):
    """Lines that are read one after the other; `section` is the topic that a table's column gives them."""

    lines: tuple[Line, ...]
    section: str | None = None


class _Column(Record, frozen=True, kw_only=True):
    topic: str
    left: float
    right: float


def streams(lines: Sequence[Line], matcher: Matcher) -> list[Stream]:
    """The text of a report without its tables of methods, and then each of their cells."""
    text: list[Line] = []
    cells: list[Stream] = []
    index = 0
    while index < len(lines):
        columns, after = _header(lines, index, matcher)
        if len(columns) < LEAST_COLUMNS:
            text.append(lines[index])
            index += 1
            continue
        end = _end(lines, after, columns)
        cells += _cells(lines[after:end], columns)
        index = end
    return [Stream(lines=tuple(text)), *cells]


def _header(lines: Sequence[Line], index: int, matcher: Matcher) -> tuple[list[_Column], int]:
    """The columns that a row of names begins, and where the row ends."""
    found: list[tuple[float, str]] = []
    first = lines[index]
    while index < len(lines) and _beside(first, lines[index]):
        names = _names(lines[index], matcher)
        if not names and found:
            break
        found += names
        index += 1
    if len({topic for _, topic in found}) < LEAST_COLUMNS or len(found) != len({topic for _, topic in found}):
        return [], index
    found.sort()
    rights = [left for left, _ in found[1:]] + [float("inf")]
    columns = [_Column(topic=topic, left=left, right=right) for (left, topic), right in zip(found, rights, strict=True)]
    return columns, index


def _beside(first: Line, line: Line) -> bool:
    return line.page == first.page and abs(line.bbox[1] - first.bbox[1]) < max(first.size, 6.0)


def _names(line: Line, matcher: Matcher) -> list[tuple[float, str]]:
    """The topics of a line that holds nothing but their names, each with about where it stands."""
    if len(line.text) > HEADER_LETTERS or line.text.rstrip().endswith((".", "。", ",", "，", "、")):
        return []
    read = matcher.read(line.text, title=True)
    held = {index for start, end, _ in read.places for index in range(start, end)}
    if not read.places or any(i not in held and token.kind != "number" for i, token in enumerate(read.said)):
        return []
    width = line.bbox[2] - line.bbox[0]
    letters = max(len(read.folded), 1)
    return [(line.bbox[0] + width * read.said[start].start / letters, topic) for start, _, topic in read.places]


def _end(lines: Sequence[Line], index: int, columns: Sequence[_Column]) -> int:
    """Where the table ends: at a line that keeps to no column, on another page, or at a heading."""
    first = columns[0].left
    page = lines[index - 1].page
    while index < len(lines):
        line = lines[index]
        column = _column(line, columns)
        right = column.right if column else first
        if line.page != page or line.heading or line.bbox[2] > right + SLACK:
            break
        index += 1
    return index


def _column(line: Line, columns: Sequence[_Column]) -> _Column | None:
    return next((one for one in columns if one.left - SLACK <= line.bbox[0] < one.right - SLACK), None)


def _cells(lines: Sequence[Line], columns: Sequence[_Column]) -> list[Stream]:
    """The lines of each cell: of one column, and between two labels at the left."""
    labels = sorted(line.bbox[1] for line in lines if _column(line, columns) is None)
    found: dict[tuple[str, int], list[Line]] = {}
    for line in lines:
        column = _column(line, columns)
        if column:
            row = sum(label <= line.bbox[1] + SLACK for label in labels)
            found.setdefault((column.topic, row), []).append(line)
    return [Stream(lines=tuple(cell), section=topic) for (topic, _), cell in found.items()]
