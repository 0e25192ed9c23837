"""Runs that follow a rule with other numbers than those that their own cell states."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from grader.verify import rules
from grader.verify.case import told
from grader.verify.estimates import with_decay
from grader.verify.identify import Rate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from grader.verify.case import Case, Diagnosis
    from grader.verify.identify import Fit


def contradicted(case: Case, fit: Fit) -> Diagnosis | None:
    """The run follows a rule with another rate than the one that its own cell states."""
    decays = {value for value in fit.form.hyper.values() if case.said.times(value) == 1}  # alpha may be a decay rate
    own_rates = [rate for rate in case.said.own_rates if rate not in decays]
    if not own_rates:
        return None
    used, own = fit.rates[0], own_rates[0]
    meant = fit._replace(rates=(Rate(own, own, used.scale, declared=True),))
    if len(fit.rates) > 1:
        ends = {"first": used.stated, "last": fit.rates[-1].stated}
        return told(case, "bug.rates-unstated", meant, verdict="review", **ends)
    differs = told(case, "bug.lr-differs", meant, verdict="review", used=used.stated, ratio=used.stated / own)
    for rate in own_rates:
        for name, factor in _lost_factors(case, fit):
            if _equal(used.value, rate * factor):  # a power of ten is a slip of the pen as well
                return differs if _equal(np.log10(factor), round(np.log10(factor))) else told(case, name, meant)
        if any(_equal(used.value, rate * rate * scale) for scale in rules.scales(case.problem.size).values()):
            return told(case, "bug.lr-twice", meant, used=used.value)
    return differs


def _lost_factors(case: Case, fit: Fit) -> Iterator[tuple[str, float]]:
    """What a known slip in an average does to the learning rate, and nothing else."""
    hyper = fit.form.hyper
    if fit.form.rule == "rmsprop":
        yield "bug.no-one-minus-rho", float(np.sqrt(1 - hyper["rho"]))
    if fit.form.rule == "adagrad":
        for rho in case.said.own_decays:
            yield "bug.rmsprop-never-forgets", float(1 / np.sqrt(1 - rho))
    if fit.form.rule == "adam" and fit.form.convention.get("bias") == "uncorrected":
        yield "bug.adam-count-stands", float(np.sqrt(1 - hyper["beta2"]) / (1 - hyper["beta1"]))
    if fit.form.rule == "adam":
        yield "bug.adam-no-one-minus-beta", 1 / (1 - hyper["beta1"])
        yield "bug.adam-no-one-minus-beta", float(np.sqrt(1 - hyper["beta2"]))
        yield "bug.adam-no-one-minus-beta", float(np.sqrt(1 - hyper["beta2"])) / (1 - hyper["beta1"])


def exchanged_decays(case: Case, fit: Fit) -> Diagnosis | None:
    """The run follows Adam with the two decay rates in each other's place, by the names that the cell gives them."""
    if fit.form.rule != "adam":
        return None
    one, two = fit.form.hyper["beta1"], fit.form.hyper["beta2"]
    if one == two or any((case.said.own(f"{b}1"), case.said.own(f"{b}2")) != (two, one) for b in _beta_names(case)):
        return None
    meant = fit._replace(form=rules.adams(two, one)[0])
    return told(case, "bug.adam-betas-swapped", meant, verdict="review")


def other_decay(case: Case, fit: Fit) -> Diagnosis | None:
    """The run follows a rule with a usual decay rate that is stated nowhere, where its own cell states another."""
    decays = [(name, value) for name, value in fit.form.hyper.items() if name in ("momentum", "rho")]
    if len(decays) != 1 or not case.said.own_decays or decays[0][1] in case.said.positive:
        return None
    (name, value), stated = decays[0], case.said.own_decays[0]
    meant = fit._replace(form=with_decay(name, stated)[0])
    return told(case, "bug.decay-differs", meant, verdict="review", used=value, stated=stated)


def _beta_names(case: Case) -> list[str]:
    """How the cell calls the two decay rates; the plain name where it states none, which then equals nothing."""
    return [b for b in ("beta", "beta_", "b", "b_") if case.said.own(f"{b}1") is not None] or ["beta"]


def _equal(a: float, b: float) -> bool:
    return abs(a - b) <= 1e-8 * abs(b)


def uneven(case: Case, fit: Fit) -> Diagnosis | None:
    """Parameters with rates of their own that differ by a factor which a gradient may have lost."""
    declared = [rate for rate in fit.rates if rate.declared]
    if len(declared) == len(fit.rates) or not (case.said.own_rates and declared):
        return None
    row = next(k for k, rate in enumerate(fit.rates) if not rate.declared)
    meant = fit._replace(rates=(declared[0],))
    ratio = fit.rates[row].value / declared[0].value
    size = case.problem.size
    known = any(_equal(ratio, factor) for factor in (2.0, 0.5, size, 1 / size, 2 * size, 0.5 / size))
    return told(case, "bug.uneven-factor", meant, verdict="differs" if known else "review", ratio=ratio)
