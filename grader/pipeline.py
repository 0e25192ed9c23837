"""One submission from files to grade: gather and verify in a supervised child, then judge here.

`examine` is called by the grader's own process and touches nothing that a student made: it starts a
child (`main` below) that does, and reads back JSON of a bounded size. Whatever the child does, dies of
or prints, `examine` returns evidence.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import hashlib
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO

from msgspec.structs import replace

from grader.checks import unbounded
from grader.limits import lower
from grader.model import (
    Evidence,
    Fault,
    Gather,
    Grade,
    GraderError,
    Isolation,
    Match,
    Message,
    Notebook,
    Record,
    ReportFacts,
    Run,
    Series,
    Submission,
    Within,
    from_json,
    message,
    to_json,
)
from grader.rubric import Rubric, grade

MAX_ANSWER = 32 * 1024 * 1024
MAX_TRACEBACK = 20_000
LONGEST_NAME = 100
MAX_PRINTED, LEAST_PRINTED = 4_000_000, 500  # characters of all cells together, and of each cell beyond that
CHILD_MEMORY_MB = 4096
SECONDS_TO_SPARE = 60.0

_PR_SET_PDEATHSIG = 1  # prctl(2)

_children: set[subprocess.Popen[bytes]] = set()


class Job(Record, frozen=True, kw_only=True):
    """What the child is asked to do."""

    submission: Submission
    gather: Gather
    isolation: Isolation


def facts_key(submission: Submission, gather: Gather, isolation: Isolation, *, verifier: str) -> str:
    """Name the facts of a submission: another file, setting, verifier or jail makes other facts."""
    parts = (
        submission.digest,
        to_json(gather),
        isolation.level,
        verifier,
        to_json(submission.asked),
        to_json(submission.problems),
    )
    return hashlib.sha256(b"\0".join(p if isinstance(p, bytes) else p.encode() for p in parts)).hexdigest()


def judge(evidence: Evidence, rubric: Rubric, *, within: Within = unbounded) -> Grade:
    """Judge the evidence by the rubric; a check that breaks is a fault of ours, never of the student."""
    try:
        return grade(evidence, rubric, within=within)
    except Exception:  # the border: whatever breaks in judging is a fault of ours, kept with its traceback
        fault = Fault(stage="submission", traceback=traceback.format_exc()[-MAX_TRACEBACK:])
        blank = Evidence(submission=evidence.submission, isolation=evidence.isolation, fault=fault)
        return grade(blank, rubric)


# -- the parent's side ---------------------------------------------------------------------------


def examine(submission: Submission, *, gather: Gather, isolation: Isolation) -> Evidence:
    """Gather and verify one submission in a child of its own; never raises for what a student handed in."""
    job = Job(submission=submission, gather=gather, isolation=isolation)
    started = time.monotonic()
    try:
        evidence = from_json(_ask(to_json(job), seconds=_deadline(gather)), Evidence)
    except GraderError as error:
        evidence = _faulty(job, f"{error.message}\n{error.hint}")
    return replace(evidence, submission=submission, isolation=isolation, seconds=round(time.monotonic() - started, 3))


def _deadline(gather: Gather) -> float:
    limits = gather.limits
    return limits.notebook_seconds + 2 * limits.report_seconds + limits.ocr_seconds + SECONDS_TO_SPARE


def _faulty(job: Job, why: str) -> Evidence:
    return Evidence(submission=job.submission, fault=Fault(stage="submission", traceback=why[-MAX_TRACEBACK:]))


def _ask(job: bytes, *, seconds: float) -> bytes:
    """Run the child on a job and return what it answered; it dies with everything it started."""
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(
            [sys.executable, "-I", "-m", "grader.pipeline", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
            cwd="/",
        )
        _children.add(child)
        timer = threading.Timer(seconds, _kill, (child,))
        timer.start()
        try:
            answer = _exchange(child, job)
        finally:
            timer.cancel()
            _kill(child)
            child.wait()
            _children.discard(child)
        if child.returncode == 0 and len(answer) <= MAX_ANSWER:
            return answer
        raise GraderError(_how_it_ended(child.returncode, len(answer)), hint=_tail(errors))


def _exchange(child: subprocess.Popen[bytes], job: bytes) -> bytes:
    assert child.stdin is not None  # noqa: S101 - it was asked for
    assert child.stdout is not None  # noqa: S101 - it was asked for
    try:
        with child.stdin as pipe:
            pipe.write(job)
    except BrokenPipeError:
        pass  # it died before it read the job; its exit code says so
    with child.stdout as pipe:
        answer = pipe.read(MAX_ANSWER + 1)
    if len(answer) <= MAX_ANSWER:
        child.wait()
    return answer


def _kill(child: subprocess.Popen[bytes]) -> None:
    """Kill the child's whole session; jails die with their parent."""
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):  # it has ended just now
            os.killpg(child.pid, signal.SIGKILL)


