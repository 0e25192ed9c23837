"""Syntax that only a newer Python understands, written down as an older one can parse it.

What Python 3.12 allows inside f-strings (the same quotes, a backslash, several lines), `type` statements and type
parameters are rewritten, line by line at their places; what then parses needs that Python, and is no student's mistake.
"""

from __future__ import annotations

import ast
import re
import warnings

MOST = 100_000  # characters of a cell that is looked at
DEEPEST = 4  # f-strings inside each other

_QUOTES = ('"""', "'''", '"', "'")
_PREFIX = re.compile(r"(?<![\w])([fF][rR]?|[rR][fF]|[tT])(?=[\"'])")
_TYPE = re.compile(r"^([ \t]*)type[ \t]+([^\W\d]\w*)[ \t]*(?:\[[^\]\n]*\])?[ \t]*=", re.MULTILINE)
_PARAMETERS = re.compile(r"^([ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+[^\W\d]\w*)\[[^\]\n]*\]", re.MULTILINE)


def needs_newer(source: str) -> str | None:
    """Return the source as an older Python can parse it where that makes the difference, else None."""
    if len(source) > MOST or _parses(source):
        return None
    try:
        older = _PARAMETERS.sub(r"\1", _TYPE.sub(r"\1\2 =", _plain_strings(source, 0)))
    except (IndexError, RecursionError):
        return None
    return older if older != source and _parses(older) else None


def _parses(source: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _plain_strings(source: str, depth: int) -> str:
    """Replace every f-string by a tuple of what stands in its braces; other strings and comments stay."""
    written: list[str] = []
    at = 0
    while at < len(source):
        prefix = _PREFIX.match(source, at)
        if prefix is not None and depth < DEEPEST:
            parts, end = _formatted(source, prefix.end())
            inner = "".join(f"({_plain_strings(part, depth + 1)})," for part in parts)
            lines = "\n" * (source.count("\n", at, end) - inner.count("\n"))
            written.append(f"str(({inner}{lines}))")
            at = end
        else:
            end = _after(source, at)
            written.append(source[at:end])
            at = end
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


def _formatted(source: str, at: int) -> tuple[list[str], int]:
    """Return what stands in the braces of an f-string, and where the string ends."""
    quote = next(each for each in _QUOTES if source.startswith(each, at))
    at += len(quote)
    parts: list[str] = []
    while not source.startswith(quote, at):
        if source[at] == "\\" or source.startswith(("{{", "}}"), at):
            at += 2
        elif source[at] == "{":
            end, close = _field(source, at + 1)
            parts.append(source[at + 1 : end].rstrip(" \t").removesuffix("="))  # without the sign of `{x=}`
            at = close
        elif source[at] == "\n" and len(quote) == 1:
            raise IndexError("a string that does not end")
        else:
            at += 1
    return parts, at + len(quote)


def _field(source: str, at: int) -> tuple[int, int]:
    """Return where the expression of a replacement field ends, and where the field does."""
    depth, end = 0, -1
    while depth or source[at] != "}":
        letter = source[at]
        if end < 0 and not depth and (letter == ":" or (letter == "!" and source[at + 1] != "=")):
            end = at
        if end < 0 and letter in "\"'#":
            at = _after(source, at)
            continue
        depth += (letter in "([{") - (letter in ")]}")
        at += 1
    return (at if end < 0 else end), at + 1
