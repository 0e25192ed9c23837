"""A class as each system packs it: every file has its right owner, or goes to a person."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from grader.intake import mapping, roster
from grader.intake.collection import Collected, Wishes, collect
from grader.intake.deadline import Deadline
from grader.intake.names import own_name
from grader.model import GraderError, Submission

TAIPEI = ZoneInfo("Asia/Taipei")
NAMES = ("王小明", "陳怡君", "許功蓋")  # the last one has backslashes in Big5
Files = Mapping[str, str]


def packed(path: Path, files: Files, *, encoding: str = "utf-8", flag: bool = False) -> Path:
    """A ZIP whose names are raw bytes of an encoding, as the systems and their users make them."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo("x", date_time=(2026, 10, 8, 12, 0, 0))
            info.filename = name if flag else name.encode(encoding).decode("latin-1")
            archive.writestr(info, content)
    if not flag:
        _as_raw_bytes(path, files, encoding)
    return path


def _as_raw_bytes(path: Path, files: Files, encoding: str) -> None:
    """Put the names' own bytes in place of what zipfile wrote as flagged UTF-8, and take the flag away."""
    data = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for info, name in zip(infos, files, strict=True):
            raw = name.encode(encoding)
            new = _RawName(raw, date_time=info.date_time)
            archive.writestr(new, files[name])
    path.write_bytes(out.getvalue() or data)


class _RawName(zipfile.ZipInfo):
    """An entry whose name is bytes of no stated encoding."""

    def __init__(self, raw: bytes, date_time: tuple[int, int, int, int, int, int]) -> None:
        super().__init__(raw.decode("latin-1"), date_time)
        self._raw = raw

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802 - zipfile's own
        return self._raw, self.flag_bits & ~0x800


def laid_out(folder: Path, files: Files) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def moodle(*, flat: bool = False, old: bool = False) -> dict[str, str]:
    made: dict[str, str] = {}
    for number, name in enumerate(NAMES, 1):
        start = f"{name}_65700{number}_assignsubmission_file" + ("_" if flat else ("_/" if old else "/"))
        made |= {f"{start}hw.ipynb": f"notebook {number}", f"{start}報告.pdf": f"%PDF {number}"}
    return made


