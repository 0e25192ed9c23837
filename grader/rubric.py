"""A rubric: which claims are checked, for how many points; and findings turned into a grade.

A rubric file is TOML. Reading files is the caller's: `load` gets the text and a function that reads
the files it names, and reports every mistake at once, each with its place.
"""

from __future__ import annotations

import difflib
import hashlib
import inspect
import math
import re
import tomllib
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from grader import coverage as coverage_
from grader import similarity
from grader.checks import CHECKS, Case, case, judge, too_long, unbounded
from grader.model import (
    Criterion,
    Evidence,
    Finding,
    Gather,
    Grade,
    GraderError,
    LatePolicy,
    Limits,
    Names,
    Record,
    RubricId,
    Scored,
    Snippet,
    TooLongError,
    Verdict,
    Within,
    to_json,
)

MOST_LETTERS, MOST_DOTS = 2_000_000, 2_000
_ENDLESS_NUMBER = re.compile(r"(?<![\w\"'.])[+-]?(?:0[xob])?[0-9a-fA-F_]{101}")
PENDING = (Verdict.REVIEW, Verdict.FAULT)


class Rubric(Record, frozen=True, kw_only=True):
    """What a class is graded by. The digest covers what judging depends on, not how facts are gathered.

    `assignment` is the text that was handed out besides the notebook; a report that repeats it is told so.
    """

    title: str
    criteria: tuple[Criterion, ...]
    topics: coverage_.Topics
    gather: Gather = Gather()
    assignment: str = ""
    late: LatePolicy | None = None
    digest: str = ""

    @property
    def out_of(self) -> float:
        """The points of all criteria."""
        return sum(criterion.points for criterion in self.criteria)


class RubricError(GraderError):
    """All the mistakes of a rubric file, each with its place."""

    def __init__(self, mistakes: tuple[str, ...], *, where: str = "") -> None:
        count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        super().__init__(f"{count} in the rubric:\n" + "\n".join(f"  {m}" for m in mistakes), where=where)
        self.mistakes = mistakes

    def __reduce__(self) -> tuple[Any, ...]:
        return (RubricError, (self.mistakes,), {"where": self.where})


def load(
    text: str,
    *,
    read: Callable[[str], str],
    read_notebook: Callable[[str], str] | None = None,
    where: str = "rubric.toml",
) -> Rubric:
    """Read a rubric from its text; `read(name)` returns the text of a file beside it.

    `read_notebook` does so for the handed-out notebook, and raises `GraderError` where it is none.

    Raises:
        RubricError: with every mistake found.
    """
    try:
        table = _toml(text)
    except ValueError as error:
        raise RubricError((f"not TOML: {error}",), where=where) from error
    mistakes = _Mistakes(text)
    mistakes.unknown(table, ("title", "topics", "assignment", "gather", "late", "criterion"), "$")
    title = table.get("title", "")
    if not isinstance(title, str) or not title:
        mistakes.add("a rubric needs a `title`", "$.title")
    criteria = _criteria(table.get("criterion", []), mistakes)
    gather = _gather(table.get("gather", {}), read_notebook or read, mistakes)
    topics = _topics(table.get("topics"), read, mistakes)
    assignment = _read(table.get("assignment"), read, "$.assignment", mistakes)
    late = _late(table.get("late"), mistakes)
    if mistakes.found or topics is None:
        raise RubricError(mistakes.told(), where=where)
    judged = {"title": title, "criteria": criteria, "topics": topics, "assignment": assignment}
    if late is not None:  # a rubric without it keeps the digest that it always had
        judged["late"] = late
    return Rubric(
        title=title,
        criteria=criteria,
        topics=topics,
        gather=gather,
        assignment=assignment,
        late=late,
        digest=_digest(to_json(judged)),
    )


def grade(evidence: Evidence, rubric: Rubric, *, within: Within = unbounded) -> Grade:
    """Judge the evidence by every criterion and add up the points; what takes too long is a person's to judge."""
    known = case(evidence, rubric.topics, handed_out=tuple(_handed_out(rubric).values()), within=within)
    findings = tuple(_found(c, known, within) for c in rubric.criteria)
    return _grade(known, rubric, findings, _shared(evidence, rubric, within))


