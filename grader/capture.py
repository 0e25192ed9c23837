"""Runs INSIDE the kernel: finds the numbers that a cell left behind and hands them out as plain bytes.

Standard library only and nothing of ours: it is handed into the jail as one file and loaded before the student's first
cell, so a cell that rebinds a builtin does not reach it. What it says is a claim of the student's kernel, no more:
the grader reads it strictly (`grader/trace.py`) and judges the numbers, never the words.

One answer is a line of ASCII, its fields separated by semicolons (names in hexadecimal, numbers as little-endian f8):

    nonce ; bytes in all ; name:source:rows:columns:same,… ; name:value,… ; name:rows,… ; base64 of the first bytes

`same` is 0 where bytes follow, 1 where the numbers are those that the name had before, or the name that has the same
numbers: a list that a function filled goes on under the name to which it was returned.
The series' bytes follow each other in the order in which they are named; further pieces are asked for by offset.
Besides what the namespace holds, it tells histories that a function or the next turn of a loop would lose, and lines of
figures, which are closed once they are shown.
The names before the bytes are of histories that were too big: only the first rows of them are sent, or nothing.
A series that was bound anew to the same numbers is named without bytes, one that no cell touched is not named at all.
"""

from __future__ import annotations

import ast
import builtins
import sys
import warnings
from array import array
from binascii import b2a_base64
from collections import deque
from contextlib import suppress
from hashlib import blake2b
from itertools import chain, islice
from struct import pack
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

WIDEST = 80  # columns of a history, which is an image of 8 × 8 and some; wider tables are images and grids
DEEPEST = 2
MOST_NAMES = 2000
MOST_SERIES = 400
MOST_SCALARS = 400
MOST_ITEMS = 200
MOST_ROWS = 1_000_100  # of one history; the first ones, and the rest is counted
EXACT_BYTES = 1 << 20
MOST_RUNS = 60  # of loops that keep no history themselves, in one cell
MOST_RECORDED = 200_000  # turns of such a loop; what comes later is not recorded
WIDEST_RECORDED = 16
FEWEST_KEPT = 5  # states of a history that is about to be lost; less is a result
MOST_TURNS = 40  # of one place where histories are lost, in one cell
MOST_KEPT = 12  # names at one such place
MOST_LINES, FEWEST_POINTS = 20, 10  # of one figure, of one line
MOST_KEPT_BYTES = 64 << 20  # of all of them, in one cell
SEQUENCES = (list, tuple, deque)
IGNORED = frozenset({"In", "Out", "exit", "quit", "open", "get_ipython"})


