"""Finds words that are meant by their distance: one slip, or two in a long word."""

from __future__ import annotations

from functools import lru_cache

LEAST = 6  # letters; shorter words are near to too many others
LONG = 9  # letters, from which two slips are one word still


@lru_cache(maxsize=20_000)
def meant(word: str, known: frozenset[str]) -> str:
    """The known word that a misspelt one is nearest to; the word itself where none is near.

    >>> meant("mementum", frozenset({"momentum"})), meant("moments", frozenset({"momentum"}))
    ('momentum', 'moments')
    """
    if len(word) < LEAST or word in known or not word.isascii():
        return word
    slips = 2 if len(word) >= LONG else 1
    near = [name for name in known if name[0] == word[0] and name not in word and within(word, name, slips)]
    return min(near, key=lambda name: (abs(len(name) - len(word)), name), default=word)


def within(word: str, name: str, slips: int) -> bool:
    """Whether two words differ by at most so many letters added, left out, changed or swapped."""
    if abs(len(word) - len(name)) > slips:
        return False
    before: list[int] = []
    row = list(range(len(name) + 1))
    for i, letter in enumerate(word, start=1):
        now = [i]
        for j, other in enumerate(name, start=1):
            cost = min(row[j] + 1, now[j - 1] + 1, row[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == name[j - 2] and word[i - 2] == other:
                cost = min(cost, before[j - 2] + 1)
            now.append(cost)
        before, row = row, now
    return row[-1] <= slips
