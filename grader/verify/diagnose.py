"""Names what is wrong with a run that follows no rule: the recipe of looks, from the plainest to the oddest.

A look says something only if the run agrees with it to the last bit over all of its steps, or if it is plain to see.
"Differs" needs such a proof, or a rule that the run follows exactly until it leaves it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from grader.model import message
from grader.verify import bounds, rules
from grader.verify.bugs import CHANGES, FORMULAS, bugs
from grader.verify.case import (
    FOLLOWED,
    PREFIX,
    Case,
    Diagnosis,
    agreeing,
    at_any_scale,
    beginning,
    is_stated,
    meant_fit,
    plain_forms,
    told,
)
from grader.verify.estimates import estimated
from grader.verify.identify import FEWEST, Fit, first, is_sharp
from grader.verify.records import evenly_spaced, exponential, left_the_rule, rounded, torn
from grader.verify.schedules import scheduled, varying_rate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from grader.model import Match, RunVerdict
    from grader.verify.bounds import Steps


def diagnose(case: Case) -> Diagnosis | None:
    """The first look that explains the run, at a rate that the notebook states before one that only the run shows."""
    doubtful: Diagnosis | None = None
    for look in LOOKS:
        found = look(case)
        if found is not None and (found.stated or not case.said.rates):
            return doubtful if doubtful and found.verdict != "differs" else found
        doubtful = doubtful or found
    return doubtful


def nearest(case: Case) -> Diagnosis:
    """For a run that nothing explains: the rule whose steps are closest, and the first step that leaves it."""
    tried = [at_any_scale(case, form) for form in plain_forms(case.said)]
    fit = min((fit for group in tried for fit in group), key=lambda fit: _distance(case, fit))
    found = told(case, "verify.unexplained", fit, verdict="unexplained")
    return found._replace(fits=())


def _distance(case: Case, fit: Fit) -> float:
    """The middle relative distance between the steps of a run and those of a rule, near the start."""
    short, g = bounds.prefix(case.history, PREFIX), first(case.gradient, PREFIX)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        move = fit.lr * fit.form.direction(g).D
        share = np.abs(short.d + move) / (np.abs(short.d) + np.abs(move))
    return float(np.median(np.nan_to_num(share, nan=1.0)))


def never_moves(history: Steps) -> bool:
    """Whether every recorded state is the same."""
    return history.length > 1 and not np.any(history.d)


def standstill(case: Case) -> Diagnosis:
    """The same object was appended again and again, or nothing is updated."""
    return told(case, "bug.never-moves", meant_fit(case, plain_forms(case.said)[0]))


def _one_stands(case: Case) -> Diagnosis | None:
    """One parameter keeps its first value while its gradient says that it should move, and the others move."""
    stands = ~np.any(case.history.d, axis=1)
    pulled = np.median(np.abs(case.gradient.g) / case.gradient.error, axis=1) > bounds.DIFFERS
    if case.history.length < FEWEST or np.all(stands) or not np.any(stands & pulled):
        return None
    found = told(case, "bug.one-never-moves", meant_fit(case, plain_forms(case.said)[0]))
    name = case.names[int(np.argmax(stands & pulled))]
    return found if found.diagnosis.parameters["name"] == name else None


def _surest(case: Case, found: Iterator[Diagnosis]) -> Diagnosis | None:
    """The first explanation at a stated rate, else the first one; where no rate is stated, all are alike."""
    doubtful: Diagnosis | None = None
    for each in found:
        if each.stated or not case.said.rates:
            return each
        doubtful = doubtful or each
    return doubtful


def _signs(case: Case) -> Diagnosis | None:
    """The run follows a rule but for the sign of some parameters."""
    return _surest(case, _uphill(case))


def _uphill(case: Case) -> Iterator[Diagnosis]:
    for form, rates in agreeing(case, rules.forms(case.said, case.problem.size)):
        wrong = [rate.value < 0 for rate in rates]
        unstated = case.said.rates and not any(rate.declared for rate in rates)
        if not any(wrong) or (len(rates) > 1 and unstated):  # a rate of its own for each fits too much
            continue
        stated = is_stated(rates)
        rates = tuple(rate._replace(value=abs(rate.value), stated=abs(rate.stated)) for rate in rates)
        meant = Fit(form, rates, np.inf, 0)
        yield told(case, "bug.sign" if all(wrong) else "bug.sign-one", meant)._replace(stated=stated, slip=True)


def wrong_rule(case: Case) -> Diagnosis | None:
    """The run follows a rule with a mistake in it."""
    return _surest(case, _by_wrong_rule(case))


def _by_wrong_rule(case: Case) -> Iterator[Diagnosis]:
    for bug in bugs(case.said, case.problem.size):
        verdict: RunVerdict = "review" if bug.id == "bug.adagrad-reset" else "differs"  # sign descent is a rule too
        for _, rates in agreeing(case, [bug.form], several=False):
            found = told(case, bug.id, meant_fit(case, bug.meant, rates), verdict=verdict)
            yield found._replace(stated=is_stated(rates), slip=True)


def _wrong_gradient(case: Case) -> Diagnosis | None:
    """The run follows a rule with a mistaken gradient."""
    return _surest(case, _by_wrong_gradient(case))


def _by_wrong_gradient(case: Case) -> Iterator[Diagnosis]:
    forms = plain_forms(case.said)
    for name, change in (FORMULAS | CHANGES).items():
        for form, rates in agreeing(case, forms, change=change, several=False):
            yield told(case, name.strip(), meant_fit(case, form, rates))._replace(stated=is_stated(rates), slip=True)


def _assigned(case: Case) -> Diagnosis | None:
    """`w = -lr * g` where `w -= lr * g` was meant: each state is the step alone."""
    return _surest(case, _by_assignment(case))


def _by_assignment(case: Case) -> Iterator[Diagnosis]:
    history = case.history._replace(d=case.history.theta[:, 1:])
    for form, rates in agreeing(case._replace(history=history), plain_forms(case.said)):
        stated = is_stated(rates)
        rates = tuple(rate._replace(value=abs(rate.value), stated=abs(rate.stated)) for rate in rates)
        yield told(case, "bug.assigned", meant_fit(case, form, rates))._replace(stated=stated, slip=True)


def _clipped(case: Case) -> Diagnosis | None:
    """Steps of a rule that stop at a limit."""
    if case.history.length < FOLLOWED:
        return None
    size = np.abs(case.history.d)
    limit = float(size.max())
    at_limit = np.abs(size - limit) <= 2.0 * case.history.room
    if np.count_nonzero(at_limit) < FEWEST or np.all(at_limit):
        return None
    for form in plain_forms(case.said):
        for fit in at_any_scale(case, form):
            if _stops_at(beginning(case, PREFIX), fit, limit) and _stops_at(case, fit, limit):
                return told(case, "bug.clipped", fit, verdict="review", limit=limit)
    return None


def _stops_at(case: Case, fit: Fit, limit: float) -> bool:
    """Whether every step is the rule's, or the limit where the rule's is larger."""
    direction = fit.form.direction(case.gradient)
    free = bounds.residual(case.history, direction, fit.lr) <= bounds.ROUNDING
    larger = np.abs(fit.lr * direction.D) >= limit * (1 - 1e-9)
    at_limit = np.abs(np.abs(case.history.d) - limit) <= 2.0 * case.history.room
    return bool(np.all(free | (at_limit & larger)))


def _offset_steps(case: Case) -> Diagnosis | None:
    """Every step carries the same small constant: an eps that was added outside the division."""
    if case.history.length < FOLLOWED or not case.said.rates:
        return None
    for form in plain_forms(case.said):
        for fit in at_any_scale(case, form)[: 1 if not form.linear else None]:
            if _carries_constant(beginning(case, PREFIX), fit) and _carries_constant(case, fit):
                return told(case, "bug.eps-outside-division", fit)._replace(slip=True)
    return None


def _carries_constant(case: Case, fit: Fit) -> bool:
    """Whether one constant, which is not zero, makes up the difference to the rule in every step."""
    direction = fit.form.direction(case.gradient)
    if not is_sharp(case.history, direction, fit.lr, case.gradient):
        return False
    rest = case.history.d + fit.lr * direction.D
    bound = case.history.room + fit.lr * direction.error + 8.0 * case.history.u * np.abs(fit.lr * direction.D)
    low, high = np.max(rest - bound), np.min(rest + bound)
    return bool(low <= high and not low <= 0.0 <= high)


LOOKS: tuple[Callable[[Case], Diagnosis | None], ...] = (
    _one_stands,
    evenly_spaced,
    scheduled,
    _signs,
    wrong_rule,
    _wrong_gradient,
    _assigned,
    _offset_steps,
    _clipped,
    torn,
    estimated,
    rounded,
    varying_rate,
    left_the_rule,
    exponential,
)


# -- the whole notebook --------------------------------------------------------------------------


def unused_velocity(matches: Sequence[Match]) -> Iterator[Match]:
    """A cell that states a momentum but whose only run is plain descent: was the velocity kept? A person looks."""
    for match in matches:
        alone = sum(each.cell == match.cell for each in matches) == 1
        momentum = match.declared.get("momentum")
        unused = momentum not in (None, 0.0, match.hyperparameters.get("weight_decay"))
        if match.verdict == "matches" and match.rule == "gd" and alone and unused:
            asked = message("verify.momentum-unused", momentum=momentum or 0.0)
            yield msgspec.structs.replace(match, verdict="review", diagnosis=asked)
        else:
            yield match
