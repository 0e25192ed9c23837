"""Limits that a process sets for itself, never above what it was given."""

from __future__ import annotations

import resource


def lower(kind: int, most: int) -> None:
    """Bound this process, from now on, by `most` or by what it is held to already, whichever is less.

    Only what it meets is set, so that it may be set anew; the limit that nobody may pass stays.
    """
    _, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
