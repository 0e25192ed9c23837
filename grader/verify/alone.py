"""Histories that are kept and cannot be verified: of one parameter, of no line fit, or of the loss alone.

A person sees which numbers there are, and none of them is judged. Where other cells have runs, only what the name calls
a history of something other than a loss or a gradient is told, and no copy of a run's own numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from grader.model import Match, Series, message
from grader.verify import naming, pair

if TYPE_CHECKING:
    from grader.model import CellRun, Floats, Names

FEWEST = 5  # states; less is a table of results
MOST = 20
MOST_TURNS = 5  # of one name in one cell
WIDEST = 8  # parameters; more are a table of something else
_HISTORY = {"history", "hist", "his", "path", "trace", "log", "record", "records", "trajectory", "traj"}
_LOSS = {"loss", "losses", "cost", "costs"}


_STEP = r"(?:iter(?:ation)?s?|epochs?|steps?|迭代|疊代|第)"
_LINE = re.compile(
    rf"{_STEP}[^\d\n]{{0,12}}(?P<step>\d{{1,9}})\b[^\n]{{0,60}}?"
    r"(?P<name>loss|cost|error|mse|損失|损失|誤差|误差)[^\d\n]{0,12}?(?P<value>-?\d{1,30}(?:\.\d{0,30})?(?:e[-+]?\d{1,3})?)",
    re.IGNORECASE,
)


def printed(cells: Sequence[CellRun]) -> tuple[Series, ...]:
    """Read lines like "iteration 100, loss 0.25" as the weakest evidence that something was trained."""
    return tuple(series for cell in cells for series in _printed(cell))


def _printed(cell: CellRun) -> Iterator[Series]:
    told: dict[str, list[float]] = {}
    last = -1
    for line in _LINE.finditer(cell.printed):
        if int(line["step"]) <= last:
            return  # several runs, or a table of something else
        last = int(line["step"])
        told.setdefault(line["name"].lower(), []).append(float(line["value"]))
    for name, values in told.items():
        yield Series(cell=cell.index, name=f"print({name})", values=values, source="printed")


def alone(series: Sequence[Series], *, names: Names) -> tuple[Match, ...]:
    """List what looks like a history by its name, or was recorded in a loop; nothing that may be data or a grid.

    What was kept or recorded on the way, and what a loop printed, counts only in a cell where there is nothing better.
    """
    kept: list[Match] = []
    for sources in (("namespace", "attribute", "container"), ("returned",), ("recorded",), ("printed",)):
        told = {match.cell for match in kept}
        here = _first([each for each in series if each.source in sources and each.cell not in told])
        kept += [match for each in here for match in _matches(each, names)]
    return tuple({(match.cell, match.names): match for match in kept}.values())[:MOST]


def _first(series: Sequence[Series]) -> list[Series]:
    """Of what calls and turns kept under one name, take the first ones: each batch of an epoch may be one."""
    counts: dict[tuple[int, str], int] = {}
    kept = []
    for each in series:
        key = (each.cell, naming.stem(each.name))
        counts[key] = counts.get(key, 0) + (each.source == "returned")
        if counts[key] <= MOST_TURNS:
            kept.append(each)
    return kept


def beside(series: Sequence[Series], found: Sequence[Match], *, names: Names) -> tuple[Match, ...]:
    """List the histories of cells that have no run, where other cells have one."""
    told = {match.cell for match in found}
    known = {row for each in series if each.cell in told for row in _rows(each)}
    left = [
        each for each in series if each.cell not in told and _is_of_parameters(each) and known.isdisjoint(_rows(each))
    ]
    return alone(left, names=names)


def _is_of_parameters(each: Series) -> bool:
    words = set(naming.tokens(each.name))
    return bool(words & _HISTORY) and not words & (_LOSS | naming.NOT_A_PARAMETER - {"x", "y"})


def _rows(each: Series) -> set[bytes]:
    values = np.squeeze(np.asarray(each.values, dtype=np.float64))
    return {row.tobytes() for row in (values.T if values.ndim == 2 else values[np.newaxis])}


def _matches(each: Series, names: Names) -> Iterator[Match]:
    values = np.squeeze(np.asarray(each.values, dtype=np.float64))
    if values.ndim not in (1, 2) or len(values) < FEWEST or not _moves(values):
        return
    if values.ndim == 2 and values.shape[1] > WIDEST:
        return
    if _is_history(each, names):
        labels = (each.name,) if values.ndim == 1 else tuple(f"{each.name}[:, {k}]" for k in range(values.shape[1]))
        noted = (message("kernel.recorded"),) if each.source == "recorded" else ()
        yield Match(
            cell=each.cell,
            names=labels,
            steps=len(values) - 1,
            verdict="unverifiable",
            notes=(*noted, message("kernel.alone", name=each.name, states=len(values))),
        )


def _is_history(each: Series, names: Names) -> bool:
    words = set(naming.tokens(each.name))
    return (
        each.source in ("recorded", "printed")
        or naming.stem(each.name) in names.losses
        or bool(words & (_HISTORY | _LOSS))
    )


def _moves(values: Floats) -> bool:
    """Say whether the numbers change, and otherwise than an axis does."""
    rows = values.T if values.ndim == 2 else values[np.newaxis]
    return any(len(set(row[np.isfinite(row)])) > 1 and not pair.is_grid(row) for row in rows)
