"""Runs that kept no history, as a second run of the notebook recorded them, beside those that were found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from grader.model import Match, message

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet


def unrecorded(
    known: Sequence[Match], again: Sequence[Match], own: AbstractSet[tuple[int, str]], cells: AbstractSet[int]
) -> tuple[Match, ...]:
    """Add the recorded runs that are none of the `known` ones, in the order of the cells.

    `again` are all runs of the second time, `own` the series that were recorded by cell and name, `cells` those that
    are short of runs; with none known, all count. A history that stands still while its run moves is one array, which
    was appended again and again: the recorded run takes its place, and says so.
    """
    added: list[Match] = []
    for each in again:
        if known and not (each.cell in cells and _is_recorded(each, own)):
            continue
        if not any(_is_same(each, other) for other in (*known, *added) if other.cell == each.cell):
            added.append(replace(each, notes=(message("kernel.recorded"), *each.notes)))
    moving = [each.cell for each in added if not each.stands]
    kept = []
    held = {(each.cell, each.names) for each in again}
    for each in known:
        if each.verdict == "unexplained" and not each.line and (each.cell, each.names) not in held:
            continue  # a table of results, as the recorded runs have shown
        if each.stands and each.cell in moving:
            place = next(i for i, other in enumerate(added) if other.cell == each.cell and not other.stands)
            note = message("verify.aliased", name=each.names[0])
            added[place] = replace(added[place], notes=(note, *added[place].notes))
            moving.remove(each.cell)
        else:
            kept.append(each)
    return tuple(sorted((*kept, *added), key=lambda match: match.cell))


def _is_recorded(match: Match, own: AbstractSet[tuple[int, str]]) -> bool:
    return all((match.cell, name.partition("[:, ")[0]) in own for name in match.names)


def _is_same(a: Match, b: Match) -> bool:
    """Whether two runs of a cell are one: they end in the same state, or follow one rule with the same numbers."""
    if a.stands != b.stands:
        return False
    if a.curve.path and b.curve.path and sorted(a.curve.path[-1]) == sorted(b.curve.path[-1]):
        return True
    alike = a.rule is not None and (a.rule, a.verdict, a.hyperparameters) == (b.rule, b.verdict, b.hyperparameters)
    return alike and (a.diagnosis is None) == (b.diagnosis is None)
