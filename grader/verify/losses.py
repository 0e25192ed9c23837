"""A recorded loss history against the losses derived from the parameters and the data.

A loss is `L_k = s · f(S)` with S the sum of squares at some state; every entry must be that within its rounding, so
which loss it is and when it was recorded is read off, not guessed. "Differs" needs a known mistake that explains every
entry, or one known loss in most of them and numbers of no state in the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec
import numpy as np

from grader.model import Divergence, LossMatch
from grader.verify import bounds
from grader.verify.derived import Derived, Misfit, averaged, full, in_part, misfit
from grader.verify.naming import HELD_OUT, tokens
from grader.verify.readings import Reading, meant, significant, unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from grader.model import Floats, LossMistake, Match
    from grader.verify.bounds import Data
    from grader.verify.derived import At
    from grader.verify.pair import Recorded
    from grader.verify.said import Said

MOST_POINTS, MOST_NUMBERS = 200_000, 4_000_000  # states; errors that are held at once
MOST_SURE, MOST_OTHERS = 4, 16  # columns that are looked at: what names call a loss, and what may be one
ENOUGH = 2100  # states, to try what costs more on: two of the widest windows
BEGINS = 300  # states at which a record may begin, where no name calls it a loss
VERDICTS = ("matches", "differs", "unexplained")  # of several series that names call a loss, the surest counts
GLANCE = 64  # entries that are compared first
FEWEST = 5  # entries from which an unusual beginning or scale can be read
VISIBLE = 1e-3  # of a loss: what a curve that was edited is off by at least, and no rounding that nobody thought of
TELLING = 100.0  # bounds by which a loss must have moved, for its entries to be told apart
_PLAINLY = {"cum", "cumul", "cumulative", "cumsum", "accumulated", "total", "neg", "negative", "bias", "sum"}
_ERRORS = {"error", "errors", "err", "errs", "residual", "residuals", "mean", "avg"}
_OF_ONE = {"last", "first", "sample", "one", "single", "point"}


class Run(NamedTuple):
    """The run that a loss is recorded of, or its beginning; `states` counts all that were recorded."""

    problem: Data
    theta: Floats
    stated: Said
    states: int
    errors: Callable[[float], Misfit]
    full: Callable[[float], tuple[Derived, ...]]


Look = Callable[[Run, float], Iterable[Derived]]  # what to compare with, by the unit roundoff of the record


def _run(problem: Data, theta: Floats, u: float, stated: Said, states: int) -> Run:
    @cache
    def errors(unit: float) -> Misfit:
        return misfit(problem, theta, max(u, unit), missing=states - theta.shape[1])

    @cache
    def whole(unit: float) -> tuple[Derived, ...]:
        return tuple(_piecewise(problem, theta, max(u, unit), states))

    return Run(problem, theta, stated, states, errors, whole)


def _piecewise(problem: Data, theta: Floats, u: float, states: int) -> Iterator[Derived]:
    """The losses over all samples, of so many states at a time that the errors of many samples have room."""
    size = max(MOST_NUMBERS // problem.size, 1)
    pieces = (theta[:, begin : begin + size] for begin in range(0, theta.shape[1], size))
    found = [list(full(misfit(problem, piece, u, missing=states - piece.shape[1]))) for piece in pieces]
    for same in zip(*found, strict=True):
        value, error = (np.concatenate([getattr(part, name) for part in same]) for name in ("value", "error"))
        yield same[0]._replace(value=value, error=error)


def match(
    problem: Data,
    theta: Floats,
    u: float,
    recorded: Sequence[Recorded],
    stated: Said,
    *,
    states: int,
    others: Iterable[tuple[str, Data]] = (),
) -> LossMatch:
    """The first recorded loss that agrees with the run, else what is known of the likeliest.

    `states` counts the recorded states, of which `theta` holds those before an overflow; `others` are data that the run
    was not trained on. A series that no name calls a loss counts only if it is one.
    """
    recorded = [each for each in recorded if not (_is_data(each.values, problem) or _are_residuals(each, states))]
    if not recorded:
        return LossMatch()
    run = _run(problem, theta[:, :MOST_POINTS], u, stated, states)
    begun = _run(problem, theta[:, :ENOUGH], u, stated, states)
    sure = [each for each in recorded if each.sure and not _are_errors(each.values, run)]
    plain = filter(None, (_recognised(each, run) for each in sure[:MOST_OTHERS]))
    tried = list(islice(plain, 1))
    if sure and not tried:
        held = [(name, _run(data, run.theta, u, stated, states)) for name, data in others]
        tried = [_judged(each, run, begun, held) for each in sure[:MOST_SURE]]
    if tried:
        return min(tried, key=lambda found: VERDICTS.index(found.verdict))
    unnamed = [each for each in recorded if not each.sure][:MOST_OTHERS]
    drawn = (_recognised(each, run) for each in unnamed if _begins_as_a_loss(each.values, run, u))
    return next(filter(None, drawn), LossMatch())


def _is_data(values: Floats, problem: Data) -> bool:
    """Whether a series is what the run was trained on."""
    return any(np.array_equal(values, of) for of in (problem.y, *problem.phi.T))


def _are_residuals(recorded: Recorded, states: int) -> bool:
    """Whether what is called an error has both signs and not one entry a state: the errors of samples, no loss."""
    values = recorded.values
    several = bool(np.any(values > 0) and np.any(values < 0))
    return several and abs(len(values) - states) > 1 and bool({"error", "errors", "err"} & set(tokens(recorded.name)))


def apart(found: Sequence[Match]) -> list[Match]:
    """Take back what was asked of a loss that is the loss of another run of its cell: this one recorded none."""
    known = {(each.cell, each.loss.name) for each in found if each.loss.verdict == "matches"}
    return [
        msgspec.structs.replace(each, loss=LossMatch())
        if each.loss.verdict == "unexplained" and (each.cell, each.loss.name) in known
        else each
        for each in found
    ]


def _judged(column: Recorded, run: Run, begun: Run, others: Sequence[tuple[str, Run]]) -> LossMatch:
    """What a series is that is called a loss: the plainest explanation; what costs more is tried on the beginning."""
    readings = list(meant(column.values, run.states))
    looks: tuple[Look, ...] = (
        _in_part,
        lambda run, u: averaged(run.full(u)[0], len(column.values), run.stated),
        lambda run, u: _averaged_parts(run, u, len(column.values)),
    )
    found = _any(column, readings, run, lambda run, u: run.full(u))
    for look in looks:
        if found is None and _any(column, readings[:1], begun, look) is not None:
            found = _any(column, readings[:1], run, look)
    return (
        found
        or _of_others(column, readings, others)
        or _elsewhere(column, readings[0], run)
        or _scaled(column, readings[0], run)
        or _astray(column, readings, run)
    )


def _right(run: Run, u: float) -> Iterator[Derived]:
    """The right losses over all samples."""
    return (loss for loss in run.full(u) if not loss.mistake)


def _in_part(run: Run, u: float) -> Iterator[Derived]:
    """The losses of the steps' own samples, unless the errors of all are too many to hold."""
    if run.problem.size * run.theta.shape[1] <= 4 * MOST_NUMBERS:
        yield from in_part(run.problem, run.theta, run.errors(u), run.stated)


