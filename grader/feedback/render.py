"""The page of one student: what to do next first, then what was expected and seen, then everything else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version

from markupsafe import Markup

from grader.decisions import deduction, net
from grader.feedback import plots, sheets
from grader.feedback.catalogue import filled, label, number, numbers, safe, text, values, word
from grader.feedback.pages import fill
from grader.model import (
    Coverage,
    Criterion,
    Curve,
    Decided,
    Divergence,
    Evidence,
    Finding,
    Grade,
    Isolation,
    Language,
    Match,
    Message,
    Record,
    ReportFacts,
    Scored,
    Snippet,
    Verdict,
    message,
)

STEPS = 3
"""How many next steps a person can take in."""
DRAWN = plots.STYLES
FIGURES = 6
QUOTES = 3
TABULATED = ("updates.step", "losses.step")
"""Details that a table of expected and seen says better."""
NAMED = 3
"""How many criteria with one reason are named."""
RECORD = 12
"""How much of a digest is told to people."""
OPEN = (Verdict.FAIL, Verdict.PARTIAL, Verdict.REVIEW, Verdict.FAULT)
MARKS = {"matches": "pass", "differs": "fail", "unexplained": "review", "unverifiable": "review", "review": "review"}


class Step(Record, frozen=True, kw_only=True):
    """One thing to do next, with the points it can bring; `n` is the part of the page that says more."""

    n: int
    title: str
    finding: Finding
    gain: float


class Gap(Record, frozen=True, kw_only=True):
    """The first difference in a run: name, before, expected, seen, ratio for each value."""

    run: int
    title: str
    rows: tuple[tuple[str, ...], ...]
    moves: bool
    diagnosis: Message | None = None


class RunView(Record, frozen=True, kw_only=True):
    """One training run as the page shows it."""

    n: int
    match: Match
    style: int | None
    mark: str
    rule: str
    consistent: str
    hyperparameters: str
    picture: plots.Picture | None = None
    points: tuple[tuple[str, ...], ...] = ()


class Open(Record, frozen=True, kw_only=True):
    """Criteria that are not passed for one and the same reason, with the evidence."""

    n: int
    title: str
    group: tuple[Scored, ...]
    finding: Finding
    points: float
    pending: float
    out_of: float
    hint: Message | None = None
    details: tuple[Message, ...] = ()
    gaps: tuple[Gap, ...] = ()
    decided: Decided | None = None


def render(grade: Grade, evidence: Evidence, *, language: Language) -> str:
    """One self-contained HTML page of feedback; any part of the evidence may be missing."""
    runs = tuple(_run(n, match, language) for n, match in enumerate(evidence.matches, start=1))
    opens = tuple(_open(n, group, evidence, language) for n, group in enumerate(_groups(grade, language), start=1))
    return fill(
        "student.html",
        language,
        grade=grade,
        evidence=evidence,
        submission=grade.submission,
        state=(*_state(grade, evidence), *_late(grade)),
        broken=_broken(grade, evidence),
        strip=_strip(grade, language),
        steps=_steps(opens),
        waits=_waits(opens),
        most=STEPS,
        titles={scored.criterion.id: title(scored, language) for scored in grade.scored},
        opens=opens,
        linked={scored.criterion.id: part.n for part in opens for scored in part.group},
        runs=runs,
        losses=_losses(evidence.matches, language),
        loss_rows=_loss_rows(evidence.matches),
        drawn=DRAWN,
        figures=FIGURES,
        stroke=lambda style: Markup(plots.sample(style)),  # noqa: S704 - plots escape what they print
        troubles=tuple(cell for cell in evidence.run.cells if cell.status != "ok") if evidence.run else (),
        yes=lambda given: label("page.yes" if given else "page.no", language),
        pages=_pages(evidence.report, language),
        quotes=_quotes,
        sheets=sheets.pages(evidence.report, grade.coverage, language),
        key=sheets.key(grade.coverage, language),
        trouble=lambda problem: text(message(f"report.problem.{problem.id}"), language),
        folded=_folded(grade),
        how=_how(evidence),
        method=_method(grade, evidence, language),
        regrade=_regrade(grade),
    )


# -- the top of the page ---------------------------------------------------------------------------


def _broken(grade: Grade, evidence: Evidence) -> bool:
    verdicts = {scored.finding.verdict for scored in grade.scored}
    all_decided = grade.scored and all(scored.decided for scored in grade.scored)
    return Verdict.FAULT in verdicts or (evidence.fault is not None and not all_decided)


def _state(grade: Grade, evidence: Evidence) -> tuple[Message, ...]:
    """The state of the grade in one or two sentences."""
    judged = [scored for scored in grade.scored if scored.finding.verdict is not Verdict.SKIPPED]
    passed = sum(scored.finding.verdict is Verdict.PASS for scored in judged)
    if _broken(grade, evidence):
        return (message("page.state.fault", pending=grade.pending),)
    if not judged:
        return (message("page.state.nothing"),)
    waits = [message("page.state.pending", pending=grade.pending)] if grade.pending > 0 else []
    if not waits and grade.needs_review:
        waits = [message("page.state.review")]
    if passed == len(judged):
        return (message("page.state.complete"), *waits)
    if not any(_gain(scored) > 0 for scored in judged):
        return tuple(waits)
    return (message("page.state.open", passed=passed, all=len(judged)), *waits)


def _late(grade: Grade) -> tuple[Message, ...]:
    """What late work loses, where the rubric says so."""
    lost = deduction(grade)
    return (message("page.state.late", lost=lost, points=net(grade), out_of=grade.out_of),) if lost else ()


def _gain(scored: Scored) -> float:
    """The points that the student can still win; what waits for a person is nobody's homework."""
    lost = scored.finding.verdict in (Verdict.FAIL, Verdict.PARTIAL, Verdict.REVIEW)
    return round(scored.out_of - scored.points - scored.pending, 2) if lost else 0.0


