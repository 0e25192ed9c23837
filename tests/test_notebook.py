"""Reading notebooks, what they declare, what changed, and what is made harmless before they run."""

from __future__ import annotations

import ast
import json
import pickle
import re
import sys
import textwrap
import tokenize
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

import nbformat
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader import files
from grader.feedback.catalogue import catalogue
from grader.model import Cell, GraderError, Limits, Notebook
from grader.notebook import (
    UnreadableError,
    budget,
    changes,
    declared,
    own_prose,
    parse,
    prose,
    reaches,
    read,
    recording,
    runnable,
    training,
)
from grader.notebook.constants import number
from grader.notebook.newer import older
from grader.notebook.reading import _REASONS
from grader.notebook.source import needs_newer, tree

BASE_PATH = Path(__file__).parents[1] / "rubrics" / "gradient_descent" / "gradient descent.ipynb"
BASE = read(BASE_PATH, limits=Limits())
DATA, DESCENT, ADAGRAD = (
    next(c.source for c in BASE.cells if word in c.source) for word in ("338.", "lr = 0.0", "lr = 1\n")
)


def notebook(*sources: str) -> Notebook:
    """Code cells; a source that begins with "md:" is a text cell."""
    cells = [(("markdown", s[3:]) if s.startswith("md:") else ("code", s)) for s in map(textwrap.dedent, sources)]
    return Notebook(cells=tuple(Cell(index=i, kind=kind, source=s) for i, (kind, s) in enumerate(cells, 1)))  # type: ignore[arg-type]


def raw(cells: list[Any] | None = None, **more: Any) -> str:
    cells = [{"cell_type": "code", "source": ["x = 1\n", "y = 2"]}] if cells is None else cells
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells} | more)


def named(book: Notebook) -> list[tuple[str, int, float]]:
    return [(d.name, d.cell, d.value) for d in declared(book)]


def changed(*sources: str) -> list[tuple[str, int, str | None, str | None]]:
    return [(c.name, c.cell, c.before, c.after) for c in changes(BASE, notebook(*sources))]


# -- the handed-out notebook -----------------------------------------------------------------------


def test_the_handed_out_notebook_is_valid_and_holds_no_outputs() -> None:
    book = nbformat.read(BASE_PATH, as_version=4)

    nbformat.validate(book)

    assert (book.nbformat, book.nbformat_minor) == (4, 5)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in book.cells)


def test_the_handed_out_notebook_trains_twice_with_the_lectures_numbers() -> None:
    start = {("b", -120.0), ("w", -4.0), ("iteration", 100000.0)}
    stated = {(cell, name, value) for name, cell, value in named(BASE)}

    assert {(8, n, v) for n, v in start | {("lr", 1e-7)}} <= stated
    assert {(11, n, v) for n, v in start | {("lr", 1.0)}} <= stated
    assert changes(BASE, BASE) == ()
    assert own_prose(BASE, BASE) == ()
    assert prose(BASE, BASE) == ()


@pytest.mark.slow
def test_the_handed_out_notebook_runs_to_the_reference_values() -> None:
    space: dict[str, Any] = {"np": np}
    ends = {}
    for cell in BASE.cells:
        if cell.kind == "code" and "plt" not in cell.source and "show_path" not in cell.source:
            exec(cell.source, space)  # noqa: S102 - our own notebook
            ends[cell.index] = space.get("b"), space.get("w")

    assert ends[8] == pytest.approx((-123.6921749751593, 2.4834016183794727), rel=1e-12)
    assert ends[11] == pytest.approx((-188.3668387495323, 2.6692640713379903), rel=1e-12)
    assert len(space["b_history"]) == 100_001


# -- reading ---------------------------------------------------------------------------------------


def test_cells_are_counted_from_one_with_their_sources_joined() -> None:
    book = parse(raw([{"cell_type": "markdown", "source": "# Hi"}, {"cell_type": "code", "source": ["a\r\n", "b"]}]))

    assert [(c.index, c.kind, c.source) for c in book.cells] == [(1, "markdown", "# Hi"), (2, "code", "a\nb")]


def test_nbformat_3_is_converted() -> None:
    old = nbformat.v3.new_notebook(
        worksheets=[nbformat.v3.new_worksheet(cells=[nbformat.v3.new_code_cell(input="lr = 0.1")])]
    )

    assert [c.source for c in parse(nbformat.v3.writes_json(old)).cells] == ["lr = 0.1"]


