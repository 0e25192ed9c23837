"""Runs found by the loops that made them: what a training loop keeps of its states is a run, whatever its names.

Right runs and wrong ones are found alike, since nothing here asks whether a rule explains the numbers.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from grader.verify.naming import is_intercept, is_slope, partners
from grader.verify.pair import MOST_WEIGHTS, Path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from grader.model import Floats, Kept, Loop, Series

_MEMORIES = {"m", "v", "s", "g", "r", "mt", "vt", "st", "cache", "velocity", "mom", "acc", "G", "S", "V", "M"}
_ANY = re.escape("[*]")
_COLUMN = re.compile(r"\[:, (\d+)\]$")
_ROW = re.compile(r"\[(\d+)\]$")


class Part(NamedTuple):
    """One number a state: what the loop calls it, how Python reaches it in the notebook, and its values."""

    carried: str
    name: str
    values: Floats


def by_loop(series: Sequence[Series], cell: int, loops: Sequence[Loop]) -> Iterator[Path]:
    """The runs of one cell that its loops, or loops of the functions that it calls, have kept."""
    here = [each for each in series if each.cell == cell]
    held = {id(each.values): each.name for each in reversed(here) if each.source != "filled"}
    for loop in loops:
        for call, parts in _calls(here, loop, cell, held):
            for run in _runs(parts):
                yield _path(run, loop, cell, call)
        for parts in _recorded(here, loop) if loop.place or loop.cell == cell else ():
            for run in _runs(parts):
                yield _path(run, loop, cell, "")._replace(line=0)


def _recorded(here: Sequence[Series], loop: Loop) -> Iterator[list[list[Part]]]:
    """What was recorded of the parameters of a loop, run by run."""
    groups: dict[str, list[list[Part]]] = {}
    parameters = [name for name in loop.carried if name.split(".")[-1] not in _MEMORIES] or loop.carried
    for name in parameters:
        own = re.escape(name.split(".")[-1])
        place = rf"(?:({re.escape(loop.place or 'loop')}(?:\[\d+\])?)\.)?"
        for each in here:
            found = re.fullmatch(place + own, each.name) if each.source == "recorded" else None
            values = np.squeeze(np.asarray(each.values, dtype=np.float64))
            if found is not None and values.ndim == 1:
                groups.setdefault(found[1] or "", []).append([Part(name, each.name, values)])
            elif found is not None and values.ndim == 2:
                groups.setdefault(found[1] or "", []).append(_columns(each.name, values, (name,)))
    yield from groups.values()


def _calls(
    here: Sequence[Series], loop: Loop, cell: int, held: dict[int, str]
) -> Iterator[tuple[str, list[list[Part]]]]:
    """What each call of a function, each turn of a loop and each key of a dict has kept, container by container."""
    groups: dict[tuple[str, ...], list[list[Part]]] = {}
    for kept in loop.kept:
        for each in here:
            where = _where(each, loop, kept, cell)
            parts = _parts(each, kept, held) if where is not None else []
            if where is not None and parts:
                groups.setdefault(where, []).append(parts)
    yield from ((where[0], parts) for where, parts in groups.items())


def _where(each: Series, loop: Loop, kept: Kept, cell: int) -> tuple[str, ...] | None:
    """The call and the keys under which a series is a container of a loop; None where it is not."""
    if not loop.place and loop.cell != cell:
        return None
    path = re.escape(_COLUMN.sub("", kept.path)).replace(_ANY, r"\[([^\[\]]*)\]")
    if each.source in ("returned", "filled"):
        found = re.fullmatch(rf"({re.escape(loop.place or 'loop')}(?:\[\d+\])?)\.{path}", each.name)
    elif each.source in ("namespace", "attribute", "container"):
        found = re.fullmatch(rf"()(?:{path})", each.name) or _whole(each, kept)
    else:
        return None
    return found.groups() if found else None


def _whole(each: Series, kept: Kept) -> re.Match[str] | None:
    """A table whose rows are written one by one: `h[0, i] = b`."""
    row = _ROW.search(kept.path)
    return re.fullmatch(rf"()(?:{re.escape(_ROW.sub('', kept.path))})", each.name) if row else None


def _parts(each: Series, kept: Kept, held: dict[int, str]) -> list[Part]:
    """The columns of a container that hold what the loop carries."""
    values = np.squeeze(np.asarray(each.values, dtype=np.float64))
    name = held.get(id(each.values), each.name)
    if values.ndim == 1:
        return [Part(kept.columns[0] or "", name, values)] if len(kept.columns) == 1 and len(values) > 1 else []
    if values.ndim != 2:
        return []
    column, row = _COLUMN.search(kept.path), _ROW.search(kept.path)
    if column is not None:
        k = int(column[1])
        return [Part(kept.columns[0] or "", f"{name}[:, {k}]", values[:, k])] if k < values.shape[1] else []
    if row is not None and not each.name.endswith(row[0]):
        k = int(row[1])
        return [Part(kept.columns[0] or "", f"{name}[{k}]", values[k])] if k < len(values) else []
    return _columns(name, values, kept.columns)


def _columns(name: str, values: Floats, columns: Sequence[str | None]) -> list[Part]:
    if len(columns) == 1 and values.shape[1] <= MOST_WEIGHTS:
        columns = [f"{columns[0]}[{k}]" for k in range(values.shape[1])]
    if len(columns) != values.shape[1]:
        return []
    return [Part(own, f"{name}[:, {k}]", values[:, k]) for k, own in enumerate(columns) if own]


# -- which parts make a run ------------------------------------------------------------------------


def _runs(containers: Sequence[list[Part]]) -> Iterator[list[Part]]:
    """Whole tables are runs, with the intercept that is kept beside one; single numbers go together by their names."""
    tables = [parts for parts in containers if len(parts) > 1]
    singles = [parts[0] for parts in containers if len(parts) == 1]
    lone = [part for part in singles if not any(_pairs(part, other) for other in singles)]
    if len(tables) == 1 and len(lone) == 1 and _alike(lone[0], tables[0][0]):
        yield [lone[0], *tables[0]]
        return
    yield from tables
    yield from _paired(singles)


def _paired(singles: list[Part]) -> Iterator[list[Part]]:
    """Two numbers are a run; of more, those whose names differ in the parameter's letter only, else all of them."""
    if len(singles) <= 2:
        yield from [singles] if len(singles) == 2 and _alike(*singles) else []
        return
    taken: set[str] = set()
    for b in singles:
        w = next((other for other in singles if other.name not in taken and _pairs(b, other)), None)
        if w is not None:
            taken |= {b.name, w.name}
            yield [b, w]
    if not taken and all(_alike(singles[0], other) for other in singles):
        yield singles


def _pairs(b: Part, w: Part) -> bool:
    """Whether two numbers are the intercept and the slope of one run, by what the loop calls them."""
    return partners(b.carried, w.carried) and _alike(b, w)


def _alike(a: Part, b: Part) -> bool:
    return abs(len(a.values) - len(b.values)) <= 1


def _path(parts: list[Part], loop: Loop, cell: int, call: str) -> Path:
    length = min(len(part.values) for part in parts)
    if len(parts) == 2 and is_slope(parts[0].carried) and is_intercept(parts[1].carried):
        parts = [parts[1], parts[0]]
    ordered = len(parts) == 2 and is_intercept(parts[0].carried) and is_slope(parts[1].carried)
    theta = np.ascontiguousarray([part.values[:length] for part in parts])
    names = tuple(part.name for part in parts)
    return Path(cell, names, theta, named=True, ordered=ordered, call=call, line=loop.line)


def endings(paths: Iterable[Path]) -> set[bytes]:
    """The first and last states of runs, each in both orders: what a table of results is made of."""
    ends = [state for path in paths for state in (path.theta[:, 0], path.theta[:, -1])]
    return {order.tobytes() for state in ends for order in (state, state[::-1].copy())}
