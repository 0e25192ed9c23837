"""One student's grade on the terminal: every criterion, what to do next, and what a person will look at."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from grader import feedback
from grader.cli.terminal import mark, out, pad, say, width, wrap
from grader.model import Verdict

if TYPE_CHECKING:
    from grader.model import Grade, Language, Scored

_STEPS = 3


def tell(grade: Grade, language: Language, *, page: str) -> None:
    """Print every criterion with its verdict, then what to do next and where the page is."""
    titles = {scored.criterion.id: feedback.title(scored, language) for scored in grade.scored}
    column = max((width(title) for title in titles.values()), default=0)
    for scored in grade.scored:
        points = say(f"points.{_kind(scored)}", language, points=scored.points, out_of=scored.out_of)
        decided = f"  ({say('decided', language)})" if scored.decided and not scored.decided.stale else ""
        out(f"  {mark(scored.finding.verdict)} {pad(titles[scored.criterion.id], column)}  {points}{decided}")
    pending = "pending" if grade.pending else "total"
    out()
    out(say(pending, language, points=grade.points, out_of=grade.out_of, pending=grade.pending), bold=True)
    _next_steps(grade, language)
    out()
    out(say("page", language, path=page))


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
    return " · ".join(feedback.title(scored, language) for scored in group)


def _reasons(scored: Scored, language: Language) -> None:
    for message in (scored.finding.message, scored.finding.hint):
        if message:
            out(wrap(feedback.text(message, language), "     "))


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