CANVAS = {
    "wangxiaoming_7001_90001_hw3.ipynb": "notebook 1",
    "wangxiaoming_7001_90002_report.pdf": "%PDF 1",
    "陳怡君_LATE_7002_90003_hw3.ipynb": "notebook 2",
    "陳怡君_LATE_7002_90004_報告.pdf": "%PDF 2",
    "anon_x9Zk2_90005_hw3.ipynb": "notebook 3",
    "linzhihao_7004_text.html": "<p>I could not upload</p>",
}
BLACKBOARD = {
    "HW3_b10901001_attempt_2026-10-07-10-00-00_hw3.ipynb": "notebook early",
    "HW3_b10901001_attempt_2026-10-07-10-00-00.txt": "Name: Wang (b10901001)\n",
    "HW3_b10901001_attempt_2026-10-08-10-00-00_hw3.ipynb": "notebook 1",
    "HW3_b10901001_attempt_2026-10-08-10-00-00.txt": "Name: Wang, Xiao-Ming (b10901001)\r\nFiles:\r\n"
    "\tOriginal filename: 梯度下降.ipynb\r\n\tFilename: HW3_b10901001_attempt_2026-10-08-10-00-00_hw3.ipynb\r\n",
    "HW3_b10901001_attempt_2026-10-09-10-00-00_hw3.ipynb": "notebook too late",
    "HW3_b10901002_attempt_2026-10-09-10-00-00_hw3.ipynb": "notebook 2",
}
GRADESCOPE = {
    "assignment_77_export/submission_metadata.yml": """
submission_1234500:
  :submitters:
  - :name: 王小明
    :sid: b10901001
    :email: b10901001@ntu.edu.tw
  - :name: 陳怡君
    :sid: b10901002
    :email: b10901002@ntu.edu.tw
  :created_at: 2026-10-08 11:00:00.000000000 +08:00
  :score: 0.0
submission_1234501:
  :submitters:
  - :name: 許功蓋
    :sid: b10901003
    :email:
  :created_at: 2026-10-09 11:00:00.000000000 +08:00
""",
    "assignment_77_export/submission_1234500/hw.ipynb": "notebook 1",
    "assignment_77_export/submission_1234500/report.pdf": "%PDF 1",
    "assignment_77_export/submission_1234501/src/hw.ipynb": "notebook 3",
}
CLASSROOM = {
    "hw3-submissions/hw3-wang/hw.ipynb": "notebook 1",
    "hw3-submissions/hw3-wang/.git/config": "x",
    "hw3-submissions/hw3-chen-yi-jun/hw.ipynb": "notebook 2",
}
NBGRADER = {
    "submitted/b10901001/hw3/hw.ipynb": "notebook 1",
    "submitted/b10901001/hw3/timestamp.txt": "2026-10-08 03:00:00.000000 UTC",
    "submitted/b10901002/hw3/hw.ipynb": "notebook 2",
    "submitted/b10901002/hw3/timestamp.txt": "2026-10-09 03:00:00.000000 UTC",
}
FOLDERS = {
    "class/b10901001/hw.ipynb": "notebook 1",
    "class/b10901001/report.pdf": "%PDF 1",
    "class/b10901002/deep/hw.ipynb": "notebook 2",
    "class/__MACOSX/b10901002/._hw.ipynb": "junk",
    "class/.DS_Store": "junk",
    "class/b10901002/.ipynb_checkpoints/hw-checkpoint.ipynb": "junk",
}
FLAT = {
    "HW3_20261012_b10901001.ipynb": "notebook 1",
    "B10901001 report.pdf": "%PDF 1",
    "109062101_hw.ipynb": "notebook 2",
    "hw3 final.ipynb": "whose is it?",
    "b10901001 and b10901002.pdf": "%PDF both",
}


@pytest.fixture(params=["folder", "utf-8", "flagged"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Files], Path]:
    """Lay the files out in a folder, or pack them with and without saying the encoding."""

    def make(files: Files) -> Path:
        if request.param == "folder":
            return laid_out(tmp_path / "in", files)
        return packed(tmp_path / "in.zip", files, flag=request.param == "flagged")

    return make


def found(path: Path, tmp_path: Path, wishes: Wishes | None = None) -> Collected:
    return collect(path, wishes or Wishes(), unpacked=tmp_path / "unpacked")


def content(submission: Submission) -> tuple[str, str]:
    """What the chosen notebook and report hold."""

    def text(name: str | None) -> str:
        return Path(submission.root, name).read_text(encoding="utf-8") if name else ""

    return text(submission.notebook), text(submission.report)


def by_student(collected: Collected) -> dict[str, tuple[str, str]]:
    return {submission.student: content(submission) for submission in collected.submissions}


# -- a layout each ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "files", [moodle(), moodle(flat=True), moodle(old=True)], ids=["folders", "flat", "before 4.1"]
)
def test_moodle(source: Callable[[Files], Path], tmp_path: Path, files: Files) -> None:
    collected = found(source(files), tmp_path)

    assert collected.layout == "moodle"
    assert by_student(collected) == {name: (f"notebook {n}", f"%PDF {n}") for n, name in enumerate(NAMES, 1)}
    assert {one.person.ids["moodle"] for one in collected.submissions} == {"657001", "657002", "657003"}


def test_moodles_typed_text_is_no_ghost_student(source: Callable[[Files], Path], tmp_path: Path) -> None:
    typed = {"王小明_657001_assignsubmission_onlinetext/onlinetext.html": "<p>see file</p>"}
    collected = found(source(moodle() | typed), tmp_path)

    assert by_student(collected)["王小明"] == ("notebook 1", "%PDF 1")
    assert len(collected.submissions) == 3


