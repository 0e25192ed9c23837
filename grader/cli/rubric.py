"""`grader rubric`: look at a rubric before a class is graded by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec

from grader import feedback
from grader.cli import options, settings
from grader.cli.errors import shown
from grader.cli.terminal import out, say, table
from grader.model import plain, to_json

if TYPE_CHECKING:
    from grader.model import Language
    from grader.rubric import Rubric

_name = click.argument("name", metavar="[FILE|NAME]", default=options.DEFAULT)


_HELP = """\b
Example:
  grader rubric show
  grader rubric validate our-rubric.toml
"""

_SHOW_HELP = """\b
Example:
  grader rubric show
  grader rubric show --format toml > our-rubric.toml
"""

_VALIDATE_HELP = """\b
Example:
  grader rubric validate our-rubric.toml
"""


@click.group("rubric", short_help="Show or validate a rubric.", epilog=_HELP)
def command() -> None:
    """Show or validate a rubric."""


@command.command(short_help="Print a rubric's criteria and limits.", epilog=_SHOW_HELP)
@_name
@options.lang
@click.option("--format", "format", type=click.Choice(["text", "toml", "json"]), default="text", show_default=True)
def show(name: str, language: Language, format: str) -> None:
    """Print a rubric's criteria, with points and parameters, and how facts are gathered.

    As toml it is the rubric's own text, to copy and change; the files that it names need no copy.
    """
    if format == "toml":
        out(shown(settings.rubric_text(name)), nl=False)
        return
    rubric = settings.read_rubric(name)
    if format == "json":
        out(msgspec.json.format(to_json(_shown(rubric)), indent=2).decode())
    else:
        _tell(rubric, language)


@command.command(short_help="Check a rubric, and list every mistake.", epilog=_VALIDATE_HELP)
@_name
def validate(name: str) -> None:
    """Check a rubric; every mistake is listed with its place, and the exit code is 2."""
    rubric = settings.read_rubric(name)
    if rubric.gather.kernel:
        out(f"it chooses a program that runs outside the jail, so grading asks for --trust-rubric: {_kernel(rubric)}")
    out(f"valid: {shown(rubric.title)}, {len(rubric.criteria)} criteria, {rubric.out_of:g} points")


def _kernel(rubric: Rubric) -> str:
    return shown(rubric.gather.kernel or "")


def _tell(rubric: Rubric, language: Language) -> None:
    out(shown(rubric.title), bold=True)
    out()
    rows = [
        [f"{c.points:g}", c.id, shown(feedback.titled(c, language)), shown(_parameters(c.params))]
        for c in rubric.criteria
    ]
    for line in table([*rows, [f"{rubric.out_of:g}", say("rubric.total", language), "", ""]], right=(0,)):
        out(f"  {line}")
    out()
    out(say("rubric.limits", language))
    for line in table([[name, f"{value:g}"] for name, value in plain(rubric.gather.limits).items()], right=(1,)):
        out(f"  {line}")


def _parameters(params: dict[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in params.items())


def _shown(rubric: Rubric) -> dict[str, Any]:
    gather = rubric.gather
    return {
        "title": rubric.title,
        "digest": rubric.digest,
        "out_of": rubric.out_of,
        "criteria": rubric.criteria,
        "gather": {"limits": gather.limits, "names": gather.names, "kernel": gather.kernel, "base": bool(gather.base)},
    }
