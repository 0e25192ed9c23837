"""What a run did to the loss, measured on its own path.

With S the sum of squares, S* the least possible, S0 the start and "the end" the last tenth of the steps (20 at least):

- diverging: the path leaves for infinity, or it ends above its start and is not on its way down.
- converged: at the last step S - S* is at most S*/1000, or a billionth of S0.
- oscillating: at the end some parameter turns round at every third step or more often, and S does not halve.
- stalled: over the end S - S* shrinks by less than 1 %.
- converging: anything else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from grader.model import Surface

if TYPE_CHECKING:
    from grader.model import Effect, Floats
    from grader.verify.bounds import Data


def best(problem: Data) -> tuple[Floats, float]:
    """The least-squares parameters and their sum of squares."""
    centre: Floats = np.linalg.lstsq(problem.phi, problem.y, rcond=None)[0].astype(np.float64)
    return centre, float(np.sum((problem.y - problem.phi @ centre) ** 2))


def losses(problem: Data, theta: Floats) -> Floats:
    """The sum of squares at every state, as height above the minimum, which does not cancel near it."""
    centre, least = best(problem)
    with np.errstate(over="ignore", invalid="ignore"):
        away = theta - centre[:, None]
        return np.asarray(least + 0.5 * np.sum(away * (problem.A @ away), axis=0))


def surface(problem: Data) -> Surface | None:
    """The loss as a quadratic bowl, for contour lines; two parameters only."""
    if problem.A.shape != (2, 2):
        return None
    centre, least = best(problem)
    (a, b), (c, d) = (problem.A / 2.0).tolist()
    return Surface(centre=(float(centre[0]), float(centre[1])), hessian=((a, b), (c, d)), minimum=least)


def effect(problem: Data, theta: Floats, loss: Floats, *, overflowed: bool) -> Effect:
    """Name what the run did; the module says how each name is defined."""
    if overflowed or not np.isfinite(loss[-1]):
        return "diverging"
    _, least = best(problem)
    end = max(20, (len(loss) - 1) // 10)
    height = loss[-end - 1 :] - least if len(loss) > end else loss - least
    if loss[-1] > loss[0] and height[-1] >= height[0]:
        return "diverging"
    if height[-1] <= max(least / 1000.0, 1e-9 * float(loss[0])):
        return "converged"
    if _turns(theta[:, -end - 1 :]) > 1 / 3 and height[-1] > height[0] / 2:
        return "oscillating"
    return "stalled" if height[-1] > 0.99 * height[0] else "converging"


def _turns(theta: Floats) -> float:
    """The largest share, over the parameters, of steps that go back on the step before."""
    d = np.diff(theta, axis=1)
    if d.shape[1] < 2:
        return 0.0
    return float(np.max(np.mean(np.sign(d[:, 1:]) * np.sign(d[:, :-1]) < 0, axis=1)))
