"""The doctor: what was seen of a machine becomes findings, each with the command that mends it."""

from __future__ import annotations

import errno
import json
import socket
import subprocess
import sys
import tempfile
from typing import Literal

import pytest
from msgspec.structs import replace

from grader import cli, doctor, feedback, sandbox
from grader.cli.errors import UNDECIDED
from grader.doctor import Machine, findings, ready
from grader.model import Isolation, Verdict

GOOD = Machine(
    python=(3, 12, 1),
    distribution="ubuntu",
    isolation=Isolation(level="bubblewrap", program="/usr/bin/bwrap"),
    free_gb=50.0,
    temporary="/tmp",
)
NO_JAIL = replace(GOOD, isolation=None, trouble="setting up uid map: Permission denied")


def verdict(machine: Machine, check: str) -> Verdict:
    return next(finding.verdict for finding in findings(machine) if finding.check == check)


def hint(machine: Machine, check: str) -> str:
    found = next(finding for finding in findings(machine) if finding.check == check)
    assert found.hint is not None
    return feedback.text(found.hint, "en")


def test_a_good_machine_is_ready_and_passes_everything() -> None:
    found = findings(GOOD)

    assert ready(found)
    assert {finding.verdict for finding in found} == {Verdict.PASS}


@pytest.mark.parametrize(
    ("machine", "check"),
    [
        (replace(GOOD, python=(3, 10, 4)), "python"),
        (replace(GOOD, missing=("nbclient",)), "packages"),
        (NO_JAIL, "isolation"),
        (replace(GOOD, escapes=("network",)), "jail-network"),
        (replace(GOOD, escapes=("files",)), "jail-files"),
        (replace(GOOD, escapes=("memory",)), "jail-memory"),
        (replace(GOOD, free_gb=0.2), "disk"),
    ],
    ids=["old-python", "packages", "no-jail", "network", "files", "memory", "disk"],
)
def test_what_must_be_mended_fails_and_nothing_is_ready(machine: Machine, check: str) -> None:
    assert verdict(machine, check) is Verdict.FAIL
    assert not ready(findings(machine))


@pytest.mark.parametrize(
    ("machine", "check"),
    [
        (replace(GOOD, cjk_fonts=False), "fonts"),
        (replace(GOOD, isolation=Isolation(level="process-limits")), "isolation"),
        (replace(GOOD, isolation=Isolation(level="landlock"), trouble="bwrap: no"), "isolation"),
    ],
    ids=["fonts", "process-limits", "landlock"],
)
def test_what_could_be_better_does_not_stop_anyone(machine: Machine, check: str) -> None:
    assert verdict(machine, check) is Verdict.PARTIAL
    assert ready(findings(machine))


@pytest.mark.parametrize(
    ("machine", "command"),
    [
        (replace(NO_JAIL, bwrap=False), "sudo apt install bubblewrap"),
        (replace(NO_JAIL, bwrap=False, distribution="fedora"), "sudo dnf install bubblewrap"),
        (replace(NO_JAIL, apparmor_restricts=True), "apparmor_parser -r /etc/apparmor.d/bwrap-userns-restrict"),
        (replace(NO_JAIL, namespaces_off=True), "sudo sysctl -w user.max_user_namespaces=10000"),
        (replace(NO_JAIL, container=True, apparmor_restricts=True), "--security-opt seccomp=unconfined"),
        (replace(NO_JAIL, container=True, bwrap=False), "sudo apt install bubblewrap"),
        (replace(NO_JAIL, container=True, bwrap=False, bundled=True), "--security-opt seccomp=unconfined"),
        (replace(NO_JAIL, apparmor_restricts=True, github=True), "apparmor_restrict_unprivileged_userns=0"),
        (replace(NO_JAIL, seccomp=False), "sudo apt install libseccomp2"),
        (replace(NO_JAIL, seccomp=False, distribution="fedora"), "sudo dnf install libseccomp"),
        (replace(NO_JAIL, wsl_1=True), "wsl.exe --set-version"),
        (replace(NO_JAIL, system="Darwin"), "Linux machine"),
        (NO_JAIL, "bwrap --ro-bind / / --unshare-all true"),
    ],
    ids=[
        "no-bwrap",
        "no-bwrap-fedora",
        "ubuntu-24.04",
        "namespaces-off",
        "docker",
        "docker-without",
        "docker-bundled",
        "github",
        "no-seccomp",
        "no-seccomp-fedora",
        "wsl-1",
        "macos",
        "unknown",
    ],
)
def test_a_jail_that_does_not_work_comes_with_the_command_that_mends_it(machine: Machine, command: str) -> None:
    assert command in hint(machine, "isolation")


