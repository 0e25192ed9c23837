"""Runs thinned for plotting: a few hundred points that look like all of them, and the path that was meant."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from grader.model import Curve
from grader.verify import bounds, effects
from reference import optimizers

if TYPE_CHECKING:
    from grader.model import Floats
    from grader.verify.bounds import Data
    from grader.verify.identify import Fit

BINS = 140
MOST_FREE_STEPS = 2000
STEPS: dict[str, Callable[..., tuple[Any, Any]]] = {
    "gd": optimizers.sgd,
    "sgd": optimizers.sgd,
    "momentum": optimizers.momentum,
    "nesterov": optimizers.nesterov,
    "adagrad": optimizers.adagrad,
    "rmsprop": optimizers.rmsprop,
    "adam": optimizers.adam,
}
KEYWORDS = {"momentum": "beta", "rho": "rho", "beta1": "beta1", "beta2": "beta2"}


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


def free_run(problem: Data, theta: Floats, meant: Fit) -> Floats:
    """The path of a rule from the run's own start, step by step, as far as a plot needs it and numbers reach."""
    form, step = meant.form, STEPS[meant.form.rule]
    keywords: dict[str, Any] = {KEYWORDS[name]: value for name, value in form.hyper.items() if name in KEYWORDS}
    if form.rule in ("adagrad", "rmsprop", "adam"):
        keywords |= {"eps": form.eps, "eps_inside": form.eps_inside}
    if "start" in form.convention and form.rule == "rmsprop":
        start = form.convention["start"]
        keywords["start"] = start if isinstance(start, float) else None
    with np.errstate(all="ignore"):
        path = optimizers.descend(
            step,
            lambda at: problem.A @ at - problem.q,
            theta[:, 0],
            steps=min(theta.shape[1] - 1, MOST_FREE_STEPS),
            lr=meant.lr[:, 0],
            **keywords,
        )
    return path[:, : bounds.finite_steps(path) + 1]


def _points(theta: Floats) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(point) for point in theta.T.tolist())
