"""Plots as small SVG pictures: losses, parameter paths over the loss surface, bars.

They carry no script and no inline style; colours and dashes come from the page's CSS classes, so dark mode and print
follow. Whatever the numbers are (not finite, constant, a single point, 300 decades), a picture comes out whose drawn
points lie inside its frame; what leaves the frame is cut at the border and marked with a triangle.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from itertools import pairwise, product
from typing import NamedTuple, TypeVar

from grader.feedback.catalogue import columns, cut, number, safe
from grader.model import Curve, Record, Surface

WIDTH, HEIGHT = 480, 330
STYLES = 8
"""How many lines one plot can tell apart, by colour and dash; the CSS has as many."""
HUGE = 1e100
POINTS = 400
LETTER, TALL = 9.0, 18.0
"""The room that a character and a line of text take at most: on a narrow screen the CSS enlarges them."""
NAME, GAP = 12, 7.0
"""The columns of a line's name, and how far from the line's end it begins."""

Point = tuple[float, float]
T = TypeVar("T")


class Frame(NamedTuple):
    """The part of the picture that data may occupy."""

    left: float = 62
    top: float = 30
    right: float = WIDTH - 16
    bottom: float = HEIGHT - 42

    def across(self, share: float) -> float:
        """The x of a share from 0 (left) to 1."""
        return self.left + share * (self.right - self.left)

    def up(self, share: float) -> float:
        """The y of a share from 0 (bottom) to 1."""
        return self.bottom - share * (self.bottom - self.top)


class Trail(Record, frozen=True, kw_only=True):
    """One line of a loss plot; `style` picks colour and dash, `expected` draws what should have been."""

    label: str
    steps: tuple[int, ...]
    losses: tuple[float, ...]
    style: int = 0
    expected: bool = False


class Picture(NamedTuple):
    """A finished SVG and whether something had to be cut at its border."""

    svg: str
    clipped: bool = False


# -- SVG -----------------------------------------------------------------------------------------


def tag(name: str, *children: str, **attributes: object) -> str:
    """An SVG element: children are markup already, attributes are escaped; `text_anchor` is written text-anchor."""
    pairs = "".join(f' {_attribute(key)}="{escape(_plain(given))}"' for key, given in attributes.items())
    return f"<{name}{pairs}>{''.join(children)}</{name}>" if children else f"<{name}{pairs}/>"


def _attribute(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _plain(given: object) -> str:
    return f"{given:.1f}".removesuffix(".0") if isinstance(given, float) else str(given)


def _words(x: float, y: float, words: str, anchor: str = "start", class_: str = "") -> str:
    place = {"x": x, "y": y, "text_anchor": anchor} | ({"class_": class_} if class_ else {})
    return tag("text", escape(safe(words, 60)), **place)


def _picture(id: str, title: str, *parts: str, width: float = WIDTH, height: float = HEIGHT, class_: str = "") -> str:
    name = tag("title", escape(safe(title)), id=f"{id}-title")
    box = f"0 0 {_plain(width)} {_plain(height)}"
    return tag(
        "svg", name, *parts, viewBox=box, role="img", aria_labelledby=f"{id}-title", class_=f"plot {class_}".strip()
    )


def _polyline(points: Iterable[Point], class_: str) -> str:
    return tag("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points), class_=class_)


def _triangle(at: Point, frame: Frame, class_: str) -> str:
    """A small triangle on the border, pointing out of the frame."""
    x, y = at
    gaps = {"0": y - frame.top, "180": frame.bottom - y, "270": x - frame.left, "90": frame.right - x}
    angle = min(gaps, key=lambda turn: gaps[turn])
    place = f"translate({x:.1f} {y:.1f}) rotate({angle})"
    return tag("path", d="M0 0L5 9H-5Z", transform=place, class_=f"exit {class_}")


# -- axes ----------------------------------------------------------------------------------------


def nice(low: float, high: float, count: int = 5) -> list[float]:
    """About `count` round numbers from low to high."""
    raw = (high - low) / count
    if not (math.isfinite(raw) and raw > 1e-12 * max(abs(low), abs(high), 1e-200)):
        return []
    power = 10.0 ** math.floor(math.log10(raw))
    step = next((factor * power for factor in (1, 2, 5) if factor * power >= 0.99 * raw), 10 * power)
    return [index * step for index in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def decades(low: float, high: float, count: int = 6) -> list[int]:
    """The powers of ten between two logarithms, thinned to about `count`."""
    every = max(1, math.ceil((high - low) / count))
    return [power for power in range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1) if power % every == 0]


def _power(exponent: int) -> str:
    return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _border(frame: Frame) -> str:
    size = {"width": frame.right - frame.left, "height": frame.bottom - frame.top}
    return tag("rect", x=frame.left, y=frame.top, class_="border", **size)


def _x_axis(frame: Frame, ticks: Sequence[tuple[float, str]], label: str) -> str:
    """Ticks as (share, text) below the frame; a text that would touch the one before is left out."""
    parts, free = [], -math.inf
    for share, words in ticks:
        x, half = frame.across(share), LETTER * columns(words) / 2
        parts.append(tag("line", x1=x, x2=x, y1=frame.top, y2=frame.bottom, class_="grid"))
        if x - half >= free and x + half <= WIDTH:
            parts.append(_words(x, frame.bottom + 17, words, "middle"))
            free = x + half + 8
    return "".join([*parts, _words(frame.right, frame.bottom + 35, _fitting(label, frame.right), "end", "axis")])


def _y_axis(frame: Frame, ticks: Sequence[tuple[float, str]], label: str) -> str:
    parts = [_words(4, 16, _fitting(label, WIDTH - 4), "start", "axis")]
    for share, words in ticks:
        y = frame.up(share)
        parts.append(tag("line", x1=frame.left, x2=frame.right, y1=y, y2=y, class_="grid"))
        parts.append(_words(frame.left - 8, y + 4.5, words, "end"))
    return "".join(parts)


def _fitting(label: str, room: float) -> str:
    return cut(safe(label), int(room / LETTER))


# -- losses --------------------------------------------------------------------------------------


class _Scale(NamedTuple):
    """Logarithms from `low` to `high` as shares; what lies outside is held at the border."""

    low: float
    high: float

    def share(self, logarithm: float) -> float:
        return (min(max(logarithm, self.low), self.high) - self.low) / (self.high - self.low)


def loss(trails: Sequence[Trail], *, id: str, title: str, step: str, loss: str, empty: str) -> Picture:
    """The losses of some runs over their steps, both axes logarithmic.

    A step t stands at log(1 + t), so that the start has a place. A loss that is zero or negative lies on the lower
    border. The upper border is at most a thousand times the highest start, so that a run that diverges leaves the
    others readable.
    """
    frame = Frame(right=WIDTH - GAP - NAME * LETTER - 1)
    drawn = tuple((trail, _pairs(trail)) for trail in trails)
    scale = _loss_scale([points for _, points in drawn])
    if scale is None:
        middle = _words((frame.left + frame.right) / 2, HEIGHT / 2, empty, "middle", "axis")
        return Picture(_picture(id, title, _border(frame), middle))
    steps = _Scale(0.0, max(max((math.log10(1 + t) for _, points in drawn for t, _ in points)), 0.3))
    lines = [_loss_line(trail, points, steps, scale, frame) for trail, points in drawn if points]
    axes = _y_axis(frame, _loss_ticks(scale), loss) + _x_axis(frame, _step_ticks(steps), step)
    labels = _labels([(trail, end) for trail, _, end, _ in lines], frame)
    svg = _picture(id, title, axes, _border(frame), *(part for _, part, _, _ in lines), labels)
    return Picture(svg, any(clipped for _, _, _, clipped in lines))


def _pairs(trail: Trail) -> list[tuple[int, float]]:
    """Steps with losses up to the first that is not a number; infinity is huge."""
    points: list[tuple[int, float]] = []
    for step, value in thinned(tuple(zip(trail.steps, trail.losses, strict=False))):
        if math.isnan(value):
            break
        points.append((max(step, 0), value))
    return points


def _logarithm(value: float) -> float:
    return math.log10(value) if 0 < value < math.inf else math.copysign(math.inf, value or -1.0)


def _loss_scale(drawn: Sequence[Sequence[tuple[int, float]]]) -> _Scale | None:
    logarithms = [[_logarithm(value) for _, value in points] for points in drawn]
    finite = [value for line in logarithms for value in line if math.isfinite(value)]
    if not finite:
        return None
    starts = [next((value for value in line if math.isfinite(value)), -math.inf) for line in logarithms]
    low, high = min(finite), min(max(finite), max(starts) + 3)
    spare = max(0.05 * (high - low), 0.05)
    return _Scale(low - spare, high + spare)


def _loss_ticks(scale: _Scale) -> list[tuple[float, str]]:
    powers = decades(scale.low, scale.high)
    if len(powers) > 1:
        return [(scale.share(power), _power(power)) for power in powers]
    if not -290 < scale.low <= scale.high < 290:  # too close to the ends of the floats to count in between
        return [(scale.share(power), _power(power)) for power in powers]
    values = [value for value in nice(10**scale.low, 10**scale.high, 4) if value > 0]
    return [(scale.share(math.log10(value)), _short(value)) for value in values]


def _short(value: float) -> str:
    """A tick in at most eight characters, with a real minus."""
    exact = number(value)
    rough = f"{value:.2e}".replace("e+0", "e").replace("e-0", "e-").replace("e+", "e")
    return (exact if len(exact) <= 8 else rough).replace("-", "−")


def _step_ticks(scale: _Scale) -> list[tuple[float, str]]:
    if scale.high < 1.1:  # fewer than about ten steps: each has its place
        whole = range(round(10**scale.high))
        return [(scale.share(math.log10(1 + step)), number(step)) for step in whole]
    powers = decades(0.0, scale.high)
    return [
        (0.0, "0"),
        *((scale.share(math.log10(1 + 10.0**power)), _step(power)) for power in powers if 10.0**power < 10**scale.high),
    ]


def _step(power: int) -> str:
    return number(10**power) if power < 6 else _power(power)


def _loss_line(
    trail: Trail, points: Sequence[tuple[int, float]], steps: _Scale, scale: _Scale, frame: Frame
) -> tuple[Trail, str, Point, bool]:
    """A line, the point where its label goes, and whether it left the plot on top."""
    class_ = _line_class(trail.style, expected=trail.expected)
    placed: list[Point] = []
    clipped = False
    for step, value in points:
        logarithm = _logarithm(value)
        placed.append((frame.across(steps.share(math.log10(1 + step))), frame.up(scale.share(logarithm))))
        if clipped := logarithm > scale.high:
            break
    end = placed[-1]
    mark = _triangle(end, frame, class_) if clipped else tag("circle", cx=end[0], cy=end[1], r=2.5, class_=class_)
    return trail, _polyline(placed, f"line {class_}") + mark, end, clipped


def _line_class(style: int, *, expected: bool = False) -> str:
    return "expected" if expected else f"run-{style % STYLES + 1}"


def _labels(lines: Sequence[tuple[Trail, Point]], frame: Frame) -> str:
    """The name of each line beside its end, or outside the frame; one that had to move is tied to its line."""
    taken: list[tuple[float, float, float]] = []
    parts = []
    for trail, (x, y) in sorted(lines, key=lambda line: line[1][1]):
        class_ = _line_class(trail.style, expected=trail.expected)
        words = cut(safe(trail.label), NAME)
        wide = LETTER * columns(words)
        left = x + GAP if x + GAP + wide <= frame.right else frame.right + GAP
        height = _free(y + 4.5, left, wide, taken, frame)
        taken.append((left, left + wide, height))
        if left > x + GAP or abs(height - y - 4.5) > TALL / 2:
            parts.append(tag("line", x1=x + 3, y1=y, x2=left - 2, y2=height - 4.5, class_=f"tie {class_}"))
        parts.append(_words(left, height, words, "start", f"name {class_}"))
    return "".join(parts)


def _free(y: float, left: float, wide: float, taken: Sequence[tuple[float, float, float]], frame: Frame) -> float:
    """The nearest height at which a label covers no other; its own when the column is full."""
    y = min(max(y, frame.top + 12), frame.bottom)
    rivals = [height for start, end, height in taken if start < left + wide and left < end]
    heights = [y + side * TALL / 3 * index for index in range(60) for side in (1, -1)]
    inside = (height for height in heights if frame.top <= height <= frame.bottom)
    return next((height for height in inside if all(abs(height - rival) >= TALL for rival in rivals)), y)


def thinned(points: Sequence[T], limit: int = POINTS) -> Sequence[T]:
    """At most `limit` points, evenly chosen, with the first and the last."""
    if len(points) <= limit:
        return points
    stride = (len(points) - 1) / (limit - 1)
    return [points[round(index * stride)] for index in range(limit)]


# -- the path of two parameters --------------------------------------------------------------------


class _Window(NamedTuple):
    """The part of the parameter plane that is shown."""

    low: Point
    high: Point

    def place(self, point: Point, frame: Frame) -> Point:
        x, y = ((point[i] - self.low[i]) / (self.high[i] - self.low[i]) for i in (0, 1))
        return frame.across(x), frame.up(y)


def path(curve: Curve, *, id: str, title: str, names: tuple[str, str], style: int = 0, empty: str) -> Picture:
    """The path of two parameters over the rings of equal loss, and where the rule would have gone."""
    frame = Frame()
    seen, expected = _plane(curve.path), _plane(curve.expected_path)
    if not seen:
        middle = _words((frame.left + frame.right) / 2, HEIGHT / 2, empty, "middle", "axis")
        return Picture(_picture(id, title, _border(frame), middle))
    surface = _usable(curve.surface)
    window = _window([*seen, *expected], [seen[0], *([surface.centre] if surface else [])])
    lines = [(seen, f"trace {_line_class(style)}")] + ([(expected, "trace expected")] if expected else [])
    drawn = [_path_line(points, class_, window, frame) for points, class_ in reversed(lines)]
    rings = _rings(surface, window, frame, id) if surface else ""
    marks = _marks(seen, surface, style, window, frame)
    svg = _picture(id, title, rings, _path_axes(names, window, frame), *(svg for svg, _ in drawn), marks)
    return Picture(svg, any(clipped for _, clipped in drawn))


def _plane(path: Sequence[Sequence[float]]) -> list[Point]:
    """Points of two parameters up to the first that is not a number, held within ±1e100."""
    points: list[Point] = []
    for point in thinned(path):
        if len(point) != 2 or any(math.isnan(value) for value in point):
            break
        points.append((_held(point[0]), _held(point[1])))
    return points


def _held(value: float) -> float:
    return min(max(value, -HUGE), HUGE)


def _usable(surface: Surface | None) -> Surface | None:
    """The surface if it has one finite lowest point in reach, else none."""
    if surface is None:
        return None
    (a, b), (c, d) = surface.hessian
    fine = all(math.isfinite(value) and abs(value) <= HUGE for value in (a, b, c, d, *surface.centre))
    return surface if fine and a > 0 and a * d - ((b + c) / 2) ** 2 > 0 else None


def _window(points: Sequence[Point], anchors: Sequence[Point]) -> _Window:
    """Room for the anchors and for as much of the path as lies within their own distance around them."""
    sides = [_side([point[i] for point in points], [anchor[i] for anchor in anchors]) for i in (0, 1)]
    return _Window((sides[0][0], sides[1][0]), (sides[0][1], sides[1][1]))


def _side(values: Sequence[float], anchors: Sequence[float]) -> tuple[float, float]:
    low, high = min(anchors), max(anchors)
    size = max(abs(low), abs(high))
    reach = high - low
    if reach <= 1e-9 * size or reach < 1e-90:  # one anchor: as far as the path goes, at most some times its size
        reach = min(max(abs(value - low) for value in values), 10 * size + 1)
        reach = max(reach, 1e-3 * size, 1e-90)
    near = [value for value in values if low - reach <= value <= high + reach] + [low, high]
    pad = 0.12 * max(max(near) - min(near), 0.2 * reach)
    return min(near) - pad, max(near) + pad


def _path_axes(names: tuple[str, str], window: _Window, frame: Frame) -> str:
    def ticks(i: int, count: int) -> list[tuple[float, str]]:
        low, high = window.low[i], window.high[i]
        return [((value - low) / (high - low), _short(value)) for value in nice(low, high, count)]

    return _y_axis(frame, ticks(1, 5), names[1]) + _x_axis(frame, ticks(0, 5), names[0]) + _border(frame)


def _path_line(points: Sequence[Point], class_: str, window: _Window, frame: Frame) -> tuple[str, bool]:
    """A path cut at the window, with a triangle where it leaves for the first time."""
    pieces: list[list[Point]] = []
    left: Point | None = None
    for start, end in pairwise(points):
        cut = clip(start, end, window.low, window.high)
        if cut is None:
            continue
        first, last = (window.place(point, frame) for point in cut)
        if pieces and _near(pieces[-1][-1], first):
            pieces[-1].append(last)
        else:
            pieces.append([first, last])
        if left is None and cut[1] != end:
            left = last
    drawn = "".join(_polyline(piece, class_) for piece in pieces)
    return drawn + (_triangle(left, frame, class_.removeprefix("trace ")) if left else ""), left is not None


def _near(a: Point, b: Point) -> bool:
    return abs(a[0] - b[0]) < 0.05 and abs(a[1] - b[1]) < 0.05


def clip(start: Point, end: Point, low: Point, high: Point) -> tuple[Point, Point] | None:
    """The part of a segment inside a box (Liang and Barsky, 1984), or None.

    An end that lies inside stays exactly itself.
    """
    enter, leave = 0.0, 1.0
    for i in (0, 1):
        delta = end[i] - start[i]
        if delta == 0:
            if not low[i] <= start[i] <= high[i]:
                return None
            continue
        near, far = sorted(((low[i] - start[i]) / delta, (high[i] - start[i]) / delta))
        enter, leave = max(enter, near), min(leave, far)
    if enter > leave:
        return None

    def at(share: float) -> Point:
        x, y = (start[i] + share * (end[i] - start[i]) for i in (0, 1))
        return _inside((x, y), low, high)

    # Held again, since beside huge numbers a share rounds to 1 while its point lies outside.
    return at(enter) if enter > 0 else _inside(start, low, high), at(leave) if leave < 1 else _inside(end, low, high)


def _inside(point: Point, low: Point, high: Point) -> Point:
    return min(max(point[0], low[0]), high[0]), min(max(point[1], low[1]), high[1])


def _marks(seen: Sequence[Point], surface: Surface | None, style: int, window: _Window, frame: Frame) -> str:
    """○ at the start, ● at the end if it is in sight, × at the least loss."""
    class_ = _line_class(style)
    x, y = window.place(seen[0], frame)
    parts = [tag("circle", cx=x, cy=y, r=4.5, class_=f"start {class_}")]
    if len(seen) > 1 and clip(seen[-1], seen[-1], window.low, window.high):
        x, y = window.place(seen[-1], frame)
        parts.append(tag("circle", cx=x, cy=y, r=4.5, class_=f"end {class_}"))
    if surface:
        x, y = window.place(surface.centre, frame)
        parts.append(tag("path", d=f"M{x - 5:.1f} {y - 5:.1f}l10 10m0 -10l-10 10", class_="least"))
    return "".join(parts)


def _rings(surface: Surface, window: _Window, frame: Frame, id: str) -> str:
    """The level sets of a quadratic are exact ellipses: the unit circle under H^(-1/2), here by Cholesky.

    Their losses above the minimum fall by a factor of four from ring to ring, which halves their size.
    """
    (a, b), (c, d) = surface.hessian
    l11 = math.sqrt(a)
    l21 = (b + c) / 2 / l11
    l22 = math.sqrt(max(d - l21 * l21, 0.0))
    across = (frame.right - frame.left) / (window.high[0] - window.low[0])
    up = (frame.bottom - frame.top) / (window.high[1] - window.low[1])
    if not l22 > 0:
        return ""
    unit = (across / l11, -across * l21 / (l11 * l22), -up / l22)
    far = max(
        _height(surface, corner) for corner in product((window.low[0], window.high[0]), (window.low[1], window.high[1]))
    )
    x, y = window.place(surface.centre, frame)
    rings = [_ring(unit, math.sqrt(far) / 2**index, (x, y)) for index in range(9)]
    box = tag("rect", x=frame.left, y=frame.top, width=frame.right - frame.left, height=frame.bottom - frame.top)
    clipping = tag("clipPath", box, id=f"{id}-clip")
    return clipping + tag("g", *rings, clip_path=f"url(#{id}-clip)") if any(rings) else ""


def _height(surface: Surface, point: Point) -> float:
    (a, b), (c, d) = surface.hessian
    x, y = point[0] - surface.centre[0], point[1] - surface.centre[1]
    return a * x * x + (b + c) * x * y + d * y * y


def _ring(unit: tuple[float, float, float], size: float, centre: Point) -> str:
    xx, xy, yy = (size * value for value in unit)
    if not all(math.isfinite(value) and abs(value) < 1e6 for value in (xx, xy, yy)) or max(abs(xx), abs(yy)) < 2:
        return ""
    matrix = f"matrix({xx:.2f} 0 {xy:.2f} {yy:.2f} {centre[0]:.1f} {centre[1]:.1f})"
    return tag("circle", r=1, transform=matrix, class_="ring", vector_effect="non-scaling-stroke")


# -- bars ------------------------------------------------------------------------------------------


class Share(NamedTuple):
    """One part of a strip: how wide it is, how much of it is won, how much undecided."""

    out_of: float
    points: float
    pending: float


def strip(shares: Sequence[Share], *, id: str, title: str) -> str:
    """The points of a submission as one bar, a segment for each criterion."""
    width, height, gap = 720.0, 12.0, 3.0
    shown = [share for share in shares if 0 < share.out_of < math.inf]
    total = sum(share.out_of for share in shown)
    room = width - gap * max(len(shown) - 1, 0)
    parts, left = [_hatch(id)], 0.0
    for share in shown:
        wide = room * (share.out_of / total)
        won, waits = (wide * _part(value / share.out_of) for value in (share.points, share.pending))
        waits = min(waits, wide - won)
        parts.append(_bar(left, 0, wide, height, "lost"))
        parts.append(_bar(left, 0, won, height, "won"))
        parts.append(_bar(left + won, 0, waits, height, "open", fill=f"url(#{id}-hatch)"))
        left += wide + gap
    return _picture(id, title, *parts, width=width, height=height, class_="strip")


def _part(value: float) -> float:
    return min(max(value, 0.0), 1.0) if value == value else 0.0


def _bar(x: float, y: float, width: float, height: float, class_: str, **more: str) -> str:
    shape = {"x": float(x), "y": float(y), "width": float(width), "height": float(height), "class_": class_}
    return tag("rect", **shape, **more) if width > 0 and height > 0 else ""


def _hatch(id: str) -> str:
    line = tag("path", d="M0 6L6 0", class_="hatch")
    return tag("pattern", line, id=f"{id}-hatch", width=6, height=6, patternUnits="userSpaceOnUse")


def histogram(decided: Sequence[int], pending: Sequence[int], *, id: str, title: str, label: str) -> str:
    """Students by tenths of the points, those with pending points hatched on top."""
    width, height = float(WIDTH), 200.0
    frame = Frame(left=8, top=24, right=width - 8, bottom=height - 46)
    most = max([a + b for a, b in zip(decided, pending, strict=True)], default=0) or 1
    wide = (frame.right - frame.left) / max(len(decided), 1)
    parts = [_hatch(id)]
    for index, (sure, waits) in enumerate(zip(decided, pending, strict=True)):
        left = frame.left + index * wide
        low, middle, top = (frame.up(value / most) for value in (0, sure, sure + waits))
        parts.append(_bar(left + 3, middle, wide - 6, low - middle, "won"))
        parts.append(_bar(left + 3, top, wide - 6, middle - top, "open", fill=f"url(#{id}-hatch)"))
        if sure + waits:
            parts.append(_words(left + wide / 2, top - 6, number(sure + waits), "middle", "count"))
        parts.append(_words(left, frame.bottom + 18, str(10 * index), "start" if index == 0 else "middle"))
    parts.append(_words(frame.right, frame.bottom + 18, str(10 * len(decided)), "end"))
    parts.append(tag("line", x1=frame.left, x2=frame.right, y1=frame.bottom, y2=frame.bottom, class_="border"))
    parts.append(_words(frame.right, frame.bottom + 38, label, "end", "axis"))
    return _picture(id, title, *parts, width=width, height=height, class_="wide")


def rate(share: float, *, id: str, title: str) -> str:
    """A pass rate as a thin bar."""
    bar = _bar(0, 0, 160 * _part(share), 8, "won")
    return _picture(id, title, _bar(0, 0, 160, 8, "lost"), bar, width=160, height=8, class_="rate")


def sample(style: int) -> str:
    """The stroke of a run, for a table; decoration, the run's number says the same."""
    line = tag("line", x1=1, x2=33, y1=5, y2=5, class_=f"line {_line_class(style)}")
    return tag("svg", line, viewBox="0 0 34 10", aria_hidden="true", class_="sample")
