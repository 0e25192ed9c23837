"""Histories that are not what the training went through: torn, rounded, edited, cut, or made up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from grader.verify import bounds
from grader.verify.bugs import CHANGES
from grader.verify.case import FOLLOWED, agreeing, beginning, coupled, is_stated, meant_fit, plain_forms, recorded, told
from grader.verify.identify import Fit, measure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from grader.model import Floats, RunVerdict
    from grader.verify.case import Case, Diagnosis


def torn(case: Case) -> Diagnosis | None:
    """One parameter is recorded before the update and the other after it."""
    theta = case.history.theta
    if len(theta) != 2 or case.history.length < 4:
        return None
    for early, late in ((0, 1), (1, 0)):
        mended = np.empty_like(theta[:, 1:])
        mended[early], mended[late] = theta[early, 1:], theta[late, :-1]
        history = bounds.steps(mended, case.history.u)
        gradient = bounds.gradient(case.problem, mended[:, :-1], history.u)
        for form, rates in agreeing(case._replace(history=history, gradient=gradient), plain_forms(case.said)):
            if all(rate.value > 0 for rate in rates):
                return told(case, "bug.torn-pair", meant_fit(case, form, rates), early=case.names[early],
                            late=case.names[late])  # fmt: skip
    return None


def rounded(case: Case) -> Diagnosis | None:
    """The states lie on a grid of decimals: what was lost in rounding cannot be judged."""
    theta = case.history.theta[:, 1:]  # the start is what the notebook states
    if case.history.length < 5:
        return None
    for digits in range(9):
        if np.all(theta == np.round(theta, digits)):
            meant = meant_fit(case, plain_forms(case.said)[0])
            name = "bug.rounded" if digits else "bug.whole-numbers"
            found = told(case, name, meant, verdict="review", digits=digits)
            return found._replace(fits=(), divergence=None)
    return None


def left_the_rule(case: Case) -> Diagnosis | None:
    """The run follows a rule exactly, then leaves it: an edited point, or another rule from there on."""
    begun = beginning(case, FOLLOWED)
    if bounds.informative(begun.history) < FOLLOWED:
        return None
    followed = []
    for form, rates in agreeing(begun, plain_forms(case.said)):
        if all(rate.value > 0 for rate in rates) and (len(rates) == 1 or is_stated(rates)):
            direction = form.direction(case.gradient)
            followed.append(measure(case.history, direction, Fit(form, rates, np.inf, 0)))
    if not followed:
        return None
    best = max(followed, key=lambda fit: (fit.first or 0, fit.declared))
    verdict: RunVerdict = "differs" if best.worst > bounds.DIFFERS else "review"
    if _mends(case, best):
        return told(case, "bug.edited-point", best, verdict=verdict)
    for name, mended in _other_records(case, best):
        if _follows(case, mended, best):
            return told(case, name, best, verdict="review")
    return told(case, "bug.leaves-rule", best, verdict=verdict)


def _other_records(case: Case, fit: Fit) -> Iterator[tuple[str, Floats]]:
    """The path as it would be with the state at the first wrong step recorded once less, or the lost one put back."""
    theta, step = case.history.theta, fit.first or 0
    yield "bug.state-repeated", np.delete(theta, step + 1, axis=1)
    move = (fit.lr * fit.form.direction(case.gradient).D)[:, step]
    yield "bug.state-missing", np.insert(theta, step + 1, theta[:, step] - move, axis=1)


def _follows(case: Case, theta: Floats, fit: Fit) -> bool:
    """Whether another path over the same data follows the rule to its end."""
    history = bounds.steps(np.ascontiguousarray(theta), case.history.u)
    gradient = bounds.gradient(case.problem, history.theta[:, :-1], history.u)
    return measure(history, fit.form.direction(gradient), fit).worst <= bounds.ROUNDING


def _mends(case: Case, fit: Fit) -> bool:
    """Whether replacing the one state where the run leaves its rule makes it whole."""
    step = fit.first
    if step is None or step + 1 >= case.history.length:
        return False
    theta = case.history.theta.copy()
    theta[:, step + 1] -= case.history.d[:, step] + (fit.lr * fit.form.direction(case.gradient).D)[:, step]
    history = bounds.steps(theta, case.history.u)
    gradient = bounds.gradient(case.problem, theta[:, :-1], history.u)
    return measure(history, fit.form.direction(gradient), fit).worst <= bounds.DIFFERS


def evenly_spaced(case: Case) -> Diagnosis | None:
    """Equal steps, which no gradient leaves behind, but for one that is kept or of which only the sign is used."""
    d, room = case.history.d, case.history.room.max(axis=1, keepdims=True)
    if case.history.length < 5 or not np.all(np.abs(np.diff(d, axis=1)) <= 4.0 * room):
        return None
    size, signed = np.abs(d[:, 0]), CHANGES["bug.absolute-error"](recorded(beginning(case, 1)))
    kept = [np.ones_like(size), *(np.abs(each.g[:, 0]) for each in (case.gradient, signed) if each is not None)]
    if any(np.ptp(np.log(size / each)) < 1e-6 for each in kept if np.all(size * each > 0)):
        return None
    return told(case, "bug.evenly-spaced", meant_fit(case, plain_forms(case.said)[0]))._replace(fits=())


def exponential(case: Case) -> Diagnosis | None:
    """Exactly geometric states, which no rule explains."""
    d, room = case.history.d, case.history.room.max(axis=1, keepdims=True)
    if case.history.length < 5 or not coupled(case.problem) or not np.all(np.abs(d[:, 1]) < np.abs(d[:, 0])):
        return None
    bent = np.abs(d[:, 1:] * d[:, :1] - d[:, :-1] * d[:, 1:2])  # nothing if each step is the same share of the last
    noise = 4.0 * room * (np.abs(d[:, 1:]) + np.abs(d[:, :-1]) + np.abs(d[:, :1]) + np.abs(d[:, 1:2]))
    if not np.all(bent <= noise):
        return None
    meant = meant_fit(case, plain_forms(case.said)[0])
    return told(case, "bug.exponential", meant, verdict="unexplained")._replace(fits=())
