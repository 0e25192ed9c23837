"""`grader grade`: a class, for the teaching assistant."""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import replace

from grader import batch, feedback, intake, judging
from grader.cli import collecting, options, results, settings
from grader.cli.errors import INTERRUPTED, NOTHING, UNDECIDED, USAGE, Stop, shown, stops
from grader.cli.overview import faulty, note_edits, tell
from grader.cli.terminal import Progress, log, out, say, why
from grader.intake import collection, nested
from grader.intake.roster import student_of
from grader.model import GraderError, Language, to_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from grader.batch import Graded
    from grader.intake.collection import Collected, Wishes
    from grader.model import Grade, Isolation, Limits, Person, Submission
    from grader.rubric import Rubric
    from grader.store import Store


_HELP = """\b
RESULTS holds:
  summary.html                      the class on one page
  feedback/STUDENT/feedback.html    each student's page
  grades.csv, grades.jsonl          for spreadsheets and programs
  grades.sqlite                     what was found, and the grades

\b
Example:
  grader grade submissions -o results
  grader grade submissions -o results --rubric our-rubric.toml --jobs 8 --lang zh-TW
  grader grade HW3.zip -o results --roster gradebook.csv --deadline 2026-10-08T23:59

\b
Exit codes:
  0  the batch is complete, whatever the students scored
  2  wrong usage or rubric              4  no submissions found
  3  the grader broke on a submission 130  interrupted
"""


@click.command("grade", short_help="Grade a class: a folder, or the ZIP of an LMS.", epilog=_HELP)
@click.argument("folder", metavar="FOLDER|ZIP", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", "folder_of_results", metavar="RESULTS", type=click.Path(path_type=Path), default="results",
    show_default=True, help="The folder for results; given again, the work goes on where it stopped.",
)  # fmt: skip
@options.lang
@options.both
@click.option("--format", "format", type=click.Choice(["text", "jsonl"]), default="text", show_default=True)
@click.option(
    "--jobs", type=click.IntRange(min=1), default=lambda: _processors(), show_default="one per CPU",
    help="How many submissions at the same time.",
)  # fmt: skip
@options.rubric
@collecting.collecting
@options.gathering
@options.require_isolation("landlock")
def command(
    folder: Path,
    folder_of_results: Path,
    language: Language,
    both: bool,
    format: str,
    jobs: int,
    rubric: str,
    base: Path | None,
    kernel_python: Path | None,
    trust_rubric: bool,
    require_isolation: str,
    **rest: Any,
) -> int:
    """Grade every submission in FOLDER, or in the ZIP that a learning management system made, and write RESULTS.

    Stopped at any moment, the same command goes on where it stopped; another rubric runs no notebook again.
    """
    given = {name: rest.pop(name) for name in collecting.NAMES}
    collecting.refuse_unknown_encoding(given["encoding"])
    with stops(USAGE):
        results.make_sure(folder_of_results)
    chosen = settings.read_rubric(rubric, base=base, kernel=kernel_python, limits=rest, trust=trust_rubric)
    wishes = collecting.wishes(given, handed_out=chosen.gather.base)
    with stops(USAGE):
        found = None if folder.is_file() else _in_folder(folder, folder_of_results, wishes, given)
    isolation = settings.isolation_of(require_isolation)
    with results.opened(folder_of_results) as store, stops(UNDECIDED):
        found = found or _in_archive(folder, folder_of_results, wishes)
        found = _opened(found, folder_of_results, isolation, chosen.gather.limits)
        submissions = found.submissions
        collecting.tell(found, language)
        _tell_again(submissions, chosen, store, isolation, language)
        store.set_note("missing", missing_note(found.missing))
        jobs = min(jobs, len(submissions))
        judging.warm(jobs)
        settings.note(store, chosen, name=rubric, language=language, both=both)
        log(say("begin", language, count=len(submissions), jobs=jobs, level=isolation.level))
        try:
            with Progress(len(submissions)) as progress:
                pages = _Pages(folder_of_results, store, progress, language)
                batch.grade(
                    submissions, rubric=chosen, store=store, isolation=isolation, jobs=jobs, on_event=pages.follow
                )
        except KeyboardInterrupt:
            note_edits(folder_of_results, store, language)
            results.write_class(folder_of_results, store, language=language)
            log(say("interrupted", language, count=len(store.pending())))
            return INTERRUPTED
        gone = results.put_aside(folder_of_results, store)
        if gone:
            log(say("gone", language, names=collecting.some(gone), folder=str(folder_of_results / results.REMOVED)))
        note_edits(folder_of_results, store, language)
        grades = results.write_class(folder_of_results, store, language=language, afresh=True)
    if format == "jsonl":
        out((folder_of_results / "grades.jsonl").read_text(encoding="utf-8"), nl=False)
    else:
        tell(grades, folder_of_results, language, missing=[student_of(person) for person in found.missing])
    return _verdict(grades, pages, language)


def missing_note(missing: Sequence[Person]) -> str:
    """Who of the roster handed in nothing, as a note beside the results."""
    return to_json([student_of(person) for person in missing]).decode()


