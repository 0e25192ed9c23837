"""Which students' work is alike: identical files first, then pairs that share long passages; no points, no verdict.

Every text is cut into tokens (a Chinese character is one, so is a word, a number or a sign of code), every few tokens
in a row are hashed, and of each window of hashes the least is kept (winnowing: Schleimer, Wilkerson and Aiken 2003), so
that two texts with `SURE` tokens in a row in common share a hash for certain. An inverted index gives the pairs, and
each pair is then compared token by token. What was handed out is left out, and so is what many share.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from array import array
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import combinations, groupby
from typing import TYPE_CHECKING

from grader.model import Evidence, Grade, Record
from grader.similarity import LONG

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

KINDS = ("report", "prose", "code")
GRAM = 5
WINDOW = 4
SURE = GRAM + WINDOW - 1
MANY = 60
"""What more students than that have in common says nothing about two of them."""
COMPARED = 20_000
"""How many pairs are compared token by token, those with the most in common first."""
CODE_LONG = 40.0
"""How long a shared passage of code is, in tokens; there are only so many ways to write a line of a loop."""
LEAST = {"report": 2, "prose": 2, "code": 5}
"""How many hashes two texts share at least where a long passage is in both: one in each window, without repetitions."""
HELD = 500
"""How many texts are held cut into tokens."""
QUOTE = 400
SHOWN = 3

_WORD = re.compile(r"[^\W_\u3400-\u9fff]+|[\u3400-\u9fff]")
_CODE = re.compile(r"[^\W\d]\w*|\d[\w.]*|[^\s\w]")
_HAN = re.compile(r"[\u3400-\u9fff]")

_BITS = 24  # of a student's number, beside the 32 of a hash
Gram = tuple[str, ...]


class Work(Record, frozen=True, kw_only=True):
    """One student's texts by kind, with the digest of the files and the group in which they were made."""

    student: str
    digest: str = ""
    group: str = ""
    texts: dict[str, str]


class Passage(Record, frozen=True, kw_only=True):
    """What two texts share, as each of them writes it; its length in words or in tokens of code."""

    first: str
    second: str
    length: float


class Pair(Record, frozen=True, kw_only=True):
    """Two students whose texts of one kind share long passages, the longest first; `length` is that of all."""

    students: tuple[str, str]
    kind: str
    length: float
    share: float
    passages: tuple[Passage, ...]


class Alike(Record, frozen=True, kw_only=True):
    """What is alike in a class: students with identical files, and pairs, the most alike first."""

    identical: tuple[tuple[str, ...], ...] = ()
    pairs: tuple[Pair, ...] = ()


@dataclass(frozen=True)
class _Tokens:
    """A text with its tokens and where each begins and ends."""

    text: str
    words: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]

    def grams(self) -> Iterator[Gram]:
        """Every few tokens in a row."""
        return (self.words[at : at + GRAM] for at in range(len(self.words) - GRAM + 1))

    def quote(self, first: int, last: int) -> str:
        """The text from one token to another."""
        quoted = self.text[self.spans[first][0] : self.spans[last][1]]
        return quoted if len(quoted) <= QUOTE else quoted[: QUOTE - 1] + "…"


def work(grade: Grade, evidence: Evidence, handed_out: frozenset[str]) -> Work:
    """The texts of one student; cells that were handed out are left out whole."""
    cells = evidence.notebook.cells if evidence.notebook else ()
    own = [cell for cell in cells if cell.source not in handed_out]
    lines = evidence.report.lines if evidence.report else ()
    return Work(
        student=grade.submission.student,
        digest=grade.submission.digest if grade.submission.notebook or grade.submission.report else "",
        group=grade.submission.person.group,
        texts={
            "report": "\n".join(line.text for line in lines),
            "prose": "\n\n".join(cell.source for cell in own if cell.kind == "markdown"),
            "code": "\n\n".join(cell.source for cell in own if cell.kind == "code"),
        },
    )


def alike(works: Sequence[Work], known: Mapping[str, str]) -> Alike:
    """Find identical files and pairs that share long passages; `known` are the texts that were handed out, by kind."""
    identical = _identical(works)
    same = {pair for group in identical for pair in combinations(sorted(group), 2)}
    groups = {work.student: work.group for work in works}
    found = []
    for kind in KINDS:
        texts = {work.student: work.texts.get(kind, "") for work in works}
        common = set(_tokens(known.get(kind, ""), kind).grams())
        tokens = lru_cache(maxsize=HELD)(partial(_tokens, kind=kind))
        for one, other in _candidates(texts, kind, common):
            apart = not groups[one] or groups[one] != groups[other]
            if apart and (one, other) not in same:
                compared = _compared((one, other), kind, tokens(texts[one]), tokens(texts[other]), common)
                found += [compared] if compared else []
    return Alike(identical=identical, pairs=tuple(sorted(found, key=lambda pair: (-pair.length, pair.students))))


