"""Where a notebook trains, and with which settings: found in the syntax tree, nothing is run.

A `Site` is one training run as written: a loop that updates parameters, or a call of a function that has such a loop.
The walk follows assignments over the cells, binds the arguments of the notebook's own functions, and turns
`for lr in [1e-7, 1e-6]` into two sites. It gives up quietly where the code is not understood.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TypeGuard

from grader.model import Call, Notebook
from grader.notebook import roles
from grader.notebook.constants import Callable, arguments, called, defined, loop_rounds, modules, number, numbers

Value = float | str | tuple[float, ...]
Env = dict[str, Value]
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
MAX_SITES = 300
MAX_DEPTH = 4
MAX_VISITS = 20_000


@dataclass(frozen=True)
class Site:
    """One training run as written: the settings it starts with, the rule its code looks like, and its data.

    `place` is the function in which its loop stands, "" outside of any.
    """

    cell: int
    line: int
    place: str
    rule: str
    values: Mapping[str, float]
    data: Mapping[str, tuple[float, ...]]
    shape: Counter[str] = field(compare=False)


def sites(cells: Mapping[int, ast.Module]) -> tuple[Site, ...]:
    """List the training runs of a notebook in the order in which they would run."""
    walk = _Walk()
    env: Env = {}
    found: list[Site] = []
    for cell, module, walk.functions in defined(cells):
        for site in walk.body(module.body, env, cell, depth=0):
            found.append(site)
            if len(found) >= MAX_SITES:
                return tuple(found)
    return tuple(found)


def calls(notebook: Notebook) -> tuple[Call, ...]:
    """List the training runs as written, with the settings that reach them."""
    found = sites(modules(notebook))
    return tuple(Call(cell=site.cell, place=site.place, line=site.line, settings=dict(site.values)) for site in found)


class _Walk:
    def __init__(self) -> None:
        self.functions: Mapping[str, Callable] = {}
        self.objects: dict[str, Env] = {}
        self.tables: dict[str, ast.expr] = {}
        self.visits = 0

    def body(self, body: Sequence[ast.stmt], env: Env, cell: int, depth: int) -> Iterator[Site]:
        for node in body:
            self.visits += 1
            if self.visits > MAX_VISITS:
                return
            yield from self.statement(node, env, cell, depth)

    def statement(self, node: ast.stmt, env: Env, cell: int, depth: int) -> Iterator[Site]:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                return
            case ast.For() | ast.While():
                yield from self.loop(node, env, cell, depth)
            case ast.If():
                taken = _branch(node.test, env)
                yield from self.body(node.body if taken is not False else [], env, cell, depth)
                yield from self.body(node.orelse if taken is not True else [], env, cell, depth)
            case ast.With() | ast.Try():
                yield from self.body(node.body, env, cell, depth)
            case _:
                yield from self.calls(node, env, cell, depth)
                self.assign(node, env)

    # -- loops -----------------------------------------------------------------------------------

    def loop(self, node: ast.For | ast.While, env: Env, cell: int, depth: int) -> Iterator[Site]:
        went = False
        for values in islice(self.rounds(node, env), 50):
            went = True
            yield from self.body(node.body, env | values, cell, depth)
        if went:
            return
        statements = tuple(self.statements(node.body, env, depth))
        if updates(statements):
            yield self.site(node, statements, env, cell)
            _forget(node, env)
            return
        _forget(node, env)
        yield from self.body(node.body, dict(env), cell, depth)

    def rounds(self, node: ast.For | ast.While, env: Env) -> Iterator[Env]:
        """Yield what a loop over constants assigns in each round, where it assigns a number or a word."""
        if isinstance(node, ast.While):
            return
        for round_ in loop_rounds(node.target, node.iter, self.tables):
            values = {name: value_of(part, env) for name, part in round_.items()}
            known = {name: value for name, value in values.items() if value is not None}
            settings = {name: part for name, part in round_.items() if isinstance(part, ast.Dict | ast.Call)}
            self.tables |= settings
            if any(isinstance(value, float | str) for value in known.values()) or settings:
                yield known

    def statements(self, body: Sequence[ast.stmt], env: Env, depth: int) -> Iterator[ast.stmt]:
        """Flatten a loop's body, with the bodies of the notebook's functions that it calls."""
        for node in body:
            self.visits += 1
            if self.visits > MAX_VISITS:
                return
            if isinstance(node, ast.If):
                taken = _branch(node.test, env)
                yield from self.statements(node.body if taken is not False else [], env, depth)
                yield from self.statements(node.orelse if taken is not True else [], env, depth)
            elif isinstance(node, ast.For | ast.While | ast.With | ast.Try):
                if isinstance(node, ast.For):
                    yield ast.Expr(value=node.iter)
                yield from self.statements(node.body, env, depth)
            else:
                yield node
                for call in _calls_in(node) if depth < MAX_DEPTH else ():
                    function = self.functions.get(called(call.func))
                    if function:
                        yield from self.statements(function.body, env, depth + 2)

    def site(self, node: ast.For | ast.While, statements: Sequence[ast.stmt], env: Env, cell: int) -> Site:
        rule = rule_of(statements)
        loaded, stored = _names(statements)
        if isinstance(node, ast.While):
            loaded |= {n.id for n in ast.walk(node.test) if isinstance(n, ast.Name)}
        values: dict[str, float] = {}
        for name in sorted((loaded | stored) & env.keys()):
            values = _settled(values, name, env[name], rule=rule, updated=name in stored)
        values = _without_weak(values, rule)
        literal = _literal_rate(statements) if "lr" not in values else None
        if literal is not None:
            values["lr"] = literal
        count = _count(node, env)
        if count is not None and _is_count(count):
            values["iteration"] = count
        data = {n: v for n in sorted(loaded - stored) if isinstance(v := env.get(n), tuple) and len(v) >= 3}
        shape = Counter(type(inner).__name__ for each in statements for inner in ast.walk(each))
        return Site(cell, node.lineno, "", rule, values, data, shape)

    # -- calls -----------------------------------------------------------------------------------

    def calls(self, node: ast.stmt, env: Env, cell: int, depth: int) -> Iterator[Site]:
        if depth >= MAX_DEPTH:
            return
        inside = {id(call) for turn in _comprehensions(node) for call in _calls_in(turn)}
        for call in _calls_in(node):
            if id(call) not in inside:
                yield from self.call(call, node, env, cell, depth)
        for turn in _comprehensions(node):
            for values in islice(self.turns(turn, env), 50):
                for call in _calls_in(turn):
                    yield from self.call(call, node, env | values, cell, depth)

    def turns(self, node: Comprehension, env: Env) -> Iterator[Env]:
        """Yield what a comprehension over constants assigns in each turn; of others nothing is known, as if once."""
        first = node.generators[0]
        rounds = loop_rounds(first.target, first.iter, self.tables) if len(node.generators) == 1 else []
        for round_ in rounds or [{}]:
            values = {name: value_of(part, env) for name, part in round_.items()}
            self.tables |= {name: part for name, part in round_.items() if isinstance(part, ast.Dict | ast.Call)}
            yield {name: value for name, value in values.items() if value is not None}

    def call(self, call: ast.Call, node: ast.stmt, env: Env, cell: int, depth: int) -> Iterator[Site]:
        function = self.functions.get(called(call.func))
        if function is None:
            return
        bound = self.bound(function, call, env)
        if isinstance(call.func, ast.Name) and call.func.id[:1].isupper():
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                self.objects[node.targets[0].id] = bound
            return
        inner = {**env, **self.attributes(call.func, env), **bound}
        for site in self.body(function.body, inner, cell, depth + 1):
            yield replace(site, cell=cell, line=call.lineno, place=site.place or function.name)

    def bound(self, function: Callable, call: ast.Call, env: Env) -> Env:
        given = {**function.defaults, **arguments(call, self.functions)}
        values = {name: value_of(node, env) for name, node in given.items()}
        return {name: value for name, value in values.items() if value is not None}

    def attributes(self, func: ast.expr, env: Env) -> Env:
        """Recall what the object of a method call was made with: `GD(lr=0.1).fit()` or `model.fit()`."""
        match func:
            case ast.Attribute(value=ast.Name(id=name)):
                return self.objects.get(name, {})
            case ast.Attribute(value=ast.Call() as made):
                function = self.functions.get(called(made.func))
                return self.bound(function, made, env) if function else {}
        return {}

    def assign(self, node: ast.stmt, env: Env) -> None:
        match node:
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    if isinstance(target, ast.Name):
                        self.tables[target.id] = value
                    _bind(target, value, env)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                _bind(target, value, env)
            case ast.AugAssign(target=ast.Name(id=name)):
                env.pop(name, None)


# -- values ----------------------------------------------------------------------------------------


def value_of(node: ast.expr, env: Env) -> Value | None:
    """Evaluate a number, a list of numbers, a string or a known name."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.Name):
        return env.get(node.id)
    known = _numbers_of(env)
    stated = number(node, known)
    if stated is not None:
        return stated
    several = numbers(node, known)
    if several is not None:
        return several
    if isinstance(node, ast.Call) and len(node.args) >= 1:
        if called(node.func) in ("array", "asarray", "copy", "list", "tuple", "tensor", "reshape"):
            return value_of(node.args[0], env)
        size = number(node.args[0], known)
        if called(node.func) in ("zeros", "ones") and size and size <= 10:
            return (float(called(node.func) == "ones"),) * int(size)
    return None


