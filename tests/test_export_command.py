"""`grader export`: nothing leaves before it is final, and whose points did not leave is said."""

from __future__ import annotations

import csv
import json
import re
import zipfile
from pathlib import Path

import pytest
import test_cli
from test_cli import Child, hand_in, run

from grader.cli.errors import UNDECIDED, USAGE

child, here = test_cli.child, test_cli.here
GRADEBOOK = (
    "Student,ID,SIS User ID,SIS Login ID,Section,HW3 (101)\n"
    "    Points Possible,,,,,{possible}\n"
    "Ann,1,b0,b0,A,\n"
    "Bob,2,b1,b1,A,3\n"
    "Eve,3,b9,b9,A,\n"
)


def table(path: Path, encoding: str = "utf-8") -> list[dict[str, str]]:
    with path.open(encoding=encoding, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def graded(here: Path, child: Child) -> Path:
    """A student with all points, one with few, one who handed in nothing, and a gradebook."""
    for number, text in enumerate(("ok", "error")):
        hand_in(here / "class" / f"b{number}", f"{text} {number}")
    (here / "class" / "b2").mkdir()
    assert run("grade", "class", "--jobs", "1") == 0
    (here / "gradebook.csv").write_text(GRADEBOOK.format(possible=10), encoding="utf-8")
    return here


def test_the_gradebook_is_filled(graded: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("export", "canvas", "results", "--template", "gradebook.csv", "-o", "filled.csv") == 0

    assert [row["HW3 (101)"] for row in table(graded / "filled.csv")] == ["10", "6", "0", ""]
    said = capfd.readouterr().err
    assert "Points written: 2, in the column HW3 (101)." in said
    assert "b2" in said
    assert (graded / "gradebook.csv").read_text(encoding="utf-8") == GRADEBOOK.format(possible=10)


def test_without_a_file_it_goes_to_the_terminal(graded: Path, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    run("export", "canvas", "results", "--template", "gradebook.csv")

    assert "Ann,1,b0,b0,A,6\n" in capfd.readouterr().out


def test_pending_points_wait_for_a_person(graded: Path, here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run("override", "results", "b1", "runs", "4", "--why", "seen")
    hand_in(here / "class/b1", "error again")
    run("grade", "class")
    capfd.readouterr()

    assert run("export", "canvas", "results", "--template", "gradebook.csv", "-o", "filled.csv") == UNDECIDED
    assert "1 student, so nothing was written: b1" in capfd.readouterr().err
    assert not (graded / "filled.csv").exists()
    assert run("export", "canvas", "results", "--template", "gradebook.csv", "-o", "f.csv", "--allow-pending") == 0


def test_a_batch_that_is_not_complete_waits_too(here: Path, child: Child) -> None:
    for number, text in enumerate(("ok", "interrupt")):
        hand_in(here / "class" / f"b{number}", f"{text} {number}")
    run("grade", "class", "--jobs", "1")

    assert run("export", "csv", "results", "-o", "c.csv") == UNDECIDED


def test_another_total_is_told_or_scaled(graded: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (graded / "gradebook.csv").write_text(GRADEBOOK.format(possible=100), encoding="utf-8")

    assert run("export", "canvas", "results", "--template", "gradebook.csv", "-o", "f.csv") == USAGE
    assert "add --scale" in capfd.readouterr().err
    assert run("export", "canvas", "results", "--template", "gradebook.csv", "-o", "f.csv", "--scale") == 0
    assert "Ann,1,b0,b0,A,60\n" in (graded / "f.csv").read_text(encoding="utf-8")


def test_a_decision_is_in_every_export(graded: Path) -> None:
    run("override", "results", "b1", "runs", "4", "--why", "seen")
    for kind in ("csv", "nbgrader", "junit"):
        assert run("export", kind, "results", "-o", f"out.{kind}") == 0
    run("export", "gradescope", "results", "-o", "gs")

    assert table(graded / "out.csv", "utf-8-sig")[1]["points"] == "4"
    assert table(graded / "out.nbgrader")[1]["score"] == "4"
    assert '"points" value="4"' in (graded / "out.junit").read_text(encoding="utf-8")
    assert json.loads((graded / "gs/b1/results.json").read_text(encoding="utf-8"))["score"] == 4
    assert "seen" in (graded / "gs/b1/results.json").read_text(encoding="utf-8")


def test_feedback_goes_back_in_one_archive(graded: Path) -> None:
    assert run("export", "csv", "results", "-o", "c.csv", "--feedback-zip", "feedback.zip") == 0

    with zipfile.ZipFile(graded / "feedback.zip") as archive:
        assert archive.namelist() == ["b0/feedback.html", "b1/feedback.html"]
        assert b"<html" in archive.read("b0/feedback.html")


def test_names_can_be_left_out_and_found_again(graded: Path) -> None:
    target = ("-o", "c.csv", "--feedback-zip", "f.zip", "--anonymise", "key.csv")
    assert run("export", "csv", "results", *target) == 0
    key = {row["student"]: row["token"] for row in table(graded / "key.csv", "utf-8-sig")}
    points = {row["student"]: row["points"] for row in table(graded / "c.csv", "utf-8-sig")}
    with zipfile.ZipFile(graded / "f.zip") as archive:
        pages = {name: archive.read(name).decode() for name in archive.namelist()}

    assert set(key) == {"b0", "b1", "b2"}
    assert points == {key["b0"]: "6", key["b1"]: "0", key["b2"]: "0"}
    assert sorted(pages) == sorted(f"{token}/feedback.html" for token in key.values())
    for text in (*pages.values(), (graded / "c.csv").read_text(encoding="utf-8-sig")):
        assert not re.search(r"\bb[012]\b|gradient descent\.ipynb", text)
    run("export", "csv", "results", *target)
    assert {row["student"]: row["token"] for row in table(graded / "key.csv", "utf-8-sig")} == key


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("csv", "results", "--anonymise", "gradebook.csv"), "this is no key of tokens"),
        (("gradescope", "results", "-o", "gs", "--anonymise", "k.csv"), "needs to know whose"),
        (("canvas", "results"), "--template"),
        (("csv", "results", "--scale"), "not filled into a table"),
        (("gradescope", "results"), "give a folder with -o"),
        (("canvas", "results", "--template", "gradebook.csv", "-o", "gradebook.csv"), "write over the table"),
        (("canvas", "results", "--template", "no.csv"), "does not exist"),
        (("canvas", "class", "--template", "gradebook.csv"), "there are no results here"),
    ],
)
def test_wrong_usage_of_export_has_a_way_out(
    graded: Path, capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert run("export", *arguments) == USAGE
    assert said in capfd.readouterr().err