def _steps(opens: Sequence[Open]) -> tuple[Step, ...]:
    """The few things that bring the most points."""
    steps = [
        Step(n=part.n, title=part.title, finding=part.finding, gain=sum(_gain(scored) for scored in part.group))
        for part in opens
    ]
    return tuple(sorted((step for step in steps if step.gain > 0), key=lambda step: -step.gain)[:STEPS])


def _waits(opens: Sequence[Open]) -> tuple[Open, ...]:
    """What a person will look at, by the points that hang on it."""
    return tuple(sorted((part for part in opens if part.finding.verdict is Verdict.REVIEW), key=lambda p: -p.pending))


def title(scored: Scored, language: Language) -> str:
    """The criterion's title in this language, else in English, else its id."""
    return titled(scored.criterion, language)


def titled(criterion: Criterion, language: Language) -> str:
    """The title of a rubric's criterion; `{limit}` in it is the criterion's own key."""
    known = criterion.title.get(language) or criterion.title.get("en") or criterion.id
    given = {name: value for name, value in criterion.params.items() if isinstance(value, str | int | float)}
    return safe(filled(known, values(given, language)))


def _strip(grade: Grade, language: Language) -> Markup:
    name = "page.strip" if grade.pending > 0 else "page.strip-plain"
    words = label(name, language, points=grade.points, out_of=grade.out_of, pending=grade.pending)
    shares = [plots.Share(scored.out_of, scored.points, scored.pending) for scored in grade.scored]
    return Markup(plots.strip(shares, id="score", title=words))  # noqa: S704 - plots escape what they print


def _folded(grade: Grade) -> tuple[tuple[Message, Message | None, tuple[Scored, ...]], ...]:
    """What needs no attention: heading, note and criteria of each group that has any."""
    groups = (
        (Verdict.PASS, "page.passed", None),
        (Verdict.SKIPPED, "page.skipped", message("page.skipped-note")),
    )
    sorted_in = [
        (tuple(scored for scored in grade.scored if scored.finding.verdict is verdict), heading, note)
        for verdict, heading, note in groups
    ]
    return tuple((message(heading, count=len(group)), note, group) for group, heading, note in sorted_in if group)