def _found(criterion: Criterion, known: Case, within: Within) -> Finding:
    try:
        with within(f"criterion {criterion.id}"):  # an id may be the name of another part
            return judge(criterion.check, known, **criterion.params)
    except TooLongError:
        return too_long(criterion.check)


def _grade(known: Case, rubric: Rubric, findings: tuple[Finding, ...], shared: tuple[Snippet, ...]) -> Grade:
    scored = tuple(score(c, f) for c, f in zip(rubric.criteria, findings, strict=True))
    return Grade(
        submission=known.evidence.submission,
        rubric=RubricId(title=rubric.title, digest=rubric.digest),
        scored=scored,
        **totals(scored),
        experiments=known.experiments,
        coverage=known.coverage,
        shared=shared,
        late=rubric.late,
    )


def totals(scored: Sequence[Scored]) -> dict[str, Any]:
    """The fields of a grade that follow from its criteria."""
    return {
        "points": round(math.fsum(s.points for s in scored), 2),
        "pending": round(math.fsum(s.pending for s in scored), 2),
        "out_of": round(math.fsum(s.out_of for s in scored), 2),
        "needs_review": any(s.finding.verdict in PENDING for s in scored),
    }


def _shared(evidence: Evidence, rubric: Rubric, within: Within) -> tuple[Snippet, ...]:
    """What the report repeats of what was handed out."""
    try:
        with within("shared"):
            return _repeated(evidence, rubric)
    except TooLongError:
        return ()


def _repeated(evidence: Evidence, rubric: Rubric) -> tuple[Snippet, ...]:
    report = evidence.report
    return similarity.shared(report.lines or report.recognised, _handed_out(rubric)) if report else ()


def _handed_out(rubric: Rubric) -> dict[str, str]:
    """The texts that every student was given, by what they are."""
    return {"notebook": similarity.notebook_text(rubric.gather.base), "assignment": rubric.assignment}


def score(criterion: Criterion, finding: Finding) -> Scored:
    """Give a finding its points: pending ones are neither given nor lost, skipped ones leave the total."""
    if finding.verdict is Verdict.SKIPPED:
        return Scored(criterion=criterion, finding=finding, points=0.0, pending=0.0, out_of=0.0)
    certain, waits = finding.credit, finding.open if finding.verdict in PENDING else 0.0
    if finding.verdict is Verdict.FAULT:
        certain, waits = 0.0, 1.0
    points = min(round(criterion.points * certain, 2), criterion.points)
    rest = criterion.points - points
    pending = rest if certain + waits >= 1 else min(round(criterion.points * waits, 2), rest)
    pending = pending if finding.verdict in PENDING else 0.0
    return Scored(criterion=criterion, finding=finding, points=points, pending=pending, out_of=criterion.points)


# -- reading -------------------------------------------------------------------------------------


