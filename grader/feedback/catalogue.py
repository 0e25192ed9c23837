"""The sentences of the grader: message ids with parameters become English or 繁體中文.

They lie in `messages/*.toml`, one table per id with the keys `en` and `zh-TW`. A placeholder is `{name}`, and backticks
mark code. A parameter is a number, which is formatted here, or text, which is cleaned here because it may come from a
student; where the catalogue has the id `word.<name>.<text>`, that word is shown instead (`rule="adagrad"` → Adagrad).
`{runs:run|runs}` is the first word where `runs` is shown as 1, else the second.
"""

from __future__ import annotations

import math
import re
import tomllib
import unicodedata
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from grader.model import GraderError, Language, Message, Scalar, message

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PLACEHOLDER = re.compile(r"\{([a-z_][a-z0-9_]*)(?::([^{}|]*)\|([^{}|]*))?\}")
DIGITS = 6
"""Significant digits of a number, where it need not be told from another."""
LONGEST = 240
"""Characters of a student's text that are shown in one place."""


@cache
def catalogue() -> dict[str, dict[str, str]]:
    """All sentences by id, then by language; an id in two files raises `GraderError`."""
    merged: dict[str, dict[str, str]] = {}
    for name, table in sources().items():
        for key, sentences in table.items():
            if key in merged:
                raise GraderError(f"the message {key!r} is defined twice", where=name)
            merged[key] = sentences
    return merged


def sources() -> dict[str, dict[str, dict[str, str]]]:
    """The tables of `messages/*.toml` by file name."""
    folder = files("grader.feedback") / "messages"
    paths = sorted((path for path in folder.iterdir() if path.name.endswith(".toml")), key=lambda path: path.name)
    return {path.name: tomllib.loads(path.read_text(encoding="utf-8")) for path in paths}


def text(message: Message, language: Language) -> str:
    """A message as plain text; an unknown id shows itself and its parameters."""
    sentence = template(message.id, language)
    if sentence is None:
        return _unknown(message)
    return filled(sentence, values(message.parameters, language))


def values(parameters: Mapping[str, Scalar], language: Language) -> dict[str, str]:
    """The parameters as a reader sees them; numbers that differ look different."""
    amounts = {name: given for name, given in parameters.items() if isinstance(given, int | float)}
    words = {name: word(name, given, language) for name, given in parameters.items() if isinstance(given, str)}
    return words | dict(zip(amounts, numbers(tuple(amounts.values())), strict=True))


def filled(sentence: str, given: Mapping[str, str]) -> str:
    """The sentence with its parameters; a missing one keeps its placeholder.

    >>> filled("{runs} {runs:run|runs} of {all}", {"runs": "1"})
    '1 run of {all}'
    """

    def shown(place: re.Match[str]) -> str:
        name, one, many = place.groups()
        if name not in given:
            return place[0]
        return given[name] if many is None else one if given[name] == "1" else many

    return PLACEHOLDER.sub(shown, sentence)


def template(id: str, language: Language) -> str | None:
    """The sentence of an id with its placeholders, in English where the language lacks it."""
    sentences = catalogue().get(id, {})
    return sentences.get(language, sentences.get("en"))


def word(kind: str, given: str, language: Language) -> str:
    """The reader's word for one of the grader's own (`effect`, `diverging`), or the given text, cleaned."""
    known = template(f"word.{kind}.{given}", language)
    return safe(given) if known is None else known


def _unknown(message: Message) -> str:
    parameters = ", ".join(f"{safe(name)}={_scalar(given)}" for name, given in message.parameters.items())
    return f"{safe(message.id)} ({parameters})" if parameters else safe(message.id)


def _scalar(given: Scalar) -> str:
    return safe(given) if isinstance(given, str) else number(given)


def number(value: float, *, digits: int = DIGITS) -> str:
    """A number for people: six significant digits, whole numbers whole, five digits and more grouped.

    >>> [number(x) for x in (1e-7, 2.0, 10189.9012, 100000, -188.4366838, 36708190.7, float("-inf"))]
    ['1e-7', '2', '10,189.9', '100,000', '-188.437', '36,708,191', '-inf']
    """
    if not _finite(value):
        return str(float(value)) if isinstance(value, float) else "inf"
    if value == int(value) and abs(value) < 1e15:
        return _grouped(str(int(value)))
    if digits == DIGITS and 1e6 <= abs(value) < 1e9:  # a whole number is easier to compare than an exponent
        return _grouped(str(round(value)))
    mantissa, _, exponent = f"{float(value):.{digits}g}".partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else _grouped(mantissa)


def numbers(values: Sequence[float]) -> tuple[str, ...]:
    """Numbers that stand side by side: two that differ are shown with as many digits as it takes to see it.

    >>> numbers((-120.0, -119.99996886, 1e-7))
    ('-120', '-119.99997', '1e-7')
    """
    shown = [number(value) for value in values]
    for digits in range(DIGITS + 1, 18):
        alike = {text for text in shown if len({v for v, t in zip(values, shown, strict=True) if t == text}) > 1}
        if not alike:
            break
        shown = [number(v, digits=digits) if t in alike else t for v, t in zip(values, shown, strict=True)]
    return tuple(shown)


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond every float
        return False


def _grouped(digits: str) -> str:
    whole, point, rest = digits.partition(".")
    return f"{int(whole):,}{point}{rest}" if abs(int(whole)) >= 10_000 else digits


def safe(text: str, longest: int = LONGEST) -> str:
    """Text of unknown origin on one bounded line, without control, direction and invisible characters."""
    head = text[: 4 * longest]  # bounded before the work, again after it
    line = " ".join("".join(_visible(character) for character in head).split())
    whole = len(line) <= longest and len(head) == len(text)
    return line if whole else line[: longest - 1].rstrip() + "…"


def columns(text: str) -> int:
    """How many columns a text takes where letters are of one width: two for a wide one, none for a combining one.

    >>> columns("王小明"), columns("abc")
    (6, 3)
    """
    return sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, most: int) -> str:
    """The text, cut with an ellipsis where it takes more columns than that.

    >>> cut("王小明", 5), cut("abc", 5)
    ('王小…', 'abc')
    """
    if columns(text) <= most:
        return text
    kept, room = "", most - 1
    for character in text:
        room -= _columns(character)
        if room < 0:
            break
        kept += character
    return kept + "…"


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if category in ("Zl", "Zp", "Zs") or character in "\t\n\r\v\f":
        return " "
    return "" if category in ("Cc", "Cf", "Cs", "Co") else character


def label(id: str, language: Language, **parameters: Scalar) -> str:
    """A sentence of the pages themselves, by its id."""
    return text(message(id, **parameters), language)
