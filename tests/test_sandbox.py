"""The jail: what is inside, what is not, and what ends a program. Root and an ordinary user run the same tests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grader import sandbox
from grader.model import GraderError, Isolation, Limits, to_json
from grader.sandbox import bare, environment, rooms, syscalls, users
from grader.sandbox import limits as bounds

LEVELS = ("bubblewrap", pytest.param("landlock", marks=pytest.mark.slow))
DAEMON = "import os, time; time.sleep(1000)"


def working(level: str) -> Isolation:
    for isolation in sandbox.candidates():
        if isolation.level == level and sandbox.trouble(isolation) is None:
            return isolation
    pytest.skip(f"level {level} does not work on this machine")


@pytest.fixture(scope="module", params=LEVELS)
def isolation(request: pytest.FixtureRequest) -> Isolation:
    return working(request.param)


@pytest.fixture(scope="module")
def bubblewrap() -> Isolation:
    return working("bubblewrap")


def jailed(code: str, isolation: Isolation, *, seconds: float = 20, **settings: Any) -> sandbox.Finished:
    inputs, python = settings.pop("inputs", {}), settings.pop("python", sys.executable)
    return sandbox.run(
        [python, "-I", "-c", code],
        isolation=isolation,
        limits=Limits(**settings),
        inputs=inputs,
        seconds=seconds,
        output_bytes=100_000,
        python=python,
    )


def survivors(marker: str) -> list[int]:
    """Find the processes of the whole machine that carry a marker in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return [pid for pid in found if pid != os.getpid()]


def soon(true: Callable[[], bool]) -> bool:
    until = time.monotonic() + 20
    while not true() and time.monotonic() < until:
        time.sleep(0.02)
    return true()


def test_probe_names_the_strongest_level_that_really_ran() -> None:
    assert sandbox.probe().level == next(
        isolation.level for isolation in sandbox.candidates() if sandbox.trouble(isolation) is None
    )


def test_every_bubblewrap_at_hand_builds_the_jail() -> None:
    programs = [isolation for isolation in sandbox.candidates() if isolation.level == "bubblewrap"]

    assert [sandbox.trouble(isolation) for isolation in programs] == [None] * len(programs)


def test_a_bubblewrap_that_is_not_one_is_trouble_and_no_crash() -> None:
    broken = Isolation(level="bubblewrap", program="/bin/false")

    assert sandbox.trouble(broken) is not None


def test_without_a_filter_of_system_calls_there_is_no_upper_level(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syscalls, "program", lambda **_: None)

    assert {isolation.level for isolation in sandbox.candidates()} == {"process-limits"}


def test_no_isolation_means_no_jail() -> None:
    with pytest.raises(GraderError, match="without isolation"):
        jailed("pass", Isolation())


def test_a_program_reads_what_it_was_handed(isolation: Isolation, tmp_path: Path) -> None:
    report = tmp_path / "report of a student.pdf"
    report.write_bytes(b"%PDF-1.7")
    report.chmod(0o600)

    finished = sandbox.run(
        [sys.executable, "-I", "/job/parse.py", "/job/report.pdf"],
        isolation=isolation,
        limits=Limits(),
        inputs={"parse.py": b"import sys; print(open(sys.argv[1], 'rb').read())", "report.pdf": report},
        seconds=20,
        output_bytes=1000,
    )

    assert (finished.outcome, finished.stdout) == ("done", b"b'%PDF-1.7'\n")


def test_what_was_handed_in_cannot_be_changed(isolation: Isolation) -> None:
    finished = jailed(
        "import sys; open('/job/a', 'w')" if isolation.level == "bubblewrap" else "open('../job/a', 'w')",
        isolation,
        inputs={"a": b"x"},
    )

    assert b"Error" in finished.stderr


def test_the_hosts_files_cannot_be_read(isolation: Isolation) -> None:
    paths = [
        "/etc/passwd",
        "/etc/shadow",
        "/etc/hosts",
        str(Path.home() / ".bashrc"),
        "/var/log",
        "/sys",
        "/home/nobody",
    ]
    code = f"""
import os
import shutil
for path in {paths!r}:
    try:
        print("read", os.listdir(path) if os.path.isdir(path) else open(path).read())
    except OSError as error:
        print(type(error).__name__)
"""
    said = jailed(code, isolation).stdout.decode().split()

    assert len(said) == len(paths)
    assert set(said) <= {"FileNotFoundError", "PermissionError"}


