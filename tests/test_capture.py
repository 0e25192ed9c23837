"""What capture finds in a namespace, and what it costs; run here in the open, as it runs inside the kernel."""

from __future__ import annotations

import ast
import time
import warnings
from collections import defaultdict, deque, namedtuple
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from matplotlib.figure import Figure

from grader import trace
from grader.capture import Capture, Watch
from grader.model import Series

NONCE = "00ff"
BUDGET = 1 << 30


def asked(capture: Capture, reader: trace.Reader, cell: int = 1, *, size: int = 1 << 20, budget: int = BUDGET) -> Any:
    """Ask as the grader does, piece by piece; give the series and what came with them."""
    told = trace.announced(capture.collect(NONCE, budget, size), nonce=NONCE, budget=budget)
    data = told.data
    while len(data) < told.total:
        data += trace.piece(capture.piece(NONCE, len(data), size), nonce=NONCE, offset=len(data))
    return reader.series(cell, told, data), told


def found(namespace: dict[str, Any]) -> dict[str, Any]:
    series: tuple[Series, ...] = asked(Capture(namespace), trace.Reader())[0]
    return {one.name: one.values for one in series}


class Model:
    """As a student's class would look to capture, which knows it by its module."""

    __module__ = "__main__"

    def __init__(self) -> None:
        self.history = [(1.0, 2.0), (3.0, 4.0)]
        self.lr = 0.5

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


Result = namedtuple("Result", ["b", "w"], module="__main__")


@pytest.mark.parametrize(
    ("thing", "shape"),
    [
        ([1.0, 2.0, 3.0], (3,)),
        ([1, 2, 3], (3,)),
        ((1.0, 2.0), (2,)),
        ([np.float64(1), np.float64(2)], (2,)),
        ([np.array(1.0), np.array(2.0)], (2,)),
        ([np.array([1.0]), np.array([2.0])], (2,)),
        ([np.array([[1.0], [2.0]])] * 3, (3, 2)),
        ([np.array([1.0, 2.0])] * 3, (3, 2)),
        ([(1.0, 2.0)] * 3, (3, 2)),
        ([[1.0, 2.0]] * 3, (3, 2)),
        ([np.float32(1), np.float32(2)], (2,)),
        (np.zeros(4), (4,)),
        (np.zeros((4, 2)), (4, 2)),
        (np.zeros((4, 2, 1)), (4, 2)),
        (np.zeros((4, 1)), (4,)),
        (np.zeros((1, 4)), (4,)),
        (np.arange(4), (4,)),
        (np.zeros((4, 2), order="F"), (4, 2)),
        (np.zeros(8)[::2], (4,)),
    ],
    ids=repr,
)
def test_every_way_to_keep_a_history_is_read(thing: Any, shape: tuple[int, ...]) -> None:
    values = found({"h": thing})["h"]

    assert values.shape == shape
    assert np.array_equal(values, np.asarray(thing, dtype=float).reshape(shape))


@pytest.mark.parametrize(
    "thing",
    [
        "text",
        ["a", "b"],
        [1.0],
        [],
        [None, None],
        np.zeros((300, 300)),
        [[1.0], [1.0, 2.0]],
        {1, 2},
        len,
        Model,
        range(9),
    ],
    ids=repr,
)
def test_what_is_no_history_is_left_alone(thing: Any) -> None:
    assert found({"h": thing}) == {}


def test_names_are_as_python_reaches_them() -> None:
    namespace = {
        "hist": {"b": [1.0, 2.0], "deep": {"w": [3.0, 4.0]}, 5: [5.0, 6.0]},
        "model": Model(),
        "space": SimpleNamespace(losses=[1.0, 2.0]),
        "runs": [[1.0] * 100, [2.0] * 50],
        "wide": np.zeros((2, 100)),
        "runs_by_rate": defaultdict(list, {0.1: [1.0, 2.0]}),
        "result": Result([1.0, 2.0], [3.0, 4.0]),
        "steps": [{"step": i, "loss": 1.0 / (i + 1), "note": "x"} for i in range(100)],
        "_hidden": [1.0, 2.0],
        "In": ["", ""],
    }
    assert set(found(namespace)) == {
        "hist['b']",
        "hist['deep']['w']",
        "hist[5]",
        "steps[:]['step']",
        "steps[:]['loss']",
        "runs_by_rate[0.1]",
        "result.b",
        "result.w",
        "model.history",
        "space.losses",
        "runs[0]",
        "runs[1]",
        "wide[0]",
        "wide[1]",
    }


def test_columns_of_a_table_are_histories() -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"loss": [1.0, 2.0], "name": ["a", "b"]})

    capture, reader = Capture({"table": table, "column": table["loss"]}), trace.Reader()

    assert [one.name for one in asked(capture, reader)[0]] == ["table['loss']", "column"]
    assert asked(capture, reader, 2)[0] == ()


