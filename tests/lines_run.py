"""Counts the lines of the grader that run, for tests that work grows with its input and no faster."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


def lines_run(act: Callable[[], object], *, rooms: set[str]) -> int:
    """How many lines of some rooms run while something is done."""
    count = 0

    def step(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        if not rooms & set(Path(frame.f_code.co_filename).parts):
            return None
        count += event == "line"
        return step

    before = sys.gettrace()
    sys.settrace(step)
    try:
        act()
    finally:
        sys.settrace(before)
    return count
