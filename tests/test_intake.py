"""Folders and files become submissions; nothing is guessed."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path

import pytest

from grader import files, intake
from grader.model import GraderError, Submission


def _student(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def _only(folder: Path) -> Submission:
    (submission,) = intake.folder(folder)
    return submission


def test_each_folder_is_a_student_in_the_order_of_names(tmp_path: Path) -> None:
    for student in ("b2", "b1", "王小明"):
        _student(tmp_path / student, "hw.ipynb", "r.pdf")

    found = intake.folder(tmp_path)

    assert [s.student for s in found] == ["b1", "b2", "王小明"]
    assert {(s.notebook, s.report) for s in found} == {("hw.ipynb", "r.pdf")}


def test_files_beside_the_folders_belong_to_nobody_and_are_told(tmp_path: Path) -> None:
    _student(tmp_path / "b1", "hw.ipynb")
    for name in ("lost.ipynb", "b2.ZIP", "expected.toml"):
        (tmp_path / name).touch()

    assert len(intake.folder(tmp_path)) == 1
    assert intake.strays(tmp_path) == ("b2.ZIP", "lost.ipynb")


def test_folders_that_are_passed_over_are_told_where_they_may_be_a_students(tmp_path: Path) -> None:
    _student(tmp_path / "b1", "hw.ipynb")
    _student(tmp_path / ".b2", "hw/hw.ipynb")
    _student(tmp_path / ".idea", "workspace.xml")
    _student(tmp_path / ".ipynb_checkpoints", "hw.ipynb")
    (tmp_path / "b3").symlink_to(tmp_path / "b1")

    assert [submission.student for submission in intake.folder(tmp_path)] == ["b1"]
    assert intake.passed_over(tmp_path) == (".b2", "b3")


@pytest.mark.parametrize(
    "junk", [".ipynb_checkpoints/hw-checkpoint.ipynb", "__MACOSX/._hw.ipynb", "._hw.ipynb", "~$r.pdf"]
)
def test_what_systems_leave_behind_is_no_hand_in(tmp_path: Path, junk: str) -> None:
    _student(tmp_path / "b1", "hw.ipynb", "r.pdf", junk)

    assert (_only(tmp_path).notebook, _only(tmp_path).report) == ("hw.ipynb", "r.pdf")


def test_a_nested_folder_is_searched(tmp_path: Path) -> None:
    _student(tmp_path / "b1", "hw1/hw.ipynb", "hw1/doc/R.PDF")

    assert (_only(tmp_path).notebook, _only(tmp_path).report) == ("hw1/hw.ipynb", "hw1/doc/R.PDF")


def test_of_several_notebooks_the_one_named_for_the_homework_is_taken_beside_drafts(tmp_path: Path) -> None:
    _student(tmp_path / "b1", "Gradient_Descent (1).ipynb", "scratch.ipynb")
    _student(tmp_path / "b2", "gradient descent.ipynb", "hw1_done.ipynb")

    first, second = intake.folder(tmp_path)

    assert first.notebook == "Gradient_Descent (1).ipynb"
    assert [p.id for p in second.problems] == ["intake.notebook-several"]


def test_a_second_copy_of_the_same_file_is_no_second_hand_in(tmp_path: Path) -> None:
    folder = _student(tmp_path / "b1", "hw.ipynb", "report.pdf")
    for copy in ("report (1).pdf", "backup/report.pdf"):
        (folder / copy).parent.mkdir(exist_ok=True)
        (folder / copy).write_bytes((folder / "report.pdf").read_bytes())

    assert (_only(tmp_path).report, _only(tmp_path).problems) == ("report.pdf", ())


def test_an_untouched_copy_of_the_handed_out_notebook_is_not_the_homework(tmp_path: Path) -> None:
    _student(tmp_path / "b1", "gradient descent.ipynb", "hw1_done.ipynb", "r.pdf")
    _student(tmp_path / "b2", "gradient descent.ipynb", "r.pdf")

    worked, untouched = intake.folder(tmp_path, handed_out="gradient descent.ipynb")  # the files hold their names

    assert (worked.notebook, worked.problems) == ("hw1_done.ipynb", ())
    assert untouched.notebook == "gradient descent.ipynb"


def test_an_archive_goes_to_a_person(tmp_path: Path) -> None:
    _student(tmp_path / "b1", "hw1.zip")

    assert [p.id for p in _only(tmp_path).problems] == ["intake.notebook-other", "intake.report-other"]


def test_a_feedback_page_of_an_earlier_check_is_no_hand_in(tmp_path: Path) -> None:
    _student(tmp_path / "b1", "feedback.html", "r.pdf")

    assert _only(tmp_path).problems == ()


def test_a_folder_that_cannot_be_opened_goes_to_a_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = _student(tmp_path / "b1", "hw/hw.ipynb") / "hw"
    scandir = os.scandir

    def refuse(path: str) -> object:  # root may open any folder, so its refusal is played
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)

    assert [p.id for p in _only(tmp_path).problems] == ["intake.notebook-closed", "intake.report-closed"]


def test_a_folder_of_several_students_is_not_one_of_them(tmp_path: Path) -> None:
    for student in ("b1", "b2"):
        _student(tmp_path / student, "gradient descent.ipynb", "r.pdf")

    with pytest.raises(intake.NoSubmissionError, match=r"intake\.several-people"):
        intake.files([tmp_path])


def test_of_several_equal_notebooks_a_person_chooses(tmp_path: Path) -> None:
    _student(tmp_path / "b1", "a.ipynb", "b.ipynb")

    submission = _only(tmp_path)

    assert submission.notebook is None
    assert [p.id for p in submission.problems] == ["intake.notebook-several"]


@pytest.mark.parametrize(
    ("name", "problem"),
    [("hw.py", "intake.notebook-other"), ("report.docx", "intake.report-other")],
    ids=["py", "docx"],
)
def test_a_file_of_the_wrong_kind_goes_to_a_person(tmp_path: Path, name: str, problem: str) -> None:
    _student(tmp_path / "b1", name)

    assert [p.id for p in _only(tmp_path).problems] == [problem]


def test_an_empty_folder_is_a_submission_without_parts(tmp_path: Path) -> None:
    _student(tmp_path / "b1")

    submission = _only(tmp_path)

    assert (submission.notebook, submission.report, submission.problems) == (None, None, ())


def test_a_link_is_never_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.ipynb"
    secret.write_text("answers", encoding="utf-8")
    _student(tmp_path / "in" / "b1")
    (tmp_path / "in" / "b1" / "hw.ipynb").symlink_to(secret)
    (tmp_path / "in" / "b2").symlink_to(tmp_path)

    submission = _only(tmp_path / "in")

    assert submission.notebook is None
    assert [p.id for p in submission.problems] == ["intake.notebook-link"]


@pytest.mark.parametrize("folder", [".ipynb_checkpoints", "."], ids=["hidden", "beside"])
def test_a_copy_that_jupyter_made_goes_to_a_person_where_there_is_no_notebook(tmp_path: Path, folder: str) -> None:
    _student(tmp_path / "b1", f"{folder}/hw-checkpoint.ipynb", "r.pdf")

    submission = _only(tmp_path)

    assert (submission.notebook, submission.report) == (None, "r.pdf")
    assert [p.id for p in submission.problems] == ["intake.notebook-copy"]


def test_a_folder_that_is_a_link_is_no_missing_hand_in(tmp_path: Path) -> None:
    _student(tmp_path / "elsewhere", "hw.ipynb")
    _student(tmp_path / "in" / "b1", "r.pdf")
    (tmp_path / "in" / "b1" / "hw").symlink_to(tmp_path / "elsewhere")

    assert [p.id for p in _only(tmp_path / "in").problems] == ["intake.notebook-link"]


@pytest.mark.parametrize(
    "names",
    [["1/2/3/4/5/hw.ipynb"], [*(f"{number:04}.txt" for number in range(intake.MAX_FILES)), "hw.ipynb"]],
    ids=["deep", "many"],
)
def test_a_file_beyond_what_is_looked_through_is_not_called_missing(tmp_path: Path, names: list[str]) -> None:
    _student(tmp_path / "b1", "0.pdf", *names)

    submission = _only(tmp_path)

    assert submission.report == "0.pdf"
    assert [p.id for p in submission.problems] == ["intake.notebook-more"]


def test_the_digest_is_of_the_content_not_of_the_name(tmp_path: Path) -> None:
    for student, name, content in (("a", "x.ipynb", "1"), ("b", "y.ipynb", "1"), ("c", "x.ipynb", "2")):
        _student(tmp_path / student)
        (tmp_path / student / name).write_text(content, encoding="utf-8")

    a, b, c = intake.folder(tmp_path)

    assert a.digest == b.digest != c.digest


def test_a_notebook_alone_asks_for_its_own_criteria_only(tmp_path: Path) -> None:
    _student(tmp_path, "hw.ipynb")

    submission = intake.files([tmp_path / "hw.ipynb"])

    assert (submission.asked, submission.notebook, submission.report) == (("notebook",), "hw.ipynb", None)


def test_a_notebook_and_a_report_from_two_places_are_one_submission(tmp_path: Path) -> None:
    _student(tmp_path, "a/hw.ipynb", "b/r.pdf")

    submission = intake.files([tmp_path / "a/hw.ipynb", tmp_path / "b/r.pdf"])

    assert Path(submission.root, submission.notebook or "").is_file()
    assert Path(submission.root, submission.report or "").is_file()
    assert submission.asked == ("notebook", "report")


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (["no.ipynb"], "intake.no-such-file"),
        (["a.txt"], "intake.other-kind"),
        (["a.pdf", "b.pdf"], "intake.two-reports"),
        (["a.pdf", "."], "intake.folder-among-files"),
    ],
    ids=["missing", "other", "two", "folder"],
)
def test_what_cannot_be_a_submission_is_told(tmp_path: Path, names: list[str], what: str) -> None:
    _student(tmp_path, "a.txt", "a.pdf", "b.pdf")

    with pytest.raises(intake.NoSubmissionError) as raised:
        intake.files([tmp_path / name for name in names])

    assert raised.value.problem.id == what
    assert pickle.loads(pickle.dumps(raised.value)).problem == raised.value.problem  # noqa: S301 - our own


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(GraderError, match="no such folder"):
        intake.folder(tmp_path / "nothing")
    (tmp_path / "file").touch()
    with pytest.raises(GraderError, match="a file, not a folder"):
        intake.folder(tmp_path / "file")


def test_a_fifo_is_not_opened(tmp_path: Path) -> None:
    _student(tmp_path / "b1")
    os.mkfifo(tmp_path / "b1" / "hw.ipynb")

    assert _only(tmp_path).notebook is None


def _sparse(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.truncate(size)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that intake opens."""
    seen: list[Path] = []
    opened = files.opened

    def noted(path: Path, *, follow: bool = False) -> io.BufferedReader:
        seen.append(path)
        return opened(path, follow=follow)

    monkeypatch.setattr(files, "opened", noted)
    return seen


