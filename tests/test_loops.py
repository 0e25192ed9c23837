"""Training loops as written: what they keep of their states, and which runs the grader finds by that."""

from __future__ import annotations

import ast
import contextlib
import io
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from grader import trace, verify
from grader.capture import Capture
from grader.model import Cell, Curve, Match, Names, Notebook, Series
from grader.notebook import calls, declared, loops

NONCE, BUDGET = "00ff", 1 << 30


def notebook(*sources: str) -> Notebook:
    return Notebook(cells=tuple(Cell(index=i, kind="code", source=s) for i, s in enumerate(sources, 1)))


def kept(source: str) -> list[tuple[str, tuple[str | None, ...]]]:
    return [(each.path, each.columns) for loop in loops(notebook(source)) for each in loop.kept]


STEP = "    gb, gw = grad(b, w)\n    b, w = b - lr * gb, w - lr * gw\n"
KEPT = {
    "lists": ("bs.append(b)\n    ws.append(w)", [("bs", ("b",)), ("ws", ("w",))]),
    "tuple": ("path.append((b, w))", [("path", ("b", "w"))]),
    "row": ("rows.append([i, b, w, loss])", [("rows", (None, "b", "w", None))]),
    "dict": ("rows.append({'i': i, 'b': b, 'w': w})", [("rows[:]['b']", ("b",)), ("rows[:]['w']", ("w",))]),
    "dict-of-lists": ("h['b'].append(b)\n    h['w'].append(float(w))", [("h['b']", ("b",)), ("h['w']", ("w",))]),
    "varying-key": ("h[name].append((b, w))", [("h[*]", ("b", "w"))]),
    "attribute": ("self.bs.append(b)\n    self.ws.append(w)", [("self.bs", ("b",)), ("self.ws", ("w",))]),
    "written": ("bs[i] = b\n    ws[i] = w", [("bs", ("b",)), ("ws", ("w",))]),
    "column": ("h[i, 0] = b\n    h[i, 1] = w", [("h[:, 0]", ("b",)), ("h[:, 1]", ("w",))]),
    "across": ("h[0, i] = b\n    h[1, i] = w", [("h[0]", ("b",)), ("h[1]", ("w",))]),
    "plus": ("bs += [b]\n    ws += [w]", [("bs", ("b",)), ("ws", ("w",))]),
    "star": ("bs = [*bs, b]\n    ws = [*ws, w]", [("bs", ("b",)), ("ws", ("w",))]),
    "numpy": ("bs = np.append(bs, b)\n    ws = np.append(ws, w)", [("bs", ("b",)), ("ws", ("w",))]),
    "stacked": ("h = np.vstack([h, [b, w]])", [("h", ("b", "w"))]),
    "array": ("h.append(np.array([b, w]).copy())", [("h", ("b", "w"))]),
    "loss-only": ("losses.append(loss)", []),
    "nothing": ("pass", []),
}


@pytest.mark.parametrize(("keep", "expected"), KEPT.values(), ids=KEPT)
def test_what_a_loop_keeps_is_followed_into_its_containers(keep: str, expected: Any) -> None:
    assert kept(f"for i in range(9):\n{STEP}    {keep}") == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("for i in range(9):\n    theta = theta - lr * grad(theta)\n    h.append(theta.copy())", [("h", ("theta",))]),
        ("for i in range(9):\n    p = opt.step(p, grad(p))\n    path.append(p)", [("path", ("p",))]),
        ("for i in range(9):\n    h[i + 1] = h[i] - lr * grad(h[i])", [("h", ("h",))]),
        ("for i in range(9):\n    h.append(h[-1] - lr * grad(h[-1]))", [("h", ("h",))]),
        ("for i in range(9):\n    new = w - lr * g(w)\n    ws.append(new)\n    w = new", [("ws", ("new",))]),
        ("for i in range(9):\n    v = 0.9 * v + g(w)\n    w = w - lr * v\n    h.append((w, v))", [("h", ("w", None))]),
        ("for i in range(9):\n    a, c = c, a + c\n    h.append(a)", []),
        ("for k in range(9):\n    total = total + k\n    sums.append(total)", []),
    ],
)
def test_only_what_a_descent_carries_is_kept(source: str, expected: Any) -> None:
    assert kept(source) == expected


