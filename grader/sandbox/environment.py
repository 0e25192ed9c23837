"""What of the host a jailed program may see: one Python environment, the shared libraries, the fonts."""

from __future__ import annotations

import functools
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

from grader.model import GraderError

_SYSTEM = (
    "/usr/bin",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/local/bin",
    "/usr/local/lib",
    "/usr/share/fontconfig",
    "/usr/share/fonts",
    "/usr/share/matplotlib",
    "/usr/share/zoneinfo",
    "/bin",
    "/lib",
    "/lib32",
    "/lib64",
    "/nix/store",
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/ld.so.cache",
    "/etc/localtime",
)
_OF_A_PREFIX = ("bin", "lib", "lib64", "share", "etc", "pyvenv.cfg")
_ANSWERS = ("grader", "reference", "rubrics")
_RECORD = "python3*/*-packages/descent_grader-*.dist-info"  # of an installed copy
_ASK = "import json, sys; print(json.dumps([sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix]))"


@functools.cache
def visible(*pythons: str) -> tuple[Path, ...]:
    """List the host's files and folders that a jail for these interpreters shows read-only, none inside another."""
    paths = [Path(path) for path in _SYSTEM]
    for prefix in dict.fromkeys(prefix for python in pythons for prefix in _prefixes(python)):
        if prefix not in (Path("/usr"), Path("/usr/local")):
            paths.extend(prefix / name for name in _OF_A_PREFIX)
    shown: list[Path] = []
    for path in sorted({path for path in paths if path.exists()}):
        if not any(path.is_relative_to(other) for other in shown if not other.is_symlink()):
            shown.append(path)
    return tuple(shown)


@functools.cache
def linked(path: Path, shown: tuple[Path, ...]) -> bool:
    """Say whether a path only leads to what is shown anyway, as /bin does, or lib64 in a virtual environment."""
    return path.is_symlink() and any(
        path.resolve().is_relative_to(other.resolve()) for other in shown if not other.is_symlink()
    )


@functools.cache
def masked(shown: tuple[Path, ...], hidden: tuple[Path, ...]) -> tuple[Path, ...]:
    """List hidden folders by every name under which they are shown: the jail covers them with nothing."""
    roots = [path for path in shown if not linked(path, shown)]
    return tuple(
        root / place.relative_to(root.resolve())
        for root in roots
        for place in hidden
        if place.is_relative_to(root.resolve())
    )


@functools.cache
def ours(*pythons: str) -> tuple[Path, ...]:
    """Find our own packages, in which the answers are: those that run here, and copies that these interpreters have.

    What says where they were installed from is of no use inside either.
    """
    specs = [importlib.util.find_spec(name) for name in _ANSWERS]
    running = [Path(place) for spec in specs if spec for place in spec.submodule_search_locations or ()]
    libraries = [prefix / "lib" for python in pythons for prefix in (*_prefixes(python), Path("/usr/local"))]
    records = [record for library in libraries for record in library.glob(_RECORD)]
    copies = [record.with_name(name) for record in records for name in _ANSWERS if record.with_name(name).is_dir()]
    return tuple(dict.fromkeys(path.resolve() for path in (*running, *copies, *records)))


def _prefixes(python: str) -> tuple[Path, ...]:
    """List where an interpreter keeps itself and its packages, each as it is named and as it really is."""
    names = [Path(name) for name in _asked(python)]
    names.extend(hop.parent.parent for hop in _hops(Path(python)) if hop.parent.name == "bin")
    return tuple(dict.fromkeys([*names, *(name.resolve() for name in names)]))


@functools.cache
def _asked(python: str) -> tuple[str, ...]:
    if python == sys.executable:
        return (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix)
    try:
        told = subprocess.run([python, "-I", "-c", _ASK], capture_output=True, check=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise GraderError(
            f"the Python for notebooks does not start: {python}", hint="Give the path of a python that has ipykernel."
        ) from error
    return tuple(json.loads(told))


def _hops(path: Path) -> list[Path]:
    """Follow a chain of symbolic links, each place it passes through."""
    hops = [path]
    while path.is_symlink() and len(hops) < 20:
        path = path.parent / path.readlink()
        hops.append(path)
    return hops
