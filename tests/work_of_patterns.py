"""How much work a regular expression can make: its steps are counted on the texts that are worst for it.

Python's engine tries one way after another, so a pattern of two repeats can cost a minute on one line of digits. What
judges students' texts must do work in proportion to their length; here that is counted, not timed.
"""

from __future__ import annotations

import re
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHORT, LONG = 120, 480  # characters: beyond what a bounded repeat takes
GROWTH = 1.5  # times what is in proportion; twice as much work for each character would be four times
MOST_STEPS = 400_000
LONG_REPEAT = 10

Ends = Any  # Callable[[_Text, int], Iterator[int]]; a node's possible ends, the engine's first choice first
_SAMPLES: dict[str, str] = {
    "DIGIT": "1",
    "NOT_DIGIT": "a",
    "SPACE": " ",
    "NOT_SPACE": "a",
    "WORD": "a",
    "NOT_WORD": " ",
}
_KINDS: dict[str, Callable[[str], bool]] = {
    "DIGIT": str.isdecimal,
    "SPACE": str.isspace,
    "WORD": lambda letter: letter.isalnum() or letter == "_",
}


class TooMuchWorkError(ValueError):
    """A pattern's work grows faster than the text; `text` is one on which it does."""

    def __init__(self, text: str) -> None:
        super().__init__(f"its work grows faster than the text it reads, as on {text[:24]!r}…")
        self.text = text


def check(pattern: re.Pattern[str]) -> None:
    """Let a pattern pass whose work is in proportion to the text.

    Raises:
        TooMuchWorkError: where four times the text is more than six times the work.
    """
    tree = parser.parse(pattern.pattern, pattern.flags)
    for short, long in zip(_worst(tree, SHORT), _worst(tree, LONG), strict=True):
        few, many = steps(pattern, short), steps(pattern, long)
        if many >= MOST_STEPS or many > GROWTH * few * len(long) / len(short):
            raise TooMuchWorkError(long)


def steps(pattern: re.Pattern[str], text: str) -> int:
    """Count what is tried to find all of a pattern in a text, up to `MOST_STEPS`."""
    read = _Text(text)
    ends = _sequence(parser.parse(pattern.pattern, pattern.flags))
    start = 0
    while start <= len(text) and read.steps < MOST_STEPS:
        end = next(ends(read, start), None)
        start = max(start + 1, end or 0)
    return read.steps


class _Text:
    """A text that is being searched, and how many steps that took."""

    def __init__(self, text: str) -> None:
        self.text, self.steps = text, 0

    def step(self) -> bool:
        """Take a step; no more are taken once there were too many."""
        self.steps += 1
        return self.steps < MOST_STEPS


# -- the ends of each kind of node ------------------------------------------------------------------


def _sequence(nodes: Any) -> Ends:
    parts = [_node(op, value) for op, value in nodes]

    def ends(read: _Text, at: int, first: int = 0) -> Iterator[int]:
        if first == len(parts):
            yield at
            return
        for end in parts[first](read, at):
            yield from ends(read, end, first + 1)

    return ends


def _node(op: Any, value: Any) -> Ends:
    if op in _SINGLE:
        return _single(op, value)
    return _OTHERS[op](value)


def _single(op: Any, value: Any) -> Ends:
    fits = _fits(op, value)

    def ends(read: _Text, at: int) -> Iterator[int]:
        if read.step() and at < len(read.text) and fits(read.text[at]):
            yield at + 1

    return ends


def _fits(op: Any, value: Any) -> Callable[[str], bool]:
    """Whether a letter is one of a node's."""
    if op in (sre.LITERAL, sre.NOT_LITERAL):
        return lambda letter: (letter.lower() == chr(value).lower()) is (op is sre.LITERAL)
    if op is sre.ANY:
        return lambda letter: letter != "\n"
    if op is sre.RANGE:
        return lambda letter: value[0] <= ord(letter) <= value[1]
    if op is sre.CATEGORY:
        kind = str(value).removeprefix("CATEGORY_")
        return lambda letter: _KINDS[kind.removeprefix("NOT_")](letter) is not kind.startswith("NOT_")
    negated = value[0][0] is sre.NEGATE
    inner = [_fits(*one) for one in value[negated:]]
    return lambda letter: any(one(letter) for one in inner) is not negated


def _branch(value: Any) -> Ends:
    branches = [_sequence(branch) for branch in value[1]]

    def ends(read: _Text, at: int) -> Iterator[int]:
        for branch in branches:
            yield from branch(read, at)

    return ends


