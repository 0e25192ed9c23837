"""The ways to read a path of numbers as a run: on which data, in which order of the parameters, from which start."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from grader.model import message
from grader.verify import bounds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from grader.model import Floats, Message
    from grader.verify.bounds import Data, Gradient, Steps
    from grader.verify.pair import Path, Samples


class View(NamedTuple):
    """One way to read a path: its parameters in the model's order, the data behind it, its steps and gradients."""

    names: tuple[str, ...]
    theta: Floats
    problem: Data
    history: Steps
    gradient: Gradient
    notes: tuple[Message, ...] = ()

    @property
    def guessed(self) -> bool:
        """Whether its start was put before it: what such a run follows must be stated, so that the guess is proven."""
        return any(note.id == "verify.first-state-missing" for note in self.notes)


def views(
    path: Path,
    theta: Floats,
    offered: Sequence[Samples],
    begins: Sequence[tuple[float, float]],
    *,
    sure: bool = False,
) -> Iterator[View]:
    """Every reading of a path, the likeliest first: data by preference, parameters in both orders, shifted starts."""
    u = bounds.unit(theta)
    notes: tuple[Message, ...] = ()
    if np.all(theta[:, 0] == theta[:, 1]) and np.any(theta != theta[:, :1]):
        theta, notes = theta[:, 1:], (message("verify.first-state-twice"),)
    for samples in offered:
        for phi in models(samples.x, theta.shape[0]):
            problem = bounds.data(phi, samples.y)
            for order in (slice(None), slice(None, None, -1)):
                yield _view(path.names[order], np.ascontiguousarray(theta[order]), problem, u, notes)
    if theta.shape[0] != 2:
        return
    note = (message("verify.first-state-missing"),)
    begins = [begin for begin in begins if not _visits(path.theta, begin)]  # the names hold the last state by now
    for each in offered if sure else offered[:1]:
        lines = [bounds.data(phi, each.y) for phi in models(each.x, theta.shape[0])]
        for line, begin, order in product(lines[:1], begins, (slice(None), slice(None, None, -1))):
            longer = np.concatenate([np.array(begin)[:, None], theta[order]], axis=1)
            yield _view(path.names[order], longer, line, u, note)


def _visits(theta: Floats, state: tuple[float, float]) -> bool:
    """Whether a path goes through a state, named in either order."""
    return any(bool(np.any(np.all(theta == np.array(pair)[:, None], axis=0))) for pair in (state, state[::-1]))


def _view(names: tuple[str, ...], theta: Floats, problem: Data, u: float, notes: tuple[Message, ...]) -> View:
    history = bounds.steps(theta, u)
    return View(names, theta, problem, history, bounds.gradient(problem, theta[:, :-1], u), notes)


def models(x: Floats, parameters: int) -> Iterator[Floats]:
    """The models that are linear in so many parameters: a line, several features, powers of x."""
    table = x[:, None] if x.ndim == 1 else x
    ones = np.ones((len(table), 1))
    if table.shape[1] == parameters:
        yield np.ascontiguousarray(table)
    if table.shape[1] + 1 == parameters:
        yield np.concatenate([ones, table], axis=1)
        if table.shape[1] > 1:  # two parameters are read in both orders anyway
            yield np.concatenate([table, ones], axis=1)
    if x.ndim == 1 and parameters > 2:
        yield np.stack([x**k for k in range(parameters)], axis=1)


def plausible(view: View) -> bool:
    """Whether the first step goes down the gradient in every parameter, as it does under nearly every rule."""
    d, g = view.history.d[:, 0], view.gradient.g[:, 0]
    sure = (np.abs(d) > view.history.room[:, 0]) & (np.abs(g) > view.gradient.error[:, 0])
    return bool(np.all(d[sure] * g[sure] < 0))


def one_step_down_for_all(view: View) -> bool:
    """Whether the first step lowers every parameter by about the same, as a gradient over itself and an eps does."""
    d = view.history.d[:, 0]
    return bool(np.all(d < 0) and np.ptp(d) <= 0.01 * np.abs(d).max())