def test_a_loop_says_in_which_function_it_stands() -> None:
    source = f"def train(lr):\n    for i in range(9):\n{STEP.replace('    ', '        ')}        bs.append((b, w))"

    (loop,) = loops(notebook("x = 1", source))

    assert (loop.cell, loop.place, loop.line) == (2, "train", 2)


# -- the settings that reach a loop ----------------------------------------------------------------------

TRAIN = f"def train(method, lr, n=9):\n    b = w = 0.0\n    for i in range(n):\n{STEP.replace('    ', '        ')}"
CALLED = {
    "arguments": ("train('a', 1e-7)\ntrain('b', 1e-8)", [1e-7, 1e-8]),
    "keywords": ("train('a', lr=1e-7, n=5)", [1e-7]),
    "list": ("for lr in [0.1, 0.2]:\n    train('a', lr)", [0.1, 0.2]),
    "named-list": ("rates = [0.1, 0.2]\nfor lr in rates:\n    train('a', lr)", [0.1, 0.2]),
    "tuples": ("for m, lr in [('a', 0.1), ('b', 0.2)]:\n    train(m, lr)", [0.1, 0.2]),
    "named-tuples": ("s = [('a', 0.1), ('b', 0.2)]\nfor m, lr in s:\n    train(m, lr)", [0.1, 0.2]),
    "dict": ("for m, lr in {'a': 0.1, 'b': 0.2}.items():\n    train(m, lr)", [0.1, 0.2]),
    "named-dict": ("s = dict(a=0.1, b=0.2)\nfor m, lr in s.items():\n    train(m, lr)", [0.1, 0.2]),
    "zip": ("for m, lr in zip(['a', 'b'], [0.1, 0.2]):\n    train(m, lr)", [0.1, 0.2]),
    "enumerate": ("for i, (m, lr) in enumerate([('a', 0.1), ('b', 0.2)]):\n    train(m, lr)", [0.1, 0.2]),
    "comprehension": ("lr = 0.5\ntrain('a', lr)", [0.5]),
}


@pytest.mark.parametrize(("source", "rates"), CALLED.values(), ids=CALLED)
def test_a_run_as_written_has_the_rate_that_reaches_it(source: str, rates: list[float]) -> None:
    found = [call.settings.get("lr") for call in calls(notebook(TRAIN, source))]

    assert found == rates


# -- runs by their loops: mistakes, containers and names --------------------------------------------------

SETUP = """
import numpy as np
x_data = [338., 333., 328., 207., 226., 25., 179., 60., 208., 606.]
y_data = [640., 633., 619., 393., 428., 27., 193., 66., 226., 1591.]
xs, ys = np.array(x_data), np.array(y_data)
def grad(b, w):
    e = ys - b - w * xs
    return -2 * e.sum(), -2 * (e * xs).sum()
"""
RULES = {
    "gd": ("", "b -= lr * gb; w -= lr * gw"),
    "adagrad": ("sb = sw = 0.0", "sb += gb ** 2; sw += gw ** 2; b -= lr * gb / sb ** 0.5; w -= lr * gw / sw ** 0.5"),
}
MISTAKES = {
    "shared": ("s = 0.0", "s += gb ** 2; b -= lr * gb / s ** 0.5; s += gw ** 2; w -= lr * gw / s ** 0.5"),
    "no-root": ("sb = sw = 0.0", "sb += gb ** 2; sw += gw ** 2; b -= lr * gb / sb; w -= lr * gw / sw"),
    "sign": ("", "b += lr * gb; w += lr * gw"),
    "sequential": ("", "b -= lr * gb; gb, gw = grad(b, w); w -= lr * gw"),
}
CONTAINERS = {
    "lists": ("{b}s, {w}s = [b], [w]", "{b}s.append(b); {w}s.append(w)", "return {b}s, {w}s"),
    "tuples": ("{b}{w} = [(b, w)]", "{b}{w}.append((b, w))", "return {b}{w}"),
    "array": ("{b}{w} = [(b, w)]", "{b}{w}.append((b, w))", "return np.array({b}{w})"),
    "table": ("{b}{w} = [[0, b, w, 0.]]", "{b}{w}.append([i, b, w, e2])", "return {b}{w}"),
    "dict": ("{b}{w} = {{'p': [b], 'q': [w]}}", "{b}{w}['p'].append(b); {b}{w}['q'].append(w)", "return {b}{w}"),
    "dicts": ("{b}{w} = [dict(p=b, q=w)]", "{b}{w}.append({{'p': b, 'q': w}})", "return {b}{w}"),
    "prepared": (
        "{b}s, {w}s = np.zeros(n + 1), np.zeros(n + 1); {b}s[0], {w}s[0] = b, w",
        "{b}s[i + 1] = b; {w}s[i + 1] = w",
        "return {b}s, {w}s",
    ),
}
NAMES = {"usual": ("b", "w"), "greek": ("theta0", "theta1"), "strange": ("c", "slope_of_line"), "odd": ("p1", "p2")}


