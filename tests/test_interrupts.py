"""Whatever a command is doing, SIGINT and SIGTERM end it soon, a second one at once, and nothing is lost."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from grader.cli import interrupts
from grader.cli.errors import INTERRUPTED
from grader.store import open_store

DEADLINE_SECONDS = 10  # then it hangs: the promise is two on a machine that has nothing else to do
_DEAF = """
import sys, time
from grader.cli import interrupts
interrupts.PATIENCE_SECONDS = {patience}
interrupts.watch()
while True:
    try:
        print("on", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        print("heard", flush=True)
"""


def _deaf(patience: float) -> subprocess.Popen[str]:
    """A process whose main thread goes on whatever it is told."""
    script = _DEAF.format(patience=patience)
    process = subprocess.Popen([sys.executable, "-I", "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_main_thread_that_does_not_listen_is_ended(number: signal.Signals) -> None:
    with _deaf(patience=0.1) as process:
        process.send_signal(number)

        assert process.wait(DEADLINE_SECONDS) == INTERRUPTED


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_it_at_once(number: signal.Signals) -> None:
    with _deaf(patience=1000) as process:
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["heard\n", "on\n"]
        process.send_signal(number)

        assert process.wait(DEADLINE_SECONDS) == INTERRUPTED


def test_two_signals_that_are_heard_together_are_two(monkeypatch: pytest.MonkeyPatch) -> None:
    heard, told = os.pipe()
    ended: list[bool] = []
    monkeypatch.setattr(interrupts, "PATIENCE_SECONDS", 1000)
    monkeypatch.setattr(interrupts, "_end", lambda: ended.append(True))
    os.write(told, bytes([signal.SIGWINCH, signal.SIGINT, signal.SIGCHLD, signal.SIGTERM]))

    interrupts._wait(heard)

    assert ended == [True]


def test_another_signal_meanwhile_gives_no_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    heard, told = os.pipe()
    ended: list[bool] = []
    monkeypatch.setattr(interrupts, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(interrupts, "_end", lambda: ended.append(True))
    os.write(told, bytes([signal.SIGINT, signal.SIGWINCH]))

    interrupts._wait(heard)

    assert ended == [True]


def test_other_signals_end_nothing() -> None:
    with _deaf(patience=0.1) as process:
        process.send_signal(signal.SIGWINCH)
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGINT)

        assert process.stdout is not None
        assert process.stdout.readline() == "heard\n"
        process.wait(DEADLINE_SECONDS)


# -- whole commands at random moments ---------------------------------------------------------------


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A class of eight, whose notebooks take a while."""
    folder = tmp_path_factory.mktemp("interrupts")
    for number in range(8):
        source = f"import time\ntime.sleep({0.2 * (number % 3)})\nx = {number}"
        cell: dict[str, object] = {
            "cell_type": "code",
            "source": source,
            "metadata": {},
            "outputs": [],
            "execution_count": None,
        }
        student = folder / "class" / f"b{number}"
        student.mkdir(parents=True)
        text = json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]})
        (student / "a.ipynb").write_text(text, encoding="utf-8")
    return folder


def _moments(count: int) -> list[tuple[float, signal.Signals]]:
    drawn = random.Random(7)  # noqa: S311 - moments, not secrets
    return [(drawn.uniform(0.0, 3.0), drawn.choice([signal.SIGINT, signal.SIGTERM])) for _ in range(count)]


def _run(words: tuple[str, ...], here: Path) -> subprocess.Popen[bytes]:
    program = Path(sys.executable).with_name("grader")
    return subprocess.Popen(
        [program, *words], cwd=here, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )


def _arguments(place: Path) -> bytes:
    try:
        return place.read_bytes()
    except OSError:  # it has ended meanwhile
        return b""


def _left(process: subprocess.Popen[bytes]) -> list[bytes]:
    """What is still running for a grader that has ended, after a while."""
    for _ in range(100):
        ends = tuple(f"grader.{name}\0{process.pid}\0".encode() for name in ("pipeline", "judging"))
        running = [line for line in map(_arguments, Path("/proc").glob("[0-9]*/cmdline")) if line.endswith(ends)]
        if not running:
            break
        time.sleep(0.05)
    return running


@pytest.mark.slow
@pytest.mark.parametrize(("moment", "number"), _moments(17), ids=lambda value: f"{value:.2f}")
@pytest.mark.parametrize(
    "words", [("grade", "class"), ("check", "class/b1"), ("summary", "results")], ids=lambda w: w[0]
)
def test_a_command_ends_at_any_moment_and_leaves_nobody(
    words: tuple[str, ...], moment: float, number: signal.Signals, here: Path
) -> None:
    with _run(words, here) as process:
        time.sleep(moment)
        process.send_signal(number)
        try:
            said, _ = process.communicate(timeout=DEADLINE_SECONDS)
        finally:
            process.kill()

    assert process.returncode in (INTERRUPTED, 0, 2, -number), said.decode()  # 2: no results yet; -number: not begun
    assert b"the grader itself broke" not in said
    assert _left(process) == []


@pytest.mark.slow
def test_after_interruptions_the_same_command_grades_everyone_once(here: Path) -> None:
    for moment, number in _moments(4):
        with _run(("grade", "class", "-o", "again"), here) as process:
            time.sleep(moment + 0.5)
            process.send_signal(number)
            process.communicate(timeout=DEADLINE_SECONDS)

    with _run(("grade", "class", "-o", "again"), here) as process:
        said, _ = process.communicate()

    assert process.returncode == 0, said.decode()
    with open_store(here / "again" / "grades.sqlite") as store:
        assert [grade.submission.student for grade, _ in store.graded()] == [f"b{number}" for number in range(8)]
        assert not any(evidence.fault for _, evidence in store.graded())
    leftovers = [p.name for p in (here / "again").iterdir() if p.name.startswith(".") and p.name != ".lock"]
    assert leftovers == []
