"""What is claimed of a good submission: one function per claim, from evidence to finding.

A check's keyword arguments are what a rubric may set; their annotations say what it may set them to.
Every check answers for the cases it cannot decide: what was not handed in fails, what cannot be read
goes to a person, what the grader broke is a fault.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated, Literal

from msgspec import Meta

from grader import coverage as coverage_
from grader import experiments as experiments_
from grader.model import (
    CellRun,
    Coverage,
    Evidence,
    Experiment,
    Fault,
    Finding,
    Match,
    Message,
    Part,
    Record,
    ReportFacts,
    Run,
    TooLongError,
    Verdict,
    Where,
    Within,
    message,
)

Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=1)]
Topic = Literal["sgd", "momentum", "adagrad", "rmsprop"]
# Notices of a report that holds more than its number of pages says.
NOT_IN_PAGES = ("xfa-form", "portfolio")  # content that no page shows
MORE_THAN_PAGES = ("large-page", "small-text", *NOT_IN_PAGES)


class Case(Record, frozen=True, kw_only=True):
    """Evidence with what the other judges made of it: all that a check may look at."""

    evidence: Evidence
    experiments: tuple[Experiment, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    late: tuple[str, ...] = ()  # the parts of judging that took too long, and are not here


Check = Callable[..., Finding]


def unbounded(_: str) -> AbstractContextManager[None]:
    """Let a part of judging take the time that it takes."""
    return nullcontext()


def case(
    evidence: Evidence, topics: coverage_.Topics, *, handed_out: Sequence[str] = (), within: Within = unbounded
) -> Case:
    """Judge experiments and topics once, for all checks; the texts that were handed out are nobody's own."""
    report = evidence.report
    experiments: tuple[Experiment, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    late = []
    try:
        with within("experiments"):
            experiments = experiments_.experiments(evidence)
    except TooLongError:
        late.append("experiments")
    try:
        with within("coverage"):
            coverage = coverage_.coverage(report, topics, handed_out=handed_out) if report else ()
    except TooLongError:
        late.append("coverage")
    return Case(evidence=evidence, experiments=experiments, coverage=coverage, late=tuple(late))


def judge(name: str, case: Case, **params: object) -> Finding:
    """Run the check of that name; what keeps it from judging at all is answered first."""
    unjudged = _not_judged(name, PARTS[name], case.evidence)
    if unjudged is None and LOOKS_AT.get(name) in case.late:
        return too_long(name)
    return unjudged or CHECKS[name](case, **params)


def too_long(name: str) -> Finding:
    """Leave a check to a person: judging by it took longer than any honest submission does."""
    return _finding(name, Verdict.REVIEW, message("checks.too-long"))


def _not_judged(name: str, part: Part, evidence: Evidence) -> Finding | None:
    """Answer for a part that was not asked for, not handed in, not readable, or lost by the grader."""
    submission = evidence.submission
    if part not in submission.asked:
        return _finding(name, Verdict.SKIPPED, message("checks.not-asked"))
    problem = next((p for p in submission.problems if p.id.startswith(f"intake.{part}")), None)
    if problem:
        return _finding(name, Verdict.REVIEW, problem)
    if getattr(submission, part) is None:
        return _finding(name, Verdict.FAIL, message(f"checks.{part}-missing"), hint=message(f"checks.{part}-add"))
    if evidence.fault and _lost(name, part, evidence.fault):
        return _finding(name, Verdict.FAULT, message("checks.fault"))
    return _notebook_unread(name, evidence) if part == "notebook" else None


def _lost(name: str, part: Part, fault: Fault) -> bool:
    """Whether a fault of ours took what this check needs; one of an unnamed stage took everything."""
    if fault.stage == "verify":
        return part == "notebook" and name != "notebook-runs"
    return fault.stage == part or fault.stage not in PARTS.values()


def _notebook_unread(name: str, evidence: Evidence) -> Finding | None:
    if evidence.notebook_problem:
        return _finding(name, Verdict.REVIEW, evidence.notebook_problem)
    if evidence.run is None or evidence.run.outcome == "refused":
        return _finding(name, Verdict.FAULT, message("checks.fault"))
    return None


# -- the notebook --------------------------------------------------------------------------------


def notebook_runs(case: Case) -> Finding:
    """The notebook runs from top to bottom; each cell that fails costs its share, but for what the machine lacks.

    A cell that only misses what an earlier one should have made costs nothing beside that one.
    """
    run = _run(case)
    if run.problem:
        return _finding("notebook-runs", Verdict.REVIEW, run.problem)
    cells = _filled(case, run)
    if not cells:
        return _finding("notebook-runs", Verdict.FAIL, message("runs.none"), hint=message("runs.hint-none"))
    stopped = [cell for cell in cells if cell.status != "ok"]
    if not stopped:
        newer = tuple(message("runs.translated", cell=cell.index) for cell in cells if cell.translated)
        return _finding("notebook-runs", Verdict.PASS, message("runs.all", cells=len(cells)), details=newer[:5])
    own = [cell for cell in stopped if cell.lacks is None and cell.follows is None and cell.status != "not-run"]
    first = own[0] if own else stopped[0]
    where = Where(cell=first.index, line=first.line)
    if not own:
        what = message("runs.environment", cell=first.index, error=first.error or "")
        return _finding("notebook-runs", Verdict.REVIEW, what, where=where, hint=_advice(first))
    credit = 1 - len(own) / len(cells)
    hint, details = message(f"runs.hint-{first.status}"), tuple(_how_it_stopped(cell) for cell in own[1:6])
    return _judged("notebook-runs", credit, _how_it_stopped(first), where=where, hint=hint, details=details)


def _filled(case: Case, run: Run) -> list[CellRun]:
    """Leave out the cells that hold no code: to run them is no merit."""
    blank = (
        {cell.index for cell in case.evidence.notebook.cells if not cell.source.strip()}
        if case.evidence.notebook
        else set()
    )
    return [cell for cell in run.cells if cell.index not in blank]


def _advice(cell: CellRun) -> Message | None:
    """What the student can do about something that only her own computer has."""
    return message(f"runs.hint-lacks-{cell.lacks}") if cell.lacks and cell.lacks != "follows" else None


def _how_it_stopped(cell: CellRun) -> Message:
    return message(f"runs.{cell.status}", cell=cell.index, error=cell.error or "", seconds=round(cell.seconds, 1))


def updates_match(case: Case, *, minimum: Count = 1, mistaken: Share = 0.4) -> Finding:
    """Every training run of the student's own follows a reference rule, step by step.

    A run whose one mistake is named keeps the share `mistaken`; of runs that are not decided a person decides theirs.
    """
    nothing = _nothing_of_their_own("updates-match", case)
    if nothing is not None:
        return nothing
    matches = _own_runs(case.evidence)
    right = [m for m in matches if m.verdict == "matches"]
    wrong = [m for m in matches if m.verdict == "differs"]
    unsure = [m for m in matches if m.verdict in ("unexplained", "review")]
    if not (right or wrong or unsure):
        return _finding("updates-match", Verdict.REVIEW, _why_no_runs(case, matches), where=_place(matches))
    runs = len(right) + len(wrong) + len(unsure)
    asked = max(runs, minimum)
    credit = (len(right) + mistaken * sum(m.slip for m in wrong)) / asked
    if unsure:
        return _finding(
            "updates-match",
            Verdict.REVIEW,
            _undecided(unsure[0]),
            credit=credit,
            open=len(unsure) / asked,
            hint=unsure[0].diagnosis,
            where=_place(unsure),
            details=_run_details((*unsure, *wrong)),
        )
    if wrong:
        what = message("updates.differ", wrong=len(wrong), runs=runs, cell=wrong[0].cell)
        hint, details = wrong[0].diagnosis or message("updates.hint"), _run_details(wrong)
        return _judged("updates-match", credit, what, hint=hint, where=_place(wrong), details=details)
    if len(right) < minimum:
        what = message("updates.few", runs=len(right), minimum=minimum)
        return _judged("updates-match", credit, what, hint=message("updates.hint-few"), where=_place(right))
    return _judged("updates-match", 1.0, message("updates.all", runs=len(right), steps=sum(m.steps for m in right)))


def losses_match(case: Case) -> Finding:
    """Every loss history that was recorded is the loss of the recorded parameters."""
    nothing = _nothing_of_their_own("losses-match", case)
    if nothing is not None:
        return nothing
    matches = _own_runs(case.evidence)
    recorded = [m for m in matches if m.loss.verdict != "absent" and not _only_drawn_of_a_wrong_run(m)]
    wrong = [m for m in recorded if m.loss.verdict == "differs"]
    unknown = [m for m in recorded if m.loss.verdict == "unexplained"]
    credit = (len(recorded) - len(wrong) - len(unknown)) / len(recorded) if recorded else 0.0
    if unknown:
        what = _unknown_loss(unknown[0])
        advice = message("losses.hint-unknown") if what.id == "losses.unexplained" else None
        return _finding(
            "losses-match",
            Verdict.REVIEW,
            what,
            credit=credit,
            open=len(unknown) / len(recorded),
            where=_place(unknown),
            hint=advice,
            details=_loss_details(wrong),
        )
    if wrong:
        what, hint = _wrong_loss(wrong[0])
        return _judged("losses-match", credit, what, where=_place(wrong), hint=hint, details=_loss_details(wrong))
    if recorded:
        what = message("losses.all", count=len(recorded), kind=recorded[0].loss.kind or "")
        return _finding("losses-match", Verdict.PASS, what)
    return _no_losses(case, matches)


def _no_losses(case: Case, matches: Sequence[Match]) -> Finding:
    """Where no losses were recorded, those of the runs that are right stand for them."""
    if any(m.verdict == "matches" for m in matches):
        return _finding("losses-match", Verdict.PASS, message("losses.derived"))
    if any(m.verdict == "differs" for m in matches):
        return _finding("losses-match", Verdict.SKIPPED, message("losses.counted-already"))
    return _finding("losses-match", Verdict.REVIEW, _why_no_runs(case, matches))


def _nothing_of_their_own(check: str, case: Case) -> Finding | None:
    """Answer for a notebook without code, and for the handed-out runs left as they were: nothing was trained."""
    if not _filled(case, _run(case)):
        return _finding(check, Verdict.FAIL, message("runs.none"), hint=message("runs.hint-none"))
    if case.evidence.matches and not _own_runs(case.evidence):
        count = len(case.evidence.matches)
        what, hint = message("updates.handed-out", runs=count), message("updates.hint-few")
        return _finding(check, Verdict.FAIL, what, hint=hint, where=_place(case.evidence.matches))
    return None


def experiments_made(
    case: Case, *, minimum: Count = 2, hyperparameters: Count = 1, illustrated: Annotated[int, Meta(ge=0)] = 0
) -> Finding:
    """So many changes were made from the handed-out notebook, of so many hyperparameters, so many of them shown."""
    made = experiments_.distinct(case.experiments, case.evidence)
    names = {e.name for e in case.experiments}
    if len(made) >= minimum and len(names) >= hyperparameters:
        return _illustrated(case, len(made), minimum=minimum, illustrated=illustrated)
    if not case.evidence.matches and case.evidence.changes:
        return _finding("experiments-made", Verdict.REVIEW, _why_no_runs(case, ()))
    if not made and case.evidence.changes:
        what = message("experiments.unclear", changes=len(case.evidence.changes))
        return _finding("experiments-made", Verdict.REVIEW, what)
    what = message("experiments.few", count=len(made), minimum=minimum)
    if len(made) >= minimum:
        what = message("experiments.few-names", count=len(names), minimum=hyperparameters)
    credit = min(len(made) / minimum, len(names) / hyperparameters)
    if lost := _lost_to_the_machine(case):
        what = message("experiments.machine", count=len(made), minimum=minimum, cell=lost.index)
        return _finding("experiments-made", Verdict.REVIEW, what, credit=credit, open=1 - credit, hint=_advice(lost))
    return _judged("experiments-made", credit, what, hint=message("experiments.hint"))


def _lost_to_the_machine(case: Case) -> CellRun | None:
    """The first cell that this machine could not run: what it would have shown is not held against anybody."""
    return next((cell for cell in _run(case).cells if cell.lacks not in (None, "follows")), None)


def _illustrated(case: Case, made: int, *, minimum: int, illustrated: int) -> Finding:
    """Enough was changed; where too little seems to be shown, a person looks: a plot may show several changes."""
    shown = experiments_.distinct((e for e in case.experiments if e.illustrated), case.evidence)
    if len(shown) < illustrated:
        what = message("experiments.few-shown", count=len(shown), minimum=illustrated)
        return _finding("experiments-made", Verdict.REVIEW, what)
    return _finding("experiments-made", Verdict.PASS, message("experiments.made", count=made, minimum=minimum))


def effects_explained(case: Case, *, minimum: Count = 2) -> Finding:
    """The text names what each change does, and the curves agree; a person decides what was not understood."""
    contradicted = [e for e in case.experiments if e.claim == "contradicts"]
    against = experiments_.distinct(contradicted, case.evidence)
    explained = experiments_.distinct((e for e in case.experiments if e.explained), case.evidence) - against
    if contradicted:
        first, asked = contradicted[0], max(minimum, len(explained) + len(against))
        what = message(
            "explained.contradicts", cell=first.cell, name=first.name, effect=first.effect or "", quote=first.quote
        )
        credit = len(explained) / asked
        where = Where(cell=first.cell)
        return _finding("effects-explained", Verdict.REVIEW, what, credit=credit, open=1 - credit, where=where)
    if len(explained) >= minimum:
        what = message("explained.enough", count=len(explained), minimum=minimum)
        return _finding("effects-explained", Verdict.PASS, what)
    credit = len(explained) / minimum
    left = min(minimum, len(experiments_.distinct(case.experiments, case.evidence))) - len(explained)
    if case.evidence.own_prose and (left > 0 if case.experiments else _may_have_changed(case)):
        what = message("explained.unclear", count=len(explained), minimum=minimum)
        waits = left / minimum if case.experiments else 1.0
        return _finding("effects-explained", Verdict.REVIEW, what, credit=credit, open=waits)
    what = message("explained.few", count=len(explained), minimum=minimum)
    return _judged("effects-explained", credit, what, hint=message("explained.hint"))


def _may_have_changed(case: Case) -> bool:
    """Whether something was changed that the grader may not have seen: other runs than the handed-out ones, or none."""
    return bool(case.evidence.changes or _own_runs(case.evidence)) or not case.evidence.matches


# -- the report ----------------------------------------------------------------------------------


def report_readable(case: Case) -> Finding:
    """The report is a PDF whose text can be read."""
    report = _report(case)
    what = message(f"report.{report.outcome}")
    elsewhere = next((problem.id for problem in report.problems if problem.id in NOT_IN_PAGES), None)
    if elsewhere:
        what, hint = message(f"report.{elsewhere}"), message("report.hint-print")
        return _finding("report-readable", Verdict.REVIEW, what, hint=hint)
    if report.outcome == "read":
        return _finding("report-readable", Verdict.PASS, what)
    if any(problem.id == "empty-file" for problem in report.problems):
        return _finding("report-readable", Verdict.FAIL, message("report.empty"), hint=message("report.hint-empty"))
    if report.outcome in ("not-a-pdf", "encrypted"):
        return _finding("report-readable", Verdict.FAIL, what, hint=message(f"report.hint-{report.outcome}"))
    return _finding("report-readable", Verdict.REVIEW, what)


def report_pages(case: Case, *, limit: Count = 3) -> Finding:
    """The report keeps to the page limit, by the count of two independent parsers."""
    counts = _report(case).pages
    known = set(counts.values())
    found = counts.get("pdfium")
    if len(counts) < 2 or len(known) != 1 or not found:
        told = ", ".join(f"{engine}: {'-' if count is None else count}" for engine, count in sorted(counts.items()))
        what = message("pages.undecided", counts=told) if any(counts.values()) else message("pages.uncounted")
        return _finding("report-pages", Verdict.REVIEW, what)
    more_than_it_seems = next((p for p in _report(case).problems if p.id in MORE_THAN_PAGES), None)
    if found <= limit and more_than_it_seems:
        what = message(f"pages.{more_than_it_seems.id}", found=found, limit=limit, size=more_than_it_seems.text)
        return _finding("report-pages", Verdict.REVIEW, what, where=Where(page=more_than_it_seems.page))
    empty = len({p.page for p in _report(case).problems if p.id == "blank-page"})
    if found - empty <= limit < found:
        what = message("pages.blank-page", found=found, limit=limit, empty=empty)
        return _finding("report-pages", Verdict.REVIEW, what)
    hint = message("pages.hint", over=found - limit) if found > limit else None
    return _judged(
        "report-pages", 1.0 if found <= limit else 0.0, message("pages.count", found=found, limit=limit), hint=hint
    )


def topic_covered(case: Case, *, topic: Topic, thin: Share | None = None) -> Finding:
    """The report introduces a topic: how it works, and at least two things about it.

    `thin` is the credit of a thin introduction; without it a person decides.
    """
    covered = next((c for c in case.coverage if c.topic == topic), None)
    if covered is None:
        return _finding("topic-covered", Verdict.REVIEW, message("topic.unread", topic=topic))
    if _report(case).outcome != "read":  # read by text recognition, which decides nothing
        what = message("topic.recognised", topic=topic, coverage=covered.status)
        return _finding("topic-covered", Verdict.REVIEW, what, details=covered.questions)
    verdict = {"covered": Verdict.PASS, "missing": Verdict.FAIL}.get(covered.status, Verdict.REVIEW)
    if verdict is Verdict.FAIL and not covered.certain:
        return _finding(
            "topic-covered", Verdict.REVIEW, message("topic.unread", topic=topic), details=covered.questions
        )
    page = covered.evidence[0].page if covered.evidence else None
    hint = None if verdict is Verdict.PASS else message(f"topic.hint-{topic}")
    if covered.status == "thin" and thin is not None and covered.certain:
        what, where = message("topic.brief", topic=topic), Where(page=page) if page else None
        return _judged("topic-covered", thin, what, hint=hint, where=where, details=covered.questions)
    return _finding(
        "topic-covered",
        verdict,
        message(f"topic.{covered.status}", topic=topic),
        hint=hint,
        where=Where(page=page) if page else None,
        details=covered.questions,
    )


# -- helpers -------------------------------------------------------------------------------------


def _finding(
    check: str,
    verdict: Verdict,
    what: Message,
    *,
    credit: float | None = None,
    open: float = 1.0,
    hint: Message | None = None,
    where: Where | None = None,
    details: Sequence[Message] = (),
) -> Finding:
    full = 1.0 if verdict is Verdict.PASS else 0.0
    return Finding(
        check=check,
        verdict=verdict,
        credit=full if credit is None else credit,
        open=open if verdict is Verdict.REVIEW else 1.0,
        message=what,
        hint=hint,
        where=where,
        details=tuple(details),
    )


def _judged(
    check: str,
    credit: float,
    what: Message,
    *,
    hint: Message | None = None,
    where: Where | None = None,
    details: Sequence[Message] = (),
) -> Finding:
    """Make a finding of a decided credit: all of it passes, none of it fails."""
    verdict = Verdict.PASS if credit >= 1 else Verdict.PARTIAL if credit > 0 else Verdict.FAIL
    hint = None if verdict is Verdict.PASS else hint
    return _finding(check, verdict, what, credit=max(0.0, min(1.0, credit)), hint=hint, where=where, details=details)


def _run(case: Case) -> Run:
    assert case.evidence.run is not None  # noqa: S101 - _notebook_unread answered for it
    return case.evidence.run


def _report(case: Case) -> ReportFacts:
    return case.evidence.report or ReportFacts(outcome="crashed")


def _place(matches: Sequence[Match]) -> Where | None:
    return Where(cell=matches[0].cell) if matches else None


def _own_runs(evidence: Evidence) -> tuple[Match, ...]:
    """Leave out the handed-out notebook's own runs: they are not the student's work."""
    given = {match.trace_digest for match in evidence.base_matches if match.trace_digest}
    return tuple(match for match in evidence.matches if match.trace_digest not in given)


def _undecided(match: Match) -> Message:
    question = "updates.question" if match.diagnosis else "updates.undecided"
    return message(question, cell=match.cell, names=", ".join(match.names))


def _why_no_runs(case: Case, matches: Sequence[Match]) -> Message:
    """Say why no training run could be judged: the likeliest reason first."""
    stopped: CellRun | None = next((c for c in _run(case).cells if c.status not in ("ok", "error", "not-run")), None)
    if stopped:
        return message("updates.stopped", cell=stopped.index, status=stopped.status)
    if matches:
        return _undecided(matches[0])
    return message("updates.none")


def _run_details(matches: Sequence[Match]) -> tuple[Message, ...]:
    """Expected against seen, at the first step that leaves the rule."""
    details: list[Message] = []
    for m in matches[:5]:
        if m.diagnosis and m is not matches[0]:  # the first one's diagnosis is the hint
            details.append(m.diagnosis)
        if m.first_divergence:
            d = m.first_divergence
            for name, expected, seen in zip(m.names, d.expected, d.seen, strict=False):
                details.append(
                    message("updates.step", cell=m.cell, step=d.step, name=name, expected=expected, seen=seen)
                )
    return tuple(details)


def _only_drawn_of_a_wrong_run(match: Match) -> bool:
    """Whether a loss was not recorded but drawn from parameters that are wrong: those were judged already."""
    return (
        match.verdict == "differs" and match.loss.verdict == "matches" and (match.loss.name or "").startswith("plot[")
    )


def _wrong_loss(match: Match) -> tuple[Message, Message]:
    """What a loss is that is the wrong one, and what to do about it."""
    loss = match.loss
    if loss.mistake:
        what = message(f"losses.differ-{loss.mistake}", cell=match.cell, name=loss.name or "")
        return what, message(f"losses.hint-{loss.mistake}")
    hint = message("losses.hint-edited" if loss.first_divergence else "losses.hint")
    return message("losses.differ", cell=match.cell, name=loss.name or ""), hint


def _unknown_loss(match: Match) -> Message:
    """What can be said of a loss that a person has to look at."""
    loss, name, kind = match.loss, match.loss.name or "", match.loss.kind or ""
    if loss.data:
        return message("losses.other-data", cell=match.cell, name=name, kind=kind, data=loss.data)
    if loss.factor:
        return message("losses.multiple", cell=match.cell, name=name, kind=kind, factor=loss.factor)
    what = f"losses.perhaps-{loss.mistake}" if loss.mistake else "losses.unexplained"
    return message(what, cell=match.cell, name=name)


def _loss_details(matches: Sequence[Match]) -> tuple[Message, ...]:
    return tuple(
        message("losses.step", cell=m.cell, step=d.step, expected=d.expected[0], seen=d.seen[0], name=m.loss.name or "")
        for m in matches[:5]
        if (d := m.loss.first_divergence) and d.expected and d.seen
    )


CHECKS: dict[str, Check] = {
    "notebook-runs": notebook_runs,
    "updates-match": updates_match,
    "losses-match": losses_match,
    "experiments-made": experiments_made,
    "effects-explained": effects_explained,
    "report-readable": report_readable,
    "report-pages": report_pages,
    "topic-covered": topic_covered,
}

PARTS: dict[str, Part] = {name: "report" if name.startswith(("report", "topic")) else "notebook" for name in CHECKS}
LOOKS_AT = {
    "experiments-made": "experiments",
    "effects-explained": "experiments",
    "topic-covered": "coverage",
}
"""Which part of judging a check rests on, besides the evidence itself."""
