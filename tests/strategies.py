"""Strategies for training runs: data, starts and rates that make an honest student's trajectory."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1]))  # the battery lies beside the package, not in it

from benchmarks import battery as battery
from benchmarks import losses as losses


def examples(count: int) -> int:
    """So many examples in the tests, a hundred times as many in `make search`."""
    return count * (100 if settings.get_current_profile_name() == "search" else 1)


seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)
"""Sources of everything random in a run, so that a failing one is drawn again from a number."""

honest_runs = st.tuples(st.sampled_from(sorted(battery.CORRECT)), seeds)
"""A kind of correct run, by name, with a source to draw it from."""

spoilt_runs = st.tuples(st.sampled_from(sorted(battery.MISTAKES)), seeds)
"""A kind of mistake or fake, by name, with a source to draw it from."""


@st.composite
def series_of_numbers(draw: st.DrawFn) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Whatever a kernel may hold: any shape, any number, infinities and nan among them."""
    shape = draw(st.sampled_from([(2,), (3,), (10,), (50,), (10, 2), (2, 10), (10, 3), (1, 7), (6, 6), (5, 1)]))
    kind = draw(st.sampled_from(["any", "constant", "grid", "walk"]))
    rng = draw(seeds)
    if kind == "constant":
        return np.full(shape, draw(st.floats()))
    if kind == "grid":
        return np.linspace(-5, 5, int(np.prod(shape))).reshape(shape)
    values = rng.normal(0, 1, shape)
    if kind == "walk":
        return np.cumsum(values, axis=0)
    values.flat[rng.integers(values.size)] = draw(st.floats())
    return values
