"""Tells what a report repeats of the texts that were handed out, or leaves to be filled in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grader.coverage.lexicon import UNFILLED
from grader.reading import fold, tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grader.coverage.matcher import Matcher, Read
    from grader.reading import Token

SHINGLE = 4  # tokens
REPEATED = 0.8  # of a sentence's shingles
BRIEF = 12.0  # units; a place to be filled in says no more


class Given:
    """The texts that were handed out, ready to compare sentences with."""

    def __init__(self, texts: Sequence[str], matcher: Matcher) -> None:
        self.lines: set[tuple[str, ...]] = set()
        self.shingles: set[tuple[str, ...]] = set()
        for text in texts:
            for line in text.splitlines():
                self.lines.add(_words(tokens(fold(line, matcher.characters))))
            self.shingles |= _shingles(_words(tokens(fold(text, matcher.characters))))

    def holds(self, read: Read) -> bool:
        """Whether a sentence or heading is the handed-out text's, or only marks where the student's would stand."""
        if read.has(UNFILLED) and read.units <= BRIEF:
            return True
        words = _words(read.said)
        if len(words) >= SHINGLE and words in self.lines:  # a method's name alone is everybody's
            return True
        found = _shingles(words)
        return bool(found) and len(found & self.shingles) >= REPEATED * len(found)


def _words(said: Sequence[Token]) -> tuple[str, ...]:
    return tuple(token.text for token in said if token.kind != "sign")


def _shingles(words: tuple[str, ...]) -> set[tuple[str, ...]]:
    return {words[start : start + SHINGLE] for start in range(len(words) - SHINGLE + 1)}
