"""The memory cgroup of a jail: where one can be made, that the kernel holds it, and that none is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from grader import sandbox
from grader.kernel import execute
from grader.model import Cell, Gather, GraderError, Isolation, Limits, Notebook
from grader.sandbox import cgroups
from grader.sandbox import limits as bounds

LEVELS = ("bubblewrap", pytest.param("landlock", marks=pytest.mark.slow))
FAMILY = (
    "import os, time\nfor _ in range(4): os.fork()\nx = bytearray(40_000_000)\nx[::4096] = x[::4096]\ntime.sleep(30)"
)
MB = 1024 * 1024

needs_cgroups = pytest.mark.skipif(cgroups.parent() is None, reason="no cgroup can be made on this machine")


@pytest.fixture(params=LEVELS)
def isolation(request: pytest.FixtureRequest) -> Isolation:
    for found in sandbox.candidates():
        if (found.level, found.memory) == (request.param, "cgroup") and sandbox.trouble(found) is None:
            return found
    pytest.skip("this level or its cgroup does not work on this machine")


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the watch over the tree see nothing, so that what ends a jail is the kernel."""
    monkeypatch.setattr(bounds, "exceeds", lambda *_: False)


def jailed(code: str, isolation: Isolation, *, seconds: float = 20, **limits: int) -> sandbox.Finished:
    return sandbox.run(
        [sys.executable, "-I", "-c", code],
        isolation=isolation,
        limits=Limits(**limits),
        inputs={},
        seconds=seconds,
        output_bytes=100_000,
    )


# -- where -----------------------------------------------------------------------------------------

V1 = "31 23 0:28 / {at} rw - tmpfs tmpfs rw\n35 31 0:32 {root} {at}/memory rw,relatime - cgroup cgroup rw,memory\n"
V2 = "29 23 0:26 {root} {at} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
LAYOUTS = {
    "version 1, the grader's own": (V1, "/", "9:pids:/x\n4:memory:/job\n0::/\n", "memory/job", "memory/job"),
    "version 1 in Docker": (V1, "/docker/1f", "4:memory:/docker/1f\n", "memory", "memory"),
    "version 1 with others": (V1, "/", "4:cpu,memory:/job\n", "memory/job", "memory/job"),
    "version 2 in a desktop's terminal": (V2, "/", "0::/user@7.service/app.slice/vte.scope\n", "user@7.service/app.slice", "user@7.service/app.slice"),  # noqa: E501
    "version 2 at its root": (V2, "/", "0::/\n", ".", "."),
    "version 2 without the controller": (V2, "/", "0::/user.slice/a.scope\n", "elsewhere", None),
    "version 2 of another namespace": (V2, "/", "0::/../a.scope\n", ".", None),
    "both, memory in version 1": (V1 + V2, "/", "4:memory:/job\n0::/a/b\n", "memory/job", "memory/job"),
    "none": ("", "/", "", ".", None),
}  # fmt: skip


@pytest.mark.parametrize(("mounts", "root", "member", "given", "expected"), LAYOUTS.values(), ids=LAYOUTS.keys())
def test_groups_are_made_where_the_machine_allows_it(
    tmp_path: Path, mounts: str, root: str, member: str, given: str, expected: str | None
) -> None:
    proc, at = tmp_path / "proc", tmp_path / "cgroup"
    proc.mkdir()
    (at / given).mkdir(parents=True)
    (at / given / "cgroup.procs").touch()
    (at / given / "cgroup.subtree_control").write_text("cpu memory pids\n")
    (proc / "mountinfo").write_text(mounts.format(at=at, root=root))
    (proc / "cgroup").write_text(member)

    assert cgroups.parent(proc) == (None if expected is None else at / expected)


def test_a_group_that_others_own_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mountinfo").write_text(V1.format(at=tmp_path, root="/"))
    (tmp_path / "cgroup").write_text("4:memory:/\n")
    (tmp_path / "memory").mkdir()

    assert cgroups.parent(tmp_path) == tmp_path / "memory"
    monkeypatch.setattr("os.access", lambda *_: False)
    assert cgroups.parent(tmp_path) is None


def test_without_a_group_a_jail_has_the_watch_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "parent", lambda: None)

    assert {isolation.memory for isolation in sandbox.candidates()} == {"watchdog"}
    with pytest.raises(GraderError, match="no cgroup"):
        cgroups.make(MB, processes=8)


def test_a_group_without_a_limit_is_trouble_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "parent", lambda: tmp_path)
    ordered = Isolation(level="process-limits", network="open", memory="cgroup")

    assert sandbox.trouble(ordered) == "no cgroup can be made here: it has no limit of memory"
    assert list(tmp_path.iterdir()) == []