def stop() -> None:
    """Kill all children under way, whose `examine` then returns a fault; the batch calls it when it is interrupted."""
    for child in tuple(_children):
        _kill(child)


def _how_it_ended(returncode: int | None, size: int) -> str:
    if size > MAX_ANSWER:
        return f"the child answered more than {MAX_ANSWER // 2**20} MB"
    return f"the child ended with exit code {returncode}"


def _tail(errors: IO[bytes]) -> str:
    errors.seek(0, os.SEEK_END)
    errors.seek(max(0, errors.tell() - MAX_TRACEBACK))
    return errors.read().decode("utf-8", "replace")


# -- the child's side ----------------------------------------------------------------------------


def main() -> None:
    """Read a job from standard input, gather and verify, write the evidence to standard output."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing but the answer may reach the parent, whatever a library prints
    _limit_self()
    job = from_json(sys.stdin.buffer.read(), Job)
    evidence = gather(job)
    with answers:
        answers.write(_answer(evidence))


def _answer(evidence: Evidence) -> bytes:
    """Write the evidence; where there is more of it than the parent reads, a person looks at the notebook."""
    whole = to_json(evidence)
    if len(whole) <= MAX_ANSWER:
        return whole
    problem = message("notebook.too-much-found", allowed=MAX_ANSWER // 2**20)
    report, fault = evidence.report, evidence.fault
    bare = Evidence(submission=evidence.submission, notebook_problem=problem, fault=fault, verifier=evidence.verifier)
    return min(to_json(replace(bare, report=report)), to_json(bare), key=lambda answer: len(answer) > MAX_ANSWER)


def _limit_self() -> None:
    """Bound the child, which reads what kernels and parsers send; it ends with the thread that supervises it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if sys.argv[1:] and os.getppid() != int(sys.argv[1]):
        sys.exit("the grader has ended before this began")
    faulthandler.enable()  # where it crashes, its last words say where
    lower(resource.RLIMIT_DATA, CHILD_MEMORY_MB * 2**20)
    lower(resource.RLIMIT_CORE, 0)


def gather(job: Job) -> Evidence:
    """Gather and verify a submission; each part's failure leaves the other part's facts alone."""
    from grader import verify  # here, since the parent never needs NumPy

    evidence = Evidence(submission=job.submission, isolation=job.isolation, verifier=verify.VERSION)
    for stage, step in (("notebook", _notebook), ("report", _report)):
        evidence = _guarded(stage, step, job, evidence)
    return evidence


def _guarded(stage: str, step: Callable[[Job, Evidence], Evidence], job: Job, evidence: Evidence) -> Evidence:
    try:
        return step(job, evidence)
    except Exception:  # the border: a broken stage is a fault of ours, kept with its traceback
        stage = "submission" if evidence.fault else stage
        return replace(evidence, fault=Fault(stage=stage, traceback=traceback.format_exc()[-MAX_TRACEBACK:]))


