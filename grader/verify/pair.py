"""Which of the numbers that a notebook holds are parameter histories, which are data, and which are losses.

Names decide where they are clear (the rubric's own first, then what people usually call these things), shape where
they are not, and what is left must prove itself by following a rule. Grids for plotting, predictions, gradients and
velocities are never taken for a history.
"""

from __future__ import annotations

import math
import re
from functools import partial
from itertools import combinations, islice, product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from grader.verify.naming import (
    HELD_OUT,
    INTERCEPT,
    KEEPING,
    LOSS,
    NOT_A_PARAMETER,
    PREDICTION,
    SLOPE,
    USUAL_X,
    USUAL_Y,
    about,
    is_kept,
    is_loss,
    root,
    stem,
    tokens,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from grader.model import Floats, Names, Series

MOST_PATHS, MOST_SAMPLES = 40, 8
PROVEN = 200  # states of a table that prove one of its columns to be the loss of the others
MOST_RANKED = 50  # series that may be x, or y
FEW_WEIGHTS, MOST_WEIGHTS = 8, 80  # of a model, where no name says that a table is a history, and where one does
FEWEST_STACKED = 5  # states of a run in a table of several
FEWEST_DRAWN = 5  # entries of a series that no name calls a loss
LARGEST = 1e30  # of data: the squares of their gradients must have room


class Column(NamedTuple):
    """One series of numbers, by the name under which Python reaches it."""

    cell: int
    name: str
    values: Floats
    source: str


class Path(NamedTuple):
    """Columns of one cell that may be a run; `theta` is [P, T+1].

    `named` says that the names alone make it a run; `ordered` that they also say which parameter is which. `call` is
    the call or the turn that made it, where that is known: `train[2]` is the second call of `train` in the cell; `line`
    is where its loop begins, 0 where no loop is known.
    """

    cell: int
    names: tuple[str, ...]
    theta: Floats
    named: bool
    ordered: bool
    call: str = ""
    line: int = 0


class Samples(NamedTuple):
    """Numbers that may be the data: x is [N] or [N, k], y is [N]."""

    names: tuple[str, str]
    x: Floats
    y: Floats


# -- shapes --------------------------------------------------------------------------------------


def columns(series: Iterable[Series]) -> Iterator[Column]:
    """Every series that is one number a step."""
    for each in series:
        values = np.asarray(each.values, dtype=np.float64)
        if values.ndim > 1 and values.size == max(values.shape):
            values = values.reshape(-1)
        if values.ndim == 1 and len(values) >= 2:
            yield Column(each.cell, each.name, values, each.source)


def _tables(series: Iterable[Series]) -> Iterator[tuple[Series, Floats]]:
    """Every series that is a few numbers a step, as [P, T]."""
    for each in series:
        values = np.squeeze(np.asarray(each.values, dtype=np.float64))
        if values.ndim != 2 or min(values.shape) < 2:
            continue
        across = values.shape[0] < values.shape[1] and values.shape[0] <= FEW_WEIGHTS  # many weights stand in rows
        theta = values if across else values.T
        theta = theta[~np.all(np.isnan(theta), axis=1)]  # columns of text
        if theta.shape[0] <= (MOST_WEIGHTS if is_kept(each.name) else FEW_WEIGHTS):
            yield each, np.ascontiguousarray(theta)


def is_grid(values: Floats) -> bool:
    """Whether the numbers are evenly spaced, as axes for plotting are; a history never is, unless it is made up."""
    with np.errstate(invalid="ignore", over="ignore"):
        steps = np.diff(values)
        return bool(np.all(np.abs(steps - steps[0]) <= 1e-9 * np.abs(values).max()))


def _is_axes(theta: Floats) -> bool:
    """Whether all rows are evenly spaced: axes for plotting, side by side."""
    return bool(theta.shape[1] > 2 and all(map(is_grid, theta)) and np.any(np.ptp(theta, axis=1) > 0))


# -- parameter histories -------------------------------------------------------------------------


def paths(series: Sequence[Series], cell: int, names: Names, known: Iterable[Path] = ()) -> list[Path]:
    """The candidate runs of one cell, the surest first, no numbers twice; `known` are those that loops have kept."""
    here = [each for each in series if each.cell == cell]
    tables = list(_by_table(here, names, partial(samples, series, cell, names)))
    found = [*known, *_by_rubric(here, names), *_with_intercepts(tables, here), *tables, *_by_pattern(here)]
    found = [run for path in found for run in _apart(path, here)]
    used = {name for path in found if path.named for name in path.names}
    found += islice((path for path in _by_length(here, names) if not used & set(path.names)), MOST_PATHS)
    kept = _distinct(sorted(found, key=lambda path: not path.named))
    sure = sum(path.named for path in kept)
    return kept[: max(sure, MOST_PATHS)]  # none that is called a run is left out here


def _apart(path: Path, here: Sequence[Series]) -> Iterator[Path]:
    """The runs of a table in which several are stacked, each from its own beginning."""
    begins = _begins(path, here)
    if len(begins) < 2:
        yield path
        return
    for begin, end in zip(begins, (*begins[1:], path.theta.shape[1]), strict=True):
        names = tuple(f"{name}[{begin}:{end}]" for name in path.names)
        yield path._replace(names=names, theta=np.ascontiguousarray(path.theta[:, begin:end]))


def _begins(path: Path, here: Sequence[Series]) -> list[int]:
    """Where the runs of a path begin: where a counter beside it starts again, else where its first state comes back."""
    counters = [column.values for column in columns(here) if root(column.name) == root(path.names[0])]
    length = path.theta.shape[1]
    for values in counters:
        starts = np.flatnonzero(values == values[0]) if len(values) == length else np.array([])
        if len(starts) > 1 and all(counts(part) for part in np.split(values, starts[1:])):
            return [int(start) for start in starts]
    again = np.flatnonzero(np.all(path.theta == path.theta[:, :1], axis=0))
    apart = len(again) > 1 and np.min(np.diff([*again, length])) >= FEWEST_STACKED
    return [int(start) for start in again] if apart else [0]


def _distinct(found: Iterable[Path]) -> list[Path]:
    """Drop a path whose numbers were seen, under whatever name."""
    seen: set[frozenset[int]] = set()
    kept = []
    for path in found:
        key = frozenset(hash(row.tobytes()) for row in path.theta)
        if key not in seen:
            seen.add(key)
            kept.append(path)
    return kept


def _pair(b: Column, w: Column, *, named: bool, ordered: bool) -> Path | None:
    """Two columns side by side; one that is a number longer loses its last."""
    length = min(len(b.values), len(w.values))
    if max(len(b.values), len(w.values)) > length + 1:
        return None
    theta = np.stack([b.values[:length], w.values[:length]])
    return Path(b.cell, (b.name, w.name), theta, named, ordered)


def _by_rubric(here: Sequence[Series], names: Names) -> Iterator[Path]:
    """Histories under the very names that the rubric gives, wherever they are kept."""
    held = list(columns(here))
    for group in names.parameters:
        if len(group) != 2:
            continue
        for b in (column for column in held if stem(column.name) == group[0]):
            place = _place(b, group[0])
            for w in (column for column in held if stem(column.name) == group[1] and _place(column, group[1]) == place):
                path = _pair(b, w, named=True, ordered=True)
                if path is not None:
                    yield path


def _place(column: Column, own: str) -> str:
    """What stands before a column's own name: `runs[2].` of `runs[2].b_history`."""
    return column.name[: column.name.rfind(own)]


def _call(column: Column) -> str:
    """The call or turn that a history was kept in before it was lost: `train[2]` of `train[2].losses`."""
    return column.name.partition(".")[0] if column.source == "returned" else ""


def _by_table(here: Sequence[Series], names: Names, data: Callable[[], list[Samples]]) -> Iterator[Path]:
    """Arrays with a few numbers a step: `theta` of shape [T, 2], or two rows of length T, also with steps or losses."""
    data_names = {*names.x, *names.y}
    for each, theta in _tables(here):
        words = set(tokens(each.name))
        if stem(each.name) in data_names or words & (NOT_A_PARAMETER | LOSS) or theta.shape[0] == theta.shape[1]:
            continue
        if not words & KEEPING and _is_axes(theta):
            continue
        rows = _parameters(theta, data)
        if len(rows) < 2:
            continue
        across = np.squeeze(np.asarray(each.values)).shape[0] == theta.shape[0]
        labels = tuple(f"{each.name}[{k}]" if across else f"{each.name}[:, {k}]" for k in rows)
        weak = each.source in ("returned", "plotted")  # what a function keeps, and what is drawn, may be of anything
        named = is_kept(each.name) and not weak
        yield Path(each.cell, labels, theta[rows], named=named, ordered=False)


def _parameters(theta: Floats, data: Callable[[], list[Samples]]) -> list[int]:
    """The rows of a table, but for a first one that counts steps, and one that is the loss of the others."""
    rows = list(range(1 if counts(theta[0]) else 0, len(theta)))
    for loss in (rows[-1], rows[0]) if len(rows) > 2 else ():
        rest = [row for row in rows if row != loss]
        if any(_is_loss_of(theta[loss, :PROVEN], theta[rest, :PROVEN], each) for each in data()[:3]):
            return rest
    return rows


def _is_loss_of(values: Floats, theta: Floats, held: Samples) -> bool:
    """Whether numbers are the sum of squares of these parameters, or its root, up to a constant."""
    x = held.x[:, None] if held.x.ndim == 1 else held.x
    if x.shape[1] + 1 != len(theta):
        return False
    phi = np.concatenate([np.ones((len(x), 1)), x], axis=1)
    with np.errstate(all="ignore"):
        for order in (theta, theta[::-1], np.roll(theta, 1, axis=0)):
            square = np.sum((phi @ order - held.y[:, None]) ** 2, axis=0)
            for loss, late in product((square, np.sqrt(square)), (0, 1)):  # recorded after the update, or before
                ratio = values[late:] / loss[: len(loss) - late]
                if np.ptp(loss) > 1e-3 * loss.max() and np.all(np.abs(ratio - ratio[0]) <= 1e-6 * ratio[0]):
                    return True
    return False


def _with_intercepts(tables: Sequence[Path], here: Sequence[Series]) -> Iterator[Path]:
    """Histories of several weights in one array with that of the intercept beside it: `W_hist` and `b_hist`."""
    for table in tables:
        around = about(re.sub(r"\[:, 0\]$|\[0\]$", "", table.names[0]), SLOPE)
        for b in columns(here) if around is not None else ():
            if about(b.name, INTERCEPT) == around and len(b.values) == table.theta.shape[1]:
                theta = np.concatenate([b.values[None, :], table.theta])
                yield Path(b.cell, (b.name, *table.names), theta, named=True, ordered=True)


def _by_pattern(here: Sequence[Series]) -> Iterator[Path]:
    """Two histories whose names differ in the parameter's letter only: `b_ada` and `w_ada`."""
    held = list(columns(here))
    slopes = [(column, about(column.name, SLOPE)) for column in held]
    for b in held:
        around = about(b.name, INTERCEPT)
        if around is None:
            continue
        for w, other in slopes:
            if other == around and w.name != b.name:
                named = len(b.values) > 2 and _is_history(b) and _is_history(w)
                path = _pair(b, w, named=named, ordered=True)
                if path is not None:
                    yield path


def _is_history(column: Column) -> bool:
    return is_kept(column.name) or not is_grid(column.values)


def _by_length(here: Sequence[Series], names: Names) -> Iterator[Path]:
    """Any two series of one length; they count as a run only if they follow a rule."""
    known = {*names.x, *names.y}
    held = [
        column
        for column in columns(here)
        if len(column.values) > 3
        and stem(column.name) not in known
        and not set(tokens(column.name)) & (NOT_A_PARAMETER | LOSS)
        and not is_grid(column.values)
    ]
    apart = sorted(combinations(range(len(held)), 2), key=lambda pair: (pair[1] - pair[0], pair))
    for b, w in ((held[i], held[j]) for i, j in apart):  # what belongs together stands together
        if len(b.values) == len(w.values) and _call(b) == _call(w):
            yield Path(b.cell, (b.name, w.name), np.stack([b.values, w.values]), named=False, ordered=False)


# -- data ----------------------------------------------------------------------------------------


def samples(series: Sequence[Series], cell: int, names: Names, read: AbstractSet[str] = frozenset()) -> list[Samples]:
    """What the run of a cell may have been trained on, the likeliest first: by name, then by what it looks like.

    What the loops `read` is data, whatever its name, and however evenly it is spaced.
    """
    before = _before(series, cell)
    found = [*_pairs(_ranked(before, names.x, USUAL_X, read=read), _ranked(before, names.y, USUAL_Y, read=read), read)]
    found += [(9, each) for each in _data_tables(before)]
    found.sort(key=lambda item: (-sum(root(name) in read for name in item[1].names), item[0]))
    chosen = [(0, part) for _, whole in found[:MOST_SAMPLES] for part in _subsets(whole, before, read)]
    found = [*found[:2], *chosen, *found[2:]]
    return [each for _, each in found[:MOST_SAMPLES]]


def _subsets(whole: Samples, series: Sequence[Series], read: AbstractSet[str]) -> Iterator[Samples]:
    """The samples that index arrays choose, `x[train]`, where a loop reads both."""
    if not {root(name) for name in whole.names} <= read:
        return
    for each in series:
        index = np.squeeze(np.asarray(each.values, dtype=np.float64))
        if each.name not in read or index.ndim != 1 or not 2 <= len(index) < len(whole.y):
            continue
        if np.array_equal(index, np.floor(index)) and index.min() >= 0 and index.max() < len(whole.y):
            chosen = index.astype(int)
            names = f"{whole.names[0]}[{each.name}]", f"{whole.names[1]}[{each.name}]"
            yield Samples(names, whole.x[chosen], whole.y[chosen])


def held_out(series: Sequence[Series], cell: int) -> list[Samples]:
    """What names call data for validation or a test, which no run is trained on."""
    before = [each for each in _before(series, cell) if set(tokens(each.name)) & HELD_OUT]
    found = _pairs(_ranked(before, (), USUAL_X, allowed=HELD_OUT), _ranked(before, (), USUAL_Y, allowed=HELD_OUT))
    return [each for _, each in islice(found, MOST_SAMPLES)]


def _before(series: Sequence[Series], cell: int) -> list[Series]:
    """What the notebook itself held up to a cell, the latest first."""
    before = [each for each in series if each.cell <= cell and each.source in ("namespace", "attribute", "container")]
    return sorted(before, key=lambda each: -each.cell)


def _pairs(
    xs: Sequence[tuple[int, Series, Floats]],
    ys: Sequence[tuple[int, Series, Floats]],
    read: AbstractSet[str] = frozenset(),
) -> Iterator[tuple[int, Samples]]:
    """Every x with every y of its length, with how far their names leave it open."""
    for (rank, x, a), (other, y, b) in product(xs, (each for each in ys if each[2].ndim == 1)):
        plotted = any(_made_for_plots(v, r) and stem(e.name) not in read for r, e, v in ((rank, x, a), (other, y, b)))
        if len(a) == len(b) >= 2 and x.name != y.name and not plotted:
            yield rank + other, Samples((x.name, y.name), a, b)


def _ranked(
    series: Sequence[Series],
    known: Sequence[str],
    usual: set[str],
    *,
    allowed: AbstractSet[str] = frozenset(),
    read: AbstractSet[str] = frozenset(),
) -> list[tuple[int, Series, Floats]]:
    """Series that may be x (or y): 0 for the rubric's names, 1 and 2 for usual ones, 4 for others that a loop reads."""
    ranked = []
    for each in series:
        values = np.squeeze(np.asarray(each.values, dtype=np.float64))
        words = set(tokens(each.name))
        if values.ndim not in (1, 2) or len(values) < 2 or not np.all(np.abs(values) <= LARGEST):
            continue
        if stem(each.name) in known:
            ranked.append((0, each, values))
        elif words & usual and not words & (PREDICTION - allowed):
            ranked.append((1 if words & {"train", "data"} else 2, each, values))
        elif stem(each.name) in read and not words & (KEEPING | LOSS | NOT_A_PARAMETER - {"z"}):
            ranked.append((4, each, values))
    kept = sorted(range(len(ranked)), key=lambda k: ranked[k][0])[:MOST_RANKED]
    return [ranked[k] for k in sorted(kept)]


def _made_for_plots(values: Floats, rank: int) -> bool:
    """An evenly spaced axis of many points under a usual name is a grid; under the rubric's name it is data."""
    return rank > 1 and values.ndim == 1 and len(values) > 50 and is_grid(values)


def _data_tables(series: Sequence[Series]) -> Iterator[Samples]:
    """A table whose last column is y."""
    for each in series:
        values = np.squeeze(np.asarray(each.values, dtype=np.float64))
        if values.ndim != 2 or not 2 <= values.shape[1] <= min(8, values.shape[0] - 1) or is_kept(each.name):
            continue
        if np.all(np.abs(values) <= LARGEST) and not _is_mesh(values):
            x = values[:, 0] if values.shape[1] == 2 else values[:, :-1]
            yield Samples((f"{each.name}[:, :-1]", f"{each.name}[:, -1]"), x, values[:, -1])


def _is_mesh(table: Floats) -> bool:
    """Whether every value of one column stands beside every value of the others: the points of a grid for plotting."""
    counts = [len(np.unique(column)) for column in table.T]
    return min(counts) > 1 and math.prod(counts) == len(table)


# -- losses --------------------------------------------------------------------------------------


class Recorded(NamedTuple):
    """A series that may be the recorded loss of a run; `sure` if its name calls it one."""

    name: str
    values: Floats
    sure: bool


def losses(series: Sequence[Series], path: Path, names: Names) -> list[Recorded]:
    """What may be the recorded loss of a run, the likeliest first: named so, from the same cell; then what is drawn."""
    here = [each for each in series if each.cell == path.cell and each.name not in path.names]
    words, ranked = _words_of(path), []
    for column in (*columns(here), *_drawn(here), *_beside(here, path)):
        if column.name in path.names:
            continue
        if column.source == "returned" and not any(name.startswith(f"{_call(column)}.") for name in path.names):
            continue
        own = stem(column.name) in names.losses
        sure = (own or is_loss(column.name)) and column.source != "plotted"
        parameter = about(column.name, INTERCEPT) is not None or about(column.name, SLOPE) is not None
        if sure or (len(column.values) >= FEWEST_DRAWN and not parameter):
            rank = (not sure, not own, -len(set(tokens(column.name)) & words))
            ranked.append((rank, Recorded(column.name, column.values, sure)))
    return [each for _, each in sorted(ranked, key=lambda item: item[0])]


def _drawn(here: Iterable[Series]) -> Iterator[Column]:
    """The heights of lines in figures, and of tables that count their steps."""
    for each in here:
        values = np.asarray(each.values, dtype=np.float64)
        if values.ndim == 2 and values.shape[1] == 2 and (each.source == "plotted" or counts(values[:, 0])):
            name = each.name if each.source == "plotted" else f"{each.name}[:, 1]"
            yield Column(each.cell, name, values[:, 1], each.source)


def _beside(here: Iterable[Series], path: Path) -> Iterator[Column]:
    """The other columns of the table that a run is kept in."""
    for each in here:
        values = np.asarray(each.values, dtype=np.float64)
        labels = [f"{each.name}[:, {k}]" for k in range(values.shape[1])] if values.ndim == 2 else []
        if set(labels) & set(path.names):
            for name, column in zip(labels, values.T, strict=True):
                yield Column(each.cell, name, column, each.source)


def counts(values: Floats) -> bool:
    """Whether the numbers count steps: whole and one like another apart."""
    with np.errstate(invalid="ignore"):
        return bool(len(values) > 2 and np.all(values == np.round(values)) and 0 <= values[0] < values[1]
                    and np.all(np.diff(values) == values[1] - values[0]))  # fmt: skip


def _words_of(path: Path) -> set[str]:
    """The words that tell one run's names from another's, such as `adagrad` in `b_adagrad`."""
    return {word for name in path.names for word in tokens(name)} - KEEPING