def test_text_that_was_typed_in_place_of_a_file_goes_to_a_person(
    source: Callable[[Files], Path], tmp_path: Path
) -> None:
    files = {
        "王小明_657001_assignsubmission_onlinetext/onlinetext.html": "<p>my report</p>",
        "王小明_657001_assignsubmission_file/hw.ipynb": "notebook 1",
    }
    (submission,) = found(source(files), tmp_path).submissions

    assert [problem.id for problem in submission.problems] == ["intake.report-other"]
    assert content(submission) == ("notebook 1", "")


def test_canvas(source: Callable[[Files], Path], tmp_path: Path) -> None:
    collected = found(source(CANVAS), tmp_path)

    assert collected.layout == "canvas"
    assert by_student(collected) == {
        "wangxiaoming": ("notebook 1", "%PDF 1"),
        "陳怡君": ("notebook 2", "%PDF 2"),
        "anon_x9Zk2": ("notebook 3", ""),
        "linzhihao": ("", ""),
    }
    late = {one.student for one in collected.submissions if one.lateness and one.lateness.late}
    assert late == {"陳怡君"}
    assert [problem.id for problem in collected.submissions[1].problems][:1] in ([], ["intake.notebook-other"])


def test_blackboard_takes_the_last_attempt_in_time(source: Callable[[Files], Path], tmp_path: Path) -> None:
    until = Deadline(at=datetime(2026, 10, 8, 23, 59, tzinfo=TAIPEI))
    collected = found(source(BLACKBOARD), tmp_path, Wishes(deadline=until, zone=TAIPEI))

    assert collected.layout == "blackboard"
    assert by_student(collected) == {"b10901001": ("notebook 1", ""), "b10901002": ("notebook 2", "")}
    late = {one.student: one.lateness.late for one in collected.submissions if one.lateness}
    assert late == {"b10901001": False, "b10901002": True}
    assert collected.submissions[0].person.name == "Wang, Xiao-Ming"


@pytest.mark.parametrize(("attempt", "notebook"), [("first", "notebook early"), ("last", "notebook too late")])
def test_without_a_deadline_the_first_or_the_last_attempt_counts(tmp_path: Path, attempt: str, notebook: str) -> None:
    collected = found(laid_out(tmp_path / "in", BLACKBOARD), tmp_path, Wishes(attempt=attempt))  # type: ignore[arg-type] # one of both

    assert by_student(collected)["b10901001"] == (notebook, "")


def test_gradescope_gives_a_group_s_work_to_each_member(source: Callable[[Files], Path], tmp_path: Path) -> None:
    until = Deadline(at=datetime(2026, 10, 8, 23, 59, tzinfo=TAIPEI))
    collected = found(source(GRADESCOPE), tmp_path, Wishes(deadline=until))

    assert collected.layout == "gradescope"
    assert by_student(collected) == {
        "b10901001": ("notebook 1", "%PDF 1"),
        "b10901002": ("notebook 1", "%PDF 1"),
        "b10901003": ("notebook 3", ""),
    }
    assert [one.lateness.late for one in collected.submissions if one.lateness] == [False, False, True]


def test_gradescopes_pdfs_have_owners_too(source: Callable[[Files], Path], tmp_path: Path) -> None:
    files = {
        "submission_metadata.yml": "submission_1.pdf:\n  :submitters:\n  - :sid: b1\n"
        "submission_2.pdf:\n  :submitters: []\n",
        "submission_1.pdf": "%PDF 1",
        "submission_2.pdf": "%PDF 2",
    }
    collected = found(source(files), tmp_path)

    assert by_student(collected) == {"b1": ("", "%PDF 1"), "submission_2.pdf": ("", "%PDF 2")}


