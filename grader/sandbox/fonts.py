"""Keep matplotlib's list of fonts ready: a jail's home is new each time, and finding the fonts takes seconds.

The list is made inside a jail, before any student's code, so that it names what a jail shows and nothing else.
"""

from __future__ import annotations

import functools
import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from grader.model import Limits
from grader.sandbox.environment import visible
from grader.sandbox.run import run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from grader.model import Isolation

_MOST_BYTES = 4_000_000
_MAKE = """
import sys
from pathlib import Path
import matplotlib
import matplotlib.font_manager
for path in Path(matplotlib.get_cachedir()).glob("fontlist-*.json"):
    sys.stdout.write(path.name + chr(10) + path.read_text(encoding="utf-8"))
"""


@functools.cache
def fonts(isolation: Isolation, python: str) -> Mapping[str, bytes]:
    """Give the files for a jail's home that spare matplotlib its search; none when it cannot be made."""
    kept = _cache() / f"fonts-{_key(python)}"
    content = _read(kept)
    if content is None:
        content = _made(isolation, python)
        _keep(kept, content)
    name, _, data = content.partition(b"\n")
    if not name.startswith(b"fontlist-") or b"/" in name:
        return {}
    return {f".config/matplotlib/{name.decode('ascii', 'replace')}": data}


def _made(isolation: Isolation, python: str) -> bytes:
    finished = run(
        [python, "-I", "-c", _MAKE],
        isolation=isolation,
        limits=Limits(),
        inputs={},
        seconds=120,
        output_bytes=_MOST_BYTES,
        python=python,
    )
    return finished.stdout if finished.outcome == "done" else b""


def _key(python: str) -> str:
    """Name what the list depends on: the interpreter's packages and the font folders, by their times."""
    places = [path for path in visible(python) if path.name in {"lib", "fonts"}]
    places += [path for place in places for path in place.glob("python3*/site-packages")]
    seen = [python, *(f"{path}:{path.stat().st_mtime_ns}" for path in sorted(places))]
    return hashlib.sha256("\n".join(seen).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "descent-grader"


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _keep(path: Path, content: bytes) -> None:
    """Write the list for the next time, whole or not at all; without a place for it, each run makes its own."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(content)
        Path(file.name).replace(path)
    except OSError:
        return