def _bind(target: ast.expr, value: ast.expr, env: Env) -> None:
    if isinstance(target, ast.Tuple | ast.List):
        parts = value.elts if isinstance(value, ast.Tuple | ast.List) else []
        for index, inner in enumerate(target.elts):
            if index < len(parts) and len(parts) == len(target.elts):
                _bind(inner, parts[index], env)
            elif isinstance(inner, ast.Name):
                env.pop(inner.id, None)
    name = target.id if isinstance(target, ast.Name) else target.attr if isinstance(target, ast.Attribute) else None
    if name is not None:
        found = value_of(value, env)
        env.pop(name, None)
        if found is not None:
            env[name] = found


def _forget(node: ast.stmt, env: Env) -> None:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
            env.pop(inner.id, None)


def _numbers_of(env: Env) -> dict[str, float]:
    return {name: value for name, value in env.items() if isinstance(value, float)}


def _lists_of(env: Env) -> dict[str, tuple[float, ...]]:
    return {name: value for name, value in env.items() if isinstance(value, tuple)}


def _branch(test: ast.expr, env: Env) -> bool | None:
    """Decide `if rule == "adagrad"` where the value is known."""
    match test:
        case ast.Compare(left=left, ops=[ast.Eq() | ast.NotEq() as op], comparators=[right]):
            a, b = value_of(left, env), value_of(right, env)
            return None if a is None or b is None else (a == b) is isinstance(op, ast.Eq)
        case ast.Constant(value=bool() as value):
            return value
    return None


