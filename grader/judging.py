"""Judging in a process of its own, which can be ended: no text of a student's holds up the class.

`judge` asks such a process, and is asked by many threads at once. The process bounds each part of judging by the
processor's time that it takes; a part that goes on all the same, or breaks the process, is left to a person, and only
that part. Processes that are done wait for the next question, and end with the grader.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import IO

from grader import pipeline
from grader.limits import lower
from grader.model import Evidence, Fault, Grade, Record, TooLongError, Within, from_json, to_json
from grader.rubric import Rubric, grade

PART_SECONDS = 10.0  # of the processor; the longest honest one takes a tenth of one
SPARE_SECONDS = 5  # more, for what does not listen to signals: then the kernel ends the process
WALL_SECONDS = 600.0  # for all parts on a machine that is busy with others
MEMORY_MB = 2048
MOST_DEATHS = 3
MOST_ANSWER = 64 * 2**20

_PART, _GRADE = b"P", b"G"


class StoppedError(Exception):
    """Judging was broken off since the grader is to end; there is no grade."""


class Asked(Record, frozen=True, kw_only=True):
    """What a judging process is asked; `late` names the parts that are not to be tried again."""

    evidence: Evidence
    rubric: Rubric
    late: tuple[str, ...] = ()


def judge(evidence: Evidence, rubric: Rubric) -> Grade:
    """Judge the evidence by the rubric in a process of its own.

    Raises:
        StoppedError: where `stop` was called meanwhile.
    """
    late: tuple[str, ...] = ()
    why = ""
    for _ in range(MOST_DEATHS):
        request = to_json(Asked(evidence=evidence, rubric=rubric, late=late))
        with _processes.one() as process:
            answer, part = process.ask(request)
            why = process.last_words()
        if answer is not None:
            return answer
        late = (*late, part)
    fault = Fault(stage="submission", traceback=f"judging ended in: {', '.join(late)}\n{why}")
    return grade(Evidence(submission=evidence.submission, isolation=evidence.isolation, fault=fault), rubric)


def warm(count: int = 1) -> None:
    """Start processes, so that they are ready by the time that there is something to judge."""
    with contextlib.ExitStack() as lent:
        for _ in range(count):
            lent.enter_context(_processes.one())


def stop() -> None:
    """End what is being judged: each `judge` under way raises `StoppedError`."""
    _processes.stop()


# -- the asking side --------------------------------------------------------------------------------


class _Process:
    """One judging process."""

    def __init__(self) -> None:
        self.stopped = False
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-m", "grader.judging", str(os.getpid())],  # said for whoever lists processes
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
            cwd="/",
        )

    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, request: bytes) -> tuple[Grade | None, str]:
        """Ask for a grade; where the process ends without one, the part that it was at."""
        timer = threading.Timer(WALL_SECONDS, self.kill)
        timer.start()
        part = "reading"
        try:
            with contextlib.suppress(BrokenPipeError):
                _write(self._pipe(self._process.stdin), b"A", request)
            while frame := _read(self._pipe(self._process.stdout)):
                kind, content = frame
                if kind == _GRADE:
                    return from_json(content, Grade), part
                part = content.decode()
        finally:
            timer.cancel()
        self.kill()
        if self.stopped:
            raise StoppedError
        return None, part

    @staticmethod
    def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
        assert pipe is not None  # noqa: S101 - it was asked for
        return pipe

    def last_words(self) -> str:
        """Return what a process said that has ended."""
        if self.alive():
            return ""
        self._errors.seek(0)
        return self._errors.read(pipeline.MAX_TRACEBACK).decode("utf-8", "replace")

    def kill(self) -> None:
        self._process.kill()  # which does nothing where it has ended
        self._process.wait()

    def close(self) -> None:
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                self._pipe(pipe).close()
        self._errors.close()


class _Processes:
    """The judging processes: one for each thread that asks at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[_Process] = []
        self._busy: set[_Process] = set()

    @contextlib.contextmanager
    def one(self) -> Iterator[_Process]:
        """Lend a process; one that has ended meanwhile is not lent again."""
        with self._lock:
            process = self._idle.pop() if self._idle else _Process()
            self._busy.add(process)
        try:
            yield process
        except BaseException:
            process.kill()
            raise
        finally:
            with self._lock:
                self._busy.discard(process)
                keep = process.alive() and not process.stopped
                if keep:
                    self._idle.append(process)
            if not keep:
                process.close()

    def stop(self) -> None:
        with self._lock:
            for process in self._busy:
                process.stopped = True
                process.kill()

    def close(self) -> None:
        with self._lock:
            while self._idle:
                self._idle.pop().close()


_processes = _Processes()
atexit.register(_processes.close)


# -- the judging side -------------------------------------------------------------------------------


def main() -> None:
    """Answer one question after another, until nobody asks any more."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing but answers may reach the one who asks
    _limit_self()
    while frame := _read(sys.stdin.buffer):
        asked = from_json(frame[1], Asked)
        judged = pipeline.judge(asked.evidence, asked.rubric, within=_watched(asked.late, answers))
        _write(answers, _GRADE, to_json(judged))


def _limit_self() -> None:
    faulthandler.enable()  # where it crashes, its last words say where
    lower(resource.RLIMIT_CORE, 0)
    lower(resource.RLIMIT_DATA, MEMORY_MB * 2**20)


def _watched(late: tuple[str, ...], answers: IO[bytes]) -> Within:
    """Tell of each part before it begins, and end it when its time is over."""

    @contextlib.contextmanager
    def within(part: str) -> Iterator[None]:
        if part in late:
            raise TooLongError(part)
        _write(answers, _PART, part.encode())
        with _seconds(PART_SECONDS):
            yield

    return within


@contextlib.contextmanager
def _seconds(most: float) -> Iterator[None]:
    """Raise `TooLongError` in what is inside when it has used so much of the processor; beyond, the kernel ends it."""
    running = True

    def over(*_: object) -> None:
        if running:
            raise TooLongError

    used = resource.getrusage(resource.RUSAGE_SELF)
    lower(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime + most) + SPARE_SECONDS)
    signal.signal(signal.SIGPROF, over)
    signal.setitimer(signal.ITIMER_PROF, most, 1.0)  # again and again, should something hold the first one back
    try:
        yield
    finally:
        running = False
        signal.setitimer(signal.ITIMER_PROF, 0)


# -- what goes through the pipes ----------------------------------------------------------------------


def _write(pipe: IO[bytes], kind: bytes, content: bytes) -> None:
    pipe.write(kind + len(content).to_bytes(8, "big") + content)
    pipe.flush()


def _read(pipe: IO[bytes]) -> tuple[bytes, bytes] | None:
    """Read the next frame; None at the end."""
    head = pipe.read(9)
    size = int.from_bytes(head[1:], "big")
    if len(head) < 9 or size > MOST_ANSWER:
        return None
    content = pipe.read(size)
    return (head[:1], content) if len(content) == size else None


if __name__ == "__main__":
    main()
