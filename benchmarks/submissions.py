"""CPU and wall time per submission on a made class, stage by stage, beside plain Python on the same notebooks.

    python benchmarks/submissions.py [--students 20]

The class: the handed-out notebook with another learning rate each, and one report of the samples.
The floor: plain Python runs the same cells as a script, both figures written as PNG.
CPU is the machine's own count of busy time, since a jail's processes are not all waited for by their
parents; so run it on an otherwise idle machine, and read the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from grader import feedback, intake, kernel, notebook, report, verify
from grader.cli.settings import read_rubric
from grader.model import Evidence, Submission
from grader.pipeline import judge
from grader.sandbox import probe

ROOT = Path(__file__).parents[1]
BASE = (files("rubrics") / "gradient_descent" / "gradient descent.ipynb").read_text(encoding="utf-8")
REPORT = next(iter(sorted((ROOT / "sample_submissions").glob("*/*.pdf"))))


@dataclass
class Cost:
    """Wall and busy CPU seconds of one stage over all students."""

    wall: float = 0.0
    cpu: float = 0.0


@dataclass
class Clock:
    """Adds up the cost of each stage under its name."""

    stages: dict[str, Cost] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what happens inside under this name."""
        wall, cpu = time.monotonic(), _busy()
        yield
        cost = self.stages.setdefault(name, Cost())
        cost.wall += time.monotonic() - wall
        cost.cpu += _busy() - cpu


def _busy() -> float:
    """Seconds of CPU that the machine has spent on anything but idling."""
    ticks = [int(n) for n in Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def _make_class(folder: Path, students: int) -> tuple[Submission, ...]:
    for number in range(students):
        student = folder / f"b{number:08}"
        student.mkdir()
        changed = BASE.replace("lr = 0.0000001", f"lr = {1e-7 * (1 + number / 100)!r}")
        (student / "gradient descent.ipynb").write_text(changed, encoding="utf-8")
        shutil.copy(REPORT, student / "report.pdf")
    return intake.folder(folder)


def _script(source: str) -> str:
    cells = [c for c in json.loads(source)["cells"] if c["cell_type"] == "code"]
    code = "\n".join(notebook.runnable("".join(c["source"])) for c in cells)
    code = "\n".join(line for line in code.splitlines() if not line.lstrip().startswith(("%", "!")))
    shown = "import io as _io\nplt.show = lambda *a, **k: (plt.savefig(_io.BytesIO(), format='png'), plt.close())\n"
    return "import matplotlib; matplotlib.use('Agg')\nimport matplotlib.pyplot as plt\n" + shown + code


def _floor(submission: Submission) -> None:
    source = Path(submission.root, submission.notebook or "").read_text(encoding="utf-8")
    subprocess.run([sys.executable, "-I", "-c", _script(source)], check=True, stdout=subprocess.DEVNULL)


def _stages(submission: Submission, clock: Clock) -> None:
    rubric = read_rubric("gradient_descent")
    gather, isolation = rubric.gather, probe()
    with clock.stage("read the notebook"):
        theirs = notebook.read(Path(submission.root, submission.notebook or ""), limits=gather.limits)
        changes = notebook.changes(notebook.parse(gather.base), theirs)
    with clock.stage("run it in the jail"):
        executed = kernel.execute(theirs, gather=gather, isolation=isolation)
    with clock.stage("verify every step"):
        declared = (*notebook.declared(theirs), *executed.scalars)
        matches = verify.runs(executed.series, declared=declared, names=gather.names)
    with clock.stage("read the report"):
        facts = report.read(Path(submission.root, submission.report or ""), limits=gather.limits, isolation=isolation)
    evidence = Evidence(
        submission=submission, notebook=theirs, changes=changes, run=executed.run, matches=matches, report=facts
    )
    with clock.stage("judge"):
        grade = judge(evidence, rubric)
    with clock.stage("write the feedback"):
        feedback.render(grade, evidence, language="en")


def _whole(folder: Path, results: Path, jobs: int) -> None:
    command = [
        str(Path(sys.executable).with_name("grader")),
        "grade",
        str(folder),
        "-o",
        str(results),
        "--jobs",
        str(jobs),
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _print(clock: Clock, students: int) -> None:
    floor = clock.stages["plain Python (the floor)"]
    print(f"{students} students, per submission; ratios to the floor\n")
    print(f"{'stage':<28}{'wall s':>8}{'CPU s':>8}{'wall':>8}{'CPU':>8}")
    for name, cost in clock.stages.items():
        wall, cpu = cost.wall / students, cost.cpu / students
        print(f"{name:<28}{wall:>8.3f}{cpu:>8.3f}{cost.wall / floor.wall:>8.2f}{cost.cpu / floor.cpu:>8.2f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="cost per submission, as ratios in one run")
    parser.add_argument("--students", type=int, default=20)
    students = parser.parse_args().students
    clock = Clock()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "class")
        folder.mkdir()
        for submission in _make_class(folder, students):
            with clock.stage("plain Python (the floor)"):
                _floor(submission)
            _stages(submission, clock)
        for jobs in (1, 2):
            with clock.stage(f"grader grade --jobs {jobs}"):
                _whole(folder, Path(temporary, f"results-{jobs}"), jobs)
    _print(clock, students)


if __name__ == "__main__":
    main()
