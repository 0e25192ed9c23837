"""The numbers that a notebook states: assigned constants, arguments of its own functions, and their defaults."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from grader.model import Declared, Notebook
from grader.notebook.source import tree

Known = Mapping[str, float]
NOTHING: Known = MappingProxyType({})
_WRAPPERS = {
    "float",
    "int",
    "float32",
    "float64",
    "longdouble",
    "array",
    "asarray",
    "tensor",
    "Variable",
    "abs",
    "round",
}
_OPTIMIZERS = {
    "SGD",
    "Momentum",
    "Nesterov",
    "Adagrad",
    "AdaGrad",
    "RMSprop",
    "RMSProp",
    "Adam",
    "AdamW",
    "Nadam",
    "Adamax",
    "Adadelta",
    "SGDRegressor",
    "GradientDescentOptimizer",
    "AdagradOptimizer",
    "RMSPropOptimizer",
    "AdamOptimizer",
    "MomentumOptimizer",
    "sgd",
    "adam",
    "adagrad",
    "rmsprop",
}


@dataclass(frozen=True)
class Callable:
    """A function of the notebook: where it stands, its parameters in order, and what they default to."""

    name: str
    cell: int
    parameters: tuple[str, ...]
    defaults: Mapping[str, ast.expr] = field(default_factory=dict)
    body: tuple[ast.stmt, ...] = ()


# -- numbers ---------------------------------------------------------------------------------------


def number(node: ast.expr | None, known: Known = NOTHING) -> float | None:
    """Evaluate a constant expression such as `-4`, `1e-7`, `10**5` or `1 / 10`; None where it is no constant.

    Everything is computed as a float, so that `9**9**9` overflows at once instead of filling the memory.
    """
    try:
        return _number(node, known)
    except (OverflowError, ZeroDivisionError, ValueError, TypeError):
        return None


def _number(node: ast.expr | None, known: Known) -> float | None:
    match node:
        case ast.Constant(value=bool()):
            return None
        case ast.Constant(value=int() | float() as value):
            return float(value)
        case ast.Name(id=name) | ast.Attribute(value=ast.Name(id="self"), attr=name):
            return known.get(name)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
            inner = _number(operand, known)
            return None if inner is None else (-inner if isinstance(sign, ast.USub) else inner)
        case ast.BinOp(left=left, op=operator, right=right):
            return _binary(_number(left, known), operator, _number(right, known))
        case ast.Call(func=func, args=[argument], keywords=[]) if called(func) in _WRAPPERS:
            inner = _number(argument, known)
            return float(int(inner)) if inner is not None and called(func) == "int" else inner
    return None


def _binary(left: float | None, operator: ast.operator, right: float | None) -> float | None:
    if left is None or right is None:
        return None
    match operator:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case ast.Div():
            return left / right
        case ast.FloorDiv():
            return left // right
        case ast.Pow():
            value = left**right
            return value if isinstance(value, float) else None  # (-8) ** 0.5 is complex
    return None


def numbers(node: ast.expr | None, known: Known = NOTHING) -> tuple[float, ...] | None:
    """Evaluate a list, tuple or one-dimensional array of constants."""
    if isinstance(node, ast.Call) and len(node.args) == 1 and called(node.func) in _WRAPPERS | {"list", "tuple"}:
        node = node.args[0]
    if not isinstance(node, ast.List | ast.Tuple):
        return None
    values = [number(element, known) for element in node.elts]
    return None if None in values else tuple(value for value in values if value is not None)


def called(func: ast.expr) -> str:
    """Return the last name of what is called: `SGD` of `torch.optim.SGD`."""
    match func:
        case ast.Name(id=name):
            return name
        case ast.Attribute(attr=name):
            return name
    return ""


# -- functions of the notebook ---------------------------------------------------------------------


def callables(cells: Mapping[int, ast.Module]) -> dict[str, Callable]:
    """Find the functions, methods and classes of some cells by name; the last definition counts."""
    found: dict[str, Callable] = {}
    for cell, module in cells.items():
        for node in ast.walk(module):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found[node.name] = _callable(node, node.name, cell)
            elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
                found |= {
                    each.id: _of_lambda(node.value, each.id, cell)
                    for each in node.targets
                    if isinstance(each, ast.Name)
                }
        for node in ast.walk(module):
            if isinstance(node, ast.ClassDef):
                for method in node.body:
                    if isinstance(method, ast.FunctionDef) and method.name == "__init__":
                        found[node.name] = _callable(method, node.name, cell)
    return found


def _of_lambda(node: ast.Lambda, name: str, cell: int) -> Callable:
    parameters = tuple(each.arg for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs))
    return Callable(name, cell, parameters, {}, (ast.Expr(value=node.body),))


def defined(cells: Mapping[int, ast.Module]) -> Iterator[tuple[int, ast.Module, Mapping[str, Callable]]]:
    """Go through the cells with the functions that each may call: as last defined until there, else as first after."""
    own = {cell: callables({cell: module}) for cell, module in cells.items()}
    known: dict[str, Callable] = {}
    for found in reversed(own.values()):
        known |= found
    for cell, module in cells.items():
        known = known | own[cell]
        yield cell, module, known


def _callable(node: ast.FunctionDef | ast.AsyncFunctionDef, name: str, cell: int) -> Callable:
    positional = [*node.args.posonlyargs, *node.args.args]
    defaults = dict(
        zip([a.arg for a in positional[len(positional) - len(node.args.defaults) :]], node.args.defaults, strict=True)
    )
    defaults |= {a.arg: d for a, d in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if d is not None}
    parameters = tuple(a.arg for a in (*positional, *node.args.kwonlyargs))
    if parameters[:1] in (("self",), ("cls",)):
        parameters = parameters[1:]
    return Callable(name, cell, parameters, defaults, tuple(node.body))


def arguments(call: ast.Call, functions: Mapping[str, Callable]) -> dict[str, ast.expr]:
    """Name the arguments of a call of the notebook's own functions or of a known optimizer; else nothing."""
    name = called(call.func)
    keywords = {k.arg: k.value for k in call.keywords if k.arg}
    function = functions.get(name)
    if function is None:
        return keywords if name in _OPTIMIZERS else {}
    return dict(zip(function.parameters, _unpacked(call.args, function), strict=False)) | keywords


