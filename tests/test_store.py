"""The store: what is kept comes back, whatever happens to the process."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.model import (
    Cell,
    CellRun,
    Change,
    Criterion,
    Decision,
    Declared,
    Evidence,
    Fault,
    Finding,
    Grade,
    GraderError,
    Isolation,
    Match,
    Notebook,
    RubricId,
    Run,
    Scored,
    Submission,
    Verdict,
    message,
    to_json,
)
from grader.store import Store, alone, open_store, ours, reading

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.floats() | st.integers(-(2**53), 2**53).map(float)
cells = st.builds(Cell, index=st.just(1), kind=st.just("code"), source=texts)
changes = st.builds(Change, name=texts, cell=st.just(2), before=st.none() | texts, after=st.none() | texts)
evidences = st.builds(
    Evidence,
    submission=st.builds(Submission, student=texts, root=texts, notebook=st.none() | texts),
    isolation=st.just(Isolation(level="bubblewrap")),
    notebook=st.none() | st.builds(Notebook, cells=st.tuples(cells)),
    changes=st.tuples(changes),
    declared=st.tuples(st.builds(Declared, name=texts, cell=st.just(2), value=numbers)),
    run=st.none()
    | st.builds(
        Run,
        outcome=st.just("complete"),
        isolation=st.just(Isolation()),
        cells=st.tuples(st.builds(CellRun, index=st.just(1), status=st.sampled_from(["ok", "error"]), printed=texts)),
    ),
    matches=st.tuples(
        st.builds(
            Match,
            cell=st.just(3),
            names=st.tuples(texts),
            steps=st.integers(0, 10**9),
            verdict=st.just("matches"),
            hyperparameters=st.dictionaries(texts, numbers, max_size=2),
            max_residual=st.none() | numbers,
        )
    ),
)  # fmt: skip


def evidence_of(student: str, *, fault: bool = False) -> Evidence:
    broken = Fault(stage="notebook", traceback="Traceback …") if fault else None
    return Evidence(submission=Submission(student=student, root="/class"), fault=broken)


def grade_of(student: str, *, rubric: str = "sha256:1", points: float = 3.0) -> Grade:
    criterion = Criterion(id="updates", check="updates-match", points=5)
    finding = Finding(check="updates-match", verdict=Verdict.PARTIAL, credit=0.6, message=message("updates.some"))
    return Grade(
        submission=Submission(student=student, root="/class"),
        rubric=RubricId(title="Test", digest=rubric),
        scored=(Scored(criterion=criterion, finding=finding, points=points, pending=0, out_of=5),),
        points=points,
        pending=0,
        out_of=5,
        needs_review=False,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "grades.sqlite"


@pytest.fixture(scope="module")
def store_of_all_examples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with open_store(tmp_path_factory.mktemp("store") / "grades.sqlite") as store:
        yield store


@given(evidence=evidences)
@settings(max_examples=50)
def test_facts_come_back_as_they_were_kept(evidence: Evidence, store_of_all_examples: Store) -> None:
    store_of_all_examples.keep_evidence("key", evidence)
    known = store_of_all_examples.evidence("key")

    assert to_json(known) == to_json(evidence)  # compared as JSON, since NaN is not equal to itself


def test_facts_come_back_after_closing(path: Path) -> None:
    with open_store(path) as store:
        store.keep_evidence("key", evidence_of("b1"))
    with open_store(path) as store:
        assert store.evidence("key") == evidence_of("b1")
        assert store.evidence("other") is None


def test_a_fault_gives_way_to_facts_but_facts_never_to_a_fault(path: Path) -> None:
    with open_store(path) as store:
        store.keep_evidence("key", evidence_of("b1", fault=True))
        store.keep_evidence("key", evidence_of("b1"))
        store.keep_evidence("key", evidence_of("b1", fault=True))

        assert store.evidence("key") == evidence_of("b1")


def test_facts_that_this_version_cannot_read_are_unknown(path: Path) -> None:
    with open_store(path) as store:
        store.keep_evidence("key", evidence_of("b1"))
    with sqlite3.connect(path) as database:
        database.execute("update facts set evidence = '{\"submission\": 5}'")
    database.close()

    with open_store(path) as store:
        assert store.evidence("key") is None


def test_a_batch_lists_its_grades_in_order_with_their_facts(path: Path) -> None:
    with open_store(path) as store:
        store.begin([("b2", "k2"), ("b1", "k1"), ("b3", "k3")], rubric="sha256:1")
        for student, key in (("b1", "k1"), ("b2", "k2")):
            store.keep_evidence(key, evidence_of(student))
            store.keep_grade(key, grade_of(student))

        assert list(store.graded()) == [(grade_of(s), evidence_of(s)) for s in ("b2", "b1")]
        assert store.pending() == ("b3",)


def test_a_student_whose_folders_name_is_no_text_is_kept_like_the_others(path: Path) -> None:
    with open_store(path) as store:
        store.begin([("b\udcff1", "k")], rubric="sha256:1")
        store.keep_evidence("k", evidence_of("b\udcff1"))
        store.keep_grade("k", grade_of("b\udcff1"))

        assert [grade.submission.student for grade, _ in store.graded()] == ["b\\udcff1"]


def test_a_batch_shows_no_grade_of_another_rubric_or_of_replaced_files(path: Path) -> None:
    with open_store(path) as store:
        store.keep_evidence("old", evidence_of("b1"))
        store.keep_grade("old", grade_of("b1", rubric="sha256:1"))
        store.begin([("b1", "old")], rubric="sha256:2")
        assert store.pending() == ("b1",)
        store.begin([("b1", "new")], rubric="sha256:1")
        assert store.pending() == ("b1",)

        assert list(store.graded()) == []


def test_a_new_grade_takes_the_place_of_the_same_rubrics_earlier_one(path: Path) -> None:
    with open_store(path) as store:
        store.begin([("b1", "k")], rubric="sha256:1")
        store.keep_evidence("k", evidence_of("b1"))
        store.keep_grade("k", grade_of("b1", points=1))
        store.keep_grade("k", grade_of("b1", points=4))

        assert [grade.points for grade, _ in store.graded()] == [4]


def test_every_grade_that_differed_stays_as_history(path: Path) -> None:
    with open_store(path) as store:
        for points in (1, 1, 4):
            store.keep_grade("k", grade_of("b1", points=points))
        store.keep_grade("k", grade_of("b1", rubric="sha256:2", points=2))

        assert [grade.points for _, grade in store.history("b1")] == [1, 4, 2]


def test_points_and_pending_are_columns_of_the_batch(path: Path) -> None:
    with open_store(path) as store:
        store.begin([("b2", "k"), ("b1", "k")], rubric="sha256:1")
        store.keep_grade("k", grade_of("b1", points=1))
        store.keep_grade("k", grade_of("b2", points=2))
        store.keep_grade("k", grade_of("b2", points=3))
    with sqlite3.connect(path) as database:
        rows = database.execute("select student, points, pending, out_of from automatic order by position").fetchall()
    database.close()

    assert rows == [("b2", 3, 0, 5), ("b1", 1, 0, 5)]


def decision_of(student: str, points: float) -> Decision:
    return Decision(student=student, criterion="updates", points=points, comment="看過了", by="ta", at="2026-01-01")


def test_decisions_come_back_in_order_and_apart_from_grades(path: Path) -> None:
    with open_store(path) as store:
        store.decide([decision_of("b1", 2), decision_of("b2", 5), decision_of("b1", 3)])
    with open_store(path) as store:
        store.begin([("b1", "k")], rubric="sha256:1")
        assert store.decisions("b1") == (decision_of("b1", 2), decision_of("b1", 3))
        assert store.decided_students() == {"b1", "b2"}


def test_decisions_are_kept_all_or_none(path: Path) -> None:
    def broken() -> Iterator[Decision]:
        yield decision_of("b1", 2)
        raise ValueError("odd")

    with open_store(path) as store:
        with pytest.raises(ValueError, match="odd"):
            store.decide(broken())
        assert store.decisions("b1") == ()


SCHEMA_1 = """
pragma application_id = 1147499363;
create table facts (key text primary key, evidence text not null, fault integer not null,
    kept text not null default current_timestamp) without rowid;
