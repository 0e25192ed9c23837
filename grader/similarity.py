"""Finds long passages that a report shares with the assignment's own text.

Texts are compared as tokens: an English word or number is one, so is a Chinese character.
What stands in a run of `SHINGLE` tokens that the other text has too is shared, and a few changed tokens do not end a
passage. A passage is long from `LONG` English words or the like: of the 15,000 pairs of passages that were written
apart about the same four methods (`tests/passages`), the longest shared one holds 13.
A paraphrase or a translation is not found.
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from grader.model import Box, Line, Snippet

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SHINGLE = 5
CHANGED = 2  # tokens within a passage that may differ
LONG = 15.0  # English words; a Chinese character counts 0.6
QUOTE_LETTERS = 300

_TOKEN = re.compile(r"[^\W_\u3400-\u9fff]+|[\u3400-\u9fff]")
_HAN = re.compile(r"[\u3400-\u9fff]")
_BROKEN = re.compile(r"[A-Za-z]-$")

Shingle = tuple[str, ...]


@dataclass(frozen=True)
class _Token:
    """A token of the report with the letters of the line that it stands on."""

    text: str
    line: int
    start: int
    end: int


def shared(lines: Sequence[Line], sources: Mapping[str, str]) -> tuple[Snippet, ...]:
    """The long passages that also stand in a source, in reading order; `concept` names the first such source."""
    tokens = list(_tokens(lines))
    words = [token.text for token in tokens]
    found: dict[tuple[int, int], str] = {}
    for name, text in sources.items():
        for first, last in _runs(words, _shingles(text)):
            told = any(begin <= first and last <= end for begin, end in found)
            if not told and _length(tokens[first : last + 1]) >= LONG:
                found[first, last] = name
    return tuple(_snippet(lines, tokens[first], tokens[last], found[first, last]) for first, last in sorted(found))


@lru_cache(maxsize=8)
def notebook_text(source: str) -> str:
    """The text cells of a notebook's JSON, or nothing where it is no notebook.

    >>> notebook_text('{"cells": [{"cell_type": "markdown", "source": ["# Home", "work"]}, {"cell_type": "code"}]}')
    '# Homework'
    """
    try:
        cells = json.loads(source)["cells"]
        texts = [cell["source"] for cell in cells if cell["cell_type"] == "markdown"]
        return "\n".join(text if isinstance(text, str) else "".join(text) for text in texts)
    except (ValueError, KeyError, TypeError):
        return ""


def _words(text: str) -> Iterator[tuple[str, int, int]]:
    for found in _TOKEN.finditer(text):
        yield unicodedata.normalize("NFKC", found.group()).lower(), found.start(), found.end()


def _tokens(lines: Sequence[Line]) -> Iterator[_Token]:
    """The tokens of the report; a word that is hyphenated at a line's end is one."""
    held: _Token | None = None
    for number, line in enumerate(lines):
        for text, start, end in _words(line.text):
            if held and start == 0 and _BROKEN.search(lines[held.line].text) and text[0].islower():
                text, held = held.text + text, None
            if held:
                yield held
            held = _Token(text=text, line=number, start=start, end=end)
    if held:
        yield held


@lru_cache(maxsize=8)
def _shingles(text: str) -> frozenset[Shingle]:
    tokens = [word for word, _, _ in _words(text)]
    return frozenset(tuple(tokens[at : at + SHINGLE]) for at in range(len(tokens) - SHINGLE + 1))


def _runs(tokens: Sequence[str], known: frozenset[Shingle]) -> Iterator[tuple[int, int]]:
    """First and last token of each stretch that is known, with few unknown tokens inside."""
    first = last = -1
    for at in range(len(tokens) - SHINGLE + 1):
        if tuple(tokens[at : at + SHINGLE]) not in known:
            continue
        if first >= 0 and at > last + CHANGED + 1:
            yield first, last
            first = at
        first = at if first < 0 else first
        last = at + SHINGLE - 1
    if first >= 0:
        yield first, last


def _length(tokens: Sequence[_Token]) -> float:
    return sum(0.6 if _HAN.match(token.text) else 1.0 for token in tokens)


def _snippet(lines: Sequence[Line], first: _Token, last: _Token, name: str) -> Snippet:
    inside = lines[first.line : last.line + 1]
    page = [line.bbox for line in inside if line.page == inside[0].page]
    return Snippet(page=inside[0].page, bbox=_around(page), text=_quote(inside, first, last), concept=name)


def _quote(inside: Sequence[Line], first: _Token, last: _Token) -> str:
    texts = [line.text for line in inside]
    texts[-1] = texts[-1][: last.end]
    texts[0] = texts[0][first.start :]
    glued = texts[0]
    for text in texts[1:]:
        if _BROKEN.search(glued) and text[:1].islower():
            glued = glued[:-1] + text
        else:
            glued += text if _HAN.match(glued[-1:]) and _HAN.match(text[:1]) else f" {text}"
    return glued if len(glued) <= QUOTE_LETTERS else glued[: QUOTE_LETTERS - 1] + "…"


def _around(boxes: Sequence[Box]) -> Box:
    x0, top, x1, bottom = zip(*boxes, strict=True)
    return min(x0), min(top), max(x1), max(bottom)
