"""From candidate series to matches: pair them, identify the rule, name the bug, measure the effect."""

from __future__ import annotations

import hashlib
import math
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from grader.model import Curve, Divergence, LossMatch, Match, message
from grader.verify import bounds, contradictions, curves, diagnose, effects, losses, naming, pair
from grader.verify.case import Case, Diagnosis
from grader.verify.diagnose import never_moves
from grader.verify.identify import FEWEST, PREFIX, Fit, follows, identify, identify_climbing
from grader.verify.kept import by_loop, endings
from grader.verify.rules import SIGNED
from grader.verify.said import Said, in_call, said, starts
from grader.verify.sources import sources
from grader.verify.strides import strided
from grader.verify.views import View, models, one_step_down_for_all, plausible
from grader.verify.views import views as views_of
from reference import line_fit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from grader.model import Call, Declared, Floats, Loop, Message, Names, RunVerdict, Scalar, Series
    from grader.verify.bounds import Data
    from grader.verify.pair import Path, Samples
    from grader.verify.sources import Source

MOST_STEPS = 1_000_000
MOST_RUNS = 200  # of a notebook that are judged at all
MOST_TRIED = 16  # of them that follow no rule at once: trying everything takes up to a second each
OTHER_MODELS = {"exp", "sigmoid", "softmax", "logistic", "tanh", "relu", "expit", "log_loss", "bce"}
MOST_RESULTS = 60  # states of a table that compares runs
MOST_GUESSED = 300  # pairs of series that no name calls a run, and that are tried as one


class Notebook(NamedTuple):
    """What a notebook holds and states up to a cell: `offered` data, the likeliest first, and others `besides`.

    `stopped` says that the cell did not run to its end, `sure` that the first of `begins` is where the run began,
    `other_model` that its loop computes what no model that is linear in its parameters needs.
    """

    series: Sequence[Series]
    stated: Said
    begins: Sequence[tuple[float, float]]
    names: Names
    offered: Sequence[Samples]
    besides: Sequence[Samples]
    stopped: bool = False
    sure: bool = False
    other_model: bool = False


class Ruling(NamedTuple):
    """What is decided of a path under a view."""

    view: View
    verdict: RunVerdict
    fits: tuple[Fit, ...] = ()
    diagnosis: Message | None = None
    divergence: Divergence | None = None
    notes: tuple[Message, ...] = ()
    meant: Fit | None = None
    slip: bool = False


def runs(
    series: Sequence[Series],
    *,
    declared: Sequence[Declared],
    names: Names,
    loops: Sequence[Loop] = (),
    calls: Sequence[Call] = (),
    stopped: AbstractSet[int] = frozenset(),
) -> tuple[Match, ...]:
    """Every training run among the candidates, in the order of the cells, each judged once.

    `loops` and `calls` are the training loops and runs as written; `stopped` are the cells that did not end well.
    """
    read = {name for loop in loops for name in loop.reads}
    kept = {cell: list(by_loop(series, cell, loops)) for cell in {each.cell for each in series}}
    series = [each for each in series if each.source != "filled"]
    declared = [each for each in declared if math.isfinite(each.value)]  # `best = inf` plays no part in a run
    np.empty(4_000_000)  # once freed, the C library keeps what it frees: histories no longer cost fresh pages each time
    found: list[Match] = []
    judged: list[Path] = []
    left: list[Path] = []
    seen: set[str] = set()
    earlier: list[Path] = []
    guesses = MOST_GUESSED
    for cell in sorted({each.cell for each in series}):
        stated, begins, offered = said(declared, cell), starts(declared, cell), _offered(series, cell, names, read)
        notebook = Notebook(series, stated, begins, names, offered, pair.held_out(series, cell), cell in stopped)
        used: set[str] = set()
        for path in pair.paths(series, cell, names, kept[cell]):
            digest = _digest(path.theta[:, : max(bounds.finite_steps(path.theta), 0) + 1])
            taken = used & set(path.names) and not path.line  # what a loop has kept is a run of its own
            if digest in seen or taken or (not path.named and guesses == 0):
                continue
            guesses -= not path.named
            if path.named and len(found) == MOST_RUNS:
                left.append(path)
                continue
            settings = _settings(path, kept[cell], [call for call in calls if call.cell == cell])
            thorough = sum(each.verdict not in ("matches", "unverifiable") for each in found) < MOST_TRIED
            with np.errstate(all="ignore"):  # what overflows is inf or nan, and loses every comparison
                asked = _of_call(notebook, path, settings, loops)
                match = _match(path, asked, _continued(path, earlier), thorough=thorough)
            if match is not None:
                seen.add(digest)
                earlier.append(path)
                judged.append(path)
                used |= set(path.names)
                found.append(msgspec.structs.replace(match, trace_digest=digest, line=path.line))
    found = [match for match, path in zip(found, judged, strict=True) if not _is_of_results(match, path, judged)]
    return (*losses.apart(list(diagnose.unused_velocity(found))), *_unjudged(left))


