"""Training loops as written: what they carry from turn to turn, and in which containers they keep it.

Only what a loop carries can be a parameter: a name that is read before it is written and written before the turn ends.
Counters, sums of squares and what is named like a gradient are left out. What the loop appends or writes of it is
followed into the containers, whatever their names: `bs.append(b)`, `path[i] = [b, w]`, `log["w"] += [w.copy()]`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping

from grader.model import Kept, Loop, Notebook
from grader.notebook import roles
from grader.notebook.constants import Callable, called, defined, modules
from grader.notebook.training import accumulates

MOST_NAMES = 12  # of one loop
MOST_LOOPS = 200  # of one notebook
LOOPS = (ast.For, ast.While)
_NO_PARAMETER = re.compile(
    r"(?:s|v|g|vt|gt|st|cache|velocity|grads?|gradients?|total\w*|\w*loss\w*|\w*cost\w*|\w*error\w*)"
)
_SAME = {  # calls that hand on the numbers that they are given
    *(
        "copy",
        "deepcopy",
        "float",
        "float32",
        "float64",
        "array",
        "asarray",
        "list",
        "tuple",
        "item",
        "flatten",
        "ravel",
    ),
    *("tolist", "squeeze", "reshape", "astype", "detach", "clone", "numpy", "cpu", "round", "around", "concatenate"),
    *("hstack", "stack", "to_numpy", "transpose", "atleast_1d", "vstack"),
}
_GROWS = {"append", "hstack", "vstack", "concatenate", "column_stack"}


def loops(notebook: Notebook) -> tuple[Loop, ...]:
    """List the training loops, in the order of the cells."""
    found: list[Loop] = []
    for cell, module, functions in defined(modules(notebook)):
        found += _of(module.body, "", cell, functions)
    return tuple(found[:MOST_LOOPS])


def _of(body: Iterable[ast.stmt], place: str, cell: int, functions: Mapping[str, Callable]) -> Iterator[Loop]:
    """Go through statements down to the outermost loops that keep something, or else that carry something."""
    for node in body:
        found = _loop(node, place, cell, functions) if isinstance(node, LOOPS) else None
        if found is not None and found.kept:
            yield found
            continue
        inner = node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else place
        blocks = [getattr(node, name, None) or () for name in ("body", "orelse", "finalbody")]
        below = [each for block in blocks for each in _of(block, inner, cell, functions)]
        yield from below or ([found] if found is not None else [])


def _loop(node: ast.For | ast.While, place: str, cell: int, functions: Mapping[str, Callable]) -> Loop | None:
    """Describe one loop, unless nothing in it is like a descent."""
    reads = {name for statement in node.body for name in _spoken(statement, functions, set(), 3)}
    if not any(map(_of_descent, reads)):
        return None
    carries = carried(node)
    statements = [each for each in ast.walk(node) if isinstance(each, ast.stmt)]
    names = {*carries, *_renamed(statements, set(carries))}
    memories = {name for each in statements if (name := _memory(each)) is not None}
    kept = [each for statement in statements for each in _kept(statement, names)]
    surest = [each for each in (_without(each, memories) for each in kept) if any(each.columns)]
    if _enough(surest):
        kept = surest
    parameters = tuple(name for name in carries if name not in memories)
    if not kept and not parameters:
        return None
    return Loop(
        cell=cell,
        place=place,
        line=node.lineno,
        kept=tuple(kept[:MOST_NAMES]),
        carried=parameters or carries,
        reads=tuple(sorted(reads)),
    )


def _renamed(statements: Iterable[ast.stmt], names: set[str]) -> set[str]:
    """List what becomes a carried name at the end of a turn: `new_w` of `w = new_w`."""
    found = set()
    for node in statements:
        match node:
            case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)):
                pairs = list(zip(targets, values, strict=False))
            case ast.Assign(targets=[target], value=value):
                pairs = [(target, value)]
            case _:
                continue
        found |= {_name(value) for target, value in pairs if _name(target) in names and _name(value)}
    return found


def _memory(node: ast.stmt) -> str | None:
    """Name a velocity or a sum of squares that a statement adds to; weights that decay are neither."""
    name, kind = accumulates(node)
    weight = name is not None and name not in ("m", "k") and roles.parameter(name) is not None
    return name if kind and not weight else None


def _without(kept: Kept, memories: set[str]) -> Kept:
    columns = tuple(name if name and name.partition("[")[0] not in memories else None for name in kept.columns)
    return Kept(path=kept.path, columns=columns)


def _enough(kept: Iterable[Kept]) -> bool:
    """Whether what is kept can be a run: two numbers, or something that may hold several."""
    columns = {name for each in kept for name in each.columns if name}
    return len(columns) >= 2 or any(len(each.columns) == 1 for each in kept)


# -- whether a loop trains -----------------------------------------------------------------------------


def _spoken(node: ast.AST, functions: Mapping[str, Callable], seen: set[str], depth: int) -> Iterator[str]:
    """List the names that a statement uses, and those of the notebook's functions that it calls."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name | ast.Attribute):
            yield inner.id if isinstance(inner, ast.Name) else inner.attr
        elif isinstance(inner, ast.Call):
            name = called(inner.func)
            function = functions.get(name)
            if function is not None and name not in seen and depth:
                seen.add(name)
                for statement in function.body:
                    yield from _spoken(statement, functions, seen, depth - 1)


