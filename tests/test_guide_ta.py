"""The guide for teaching assistants: every command in it works, in the order in which it stands there."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest
import test_cli
from test_cli import Child, hand_in
from test_collection import packed

from grader import cli
from grader.cli.errors import UNDECIDED

child, here = test_cli.child, test_cli.here
GUIDE = (Path(__file__).parents[1] / "docs/guide-ta.md").read_text(encoding="utf-8")
STUDENTS = {"b10901023": 7001, "b12901023": 7002}
GRADEBOOK = "Student,ID,SIS User ID,SIS Login ID,Section,HW3 (101)\n    Points Possible,,,,,100\n" + "".join(
    f"{student},{user},{student},{student}@ntu.edu.tw,A,\n" for student, user in STUDENTS.items()
)
SHEET = "Identifier,Full name,ID number,Grade,Maximum Grade\n" + "".join(
    f"Participant {user},{student},{student},,100\n" for student, user in STUDENTS.items()
)


def commands() -> list[str]:
    """Every command of the guide, without what runs a jail or makes an environment."""
    blocks = re.findall(r"^```\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("grader ")]
    return [line for line in lines if line != "grader doctor"]


def prepare(here: Path) -> None:
    """What a teaching assistant has before the first command."""
    work = {f"{student}_{user}_9{user}_hw3.ipynb": f"ok {user}" for student, user in STUDENTS.items()}
    packed(here / "HW3.zip", work)
    for student in STUDENTS:
        hand_in(here / "submissions" / student, f"ok {student}")
    (here / "gradebook.csv").write_text(GRADEBOOK, encoding="utf-8")
    (here / "Grades.csv").write_text(SHEET, encoding="utf-8")
    blackboard = 'Username\t"HW3 [Total Pts: 100 Score] |12"\n' + "".join(f"{student}\t\n" for student in STUDENTS)
    (here / "gradebook.xls").write_text(blackboard, encoding="utf-16")
    (here / "decisions.csv").write_text("student,criterion,points,comment\nb12901023,losses,2,seen\n", encoding="utf-8")


def test_every_command_of_the_guide_works(here: Path, child: Child, capfd: pytest.CaptureFixture[str]) -> None:
    prepare(here)
    for command in commands():
        line, _, target = command.replace("/opt/course/bin/python", sys.executable).partition(" > ")
        capfd.readouterr()
        code = cli.run(shlex.split(line)[1:])
        said = capfd.readouterr()
        if target:
            (here / target).write_text(said.out, encoding="utf-8")
        pending = code == UNDECIDED and "--allow-pending" in said.err  # what waits for a person, as it should
        assert code == 0 or pending, f"{command}: {code}\n{said.err}"

    assert len(commands()) > 20
