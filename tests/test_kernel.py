"""Notebooks in the jailed kernel: what is brought back, what stops them, and what no kernel can do to the grader."""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grader import sandbox
from grader.kernel import Execution, execute, execution
from grader.model import Cell, CellRun, Gather, GraderError, Limits, Notebook

HONEST = (
    """
import numpy as np
import matplotlib.pyplot as plt
x_data = [338., 333., 328.]
y_data = np.array([640., 633., 619.])
""",
    """
lr, b = 0.5, -120.0
b_history = [b]
for i in range(1000):
    b = b - lr * 0.001
    b_history.append(b)
print('b', b)
""",
    "# Text between cells\nplt.plot(b_history)\nplt.show()",
    "undefined_name\n",
    "def twice(v):\n    return v / 0\n\ntwice(1)\n",
    "import a_package_that_nobody_has",
    "open('housing.csv')",
    "b_history = list(b_history)\ntheta = np.array([[1., 2.], [3., 4.], [5., 6.]])\nb + 1",
    "lr = 0.25",
)


def notebook(*sources: str) -> Notebook:
    return Notebook(cells=tuple(Cell(index=i, kind="code", source=source) for i, source in enumerate(sources, start=1)))


def run(*sources: str, **limits: Any) -> Execution:
    return execute(notebook(*sources), gather=Gather(limits=Limits(**limits)), isolation=sandbox.probe())


@pytest.fixture(scope="module")
def honest() -> Execution:
    title = Cell(index=1, kind="markdown", source="# Title")
    code = [Cell(index=i, kind="code", source=source) for i, source in enumerate(HONEST, start=2)]
    return execute(Notebook(cells=(title, *code)), gather=Gather(), isolation=sandbox.probe())


def cell(execution: Execution, index: int) -> CellRun:
    return next(run for run in execution.run.cells if run.index == index)


# -- an honest notebook ----------------------------------------------------------------------------


def test_a_notebook_runs_to_its_end_though_cells_fail(honest: Execution) -> None:
    assert honest.run.outcome == "complete"
    assert [run.status for run in honest.run.cells] == ["ok"] * 3 + ["error"] * 4 + ["ok"] * 2


def test_cells_keep_the_numbers_that_a_person_counts(honest: Execution) -> None:
    assert [run.index for run in honest.run.cells] == list(range(2, 11))


def test_what_a_cell_printed_is_kept(honest: Execution) -> None:
    assert cell(honest, 3).printed.startswith("b -120.")
    assert cell(honest, 9).printed.startswith("-119.")


def test_a_figure_comes_as_a_png_without_a_warning(honest: Execution) -> None:
    assert [len(digest) for digest in cell(honest, 4).images] == [64]
    assert cell(honest, 4).printed == ""


def test_an_error_names_its_line_in_the_cell(honest: Execution) -> None:
    assert (cell(honest, 5).error, cell(honest, 5).line) == ("NameError: name 'undefined_name' is not defined", 1)
    assert (cell(honest, 6).error, cell(honest, 6).line) == ("ZeroDivisionError: division by zero", 2)


@pytest.mark.parametrize(("index", "environment"), [(5, False), (6, False), (7, True), (8, True)])
def test_errors_of_the_machine_are_told_from_the_students(honest: Execution, index: int, environment: bool) -> None:
    assert cell(honest, index).environment is environment


def test_histories_leave_the_kernel_after_the_cell_that_made_them(honest: Execution) -> None:
    found = {(series.cell, series.name): series.values for series in honest.series}

    assert list(found) == [(2, "x_data"), (2, "y_data"), (3, "b_history"), (9, "b_history"), (9, "theta")]
    assert np.array_equal(found[2, "x_data"], [338.0, 333.0, 328.0])
    assert found[3, "b_history"].shape == (1001,)
    assert found[9, "theta"].shape == (3, 2)


def test_a_history_that_was_bound_anew_counts_for_its_new_cell_too(honest: Execution) -> None:
    found = {series.cell: series.values for series in honest.series if series.name == "b_history"}

    assert np.array_equal(found[3], found[9])


def test_single_numbers_are_read_after_every_cell(honest: Execution) -> None:
    assert [found.value for found in honest.scalars if found.name == "lr"] == [0.5] * 7 + [0.25]


def test_what_the_kernel_may_use_is_stamped_on_the_run(honest: Execution) -> None:
    assert honest.run.isolation == sandbox.probe()


# -- what must not stop a notebook -----------------------------------------------------------------