class Capture:
    """What one kernel has told so far, so that it need not tell it again."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace
        self._seen: dict[str, tuple[Any, bytes]] = {}
        self._pieces: list[memoryview] = []
        self._recorders: list[Recorder] = []
        self._kept: list[tuple[str, str, int, int, bytes]] = []
        self._plotted = 0
        self._turns: dict[str, int] = {}
        self._room = MOST_KEPT_BYTES
        self.full: set[str] = set()

    def watch(self, transformers: list[Any], formatter: Any) -> None:
        """Called once, with what IPython applies to the syntax tree of every cell, and what it shows things with."""
        builtins.__dict__[_KEPT] = self
        transformers.append(Watch())
        show = formatter.format

        def formatted(thing: Any, *more: Any, **named: Any) -> Any:
            self._look_at_figure(thing)
            return show(thing, *more, **named)

        formatter.__dict__["format"] = formatted

    def _look_at_figure(self, thing: Any) -> None:
        """Copy the lines of a figure that is about to be shown, and closed after that; never raises."""
        if not _is(type(thing), "matplotlib", "Figure"):
            return
        try:
            lines = [line for axes in thing.axes for line in axes.lines if line.get_linestyle() != "None"]
            for line in lines[:MOST_LINES]:
                self._plotted += 1
                points = line.get_xydata()
                if len(points) >= FEWEST_POINTS:
                    self._keep(f"plot[{self._plotted}]", points, "p")
        except Exception:  # a figure of the student's own making may hold anything
            return

    def keep(self, place: str, names: tuple[str, ...], space: dict[str, Any]) -> None:
        """Called where histories are about to be lost, with the names that are known there; never raises."""
        turn = self._turns[place] = self._turns.get(place, 0) + 1
        label = f"{place or 'loop'}[{turn}]" if turn > 1 else place or "loop"
        try:
            for name in names:
                for path, thing, *_ in _inside(f"{label}.{name}", _at(space, name), "l", DEEPEST, 0):
                    self._keep(path, thing)
        except Exception:  # the student's own __float__ or __iter__ may raise anything
            self.full.add(place)
        if turn >= MOST_TURNS or self._room <= 0:
            self.full.add(place)

    def _keep(self, path: str, thing: Any, source: str = "l") -> None:
        """Copy one history, as far as there is room."""
        shape = likely_shape(thing)
        if shape is None or shape[0] < FEWEST_KEPT or min(shape[0], MOST_ROWS) * shape[1] * 8 > self._room:
            return
        found = numbers(first(thing, MOST_ROWS))
        if found is not None:
            rows, columns, data = found
            self._kept.append((path, source, rows, columns, bytes(data)))
            self._room -= len(data)

    def recorder(self, place: str, names: tuple[str, ...]) -> Recorder:
        """Called where a loop begins that was rewritten to be recorded."""
        recorder = Recorder(place, names, self._namespace)
        if len(self._recorders) < MOST_RUNS:
            self._recorders.append(recorder)
        return recorder

    def collect(self, nonce: str, budget: int, size: int) -> str:
        """Say which series are new since the last cell, with the first `size` bytes of them."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            series, scalars, skipped = self._look(budget)
        self._pieces = [piece for *_, piece in series]
        fields = (
            nonce,
            str(sum(map(len, self._pieces))),
            ",".join(
                f"{_hex(name)}:{source}:{rows}:{columns}:{same}" for name, source, rows, columns, same, _ in series
            ),
            ",".join(f"{_hex(name)}:{pack('<d', value).hex()}" for name, value in scalars),
            ",".join(f"{_hex(name)}:{rows}" for name, rows in skipped),
            self._base64(0, size),
        )
        return ";".join(fields)

    def piece(self, nonce: str, offset: int, size: int) -> str:
        """Hand out `size` bytes of what was collected, from `offset` on."""
        return f"{nonce};{offset};{self._base64(offset, size)}"

    def _base64(self, offset: int, size: int) -> str:
        taken = bytearray()
        for piece in self._pieces:
            if offset < len(piece) and len(taken) < size:
                taken += piece[offset : offset + size - len(taken)]
            offset = max(0, offset - len(piece))
        return b2a_base64(taken, newline=False).decode("ascii")

    def _look(self, budget: int) -> tuple[list[Any], list[Any], list[Any]]:
        """Go through the namespace once; what does not fit in the budget is named as skipped."""
        series: list[Any] = []
        scalars: list[Any] = []
        skipped: list[Any] = []
        met: set[int] = set()
        for name, thing, source, owner in reach(self._namespace):
            value = scalar(thing)
            if value is not None:
                scalars.append((name, value))
            elif id(thing) not in met and len(series) < MOST_SERIES:
                if owner == id(thing):
                    met.add(owner)  # one thing under two names is told once; a made one's identity means nothing
                entry = self._new(name, thing, source, owner, budget, skipped)
                if entry is not None:
                    series.append(entry)
                    budget -= len(entry[-1])
        for name, rows, columns, data in self._recorded():
            if len(data) <= budget and len(series) < MOST_SERIES:
                series.append((name, "r", rows, columns, 0, data))
                budget -= len(data)
        for name, source, rows, columns, same, kept in self._lost():
            if len(kept) <= budget and len(series) < MOST_SERIES:
                series.append((name, source, rows, columns, same, memoryview(kept)))
                budget -= len(kept)
        return series, scalars[:MOST_SCALARS], skipped

    def _lost(self) -> Iterator[tuple[str, str, int, int, Any, bytes]]:
        """Tell the histories that were kept before they were lost; of what a name still holds, only which name."""
        kept, self._kept, self._turns, self._room = self._kept, [], {}, MOST_KEPT_BYTES
        self.full.clear()
        self._plotted = 0
        held = {digest: name for name, (_, digest) in self._seen.items()}
        known = set(held)
        for name, source, rows, columns, data in sorted(kept, key=lambda each: each[1]):  # lines after histories
            digest = _digest(rows, columns, data)
            if digest in held and source == "l":
                yield name, "f", rows, columns, _hex(held[digest]), b""
            elif digest not in known and not (source == "p" and _column_digests(rows, data) & known):
                known |= {digest, *(_column_digests(rows, data) if columns == 2 else ())}
                yield name, source, rows, columns, 0, data

    def _recorded(self) -> Iterator[tuple[str, int, int, memoryview]]:
        """Tell what the rewritten loops went through, each run of a loop under a name of its own."""
        runs, self._recorders = self._recorders, []
        times: dict[str, int] = {}
        for run in runs:
            times[run.place] = times.get(run.place, 0) + 1
            again = f"[{times[run.place]}]" if times[run.place] > 1 else ""
            place = f"{run.place or 'loop'}{again}." if run.place or again else ""
            for name, states in run.histories():
                found = numbers(states)
                if found is not None:
                    yield f"{place}{name}", *found

    def _new(
        self, name: str, thing: Any, source: str, owner: int, budget: int, skipped: list[Any]
    ) -> tuple[Any, ...] | None:
        """Turn one thing into a series, unless it is none, or is known, or is too big."""
        mark = fingerprint(thing, owner)
        known, digest = self._seen.get(name, (None, b""))
        if same(mark, known):
            return None
        try:
            shape = likely_shape(thing)
            if shape is None:
                return None
            if min(shape[0], MOST_ROWS) * shape[1] * 8 > budget:
                skipped.append((name, shape[0]))
                self._seen[name] = (mark, b"")
                return None
            found = numbers(first(thing, MOST_ROWS))
        except BaseException:  # the student's own __float__ or __iter__ may raise anything
            return None
        if found is None:
            return None
        rows, columns, data = found
        new = _digest(rows, columns, data)
        unmoved = known is not None and known[0] == mark[0]
        self._seen[name] = (mark, new)
        if new == digest and unmoved:
            return None
        if rows < shape[0]:
            skipped.append((name, shape[0]))
        return (name, source, rows, columns, int(new == digest), data[:0] if new == digest else data)


