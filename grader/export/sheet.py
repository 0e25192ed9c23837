"""A table that a learning management system exported: single cells are filled in, and every other byte stays.

Such a file is read back by the system that wrote it, so its encoding, delimiter, quotes and line ends are kept,
and nothing in it is made safe for spreadsheets: that would change the keys by which rows are found again.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from grader.tables import decoded, delimiter_of

if TYPE_CHECKING:
    from collections.abc import Iterator


class Sheet:
    """The rows of a table; cells are read as values and kept as they are written."""

    def __init__(self, data: bytes, *, where: str = "") -> None:
        text, self._encoding = decoded(data, where=where)
        self._delimiter = delimiter_of(text)
        records = list(_records(text, self._delimiter))
        self._rows = [cells for cells, _ in records]
        self._ends = [end for _, end in records]

    @property
    def header(self) -> tuple[str, ...]:
        """The values of the first row."""
        return self.row(0) if self._rows else ()

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, number: int) -> tuple[str, ...]:
        """The values of a row."""
        return tuple(map(_value, self._rows[number]))

    def cell(self, number: int, column: int | None) -> str:
        """One value; empty where the row ends before it, or there is no such column."""
        row = self._rows[number]
        return _value(row[column]) if column is not None and column < len(row) else ""

    def fill(self, number: int, column: int, value: str) -> None:
        """Put a value in a cell; a row that ends before it is made longer."""
        row = self._rows[number]
        row += [""] * (column + 1 - len(row))
        quoted = '"' + value.replace('"', '""') + '"'
        row[column] = quoted if row[column].startswith('"') or _needs_quotes(value, self._delimiter) else value

    def data(self) -> bytes:
        """The table as it is to be given back."""
        rows = (self._delimiter.join(row) + end for row, end in zip(self._rows, self._ends, strict=True))
        return "".join(rows).encode(self._encoding)


def _records(text: str, delimiter: str) -> Iterator[tuple[list[str], str]]:
    """The cells of every record as they are written, and the end of its line; quotes open only where a cell begins."""
    cell = re.compile(rf'"(?:[^"]|"")*"?[^{delimiter}\r\n]*|[^{delimiter}\r\n]*')
    end = re.compile(rf"{delimiter}|\r\n|\r|\n|\Z")
    at, cells = 0, list[str]()
    while at < len(text) or cells:
        written = cell.match(text, at)
        ended = end.match(text, written.end() if written else at)
        cells.append(written[0] if written else "")
        at = ended.end() if ended else len(text)
        if ended is None or ended[0] != delimiter:
            yield cells, ended[0] if ended else ""
            cells = []


def _value(cell: str) -> str:
    if cell.startswith('"'):
        return cell[1:].removesuffix('"').replace('""', '"')
    return cell


def _needs_quotes(value: str, delimiter: str) -> bool:
    return any(character in value for character in (delimiter, '"', "\r", "\n"))
