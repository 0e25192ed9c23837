"""`grader check`: one submission, for the student who made it."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from grader import batch, feedback, files, intake, judging
from grader.cli import options, results, settings
from grader.cli.errors import BELOW, NOTHING, UNDECIDED, Stop, shown, stops
from grader.cli.terminal import log, mark, out, pad, say, width, wrap
from grader.export.json import grade_json
from grader.model import Evidence, Grade, Language, Submission, Verdict, to_json

if TYPE_CHECKING:
    from grader.model import Scored

_STEPS = 3
MADE_HERE = b'name="generator" content="descent-grader"'


_HELP = """\b
Example:
  grader check
  grader check "gradient descent.ipynb" report.pdf --lang zh-TW
  grader check report.pdf --format json --fail-under 60

\b
Exit codes:
  0  done, at or above --fail-under     3  undecided: see the message
  1  below --fail-under                 4  nothing to grade
  2  wrong usage or rubric            130  interrupted
"""


@click.command("check", short_help="Grade one submission and say what to do next.", epilog=_HELP)
@click.argument("files", metavar="[FILE…|DIR]", nargs=-1, type=click.Path(path_type=Path))
@options.lang
@click.option("--format", "format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), default="feedback.html", show_default=True,
    help="Where the feedback page goes.",
)  # fmt: skip
@click.option("--fail-under", type=options.PERCENT, metavar="PERCENT", help="Exit with 1 below this score.")
@options.rubric
@options.gathering
@options.require_isolation("process-limits")
def command(
    files: tuple[Path, ...],
    language: Language,
    format: str,
    output: Path,
    fail_under: float | None,
    rubric: str,
    base: Path | None,
    kernel_python: Path | None,
    trust_rubric: bool,
    require_isolation: str,
    **limits: float | None,
) -> int:
    """Grade one submission, by default the notebook and the report in this folder.

    Given only a notebook or only a PDF, it judges what concerns that file and skips the rest.
    It writes a feedback page and prints what to do next.
    """
    chosen = settings.read_rubric(rubric, base=base, kernel=kernel_python, limits=limits, trust=trust_rubric)
    submission = _submission(files, language, handed_out=chosen.gather.base)
    settings.refuse_names([submission])
    _refuse_output(output, language)
    isolation = settings.isolation_of(require_isolation)
    judging.warm()
    log(say("running", language, files=_handed_in(submission)))
    with stops(UNDECIDED):
        graded = batch.grade_one(submission, rubric=chosen, isolation=isolation)
    if graded.evidence.fault:
        log(shown(graded.evidence.fault.traceback))
    results.write(output, feedback.render(graded.grade, graded.evidence, language=language))
    if format == "json":
        out(_json(graded.grade, graded.evidence, language))
    else:
        _tell(graded.grade, output, language)
    code = verdict(graded.grade, fail_under=fail_under)
    if code == NOTHING:
        log(say("verdict-4", language))
    elif code and fail_under is not None:
        log(say(f"verdict-{code}", language, percent=_percent(graded.grade), least=fail_under))
    return code


def _submission(files: tuple[Path, ...], language: Language, *, handed_out: str) -> Submission:
    try:
        submission = intake.files(files or (Path.cwd(),), handed_out=handed_out)
    except intake.NoSubmissionError as error:
        advice = feedback.text(error.advice, language) if error.advice else ""
        raise Stop(feedback.text(error.problem, language), where=error.where, hint=advice) from error
    if not (submission.notebook or submission.report or submission.problems):
        raise Stop(say("nothing", language), where=submission.root, hint=say("nothing-hint", language), code=NOTHING)
    return submission


def _refuse_output(output: Path, language: Language) -> None:
    """Refuse, before anything runs, what cannot be written and what must not be written over."""
    if output.is_dir() or not output.parent.is_dir() or not os.access(output.parent, os.W_OK):
        raise Stop(say("no-place", language), where=str(output), hint=say("another-place", language))
    if os.path.lexists(output) and MADE_HERE not in files.beginning(output, 4096):
        raise Stop(say("not-ours", language), where=str(output), hint=say("another-place", language))


def verdict(grade: Grade, *, fail_under: float | None) -> int:
    """The exit code: pending points leave it undecided where they could turn the answer, faults always do."""
    if any(scored.finding.verdict is Verdict.FAULT for scored in grade.scored):
        return UNDECIDED
    if grade.out_of == 0:
        return NOTHING
    if fail_under is None or _reaches(grade.points, grade.out_of, fail_under):
        return 0
    return UNDECIDED if _reaches(grade.points + grade.pending, grade.out_of, fail_under) else BELOW


def _percent(grade: Grade) -> float:
    return round(100 * grade.points / grade.out_of, 1) if grade.out_of else 0.0


def _reaches(points: float, out_of: float, percent: float) -> bool:
    share = 100 * points / out_of
    return share > percent or math.isclose(share, percent)  # points are sums of floats: 69.99999999999999 is 70


def _json(grade: Grade, evidence: Evidence, language: Language) -> str:
    return msgspec.json.format(to_json(grade_json(grade, evidence, language=language)), indent=2).decode()


def _handed_in(submission: Submission) -> str:
    return ", ".join(name for name in (submission.notebook, submission.report) if name)


def _tell(grade: Grade, output: Path, language: Language) -> None:
    """Print every criterion with its verdict, then what to do next."""
    titles = {scored.criterion.id: _title(scored, language) for scored in grade.scored}
    column = max((width(title) for title in titles.values()), default=0)
    for scored in grade.scored:
        points = say(f"points.{_kind(scored)}", language, points=scored.points, out_of=scored.out_of)
        out(f"  {mark(scored.finding.verdict)} {pad(titles[scored.criterion.id], column)}  {points}")
    pending = "pending" if grade.pending else "total"
    out()
    out(say(pending, language, points=grade.points, out_of=grade.out_of, pending=grade.pending), bold=True)
    _next_steps(grade, language)
    out()
    out(say("page", language, path=str(output)))


def _next_steps(grade: Grade, language: Language) -> None:
    lost = [s for s in grade.scored if s.finding.verdict in (Verdict.FAIL, Verdict.PARTIAL)]
    steps = sorted(_by_cause(lost, language), key=_gain, reverse=True)
    if steps:
        out()
        out(say("next", language))
    for number, group in enumerate(steps[:_STEPS], 1):
        gain = say("gain", language, points=_gain(group))
        title = f"{_titles(group, language)}{gain}{_place(group[0], language)}"
        out(wrap(title, "     ", first=f"  {number}. "))
        _reasons(group[0], language)
    if len(steps) > _STEPS:
        out(say("more", language, count=len(steps) - _STEPS))
    waiting = _by_cause([s for s in grade.scored if s.finding.verdict is Verdict.REVIEW], language)
    if waiting:
        out()
        out(say("waiting", language))
    for group in waiting:
        out(wrap(f"{_titles(group, language)}{_place(group[0], language)}", "    ", first="  ? "))
        _reasons(group[0], language)


def _by_cause(found: list[Scored], language: Language) -> list[list[Scored]]:
    """Put criteria together of which the same is said, so that it is said once."""
    groups: dict[tuple[str, ...], list[Scored]] = {}
    for scored in found:
        said = tuple(feedback.text(one, language) for one in (scored.finding.message, scored.finding.hint) if one)
        groups.setdefault(said, []).append(scored)
    return list(groups.values())


def _gain(group: list[Scored]) -> float:
    return round(math.fsum(scored.out_of - scored.points for scored in group), 2)


def _titles(group: list[Scored], language: Language) -> str:
    return " · ".join(_title(scored, language) for scored in group)


def _reasons(scored: Scored, language: Language) -> None:
    for message in (scored.finding.message, scored.finding.hint):
        if message:
            out(wrap(feedback.text(message, language), "     "))


def _title(scored: Scored, language: Language) -> str:
    titles = scored.criterion.title
    return titles.get(language) or titles.get("en") or scored.criterion.id


def _kind(scored: Scored) -> str:
    verdict = scored.finding.verdict
    return verdict.value if verdict in (Verdict.REVIEW, Verdict.FAULT, Verdict.SKIPPED) else "given"


def _place(scored: Scored, language: Language) -> str:
    where = scored.finding.where
    if where is None:
        return ""
    if where.page is not None:
        return say("at.page", language, page=where.page)
    if where.cell is not None:
        return say("at.cell", language, cell=where.cell)
    return ""