def test_github_classroom(source: Callable[[Files], Path], tmp_path: Path) -> None:
    collected = found(source(CLASSROOM), tmp_path)

    assert collected.layout == "classroom"
    assert by_student(collected) == {"wang": ("notebook 1", ""), "chen-yi-jun": ("notebook 2", "")}


def test_nbgrader(source: Callable[[Files], Path], tmp_path: Path) -> None:
    until = Deadline(at=datetime(2026, 10, 8, 23, 59, tzinfo=TAIPEI))
    collected = found(source(NBGRADER), tmp_path, Wishes(deadline=until))

    assert collected.layout == "nbgrader"
    assert by_student(collected) == {"b10901001": ("notebook 1", ""), "b10901002": ("notebook 2", "")}
    assert [one.lateness.late for one in collected.submissions if one.lateness] == [False, True]


def test_a_folder_for_each_student_within_another(source: Callable[[Files], Path], tmp_path: Path) -> None:
    collected = found(source(FOLDERS), tmp_path)

    assert collected.layout == "folders"
    assert by_student(collected) == {"b10901001": ("notebook 1", "%PDF 1"), "b10901002": ("notebook 2", "")}


def test_flat_files_go_by_the_one_number_in_their_name(source: Callable[[Files], Path], tmp_path: Path) -> None:
    collected = found(source(FLAT), tmp_path)

    assert collected.layout == "flat"
    assert by_student(collected) == {"b10901001": ("notebook 1", "%PDF 1"), "109062101": ("notebook 2", "")}
    (left,) = [note for note in collected.notes if note.id == "intake.left"]
    assert set(str(left.parameters["files"]).split(", ")) == {"b10901001 and b10901002.pdf", "hw3 final.ipynb"}


@pytest.mark.parametrize(
    ("encoding", "names"),
    [("utf-8", NAMES), ("cp950", NAMES), ("gbk", ("王小明", "张伟", "刘洋"))],
    ids=["utf-8", "cp950", "gbk"],
)
def test_names_that_do_not_say_their_encoding_are_read_right(
    tmp_path: Path, encoding: str, names: tuple[str, ...]
) -> None:
    files = {f"{name}_65700{n}_assignsubmission_file/梯度.ipynb": f"notebook {n}" for n, name in enumerate(names)}
    collected = found(packed(tmp_path / "in.zip", files, encoding=encoding), tmp_path)

    assert by_student(collected) == {name: (f"notebook {n}", "") for n, name in enumerate(names)}
    assert {one.notebook for one in collected.submissions} == {"梯度.ipynb"}


def test_an_encoding_that_is_named_is_obeyed(tmp_path: Path) -> None:
    path = packed(tmp_path / "in.zip", {"王_1_assignsubmission_file/a.ipynb": "x"}, encoding="cp950")

    assert found(path, tmp_path, Wishes(encoding="cp950")).submissions[0].student == "王"


def test_two_people_of_one_name_are_told_apart(tmp_path: Path) -> None:
    files = {f"王小明_{n}_assignsubmission_file/a.ipynb": f"notebook {n}" for n in (1, 2)}

    collected = found(packed(tmp_path / "in.zip", files), tmp_path)

    assert by_student(collected) == {"王小明 (1)": ("notebook 1", ""), "王小明 (2)": ("notebook 2", "")}


def test_an_empty_folder_is_a_student_without_a_hand_in(tmp_path: Path) -> None:
    laid_out(tmp_path / "in", {"b1/hw.ipynb": "notebook 1"})
    (tmp_path / "in/b2").mkdir()

    assert [one.student for one in found(tmp_path / "in", tmp_path).submissions] == ["b1", "b2"]


def test_one_students_folder_with_folders_of_its_own_is_no_class(tmp_path: Path) -> None:
    laid_out(tmp_path / "in", {"b1/code/hw.ipynb": "notebook 1", "b1/text/report.pdf": "%PDF 1"})

    assert by_student(found(tmp_path / "in", tmp_path)) == {"b1": ("notebook 1", "%PDF 1")}