def test_a_program_that_cannot_enter_its_group_does_not_run(tmp_path: Path) -> None:
    group = cgroups.Group(place=tmp_path / "gone", lock=-1)
    done = subprocess.run(cgroups.inside(group, ["/bin/echo", "ran"]), capture_output=True, text=True, check=False)

    assert done.returncode != 0
    assert "gone" in done.stderr
    assert done.stdout == ""


# -- that it holds ---------------------------------------------------------------------------------


@needs_cgroups
@pytest.mark.usefixtures("blind")
def test_the_kernel_ends_a_family_that_the_watch_has_not_seen(isolation: Isolation) -> None:
    finished = jailed(FAMILY, isolation, memory_mb=128, disk_mb=16)

    assert finished.outcome == "memory"


@needs_cgroups
@pytest.mark.slow
@pytest.mark.usefixtures("blind")
def test_memory_that_counts_for_no_process_meets_the_limit(isolation: Isolation) -> None:
    """A process that maps page after page holds up to 22 MB of the kernel's, which /proc does not tell."""
    code = """
import ctypes, os, time
libc = ctypes.CDLL(None)
for _ in range(5):
    os.fork()
for n in range(60_000):
    libc.mmap(None, 4096, 1 + n % 2, 0x22, -1, 0)  # readable and writable in turn, or two would become one
time.sleep(5)
"""
    finished = jailed(code, isolation, seconds=120, memory_mb=128, disk_mb=16)

    assert finished.outcome == "memory"


@needs_cgroups
@pytest.mark.usefixtures("blind")
def test_a_notebook_whose_kernel_was_ended_for_memory_has_used_too_much(isolation: Isolation) -> None:
    greedy = "import os, time\nwhile True:\n    if os.fork() == 0:\n        x = b'x' * 50_000_000; time.sleep(60)"
    notebook = Notebook(cells=(Cell(index=1, kind="code", source=greedy),))
    limits = Limits(memory_mb=256, disk_mb=16, processes=32)
    execution = execute(notebook, gather=Gather(limits=limits), isolation=isolation)

    assert execution.run.problem is not None
    assert execution.run.problem.id == "kernel.memory"
    assert [run.status for run in execution.run.cells] == ["memory"]


@needs_cgroups
def test_everything_in_a_jail_is_in_its_group(isolation: Isolation) -> None:
    code = "import os\nfor _ in range(2): os.fork()\nprint('x', flush=True)\nimport time; time.sleep(30)"
    jail = sandbox.start(
        [sys.executable, "-I", "-c", code], isolation=isolation, limits=Limits(memory_mb=300), inputs={}
    )
    try:
        for _ in range(4):
            jail.pipes[0].readline()
        assert jail.group is not None
        assert set(bounds.tree(jail.process.pid)) == set(jail.group.processes())
        most = (jail.group.place / "memory.max", jail.group.place / "memory.limit_in_bytes")
        said = next(path.read_text().strip() for path in most if path.exists())
        assert int(said) == bounds.all_bytes(jail.limits) == (300 + 256 + 64 + 64 + 20 + 32) * MB
    finally:
        jail.close()

    assert not jail.group.place.exists()


@needs_cgroups
def test_a_group_of_version_2_counts_its_processes() -> None:
    group = cgroups.make(256 * MB, processes=8)
    forks = """
import os, time
for n in range(40):
    if os.fork() == 0:
        time.sleep(2)
        os._exit(0)
    print(n + 1, flush=True)
"""
    try:
        if not (group.place / "pids.max").exists():
            pytest.skip("version 1 counts processes elsewhere")
        done = subprocess.run(
            cgroups.inside(group, [sys.executable, "-c", forks]), capture_output=True, text=True, check=False
        )
        assert "BlockingIOError" in done.stderr
        assert int(done.stdout.split()[-1]) == 8 + 4 - 1
    finally:
        group.close()


@needs_cgroups
def test_a_group_says_whether_its_limit_has_ended_somebody() -> None:
    group = cgroups.make(64 * MB, processes=8)
    try:
        modest = cgroups.inside(group, [sys.executable, "-c", "x = bytearray(10_000_000)"])
        assert subprocess.run(modest, check=False).returncode == 0
        assert not group.killed()
        greedy = cgroups.inside(group, [sys.executable, "-c", "x = b'x' * 200_000_000"])
        assert subprocess.run(greedy, check=False).returncode == -signal.SIGKILL
        assert group.killed()
    finally:
        group.close()