class Recorder:
    """What one run of a loop went through, turn by turn."""

    def __init__(self, place: str, names: tuple[str, ...], namespace: dict[str, Any]) -> None:
        self.place = place
        self._namespace = namespace
        self._paths = [name.split(".") for name in names]
        self._states: list[list[Any]] = [[] for _ in names]

    def __call__(self, space: dict[str, Any]) -> Recorder:
        """Called before the loop and at the end of each turn, with the names that are known there."""
        if len(self._states[0]) < MOST_RECORDED:
            for path, states in zip(self._paths, self._states, strict=True):
                states.append(self._state(space, path))
        return self

    def _state(self, space: dict[str, Any], path: list[str]) -> Any:
        """Copy a number, or a few plain ones; None for everything else."""
        thing: Any = space.get(path[0], self._namespace.get(path[0]))
        for name in path[1:]:
            thing = getattr(thing, "__dict__", {}).get(name)
        kind = type(thing)
        if kind is float:
            return (thing,)
        if _is(kind, "numpy", "ndarray"):
            few = 0 < thing.size <= WIDEST_RECORDED and thing.dtype.kind in "fiu"
            return tuple(map(float, thing.reshape(-1))) if few else None
        if kind in SEQUENCES:
            found = [scalar(part) for part in thing] if 0 < len(thing) <= WIDEST_RECORDED else [None]
            return None if None in found else tuple(found)
        number = scalar(thing)
        return None if number is None else (number,)

    def histories(self) -> Iterator[tuple[str, list[Any]]]:
        """Go through what stayed a number, or a few, all the way; what had no value before the loop begins after it."""
        kept = [(path[-1], states) for path, states in zip(self._paths, self._states, strict=True)]
        kept = [(name, states) for name, states in kept if len(states) > 2 and _alike(states[1:])]
        skip = any(not _alike(states[:2]) for _, states in kept)
        yield from ((name, states[skip:]) for name, states in kept)


def _digest(rows: int, columns: int, data: Any) -> bytes:
    return blake2b(data, digest_size=16).digest() + pack("<qq", rows, columns)


