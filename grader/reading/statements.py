"""Parts a sentence into statements: who is spoken of, and whether it is denied, supposed or somebody else's.

A clause ends at a comma or a word like "but"; inside of one, a denial begins a statement of its own, so that
"uses one sample instead of all" is two: one asserted, one denied. A lexicon's words are looked up in these.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from grader.model import Record
from grader.reading.tokens import words as _words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from grader.reading.phrases import Hit, Span
    from grader.reading.tokens import Token

CLAUSE_ENDS = frozenset(",;:，、；：。!?！？|")
LIST_ENDS = frozenset(",，、;；|")
CLAUSE_UNITS = 9.0  # a part of a list this long says something, whatever short ones stand beside it
ITEMS = 4  # short ones in a row are keywords
ITEM_UNITS = 4.2
MIXED_TOKENS = 4  # of either script
CHINESE_GLUE = 0.06
ENGLISH_GLUE = 0.1
SENTENCE_BEGINS = 3  # tokens
LABEL_TOKENS = 3  # of a name that stands before a colon
LIST_SHARE = 0.6
GLUE_SHARE = 0.2
_ENGLISH_GLUE = _words(
    "the a an of is are was it its to and by in for that this each with we so which as from than not has"
    " have can will at on but if when because instead then be or i my our more only n't 's"
    " few many although while no all any some other one ones every over out up down into their they you these"
    " those there"
)
_HOW = frozenset("大小快慢高低好差多少难长短稳准贵省折繁显退")
_CHINESE_GLUE = frozenset(
    "的是会在了把用每让使而但不以因所就也都对从为被将与和时来到给还再其这那有没可能并只如若当它于做要由此"
)

Whose = Literal["own", "other", "unsure"]


class Statement(Record, frozen=True, kw_only=True):
    """A run of tokens with one subject and one polarity; `verb` says that something happens in its sentence."""

    start: int
    end: int
    clause: int = 0
    whose: Whose = "own"
    denied: bool = False
    untrue: bool = False  # denied as a whole
    hedged: bool = False
    hearsay: bool = False
    supposed: bool = False
    listed: bool = False
    verb: bool = True

    @property
    def counts(self) -> bool:
        """Whether it may be held for what the student says of the subject."""
        return self.whose != "other" and not self.hearsay and not self.listed


class Subjects(Record, frozen=True, kw_only=True):
    """Who is named where: the one that a passage is about, and the others."""

    own: tuple[Span, ...] = ()
    others: tuple[Span, ...] = ()


def statements(
    said: Sequence[Token],
    words: Mapping[str, tuple[Hit, ...]],
    subjects: Subjects,
    *,
    carried: Whose = "own",
    answers: bool = False,
) -> tuple[tuple[Statement, ...], Whose]:
    """Part a sentence, and say who is spoken of at its end.

    `carried` is who was spoken of before; what `answers` a question may leave out the verb.
    """
    marks = _Marks(said, words)
    asked = bool(said) and said[-1].text in "?？"
    strung = keywords(said)
    untrue = any(marks.at("·untrue", i) for i in range(min(SENTENCE_BEGINS, len(said))))
    found: list[Statement] = []
    verbs = [
        bool(marks.at("·imperative", start)) or any(marks.at("·verb", i) for i in range(start, end))
        for start, end in _clauses(said, marks)
    ]
    main = whose = carried
    for clause, ((start, end), verb) in enumerate(zip(_clauses(said, marks), verbs, strict=True)):
        whose = _whose(start, end, marks, subjects, before=whose if marks.at("·relative", start) else main)
        compared = any(marks.at("·compared", i) for i in range(start, min(start + 3, end)))
        label = end - start <= LABEL_TOKENS and not compared
        main = whose if whose != "unsure" and (verb or label or (whose == "own" and not compared)) else main
        for first, last, denied in _polarities(start, end, marks, subjects):
            found.append(
                Statement(
                    start=first,
                    end=last,
                    clause=clause,
                    whose=whose,
                    denied=denied or untrue,
                    untrue=untrue,
                    hedged=any(marks.at("·hedge", i) for i in range(start, end)),
                    hearsay=asked or (not untrue and _told_by_others(start, marks)),
                    supposed=any(marks.at("·supposed", i) for i in range(start, end)),
                    listed=start in marks.listed or (strung and _short(said[start:end])) or _spaced(said[start:end]),
                    verb=answers or any(verbs),
                )
            )
    return tuple(found), main


def leading(said: Sequence[Token], words: Mapping[str, tuple[Hit, ...]], names: Sequence[Span]) -> tuple[Span, ...]:
    """The names that come before the verb of a clause, and so are what it speaks of."""
    marks = _Marks(said, words)
    starts = [start for start, _ in _clauses(said, marks)]
    found: list[Span] = []
    for first, last in names:
        start = max((start for start in starts if start <= first), default=0)
        busy = any(marks.at("·verb", i) or marks.at("·pronoun", i) for i in range(start, first))
        if _leads(start, first, marks) or not busy:
            found.append((first, last))
    return tuple(found)


class _Marks:
    """For every token, which grammar begins there; the longest wins, so 不斷 is no denial."""

    def __init__(self, said: Sequence[Token], words: Mapping[str, tuple[Hit, ...]]) -> None:
        self.said = said
        self.ends: dict[tuple[str, int], int] = {}
        for name in (name for name in words if name.startswith("·")):
            for hit in words[name]:
                start, end = hit[0][0], hit[-1][1]
                self.ends[name, start] = max(end, self.ends.get((name, start), 0))
        innocent = {i for hit in words.get("·no-denial", ()) for i in range(hit[0][0], hit[-1][1])}
        for name in ("·denial", "·instead"):
            for start in [start for known, start in self.ends if known == name]:
                if all(i in innocent for i in range(start, self.ends[name, start])):
                    del self.ends[name, start]
        self.hearsay = sorted(hit[0][0] for hit in words.get("·hearsay", ()))
        self.turns = sorted(hit[0][0] for hit in words.get("·turn", ()))
        self.listed = _listed(said)

    def at(self, name: str, index: int) -> int:
        """Where a phrase of the group that begins here ends; 0 where none begins."""
        return self.ends.get((name, index), 0)


def _clauses(said: Sequence[Token], marks: _Marks) -> list[tuple[int, int]]:
    """Clauses between signs; words like "but" begin one too."""
    found: list[tuple[int, int]] = []
    start = 0
    for index, token in enumerate(said):
        if token.text in CLAUSE_ENDS and token.kind == "sign":
            found.append((start, index))
            start = index + 1
        elif index > start and marks.at("·turn", index) and token.kind == "word":
            found.append((start, index))
            start = index
    found.append((start, len(said)))
    return [(first, last) for first, last in found if first < last]


def _polarities(start: int, end: int, marks: _Marks, subjects: Subjects) -> list[tuple[int, int, bool]]:
    """Cut a clause where a denial begins and where it ends."""
    names = {first for first, _ in (*subjects.own, *subjects.others)}
    found: list[tuple[int, int, bool]] = []
    first, mode, past = start, "", start
    for index in range(start, end):
        began = next((name for name in ("·denial", "·instead") if marks.at(name, index)), "")
        if began and not mode:
            found.append((first, index, False))
            first, mode, past = index, began, marks.at(began, index)
        elif mode and not began and index >= past and _over(index, mode, names, marks):
            found.append((first, index, True))
            first, mode = index, ""
    found.append((first, end, bool(mode)))
    return [(a, b, denied) for a, b, denied in found if a < b]


def _over(index: int, mode: str, names: set[int], marks: _Marks) -> bool:
    """Whether a denial ends here."""
    if marks.at("·turn", index) or marks.said[index].text in ")）":
        return True
    return mode == "·instead" and bool(index in names or marks.at("·instead-ends", index))


def _whose(start: int, end: int, marks: _Marks, subjects: Subjects, *, before: Whose) -> Whose:
    """Whose deed a clause tells: the name that it begins with, else the one before."""
    own = [first for first, _ in subjects.own if start <= first < end]
    others = [first for first, _ in subjects.others if start <= first < end]
    compared = any(marks.at("·compared", i) for i in range(start, min(start + 3, end)))
    if others and (not own or others[0] < own[0]) and _leads(start, others[0], marks):
        return "own" if compared and _comes_back(others[0] + 1, end, marks, "·pronoun") else "other"
    if marks.at("·against", start) and not own:
        return "own" if _comes_back(start + 1, end, marks, "·pronoun", within=end) else "other"
    if own and not (compared and _leads(start, own[0], marks)):
        return "own"
    if others and not own:
        return "other" if before == "other" else "unsure"
    pronoun = _comes_back(start, end, marks, "·pronoun")
    if before == "other":
        return "own" if _comes_back(start, end, marks) else "unsure" if pronoun else "other"
    if before == "unsure" and (pronoun or _comes_back(start, end, marks)):
        return "own"
    return before


def _comes_back(start: int, end: int, marks: _Marks, group: str = "·return", *, within: int = 4) -> bool:
    """Whether the talk soon comes back to what the section is about."""
    return any(marks.at(group, i) for i in range(start, min(start + within, end)))


def _leads(start: int, name: int, marks: _Marks) -> bool:
    """Whether only small words stand between a clause's beginning and a name."""
    index = start
    while index < name:
        ends = [marks.at(group, index) for group in ("·before-subject", "·compared", "·turn", "·supposed", "·instead")]
        if not any(ends):
            return False
        index = max(ends)
    return True