# -- that none is left -----------------------------------------------------------------------------


@needs_cgroups
def test_no_group_is_left_behind(isolation: Isolation, monkeypatch: pytest.MonkeyPatch) -> None:
    made, make = list[cgroups.Group](), cgroups.make

    def noted(most: int, *, processes: int) -> cgroups.Group:
        made.append(make(most, processes=processes))
        return made[-1]

    monkeypatch.setattr(cgroups, "make", noted)

    assert jailed("print('alive')", isolation).outcome == "done"
    assert [group.place.exists() for group in made] == [False]


@needs_cgroups
def test_groups_of_killed_graders_are_removed_and_those_in_use_are_not() -> None:
    code = """
import time
from grader.sandbox import cgroups
print(cgroups.make(10**8, processes=8).place, flush=True)
time.sleep(60)
"""
    graders = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    left, used = (Path(grader.stdout.readline().strip()) for grader in graders if grader.stdout)
    graders[0].kill()
    graders[0].communicate()
    cgroups.make(10**8, processes=8).close()

    assert (left.exists(), used.exists()) == (False, True)
    graders[1].kill()
    graders[1].communicate()
    cgroups.make(10**8, processes=8).close()
    assert not used.exists()


@needs_cgroups
def test_what_a_killed_grader_left_running_in_its_group_is_ended_by_the_next() -> None:
    code = """
import subprocess, time
from grader.sandbox import cgroups, limits
group = cgroups.make(10**8, processes=8)
subprocess.Popen(cgroups.inside(group, ["/bin/sleep", "60"]), stdout=subprocess.DEVNULL, start_new_session=True)
while not any(limits.alive(pid, "sleep") for pid in group.processes()):
    time.sleep(0.01)
print(group.place, flush=True)
time.sleep(60)
"""
    grader = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert grader.stdout is not None
    left = Path(grader.stdout.readline().strip())
    sleeper = int((left / "cgroup.procs").read_text())  # before the next grader, which may be that of another test
    assert bounds.alive(sleeper, "sleep")
    grader.kill()
    grader.communicate()

    until = time.monotonic() + 10
    while left.exists() and time.monotonic() < until:
        cgroups.make(10**8, processes=8).close()
    assert not left.exists()
    assert not bounds.alive(sleeper, "sleep")


@needs_cgroups
def test_a_program_whose_grader_is_gone_before_it_began_does_not_run() -> None:
    group = cgroups.make(10**8, processes=8)
    try:
        command = cgroups.inside(group, ["/bin/echo", "ran"])
        done = subprocess.run(
            [sys.executable, "-c", f"import subprocess; subprocess.run({command!r})"], capture_output=True, check=True
        )
        assert done.stdout == b""
    finally:
        group.close()


@needs_cgroups
def test_what_a_group_above_has_no_memory_for_is_not_its_own_limit() -> None:
    above = cgroups.parent()
    assert above is not None
    whole = cgroups.make(64 * MB, processes=8)
    inner = Path(whole.place, "inner")
    if not (whole.place / "memory.limit_in_bytes").exists():
        whole.close()
        pytest.skip("version 2 gives a group below no limit of its own here")
    inner.mkdir()
    (inner / "memory.limit_in_bytes").write_text(str(1024 * MB))
    below = cgroups.Group(place=inner, lock=os.open(inner, os.O_RDONLY))
    try:
        greedy = cgroups.inside(below, [sys.executable, "-c", "x = b'x' * 200_000_000"])
        assert subprocess.run(greedy, check=False).returncode == -signal.SIGKILL
        assert not below.killed()
    finally:
        below.close()
        whole.close()


@needs_cgroups
@pytest.mark.slow
def test_groups_made_while_another_grader_clears_up_are_never_taken_away() -> None:
    make = """
from grader.sandbox import cgroups
for _ in range(200):
    group = cgroups.make(10**8, processes=8)
    assert group.place.exists()
    group.close()
    assert not group.place.exists()
"""
    graders = [subprocess.Popen([sys.executable, "-c", make]) for _ in range(3)]

    assert [grader.wait() for grader in graders] == [0, 0, 0]


def test_a_group_that_will_not_go_is_left_after_a_while(tmp_path: Path) -> None:
    (tmp_path / "child").mkdir()
    began = time.monotonic()
    cgroups.Group(place=tmp_path, lock=os.open(tmp_path, os.O_RDONLY)).close()

    assert tmp_path.exists()
    assert 0.9 < time.monotonic() - began < 10
