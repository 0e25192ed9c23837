"""Every attack of `attacks/` against the jail: at each level, as root and as an ordinary user.

An attack is a folder: its cells (`.ipy`, so that nothing imports them by accident) and `expected.toml`, which says what
must not happen, by what it is contained, and what the attack reports of itself; one that reports nothing has failed to
attack, which is a failure of the test. The host is looked at from outside: files, sockets, processes, the other jail.

Attacks that cannot hurt each other share a kernel; those that end it, or exhaust something, have one of their own.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import another_user
import attack_files
import pytest
from test_feedback import assert_sound

from grader import feedback
from grader.cli.settings import read_rubric
from grader.model import Cell, Evidence, Notebook, Run, Submission, from_json, to_json
from grader.pipeline import judge

HERE = Path(__file__).parent / "attacks"
DECISION = Path(__file__).parents[1] / "docs/decisions/sandbox.md"
KERNELS: dict[str, dict[str, Any]] = {  # the limits of kernels that several attacks share
    "shared": {"cell_seconds": 30, "notebook_seconds": 200},
    "memory": {"cell_seconds": 30, "notebook_seconds": 200, "memory_mb": 640, "disk_mb": 32},
}
GROWTH_MB = 150  # what one attack may cost the grader
ANSWER_SECONDS = 240
LEVELS = ("bubblewrap", "landlock")
USERS = ("root", "user") if os.geteuid() == 0 else ("user",)
Told = dict[str, Any]


# -- the attacks -----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Attack:
    """One attack, and what is expected of it."""

    name: str
    kind: str
    attack: str
    must_not: str
    contained: dict[str, str]
    cells: tuple[str, ...] = ()
    kernel: str = "shared"
    file: str = ""
    status: tuple[str, ...] = ("ok",)
    problem: str = ""
    limits: dict[str, Any] = field(default_factory=dict)
    told: dict[str, list[Any]] = field(default_factory=dict)
    facts: dict[str, list[Any]] = field(default_factory=dict)
    afterwards: str = ""
    then: dict[str, list[Any]] = field(default_factory=dict)
    matches: bool = False
    grew_mb: int = GROWTH_MB
    seconds: float = 60.0
    residual: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def alone(self) -> bool:
        """Whether it needs a kernel, or another jail, of its own."""
        return bool(self.file) or self.kernel == "own"

    def expected(self, part: str, level: str, user: str) -> Any:
        """What is expected of one part of the report here: residuals replace what they name."""
        value = getattr(self, part)
        for place in (level, f"{level}-{user}"):
            given = self.residual.get(place, {}).get(part)
            if given is not None:
                value = {**value, **given} if isinstance(value, dict) else given
        return value


def _load(folder: Path) -> Attack:
    table = tomllib.loads((folder / "expected.toml").read_text(encoding="utf-8"))
    several = sorted((folder / "cells").glob("*.ipy"), key=lambda path: int(path.stem))
    single = folder / "cell.ipy"
    cells = [path.read_text(encoding="utf-8") for path in ([single] if single.exists() else several)]
    then = folder / "then.ipy"
    return Attack(
        name=folder.name,
        cells=tuple(cells),
        afterwards=then.read_text(encoding="utf-8") if then.exists() else "",
        **table,
    )


ATTACKS = {path.parent.name: _load(path.parent) for path in sorted(HERE.glob("*/expected.toml"))}


# -- the host --------------------------------------------------------------------------------------


class Host:
    """What an assistant has to lose, and ears at every socket that nothing may reach."""

    def __init__(self, user: str) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="ta-of-descent-"))
        self.user = user
        self.token = "secret-" + os.urandom(12).hex()
        self.marker = "marker-" + os.urandom(12).hex()
        self.heard: list[str] = []
        self._sockets: list[socket.socket] = []
        self._make_files()
        self.targets = {**self._targets(), **self._listen()}
        self._own()
        self.before = self.files()

    def _make_files(self) -> None:
        self.root.chmod(0o755)
        for name in ("home/.ssh/id_ed25519", "home/grades.csv", "home/open.txt", "class/b10900001/solution.ipynb"):
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{self.token} of the assistant", encoding="utf-8")
            path.chmod(0o644)
        for folder in ("home", "class", "class/b10900001", "cache", "t"):
            (self.root / folder).mkdir(exist_ok=True)
            (self.root / folder).chmod(0o777)  # nothing but the jail protects what lies here
        (self.root / "home/open.txt").chmod(0o666)

    def _targets(self) -> Told:
        home = self.root / "home"
        return {
            "home": str(home),
            "host": self.root.name,
            "secret": str(home / "grades.csv"),
            "open": str(home / "open.txt"),
            "key": str(home / ".ssh/id_ed25519"),
            "class": str(self.root / "class"),
            "submission": str(self.root / "class/b10900001/solution.ipynb"),
            "names": [self.root.name, "grades.csv", "b10900001", "solution.ipynb", ".ssh"],
            "marker": self.marker,
            "token": self.token[:8],
        }

    def _listen(self) -> Told:
        """Open servers that note whoever reaches them."""
        abstract = "descent-" + os.urandom(6).hex()
        place = str(self.root / "socket")
        tcp = socket.create_server(("127.0.0.1", 0))
        six = socket.create_server(("::1", tcp.getsockname()[1]), family=socket.AF_INET6) if _has_six() else None
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        unix, hidden = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
        for server, name in ((unix, place), (hidden, "\0" + abstract)):
            server.bind(name)
            server.listen()
        Path(place).chmod(0o777)
        named = (("tcp", tcp), ("tcp6", six), ("udp", udp), ("unix", unix), ("abstract", hidden))
        for kind, ears in named:
            if ears is not None:
                self._sockets.append(ears)
                threading.Thread(target=self._hear, args=(kind, ears), daemon=True).start()
        return {"tcp": tcp.getsockname()[1], "udp": udp.getsockname()[1], "socket": place, "abstract": abstract}

    def _hear(self, kind: str, ears: socket.socket) -> None:
        while True:
            try:
                if kind == "udp":
                    ears.recv(1000)
                else:
                    ears.accept()[0].close()
            except OSError:  # closed when the tests are over
                return
            self.heard.append(kind)

    def _own(self) -> None:
        if os.geteuid() == 0 and self.user == "user":
            for path in (self.root, *self.root.rglob("*")):
                os.chown(path, another_user.UID, another_user.UID, follow_symlinks=False)

    def files(self) -> dict[str, tuple[Any, ...]]:
        """Describe every file of the assistant, so that any change shows."""
        found: dict[str, tuple[Any, ...]] = {}
        for part in ("home", "class"):
            for path in (self.root / part, *(self.root / part).rglob("*")):
                about = path.lstat()
                data = path.read_bytes() if path.is_file() else b""
                when = about.st_mtime_ns if path.is_file() else 0
                found[str(path.relative_to(self.root))] = (
                    about.st_mode,
                    about.st_uid,
                    about.st_gid,
                    about.st_nlink,
                    when,
                    hashlib.sha256(data).hexdigest(),
                )
        return found

    def rooms(self) -> list[str]:
        """List what jails have left in the temporary folder."""
        return sorted(path.name for path in (self.root / "t").iterdir() if path.name not in ("fonts", "matplotlib"))

    def survivors(self) -> list[int]:
        """List the processes of the machine that carry the marker of an attack."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if self.marker.encode() in path.read_bytes():
                    found.append(int(path.parent.name))
            except OSError:
                continue
        return found

    def close(self) -> None:
        """Take everything away."""
        for ears in self._sockets:
            ears.close()
        shutil.rmtree(self.root, ignore_errors=True)


