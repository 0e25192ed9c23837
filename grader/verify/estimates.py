"""Decay rates that are stated nowhere, read off the run in closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from grader.model import message
from grader.verify import bounds, rules
from grader.verify.case import PREFIX, Diagnosis, agreeing, coupled, told
from grader.verify.identify import Fit, first, measure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from grader.model import Floats
    from grader.verify.bounds import Gradient, Steps
    from grader.verify.case import Case
    from grader.verify.rules import Form

NEARLY_ONE = 0.99999  # a mean of squares that forgets nothing is Adagrad's sum


def estimated(case: Case) -> Diagnosis | None:
    """A decay rate that is stated nowhere, read off the run: it shows that the run is right, or is left to a person."""
    short, g = bounds.prefix(case.history, PREFIX), first(case.gradient, PREFIX)
    for name, decay in _decay_estimates(short, g):
        for value in dict.fromkeys((*(round(decay, digits) for digits in (1, 2, 3, 4)), decay)):
            above = value > 1 and (value != round(value, 4) or not coupled(case.problem))  # any two terms fit one mode
            if not 0 < value < (2 if name == "momentum" else NEARLY_ONE) or above:
                continue
            for form, rates in agreeing(case, with_decay(name, value), several=False):
                if rates[0].value > 0:
                    return _told_estimate(case, Fit(form, rates, 0.0, None), name, value)
    return None


def with_decay(name: str, value: float) -> list[Form]:
    """The forms that have this decay rate."""
    return list(rules.momenta(value) if name == "momentum" else rules.rmsprops(value, 1, rare=False))


def _told_estimate(case: Case, fit: Fit, name: str, value: float) -> Diagnosis:
    fit = measure(case.history, fit.form.direction(case.gradient), fit)
    if value > 1:
        meant = fit._replace(form=with_decay(name, 0.9)[0])
        return told(case, "bug.momentum-above-one", meant, used=value)
    if case.said.own_decays:
        stated = case.said.own_decays[0]
        meant = fit._replace(form=with_decay(name, stated)[0])
        return told(case, "bug.decay-differs", meant, verdict="review", used=value, stated=stated)
    return Diagnosis("matches", message("verify.estimated", value=value, lr=fit.rates[0].stated), (fit,))


def _decay_estimates(history: Steps, gradient: Gradient) -> Iterator[tuple[str, float]]:
    """The decay rates that closed forms suggest.

    With momentum d_t = β d_{t-1} - lr g_t, and Nesterov has a term in g_{t-1} besides; with RMSprop the squares
    Q_t = (g_t / d_t)² follow Q_t = ρ Q_{t-1} + c g_t².
    """
    d, g = history.d, gradient.g
    if d.shape[1] < 6:
        return
    weight = 1.0 / (history.room[:, 1:] + history.room[:, :-1] + np.abs(d[:, 1:]) * 1e-15)
    for columns in ((d[:, :-1], g[:, 1:]), (d[:, :-1], g[:, 1:], g[:, :-1])):
        yield "momentum", _leading(columns, d[:, 1:], weight)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        Q = (g / d) ** 2
        doubt = 2 * Q * (gradient.error / np.abs(g) + history.room / np.abs(d))
        yield "rho", _leading((Q[:, :-1], g[:, 1:] ** 2), Q[:, 1:], 1.0 / (doubt[:, 1:] + doubt[:, :-1]))


def _leading(columns: Sequence[Floats], target: Floats, weight: Floats) -> float:
    """The first coefficient of a weighted least-squares fit, NaN where there is none."""
    rows = np.stack([column.ravel() for column in columns], axis=1)
    use = np.all(np.isfinite(rows), axis=1) & np.isfinite(target.ravel()) & np.isfinite(weight.ravel())
    if np.count_nonzero(use) < len(columns) + 2:
        return float("nan")
    rows, aim, w = rows[use], target.ravel()[use], weight.ravel()[use]
    with np.errstate(over="ignore", invalid="ignore"):
        rows, aim = rows * w[:, None], aim * w
        scale = np.linalg.norm(rows, axis=0)
        if not np.all(np.isfinite(scale) & (scale > 0)) or not np.all(np.isfinite(aim)):
            return float("nan")
        return float((np.linalg.lstsq(rows / scale, aim, rcond=None)[0] / scale)[0])