HARMLESS = {
    "empty": "",
    "blank": " \n\t",
    "comment": "# only a comment",
    "reset": "get_ipython().run_line_magic('reset', '-sf')",
    "reset-magic": "%reset -f",
    "globals-cleared": "globals().clear()",
    "names-deleted": "for name in list(globals()):\n    if name != 'name':\n        del globals()[name]",
    "dir-deleted": "for name in dir():\n    if not name.startswith('__'):\n        del globals()[name]",
    "get_ipython": "del get_ipython",
    "shell-line": "!echo hello > hello.txt",
    "shell-value": "names = !ls\nn = len(names)",
    "shell-folder": "!mkdir -p figures && ls -d figures && date +%Y > year.txt",
    "shell-unknown": "!no-such-program --version",
    "bash": "%%bash\necho hello",
    "exit": "exit()",
    "quit": "quit",
    "sys-exit": "import sys\nsys.exit()",
    "system-exit": "raise SystemExit(0)",
    "html": "%%html\n<b>bold</b>",
}


@pytest.mark.parametrize("source", HARMLESS.values(), ids=HARMLESS)
def test_a_harmless_cell_stops_nothing(source: str) -> None:
    told = run("h = [1.0, 2.0, 4.0, 7.0]", source, "k = [3.0, 2.0, 4.0, 9.0]")

    assert (told.run.outcome, told.run.problem) == ("complete", None)
    assert [each.status for each in told.run.cells] == ["ok"] * 3
    assert {(each.cell, each.name) for each in told.series} >= {(1, "h"), (3, "k")}


def test_empty_cells_leave_every_other_one_its_own_answer() -> None:
    told = run("", "print('two')", "", "", "print('five')", "1 / 0", "")

    assert [each.printed.strip() for each in told.run.cells] == ["", "two", "", "", "five", "", ""]
    assert [each.index for each in told.run.cells if each.status == "error"] == [6]


def test_what_a_shell_line_prints_is_seen() -> None:
    told = run("who = 'you'\n!echo hello $who\n!exit 3", "print(_exit_code)")

    assert told.run.cells[0].printed == "hello you\n"
    assert told.run.cells[1].printed == "3\n"


def test_a_cell_that_says_it_fails_may_fail() -> None:
    cells = (
        Cell(index=1, kind="code", source="1 / 0", may_fail=True),
        Cell(index=2, kind="code", source="1 / 0"),
    )
    told = execute(Notebook(cells=cells), gather=Gather(), isolation=sandbox.probe())

    assert [each.status for each in told.run.cells] == ["ok", "error"]


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="needs a Python that this syntax is too new for")
def test_syntax_of_a_newer_python_runs_in_a_translation() -> None:
    told = run("d = {'a': 1.5}\nprint(f'{d['a']:.2f}')", "print(f'{d['a'}')", "print(f'{d}')").run.cells

    assert told[0].printed == "1.50\n"
    assert [(each.status, each.translated) for each in told] == [("ok", True), ("error", False), ("ok", False)]


# -- limits ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_endless_loop_stops_the_notebook_and_keeps_what_was_before_it() -> None:
    execution = run("h = [1.0, 2.0]", "import time\nprint('in')\nwhile True: pass", "later = 1", cell_seconds=1.5)

    assert [run.status for run in execution.run.cells] == ["ok", "timeout", "not-run"]
    assert [series.name for series in execution.series] == ["h"]
    assert execution.run.outcome == "stopped"
    assert execution.run.problem is not None
    assert execution.run.problem.id == "kernel.timeout"


@pytest.mark.slow
def test_the_whole_notebook_has_a_limit_too() -> None:
    execution = run(*["import time; time.sleep(0.8)"] * 5, cell_seconds=60, notebook_seconds=3)

    assert "timeout" in [run.status for run in execution.run.cells]
    assert execution.run.seconds < 10


@pytest.mark.slow
def test_a_conversion_that_never_ends_counts_as_a_timeout() -> None:
    evil = "class Number:\n    def __float__(self):\n        while True: pass\nh = [Number(), Number()]"
    execution = run("x = [1.0, 2.0]", evil, "y = 1", cell_seconds=2)

    assert [run.status for run in execution.run.cells][::2] == ["ok", "not-run"]


def test_a_kernel_that_ends_itself_is_a_status_and_no_crash() -> None:
    execution = run("h = [1.0, 2.0]", "import os; os._exit(3)", "x = 1")

    assert [run.status for run in execution.run.cells] == ["ok", "kernel-died", "not-run"]
    assert execution.run.seconds < 10


