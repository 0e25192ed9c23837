"""The results folder: its files, and how they are written so that no reader ever sees half of one."""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import itertools
import re
import secrets
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from grader import decisions, feedback, files, store
from grader.cli import comparison
from grader.export.csv import grades_csv
from grader.export.json import grade_line
from grader.model import GraderError, from_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from grader.model import Evidence, Grade, Language, Submission

DATABASE = "grades.sqlite"
MOST_BYTES = 64 * 2**20  # of a page or a table that is read back
OVERVIEW = "summary.html"
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")  # what no name shows, or what turns how it is shown
_DRAFT = re.compile(r"\.(?:grades\.jsonl|grades[\w.]*\.csv|summary\.html|feedback[\w.-]*\.html)\.[0-9a-f]{16}")
_LONGEST_DRAFT = 50  # of the file's own name
TABLE = "grades.csv"
EDITED = "grades.edited.csv"
REMOVED = "removed"
OTHER: dict[Language, Language] = {"en": "zh-TW", "zh-TW": "en"}
ONE_FOLDER_EACH = "give the folder that holds one folder per student; one student's folder is for `grader check`"


def make_sure(folder: Path) -> None:
    """Make sure that the folder may hold results: it is not there, or empty, or holds results already."""
    if folder.exists() and not folder.is_dir():
        raise GraderError("this is a file, not a folder", where=str(folder), hint="choose another folder with -o")
    with _writing(folder):
        foreign = folder.is_dir() and not store.ours(folder / DATABASE) and any(map(_foreign, folder.iterdir()))
    if foreign:
        raise GraderError(
            "this folder holds something else than results, and nothing in it was touched",
            where=str(folder),
            hint="choose a new or an empty folder with -o",
        )


def _foreign(path: Path) -> bool:
    """Whether this is no file that a grader leaves when it is killed before it has made its database."""
    return path.name != store.LOCK and not path.name.startswith(f".{DATABASE}.")


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[store.Store]:
    """The results database in the folder, made where there is none, and held against a second grader."""
    with contextlib.ExitStack() as held:
        with _writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            held.enter_context(store.alone(folder))
            _sweep(folder)
            database = held.enter_context(store.open_store(folder / DATABASE))
        yield database


@contextlib.contextmanager
def reading(folder: Path) -> Iterator[store.Store]:
    """The results in the folder, to read them: also while a batch runs, and where nothing may be written."""
    with store.reading(existing(folder) / DATABASE) as database:
        yield database


@contextlib.contextmanager
def changing(folder: Path) -> Iterator[store.Store]:
    """The results in the folder, which are there already, held against a grader at work."""
    with opened(existing(folder)) as database:
        yield database


def final(database: store.Store, grade: Grade) -> Grade:
    """The grade with what people decided."""
    return decisions.final(grade, database.decisions(grade.submission.student))


def finals(database: store.Store) -> Iterator[tuple[Grade, Evidence]]:
    """Every grade of the batch with what people decided, and the facts that it rests on."""
    decided = database.decided_students()
    for grade, evidence in database.graded():
        yield (final(database, grade) if grade.submission.student in decided else grade), evidence


def all_of(database: store.Store) -> tuple[Grade, ...]:
    """Every final grade of the batch, without what only its own page shows."""
    decided = database.decided_students()
    return tuple(
        _slim(final(database, grade) if grade.submission.student in decided else grade) for grade in database.grades()
    )


def student_of(database: store.Store, student: str) -> tuple[Grade, Evidence]:
    """The automatic grade of a student, with the facts that it rests on.

    Raises:
        GraderError: where no such student has a grade, with the nearest names.
    """
    found = database.of_student(student)
    if found is None:
        raise GraderError(f"no student `{feedback.safe(student)}` has a grade here", hint=_nearest(database, student))
    return found


def _nearest(database: store.Store, student: str) -> str:
    known = [name for name, _ in database.batch()]
    near = difflib.get_close_matches(student, known, n=3) or known[:3]
    return f"there are for example: {', '.join(map(feedback.safe, near))}" if near else "nobody is graded yet"


def _sweep(folder: Path) -> None:
    """Remove drafts that a grader left which was ended as it wrote; nobody else writes here now."""
    for draft in (*folder.glob(".*"), *folder.glob("feedback/*/.feedback*.*")):
        if _DRAFT.fullmatch(draft.name):
            draft.unlink()