# -- settings of a site ------------------------------------------------------------------------------


def _settled(values: dict[str, float], name: str, value: Value, *, rule: str, updated: bool) -> dict[str, float]:
    """Add what a name contributes: an updated one is a starting point, another one a setting."""
    if isinstance(value, str):
        return values
    if isinstance(value, tuple):
        few = updated and len(value) == 2
        return {"b": value[0], "w": value[1]} | values if few else values
    if updated:
        role = roles.parameter(name)
        if role is None and value != 0.0 and roles.setting(name, rule=rule) == "lr":
            role = "lr"  # a learning rate that decays; an accumulator such as lr_b starts from zero
    else:
        role = roles.setting(name, rule=rule)
    if role is None or role in values or (role == "iteration" and not _is_count(value)):
        return values
    if role == "weak-lr" and value == 0.0:  # an intercept that is called a
        return values
    return {**values, role: value}


def _is_count(value: float) -> bool:
    """Say whether a number may be one of steps; a tolerance that is named like one is not."""
    return value >= 1 and value.is_integer()


def _without_weak(values: dict[str, float], rule: str) -> dict[str, float]:
    """Read alpha as the learning rate, unless the loop has one; then it may be RMSprop's decay."""
    weak = values.pop("weak-lr", None)
    if weak is not None and "lr" not in values:
        values["lr"] = weak
    elif weak is not None and rule == "rmsprop" and "rho" not in values:
        values["rho"] = weak
    if "lr" not in values and rule == "rmsprop" and "rho" in values and values["rho"] < 0.1:
        values["lr"] = values.pop("rho")
    return values


