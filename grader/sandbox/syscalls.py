"""Compile the filter of system calls that a jail refuses, by libseccomp, which knows every architecture's numbers."""

from __future__ import annotations

import ctypes
import ctypes.util
import errno
import functools
import tempfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NOT_EQUAL, _MASKED_EQUAL = 1, 7
_BAD_ARCHITECTURE = 2
_AF_UNIX = 1
_PRIO_USER = 2
_UNKNOWN = -1
_LOW_HALF = 0xFFFFFFFF

# What a notebook never needs, grouped by what it would open.
_DENIED = (
    # memory that counts for no process and no file system
    "memfd_create memfd_secret shmget shmat shmctl msgget msgsnd msgrcv msgctl semget semop semctl semtimedop "
    "mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr io_setup "
    "landlock_create_ruleset landlock_add_rule landlock_restrict_self "  # a set of rules for all ports holds 4 MB
    # other processes
    "ptrace process_vm_readv process_vm_writev process_madvise kcmp pidfd_getfd "
    # namespaces and mounts
    "unshare setns mount umount umount2 pivot_root chroot move_mount open_tree fsopen fsconfig fsmount fspick "
    "mount_setattr open_tree_attr "
    # large and rarely used parts of the kernel, where its own faults have been
    "bpf perf_event_open userfaultfd keyctl add_key request_key io_uring_setup io_uring_enter io_uring_register "
    "open_by_handle_at name_to_handle_at fanotify_init lookup_dcookie modify_ldt personality uselib vmsplice "
    # the machine itself
    "init_module finit_module delete_module kexec_load kexec_file_load reboot swapon swapoff acct syslog quotactl "
    "quotactl_fd settimeofday clock_settime clock_settime64 clock_adjtime clock_adjtime64 adjtimex stime sethostname "
    "setdomainname iopl ioperm vhangup nfsservctl _sysctl mknod mknodat set_mempolicy mbind migrate_pages move_pages "
    # watching what happens in folders that cannot be opened
    "inotify_init inotify_init1 "
    # sockets: the kernel answers on sockets that it accepts, and never needs to reach another
    "connect sendmsg sendmmsg"
)
# These seem to succeed and change nothing: IPython itself copies files with their modes and attributes.
# An owner could open again what was closed to it, and a list of rights in an attribute is memory that counts nowhere.
_WITHOUT_EFFECT = (
    "chmod fchmod fchmodat fchmodat2 "
    "setxattr lsetxattr fsetxattr setxattrat removexattr lremovexattr fremovexattr removexattrat"
)
# Without namespaces the host's files and processes are in reach of what Landlock does not judge, if their user is ours.
_WITHOUT_EFFECT_AMONG_OTHERS = (
    "chown fchown lchown fchownat chown32 fchown32 lchown32 "
    "utime utimes futimesat utimensat utimensat_time64 file_setattr"
)
_OF_OTHERS = {  # libzmq gives each of its threads the schedule that it has anyway, and aborts when that is refused
    "prlimit64": errno.EPERM,
    **dict.fromkeys(("sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr"), 0),
}
_FILE_FLAGS = (0x40086602, 0x40046602, 0x401C5820, 0x40806685)  # attributes (two widths), project, verity
# Calls younger than some libseccomp: from 424 on, every architecture has the same number.
_NUMBERS = {
    "close_range": 436,
    "landlock_create_ruleset": 444,
    "landlock_add_rule": 445,
    "landlock_restrict_self": 446,
    "memfd_secret": 447,
    "process_mrelease": 448,
    "fchmodat2": 452,
    "setxattrat": 463,
    "removexattrat": 466,
    "open_tree_attr": 467,
    "file_setattr": 469,
}
_NAMESPACES = (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)
_BUFFER_SIZES = (7, 8, 32, 33)  # SO_SNDBUF, SO_RCVBUF and both by force: what they hold counts for no process
_TERMINAL_INPUT = (0x5412, 0x541C)  # TIOCSTI and TIOCLINUX type into the terminal
_LOCKS = (6, 7, 37, 38)  # F_SETLK, F_SETLKW and both for open files: one file takes any number of locks
_MAP_SHARED_ANONYMOUS, _MAP_HUGETLB = 0x21, 0x40000  # stay when they are unmapped in part; no page of them is counted
_CLONE_THREAD_FILES, _CLONE_THREAD = 0x10400, 0x10000
_CLOSE_RANGE_UNSHARE = 2
Rule = tuple[str, int] | tuple[str, int, tuple[int, int, int, int]]


class _Comparison(ctypes.Structure):
    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