def train(name: str, rule: tuple[str, str], container: tuple[str, str, str], b: str, w: str) -> str:
    """Write a function that trains by a rule and keeps its states in a container under some names."""
    begin, keep, hand = (part.format(b=b, w=w) for part in container)
    lines = [f"def {name}(lr, n=300):", "    b, w = -120.0, -4.0", f"    {begin}"]
    lines += [f"    {rule[0]}"] if rule[0] else []
    lines += ["    for i in range(n):", "        gb, gw = grad(b, w); e2 = gb ** 2", f"        {rule[1]}"]
    return "\n".join([*lines, f"        {keep}", f"    {hand}"])


def found(*sources: str) -> tuple[Match, ...]:
    """Run cells with capture beside them, as the kernel does, and judge what they left."""
    book = notebook(SETUP, *sources)
    namespace: dict[str, Any] = {}
    transformers: list[Any] = []
    capture, reader = Capture(namespace), trace.Reader()
    capture.watch(transformers, SimpleNamespace(format=None))
    series: list[Series] = []
    for cell in book.cells:
        module = ast.fix_missing_locations(transformers[0].visit(ast.parse(cell.source)))
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(module, "cell", "exec"), namespace)  # noqa: S102 - our own cells
        told = trace.announced(capture.collect(NONCE, BUDGET, BUDGET), nonce=NONCE, budget=BUDGET)
        series += reader.series(cell.index, told, told.data)
    return verify.runs(series, declared=declared(book), names=Names(), loops=loops(book), calls=calls(book))


def verdicts(matches: tuple[Match, ...]) -> list[str]:
    return [match.verdict for match in matches]


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
@pytest.mark.parametrize(("b", "w"), NAMES.values(), ids=NAMES)
def test_a_wrong_run_is_found_beside_a_right_one_whatever_its_container_and_names(
    container: tuple[str, str, str], b: str, w: str
) -> None:
    right = f"{train('one', RULES['gd'], container, b, w)}\nfirst = one(1e-7)"
    wrong = f"{train('two', MISTAKES['shared'], container, b, w)}\nsecond = two(1.0)"

    assert verdicts(found(right, wrong)) == ["matches", "differs"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mistake", "container", "names"),
    [pytest.param(*each, id="-".join(each)) for each in product(MISTAKES, CONTAINERS, NAMES)],
)
def test_each_mistake_is_seen_in_every_container_and_the_right_runs_are_unharmed(
    mistake: str, container: str, names: str
) -> None:
    rate = {"shared": "1.0", "no-root": "50.0", "sign": "1e-9", "sequential": "1e-7"}[mistake]
    b, w = NAMES[names]
    parts: list[tuple[str, tuple[str, str], str]] = [
        ("one", RULES["gd"], "1e-7"),
        ("two", MISTAKES[mistake], rate),
        ("three", RULES["adagrad"], "1.0"),
    ]
    cells = [f"{train(name, rule, CONTAINERS[container], b, w)}\nh_{name} = {name}({lr})" for name, rule, lr in parts]

    assert verdicts(found(*cells)) == ["matches", "differs", "matches"]


