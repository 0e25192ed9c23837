"""Grades many submissions: known facts are judged, new ones gathered first, and no submission stops the others."""

from __future__ import annotations

import contextlib
import threading
import traceback
from collections import deque
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from msgspec.structs import replace

from grader import intake, judging, pipeline, verify
from grader.model import Evidence, Fault, Grade, Isolation, Limits, Record, Submission

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence

    from grader.model import Gather, Match
    from grader.rubric import Rubric
    from grader.store import Store

Item = TypeVar("Item")
Out = TypeVar("Out")


class Preparing(Record, frozen=True, kw_only=True):
    """The handed-out notebook is being run, once for all batches of a folder."""


class Started(Record, frozen=True, kw_only=True):
    """A submission's facts are being gathered."""

    student: str


class Graded(Record, frozen=True, kw_only=True):
    """A submission has its grade; `known` says that its facts were there already."""

    grade: Grade
    evidence: Evidence
    known: bool


Event = Preparing | Started | Graded

_PATIENCE_SECONDS = 0.05
Unit = tuple[str, tuple[Submission, ...]]
"""The key of some facts, and the submissions that share them."""


class Examine(Protocol):
    """Gathers the facts of one submission, in a process of its own."""

    def __call__(self, submission: Submission, *, gather: Gather, isolation: Isolation) -> Evidence:
        """Gather them."""


class Judge(Protocol):
    """Judges facts, in a process of its own."""

    def __call__(self, evidence: Evidence, rubric: Rubric) -> Grade:
        """Judge them; raises `judging.StoppedError` where it was broken off."""


class Base(Protocol):
    """Runs the handed-out notebook, which experiments are measured against."""

    def __call__(self, gather: Gather, *, isolation: Isolation) -> tuple[Match, ...]:
        """Run it; nothing where there is none."""


def examine(submission: Submission, *, gather: Gather, isolation: Isolation) -> Evidence:
    """Gather the facts of a submission, which are those of its digest only where its files are still the same.

    Files on a share that went away look like files that cannot be read; kept as facts, they would never be run again.
    """
    evidence = pipeline.examine(submission, gather=gather, isolation=isolation)
    if evidence.fault or intake.unchanged(submission):
        return evidence
    fault = Fault(stage="files", traceback="the files changed or went away while they were graded")
    return Evidence(submission=submission, isolation=isolation, fault=fault, seconds=evidence.seconds)


def grade(
    submissions: Sequence[Submission],
    *,
    rubric: Rubric,
    store: Store,
    isolation: Isolation,
    jobs: int = 1,
    on_event: Callable[[Event], None] = lambda _: None,
    examine: Examine = examine,
    base: Base = pipeline.base_matches,
    judge: Judge = judging.judge,
    kept: Mapping[str, str] | None = None,
    again: Collection[str] = (),
) -> None:
    """Grade every submission and keep facts and grade of each in the store as soon as it has them.

    Run again after any interruption, it gathers only what is not known yet; faults are tried again.
    Students who handed in the very same files share their facts. `on_event` is called in the calling thread.
    The facts of students in `kept` are those under the given keys, whatever the rubric says about gathering now;
    facts of students in `again` are gathered once more, and the known ones stay where that breaks.

    Raises:
        GraderError: where the handed-out notebook does not run, or the store cannot be written.
    """
    units = _units(submissions, rubric.gather, isolation, kept or {})
    keys = {submission.student: key for key, members in units for submission in members}
    store.begin([(submission.student, keys[submission.student]) for submission in submissions], rubric=rubric.digest)
    stopping = threading.Event()
    handed_out = _handed_out(rubric.gather, store=store, isolation=isolation, base=base, on_event=on_event)

    def gathered(key: str, submission: Submission) -> Evidence:
        try:
            evidence = examine(submission, gather=rubric.gather, isolation=isolation)
        except Exception:  # the border of one submission: whatever broke, the others go on
            fault = Fault(stage="batch", traceback=traceback.format_exc())
            evidence = Evidence(submission=submission, isolation=isolation, fault=fault)
        evidence = replace(evidence, base_matches=handed_out)
        if not (evidence.fault and stopping.is_set()):
            store.keep_evidence(key, evidence)
        return evidence

    def work(unit: Unit) -> Iterator[Started | Graded]:
        key, members = unit
        evidence = store.evidence(key)
        known = _is_known(evidence)
        if evidence is None or not known or any(member.student in again for member in members):
            yield Started(student=members[0].student)
            found = gathered(key, members[0])
            known = known and found.fault is not None
            evidence = evidence if evidence and known else found
        if evidence.fault and stopping.is_set():
            return  # it was broken off: no facts, and not the grader's fault either
        for own in (replace(evidence, submission=submission) for submission in members):
            grade = judge(own, rubric)
            store.keep_grade(key, grade)
            yield Graded(grade=grade, evidence=own, known=known)

    def stop() -> None:
        stopping.set()
        pipeline.stop()
        judging.stop()

    with contextlib.closing(map_local(work, units, jobs=jobs, stop=stop)) as events:
        for event in events:
            on_event(event)


