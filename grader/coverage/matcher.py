"""The lexicon ready to search with: who is named in a sentence, and which of its words stand where."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from grader.coverage.lexicon import METHODS, NAMESAKES, Topics
from grader.reading import GRAMMAR, Phrases, fold, meant, tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from grader.reading import Token
    from grader.reading.phrases import Hit, Span

LEAD_TOKENS = 3  # before the name that a paragraph begins with: "The ", a number, a bullet
SPELT = 7  # letters; from here a slip of the pen is looked for
RARE = 10  # letters
_NAME, _TITLE, _HEADING = "name:", "title:", "heading:"


@dataclass(frozen=True)
class Read:
    """A piece of text as tokens, with the words of the lexicon found in it."""

    folded: str
    said: tuple[Token, ...]
    found: Mapping[str, tuple[Hit, ...]]
    places: tuple[tuple[int, int, str], ...] = field(default=())

    @property
    def named(self) -> tuple[str, ...]:
        """The topics that it names, in their order."""
        return tuple(dict.fromkeys(topic for _, _, topic in self.places))

    @property
    def units(self) -> float:
        """How much it says."""
        return sum(token.units for token in self.said)

    def has(self, group: str) -> bool:
        """Whether a word of the group stands in it."""
        return bool(self.found.get(group))

    def covered(self, group: str) -> bool:
        """Whether it is one of the group's phrases, and nothing else."""
        return any(hit == ((0, len(self.said)),) for hit in self.found.get(group, ()))


class Matcher:
    """The lexicon ready to search with."""

    def __init__(self, lexicon: Topics) -> None:
        self.lexicon = lexicon
        characters = str.maketrans(lexicon.traditional, lexicon.simplified)
        self.characters: dict[int, str] = {key: chr(value) for key, value in characters.items()}
        groups: dict[str, tuple[str, ...]] = {**GRAMMAR}
        for name, phrases in lexicon.words.items():
            groups[name] = (*groups.get(name, ()), *phrases)
        for topic in lexicon.topics:
            groups[_NAME + topic.id] = topic.names
            groups[_TITLE + topic.id] = topic.titles
        for name in ("references", "general", "aspects"):
            groups[_HEADING + name] = getattr(lexicon, name)
        self.phrases = Phrases(groups, self.characters)
        self.known = frozenset(word for topic in lexicon.topics for name in topic.names for word in _own_words(name))

    def read(self, text: str, *, title: bool = False) -> Read:
        """Read a piece of text; as a `title`, it may name a topic by a word that is no name elsewhere."""
        folded = fold(text, self.characters)
        said = tokens(folded)
        found = self.phrases.find(self._spelt(said))
        return Read(folded=folded, said=said, found=found, places=self._places(found, title=title))

    def heading(self, read: Read, kind: str) -> bool:
        """Whether a heading's words of a kind stand in a piece of text."""
        return read.has(_HEADING + kind)

    def references(self, read: Read) -> bool:
        """Whether a line is the heading of the references, and nothing else."""
        return read.covered(_HEADING + "references")

    def aspects(self, read: Read) -> tuple[Span, ...]:
        """Where words like "advantages" stand."""
        return tuple(span for hit in read.found.get(_HEADING + "aspects", ()) for span in hit)

    def leads(self, read: Read, *, section: str | None) -> str | None:
        """The topic whose name a paragraph begins with; in another's section, with its very first word."""
        if self.turned(read):
            return None
        names = [*read.places, *self._places(read.found, title=True)]
        beside = [hit[0][0] for group in ("·pronoun", "·compared") for hit in read.found.get(group, ())]
        first = min([*beside, LEAD_TOKENS])
        found = next((name for name in names if name[0] <= (first if section in (None, name[2]) else 0)), None)
        if found is None or (section not in (None, found[2]) and not self._labels(read, found[1])):
            return None
        return found[2]

    def labelled(self, read: Read) -> bool:
        """Whether it begins with a name and a colon."""
        return any(
            start == 0 and read.said[end : end + 1] and read.said[end].text in ":：" for start, end, _ in read.places
        )

    def _labels(self, read: Read, end: int) -> bool:
        """Whether a name is a label, or does something: in another's section, "Adagrad with …" is neither."""
        verbs = {hit[0][0] for hit in read.found.get("·verb", ())}
        return end >= len(read.said) or end in verbs or read.said[end].text in (":", "：")

    def turned(self, read: Read) -> bool:
        """Whether a sentence begins with what it compares with."""
        return any(hit[0][0] == 0 for hit in read.found.get("turned", ()))

    def others(self, read: Read) -> tuple[Span, ...]:
        """Where methods are named that are no topic, a longer name of a topic going before."""
        taken = [(start, end) for start, end, _ in read.places]
        return tuple(
            span
            for span in _whole(read.found.get(METHODS, ()))
            if not any(start < span[1] and span[0] < end for start, end in taken)
        )

    def _places(self, found: Mapping[str, tuple[Hit, ...]], *, title: bool) -> tuple[tuple[int, int, str], ...]:
        """Where topics are named; the longer name wins, so "SGD with momentum" is Momentum.

        A namesake is none: "second momentum" is a mean of squares.
        """
        kinds = (_NAME, _TITLE) if title else (_NAME,)
        named = [
            (start, end, topic.id)
            for topic in self.lexicon.topics
            for kind in kinds
            for start, end in _whole(found.get(kind + topic.id, ()))
        ]
        named += [(start, end, "") for start, end in _whole(found.get(NAMESAKES, ()))]
        kept: list[tuple[int, int, str]] = []
        for start, end, topic in sorted(named, key=lambda one: one[0] - one[1]):
            if all(end <= s or start >= e for s, e, _ in kept):
                kept.append((start, end, topic))
        return tuple(sorted(one for one in kept if one[2]))

    def _spelt(self, said: tuple[Token, ...]) -> tuple[Token, ...]:
        right = [meant(token.text, self.known) if token.kind == "word" else token.text for token in said]
        return tuple(
            token if text == token.text else msgspec.structs.replace(token, text=text)
            for token, text in zip(said, right, strict=True)
        )


def _whole(hits: Iterable[Hit]) -> list[Span]:
    return [(hit[0][0], hit[-1][1]) for hit in hits]


def _own_words(name: str) -> list[str]:
    """The words of a name that mean nothing else: a name of one word, or a rare one that begins it."""
    said = tokens(fold(name))
    if not said or not said[0].text.isascii() or "*" in name or len(said[0].text) < SPELT:
        return []
    return [said[0].text] if len(said) == 1 or len(said[0].text) >= RARE else []


@lru_cache(maxsize=8)
def _matcher(encoded: bytes) -> Matcher:
    return Matcher(msgspec.json.decode(encoded, type=Topics))


def matcher(lexicon: Topics) -> Matcher:
    """The lexicon ready to search with, made once for all reports of a class."""
    return _matcher(msgspec.json.encode(lexicon))
