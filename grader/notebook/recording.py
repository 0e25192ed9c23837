"""Loops that keep no history: rewrite them so that a second run of the notebook says what they went through.

What is recorded is what a loop carries from one turn to the next (`grader/notebook/loops.py`). A record is taken before
the outermost such loop and at the end of each of its turns; the student's own statements stay as they are.
"""

from __future__ import annotations

import ast

from msgspec.structs import replace

from grader.model import Notebook
from grader.notebook.loops import LOOPS, carried
from grader.notebook.source import tree

_RECORD = "_grader_record"
_CAPTURE = "_grader_kept"  # a builtin of the kernel, which no reset of the namespace removes


def recording(notebook: Notebook) -> Notebook | None:
    """Return the notebook with a record in every update loop, None where it has no such loop."""
    cells = tuple(
        replace(cell, source=_recorded(cell.source) or cell.source) if cell.kind == "code" else cell
        for cell in notebook.cells
    )
    return None if cells == notebook.cells else replace(notebook, cells=cells)


def _recorded(source: str) -> str | None:
    """Write the records into one cell, None where it has no update loop."""
    module = tree(source)
    if module is None:
        return None
    body, found = _block(module.body, "")
    return ast.unparse(ast.Module(body=body, type_ignores=[])) if found else None


def _block(body: list[ast.stmt], place: str) -> tuple[list[ast.stmt], bool]:
    """Go through a block of statements; `place` is the function that they belong to."""
    written: list[ast.stmt] = []
    found = False
    for statement in body:
        names = carried(statement) if isinstance(statement, LOOPS) else ()
        if isinstance(statement, LOOPS) and names:
            written += _with_record(statement, place, names)
            found = True
        else:
            found |= _inside(statement, place)
            written.append(statement)
    return written, found


def _inside(statement: ast.stmt, place: str) -> bool:
    """Go through the blocks of a statement that is no update loop itself."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        place = statement.name
    found = False
    for name in ("body", "orelse", "finalbody"):
        block = getattr(statement, name, None)
        if isinstance(block, list) and block:
            written, inside = _block(block, place)
            setattr(statement, name, written)
            found |= inside
    return found


def _with_record(loop: ast.For | ast.While, place: str, names: tuple[str, ...]) -> list[ast.stmt]:
    begin = f"{_RECORD} = {_CAPTURE}.recorder({place!r}, {names!r})(locals())"
    loop.body = [*loop.body, *ast.parse(f"{_RECORD}(locals())").body]
    return [*ast.parse(begin).body, loop]
