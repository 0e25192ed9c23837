"""What is kept of a batch: facts by key, grades, decisions of people; the only place that knows SQL.

Every change is one transaction, so a process that is killed at any moment leaves either all of it or nothing.
Facts outlive rubrics: a key says what was submitted and how it was gathered, so known facts are never gathered twice.
Grades and decisions are only ever added: the last of each holds, the earlier ones are the history.
The columns of `grades` and the view `automatic` answer questions about a class without reading JSON; people's
decisions are not in them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sqlite3
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from grader import files
from grader.model import Decision, Evidence, Grade, GraderError, from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

SCHEMA = 2
LOCK = ".lock"
APPLICATION = 0x44657363  # "Desc", in the header of every file of ours

_BATCH = f"""
pragma application_id = {APPLICATION};
create table batch (
    position integer primary key,
    student text not null unique,
    key text not null,
    rubric text not null
);
"""
_HOLD = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK  # neither writes through a link nor waits at a pipe
# Facts are large: a table without row numbers would keep them in its index, and every look-up would read through some.
_TABLES_2 = """
create table facts (
    key text primary key,
    evidence text not null,
    fault integer not null,
    kept text not null default current_timestamp
);
create table grades (
    number integer primary key,
    student text not null,
    key text not null,
    rubric text not null,
    grade text not null,
    points real not null,
    pending real not null,
    out_of real not null,
    needs_review integer not null,
    kept text not null default current_timestamp
);
create index grades_of on grades (student, key, rubric, number);
create table decisions (
    number integer primary key,
    student text not null,
    criterion text not null,
    decision text not null,
    kept text not null default current_timestamp
);
create index decisions_of on decisions (student, number);
create table notes (
    name text primary key,
    value text not null
) without rowid;
create table unwritten (
    student text primary key
) without rowid;
create view automatic as
    select batch.position, grades.* from batch join grades using (student, key, rubric)
    where grades.number = (
        select max(number) from grades as newer
        where newer.student = batch.student and newer.key = batch.key and newer.rubric = batch.rubric
    );
"""
_ASIDE = "alter table grades rename to grades_1; alter table facts rename to facts_1;"
_BACK = """
insert into grades (student, key, rubric, grade, points, pending, out_of, needs_review, kept)
    select student, key, rubric, grade,
        json_extract(grade, '$.points'), json_extract(grade, '$.pending'),
        json_extract(grade, '$.out_of'), json_extract(grade, '$.needs_review'), kept
    from grades_1 order by kept, student;
