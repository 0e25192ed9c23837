"""Killed at any moment: the same command given again leaves what an undisturbed one leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from test_cli import RUBRIC

ROOT = Path(__file__).parents[1]
STUDENTS = 60


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A class of sixty, its results, another rubric and a table of decisions."""
    folder = tmp_path_factory.mktemp("kills")
    topics = (ROOT / "rubrics/gradient_descent/topics.toml").read_text(encoding="utf-8")
    (folder / "topics.toml").write_text(topics, encoding="utf-8")
    (folder / "rubric.toml").write_text(RUBRIC, encoding="utf-8")
    (folder / "other.toml").write_text(RUBRIC.replace("points = 6", "points = 16"), encoding="utf-8")
    for number in range(STUDENTS):
        (folder / f"class/b{number:02}").mkdir(parents=True)
        text = f"{'error' if number % 3 == 0 else 'ok'} {number}"
        (folder / f"class/b{number:02}/hw.ipynb").write_text(text, encoding="utf-8")
    lines = [f"b{number:02},runs,{number % 7},looked at {number}" for number in range(STUDENTS)]
    (folder / "decisions.csv").write_text("\n".join(["student,criterion,points,comment", *lines]), encoding="utf-8")
    (folder / "nothing").mkdir()
    return folder


def killed(folder: Path, before: Path, command: Sequence[str]) -> dict[str, object]:
    """Run the command with kills, beginning with these results."""
    here = Path(tempfile.mkdtemp(dir=folder))
    for name in ("class", "rubric.toml", "other.toml", "topics.toml", "decisions.csv"):
        (here / name).symlink_to(folder / name)
    (here / "before").symlink_to(before)
    arguments = [sys.executable, str(Path(__file__).with_name("kill_runner.py")), str(here), *command]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    finished = subprocess.run(arguments, capture_output=True, env=environment)
    assert finished.returncode == 0, finished.stderr.decode()
    told: dict[str, object] = json.loads(finished.stdout)
    return told


@pytest.fixture(scope="module")
def batch(graded: Path) -> tuple[dict[str, object], Path]:
    """What came of killing a batch, and the results that it left in the end."""
    command = ("grade", "class", "--rubric", "rubric.toml", "--jobs", "1")
    told = killed(graded, graded / "nothing", command)
    return told, next(graded.glob("*/results"))


@pytest.mark.slow
@pytest.mark.xdist_group("kills")
def test_a_batch_that_is_killed_ends_like_an_undisturbed_one(batch: tuple[dict[str, object], Path]) -> None:
    told, _ = batch

    assert (told["killed"], told["differ"]) == (20, [])


@pytest.mark.slow
@pytest.mark.xdist_group("kills")
@pytest.mark.parametrize(
    "command",
    [
        ("regrade", "results", "--rubric", "other.toml", "--yes"),
        ("override", "results", "--from", "decisions.csv", "--by", "ta"),
    ],
    ids=lambda command: command[0],
)
def test_a_change_of_the_whole_class_that_is_killed_ends_like_an_undisturbed_one(
    graded: Path, batch: tuple[dict[str, object], Path], command: tuple[str, ...]
) -> None:
    told = killed(graded, batch[1], command)

    assert (told["killed"], told["differ"]) == (20, [])