def _is_of_results(match: Match, path: Path, others: Sequence[Path]) -> bool:
    """Whether a table that follows no rule holds where other runs begin and end: it compares them, and is no run."""
    if match.verdict == "matches" or path.line or path.theta.shape[1] > MOST_RESULTS:
        return False
    ends = endings(each for each in others if each is not path)
    return all(np.ascontiguousarray(state).tobytes() in ends for state in path.theta.T)


def _of_call(notebook: Notebook, path: Path, settings: Mapping[str, float], loops: Sequence[Loop]) -> Notebook:
    """What is known of a run by its own call: its settings, where it begins, and which data its loop reads."""
    read = {name for loop in loops if loop.line == path.line and loop.cell <= path.cell for name in loop.reads}
    notebook = notebook._replace(other_model=bool(read & OTHER_MODELS))
    offered = sorted(notebook.offered, key=lambda each: -sum(naming.root(name) in read for name in each.names))
    if not settings:
        return notebook._replace(offered=offered)
    begin = settings.get("b"), settings.get("w")
    sure = [(begin[0], begin[1])] if begin[0] is not None and begin[1] is not None else []
    return notebook._replace(
        stated=in_call(notebook.stated, settings), begins=[*sure, *notebook.begins], offered=offered, sure=bool(sure)
    )


def _settings(path: Path, kept: Sequence[Path], calls: Sequence[Call]) -> Mapping[str, float]:
    """What is given to the call that made a run; nothing where the calls as written are not those that took place."""
    if not path.line:
        return {}
    place = path.call.partition("[")[0]
    if place in ("", "loop"):
        own = [call for call in calls if not call.place and call.line == path.line]
    else:
        own = [call for call in calls if call.place == place]
    turns = list(dict.fromkeys(each.call for each in kept if each.call.partition("[")[0] == place))
    if not path.call:  # outside of any function: the last turn, whose containers still have their names
        return own[-1].settings if own else {}
    return own[turns.index(path.call)].settings if len(own) == len(turns) else {}


def _offered(series: Sequence[Series], cell: int, names: Names, read: AbstractSet[str]) -> list[Samples]:
    """The data that a run of a cell may have been trained on."""
    return [each for each in pair.samples(series, cell, names, read) if np.ptp(each.x) > 0]


def _unjudged(left: Sequence[Path]) -> Iterator[Match]:
    """Runs beyond the most that are judged: a person looks, and is told how many there are."""
    if left:
        first, steps = left[0], max(bounds.finite_steps(left[0].theta), 0)
        why = message("verify.more-runs", count=len(left), judged=MOST_RUNS)
        yield Match(cell=first.cell, names=first.names, steps=steps, verdict="review", diagnosis=why)


def _digest(theta: Floats) -> str:
    return "sha256:" + hashlib.sha256(np.ascontiguousarray(theta).data).hexdigest()


def _continued(path: Path, earlier: Sequence[Path]) -> Path | None:
    """The latest run of an earlier cell in whose last state this one begins."""
    ended = (run for run in reversed(earlier) if run.cell < path.cell and run.theta.shape[0] == path.theta.shape[0])
    return next((run for run in ended if np.array_equal(run.theta[:, -1], path.theta[:, 0])), None)


