"""What all tests share."""

from __future__ import annotations

import contextlib
import os
import shutil
import venv
from importlib import metadata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# Time is never a test here: CI machines are slow and noisy by turns. What is drawn is the same each time, so that a
# change is judged by what it changes; `make search` draws anew, and what it finds becomes a test of its own.
settings.register_profile("grader", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("search", settings.get_profile("grader"), derandomize=False, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "grader"))


@pytest.fixture(scope="session")
def dependencies_alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a virtual environment with what the grader needs to run, and nothing else; the folder of its programs."""
    place = tmp_path_factory.mktemp("environment")
    venv.create(place, with_pip=True, symlinks=True)
    (libraries,) = (place / "lib").glob("python*/site-packages")
    for name in _needed("descent-grader") - {"descent-grader"}:
        _copy(metadata.distribution(name), libraries)
    return place / "bin"


def _needed(name: str) -> set[str]:
    """The distributions that one needs on this machine, itself included."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found:
            continue
        found.add(name)
        required = map(Requirement, metadata.requires(name) or [])
        waiting += [one.name for one in required if one.marker is None or one.marker.evaluate({"extra": ""})]
    return found


def _copy(distribution: metadata.Distribution, libraries: Path) -> None:
    for file in distribution.files or []:
        if ".." in file.parts:  # programs and manual pages
            continue
        (libraries / file).parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            try:
                os.link(Path(str(distribution.locate_file(file))), libraries / file)
            except OSError:  # another file system
                shutil.copyfile(Path(str(distribution.locate_file(file))), libraries / file)
