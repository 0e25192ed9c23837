"""The results folder: its files, and how they are written so that no reader ever sees half of one."""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

from grader import feedback, store
from grader.export.csv import grades_csv
from grader.export.json import grade_json
from grader.model import GraderError, to_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from grader.model import Evidence, Grade, Language, Submission

DATABASE = "grades.sqlite"
OVERVIEW = "summary.html"
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")  # what no name shows, or what turns how it is shown
_DRAFT = re.compile(r"\.(?:grades\.jsonl|grades\.csv|summary\.html|feedback\.html)\.[0-9a-f]{16}")
_LONGEST_DRAFT = 50  # of the file's own name
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


def _sweep(folder: Path) -> None:
    """Remove drafts that a grader left which was ended as it wrote; nobody else writes here now."""
    for draft in (*folder.glob(".*"), *folder.glob("feedback/*/.feedback.html.*")):
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


def write_feedback(folder: Path, grade: Grade, evidence: Evidence, *, language: Language) -> Path:
    """Write the student's page."""
    page = folder / feedback_page(grade.submission.student)
    with _writing(page):
        page.parent.mkdir(parents=True, exist_ok=True)
    write(page, feedback.render(grade, evidence, language=language))
    return page


def write_class(folder: Path, database: store.Store, *, language: Language) -> tuple[Grade, ...]:
    """Write what concerns the whole class: every grade as JSON, the table, the overview page."""
    grades = []
    with replaced(folder / "grades.jsonl") as path, path.open("xb") as file:
        for grade, evidence in database.graded():
            file.write(to_json(grade_json(grade, evidence, language=language)) + b"\n")
            grades.append(grade)
    links = {grade.submission.student: feedback_page(grade.submission.student) for grade in grades}
    write(folder / "grades.csv", grades_csv(grades, links=links), encoding="utf-8-sig")
    write(folder / OVERVIEW, feedback.summary(grades, language=language, links=links))
    return tuple(grades)


def write(path: Path, text: str, *, encoding: str = "utf-8") -> None:
    """Write a file whole or not at all; a character that is none, as half of a pair, is shown escaped."""
    with replaced(path) as draft, draft.open("xb") as file:
        file.write(text.encode(encoding, "backslashreplace"))


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