def _count(node: ast.For | ast.While, env: Env) -> float | None:
    """Return how often `for i in range(n)` runs, through `tqdm` and the like."""
    if isinstance(node, ast.While):
        return None
    iterated = node.iter
    while isinstance(iterated, ast.Call) and iterated.args:
        if called(iterated.func) in ("range", "trange", "xrange"):
            ends = [number(argument, _numbers_of(env)) for argument in iterated.args[:2]]
            if None in ends:
                return None
            return ends[0] if len(ends) == 1 else (ends[1] or 0.0) - (ends[0] or 0.0)
        iterated = iterated.args[0]
    return None


# -- what a loop does ----------------------------------------------------------------------------------


def _names(statements: Sequence[ast.stmt]) -> tuple[set[str], set[str]]:
    loaded: set[str] = set()
    stored: set[str] = set()
    for node in (inner for each in statements for inner in ast.walk(each)):
        name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else None
        if name is not None:
            (stored if isinstance(node.ctx, ast.Store) else loaded).add(name)  # type: ignore[attr-defined]
        if isinstance(node, ast.Assign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            stored |= {t.value.id for t in targets if isinstance(t, ast.Subscript) and isinstance(t.value, ast.Name)}
    return loaded, stored


def _comprehensions(node: ast.AST) -> Iterator[Comprehension]:
    """List the outermost comprehensions of a statement."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Comprehension):
            yield child
        elif not isinstance(child, ast.stmt | ast.Lambda):
            yield from _comprehensions(child)


def _calls_in(node: ast.AST) -> Iterator[ast.Call]:
    yield from (inner for inner in ast.walk(node) if isinstance(inner, ast.Call))


def updates(statements: Sequence[ast.stmt]) -> bool:
    """Say whether a loop trains: a value moves by a learning rate or a gradient, or a framework's optimizer steps."""
    return any(_is_update(node) for node in statements)


def _is_update(node: ast.stmt) -> bool:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return isinstance(node.value.func, ast.Attribute) and node.value.func.attr in ("step", "apply_gradients")
    target, value = _recursion(node)
    if target is None or value is None:
        return False
    moved_by = [inner for inner in ast.walk(value) if _is_product(inner)]
    names = _loaded(value) if isinstance(node, ast.AugAssign) else _in_products(value)
    settings = {roles.setting(name, rule="momentum") for name in names if name != target}
    gradient = any(_gradient_like(name) for name in names if name != target)
    literal = any(isinstance(side, ast.Constant) for each in moved_by for side in (each.left, each.right))
    return bool(settings & {"lr", "weak-lr"}) or (gradient and literal and not _gradient_like(target))


def _is_product(node: ast.AST) -> TypeGuard[ast.BinOp]:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div)


def _in_products(value: ast.expr) -> set[str]:
    """List the names in products, each product of products looked through once."""
    waiting: list[ast.AST] = [value]
    found: set[str] = set()
    while waiting:
        node = waiting.pop()
        if _is_product(node):
            found |= _loaded(node)
        else:
            waiting += ast.iter_child_nodes(node)
    return found


def _gradient_like(name: str) -> bool:
    parts = roles.words(name)
    return any(p.startswith(("grad", "deriv", "delta")) or p in ("dw", "db", "dtheta", "g", "gw", "gb") for p in parts)


def _loaded(node: ast.AST) -> set[str]:
    found = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            found.add(inner.id)
        elif isinstance(inner, ast.Attribute):
            found.add(inner.attr)
    return found