def _has_six() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


# -- the grader that is attacked -------------------------------------------------------------------


class Grader:
    """A process that runs attacks as a grader runs submissions, at one level and as one user."""

    def __init__(self, level: str, host: Host, python: str) -> None:
        self.level, self.host = level, host
        self.batches: dict[str, Told] = {}
        code = (Path(__file__).parent / "attack_runner.py").read_text(encoding="utf-8")
        command = [python, "-I", "-c", code, level, host.targets["secret"]]
        if host.user == "user" and os.geteuid() == 0:
            command = another_user.as_user(command)
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/", start_new_session=True,
            env={"PATH": os.defpath, "HOME": str(host.root / "home"), "XDG_CACHE_HOME": str(host.root / "cache"),
                 "TMPDIR": str(host.root / "t"), "PYTHONWARNINGS": "ignore", "LANG": "C.UTF-8",
                 "TOKEN_OF_THE_ASSISTANT": host.token},
        )  # fmt: skip
        ready = self._answer()
        if "missing" in ready:
            pytest.skip(f"level {level} does not work on this machine")
        self.targets = {**host.targets, **ready}
        self.rooms = host.rooms()

    def ask(self, job: Told) -> Told:
        """Have one job done."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # then it has no answer either
            self._process.stdin.write(json.dumps(job).encode() + b"\n")
            self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Told:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], ANSWER_SECONDS)[0]:
            self.close()
            pytest.fail("the grader does not answer any more")
        line = self._process.stdout.readline()
        if not line:
            self.close()
            pytest.fail(f"the grader died with code {self._process.returncode}")
        told: Told = json.loads(line)
        assert "raised" not in told, told["raised"]
        return told

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def run(self, attack: Attack) -> Told:
        """Carry out an attack; those that share a kernel are carried out together, the first time one is asked for."""
        if attack.file:
            return self._with_file(attack)
        if attack.kernel == "own":
            told = self.ask(self._cells([attack], attack.limits))
            return {**told, "cells": _runs(told)[1 : 1 + len(attack.cells)]}
        fresh = attack.kernel not in self.batches
        if fresh:
            together = [one for one in ATTACKS.values() if one.kernel == attack.kernel and not one.file]
            told = self.ask(self._cells(together, KERNELS[attack.kernel]))
            told["places"] = _places(together)
            self.batches[attack.kernel] = told
        told = self.batches[attack.kernel]
        first = told["places"][attack.name]
        return {**told, "cells": _runs(told)[first : first + len(attack.cells)], "fresh": fresh}

    def _cells(self, attacks: list[Attack], limits: Told) -> Told:
        preamble = f"target = {self.targets!r}\n" + (HERE / "preamble.ipy").read_text(encoding="utf-8")
        then = [preamble, *(one.afterwards for one in attacks if one.afterwards)]
        return {
            "kind": "cells",
            "cells": [preamble, *(cell for one in attacks for cell in one.cells)],
            "limits": limits,
            "then": then if len(then) > 1 else None,
        }

    def _with_file(self, attack: Attack) -> Told:
        place = self.host.root / "file"
        try:
            kind, path = attack_files.make(attack.file, place, self.targets)
            if os.geteuid() == 0:
                for made in (place, *place.rglob("*")):
                    os.chown(made, another_user.UID, another_user.UID, follow_symlinks=False)
            return {**self.ask({"kind": kind, "path": str(path), "limits": attack.limits}), "cells": []}
        finally:
            shutil.rmtree(place)

    def close(self) -> None:
        """End it as one ends a grader: its jails die with it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process.stdout.close()