def existing(folder: Path) -> Path:
    """The folder, if it holds results."""
    if not store.ours(folder / DATABASE):
        raise GraderError(
            "there are no results here", where=str(folder), hint="give the folder that `grader grade` wrote"
        )
    return folder


def refuse(folder: Path) -> None:
    """Refuse a folder of results where submissions are asked for: its pages would be graded as a student's."""
    if store.ours(folder / DATABASE):
        raise GraderError("this folder holds results, not submissions", where=str(folder), hint=ONE_FOLDER_EACH)


def sort_out(
    submissions: Sequence[Submission], *, results: Path
) -> tuple[tuple[Submission, ...], tuple[Submission, ...]]:
    """The students' folders, and apart from them the folders that only hold results, ours or an earlier run's."""
    kept: list[Submission] = []
    left_out: list[Submission] = []
    for submission in submissions:
        (left_out if _only_results(submission, results.resolve()) else kept).append(submission)
    return tuple(kept), tuple(left_out)


def _only_results(submission: Submission, results: Path) -> bool:
    root = Path(submission.root).resolve()
    files = [root / name for name in submission.files]
    folders = [results, *(path.parent for path in files if path.name == DATABASE and store.ours(path))]
    if root in folders or (files and all(any(path.is_relative_to(f) for f in folders) for path in files)):
        return True
    if results.is_relative_to(root):
        raise GraderError(
            "this folder for results lies inside a student's folder", where=str(results), hint="choose another with -o"
        )
    return False


def feedback_page(student: str) -> str:
    """Where the student's page lies in the results folder.

    >>> feedback_page("b10901234")
    'feedback/b10901234/feedback.html'
    """
    return f"feedback/{_safe_name(student)}/feedback.html"