@pytest.mark.parametrize("folder", ["wang_7001_90001_hw3", "HW3_b1_attempt_2026-10-08-10-00-00_x"])
def test_a_folder_is_not_read_as_a_flat_file(tmp_path: Path, folder: str) -> None:
    path = laid_out(tmp_path / "in", {f"{folder}/hw.ipynb": "1", "b2/hw.ipynb": "2"})

    assert by_student(found(path, tmp_path)) == {folder: ("1", ""), "b2": ("2", "")}


def test_a_layout_can_be_named_and_is_refused_where_it_is_another(tmp_path: Path) -> None:
    path = laid_out(tmp_path / "in", moodle())

    assert found(path, tmp_path, Wishes(layout="folders")).submissions[0].student.endswith("_assignsubmission_file")
    with pytest.raises(GraderError, match="nothing in here has the layout `canvas`"):
        found(path, tmp_path, Wishes(layout="canvas"))


def test_an_expression_with_nbgraders_groups_says_whose_a_file_is(tmp_path: Path) -> None:
    path = laid_out(tmp_path / "in", {"hw3-ann-1.ipynb": "a", "hw3-bob-1.ipynb": "b", "notes.pdf": "x"})
    expression = r"hw3-(?P<student_id>\w+)-\d\.(?P<file_id>ipynb)$"

    collected = found(path, tmp_path, Wishes(name_regex=expression))

    assert by_student(collected) == {"ann": ("a", ""), "bob": ("b", "")}
    for wrong in ("(", "(?P<who>x)"):
        with pytest.raises(GraderError, match="--name-regex"):
            found(path, tmp_path, Wishes(name_regex=wrong))


# -- the roster ------------------------------------------------------------------------------------

GRADEBOOK = (
    "Student,ID,SIS User ID,SIS Login ID,Section,HW3 (101)\n"
    "    Points Possible,,,,,100\n"
    '"Wang, Xiao-Ming",7001,b10901001,b10901001@ntu.edu.tw,A,\n'
    "陳怡君,7002,b10901002,b10901002@ntu.edu.tw,A,\n"
    "Absent,7009,b10901009,b10901009@ntu.edu.tw,A,\n"
)
SHEET = (
    "識別碼,全名,學號,電子郵件信箱,成績\n"
    "參與者657001,王小明,B10901001,b10901001@ntu.edu.tw,\n"
    "參與者657002,陳怡君,B10901002,b10901002@ntu.edu.tw,\n"
    "參與者657009,林缺席,B10901009,b10901009@ntu.edu.tw,\n"
)


