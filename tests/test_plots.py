import math
import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_grades import CENTRE, adagrad, curve, gradient_descent, surface

from grader.feedback import columns, plots
from grader.model import Curve, Surface

ANY = st.floats(allow_nan=True, allow_infinity=True)
HARD = st.sampled_from([0.0, -0.0, 1.0, -1.0, math.nan, math.inf, -math.inf, 5e-324, 1e308, -1e308, 1e-300, 1e100])
NUMBERS = ANY | HARD
LOSS_WORDS = {"title": "Loss", "step": "step", "loss": "loss", "empty": "nothing"}
NAMES = {"title": "Path", "names": ("b", "w"), "empty": "nothing"}
SVG = "{http://www.w3.org/2000/svg}"


def loss_plot(*series: tuple[float, ...]) -> plots.Picture:
    trails = [
        plots.Trail(label=f"{n} run", steps=tuple(range(len(losses))), losses=losses, style=n)
        for n, losses in enumerate(series)
    ]
    return plots.loss(trails, id="p", **LOSS_WORDS)


def path_plot(path: tuple[tuple[float, ...], ...], **fields: object) -> plots.Picture:
    return plots.path(Curve(path=path, **fields), id="p", **NAMES)  # type: ignore[arg-type]


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - our own output


def drawn_points(svg: str) -> list[tuple[float, float]]:
    """Every point that a line, circle or word is drawn at; rings are cut by their clip path."""
    points = []
    for element in parsed(svg).iter():
        if element.tag == "polyline":
            points += [tuple(map(float, pair.split(","))) for pair in element.attrib["points"].split()]
        for x, y in (("x", "y"), ("cx", "cy"), ("x1", "y1"), ("x2", "y2")):
            if x in element.attrib and y in element.attrib:
                points.append((float(element.attrib[x]), float(element.attrib[y])))
    return points  # type: ignore[return-value]


def assert_sound(svg: str) -> None:
    """Well formed, every coordinate a finite number inside the view box, no script and no inline style."""
    root = parsed(svg)
    left, top, width, height = map(float, root.attrib["viewBox"].split())
    assert all(left <= x <= left + width and top <= y <= top + height for x, y in drawn_points(svg))
    values = " ".join(value for element in root.iter() for name, value in element.attrib.items() if name != "class")
    assert not re.search(r"\b(nan|inf)\b", values)
    assert "style=" not in svg
    assert "<script" not in svg


@given(st.lists(st.lists(NUMBERS, max_size=12).map(tuple), max_size=4))
def test_a_loss_plot_is_sound_whatever_the_losses(series: list[tuple[float, ...]]) -> None:
    assert_sound(loss_plot(*series).svg)


@given(st.lists(st.integers(-5, 10**12), min_size=1, max_size=6), NUMBERS)
def test_a_loss_plot_is_sound_whatever_the_steps(steps: list[int], value: float) -> None:
    trail = plots.Trail(label="x", steps=tuple(steps), losses=(value,) * len(steps))

    assert_sound(plots.loss([trail], id="p", **LOSS_WORDS).svg)


@given(
    st.lists(st.tuples(NUMBERS, NUMBERS), max_size=10).map(tuple),
    st.lists(st.tuples(NUMBERS, NUMBERS), max_size=4).map(tuple),
    st.none() | st.tuples(*[NUMBERS] * 6),
)
def test_a_path_plot_is_sound_whatever_the_numbers(
    path: tuple[tuple[float, float], ...], expected: tuple[tuple[float, float], ...], valley: tuple[float, ...] | None
) -> None:
    ground = None
    if valley is not None:
        x, y, a, b, c, d = valley
        ground = Surface(centre=(x, y), hessian=((a, b), (c, d)), minimum=0.0)

    assert_sound(path_plot(path, expected_path=expected, surface=ground).svg)


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), max_size=6))
def test_a_strip_is_sound_whatever_the_points(shares: list[tuple[float, float, float]]) -> None:
    assert_sound(plots.strip([plots.Share(*share) for share in shares], id="p", title="t"))


@given(
    st.lists(st.integers(0, 10**6), min_size=10, max_size=10), st.lists(st.integers(0, 500), min_size=10, max_size=10)
)
def test_a_histogram_is_sound_whatever_the_counts(decided: list[int], pending: list[int]) -> None:
    assert_sound(plots.histogram(decided, pending, id="p", title="t", label="percent"))


