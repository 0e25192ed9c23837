"""Words by which a cell reaches past its own variables."""

from __future__ import annotations

import pytest

from grader.notebook import reaches


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("exec(open('x').read())", ("exec",)),
        ("get_ipython()._grader_capture = None", ("get_ipython()._grader_capture",)),
        ("ip = get_ipython()\nip.events.register('post_run_cell', f)", ("get_ipython()",)),
        ("import threading as t, sys\nsys.settrace(f)", ("threading", "sys.settrace")),
        ("from sys import modules, path\nfrom ctypes.util import find_library", ("sys.modules", "ctypes.util")),
        ("globals()['b_history'] = made\nglobals()", ("globals",)),
    ],
)
def test_what_reaches_past_a_cell_is_named_once(source: str, words: tuple[str, ...]) -> None:
    assert reaches(source) == words


@pytest.mark.parametrize(
    "source",
    [
        "%matplotlib inline\n!pip install numpy",
        "get_ipython().run_line_magic('matplotlib', 'inline')",
        "import sys, numpy as np\nprint(sys.version, sys.path)",
        "model.eval()\nmodel.compile(optimizer='sgd')\nexecutor = 3",
        "not python (",
        "# exec",
    ],
)
def test_what_notebooks_usually_do_reaches_nowhere(source: str) -> None:
    assert reaches(source) == ()
