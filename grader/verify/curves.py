"""Runs thinned for plotting: a few hundred points that look like all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from grader.model import Curve
from grader.verify import effects

if TYPE_CHECKING:
    from grader.model import Floats
    from grader.verify.bounds import Data

BINS = 140


def kept_steps(height: Floats, *, bins: int = BINS) -> Floats:
    """The steps to keep: in each of the logarithmic bins the lowest and the highest point, and both ends."""
    last = len(height) - 1
    edges = np.unique(np.round(np.geomspace(1, last + 1, bins)).astype(int) - 1)
    edges = np.append(edges, last + 1)
    kept = {0, last}
    for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        part = height[low:high]
        kept |= {low + int(np.argmin(part)), low + int(np.argmax(part))}
    return np.array(sorted(kept))


def curve(problem: Data | None, theta: Floats, loss: Floats | None, expected: Floats | None = None) -> Curve:
    """Thin a run by its loss, or by its first parameter where there is no data to derive a loss from.

    `expected` is the reference's path from the same start; it may be shorter than the run.
    """
    kept = kept_steps(theta[0] if loss is None else loss)
    thinned = Curve(steps=tuple(kept.tolist()), path=_points(theta[:, kept]))
    if problem is None or loss is None:
        return thinned
    within = kept[kept < expected.shape[1]] if expected is not None else kept[:0]
    there = expected[:, within] if expected is not None else theta[:, :0]
    return Curve(
        steps=thinned.steps,
        path=thinned.path,
        losses=tuple(loss[kept].tolist()),
        expected_losses=tuple(effects.losses(problem, there).tolist()),
        expected_path=_points(there),
        surface=effects.surface(problem),
    )


def _points(theta: Floats) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(point) for point in theta.T.tolist())