def _averaged_parts(run: Run, u: float, length: int) -> Iterator[Derived]:
    """Means of the losses of the steps' own samples."""
    for part in _in_part(run, u):
        if part.kind == "step" and part.at == "before":
            yield from averaged(part, length, run.stated)


def _begins_as_a_loss(values: Floats, run: Run, u: float) -> bool:
    """Whether one of the first entries is a right loss of a state near where a record may begin.

    Most series are none; it is asked of few states, before the losses of all are derived.
    """
    for reading in meant(values, run.states) if len(values) >= FEWEST else ():
        length = len(reading.values)
        if np.any(reading.room) or not 2 <= length <= run.states + 1:
            continue
        begins = {int(k) for where in _alignments(length, run.states) for k in where[:2]}
        at = [k for k in sorted(begins | set(range(BEGINS))) if 0 <= k < run.theta.shape[1]]
        for loss in full(misfit(run.problem, run.theta[:, at], max(u, unit(reading)))):
            room = bounds.ROUNDING * (loss.error + 4 * reading.u * np.abs(loss.value))
            for scale in () if loss.mistake else loss.scales.values():
                if np.any(np.abs(loss.value - reading.values[:2, None] / scale) <= room):
                    return True
    return False


def _recognised(column: Recorded, run: Run) -> LossMatch | None:
    """A series under any name, if it is a right loss of the run beyond doubt."""
    if len(column.values) < FEWEST:
        return None
    readings = [each for each in meant(column.values, run.states) if not np.any(each.room)]
    found = _any(column, readings, run, _right) or _elsewhere(column, readings[0], run)
    return found if found is not None and found.verdict == "matches" else None


