"""Syntax that only a newer Python understands, written as an older one runs it.

What Python 3.12 allows inside f-strings (the same quotes, a backslash, several lines) becomes `str.format`, which reads
the same formats; `type` statements become assignments. Every line keeps its number.
"""

from __future__ import annotations

import re
from typing import NamedTuple

MOST = 100_000  # characters of a cell that is looked at
DEEPEST = 4  # f-strings inside each other

_QUOTES = ('"""', "'''", '"', "'")
_PREFIX = re.compile(r"(?<!\w)(?:[fF]([rR]?)|([rR])[fF])(?=[\"'])")
_TYPE = re.compile(r"^([ \t]*)type[ \t]+([^\W\d]\w*)[ \t]*(?:\[[^\]\n]*\])?[ \t]*=(?!=)", re.MULTILINE)
_NAMED = re.compile(r"\\N\{[^}\n]*\}")


class _Field(NamedTuple):
    """A replacement field: its expression, what stands after that, and where it ends in the source."""

    expression: str
    format: str
    end: int


def older(source: str) -> str:
    """Write a source for an older Python; what cannot be followed stays as it is."""
    if len(source) > MOST:
        return source
    try:
        return _TYPE.sub(r"\1\2 =", _code(source, 0))
    except (IndexError, RecursionError):  # a string or a field that does not end
        return source


def _code(source: str, depth: int) -> str:
    """Write code with `str.format` for every f-string; other strings and comments stay."""
    written: list[str] = []
    at = 0
    while at < len(source):
        prefix = _PREFIX.match(source, at)
        if prefix is not None and depth < DEEPEST:
            text, at = _formatted(source, prefix.end(), (prefix[1] or prefix[2] or ""), depth)
        else:
            end = _after(source, at)
            text, at = source[at:end], end
        written.append(text)
    return "".join(written)


def _after(source: str, at: int) -> int:
    """Return where a plain string, a comment or a single character ends that begins here."""
    if source[at] == "#":
        end = source.find("\n", at)
        return len(source) if end < 0 else end
    quote = next((each for each in _QUOTES if source.startswith(each, at)), None)
    if quote is None:
        return at + 1
    at += len(quote)
    while not source.startswith(quote, at):
        at += 2 if source[at] == "\\" else 1
    return at + len(quote)


def _formatted(source: str, at: int, raw: str, depth: int) -> tuple[str, int]:
    """Write one f-string as a template and its arguments; return that, and where the string ends."""
    quote = next(each for each in _QUOTES if source.startswith(each, at))
    values: list[str] = []
    template, at = _template(source, at + len(quote), quote, raw, values)
    arguments = "".join(f"({_code(value, depth + 1)}), " for value in values)
    return f"{raw}{quote}{template}{quote}.format({arguments})", at + len(quote)


def _template(source: str, at: int, end: str, raw: str, values: list[str]) -> tuple[str, int]:
    """Copy the text of an f-string, or of a format inside it, up to its `end`; fields become numbers of `values`."""
    written: list[str] = []
    while not source.startswith(end, at):
        named = None if raw else _NAMED.match(source, at)
        if named is not None:
            text = named[0]
        elif source[at] == "\\" or (end != "}" and source.startswith(("{{", "}}"), at)):
            text = source[at : at + 2]
        elif source[at] == "{":
            field = _field(source, at + 1, raw, values)
            written.append(f"{_shown(field)}{{{len(values)}{field.format}}}")
            values.append(field.expression.rstrip(" \t").removesuffix("="))
            at = field.end
            continue
        elif source[at] == "\n" and len(end) == 1:
            raise IndexError("a string that does not end")
        else:
            text = source[at]
        written.append(text)
        at += len(text)
    return "".join(written), at


def _shown(field: _Field) -> str:
    """Return what `{x=}` shows before the value, with the braces that a template needs."""
    name = field.expression if _shows_itself(field.expression) else ""
    return name.replace("{", "{{").replace("}", "}}").replace("\\", "\\\\").replace("'", "\\'").replace('"', '\\"')


def _shows_itself(expression: str) -> bool:
    return expression.rstrip(" \t").endswith("=")


def _field(source: str, at: int, raw: str, values: list[str]) -> _Field:
    """Read a replacement field: an expression up to a sign that is not inside something, a conversion, a format."""
    begin, depth = at, 0
    while depth or not (source[at] in "}:" or (source[at] == "!" and source[at + 1] != "=")):
        if source[at] in "\"'#":
            at = _after(source, at)
            continue
        depth += (source[at] in "([{") - (source[at] in ")]}")
        at += 1
    expression, conversion, shape = source[begin:at], "", ""
    if source[at] == "!":
        conversion, at = source[at : at + 2], at + 2
    if source[at] == ":":
        inner, at = _template(source, at + 1, "}", raw, values)
        shape = f":{inner}"
    if _shows_itself(expression) and not conversion and not shape:
        conversion = "!r"
    return _Field(expression, conversion + shape, at + 1)
