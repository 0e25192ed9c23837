"""What bookkeeping costs with a class of thousands: grading, overview, regrading, export; no notebook runs.

    python benchmarks/scale.py [--students 5000]

Execution is stubbed here, and only here: the facts of one real sample are gathered once and stand for everybody, each
under files of their own. Times are of this machine; the ratios to one submission, and the peak memory, are what counts.
"""

from __future__ import annotations

import argparse
import io
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib.resources import files
from pathlib import Path

from msgspec.structs import replace

from grader import alike, batch, cli, intake, notebook, pipeline
from grader.cli import results
from grader.cli.settings import read_rubric, rubric_text
from grader.model import Evidence, Gather, Isolation, Submission
from grader.sandbox import probe
from grader.store import Store

BASE = (files("rubrics") / "gradient_descent" / "gradient descent.ipynb").read_text(encoding="utf-8")
ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "sample_submissions" / "b12303055"
JAIL = Isolation(level="bubblewrap")


@contextmanager
def timed(name: str, count: int) -> Iterator[None]:
    """Print what happens inside took, in all and for each submission, and the peak memory so far.

    CPU is this process's own, which a busy machine does not lengthen; that of other processes is not in it.
    """
    begun, busy = time.perf_counter(), time.process_time()
    yield
    seconds, cpu = time.perf_counter() - begun, time.process_time() - busy
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    each = 1000 * cpu / count
    print(f"{name:34} {seconds:8.2f} s  CPU {cpu:7.2f} s  {each:7.3f} ms each  peak {peak:5.0f} MB", flush=True)


def main() -> None:
    """Make a class, and do everything with it once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--students", type=int, default=5000)
    count = parser.parse_args().students
    rubric = read_rubric("gradient_descent")
    known = batch.examine(intake.of_files("sample", SAMPLE), gather=rubric.gather, isolation=probe())

    def examine(submission: Submission, *, gather: Gather, isolation: Isolation) -> Evidence:  # noqa: ARG001
        return replace(known, submission=submission, isolation=isolation)

    def grade(store: Store) -> None:
        nothing = lambda *_, **__: ()  # noqa: E731 - no handed-out notebook runs either
        batch.grade(submissions, rubric=rubric, store=store, isolation=JAIL, jobs=2, examine=examine, base=nothing)

    with tempfile.TemporaryDirectory() as place:
        folder, out = Path(place, "class"), Path(place, "results")
        for number in range(count):
            (folder / f"b{number:05}").mkdir(parents=True)
            (folder / f"b{number:05}/hw.ipynb").write_text(f"{number}", encoding="utf-8")
        with timed("intake", count):
            submissions = intake.folder(folder)
        with timed("grading, without the notebooks", count), results.opened(out) as store:
            batch.grade(
                submissions,
                rubric=rubric,
                store=store,
                isolation=JAIL,
                jobs=2,
                examine=examine,
                base=lambda *_, **__: (),
            )
        with timed("the same again, all known", count), results.opened(out) as store:
            batch.grade(
                submissions,
                rubric=rubric,
                store=store,
                isolation=JAIL,
                jobs=2,
                examine=examine,
                base=lambda *_, **__: (),
            )
        with timed("judging alone, of 200", 200):
            for _ in range(200):
                pipeline.judge(known, rubric)
        other = Path(place, "other.toml")
        other.write_text(rubric_text("gradient_descent").replace("points = 25", "points = 30", 1), encoding="utf-8")
        for name, arguments in (
            ("overview (summary)", ["summary", str(out)]),
            ("table of a changed rubric", ["regrade", str(out), "--rubric", str(other), "--jobs", "2"]),
            ("export csv", ["export", "csv", str(out), "-o", str(out / "x.csv"), "--allow-pending"]),
            ("find", ["find", str(out), "--verdict", "fail"]),
        ):
            with timed(name, count), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                code = cli.run(arguments)
            assert code == 0, (name, code)
    for many in (200, count):
        compare(many)
    print(f"students: {count}; Python {sys.version.split()[0]}")


def compare(count: int) -> None:
    """Compare a class of so many with each other: reports of random words, the handed-out loop with other numbers."""
    words = [f"word{number}" for number in range(3000)]
    draw = random.Random(0)  # noqa: S311 - no secret
    loop = notebook.parse(BASE).cells[-1].source
    works = []
    for number in range(count):
        report = " ".join(draw.choices(words, weights=[1 / (rank + 2) for rank in range(3000)], k=600))
        code = f"{loop}\nlr = {draw.random():.6f}\n" + "\n".join(f"x{draw.randrange(50)} = y + {n}" for n in range(40))
        works.append(alike.Work(student=f"b{number}", texts={"report": report, "prose": report[:800], "code": code}))
    with timed(f"comparing {count} with each other", count):
        alike.alike(works, {"code": loop})


if __name__ == "__main__":
    main()