create table grades (student text not null, key text not null, rubric text not null, grade text not null,
    kept text not null default current_timestamp, primary key (student, key, rubric)) without rowid;
create table batch (position integer primary key, student text not null unique, key text not null,
    rubric text not null);
pragma user_version = 1;
"""


def results_of_schema_1(path: Path) -> None:
    """Make a database as the first version made it, with two students graded and one not yet."""
    with sqlite3.connect(path) as database:
        database.execute("pragma journal_mode = wal")
        database.executescript(SCHEMA_1)
        for position, student in enumerate(("b2", "b1", "b3")):
            database.execute("insert into batch values (?, ?, ?, 'sha256:1')", (position, student, f"k{student}"))
            if student != "b3":
                facts = to_json(evidence_of(student)).decode()
                database.execute("insert into facts (key, evidence, fault) values (?, ?, 0)", (f"k{student}", facts))
                grade = to_json(grade_of(student)).decode()
                columns = "insert into grades (student, key, rubric, grade) values (?, ?, 'sha256:1', ?)"
                database.execute(columns, (student, f"k{student}", grade))
    database.close()


def test_results_of_schema_1_are_migrated_with_everything_in_them(path: Path) -> None:
    results_of_schema_1(path)

    for _ in range(2):
        with open_store(path) as store:
            assert list(store.graded()) == [(grade_of(s), evidence_of(s)) for s in ("b2", "b1")]
            assert store.pending() == ("b3",)
            assert store.evidence("kb1") == evidence_of("b1")
    with open_store(path) as store:
        store.decide([decision_of("b1", 2)])
        store.keep_grade("kb1", grade_of("b1", points=5))
        assert [grade.points for _, grade in store.history("b1")] == [3, 5]


def test_a_migration_that_is_broken_off_leaves_the_old_results(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results_of_schema_1(path)
    with monkeypatch.context() as patched:
        patched.setattr("grader.store._BACK", "insert into nowhere values (1);")
        with pytest.raises(GraderError):
            open_store(path)

    with open_store(path) as store:
        assert len(list(store.graded())) == 2


def test_results_of_schema_1_are_read_without_being_changed(path: Path) -> None:
    results_of_schema_1(path)
    before = path.read_bytes()

    with reading(path) as store:
        assert [grade.submission.student for grade, _ in store.graded()] == ["b2", "b1"]
    assert path.read_bytes() == before


def test_results_are_read_while_another_process_writes_them(path: Path) -> None:
    with open_store(path) as writer:
        writer.begin([("b1", "k1"), ("b2", "k2")], rubric="sha256:1")
        writer.keep_evidence("k1", evidence_of("b1"))
        writer.keep_grade("k1", grade_of("b1"))
        with writer._transaction(), reading(path) as store:
            assert [grade.submission.student for grade, _ in store.graded()] == ["b1"]
            assert store.pending() == ("b2",)


def test_a_reader_changes_nothing(path: Path) -> None:
    open_store(path).close()

    with reading(path) as store, pytest.raises(GraderError, match="readonly"):
        store.decide([decision_of("b1", 2)])


def test_what_cannot_be_read_in_place_is_read_from_a_copy(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that takes no files has no room for what SQLite keeps beside a database."""
    with open_store(path) as writer:
        writer.begin([("b1", "k1")], rubric="sha256:1")
        writer.keep_evidence("k1", evidence_of("b1"))
        writer.keep_grade("k1", grade_of("b1"))
        monkeypatch.setattr("grader.store._readable_in_place", lambda _: False)
        with reading(path) as store:
            assert [grade.submission.student for grade, _ in store.graded()] == ["b1"]


