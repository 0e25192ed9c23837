"""Cuts running text into sentences, in one pass over its characters."""

from __future__ import annotations

from grader.reading.tokens import han

_STOPS = frozenset("。！？!?")
_CLOSERS = frozenset("」』”’\"')）")
_SHORT = frozenset(("e.g", "i.e", "al", "vs", "fig", "eq", "cf", "resp", "no", "dr", "etc"))


def sentence_ends(text: str) -> list[int]:
    """Where sentences of a text end; a full stop inside of a number, an address or a short form ends none.

    >>> text = "It takes 0.9, e.g. here. 這樣。Then"
    >>> [text[a:b] for a, b in zip([0, *sentence_ends(text)], [*sentence_ends(text), len(text)])]
    ['It takes 0.9, e.g. here.', ' 這樣。', 'Then']
    """
    found: list[int] = []
    at = depth = 0
    while at < len(text):
        letter = text[at]
        at += 1
        depth = max(0, depth + (letter in "(（") - (letter in ")）"))
        if letter in _STOPS:
            at = _past(text, at, _STOPS | _CLOSERS)
            found.append(at)
        elif letter == "；" or (letter == ";" and not depth and _parted(text, at)):
            found.append(at)
        elif letter == ".":
            after = _past(text, at, _CLOSERS)
            if _ends(text, at - 1, after):
                found.append(after)
                at = after
    return [end for end in found if end < len(text)]


def _parted(text: str, at: int) -> bool:
    return at == len(text) or text[at].isspace() or han(text[at])


def _past(text: str, at: int, signs: frozenset[str]) -> int:
    while at < len(text) and text[at] in signs:
        at += 1
    return at


def _ends(text: str, stop: int, after: int) -> bool:
    if _before(text, stop) in _SHORT:
        return False
    begin = after
    while begin < len(text) and text[begin].isspace():
        begin += 1
    if begin == len(text) or han(text[begin]):
        return True
    letter = text[begin]
    return begin > after and not letter.isdigit() and not (letter.isascii() and letter.islower())


def _before(text: str, stop: int) -> str:
    """The short word before a full stop, with the stops inside of it."""
    start = stop
    while start > 0 and stop - start < 5 and (text[start - 1].isalpha() or text[start - 1] == "."):
        start -= 1
    return text[start:stop].lower() if start == 0 or not text[start - 1].isalpha() else ""