@given(NUMBERS, NUMBERS)
def test_ticks_are_few_and_inside(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)

    ticks = plots.nice(low, high)

    assert len(ticks) <= 12
    assert all(low - (high - low) * 1e-6 <= tick <= high + (high - low) * 1e-6 for tick in ticks)


@given(*[st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3))] * 2)
def test_clipping_keeps_what_lies_inside_and_nothing_else(start: plots.Point, end: plots.Point) -> None:
    low, high = (-10.0, -20.0), (30.0, 40.0)

    cut = plots.clip(start, end, low, high)

    inside = [all(low[i] <= point[i] <= high[i] for i in (0, 1)) for point in (start, end)]
    if cut is None:
        assert not any(inside)
    else:
        assert all(low[i] <= point[i] <= high[i] for point in cut for i in (0, 1))
        assert (cut[0] == start) >= inside[0]
        assert (cut[1] == end) >= inside[1]


def test_a_loss_lies_where_its_logarithm_says() -> None:
    svg = loss_plot((1e6, 1e5, 1e4)).svg

    heights = [
        y
        for _, y in drawn_points(
            svg.partition("<polyline")[1] + svg.partition("<polyline")[2].partition("/>")[0] + "/>"
        )
    ]
    assert heights[1] - heights[0] == pytest.approx(heights[2] - heights[1], abs=0.2)


def test_a_run_that_diverges_is_cut_and_leaves_the_others_readable() -> None:
    picture = loss_plot((1e6, 1e12, 1e200, math.inf), (1e6, 1e5, 1e4))

    calm = parsed(picture.svg).findall("polyline")[1].attrib["points"].split()
    heights = [float(point.split(",")[1]) for point in calm]
    assert picture.clipped
    assert max(heights) - min(heights) > 80
    assert 'class="exit run-1"' in picture.svg


def test_labels_of_lines_that_end_together_do_not_cover_each_other() -> None:
    picture = loss_plot(*[(1e6, 1e5, 1e4 + n) for n in range(6)])

    heights = sorted(
        float(text.attrib["y"]) for text in parsed(picture.svg).iter("text") if "name" in text.get("class", "")
    )
    assert all(b - a >= plots.TALL - 0.2 for a, b in pairwise(heights))


def names_of(svg: str) -> list[ET.Element]:
    return [text for text in parsed(svg).iter("text") if "name" in text.get("class", "")]


def test_a_label_never_lies_across_the_border() -> None:
    early = plots.Trail(label="2 expected", steps=(0, 1000), losses=(1e6, 1e4))
    late = plots.Trail(label="1 lr 1e-7", steps=(0, 9000), losses=(1e6, 1e4))
    svg = plots.loss([early, late], id="p", **LOSS_WORDS).svg

    border = next(one for one in parsed(svg).iter("rect") if one.get("class") == "border")
    right = float(border.attrib["x"]) + float(border.attrib["width"])
    assert all(float(name.attrib["x"]) > right for name in names_of(svg))


def test_a_label_that_had_to_move_is_tied_to_its_line() -> None:
    svg = loss_plot(*[(1e6, 1e5, 1e4)] * 3).svg

    ties = [line.attrib["class"] for line in parsed(svg).iter("line") if "tie" in line.get("class", "")]
    assert len(ties) == 2
    assert len(set(ties)) == 2


@pytest.mark.parametrize("label", ["1 梯度下降的訓練過程", "1 gradient descent with a long name"])
def test_a_label_fits_beside_the_plot_in_any_script(label: str) -> None:
    trail = plots.Trail(label=label, steps=(0, 10), losses=(1e6, 1e4))
    (name,) = names_of(plots.loss([trail], id="p", **LOSS_WORDS).svg)

    assert float(name.attrib["x"]) + plots.LETTER * columns(name.text or "") <= plots.WIDTH


