"""How a class is found: the options that `grade` and `inspect` share, and what is said about what was found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from grader import feedback, files, tables
from grader.cli.errors import USAGE, Stop, stops
from grader.cli.terminal import log, say
from grader.intake import collection, deadline, layouts, mapping, roster
from grader.model import GraderError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import tzinfo

    from grader.intake.collection import Collected
    from grader.model import Language, Lateness

F = TypeVar("F", bound="Callable[..., Any]")

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FIRST = 8
ARCHIVE = "handed-in"
"""The folder below the results into which an archive is unpacked."""

NAMES = ("layout", "name_regex", "encoding", "roster", "mapping", "deadline", "grace", "zone", "attempt")


def collecting(command: F) -> F:
    """Add what decides whose a file is, and until when it is in time."""
    for option in reversed(
        (
            click.option("--layout", type=click.Choice([*layouts.LAYOUTS]), help="The layout, if not found out."),
            click.option("--name-regex", metavar="REGEX", help="Whose a file is, by nbgrader's groups."),
            click.option("--encoding", help="The encoding of an archive's names, instead of finding it out."),
            click.option("--roster", type=_FILE, help="Who is in the class: a gradebook or any table."),
            click.option("--mapping", type=_FILE, help="A table of `grader inspect -o` that you corrected."),
            click.option("--deadline", metavar="TIME", help="Until when work is in time: 2026-10-08T23:59."),
            click.option("--grace", metavar="DURATION", default="0min", help="So much later is in time too: 15min."),
            click.option("--zone", help="The time zone of times without one, such as Asia/Taipei."),
            click.option(
                "--attempt", type=click.Choice(["last", "first"]), default="last", show_default=True,
                help="Which of several attempts counts; the last is the last one in time.",
            ),
        )
    ):  # fmt: skip
        command = option(command)
    return command


def wishes(given: Mapping[str, Any], *, handed_out: str = "") -> collection.Wishes:
    """What the command line asks for, with the tables that it names read."""
    with stops(USAGE):
        zone = _zone(given["zone"])
        return collection.Wishes(
            layout=given["layout"],
            name_regex=given["name_regex"],
            encoding=given["encoding"],
            roster=_table(given["roster"], roster.read),
            mapping=_table(given["mapping"], mapping.read),
            deadline=_deadline(given["deadline"], given["grace"], zone),
            zone=zone,
            attempt=given["attempt"],
            handed_out=handed_out,
        )


def is_plain(given: Mapping[str, Any]) -> bool:
    """Whether nothing was said of how the class is laid out or who is in it."""
    return not any(given[name] for name in NAMES if name not in ("grace", "attempt"))


def _table(path: Path | None, read: Callable[..., Any]) -> Any:
    return None if path is None else read(files.content(path, most=tables.MOST_BYTES, follow=True), where=str(path))


def _zone(name: str | None) -> tzinfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise GraderError(f"there is no time zone `{name}`", hint="for example: --zone Asia/Taipei") from error


def _deadline(text: str | None, grace: str, zone: tzinfo | None) -> deadline.Deadline | None:
    if text is None:
        return None
    return deadline.Deadline(at=deadline.moment(text, zone), grace=deadline.duration(grace))


def tell(found: Collected, language: Language) -> None:
    """Say on stderr what was found, left out and doubted."""
    for note in found.notes:
        log(feedback.text(note, language))
    missing = [roster.student_of(person) for person in found.missing]
    late = [submission for submission in found.submissions if submission.lateness and submission.lateness.late]
    for kind, names in (
        ("missing", missing),
        ("nobody", found.nobody),
        ("late", [submission.student for submission in late]),
    ):
        if names:
            log(say(f"handins.{kind}", language, count=len(names), names=some(names)))
    weak = sum(one.lateness is not None and one.lateness.known_by == "file" for one in late)
    if weak:
        log(say("handins.weak", language, count=weak))


def late_words(lateness: Lateness | None, language: Language) -> str:
    """How late work is, in words; nothing where it is not."""
    if lateness is None or not lateness.late:
        return ""
    if lateness.seconds is None:
        return say("handins.late-mark", language)
    kind = "late-by-file" if lateness.known_by == "file" else "late-by"
    return say(f"handins.{kind}", language, hours=round(lateness.seconds / 3600, 1))


def some(names: Sequence[str]) -> str:
    """The first few names."""
    return ", ".join([*map(feedback.safe, names[:_FIRST]), *(["…"] if len(names) > _FIRST else [])])


def refuse_unknown_encoding(name: str | None) -> None:
    """Refuse an encoding that Python does not know."""
    if name is None:
        return
    try:
        "".encode(name)
    except LookupError:
        raise Stop(f"there is no encoding `{name}`", hint="for example: --encoding cp950") from None
