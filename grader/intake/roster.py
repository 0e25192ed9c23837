"""Who is in the class: a table with numbers, names, mail addresses and groups, and whose each hand-in is by it.

It is the gradebook of Canvas, the grading worksheet of Moodle, or any table with a title for each column.
Nothing is guessed: a hand-in that two people answer to, or nobody, goes to a person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from grader.intake.plain import numbers
from grader.model import GraderError, Person
from grader.tables import COLUMNS, MARK, column_of, folded, name_key, rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from grader.intake.handin import HandIn

Key = tuple[str, str]


class Roster:
    """The people of a class, and how each may be named."""

    def __init__(self, people: Sequence[Person]) -> None:
        self.people = tuple(people)
        self._index: dict[Key, set[int]] = {}
        for number, person in enumerate(people):
            for key in _keys(person):
                self._index.setdefault(key, set()).add(number)

    def owners(self, hand_in: HandIn) -> tuple[Person, ...]:
        """Whose it is: one person, the members of a group, or nobody where that is not certain."""
        for key in _asked(hand_in):
            found = self._index.get(key, set())
            if len(found) == 1:
                return (self.people[next(iter(found))],)
            if found:
                return ()
        return self._one_in_the_name(hand_in) or self._members(hand_in)

    def _one_in_the_name(self, hand_in: HandIn) -> tuple[Person, ...]:
        """The one person whose number or login stands in what the hand-in was called."""
        words = [hand_in.origin.partition(".")[0], hand_in.base.rpartition("/")[2]]
        tokens = {folded(token) for word in words for token in (*numbers(word), *word.replace("_", " ").split())}
        found = {one for token in tokens for one in self._index.get(("id", token), set())}
        return (self.people[found.pop()],) if len(found) == 1 else ()

    def _members(self, hand_in: HandIn) -> tuple[Person, ...]:
        group = name_key(hand_in.person.group or hand_in.person.name or hand_in.key)
        return tuple(person for person in self.people if person.group and name_key(person.group) == group)


def read(data: bytes, *, where: str) -> Roster:
    """Read a roster of any of the known kinds.

    Raises:
        GraderError: where it is no table, or names nobody.
    """
    table = rows(data, where=where)
    header = table[0][1] if table else ()
    columns = _columns(header)
    if not {"number", "login", "name", "mail", "canvas", "moodle"} & columns.keys():
        raise GraderError(
            "no column of this table says who is in the class",
            where=where,
            hint="it needs a title for each column: number, name, mail or group, in English or Chinese",
        )
    people = [_person(row, columns) for _, row in table[1:]]
    known = [person for person in people if person.name or person.mail or person.ids]
    return Roster([person for person in known if "points possible" not in folded(person.name)])


def student_of(person: Person) -> str:
    """What the person is called in the results: the school's number, else the login, the name, the mail address."""
    return person.ids.get("number") or person.ids.get("login") or person.name or person.mail


def merged(person: Person, said: Person) -> Person:
    """What the roster knows of a person, with what the system said beside it."""
    return Person(
        name=person.name or said.name,
        mail=person.mail or said.mail,
        group=person.group or said.group,
        ids={**said.ids, **person.ids},
    )


def _columns(header: Sequence[str]) -> dict[str, int]:
    """Which column holds what; the number that Canvas calls `ID` is its own, not the school's."""
    found = {kind: column_of(header, COLUMNS[kind]) for kind in ("name", "mail", "number", "login", "moodle", "group")}
    titles = [folded(title.removeprefix(MARK)) for title in header]
    is_canvas = "section" in titles and "id" in titles
    if is_canvas:
        found |= {"canvas": titles.index("id"), "number": column_of(header, ("SIS User ID", "SIS Login ID"))}
    elif found["number"] == found["name"]:  # one column `Student` is a number in a plain table
        found["name"] = next((titles.index(one) for one in ("name", "full name", "姓名") if one in titles), None)
    return {kind: column for kind, column in found.items() if column is not None}


def _person(row: Sequence[str], columns: dict[str, int]) -> Person:
    cells = {kind: row[column].strip() for kind, column in columns.items() if column < len(row)}
    ids = {kind: cells[kind] for kind in ("number", "login", "canvas", "moodle") if cells.get(kind)}
    if "moodle" in ids:
        ids["moodle"] = "".join(character for character in ids["moodle"] if character.isdigit())
    login = ids.get("login", "")
    if "@" in login:  # Canvas's login is a mail address more often than not
        cells.setdefault("mail", login)
    return Person(name=cells.get("name", ""), mail=cells.get("mail", ""), group=cells.get("group", ""), ids=ids)


def _keys(person: Person) -> Iterator[Key]:
    """Every way to name this person."""
    for kind in ("canvas", "moodle"):
        if kind in person.ids:
            yield kind, folded(person.ids[kind])
    for text in (person.ids.get("number"), person.ids.get("login"), person.mail):
        if text:
            yield "id", folded(text)
            yield "id", folded(text.partition("@")[0])
    if person.name:
        yield "name", name_key(person.name)


def _asked(hand_in: HandIn) -> Iterable[Key]:
    """How the hand-in names its owner, the surest first; a name only after every number."""
    person = hand_in.person
    for kind in ("canvas", "moodle"):
        if kind in person.ids:
            yield kind, folded(person.ids[kind])
    for text in (person.ids.get("number"), person.ids.get("login"), person.mail, hand_in.key):
        if text:
            yield "id", folded(text)
    for text in (person.name, hand_in.key):
        if text:
            yield "name", name_key(text)


def named(hand_ins: Sequence[HandIn]) -> tuple[tuple[HandIn, str], ...]:
    """The hand-ins with what each student is called without a roster; people of one name are told apart by their id."""
    known: dict[str, set[str]] = {}
    for hand_in in hand_ins:
        known.setdefault(hand_in.key, set()).add(_identity(hand_in))
    return tuple((one, one.key if len(known[one.key]) == 1 else f"{one.key} ({_identity(one)})") for one in hand_ins)


def _identity(hand_in: HandIn) -> str:
    ids = hand_in.person.ids
    return next((ids[kind] for kind in ("moodle", "canvas", "gradescope", "number", "login") if kind in ids), "")


def with_person(hand_in: HandIn, person: Person) -> HandIn:
    """The hand-in with all that is known of its owner."""
    return replace(hand_in, person=merged(person, hand_in.person))