def test_canvas_users_get_their_numbers_from_the_gradebook(tmp_path: Path) -> None:
    path = laid_out(tmp_path / "in", CANVAS)
    collected = found(path, tmp_path, Wishes(roster=roster.read(GRADEBOOK.encode(), where="g.csv")))

    assert by_student(collected)["b10901001"] == ("notebook 1", "%PDF 1")
    assert by_student(collected)["b10901002"] == ("notebook 2", "%PDF 2")
    assert [person.ids["number"] for person in collected.missing] == ["b10901009"]
    assert set(collected.nobody) == {"anon_x9Zk2", "linzhihao"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp950", "utf-16"])
def test_moodle_participants_get_their_numbers_from_the_grading_sheet(tmp_path: Path, encoding: str) -> None:
    path = laid_out(tmp_path / "in", moodle())
    people = roster.read(SHEET.encode(encoding), where="sheet.csv")
    collected = found(path, tmp_path, Wishes(roster=people))

    assert by_student(collected)["B10901001"] == ("notebook 1", "%PDF 1")
    assert collected.nobody == ("許功蓋",)
    assert [person.name for person in collected.missing] == ["林缺席"]


@pytest.mark.parametrize(
    "table",
    [
        "學號;姓名\nB10901001;王小明\nB10901002;陳怡君\n",
        "student\tname\nb10901001\tx\nb10901002\ty\n",
        "ID number\nB10901001\nb10901002\n",
    ],
    ids=["semicolons", "tabs", "numbers"],
)
def test_a_plain_table_is_a_roster(tmp_path: Path, table: str) -> None:
    path = laid_out(tmp_path / "in", {"b10901001_王小明/hw.ipynb": "1", "b10901002/hw.ipynb": "2"})
    collected = found(path, tmp_path, Wishes(roster=roster.read(table.encode(), where="r.csv")))

    students = {student.lower(): files for student, files in by_student(collected).items()}
    assert students == {"b10901001": ("1", ""), "b10901002": ("2", "")}
    assert not collected.missing


def test_github_names_get_their_numbers_from_classrooms_own_table(tmp_path: Path) -> None:
    path = laid_out(tmp_path / "in", CLASSROOM)
    table = "github_username,roster_identifier\nwang,b10901001\nchen-yi-jun,b10901002\n"
    collected = found(path, tmp_path, Wishes(roster=roster.read(table.encode(), where="r.csv")))

    assert by_student(collected) == {"b10901001": ("notebook 1", ""), "b10901002": ("notebook 2", "")}


def test_a_group_of_the_roster_gets_its_work_for_each_member(tmp_path: Path) -> None:
    path = laid_out(tmp_path / "in", {"Team A_5_assignsubmission_file/hw.ipynb": "team work"})
    table = "number,name,group\nb1,Ann,Team A\nb2,Bob,Team A\nb3,Eve,Team B\n".replace("number", "學號")
    collected = found(path, tmp_path, Wishes(roster=roster.read(table.encode(), where="r.csv")))

    assert by_student(collected) == {"b1": ("team work", ""), "b2": ("team work", "")}
    assert [person.name for person in collected.missing] == ["Eve"]


def test_a_name_that_two_people_have_is_nobodys(tmp_path: Path) -> None:
    path = laid_out(tmp_path / "in", {"王小明/hw.ipynb": "1", "b3/hw.ipynb": "3"})
    table = "學號,姓名\nb1,王小明\nb2,王小明\nb3,Eve\n"
    collected = found(path, tmp_path, Wishes(roster=roster.read(table.encode(), where="r.csv")))

    assert collected.nobody == ("王小明",)
    assert {person.ids["number"] for person in collected.missing} == {"b1", "b2"}


@pytest.mark.parametrize("table", ["", "colour,taste\nred,sweet\n"])
def test_a_table_of_something_else_is_no_roster(table: str) -> None:
    with pytest.raises(GraderError, match="who is in the class"):
        roster.read(table.encode(), where="r.csv")


def test_a_roster_in_no_known_encoding_is_told() -> None:
    with pytest.raises(GraderError, match="in no encoding that is known here"):
        roster.read(b"name\n\xff\xfe\x80\x80\n\x80", where="r.csv")


# -- late and again --------------------------------------------------------------------------------


def test_grace_and_zone_move_the_deadline(tmp_path: Path) -> None:
    path = laid_out(tmp_path / "in", NBGRADER)
    until = Deadline(at=datetime(2026, 10, 9, 10, 50, tzinfo=TAIPEI), grace=timedelta(minutes=15))
    collected = found(path, tmp_path, Wishes(deadline=until))

    assert [one.lateness.late for one in collected.submissions if one.lateness] == [False, False]


def test_a_files_own_time_is_said_to_be_weak(tmp_path: Path) -> None:
    path = laid_out(tmp_path / "in", {"b1/hw.ipynb": "1"})
    os.utime(path / "b1/hw.ipynb", (0, 0))
    early = found(path, tmp_path, Wishes(deadline=Deadline(at=datetime(2026, 10, 8, tzinfo=TAIPEI))))
    late = found(path, tmp_path, Wishes(deadline=Deadline(at=datetime(1960, 10, 8, tzinfo=TAIPEI))))

    (one,), (other,) = early.submissions, late.submissions
    assert one.lateness is not None
    assert other.lateness is not None
    assert (one.lateness.late, one.lateness.known_by) == (False, "file")
    assert (other.lateness.late, other.lateness.known_by) == (True, "file")


def test_two_hand_ins_of_one_student_without_times_are_both_kept(tmp_path: Path) -> None:
    path = laid_out(tmp_path / "in", {"b1 old/hw.ipynb": "1", "b1 new/hw.ipynb": "2", "b2/hw.ipynb": "3"})
    people = roster.read("學號\nb1\nb2\n".encode(), where="r.csv")
    collected = found(path, tmp_path, Wishes(roster=people))

    assert set(by_student(collected).values()) == {("1", ""), ("2", ""), ("3", "")}
    assert [note.id for note in collected.notes if "attempts" in note.id] == ["intake.attempts-unsure"]


# -- a person's corrections ------------------------------------------------------------------------


def corrected(table: str) -> Wishes:
    return Wishes(mapping=mapping.read(table.encode(), where="who.csv"))


def test_a_corrected_table_is_obeyed(tmp_path: Path) -> None:
    path = laid_out(tmp_path / "in", {"x/a.ipynb": "a", "x/b.ipynb": "b", "y/hw.ipynb": "y", "z/hw.ipynb": "z"})
    table = "source,student,notebook,report\nx,b10901001,b.ipynb,\ny,,,\n"
    collected = found(path, tmp_path, corrected(table))

    assert by_student(collected) == {"b10901001": ("b", ""), "z": ("z", "")}
    assert not collected.submissions[0].problems


def test_a_person_may_say_that_a_file_is_none(tmp_path: Path) -> None:
    path = laid_out(tmp_path / "in", {"x/a.ipynb": "a", "x/r.pdf": "r"})

    assert by_student(found(path, tmp_path, corrected("source,student,report\nx,b1,-\n"))) == {"b1": ("a", "")}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("source,student,notebook\nx,b1,no.ipynb\n", "there is no file `no.ipynb`"),
        ("source,student\nx,b1\nx,b1\n", "twice"),
        ("who,what\nx,b1\n", "columns source and student"),
    ],
)
def test_a_mistake_in_a_corrected_table_is_told(tmp_path: Path, table: str, said: str) -> None:
    path = laid_out(tmp_path / "in", {"x/a.ipynb": "a"})

    with pytest.raises(GraderError, match=said):
        found(path, tmp_path, corrected(table))