def _match(path: Path, notebook: Notebook, before: Path | None, *, thorough: bool) -> Match | None:
    """Judge one path; None if it is no run after all: names do not call it one, and no rule explains it.

    A run that goes on from the one `before` is judged alone, else with what the rule may remember from there. Only a
    `thorough` look tries more than the rules themselves.
    """
    stated, offered = notebook.stated, notebook.offered
    path, notes = _trimmed(path)
    count = bounds.finite_steps(path.theta)
    overflowed = count < path.theta.shape[1] - 1 and not _undefined(path.theta, count)
    theta = np.ascontiguousarray(path.theta[:, : max(min(count, MOST_STEPS), 0) + 1])
    if not path.named and (count < 1 or not _promising(path, theta[:, : PREFIX + 1], offered, stated)):
        return None
    views = views_of(path, theta, offered, notebook.begins, sure=notebook.sure) if count > 0 else iter(())
    likeliest = next(views, None)
    why = "verify.too-short" if count < 1 else _why_unjudged(likeliest, notebook, 1 if path.named else FEWEST)
    if why is not None or likeliest is None:
        return _unverifiable(path, count, stated, why or "", overflowed=overflowed) if path.named else None
    ruling = _ruling(likeliest, views, stated, path, thorough=thorough)
    if ruling is None:
        return None
    if ruling.verdict in ("unexplained", "review") and notebook.other_model:
        return _unverifiable(path, count, stated, "verify.other-model", overflowed=overflowed)
    if before is not None:
        goes_on = message("verify.continued", cell=before.cell)
        ruling = _remembering(before, path, ruling, offered, stated) or ruling._replace(notes=(*ruling.notes, goes_on))
    notes = (*notes, *_unlike_handed_out(ruling.view.problem))
    if count < path.theta.shape[1] - 1 and not overflowed:
        notes = (*notes, message("verify.not-a-number", step=count + 1))
    if overflowed:
        notes = (*notes, message("verify.overflow", steps=count, length=path.theta.shape[1] - 1))
    if count > MOST_STEPS:
        notes = (*notes, message("verify.more-steps", steps=count, judged=MOST_STEPS))
    ruling = ruling._replace(notes=(*notes, *ruling.notes))
    recorded = pair.losses(notebook.series, path, notebook.names)
    return _record(path, ruling, notebook, recorded, count, overflowed=overflowed)


def _why_unjudged(view: View | None, notebook: Notebook, fewest: int) -> str | None:
    """Why no step of a run can be judged, None where some can."""
    if view is None:
        return "verify.no-data"
    if notebook.stopped and never_moves(view.history):
        return "verify.stopped-before"
    return None if _tells(view, fewest) else "verify.no-steps"


def _promising(path: Path, theta: Floats, offered: Sequence[Samples], stated: Said) -> bool:
    """Whether the first steps of a path that no name calls a run follow a rule: most do not, and cost no more."""
    views = islice(views_of(path, np.ascontiguousarray(theta), offered, ()), 4)
    return bool(np.any(np.diff(theta, axis=1))) and _followed(views, stated) is not None


def _trimmed(path: Path) -> tuple[Path, tuple[Message, ...]]:
    """Leave out the zeros at the end of an array that was made too long."""
    moved = np.flatnonzero(np.any(path.theta != 0, axis=0))
    count = path.theta.shape[1] - 1 - int(moved[-1]) if len(moved) else 0
    if count == 0:
        return path, ()
    return path._replace(theta=path.theta[:, :-count]), (message("verify.unused-end", count=count),)


def _undefined(theta: Floats, count: int) -> bool:
    """Whether the path ends in nan while it is still small: a division of zero by zero, no overflow."""
    last, gone = theta[:, max(count, 0)], theta[:, count + 1]
    return bool(np.all(np.isnan(gone) | (np.abs(gone) <= bounds.HUGE)) and np.all(np.abs(last) < 1e60))


# -- rulings -------------------------------------------------------------------------------------


def _tells(view: View, fewest: int) -> bool:
    """Whether so many steps move by more than rounding, or none moves though the gradient says that it should."""
    if never_moves(view.history):
        return bool(np.any(np.abs(view.gradient.g) > view.gradient.error))
    short = bounds.prefix(view.history, PREFIX)
    return bounds.informative(short) >= fewest or bounds.informative(view.history) >= fewest


def _ruling(likeliest: View, others: Iterator[View], stated: Said, path: Path, *, thorough: bool) -> Ruling | None:
    """The first view under which the run follows a rule; else what is wrong with it under the likeliest.

    The other views are made only once the likeliest has failed.
    """
    if not path.named:
        return _followed(chain([likeliest], islice(others, 3)), stated)
    if never_moves(likeliest.history):
        return _ruled(likeliest, diagnose.standstill(_case(likeliest, stated)))
    found = _followed([likeliest], stated)
    if found is not None and found.verdict == "matches":
        return found
    if found is not None:  # a rate that is not the declared one: unless it is the declared one, many steps at once
        return _followed_otherwise([likeliest], stated) or _mistaken_at_its_rate(found, stated) or found
    if not thorough:
        unlooked = Ruling(likeliest, "review", diagnosis=message("verify.not-tried", tried=MOST_TRIED))
        return _followed(islice(others, 1), stated) or unlooked
    views = [likeliest, *others]
    likely = views[:1] if path.ordered else views[:2]
    return (
        _followed(views[1:], stated)
        or _followed_otherwise(likely, stated)
        or _kept_seldom(likely, stated)
        or _diagnosed(likely, stated)
        or _ruled(views[0], diagnose.nearest(_case(views[0], stated)))
    )