def _runs(told: Told) -> list[Told]:
    runs: list[Told] = told["run"]["cells"]
    return runs


def _places(attacks: list[Attack]) -> dict[str, int]:
    """Say with which cell each attack begins; the first cell is the preamble."""
    places, at = {}, 1
    for one in attacks:
        places[one.name] = at
        at += len(one.cells)
    return places


@cache
def _python(user: str) -> str:
    """Give a Python that this user can run; "" where there is none."""
    if user == "root" or os.geteuid() != 0:
        return sys.executable
    folder = Path(tempfile.mkdtemp(prefix="python-of-user-", dir="/var/tmp"))  # a jail's own /tmp lies over the host's
    folder.chmod(0o755)
    atexit.register(shutil.rmtree, folder)
    return another_user.python(folder) or ""


@pytest.fixture(scope="session")
def graders() -> Iterator[Callable[[str, str], Grader]]:
    hosts: dict[str, Host] = {}
    made: dict[tuple[str, str], Grader] = {}

    def grader(level: str, user: str) -> Grader:
        python = _python(user)
        if not python:
            pytest.skip("there is no Python that an ordinary user can read")
        if user not in hosts:
            hosts[user] = Host(user)
        key = (level, user)
        if key not in made or not made[key].alive:
            made[key] = Grader(level, hosts[user], python)
        return made[key]

    yield grader
    for one in made.values():
        one.close()
    for host in hosts.values():
        host.close()


def _everywhere() -> list[Any]:
    """Name each attack at each level as each user; what does not share the first kernel is slow."""
    found = []
    for user in USERS:
        for level in LEVELS:
            for name, attack in ATTACKS.items():
                quick = not attack.alone and attack.kernel == "shared" and (user, level) == (USERS[0], LEVELS[0])
                marks = [pytest.mark.xdist_group(f"attacks-{user}")] + ([] if quick else [pytest.mark.slow])
                found.append(pytest.param(user, level, attack, id=f"{user}-{level}-{name}", marks=marks))
    return found


# -- the tests -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("user", "level", "attack"), _everywhere())
def test_the_jail_holds(graders: Callable[[str, str], Grader], user: str, level: str, attack: Attack) -> None:
    grader = graders(level, user)
    told = grader.run(attack)

    _assert_told(attack, _told(told["cells"]), attack.expected("told", level, user))
    _assert_ended(attack, told, level, user)
    if attack.afterwards:
        _assert_told(attack, _told(_runs(told["then"])), attack.expected("then", level, user))
    _assert_host(grader, told)
    if "run" in told and told.get("fresh", True):
        _assert_page(told, attack.cells)


def _told(cells: list[Told]) -> Told:
    """Join what the cells have reported."""
    found: Told = {}
    for cell in cells:
        for line in re.findall(r"^TOLD (\{.*\})$", cell["printed"], re.MULTILINE):
            found |= json.loads(line)
    return found