# -- archives that are none ------------------------------------------------------------------------


def raw(path: Path, name: str, data: bytes = b"x", *, mode: int = 0, method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        info = zipfile.ZipInfo("b1/hw.ipynb")
        info.compress_type = method
        info.filename = name
        info.external_attr = mode << 16
        archive.writestr(info, data)
    return path


@pytest.mark.parametrize(
    "name", ["../hw.ipynb", "/etc/hw.ipynb", "C:/hw.ipynb", "b1/../../hw.ipynb", "b1\\..\\..\\x.ipynb", "a/" * 30 + "x"]
)
def test_a_path_out_of_the_archive_is_refused_before_anything_is_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(GraderError, match="a file in this archive"):
        found(raw(tmp_path / "in.zip", name), tmp_path)
    assert not (tmp_path / "unpacked").exists()


def test_a_bomb_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    path = raw(tmp_path / "in.zip", "b1/hw.ipynb", b"0" * 5_000_000, method=zipfile.ZIP_DEFLATED)

    with pytest.raises(GraderError, match="packed more tightly"):
        found(path, tmp_path)
    assert not (tmp_path / "unpacked").exists()


@pytest.mark.parametrize(("bound", "value"), [("MAX_ENTRIES", 2), ("MAX_BYTES", 10), ("MAX_FILE", 5)])
def test_bounds_hold_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, value: int
) -> None:
    path = packed(tmp_path / "in.zip", FOLDERS)
    monkeypatch.setattr(f"grader.intake.archive.{bound}", value)

    with pytest.raises(GraderError, match="archive"):
        found(path, tmp_path)
    assert not (tmp_path / "unpacked").exists()


