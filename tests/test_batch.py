"""A batch: what is known is not run again, and nothing that happens to one submission stops the others."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from grader import batch, intake, pipeline
from grader.batch import Event, Graded, Preparing
from grader.coverage import Topics
from grader.model import (
    CellRun,
    Criterion,
    Evidence,
    Fault,
    Gather,
    GraderError,
    Isolation,
    Limits,
    Match,
    ReportFacts,
    Run,
    Submission,
    Verdict,
)
from grader.rubric import Rubric
from grader.store import Store, open_store

JAIL = Isolation(level="bubblewrap")
RUBRIC = Rubric(
    title="Test",
    digest="sha256:1",
    topics=Topics(topics=(), words={}, references=()),
    criteria=(Criterion(id="runs", check="notebook-runs", points=10),),
)


def student(name: str, *, content: str | None = None) -> Submission:
    return Submission(student=name, root=f"/class/{name}", notebook="a.ipynb", digest=f"sha256:{content or name}")


class Fake:
    """Stands in for the child process that gathers facts: notes who was examined, and breaks where told to."""

    def __init__(self, *, broken: tuple[str, ...] = (), raising: tuple[str, ...] = (), seconds: float = 0.0) -> None:
        self.examined: list[str] = []
        self.most_at_once = 0
        self._busy = 0
        self._lock = threading.Lock()
        self._broken, self._raising, self._seconds = broken, raising, seconds

    def __call__(self, submission: Submission, *, isolation: Isolation, **_: Gather) -> Evidence:
        with self._lock:
            self._busy += 1
            self.most_at_once = max(self.most_at_once, self._busy)
            self.examined.append(submission.student)
        time.sleep(self._seconds)
        with self._lock:
            self._busy -= 1
        if submission.student in self._raising:
            raise OSError("no more processes")
        fault = Fault(stage="notebook", traceback="…") if submission.student in self._broken else None
        run = Run(outcome="complete", isolation=isolation, cells=(CellRun(index=1, status="ok"),))
        return Evidence(submission=submission, isolation=isolation, run=run, fault=fault)


def no_base(gather: Gather, *, isolation: Isolation) -> tuple[Match, ...]:
    return ()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "grades.sqlite") as opened:
        yield opened


def grade(
    names: list[Submission], store: Store, examine: Fake, *, rubric: Rubric = RUBRIC, jobs: int = 1
) -> list[Event]:
    events: list[Event] = []
    batch.grade(
        names,
        rubric=rubric,
        store=store,
        isolation=JAIL,
        jobs=jobs,
        on_event=events.append,
        examine=examine,
        base=no_base,
    )
    return events


def verdicts(store: Store) -> dict[str, Verdict]:
    return {g.submission.student: g.scored[0].finding.verdict for g, _ in store.graded()}


def test_everyone_is_graded_and_each_step_is_told(store: Store) -> None:
    events = grade([student("b1"), student("b2")], store, Fake())

    assert verdicts(store) == {"b1": Verdict.PASS, "b2": Verdict.PASS}
    assert [
        (type(e).__name__, e.grade.submission.student if isinstance(e, Graded) else getattr(e, "student", ""))
        for e in events
    ] == [
        ("Started", "b1"),
        ("Graded", "b1"),
        ("Started", "b2"),
        ("Graded", "b2"),
    ]


def test_what_is_known_is_not_run_again(store: Store) -> None:
    grade([student("b1"), student("b2")], store, Fake())
    again = Fake()
    events = grade([student("b1"), student("b2"), student("b3")], store, again)

    assert again.examined == ["b3"]
    assert [event.known for event in events if isinstance(event, Graded)] == [True, True, False]


def test_another_rubric_judges_again_without_running(store: Store) -> None:
    grade([student("b1")], store, Fake())
    again = Fake()
    twice = replace(RUBRIC, digest="sha256:2", criteria=(replace(RUBRIC.criteria[0], points=20.0),))
    grade([student("b1")], store, again, rubric=twice)

    assert again.examined == []
    assert [g.points for g, _ in store.graded()] == [20.0]


@pytest.mark.parametrize(
    "change",
    [
        {"limits": Limits(cell_seconds=5)},
        {"kernel": "/usr/bin/python3"},
    ],
    ids=["limits", "kernel"],
)
def test_another_way_to_gather_runs_again(store: Store, change: dict[str, object]) -> None:
    grade([student("b1")], store, Fake())
    again = Fake()
    grade([student("b1")], store, again, rubric=replace(RUBRIC, gather=replace(RUBRIC.gather, **change)))

    assert again.examined == ["b1"]


def test_changed_files_run_again_and_take_the_old_grades_place(store: Store) -> None:
    grade([student("b1", content="draft")], store, Fake())
    again = Fake()
    grade([student("b1", content="final")], store, again)

    assert again.examined == ["b1"]
    assert [g.submission.digest for g, _ in store.graded()] == ["sha256:final"]


def test_a_student_who_is_gone_leaves_the_class(store: Store) -> None:
    grade([student("b1"), student("b2")], store, Fake())
    grade([student("b2")], store, Fake())

    assert list(verdicts(store)) == ["b2"]


def test_the_same_files_are_run_once_and_graded_for_each(store: Store) -> None:
    fake = Fake()
    grade([student("b1", content="same"), student("b2"), student("b3", content="same")], store, fake, jobs=2)

    assert sorted(fake.examined) == ["b1", "b2"]
    assert [g.submission.student for g, _ in store.graded()] == ["b1", "b2", "b3"]


@pytest.mark.parametrize("fake", [Fake(broken=("b2",)), Fake(raising=("b2",))], ids=["fault", "exception"])
def test_one_fault_costs_nobody_anything_and_is_tried_again(store: Store, fake: Fake) -> None:
    class_ = [student("b1"), student("b2"), student("b3")]
    grade(class_, store, fake)
    assert verdicts(store) == {"b1": Verdict.PASS, "b2": Verdict.FAULT, "b3": Verdict.PASS}
    assert [g.pending for g, _ in store.graded()] == [0, 10, 0]

    again = Fake()
    grade(class_, store, again)
    assert again.examined == ["b2"]
    assert verdicts(store)["b2"] is Verdict.PASS


def test_as_many_submissions_as_jobs_are_examined_at_the_same_time(store: Store) -> None:
    fake = Fake(seconds=0.02)
    grade([student(f"b{n}") for n in range(12)], store, fake, jobs=4)

    assert 1 < fake.most_at_once <= 4
    assert len(verdicts(store)) == 12


def test_events_are_told_in_the_callers_thread(store: Store) -> None:
    threads = set()
    batch.grade(
        [student("b1"), student("b2")],
        rubric=RUBRIC,
        store=store,
        isolation=JAIL,
        jobs=2,
        on_event=lambda _: threads.add(threading.current_thread()),
        examine=Fake(),
        base=no_base,
    )

    assert threads == {threading.current_thread()}


def test_an_interruption_keeps_what_is_done_and_begins_nothing_new(store: Store) -> None:
    fake = Fake()

    def interrupt(event: Event) -> None:
        if isinstance(event, Graded):
            raise KeyboardInterrupt

    class_ = [student(f"b{n}") for n in range(50)]
    with pytest.raises(KeyboardInterrupt):
        batch.grade(class_, rubric=RUBRIC, store=store, isolation=JAIL, on_event=interrupt, examine=fake, base=no_base)
    done = len(fake.examined)
    assert 1 <= done < 50
    assert 1 <= len(verdicts(store)) <= done  # one whose judging was broken off has its facts, and is judged next time

    grade(class_, store, fake)
    assert sorted(fake.examined) == sorted(s.student for s in class_)


def test_an_interruption_breaks_off_what_is_under_way_and_holds_it_against_nobody(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = threading.Event()
    monkeypatch.setattr(pipeline, "stop", killed.set)

    def examine(submission: Submission, *, gather: Gather, isolation: Isolation) -> Evidence:
        assert killed.wait(10)
        return Evidence(submission=submission, fault=Fault(stage="submission", traceback="exit code -9"))

    def interrupt(event: Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        batch.grade(
            [student("b1"), student("b2")],
            rubric=RUBRIC,
            store=store,
            isolation=JAIL,
            jobs=2,
            on_event=interrupt,
            examine=examine,
            base=no_base,
        )
    assert verdicts(store) == {}
    assert store.pending() == ("b1", "b2")


def test_stopping_kills_the_child_of_a_submission(monkeypatch: pytest.MonkeyPatch) -> None:
    start = subprocess.Popen

    def sleep(_: list[str], **options: Any) -> subprocess.Popen[bytes]:
        return start(["sleep", "30"], **options)

    monkeypatch.setattr(subprocess, "Popen", sleep)
    timer = threading.Timer(0.1, pipeline.stop)
    timer.start()
    began = time.monotonic()
    evidence = pipeline.examine(student("b1"), gather=Gather(), isolation=JAIL)
    timer.join()

    assert evidence.fault is not None
    assert time.monotonic() - began < 20


def test_a_store_that_cannot_be_written_stops_the_batch_with_its_error(tmp_path: Path) -> None:
    with open_store(tmp_path / "grades.sqlite") as store:

        def close(event: Event) -> None:
            store.close()

        with pytest.raises(GraderError, match="database"):
            batch.grade(
                [student("b1"), student("b2")],
                rubric=RUBRIC,
                store=store,
                isolation=JAIL,
                on_event=close,
                examine=Fake(seconds=0.05),
                base=no_base,
            )


@pytest.mark.parametrize("change", [Path.unlink, lambda path: path.write_bytes(b"%PDF-2")], ids=["gone", "edited"])
def test_files_that_change_while_they_are_graded_leave_no_facts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], object]
) -> None:
    report = tmp_path / "b1" / "report.pdf"
    report.parent.mkdir()
    report.write_bytes(b"%PDF-1")
    (submission,) = intake.folder(tmp_path)
    monkeypatch.setattr(pipeline, "examine", Fake())

    assert batch.examine(submission, gather=Gather(), isolation=JAIL).fault is None
    change(report)
    evidence = batch.examine(submission, gather=Gather(), isolation=JAIL)
    assert evidence.fault is not None
    assert evidence.fault.stage == "files"


def test_the_handed_out_notebook_runs_once_for_all_batches(store: Store) -> None:
    runs = []

    def base(gather: Gather, *, isolation: Isolation) -> tuple[Match, ...]:
        runs.append(gather.base)
        return (Match(cell=2, names=("b", "w"), steps=10, verdict="matches"),)

    rubric = replace(RUBRIC, gather=Gather(base="the text"))
    events: list[Event] = []
    for names in (["b1"], ["b1", "b2"]):
        batch.grade(
            [student(name) for name in names],
            rubric=rubric,
            store=store,
            isolation=JAIL,
            on_event=events.append,
            examine=Fake(),
            base=base,
        )

    assert runs == ["the text"]
    assert [isinstance(event, Preparing) for event in events] == [True, *[False] * (len(events) - 1)]
    assert [len(e.base_matches) for _, e in store.graded()] == [1, 1]


def test_one_submission_is_graded_against_the_handed_out_notebook() -> None:
    ours = (Match(cell=2, names=("b", "w"), steps=10, verdict="matches"),)
    graded = batch.grade_one(student("b1"), rubric=RUBRIC, isolation=JAIL, examine=Fake(), base=lambda *_, **__: ours)

    assert graded.evidence.base_matches == ours
    assert graded.grade.points == 10


def test_a_report_alone_needs_no_handed_out_notebook() -> None:
    def base(gather: Gather, *, isolation: Isolation) -> tuple[Match, ...]:
        raise AssertionError("must not run")

    def examine(submission: Submission, *, gather: Gather, isolation: Isolation) -> Evidence:
        return Evidence(submission=submission, isolation=isolation, report=ReportFacts(outcome="read"))

    alone = Submission(student="b1", root="/", report="report.pdf", asked=("report",))
    graded = batch.grade_one(alone, rubric=RUBRIC, isolation=JAIL, examine=examine, base=base)

    assert graded.grade.scored[0].finding.verdict is Verdict.SKIPPED


def test_map_local_hands_on_whatever_the_work_raises() -> None:
    def work(item: int) -> Iterator[int]:
        yield item
        [][item]

    with pytest.raises(IndexError):
        list(batch.map_local(work, range(5), jobs=2))


def test_map_local_begins_no_more_threads_than_there_are_items() -> None:
    def work(item: int) -> Iterator[int]:
        yield threading.active_count()

    before = threading.active_count()

    assert max(batch.map_local(work, range(2), jobs=1000)) <= before + 2


def test_map_local_without_items_ends() -> None:
    def work(item: int) -> Iterator[int]:
        yield item

    assert list(batch.map_local(work, [], jobs=3)) == []
