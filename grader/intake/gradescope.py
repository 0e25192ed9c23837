"""Gradescope's export: a folder or a PDF for each submission, and a table that says whose they are.

`submission_metadata.yml` lies beside `submission_{id}/` or `submission_{id}.pdf`; its keys are strings with a colon.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import yaml

from grader.intake.handin import HandIn, Reading, grouped
from grader.model import GraderError, Person

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grader.intake.handin import Entry, Read

METADATA = "submission_metadata.yml"


def read(entries: Sequence[Entry], read: Read) -> Reading:
    """Everyone's submission; one that several handed in counts for each of them."""
    if not any(entry.path == METADATA for entry in entries):
        return Reading(hand_ins=())
    table = _table(read(METADATA))
    groups, left = grouped(entries, lambda entry: _packed_as(entry, table))
    hand_ins = tuple(
        hand_in
        for name, about in table.items()
        for hand_in in _hand_ins(name, about, groups.get(name, []))
        if name in groups
    )
    return Reading(hand_ins=hand_ins, left=tuple(path for path in left if path != METADATA))


def _table(data: bytes) -> dict[str, dict[str, Any]]:
    """What Gradescope says of each submission, by the name of its folder or file."""
    try:
        table = yaml.load(data, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
    except yaml.YAMLError as error:
        raise GraderError(f"Gradescope's table cannot be read: {error}", where=METADATA) from error
    if not isinstance(table, dict):
        raise GraderError("Gradescope's table has no submissions", where=METADATA)
    return {str(name): about for name, about in table.items() if isinstance(about, dict)}


def _packed_as(entry: Entry, table: dict[str, dict[str, Any]]) -> str | None:
    top = entry.parts[0]
    names = (top, f"submission_{top}", top.removesuffix(".pdf"), f"submission_{top.removesuffix('.pdf')}")
    return next((name for name in names if name in table), None)


def _hand_ins(name: str, about: dict[str, Any], group: Sequence[Entry]) -> list[HandIn]:
    submitters = about.get(":submitters")
    people = [one for one in submitters if isinstance(one, dict)] if isinstance(submitters, list) else []
    is_folder = all(len(entry.parts) > 1 for entry in group)
    base = group[0].parts[0] if group and is_folder else ""
    files = tuple(entry.path for entry in group)
    made = [_person(one, name) for one in people] or [Person(ids={"gradescope": name})]
    return [
        HandIn(
            key=person.ids.get("number") or person.mail or person.name or name,
            person=person,
            files=files,
            origin=name,
            base=base,
            at=_time(about.get(":created_at")),
        )
        for person in made
    ]


def _person(about: dict[str, Any], name: str) -> Person:
    texts = {key: str(about.get(f":{key}") or "") for key in ("name", "sid", "email")}
    ids = {"gradescope": name} | ({"number": texts["sid"]} if texts["sid"] else {})
    return Person(name=texts["name"], mail=texts["email"], ids=ids)


def _time(value: object) -> str | None:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if value else None
