"""The lexicon of the topics: word groups, and for each topic its names, concepts, formulas and questions.

It is data (`topics.toml`): plain phrases that a teacher can extend, checked here, and made ready to search with.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from grader.model import GraderError, Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MECHANISM = "mechanism"
# Word groups that the rules themselves know; a lexicon may leave them out.
NAMESAKES = "namesakes"  # what only sounds like a topic
SUBJECT = "subject"  # what an introduction speaks of, whichever topic it is about
HEARSAY = "hearsay"  # what the student only reports
COMPARED = "compared"  # how a sentence begins that first says what it compares with
LEAD_LETTERS = 8  # before the name: "The ", a number, a bullet


class Question(Record, frozen=True, kw_only=True):
    """A misconception: the message to ask, and the word groups that give it away."""

    id: str
    when: tuple[str, ...]


class Topic(Record, frozen=True, kw_only=True):
    """What is known about one topic; a concept is any of several combinations of word groups (`a & b & !c`)."""

    id: str
    names: tuple[str, ...]
    concepts: dict[str, tuple[str, ...]]
    formulas: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()


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
            table, place, {"id", "names", "concepts", "formulas", "questions"}, needed={"id", "names", "concepts"}
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
            names=self._phrases(table.get("names", []), f"{place}.names"),
            concepts=concepts,
            formulas=self._formulas(table.get("formulas", []), f"{place}.formulas"),
            questions=tuple(
                self._question(self._table(one, f"{place}.questions[{i}]"), f"{place}.questions[{i}]")
                for i, one in enumerate(questions if isinstance(questions, list) else ())
            ),
        )

    def _question(self, table: Mapping[str, Any], place: str) -> Question:
        self._keys(table, place, {"id", "when"}, needed={"id", "when"})
        return Question(
            id=self._text(table, "id", place), when=self._combinations(table.get("when", []), f"{place}.when")
        )

    def _combinations(self, rules: Any, place: str) -> tuple[str, ...]:
        found = self._strings(rules, place)
        for index, rule in enumerate(found):
            for part in rule.split("&"):
                name = part.strip().lstrip("!").strip()
                if name not in self.words:
                    self._mistake(f"{place}[{index}]", f"no word group is called `{name}`")
        return found

    def _phrases(self, group: Any, place: str) -> tuple[str, ...]:
        """Read phrases, also where they are kept apart by language."""
        if isinstance(group, dict):
            return tuple(phrase for key, part in group.items() for phrase in self._phrases(part, f"{place}.{key}"))
        found = self._strings(group, place)
        for index, phrase in enumerate(found):
            try:
                _phrase(_fold(phrase, *self.pairs))
            except (ValueError, re.error) as error:
                self._mistake(f"{place}[{index}]", f"`{phrase}`: {error}")
        return found

    def _formulas(self, group: Any, place: str) -> tuple[str, ...]:
        found = self._strings(group, place)
        for index, pattern in enumerate(found):
            try:
                re.compile(pattern)
            except re.error as error:
                self._mistake(f"{place}[{index}]", f"`{pattern}` is no regular expression: {error}")
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


# -- matching --------------------------------------------------------------------------------------

_DASHES = str.maketrans(
    {"−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "’": "'", "“": '"', "”": '"', "「": '"', "」": '"'}
)
_INFLECTED = "(?:s|es|d|ed|ing|ly)?(?![a-z])"
_GAP = r"(?:[^.。!?]|\.(?=\d)){0,30}?"  # not beyond the sentence; a decimal point does not end one


def _fold(text: str, traditional: str, simplified: str) -> str:
    """Bring a text to the one form in which it is compared: small letters, simplified characters, plain signs."""
    return _folded(text).translate(str.maketrans(traditional, simplified))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).lower().translate(_DASHES).replace("**", "^").replace("^", "")


@lru_cache(maxsize=4096)
def _phrase(phrase: str) -> str:
    """Turn a phrase into a regular expression; it is not one itself, so a teacher can write it.

    A space also stands for a hyphen or nothing, `…` for anything up to 30 characters, `*` for the rest of a word,
    `(a|b)` for a choice, `?` makes the letter or choice before it optional.

    >>> bool(re.search(_phrase("mini batch"), "a mini-batch of 32"))
    True
    >>> bool(re.search(_phrase("oscillat*"), "使用sgd時oscillates"))
    True
    >>> bool(re.search(_phrase("lr"), "allright"))
    False
    """
    if phrase.count("(") != phrase.count(")"):
        raise ValueError("the parentheses do not match")
    made = {" ": r"[\s-]{0,2}", "…": _GAP, "...": _GAP, "*": "[a-z]{0,30}", "(": "(?:", ")": ")", "|": "|", "?": "?"}
    body = "".join(made.get(part) or re.escape(part) for part in re.findall(r"\.\.\.|.", phrase.strip()))
    before = "(?<![a-z])" if re.match(r"[a-z(]", phrase) and re.search(r"^\(*[a-z]", phrase) else ""
    after = _INFLECTED if re.search(r"[a-z]\)*\??$", phrase) else "(?![a-z])" if phrase.endswith("*") else ""
    pattern = f"{before}(?:{body}){after}"
    if re.search(pattern, "") is not None:
        raise ValueError("it matches everything")
    return pattern


@lru_cache(maxsize=512)
def _group(phrases: tuple[str, ...], traditional: str, simplified: str) -> re.Pattern[str]:
    return re.compile("|".join(_phrase(_fold(phrase, traditional, simplified)) for phrase in phrases) or "(?!)")


@lru_cache(maxsize=512)
def formula_of(pattern: str) -> re.Pattern[str]:
    """The regular expression of a formula."""
    return re.compile(pattern)


class Matcher:
    """The lexicon ready to search with."""

    def __init__(self, lexicon: Topics) -> None:
        self.lexicon = lexicon
        self.pairs = lexicon.traditional, lexicon.simplified
        self.characters = str.maketrans(*self.pairs)
        self.words = {name: _group(phrases, *self.pairs) for name, phrases in lexicon.words.items()}
        self.names = [(topic.id, _group(topic.names, *self.pairs)) for topic in lexicon.topics]
        self.references = _group(lexicon.references, *self.pairs)
        self.general = _group(lexicon.general, *self.pairs)
        self.aspects = _group(lexicon.aspects, *self.pairs)

    def fold(self, text: str) -> str:
        """A text in the one form in which it is compared."""
        return _folded(text).translate(self.characters)

    def named(self, folded: str) -> tuple[str, ...]:
        """The topics that a text names, in their order."""
        return tuple(dict.fromkeys(topic for _, _, topic in self.places(folded)))

    def leads(self, folded: str) -> str | None:
        """The topic whose name a paragraph begins with."""
        places = [] if self.turned(folded) else self.places(folded)
        return places[0][2] if places and places[0][0] <= LEAD_LETTERS else None

    def places(self, folded: str) -> list[tuple[int, int, str]]:
        """Where topics are named; the longer name wins, so "SGD with momentum" is Momentum.

        A namesake is none: "second momentum" is a mean of squares.
        """
        namesakes = self.words.get(NAMESAKES)
        names = [*self.names, *([(NAMESAKES, namesakes)] if namesakes else [])]
        found = [(m.start(), m.end(), topic) for topic, pattern in names for m in pattern.finditer(folded)]
        kept: list[tuple[int, int, str]] = []
        for start, end, topic in sorted(found, key=lambda one: one[0] - one[1]):
            if all(end <= s or start >= e for s, e, _ in kept):
                kept.append((start, end, topic))
        return sorted(one for one in kept if one[2] != NAMESAKES)

    def turned(self, folded: str) -> bool:
        """Whether a sentence begins with what it compares with."""
        compared = self.words.get(COMPARED)
        return compared is not None and compared.match(folded) is not None

    def has(self, group: str, folded: str, *, otherwise: bool) -> bool:
        """Whether a word of a group is in a text; `otherwise` where the lexicon has no such group."""
        words = self.words.get(group)
        return otherwise if words is None else words.search(folded) is not None

    def holds(self, rule: str, folded: str) -> bool:
        """Whether a combination of word groups is in a sentence."""
        for part in rule.split("&"):
            name = part.strip()
            if name.startswith("!"):
                if self.words[name[1:].strip()].search(folded):
                    return False
            elif not self.words[name].search(folded):
                return False
        return True
