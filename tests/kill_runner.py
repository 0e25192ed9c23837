"""Runs one command of the grader again and again, each time killed at another moment: `kill_runner.py FOLDER COMMAND…`.

FOLDER holds a class, rubrics and `before`, results to begin with. A moment is a file opened, renamed or made, or a
statement given to the database, so that nothing depends on a clock. After each kill the command is given again, and
what it leaves is compared with what an undisturbed run left. One line of JSON says how often, and what differed.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import test_cli

from grader import cli, pipeline, sandbox

MOMENTS = 20
COUNTED = ("open", "os.rename", "os.mkdir", "os.remove", "sqlite3.connect")


def main() -> None:
    """Find out how many moments there are, then be killed in some of them."""
    folder, command = Path(sys.argv[1]), sys.argv[2:]
    os.chdir(folder)
    shutil.copytree("before", "results")
    moments = _forked(lambda: _run(command, die_at=None))
    expected = _left()
    chosen = random.Random(0).sample(range(1, moments + 1), min(MOMENTS, moments))  # noqa: S311 - no secret
    differ = []
    for moment in chosen:
        shutil.rmtree("results")
        shutil.copytree("before", "results")
        _forked(lambda moment=moment: _run(command, die_at=moment))  # type: ignore[misc] # a default is no argument
        _forked(lambda: _run(command, die_at=None))
        found = _left()
        names = [name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)]
        differ += [f"{moment}: {name}" for name in names]
    sys.stdout.write(json.dumps({"moments": moments, "killed": len(chosen), "differ": differ}))


def _forked(work: Callable[[], int]) -> int:
    """Do the work in a child, and return how many moments it counted; 0 where it was killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, str(work()).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return int(told or 0)


def _run(command: list[str], *, die_at: int | None) -> int:
    """Run the command with made-up children and a clock that stands, and die at that moment."""
    for module, name, made in (
        (pipeline, "_ask", test_cli.Child()),
        (pipeline, "time", _Still()),
        (sandbox, "probe", lambda: test_cli.JAIL),
    ):
        setattr(module, name, made)
    count = 0

    def step() -> None:
        nonlocal count
        count += 1
        if count == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(lambda event, _: step() if event in COUNTED else None)
    with _traced(step), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        code = cli.run(command)
    assert code == 0, code
    return count


@contextlib.contextmanager
def _traced(step: Callable[[], None]) -> Any:
    """Count every statement that any database is given."""
    connect = sqlite3.connect

    def connected(*arguments: Any, **options: Any) -> sqlite3.Connection:
        database: sqlite3.Connection = connect(*arguments, **options)
        database.set_trace_callback(lambda _: step())
        return database

    sqlite3.connect = connected  # type: ignore[assignment] # for this process alone
    yield


class _Still:
    @staticmethod
    def monotonic() -> float:
        return 0.0


def _left() -> dict[str, str]:
    """Everything that the results hold, times apart."""
    found = {
        str(path.relative_to("results")): path.read_text(encoding="utf-8")
        for path in sorted(Path("results").rglob("*"))
        if path.is_file() and not path.name.startswith("grades.sqlite") and path.name != ".lock"
    }
    with contextlib.closing(sqlite3.connect("results/grades.sqlite")) as database:
        for name, columns in (
            ("facts", "key, evidence"),
            ("grades", "student, key, rubric, grade"),
            ("batch", "position, student, key, rubric"),
            ("decisions", "student, criterion, json_remove(decision, '$.at')"),
            ("notes", "name, value"),
            ("unwritten", "student"),
        ):
            rows = database.execute(f"select {columns} from {name} order by {columns}").fetchall()  # noqa: S608 - ours
            found[f"table {name}"] = repr(rows)
    return {name: _timeless(text) for name, text in found.items()}


def _timeless(text: str) -> str:
    return re.sub(r'"at": ?"[^"]*"|"at":"[^"]*"', "", text)


if __name__ == "__main__":
    main()
