"""`grader doctor`: what works on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec

from grader import doctor, feedback
from grader.cli import options
from grader.cli.errors import UNDECIDED
from grader.cli.terminal import mark, out, pad, say, symbol, width, wrap
from grader.model import to_json

if TYPE_CHECKING:
    from grader.model import Finding, Language

_HELP = """\b
Example:
  grader doctor
  grader doctor --format json

\b
Exit codes:
  0  ready to grade     3  something must be mended first
"""


@click.command("doctor", epilog=_HELP)
@options.lang
@click.option("--format", "format", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(language: Language, format: str) -> int:
    """Say what works on this machine, what is missing, and the command that mends it.

    The jail is not looked up but tried: programs in it attempt to reach the network, files and memory.
    """
    seen = doctor.machine()
    found = doctor.findings(seen)
    ready = doctor.ready(found)
    if format == "json":
        checks = [_check(finding, language) for finding in found]
        value = {"schema": "grader/doctor/1", "ready": ready, "isolation": seen.isolation, "checks": checks}
        out(msgspec.json.format(to_json(value), indent=2).decode())
    else:
        _tell(found, ready=ready, language=language)
    return 0 if ready else UNDECIDED


def _check(finding: Finding, language: Language) -> dict[str, Any]:
    return {
        "id": finding.check,
        "verdict": finding.verdict.value,
        "summary": feedback.text(finding.message, language),
        "hint": feedback.text(finding.hint, language) if finding.hint else None,
    }


def _tell(found: tuple[Finding, ...], *, ready: bool, language: Language) -> None:
    column = max(width(finding.check) for finding in found)
    for finding in found:
        indent = " " * (column + 6)
        name = f"  {mark(finding.verdict)} {pad(finding.check, column)}  "
        out(wrap(feedback.text(finding.message, language), indent, first=name))
        if finding.hint:
            out(wrap(feedback.text(finding.hint, language), indent))
    out()
    out(say("ready", language) if ready else say("not-ready", language, mark=symbol("✗")), bold=True)