def _column_digests(rows: int, data: bytes) -> set[bytes]:
    """Mark each column of a table of two as if it were kept by itself."""
    values = memoryview(data).cast("d")
    return {_digest(rows, 0, values[k::2].tobytes()) for k in (0, 1)}


def _alike(states: list[Any]) -> bool:
    """Say whether all states are known and hold equally many numbers."""
    return None not in states and len(set(map(len, states))) == 1


# -- histories that are about to be lost -------------------------------------------------------------

_KEPT = "_grader_kept"
_LOOPS = (ast.For, ast.While)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_GROWING = {"append", "hstack", "vstack", "concatenate", "r_"}


class Watch(ast.NodeTransformer):
    """Adds a look at histories where they would be lost: where a function returns, and where a loop begins them anew.

    The student's own statements stay as they are, lines included, and so do decorated functions and generators.
    """

    def __init__(self) -> None:
        self._place = ""

    def visit_Module(self, node: ast.Module) -> ast.Module:
        """Go through a cell; what is nested deeper than can be followed is left as it is."""
        self._place = ""
        with suppress(RecursionError):
            self.generic_visit(node)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        """Look at what the loops of a function filled, however it returns."""
        names = _filled(node.body)
        outer, self._place = self._place, node.name
        self.generic_visit(node)
        self._place = outer
        compiled = bool(node.decorator_list) or "numba" in sys.modules
        if names and not compiled and not any(map(_yields, _own(node.body))):
            said = node.body[: ast.get_docstring(node, clean=False) is not None]
            rest = node.body[len(said) :]
            watched = ast.Try(body=rest, handlers=[], orelse=[], finalbody=_look(node.name, names, rest[-1]))
            node.body = [*said, ast.copy_location(watched, rest[0])]
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AsyncFunctionDef:
        """Leave it as it is."""
        return node

    def visit_For(self, node: ast.For) -> ast.For:
        """Look at what each turn of a loop begins and its inner loops fill."""
        self._loop(node)
        return node

    def visit_While(self, node: ast.While) -> ast.While:
        """Look at what each turn of a loop begins and its inner loops fill."""
        self._loop(node)
        return node

    def _loop(self, node: ast.For | ast.While) -> None:
        begun = {path for each in node.body if isinstance(each, ast.Assign) for path in _targets(each)}
        names = [name for name in _filled(node.body) if name in begun]
        self.generic_visit(node)
        if names:
            node.body += _look(self._place, names, node.body[-1])


def _look(place: str, names: list[str], near: ast.stmt) -> list[ast.stmt]:
    """Write the look itself; a process that the student starts does not know us."""
    look = ast.parse(
        f"try:\n if {place!r} not in {_KEPT}.full: {_KEPT}.keep({place!r}, {tuple(names[:MOST_KEPT])!r}, locals())\n"
        "except NameError: pass"
    ).body
    for node in (inner for each in look for inner in ast.walk(each)):
        if hasattr(node, "lineno"):
            ast.copy_location(node, near)
    return look


def _own(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """Go through statements, but not into functions and classes."""
    waiting: deque[ast.AST] = deque(body)
    while waiting:
        node = waiting.popleft()
        yield node
        if not isinstance(node, _SCOPES):
            waiting.extend(ast.iter_child_nodes(node))


def _filled(body: list[ast.stmt]) -> list[str]:
    """List what loops that move something append to or write into; a loop over the data alone moves nothing."""
    loops = [list(_own(node.body)) for node in _own(body) if isinstance(node, _LOOPS)]
    grown = [_grown(node) for loop in loops if any(map(_moves, loop)) for node in loop]
    return list(dict.fromkeys(name for name in grown if name))


def _moves(node: ast.AST) -> bool:
    """Say whether a statement computes something from what it was before."""
    match node:
        case ast.AugAssign():
            return True
        case ast.Assign(targets=targets, value=value):
            return bool({_path(part) for part in _parted(targets)} & _read(value))
        case ast.Call(func=ast.Attribute(value=thing, attr="append"), args=[value]):
            return _path(thing) in _read(value)
    return False


def _read(value: ast.expr) -> set[str]:
    return {path for node in ast.walk(value) if (path := _path(node))}


def _grown(node: ast.AST) -> str:
    """Name what a statement makes longer or fills, or nothing."""
    match node:
        case ast.Call(func=ast.Attribute(value=thing, attr="append" | "extend")):
            return _path(thing)
        case ast.Assign(targets=[ast.Subscript(value=thing)]):
            return _path(thing)
        case ast.AugAssign(target=thing, op=ast.Add(), value=ast.List()):
            return _path(thing)
        case ast.Assign(targets=[thing], value=ast.Call(func=ast.Attribute(attr=how))) if how in _GROWING:
            return _path(thing)
    return ""


def _path(node: ast.AST) -> str:
    """Write out `hist` or `self.hist`, also of `hist["b"]`; nothing for what is no such name."""
    while isinstance(node, ast.Subscript):
        node = node.value
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=inner, attr=name) if path := _path(inner):
            return f"{path}.{name}"
    return ""


