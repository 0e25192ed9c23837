"""`grader override`: a person's decision, kept apart from what the grader found."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from grader import decisions, feedback
from grader.cli import options, results, wishes
from grader.cli.errors import USAGE, Stop, stops
from grader.cli.overview import note_edits
from grader.cli.terminal import out, say
from grader.model import Decision, GraderError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grader.cli.wishes import Wish
    from grader.model import Grade, Language, Scored
    from grader.store import Store

LONGEST = 2000
"""Characters of a comment; a page shows so many."""

_HELP = """\b
Example:
  grader override results b10901023 explained 12 --why "The plot explains it."
  grader override results b10901023 explained 80% --why "Half a sentence is missing." --note "as for b10901044"
  grader override results b10901023 explained --withdraw
  grader override results --from decisions.csv

\b
FILE.csv has the columns student, criterion and points, and where you like comment and note.
It may be the grades.csv of RESULTS with changed points as well: what differs is decided.
"""


@click.command("override", short_help="Decide points as a person.", epilog=_HELP)
@click.argument("folder", metavar="RESULTS", type=click.Path(path_type=Path))
@click.argument("student", required=False)
@click.argument("criterion", required=False)
@click.argument("points", metavar="[POINTS|SHARE%]", required=False)
@click.option("--why", metavar="COMMENT", default="", help="The reason, which the student reads.")
@click.option("--note", default="", help="A note for the staff, which no student reads.")
@click.option("--by", default=lambda: _user(), show_default="your user name", help="Who decides.")
@click.option("--from", "file", metavar="FILE.csv", type=options.FILE, help="Take many decisions from a table.")
@click.option("--withdraw", is_flag=True, help="Take the decision back: the grader's own result counts again.")
@options.lang_of_results
def command(
    folder: Path,
    student: str | None,
    criterion: str | None,
    points: str | None,
    why: str,
    note: str,
    by: str,
    file: Path | None,
    withdraw: bool,
    chosen: Language | None,
) -> int:
    """Decide the POINTS of one CRITERION of a STUDENT, or of many by a table.

    Decisions are kept apart from automatic results and survive another rubric, a new run and an interrupted batch.
    Where the automatic result changes later, the decision waits for you again instead of being dropped or applied.
    """
    _refuse_mixed(student, criterion, points, why, file=file, withdraw=withdraw)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    with stops(USAGE), results.changing(folder) as store:
        language = results.language_of(store, chosen)
        if file is not None:
            asked = wishes.asked(wishes.read(file), store, why=why)
        else:
            asked = (wishes.wish(str(student), str(criterion), "" if withdraw else str(points), why, note),)
        found = [_decision(wish, store, by=by, at=now) for wish in asked]
        made = [decision for decision in found if not _stands(decision, store)]
        before = {decision.student: _final(store, decision.student) for decision in made}
        store.decide(made)
        if file is not None and file.resolve() == (folder / results.TABLE).resolve():
            results.take_table(folder, store)
        _tell(made, before, store, language)
        results.write_pages(folder, store, language=language)
        note_edits(folder, store, language)
        results.write_class(folder, store, language=language)
    out(say("override.done" if made else "override.none", language, count=len(made)))
    return 0


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user without a name, as in some containers
        return ""


def _refuse_mixed(
    student: str | None, criterion: str | None, points: str | None, why: str, *, file: Path | None, withdraw: bool
) -> None:
    if file is not None:
        if student is not None or withdraw:
            raise Stop("give either one decision or --from FILE.csv, not both", hint="grader override --help")
        return
    if student is None or criterion is None or (points is None) != withdraw:
        raise Stop("give STUDENT, CRITERION and POINTS, or --from FILE.csv", hint="grader override --help")
    if not why.strip() and not withdraw:
        raise Stop("a decision needs its reason, which the student reads", hint='add --why "…"')


def _decision(wish: Wish, store: Store, *, by: str, at: str) -> Decision:
    """The decision that a wish stands for, held against what the student's rubric has."""
    with _placed(wish):
        grade, _ = results.student_of(store, wish.student)
        scored = _scored(grade, wish.criterion)
        points, share = decisions.amount(wish.points, scored.criterion.points) if wish.points else (None, None)
        for text in (wish.comment, wish.note):
            if len(text) > LONGEST:
                raise GraderError(f"a comment has at most {LONGEST} characters, and this one has {len(text)}")
    return Decision(
        student=grade.submission.student,
        criterion=wish.criterion,
        points=points,
        share=share,
        comment=wish.comment,
        note=wish.note,
        by=by,
        at=at,
        basis=decisions.basis(scored, grade.submission.digest),
    )


def _stands(decision: Decision, store: Store) -> bool:
    """Whether the same is decided already, as where a command that was broken off is given again."""
    holds = decisions.standing(store.decisions(decision.student)).get(decision.criterion)
    return holds is not None and replace(holds, by="", at="") == replace(decision, by="", at="")


def _placed(wish: Wish) -> wishes.Placed:
    return wishes.Placed(wish.place)


def _scored(grade: Grade, criterion: str) -> Scored:
    for scored in grade.scored:
        if scored.criterion.id == criterion:
            return scored
    known = ", ".join(scored.criterion.id for scored in grade.scored)
    raise GraderError(f"no criterion is named `{feedback.safe(criterion)}`", hint=f"there are: {known}")


def _final(store: Store, student: str) -> Grade:
    return results.final(store, results.student_of(store, student)[0])


def _tell(made: Sequence[Decision], before: dict[str, Grade], store: Store, language: Language) -> None:
    after = {student: _final(store, student) for student in before}
    for decision in made:
        names = {"student": feedback.safe(decision.student), "criterion": decision.criterion}
        if decisions.withdraws(decision):
            out(say("override.withdrawn", language, **names))
            continue
        was, now = (_scored(grades[decision.student], decision.criterion) for grades in (before, after))
        out(say("override.change", language, **names, before=_points(was), after=_points(now), out_of=now.out_of))


def _points(scored: Scored) -> str:
    return "?" if scored.pending else feedback.number(scored.points)