def test_nan_in_an_output_is_no_reason_to_refuse() -> None:
    text = raw([{"cell_type": "code", "source": "x", "outputs": [{"data": {"value": float("nan")}}]}])

    assert "NaN" in text
    assert parse(text).cells[0].source == "x"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "lfs-pointer"),
        ("<!DOCTYPE html><html></html>", "html"),
        ("import numpy as np\nlr = 1\n", "python-source"),
        ("# coding: utf-8\nlr = 1\n", "python-source"),
        ("hello there", "not-json"),
        (raw()[:-30], "truncated"),
        (raw()[:-1], "truncated"),
        ('{"cells": [\n<<<<<<< HEAD\n1\n=======\n2\n>>>>>>> b\n]}', "conflict"),
        ('{"cells": [}]', "not-json"),
        ("[" * 100_000 + "]" * 100_000, "too-deep"),
        ("[]", "not-a-notebook"),
        ('{"nbformat": 4}', "not-a-notebook"),
        ('{"nbformat": 3, "worksheets": 7}', "not-a-notebook"),
        (raw([{"cell_type": "code", "source": 7}]), "bad-cell"),
        (raw(["text"]), "bad-cell"),
        (raw(nbformat=5), "version"),
        (raw([{"cell_type": "raw", "source": ""}] * 5001), "too-many-cells"),
        (raw([{"cell_type": "raw", "source": "x" * 10_000_001}]), "too-much-source"),
        (raw([{"cell_type": "raw", "source": "\x01" * 2_000_000}]), "too-much-source"),
        (raw([{"cell_type": "raw", "source": "\ud800" * 2_000_000}]), "too-much-source"),
        (raw([{"cell_type": "code", "source": "a;" * 50_001}]), "too-much-code"),
        (raw([{"cell_type": "code", "source": "a;" * 20_000}] * 3), "too-much-code"),
        (raw([{"cell_type": "code", "source": f"x = {'-' * 200}1"}]), "too-deep-code"),
        (raw([{"cell_type": "code", "source": "x = " + " + ".join(["y"] * 200)}]), "too-deep-code"),
        (raw([{"cell_type": "code", "source": "a.b" * 10_000}]), "too-deep-code"),
        (raw([{"cell_type": "code", "source": "if a: b\n" + "elif c: d\n" * 200}]), "too-deep-code"),
        (raw(metadata={"language_info": {"name": "R"}}), "language"),
        (raw(metadata={"kernelspec": {"language": "julia"}}), "language"),
    ],
    ids=lambda value: value[:20].strip() or "blank",
)
def test_what_is_no_python_notebook_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(UnreadableError) as caught:
        parse(text)

    assert caught.value.problem.id == f"notebook.{reason}"
    assert caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"%PDF-1.7", "binary"),
        (b"PK\x03\x04abc", "binary"),
        (b"\x89PNG\r\n", "binary"),
        (b"\xa4\xa4\xa4\xe5 big5", "encoding"),
    ],
    ids=["pdf", "zip", "png", "big5"],
)
def test_a_file_of_another_kind_is_named_with_its_place(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "homework.ipynb"
    path.write_bytes(data)

    with pytest.raises(UnreadableError) as caught:
        read(path, limits=Limits())

    assert (caught.value.problem.id, caught.value.where) == (f"notebook.{reason}", str(path))


def test_a_utf_8_mark_and_utf_16_are_read(tmp_path: Path) -> None:
    path = tmp_path / "homework.ipynb"
    for encoding in ("utf-8-sig", "utf-16"):
        path.write_text(raw(), encoding=encoding)

        assert read(path, limits=Limits()).cells[0].source == "x = 1\ny = 2"


def test_a_file_over_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.ipynb"
    with path.open("wb") as file:
        file.truncate(3_000_000)

    with pytest.raises(UnreadableError, match=r"3.0 MB; 1.0 MB") as caught:
        read(path, limits=Limits(notebook_mb=1.0))

    assert caught.value.problem.parameters == {"found": 3.0, "allowed": 1.0}


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.ipynb", tmp_path):
        with pytest.raises(UnreadableError, match="no such file"):
            read(path, limits=Limits())


def test_a_file_that_breaks_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Path) -> BinaryIO:
        raise OSError(5, "Input/output error")

    path = tmp_path / "homework.ipynb"
    path.write_text(raw(), encoding="utf-8")
    monkeypatch.setattr(files, "opened", broken)

    with pytest.raises(UnreadableError, match="Input/output error"):
        read(path, limits=Limits())


def test_a_refusal_crosses_processes_whole() -> None:
    with pytest.raises(UnreadableError) as caught:
        parse("")

    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own bytes

    assert (again.problem, again.message, again.hint) == (caught.value.problem, caught.value.message, caught.value.hint)


def test_every_reason_has_a_sentence_in_both_languages() -> None:
    assert all({"en", "zh-TW"} <= catalogue()[reason].keys() for reason in _REASONS)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["cells", "nbformat", "metadata", "cell_type", "source", "x"]), inner, max_size=5
        )
    ),
    max_leaves=12,
)


