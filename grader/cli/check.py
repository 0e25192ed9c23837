"""`grader check`: one submission, for the student who made it."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from grader import batch, feedback, files, intake, judging
from grader.cli import options, results, settings, student
from grader.cli.errors import BELOW, NOTHING, UNDECIDED, Stop, shown, stops
from grader.cli.terminal import log, out, say
from grader.export.json import grade_json
from grader.model import Evidence, Grade, Language, Submission, Verdict, to_json

if TYPE_CHECKING:
    pass

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
        student.tell(graded.grade, language, page=str(output))
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