def _are_errors(values: Floats, run: Run) -> bool:
    """Whether a series holds the errors of the samples at the end, of which a name may speak as well."""
    last = np.abs(misfit(run.problem, run.theta[:, -1:], bounds.DOUBLE).value[:, 0])
    if len(values) != len(last):
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        return any(np.allclose(np.abs(values), of, rtol=1e-6, atol=1e-9) for of in (last, last**2, last**2 / 2))


# -- agreement -------------------------------------------------------------------------------------


class Found(NamedTuple):
    """A derived loss that explains a reading: its name, when it was taken, and the largest residual."""

    loss: Derived
    kind: str
    at: At | None
    stride: int
    worst: float


def _any(column: Recorded, readings: Iterable[Reading], run: Run, losses: Look) -> LossMatch | None:
    """The first loss, over its best alignment, that explains every entry of a reading."""
    for reading in readings:
        if len(reading.values) < 2 or len(reading.values) > run.states + 1:
            continue
        for loss in losses(run, unit(reading)):
            found = _explained(reading, loss)
            if found is not None:
                return _told(column, found, reading)
    return None


def _told(column: Recorded, found: Found, reading: Reading) -> LossMatch:
    """A loss of the wrong kind or sign differs, unless its name says that it is no usual one."""
    mistake: LossMistake | None = found.loss.mistake or ("sign" if found.kind.startswith("-") else None)
    verdict: Literal["matches", "differs", "unexplained"] = "differs" if mistake else "matches"
    if mistake and _says_so(column.name, found):
        verdict = "unexplained"
    kind, _, averaged = found.kind.partition(", ")
    return LossMatch(
        name=column.name,
        kind=f"cumulative-{kind}" if mistake == "cumulative" else kind,
        manner=", ".join(filter(None, (averaged, *reading.manner))),
        mistake=mistake,
        verdict=verdict,
        at=found.at,
        max_residual=found.worst,
    )


def _says_so(name: str, found: Found) -> bool:
    """Whether a name, or a record of some steps only, leaves it open that the wrong loss was meant."""
    words = set(tokens(name))
    if found.loss.kind == "no-square":
        return bool(words & (_ERRORS | _PLAINLY))
    if found.loss.kind == "sample":
        return bool(words & _OF_ONE) or found.stride > 1  # the loss of the last step of each pass, as well
    return bool(words & _PLAINLY)


def _explained(reading: Reading, loss: Derived) -> Found | None:
    """The scale and the alignment under which a loss explains every entry."""
    for where in _alignments(len(reading.values), loss.states) if len(loss.value) else ():
        named = _agrees(reading, loss, where)
        if named is not None:
            return Found(loss, named[0], loss.at or _at(where, loss.states), _stride(where), named[1])
    return None


def _alignments(length: int, states: int) -> Iterator[NDArray[np.intp]]:
    """Which state each entry may belong to; a state outside the record cannot be compared."""
    entries = np.arange(length)
    if length < states - 1:
        yield from _apart(entries, states)
    yield entries
    if length <= states:
        yield entries + 1
    if length >= states:
        yield entries - 1


def _apart(entries: NDArray[np.intp], states: int) -> Iterator[NDArray[np.intp]]:
    """Entries so many steps apart; then such ones with the last state, or the one before it, as well."""
    length = len(entries)
    for stride in _strides(states - 1, length):
        for offset in dict.fromkeys((0, 1, stride - 1, stride)):
            if offset + (length - 1) * stride < states:
                yield offset + stride * entries
    for stride in _strides(states - 1, length - 1) if length > FEWEST else ():
        for offset in dict.fromkeys((0, 1, stride - 1, stride)):
            if offset + (length - 2) * stride < states - 1:
                for last in (states - 1, states - 2):
                    yield np.append(offset + stride * entries[:-1], last)


