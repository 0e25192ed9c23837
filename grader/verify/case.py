"""A run that follows no rule, and how it is held against what might explain it: shared by all who look at it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from grader.model import Divergence, message
from grader.verify import bounds, rules
from grader.verify.bugs import Recorded
from grader.verify.identify import (
    FEWEST,
    Fit,
    Rate,
    at_full_length,
    begins_sharp,
    comes_near,
    first,
    measure,
    open_eps,
    read_rates,
    telling_steps,
    twice_used,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from grader.model import Floats, Message, RunVerdict, Scalar
    from grader.verify.bounds import Data, Gradient, Steps
    from grader.verify.bugs import Change
    from grader.verify.rules import Form
    from grader.verify.said import Said

PREFIX = 120
FOLLOWED = 10  # a rule that was followed for so many informative steps is the run's rule


class Case(NamedTuple):
    """A run that follows no rule, with all that a look needs."""

    names: tuple[str, ...]
    problem: Data
    history: Steps
    gradient: Gradient
    said: Said


class Diagnosis(NamedTuple):
    """What a look found: the verdict, the sentence, the first step that shows it, and the rule that was meant.

    `fits` are the forms that the run is said to follow or to have meant; empty where nothing is sure.
    `stated` says that the notebook states the rate at which the run agrees, `slip` that one mistake explains it all.
    """

    verdict: RunVerdict
    diagnosis: Message
    fits: tuple[Fit, ...] = ()
    divergence: Divergence | None = None
    meant: Fit | None = None
    stated: bool = True
    slip: bool = False


def told(case: Case, id: str, meant: Fit, *, verdict: RunVerdict = "differs", **more: Scalar) -> Diagnosis:
    """The sentence of a bug, with the first step where the run leaves the rule that was meant."""
    direction = meant.form.direction(case.gradient)
    judged = measure(case.history, direction, meant)
    step = judged.first or 0
    move = -(meant.lr * direction.D)[:, step]
    seen = case.history.d[:, step]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        share = np.abs(seen - move) / (np.abs(seen) + np.abs(move))
    row = int(np.argmax(np.nan_to_num(share)))
    here, there = apart(float(seen[row]), float(move[row]))
    return Diagnosis(
        verdict=verdict,
        diagnosis=message(
            id,
            step=step + 1,
            name=case.names[row],
            seen=here,
            expected=there,
            lr=meant.rates[min(row, len(meant.rates) - 1)].stated,
            **meant.form.hyper,
            **more,
        ),
        fits=(judged,),
        meant=judged,
        divergence=divergence(case.history, step, move),
    )


def apart(a: float, b: float) -> tuple[Scalar, Scalar]:
    """Two numbers shown side by side: as text with as many digits as it takes, where six do not tell them apart.

    >>> apart(1.0, 2.0), apart(1.1306812345, 1.1306812999)
    ((1.0, 2.0), ('1.13068123', '1.13068130'))
    """
    digits = next((n for n in range(6, 18) if f"{a:.{n}g}" != f"{b:.{n}g}"), 6)
    return (a, b) if digits == 6 else (f"{a:#.{digits + 1}g}", f"{b:#.{digits + 1}g}")


def divergence(history: Steps, step: int, move: Floats) -> Divergence:
    """One step as a record: where it began, where the rule leads, where the run went."""
    before = history.theta[:, step]
    return Divergence(
        step=step + 1,
        before=tuple(before.tolist()),
        expected=tuple((before + move).tolist()),
        seen=tuple(history.theta[:, step + 1].tolist()),
    )


def meant_fit(case: Case, form: Form, rates: Sequence[Rate] = ()) -> Fit:
    """The form that was meant, at the declared rate, else at the rate that the run shows."""
    found = [rate for rate in rates if rate.declared and rate.value > 0]
    stated = case.said.rates or tuple(abs(rate.stated) for rate in rates if np.isfinite(rate.stated)) or (1.0,)
    rate = found[0] if found else Rate(stated[0], stated[0], "sse" if form.linear else None, bool(case.said.rates))
    return Fit(form, (rate,), np.inf, 0)


def at_any_scale(case: Case, form: Form) -> list[Fit]:
    """A form at the declared rates, in every scale of the loss."""
    scales = rules.scales(case.problem.size) if form.linear else {"": 1.0}
    rates = case.said.rates[:2] or (1.0,)
    return [Fit(form, (Rate(lr * s, lr, name or None, declared=True),), np.inf, 0) for lr in rates
            for name, s in scales.items()]  # fmt: skip


def is_stated(rates: Sequence[Rate]) -> bool:
    """Whether the notebook states every one of the rates."""
    return all(rate.declared for rate in rates)


def coupled(problem: Data) -> bool:
    """Whether the parameters pull at each other; on standardised data each descends by itself, geometrically."""
    apart = np.diag(np.diag(problem.A))
    return bool(np.abs(problem.A - apart).max() > 1e-6 * np.abs(problem.A).max())


def plain_forms(said: Said) -> list[Form]:
    """Each rule in its usual conventions, with the declared decay rates, else the usual ones."""
    few = said._replace(decays=said.decays[:2] or rules.USUAL_DECAYS[:2], positive=())
    return [form for form in rules.forms(few, 1) if _is_plain(form, few)]


def _is_plain(form: Form, said: Said) -> bool:
    if form.rule == "adam":
        beta1, beta2 = form.hyper.values()
        return not form.convention and ((beta1 < beta2 and {beta1, beta2} <= set(said.decays))
                                        or (beta1, beta2) == (0.9, 0.999))  # fmt: skip
    decays = {form.hyper.get(name) for name in ("momentum", "rho")} - {None}
    return decays <= set(said.decays) and not {"root", "loss", "bias"} & set(form.convention) and form.hyper.keys() != {
        "rho", "momentum"}  # fmt: skip


def beginning(case: Case, count: int) -> Case:
    """The first steps of a run."""
    return case._replace(history=bounds.prefix(case.history, count), gradient=first(case.gradient, count))


def recorded(case: Case) -> Recorded:
    """The run as a mistaken gradient is made from it."""
    return Recorded(case.problem, case.history, case.gradient)


def agreeing(
    case: Case, forms: Sequence[Form], *, change: Change | None = None, several: bool = True
) -> Iterator[tuple[Form, tuple[Rate, ...]]]:
    """The forms that the run follows to its last step, at rates of any sign, with the gradient as `change` makes it.

    Unless `several`, one rate serves all parameters: with a rate for each, too much would fit. What does not agree with
    the first steps costs no more than these.
    """
    size = case.problem.size
    begun = beginning(case, PREFIX)
    if telling_steps(begun.history, begun.gradient) < FEWEST:  # so few steps may be anything
        return
    g = change(recorded(begun)) if change else begun.gradient
    whole: Gradient | None = None
    if g is None:
        return
    for form in forms:
        for opened, rates in _screened(begun.history, g, form, case.said, size):
            if (len(rates) > 1 and not several) or any(twice_used(rate, opened, case.said) for rate in rates):
                continue
            if case.history.length > PREFIX and whole is None:
                whole = change(recorded(case)) if change else case.gradient
            judged = Fit(opened, rates, np.inf, 0)
            if whole is not None:
                judged = at_full_length(case.history, whole, judged, case.said, size)
            elif case.history.length <= PREFIX:
                judged = judged._replace(worst=0.0)  # the screened rates were asked of every step
            sharp = begins_sharp(begun.history, g, judged, begun.gradient)
            if sharp and judged.worst <= bounds.ROUNDING and (several or len(judged.rates) == 1):
                yield judged.form, judged.rates
                break


def _screened(
    history: Steps, gradient: Gradient, form: Form, said: Said, size: int
) -> Iterator[tuple[Form, tuple[Rate, ...]]]:
    """The form and, where it comes near, itself with the eps that the run shows, each with the rates that fit."""
    direction = form.direction(gradient)
    if not np.all(np.isfinite(direction.D)):
        return
    rates = read_rates(history, direction, form, said, size)
    if rates is not None and all(np.isfinite(rate.value) for rate in rates):
        yield form, rates
    if form.linear or not (said.epsilons or comes_near(history, direction)):
        return
    for opened in open_eps(history, gradient, form, said, size):
        direction = opened.direction(gradient)
        rates = read_rates(history, direction, opened, said, size) if np.all(np.isfinite(direction.D)) else None
        if rates is not None and all(np.isfinite(rate.value) for rate in rates):
            yield opened, rates
