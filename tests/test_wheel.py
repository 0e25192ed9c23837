"""What is built is what was meant: the wheel's content, and the command from an installed wheel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHIPPED = ("grader", "reference", "rubrics")

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel")]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of the tracked tree, as a release would."""
    copy, dist = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("dist")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, copy / name)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(dist), str(copy)]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = dist.glob("descent_grader-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, dependencies_alone: Path) -> Path:
    """Install the wheel beside its dependencies; the folder of its programs."""
    pip = [str(dependencies_alone / "python"), "-m", "pip", "install", "--quiet", "--no-index", "--force-reinstall"]
    subprocess.run(
        [*pip, "--no-deps", str(wheel)], check=True, env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    )
    subprocess.run([*pip[:3], "check", "--quiet"], check=True)
    return dependencies_alone


def test_the_wheel_holds_every_file_that_is_needed_and_nothing_else(wheel: Path) -> None:
    tracked = subprocess.check_output(["git", "ls-files", "-z", *SHIPPED], cwd=ROOT).decode().split("\0")
    wanted = {name for name in tracked if name and (ROOT / name).is_file()}

    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}

    assert held == wanted
    assert "rubrics/gradient_descent/gradient descent.ipynb" in held
    assert any(name.startswith("grader/feedback/templates/") for name in held)


def test_the_installed_command_finds_its_rubric_and_not_a_hostile_folder(installed: Path, tmp_path: Path) -> None:
    for package in SHIPPED:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise SystemExit('hostile')", encoding="utf-8")

    shown = subprocess.run([installed / "grader", "rubric", "show"], cwd=tmp_path, capture_output=True, check=False)

    assert (shown.returncode, b"hostile" in shown.stdout + shown.stderr) == (0, False)
    assert "100" in shown.stdout.decode()


def test_the_installed_command_grades_a_sample(installed: Path, tmp_path: Path) -> None:
    sample = next(p for p in sorted((ROOT / "sample_submissions").iterdir()) if (p / "gradient descent.ipynb").exists())
    shutil.copytree(sample, tmp_path / "me")

    done = subprocess.run(
        [installed / "grader", "check", ".", "--format", "json"], cwd=tmp_path / "me", capture_output=True, check=False
    )

    assert done.returncode in (0, 3), done.stderr.decode()
    assert b'"schema":"grader/grade/1"' in done.stdout.replace(b" ", b"")