def _assert_told(attack: Attack, told: Told, expected: dict[str, list[Any]]) -> None:
    """What the attack says of itself is what was expected, every word of it."""
    assert set(expected) <= set(told), f"{attack.name} was not carried out: it said {told}"
    for key, allowed in expected.items():
        values = told[key] if isinstance(told[key], list) else [told[key]]
        wrong = [value for value in values if not any(_fits(value, one) for one in allowed)]
        assert not wrong, f"{attack.name} {key}: {told[key]}, expected {allowed}"


def _fits(value: Any, allowed: Any) -> bool:
    if allowed == "*":
        return True
    bound = re.fullmatch(r"(<=|>=) ([0-9.]+)", allowed) if isinstance(allowed, str) else None
    if bound is None:
        return bool(value == allowed and type(value) is type(allowed))
    if not isinstance(value, int | float):
        return False
    return value <= float(bound[2]) if bound[1] == "<=" else value >= float(bound[2])


def _assert_ended(attack: Attack, told: Told, level: str, user: str) -> None:
    if told["cells"]:
        statuses = [cell["status"] for cell in told["cells"]]
        assert statuses[-1] in attack.expected("status", level, user), (statuses, told["cells"][-1]["error"])
        assert statuses[:-1] == ["ok"] * (len(statuses) - 1) or attack.kernel == "own"
    if attack.problem:
        assert told["run"]["problem"]["id"] == attack.problem
    for place, allowed in attack.expected("facts", level, user).items():
        _assert_told(attack, {place: _reached(told, place)}, {place: allowed})
    if attack.alone:
        assert told["seconds"] <= attack.seconds
        assert told["grew_mb"] <= attack.grew_mb
    if not attack.matches:
        assert [match for match in told.get("matches", ()) if match["verdict"] == "matches"] == []


def _reached(told: Told, place: str) -> Any:
    """Follow a path such as `evidence.0.report.outcome`; what is not there is "nothing"."""
    value: Any = told
    for word in place.split("."):
        if isinstance(value, list):
            value = value[int(word)] if int(word) < len(value) else None
        else:
            value = value.get(word) if isinstance(value, dict) else None
    return "nothing" if value is None else value


def _assert_host(grader: Grader, told: Told) -> None:
    """Look at the host from outside."""
    host = grader.host
    assert grader.alive
    assert told["neighbour"], "the other student's jail was ended"
    assert told["schedule"] == grader.targets["schedule"]
    assert host.token not in json.dumps(told), "a secret has left the host"
    before, host.before = host.before, host.files()  # one attack's success is not the next one's
    assert host.before == before
    assert host.heard == []
    assert host.rooms() == grader.rooms
    assert _none_left(host) == []


def _none_left(host: Host) -> list[int]:
    """Wait a moment for the kernel to clear away what was killed."""
    until = time.monotonic() + 2
    while (found := host.survivors()) and time.monotonic() < until:
        time.sleep(0.05)
    return found


def _assert_page(told: Told, cells: tuple[str, ...]) -> None:
    """The page that the student gets of it can do nothing, whatever was printed."""
    run = from_json(to_json(told["run"]), Run)
    notebook = Notebook(cells=tuple(Cell(index=n, kind="code", source=cell) for n, cell in enumerate(cells, start=1)))
    evidence = Evidence(submission=Submission(student="b1", root="/"), notebook=notebook, run=run)
    assert_sound(feedback.render(judge(evidence, _rubric()), evidence, language="en"))


@cache
def _rubric() -> Any:
    return read_rubric("gradient_descent")


@pytest.mark.xdist_group("attacks-root")
def test_attacks_of_one_user_are_carried_out_one_after_another(request: pytest.FixtureRequest) -> None:
    """Where there are several workers: at the landlock level as a user, two bombs at once would count together."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))

    assert workers == 1 or request.node.nodeid.endswith("@attacks-root")


def test_every_attack_says_what_contains_it() -> None:
    assert len(ATTACKS) >= 80
    for attack in ATTACKS.values():
        assert set(attack.contained) == set(LEVELS), attack.name
        assert bool(attack.cells) != bool(attack.file), attack.name
        assert attack.told or attack.facts, attack.name
        assert all(given["why"] for given in attack.residual.values()), attack.name


def test_nothing_is_left_open_at_the_strongest_level() -> None:
    assert [name for name, attack in ATTACKS.items() for place in attack.residual if "bubblewrap" in place] == []


def test_the_page_on_the_jail_lists_what_is_left_open() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (\S+) \| (.+) \|$", DECISION.read_text(encoding="utf-8"), re.MULTILINE)

    left = [(name, place, given["why"]) for name, one in ATTACKS.items() for place, given in one.residual.items()]
    assert sorted(rows) == sorted(left)
