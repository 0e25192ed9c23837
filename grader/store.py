"""What is kept of a batch: facts by key, grades, and who is in the batch; the only place that knows SQL.

Every change is one transaction, so a process that is killed at any moment leaves either all of it or nothing.
Facts outlive rubrics: a key says what was submitted and how it was gathered, so known facts are never gathered twice.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import threading
from typing import TYPE_CHECKING, Any, Self

from grader import files
from grader.model import Evidence, Grade, GraderError, from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from types import TracebackType

SCHEMA = 1
LOCK = ".lock"
APPLICATION = 0x44657363  # "Desc", in the header of every file of ours

_TABLES = f"""
pragma application_id = {APPLICATION};
pragma user_version = {SCHEMA};
create table facts (
    key text primary key,
    evidence text not null,
    fault integer not null,
    kept text not null default current_timestamp
) without rowid;
create table grades (
    student text not null,
    key text not null,
    rubric text not null,
    grade text not null,
    kept text not null default current_timestamp,
    primary key (student, key, rubric)
) without rowid;
create table batch (
    position integer primary key,
    student text not null unique,
    key text not null,
    rubric text not null
);
"""
_HOLD = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK  # neither writes through a link nor waits at a pipe
_HEADER = 100
_MAGIC = b"SQLite format 3\0"


class Store:
    """An open results database; safe to share between threads, and to close by `with`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        with _told(path):
            self._database = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
            self._database.execute("pragma journal_mode = wal")
            self._database.execute("pragma synchronous = normal")  # a power cut may cost the last facts, never the file

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
        """Keep the grade that these facts have under this rubric, in place of an earlier one."""
        self._change(
            "insert or replace into grades (student, key, rubric, grade) values (?, ?, ?, ?)",
            (_named(grade.submission.student), key, grade.rubric.digest, to_json(grade).decode()),
        )

    def begin(self, entries: Iterable[tuple[str, str]], *, rubric: str) -> None:
        """Say which (student, key) make up the batch from now on, in this order, and by which rubric it is judged."""
        rows = [(position, _named(student), key, rubric) for position, (student, key) in enumerate(entries)]
        with self._transaction() as database:
            database.execute("delete from batch")
            database.executemany("insert into batch values (?, ?, ?, ?)", rows)

    def pending(self) -> tuple[str, ...]:
        """The students of the batch that have no grade yet, in its order."""
        rows = self._rows(
            "select student from batch left join grades using (student, key, rubric)"
            " where grade is null order by position"
        )
        return tuple(student for (student,) in rows)

    def graded(self) -> Iterator[tuple[Grade, Evidence]]:
        """Every grade of the batch with the facts that it rests on, in the batch's order."""
        rows = self._rows(
            "select student, key, rubric from batch join grades using (student, key, rubric) order by position"
        )
        for row in rows:
            yield self._graded(*row)

    def _graded(self, student: str, key: str, rubric: str) -> tuple[Grade, Evidence]:
        rows = self._rows(
            "select grade, evidence from grades join facts using (key) where student = ? and key = ? and rubric = ?",
            *(student, key, rubric),
        )
        if len(rows) != 1 or not all(isinstance(text, str) for text in rows[0]):
            raise GraderError(
                "the results database is damaged: a grade or its facts are missing", where=str(self._path)
            )
        grade = from_json(rows[0][0], Grade)
        return grade, from_json(rows[0][1], Evidence)

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
    """Open the results database at `path`, or make one; a file that is not ours is refused and left as it was."""
    if not path.exists():
        _create(path)
    _refuse_foreign(path)
    store = Store(path)
    ((version,),) = store._rows("pragma user_version")
    if version == SCHEMA:
        return store
    store.close()
    raise GraderError(
        f"these results were written by another version of the grader (schema {version}, this one reads {SCHEMA})",
        where=str(path),
        hint="grade into a new folder, or use the version that wrote them",
    )


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


def _named(student: str) -> str:
    """The name of a folder may be no text; JSON and the database hold it in the same escaped form."""
    return student.encode("utf-8", "backslashreplace").decode("utf-8")


def _create(path: Path) -> None:
    # Made whole beside its place and then moved there: no moment shows half a database.
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    try:
        with _told(path), contextlib.closing(sqlite3.connect(draft)) as database:
            database.executescript(_TABLES)
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