def _told_by_others(start: int, marks: _Marks) -> bool:
    """Whether somebody else's words began before a place, and no turn has come since."""
    told = [at for at in marks.hearsay if at <= start + 6]
    return bool(told) and not any(told[-1] < turn <= start for turn in marks.turns)


def _spaced(part: Sequence[Token]) -> bool:
    """Whether Chinese keywords stand beside each other with nothing but blanks between them."""
    gaps = [
        after.units
        for before, after in pairwise(part)
        if before.kind == after.kind == "han" and after.start > before.end
    ]
    return len(gaps) >= ITEMS and sum(token.units for token in part) <= ITEM_UNITS * (len(gaps) + 1)


def _short(part: Sequence[Token]) -> bool:
    return sum(token.units for token in part) < CLAUSE_UNITS or keywords(part)


def keywords(said: Sequence[Token]) -> bool:
    """Whether a text strings words together without the small ones that make a sentence of them."""
    if any(token.text == "=" for token in said):
        return False
    characters = [token.text for token in said if token.kind == "han"]
    words = [token.text for token in said if token.kind == "word"]
    glue = sum(one in _CHINESE_GLUE for one in characters), sum(one in _ENGLISH_GLUE for one in words)
    if min(len(characters), len(words)) >= MIXED_TOKENS:
        return sum(glue) < CHINESE_GLUE * (len(characters) + len(words))
    if len(characters) > len(words):
        return len(characters) >= 16 and glue[0] < CHINESE_GLUE * len(characters)
    return len(words) >= 9 and glue[1] < ENGLISH_GLUE * len(words)


