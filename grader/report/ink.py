"""Says which words of a page are really painted, from the pixels that change when its text is taken away."""

from __future__ import annotations

import functools
import itertools
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grader.report.pictures import unpacked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grader.model import Box

MOST_PIXELS = 5_000_000
LEAST_SHARE = 0.02  # of a word's box; a light face of 7 points covers 0.08 and more
LEAST_PIXELS = 2
MOST_PARTS = 64
FLAT = frozenset("acemnorsuvwxz")
STEMMED = frozenset("bdhkl")
SEEN_LETTERS = 0.75  # of a word; one letter that is seen does not vouch for the white ones behind it
SEEN_PARTS = 0.6  # of a word's length, where the places of its letters are not known
SEEN_SIDE = 0.5  # of a letter's height and of its width; a line across it, or a strip of it, is not the letter
GAPPED = frozenset("二三亖⼆")  # strokes with nothing between them
NARROW = 4  # pixels; a stem or a dash
NEAR = 1
BLOCKS = 3  # letters, of which not all are painted all over, however heavy the face
UNEVEN = 1.25  # times; a round letter is 1.06 times as high as a straight one
LEVEL = 1.4  # times the highest letter; a line with ascenders and descenders is 1.3 times as high


@dataclass(frozen=True)
class Ink:
    """One bit per pixel, row by row; `scale` is pixels per point."""

    rows: tuple[int, ...]
    width: int
    scale: float

    def share(self, box: Box) -> float:
        """The share of a box that text has painted; 0 where fewer than a few pixels are."""
        x0, top, x1, bottom = (side * self.scale for side in box)
        left, right = max(0, int(x0)), min(self.width, int(x1) + 1)
        high, low = max(0, int(top)), min(len(self.rows), int(bottom) + 1)
        if left >= right or high >= low:
            return 0.0
        mask = ((1 << (right - left)) - 1) << (self.width - right)
        painted = sum((row & mask).bit_count() for row in self.rows[high:low])
        area = max((x1 - x0) * (bottom - top), 1.0)
        return painted / area if painted >= LEAST_PIXELS else 0.0

    def paints(self, box: Box) -> bool:
        """Whether a reader sees anything in this box."""
        return self.share(box) >= LEAST_SHARE

    def shows(self, text: str, box: Box, letters: Sequence[Box]) -> bool:
        """Whether a reader sees a word: most of its letters, or where they are not known, most of its length."""
        if not self.paints(box):
            return False
        if not letters:
            parts = [self.paints(part) for part in _parts(box)]
            return sum(parts) >= SEEN_PARTS * len(parts)
        spelled = [
            (letter, part) for letter, part in zip(text, letters, strict=True) if letter.isalpha() or letter.isdecimal()
        ]
        seen = [self._seen(part) for letter, part in spelled if letter not in GAPPED]
        blocks = len(spelled) >= BLOCKS and all(self._solid(part) for _, part in spelled)
        return sum(seen) >= SEEN_LETTERS * len(seen) and not blocks

    def _seen(self, box: Box) -> bool:
        """Whether something like a letter is painted: most of the way from edge to edge of its box."""
        left, high, right, low = self._grid(box)
        wide, tall = right - left, low - high
        rows = self._cut(left - NEAR, high - NEAR, right + NEAR, low + NEAR)  # a stem may lie a pixel beside
        across = functools.reduce(operator.or_, rows, 0).bit_count()
        down = sum(row != 0 for row in rows)
        return bool(
            across and (tall < NARROW or down >= SEEN_SIDE * tall) and (wide < NARROW or across >= SEEN_SIDE * wide)
        )

    def _solid(self, box: Box) -> bool:
        """Whether a box is painted all over, as no letter is that is large enough to tell."""
        left, high, right, low = self._grid(box)
        inner = self._cut(left + 1, high + 1, right - 1, low - 1)
        return min(len(inner), right - left - 2) > 1 and all(row.bit_count() == right - left - 2 for row in inner)

    def _grid(self, box: Box) -> tuple[int, int, int, int]:
        x0, top, x1, bottom = (round(side * self.scale) for side in box)
        left, high = min(max(x0, 0), self.width), min(max(top, 0), len(self.rows))
        return left, high, min(max(x1, x0 + 1, left), self.width), min(max(bottom, top + 1, high), len(self.rows))

    def _cut(self, left: int, high: int, right: int, low: int) -> list[int]:
        left, right = max(left, 0), min(right, self.width)
        mask = (1 << max(right - left, 0)) - 1
        return [(row >> (self.width - right)) & mask for row in self.rows[max(high, 0) : low]]


def unlike(text: str, letters: Sequence[Box]) -> bool | None:
    """Whether a word looks otherwise than it is spelled: letters without a stem are of one height, the others higher.

    A file may say of any shape that it is any letter. None where a word has too few such letters to tell, or is turned.
    """
    alone = [
        (letter, box) for letter, box in zip(text, letters, strict=False) if letters.count(box) == 1
    ]  # no ligature
    low = [bottom - top for letter, (_, top, _, bottom) in alone if letter in FLAT]
    tall = [bottom - top for letter, (_, top, _, bottom) in alone if letter in STEMMED]
    if len(low) < 2 or len(low) + len(tall) < 3 or not _level(letters):
        return None
    return max(low) > UNEVEN * min(low) or min(tall, default=max(low)) < min(low)


def _level(letters: Sequence[Box]) -> bool:
    """Whether letters follow each other from left to right on one line, and not aslant."""
    _, tops, _, bottoms = zip(*letters, strict=True)
    highest = max(bottom - top for top, bottom in zip(tops, bottoms, strict=True))
    follow = all(before[0] <= after[0] for before, after in itertools.pairwise(letters))
    return follow and max(bottoms) - min(tops) <= LEVEL * highest


def _parts(box: Box) -> list[Box]:
    """Cut a box along its longer side into squares, about a letter or two each."""
    x0, top, x1, bottom = box
    wide, high = max(x1 - x0, 0.1), max(bottom - top, 0.1)
    count = min(max(round(max(wide, high) / min(wide, high)), 1), MOST_PARTS)
    if wide >= high:
        return [(x0 + wide * k / count, top, x0 + wide * (k + 1) / count, bottom) for k in range(count)]
    return [(x0, top + high * k / count, x1, top + high * (k + 1) / count) for k in range(count)]


def ink(width: int, height: int, bits: str, *, points: float) -> Ink | None:
    """Unpack what the jailed parser sent; None where it is not what it claims to be. `points` is the page's width."""
    if not (0 < width * height <= MOST_PIXELS and width > 0 and points > 0):
        return None
    stride = (width + 7) // 8
    pixels = unpacked(bits, stride * height)
    if pixels is None:
        return None
    shift = stride * 8 - width
    rows = tuple(
        int.from_bytes(pixels[start : start + stride], "big") >> shift for start in range(0, len(pixels), stride)
    )
    return Ink(rows=rows, width=width, scale=width / points)