@given(st.text(max_size=60) | JSON.map(json.dumps) | JSON.map(lambda cells: raw([cells])))
def test_whatever_the_text_it_is_a_notebook_or_a_grader_error(text: str) -> None:
    with suppress(GraderError):
        assert parse(text).language == "python"


# -- declared numbers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("b = -120", [("b", 1, -120.0)]),
        ("lr = 10**-7", [("lr", 1, 10.0**-7)]),
        ("lr = 1 / 10", [("lr", 1, 0.1)]),
        ("w, b = -4, -120", [("w", 1, -4.0), ("b", 1, -120.0)]),
        ("b = w = 0", [("b", 1, 0.0), ("w", 1, 0.0)]),
        ("n: int = int(1e5)", [("n", 1, 100000.0)]),
        ("small = 0.1\nlr = small * small", [("small", 1, 0.1), ("lr", 1, 0.1 * 0.1)]),
        ("self.lr = 0.1", [("lr", 1, 0.1)]),
        ("config = {'lr': 0.1}\nconfig['rho'] = 0.9", [("lr", 1, 0.1), ("rho", 1, 0.9)]),
        ("theta = np.array([-120., -4.])", [("theta[0]", 1, -120.0), ("theta[1]", 1, -4.0)]),
        ("for lr in [1e-7, 1e-6]:\n    pass", [("lr", 1, 1e-7), ("lr", 1, 1e-6)]),
        ("for i, lr in enumerate((1e-7, 1e-6)): pass", [("lr", 1, 1e-7), ("lr", 1, 1e-6)]),
        ("opt = torch.optim.SGD(p, lr=0.1, momentum=0.9)", [("lr", 1, 0.1), ("momentum", 1, 0.9)]),
        ("plt.plot(b, w, ms=3, alpha=0.5)", []),
        ("flag = True", []),
        ("i = 0\nwhile i < 5:\n    i = i + 1", [("i", 1, 0.0)]),
        ("x = 9**9**9**9", []),
        ("%matplotlib inline\nlr = 1\n!ls -l\nfiles = !ls", [("lr", 1, 1.0)]),
        ("%%time\nlr = 1", [("lr", 1, 1.0)]),
        ("%%bash\nlr=1", []),
        ("  lr = 1\n  b = 2", [("lr", 1, 1.0), ("b", 1, 2.0)]),
        ("text = '''\n% not magic\n'''\nlr = (1\n% 5)\nb = 3", [("b", 1, 3.0)]),
    ],
    ids=lambda value: value.split("\n")[0][:40] if isinstance(value, str) else "",
)
def test_declared_numbers_are_found(source: str, expected: list[tuple[str, int, float]]) -> None:
    assert named(notebook(source)) == expected


def test_arguments_and_defaults_of_the_notebooks_own_functions_are_declared_where_they_stand() -> None:
    book = notebook(
        """
        def train(lr, iteration=1000, *, b=-120):
            decay = 0.5
        """,
        "train(1e-6, 500)",
        "train(iteration=7, lr=1e-5)",
    )

    assert named(book) == [
        ("iteration", 1, 1000.0), ("b", 1, -120.0), ("decay", 1, 0.5),
        ("lr", 2, 1e-6), ("iteration", 2, 500.0), ("iteration", 3, 7.0), ("lr", 3, 1e-5),
    ]  # fmt: skip


def test_a_syntax_error_costs_only_its_own_cell() -> None:
    assert named(notebook("a = 1", "print 'two'\nb = 2", "c = 3")) == [("a", 1, 1.0), ("c", 3, 3.0)]


def test_lines_are_counted_within_the_cell() -> None:
    assert [(d.name, d.line) for d in declared(notebook("%matplotlib inline\n\nlr = 1"))] == [("lr", 3)]


NUMBERS = st.sampled_from(["-4.0", "120.0", "1e-7", "0.5", "2.0", ".25", "10.0", "0.0", "(3.0)", "1e300"])
EXPRESSIONS = st.recursive(
    NUMBERS,
    lambda inner: st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "//", "**"]), inner).map(
        lambda t: f"(({t[0]}){t[1]}({t[2]}))"
    ),
)


@given(EXPRESSIONS)
def test_a_constant_expression_has_pythons_value(text: str) -> None:
    """Evaluate a constant expression such as `-4`, `1e-7`, `10**5` or `1 / 10`; None where it is no constant."""
    try:
        value = eval(text)  # noqa: S307 - numbers and operators only
    except (ArithmeticError, TypeError):  # a root of a negative number is complex, which `//` refuses
        value = None

    assert number(ast.parse(text, mode="eval").body) == (value if isinstance(value, float) else None) or value != value


