"""Reduce what a cell showed to bounded plain facts: its text, the digests of its figures, its error."""

from __future__ import annotations

import ast
import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from grader.kernel.machine import lacking

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grader.model import CellRun, Lack

_PRINTED = 20_000
_MOST_READ = 500_000  # characters of a cell that is no Python
_ERROR = 300
_BEGUN = re.compile(r"^[ \t]*(?:def |class )?[ \t]*([^\W\d]\w*)[ \t]*(?:=(?!=)|\()", re.MULTILINE)
_PNG = b"\x89PNG\r\n\x1a\n"
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, kw_only=True)
class Failure:
    """The error that ended a cell; `line` counts within the cell."""

    name: str
    text: str
    line: int | None
    lacks: Lack | None


def failure(node: Any) -> Failure | None:
    """Read the error that a cell ended with; `sys.exit()` is none: it says "I am done"."""
    output = next((output for output in reversed(node.outputs) if output.get("output_type") == "error"), None)
    if output is None or output.get("ename") == "SystemExit":
        return None
    name, value = clean(str(output.get("ename", "")))[:100], clean(str(output.get("evalue", "")))
    name = {"_ArrayMemoryError": "MemoryError"}.get(name, name)
    text = " ".join(f"{name}: {value}".split())
    return Failure(
        name=name,
        text=text if len(text) <= _ERROR else text[: _ERROR - 1] + "…",
        line=_line(output.get("traceback"), node.get("execution_count")),
        lacks=lacking(name, value),
    )


def printed(node: Any) -> str:
    """Join what a cell printed and the value it ended with, its middle left out when it is long."""
    parts = []
    for output in node.outputs:
        if output.get("output_type") == "stream" and output.get("name") == "stdout":
            parts.append(str(output.get("text", "")))
        elif output.get("output_type") == "execute_result":
            parts.append(str(output.get("data", {}).get("text/plain", "")) + "\n")
    return _bounded(clean(_bounded("".join(parts), 4 * _PRINTED)), _PRINTED)


def images(node: Any) -> tuple[str, ...]:
    """Digest the figures that a cell showed; what only claims to be a PNG is none."""
    found = []
    for output in node.outputs:
        data = output.get("data", {}).get("image/png") if output.get("output_type") != "stream" else None
        if isinstance(data, str):
            try:
                content = base64.b64decode(data)
            except (binascii.Error, ValueError):
                continue
            if content.startswith(_PNG):
                found.append(hashlib.sha256(content).hexdigest())
    return tuple(found)


def with_consequences(runs: Sequence[CellRun], sources: Sequence[str]) -> tuple[CellRun, ...]:
    """Mark errors that only follow from an earlier one: a name that is not bound, a model that was not fitted.

    What follows from the machine's fault is the machine's as well; what follows from the student's is not told twice.
    """
    lost: set[str] = set()
    taken: set[str] = set()
    own: dict[str, int] = {}
    found = []
    for run, source in zip(runs, sources, strict=True):
        nodes = _nodes(source)
        taken |= {name for node in nodes for name in _taken_out(node)}
        told = run
        if run.lacks is None and _follows(run.error or "", nodes, lost | taken):
            told = replace(run, lacks="follows")
        elif run.lacks is None and run.status == "error":
            told = replace(run, follows=own.get(_unbound(run.error or "")))
        if told.lacks is not None:
            lost |= {name for node in nodes for name in (*_names(node), *_changed(node))} - _modules(nodes, run)
        elif run.status == "ok":
            bound = {name for node in _nodes(source, local=False) for name in _names(node)}
            lost -= bound
            own = {name: cell for name, cell in own.items() if name not in bound}
        elif run.status == "error":
            own |= dict.fromkeys(_would_bind(source, nodes), told.follows or run.index)
        found.append(told)
    return tuple(found)


def _would_bind(source: str, nodes: Sequence[ast.AST]) -> set[str]:
    """List the names that a cell would have bound; of one that is no Python, what its lines begin with."""
    if nodes:
        return {name for node in nodes for name in _names(node)}
    return set(
        re.findall(r"^[ \t]*(?:def |class )?[ \t]*([^\W\d]\w*)[ \t]*(?:=(?!=)|\()", source[:_MOST_READ], re.MULTILINE)
    )


def _unbound(error: str) -> str:
    """Return the name that an error says is not defined, or nothing."""
    missing = re.match(r"NameError: name '([^']+)' is not defined", error)
    return missing.group(1) if missing else ""


def _taken_out(node: ast.AST) -> list[str]:
    """List what a cell would have bound in Colab: those imports are taken out before it runs."""
    match node:
        case ast.Import(names=names):
            return ["google" for alias in names if alias.name.startswith("google.colab")]
        case ast.ImportFrom(module=str() as module) if module.startswith("google.colab"):
            return _names(node)
    return []


def _follows(error: str, nodes: Sequence[ast.AST], lost: set[str]) -> bool:
    """Say whether an error can only come, or may well come, from names that hold nothing because of the machine."""
    missing = _unbound(error)
    if missing:
        return bool({missing, "*"} & lost)
    read = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    return re.match(r"(?:Attribute|Key|Index|Type|Value|NotFitted)Error\b", error) is not None and bool(read & lost)


def _nodes(source: str, *, local: bool = True) -> list[ast.AST]:
    """List the parts of a cell, or not what is `local` to its functions."""
    lines = (line if not line.lstrip().startswith(("%", "!")) else "" for line in source.split("\n"))
    try:
        waiting: list[ast.AST] = [ast.parse("\n".join(lines))]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    found = []
    while waiting:
        node = waiting.pop()
        found.append(node)
        if local or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))
    return found


def _names(node: ast.AST) -> list[str]:
    """List what is bound; a star stands for whatever `from module import *` would have bound."""
    if isinstance(node, ast.Name):
        return [node.id] if isinstance(node.ctx, ast.Store) else []
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    return []


def _changed(node: ast.AST) -> list[str]:
    """List what would have been filled or fitted: `model.fit(x)`, `table[0] = x`."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name))):
            return [name]
        case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store()):
            return [name]
    return []


def _modules(nodes: Sequence[ast.AST], run: CellRun) -> set[str]:
    """List usual short names of packages, of which a call changes nothing, but not of one that cannot be imported."""
    usual = {"np", "numpy", "plt", "pd", "math", "random", "ax", "fig", "tf", "torch"}
    imported = {n for node in nodes if isinstance(node, ast.Import | ast.ImportFrom) for n in _names(node)}
    return usual - imported if run.environment else usual


def clean(text: str) -> str:
    """Take colours, control characters and direction marks out of a text."""
    return _CONTROL.sub("", _ANSI.sub("", text).replace("\r\n", "\n"))


def _bounded(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    head = most * 3 // 4
    return f"{text[:head]}\n…\n{text[-(most - head) :]}"


def _line(traceback: Any, count: Any) -> int | None:
    """Find the last line of this very cell in IPython's traceback."""
    if not isinstance(traceback, list) or len(traceback) > 500 or not isinstance(count, int):
        return None
    text = clean("\n".join(part[:20_000] for part in traceback if isinstance(part, str)))
    places = re.findall(rf"(?:Cell|Input) In ?\[{count}\], line:? ?([0-9]{{1,6}})", text)
    return int(places[-1]) if places else None