def _targets(node: ast.Assign) -> list[str]:
    return [_path(part) for part in _parted(node.targets) if not isinstance(part, ast.Subscript)]


def _parted(targets: list[ast.expr]) -> list[ast.expr]:
    return [part for each in targets for part in (each.elts if isinstance(each, ast.Tuple) else [each])]


def _yields(node: ast.AST) -> bool:
    return isinstance(node, ast.Yield | ast.YieldFrom)


def _at(space: dict[str, Any], name: str) -> Any:
    """Follow `self.hist` through what is known, past whatever `__getattr__` an object defines."""
    first, *rest = name.split(".")
    thing: Any = space.get(first)
    for part in rest:
        thing = getattr(thing, "__dict__", {}).get(part)
    return thing


# -- where numbers may be --------------------------------------------------------------------------


def reach(namespace: dict[str, Any]) -> Iterator[tuple[str, Any, str, int]]:
    """Go through what the notebook's names hold, each thing with the expression that reaches it.

    The last part is the identity of what is really kept: a column that is made by looking is new at every look.
    """
    for name, thing in list(islice(namespace.items(), MOST_NAMES)):
        if isinstance(name, str) and not name.startswith("_") and name not in IGNORED:
            yield from _inside(name, thing, "n", DEEPEST, id(thing))


def _inside(name: str, thing: Any, source: str, depth: int, owner: int) -> Iterator[tuple[str, Any, str, int]]:
    yield name, thing, source, owner
    if depth > 0:
        for step, inner, how in islice(_parts(thing), MOST_ITEMS):
            if len(name) + len(step) <= 200:
                made = how == "m" or owner != id(thing)
                yield from _inside(name + step, inner, how.replace("m", "c"), depth - 1, owner if made else id(inner))


def _parts(thing: Any) -> Iterator[tuple[str, Any, str]]:
    """Say what a container holds and how Python reaches it: kept in a container, an attribute, or made by looking."""
    kind = type(thing)
    if issubclass(kind, dict):
        return _entries(dict(islice(dict.items(thing), MOST_ITEMS)))
    if kind in SEQUENCES:
        return _items(thing)
    if _is(kind, "numpy", "ndarray"):
        return _entries({name: thing[name] for name in thing.dtype.names}, "m") if thing.dtype.names else _rows(thing)
    if _is(kind, "pandas", "DataFrame"):
        return _entries({key: thing[key] for key in list(thing.columns)[:WIDEST]}, "m")
    if kind is SimpleNamespace or kind.__module__ == "__main__":
        return _attributes(thing)
    return iter(())


def _entries(kept: dict[Any, Any], how: str = "c") -> Iterator[tuple[str, Any, str]]:
    """Go through a dict, or the columns of a table."""
    for key, inner in kept.items():
        if type(key) in (str, int, float):
            yield f"[{key!r}]", inner, how


def _rows(thing: Any) -> Iterator[tuple[str, Any, str]]:
    """A wide array of few rows may hold one history in each."""
    if thing.ndim == 2 and len(thing) <= WIDEST and thing.shape[1] > max(len(thing), 8):
        yield from ((f"[{i}]", row, "m") for i, row in enumerate(thing))