@functools.cache
def program(*, namespaces: bool = True) -> bytes | None:
    """Compile the filter for this machine; None where libseccomp is missing.

    Without namespaces more is kept back: what would change a file or a process of the host without opening it.
    """
    library = _library()
    if library is None:
        return None
    context = ctypes.c_void_p(library.seccomp_init(_ALLOW))
    try:
        library.seccomp_attr_set(context, _BAD_ARCHITECTURE, _ERRNO | errno.ENOSYS)
        for rule in (*_everywhere(), *(() if namespaces else _among_others())):
            _deny(library, context, *rule)
        with tempfile.TemporaryFile() as file:
            if library.seccomp_export_bpf(context, file.fileno()) != 0:
                return None
            file.seek(0)
            return file.read()
    finally:
        library.seccomp_release(context)


def _everywhere() -> Iterator[Rule]:
    """List what is refused at every level: a call, the error it gets, and for which argument."""
    yield from ((name, errno.EPERM) for name in _DENIED.split())
    yield from ((name, 0) for name in _WITHOUT_EFFECT.split())
    yield "clone3", errno.ENOSYS  # its flags lie in memory; libc falls back to clone
    for flag in _NAMESPACES:
        yield "clone", errno.EPERM, (0, _MASKED_EQUAL, flag, flag)
    # a thread with a table of files of its own: what it opens would not be counted
    yield "clone", errno.EPERM, (0, _MASKED_EQUAL, _CLONE_THREAD_FILES, _CLONE_THREAD)
    yield "close_range", errno.EPERM, (2, _MASKED_EQUAL, _CLOSE_RANGE_UNSHARE, _CLOSE_RANGE_UNSHARE)
    for flags in (_MAP_SHARED_ANONYMOUS, _MAP_HUGETLB):
        yield from ((name, errno.EPERM, (3, _MASKED_EQUAL, flags, flags)) for name in ("mmap", "mmap2"))
    for command in _LOCKS:
        yield from ((name, 0, (1, _MASKED_EQUAL, _LOW_HALF, command)) for name in ("fcntl", "fcntl64"))
    for request in _TERMINAL_INPUT:
        yield "ioctl", errno.EPERM, (1, _MASKED_EQUAL, _LOW_HALF, request)
    for option in _BUFFER_SIZES:
        yield "setsockopt", errno.EPERM, (2, _MASKED_EQUAL, _LOW_HALF, option)
    # libzmq aborts on other errors, and takes this one as "not here"
    yield "socket", errno.EOPNOTSUPP, (0, _NOT_EQUAL, _AF_UNIX, 0)
    yield "socketpair", errno.EOPNOTSUPP, (0, _NOT_EQUAL, _AF_UNIX, 0)
    yield "sendto", errno.EPERM, (4, _NOT_EQUAL, 0, 0)  # with an address


def _among_others() -> Iterator[Rule]:
    """List what would reach files and processes of the host; a process may still set what is its own."""
    yield from ((name, 0) for name in _WITHOUT_EFFECT_AMONG_OTHERS.split())
    yield from ((name, errno.EPERM) for name in ("ioprio_set", "process_mrelease"))
    for name, error in _OF_OTHERS.items():
        yield name, error, (0, _NOT_EQUAL, 0, 0)  # 0 is the caller itself
    yield "setpriority", errno.EPERM, (1, _NOT_EQUAL, 0, 0)
    yield "setpriority", errno.EPERM, (0, _MASKED_EQUAL, _LOW_HALF, _PRIO_USER)
    for request in _FILE_FLAGS:
        yield "ioctl", errno.EPERM, (1, _MASKED_EQUAL, _LOW_HALF, request)


def _deny(library: Any, context: Any, name: str, error: int, comparison: tuple[int, ...] | None = None) -> None:
    """Add one rule; a call that this architecture does not have needs none."""
    number = library.seccomp_syscall_resolve_name(name.encode("ascii"))
    number = _NUMBERS.get(name, number) if number == _UNKNOWN else number
    comparisons = (_Comparison * 1)(_Comparison(*comparison)) if comparison else None
    count = 1 if comparison else 0
    if number >= 0 and library.seccomp_rule_add_array(context, _ERRNO | error, number, count, comparisons) != 0:
        raise OSError(f"libseccomp refuses a rule for {name}")


def _library() -> Any:
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        name = ctypes.util.find_library("seccomp")  # slow: asks the compiler too
        if name is None:
            return None
        library = ctypes.CDLL(name)
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = [ctypes.c_uint32]
    library.seccomp_attr_set.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32]
    library.seccomp_rule_add_array.argtypes = [
        ctypes.c_void_p,
        ctypes.c_uint32,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.c_void_p,
    ]
    library.seccomp_export_bpf.argtypes = [ctypes.c_void_p, ctypes.c_int]
    library.seccomp_release.argtypes = [ctypes.c_void_p]
    return library