class _Mistakes:
    """Collects mistakes, each with its line where the text shows it."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        self.found: list[tuple[int, str]] = []

    def add(self, what: str, place: str) -> None:
        line = self._line(place)
        self.found.append((line or 0, f"line {line}: {what} (at {place})" if line else f"{what} (at {place})"))

    def told(self) -> tuple[str, ...]:
        """All of them in the order of the file."""
        return tuple(said for _, said in sorted(self.found, key=lambda mistake: mistake[0]))

    def unknown(self, table: Mapping[str, Any], known: tuple[str, ...], place: str) -> None:
        for key in table:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                self.add(f"unknown key `{key}`" + (f"; did you mean `{near[0]}`?" if near else ""), f"{place}.{key}")

    def _line(self, place: str) -> int | None:
        """Find the line of `$.criterion[2].points`: the key below the third `[[criterion]]`."""
        match = re.fullmatch(r"\$(?:\.criterion\[(\d+)\])?(?:\.(?:gather\.(?:limits\.|names\.)?)?([\w-]+))?", place)
        if not match:
            return None
        nth, key = match.groups()
        heads = [number for number, line in enumerate(self._lines, 1) if re.match(r"\s*\[\[\s*criterion\s*\]\]", line)]
        start = heads[int(nth)] if nth and int(nth) < len(heads) else 1
        if key is None:
            return start if nth else None
        for number, line in enumerate(self._lines[start - 1 :], start):
            if re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]", line):
                return number
        return start if nth else None


def _criteria(tables: object, mistakes: _Mistakes) -> tuple[Criterion, ...]:
    if not isinstance(tables, list) or not tables:
        mistakes.add("a rubric needs at least one [[criterion]]", "$.criterion")
        return ()
    criteria = tuple(_criterion(table, f"$.criterion[{i}]", mistakes) for i, table in enumerate(tables))
    ids = [c.id for c in criteria]
    for i, criterion in enumerate(criteria):
        if criterion.id in ids[:i]:
            mistakes.add(f"the id `{criterion.id}` is used twice", f"$.criterion[{i}].id")
    return criteria


def _criterion(table: object, place: str, mistakes: _Mistakes) -> Criterion:
    if not isinstance(table, dict):
        mistakes.add("a criterion is a table", place)
        return Criterion(id="", check="", points=0.0)
    check = table.get("check")
    if check not in CHECKS:
        near = difflib.get_close_matches(str(check), CHECKS, n=1)
        mistakes.add(
            f"no check is named `{check}`; "
            + (f"did you mean `{near[0]}`?" if near else f"there are: {', '.join(CHECKS)}"),
            f"{place}.check",
        )
    points = table.get("points")
    if isinstance(points, bool) or not isinstance(points, int | float) or not 0 < points < math.inf:
        mistakes.add(f"`points` must be a number above 0, not {points!r}", f"{place}.points")
        points = 0.0
    title = table.get("title", {})
    if not isinstance(title, dict) or not all(isinstance(t, str) for t in title.values()):
        mistakes.add('`title` is a table of languages: { en = "…", zh-TW = "…" }', f"{place}.title")
        title = {}
    params = {key: value for key, value in table.items() if key not in ("id", "check", "points", "title")}
    return Criterion(
        id=_criterion_id(table, place, mistakes),
        check=str(check),
        points=float(points),
        title=title,
        params=_params(str(check), params, place, mistakes) if check in CHECKS else {},
    )


def _criterion_id(table: Mapping[str, Any], place: str, mistakes: _Mistakes) -> str:
    name = table.get("id", table.get("check"))
    if isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9][\w.-]*", name):
        return name
    mistakes.add(f"`id` must be a word of letters, digits and hyphens, not {name!r}", f"{place}.id")
    return ""


def _params(check: str, params: Mapping[str, Any], place: str, mistakes: _Mistakes) -> dict[str, Any]:
    """Hold a criterion's other keys against the keyword arguments of its check."""
    function = CHECKS[check]
    accepted = {
        name: parameter
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    kinds = typing.get_type_hints(function, include_extras=True)
    mistakes.unknown(params, ("id", "check", "points", "title", *accepted), place)
    for name, parameter in accepted.items():
        if parameter.default is inspect.Parameter.empty and name not in params:
            mistakes.add(f"the check `{check}` needs `{name}`", place)
    checked = {}
    for name in accepted.keys() & params.keys():
        try:
            checked[name] = msgspec.convert(params[name], kinds[name])
        except msgspec.ValidationError as error:
            known = typing.get_args(kinds[name]) if typing.get_origin(kinds[name]) is typing.Literal else ()
            why = f"there are {', '.join(known)}, but not {params[name]!r}" if known else error
            mistakes.add(f"`{name}`: {why}", f"{place}.{name}")
    return dict(sorted(checked.items()))


def _gather(table: object, read: Callable[[str], str], mistakes: _Mistakes) -> Gather:
    if not isinstance(table, dict):
        mistakes.add("`gather` is a table", "$.gather")
        return Gather()
    mistakes.unknown(table, ("base", "kernel", "limits", "names"), "$.gather")
    base = _read(table.get("base"), read, "$.gather.base", mistakes)
    limits = _record(table.get("limits", {}), Limits, "$.gather.limits", mistakes)
    names = _record(table.get("names", {}), Names, "$.gather.names", mistakes)
    for name in limits.__struct_fields__:
        given = getattr(limits, name)
        if not 0 < given < math.inf and not (name == "ocr_seconds" and given == 0):  # which turns recognition off
            mistakes.add(f"`{name}` must be above 0", f"$.gather.limits.{name}")
    kernel = table.get("kernel")
    if kernel is not None and not isinstance(kernel, str):
        mistakes.add("`kernel` is the path of a Python", "$.gather.kernel")
        kernel = None
    return Gather(base=base, limits=limits, names=names, kernel=kernel)


def _late(table: object, mistakes: _Mistakes) -> LatePolicy | None:
    """Read what late work loses: `per_day = "10%"`, `cap = "50%"`, `of = "max"` or `"earned"`."""
    if table is None:
        return None
    if not isinstance(table, dict):
        mistakes.add("`late` is a table", "$.late")
        return None
    shares = {name: _share(table[name]) for name in ("per_day", "cap") if name in table}
    try:
        return msgspec.convert(table | shares, LatePolicy)
    except msgspec.ValidationError as error:
        mistakes.add(f'{error}; write for example per_day = "10%", cap = "50%", of = "max"', "$.late")
        return None


def _share(value: object) -> object:
    """A share from its per cent; anything else as it is, to be refused with its place."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", value) if isinstance(value, str) else None
    return float(found[1]) / 100 if found else str(value)


R = typing.TypeVar("R", Limits, Names)


def _record(table: object, kind: type[R], place: str, mistakes: _Mistakes) -> R:
    """Read a table field by field, so that one mistake does not hide the next."""
    if not isinstance(table, dict):
        mistakes.add("this is a table", place)
        return kind()
    mistakes.unknown(table, kind.__struct_fields__, place)
    good = {}
    for name in table.keys() & set(kind.__struct_fields__):
        try:
            good[name] = getattr(msgspec.convert({name: table[name]}, kind), name)
        except msgspec.ValidationError as error:
            mistakes.add(f"`{name}`: {str(error).split(' - at')[0]}", f"{place}.{name}")
    return kind(**good)


def _read(name: object, read: Callable[[str], str], place: str, mistakes: _Mistakes) -> str:
    if name is None:
        return ""
    if not isinstance(name, str):
        mistakes.add("this is the name of a file", place)
        return ""
    try:
        return read(name)
    except OSError as error:
        mistakes.add(f"cannot read `{name}`: {error.strerror}", place)
    except UnicodeDecodeError:
        mistakes.add(f"cannot read `{name}`: it is not UTF-8 text", place)
    except GraderError as error:
        mistakes.add(f"`{name}` cannot be used: {error.message}", place)
    return ""


def _topics(name: object, read: Callable[[str], str], mistakes: _Mistakes) -> coverage_.Topics | None:
    before = len(mistakes.found)
    text = _read(name if name is not None else "topics.toml", read, "$.topics", mistakes)
    if len(mistakes.found) > before:
        return None
    try:
        return coverage_.topics(_toml(text))
    except ValueError as error:
        mistakes.add(f"`{name}` is not TOML: {error}", "$.topics")
    except GraderError as error:
        mistakes.add(error.message, "$.topics")
    return None


def _toml(text: str) -> dict[str, Any]:
    """Read TOML; whatever is wrong with it is a `ValueError`, as what its own error is.

    A key with very many parts takes memory by the square of their number, before anything can be wrong with it.
    """
    if len(text) > MOST_LETTERS or any(line.count(".") > MOST_DOTS for line in text.splitlines()):
        raise ValueError(f"it has more than {MOST_LETTERS:,} letters, or more than {MOST_DOTS:,} dots in a line")
    if _ENDLESS_NUMBER.search(text):  # which no float holds, and which Python does not even print
        raise ValueError("it has a number of more than 100 digits")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()
