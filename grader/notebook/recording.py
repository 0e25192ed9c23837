"""Loops that keep no history: rewrite them so that a second run of the notebook says what they went through.

Only what a loop carries from one turn to the next can be a parameter: a name that is read before it is written and
written before the turn ends. Counters, sums of squares and what is named like a gradient are left out. A record is
taken before the outermost such loop and at the end of each of its turns; the student's own statements stay as they are.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from msgspec.structs import replace

from grader.model import Notebook
from grader.notebook.source import tree

MOST_NAMES = 12  # of one loop
_LOOPS = (ast.For, ast.While)
_RECORD = "_grader_record"
_CAPTURE = "_grader_kept"  # a builtin of the kernel, which no reset of the namespace removes
_NO_PARAMETER = re.compile(
    r"(?:s|v|g|vt|gt|st|cache|velocity|grads?|gradients?|total\w*|\w*loss\w*|\w*cost\w*|\w*error\w*)"
)


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
        carried = _carried(statement) if isinstance(statement, _LOOPS) else ()
        if isinstance(statement, _LOOPS) and carried:
            written += _with_record(statement, place, carried)
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


# -- what a loop carries from turn to turn -----------------------------------------------------------


def _carried(loop: ast.For | ast.While) -> tuple[str, ...]:
    """List the names that a turn reads before it writes them, and writes, other than counters."""
    first: dict[str, str] = {}
    written: dict[str, bool] = {}
    target = [] if isinstance(loop, ast.While) else [*_events(loop.target)]
    for name, how in (*target, *(event for statement in loop.body for event in _events(statement))):
        first.setdefault(name, how)
        if how != "read":
            written[name] = written.get(name, False) or how == "write"
    found = [
        name
        for name, really in written.items()
        if really and first[name] != "write" and not _NO_PARAMETER.fullmatch(name.split(".")[-1].lower())
    ]
    return tuple(found[:MOST_NAMES])


def _events(node: ast.AST) -> Iterator[tuple[str, str]]:
    """List what is read, written and counted, in the order in which Python does it."""
    if isinstance(node, ast.Assign | ast.AugAssign | ast.For):
        yield from _statement(node)
    elif _is_stored(node):
        yield from _stored(node)
    elif isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
        yield from _comprehension(node)
    elif isinstance(node, ast.Name):
        yield node.id, "read"
    elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
        yield from ((name, "read") for name in _path(node))
        for child in ast.iter_child_nodes(node):
            yield from _events(child)


def _comprehension(node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> Iterator[tuple[str, str]]:
    """Leave out the names that a comprehension has for itself."""
    own = {n.id for part in node.generators for n in ast.walk(part.target) if isinstance(n, ast.Name)}
    inside = (event for child in ast.iter_child_nodes(node) for event in _events(child))
    yield from ((name, how) for name, how in inside if name.partition(".")[0] not in own)


def _statement(node: ast.Assign | ast.AugAssign | ast.For) -> Iterator[tuple[str, str]]:
    match node:
        case ast.Assign(targets=targets, value=value):
            yield from _events(value)
            for target in targets:
                yield from _stored(target, counts=_counts(target, value))
        case ast.AugAssign(target=target, op=operator, value=value):
            yield from ((name, "read") for name in _path(target))
            yield from _events(value)
            counts = isinstance(value, ast.Constant) or (isinstance(operator, ast.Add) and _squares(value))
            yield from _stored(target, counts=counts)
        case ast.For(target=target, iter=iterated, body=body):
            yield from _events(iterated)
            yield from _stored(target)
            for statement in body:
                yield from _events(statement)


def _is_stored(node: ast.AST) -> bool:
    return isinstance(getattr(node, "ctx", None), ast.Store)


def _stored(target: ast.AST, *, counts: bool = False) -> Iterator[tuple[str, str]]:
    """List the names that an assignment writes; an item that is written needs the rest to be there."""
    match target:
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            for part in parts:
                yield from _stored(part)
        case ast.Starred(value=value):
            yield from _stored(value)
        case ast.Subscript(value=value, slice=index):
            yield from _events(index)
            yield from ((name, how) for name in _path(value) for how in ("read", "write"))
        case _:
            yield from ((name, "count" if counts else "write") for name in _path(target))


def _counts(target: ast.expr, value: ast.expr) -> bool:
    """Say whether an assignment is `i = i + 1`, or sums squares as `s = s + g**2` does."""
    match target, value:
        case ast.Name(id=name), ast.BinOp(left=ast.Name(id=other), op=ast.Add(), right=ast.Constant()):
            return name == other
        case _, ast.BinOp(op=ast.Add(), right=added):
            return _squares(added)
    return False


def _squares(value: ast.expr) -> bool:
    """Say whether something is squared: what adds that up is a memory or a loss, and no parameter."""
    return any(_is_square(node) for node in ast.walk(value))


def _is_square(node: ast.AST) -> bool:
    match node:
        case ast.BinOp(op=ast.Pow(), right=ast.Constant(value=2)):
            return True
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return ast.dump(left) == ast.dump(right)
        case ast.Call(func=ast.Attribute(attr="square")):
            return True
    return False


def _path(node: ast.AST) -> tuple[str, ...]:
    """Name what is read or written: `w`, `self.w`; nothing for what has no such name."""
    match node:
        case ast.Name(id=name):
            return (name,)
        case ast.Attribute(value=ast.Name(id=owner), attr=name):
            return (f"{owner}.{name}",)
    return ()