def test_single_numbers_are_told_truth_values_are_not() -> None:
    namespace = {"lr": 0.5, "n": 10, "flag": True, "x": np.float32(0.5), "model": Model(), "big": 10**400}
    _, told = asked(Capture(namespace), trace.Reader())

    assert dict(told.scalars) == {"lr": 0.5, "n": 10.0, "x": 0.5, "model.lr": 0.5}


def test_what_no_cell_touched_is_told_once() -> None:
    namespace: dict[str, Any] = {
        "h": [1.0, 2.0],
        "a": np.zeros((300, 2)),
        "rows": [np.zeros(2)] * 3,
        "wide": np.arange(300.0).reshape(3, 100),
        "steps": [{"loss": float(i)} for i in range(100)],
    }
    capture, reader = Capture(namespace), trace.Reader()

    assert len(asked(capture, reader)[0]) == 7
    assert asked(capture, reader, 2)[0] == ()


@pytest.mark.parametrize("place", [0, 1, 70, 4999, 9999])
def test_a_change_in_place_is_noticed(place: int) -> None:
    kept, values = [0.5] * 10_000, np.zeros(10_000)
    capture, reader = Capture({"kept": kept, "values": values}), trace.Reader()
    asked(capture, reader)
    kept.append(1.0)
    values[place] = 1.0

    assert [one.name for one in asked(capture, reader, 2)[0]] == ["kept", "values"]


def test_the_same_numbers_bound_anew_are_named_without_bytes() -> None:
    namespace = {"h": [1.0, 2.0]}
    capture, reader = Capture(namespace), trace.Reader()
    first = asked(capture, reader)[0]
    namespace["h"] = [float(value) for value in namespace["h"]]
    again, told = asked(capture, reader, 2)

    assert told.total == 0
    assert again[0].cell == 2
    assert again[0].values is first[0].values


def test_one_thing_under_two_names_is_told_once() -> None:
    history = [1.0, 2.0]

    assert list(found({"history": history, "alias": history})) == ["history"]


def test_what_is_beyond_the_budget_is_named() -> None:
    capture, reader = Capture({"big": [0.5] * 1000, "small": [0.5] * 10}), trace.Reader()
    series, told = asked(capture, reader, budget=1000)

    assert [one.name for one in series] == ["small"]
    assert told.skipped == (("big", 1000),)
    assert asked(capture, reader, budget=1000)[1].skipped == ()


def test_objects_that_raise_on_every_touch_are_passed_over() -> None:
    class Evil:
        __module__ = "elsewhere"

        def __float__(self) -> float:
            raise SystemExit("out")

    assert list(found({"evil": [Evil(), Evil()], "h": [1.0, 2.0]})) == ["h"]


def test_a_student_who_patches_numpy_loses_only_what_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = ModuleType("numpy")
    monkeypatch.setitem(__import__("sys").modules, "numpy", broken)

    assert list(found({"a": np.zeros(3), "h": [1.0, 2.0]})) == ["h"]


