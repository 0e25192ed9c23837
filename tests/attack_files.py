"""Makes the files of attacks that are no cells: bombs stay small in the repository, since they are made when needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Maker = Callable[[Path, dict[str, Any]], None]


def make(name: str, place: Path, targets: dict[str, Any]) -> tuple[str, Path]:
    """Make the file of an attack in a new folder; say what kind of job it is, and where it lies."""
    kind, maker = _FILES[name]
    place.mkdir()
    path = place / "report.pdf" if kind == "pdf" else place
    maker(path, targets)
    return kind, path


_FILES: dict[str, tuple[str, Maker]] = {}