# -- what changed --------------------------------------------------------------------------------------


def test_a_value_changed_in_place_is_found() -> None:
    assert changed(DATA, DESCENT.replace("0.0000001", "1e-6")) == [("lr", 2, "1e-7", "1e-6")]


def test_renamed_variables_are_no_change_by_themselves() -> None:
    renamed = DESCENT.replace("lr", "learning_rate").replace("iteration", "epochs").replace("b_grad", "db")

    assert changed(DATA, renamed) == []
    assert changed(DATA, renamed.replace("100000", "2 * 10**5")) == [("iteration", 2, "100000", "200000")]


def test_each_copied_cell_is_compared_with_the_cell_it_resembles() -> None:
    copies = [DESCENT, DESCENT.replace("-120", "0"), ADAGRAD.replace("lr = 1\n", "lr = 10\n"), ADAGRAD]

    assert changed(DATA, *copies) == [("b", 3, "-120", "0"), ("lr", 4, "1", "10")]


def test_settings_in_an_earlier_cell_count_for_the_loop_that_uses_them() -> None:
    assert changed(DATA, DESCENT, "iteration = 500", "lr = 0.1", DESCENT.split("b_history", 1)[0] + "pass") == []
    head, loop = DESCENT.split("b_history = [b]", 1)

    assert changed(DATA, head.replace("0.0000001", "1e-6"), "b_history = [b]" + loop) == [("lr", 3, "1e-7", "1e-6")]


def test_a_loop_over_learning_rates_is_one_change_for_each() -> None:
    body = textwrap.indent(DESCENT.replace("lr = 0.0000001", "pass"), "    ")

    assert changed(DATA, f"for lr in [1e-8, 1e-7, 1e-6]:\n{body}") == [
        ("lr", 2, "1e-7", "1e-8"),
        ("lr", 2, "1e-7", "1e-6"),
    ]


TRAIN = """
def train(lr=1e-7, iteration=100000, b=-120, w=-4):
    x, y = np.array(x_data), np.array(y_data)
    path = [(b, w)]
    for _ in range(iteration):
        error = y - b - w * x
        b -= lr * -2 * error.sum()
        w -= lr * -2 * (error * x).sum()
        path.append((b, w))
    return path
"""


def test_arguments_of_a_training_function_are_changes_where_it_is_called() -> None:
    calls = [
        "first = train()",
        "train(1e-6, iteration=500)\ntrain(lr=1e-5)",
        "for rate in (1e-9, 1e-7):\n    train(rate)",
    ]

    assert changed(DATA, TRAIN, *calls) == [
        ("lr", 4, "1e-7", "1e-6"),
        ("iteration", 4, "100000", "500"),
        ("lr", 4, "1e-7", "1e-5"),
        ("lr", 5, "1e-7", "1e-9"),
    ]


def test_a_call_is_read_by_the_definition_that_was_in_force() -> None:
    again = TRAIN.replace("def train(", "def train(verbose, ")

    assert changed(DATA, TRAIN, "train(1e-6)", again, "train(1, 1e-5)") == [
        ("lr", 3, "1e-7", "1e-6"),
        ("lr", 5, "1e-7", "1e-5"),
    ]
    assert named(notebook("f(1e-6)", "def f(lr): return lr", "def f(n, lr): return lr")) == [("lr", 1, 1e-6)]


def test_what_is_no_whole_number_is_no_number_of_steps() -> None:
    assert changed(DATA, TRAIN, "train(iteration=0.5)") == []


def test_a_class_with_settings_is_followed_into_its_loop() -> None:
    model = """
    class Line:
        def __init__(self, lr=1e-7, epochs=100000):
            self.lr, self.epochs = lr, epochs
        def fit(self, b=-120, w=-4):
            for _ in range(self.epochs):
                b_grad, w_grad = gradient(b, w)
                b = b - self.lr * b_grad
                w = w - self.lr * w_grad
    """

    assert changed(model, "Line(lr=1e-6).fit()\nm = Line(epochs=10)\nm.fit()") == [
        ("lr", 2, "1e-7", "1e-6"),
        ("iteration", 2, "100000", "10"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "b = b - lr * b_grad\n    w = w - lr * w_grad",
            "vb = 0.9 * vb - lr * b_grad\n    vw = 0.9 * vw - lr * w_grad\n    b = b + vb\n    w = w + vw",
            [("optimizer", 2, "gd", "momentum")],
        ),
        (
            "b = b - lr * b_grad\n    w = w - lr * w_grad",
            "sb = 0.9 * sb + 0.1 * b_grad**2\n    b = b - lr / np.sqrt(sb) * b_grad",
            [("optimizer", 2, "adagrad", "rmsprop"), ("lr", 2, "1", "1e-7")],
        ),
    ],
    ids=["momentum", "rmsprop"],
)
def test_another_update_rule_is_a_changed_optimizer(old: str, new: str, expected: list[Any]) -> None:
    assert old in DESCENT
    assert changed(DATA, DESCENT.replace(old, new)) == expected