def test_threads_share_one_store(path: Path) -> None:
    with open_store(path) as store:

        def keep(thread: int) -> None:
            for number in range(25):
                store.keep_evidence(f"{thread}-{number}", evidence_of(f"b{thread}"))

        threads = [threading.Thread(target=keep, args=(thread,)) for thread in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert all(store.evidence(f"{t}-{n}") == evidence_of(f"b{t}") for t in range(4) for n in range(25))


def _text(path: Path) -> None:
    path.write_text("my notes", encoding="utf-8")


def _empty(path: Path) -> None:
    path.touch()


def _foreign_database(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("create table facts (something)")
    database.close()


@pytest.mark.parametrize("make", [_text, _empty, _foreign_database])
def test_a_foreign_file_is_refused_and_left_as_it_was(path: Path, make: Callable[[Path], None]) -> None:
    make(path)
    before = path.read_bytes()

    with pytest.raises(GraderError, match="not a results database"):
        open_store(path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert not ours(path)


def test_results_of_another_schema_are_refused_with_a_way_out(path: Path) -> None:
    open_store(path).close()
    with sqlite3.connect(path) as database:
        database.execute("pragma user_version = 99")
    database.close()

    with pytest.raises(GraderError, match="schema 99") as caught:
        open_store(path)
    assert "new folder" in caught.value.hint
    assert ours(path)


def test_a_damaged_database_is_an_error_that_names_the_file(path: Path) -> None:
    with open_store(path) as store:
        store.keep_evidence("key", evidence_of("b1"))
    path.write_bytes(path.read_bytes()[:100] + b"x" * 4000)

    with pytest.raises(GraderError) as caught, open_store(path) as store:
        store.evidence("key")
    assert caught.value.where == str(path)


def test_a_second_grader_is_kept_out_until_the_first_is_gone(tmp_path: Path) -> None:
    with alone(tmp_path), pytest.raises(GraderError, match="another grader"), alone(tmp_path):
        pass
    with alone(tmp_path):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("lines", [1, 7, 40])
def test_what_was_kept_survives_a_kill_at_any_moment(tmp_path: Path, lines: int) -> None:
    """Killed at any moment, nothing graded is lost: what the process reported as kept is there."""
    script = """
        import sys
        from pathlib import Path
        from grader.store import open_store
        from test_store import evidence_of, grade_of

        store = open_store(Path(sys.argv[1]))
        store.begin([(f"b{n}", f"k{n}") for n in range(100_000)], rubric="sha256:1")
        for n in range(100_000):
            store.keep_evidence(f"k{n}", evidence_of(f"b{n}"))
            store.keep_grade(f"k{n}", grade_of(f"b{n}"))
            print(n, flush=True)
    """
    path = tmp_path / "grades.sqlite"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), str(path)],
        stdout=subprocess.PIPE,
        encoding="utf-8",
        env=environment,
    )
    with child, child.stdout:  # type: ignore[union-attr] # it is a pipe
        kept = [int(child.stdout.readline()) for _ in range(lines)]  # type: ignore[union-attr] # it is a pipe
        child.send_signal(signal.SIGKILL)

    with open_store(path) as store:
        grades = [grade.submission.student for grade, _ in store.graded()]
        assert grades[: len(kept)] == [f"b{n}" for n in kept]
        assert len(grades) + len(store.pending()) == 100_000
        store.keep_evidence("after", evidence_of("b1"))


