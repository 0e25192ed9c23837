"""A homework of ten million steps a cell: what grading it takes, and whether the student's own code runs slower.

    python benchmarks/long_histories.py [--steps 10000000] [--cells 4]

The notebook trains in several cells, which append to lists, fill arrays of 80 MB, or call a function, in turn. They
measure their own processor time, in an IPython kernel's way of running them and under the grader; memory is the peak of
everything that grading runs, the jail included.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import nbformat

from grader import intake, pipeline
from grader.model import Gather, Limits
from grader.sandbox import probe

MB = 1024 * 1024
DATA = """
import numpy as np
x_data = np.array([338., 333., 328., 207., 226., 25., 179., 60., 208., 606.])
y_data = np.array([640., 633., 619., 393., 428., 27., 193., 66., 226., 1591.])
n, sx, sy, sxx, sxy = 10.0, x_data.sum(), y_data.sum(), (x_data ** 2).sum(), (x_data * y_data).sum()
n, sx, sy, sxx, sxy = map(float, (n, sx, sy, sxx, sxy))
"""
LISTS = """
b, w, lr, iteration = -120.0, -4.0, {lr}, {steps}
b_history, w_history = [b], [w]
for i in range(iteration):
    b_grad = 2.0 * (n * b + sx * w - sy)
    w_grad = 2.0 * (sx * b + sxx * w - sxy)
    b = b - lr * b_grad
    w = w - lr * w_grad
    b_history.append(b)
    w_history.append(w)
"""
ARRAYS = """
b, w, lr, iteration = -120.0, -4.0, {lr}, {steps}
b_history, w_history = np.zeros(iteration + 1), np.zeros(iteration + 1)
b_history[0], w_history[0] = b, w
for i in range(iteration):
    b_grad = 2.0 * (n * b + sx * w - sy)
    w_grad = 2.0 * (sx * b + sxx * w - sxy)
    b = b - lr * b_grad
    w = w - lr * w_grad
    b_history[i + 1] = b
    w_history[i + 1] = w
"""
FUNCTION = """
def train(lr, iteration):
    b, w = -120.0, -4.0
    b_history, w_history = [b], [w]
    for i in range(iteration):
        b_grad = 2.0 * (n * b + sx * w - sy)
        w_grad = 2.0 * (sx * b + sxx * w - sxy)
        b = b - lr * b_grad
        w = w - lr * w_grad
        b_history.append(b)
        w_history.append(w)
    return b_history, w_history

b_history, w_history = train({lr}, {steps})
"""
KINDS = (LISTS, ARRAYS, FUNCTION)
TIMED = "import time\nbegan = time.process_time()\n{cell}\nprint(time.process_time() - began)"
PLAIN = """
import sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
for cell in eval(sys.stdin.read()):
    shell.run_cell(cell)
"""


def main() -> None:
    """Run the cells plainly, then grade them, and print both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10_000_000)
    parser.add_argument("--cells", type=int, default=4)
    options = parser.parse_args()
    kinds = [
        (LISTS, ARRAYS, FUNCTION)[k % 3].format(lr=1e-7 * (k + 1), steps=options.steps) for k in range(options.cells)
    ]
    cells = [DATA, *(TIMED.format(cell=kind) for kind in kinds)]
    plain = _plainly(cells)
    with tempfile.TemporaryDirectory() as folder:
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        path = Path(folder, "long.ipynb")
        path.write_text(nbformat.writes(book), encoding="utf-8")
        gather = Gather(limits=Limits(cell_seconds=600, notebook_seconds=1800))
        with Peak() as peak:
            evidence = pipeline.examine(intake.files([path]), gather=gather, isolation=probe())
    graded = [float(cell.printed) for cell in evidence.run.cells[1:]] if evidence.run else []
    print(f"student's cells   plain {sum(plain):.1f} s, under the grader {sum(graded):.1f} s "
          f"({100 * (sum(graded) / sum(plain) - 1):+.1f} %)")  # fmt: skip
    print(f"whole grading     {evidence.seconds:.1f} s, peak {peak.bytes / MB:.0f} MB")
    print(f"outcome           {evidence.run and evidence.run.outcome}, {evidence.run and evidence.run.problem}")
    for match in evidence.matches:
        notes = [(note.id, dict(note.parameters)) for note in match.notes]
        print(f"  cell {match.cell} {match.rule} {match.verdict} {match.steps} steps {match.effect} {notes}")
    if evidence.fault:
        print(evidence.fault.traceback)


def _plainly(cells: list[str]) -> list[float]:
    done = subprocess.run(
        [sys.executable, "-c", PLAIN], input=repr(cells), capture_output=True, text=True, check=True, encoding="utf-8"
    )
    return [float(line) for line in done.stdout.split()]


class Peak:
    """The largest sum of resident memory (proportional, so that shared pages count once) below this process."""

    def __enter__(self) -> Peak:
        self.bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(0.2):
            self.bytes = max(self.bytes, sum(map(_resident, _below(os.getpid()))))


def _below(pid: int) -> list[int]:
    """List the processes that descend from this one."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text(encoding="utf-8").rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue  # it has ended meanwhile
    found, waiting = [], [pid]
    while waiting:
        parent = waiting.pop()
        children = [child for child, its in parents.items() if its == parent]
        found += children
        waiting += children
    return found


def _resident(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:")), 0)


if __name__ == "__main__":
    began = time.monotonic()
    main()
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
