"""`grader regrade`: a class judged once more, after the table of what that changes."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from grader import batch, feedback, regrade
from grader.cli import options, results, selection, settings
from grader.cli.errors import UNDECIDED, USAGE, Stop, stops
from grader.cli.overview import faulty, note_edits
from grader.cli.terminal import Progress, log, out, say, table
from grader.model import Language, Record
from grader.rubric import Rubric
from grader.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from grader.regrade import Change, Move, Sums

_HELP = """\b
Example:
  grader regrade results --rubric our-rubric.toml
  grader regrade results --rubric our-rubric.toml --yes
  grader regrade results --rerun --reason timeout
  grader regrade results --rerun --student b10901023 --yes

\b
Exit codes:
  0  done, or nothing was to be changed    3  the grader broke on a submission
  2  wrong usage or rubric               130  interrupted
"""


@click.command("regrade", short_help="Judge a class again, after the table of changes.", epilog=_HELP)
@click.argument("folder", metavar="RESULTS", type=click.Path(path_type=Path))
@click.option("--rubric", metavar="FILE|NAME", show_default="that of the results", help="The rubric.")
@click.option("--rerun", is_flag=True, help="Gather facts again first: this runs notebooks.")
@click.option("--student", "students", multiple=True, help="With --rerun: this student only; may be repeated.")
@click.option("--criterion", "criteria", multiple=True, help="With --rerun: who has not passed this criterion.")
@click.option("--reason", default="", help="With --rerun: of whom this is said, such as timeout.")
@click.option("--yes", is_flag=True, help="Write without asking.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="How many at the same time.")
@options.lang_of_results
@options.gathering
@options.require_isolation("landlock")
def command(
    folder: Path,
    rubric: str | None,
    rerun: bool,
    students: tuple[str, ...],
    criteria: tuple[str, ...],
    reason: str,
    yes: bool,
    jobs: int,
    chosen: Language | None,
    base: Path | None,
    kernel_python: Path | None,
    trust_rubric: bool,
    require_isolation: str,
    **limits: float | None,
) -> int:
    """Judge the facts in RESULTS by a rubric again, and show old and new points before anything is written.

    No notebook runs unless you say --rerun, which gathers facts again: of everyone, or of those that you name.
    Decisions of people stay; every earlier grade is kept as history.
    """
    if not rerun and (students or criteria or reason):
        raise Stop("--student, --criterion and --reason choose whose notebooks run again", hint="add --rerun")
    with stops(USAGE), results.changing(folder) as store:
        language = results.language_of(store, chosen)
        name = rubric or store.note("rubric") or options.DEFAULT
        by = settings.read_rubric(
            name, base=base, kernel=kernel_python, limits=limits, trust=trust_rubric if rerun else None
        )
        if not rerun:
            return _judge(folder, store, by, name=name, jobs=jobs, yes=yes, language=language)
        wanted = selection.Wanted(
            students=students, criteria=criteria, text=reason, verdicts=selection.NOT_PASSED if criteria else ()
        )
        job = _Rerun(
            folder=folder, store=store, rubric=by, language=language, jobs=jobs, require_isolation=require_isolation
        )
        return _gather(job, wanted, yes=yes)


def _judge(folder: Path, store: Store, rubric: Rubric, *, name: str, jobs: int, yes: bool, language: Language) -> int:
    """Show what the rubric changes, and write it where that is wanted."""
    found = tuple(regrade.changes(store, rubric, jobs=jobs))
    _tell(found, store, language)
    if not _confirmed(yes, language):
        return 0
    regrade.keep(store, found, rubric)
    settings.note(store, rubric, name=name, language=language)
    _write(folder, store, language)
    return 0


def _confirmed(yes: bool, language: Language) -> bool:
    """Whether to write: said on the command line, or on being asked where somebody is there to answer."""
    if yes:
        return True
    if sys.stdin.isatty():
        return click.confirm(say("regrade.ask", language), err=True)
    log(say("regrade.add-yes", language))
    return False


def _write(folder: Path, store: Store, language: Language) -> None:
    results.write_pages(folder, store, language=language)
    note_edits(folder, store, language)
    results.write_class(folder, store, language=language)
    out(say("regrade.written", language))


# -- the table -----------------------------------------------------------------------------------


def _tell(found: Sequence[Change], store: Store, language: Language) -> None:
    """Print the summary, then every student and criterion of which the points changed."""
    moved = [change for change in found if change.moves]
    up = sum(change.after.points > change.before.points for change in found)
    down = sum(change.after.points < change.before.points for change in found)
    out(say("regrade.summary", language, count=len(found), moved=len(moved), up=up, down=down), bold=True)
    if found:
        means = (
            math.fsum(getattr(change, when).points for change in found) / len(found) for when in ("before", "after")
        )
        before, after = (round(mean, 2) for mean in means)
        out(say("regrade.mean", language, before=before, after=after))
    _warn(found, store, language)
    out()
    rows = [row for change in moved for row in _rows(change, language)]
    for line in table(rows, right=(2, 4)) if rows else ():
        out(line)


def _warn(found: Sequence[Change], store: Store, language: Language) -> None:
    stale = [f"{feedback.safe(change.student)} ({', '.join(change.stale)})" for change in found if change.stale]
    old = [feedback.safe(change.student) for change in found if change.is_of_another_verifier]
    for told, names in (("stale", stale), ("old-facts", old), ("no-facts", store.pending())):
        if names:
            out(say(f"regrade.{told}", language, count=len(names), names=_some(names)))


def _some(names: Sequence[str]) -> str:
    return ", ".join([*names[:8], *(["…"] if len(names) > 8 else [])])


def _rows(change: Change, language: Language) -> Iterable[tuple[str, ...]]:
    student = feedback.safe(change.student)
    yield (student, say("regrade.total", language), _shown(change.before), "→", _shown(change.after))
    for move in change.moves:
        yield ("", move.criterion, *_move(move))


def _move(move: Move) -> tuple[str, str, str]:
    return (_shown(move.before), "→", _shown(move.after))


def _shown(sums: Sums | None) -> str:
    if sums is None:
        return "–"
    pending = f" (+{feedback.number(sums.pending)}?)" if sums.pending else ""
    return f"{feedback.number(sums.points)}/{feedback.number(sums.out_of)}{pending}"


# -- facts again ---------------------------------------------------------------------------------


class _Rerun(Record, frozen=True, kw_only=True):
    """Whose facts are gathered again, in which results, by what."""

    folder: Path
    store: Store
    rubric: Rubric
    language: Language
    jobs: int
    require_isolation: str


def _gather(rerun: _Rerun, wanted: selection.Wanted, *, yes: bool) -> int:
    """Gather the facts of those that are wanted again, judge everyone by them, and show what that changed."""
    store, language = rerun.store, rerun.language
    _refuse_unready(store, rerun.rubric)
    before = {grade.submission.student: grade for grade, _ in results.finals(store)}
    again, seconds = _again(store, wanted)
    if not again:
        out(say("regrade.nobody", language))
        return 0
    log(say("regrade.will-run", language, count=len(again), seconds=round(seconds), names=_some(again)))
    if not _confirmed(yes, language):
        return 0
    broke = _run(rerun, frozenset(again))
    after = [grade for grade, _ in results.finals(store)]
    _tell([regrade.changed(before[grade.submission.student], grade) for grade in after], store, language)
    if broke:
        log(say("regrade.broke", language, names=_some(broke)))
    _write(rerun.folder, store, language)
    return UNDECIDED if broke or faulty(after) else 0


def _refuse_unready(store: Store, rubric: Rubric) -> None:
    if store.rubric() != rubric.digest:
        raise Stop(
            "these results were judged by another rubric, or it has changed since",
            hint="judge by this one first, without --rerun, or name theirs with --rubric",
        )
    if store.pending():
        raise Stop("this batch is not complete yet", hint="give the `grader grade` that made it again first")


def _again(store: Store, wanted: selection.Wanted) -> tuple[list[str], float]:
    """Whose facts are gathered again, and how many seconds that took last time."""
    for student in wanted.students:
        results.student_of(store, student)  # a name that is none is told, with the nearest ones
    students, seconds = [], 0.0
    for grade, evidence in results.finals(store):
        if selection.found(grade, evidence, wanted):
            students.append(grade.submission.student)
            seconds += evidence.seconds
    return students, seconds


def _run(rerun: _Rerun, again: frozenset[str]) -> list[str]:
    """Gather the facts again; who could not be gathered keeps the facts there were, and is returned."""
    store = rerun.store
    submissions = [grade.submission for grade, _ in store.graded()]
    isolation = settings.isolation_of(rerun.require_isolation)
    broke: list[str] = []
    with stops(UNDECIDED), Progress(len(again)) as progress:

        def follow(event: batch.Event) -> None:
            if isinstance(event, batch.Started):
                progress.started(event.student)
            if not isinstance(event, batch.Graded) or event.grade.submission.student not in again:
                return
            student = event.grade.submission.student
            if event.known:
                broke.append(student)
            grade = results.final(store, event.grade)
            both = results.wants_both(store)
            results.write_feedback(rerun.folder, grade, event.evidence, language=rerun.language, both=both)
            progress.done(student, feedback.safe(student))

        batch.grade(
            submissions,
            rubric=rerun.rubric,
            store=store,
            isolation=isolation,
            jobs=rerun.jobs,
            on_event=follow,
            kept={student: key for student, key in store.batch() if student not in again},
            again=again,
        )
    return broke
