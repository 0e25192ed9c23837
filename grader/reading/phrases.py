"""Finds many phrases in a row of tokens at once: a tree of tokens, walked from every place, and no expression.

A phrase is written for people: a space also stands for a hyphen or nothing, `…` for anything up to 30 characters, `*`
for the rest of a word, `#` for any number, `(a|b)` for a choice, and `?` makes the letter or choice before it optional.
Endings such as -s, -ed and -ing are found by themselves. What a phrase costs is bounded by its own length, so that
the work grows with the text and never with a power of it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from grader.reading.tokens import fold, han, tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from grader.reading.tokens import Token

ANY_NUMBER = "#"
GAP = 30  # characters that `…` may stand for
MOST_VARIANTS = 4000  # of one part of a phrase
_ENDINGS = ("s", "es", "d", "ed", "ing", "ly", "er")

Span = tuple[int, int]  # of tokens: the first, and one past the last
Hit = tuple[Span, ...]  # a phrase by its parts, without what its gaps stand for


class _Node:
    """A place in the tree: what may follow, and which slots end here."""

    __slots__ = ("ends", "exact", "prefix")

    def __init__(self) -> None:
        self.exact: dict[str, _Node] = {}
        self.prefix: dict[str, _Node] = {}
        self.ends: list[int] = []


class Phrases:
    """Groups of phrases, ready to be found."""

    def __init__(self, groups: Mapping[str, Iterable[str]], characters: dict[int, str] | None = None) -> None:
        self.characters = characters
        self.root = _Node()
        self.chains: dict[int, list[tuple[str, tuple[int, ...]]]] = {}  # by the slot that begins them
        self.slots = 0
        self.known: dict[str, int] = {}
        for name, phrases in groups.items():
            for chain in dict.fromkeys(self._chain(fold(phrase, characters)) for phrase in phrases):
                self.chains.setdefault(chain[0], []).append((name, chain))

    def _chain(self, phrase: str) -> tuple[int, ...]:
        return tuple(self._slot(part) for part in parts(phrase))

    def _slot(self, part: str) -> int:
        """The number of a part without a gap; equal parts share one."""
        if part not in self.known:
            self.known[part] = self.slots
            for variant in variants(part):
                self._plant(variant, self.slots)
            self.slots += 1
        return self.known[part]

    def _plant(self, variant: str, slot: int) -> None:
        for words in _spellings(variant):
            node = self.root
            for word in words:
                branch, key = (node.prefix, word[:-1]) if word.endswith("*") else (node.exact, word)
                if key not in branch:
                    branch[key] = _Node()
                node = branch[key]
            if slot not in node.ends and node is not self.root:
                node.ends.append(slot)

    def find(self, said: Sequence[Token]) -> dict[str, tuple[Hit, ...]]:
        """Where each group stands; groups that stand nowhere are left out."""
        places: dict[int, list[Span]] = {}
        for start in range(len(said)):
            pending = [(self.root, start)]
            while pending:
                node, at = pending.pop()
                for slot in node.ends:
                    places.setdefault(slot, []).append((start, at))
                if at < len(said):
                    pending += [(after, at + 1) for after in _after(node, said[at].text)]
        found: dict[str, set[Hit]] = {}
        for slot in list(places):
            for name, chain in self.chains.get(slot, ()):
                hits = _chained(chain, places, said)
                if hits:
                    found.setdefault(name, set()).update(hits)
        return {name: tuple(sorted(hits)) for name, hits in found.items()}


def parts(phrase: str) -> list[str]:
    """The parts of a phrase between its gaps; a mistake in it is a ValueError.

    >>> parts("(each|every)…rate")
    ['(each|every)', 'rate']
    """
    phrase = phrase.strip().replace("...", "…")
    depth = 0
    for letter in phrase:
        depth += (letter == "(") - (letter == ")")
        if depth < 0:
            break
        if depth and letter == "…":
            raise ValueError("a gap may not stand inside of parentheses")
    if depth:
        raise ValueError("the parentheses do not match")
    found = [part.strip() for part in phrase.split("…")]
    if not all(found) or any("" in variants(part) for part in found):
        raise ValueError("it matches everything")
    return found


@lru_cache(maxsize=8192)
def variants(part: str) -> tuple[str, ...]:
    """Every plain text that a part stands for.

    >>> variants("(a|b)c?")
    ('a', 'ac', 'b', 'bc')
    """
    found, _ = _choices(part, 0)
    made = tuple(dict.fromkeys(" ".join(text.split()) for text in found))
    if len(made) > MOST_VARIANTS:
        raise ValueError("it stands for too many texts")
    return made


def _choices(part: str, at: int) -> tuple[list[str], int]:
    """The texts of a choice that begins at a place, and where it ends."""
    whole: list[str] = []
    texts = [""]
    while at < len(part) and part[at] != ")":
        letter = part[at]
        at += 1
        if letter == "|":
            whole += texts
            texts = [""]
            continue
        items = [letter]
        if letter == "(":
            items, at = _choices(part, at)
            at += 1
        if at < len(part) and part[at] == "?":
            items, at = ["", *items], at + 1
        texts = [text + item for text in texts for item in items]
        if len(texts) > MOST_VARIANTS:
            raise ValueError("it stands for too many texts")
    return whole + texts, at


def _spellings(variant: str) -> list[list[str]]:
    """The tokens of a plain text; two words may also be written as one."""
    words = _quickly(variant) or _carefully(variant)
    joined = [
        [*words[:i], words[i] + words[i + 1], *words[i + 2 :]]
        for i in range(len(words) - 1)
        if words[i].isascii() and words[i].isalpha() and words[i + 1].rstrip("*").isalpha() and words[i + 1].isascii()
    ]
    return [words, *joined] if words else []


def _quickly(variant: str) -> list[str]:
    """The tokens of a text of plain words, or of Chinese characters alone: most texts of a lexicon are such."""
    if variant.isascii():
        plain = variant.replace("*", "").replace(" ", "")
        return variant.split() if plain.isalpha() and plain.islower() else []
    return list(variant) if all(map(han, variant)) else []


def _carefully(variant: str) -> list[str]:
    words: list[str] = []
    for token in tokens(variant.replace("*", " \u2217 ")):
        if token.text == "\u2217" and words:
            words[-1] += "*"
        else:
            words.append(token.text)
    return words


def _after(node: _Node, text: str) -> list[_Node]:
    found = [node.exact[form] for form in forms(text) if form in node.exact]
    if text[0].isdigit() and ANY_NUMBER in node.exact:
        found.append(node.exact[ANY_NUMBER])
    if node.prefix:
        found += [node.prefix[text[:n]] for n in range(1, len(text) + 1) if text[:n] in node.prefix]
    return found


@lru_cache(maxsize=20_000)
def forms(word: str) -> tuple[str, ...]:
    """A word and what it may be an inflection of.

    >>> forms("samples")
    ('samples', 'sample', 'sampl')
    """
    if len(word) < 4 or not word.isascii() or not word.isalpha():
        return (word,)
    bare = [word[: -len(end)] for end in _ENDINGS if word.endswith(end) and len(word) - len(end) > 1]
    if word.endswith("ies"):
        bare.append(word[:-3] + "y")
    if word.endswith("ing"):
        bare.append(word[:-3] + "e")
    return tuple(dict.fromkeys([word, *bare]))


def _chained(chain: Sequence[int], places: Mapping[int, Sequence[Span]], said: Sequence[Token]) -> list[Hit]:
    """Follow the parts of a phrase from the left, each no further than a gap behind the one before."""
    hits: list[Hit] = [(span,) for span in places[chain[0]]]
    for slot in chain[1:]:
        hits.sort(key=lambda hit: hit[-1][1])
        reached: list[Hit] = []
        first = 0
        for start, end in sorted(places.get(slot, ())):
            while first + 1 < len(hits) and hits[first + 1][-1][1] <= start:
                first += 1
            before = hits[first][-1][1] if hits else start + 1
            if before <= start and said[start].start - said[before - 1].end <= GAP:
                reached.append((*hits[first], (start, end)))
        hits = reached
    return hits
