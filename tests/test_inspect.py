"""A class from the LMS's archive to graded results, and the dry run before it."""

from __future__ import annotations

import csv
import json
import zipfile
from pathlib import Path

import pytest
import test_cli
from test_cli import Child, hand_in, run
from test_collection import BLACKBOARD, GRADEBOOK, laid_out, moodle, packed

from grader.cli.errors import NOTHING, USAGE

child, here = test_cli.child, test_cli.here
ARCHIVE = {
    f"{name}_{number}_assignsubmission_file/{file}": f"{text} {number}"
    for number, name in ((657001, "王小明"), (657002, "陳怡君"))
    for file, text in (("hw.ipynb", "ok"), ("報告.pdf", "%PDF"))
}
SHEET = (
    "識別碼,全名,學號,成績,最高分\n參與者657001,王小明,b1,,10\n參與者657002,陳怡君,b2,,10\n參與者657003,林缺席,b3,,10\n"
)


def students(here: Path) -> dict[str, dict[str, object]]:
    lines = map(json.loads, (here / "results/grades.jsonl").read_text(encoding="utf-8").splitlines())
    return {line["submission"]["student"]: line for line in lines}


def test_inspect_says_who_handed_in_what_and_runs_nothing(
    here: Path, child: Child, capfd: pytest.CaptureFixture[str]
) -> None:
    packed(here / "HW3.zip", ARCHIVE, encoding="cp950")
    (here / "sheet.csv").write_text(SHEET, encoding="utf-8")

    assert run("inspect", "HW3.zip", "--roster", "sheet.csv") == 0
    said = capfd.readouterr()
    assert [line.split() for line in said.out.splitlines()] == [
        ["Student", "Notebook", "Report", "Handed", "in", "as", "For", "a", "person"],
        ["b1", "hw.ipynb", "報告.pdf", "王小明_657001_assignsubmission_file"],
        ["b2", "hw.ipynb", "報告.pdf", "陳怡君_657002_assignsubmission_file"],
    ]
    assert "read as cp950" in said.err
    assert "Layout: moodle; hand-ins: 2." in said.err
    assert "without a hand-in: 1 (b3)" in said.err
    assert not child.asked
    assert {path.name for path in here.iterdir()} == {"HW3.zip", "sheet.csv"}


def test_a_table_of_inspect_is_corrected_and_given_back(here: Path, child: Child) -> None:
    laid_out(here / "class", {"x/a.ipynb": "ok a", "x/b.ipynb": "ok b", "y/hw.ipynb": "ok y"})
    assert run("inspect", "class", "-o", "who.csv") == 0
    with (here / "who.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["source"], row["student"], row["notebook"]) for row in rows] == [
        ("x", "x", ""),
        ("y", "y", "hw.ipynb"),
    ]
    assert "none is clearly the homework" in rows[0]["what a person should know"]
    rows[0] |= {"student": "b10901001", "notebook": "b.ipynb"}
    with (here / "who.csv").open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)

    assert run("grade", "class", "--mapping", "who.csv") == 0
    assert students(here)["b10901001"]["submission"]["notebook"] == "b.ipynb"  # type: ignore[index] # JSON
    assert set(students(here)) == {"b10901001", "y"}


def test_a_name_that_is_a_formula_is_shielded_and_comes_back(here: Path, child: Child) -> None:
    laid_out(here / "class", {"=1+1/@a.ipynb": "ok a", "=1+1/-b.ipynb": "ok b"})
    run("inspect", "class", "-o", "who.csv")
    text = (here / "who.csv").read_text(encoding="utf-8-sig")
    assert "'=1+1,'=1+1,,," in text
    (here / "who.csv").write_text(text.replace("'=1+1,'=1+1,,", "'=1+1,'=1+1,'-b.ipynb,"), encoding="utf-8")

    assert run("grade", "class", "--mapping", "who.csv") == 0
    assert students(here)["=1+1"]["submission"]["notebook"] == "-b.ipynb"  # type: ignore[index] # JSON


