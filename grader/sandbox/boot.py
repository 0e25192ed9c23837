"""Runs first INSIDE the jail: gives up every right it does not need, then becomes the program.

Standard library only and nothing of ours: it is handed into the jail as one file, with its orders beside it as JSON.
The order matters: limits, then the switch of user (which needs a capability), then the locks that nothing undoes.
Without namespaces one process stays behind as the keeper: orphans become its children, so that none is lost sight of.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
from base64 import b64decode
from typing import Any

_CAPABILITIES = 64
_DAC_READ_SEARCH = 2
_PR_SET_PDEATHSIG, _PR_SET_KEEPCAPS, _PR_SET_SECCOMP, _PR_CAPBSET_DROP = 1, 8, 22, 24
_PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 36, 38, 47
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_READ = 1 << 0 | 1 << 2 | 1 << 3  # execute, read a file, list a folder
_LIST = 1 << 3
_SOCKETS = 1 << 5 | 1 << 9 | _READ  # remove a file, make a socket
_WRITE = _SOCKETS | 1 << 1 | 1 << 4 | 1 << 7 | 1 << 8 | 1 << 10 | 1 << 12 | 1 << 13 | 1 << 14
_DEVICE = _READ | 1 << 1 | 1 << 15
_RIGHTS = {"read": _READ, "list": _LIST, "sockets": _SOCKETS, "write": _WRITE, "device": _DEVICE}
_OF_A_FILE = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15


def main() -> None:
    """Read the orders, lock the door from inside, and become the program."""
    with open(sys.argv[1], encoding="utf-8") as file:  # noqa: PTH123 - pathlib would cost 10 ms here
        orders = json.load(file)
    if orders["keeper"]:
        keep(orders["keeper"])
    limit(orders["rlimits"])
    if orders["uid"] is not None:
        become(orders["uid"], may_read=orders["may_read"])
    if orders["landlock"] or orders["seccomp"]:
        _must(_libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    if orders["landlock"]:
        landlock(orders["landlock"])
    if orders["seccomp"]:
        seccomp(b64decode(orders["seccomp"]))
    if orders["folder"]:
        os.chdir(orders["folder"])
    os.execve(orders["argv"][0], orders["argv"], orders["environment"] or dict(os.environ))  # noqa: S606 - no shell


# -- limits and the user -------------------------------------------------------------------------


def limit(wanted: dict[str, int]) -> None:
    """Set each limit for good, no higher than it already is."""
    for name, value in wanted.items():
        number = getattr(resource, name, None)
        if number is None:
            continue
        _, hard = resource.getrlimit(number)
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(number, (bound, bound))
        except (OSError, ValueError):
            if sys.platform == "linux":
                raise  # elsewhere some limits are known by name only


def become(uid: int, *, may_read: bool) -> None:
    """Turn from root into an ordinary user; with `may_read` it can still pass folders that root keeps to itself."""
    libc, kept = _libc(), 1 << _DAC_READ_SEARCH if may_read else 0
    for capability in range(_CAPABILITIES):
        if not kept >> capability & 1 and libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break  # past the last capability that this kernel knows
    libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)(kept, kept, kept, 0, 0, 0)  # effective, permitted, inheritable; low half, high half
    _must(libc.capset(header, data), "capset")
    if may_read:
        _must(libc.prctl(_PR_CAP_AMBIENT, 2, _DAC_READ_SEARCH, 0, 0), "ambient capability")
    if os.getresuid() != (uid, uid, uid):
        raise PermissionError("still root")


# -- locks -----------------------------------------------------------------------------------------


def landlock(rules: list[list[str]]) -> None:
    """Allow the files that the rules name, and no others; no TCP, no signals or abstract sockets to the outside."""
    abi = _libc().syscall(_CREATE_RULESET, None, 0, 1)
    if abi < 1:
        raise OSError("Landlock was ordered and is not here")
    handled = (1 << 13) - 1
    handled |= sum(1 << bit for bit, since in ((13, 2), (14, 3), (15, 5)) if abi >= since)
    words = [handled, 3 if abi >= 4 else 0, 3 if abi >= 6 else 0]  # files, TCP, scopes
    words = words[: 1 if abi < 4 else 2 if abi < 6 else 3]
    attributes = (ctypes.c_uint64 * len(words))(*words)
    ruleset = _libc().syscall(_CREATE_RULESET, attributes, ctypes.sizeof(attributes), 0)
    _must(ruleset, "Landlock ruleset")
    for path, kind in rules:
        _allow(ruleset, path, _RIGHTS[kind] & handled)
    _must(_libc().syscall(_RESTRICT_SELF, ruleset, 0), "Landlock")
    os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    if not os.path.isdir(path):  # noqa: PTH112 - pathlib would cost 10 ms here
        rights &= _OF_A_FILE

    class Beneath(ctypes.Structure):
        _pack_ = 1
        _fields_ = (("rights", ctypes.c_uint64), ("place", ctypes.c_int32))

    _must(_libc().syscall(_ADD_RULE, ruleset, 1, ctypes.byref(Beneath(rights, place)), 0), f"Landlock rule for {path}")
    os.close(place)


def seccomp(program: bytes) -> None:
    """Let the kernel refuse the system calls that the filter names, from now on and for every child."""

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))

    filled = Program(len(program) // 8, program)
    _must(_libc().prctl(_PR_SET_SECCOMP, 2, ctypes.byref(filled), 0, 0), "seccomp")


# -- the keeper ------------------------------------------------------------------------------------


def keep(grader: int) -> None:
    """Return in a child; stay behind as the one to whom orphans come, and end with the program and all it started."""
    if sys.platform == "linux":
        _libc().prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        _libc().prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != grader:  # it was killed before its death could be told
            os._exit(1)
    child = os.fork()
    if child == 0:
        os.setsid()
        return
    signal.signal(signal.SIGTERM, lambda *_: _sweep(child, 143))
    for number in (1, 2):  # the program has its own copies; its reader must see their end
        os.close(number)
    while True:
        ended, status = os.wait()
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            _sweep(child, code if code >= 0 else 128 - code)


def _sweep(program: int, code: int) -> None:
    """Kill every child, and those that become children by that, until none is left."""
    children = _children()
    while children:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        os.wait()
        children = _children()
    if children is None:  # not Linux: only the program's own group can be found
        try:
            os.killpg(program, signal.SIGKILL)
        except ProcessLookupError:
            os._exit(code)
    os._exit(code)


def _children() -> list[int] | None:
    """List the children of this process, dead ones that were not waited for among them."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:  # noqa: PTH123 - as above
            return [int(word) for word in file.read().split()]
    except OSError:
        return None


def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _must(result: int, what: str) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    main()