def _safe_name(student: str) -> str:
    """The student's name as the name of a folder, here and on other systems; different for different students.

    >>> _safe_name("王小明"), _safe_name("a/b")
    ('王小明', 'a_b-c14cddc0')
    """
    shown = "".join("_" if unicodedata.category(letter) in _UNSEEN else letter for letter in student)
    name = re.sub(r'[<>:"/\\|?*]', "_", shown).strip(" .")
    if name == student and name:
        return name
    digest = hashlib.sha256(student.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{name[:60]}-{digest[:8]}"


def write_feedback(folder: Path, grade: Grade, evidence: Evidence, *, language: Language, both: bool = False) -> Path:
    """Write the student's page, and where both languages are wanted the other one beside it."""
    page = folder / feedback_page(grade.submission.student)
    with _writing(page):
        page.parent.mkdir(parents=True, exist_ok=True)
    write(page, feedback.render(grade, evidence, language=language))
    if both:
        write(_in_other(page, language), feedback.render(grade, evidence, language=OTHER[language]))
    return page


def wants_both(database: store.Store) -> bool:
    """Whether these results are to be written in both languages."""
    return database.note("both") == "yes"


def _in_other(page: Path, language: Language) -> Path:
    """Where the page in the other language lies: `feedback.zh-TW.html` beside `feedback.html`."""
    return page.with_suffix(f".{OTHER[language]}.html")


def put_aside(folder: Path, database: store.Store) -> tuple[str, ...]:
    """Move the pages of whoever is no longer in the batch out of the way, so that nobody sends them out."""
    known = {feedback_page(student).split("/")[1] for student, _ in database.batch()}
    pages = folder / "feedback"
    gone = [path for path in sorted(pages.iterdir()) if path.name not in known] if pages.is_dir() else []
    for path in gone:
        with _writing(path):
            (folder / REMOVED).mkdir(exist_ok=True)
            path.replace(_unused(folder / REMOVED / path.name))
    return tuple(path.name for path in gone)


def _unused(path: Path) -> Path:
    """The path, with a number where something is there already."""
    paths = (path.with_name(f"{path.name} ({number})") for number in itertools.count(2))
    return path if not path.exists() else next(other for other in paths if not other.exists())


def write_pages(folder: Path, database: store.Store, *, language: Language) -> None:
    """Write the pages of everyone whose grade has changed since theirs was written."""
    for student in database.unwritten():
        found = database.of_student(student)
        if found is not None:
            grade = final(database, found[0])
            write_feedback(folder, grade, found[1], language=language, both=wants_both(database))
        database.page_written(student)


def earlier(database: store.Store) -> tuple[Grade, ...]:
    """The last grade of whoever has none for these files, settings and rubric yet; it is shown as an earlier one."""
    histories = ((student, database.history(student)) for student in database.pending())
    return tuple(
        decisions.final(_slim(history[-1][1]), database.decisions(student)) for student, history in histories if history
    )


def missing(database: store.Store) -> tuple[str, ...]:
    """Who of the roster handed in nothing, where a roster was given."""
    return tuple(from_json(database.note("missing") or "[]", tuple[str, ...]))


def language_of(database: store.Store, chosen: Language | None) -> Language:
    """The language that was chosen, else the one in which these results were written."""
    return chosen or ("zh-TW" if database.note("language") == "zh-TW" else "en")


def write_class(folder: Path, database: store.Store, *, language: Language, afresh: bool = False) -> tuple[Grade, ...]:
    """Write what concerns the whole class: every grade as JSON, the table, the overview page.

    A table that somebody has edited is moved aside first, so that no edit is lost; `edited` says so.
    `afresh` compares the students' work with each other, which takes its time; else what was found is shown again.
    """
    grades = []
    works = comparison.Works(database) if afresh else None
    with replaced(folder / "grades.jsonl") as path, path.open("xb") as file:
        for grade, evidence in finals(database):
            file.write(grade_line(grade, evidence, language=language))
            grades.append(_slim(grade))
            if works:
                works.add(grade, evidence)
    links = {grade.submission.student: feedback_page(grade.submission.student) for grade in grades}
    if edited(folder, database):
        with _writing(folder / TABLE):
            (folder / TABLE).replace(folder / EDITED)
    write(folder / TABLE, grades_csv(grades, links=links), encoding="utf-8-sig")
    take_table(folder, database)
    if works:
        works.keep()
    write_overview(folder, database, grades, language=language)
    return tuple(grades)


def _slim(grade: Grade) -> Grade:
    """The grade without what only its own page shows, since a class is held whole in memory."""
    return replace(grade, experiments=(), coverage=(), shared=())


def write_overview(folder: Path, database: store.Store, grades: Sequence[Grade], *, language: Language) -> None:
    """Write the overview page, and where both languages are wanted the other one beside it."""
    languages = (language, OTHER[language]) if wants_both(database) else (language,)
    for each in languages:
        path = folder / OVERVIEW
        write(path if each == language else _in_other(path, language), _overview(database, grades, each))


def _overview(database: store.Store, grades: Sequence[Grade], language: Language) -> str:
    links = {grade.submission.student: feedback_page(grade.submission.student) for grade in grades}
    return feedback.summary(
        grades,
        language=language,
        links=links,
        missing=missing(database),
        earlier=earlier(database),
        alike=comparison.kept(database),
    )


def edited(folder: Path, database: store.Store) -> bool:
    """Whether somebody has changed the table since it was written."""
    written = database.note(TABLE)
    return written is not None and (folder / TABLE).is_file() and _digest(folder / TABLE) != written


def take_table(folder: Path, database: store.Store) -> None:
    """Note that what somebody changed in the table has become decisions, so that it may be written over."""
    database.set_note(TABLE, _digest(folder / TABLE))


def _digest(path: Path) -> str:
    with files.opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(path: Path, text: str, *, encoding: str = "utf-8") -> None:
    """Write a file whole or not at all; a character that is none, as half of a pair, is shown escaped."""
    with replaced(path) as draft, draft.open("xb") as file:
        file.write(text.encode(encoding, "backslashreplace"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, in a folder that is made where there is none."""
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with replaced(path) as draft:
        draft.write_bytes(data)


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Give a draft beside the file, to be made and written, which takes the file's place when it is done.

    Its name cannot be guessed, and it is opened as "x", so that no link that lies there leads it to another file.
    """
    draft = path.with_name(f".{path.name[:_LONGEST_DRAFT]}.{secrets.token_hex(8)}")
    with _writing(path):
        try:
            yield draft
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Tell why a file or folder cannot be written, as a mistake that a person can mend."""
    try:
        yield
    except OSError as error:
        raise GraderError(
            f"this cannot be written: {error.strerror}",
            where=str(path),
            hint="free some space, or choose another place with -o",
        ) from error