def _listed(said: Sequence[Token]) -> frozenset[int]:
    """The first tokens of clauses that are items of a row of keywords."""
    found: set[int] = set()
    row: list[tuple[int, int]] = []
    start = 0
    for index, token in enumerate([*said, None]):
        if token is None or (token.kind == "sign" and token.text in CLAUSE_ENDS):
            row.append((start, index))
            start = index + 1
        if token is None or (token.kind == "sign" and token.text in CLAUSE_ENDS and token.text not in LIST_ENDS):
            found |= _items(said, row)
            row = []
    return frozenset(found)


def _items(said: Sequence[Token], row: Sequence[tuple[int, int]]) -> set[int]:
    """The keywords of a row: short parts that say nothing of each other, or what a Chinese enumeration parts."""
    parts = [(first, said[first:last]) for first, last in row]
    short = [(first, part) for first, part in parts if _units(part) <= ITEM_UNITS and not _predicate(part)]
    found = _enumerated(said, parts)
    if len(short) >= ITEMS and len(short) >= LIST_SHARE * len(parts):
        glue = sum(token.text in _CHINESE_GLUE or token.text in _ENGLISH_GLUE for _, part in short for token in part)
        if glue < GLUE_SHARE * sum(len(part) for _, part in short):
            found |= {first for first, _ in short}
    ahead = [first for (first, part), (after, _) in pairwise(parts) if after in found and _units(part) < CLAUSE_UNITS]
    return found | set(ahead)


def _enumerated(said: Sequence[Token], parts: Sequence[tuple[int, Sequence[Token]]]) -> set[int]:
    """The parts of a row that only the sign 、 keeps apart."""
    found: set[int] = set()
    run: list[int] = []
    for first, part in parts:
        if not (first and said[first - 1].text == "、"):
            run = []
        if _units(part) <= 2 * ITEM_UNITS:
            run.append(first)
        if len(run) >= ITEMS:
            found |= set(run)
    return found


def _units(part: Sequence[Token]) -> float:
    return ITEM_UNITS * 2 if any(token.text == "=" for token in part) else sum(token.units for token in part)


def _predicate(part: Sequence[Token]) -> bool:
    """Whether a short Chinese part ends with how something is: that is a sentence, and no keyword."""
    return len(part) > 2 and part[-1].text in _HOW