def test_a_new_hyperparameter_has_no_value_before() -> None:
    step = "velocity = momentum * velocity - lr * b_grad\n    b = b + velocity"
    source = "momentum = 0.9\nvelocity = 0\n" + DESCENT.replace("b = b - lr * b_grad", step)

    assert ("momentum", 2, None, "0.9") in changed(DATA, source)


def test_changed_data_is_named_with_its_place() -> None:
    assert changed(DATA.replace("633.", "663."), DESCENT) == [("data", 2, "y_data[1] = 633", "y_data[1] = 663")]
    assert changed(DATA.replace(", 606.]", "]").replace(", 1591.]", "]"), DESCENT)[0][2:] == ("x_data: 10", "x_data: 9")


def test_without_training_in_the_base_there_is_nothing_to_compare_with() -> None:
    assert changes(Notebook(), BASE) == ()


def test_deep_and_endless_code_is_given_up_quietly() -> None:
    recursive = "def f(lr):\n    f(lr)\n    f(lr)\n    f(lr)\nf(1)"
    nested = "".join(f"{'    ' * n}for a{n} in [1, 2, 3, 4, 5, 6, 7, 8]:\n" for n in range(12)) + "    " * 12 + "pass"

    assert changed(recursive, nested, "-" * 100_000 + "1", "(" * 1000) == []


# -- prose -----------------------------------------------------------------------------------------------


def test_prose_is_what_the_student_wrote_and_not_what_was_handed_out() -> None:
    given = next(c for c in BASE.cells if c.kind == "markdown")
    book = notebook(
        f"md:{given.source}\nMy own line.",
        "md:lr 變大會發散",
        DESCENT.replace("# learning rate", "# ten times larger: faster"),
        "# lr = 1\nprint('It diverges now.')  # 發散了",
    )

    assert own_prose(BASE, book) == (1, 2)
    assert [(p.cell, p.text, p.kind) for p in prose(BASE, book)] == [
        (1, "My own line.", "text"),
        (2, "lr 變大會發散", "text"),
        (3, "ten times larger: faster", "comment"),
        (4, "It diverges now.", "comment"),
    ]


# -- made harmless -----------------------------------------------------------------------------------------

INLINE = "module://matplotlib_inline.backend_inline"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("%matplotlib notebook", "%matplotlib inline"),
        ("%matplotlib widget\nx = 1", "%matplotlib inline\nx = 1"),
        ("%matplotlib tk", "%matplotlib inline"),
        ("%matplotlib inline", "%matplotlib inline"),
        ("%matplotlib qt5  # window", "%matplotlib inline"),
        (
            "get_ipython().run_line_magic('matplotlib', 'notebook')",
            "get_ipython().run_line_magic('matplotlib', 'inline')",
        ),
        ("matplotlib.use('TkAgg')", f"matplotlib.use('{INLINE}')"),
        ('import matplotlib; matplotlib.use("Qt5Agg")', f"import matplotlib; matplotlib.use('{INLINE}')"),
        ("plt.switch_backend('agg')", f"plt.switch_backend('{INLINE}')"),
        ("plt.style.use('ggplot')", "plt.style.use('ggplot')"),
        ("!pip install seaborn", "pass"),
        ("%pip install -q tqdm", "pass"),
        ("!python -m pip install x", "pass"),
        ("if True:\n    !wget http://x", "if True:\n    pass"),
        ("!ls", "!ls"),
        ("%debug", "pass"),
        ("%reset", "%reset -f"),
        ("%%time\nx = 1", "pass\nx = 1"),
        ("%timeit -n 10 f()", "%time f()"),
        ("input('Press enter')", "pass"),
        ("x = input('lr?')", "x = input('lr?')"),
        ("from google.colab import drive\ndrive.mount('/content/drive')\nlr = 1", "pass\npass\nlr = 1"),
        ("from tqdm.notebook import tqdm, trange", "from tqdm import tqdm, trange"),
        ("from tqdm import tqdm_notebook as tqdm", "from tqdm import tqdm as tqdm"),
        ("for i in tnrange(9): pass", "for i in trange(9): pass"),
        (" b = -120\n w = -4", "b = -120\nw = -4"),
        ("# a comment\n  b = -120\n\n  w = -4", "# a comment\nb = -120\n\nw = -4"),
        ("x = 1\n  y = 2", "x = 1\n  y = 2"),
        ("%%bash\npip install x", "%%bash\npip install x"),
        ("s = '''\n!pip install x\n%matplotlib tk\n'''", "s = '''\n!pip install x\n%matplotlib tk\n'''"),
        ("x = (7\n%debug)", "x = (7\n%debug)"),
    ],
    ids=lambda value: value[:40].replace("\n", " "),
)
def test_what_cannot_run_unattended_is_made_harmless(source: str, expected: str) -> None:
    assert runnable(source) == expected