@pytest.mark.slow
def test_a_kill_while_the_database_is_made_leaves_none_or_a_whole_one(tmp_path: Path) -> None:
    path = tmp_path / "grades.sqlite"
    script = """
        import sys
        from pathlib import Path
        from grader.store import open_store

        print("ready", flush=True)
        open_store(Path(sys.argv[1]))
    """
    for milliseconds in range(6):
        child = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script), str(path)], stdout=subprocess.PIPE)
        with child, child.stdout:  # type: ignore[union-attr] # it is a pipe
            child.stdout.readline()  # type: ignore[union-attr] # it is a pipe
            threading.Event().wait(milliseconds / 1000)
            child.kill()

        open_store(path).close()
        path.unlink()


@pytest.mark.parametrize("name", [b"without rowid", b"CREATE TABLE facts", b"primary key"], ids=ascii)
@pytest.mark.parametrize("bad", [b"\xbb", b"\xee\x80"], ids=ascii)
def test_a_damaged_schema_is_told_even_where_what_is_said_of_it_is_no_text(
    tmp_path: Path, name: bytes, bad: bytes
) -> None:
    path = tmp_path / "grades.sqlite"
    open_store(path).close()
    path.write_bytes(path.read_bytes().replace(name, (bad * len(name))[: len(name)]))

    with pytest.raises(GraderError, match="cannot be used"):
        open_store(path)


@pytest.mark.parametrize("facts", [(), (b"\x00",)], ids=["missing", "no-text"])
def test_a_grade_without_its_facts_is_told(tmp_path: Path, facts: tuple[bytes, ...]) -> None:
    path = tmp_path / "grades.sqlite"
    with open_store(path) as store:
        store.begin([("b1", "key")], rubric="r")
    database = sqlite3.connect(path)
    with database:
        database.execute(
            "insert into grades (student, key, rubric, grade, points, pending, out_of, needs_review)"
            " values ('b1', 'key', 'r', '{}', 0, 0, 0, 0)"
        )
        database.executemany(
            "insert into facts (key, evidence, fault) values ('key', ?, 0)", [(each,) for each in facts]
        )
    database.close()

    with open_store(path) as store, pytest.raises(GraderError, match="damaged"):
        tuple(store.graded())
