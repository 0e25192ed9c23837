"""Which changes were tried, and by which run: the changes in the code joined with the runs that were verified."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from functools import lru_cache

from msgspec.structs import replace

from grader.model import Change, Evidence, Match, Record

ADAPTIVE = ("adagrad", "rmsprop", "adam")
ORDER = (
    "data",
    "optimizer",
    "lr",
    "momentum",
    "rho",
    "beta1",
    "beta2",
    "eps",
    "batch",
    "schedule",
    "iteration",
    "b",
    "w",
)
MEASURED = ("lr", "momentum", "rho", "eps", "beta1", "beta2")
SETTINGS = (*MEASURED, "batch")


class Trial(Record, frozen=True, kw_only=True):
    """A changed hyperparameter in one training run; `run` is None where that run left no history."""

    name: str
    cell: int
    before: str | None
    after: str | None
    line: int | None = None
    run: Match | None = None
    reference: Match | None = None

    @property
    def direction(self) -> int:
        """Say whether the value went up (1) or down (-1); 0 where it is no number or was not there before."""
        old, new = number(self.before), number(self.after)
        return 0 if old is None or new is None else (new > old) - (new < old)


def trials(evidence: Evidence) -> tuple[Trial, ...]:
    """List the changed hyperparameters run by run, in the order of the notebook."""
    baseline = evidence.base_matches or _first_of_each_rule(evidence)
    written = _by_optimizer([_joined(change, evidence) for change in evidence.changes])
    seen = [trial for run in evidence.matches for trial in _measured(run, baseline, written, evidence.matches)]
    found = [_with_reference(trial, evidence) for trial in (*written, *seen)]
    unique: dict[tuple[str, int, str | None], Trial] = {}
    for trial in found:
        unique.setdefault((trial.name, trial.cell, _key(trial.after)), trial)
    return tuple(sorted(unique.values(), key=lambda t: (t.cell, _rank(t.name))))


def _rank(name: str) -> int:
    return ORDER.index(name) if name in ORDER else len(ORDER)


@lru_cache(4096)
def number(text: str | None) -> float | None:
    """Read a value back as a number."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def shown(value: float) -> str:
    """Write a number as a person would: 100000, 0.9, 1e-7."""
    return re.sub(r"e([+-])0+", r"e\1", f"{value:.10g}").replace("e+", "e")


def close(a: float | None, b: float | None) -> bool:
    """Say whether two stated values are the same, but for rounding."""
    return a is not None and b is not None and math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-300)


def _key(after: str | None) -> str | None:
    value = number(after)
    return after if value is None else shown(value)


def _first_of_each_rule(evidence: Evidence) -> tuple[Match, ...]:
    first: dict[str | None, Match] = {}
    for run in evidence.matches:
        first.setdefault(run.rule, run)
    return tuple(first.values())


# -- changes in the code ---------------------------------------------------------------------------


def _joined(change: Change, evidence: Evidence) -> Trial:
    """Find the run that a change belongs to: the one of its cell that was measured to have the new value."""
    trial = Trial(name=change.name, cell=change.cell, before=change.before, after=change.after, line=change.line)
    runs = [run for run in evidence.matches if run.cell == change.cell]
    fitting = [run for run in runs if has(run, change.name, change.after)]
    unknown = [run for run in runs if has(run, change.name, change.after) is None]
    run = fitting[0] if fitting else unknown[0] if len(runs) == 1 and unknown else None
    return replace(trial, run=run)


def _by_optimizer(written: list[Trial]) -> list[Trial]:
    """Count a new optimizer once: its first settings belong to it, later runs are compared with that first run."""
    groups: dict[tuple[int, int | None], list[Trial]] = {}
    for trial in written:
        groups.setdefault((trial.cell, trial.line), []).append(trial)
    first: dict[str | None, list[Trial]] = {}
    found: list[Trial] = []
    for group in groups.values():
        rule = next((trial.after for trial in group if trial.name == "optimizer"), None)
        if rule is None:
            found += group
        elif rule not in first:
            first[rule] = group
            found += [trial for trial in group if trial.name not in SETTINGS]
        else:
            found += _since(first[rule], group)
    return found


