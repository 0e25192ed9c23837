"""Says which words of a page are really painted, from the pixels that change when its text is taken away."""

from __future__ import annotations

from dataclasses import dataclass

from grader.model import Box
from grader.report.pictures import unpacked

MOST_PIXELS = 5_000_000
LEAST_SHARE = 0.02  # of a word's box; a light face of 7 points covers 0.08 and more
LEAST_PIXELS = 2
MOST_PARTS = 64
SEEN_PARTS = 0.6  # of a word's length; one letter that is seen does not vouch for the white ones behind it


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

    def shows(self, box: Box) -> bool:
        """Whether a reader sees a word in this box: most of its length is painted, not only its first letter."""
        seen = [self.paints(part) for part in _parts(box)]
        return self.paints(box) and sum(seen) >= SEEN_PARTS * len(seen)


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