def _repeat(value: Any, *, lazy: bool = False, once: bool = False) -> Ends:
    least, most, body = value
    inner = _sequence(body)

    def ends(read: _Text, at: int) -> Iterator[int]:
        waiting = [iter((at,))]
        places: list[int] = []
        while waiting:
            place = next(waiting[-1], None)
            if place is None or (places and place == places[-1]):  # an empty turn repeats nothing
                waiting.pop()
                if places and not lazy and len(places) > least:
                    yield places[-1]
                if places:
                    places.pop()
                continue
            places.append(place)
            if lazy and len(places) > least:
                yield place
            waiting.append(inner(read, place) if read.step() and len(places) <= most else iter(()))

    return (lambda read, at: _first(ends(read, at))) if once else ends


def _first(ends: Iterator[int]) -> Iterator[int]:
    for end in ends:
        yield end
        return


def _look(value: Any, *, wanted: bool) -> Ends:
    direction, body = value
    inner = _sequence(body)
    width = body.getwidth()[1]

    def ends(read: _Text, at: int) -> Iterator[int]:
        start = at if direction > 0 else at - width
        found = start >= 0 and next(inner(read, start), None) is not None
        if read.step() and found is wanted:
            yield at

    return ends


def _anywhere(_: Any) -> Ends:
    """The beginning or end of a word or line, or an earlier group again: taken to fit, at the cost of a step."""
    return lambda read, at: iter((at,) if read.step() else ())


_SINGLE = {sre.LITERAL, sre.NOT_LITERAL, sre.ANY, sre.IN}
_OTHERS: dict[Any, Callable[[Any], Ends]] = {
    sre.BRANCH: _branch,
    sre.SUBPATTERN: lambda value: _sequence(value[-1]),
    sre.MAX_REPEAT: _repeat,
    sre.MIN_REPEAT: lambda value: _repeat(value, lazy=True),
    sre.POSSESSIVE_REPEAT: lambda value: _repeat(value, once=True),
    sre.ATOMIC_GROUP: lambda value: lambda read, at: _first(_sequence(value)(read, at)),
    sre.ASSERT: lambda value: _look(value, wanted=True),
    sre.ASSERT_NOT: lambda value: _look(value, wanted=False),
    sre.AT: _anywhere,
    sre.GROUPREF: _anywhere,
    sre.GROUPREF_EXISTS: lambda value: _sequence(value[1]),
}

# -- the worst texts ----------------------------------------------------------------------------------


def _worst(tree: Any, size: int) -> Iterator[str]:
    """Write texts that keep a pattern busy: what leads to a long repeat, its body many times, and what does not fit."""
    sample = _sample(tree) or "a"
    yield (sample * size)[:size] + "\0"
    for before, body in _repeats(tree, ""):
        turn = body or "a"
        yield (before + turn * size)[:size] + "\0"
        yield ((before + turn * LONG_REPEAT) * size)[:size] + "\0"


def _repeats(nodes: Any, before: str) -> Iterator[tuple[str, str]]:
    """Find the long repeats, each with a text that leads to it."""
    for op, value in nodes:
        if op in _REPEATS:
            if value[1] >= LONG_REPEAT:
                yield before, _sample(value[2])
            yield from _repeats(value[2], before)
        elif op is sre.BRANCH:
            for branch in value[1]:
                yield from _repeats(branch, before)
        elif op is sre.SUBPATTERN:
            yield from _repeats(value[-1], before)
        elif op is sre.ATOMIC_GROUP:
            yield from _repeats(value, before)
        before += _sample([(op, value)])


def _sample(nodes: Any) -> str:
    """Write a short text that fits."""
    return "".join(_sample_of(op, value) for op, value in nodes)


def _sample_of(op: Any, value: Any) -> str:
    if op in _SINGLE:
        return _letter(op, value)
    if op in _REPEATS:
        least: int = value[0]
        return _sample(value[2]) * min(max(least, 1), LONG_REPEAT)
    if op is sre.BRANCH:
        return _sample(value[1][0])
    if op is sre.SUBPATTERN:
        return _sample(value[-1])
    return _sample(value) if op is sre.ATOMIC_GROUP else ""


def _letter(op: Any, value: Any) -> str:
    if op is sre.LITERAL:
        return chr(value)
    if op is sre.IN and value[0][0] is not sre.NEGATE:
        first, what = value[0]
        return _SAMPLES[str(what)[9:]] if first is sre.CATEGORY else chr(int(what[0] if first is sre.RANGE else what))
    fits = _fits(op, value)
    return next((letter for letter in "a1 .-\n" if fits(letter)), "é")


_REPEATS = {sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT}
