"""The student's experiments: what was changed, what it did, whether that is shown, explained and true."""

from __future__ import annotations

import re
from collections.abc import Iterable

from grader.experiments.claims import Statement, explanation, names_value, statements
from grader.experiments.measure import effect
from grader.experiments.trials import Trial, trials
from grader.model import CellRun, Evidence, Experiment

__all__ = ["distinct", "experiments"]


def experiments(evidence: Evidence) -> tuple[Experiment, ...]:
    """List every changed hyperparameter, run by run, with what was measured and what the student says of it."""
    made = trials(evidence)
    said = statements(evidence.prose)
    training = _training(evidence)
    return tuple(_experiment(trial, made, said, training, evidence) for trial in made)


def _experiment(
    trial: Trial,
    made: tuple[Trial, ...],
    said: tuple[Statement, ...],
    training: tuple[int, ...],
    evidence: Evidence,
) -> Experiment:
    start, stop = _surroundings(trial, training)
    beside = [t for t in made if start <= t.cell <= stop]
    others = (*evidence.base_matches, *evidence.matches)
    words = explanation(trial, _about(trial, said, training), trials=made, beside=beside, others=others)
    run = trial.run
    return Experiment(
        name=trial.name,
        cell=trial.cell,
        run=trial.run.trace_digest if trial.run else f"line {trial.line}" if trial.line else "",
        before=trial.before,
        after=trial.after,
        effect=effect(run, trial.reference, name=trial.name) if run else None,
        steps=run.steps if run else None,
        final_loss=run.final_loss if run else None,
        illustrated=_illustrated(trial, stop, evidence),
        explained=words.explained,
        claim=words.claim,
        quote=words.quote,
    )


def distinct(made: Iterable[Experiment], evidence: Evidence) -> set[tuple[str, ...]]:
    """Name what different things were tried.

    A start that was moved in b and w is one change; runs that were all made shorter, for the sake of time, are one as
    well.
    """
    shortened = not _lengths_were_compared(evidence)
    return {_what(each, shortened=shortened) for each in made}


def _what(each: Experiment, *, shortened: bool) -> tuple[str, ...]:
    if each.name in ("b", "w"):
        return ("start", str(each.cell), each.run)
    if each.name == "iteration" and shortened:
        return ("iteration",)
    return (each.name, each.after or "")


def _lengths_were_compared(evidence: Evidence) -> bool:
    """Say whether two runs differ in their number of iterations alone."""
    settings: dict[tuple[object, ...], set[int]] = {}
    for run in evidence.matches:
        key = (run.rule, tuple(sorted(run.hyperparameters.items())), run.curve.path[:1])
        settings.setdefault(key, set()).add(run.steps)
    return any(len(steps) > 1 for steps in settings.values())


# -- what is near ------------------------------------------------------------------------------------


def _training(evidence: Evidence) -> tuple[int, ...]:
    """List the cells in which something is trained."""
    return tuple(sorted({run.cell for run in evidence.matches} | {change.cell for change in evidence.changes}))


def _surroundings(trial: Trial, training: tuple[int, ...]) -> tuple[int, int]:
    """Return the training cells before and after."""
    earlier = [cell for cell in training if cell < trial.cell]
    later = [cell for cell in training if cell > trial.cell]
    return (earlier[-1] if earlier else 0), (later[0] if later else 10**9)


def _about(trial: Trial, said: tuple[Statement, ...], training: tuple[int, ...]) -> list[Statement]:
    """Choose what stands between the training cells around a change, and what sums up by its value at the end.

    Comments of another training cell speak of that cell.
    """
    start, stop = _surroundings(trial, training)
    others = set(training) - {trial.cell}
    near = [each for each in said if start < each.cell < stop and each.cell not in others]
    summary = [each for each in said if each.cell >= stop and each.cell > training[-1] and names_value(trial, each)]
    return near + summary


# -- whether it is shown -------------------------------------------------------------------------------


def _illustrated(trial: Trial, stop: int, evidence: Evidence) -> bool:
    """Say whether the run's cell, or one before the next training, shows a figure or prints a number.

    A later cell counts as well when it shows a figure and uses the names that hold the run's history.
    """
    cells = {cell.index: cell for cell in evidence.run.cells} if evidence.run else {}
    if any(_shows(run) for index, run in cells.items() if trial.cell <= index < stop):
        return True
    names = _roots(trial.run.names) if trial.run else set()
    again = {n for m in evidence.matches if m.cell > trial.cell for n in _roots(m.names)}
    sources = {cell.index: cell.source for cell in evidence.notebook.cells} if evidence.notebook else {}
    later = [index for index, run in cells.items() if index >= stop and run.images]
    return any(_uses(sources.get(index, ""), names - again) for index in later)


def _shows(run: CellRun) -> bool:
    return bool(run.images) or re.search(r"\d", run.printed) is not None


def _roots(names: tuple[str, ...]) -> set[str]:
    return {match.group() for name in names if (match := re.match(r"[^\W\d]\w*", name))}


def _uses(source: str, names: set[str]) -> bool:
    return any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", source) for name in names)