def _of_descent(name: str) -> bool:
    """Whether a name is of a gradient, a learning rate or the errors of a model."""
    parts = roles.words(name)
    gradient = any(
        part.startswith(("grad", "deriv", "delta", "resid", "err", "diff", "pred", "step"))
        or part in ("g", "dw", "db", "gw", "gb", "dtheta", "e", "r", "loss", "cost", "mse", "hat")
        for part in parts
    )
    return gradient or "alpha" in roles.words(name) or roles.setting(name, rule="momentum") == "lr"


# -- what a loop keeps ---------------------------------------------------------------------------------


def _kept(node: ast.stmt, names: set[str]) -> Iterator[Kept]:
    """Say what a statement keeps of the carried names, and where."""
    match node:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=thing, attr="append"), args=[value])):
            yield from _put(_path(thing), value, names | {_path(thing)})
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=thing, attr="extend"), args=[ast.List(elts=[value])])):
            yield from _put(_path(thing), value, names)
        case ast.AugAssign(target=thing, op=ast.Add(), value=ast.List(elts=[value])):
            yield from _put(_path(thing), value, names)
        case ast.Assign(targets=[thing], value=ast.List(elts=[ast.Starred(value=old), value])) if _path(old) == _path(
            thing
        ):
            yield from _put(_path(thing), value, names)
        case ast.Assign(targets=[thing], value=ast.Call(func=func, args=args)) if called(func) in _GROWS and args:
            parts = args[0].elts if isinstance(args[0], ast.List | ast.Tuple) else args[:2]
            if len(parts) == 2 and _path(parts[0]) == _path(thing):
                yield from _put(_path(thing), parts[1], names)
        case ast.Assign(targets=[ast.Subscript(value=thing, slice=index)], value=value) if not _is_row(index):
            yield from _written(_path(thing), index, value, names)


def _is_row(index: ast.expr) -> bool:
    """Whether a subscript is a fixed place: `w[0] = ...` writes a part of a parameter, no history."""
    return isinstance(index, ast.Constant) or (
        isinstance(index, ast.UnaryOp) and isinstance(index.operand, ast.Constant)
    )


def _written(path: str, index: ast.expr, value: ast.expr, names: set[str]) -> Iterator[Kept]:
    """What `h[i] = b`, `h[i, 0] = b` and `h[0, i] = b` keep."""
    if isinstance(index, ast.Tuple) and len(index.elts) == 2:
        fixed = [each.value for each in index.elts if isinstance(each, ast.Constant) and isinstance(each.value, int)]
        found = _column(value, names | {path})
        if len(fixed) == 1 and found is not None and path:
            across = isinstance(index.elts[0], ast.Constant)
            yield Kept(path=f"{path}[{fixed[0]}]" if across else f"{path}[:, {fixed[0]}]", columns=(found,))
            return
    yield from _put(path, value, names | {path})