def _items(thing: Any) -> Iterator[tuple[str, Any, str]]:
    """A short sequence of long things is a container; a long one of short things is a history itself."""
    if len(thing) > 1 and type(thing[0]) is dict and all(type(row) is dict for row in thing):
        for key in list(thing[0])[:WIDEST]:
            if type(key) is str:
                yield f"[:][{key!r}]", [row.get(key) for row in thing], "m"
    elif len(thing) <= WIDEST:
        yield from ((f"[{i}]", inner, "c") for i, inner in enumerate(list(thing)) if _holds(inner, len(thing)))


def _holds(inner: Any, siblings: int) -> bool:
    """Say whether an item of a short sequence may hold histories itself."""
    kind = type(inner)
    if issubclass(kind, dict) or kind.__module__ == "__main__":
        return True
    return _sized(inner) and len(inner) > max(siblings, 8)


def _attributes(thing: Any) -> Iterator[tuple[str, Any, str]]:
    """Read what an object keeps, past whatever `__getattr__` it defines; a named tuple keeps its fields."""
    if isinstance(thing, tuple):
        yield from ((f".{name}", inner, "a") for name, inner in zip(getattr(thing, "_fields", ()), thing, strict=False))
    try:
        kept = dict(object.__getattribute__(thing, "__dict__"))
    except AttributeError:
        return
    for key, inner in kept.items():
        if isinstance(key, str) and not key.startswith("__"):
            yield f".{key}", inner, "a"


# -- what counts as numbers ------------------------------------------------------------------------


def scalar(thing: Any) -> float | None:
    """Read a single number; truth values are none."""
    kind = type(thing)
    if kind is float or kind is int or (kind.__module__ == "numpy" and isinstance(thing, (float, _numpy("number")))):
        try:
            return float(thing)
        except (TypeError, ValueError, OverflowError):
            return None
    return None


def likely_shape(thing: Any) -> tuple[int, int] | None:
    """Say how many rows and columns a thing would have, before any of it is converted."""
    kind = type(thing)
    if _is(kind, "numpy", "ndarray"):
        if thing.dtype.names and thing.ndim == 1:
            return (len(thing), len(thing.dtype.names)) if _all_numbers(thing) and len(thing) > 1 else None
        return _array_shape(thing.shape) if thing.dtype.kind in "fiub" else None
    if _is(kind, "pandas", "Series"):
        return (len(thing), 1) if thing.dtype.kind in "fiub" and len(thing) > 1 else None
    if kind is array:
        return (len(thing), 1) if len(thing) > 1 and thing.typecode != "u" else None
    if kind not in SEQUENCES or len(thing) < 2:
        return None
    width = _width(thing[0])
    return None if width is None else (len(thing), width)


def _all_numbers(thing: Any) -> bool:
    """Say whether every field of a structured array is a number."""
    return all(thing.dtype[name].kind in "fiub" for name in thing.dtype.names)


def _array_shape(shape: tuple[int, ...]) -> tuple[int, int] | None:
    sides = tuple(side for side in shape[1:] if side != 1)
    if len(shape) == 2 and shape[0] == 1:
        return _array_shape((shape[1], 1))
    if len(sides) > 1 or not shape or shape[0] < 2:
        return None
    width = sides[0] if sides else 1
    return (shape[0], width) if 0 < width <= WIDEST else None


def _width(first: Any) -> int | None:
    """Say how many numbers one element holds."""
    kind = type(first)
    if _is(kind, "numpy", "ndarray"):
        return first.size if 0 < first.size <= WIDEST and first.dtype.kind in "fiub" else None
    if kind in SEQUENCES:
        return len(first) if 0 < len(first) <= WIDEST else None
    return 1 if hasattr(kind, "__float__") and kind is not bool else None


def first(thing: Any, rows: int) -> Any:
    """Take the first rows of what is long; what is sent of ten million steps is the beginning."""
    if not _sized(thing) or len(thing) <= rows:
        return thing
    if type(thing) is deque:
        return list(islice(thing, rows))
    return thing.iloc[:rows] if _is(type(thing), "pandas", "Series") else thing[:rows]