@given(st.text(alphabet=st.sampled_from(" \n%!?'\"#()\\=ab1pi"), max_size=60))
@settings(max_examples=200)
def test_lines_keep_their_numbers(source: str) -> None:
    assert runnable(source).count("\n") == source.count("\n")


@pytest.mark.parametrize("cell", [c for c in BASE.cells if c.kind == "code"], ids=lambda c: str(c.index))
def test_ordinary_cells_are_left_as_they_are(cell: Cell) -> None:
    assert runnable(cell.source) == cell.source


# -- loops that keep no history ------------------------------------------------------------------------

CARRIED = [
    pytest.param("for i in range(9):\n    w = w - lr * g(w)\n    b -= lr", ("w", "b"), id="plain"),
    pytest.param("for i in range(9):\n    w, b = step(x, y, w, b, lr)", ("w", "b"), id="returned"),
    pytest.param("for i in range(9):\n    new = w - lr * g(w)\n    w = new", ("w",), id="by-way-of-another"),
    pytest.param("for i in range(9):\n    self.w -= lr * self.g()", ("self.w",), id="attribute"),
    pytest.param("for i in range(9):\n    theta[0] -= lr\n    theta[1] -= lr", ("theta",), id="item"),
    pytest.param("i = 0\nwhile i < 9:\n    w = w - lr\n    i += 1", ("w",), id="counter"),
    pytest.param("while True:\n    w = w - lr\n    i = i + 1", ("w",), id="counter-spelled-out"),
    pytest.param("for i in t:\n    g = 0.0\n    for n in x:\n        g = g - n\n    w = w - lr * g", ("w",), id="sum"),
    pytest.param("for i in range(9):\n    p = [v * w for v in x]\n    w = w - sum(p)", ("w",), id="comprehension"),
    pytest.param("for lr in rates:\n    w = 1.0\n    for i in t:\n        w = w - lr * w", ("w",), id="inner-loop"),
    pytest.param("for i in t:\n    s = s + g(w)**2\n    w = w - lr * g(w) / s", ("w",), id="sum-of-squares"),
    pytest.param("for i in t:\n    s += g * g\n    v = 0.9 * v - lr * g\n    w += v", ("w",), id="velocity"),
    pytest.param("for p in x:\n    print(p)", (), id="no-update"),
    pytest.param("for p in x:\n    h.append(p)", (), id="only-appends"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "names"), CARRIED)
def test_a_record_is_taken_of_what_a_loop_carries_from_turn_to_turn(source: str, names: tuple[str, ...]) -> None:
    written = recording(notebook(source))

    told = written.cells[0].source if written else ""
    assert re.findall(r"recorder\('', (\(.*?\))\)", told) == ([repr(names)] if names else [])
    assert told.count("_grader_record(locals())") == (1 if names else 0)


def test_a_recorded_loop_does_what_it_did() -> None:
    source = "w = 8.0\nfor i in range(3):\n    w = w / 2"
    seen: list[float] = []

    def record(space: dict[str, Any]) -> Any:
        seen.append(space["w"])
        return record

    written = recording(notebook(source))
    assert written is not None
    space: dict[str, Any] = {"_grader_kept": SimpleNamespace(recorder=lambda *_: record)}
    exec(written.cells[0].source, space)  # noqa: S102 - our own three lines

    assert (space["w"], seen) == (1.0, [8.0, 4.0, 2.0, 1.0])


def test_magics_do_not_keep_a_loop_from_being_recorded() -> None:
    assert recording(notebook("%%time\nfor i in range(3):\n    w = w / 2")) is not None


@given(st.text(alphabet="wbi=-+* \n\t:()[].for1%", max_size=60))
@settings(max_examples=100, deadline=None)
def test_whatever_a_cell_holds_what_is_recorded_is_python(source: str) -> None:
    written = recording(notebook(source))

    assert written is None or compile(written.cells[0].source, "cell", "exec").co_filename == "cell"


# -- syntax of a newer Python ------------------------------------------------------------------------