def _notebook(job: Job, evidence: Evidence) -> Evidence:
    """Read, run and verify the notebook; what ran is known even where verifying breaks."""
    from grader import kernel, notebook

    path = _path(job.submission, job.submission.notebook)
    if path is None or "notebook" not in job.submission.asked:
        return evidence
    try:
        theirs = notebook.read(path, limits=job.gather.limits)
    except notebook.UnreadableError as error:
        return replace(evidence, notebook_problem=error.problem)
    base = notebook.parse(job.gather.base) if job.gather.base else Notebook()
    executed = kernel.execute(theirs, gather=job.gather, isolation=job.isolation)
    stated = (*notebook.declared(theirs), *executed.scalars)
    declared = tuple(each for each in stated if len(each.name) <= LONGEST_NAME)  # others are no hyperparameter's
    evidence = replace(
        evidence,
        notebook=theirs,
        own_prose=notebook.own_prose(base, theirs),
        prose=notebook.prose(base, theirs),
        changes=notebook.changes(base, theirs),
        declared=declared,
        run=_brief(executed.run),
    )
    evidence = _guarded("verify", partial(_verify, executed.series), job, evidence)
    evidence = replace(evidence, matches=tuple(_whole(match, executed.cut) for match in evidence.matches))
    if evidence.fault:
        return evidence
    evidence = _guarded("verify", partial(_accounted, theirs, executed.series), job, evidence)
    return replace(evidence, matches=_with_reaches(evidence.matches, theirs, base))


def _brief(run: Run) -> Run:
    """Keep what the cells printed as long as it is not too much altogether, and then only how each began."""
    left = MAX_PRINTED
    cells = []
    for cell in run.cells:
        kept = cell.printed[: max(left, LEAST_PRINTED)]
        left -= len(kept)
        cells.append(cell if kept == cell.printed else replace(cell, printed=kept))
    return replace(run, cells=tuple(cells))


def _with_reaches(matches: Sequence[Match], theirs: Notebook, base: Notebook) -> tuple[Match, ...]:
    """Note beside a run that is right which cells before it could have put its numbers there without training."""
    from grader import notebook

    known = {cell.source for cell in base.cells}
    cells = [cell for cell in theirs.cells if cell.kind == "code" and cell.source not in known]
    found = {cell.index: words for cell in cells if (words := notebook.reaches(cell.source))}
    return tuple(
        replace(match, notes=(*match.notes, *_reaching(match, found))) if match.verdict == "matches" else match
        for match in matches
    )


def _reaching(match: Match, found: Mapping[int, Sequence[str]]) -> tuple[Message, ...]:
    return tuple(
        message("notebook.reaches", cell=cell, words=", ".join(words))
        for cell, words in found.items()
        if cell <= match.cell
    )


def _whole(match: Match, cut: Sequence[tuple[int, str, int]]) -> Match:
    """Say how long a run was of which only the beginning left the jail, and how much of it was checked."""
    lengths = [
        rows for cell, name, rows in cut if cell == match.cell and any(own.startswith(name) for own in match.names)
    ]
    if not lengths:
        return match
    judged = min([match.steps, *(int(str(n.parameters["judged"])) for n in match.notes if n.id == "verify.more-steps")])
    notes = tuple(note for note in match.notes if note.id != "verify.more-steps")
    said = message("verify.more-steps", steps=max(lengths) - 1, judged=judged)
    return replace(match, steps=max(lengths) - 1, notes=(*notes, said))


def _beside(series: Sequence[Series], job: Job, evidence: Evidence) -> Evidence:
    """Name the histories of other cells beside the runs that were found."""
    from grader.verify.alone import beside

    named = beside(series, evidence.matches, names=job.gather.names)
    return replace(evidence, matches=tuple(sorted((*evidence.matches, *named), key=lambda match: match.cell)))