def test_the_environment_tells_nothing_of_the_host(isolation: Isolation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_OF_THE_TA", "a-secret")

    said = jailed("import os; print(dict(os.environ))", isolation).stdout

    assert b"HOME" in said
    assert b"a-secret" not in said


def test_the_command_line_of_the_first_process_names_no_file_of_the_student(
    bubblewrap: Isolation, tmp_path: Path
) -> None:
    given = tmp_path / "b10901234"
    given.write_bytes(b"x")

    said = jailed("print(open('/proc/1/cmdline').read())", bubblewrap, inputs={"a": given}).stdout

    assert b"bwrap" in said
    assert b"b10901234" not in said


def test_only_the_home_and_tmp_can_be_written(isolation: Isolation) -> None:
    code = """
import os, sys
mine = [os.path.expanduser("~"), os.environ["TMPDIR"]]
for folder in ["/", "/usr", "/dev", "/run", "/job", "/etc", sys.prefix, os.path.dirname(os.__file__), *mine]:
    try:
        open(os.path.join(folder, "written"), "w").write("x")
        print("wrote", folder)
    except OSError:
        pass
print(*mine)
"""
    *wrote, places = jailed(code, isolation).stdout.decode().splitlines()

    assert wrote == [f"wrote {place}" for place in places.split()]


def test_our_own_answers_are_not_inside(isolation: Isolation) -> None:
    code = """
import importlib, sys
for name in ("grader.model", "reference.optimizers", "rubrics"):
    try:
        module = importlib.import_module(name)
        print(name, module.__file__)
    except (ImportError, OSError):
        print("no", name)
import os
import shutil
names = {path.replace("/lib/", f"/{other}/") for path in sys.path for other in ("lib", "lib64")}
for path in sorted(names):
    for name in ("grader/model.py", "reference/optimizers.py", "rubrics/gradient_descent/rubric.toml"):
        try:
            print("found", len(open(os.path.join(path, name)).read()), path)
        except OSError:
            pass
"""
    said = jailed(code, isolation).stdout.decode().split("\n")

    assert said[:2] == ["no grader.model", "no reference.optimizers"]
    assert [line for line in said if line.startswith("found")] == []


def test_a_copy_of_ours_in_the_environment_for_notebooks_is_hidden_too(isolation: Isolation) -> None:
    code = "import another\ntry: import reference.optimizers\nexcept Exception: pass"
    folder = Path("/var/tmp") / f"environment-{os.getpid()}"  # a jail's own /tmp lies over the host's
    venv.create(folder, symlinks=True)
    try:
        (packages,) = (folder / "lib").glob("python3*/site-packages")
        for name in ("descent_grader-9.dist-info", "reference", "another"):
            (packages / name).mkdir()
            (packages / name / "__init__.py").write_text("print('here')")
        finished = jailed(code, isolation, python=str(folder / "bin" / "python"))
    finally:
        shutil.rmtree(folder)

    assert finished.stdout == b"here\n"


def test_where_the_grader_was_installed_from_is_hidden(isolation: Isolation) -> None:
    code = (
        "import glob, sys\n"
        "for name in glob.glob(sys.prefix + '/lib/python3*/site-packages/descent_grader-*/*'):\n"
        "    try: print(name, len(open(name).read()))\n"
        "    except OSError: pass"
    )

    assert jailed(code, isolation).stdout == b""


def test_packages_of_ours_inside_what_is_shown_are_covered(tmp_path: Path) -> None:
    inner, other = tmp_path / "site-packages" / "grader", tmp_path / "site-packages" / "numpy"
    inner.mkdir(parents=True)
    other.mkdir()

    alias, other_name = tmp_path / "lib64", tmp_path.with_name("another name")
    alias.symlink_to("site-packages")
    other_name.symlink_to(tmp_path)

    assert environment.masked((tmp_path,), (inner,)) == (inner,)
    assert environment.masked((alias, inner.parent), (inner,)) == (inner,)
    assert environment.masked((other_name,), (inner,)) == (other_name / "site-packages" / "grader",)
    assert bare._around(tmp_path, (inner,)) == [
        (str(tmp_path), "list"),
        *[(str(inner.parent), "list"), (str(other), "read")] * 2,
    ]


def test_there_is_no_network(isolation: Isolation) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = f"""
import socket
for family in (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_PACKET, socket.AF_ALG):
    try:
        socket.socket(family, socket.SOCK_DGRAM if family != socket.AF_ALG else socket.SOCK_SEQPACKET)
        print("made", family)
    except OSError as error:
        print(error.errno)
try:
    socket.create_connection(("127.0.0.1", {port}), timeout=2)
    print("connected")
except OSError as error:
    print(error.errno)
"""
        said = jailed(code, isolation).stdout.decode().split()

    assert said == ["95"] * 6  # EOPNOTSUPP, which libzmq takes as "not here"; on others it aborts


def test_sockets_of_the_host_cannot_be_reached(isolation: Isolation, tmp_path: Path) -> None:
    place = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as abstract:
        server.bind(str(place))
        place.chmod(0o777)
        server.listen()
        abstract.bind("\0descent-test")
        abstract.listen()
        code = f"""
import socket
for name in ({str(place)!r}, "\\0descent-test"):
    for send in (lambda s: s.connect(name), lambda s: s.sendto(b"x", name)):
        try:
            send(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            print("reached", name)
        except OSError as error:
            print(error.errno)
"""
        said = jailed(code, isolation).stdout.decode().split()

    assert said == ["1"] * 4


def test_dangerous_system_calls_are_refused(bubblewrap: Isolation) -> None:
    if not bubblewrap.seccomp:
        pytest.skip("libseccomp is missing")
    code = """
import ctypes, os, platform
x86 = platform.machine() == "x86_64"
def libc(name, *arguments):
    return getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments)
calls = dict(
    memfd=lambda: libc("memfd_create", b"x", 0),
    unshare=lambda: libc("unshare", 0x10000000),
    ptrace=lambda: libc("ptrace", 0, 0, 0, 0),
    shmget=lambda: libc("shmget", 0, 4096, 0o1600),
    mount=lambda: libc("mount", None, None, None, 0, None),
    chroot=lambda: libc("chroot", b"/tmp"),
    personality=lambda: libc("personality", 0x40000),
    io_uring=lambda: libc("syscall", 425, 1, None),
    bpf=lambda: libc("syscall", 321 if x86 else 280, 0, None, 0),
    keyctl=lambda: libc("syscall", 250 if x86 else 219, 0, 0, 0, 0, 0),
)
for name, call in calls.items():
    print(name, call(), ctypes.get_errno())
"""
    said = [line.split() for line in jailed(code, bubblewrap).stdout.decode().splitlines()]

    assert len(said) == 10
    assert [line for line in said if line[1:] != ["-1", "1"]] == []


def test_nothing_is_left_to_gain_rights_with(bubblewrap: Isolation) -> None:
    said = jailed("print(open('/proc/self/status').read())", bubblewrap).stdout.decode()
    fields = dict(line.split(":\t", 1) for line in said.splitlines() if ":\t" in line)

    assert fields["NoNewPrivs"] == "1"
    assert fields["Seccomp"] == "2"
    assert {int(fields[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert fields["Uid"].split()[0] != "0"


def test_an_endless_program_is_ended_with_its_daemons(isolation: Isolation) -> None:
    marker = f"descent-marker-{os.getpid()}-{time.monotonic_ns()}"
    code = f"""
import os, signal, subprocess, sys
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    subprocess.Popen([sys.executable, "-I", "-c", {DAEMON!r}, {marker!r}])
    os._exit(0)
subprocess.Popen([sys.executable, "-I", "-c", {DAEMON!r}, {marker!r}], start_new_session=True)
print("started", flush=True)
while True: pass
"""
    finished = jailed(code, isolation, seconds=1)

    assert (finished.outcome, finished.stdout) == ("timeout", b"started\n")
    assert survivors(marker) == []


def test_daemons_do_not_outlive_a_program_that_ends(isolation: Isolation) -> None:
    marker = f"descent-marker-{os.getpid()}-{time.monotonic_ns()}"
    code = f"""
import subprocess, sys
quiet = dict(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
subprocess.Popen([sys.executable, "-I", "-c", {DAEMON!r}, {marker!r}], **quiet)
"""
    assert jailed(code, isolation).outcome == "done"
    assert survivors(marker) == []


@pytest.mark.slow
def test_limits_alone_still_end_a_program_with_its_children_and_say_what_they_are() -> None:
    limits_alone = working("process-limits")
    marker = f"descent-marker-{os.getpid()}-{time.monotonic_ns()}"
    code = f"""
import os, subprocess, sys
subprocess.Popen([sys.executable, "-I", "-c", {DAEMON!r}, {marker!r}], start_new_session=True)
print(os.getcwd(), flush=True)
while True: pass
"""
    finished = jailed(code, limits_alone, seconds=1)

    assert (limits_alone.network, limits_alone.seccomp, limits_alone.landlock) == ("open", False, None)
    assert (finished.outcome, finished.stdout.strip().endswith(b"/home")) == ("timeout", True)
    assert survivors(marker) == []


@pytest.mark.slow
def test_a_jail_does_not_outlive_a_grader_that_is_killed(isolation: Isolation, tmp_path: Path) -> None:
    marker = f"descent-marker-{os.getpid()}-{time.monotonic_ns()}"
    inside = f"""
import subprocess, sys, time
subprocess.Popen([sys.executable, "-I", "-c", {DAEMON!r}, {marker!r}], start_new_session=True)
time.sleep(1000)
"""
    grader = f"""
import sys
from grader import sandbox
from grader.model import Isolation, Limits, from_json
isolation = from_json({to_json(isolation)!r}, Isolation)
sandbox.run([sys.executable, "-I", "-c", {inside!r}], isolation=isolation, limits=Limits(), inputs={{}},
            seconds=1000, output_bytes=1000)
"""
    (tmp_path / "killed.py").write_text(grader, encoding="utf-8")
    process = subprocess.Popen([sys.executable, tmp_path / "killed.py"])
    try:
        assert soon(lambda: len(survivors(marker)) == 2)  # the program and its daemon
    finally:
        process.kill()
        process.wait()

    assert soon(lambda: survivors(marker) == [])


def test_a_fork_bomb_stops_at_the_limit(isolation: Isolation) -> None:
    code = """
import os, time
count = 0
try:
    while count < 400:
        if os.fork() == 0:
            time.sleep(100)
        count += 1
except OSError:
    pass
print(count)
"""
    finished = jailed(code, isolation, processes=40)
    alone = isolation.level == "bubblewrap" or os.geteuid() == 0

    assert 20 <= int(finished.stdout) <= (40 if alone else 300)


def test_jails_of_one_user_that_start_at_once_all_find_room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bare, "threads_of", lambda _: 100)
    settings: dict[str, Any] = {
        "python": "",
        "inputs": {},
        "home": {},
        "room": tmp_path,
        "limits": Limits(processes=64),
        "group": None,
    }

    assert bare._processes(rooms.Layout(**settings, uid=None)) >= 100 + 15 * min(16, os.cpu_count() or 1)
    assert bare._processes(rooms.Layout(**settings, uid=61000)) == 64


def test_one_bomb_does_not_starve_another_jail(bubblewrap: Isolation) -> None:
    bomb = """
import os, time
try:
    while os.fork() != 0: pass
except OSError:
    print("full", flush=True)
time.sleep(100)
"""
    bombed = sandbox.start(
        [sys.executable, "-I", "-c", bomb], isolation=bubblewrap, limits=Limits(processes=30), inputs={}
    )
    try:
        assert bombed.pipes[0].readline() == b"full\n"
        fork = "import os\nif os.fork(): os.wait()\nprint('forked')"  # a child does not outlive the first process
        finished = jailed(fork, bubblewrap, processes=30)
    finally:
        bombed.close()

    assert finished.stdout == b"forked\n" * 2


def test_one_greedy_process_meets_a_memory_error(isolation: Isolation) -> None:
    assert jailed("x = [0] * 10**9", isolation, memory_mb=512).outcome == "memory"


@pytest.mark.slow
def test_greed_spread_over_a_family_is_ended(isolation: Isolation) -> None:
    code = "import os, time\nfor _ in range(5): os.fork()\nx = bytearray(60_000_000)\ntime.sleep(30)"
    finished = jailed(code, isolation, memory_mb=256)

    assert finished.outcome == "memory"


def test_output_is_capped_while_it_is_read(isolation: Isolation) -> None:
    finished = jailed("import sys\nwhile True: sys.stdout.write('x' * 65536)", isolation)

    assert finished.outcome == "output-limit"
    assert len(finished.stdout) == 100_000


def test_disk_is_bounded(bubblewrap: Isolation) -> None:
    code = """
import os
import shutil
for place in (".", "/tmp", "/dev/shm"):
    size = 0
    try:
        for number in range(40):
            with open(f"{place}/f{number}", "wb") as file:
                for _ in range(10):
                    size += file.write(bytes(1 << 20))
    except OSError:
        pass
    print(size >> 20)
"""
    home, tmp, shm = map(int, jailed(code, bubblewrap, disk_mb=32).stdout.split())

    assert (home <= 32, tmp <= 8, shm <= 64) == (True, True, True)


def test_a_failure_is_told_with_its_words(isolation: Isolation) -> None:
    finished = jailed("raise SystemExit('no such thing')", isolation)

    assert (finished.outcome, finished.returncode, finished.stderr) == ("crashed", 1, b"no such thing\n")


def test_nothing_of_a_jail_is_left_in_the_temporary_folder(
    isolation: Isolation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    jailed("open('made', 'w')", isolation)

    assert list(tmp_path.iterdir()) == []


def test_what_a_program_closed_is_removed_all_the_same(
    isolation: Isolation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    jailed("import os; os.makedirs('a/b'); open('a/b/c', 'w'); os.chmod('a/b', 0); os.chmod('a', 0)", isolation)

    assert list(tmp_path.iterdir()) == []


def test_a_sealed_jail_makes_no_more_sockets(isolation: Isolation) -> None:
    code = """
import os, socket, sys
place = sys.argv[1]
for change in (lambda: os.chmod(place, 0o777), lambda: socket.socket(socket.AF_UNIX).bind(place + "/s")):
    try:
        change()
        print("done")
    except OSError as error:
        print(error.errno)
"""
    argv = [sys.executable, "-I", "-c", code, sandbox.IPC]
    finished = sandbox.run(argv, isolation=isolation, limits=Limits(), inputs={}, seconds=20, output_bytes=1000)

    assert finished.stdout.split()[-1] == b"13"


def test_rooms_of_killed_graders_are_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    left, lock = rooms.make()
    (left / "home").mkdir()
    living, held = rooms.make()
    lock.close()  # as the kernel does for a process that is killed

    made, other = rooms.make()

    assert sorted(tmp_path.iterdir()) == sorted([living, made])
    held.close()
    other.close()


def test_a_link_put_in_the_place_of_a_folder_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room, other = tmp_path / "room", tmp_path / "of the assistant"
    (room / "home" / "a").mkdir(parents=True)
    other.mkdir(mode=0o755)
    (other / "grades.csv").write_text("x", encoding="utf-8")
    listed = rooms._some

    def swapped(folder: Path) -> list[tuple[Path, bool]]:
        found = listed(folder)
        if folder.name == "home" and found:
            (folder / "a").rmdir()
            (folder / "a").symlink_to(other)
        return found

    monkeypatch.setattr(rooms, "_some", swapped)
    rooms.remove(room)

    assert not room.exists()
    assert [path.name for path in other.iterdir()] == ["grades.csv"]
    assert other.stat().st_mode & 0o777 == 0o755


def test_the_filter_is_whole_instructions() -> None:
    program = syscalls.program()

    assert program is None or (len(program) % 8 == 0 and len(program) > 100)


def test_memory_counts_the_whole_tree() -> None:
    assert bounds.memory(os.getpid()) > 5 * bounds.MB
    assert bounds.tree(os.getpid())[0] == os.getpid()


TOUCHED = """
import ctypes, os, sys, threading, time
def hold():
    data = bytearray(64 << 20)
    for at in range(0, len(data), 4096): data[at] = 1
    print("held", flush=True)
    time.sleep(30)
"""
HIDDEN = {
    "first-thread-ended": "threading.Thread(target=hold).start(); ctypes.CDLL(None).pthread_exit(None)",
    "not-to-be-looked-at": "ctypes.CDLL(None).prctl(4, 0, 0, 0, 0); hold()",
}


@pytest.mark.parametrize("how", HIDDEN.values(), ids=HIDDEN)
def test_memory_counts_of_processes_that_hide_it(how: str) -> None:
    process = subprocess.Popen([sys.executable, "-c", TOUCHED + how], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    used = bounds.memory(process.pid)
    too_much = bounds.exceeds(process.pid, 64 * bounds.MB)
    process.kill()
    process.communicate()

    assert used > 64 * bounds.MB
    assert too_much


def test_memory_counts_what_is_swapped_out_and_page_tables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told = {
        "status": "VmRSS:\t 100 kB\nVmPTE:\t 20 kB\nVmSwap:\t 3 kB\nRssAnon:\t 50 kB\nRssShmem:\t 5 kB\n",
        "smaps_rollup": "Pss: 40 kB\nPss_Anon: 30 kB\nSwap: 3 kB\nSwapPss: 2 kB\n",
    }
    monkeypatch.setattr(bounds, "_read", lambda path: told.get(path.name, ""))

    assert bounds.memory(1) == (40 + 2 + 20) * 1024
    assert bounds._seen(1).resident == (100 + 3 + 20) * 1024
    del told["smaps_rollup"]  # as for a process that may not be looked at
    assert bounds.memory(1) == (50 + 5 + 3 + 20) * 1024


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user has no other users to give")
def test_jails_of_different_graders_never_share_a_user() -> None:
    claim = "from grader.sandbox import users; uid, lock = users.claim(); print(uid, flush=True); input()"
    graders = [
        subprocess.Popen([sys.executable, "-c", claim], stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(4)
    ]
    uids = [int(grader.stdout.readline()) for grader in graders if grader.stdout]
    again = [users.claim() for _ in range(2)]
    for grader in graders:
        grader.communicate(b"\n")
    for _, lock in again:
        lock.close()

    assert len({*uids, *(uid for uid, _ in again)}) == 6


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user has no other users to give")
def test_a_user_that_still_has_a_process_is_not_given_again() -> None:
    uid, lock = users.claim()
    left = subprocess.Popen(["sleep", "30"], user=uid)
    lock.close()
    other, second = users.claim()
    second.close()
    left.kill()
    left.wait()

    assert other != uid


@pytest.mark.parametrize("place", ["tmp", "home"])
def test_a_python_below_the_jails_own_folders_is_seen_inside(bubblewrap: Isolation, place: str, tmp_path: Path) -> None:
    folder = {"tmp": tmp_path, "home": Path.home()}[place] / f"environment-{os.getpid()}"
    venv.create(folder, symlinks=True)
    try:
        finished = jailed("import sys; print(sys.prefix)", bubblewrap, python=str(folder / "bin" / "python"))
    finally:
        shutil.rmtree(folder)

    assert finished.stdout.decode().strip() == str(folder)


def test_rooms_made_while_another_grader_clears_up_are_never_taken_away() -> None:
    make = """
from grader.sandbox import rooms
for _ in range(300):
    room, lock = rooms.make()
    assert (room / "lock").exists()
    rooms.remove(room)
    lock.close()
"""
    graders = [subprocess.Popen([sys.executable, "-c", make]) for _ in range(3)]

    assert [grader.wait() for grader in graders] == [0, 0, 0]