NEWER = {
    "same-quotes": ("d = {'a': 1.5}\nprint(f'{d['a']}')", "1.5\n"),
    "format": ("d = {'a': 1.5}\nprint(f'{d['a']:.3f} {d['a']!r:>{10}} {{x}}')", "1.500        1.5 {x}\n"),
    "format-of-names": ("w = 8\nd = {'k': 3.14159}\nprint(f'{d['k']:>{w}.{2}f}|\\N{DEGREE SIGN}')", "    3.14|°\n"),
    "backslash": ("print(f'{'\\n'.join(['a', 'b'])}')", "a\nb\n"),
    "raw": ("d = {'k': 3.14}\nprint(rf'\\alpha {d['k']:.1f}')", "\\alpha 3.1\n"),
    "shows-itself": ("d = {'a': 1}\nprint(f'{d['a']=}')", "d['a']=1\n"),
    "lines": ("x = 1\ns = f'{\n  x\n}'\nprint(s)", "1\n"),
    "long": ("d = {'k': 3}\nprint(f'''a {d['k']}\n{'''z'''}''', f'{d['k'] != 3}')", "a 3\nz False\n"),
    "nested": ("print(f'{f'{f'{1 + 1}'}'}')", "2\n"),
    "type": ("type Vector = list[float]\nprint(1)", "1\n"),
}


@pytest.mark.parametrize(("source", "printed"), NEWER.values(), ids=NEWER)
def test_syntax_of_a_newer_python_is_written_as_an_older_one_runs_it(
    source: str, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = older(source)
    exec(compile(text, "cell", "exec"), {})  # noqa: S102 - our own lines above

    assert capsys.readouterr().out == printed
    assert text.count("\n") == source.count("\n")
    assert tree(source) is not None


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="this Python knows that syntax")
@pytest.mark.parametrize("source", [source for source, _ in NEWER.values()], ids=NEWER)
def test_a_cell_is_translated_with_its_magics_beside_it(source: str) -> None:
    assert needs_newer(f"%matplotlib inline\n{source}")
    assert "%matplotlib inline" in runnable(f"%matplotlib inline\n{source}")


@pytest.mark.parametrize(
    "source", ["print(f'{x')", "print 'a'", "# it's f'{d['a']}\nx = (", "x = 1：2", "x = 1", "f'", "f'{", "f'{'"]
)
def test_a_mistake_is_no_newer_syntax(source: str) -> None:
    assert not needs_newer(source)


@given(st.text(alphabet="f'\"{}[]()a:!=\\\n#t ", max_size=40))
@settings(max_examples=200, deadline=None)
def test_whatever_stands_in_a_cell_it_is_written_for_an_older_python_or_left(source: str) -> None:
    assert older(source).count("\n") == source.count("\n")
    assert not needs_newer(source) or tree(source) is not None


# -- what JSON may hold and no file can --------------------------------------------------------------


def test_half_an_emoji_is_replaced_and_a_whole_one_stays() -> None:
    half, whole = parse(_with_source("# a\ud83d b")), parse(_with_source("# \U0001f600"))

    assert half.cells[0].source == "# a\ufffd b"
    assert whole.cells[0].source == "# \U0001f600"


@pytest.mark.parametrize(
    ("metadata", "may_fail"),
    [
        ({"tags": ["raises-exception"]}, True),
        ({"tags": ["x"]}, False),
        ({"tags": 5}, False),
        ({}, False),
        (None, False),
    ],
)
def test_a_cell_says_by_a_tag_that_it_may_fail(metadata: Any, may_fail: bool) -> None:
    content = {"nbformat": 4, "cells": [{"cell_type": "code", "source": "1/0", "metadata": metadata}]}

    assert parse(json.dumps(content)).cells[0].may_fail is may_fail


def _with_source(source: str) -> str:
    return json.dumps({"nbformat": 4, "cells": [{"cell_type": "code", "source": source}]})


# -- Colab's modules -----------------------------------------------------------------------------------


def test_a_guard_sees_that_this_is_not_colab() -> None:
    guard = "try:\n    from google.colab import drive\n    drive.mount('/content')\nexcept ImportError:\n    pass"

    assert runnable(guard).split("\n")[1].strip() == "from google.colab import drive"
    assert runnable("from google.colab import drive\ndrive.mount('/content')") == "pass\npass"


@pytest.mark.parametrize(
    "source",
    ["# " + "-" * 300_000, "x = '" + "y" * 400_000 + "'", "x = [" + "1.5, " * 45_000 + "]"],
    ids=["text", "string", "numbers"],
)
def test_long_text_and_many_numbers_are_not_too_much_code(source: str) -> None:
    kind = "markdown" if source.startswith("#") else "code"

    assert parse(raw([{"cell_type": kind, "source": source}])).cells[0].source == source