def _processors() -> int:
    """How many processors this process may use; macOS does not tell, so all of them there."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Pages:
    """Follows a batch: writes each student's page as soon as there is a grade, and shows how far it is."""

    def __init__(self, folder: Path, store: Store, progress: Progress, language: Language) -> None:
        self._folder, self._store, self._progress, self._language = folder, store, progress, language
        self._both = results.wants_both(store)
        self.failed: list[str] = []

    def follow(self, event: batch.Event) -> None:
        """Take the next event of the batch."""
        if isinstance(event, batch.Preparing):
            self._progress.note(say("base", self._language))
            return
        if isinstance(event, batch.Started):
            self._progress.started(event.student)
            return
        student = event.grade.submission.student
        event = replace(event, grade=results.final(self._store, event.grade))
        try:
            results.write_feedback(self._folder, event.grade, event.evidence, language=self._language, both=self._both)
        except GraderError as error:
            self._progress.note(shown(f"{error.where}: {error.message}"))
            self.failed.append(student)
        except Exception:  # the border of one page: whatever is odd about these facts, the others get theirs
            self._progress.note(shown(traceback.format_exc()))
            self.failed.append(student)
        else:
            self._store.page_written(student)
        self._progress.done(student, _line(event, self._language))


def _line(event: Graded, language: Language) -> str:
    grade, evidence = event.grade, event.evidence
    numbers = {"points": grade.points, "out_of": grade.out_of, "seconds": round(evidence.seconds, 1)}
    pending = {"pending": grade.pending} if grade.pending else {}
    points = say("log-pending" if pending else "log", language, **numbers, **pending)
    known = say("log.known", language) if event.known else ""
    fault = say("log.fault", language, why=why(evidence.fault)) if evidence.fault else ""
    return f"{feedback.safe(grade.submission.student)}  {points}{known}{fault}"


def _tell_again(
    submissions: Sequence[Submission], rubric: Rubric, store: Store, isolation: Isolation, language: Language
) -> None:
    """Say how many notebooks run again although their files are the same, and how long that took last time."""
    again, seconds = 0, 0.0
    for submission in batch.unknown(submissions, rubric=rubric, store=store, isolation=isolation):
        known = store.of_student(submission.student)
        if known is not None and known[0].submission.digest == submission.digest and known[1].fault is None:
            again += 1
            seconds += known[1].seconds
    if again:
        log(say("again", language, count=again, seconds=round(seconds)))


def _opened(found: Collected, folder_of_results: Path, isolation: Isolation, limits: Limits) -> Collected:
    """The same with what is in archives that students handed in, each opened in a jail."""
    unpacked = folder_of_results.resolve() / collecting.ARCHIVE
    submissions = tuple(
        nested.opened(submission, isolation=isolation, limits=limits, unpacked=unpacked)
        for submission in found.submissions
    )
    return replace(found, submissions=submissions)


def _in_archive(archive: Path, folder_of_results: Path, wishes: Wishes) -> Collected:
    """Unpack an archive below the results, which nobody else writes meanwhile."""
    with stops(USAGE):
        return _some(
            collection.collect(archive.resolve(), wishes, unpacked=folder_of_results.resolve() / collecting.ARCHIVE),
            archive,
        )


def _in_folder(folder: Path, folder_of_results: Path, wishes: Wishes, given: Mapping[str, Any]) -> Collected:
    """Find the hand-ins of a folder, and say what in it is nobody's."""
    results.refuse(folder)
    found = collection.collect(folder.resolve(), wishes, unpacked=folder_of_results)
    if found.layout == "folders" and collecting.is_plain(given):
        found = replace(found, notes=())
    submissions, left_out = results.sort_out(found.submissions, results=folder_of_results)
    for submission in left_out:
        if not folder_of_results.resolve().is_relative_to(submission.root):
            log(f"left out, since it holds results: {shown(submission.root)}")
    if found.layout == "folders":
        _tell_left_out(folder)
    return _some(replace(found, submissions=submissions), folder)


def _tell_left_out(folder: Path) -> None:
    strays = intake.strays(folder)
    if strays:
        log(f"left out, since each student needs a folder: {collecting.some(strays)}")
    passed_over = intake.passed_over(folder)
    if passed_over:
        log(f"left out, since these folders are links or hidden: {collecting.some(passed_over)}")


def _which_archive(source: Path) -> str:
    """What to give instead of a folder that holds nothing but the archive of a learning management system."""
    archives = sorted(path.name for path in source.glob("*.zip")) if source.is_dir() else []
    return f"give the archive itself: {feedback.safe(str(source / archives[0]))}" if archives else ""


def _some(found: Collected, source: Path) -> Collected:
    """The same, if it holds anything that can be graded."""
    if not found.submissions:
        raise Stop(
            "there are no submissions in this folder",
            where=str(source),
            hint=_which_archive(source) or results.ONE_FOLDER_EACH,
            code=NOTHING,
        )
    settings.refuse_names(found.submissions)
    return found


def _verdict(grades: tuple[Grade, ...], pages: _Pages, language: Language) -> int:
    faults = faulty(grades)
    for told, students in (("faults", faults), ("pages", pages.failed)):
        if students:
            log(say(told, language, students=", ".join(map(feedback.safe, students))))
    return UNDECIDED if faults or pages.failed else 0
