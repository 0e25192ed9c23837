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
        for node in ast.walk(module):
            if isinstance(node, ast.ClassDef):
                for method in node.body:
                    if isinstance(method, ast.FunctionDef) and method.name == "__init__":
                        found[node.name] = _callable(method, node.name, cell)
    return found


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
    if any(isinstance(a, ast.Starred) for a in call.args):
        return keywords
    return dict(zip(function.parameters, call.args, strict=False)) | keywords


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
        self.lists: dict[str, tuple[float, ...]] = {}

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
            self._learn(name, stated if not looping else None, numbers(value, self.known))
        if stated is not None:
            yield name, stated, target.lineno
        elif isinstance(value, ast.Dict):
            yield from _entries(value)
        else:
            few = numbers(value)
            yield from ((f"{name}[{i}]", v, target.lineno) for i, v in enumerate(few or ()) if len(few or ()) <= 4)

    def _learn(self, name: str, value: float | None, values: tuple[float, ...] | None) -> None:
        self.known.pop(name, None)
        self.lists.pop(name, None)
        if value is not None:
            self.known[name] = value
        if values is not None:
            self.lists[name] = values

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
        for name, value in loop_values(target, iterated, self.known, self.lists):
            yield name, value, target.lineno

    def _calls(self, statement: ast.stmt, *, looping: bool) -> Iterator[Stated]:
        for node in _own_expressions(statement):
            if isinstance(node, ast.Call):
                for name, value in arguments(node, self.functions).items():
                    stated = number(value, NOTHING if looping else self.known)
                    if stated is not None:
                        yield name, stated, value.lineno


def loop_values(
    target: ast.expr, iterated: ast.expr, known: Known, lists: Mapping[str, tuple[float, ...]]
) -> Iterator[tuple[str, float]]:
    """Name what a loop over constants assigns, through `enumerate` and `zip` as well."""
    if isinstance(iterated, ast.Call) and isinstance(target, ast.Tuple):
        if called(iterated.func) == "enumerate" and iterated.args and len(target.elts) == 2:
            yield from loop_values(target.elts[1], iterated.args[0], known, lists)
        if called(iterated.func) == "zip" and len(iterated.args) == len(target.elts):
            for inner, part in zip(target.elts, iterated.args, strict=True):
                yield from loop_values(inner, part, known, lists)
    elif isinstance(target, ast.Name):
        values = lists.get(iterated.id) if isinstance(iterated, ast.Name) else numbers(iterated, known)
        yield from ((target.id, value) for value in values or ())
    elif isinstance(target, ast.Tuple) and isinstance(iterated, ast.List | ast.Tuple):
        for row in iterated.elts:
            if isinstance(row, ast.Tuple | ast.List) and len(row.elts) == len(target.elts):
                pairs = zip(target.elts, row.elts, strict=True)
                yield from (
                    (t.id, v) for t, e in pairs if isinstance(t, ast.Name) and (v := number(e, known)) is not None
                )


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
