"""Judges kept facts once more: what another rubric changes for whom; nothing is run here."""

from __future__ import annotations

import multiprocessing
from collections import deque
from concurrent.futures import Future, ProcessPoolExecutor
from typing import TYPE_CHECKING

from msgspec.structs import replace

from grader import decisions, pipeline, verify
from grader.model import Decision, Evidence, Grade, Record, Scored, from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from grader.rubric import Rubric
    from grader.store import Store

WINDOW = 8
"""How many students wait for each process."""


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


class Kept(Record, frozen=True, kw_only=True):
    """One student as the store has them: the grade and the facts as JSON, and what people decided."""

    key: str
    grade: str
    evidence: str
    decisions: tuple[Decision, ...]


def changes(store: Store, rubric: Rubric, *, jobs: int = 1) -> Iterator[Change]:
    """What this rubric makes of every student of the batch who has a grade, in the batch's order.

    With several jobs, as many processes judge; each gets one student at a time, so that memory stays bounded.
    """
    if jobs == 1:
        for kept in _kept(store):
            yield _change(kept, rubric)
        return
    context = multiprocessing.get_context("spawn")  # a fork would share the open database
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=(rubric,)) as pool:
        waiting: deque[Future[Change]] = deque()
        for kept in _kept(store):
            waiting.append(pool.submit(_change, kept))
            if len(waiting) >= WINDOW * jobs:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _kept(store: Store) -> Iterator[Kept]:
    decided = store.decided_students()
    for (student, _), (key, grade, evidence) in zip(_graded(store), store.kept(), strict=True):
        made = store.decisions(student) if student in decided else ()
        yield Kept(key=key, grade=grade, evidence=evidence, decisions=made)


def _graded(store: Store) -> list[tuple[str, str]]:
    """Who of the batch has a grade, in its order."""
    left = set(store.pending())
    return [(student, key) for student, key in store.batch() if student not in left]


_rubric: list[Rubric] = []
"""The rubric of a process that judges; it is sent there once."""


def _begin(rubric: Rubric) -> None:
    _rubric[:] = [rubric]


def _change(kept: Kept, rubric: Rubric | None = None) -> Change:
    """Judge one student anew, and say what that changes."""
    before, evidence = from_json(kept.grade, Grade), from_json(kept.evidence, Evidence)
    evidence = replace(evidence, submission=before.submission)
    automatic = pipeline.judge(evidence, rubric or _rubric[0])
    change = changed(decisions.final(before, kept.decisions), decisions.final(automatic, kept.decisions))
    return replace(change, key=kept.key, verifier=evidence.verifier, automatic=to_json(automatic))


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
    points = decisions.net(given) if isinstance(given, Grade) else given.points
    return Sums(points=points, pending=given.pending, out_of=given.out_of)


def _stale(grade: Grade) -> Iterable[str]:
    return tuple(scored.criterion.id for scored in grade.scored if scored.decided and scored.decided.stale)
