"""The command line: the only place that prints, and that turns errors into exit codes.

Nothing but click is imported until a command runs, so that `grader --help` and completion answer at once.
"""

from __future__ import annotations

import difflib
import faulthandler
import importlib
import io
import os
import re
import sys
from pathlib import Path

import click

from grader.cli import interrupts
from grader.cli.errors import INTERRUPTED, UNDECIDED, USAGE, Stop, silence, stop

_COMMANDS = {
    "check": "Grade one submission and say what to do next.",
    "inspect": "Say which file is whose, before anything runs.",
    "grade": "Grade a class: a folder, or the ZIP of an LMS.",
    "summary": "Print a graded class and write its overview page again.",
    "show": "Print one student of a class.",
    "find": "List who made the same mistake.",
    "override": "Decide points as a person.",
    "history": "Say what was decided about a student, and on what.",
    "regrade": "Judge a class again, after the table of changes.",
    "export": "Write grades as another system takes them.",
    "rubric": "Show or validate a rubric.",
    "doctor": "Say what works on this machine, what is missing, and how to mend it.",
}


class Commands(click.Group):
    """The commands by name; each lives in a module of that name, imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Name the commands in the order in which people meet them."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import one command."""
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"grader.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """List the commands from the table above, so that help imports none of them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


_HELP = """\b
Example:
  grader check                         this folder's notebook and report
  grader grade submissions -o results  a class, one folder per student
"""


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]}, epilog=_HELP)
@click.version_option(package_name="descent-grader", prog_name="grader")
def cli() -> None:
    """Grade gradient-descent notebooks step by step, and the report that comes with them."""


def main() -> None:
    """Run the command of the console script `grader`."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a console that cannot show a character still shows the rest
    faulthandler.enable()  # a crash of the interpreter says where
    try:
        interrupts.watch()
        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # between two steps of ours
        code = INTERRUPTED
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code; every error ends here."""
    try:
        code = cli.main(arguments, prog_name="grader", standalone_mode=False, color=_colours())
        _flush()
        return code if isinstance(code, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return USAGE
    except click.UsageError as error:
        _usage(error).show()
        return USAGE
    except click.ClickException as error:
        error.show()
        return error.code if isinstance(error, Stop) else error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        silence(sys.stdout)
        return 0
    except Exception as error:  # the border: what broke is ours, and exit code 1 would call it a low grade
        return _broken(error)


def _open_closed_streams() -> None:
    """Give the streams that were closed at the start a place to go, before another file takes their number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - open to the end


def _usage(error: click.UsageError) -> Stop:
    """The same error in the manner of all others."""
    command = error.ctx.command_path if error.ctx else "grader"
    message = error.format_message()
    wrong = re.search("No such command '(.*?)'", message)
    near = difflib.get_close_matches(wrong[1], _COMMANDS, n=1) if wrong else []
    return Stop(message, hint=f"did you mean `grader {near[0]}`?" if near else f"`{command} --help` says how")


def _broken(error: Exception) -> int:
    known = stop(error)
    if known:
        known.show()
        return known.code
    import traceback

    traceback.print_exc()
    Stop("the grader itself broke; nobody's grade is affected", hint="report the lines above", code=UNDECIDED).show()
    return UNDECIDED


def _colours() -> bool | None:
    """None lets click decide by whether it writes to a terminal."""
    return False if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" else None


def _flush() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        silence(sys.stdout)