def test_a_file_that_is_larger_than_any_homework_is_not_read(tmp_path: Path, read: list[Path]) -> None:
    _sparse(tmp_path / "ann" / "hw.ipynb", intake.MAX_DIGESTED + 1)

    submission = _only(tmp_path)

    assert (submission.notebook, read) == ("hw.ipynb", [])


def test_files_that_cannot_be_copies_are_not_read(tmp_path: Path, read: list[Path]) -> None:
    for number in range(6):
        _sparse(tmp_path / "ann" / f"{number}.ipynb", 1000 + number)

    assert [problem.id for problem in _only(tmp_path).problems] == ["intake.notebook-several"]
    assert read == []


def test_more_bytes_than_are_read_in_good_time_go_to_a_person(tmp_path: Path, read: list[Path]) -> None:
    for number in range(6):
        _sparse(tmp_path / "ann" / f"{number}.ipynb", intake.MAX_DIGESTED)

    assert [problem.id for problem in _only(tmp_path).problems] == ["intake.notebook-several"]
    assert read == []


def test_only_so_many_folders_of_a_student_are_looked_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MAX_FOLDERS", 50)
    for number in range(60):
        (tmp_path / "ann" / f"{number:03}").mkdir(parents=True)
    _student(tmp_path / "ann" / "059", "hw.ipynb")

    assert [problem.id for problem in _only(tmp_path).problems] == ["intake.notebook-more", "intake.report-more"]