def _accounted(theirs: Notebook, series: Sequence[Series], job: Job, evidence: Evidence) -> Evidence:
    """Account for every training loop: where a cell has fewer runs than were started in it, look at what its loops do.

    Where nothing was trained that can be judged, name what is kept all the same.
    """
    from grader.verify import unrecorded
    from grader.verify.alone import alone, printed

    cells = _short_of_runs(theirs, evidence.matches)
    again = _recorded(theirs, job, evidence) if cells or not evidence.matches else ()
    if again:
        own = {(each.cell, each.name) for each in again if each.source == "recorded"}
        found = _verify(again, job, evidence).matches
        evidence = replace(evidence, matches=unrecorded(evidence.matches, found, own, cells))
    if evidence.matches:
        return _beside(series, job, evidence)
    recorded = (each for each in again if each.source == "recorded")
    shown = printed(evidence.run.cells if evidence.run else ())
    return replace(evidence, matches=alone((*series, *recorded, *shown), names=job.gather.names))


def _short_of_runs(theirs: Notebook, matches: Sequence[Match]) -> frozenset[int]:
    """List the cells in which more runs are started than were found, or one that stands still."""
    from grader import notebook

    started = Counter(call.cell for call in notebook.calls(theirs))
    sure = [match for match in matches if (match.line or match.verdict == "matches") and not match.stands]
    found = Counter(match.cell for match in sure)
    return frozenset(started - found)


def _recorded(theirs: Notebook, job: Job, evidence: Evidence) -> tuple[Series, ...]:
    """Run a notebook again with a record in its loops, in the time that is left; nothing where it has no such loop."""
    from grader import kernel, notebook

    written = notebook.recording(theirs)
    limits = job.gather.limits
    left = limits.notebook_seconds - (evidence.run.seconds if evidence.run else 0.0)
    stopped = evidence.run is None or evidence.run.outcome != "complete"  # it would be stopped again
    if written is None or stopped or left <= 0:
        return ()
    gather = replace(job.gather, limits=replace(limits, notebook_seconds=left))
    return kernel.execute(written, gather=gather, isolation=job.isolation).series


def _verify(series: Sequence[Series], job: Job, evidence: Evidence) -> Evidence:
    """Find the training runs among the series, and judge every step of them."""
    from grader import notebook, verify

    theirs = evidence.notebook or Notebook()
    found = verify.runs(
        series,
        declared=evidence.declared,
        names=job.gather.names,
        loops=notebook.loops(theirs),
        calls=notebook.calls(theirs),
        stopped={cell.index for cell in evidence.run.cells if cell.status != "ok"} if evidence.run else set(),
    )
    return replace(evidence, matches=found)


def _report(job: Job, evidence: Evidence) -> Evidence:
    """Read the report."""
    from grader import report

    path = _path(job.submission, job.submission.report)
    if path is None or "report" not in job.submission.asked:
        return evidence
    facts: ReportFacts = report.read(path, limits=job.gather.limits, isolation=job.isolation)
    return replace(evidence, report=facts)


def _path(submission: Submission, name: str | None) -> Path | None:
    return Path(submission.root, name) if name else None


# -- the handed-out notebook ---------------------------------------------------------------------


def base_matches(gather: Gather, *, isolation: Isolation) -> tuple[Match, ...]:
    """Run the handed-out notebook once, so that experiments are measured against it.

    Raises:
        GraderError: where it does not run, since every experiment would be judged against nothing.
    """
    if not gather.base:
        return ()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "base.ipynb").write_text(gather.base, encoding="utf-8")
        submission = Submission(student="", root=folder, notebook="base.ipynb", asked=("notebook",))
        why = ""
        for _ in range(2):  # a machine short of memory may end one kernel; a notebook that is wrong ends both
            evidence = examine(submission, gather=gather, isolation=isolation)
            why = _why_it_stopped(evidence)
            if not why:
                return evidence.matches
    raise GraderError("the handed-out notebook does not run", where="[gather] base", hint=why)


def _why_it_stopped(evidence: Evidence) -> str:
    if evidence.fault or evidence.run is None:
        return evidence.fault.reason if evidence.fault else "it was not run"
    stopped = [cell for cell in evidence.run.cells if cell.status != "ok"]
    return ", ".join(f"cell {cell.index}: {cell.error or cell.status}" for cell in stopped)


if __name__ == "__main__":
    main()