# -- the foot of the page --------------------------------------------------------------------------


def _how(evidence: Evidence) -> tuple[Message, ...]:
    """How it was checked, of what was checked."""
    run, report = evidence.run, evidence.report
    told = []
    if run and any(cell.status != "not-run" for cell in run.cells):
        jailed = run.isolation.level != "process-limits"
        told.append(message("page.method-run" if jailed else "page.method-run-open"))
    if evidence.matches:
        told.append(message("page.method-steps"))
    if report and (report.lines or report.recognised):
        told.append(message("page.method-report"))
    return tuple(told) or (message("page.method-broke" if evidence.fault else "page.method-none"),)


def _method(grade: Grade, evidence: Evidence, language: Language) -> tuple[tuple[str, str, bool], ...]:
    """Name, value and whether it is code: all that someone needs who wants to check the check."""
    files = ", ".join(safe(name) for name in (grade.submission.notebook, grade.submission.report) if name)
    seconds = label("page.seconds-value", language, seconds=round(evidence.seconds, 1)) if evidence.seconds else ""
    lines = (
        ("page.handed-in", files, True),
        ("page.received", _moment(grade.submission.received or ""), False),
        ("page.isolation", _isolation(evidence.run.isolation if evidence.run else evidence.isolation, language), False),
        ("page.version", version("descent-grader"), True),
        ("page.verifier", safe(evidence.verifier), True),
        ("page.rubric", safe(grade.rubric.digest), True),
        ("page.digest", safe(grade.submission.digest), True),
        ("page.seconds", seconds, False),
    )
    return tuple((label(name, language), value, code) for name, value, code in lines if value)


def _isolation(isolation: Isolation, language: Language) -> str:
    """What kept the submission's code in its jail, and its memory within bounds."""
    level = word("level", isolation.level, language)
    if isolation.level == "none":
        return level
    return label("page.isolation-value", language, level=level, memory=word("memory", isolation.memory, language))


def _moment(received: str) -> str:
    """A time in ISO 8601 as people write it, to the minute."""
    try:
        return datetime.fromisoformat(received).isoformat(" ", "minutes")
    except ValueError:
        return safe(received)


def _regrade(grade: Grade) -> Message:
    """How to ask for a person, with enough of the record's number to find it by."""
    number = grade.submission.digest.removeprefix("sha256:")[:RECORD]
    return message("page.regrade-text", digest=number) if number else message("page.regrade-plain")


# -- expected against seen ---------------------------------------------------------------------------


def _groups(grade: Grade, language: Language) -> tuple[tuple[Scored, ...], ...]:
    """The criteria that are not passed; those of which the same is said together."""
    groups: dict[tuple[object, ...], list[Scored]] = {}
    for scored in grade.scored:
        finding = scored.finding
        if finding.verdict in OPEN:
            said = (finding.message, *([finding.hint] if finding.hint else []), *finding.details)
            same = (finding.verdict, finding.where, _comment(scored), *(text(one, language) for one in said))
            groups.setdefault(same, []).append(scored)
    return tuple(map(tuple, groups.values()))


def _comment(scored: Scored) -> str | None:
    """What a person wrote to the student about this criterion; None where nobody decided."""
    return scored.decided.decision.comment if scored.decided else None


def _open(n: int, group: Sequence[Scored], evidence: Evidence, language: Language) -> Open:
    finding = group[0].finding
    gaps = _gaps(finding.check, evidence, language) if finding.verdict is not Verdict.FAULT else ()
    told = [gap.diagnosis for gap in gaps]
    return Open(
        n=n,
        title=_together(group, language),
        group=tuple(group),
        finding=finding,
        points=sum(scored.points for scored in group),
        pending=sum(scored.pending for scored in group),
        out_of=sum(scored.out_of for scored in group),
        hint=None if finding.hint in told else finding.hint,
        details=tuple(one for one in finding.details if not gaps or not (one in told or one.id in TABULATED)),
        gaps=gaps,
        decided=group[0].decided,
    )