drop table grades_1;
insert into facts select key, evidence, fault, kept from facts_1;
drop table facts_1;
"""
_HEADER = 100
_MAGIC = b"SQLite format 3\0"


class Store:
    """An open results database; safe to share between threads, and to close by `with`."""

    def __init__(self, path: Path, *, reads_only: bool = False) -> None:
        self._path = path
        self._lock = threading.RLock()
        with _told(path):
            self._database = _connected(path, reads_only=reads_only)
            if not reads_only:
                self._database.execute("pragma journal_mode = wal")
                self._database.execute("pragma synchronous = normal")  # a power cut costs the last facts, not the file

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database; what was kept stays kept without it, too."""
        with self._lock:
            self._database.close()

    def evidence(self, key: str) -> Evidence | None:
        """The facts under this key; None where there are none that this version of the grader can read."""
        rows = self._rows("select evidence from facts where key = ?", key)
        if not rows:
            return None
        try:
            return from_json(rows[0][0], Evidence)
        except GraderError:  # kept by another version of the grader: to be gathered again
            return None

    def keep_evidence(self, key: str, evidence: Evidence) -> None:
        """Keep facts; facts never give way to a fault, so a failed second look costs nothing."""
        fault = evidence.fault is not None
        self._change(
            "insert into facts (key, evidence, fault) values (?, ?, ?) on conflict (key) do update"
            " set evidence = excluded.evidence, fault = excluded.fault, kept = excluded.kept"
            " where facts.fault or not excluded.fault",
            (key, to_json(evidence).decode(), fault),
        )

    def keep_grade(self, key: str, grade: Grade) -> None:
        """Keep the grade that these facts have under this rubric; an earlier one stays as history if it differs."""
        with self._transaction() as database:
            _add_grade(database, key, grade)

    def begin(self, entries: Iterable[tuple[str, str]], *, rubric: str) -> None:
        """Say which (student, key) make up the batch from now on, in this order, and by which rubric it is judged."""
        rows = [(position, _named(student), key, rubric) for position, (student, key) in enumerate(entries)]
        with self._transaction() as database:
            database.execute("delete from batch")
            database.executemany("insert into batch values (?, ?, ?, ?)", rows)

    def pending(self) -> tuple[str, ...]:
        """The students of the batch that have no grade yet, in its order."""
        rows = self._rows(
            "select student from batch where not exists (select 1 from grades"
            " where grades.student = batch.student and grades.key = batch.key and grades.rubric = batch.rubric)"
            " order by position"
        )
        return tuple(student for (student,) in rows)

    def rubric(self) -> str | None:
        """The digest of the rubric that the batch is judged by; None before there is a batch."""
        rows = self._rows("select rubric from batch limit 1")
        return rows[0][0] if rows else None

    def batch(self) -> tuple[tuple[str, str], ...]:
        """The (student, key) that make up the batch, in its order."""
        return tuple(self._rows("select student, key from batch order by position"))

    def graded(self) -> Iterator[tuple[Grade, Evidence]]:
        """Every automatic grade of the batch with the facts that it rests on, in the batch's order."""
        for (number,) in self._rows("select number from automatic order by position"):
            yield self._graded(number)

    def grades(self) -> Iterator[Grade]:
        """Every automatic grade of the batch without its facts, in the batch's order."""
        for (number,) in self._rows("select number from automatic order by position"):
            ((grade,),) = self._rows("select grade from grades where number = ?", number)
            yield from_json(grade, Grade)

    def kept(self) -> Iterator[tuple[str, str, str]]:
        """The key of every grade of the batch, and the JSON of grade and facts as it is kept, in the batch's order."""
        for number, key in self._rows("select number, key from automatic order by position"):
            ((grade, evidence),) = self._rows(
                "select grade, evidence from grades join facts using (key) where number = ?", number
            )
            yield key, grade, evidence

    def of_student(self, student: str) -> tuple[Grade, Evidence] | None:
        """The automatic grade of one student of the batch; None where there is none."""
        rows = self._rows("select number from automatic where student = ?", _named(student))
        return self._graded(rows[0][0]) if rows else None

    def _graded(self, number: int) -> tuple[Grade, Evidence]:
        rows = self._rows("select grade, evidence from grades join facts using (key) where number = ?", number)
        if len(rows) != 1 or not all(isinstance(text, str) for text in rows[0]):
            raise GraderError(
                "the results database is damaged: a grade or its facts are missing", where=str(self._path)
            )
        return from_json(rows[0][0], Grade), from_json(rows[0][1], Evidence)

    def history(self, student: str) -> tuple[tuple[str, Grade], ...]:
        """Every automatic grade that the student ever had, oldest first, with the time when it was kept."""
        rows = self._rows("select kept, grade from grades where student = ? order by number", _named(student))
        return tuple((kept, from_json(grade, Grade)) for kept, grade in rows)

    def decide(self, decisions: Iterable[Decision]) -> None:
        """Keep decisions of people, all of them or none."""
        rows = [(_named(d.student), d.criterion, to_json(d).decode()) for d in decisions]
        with self._transaction() as database:
            database.executemany("insert into decisions (student, criterion, decision) values (?, ?, ?)", rows)
            database.executemany("insert or ignore into unwritten values (?)", {(row[0],) for row in rows})

    def judge_by(self, rubric: str, grades: Iterable[tuple[str, Grade]], *, changed: Iterable[str]) -> None:
        """Judge the batch by this rubric from now on, and keep its (key, grade) pairs; all of it or nothing.

        The pages of those whose grade has `changed` are to be written again.
        """
        with self._transaction() as database:
            database.execute("update batch set rubric = ?", (rubric,))
            for key, grade in grades:
                _add_grade(database, key, grade)
            students = [(_named(student),) for student in changed]
            database.executemany("insert or ignore into unwritten values (?)", students)

    def decisions(self, student: str) -> tuple[Decision, ...]:
        """What people decided about a student, oldest first; of several about one criterion the last one holds."""
        rows = self._rows("select decision from decisions where student = ? order by number", _named(student))
        return tuple(from_json(row[0], Decision) for row in rows)

    def decided_students(self) -> frozenset[str]:
        """Everyone about whom a person has ever decided."""
        return frozenset(student for (student,) in self._rows("select distinct student from decisions"))

    def note(self, name: str) -> str | None:
        """What was noted about these results under a name; None where nothing was."""
        rows = self._rows("select value from notes where name = ?", name)
        return rows[0][0] if rows else None

    def set_note(self, name: str, value: str) -> None:
        """Note something about these results as a whole, in place of what stood there."""
        self._change("insert or replace into notes values (?, ?)", (name, value))

    def unwritten(self) -> tuple[str, ...]:
        """The students whose pages show an earlier grade, since nothing has written them again."""
        rows = self._rows("select student from unwritten join batch using (student) order by position")
        return tuple(student for (student,) in rows)

    def unwrite(self) -> None:
        """Say that everybody's page is to be written again."""
        self._change("insert or ignore into unwritten select student from batch", ())

    def page_written(self, student: str) -> None:
        """Say that the student's page shows the grade as it is."""
        self._change("delete from unwritten where student = ?", (_named(student),))

    def _rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock, _told(self._path):
            return self._database.execute(sql, values).fetchall()

    def _change(self, sql: str, values: tuple[object, ...]) -> None:
        with self._transaction() as database:
            database.execute(sql, values)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _told(self._path):
            self._database.execute("begin immediate")
            try:
                yield self._database
            except BaseException:
                self._database.rollback()
                raise
            self._database.commit()


