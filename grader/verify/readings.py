"""How the entries of a record may be meant: as they are, rounded, as logarithms, or with what was never used."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from grader.verify import bounds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from grader.model import Floats

PLACEHOLDERS = (0.0, -1.0, 1.0)


class Reading(NamedTuple):
    """The entries of a record as they may be meant; `room` is what rounding took before they were recorded.

    `manner` says what was done to them, in words.
    """

    values: Floats
    room: Floats
    u: float
    manner: tuple[str, ...] = ()


def meant(values: Floats, states: int) -> Iterator[Reading]:
    """The entries as they are, or rounded; without a placeholder or an unused end; as logarithms."""
    yield from _rounded(values)
    used = list(_used(values))
    for some in used:
        yield from _rounded(some, "unused entries left out")
    if len(values) > states + 1:
        for manner, some in _of_more(values, states):
            yield from _rounded(some, manner)
    for some in (values, *used):
        yield from _logarithms(some)


def _logarithms(values: Floats) -> Iterator[Reading]:
    """Natural and common logarithms, undone; what that does to their rounding counts."""
    if not np.all(np.isfinite(values)) or not len(values):
        return
    for name, base in (("logarithm", 1.0), ("log10", np.log(10.0))):
        with np.errstate(over="ignore"):
            undone = np.exp(values * base)
        yield Reading(undone, 0 * values, 8 * bounds.DOUBLE * (1 + float(np.abs(values * base).max())), (name,))


def _used(values: Floats) -> Iterator[Floats]:
    """Without what stands where nothing was recorded: a start value before the first loss, zeros or nan at the end."""
    begin = 1 if values[0] in PLACEHOLDERS or not np.isfinite(values[0]) else 0
    if not np.all(np.isfinite(values)):
        begin = max(begin, int(np.argmax(np.isfinite(values))))
    kept = np.flatnonzero(values != 0)
    for held in (kept, np.flatnonzero(np.isfinite(values) & (values != 0))):
        end = int(held[-1]) + 1 if len(held) else 0
        for first in dict.fromkeys((0, begin)):
            if 2 <= end - first < len(values):
                yield values[first:end]


def _of_more(values: Floats, states: int) -> Iterator[tuple[str, Floats]]:
    """Of a record that is longer than the run: its end, where it goes on from earlier ones, or every k-th entry."""
    yield "the last entries", values[-states:]
    yield "the last entries", values[1 - states :]
    for stride in dict.fromkeys((round(len(values) / states), round(len(values) / max(states - 1, 1)))):
        if stride > 1:
            for first in (0, stride - 1):
                yield f"one entry in {stride}", values[first::stride][: states + 1]


def _rounded(values: Floats, *manner: str) -> Iterator[Reading]:
    """On a grid of decimals, or to some significant digits; as it is; or cut off after some decimals."""
    none = np.zeros(len(values))
    finite = values[np.isfinite(values)]
    u = bounds.unit(finite[None, :]) if len(finite) else bounds.DOUBLE
    place, room = _place(values), significant(values, fewest=3 if len(np.unique(values)) >= 10 else 4)
    if place:
        yield Reading(values, none + 0.51 * place, u, (*manner, "rounded"))
    yield Reading(values, none, u, manner)
    if room is not None:
        yield Reading(values, room, u, (*manner, "rounded"))
    if place:
        yield Reading(values + np.sign(values) * 0.5 * place, none + 0.51 * place, u, (*manner, "cut off"))


def _place(values: Floats) -> float:
    """The last decimal of a loss that was rounded before it was recorded, if rounding left anything to compare."""
    with np.errstate(invalid="ignore", over="ignore"):
        if len(values) < 2 or not np.all(np.isfinite(values)):
            return 0.0
        places = (10.0**-digits for digits in range(9) if np.all(values == np.round(values, digits)))
        place, spread = next(places, 0.0), np.ptp(values)
    return place if place < 1e-3 * spread or (place < 0.02 * spread and len(np.unique(values)) >= 10) else 0.0


def significant(values: Floats, *, fewest: int) -> Floats | None:
    """Half the last of the significant digits to which every value was rounded, up to eight of them."""
    if not np.all(np.isfinite(values)) or not np.all(values):
        return None
    for digits in range(fewest, 9):
        last = 10.0 ** (np.floor(np.log10(np.abs(values))) - digits + 1)
        if np.all(np.abs(values - np.round(values / last) * last) <= 8 * bounds.DOUBLE * np.abs(values)):
            return np.asarray(0.51 * last)
    return None


def unit(reading: Reading) -> float:
    """The unit roundoff in which the losses of a record were computed."""
    return bounds.SINGLE if reading.u == bounds.SINGLE else bounds.DOUBLE