def _together(group: Sequence[Scored], language: Language) -> str:
    """The titles of a group in one line."""
    titles = label("page.and", language).join(title(scored, language) for scored in group[:NAMED])
    return titles + label("page.and-more", language, count=len(group) - NAMED) if len(group) > NAMED else titles


def _gaps(check: str, evidence: Evidence, language: Language) -> tuple[Gap, ...]:
    """Where the runs first leave what this check asks for."""
    gap = {"updates-match": _step_gap, "losses-match": _loss_gap}.get(check)
    found = [gap(n, match, language) for n, match in enumerate(evidence.matches, start=1)] if gap else []
    return tuple(one for one in found if one is not None)[:STEPS]


def _step_gap(n: int, match: Match, language: Language) -> Gap | None:
    gap = match.first_divergence
    if gap is None:
        return None
    rule = word("rule", match.rule, language) if match.rule else ""
    name = "page.gap-rule" if rule else "page.gap"
    rows = tuple(
        (_name(match.names, i), *numbers((before, expected, seen)), _ratio(before, expected, seen))
        for i, (before, expected, seen) in enumerate(zip(gap.before, gap.expected, gap.seen, strict=False))
    )
    words = label(name, language, run=n, rule=rule, step=gap.step)
    return Gap(run=n, title=words, rows=rows, moves=True, diagnosis=match.diagnosis)


def _loss_gap(n: int, match: Match, language: Language) -> Gap | None:
    gap: Divergence | None = match.loss.first_divergence
    if gap is None:
        return None
    name = safe(match.loss.name or "", 60)
    rows = tuple(
        (name, "", *numbers((expected, seen)), _ratio(0.0, expected, seen))
        for expected, seen in zip(gap.expected, gap.seen, strict=False)
    )
    return Gap(run=n, title=label("page.gap-loss", language, run=n, step=gap.step), rows=rows, moves=False)


def _ratio(before: float, expected: float, seen: float) -> str:
    """How far the step went compared with how far it should have gone; empty where that says nothing."""
    should, did = expected - before, seen - before
    return number(did / should) if should and math.isfinite(should) and math.isfinite(did) else ""


def _name(names: Sequence[str], i: int) -> str:
    return safe(names[i], 60) if i < len(names) else ""


# -- runs --------------------------------------------------------------------------------------------


def _run(n: int, match: Match, language: Language) -> RunView:
    others = [word("rule", rule, language) for rule in match.consistent_with if rule != match.rule]
    known = match.hyperparameters or match.declared
    return RunView(
        n=n,
        match=match,
        style=n - 1 if n <= DRAWN else None,
        mark=MARKS[match.verdict],
        rule=word("rule", match.rule, language) if match.rule else "",
        consistent=", ".join(others),
        hyperparameters=", ".join(f"{safe(name, 40)} = {_code(value)}" for name, value in known.items()),
        picture=_picture(n, match, language),
        points=_points(match, language),
    )


def _code(value: float) -> str:
    """A number as Python writes it: 10,000 would be two."""
    return number(value).replace(",", "")


def _picture(n: int, match: Match, language: Language) -> plots.Picture | None:
    """The path of a run with two parameters, if it was kept."""
    curve = match.curve
    if not curve.path or len(curve.path[0]) != 2:
        return None
    x, y = (_name(match.names, i) or "?" for i in (0, 1))
    words = label("page.path-title", language, run=n, x=x, y=y, steps=match.steps)
    empty = label("page.plot-empty", language)
    return _inline(plots.path(curve, id=f"path-{n}", title=words, names=(x, y), style=n - 1, empty=empty))


def _points(match: Match, language: Language) -> tuple[tuple[str, ...], ...]:
    """The path in numbers: where it starts, ends, should have ended, and where the loss is least."""
    curve = match.curve
    points = {
        "page.point-start": _end(curve.path, curve.losses, 0),
        "page.point-end": _end(curve.path, curve.losses, -1),
    }
    if curve.expected_path:
        points["page.point-expected"] = _end(curve.expected_path, curve.expected_losses, -1)
    if curve.surface:
        points["page.point-least"] = (*curve.surface.centre, curve.surface.minimum)
    return tuple((label(name, language), *map(_number, values)) for name, values in points.items())