@given(arrays.arrays(np.float64, st.tuples(st.integers(2, 40), st.integers(1, 5))), st.integers(1, 200))
def test_every_double_arrives_as_it_was(values: Any, size: int) -> None:
    """Plain little-endian f8 bytes in pieces: NaN, infinities and signed zeros too."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        capture = Capture({"a": values, "rows": [tuple(row) for row in values.tolist()], "x": values[:, 0].tolist()})
        series, _ = asked(capture, trace.Reader(), size=size)

    flat = values[:, 0] if values.shape[1] == 1 else values
    assert [one.values.tobytes() for one in series] == [flat.tobytes(), flat.tobytes(), values[:, 0].tobytes()]


def test_a_hundred_thousand_floats_cost_milliseconds() -> None:
    history = [i * 0.1 for i in range(100_000)]
    capture = Capture({"b_history": history, "w_history": list(history)})
    began = time.process_time()
    capture.collect(NONCE, BUDGET, 1 << 22)
    first = time.process_time() - began
    began = time.process_time()
    capture.collect(NONCE, BUDGET, 1 << 22)

    assert first < 0.2
    assert time.process_time() - began < 0.02


# -- loops that were rewritten to be recorded ----------------------------------------------------------


def recorded(names: tuple[str, ...], *spaces: dict[str, Any], namespace: dict[str, Any] | None = None) -> Any:
    """Let a loop of the function `fit` go through these turns."""
    capture = Capture(namespace or {})
    record = capture.recorder("fit", names)
    for space in spaces:
        record(space)
    series = asked(capture, trace.Reader())[0]
    return {one.name: one.values.tolist() for one in series if one.source == "recorded"}


def test_a_recorded_loop_tells_its_numbers_turn_by_turn() -> None:
    turns = [
        {"w": 1.0, "t": np.array([[1.0], [2.0]])},
        {"w": 0.5, "t": [2, 3]},
        {"w": np.float64(0.2), "t": (3.0, 4.0)},
    ]

    told = recorded(("w", "t"), *turns)

    assert told == {"fit.w": [1.0, 0.5, 0.2], "fit.t": [[1.0, 2.0], [2.0, 3.0], [3.0, 4.0]]}


def test_what_is_no_number_all_the_way_is_left_out() -> None:
    told = recorded(("w", "s"), {"w": 1, "s": 1.0}, {"w": 2, "s": "x"}, {"w": 3, "s": 2.0})

    assert told == {"fit.w": [1.0, 2.0, 3.0]}


def test_a_record_begins_after_the_first_turn_where_something_was_not_there_before() -> None:
    told = recorded(("w", "b"), {"b": 9.0}, {"w": 1.0, "b": 8.0}, {"w": 2.0, "b": 7.0}, {"w": 3.0, "b": 6.0})

    assert told == {"fit.w": [1.0, 2.0, 3.0], "fit.b": [8.0, 7.0, 6.0]}


def test_attributes_and_globals_are_recorded() -> None:
    model = SimpleNamespace(w=1.0)
    turns = []
    capture = Capture({"b": 5.0})
    record = capture.recorder("", ("self.w", "b"))
    for w in (1.0, 2.0, 3.0):
        model.w = w
        turns.append(record({"self": model}))

    series = asked(capture, trace.Reader())[0]
    assert {one.name: one.values.tolist() for one in series} == {"w": [1.0, 2.0, 3.0], "b": [5.0, 5.0, 5.0]}


def test_each_run_of_a_loop_has_a_name_of_its_own_and_is_told_once() -> None:
    capture, reader = Capture({}), trace.Reader()
    for factor in (1.0, 2.0):
        record = capture.recorder("fit", ("w",))
        for turn in range(3):
            record({"w": factor * turn})

    first, again = asked(capture, reader)[0], asked(capture, reader)[0]

    assert [one.name for one in first] == ["fit.w", "fit[2].w"]
    assert again == ()


def test_a_long_loop_is_recorded_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grader.capture.MOST_RECORDED", 10)

    assert len(recorded(("w",), *({"w": float(turn)} for turn in range(50)))["fit.w"]) == 10


# -- histories that would be lost ------------------------------------------------------------------------


def watched(source: str, namespace: dict[str, Any] | None = None) -> dict[str, Any]:
    """Run a cell as IPython does with our look at it; give what was kept before it was lost."""
    namespace = {} if namespace is None else namespace
    transformers: list[Any] = []
    capture = Capture(namespace)
    capture.watch(transformers, SimpleNamespace(format=None))
    module = transformers[0].visit(ast.parse(source))
    exec(compile(ast.fix_missing_locations(module), "cell", "exec"), namespace)  # noqa: S102 - our own cells
    return {one.name: one.values.tolist() for one in asked(capture, trace.Reader())[0] if one.source == "returned"}


TRAIN = """
def train(lr, out=None):
    'How it trains.'
    w = 8.0
    history = [w]
    for i in range(6):
        w -= lr * w
        history.append(w)
        if out is not None:
            out.append(w)
    return w
"""


def test_what_a_function_kept_for_itself_is_told_call_by_call() -> None:
    told = watched(f"{TRAIN}\nfor lr in (0.5, 0.25):\n    train(lr)")

    assert sorted(told) == ["train.history", "train[2].history"]
    assert told["train.history"] == [8.0 * 0.5**i for i in range(7)]


def test_what_a_name_still_holds_is_told_once() -> None:
    source = TRAIN.replace("return w", "return history")

    assert watched(f"{source}\nkept = train(0.5)") == {}
    assert list(watched(f"{source}\nkept = train(0.5)\nkept = train(0.25)")) == ["train.history"]


def test_what_belongs_to_the_caller_is_no_history_of_the_function() -> None:
    assert "train.out" not in watched(f"{TRAIN}\nmine = []\ntrain(0.5, mine)")


def test_what_a_loop_begins_anew_is_told_turn_by_turn() -> None:
    told = watched(
        """
for lr in (0.5, 0.25, 0.125):
    w, w_history = 8.0, [8.0]
    for i in range(6):
        w -= lr * w
        w_history.append(w)
"""
    )

    assert list(told) == ["loop.w_history", "loop[2].w_history"]


def test_objects_and_dicts_are_looked_into() -> None:
    told = watched(
        """
class Model:
    def fit(self):
        self.path, seen = [1.0], {"loss": []}
        for i in range(6):
            self.path.append(self.path[-1] / 2)
            seen["loss"].append(self.path[-1] ** 2)