def open_store(path: Path) -> Store:
    """Open the results database at `path`, or make one; a file that is not ours is refused and left as it was.

    Results of an earlier schema are brought to this one first, in one transaction.
    """
    if not path.exists():
        _create(path)
    _refuse_foreign(path)
    store = Store(path)
    ((version,),) = store._rows("pragma user_version")
    if version == 1:
        _migrate(store)
    if version in (1, SCHEMA):
        return store
    store.close()
    raise GraderError(
        f"these results were written by another version of the grader (schema {version}, this one reads {SCHEMA})",
        where=str(path),
        hint="grade into a new folder, or use the version that wrote them",
    )


@contextlib.contextmanager
def reading(path: Path) -> Iterator[Store]:
    """Open a results database only to read it, also while a batch writes it or where nothing may be written.

    Where that cannot be done in place (an earlier schema, a folder that takes no files), a copy is read.
    """
    _refuse_foreign(path)
    if _readable_in_place(path):
        with Store(path, reads_only=True) as store:
            yield store
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, path.name)
        for end in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(f"{path}{end}", f"{copy}{end}")
        with open_store(copy) as store:
            yield store


def _readable_in_place(path: Path) -> bool:
    try:
        with contextlib.closing(_connected(path, reads_only=True)) as database:
            ((version,),) = database.execute("pragma user_version").fetchall()
            database.execute("select count(*) from batch").fetchall()
    except sqlite3.Error:
        return False
    return bool(version == SCHEMA)


def _connected(path: Path, *, reads_only: bool) -> sqlite3.Connection:
    place = f"{path.absolute().as_uri()}?mode=ro" if reads_only else str(path)
    return sqlite3.connect(place, timeout=30, isolation_level=None, check_same_thread=False, uri=reads_only)


def _migrate(store: Store) -> None:
    """Bring results of schema 1 to this one; nothing is gathered or judged again."""
    with store._transaction() as database:
        for statement in _statements(f"{_ASIDE}{_TABLES_2}{_BACK}pragma user_version = {SCHEMA};"):
            database.execute(statement)


def _statements(script: str) -> Iterator[str]:
    """The statements of a script one by one, since `executescript` would end the transaction around it."""
    statement = ""
    for part in script.split(";"):
        statement += part + ";"
        if sqlite3.complete_statement(statement) and part.strip():
            yield statement
        statement = "" if sqlite3.complete_statement(statement) else statement


def ours(path: Path) -> bool:
    """Whether a results database of ours, of any version, is at `path`."""
    header = files.beginning(path, _HEADER)
    return header.startswith(_MAGIC) and int.from_bytes(header[68:72], "big") == APPLICATION


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the results folder against a second grader; the hold ends with the process, however it ends."""
    with os.fdopen(os.open(folder / LOCK, _HOLD, 0o666), "wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise GraderError(
                "another grader is at work in this results folder",
                where=str(folder),
                hint="wait until it is done, or choose another folder with -o",
            ) from None
        yield


def _add_grade(database: sqlite3.Connection, key: str, grade: Grade) -> bool:
    """Add the grade unless the last one of these facts under this rubric is the same; whether it was added."""
    kept = to_json(grade).decode()
    values = (_named(grade.submission.student), key, grade.rubric.digest)
    known = database.execute(
        "select grade from grades where student = ? and key = ? and rubric = ? order by number desc limit 1", values
    ).fetchone()
    if known == (kept,):
        return False
    database.execute(
        "insert into grades (student, key, rubric, grade, points, pending, out_of, needs_review)"
        " values (?, ?, ?, ?, ?, ?, ?, ?)",
        (*values, kept, grade.points, grade.pending, grade.out_of, grade.needs_review),
    )
    return True


def _named(student: str) -> str:
    """The name of a folder may be no text; JSON and the database hold it in the same escaped form."""
    return student.encode("utf-8", "backslashreplace").decode("utf-8")


def _create(path: Path) -> None:
    # Made whole beside its place and then moved there: no moment shows half a database.
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    try:
        with _told(path), contextlib.closing(sqlite3.connect(draft)) as database:
            database.executescript(f"{_BATCH}{_TABLES_2}pragma user_version = {SCHEMA};")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _refuse_foreign(path: Path) -> None:
    if not ours(path):
        raise GraderError(
            "this file is not a results database of the grader", where=str(path), hint="choose another folder with -o"
        )


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:  # what it says of a damaged schema may be no text
        is_full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        hint = "free some space and give the same command again; nothing graded is lost" if is_full else ""
        raise GraderError(f"the results database cannot be used: {error}", where=str(path), hint=hint) from error