def _recursion(node: ast.stmt) -> tuple[str | None, ast.expr | None]:
    """Return the target and the new value of a statement that computes a name from itself or moves it."""
    match node:
        case ast.AugAssign(target=target, op=ast.Sub() | ast.Add(), value=value):
            return _base(target), value
        case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)) if len(targets) == len(values):
            pairs = zip(targets, values, strict=True)
            return next(((_base(t), v) for t, v in pairs if _base(t) in _loaded(v)), (None, None))
        case ast.Assign(targets=[target], value=value) if _base(target) in _loaded(value) | {None}:
            return _base(target), value
        case ast.Assign(targets=[target], value=ast.BinOp(op=ast.Sub() | ast.Add()) as value):
            return _base(target), value  # new_w = w - lr * grad
    return None, None


def _base(target: ast.expr) -> str | None:
    while isinstance(target, ast.Subscript):
        target = target.value
    return target.id if isinstance(target, ast.Name) else target.attr if isinstance(target, ast.Attribute) else None


def _literal_rate(statements: Sequence[ast.stmt]) -> float | None:
    """Return the number that multiplies the gradient where a rate has no name: `b = b - 1e-6 * gb`."""
    found = set()
    for node in statements:
        for target, value in _moved(node):
            memory = accumulates(node)[1] is not None or _gradient_like(target)
            found |= set() if memory else {v for v in _factors(value) if v > 0 and v not in (0.5, 1.0, 2.0)}
    return found.pop() if len(found) == 1 else None


def _moved(node: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    """List what a statement moves, each with what it is moved by."""
    match node:
        case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)) if len(targets) == len(values):
            pairs = [(t, v) for t, v in zip(targets, values, strict=True) if isinstance(v, ast.BinOp)]
            yield from ((_base(t) or "", v.right) for t, v in pairs if isinstance(v.op, ast.Sub | ast.Add))
        case ast.Assign(targets=[target], value=ast.BinOp(op=ast.Sub() | ast.Add(), left=left, right=right)):
            if _base(target) in _loaded(left):
                yield _base(target) or "", right
        case ast.AugAssign(target=target, op=ast.Sub() | ast.Add(), value=value):
            yield _base(target) or "", value


def _factors(value: ast.expr) -> Iterator[float]:
    """List the numbers that a product has as factors, `1e-6` of `1e-6 * 2 * g`."""
    match value:
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            yield from _factors(left)
            yield from _factors(right)
        case ast.BinOp(left=left, op=ast.Div()):
            yield from _factors(left)
        case _ if (stated := number(value)) is not None:
            yield stated


# -- which rule it looks like ----------------------------------------------------------------------------

_SUMS = ("loss", "cost", "mse", "sse", "err", "total", "rss")


def rule_of(statements: Sequence[ast.stmt]) -> str:
    """Guess the update rule from what the loop accumulates: squares of gradients, a velocity, both or neither."""
    kinds = {accumulates(node)[1] for node in statements}
    if "decayed-squares" in kinds:
        return "adam" if "velocity" in kinds else "rmsprop"
    if "squares" in kinds:
        return "adagrad"
    return "momentum" if "velocity" in kinds else "gd"


def accumulates(node: ast.stmt) -> tuple[str | None, str | None]:
    """Say which name a statement adds to, and whether that is a velocity or squares; None where it is neither."""
    target, value = _recursion(node)
    if target is None or value is None or any(part in target.lower() for part in _SUMS):
        return target, None
    if isinstance(node, ast.Assign) and target not in _loaded(value):
        return target, None
    decayed = any(
        isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Mult) and _is_factor(inner, target)
        for inner in ast.walk(value)
    )
    if any(_is_square(inner) for inner in ast.walk(value)):
        return target, "decayed-squares" if decayed else "squares"
    velocity = decayed and isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add | ast.Sub)
    return target, "velocity" if velocity else None


def _is_factor(product: ast.BinOp, target: str) -> bool:
    return any(
        _base(side) == target or (isinstance(side, ast.BinOp) and _base(side.left) == target)
        for side in (product.left, product.right)
    )


def _is_square(node: ast.AST) -> bool:
    match node:
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=2 | 2.0)):
            return _base(left) is not None
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _base(left) is not None and ast.dump(left) == ast.dump(right)
        case ast.Call(func=func, args=[_]) if called(func) == "square":
            return True
    return False
