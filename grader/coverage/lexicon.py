"""The lexicon of the topics: word groups, and for each topic its names, concepts, formulas and questions.

It is data (`topics.toml`): plain phrases that a teacher can extend, checked here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from grader.model import GraderError, Record
from grader.reading import GRAMMAR, SHAPES, parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MECHANISM = "mechanism"
# Word groups that the rules themselves know; a lexicon may leave them out.
NAMESAKES = "namesakes"  # what only sounds like a topic
SUBJECT = "subject"  # what an introduction speaks of, whichever topic it is about
NEARBY = "nearby"  # what an introduction may also speak of, and other texts too
ELSEWHERE = "elsewhere"  # what shows that a sentence is about another world
UNFILLED = "unfilled"  # what marks a place that the student was to fill in
METHODS = "methods"  # names of methods that are no topic
COMPARED = "compared"  # how a sentence begins that first says what it compares with
LEAD_LETTERS = 8  # before the name: "The ", a number, a bullet


class Question(Record, frozen=True, kw_only=True):
    """A misconception: the message to ask, the word groups that give it away, and whether it is of the mechanism."""

    id: str
    when: tuple[str, ...]
    wrong: bool = False


class Topic(Record, frozen=True, kw_only=True):
    """What is known about one topic; a concept is any of several combinations of word groups (`a & b & !c`)."""

    id: str
    names: tuple[str, ...]
    concepts: dict[str, tuple[str, ...]]
    titles: tuple[str, ...] = ()  # names where they stand as a heading, and words elsewhere
    formulas: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)  # by concept, the shapes that show it
    questions: tuple[Question, ...] = ()
    exclusive: tuple[str, ...] = ()  # what is told of no other topic, so that it is wrong where it is


class Topics(Record, frozen=True, kw_only=True):
    """The lexicon, checked; plain strings, so that it has a digest."""

    topics: tuple[Topic, ...]
    words: dict[str, tuple[str, ...]]
    references: tuple[str, ...]
    general: tuple[str, ...] = ()
    aspects: tuple[str, ...] = ()
    traditional: str = ""
    simplified: str = ""


def topics(table: Mapping[str, Any]) -> Topics:
    """Make the lexicon from the table of a `topics.toml`; every mistake at once, each with its place."""
    reading = _Reading(table)
    lexicon = reading.lexicon()
    if reading.mistakes:
        raise GraderError("\n".join(reading.mistakes), where="topics.toml")
    return lexicon


class _Reading:
    """One pass over a table, which collects mistakes and goes on."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        self.table, self.mistakes = table, list[str]()
        self.words: dict[str, tuple[str, ...]] = {}
        self.pairs = ("", "")

    def lexicon(self) -> Topics:
        self._keys(self.table, "$", {"words", "topic", "headings", "characters"}, needed={"words", "topic"})
        characters = self._table(self.table.get("characters", {}), "$.characters")
        self._keys(characters, "$.characters", {"traditional", "simplified"})
        self.pairs = self._text(characters, "traditional"), self._text(characters, "simplified")
        if len(self.pairs[0]) != len(self.pairs[1]):
            self._mistake("$.characters", "`traditional` and `simplified` differ in length")
            self.pairs = ("", "")
        headings = self._table(self.table.get("headings", {}), "$.headings")
        self._keys(headings, "$.headings", {"references", "general", "aspects"})
        for name, group in self._table(self.table.get("words", {}), "$.words").items():
            self.words[name] = self._phrases(group, f"$.words.{name}")
        found = self.table.get("topic", [])
        if not isinstance(found, list) or not found:
            self._mistake("$.topic", "at least one [[topic]] is needed")
            found = []
        made = tuple(self._topic(self._table(one, f"$.topic[{i}]"), f"$.topic[{i}]") for i, one in enumerate(found))
        for index, topic in enumerate(made):
            if topic.id in {earlier.id for earlier in made[:index]}:
                self._mistake(f"$.topic[{index}].id", f"`{topic.id}` is used twice")
        return Topics(
            topics=made,
            words=self.words,
            references=self._phrases(headings.get("references", []), "$.headings.references"),
            general=self._phrases(headings.get("general", []), "$.headings.general"),
            aspects=self._phrases(headings.get("aspects", []), "$.headings.aspects"),
            traditional=self.pairs[0],
            simplified=self.pairs[1],
        )

    def _topic(self, table: Mapping[str, Any], place: str) -> Topic:
        self._keys(
            table,
            place,
            {"id", "names", "titles", "concepts", "formulas", "questions", "exclusive"},
            needed={"id", "names", "concepts"},
        )
        concepts = {
            name: self._combinations(rules, f"{place}.concepts.{name}")
            for name, rules in self._table(table.get("concepts", {}), f"{place}.concepts").items()
        }
        if MECHANISM not in concepts:
            self._mistake(f"{place}.concepts", "`mechanism` is missing: what makes it that method")
        questions = table.get("questions", [])
        return Topic(
            id=self._text(table, "id", place),
            exclusive=self._combinations(table.get("exclusive", []), f"{place}.exclusive"),
            names=self._phrases(table.get("names", []), f"{place}.names"),
            concepts=concepts,
            titles=self._phrases(table.get("titles", []), f"{place}.titles"),
            formulas=self._formulas(table.get("formulas", {}), f"{place}.formulas"),
            questions=tuple(
                self._question(self._table(one, f"{place}.questions[{i}]"), f"{place}.questions[{i}]")
                for i, one in enumerate(questions if isinstance(questions, list) else ())
            ),
        )

    def _question(self, table: Mapping[str, Any], place: str) -> Question:
        self._keys(table, place, {"id", "when", "wrong"}, needed={"id", "when"})
        return Question(
            id=self._text(table, "id", place),
            when=self._combinations(table.get("when", []), f"{place}.when"),
            wrong=self._flag(table, "wrong", place),
        )

    def _combinations(self, rules: Any, place: str) -> tuple[str, ...]:
        found = self._strings(rules, place)
        for index, rule in enumerate(found):
            for part in rule.split("&"):
                name = part.strip().lstrip("!~-").strip()
                if name not in self.words and name not in GRAMMAR:
                    self._mistake(f"{place}[{index}]", f"no word group is called `{name}`")
        return found

    def _phrases(self, group: Any, place: str) -> tuple[str, ...]:
        """Read phrases, also where they are kept apart by language."""
        if isinstance(group, dict):
            return tuple(phrase for key, part in group.items() for phrase in self._phrases(part, f"{place}.{key}"))
        found = self._strings(group, place)
        for index, phrase in enumerate(found):
            try:
                parts(phrase)
            except ValueError as error:
                self._mistake(f"{place}[{index}]", f"`{phrase}`: {error}")
        return found

    def _formulas(self, group: Any, place: str) -> dict[str, tuple[str, ...]]:
        found = {name: self._strings(shapes, f"{place}.{name}") for name, shapes in self._table(group, place).items()}
        for name, shapes in found.items():
            for index, shape in enumerate(shapes):
                if shape not in SHAPES:
                    self._mistake(f"{place}.{name}[{index}]", f"`{shape}` is no shape; known: {', '.join(SHAPES)}")
        return found

    def _strings(self, value: Any, place: str) -> tuple[str, ...]:
        if isinstance(value, list) and all(isinstance(one, str) and one.strip() for one in value):
            return tuple(value)
        self._mistake(place, "a list of texts is needed")
        return ()

    def _text(self, table: Mapping[str, Any], key: str, place: str = "$") -> str:
        value = table.get(key, "")
        if not isinstance(value, str):
            self._mistake(f"{place}.{key}", "a text is needed")
            return ""
        return value

    def _flag(self, table: Mapping[str, Any], key: str, place: str) -> bool:
        value = table.get(key, False)
        if not isinstance(value, bool):
            self._mistake(f"{place}.{key}", "true or false is needed")
        return value is True

    def _table(self, value: Any, place: str) -> Mapping[str, Any]:
        if isinstance(value, dict):
            return value
        self._mistake(place, "a table is needed")
        return {}

    def _keys(self, table: Mapping[str, Any], place: str, known: set[str], *, needed: Iterable[str] = ()) -> None:
        for key in table:
            if key not in known:
                self._mistake(f"{place}.{key}", f"unknown; known here: {', '.join(sorted(known))}")
        for key in sorted(set(needed) - set(table)):
            self._mistake(f"{place}.{key}", "is missing")

    def _mistake(self, place: str, what: str) -> None:
        self.mistakes.append(f"{place}: {what}")