def _followed(views: Iterable[View], stated: Said) -> Ruling | None:
    """The run follows a rule with the gradient of all samples."""
    for view in views:
        fits = []
        if plausible(view):
            fits = identify(view.history, view.gradient, stated, view.problem.size)
        elif one_step_down_for_all(view):
            fits = identify_climbing(view.history, view.gradient, stated, view.problem.size)
        fits = [fit for fit in fits if fit.declared or not view.guessed]
        if fits:
            return _fitted(view, fits, stated)
    return None


def _followed_otherwise(views: Sequence[View], stated: Said) -> Ruling | None:
    """The run follows a rule with the gradient of one sample, one batch, or many steps at once."""
    for view in views:
        for source in sources(view.problem, view.history, stated):
            fits = follows(view.history, view.gradient, source, stated)
            if fits:
                return _fitted(view._replace(notes=(*view.notes, source.note)), _called(fits, source), stated)
    return None


def _called(fits: Sequence[Fit], source: Source) -> list[Fit]:
    """Plain descent by the name that its gradient gives it, and the weight decay beside the rule's own numbers."""
    more = {"weight_decay": source.weight_decay} if source.weight_decay else {}
    forms = [fit.form._replace(hyper=fit.form.hyper | more) for fit in fits]
    return [
        fit._replace(form=form._replace(rule=source.rule) if form.rule == "gd" else form)
        for fit, form in zip(fits, forms, strict=True)
    ]


def _mistaken_at_its_rate(found: Ruling, stated: Said) -> Ruling | None:
    """A mistake that explains the run at the rate that is stated, where the rule does so at another one only."""
    if found.diagnosis is None or found.diagnosis.id != "bug.lr-differs":
        return None
    mistake = diagnose.wrong_rule(_case(found.view, stated))
    return _ruled(found.view, mistake) if mistake is not None and mistake.stated else None


def _kept_seldom(views: Sequence[View], stated: Said) -> Ruling | None:
    """The run follows a rule of which only every k-th state was kept."""
    for view in views:
        found = strided(_case(view, stated))
        if found is not None:
            return _ruled(view, found)
    return None


def _diagnosed(views: Sequence[View], stated: Said) -> Ruling | None:
    """The run is explained by a mistake, or by a schedule or a decay rate that is stated nowhere."""
    for view in views:
        found = diagnose.diagnose(_case(view, stated))
        if found is not None:
            return _ruled(view, found)
    return None


def _ruled(view: View, found: Diagnosis) -> Ruling:
    if found.verdict == "matches":
        return Ruling(view, "matches", found.fits, notes=(*view.notes, found.diagnosis))
    slip = found.slip and found.verdict == "differs"
    return Ruling(view, found.verdict, found.fits, found.diagnosis, found.divergence, view.notes, found.meant, slip)


def _fitted(view: View, fits: Sequence[Fit], stated: Said) -> Ruling:
    """A run that follows a rule; where its own cell contradicts the rate, that is said."""
    best = fits[0]
    case = _case(view, stated)
    notes = list(view.notes)
    if best.worst > bounds.MATCHES:
        notes.append(message("verify.rounding", residual=best.worst))
    if best.form.convention.get("start") == SIGNED:
        notes.append(message("verify.signed-start", lr=best.rates[0].stated))
    found = None
    unstated = not any(rate.declared for rate in best.rates)
    if unstated and stated.own_rates and ("lambda", best.rates[0].stated) not in stated.numbers:
        found = contradictions.contradicted(case, best)
    elif len(best.rates) > 1:
        found = contradictions.uneven(case, best)
        notes.append(message("verify.rates-by-parameter", first=best.rates[0].stated, last=best.rates[-1].stated))
    if len(best.rates) == 1 and unstated and found is None:
        notes.append(message("verify.rate-read-off", lr=best.rates[0].stated))
    found = found or contradictions.exchanged_decays(case, best) or contradictions.other_decay(case, best)
    if found is None:
        return Ruling(view, "matches", tuple(fits), notes=tuple(notes))
    slip = found.verdict == "differs"
    return Ruling(view, found.verdict, tuple(fits), found.diagnosis, found.divergence, tuple(notes), found.meant, slip)


def _case(view: View, stated: Said) -> Case:
    return Case(view.names, view.problem, view.history, view.gradient, stated)


