"""A notebook cell as Python: IPython's own syntax made harmless, with every line kept at its number."""

from __future__ import annotations

import ast
import re
import warnings
from functools import lru_cache

from grader.notebook.newer import older

MAX_CELL = 500_000  # characters; a syntax tree takes a hundred times its source
INLINE = "module://matplotlib_inline.backend_inline"

_MAGIC_LINE = re.compile(r"\s*(%{1,2}\s?[A-Za-z]|!|\?)|\s*[\w.]+\?{1,2}\s*$")
_MAGIC_VALUE = re.compile(r"(\s*\w[\w., ]*=)\s*[%!]{1,2}\s*\w")
_TIMED = re.compile(r"(\s*)%{1,2}(?:timeit|time|prun|memit|mprun|lprun)\b(?:\s+-\w+(?:\s+\d+)?)*[ \t]*")
_PYTHON_CELL = re.compile(r"%%\s?(time|timeit|capture|prun|memit|python3?|skip|script python3?)\b")


def tree(source: str) -> ast.Module | None:
    """Parse a cell, or None where it is not Python, as IPython or a newer Python would see it."""
    python = _python(source)
    return None if python is None else _parsed(python)


@lru_cache(8192)
def _python(source: str) -> str | None:
    """Find the form in which a cell is Python; kept, since to find out that none is can take half a second."""
    if len(source) > MAX_CELL:
        return None
    candidates = (candidate for text in (source, plain(source)) for candidate in _straight(text))
    python = next(filter(_parses, candidates), None)
    if python is not None:
        return python
    given = plain(source)
    text = older(given)
    return text if text != given and _parses(text) else None


@lru_cache(8192)
def _parses(source: str) -> bool:
    return _parsed(source) is not None


def too_deep(source: str) -> bool:
    """Whether a cell is nested deeper than Python itself can parse, which it finds out slowly and again each time."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(plain(source))
    except (RecursionError, MemoryError):
        return True
    except (SyntaxError, ValueError):
        return False
    return False


def plain(source: str) -> str:
    """Blank out IPython's syntax: magics and shell lines become `pass`, `x = !ls` becomes `x = None`."""
    lines = source.split("\n")
    magic = _cell_magic(lines)
    if magic is not None and not _PYTHON_CELL.match(lines[magic].strip()):
        return "\n".join("" for _ in lines)
    return "\n".join(_plain(line) if fresh else line for line, fresh in zip(lines, _fresh(lines), strict=True))


def runnable(source: str) -> str:
    """Make a cell safe to execute unattended: no GUI backend, no installer, no prompt, no stray indentation.

    What only a newer Python understands is written as this one does.
    """
    lines = source.split("\n")
    magic = _cell_magic(lines)
    if magic is not None and not _PYTHON_CELL.match(lines[magic].strip()):
        return source
    harmless = (_harmless(line) if fresh else line for line, fresh in zip(lines, _fresh(lines), strict=True))
    return _translated(_indented_right("\n".join(harmless)))


def needs_newer(source: str) -> bool:
    """Say whether a cell is Python, but only for a newer one."""
    return _translated(source) != source


def _translated(source: str) -> str:
    if len(source) > MAX_CELL or _parsed(plain(source)) is not None:
        return source
    text = older(source)
    return text if text != source and _parsed(plain(text)) is not None else source


