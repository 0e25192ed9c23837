"""Judges kept facts once more: what another rubric changes for whom; nothing is run here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from grader import decisions, pipeline, verify
from grader.model import Grade, Record, Scored, from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from grader.rubric import Rubric
    from grader.store import Store


class Sums(Record, frozen=True, kw_only=True):
    """The sums of one grade."""

    points: float
    pending: float
    out_of: float


class Move(Record, frozen=True, kw_only=True):
    """One criterion whose points changed; None where one of the two grades does not have it."""

    criterion: str
    before: Sums | None
    after: Sums | None


class Change(Record, frozen=True, kw_only=True):
    """One student's final grade as it was and as it would be.

    `changed` says that the student's page would read otherwise, and `stale` lists criteria of which a decision no
    longer holds. `automatic` is the new grade without people's decisions, as JSON, since a class has thousands.
    """

    student: str
    key: str
    before: Sums
    after: Sums
    moves: tuple[Move, ...]
    changed: bool
    stale: tuple[str, ...]
    verifier: str
    automatic: bytes

    @property
    def is_of_another_verifier(self) -> bool:
        """Whether another version of the grader gathered the facts, which `--rerun` brings up to date."""
        return bool(self.verifier) and self.verifier != verify.VERSION


def changes(store: Store, rubric: Rubric) -> Iterator[Change]:
    """What this rubric makes of every student of the batch who has a grade, in the batch's order."""
    keys = dict(store.batch())
    for before, evidence in store.graded():
        student = before.submission.student
        made = store.decisions(student)
        automatic = pipeline.judge(replace(evidence, submission=before.submission), rubric)
        old, new = decisions.final(before, made), decisions.final(automatic, made)
        change = changed(old, new)
        yield replace(change, key=keys[student], verifier=evidence.verifier, automatic=to_json(automatic))


def changed(before: Grade, after: Grade) -> Change:
    """How two grades of one student differ."""
    return Change(
        student=after.submission.student,
        key="",
        before=_sums(before),
        after=_sums(after),
        moves=_moves(before, after),
        changed=replace(before, rubric=after.rubric) != after,
        stale=tuple(criterion for criterion in _stale(after) if criterion not in _stale(before)),
        verifier="",
        automatic=b"",
    )


def keep(store: Store, found: Sequence[Change], rubric: Rubric) -> None:
    """Judge the batch by this rubric from now on; every earlier grade stays as history."""
    grades = ((change.key, from_json(change.automatic, Grade)) for change in found)
    store.judge_by(rubric.digest, grades, changed=(change.student for change in found if change.changed))


def _moves(before: Grade, after: Grade) -> tuple[Move, ...]:
    """The criteria of which points, pending points or the total changed, in the order of the new rubric."""
    old = {scored.criterion.id: _sums(scored) for scored in before.scored}
    new = {scored.criterion.id: _sums(scored) for scored in after.scored}
    found = (Move(criterion=one, before=old.get(one), after=new.get(one)) for one in dict.fromkeys([*new, *old]))
    return tuple(move for move in found if move.before != move.after)


def _sums(given: Grade | Scored) -> Sums:
    return Sums(points=given.points, pending=given.pending, out_of=given.out_of)


def _stale(grade: Grade) -> Iterable[str]:
    return tuple(scored.criterion.id for scored in grade.scored if scored.decided and scored.decided.stale)