def _put(path: str, value: ast.expr, names: set[str]) -> Iterator[Kept]:
    """What putting a value into a container keeps; a dict of numbers is a row of a table."""
    if not path:
        return
    if isinstance(value, ast.Dict):
        for key, inner in zip(value.keys, value.values, strict=True):
            column = _column(inner, names)
            if isinstance(key, ast.Constant) and column is not None:
                yield Kept(path=f"{path}[:][{key.value!r}]", columns=(column,))
        return
    columns = _columns(value, names)
    if any(columns):
        yield Kept(path=path, columns=columns)


def _columns(value: ast.expr, names: set[str]) -> tuple[str | None, ...]:
    """The carried name in each place of what is kept; one place where it is not a list."""
    inner = _bare(value)
    if isinstance(inner, ast.Tuple | ast.List):
        if len(inner.elts) == 1:
            return _columns(inner.elts[0], names)
        return tuple(_column(each, names) for each in inner.elts)
    return (_column(inner, names),)


def _column(value: ast.expr, names: set[str]) -> str | None:
    """The carried name, or a part of one, that a value is; None where it is something else."""
    inner = _bare(value)
    if isinstance(inner, ast.Name | ast.Attribute):
        return _name(inner) if _name(inner) in names else None
    if isinstance(inner, ast.Subscript) and isinstance(inner.slice, ast.Constant | ast.Tuple):
        return ast.unparse(inner) if _name(inner.value) in names else None
    if isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Sub | ast.Add):  # `h.append(h[-1] - lr * g)`
        return next(
            (name for name in sorted(names) if any(_is_last(each, name) for each in ast.walk(inner.left))), None
        )
    return None


def _is_last(node: ast.AST, name: str) -> bool:
    """Whether a node is an item of a container: what a history is continued from."""
    return isinstance(node, ast.Subscript) and _path(node.value) == name


def _bare(value: ast.expr) -> ast.expr:
    """Take off the calls that hand on the numbers that they are given."""
    while True:
        match value:
            case ast.Call(func=ast.Attribute(value=inner, attr=name)) if name in _SAME and not _is_module(inner):
                value = inner
            case ast.Call(func=func, args=[inner, *_]) if called(func) in _SAME:
                value = inner
            case ast.Attribute(value=inner, attr="T" | "data"):
                value = inner
            case _:
                return value


def _is_module(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("np", "numpy", "copy", "torch", "tf", "jnp")


def _name(node: ast.AST) -> str:
    """Write out `w` or `self.w`."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name(id=owner), attr=name):
            return f"{owner}.{name}"
    return ""


def _path(node: ast.AST) -> str:
    """Write out where Python finds a container: `hist`, `self.hist`, `log['b']`, `runs[*]` for a key that varies."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=inner, attr=name) if path := _path(inner):
            return f"{path}.{name}"
        case ast.Subscript(value=inner, slice=index) if path := _path(inner):
            return f"{path}[{index.value!r}]" if isinstance(index, ast.Constant) else f"{path}[*]"
    return ""


# -- what a loop carries from turn to turn -----------------------------------------------------------


def carried(loop: ast.For | ast.While) -> tuple[str, ...]:
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
        yield from ((name, "read") for name in _named(node))
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
            yield from ((name, "read") for name in _named(target))
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
            yield from ((name, how) for name in _named(value) for how in ("read", "write"))
        case _:
            yield from ((name, "count" if counts else "write") for name in _named(target))


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


def _named(node: ast.AST) -> tuple[str, ...]:
    """Name what is read or written: `w`, `self.w`; nothing for what has no such name."""
    match node:
        case ast.Name(id=name):
            return (name,)
        case ast.Attribute(value=ast.Name(id=owner), attr=name):
            return (f"{owner}.{name}",)
    return ()