def _unpacked(args: list[ast.expr], function: Callable) -> list[ast.expr]:
    """Give each argument the place of its parameter: `*start` takes those that the others leave without a default."""
    stars = [i for i, each in enumerate(args) if isinstance(each, ast.Starred)]
    if len(stars) != 1:
        return [] if stars else args
    needed = len(function.parameters) - len(function.defaults)
    unknown: list[ast.expr] = [ast.Constant(value=None)] * max(needed - len(args) + 1, 0)
    return [*args[: stars[0]], *unknown, *args[stars[0] + 1 :]]


def _literals(node: ast.expr) -> Iterator[float]:
    """List the numbers in an expression."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Constant) and isinstance(inner.value, float):
            yield inner.value


# -- what is declared ------------------------------------------------------------------------------


def modules(notebook: Notebook) -> dict[int, ast.Module]:
    """Parse the code cells; a cell that is not Python is left out and costs no other cell anything."""
    parsed = {c.index: tree(c.source) for c in notebook.cells if c.kind == "code"}
    return {index: module for index, module in parsed.items() if module is not None}


def declared(notebook: Notebook) -> tuple[Declared, ...]:
    """List the numbers that the notebook states under a name, in the order of the cells and lines."""
    cells = modules(notebook)
    known: dict[str, float] = {}
    found = [
        Declared(name=name, cell=cell, value=value, line=line)
        for cell, module, functions in defined(cells)
        for name, value, line in _Statements(functions, known).of(module.body)
    ]
    unique = {(d.name, d.cell, d.value, d.line): d for d in found}
    return tuple(sorted(unique.values(), key=lambda d: (d.cell, d.line or 0)))


Stated = tuple[str, float, int]


class _Statements:
    """A walk over statements that remembers which names are constants, as long as nothing reassigns them."""

    def __init__(self, functions: Mapping[str, Callable], known: dict[str, float]) -> None:
        self.functions, self.known = functions, known
        self.tables: dict[str, ast.expr] = {}

    def of(self, body: list[ast.stmt], *, looping: bool = False) -> Iterator[Stated]:
        for statement in body:
            yield from self._statement(statement, looping=looping)

    def _statement(self, node: ast.stmt, *, looping: bool) -> Iterator[Stated]:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from self._function(node)
                return
            case ast.ClassDef(body=body):
                yield from _Statements(self.functions, dict(self.known)).of(body)
                return
            case ast.For(target=target, iter=iterated):
                self._forget(node)
                yield from self._loop_values(target, iterated)
                yield from self.of([*node.body, *node.orelse], looping=True)
            case ast.While():
                self._forget(node)
                yield from self.of([*node.body, *node.orelse], looping=True)
            case ast.If() | ast.With() | ast.Try():
                yield from self.of(_inner(node), looping=looping)
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    yield from self._assigned(target, value, looping=looping)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                yield from self._assigned(target, value, looping=looping)
            case ast.AugAssign(target=ast.Name(id=name)):
                self.known.pop(name, None)
        yield from self._calls(node, looping=looping)

    def _assigned(self, target: ast.expr, value: ast.expr, *, looping: bool) -> Iterator[Stated]:
        if isinstance(target, ast.Tuple | ast.List):
            if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts):
                for inner, part in zip(target.elts, value.elts, strict=True):
                    yield from self._assigned(inner, part, looping=looping)
            return
        name = _target_name(target)
        if name is None:
            return
        stated = number(value, NOTHING if looping else self.known)
        if isinstance(target, ast.Name):
            self._learn(name, stated if not looping else None, value)
        if stated is not None:
            yield name, stated, target.lineno
        elif isinstance(value, ast.Dict):
            yield from _entries(value)
        else:
            few = numbers(value)
            yield from ((f"{name}[{i}]", v, target.lineno) for i, v in enumerate(few or ()) if len(few or ()) <= 4)

    def _learn(self, name: str, number: float | None, value: ast.expr) -> None:
        self.known.pop(name, None)
        self.tables.pop(name, None)
        if number is not None:
            self.known[name] = number
        if isinstance(value, ast.List | ast.Tuple | ast.Dict | ast.Call):
            self.tables[name] = value

    def _forget(self, node: ast.stmt) -> None:
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                self.known.pop(inner.id, None)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Stated]:
        function = _callable(node, node.name, 0)
        inner = dict(self.known)
        for name in function.parameters:
            inner.pop(name, None)
        for name, default in function.defaults.items():
            value = number(default, self.known)
            if value is not None:
                yield name, value, default.lineno
        yield from _Statements(self.functions, inner).of(node.body)

    def _loop_values(self, target: ast.expr, iterated: ast.expr) -> Iterator[Stated]:
        """`for lr in [1e-7, 1e-6]` declares lr twice."""
        for name, value in loop_values(target, iterated, self.known, self.tables):
            yield name, value, target.lineno

    def _calls(self, statement: ast.stmt, *, looping: bool) -> Iterator[Stated]:
        for node in _own_expressions(statement):
            if isinstance(node, ast.comprehension):
                named = loop_values(node.target, node.iter, self.known, self.tables)
                yield from ((name, value, statement.lineno) for name, value in named)
            elif isinstance(node, ast.Lambda):
                yield from (("lambda", value, node.lineno) for value in _literals(node.body))
            elif isinstance(node, ast.Call):
                for name, value in arguments(node, self.functions).items():
                    stated = number(value, NOTHING if looping else self.known)
                    if stated is not None:
                        yield name, stated, value.lineno


def loop_values(
    target: ast.expr, iterated: ast.expr, known: Known, tables: Mapping[str, ast.expr]
) -> Iterator[tuple[str, float]]:
    """Name the numbers that a loop over constants assigns, turn by turn."""
    for round_ in loop_rounds(target, iterated, tables):
        for name, node in round_.items():
            value = number(node, known)
            if value is not None:
                yield name, value


def loop_rounds(target: ast.expr, iterated: ast.expr, tables: Mapping[str, ast.expr]) -> list[dict[str, ast.expr]]:
    """List what a loop over a written list, tuple or dict assigns in each turn.

    Through `enumerate`, `zip` and `items`, and through names that such a table was given.
    """
    rows = _rows(iterated, tables, 3)
    return [dict(_bound(target, row)) for row in rows]


def _rows(iterated: ast.expr, tables: Mapping[str, ast.expr], depth: int) -> list[ast.expr]:
    """List the elements of what is iterated over, as far as they are written in the notebook."""
    match iterated:
        case ast.Name(id=name) if name in tables and depth:
            return _rows(tables[name], tables, depth - 1)
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return elements
        case ast.Dict(keys=keys):
            return [key for key in keys if key is not None]
        case ast.Call(func=ast.Attribute(value=thing, attr="items" | "values" | "keys" as what)):
            return _of_dict(_table(thing, tables), what)
        case ast.Call(func=func, args=[thing, *_]) if called(func) == "enumerate":
            rows = _rows(thing, tables, depth)
            return [ast.Tuple(elts=[ast.Constant(value=None), row], ctx=ast.Load()) for row in rows]
        case ast.Call(func=func, args=args) if called(func) == "zip":
            columns = [_rows(each, tables, depth) for each in args]
            return [ast.Tuple(elts=list(row), ctx=ast.Load()) for row in zip(*columns, strict=False)]
        case ast.Call(func=func, args=[thing]) if called(func) in _WRAPPERS | {"list", "tuple", "sorted", "tqdm"}:
            return _rows(thing, tables, depth)
    return []


def _table(node: ast.expr, tables: Mapping[str, ast.expr]) -> ast.expr:
    return tables.get(node.id, node) if isinstance(node, ast.Name) else node


def _of_dict(node: ast.expr, what: str) -> list[ast.expr]:
    match node:
        case ast.Dict(keys=keys, values=values):
            pairs = [(key, value) for key, value in zip(keys, values, strict=True) if key is not None]
        case ast.Call(func=ast.Name(id="dict"), keywords=keywords):
            pairs = [(ast.Constant(value=k.arg), k.value) for k in keywords if k.arg]
        case _:
            return []
    if what == "items":
        return [ast.Tuple(elts=[key, value], ctx=ast.Load()) for key, value in pairs]
    return [key if what == "keys" else value for key, value in pairs]


def _bound(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """Say which names a turn binds to which expressions."""
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple | ast.List) and isinstance(value, ast.Tuple | ast.List):
        alike = len(target.elts) == len(value.elts) and not any(isinstance(e, ast.Starred) for e in target.elts)
        for inner, part in zip(target.elts, value.elts, strict=True) if alike else ():
            yield from _bound(inner, part)


def _inner(node: ast.If | ast.With | ast.Try) -> list[ast.stmt]:
    bodies = [node.body, getattr(node, "orelse", []), getattr(node, "finalbody", [])]
    bodies += [handler.body for handler in getattr(node, "handlers", [])]
    return [statement for body in bodies for statement in body]


def _own_expressions(statement: ast.stmt) -> Iterator[ast.AST]:
    """Walk the expressions of a statement, not the statements inside it."""
    waiting: list[ast.AST] = [child for child in ast.iter_child_nodes(statement) if not isinstance(child, ast.stmt)]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += [child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.stmt)]


def _target_name(target: ast.expr) -> str | None:
    match target:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(slice=ast.Constant(value=str() as name)):
            return name
    return None


def _entries(node: ast.Dict) -> Iterator[Stated]:
    for key, value in zip(node.keys, node.values, strict=True):
        stated = number(value)
        if isinstance(key, ast.Constant) and isinstance(key.value, str) and stated is not None:
            yield key.value, stated, value.lineno