def _parsed(source: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\d" in the student's strings is no concern of ours
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


# -- which lines are statements ------------------------------------------------------------------

_TOKEN = re.compile(r"\"\"\"|'''|[\"'#(\[{)\]}\\]")


def _fresh(lines: list[str]) -> list[bool]:
    """Say of every line whether a statement starts there, outside strings, brackets and continuations."""
    fresh, depth, quote, continued = [], 0, "", False
    for line in lines:
        fresh.append(not depth and not quote and not continued)
        if fresh[-1] and _MAGIC_LINE.match(line):
            continued = False
            continue
        depth, quote = _after(line, depth, quote)
        continued = line.endswith("\\")
        if len(quote) == 1 and not continued:
            quote = ""  # an unterminated string ends with its line
    return fresh


def _after(line: str, depth: int, quote: str) -> tuple[int, str]:
    position = 0
    while token := _TOKEN.search(line, position):
        text, position = token.group(), token.end()
        if text == "\\":
            position += 1
        elif quote:
            if text == quote or (len(quote) == 1 and text[0] == quote):
                position = token.start() + len(quote)
                quote = ""
        elif text == "#":
            break
        elif text[0] in "\"'":
            quote = text
        else:
            depth = max(0, depth + (1 if text in "([{" else -1))
    return depth, quote


def _cell_magic(lines: list[str]) -> int | None:
    """Return where the cell magic stands: the first line that is neither blank nor a comment."""
    for number, line in enumerate(lines):
        if line.strip() and not line.lstrip().startswith("#"):
            return number if line.lstrip().startswith("%%") else None
    return None


# -- a line without IPython's syntax --------------------------------------------------------------


def _plain(line: str) -> str:
    timed = _TIMED.match(line)
    if timed and line[timed.end() :].strip() and not line.lstrip().startswith("%%"):
        return timed.group(1) + line[timed.end() :]
    if _MAGIC_LINE.match(line):
        return _indent(line) + "pass"
    value = _MAGIC_VALUE.match(line)
    return f"{value.group(1)} None" if value else line


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


# -- a line that is safe to run -------------------------------------------------------------------

_GUI = r"(?:tk|qt\d?|gtk\d?|wx|osx|macosx|nbagg|webagg|notebook|widget|ipympl|auto|agg)"
_BACKEND = (
    r"(?:tkagg|tkcairo|qt\d?agg|qt\d?cairo|gtk\d?agg|gtk\d?cairo|wxagg|wx|macosx|nbagg|webagg|agg|module://[\w.]+)"
)
_SUBSTITUTIONS = (
    (re.compile(rf"^(\s*%(?:matplotlib|pylab))\s+(?:{_GUI})\b.*", re.IGNORECASE), r"\1 inline"),
    (re.compile(rf"(run_line_magic\(\s*['\"]matplotlib['\"]\s*,\s*['\"]){_GUI}(['\"])", re.IGNORECASE), r"\1inline\2"),
    (re.compile(rf"(\.magic\(\s*u?['\"]%?matplotlib )\s*{_GUI}(['\"])", re.IGNORECASE), r"\1inline\2"),
    (
        re.compile(
            rf"\b((?:matplotlib|mpl)\.use|(?:plt|pyplot)\.switch_backend)\(\s*['\"]{_BACKEND}['\"]", re.IGNORECASE
        ),
        rf"\1('{INLINE}'",
    ),
    (
        re.compile(
            r"^(\s*)[!%]\s*(?:\w+\s+-m\s+)?(?:pip3?|conda|mamba|apt(?:-get)?|wget|curl|git|npm|gdown|kaggle)\b.*"
        ),
        r"\1pass",
    ),
    (re.compile(r"^(\s*)%(?:debug|pdb|tensorboard)\b.*"), r"\1pass"),
    (re.compile(r"^(\s*%reset)\s*$"), r"\1 -f"),
    (re.compile(r"^(\s*)%%(?:time|timeit|capture|prun|memit)\b.*"), r"\1pass"),
    (re.compile(r"^(\s*)%timeit\b(?:\s+-\w+(?:\s+\d+)?)*"), r"\1%time"),
    (
        # one that stands inside something is a guard, which must see that this is not Colab
        re.compile(r"^()(?:from\s+google\.colab\b.*|import\s+google\.colab\b.*|drive\.mount\([^()]*\)\s*)$"),
        r"\1pass",
    ),
    (re.compile(r"^(\s*)input\((?:[^()]*)\)\s*(?:#.*)?$"), r"\1pass"),
    (re.compile(r"\btqdm\.notebook\b|\btqdm_notebook\b"), "tqdm"),  # a bar in text needs no widgets
    (re.compile(r"\btnrange\b"), "trange"),
)


def _harmless(line: str) -> str:
    for pattern, replacement in _SUBSTITUTIONS:
        line = pattern.sub(replacement, line)
    return line


# -- indentation -----------------------------------------------------------------------------------


def _indented_right(source: str) -> str:
    """Remove indentation that the whole cell shares, but only where that turns it into Python."""
    if len(source) > MAX_CELL or _parses(plain(source)):
        return source
    straight = _straight(source)[1:]
    return next((text for text in straight if _parses(plain(text))), source)


def _straight(source: str) -> tuple[str, ...]:
    """Return the cell as it stands, without the first statement's indentation, and without the common one."""
    lines = source.split("\n")
    code = [line for line in lines if line.strip() and not line.lstrip().startswith(("#", "%", "!"))]
    indents = [len(_indent(line)) for line in code]
    if not indents or not indents[0]:
        return (source,)
    return source, _without(lines, indents[0]), _without(lines, min(indents))


def _without(lines: list[str], width: int) -> str:
    return "\n".join(line[min(width, len(_indent(line))) :] for line in lines)
