"""The pages of a report in small, with the sentences boxed that decided about each topic.

A page is a PNG in a `data:` address; the boxes lie over it as SVG whose colours and dashes come from the style sheet,
and every box carries the number of its topic, so that colour is never the only sign.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from markupsafe import Markup

from grader.feedback.catalogue import label, word
from grader.feedback.plots import tag
from grader.model import Box, Coverage, Language, ReportFacts, Thumbnail

PNG = b"\x89PNG\r\n\x1a\n"
TOPICS = 8
"""How many topics have a colour and dash of their own; those after them share."""
MARGIN = 2.5
BADGE = 7.0
LEADING = 2.0  # lines of type touch a little


class Boxed(NamedTuple):
    """A page with its boxes; `words` says in a sentence what the picture shows."""

    page: int
    source: Markup
    boxes: Markup
    words: str


class Key(NamedTuple):
    """A line of the key: the badge of a topic, and its name."""

    badge: Markup
    name: str


def pages(report: ReportFacts | None, coverage: Sequence[Coverage], language: Language) -> tuple[Boxed, ...]:
    """The pages that hold evidence, as far as they were drawn."""
    drawn = [one for one in report.thumbnails if one.png.startswith(PNG)] if report else []
    return tuple(page for one in drawn for page in _boxed(one, coverage, language))


def key(coverage: Sequence[Coverage], language: Language) -> tuple[Key, ...]:
    """Which badge stands for which topic; only those that have evidence."""
    return tuple(
        Key(_badge_alone(number), word("topic", topic.topic, language))
        for number, topic in enumerate(coverage, start=1)
        if topic.evidence
    )


def _boxed(page: Thumbnail, coverage: Sequence[Coverage], language: Language) -> Iterator[Boxed]:
    found = [(number, topic, boxes) for number, topic in enumerate(coverage, start=1) if (boxes := _boxes(topic, page))]
    if not found:
        return
    told = label("page.and-then", language).join(
        label("page.sheet-topic", language, n=number, topic=topic.topic, count=len(boxes))
        for number, topic, boxes in found
    )
    yield Boxed(
        page=page.page,
        source=Markup(f"data:image/png;base64,{base64.b64encode(page.png).decode('ascii')}"),  # noqa: S704 - base64
        boxes=_drawing(page, [(number, box) for number, _, boxes in found for box in boxes]),
        words=label("page.sheet-words", language, page=page.page, topics=told),
    )


def _boxes(topic: Coverage, page: Thumbnail) -> list[Box]:
    """The places on this page that a topic was judged by; sentences that share a line make one."""
    places: list[Box] = []
    for box in sorted({snippet.bbox for snippet in topic.evidence if snippet.page == page.page}, key=lambda b: b[1]):
        shared = [other for other in places if _touch(box, other)]
        if all(map(math.isfinite, box)):
            places = [other for other in places if other not in shared] + [_around([box, *shared])]
    return places


def _touch(box: Box, other: Box) -> bool:
    wide = min(box[2], other[2]) - max(box[0], other[0])
    high = min(box[3], other[3]) - max(box[1], other[1])
    return wide > 0 and high > LEADING


def _around(boxes: Sequence[Box]) -> Box:
    x0, top, x1, bottom = zip(*boxes, strict=True)
    return min(x0), min(top), max(x1), max(bottom)


def _drawing(page: Thumbnail, boxes: Sequence[tuple[int, Box]]) -> Markup:
    parts, taken = [], dict[Box, int]()
    for number, box in boxes:
        turn = taken[box] = taken.get(box, -1) + 1
        parts.append(_rectangle(box, number, wider=turn * 2.0))
    taken.clear()
    for number, box in boxes:  # over all rectangles
        turn = taken[box] = taken.get(box, -1) + 1
        x = box[0] - MARGIN - BADGE - turn * (2 * BADGE + 1)
        parts.append(_badge(min(max(x, BADGE), page.width - BADGE), max(box[1] + BADGE - MARGIN, BADGE), number))
    view = f"0 0 {page.width:.1f} {page.height:.1f}"
    drawn = tag("svg", *parts, viewBox=view, preserveAspectRatio="none", class_="marks", aria_hidden="true")
    return Markup(drawn)  # noqa: S704 - `tag` escapes what it prints


def _rectangle(box: Box, number: int, *, wider: float) -> str:
    x0, top, x1, bottom = box
    edge = MARGIN + wider
    return tag(
        "rect",
        x=x0 - edge,
        y=top - edge,
        width=max(x1 - x0, 0.0) + 2 * edge,
        height=max(bottom - top, 0.0) + 2 * edge,
        rx=3,
        class_=_style(number),
    )


def _badge(x: float, y: float, number: int) -> str:
    name = tag("text", str(number), x=x, y=y + 0.5 * BADGE, text_anchor="middle")
    return tag("g", tag("circle", cx=x, cy=y, r=BADGE), name, class_=f"badge {_style(number)}")


def _badge_alone(number: int) -> Markup:
    side = 2 * BADGE + 2
    view = f"0 0 {side:g} {side:g}"
    drawn = tag("svg", _badge(side / 2, side / 2, number), viewBox=view, class_="key", aria_hidden="true")
    return Markup(drawn)  # noqa: S704 - `tag` escapes what it prints


def _style(number: int) -> str:
    return f"topic-{(number - 1) % TOPICS + 1}"