@pytest.mark.parametrize("use", ["h = one(1e-7), one(1e-8)", "h = {}\nfor k in (1e-7, 1e-8):\n    h[str(k)] = one(k)"])
@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
def test_every_call_is_a_run_with_the_rate_that_it_was_given(container: tuple[str, str, str], use: str) -> None:
    matches = found(f"{train('one', RULES['gd'], container, 'b', 'w')}\n{use}")

    assert sorted((match.verdict, match.hyperparameters["lr"]) for match in matches) == [
        ("matches", 1e-8),
        ("matches", 1e-7),
    ]


CLASS = """
class {name}:
    def __init__(self, lr): self.lr, self.G = lr, np.zeros(2)
    def step(self, p, g):
        {rule}
class Trainer:
    def fit(self, opt, n=300):
        p = np.array([-120.0, -4.0]); self.trail = [p.copy()]
        for _ in range(n):
            p = opt.step(p, np.array(grad(*p)))
            self.trail.append(p.copy())
        return self
"""


@pytest.mark.parametrize(
    ("rule", "verdict"),
    [
        ("self.G += g ** 2; return p - self.lr * g / np.sqrt(self.G)", "matches"),
        ("self.G += g ** 2; return p - self.lr * g / self.G", "differs"),
    ],
)
def test_a_run_by_an_optimizer_object_in_a_dict_under_its_methods_name_is_found(rule: str, verdict: str) -> None:
    cell = CLASS.format(name="AdaGrad", rule=rule) + "runs = {'AdaGrad': Trainer().fit(AdaGrad(5.0))}"

    assert verdicts(found(cell)) == [verdict]


def test_loops_outside_of_functions_are_found_by_what_they_write() -> None:
    right = "b, w, lr = -120.0, -4.0, 1e-7\nq1, q2 = [b], [w]\nfor i in range(300):\n    gb, gw = grad(b, w)\n"
    wrong = right.replace("q", "r")
    step = "    b -= lr * gb\n    w {} lr * gw\n    {}1.append(b)\n    {}2.append(w)\n"

    matches = found(right + step.format("-=", "q", "q"), wrong + step.format("+=", "r", "r"))

    assert [(match.verdict, match.names) for match in matches] == [("matches", ("q1", "q2")), ("differs", ("r1", "r2"))]


# -- runs that keep no history ---------------------------------------------------------------------------


def _match(cell: int, *path: tuple[float, float], names: tuple[str, ...] = ("b", "w"), rule: str = "gd") -> Match:
    curve = Curve(steps=tuple(range(len(path))), path=path)
    return Match(cell=cell, names=names, steps=len(path) - 1, verdict="matches", rule=rule, curve=curve)


RECORDED = {(2, "b"), (2, "w"), (3, "b"), (3, "w")}


def test_a_recorded_run_of_a_cell_that_is_short_of_runs_is_added() -> None:
    known = (_match(2, (0.0, 0.0), (1.0, 2.0), names=("bs", "ws")),)
    again = (*known, _match(2, (0.0, 0.0), (3.0, 4.0), rule="adagrad"), _match(3, (0.0, 0.0), (5.0, 6.0), rule="adam"))

    told = verify.unrecorded(known, again, RECORDED, {2})

    assert [(each.cell, each.rule) for each in told] == [(2, "gd"), (2, "adagrad")]
    assert [note.id for note in told[1].notes] == ["kernel.recorded"]


def test_a_run_that_kept_its_history_is_not_told_twice() -> None:
    known = (_match(2, (0.0, 0.0), (1.0, 2.0), names=("bs", "ws")),)
    again = (*known, _match(2, (9.0, 9.0), (2.0, 1.0)), _match(2, (0.0, 0.0), (7.0, 7.0)))

    assert verify.unrecorded(known, again, RECORDED, {2}) == known


def test_a_history_that_is_one_array_gives_way_to_what_the_loop_went_through() -> None:
    still = replace(_match(2, (1.0, 2.0), (1.0, 2.0), names=("h[:, 0]", "h[:, 1]")), verdict="differs")
    again = (still, _match(2, (0.0, 0.0), (1.0, 2.0)))

    (told,) = verify.unrecorded((still,), again, RECORDED, {2})

    assert told.verdict == "matches"
    assert [note.id for note in told.notes] == ["verify.aliased", "kernel.recorded"]
