"""Runs first INSIDE the jail: gives up every right it does not need, then becomes the program.

Standard library only and nothing of ours: it is handed into the jail as one file, with its orders beside it as JSON.
The order matters: limits, then the switch of user (which needs a capability), then the locks that nothing undoes.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from typing import Any


def main() -> None:
    """Read the orders, lock the door from inside, and become the program."""
    with open(sys.argv[1], encoding="utf-8") as file:  # noqa: PTH123 - pathlib would cost 10 ms here
        orders = json.load(file)
    limit(orders["rlimits"])
    if orders["uid"] is not None:
        become(orders["uid"])
    os.execv(orders["argv"][0], orders["argv"])  # noqa: S606 - no shell is meant


def limit(wanted: dict[str, int]) -> None:
    """Set each limit for good, no higher than it already is."""
    for name, value in wanted.items():
        number = getattr(resource, name, None)
        if number is None:
            continue
        _, hard = resource.getrlimit(number)
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(number, (bound, bound))


def become(uid: int) -> None:
    """Turn from root into an ordinary user with no capability left, in whatever set."""
    libc: Any = _libc()
    for capability in range(64):
        if libc.prctl(24, capability, 0, 0, 0) != 0:  # PR_CAPBSET_DROP ends at the last one known
            break
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    if os.getresuid() != (uid, uid, uid):
        raise PermissionError("still root")


def _libc() -> Any:
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


if __name__ == "__main__":
    main()