def _since(first: list[Trial], group: list[Trial]) -> list[Trial]:
    """Compare a later run of a new optimizer with the first one."""
    values = {trial.name: trial.after for trial in first}
    rest = [trial for trial in group if trial.name != "optimizer"]
    rebased = [replace(trial, before=values.get(trial.name, trial.before)) for trial in rest]
    back = [t for t in first if t.name in SETTINGS and t.before is not None and t.name not in {r.name for r in rest}]
    returned = [replace(group[0], name=t.name, before=t.after, after=t.before) for t in back]
    return [trial for trial in (*rebased, *returned) if trial.before != trial.after]


def has(run: Match, name: str, value: str | None) -> bool | None:
    """Say whether a run was measured to have a value; None where that cannot be seen."""
    if name == "optimizer":
        return None if run.rule is None else value in (run.rule, *run.consistent_with)
    if name == "data":
        return True
    known = _measurement(run, name)
    wanted = number(value)
    if known is None or wanted is None:
        return None
    if name == "iteration":  # a run that overflowed was judged up to there, which says nothing of how long it went on
        return None if run.effect == "diverging" and known < wanted else abs(known - wanted) <= 1
    return close(known, wanted)


def _measurement(run: Match, name: str) -> float | None:
    if name == "iteration":
        return float(run.steps)
    if name in ("b", "w"):
        index = "bw".index(name)
        return run.curve.path[0][index] if run.curve.path and len(run.curve.path[0]) == 2 else None
    return run.hyperparameters.get(name)


# -- changes that only the runs show -----------------------------------------------------------------


def _measured(
    run: Match, baseline: tuple[Match, ...], written: list[Trial], runs: tuple[Match, ...]
) -> Iterator[Trial]:
    """List what a run has that its baseline has not, where the code did not already say so."""
    base = _kin(run, baseline)
    if base is None or base is run or run.rule is None or run.verdict != "matches":
        return
    known = {trial.name for trial in written if trial.run is run}
    settings = base
    if not {b.rule for b in baseline} & {run.rule, *run.consistent_with}:
        settings = next(m for m in runs if m.rule == run.rule)
        if settings is run and "optimizer" not in known:
            yield Trial(name="optimizer", cell=run.cell, before=base.rule, after=run.rule, run=run)
    for name in (*MEASURED, "iteration", "b", "w"):
        against = settings if name in MEASURED else base
        old, new = _measurement(against, name), _measurement(run, name)
        if name not in known and old is not None and new is not None and _plain(new) and _differ(name, old, new, run):
            yield Trial(name=name, cell=run.cell, before=shown(old), after=shown(new), run=run)


def _differ(name: str, old: float, new: float, run: Match) -> bool:
    if name != "iteration":
        return not close(old, new)
    stated = run.declared.get("iteration")
    return abs(old - new) > 1 and (stated is None or abs(stated - new) <= 1)


def _plain(value: float) -> bool:
    """A number that a person typed is short; a state after the first update is not."""
    return len(shown(value).split("e")[0].strip("-").replace(".", "").strip("0")) <= 6


def _kin(run: Match, others: tuple[Match, ...]) -> Match | None:
    """Choose the run of the same rule, else of the same family, else the first."""
    same = [o for o in others if o.rule == run.rule or (o.rule in run.consistent_with)]
    family = [o for o in others if (o.rule in ADAPTIVE) == (run.rule in ADAPTIVE)]
    return next(iter((*same, *family, *others)), None)


# -- what a trial is measured against ---------------------------------------------------------------


def _with_reference(trial: Trial, evidence: Evidence) -> Trial:
    if trial.run is None:
        return trial
    return replace(trial, reference=_reference(trial, trial.run, evidence))


def _reference(trial: Trial, run: Match, evidence: Evidence) -> Match | None:
    """Take the handed-out run of the same rule, else the student's own run with the old value, else the nearest kin."""
    earlier = tuple(m for m in evidence.matches if m is not run and m.cell <= run.cell)
    base = _kin(run, evidence.base_matches)
    if base is not None and (base.rule == run.rule or trial.name == "optimizer" or trial.before is None):
        return base
    same_rule = [m for m in earlier if m.rule == run.rule]
    old_value = [m for m in same_rule if has(m, trial.name, trial.before)]
    unseen = [m for m in same_rule if has(m, trial.name, trial.before) is None]  # an epsilon that leaves no trace
    others = [m for m in earlier if m.rule == trial.before]
    return next(iter((*old_value, *unseen, *others, *([base] if base else same_rule))), None)