def test_every_kind_of_code_that_is_allowed_can_be_looked_into() -> None:
    deep = [
        "b = 0\nfor i in range(9):\n  b = b + " + "-" * 90 + "1",
        "b = 0\nfor i in range(9):\n  b = b * " + " * ".join(["1.1"] * 90),
        "if a:\n  b = 1\n" + "elif a:\n  b = 1\n" * 40,
        "\n".join(" " * i + "for a in b:" for i in range(18)) + "\n" + " " * 18 + "x = x + 1",
        "x = " + "lambda: " * 90 + "1",
        "x = a" + ".f(1)" * 45,
    ]
    given = parse(raw([{"cell_type": "code", "source": source} for source in deep]))
    other = parse(raw([{"cell_type": "code", "source": source.replace("1", "2")} for source in deep]))

    assert declared(given)
    assert recording(given) is not None
    assert [reaches(cell.source) for cell in given.cells] == [()] * len(deep)
    changes(given, other)


def test_a_product_of_products_is_looked_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    walked = 0
    walk = ast.walk

    def counted(node: ast.AST) -> Iterator[ast.AST]:
        nonlocal walked
        for each in walk(node):
            walked += 1
            yield each

    monkeypatch.setattr(ast, "walk", counted)
    work = []
    for count in (20, 80):
        walked = 0
        training.updates(ast.parse("b = b * " + " * ".join(["1.1"] * count)).body)
        work.append(walked)

    assert work[1] <= 5 * work[0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"nbformat": 4, "cells": [' + "{}," * 1001 + "{}]}", "too-many-values"),
        ('{"nbformat": 4, "cells": [' + '"",' * 1001 + '""]}', "too-many-values"),
        ('{"nbformat": 4, ' + ",".join(f'"{n}":0' for n in range(1001)) + "}", "too-many-values"),
        (json.dumps({"nbformat": 3, "worksheets": [{"cells": [{}] * 3000}] * 2}), "too-many-cells"),
        (json.dumps({"nbformat": 2, "worksheets": [{"cells": [{}] * 5001}]}), "too-many-cells"),
        (json.dumps({"nbformat": 1, "cells": [{}] * 5001}), "too-many-cells"),
    ],
    ids=["objects", "strings", "keys", "format-3", "format-2", "format-1"],
)
def test_more_values_than_any_notebook_has_are_counted_before_they_are_parsed(
    text: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if reason == "too-many-values":
        monkeypatch.setattr(budget, "MAX_VALUES", 1000)

    with pytest.raises(UnreadableError) as caught:
        parse(text)

    assert caught.value.problem.id == f"notebook.{reason}"


def test_brackets_and_commas_in_text_are_no_values() -> None:
    source = '[{"a": 1}, "\\\\"],' * 100_000

    assert parse(raw([{"cell_type": "raw", "source": source}])).cells[0].source == source


def test_that_a_cell_is_not_python_is_found_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    given = notebook("this is no code, %$", "x = 1")
    parsed: list[str] = []
    parse_ = ast.parse

    def noted(source: str) -> ast.Module:
        parsed.append(source)
        return parse_(source)

    with monkeypatch.context() as patch:  # pytest parses as well, where it tells of a failure
        patch.setattr(ast, "parse", noted)
        for _ in range(5):
            declared(given)

    assert parsed.count("this is no code, %$") <= 2


def test_a_line_of_code_that_nobody_writes_is_not_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    read_: list[str] = []
    generate = tokenize.generate_tokens

    def noted(readline: Callable[[], str]) -> Iterator[tokenize.TokenInfo]:
        def line() -> str:
            read_.append(readline())
            return read_[-1]

        return generate(line)

    monkeypatch.setattr(tokenize, "generate_tokens", noted)

    found = prose(Notebook(), notebook("x = '" + "'a " * 20_000 + "\ny = 1  # the lr is larger here"))

    assert [(each.line, each.text) for each in found] == [(2, "the lr is larger here")]
    assert max(map(len, read_)) <= 1001


# -- sentences in calls ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("show(b, w, 'lr=1e-6: closer to the minimum than lr=1e-7')", "lr=1e-6: closer to the minimum than lr=1e-7"),
        ("ax.set_title('the larger rate falls faster')", "the larger rate falls faster"),
        ("plt.plot(b, label='學習率變大之後比較快')", "學習率變大之後比較快"),
        ("plt.suptitle('Momentum overshoots and then comes back')", "Momentum overshoots and then comes back"),
    ],
)
def test_a_sentence_that_a_figure_or_a_function_is_given_is_prose(source: str, text: str) -> None:
    assert [line.text for line in prose(Notebook(), notebook(source))] == [text]


@pytest.mark.parametrize(
    "source", ["plt.plot(b, w, 'o-', label='lr = 1e-6')", "open('a.txt', encoding='utf-8')", "f(1)"]
)
def test_a_label_or_a_word_is_no_sentence(source: str) -> None:
    assert prose(Notebook(), notebook(source)) == ()
