"""Whether work came in time, and which of several attempts counts."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Literal

from grader.model import GraderError, Lateness, Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grader.intake.handin import HandIn
    from grader.model import Submission

Attempt = Literal["last", "first"]
_UNITS = {"s": 1, "sec": 1, "min": 60, "h": 3600, "d": 86400}


class Deadline(Record, frozen=True, kw_only=True):
    """Until when work is in time: a moment with its zone, and so much grace after it."""

    at: datetime
    grace: timedelta = timedelta()

    @property
    def last(self) -> datetime:
        """The last moment at which work is in time."""
        return self.at + self.grace


def moment(text: str, zone: tzinfo | None) -> datetime:
    """A time in ISO 8601; one without a zone is in the given one, else in this machine's.

    Raises:
        GraderError: where it is none.
    """
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise GraderError(f"`{text}` is no time", hint="write it as 2026-10-08T23:59") from error
    if found.tzinfo is not None:
        return found
    return found.replace(tzinfo=zone) if zone is not None else found.astimezone()


def duration(text: str) -> timedelta:
    """A duration such as `15min`, `2h` or `1d`.

    >>> duration("15min")
    datetime.timedelta(seconds=900)
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|sec|min|h|d)\s*", text)
    if found is None:
        raise GraderError(f"`{text}` is no duration", hint="write it as 15min, 2h or 1d")
    return timedelta(seconds=float(found[1]) * _UNITS[found[2]])


def lateness(
    hand_in: HandIn, submission: Submission, deadline: Deadline | None, zone: tzinfo | None
) -> Lateness | None:
    """How late a hand-in is: by the system's time, else by its mark, and only else by the time of the files."""
    at = _moment(hand_in.at, zone)
    if deadline is not None and at is not None:
        return _late(at, deadline, "system")
    if hand_in.late is not None:
        return Lateness(late=hand_in.late, known_by="mark")
    received = _moment(submission.received, UTC)
    if deadline is None or received is None:
        return None
    return _late(received, deadline, "file")


def counting(attempts: Sequence[HandIn], which: Attempt, deadline: Deadline | None, zone: tzinfo | None) -> int | None:
    """Which of one student's attempts counts: the last in time, else the last; None where their order is not known."""
    if len(attempts) == 1:
        return 0
    times = [_moment(attempt.at, zone) for attempt in attempts]
    known = [(time, number) for number, time in enumerate(times) if time is not None]
    if len(known) < len(attempts) or len({time for time, _ in known}) < len(known):
        return None
    in_time = [one for one in known if deadline is None or one[0] <= deadline.last]
    chosen = min(known) if which == "first" else max(in_time or known)
    return chosen[1]


def _late(at: datetime, deadline: Deadline, known_by: Literal["system", "file"]) -> Lateness:
    seconds = (at - deadline.at).total_seconds()
    is_late = at > deadline.last
    return Lateness(late=is_late, seconds=seconds if is_late else None, known_by=known_by)


def _moment(text: str | None, zone: tzinfo | None) -> datetime | None:
    """A system's own time; what it writes otherwise than expected says nothing."""
    try:
        return moment(text, zone) if text else None
    except (GraderError, OverflowError, OSError):
        return None
