"""Histories that are kept and cannot be verified: of one parameter, of no line fit, or of the loss alone.

A person sees which numbers there are, and none of them is judged. Where other cells have runs, only what the name calls
a history of something other than a loss or a gradient is told, and no copy of a run's own numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from grader.model import Match, message
from grader.verify import pair

if TYPE_CHECKING:
    from grader.model import Floats, Names, Series

FEWEST = 5  # states; less is a table of results
MOST = 20
WIDEST = 8  # parameters; more are a table of something else
_HISTORY = {"history", "hist", "his", "path", "trace", "log", "record", "records", "trajectory", "traj"}
_LOSS = {"loss", "losses", "cost", "costs"}


def alone(series: Sequence[Series], *, names: Names) -> tuple[Match, ...]:
    """List what looks like a history by its name, or was recorded in a loop; nothing that may be data or a grid."""
    kept = [match for each in series if each.source != "recorded" for match in _matches(each, names)]
    told = {match.cell for match in kept}
    kept += [m for each in series if each.source == "recorded" and each.cell not in told for m in _matches(each, names)]
    return tuple({(match.cell, match.names): match for match in kept}.values())[:MOST]


def beside(series: Sequence[Series], found: Sequence[Match], *, names: Names) -> tuple[Match, ...]:
    """List the histories of cells that have no run, where other cells have one."""
    told = {match.cell for match in found}
    known = {row for each in series if each.cell in told for row in _rows(each)}
    left = [
        each for each in series if each.cell not in told and _is_of_parameters(each) and known.isdisjoint(_rows(each))
    ]
    return alone(left, names=names)


def _is_of_parameters(each: Series) -> bool:
    words = set(pair.tokens(each.name))
    return bool(words & _HISTORY) and not words & (_LOSS | pair.NOT_A_PARAMETER - {"x", "y"})


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
    words = set(pair.tokens(each.name))
    return each.source == "recorded" or pair.stem(each.name) in names.losses or bool(words & (_HISTORY | _LOSS))


def _moves(values: Floats) -> bool:
    """Say whether the numbers change, and otherwise than an axis does."""
    rows = values.T if values.ndim == 2 else values[np.newaxis]
    return any(len(set(row[np.isfinite(row)])) > 1 and not pair.is_grid(row) for row in rows)
