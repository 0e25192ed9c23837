"""What a cell showed, reduced to bounded plain facts."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any, get_args

import nbformat.v4 as v4
import pytest
from nbformat import NotebookNode

from grader.feedback.catalogue import template
from grader.kernel.machine import TABLE, Entry
from grader.kernel.outputs import clean, failure, images, printed, with_consequences
from grader.model import CellRun, Lack, Language

PNG = b"\x89PNG\r\n\x1a\n" + bytes(10)


def cell(*outputs: Any, count: int | None = 3) -> Any:
    return NotebookNode(outputs=list(outputs), execution_count=count)


def error(name: str, value: str = "", traceback: tuple[str, ...] = ()) -> Any:
    return v4.new_output("error", ename=name, evalue=value, traceback=list(traceback))


def stream(text: str, name: str = "stdout") -> Any:
    return v4.new_output("stream", name=name, text=text)


def test_printed_text_is_bounded_and_keeps_both_ends() -> None:
    text = printed(cell(stream("first\n" + "x" * 100_000 + "\nlast")))

    assert len(text) < 20_010
    assert text.startswith("first")
    assert text.endswith("last")


def test_printed_text_holds_no_colours_controls_or_direction_marks() -> None:
    assert printed(cell(stream("\x1b[31mred\x1b[0m\u202e\x07 ok\n"))) == "red ok\n"
    assert clean("\x1b]8;;http://x\x07link\x1b]8;;\x07") == "link"


def test_warnings_are_not_what_the_cell_printed() -> None:
    assert printed(cell(stream("warning", "stderr"), stream("text"))) == "text"


def test_the_value_that_a_cell_ends_with_counts_as_printed() -> None:
    assert printed(cell(v4.new_output("execute_result", data={"text/plain": "4"}, execution_count=1))) == "4\n"


@pytest.mark.parametrize("data", ["junk", base64.b64encode(b"<svg>").decode(), "é", 5, None])
def test_only_a_png_counts_as_a_figure(data: Any) -> None:
    fake = NotebookNode(output_type="display_data", data={"image/png": data})
    real = v4.new_output("display_data", data={"image/png": base64.b64encode(PNG).decode()})

    assert images(cell(fake, real)) == (hashlib.sha256(PNG).hexdigest(),)


def test_an_error_is_one_bounded_line() -> None:
    found = failure(cell(error("ValueError", "\x1b[31m" + "two\nlines " * 100)))

    assert found is not None
    assert found.text.startswith("ValueError: two lines two")
    assert "\n" not in found.text
    assert len(found.text) == 300


def test_the_line_is_the_last_one_in_this_very_cell() -> None:
    frames = ("\x1b[36mCell\x1b[39m In[3], line 7\n", "Cell In[3], line 2, in f(x)", "Cell In[1], line 40, in g()")
    found = failure(cell(error("ValueError", "", frames)))

    assert found is not None
    assert found.line == 2


@pytest.mark.parametrize("traceback", [None, "text", [1, 2], ["x"] * 1000])
def test_a_traceback_that_is_none_gives_no_line(traceback: Any) -> None:
    node = cell()
    node.outputs = [NotebookNode(output_type="error", ename="ValueError", evalue="", traceback=traceback)]
    found = failure(node)

    assert found is not None
    assert found.line is None


@pytest.mark.parametrize(
    ("name", "value", "environment"),
    [
        ("ModuleNotFoundError", "No module named 'torch'", True),
        ("FileNotFoundError", "housing.csv", True),
        ("AttributeError", "module 'numpy' has no attribute 'int'.\n`np.int` was a deprecated alias for", True),
        ("AttributeError", "`np.NaN` was removed in the NumPy 2.0 release. Use `np.nan` instead.", True),
        ("AttributeError", "module 'numpy' has no attribute 'arragne'", False),
        ("AttributeError", "module 'numpy' has no attribute 'product'", True),
        ("CalledProcessError", "Command 'b'ls /content' returned non-zero exit status 2.", True),
        ("AttributeError", "'DataFrame' object has no attribute 'append'", True),
        ("TypeError", "FigureBase.gca() got an unexpected keyword argument 'projection'", True),
        ("TypeError", "AbstractMovieWriter.__init__() got an unexpected keyword argument 'extra_args'", True),
        ("TypeError", "unsupported operand type(s) for -: 'str' and 'float'", False),
        ("ValueError", "setting an array element with a sequence. ... inhomogeneous shape after 1 dimensions", True),
        ("OSError", "out of pty devices", True),
        ("TclError", "no display name and no $DISPLAY environment variable", True),
        ("ValueError", "shapes (2,) and (3,) not aligned", False),
        ("NameError", "name 'x' is not defined", False),
        ("SyntaxError", "invalid syntax", False),
        ("TypeError", "train() got an unexpected keyword argument 'size'", False),
        ("TypeError", "Axes.plot() got an unexpected keyword argument 'colour'", False),
        ("AttributeError", "module 'numpy' has no attribute 'arrray'", False),
        ("AttributeError", "'list' object has no attribute 'append_all'", False),
        ("KeyError", "'b_history'", False),
        ("OSError", "Cannot load file containing pickled data", False),
        ("TypeError", "step() takes 2 positional arguments but 3 were given", False),
    ],
)
def test_errors_of_the_machine_are_told_from_the_students(name: str, value: str, environment: bool) -> None:
    found = failure(cell(error(name, value)))

    assert found is not None
    assert (found.lacks is not None) is environment


LACKING = [
    ("EOFError", "EOF when reading a line", "input"),
    ("StdinNotImplementedError", "raw_input was called, but this frontend does not support input requests.", "input"),
    ("PermissionError", "[Errno 13] Permission denied: '/content/out.png'", "place"),
    ("OSError", "[Errno 30] Read-only file system: '/kaggle/working/a.csv'", "place"),
    ("OSError", "Cannot save file into a non-existent directory: '/content/drive'", "place"),
    ("FileNotFoundError", "[Errno 2] No such file or directory: 'data.csv'", "file"),
    ("FileNotFoundError", "[Errno 2] No such file or directory: 'ffmpeg'", "program"),
    ("RuntimeError", "Requested MovieWriter (ffmpeg) not available", "program"),
    ("TypeError", "only 0-dimensional arrays can be converted to Python scalars", "one-element"),
    ("ValueError", "setting an array element with a sequence.", "one-element"),
    ("AttributeError", "`np.Inf` was removed in the NumPy 2.0 release. Use `np.inf` instead.", "removed"),
    ("AttributeError", "module 'time' has no attribute 'clock'", "removed"),
    ("AttributeError", "module 'collections' has no attribute 'Iterable'", "removed"),
    ("AttributeError", "Polygon.set() got an unexpected keyword argument 'normed'", "removed"),
    ("TypeError", "Axes.stem() got an unexpected keyword argument 'use_line_collection'", "removed"),
    ("TypeError", "scatterplot() takes from 0 to 1 positional arguments but 2 were given", "removed"),
    ("TypeError", "DataFrame.drop() takes from 1 to 2 positional arguments but 3 were given", "removed"),
    ("AttributeError", "'DataFrame' object has no attribute 'applymap'", "removed"),
    ("AttributeError", "module 'scipy' has no attribute 'misc'", "removed"),
    ("AttributeError", "'NoneType' object has no attribute 'window'", "window"),
    ("Error", "unsupported locale setting", "setting"),
    ("KeyError", "'getpwuid(): uid not found: 1000'", "setting"),
    ("RuntimeError", "can't start new thread", "resources"),
    ("ConnectionError", "HTTPSConnectionPool(host='example.org', port=443)", "network"),
]


@pytest.mark.parametrize(("name", "value", "lacks"), LACKING)
def test_an_error_of_the_machine_says_what_is_lacking(name: str, value: str, lacks: str) -> None:
    found = failure(cell(error(name, value)))

    assert found is not None
    assert found.lacks == lacks


@pytest.mark.parametrize("lacks", sorted(set(get_args(Lack)) - {"follows"}))
@pytest.mark.parametrize("language", ["en", "zh-TW"])
def test_whatever_is_lacking_the_student_is_told_what_to_do(lacks: str, language: Language) -> None:
    assert template(f"runs.hint-lacks-{lacks}", language)


@pytest.mark.parametrize("entry", TABLE, ids=lambda entry: f"{entry.lacks}-{entry.source[:30]}")
def test_every_entry_of_the_table_is_of_something_that_a_student_can_act_on(entry: Entry) -> None:
    assert entry.lacks in get_args(Lack)
    assert re.compile(entry.exceptions)
    assert re.compile(entry.said)
    assert entry.source


def test_leaving_by_sys_exit_is_no_error() -> None:
    assert failure(cell(error("SystemExit", "0"))) is None


def test_a_name_that_only_an_earlier_mistake_left_unbound_points_there() -> None:
    sources = [
        "h = []\nfor i in range(3): h.append(1 / 0)\nlast = h[-1]",
        "print(last)",
        "more = last\nother",
        "print(more)",
    ]
    errors = [
        "ZeroDivisionError: division by zero",
        "NameError: name 'last' is not defined",
        "NameError: name 'other' is not defined",
        "NameError: name 'more' is not defined",
    ]
    runs = [CellRun(index=i, status="error", error=said) for i, said in enumerate(errors, 1)]

    assert [run.follows for run in with_consequences(runs, sources)] == [None, 1, None, 3]


def test_what_a_cell_that_is_no_python_would_have_bound_points_there() -> None:
    runs = [
        CellRun(index=1, status="error", error="SyntaxError: '(' was never closed"),
        CellRun(index=2, status="error", error="NameError: name 'history' is not defined"),
    ]

    told = with_consequences(runs, ["history = train(lr=1\nprint(2)", "plot(history)"])

    assert [run.follows for run in told] == [None, 1]


def test_a_name_that_was_bound_again_does_not_point_back() -> None:
    runs = [
        CellRun(index=1, status="error", error="ZeroDivisionError: division by zero"),
        CellRun(index=2, status="ok"),
        CellRun(index=3, status="error", error="NameError: name 'h' is not defined"),
    ]

    told = with_consequences(runs, ["h = 1 / 0", "h = 1", "del h\nprint(h)"])

    assert told[2].follows is None


def test_what_follows_from_an_error_of_the_machine_is_the_machines_too() -> None:
    sources = (
        "%matplotlib inline\nimport torch\nimport numpy as np\ndata = torch.ones(3)",
        "x = np.zeros(3)\nmodel = fit(x)",
        "model.weights",
        "b = undefined_by_anyone",
        "import numpy as np",
        "np.nope\nnp2",
    )
    errors = (
        "ModuleNotFoundError: No module named 'torch'",
        "NameError: name 'np' is not defined",
        "NameError: name 'model' is not defined",
        "NameError: name 'undefined_by_anyone' is not defined",
        None,
        "NameError: name 'np' is not defined",
    )
    runs = [
        CellRun(index=i, status="error" if said else "ok", error=said, lacks="package" if i == 0 else None)
        for i, said in enumerate(errors)
    ]

    assert [run.environment for run in with_consequences(runs, sources)] == [True, True, True, False, False, False]


def test_what_a_failed_star_import_would_have_bound_is_missed_because_of_the_machine() -> None:
    runs = [
        CellRun(index=1, status="error", error="ModuleNotFoundError: No module named 'testCases'", lacks="file"),
        CellRun(index=2, status="error", error="NameError: name 'a_test_case' is not defined"),
    ]

    told = with_consequences(runs, ["from testCases import *", "a_test_case()"])

    assert [run.environment for run in told] == [True, True]


def test_a_name_that_is_only_a_functions_own_is_still_missing() -> None:
    runs = [
        CellRun(index=1, status="error", error="FileNotFoundError: data.csv", lacks="file"),
        CellRun(index=2, status="ok"),
        CellRun(index=3, status="error", error="NameError: name 'x' is not defined"),
    ]

    told = with_consequences(runs, ["x = read('data.csv')", "def f():\n    x = 1", "print(x)"])

    assert [run.environment for run in told] == [True, False, True]


def test_a_model_that_could_not_be_fitted_is_no_mistake_of_the_student() -> None:
    sources = [
        "data = read('data.csv')",
        "table = {}\nmodel = Model()",
        "table[0] = data[0]\nmodel.fit(np.array(data))",
        "print(model.coef_)",
        "print(table[0])",
        "print(np.arrray(3))",
        "print(other[3])",
    ]
    errors = [
        "FileNotFoundError: data.csv",
        None,
        "NameError: name 'data' is not defined",
        "AttributeError: 'Model' object has no attribute 'coef_'",
        "KeyError: 0",
        "AttributeError: module 'numpy' has no attribute 'arrray'",
        "KeyError: 3",
    ]
    runs = [
        CellRun(index=i, status="error" if said else "ok", error=said, lacks="package" if i == 0 else None)
        for i, said in enumerate(errors)
    ]

    told = with_consequences(runs, sources)

    assert [run.environment for run in told] == [True, False, True, True, True, False, False]


@pytest.mark.parametrize(
    ("source", "missing"), [("import google.colab", "google"), ("from google.colab import drive, files", "files")]
)
def test_what_only_colab_has_is_missing_because_of_the_machine(source: str, missing: str) -> None:
    runs = [
        CellRun(index=1, status="ok"),
        CellRun(index=2, status="error", error=f"NameError: name '{missing}' is not defined"),
    ]

    told = with_consequences(runs, [source, f"{missing}.upload()"])

    assert [run.environment for run in told] == [False, True]