def numbers(thing: Any) -> tuple[int, int, memoryview] | None:
    """Convert a series to doubles: rows, columns (0 for a plain series) and the bytes."""
    kind = type(thing)
    if _is(kind, "pandas", "Series"):
        return _from_array(thing.to_numpy())
    if _is(kind, "numpy", "ndarray"):
        if thing.dtype.names:
            thing = sys.modules["numpy"].stack([thing[name].astype("<f8") for name in thing.dtype.names], axis=1)
        return _from_array(thing)
    if kind is array:
        return _plain(len(thing), 0, array("d", thing))
    first = thing[0]
    if _is(type(first), "numpy", "ndarray"):
        return _from_arrays(thing, first)
    if type(first) in SEQUENCES:
        width = len(first)
        if any(len(row) != width for row in thing):
            return None
        return _plain(len(thing), width, _cells(thing))
    return _plain(len(thing), 0, array("d", thing))


def _cells(thing: Any) -> array[float]:
    """Convert the rows of a table; a column of text, such as the name of a run, holds no numbers."""
    try:
        return array("d", chain.from_iterable(thing))
    except TypeError:
        found = array("d", (float("nan") if type(cell) is str else float(cell) for row in thing for cell in row))
        if all(value != value for value in found):
            raise
        return found


def _plain(rows: int, columns: int, values: array[float]) -> tuple[int, int, memoryview] | None:
    if len(values) != rows * max(columns, 1):
        return None
    if sys.byteorder == "big":
        values.byteswap()
    return rows, 0 if columns == 1 else columns, memoryview(values).cast("B")


def _from_arrays(thing: Any, first: Any) -> tuple[int, int, memoryview] | None:
    """Join a history whose elements are small arrays."""
    numpy = sys.modules["numpy"]
    if first.ndim == 0:
        return _from_array(numpy.array(list(thing), dtype="<f8"))
    if any(row.shape != first.shape for row in thing):
        return None
    return _from_array(numpy.concatenate(list(thing)).reshape(len(thing), first.size))


def _from_array(values: Any) -> tuple[int, int, memoryview] | None:
    shape = _array_shape(values.shape)
    if shape is None:
        return None
    rows, width = shape
    exact = sys.modules["numpy"].ascontiguousarray(values, dtype="<f8")
    return rows, 0 if width == 1 else width, memoryview(exact.reshape(-1)).cast("B")


# -- whether it is the same as before --------------------------------------------------------------


def fingerprint(thing: Any, owner: int) -> tuple[Any, ...]:
    """Mark a thing cheaply: which object it is, how long, and some of its elements, dense at the start of the descent.

    The length is None when marking costs as much as reading. The elements are kept, so no other takes their identity.
    """
    kind = type(thing)
    if kind in SEQUENCES and len(thing) > 1:
        if not isinstance(thing[0], (float, int)):
            return (owner, None)
        return (owner, len(thing), *(thing[i] for i in _places(len(thing))))
    if _is(kind, "numpy", "ndarray") and thing.ndim == 1 and thing.dtype.kind == "f" and len(thing) > 1:
        if thing.nbytes <= EXACT_BYTES:
            return (owner, len(thing), blake2b(thing.tobytes(), digest_size=16).digest())
        return (owner, len(thing), *(thing[i].tobytes() for i in _places(len(thing))))
    return (owner, None)


def same(mark: tuple[Any, ...], known: tuple[Any, ...] | None) -> bool:
    """Say whether two marks are of the same object with the same elements."""
    if known is None or len(mark) != len(known) or mark[0] != known[0] or mark[1] is None:
        return False
    return all(a is b or (type(a) is bytes and a == b) for a, b in zip(mark[2:], known[2:], strict=True)) and (
        mark[1] == known[1]
    )


def _places(length: int) -> list[int]:
    """Pick some places: doubling from the start, and evenly to the end."""
    doubling = [1 << i for i in range(length.bit_length()) if 1 << i < length]
    evenly = [length * i // 16 for i in range(16)]
    return [0, *doubling, *evenly, length - 1]


def _is(kind: type, package: str, name: str) -> bool:
    return kind.__name__ == name and kind.__module__.partition(".")[0] == package


def _sized(thing: Any) -> bool:
    kind = type(thing)
    return kind in SEQUENCES or (_is(kind, "numpy", "ndarray") and thing.ndim > 0) or _is(kind, "pandas", "Series")


def _numpy(name: str) -> Any:
    return getattr(sys.modules.get("numpy"), name, float)


def _hex(name: str) -> str:
    return name.encode("utf-8", "replace").hex()