def unknown(
    submissions: Iterable[Submission], *, rubric: Rubric, store: Store, isolation: Isolation
) -> tuple[Submission, ...]:
    """The submissions whose facts are not known yet, so that their notebooks will run."""
    units = _units(submissions, rubric.gather, isolation, {})
    return tuple(member for key, members in units if not _is_known(store.evidence(key)) for member in members)


def _is_known(evidence: Evidence | None) -> bool:
    return evidence is not None and evidence.fault is None


def grade_one(
    submission: Submission,
    *,
    rubric: Rubric,
    isolation: Isolation,
    examine: Examine = pipeline.examine,
    base: Base = pipeline.base_matches,
    judge: Judge = judging.judge,
) -> Graded:
    """Grade one submission without keeping it, while the handed-out notebook runs beside it."""

    def work(part: str) -> Iterator[Evidence | tuple[Match, ...]]:
        if part == "base":
            yield base(_patient(rubric.gather), isolation=isolation)
        else:
            yield examine(submission, gather=rubric.gather, isolation=isolation)

    parts = ("base", "submission") if submission.notebook else ("submission",)
    evidence = Evidence(submission=submission)
    handed_out: tuple[Match, ...] = ()
    with contextlib.closing(map_local(work, parts, jobs=len(parts), stop=pipeline.stop)) as events:
        for done in events:
            if isinstance(done, Evidence):
                evidence = done
            else:
                handed_out = done
    evidence = replace(evidence, base_matches=handed_out)
    return Graded(grade=judge(evidence, rubric), evidence=evidence, known=False)


def map_local(
    work: Callable[[Item], Iterable[Out]],
    items: Iterable[Item],
    *,
    jobs: int,
    stop: Callable[[], None] = lambda: None,
) -> Generator[Out, None, None]:
    """Yield what `work(item)` yields for every item, as it comes, from `jobs` threads.

    The threads only supervise child processes. Where the caller, an error or Ctrl-C ends it early, no further item
    begins, and `stop` is called until the ones under way have ended.
    """
    waiting = deque(items)
    events: SimpleQueue[tuple[str, Any]] = SimpleQueue()

    def serve() -> None:
        try:
            for item in _taken(waiting):
                for event in work(item):
                    events.put(("event", event))
        except judging.StoppedError:
            pass  # what was gathered is kept, and the next run judges it
        except BaseException as error:  # raised again in the caller's thread
            events.put(("error", error))
        events.put(("end", None))

    threads = [threading.Thread(target=serve, daemon=True) for _ in range(max(1, min(jobs, len(waiting))))]
    for thread in threads:
        thread.start()
    try:
        yield from _until_all_ended(events, len(threads))
    except BaseException:  # the caller's GeneratorExit and Ctrl-C among them
        waiting.clear()
        _end(threads, stop)
        raise


def _end(threads: Sequence[threading.Thread], stop: Callable[[], None]) -> None:
    for thread in threads:
        while thread.is_alive():
            stop()  # more than once, since a thread may have been about to begin a child
            thread.join(_PATIENCE_SECONDS)


def _taken(waiting: deque[Item]) -> Iterator[Item]:
    """What is still waiting, taken one by one; several threads may take from the same queue."""
    while True:
        try:
            yield waiting.popleft()
        except IndexError:
            return


def _until_all_ended(events: SimpleQueue[tuple[str, Any]], running: int) -> Iterator[Any]:
    while running:
        kind, value = events.get()
        if kind == "error":
            raise value
        if kind == "event":
            yield value
        else:
            running -= 1


def _units(
    submissions: Iterable[Submission], gather: Gather, isolation: Isolation, kept: Mapping[str, str]
) -> list[Unit]:
    """The submissions by the key of their facts: what is the same is gathered once."""
    units: dict[str, tuple[Submission, ...]] = {}
    for submission in submissions:
        key = kept.get(submission.student) or _key(submission, gather, isolation)
        units[key] = (*units.get(key, ()), submission)
    return list(units.items())


def _handed_out(
    gather: Gather, *, store: Store, isolation: Isolation, base: Base, on_event: Callable[[Preparing], None]
) -> tuple[Match, ...]:
    """What the handed-out notebook does, gathered once for all batches of this folder."""
    blank = Submission(student="", root="", asked=("notebook",))
    key = _key(blank, gather, isolation)
    known = store.evidence(key)
    if known is not None:
        return known.matches
    if gather.base:
        on_event(Preparing())
    matches = base(_patient(gather), isolation=isolation)
    store.keep_evidence(key, Evidence(submission=blank, isolation=isolation, matches=matches))
    return matches


def _patient(gather: Gather) -> Gather:
    """The same with the usual time at least: a class's short limits are no reason to stop the teacher's notebook."""
    limits, usual = gather.limits, Limits()
    longer = replace(
        limits,
        cell_seconds=max(limits.cell_seconds, usual.cell_seconds),
        notebook_seconds=max(limits.notebook_seconds, usual.notebook_seconds),
    )
    return replace(gather, limits=longer)


def _key(submission: Submission, gather: Gather, isolation: Isolation) -> str:
    return pipeline.facts_key(submission, gather, isolation, verifier=verify.VERSION)