def _identical(works: Sequence[Work]) -> tuple[tuple[str, ...], ...]:
    """Students who handed in the very same files; a group does so by right."""
    by_digest: dict[str, list[Work]] = {}
    for one in works:
        if one.digest:
            by_digest.setdefault(one.digest, []).append(one)
    copies = [group for group in by_digest.values() if len(group) > 1]
    return tuple(
        tuple(one.student for one in group)
        for group in copies
        if len({one.group for one in group}) > 1 or not group[0].group
    )


def _tokens(text: str, kind: str) -> _Tokens:
    found = list((_CODE if kind == "code" else _WORD).finditer(text))
    normal = unicodedata.normalize if not text.isascii() else lambda _, word: word
    words = tuple(normal("NFKC", one.group()).casefold() for one in found)
    return _Tokens(text=text, words=words, spans=tuple(one.span() for one in found))


def _fingerprints(tokens: _Tokens, common: set[Gram]) -> set[int]:
    """Of each window the least hash of what was not handed out."""
    hashes = [0xFFFFFFFF + 1 if gram in common else zlib.crc32("\0".join(gram).encode()) for gram in tokens.grams()]
    kept = {min(hashes[at : at + WINDOW]) for at in range(max(1, len(hashes) - WINDOW + 1))} if hashes else set()
    return {one for one in kept if one <= 0xFFFFFFFF}


def _candidates(texts: Mapping[str, str], kind: str, common: set[Gram]) -> Iterable[tuple[str, str]]:
    """The pairs that share enough hashes, those that share most first.

    The index is one row of numbers, each a hash with the number of a student, since a class has millions of them.
    """
    students = sorted(texts)
    entries = array("Q")
    for number, student in enumerate(students):
        entries.extend(one << _BITS | number for one in _fingerprints(_tokens(texts[student], kind), common))
    shared: Counter[tuple[int, int]] = Counter()
    for _, group in groupby(sorted(entries), key=lambda entry: entry >> _BITS):
        numbers = [entry & ((1 << _BITS) - 1) for entry in group]
        if 1 < len(numbers) <= MANY:
            shared.update(combinations(numbers, 2))
    pairs = (pair for pair, count in shared.most_common(COMPARED) if count >= LEAST[kind])
    return [(students[one], students[other]) for one, other in pairs]


def _compared(pair: tuple[str, str], kind: str, first: _Tokens, second: _Tokens, common: set[Gram]) -> Pair | None:
    """The long passages that two texts share; nothing where there are none."""
    least = CODE_LONG if kind == "code" else LONG
    passages = sorted(
        (passage for passage in _passages(first, second, kind, common) if passage.length >= least),
        key=lambda passage: -passage.length,
    )
    if not passages:
        return None
    length = sum(passage.length for passage in passages)
    whole = min(_length(tokens.words, kind) for tokens in (first, second))
    return Pair(
        students=pair,
        kind=kind,
        length=round(length, 1),
        share=round(min(1.0, length / whole), 3),
        passages=tuple(passages[:SHOWN]),
    )


def _passages(first: _Tokens, second: _Tokens, kind: str, common: set[Gram]) -> Iterator[Passage]:
    """Stretches of the first text that stand in the second one as well, word for word."""
    places: dict[Gram, int] = {}
    for number, gram in enumerate(second.grams()):
        if gram not in common:
            places.setdefault(gram, number)
    grams = list(first.grams())
    at = 0
    while at < len(grams):
        place = places.get(grams[at])
        if place is None:
            at += 1
            continue
        size = _extent(first.words, at, second.words, place)
        yield Passage(
            first=first.quote(at, at + size - 1),
            second=second.quote(place, place + size - 1),
            length=_length(_own(first.words[at : at + size], common), kind),
        )
        at += size


def _own(words: Gram, common: set[Gram]) -> list[str]:
    """The tokens of a stretch that are in a run which was not handed out."""
    own: set[int] = set()
    for at in range(len(words) - GRAM + 1):
        if words[at : at + GRAM] not in common:
            own.update(range(at, at + GRAM))
    return [words[at] for at in sorted(own)]


def _extent(first: Sequence[str], at: int, second: Sequence[str], place: int) -> int:
    """How many tokens go on alike from these two places."""
    size = 0
    while at + size < len(first) and place + size < len(second) and first[at + size] == second[place + size]:
        size += 1
    return size


def _length(words: Sequence[str], kind: str) -> float:
    return float(len(words)) if kind == "code" else sum(0.6 if _HAN.match(word) else 1.0 for word in words)