def _remembering(before: Path, path: Path, alone: Ruling, offered: Sequence[Samples], stated: Said) -> Ruling | None:
    """The ruling on both runs as one, if alone this one follows no rule and together they do."""
    if alone.verdict == "matches":
        return None
    theta = np.concatenate([before.theta, path.theta[:, 1:]], axis=1)
    if bounds.finite_steps(theta) < theta.shape[1] - 1 or theta.shape[1] > MOST_STEPS:
        return None
    together = _followed(views_of(path, theta, offered[:1], ()), stated)
    if together is None or together.verdict != "matches":
        return None
    note = message("verify.continued-memory", cell=before.cell)
    return together._replace(view=alone.view, notes=(*together.notes, note))


def _unlike_handed_out(problem: Data) -> Iterator[Message]:
    """The first point that differs from the homework's data, where most points are those."""
    given = np.stack([line_fit.X_DATA, line_fit.Y_DATA], axis=1)
    if problem.phi.shape != (len(given), 2):
        return
    held = np.stack([problem.phi[:, 1], problem.y], axis=1)
    other = np.any(held != given, axis=1)
    if 0 < np.count_nonzero(other) < len(given) / 2:
        row = int(np.argmax(other))
        (x, y), (x_given, y_given) = held[row].tolist(), given[row].tolist()
        yield message("verify.data-differ", count=int(np.count_nonzero(other)), point=row + 1, x=x, y=y,
                      x_given=x_given, y_given=y_given)  # fmt: skip


# -- records -------------------------------------------------------------------------------------


def _record(
    path: Path, ruling: Ruling, notebook: Notebook, recorded: Sequence[pair.Recorded], count: int, *, overflowed: bool
) -> Match:
    view, best = ruling.view, ruling.fits[0] if ruling.fits else None
    loss = effects.losses(view.problem, view.theta)
    shift = view.theta.shape[1] - min(count, MOST_STEPS) - 1  # of a view that begins a state earlier or later
    states, stated = path.theta.shape[1] + shift, notebook.stated
    others = _held_besides(view, (*notebook.besides, *notebook.offered))
    return Match(
        cell=path.cell,
        names=view.names,
        steps=count,
        verdict=ruling.verdict,
        rule=best.form.rule if best else None,
        convention=_convention(best) if best else {},
        consistent_with=tuple(dict.fromkeys(fit.form.rule for fit in ruling.fits)),
        hyperparameters=_hyperparameters(best) if best else {},
        declared=stated.table,
        max_residual=best.worst if best else None,
        informative_steps=bounds.informative(view.history),
        first_divergence=ruling.divergence,
        diagnosis=ruling.diagnosis,
        slip=ruling.slip,
        notes=ruling.notes,
        loss=losses.match(view.problem, view.theta, view.history.u, recorded, stated, states=states, others=others),
        effect=effects.effect(view.problem, view.theta, loss, overflowed=overflowed),
        final_loss=float(loss[-1]),
        curve=curves.curve(view.problem, view.theta, loss, expected=_expected(ruling)),
    )


def _held_besides(view: View, offered: Sequence[Samples]) -> Iterator[tuple[str, Data]]:
    """Data of the same model that the run was not trained on, by the names of x and y."""
    for samples in offered:
        for phi in models(samples.x, view.theta.shape[0]):
            if not np.array_equal(samples.y, view.problem.y):
                yield ", ".join(samples.names), bounds.data(phi, samples.y)


def _expected(ruling: Ruling) -> Floats | None:
    """The path that the meant rule takes from the run's own start, where the run leaves it."""
    if ruling.divergence is None or ruling.meant is None:
        return None
    return curves.free_run(ruling.view.problem, ruling.view.theta, ruling.meant)


def _convention(fit: Fit) -> dict[str, Scalar]:
    scale = fit.rates[0].scale
    return fit.form.convention | ({"loss": scale} if scale else {})


def _hyperparameters(fit: Fit) -> dict[str, float]:
    if len(fit.rates) == 1:
        return {"lr": fit.rates[0].stated} | fit.form.hyper
    return {f"lr_{k}": rate.stated for k, rate in enumerate(fit.rates)} | fit.form.hyper


def _unverifiable(path: Path, count: int, stated: Said, why: str, *, overflowed: bool) -> Match:
    """A run of which no step can be judged: too short, or no data to derive gradients from."""
    theta = path.theta[:, : count + 1]
    return Match(
        cell=path.cell,
        names=path.names,
        steps=max(count, 0),
        verdict="unverifiable",
        declared=stated.table,
        notes=(message(why),),
        loss=LossMatch(),
        effect="diverging" if overflowed else None,
        curve=curves.curve(None, theta, None) if count > 0 else Curve(),
    )