def _strides(steps: int, length: int) -> Iterator[int]:
    """How many steps may lie between two entries."""
    for stride in dict.fromkeys((steps // length, -(-steps // length), steps // max(length - 1, 1))):
        if stride > 1:
            yield stride


def _stride(where: NDArray[np.intp]) -> int:
    return int(where[1] - where[0]) if len(where) > 1 else 1


def _at(where: NDArray[np.intp], states: int) -> At | None:
    """Whether a loss was recorded before or after the update; undecided for those of all states, or of a few."""
    if _stride(where) > 1 or len(where) >= states:
        return None
    return "before" if where[0] == 0 else "after" if where[0] == 1 else None


def _taken(loss: Derived, where: NDArray[np.intp], u: float) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """The loss at these states with its bound, and which of them can be compared."""
    known = (where >= 0) & (where < len(loss.value))
    index = np.where(known, where, 0)
    value, error = loss.value[index], loss.error[index]
    if loss.kind == "cumulative":
        value = np.cumsum(value)
        error = np.cumsum(error) + u * np.sqrt(len(value)) * value
        known = known & (where[0] >= 0)  # a sum that begins before the record is not known
    error = error + 4 * u * np.abs(value)
    return value, error, known & np.isfinite(value) & (np.abs(value) < 1e290) & np.isfinite(error)


def _agrees(reading: Reading, loss: Derived, where: NDArray[np.intp]) -> tuple[str, float] | None:
    """The name of the scale within whose bound, beside what was rounded off, every entry lies; the largest residual."""
    if len(where) > 4 * GLANCE:
        glance = reading._replace(values=reading.values[:GLANCE], room=reading.room[:GLANCE])
        if _compared(glance, loss, where[:GLANCE]) == []:
            return None
    return next(iter(_compared(reading, loss, where) or ()), None)


def _compared(reading: Reading, loss: Derived, where: NDArray[np.intp]) -> list[tuple[str, float]] | None:
    """The scales under which these entries agree; None where there is nothing to compare."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        value, error, known = _taken(loss, where, reading.u)
        if np.count_nonzero(known) < 2:
            return None
        if not np.all(np.isfinite(reading.values[known])):
            return []
        values, value, error, room = reading.values[known], value[known], error[known], reading.room[known]
        k = int(np.argmax(np.abs(value)))
        start = values[k] / value[k]
        found = []
        for name, scale in loss.scales.items():
            for sign, label in ((1.0, name), (-1.0, name if loss.kind == "no-square" else f"-{name}")):
                if not abs(start - sign * scale) <= 0.01 * scale + (100 * scale * error[k] + room[k]) / abs(value[k]):
                    continue
                worst = float(np.max((np.abs(values - sign * scale * value) - room) / (scale * error)))
                if worst <= bounds.ROUNDING:
                    found.append((label, worst))
        return found


def _of_others(column: Recorded, readings: Sequence[Reading], others: Sequence[tuple[str, Run]]) -> LossMatch | None:
    """A right loss on data that the run was not trained on: right if both names say so, else it is asked about."""
    for name, run in others:
        found = _any(column, readings, run, _right)
        if found is not None and found.verdict == "matches":
            meant = bool(set(tokens(column.name)) & HELD_OUT) and any(
                set(tokens(of)) & HELD_OUT for of in name.split(", ")
            )
            verdict: Literal["matches", "unexplained"] = "matches" if meant else "unexplained"
            return msgspec.structs.replace(found, data=name, verdict=verdict)
    return None


# -- unusual records -------------------------------------------------------------------------------


def _elsewhere(column: Recorded, reading: Reading, run: Run) -> LossMatch | None:
    """A right loss that was recorded from a later state on, or every so many steps: where its entries say."""
    if len(reading.values) < FEWEST or np.any(reading.room) or not np.all(np.isfinite(reading.values)):
        return None
    for loss in _right(run, unit(reading)):
        for scale in loss.scales.values():
            for where in _found(reading, loss, scale):
                value, error, known = _taken(loss, where, reading.u)
                named = _agrees(reading, loss, where)
                if named is not None and np.ptp(value[known]) > TELLING * error.max():
                    return _told(column, Found(loss, named[0], None, _stride(where), named[1]), reading)
    return None


def _found(reading: Reading, loss: Derived, scale: float) -> Iterator[NDArray[np.intp]]:
    """Where the first two entries are among the states, and so the others."""

    def holds(value: float, begin: int) -> list[int]:
        with np.errstate(over="ignore", invalid="ignore"):
            near = np.abs(loss.value[begin:] - value / scale) <= bounds.ROUNDING * (
                loss.error[begin:] + 4 * reading.u * loss.value[begin:]
            )
        return [int(k) + begin for k in np.flatnonzero(near)[:4]]

    entries = np.arange(len(reading.values))
    for first in holds(float(reading.values[0]), 0):
        for second in holds(float(reading.values[1]), first + 1):
            stride = second - first
            if first + stride * (len(entries) - 2) < len(loss.value):
                if first + stride * (len(entries) - 1) < len(loss.value):
                    yield first + stride * entries
                for last in (len(loss.value) - 1, len(loss.value) - 2):
                    yield np.append(first + stride * entries[:-1], last)


def _scaled(column: Recorded, reading: Reading, run: Run) -> LossMatch | None:
    """A loss that is a constant times the sum of squares: a share of the first, or of the data's own; else asked."""
    if len(reading.values) < FEWEST or np.any(reading.room) or not np.all(np.isfinite(reading.values)):
        return None
    loss = run.full(unit(reading))[0]
    y = run.problem.y
    shares = {"sse/first": 1 / loss.value[0], "sse/variance": 1 / max(float(np.sum((y - y.mean()) ** 2)), 1e-300)}
    for where in _alignments(len(reading.values), run.states):
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            value, error, known = _taken(loss, where, reading.u)
            if np.count_nonzero(known) < FEWEST or not np.ptp(value[known]) > TELLING * error[known].max():
                continue
            value, error, values = value[known], error[known], reading.values[known]
            k = int(np.argmax(value))
            scale = values[k] / value[k]
            worst = float(
                np.max(np.abs(values - scale * value) / (np.abs(scale) * (error + value * error[k] / value[k])))
            )
        if scale > 0 and worst <= bounds.ROUNDING:
            name = next((name for name, known in shares.items() if abs(scale - known) <= 1e-9 * known), None)
            return LossMatch(
                name=column.name,
                kind=name or "sse",
                factor=None if name else float(f"{scale:.6g}"),
                verdict="matches" if name else "unexplained",
                max_residual=worst,
            )
    return None


def _astray(column: Recorded, readings: Sequence[Reading], run: Run) -> LossMatch:
    """A loss that agrees with nothing: it differs if most of it is one known loss, else it stays unexplained."""
    plain = [each for each in readings if each.values is column.values]
    coarse = significant(column.values, fewest=2)
    rooms = [each.room for each in plain] + ([] if coarse is None else [coarse])
    reading = plain[0]._replace(room=np.max(rooms, axis=0))
    loss = run.full(unit(reading))[0]
    for where in _alignments(len(reading.values), run.states) if len(reading.values) <= run.states + 1 else ():
        for name, scale in loss.scales.items():
            found = _left(column, reading, loss, where, name, scale)
            if found is not None:
                return found
    return LossMatch(name=column.name, verdict="unexplained")


def _left(
    column: Recorded, reading: Reading, loss: Derived, where: NDArray[np.intp], name: str, scale: float
) -> LossMatch | None:
    """The loss that most of a record is, where the rest is the loss of no state at all."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        value, error, known = _taken(loss, where, reading.u)
        off = (np.abs(reading.values - scale * value) - reading.room) / (scale * error)
    off[np.isnan(off)] = np.inf
    off[~known] = 0.0
    visible = ~(np.abs(reading.values - scale * value) <= VISIBLE * scale * np.abs(value))
    moving = np.abs(np.diff(value, prepend=np.inf)) > TELLING * error + reading.room / scale
    agreeing = (off <= bounds.ROUNDING) & known
    wrong = (off > bounds.DIFFERS) & visible
    if not wrong.any() or np.count_nonzero(agreeing) <= 0.5 * len(off) or not np.mean(agreeing[moving & known]) > 0.5:
        return None
    if _accounted(reading.values[wrong] / scale, loss, reading.u):
        return None
    k = int(np.argmax(wrong))
    return LossMatch(
        name=column.name,
        kind=name,
        verdict="differs",
        max_residual=float(off.max()),
        first_divergence=Divergence(
            step=k + 1, before=(), expected=(float(scale * value[k]),), seen=(float(reading.values[k]),)
        ),
    )


def _accounted(wrong: Floats, loss: Derived, u: float) -> bool:
    """Whether entries out of place say nothing: no numbers, one and the same, or each the loss of some other state."""
    if not np.all(np.isfinite(wrong)) or (len(wrong) > 1 and np.ptp(wrong) == 0):
        return True
    order = np.argsort(loss.value)
    known, error = loss.value[order], loss.error[order]
    after = np.clip(np.searchsorted(known, wrong), 1, len(known) - 1)
    near = [np.abs(known[k] - wrong) <= bounds.ROUNDING * (error[k] + 4 * u * known[k]) for k in (after - 1, after)]
    return bool(np.all(near[0] | near[1]))