def test_what_keeps_the_jail_from_working_is_told() -> None:
    found = next(finding for finding in findings(NO_JAIL) if finding.check == "isolation")

    assert "Permission denied" in feedback.text(found.message, "en")


def test_the_programs_that_try_the_jail_do_get_out_where_there_is_none() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, tempfile.NamedTemporaryFile() as file:
        program = doctor._REACH.format(port=server.getsockname()[1], file=file.name)
        done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, check=True)

    assert done.stdout.split() == [b"network", b"files"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only single processes have a limit of memory")
def test_a_family_that_is_greedy_together_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    isolation = sandbox.probe()

    assert doctor._escapes(isolation) == ()
    monkeypatch.setattr(doctor, "_MEMORY_MB", 1024)
    assert doctor._said(doctor._GREEDY_FAMILY, isolation=isolation) == ("memory",) * 4


def test_what_bounds_the_memory_of_a_jail_is_told_with_the_way_to_more() -> None:
    def told(memory: Literal["cgroup", "watchdog", "rlimit"], **seen: bool) -> tuple[str, str | None]:
        machine = replace(GOOD, isolation=Isolation(level="bubblewrap", memory=memory), **seen)
        found = next(finding for finding in findings(machine) if finding.check == "jail-memory")
        return found.message.id, found.hint.id if found.hint else None

    assert told("cgroup", systemd=True) == ("doctor.hold-memory-cgroup", None)
    assert told("watchdog", systemd=True) == ("doctor.hold-memory-watchdog", "doctor.cgroup-by-systemd")
    assert told("watchdog", systemd=True, root=True) == ("doctor.hold-memory-watchdog", None)
    assert told("watchdog") == ("doctor.hold-memory-watchdog", None)
    assert told("rlimit") == ("doctor.hold-memory-rlimit", None)


def test_this_machine_is_ready(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["doctor"]) == 0
    assert "Ready to grade." in capfd.readouterr().out


def test_a_machine_that_is_not_ready_says_so_to_programs_too(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "machine", lambda: NO_JAIL)

    assert cli.run(["doctor", "--format", "json"]) == UNDECIDED
    value = json.loads(capfd.readouterr().out)
    assert value["ready"] is False
    assert {check["id"]: check["verdict"] for check in value["checks"]}["isolation"] == "fail"


@pytest.mark.parametrize("language", ["en", "zh-TW"])
def test_every_finding_has_a_sentence(language: str) -> None:
    worst = replace(
        GOOD, python=(3, 9), missing=("x",), escapes=("network", "files", "memory"), free_gb=0, cjk_fonts=False
    )
    for machine in (GOOD, NO_JAIL, worst):
        for finding in findings(machine):
            for said in (finding.message, finding.hint):
                assert said is None or said.id not in feedback.text(said, language)  # type: ignore[arg-type] # a language


def test_a_full_disk_is_told_as_the_reason_why_there_is_no_jail(monkeypatch: pytest.MonkeyPatch) -> None:
    def probe() -> Isolation:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sandbox, "probe", probe)

    found = {finding.check: finding for finding in doctor.findings(doctor.machine())}

    assert found["isolation"].verdict is Verdict.FAIL
    assert found["isolation"].message.parameters["why"] == "No space left on device"