Model().fit()
"""
    )

    assert list(told) == ["fit.self.path", "fit.seen['loss']"]


def test_an_error_keeps_its_line_and_the_history_before_it() -> None:
    namespace: dict[str, Any] = {}
    source = TRAIN.replace("return w", "return w / 0")

    with pytest.raises(ZeroDivisionError) as failed:
        watched(f"{source}\ntrain(0.5)", namespace)

    assert failed.traceback[-1].lineno + 1 == source.split("\n").index("    return w / 0") + 1
    assert namespace["train"].__doc__ == "How it trains."


@pytest.mark.parametrize(
    "source",
    [
        "import functools\n@functools.cache\ndef f():\n    h = [1]\n    for i in range(9): h.append(h[-1] / 2)\nf()",
        "def f():\n    h = [1]\n    for i in range(9):\n        h.append(h[-1] / 2)\n        yield i\nlist(f())",
        "async def f():\n    h = [1]\n    for i in range(9): h.append(h[-1] / 2)",
        "def f():\n    h = [1]\n    for i in range(3): h.append(h[-1] / 2)\nf()",
        "def f():\n    h = []\n    for x in range(9): h.append(2 * x)\nf()",
    ],
    ids=["decorated", "generator", "coroutine", "short", "nothing-moves"],
)
def test_what_may_not_be_touched_or_is_too_short_is_left(source: str) -> None:
    assert watched(source) == {}


def test_a_process_that_does_not_know_us_runs_the_function_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    namespace: dict[str, Any] = {}
    watched(TRAIN, namespace)

    monkeypatch.delattr("builtins._grader_kept")

    assert namespace["train"](0.5) == 8.0 * 0.5**6


def test_a_sum_of_thousands_is_left_as_it_is() -> None:
    module = ast.parse(f"{TRAIN}\nx = {' + '.join(['1'] * 1000)}")

    assert Watch().visit(module) is module


def test_a_function_called_often_is_looked_at_a_few_times_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grader.capture.MOST_TURNS", 3)

    assert len(watched(f"{TRAIN}\nfor i in range(1, 9):\n    train(i / 10)")) == 3


# -- lines of figures -------------------------------------------------------------------------------------


def drawn(namespace: dict[str, Any], *lines: Any, style: str = "-") -> dict[str, Any]:
    """Show a figure with these lines as IPython does; give what was taken from it."""
    figure = Figure()
    for x, y in lines:
        figure.add_subplot().plot(x, y, style)
    capture, formatter = Capture(namespace), SimpleNamespace(format=lambda thing: (thing, {}))
    capture.watch([], formatter)
    assert formatter.format(figure) == (figure, {})
    return {one.name: one.values.tolist() for one in asked(capture, trace.Reader())[0] if one.source == "plotted"}


FALLING = [2.0**-i for i in range(12)]


def test_a_line_is_told_before_its_figure_is_closed() -> None:
    assert drawn({}, (FALLING, FALLING[::-1])) == {
        "plot[1]": [list(p) for p in zip(FALLING, FALLING[::-1], strict=True)]
    }


def test_a_line_of_what_a_name_holds_is_not_told_again() -> None:
    assert drawn({"b_history": FALLING}, (FALLING, FALLING[::-1])) == {}


@pytest.mark.parametrize(("count", "style"), [(9, "-"), (12, "o")], ids=["short", "points"])
def test_points_and_short_lines_are_not_told(count: int, style: str) -> None:
    assert drawn({}, (FALLING[:count], FALLING[:count]), style=style) == {}


def test_what_is_no_figure_is_shown_all_the_same() -> None:
    formatter = SimpleNamespace(format=lambda thing: (thing, {}))
    Capture({}).watch([], formatter)

    assert formatter.format(3) == (3, {})


# -- histories of millions of steps ----------------------------------------------------------------------


@pytest.mark.parametrize("make", [list, np.array, deque], ids=["list", "array", "deque"])
def test_of_a_very_long_history_the_beginning_is_sent_and_the_rest_is_counted(
    monkeypatch: pytest.MonkeyPatch, make: Any
) -> None:
    monkeypatch.setattr("grader.capture.MOST_ROWS", 10)
    history = [i * 0.5 for i in range(50)]

    series, told = asked(Capture({"b_history": make(history)}), trace.Reader())

    assert [one.values.tolist() for one in series] == [history[:10]]
    assert told.skipped == (("b_history", 50),)


def test_a_long_history_that_is_bound_anew_is_counted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grader.capture.MOST_ROWS", 10)
    space = {"b_history": [i * 0.5 for i in range(50)]}
    capture, reader = Capture(space), trace.Reader()
    asked(capture, reader)
    space["b_history"] = [i * 0.5 for i in range(60)]

    series, told = asked(capture, reader)

    assert [len(one.values) for one in series] == [10]
    assert told.skipped == (("b_history", 60),)
