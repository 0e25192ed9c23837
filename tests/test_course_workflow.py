"""The example workflow in docs/ does what it says when its steps are run by a shell, as CI would run them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WORKFLOW = ROOT / "docs" / "course-workflow.yml"

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel")]


def _steps() -> list[str]:
    """The shell commands of the workflow, in order; each is one line there."""
    return re.findall(r"^\s*- run: (.+)$", WORKFLOW.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture(scope="module")
def runner(dependencies_alone: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment like a CI machine's: a Python with the dependencies, and a sudo that notes what it was asked."""
    place = tmp_path_factory.mktemp("runner")
    sudo = place / "sudo"
    sudo.write_text('#!/bin/sh\necho "$@" >> "$(dirname "$0")/asked"\n', encoding="utf-8")
    sudo.chmod(0o755)
    built = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(place), str(ROOT)],
        capture_output=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr.decode()
    (wheel,) = place.glob("*.whl")
    # The dependencies are there, so nothing is downloaded.
    pip = {"PIP_NO_INDEX": "1", "PIP_FORCE_REINSTALL": "1", "PIP_NO_DEPS": "1"}
    path = f"{dependencies_alone}:{place}:{os.environ['PATH']}"
    return {**os.environ, **pip, "PATH": path, "GRADER": str(wheel), "CI": "true", "SUDO_NOTES": str(place / "asked")}


def _run(steps: list[str], repository: Path, runner: dict[str, str]) -> int:
    """Run the steps as CI does: each by `bash -e`, stopping at the first that fails."""
    for step in steps:
        done = subprocess.run(["bash", "-e", "-c", step], cwd=repository, env=runner, check=False)
        if done.returncode:
            return done.returncode
    return 0


def test_the_example_is_fifteen_lines() -> None:
    assert len(WORKFLOW.read_text(encoding="utf-8").splitlines()) <= 15


def test_a_course_repo_with_good_work_is_green_and_keeps_its_feedback(runner: dict[str, str], tmp_path: Path) -> None:
    repository = tmp_path / "homework"
    shutil.copytree(ROOT / "sample_submissions" / GOOD, repository)

    assert _run(_steps(), repository, runner) == 0
    assert (repository / "feedback.html").stat().st_size > 10_000
    assert "apparmor" in Path(runner["SUDO_NOTES"]).read_text(encoding="utf-8")


def test_a_course_repo_with_wrong_work_is_red(runner: dict[str, str], tmp_path: Path) -> None:
    repository = tmp_path / "homework"
    repository.mkdir()
    shutil.copy(ROOT / "rubrics" / "gradient_descent" / "gradient descent.ipynb", repository)

    assert _run(_steps(), repository, runner) == 1


GOOD = "b12901023"