def test_a_folder_that_holds_the_archive_says_to_give_that(
    here: Path, child: Child, capfd: pytest.CaptureFixture[str]
) -> None:
    (here / "downloads").mkdir()
    packed(here / "downloads/HW3.zip", ARCHIVE)

    assert run("grade", "downloads") == NOTHING
    assert "give the archive itself: downloads/HW3.zip" in capfd.readouterr().err


def test_inspect_says_that_a_students_archive_is_opened_later(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (here / "class/b1").mkdir(parents=True)
    packed(here / "class/b1/hw.zip", {"hw.ipynb": "ok"})
    run("inspect", "class")

    said = capfd.readouterr().out
    assert "hw.zip is opened in a jail when it is graded." in said
    assert "in the ZIP?" in said


def test_a_choice_among_files_is_explained(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    laid_out(here / "class", {"b1/gradient descent.ipynb": "ok", "b1/draft.ipynb": "x", "b2/hw.ipynb": "ok"})
    run("inspect", "class")
    lines = capfd.readouterr().out.splitlines()

    assert "gradient descent.ipynb (of 2)" in lines[1]
    assert "gradient descent.ipynb is named for the homework; the other notebooks are drafts" in lines[1]
    assert "named for the homework" not in lines[2]


def test_grade_takes_the_archive_of_the_lms(here: Path, child: Child, capfd: pytest.CaptureFixture[str]) -> None:
    packed(here / "HW3.zip", ARCHIVE, encoding="cp950")
    (here / "sheet.csv").write_text(SHEET, encoding="utf-8")

    for _ in range(2):
        assert run("grade", "HW3.zip", "--roster", "sheet.csv", "--jobs", "1") == 0
    assert child.asked == ["b1", "b2"]  # known the second time
    assert set(students(here)) == {"b1", "b2"}
    said = capfd.readouterr()
    assert "without a hand-in: 1 (b3)" in said.out
    assert "b3" in (here / "results/summary.html").read_text(encoding="utf-8")


def test_from_the_archive_of_moodle_to_its_grading_sheet(here: Path, child: Child) -> None:
    packed(here / "HW3.zip", ARCHIVE)
    (here / "sheet.csv").write_text(SHEET, encoding="utf-8")
    run("grade", "HW3.zip")

    assert (
        run(
            "export",
            "moodle",
            "results",
            "--template",
            "sheet.csv",
            "-o",
            "filled.csv",
            "--feedback-zip",
            "f.zip",
            "--allow-pending",
        )
        == 0
    )
    assert (here / "filled.csv").read_text(encoding="utf-8").splitlines()[1:] == [
        "參與者657001,王小明,b1,6,10",
        "參與者657002,陳怡君,b2,6,10",
        "參與者657003,林缺席,b3,,10",
    ]
    with zipfile.ZipFile(here / "f.zip") as archive:
        assert archive.namelist() == [
            "王小明_657001_assignsubmission_file/feedback.html",
            "陳怡君_657002_assignsubmission_file/feedback.html",
        ]


def test_lateness_is_told_in_the_table_and_on_the_class_page(
    here: Path, child: Child, capfd: pytest.CaptureFixture[str]
) -> None:
    packed(here / "HW3.zip", {name: f"ok {text}" for name, text in BLACKBOARD.items()})
    run("grade", "HW3.zip", "--deadline", "2026-10-08T23:59", "--zone", "Asia/Taipei")
    said = capfd.readouterr()

    assert "Late: 1 (b10901002)." in said.err
    assert "late by 10 hours" in said.out
    assert "by 10 hours" in (here / "results/summary.html").read_text(encoding="utf-8")
    with (here / "results/grades.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [row["late"] for row in csv.DictReader(file)] == ["no", "yes (system)"]


def test_late_work_loses_points_only_where_the_rubric_says_so(here: Path, child: Child) -> None:
    packed(here / "HW3.zip", {name: f"ok {text}" for name, text in BLACKBOARD.items()})
    until = ("--deadline", "2026-10-08T23:59", "--zone", "Asia/Taipei")

    def nets() -> dict[str, object]:
        return {student: (line["points"], line["net"]) for student, line in students(here).items()}

    run("grade", "HW3.zip", *until)
    assert nets() == {"b10901001": (6, 6), "b10901002": (6, 6)}
    rubric = here.parent / "rubric.toml"
    rubric.write_text(rubric.read_text(encoding="utf-8") + '[late]\nper_day = "20%"\ncap = "50%"\n', encoding="utf-8")
    run("grade", "HW3.zip", *until)
    assert nets() == {"b10901001": (6, 6), "b10901002": (6, 4)}
    assert "takes 2 points off: 4 of 10 count" in (here / "results/feedback/b10901002/feedback.html").read_text("utf-8")
    run("export", "nbgrader", "results", "-o", "nb.csv")
    with (here / "nb.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["raw_score"], row["late_submission_penalty"], row["score"]) for row in csv.DictReader(file)]
    assert rows == [("6", "0", "6"), ("6", "2", "4")]


@pytest.mark.parametrize(
    "table",
    [
        'per_day = "ten"',
        'per_day = "120%"',
        'cap = "50%"',
        'per_day = "10%"\nof = "some"',
        'per_day = "10%"\nwhen = 1',
        "per_day = 10",
    ],
)
def test_a_mistake_about_late_work_is_told(here: Path, capfd: pytest.CaptureFixture[str], table: str) -> None:
    rubric = here.parent / "rubric.toml"
    rubric.write_text(rubric.read_text(encoding="utf-8") + f"[late]\n{table}\n", encoding="utf-8")

    assert run("rubric", "validate", "../rubric.toml") == USAGE
    assert "$.late" in capfd.readouterr().err


def test_a_moodle_folder_that_was_unpacked_by_hand_is_recognised(here: Path, child: Child) -> None:
    laid_out(here / "class", moodle())
    run("grade", "class")

    assert set(students(here)) == {"王小明", "陳怡君", "許功蓋"}


def test_regrade_runs_again_what_came_in_an_archive(here: Path, child: Child) -> None:
    packed(here / "HW3.zip", ARCHIVE)
    run("grade", "HW3.zip", "--jobs", "1")
    (here / "HW3.zip").unlink()
    child.asked.clear()

    assert run("regrade", "results", "--rerun", "--student", "王小明", "--yes") == 0
    assert child.asked == ["王小明"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("no.zip",), USAGE, "does not exist"),
        (("cut.zip",), USAGE, "damaged or not complete"),
        (("empty",), NOTHING, "there are no hand-ins in this"),
        (("class", "--zone", "Mars/Olympus"), USAGE, "there is no time zone"),
        (("class", "--deadline", "tomorrow"), USAGE, "`tomorrow` is no time"),
        (("class", "--deadline", "2026-10-08", "--grace", "soon"), USAGE, "`soon` is no duration"),
        (("class", "--encoding", "klingon"), USAGE, "there is no encoding `klingon`"),
        (("class", "--layout", "canvas"), USAGE, "nothing in here has the layout"),
        (("class", "--roster", "cut.zip"), USAGE, ""),
    ],
)
def test_wrong_usage_of_inspect_has_a_way_out(
    here: Path, capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, said: str
) -> None:
    hand_in(here / "class/b1")
    (here / "empty").mkdir()
    (here / "cut.zip").write_bytes(packed(here / "x.zip", ARCHIVE).read_bytes()[:200])

    assert run("inspect", *arguments) == code
    assert said in capfd.readouterr().err


def test_a_cut_archive_writes_no_results(here: Path, child: Child, capfd: pytest.CaptureFixture[str]) -> None:
    (here / "cut.zip").write_bytes(packed(here / "x.zip", ARCHIVE).read_bytes()[:200])

    assert run("grade", "cut.zip") == USAGE
    assert "download it again" in capfd.readouterr().err
    assert not child.asked


def test_a_gradebook_names_canvas_users(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    laid_out(here / "class", {"wangxiaoming_7001_9_hw.ipynb": "ok", "chen_LATE_7002_9_hw.ipynb": "ok"})
    (here / "gradebook.csv").write_text(GRADEBOOK, encoding="utf-8")
    run("inspect", "class", "--roster", "gradebook.csv", "--lang", "zh-TW")
    said = capfd.readouterr()

    assert [line.split()[0] for line in said.out.splitlines()] == ["學生", "b10901001", "b10901002"]
    assert "遲交：1 位（b10901002）。" in said.err