@pytest.mark.parametrize("name", ["w" * 80, "參數" * 30])
def test_the_name_of_an_axis_fits_in_the_picture(name: str) -> None:
    words = NAMES | {"names": (name, name)}
    svg = plots.path(curve(gradient_descent(1e-7, 5)), id="p", **words).svg  # type: ignore[arg-type]

    shown = [text.text or "" for text in parsed(svg).iter("text") if text.get("class") == "axis"]
    assert [text[-1] for text in shown] == ["…", "…"]
    assert all(plots.LETTER * columns(text) <= plots.WIDTH for text in shown)


def test_lines_differ_by_dash_and_not_by_colour_alone() -> None:
    picture = loss_plot(*[(1e6, 1e5)] * plots.STYLES)

    classes = [line.attrib["class"] for line in parsed(picture.svg).findall("polyline")]
    assert classes == [f"line run-{n}" for n in range(1, plots.STYLES + 1)]


def test_the_rings_are_the_exact_level_sets() -> None:
    ground = surface()
    path = tuple(gradient_descent(1e-6, 50))

    picture = path_plot(path, surface=ground)

    # The picture maps a parameter linearly, so two ticks of each axis give the scale back.
    window = plots._window(path, [path[0], CENTRE])
    frame = plots.Frame()
    levels = []
    for ring in parsed(picture.svg).iter("circle"):
        if ring.get("class") == "ring":
            xx, _, xy, yy, cx, cy = map(float, re.findall(r"-?[\d.]+", ring.attrib["transform"]))
            heights = [
                _loss_at(cx + xx * math.cos(t) + xy * math.sin(t), cy + yy * math.sin(t), window, frame, ground)
                for t in (0.3, 1.9, 3.3, 5.0)
            ]
            levels.append(max(heights) / min(heights))
    assert len(levels) >= 4
    assert all(level == pytest.approx(1.0, abs=0.25) for level in levels[:3])  # coordinates are rounded to 0.1


def _loss_at(x: float, y: float, window: plots._Window, frame: plots.Frame, ground: Surface) -> float:
    b = window.low[0] + (x - frame.left) / (frame.right - frame.left) * (window.high[0] - window.low[0])
    w = window.low[1] + (frame.bottom - y) / (frame.bottom - frame.top) * (window.high[1] - window.low[1])
    return plots._height(ground, (b, w))


def test_a_path_that_leaves_the_plot_is_marked() -> None:
    picture = plots.path(curve(gradient_descent(1e-5, 60)), id="p", **NAMES)  # type: ignore[arg-type]

    assert picture.clipped
    assert "exit" in picture.svg


def test_the_expected_path_is_drawn_behind_the_seen_one() -> None:
    right, wrong = adagrad(1.0, 200), adagrad(1.0, 200, root=float)

    svg = plots.path(curve(wrong, right), id="p", **NAMES).svg  # type: ignore[arg-type]

    assert svg.index("trace expected") < svg.index("trace run-1")


@pytest.mark.parametrize("losses", [(), (math.nan,), (math.inf,), (0.0, 0.0), (-1.0,)], ids=str)
def test_nothing_to_draw_is_said_in_words(losses: tuple[float, ...]) -> None:
    assert "nothing" in loss_plot(losses).svg


@pytest.mark.parametrize(
    "losses", [(5.0,), (5.0, 5.0, 5.0), (1e-310, 1e308), (3.0, 0.0), (1.0, math.nan, 1.0)], ids=str
)
def test_odd_losses_still_give_a_line(losses: tuple[float, ...]) -> None:
    picture = loss_plot(losses)

    assert "<polyline" in picture.svg
    assert_sound(picture.svg)


def test_names_from_a_notebook_are_escaped_and_bounded() -> None:
    evil = "</text><script>alert(1)</script>" + "x" * 500
    trail = plots.Trail(label=evil, steps=(0, 1), losses=(2.0, 1.0))

    svg = plots.loss([trail], id="p", **{**LOSS_WORDS, "title": evil}).svg
    svg += plots.path(Curve(path=((0.0, 0.0), (1.0, 1.0))), id="q", title=evil, names=(evil, evil), empty="").svg

    assert "<script" not in svg
    assert len(svg) < 12_000


def test_a_long_run_is_thinned_with_both_ends_kept() -> None:
    kept = plots.thinned(range(100_000))

    assert len(kept) == plots.POINTS
    assert (kept[0], kept[-1]) == (0, 99_999)
