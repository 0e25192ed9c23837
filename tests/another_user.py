"""An ordinary user beside root, with a Python that it can read: what runs as root must hold for a user as well.

Root's Python may lie below /root, where no user may look. Then the system's own Python gets a virtual environment
with copies of the very packages that are installed here.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

UID = 61150  # belongs to nobody, and to no jail
_OURS = ("grader", "reference", "rubrics")
_VERSION = "{}.{}".format(*sys.version_info)
_SYSTEM = (
    f"/usr/bin/python{_VERSION}",
    f"/usr/local/bin/python{_VERSION}",
    "/usr/bin/python3",
    "/usr/local/bin/python3",
)


def as_user(argv: list[str]) -> list[str]:
    """Run a command as the ordinary user, without any right of root's.

    The shell between them finds the program as the user does: setpriv itself would still find it with root's rights.
    """
    change = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--bounding-set=-all", "--"]
    return [*change, "/bin/sh", "-c", 'exec "$0" "$@"', *argv]


def python(folder: Path) -> str | None:
    """Find or make a Python with our packages that the user can run; None where this machine has none."""
    if _works(sys.executable):
        return sys.executable
    base = next((name for name in _SYSTEM if _is_same_version(name)), None)
    if base is None:
        return None
    subprocess.run([base, "-m", "venv", "--without-pip", str(folder)], check=True)
    packages = folder / "lib" / f"python{_VERSION}" / "site-packages"
    for name in sorted(_needed("descent-grader", set())):
        _copy(importlib.metadata.distribution(name), packages)
    for name in _OURS:
        spec = importlib.util.find_spec(name)
        for place in spec.submodule_search_locations or () if spec else ():
            shutil.copytree(place, packages / name, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(["chmod", "-R", "a+rX", str(folder)], check=True)
    made = str(folder / "bin" / "python3")
    return made if _works(made) else None


def _works(name: str) -> bool:
    """Say whether the user can run this Python and import the grader from where it is installed."""
    command = as_user([name, "-I", "-c", "import grader.kernel, grader.report, grader.verify, ipykernel"])
    return subprocess.run(command, capture_output=True, cwd="/", check=False).returncode == 0


def _is_same_version(name: str) -> bool:
    """Compiled packages can be copied to another Python of the same version only."""
    if not os.access(name, os.X_OK):
        return False
    told = subprocess.run(
        [name, "-c", "import sys; print(*sys.version_info[:2], sep='.')"], capture_output=True, check=False
    )
    return told.stdout.decode().strip() == _VERSION


def _needed(name: str, found: set[str]) -> set[str]:
    """List what a distribution needs to run, itself among it."""
    name = re.sub(r"[-_.]+", "-", name).lower()
    if name in found:
        return found
    try:
        requires = importlib.metadata.distribution(name).requires or []
    except importlib.metadata.PackageNotFoundError:
        return found
    found.add(name)
    for requirement in requires:
        word = re.match(r"[A-Za-z0-9._-]+", requirement)
        if word and "extra ==" not in requirement:
            _needed(word.group(), found)
    return found


def _copy(distribution: importlib.metadata.Distribution, packages: Path) -> None:
    """Copy the files of a distribution; what lies outside its folder, such as commands, is left out."""
    for file in distribution.files or ():
        source = Path(str(file.locate()))
        if ".." in file.parts or file.suffix in (".pth", ".pyc") or "tests" in file.parts or not source.is_file():
            continue
        copy = packages / file
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
        shutil.copymode(source, copy)
