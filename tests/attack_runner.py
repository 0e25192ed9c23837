"""Runs attacks as the grader would run submissions: `attack_runner.py LEVEL SECRET`, one line of JSON for each attack.

It stands in for the assistant's own grader: some attacks aim at this very process. Beside them another student's
jail is kept alive. `test_attacks.py` starts it as root and as an ordinary user, and looks at the host from outside.
"""

from __future__ import annotations

import json
import os
import resource
import select
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import msgspec

from grader import kernel, pipeline, report, sandbox, verify
from grader.intake import folder
from grader.model import Cell, Gather, Isolation, Limits, Names, Notebook, plain
from grader.sandbox import environment

NEIGHBOUR = """
import os, sys, time
while True:
    sys.stdout.write(".")
    sys.stdout.flush()
    time.sleep(0.05)
"""


def main() -> None:
    """Answer one job after the other until there are no more."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    level, secret = sys.argv[1:]
    isolation = _working(level)
    if isolation is None:
        print(json.dumps({"missing": level}), file=answers, flush=True)
        return
    neighbour = sandbox.start(
        [sys.executable, "-I", "-c", NEIGHBOUR],
        isolation=isolation,
        limits=Limits(),
        inputs={},
        home={"secret.txt": Path(secret).read_bytes()},
    )
    try:
        print(json.dumps(_ready(isolation, neighbour)), file=answers, flush=True)
        for line in sys.stdin:
            try:
                told = _done(json.loads(line), isolation)
            except Exception:  # the border: an attack that makes the grader raise is a failure of its test
                told = {"raised": traceback.format_exc()[-4000:]}
            print(
                json.dumps({**told, "neighbour": _lives(neighbour), "schedule": _schedule()}), file=answers, flush=True
            )
    finally:
        neighbour.close()


def _working(level: str) -> Isolation | None:
    return next((i for i in sandbox.candidates() if i.level == level and sandbox.trouble(i) is None), None)


def _ready(isolation: Isolation, neighbour: sandbox.Jail) -> dict[str, Any]:
    return {
        "isolation": plain(isolation),
        "grader": os.getpid(),
        "ours": [str(path) for path in environment.ours()],
        "neighbour": neighbour.process.pid,
        "neighbour_room": str(neighbour.room),
        "prefix": sys.prefix,
        "schedule": _schedule(),
    }


def _done(job: dict[str, Any], isolation: Isolation) -> dict[str, Any]:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak of memory counts from here
    before, began = _peak_mb(), time.monotonic()
    told = _JOBS[job["kind"]](job, isolation)
    return {**told, "seconds": time.monotonic() - began, "grew_mb": _peak_mb() - before}


def _peak_mb() -> float:
    line = next(line for line in Path("/proc/self/status").read_text("ascii").splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _lives(neighbour: sandbox.Jail) -> bool:
    """Empty what the other jail has written, and wait for it to write something new."""
    stream = neighbour.pipes[0]
    os.set_blocking(stream.fileno(), False)
    while stream.read(65536):
        pass
    return bool(select.select([stream], [], [], 5)[0]) and bool(stream.read(1))


def _schedule() -> list[Any]:
    """Describe what an attack may have done to this very process."""
    limits = [resource.getrlimit(kind) for kind in (resource.RLIMIT_NOFILE, resource.RLIMIT_CPU)]
    return [os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0), len(os.sched_getaffinity(0)), limits]


# -- kinds of jobs -------------------------------------------------------------------------------


def _cells(job: dict[str, Any], isolation: Isolation) -> dict[str, Any]:
    """Run cells in a kernel; `then` in a second one, to see what the first has left."""
    told = [_kernel(cells, job["limits"], isolation) for cells in (job["cells"], job.get("then")) if cells]
    return {**told[0], "then": told[1] if len(told) > 1 else None}


def _kernel(sources: list[str], limits: dict[str, Any], isolation: Isolation) -> dict[str, Any]:
    cells = tuple(Cell(index=n, kind="code", source=source) for n, source in enumerate(sources, start=1))
    gather = Gather(limits=msgspec.convert(limits, Limits))
    execution = kernel.execute(Notebook(cells=cells), gather=gather, isolation=isolation)
    matches = verify.runs(execution.series, declared=execution.scalars, names=Names())
    return {
        "run": plain(execution.run),
        "matches": plain(matches),
        "series": [series.name for series in execution.series],
    }


def _pdf(job: dict[str, Any], isolation: Isolation) -> dict[str, Any]:
    """Read a report."""
    limits = msgspec.convert(job["limits"], Limits)
    return {"report": plain(report.read(Path(job["path"]), limits=limits, isolation=isolation))}


def _submission(job: dict[str, Any], isolation: Isolation) -> dict[str, Any]:
    """Take a folder of students in, and gather what the first one handed in by a supervised child."""
    gather = Gather(limits=msgspec.convert(job["limits"], Limits))
    found = folder(Path(job["path"]))
    return {"evidence": [plain(pipeline.examine(s, gather=gather, isolation=isolation)) for s in found]}


_JOBS = {"cells": _cells, "pdf": _pdf, "submission": _submission}


if __name__ == "__main__":
    main()