@pytest.mark.slow
def test_memory_is_reported_as_memory() -> None:
    family = "import os, time\nfor _ in range(4): os.fork()\nx = bytearray(80_000_000)\ntime.sleep(30)"
    execution = run("x = bytearray(10**10)", "print('goes on')", family, memory_mb=700)

    assert [run.status for run in execution.run.cells] == ["memory", "ok", "memory"]
    assert execution.run.problem is not None
    assert execution.run.problem.parameters["allowed"] == 700


@pytest.mark.slow
@pytest.mark.parametrize(
    "source",
    [
        "print('x' * 300_000_000)",
        "from IPython.display import Image\nImage(b'\\x89PNG\\r\\n\\x1a\\n' + bytes(100_000_000), format='png')",
        "while True: print('x' * 1000)",
        "import sys\nwhile True: print(1, flush=True)",
    ],
    ids=["line", "image", "flood", "drops"],
)
def test_a_flood_of_output_is_stopped_and_costs_the_grader_little(source: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    execution = run("h = [1.0, 2.0]", source, "x = 1", cell_seconds=100, cell_output_mb=1)

    assert [run.status for run in execution.run.cells] == ["ok", "output-limit", "not-run"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def test_a_history_beyond_the_budget_is_named_and_left_out() -> None:
    execution = run("small = [1.0, 2.0]\nbig = [0.5] * 200_000", history_mb=1)

    assert [series.name for series in execution.series] == ["small"]
    assert execution.skipped == ((1, "big", 200_000),)
    assert execution.run.problem is not None
    assert execution.run.problem.parameters["name"] == "big"


@pytest.mark.slow
def test_a_history_larger_than_a_message_comes_in_pieces() -> None:
    execution = run("import numpy as np\nlong = np.arange(2_700_000.0).reshape(900_000, 3)\nother = [1.5, 2.5]")

    found = {series.name: series.values for series in execution.series}
    assert np.array_equal(found["long"], np.arange(2_700_000.0).reshape(900_000, 3))
    assert np.array_equal(found["other"], [1.5, 2.5])


# -- hostile kernels -------------------------------------------------------------------------------


def test_rebound_builtins_do_not_disturb_the_capture() -> None:
    execution = run(
        "list = dict = str = len = sum = float = isinstance = None\nh = [1.0, 2.0]\nprint = 3", "h2 = [1, 2]"
    )

    assert [series.name for series in execution.series] == ["h", "h2"]


FORGED = {
    "no-capture": "get_ipython()._grader_capture = None",
    "other-words": "class C:\n    def collect(self, *a): return 'pwned'\nget_ipython()._grader_capture = C()",
    "huge": "class C:\n    def collect(self, *a): return 'x' * 30_000_000\nget_ipython()._grader_capture = C()",
    "malformed": "k = get_ipython().kernel\nk.session.send(k.iopub_socket, 'stream', {'name': 5}, k.get_parent())",
    "deep": "k = get_ipython().kernel\nk.iopub_socket.send_multipart([b'<IDS|MSG>', b'', *[b'[' * 100000] * 4])",
    "torn": "k = get_ipython().kernel\nk.iopub_socket.send_multipart([b'junk'])",
}


@pytest.mark.slow
@pytest.mark.parametrize("source", FORGED.values(), ids=FORGED)
def test_a_kernel_that_breaks_the_protocol_stops_its_own_notebook_only(source: str) -> None:
    execution = run("h = [1.0, 2.0]", source, "x = [3.0, 4.0]", cell_seconds=5)

    assert execution.series[0].name == "h"
    assert execution.run.outcome in {"complete", "stopped"}


def test_a_kernel_that_a_full_machine_refuses_is_started_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    started, refused = execution._Kernel.start, list[object]()

    async def start(kernel: execution._Kernel) -> None:
        await started(kernel)
        if not refused:
            refused.append(kernel)
            raise GraderError("the notebook's kernel does not start", where="Resource temporarily unavailable")

    monkeypatch.setattr(execution._Kernel, "start", start)

    assert [cell.status for cell in run("x = 1").run.cells] == ["ok"]
    assert len(refused) == 1


def test_an_interpreter_without_a_kernel_is_the_graders_trouble(tmp_path: Path) -> None:
    gather = Gather(kernel="/nowhere/python")

    with pytest.raises(GraderError, match="does not start"):
        execute(notebook("x = 1"), gather=gather, isolation=sandbox.probe())


def test_nothing_of_the_kernel_is_left_when_it_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    started = time.time()
    marker = f"descent-kernel-{os.getpid()}-{started}"
    source = (
        f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)', {marker!r}])"
    )

    assert run(source).run.cells[0].status == "ok"
    assert list(tmp_path.iterdir()) == []
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not any(marker.encode() in line for line in lines)