def test_a_link_in_an_archive_is_passed_over_and_told(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        archive.writestr("b1/hw.ipynb", "x")
        link = zipfile.ZipInfo("b1/report.pdf")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    collected = found(tmp_path / "in.zip", tmp_path)

    assert by_student(collected) == {"b1": ("x", "")}
    assert "intake.skipped" in [note.id for note in collected.notes]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"Rar!\x1a\x07\x00", "RAR"),
        (b"7z\xbc\xaf\x27\x1c", "7z"),
        (b"nothing", "damaged or not complete"),
        (b"", "damaged"),
    ],
)
def test_what_is_no_zip_is_told(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "in.zip").write_bytes(data)

    with pytest.raises(GraderError, match=said):
        found(tmp_path / "in.zip", tmp_path)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_zip_that_was_cut_is_told(tmp_path: Path, share: float) -> None:
    path = packed(tmp_path / "in.zip", FOLDERS)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])

    with pytest.raises(GraderError, match="damaged or not complete") as told:
        found(path, tmp_path)
    assert "download it again" in told.value.hint


def test_a_damaged_file_in_an_archive_is_told(tmp_path: Path) -> None:
    path = packed(tmp_path / "in.zip", {"b1/hw.ipynb": "notebook " * 50})
    path.write_bytes(path.read_bytes().replace(b"notebook notebook", b"notebook n0tebook", 1))

    with pytest.raises(GraderError, match="cannot be unpacked"):
        found(path, tmp_path)


def test_what_an_earlier_archive_left_is_gone(tmp_path: Path) -> None:
    found(packed(tmp_path / "a.zip", {"b1/hw.ipynb": "old", "b1/x/y.pdf": "%PDF", "b2/hw.ipynb": "z"}), tmp_path)
    collected = found(packed(tmp_path / "b.zip", {"b1/work.ipynb": "new", "b2/hw.ipynb": "z"}), tmp_path)

    assert by_student(collected) == {"b1": ("new", ""), "b2": ("z", "")}


def test_the_same_archive_gives_the_same_digests(tmp_path: Path) -> None:
    path = packed(tmp_path / "in.zip", moodle())

    digests = [[one.digest for one in found(path, tmp_path).submissions] for _ in range(2)]

    assert digests[0] == digests[1]


def test_nothing_is_unpacked_beside_the_original(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    found(packed(tmp_path / "there/in.zip", moodle()), tmp_path)

    assert [path.name for path in (tmp_path / "there").iterdir()] == ["in.zip"]


@pytest.mark.parametrize("name", ["a" * 300 + ".ipynb", "報告" * 100 + ".pdf", "a:b.ipynb", "..", "...", "x\x00.pdf"])
def test_a_name_that_a_system_could_not_write_is_written_under_ours(tmp_path: Path, name: str) -> None:
    own = own_name(name)

    (tmp_path / own).write_text("x", encoding="utf-8")
    assert (tmp_path / own).suffix == Path(name).suffix or not Path(name).suffix
    assert own != own_name(name + "x")


def test_a_person_of_the_roster_keeps_what_the_system_said(tmp_path: Path) -> None:
    path = laid_out(tmp_path / "in", moodle())
    collected = found(path, tmp_path, Wishes(roster=roster.read(SHEET.encode(), where="s.csv")))
    person = collected.submissions[0].person

    assert (person.ids["moodle"], person.ids["number"], person.mail) == ("657001", "B10901001", "b10901001@ntu.edu.tw")
    assert replace(person, ids={}).name == "王小明"