def _end(path: Sequence[Sequence[float]], losses: Sequence[float], index: int) -> tuple[float, ...]:
    return (*(path[index] if path else ()), losses[index] if losses else math.nan)


def _number(value: float) -> str:
    return "–" if math.isnan(value) else number(value)


def _losses(matches: Sequence[Match], language: Language) -> plots.Picture | None:
    """All runs in one plot, as many as can be told apart, and where the rule would have gone."""
    drawn = [(n, match) for n, match in enumerate(matches[:DRAWN], start=1) if match.curve.losses]
    if not drawn:
        return None
    rates = {match.hyperparameters.get("lr") for _, match in drawn}
    by_rate = len(rates) > 1 == len({match.rule for _, match in drawn})
    seen = [_trail(n, match, language, by_rate=by_rate) for n, match in drawn]
    expected = [_expected(n, match.curve, language) for n, match in drawn if match.curve.expected_losses]
    words = {"title": "page.loss-plot", "step": "page.step-axis", "loss": "page.loss-axis", "empty": "page.plot-empty"}
    labels = {name: label(key, language) for name, key in words.items()}
    return _inline(plots.loss([*expected, *seen], id="loss", **labels))


def _expected(n: int, curve: Curve, language: Language) -> plots.Trail:
    name = label("page.line-expected", language, run=n)
    return plots.Trail(label=name, steps=curve.steps, losses=curve.expected_losses, style=n - 1, expected=True)


def _inline(picture: plots.Picture) -> plots.Picture:
    return picture._replace(svg=Markup(picture.svg))  # noqa: S704 - plots escape what they print


def _trail(n: int, match: Match, language: Language, *, by_rate: bool) -> plots.Trail:
    """A line that is called what tells it from the others: its rule, or among equals its learning rate."""
    rate = match.hyperparameters.get("lr")
    rule = word("line", match.rule, language) if match.rule else ""
    name = f"lr {number(rate)}" if by_rate and rate is not None else rule
    return plots.Trail(label=f"{n} {name}".strip(), steps=match.curve.steps, losses=match.curve.losses, style=n - 1)


def _loss_rows(matches: Sequence[Match]) -> tuple[tuple[str, ...], ...]:
    """The losses of the drawn runs at steps that grow tenfold; a run that has ended leaves its place empty."""
    curves = [match.curve for match in matches[:DRAWN] if match.curve.losses and match.curve.steps]
    last = max((curve.steps[-1] for curve in curves), default=-1)
    steps = [step for step in (0, *(10**power for power in range(12))) if step < last] + [last] * (last >= 0)
    return tuple((number(step), *(_loss_at(curve, step) for curve in curves)) for step in steps)


def _loss_at(curve: Curve, step: int) -> str:
    """The loss at the kept step nearest to `step`."""
    if step > curve.steps[-1]:
        return "–"
    pairs = zip(curve.steps, curve.losses, strict=False)
    return number(min(pairs, key=lambda pair: abs(pair[0] - step))[1])


# -- report ------------------------------------------------------------------------------------------


def _pages(report: ReportFacts | None, language: Language) -> str:
    """How long the report is, in words; both counts where the readers disagree."""
    counts = set(report.pages.values()) if report else set()
    if not report or not counts or counts == {None}:
        return ""
    if len(counts) > 1:
        told = ", ".join(f"{engine} {number(n) if n is not None else '–'}" for engine, n in report.pages.items())
        return label("page.report-undecided", language, counts=told)
    pages = next(iter(counts)) or 0
    return label("page.report-pages", language, pages=pages)


def _quotes(topic: Coverage) -> tuple[Snippet, ...]:
    """The first few different sentences that show a topic."""
    different = {(snippet.page, snippet.text): snippet for snippet in reversed(topic.evidence)}
    return tuple(snippet for snippet in topic.evidence if snippet in different.values())[:QUOTES]
