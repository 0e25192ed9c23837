"""The page of a whole class: how it went, what goes wrong most often, who waits for a person."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from statistics import median
from urllib.parse import quote

from markupsafe import Markup

from grader.alike import Alike
from grader.feedback import plots
from grader.feedback.catalogue import label, number, safe, text, word
from grader.feedback.pages import fill
from grader.feedback.render import title
from grader.model import Finding, Grade, Language, Message, Record, Scored, Verdict

BINS = 10
DIAGNOSES = 8
PAIRS = 40
"""How many pairs of students whose work is alike are shown."""
NOTHING_ALIKE = Alike()
SHOWN = 12
"""How many students of one diagnosis are linked by name."""
WAITING = (Verdict.REVIEW, Verdict.FAULT)


class Rate(Record, frozen=True, kw_only=True):
    """How one criterion went in the class."""

    title: str
    share: float
    words: str
    bar: str
    counts: dict[str, int]


class Diagnosis(Record, frozen=True, kw_only=True):
    """One thing that goes wrong, with an example and everyone it happened to."""

    title: str
    example: Message
    students: tuple[str, ...]


class Waiting(Record, frozen=True, kw_only=True):
    """What a person has to decide about one student for one reason."""

    student: str
    titles: tuple[str, ...]
    verdict: Verdict
    pending: float
    reason: Message | None


def summary(
    grades: Sequence[Grade],
    *,
    language: Language,
    links: Mapping[str, str],
    missing: Sequence[str] = (),
    earlier: Sequence[Grade] = (),
    alike: Alike = NOTHING_ALIKE,
) -> str:
    """One self-contained HTML page; `links` maps a student to the path of the feedback, relative to this page.

    `missing` are students of the roster who handed in nothing, `earlier` grades of those who have no new one yet, and
    `alike` is what students' work shares.
    """
    decided, pending = _bins(grades)
    columns = _columns(grades, language)
    return fill(
        "class.html",
        language,
        grades=grades,
        heading=grades[0].rubric.title if grades else label("page.class", language),
        counts=_counts(grades, language),
        histogram=_histogram(decided, pending, language),
        bins=tuple((f"{10 * i}–{10 * i + 10}", decided[i], pending[i]) for i in range(BINS)),
        rates=_rates(grades, language),
        verdicts=_said(grades),
        diagnoses=_diagnoses(grades, language),
        shown=SHOWN,
        queue=_queue(grades, language),
        columns=tuple(columns.values()),
        lines=tuple((grade, _cells(grade, tuple(columns))) for grade in grades),
        percent=_percent,
        missing=tuple(missing),
        earlier=tuple(earlier),
        alike=alike,
        pairs=PAIRS,
        late=tuple(grade for grade in grades if grade.submission.lateness and grade.submission.lateness.late),
        # Quoted, so that no `javascript:` can be one, and markup, so that a long one is not cut.
        links={student: Markup(quote(link)) for student, link in links.items()},  # noqa: S704 - it is quoted
    )


def rows(grades: Sequence[Grade], *, language: Language) -> tuple[tuple[str, ...], ...]:
    """The class as a table of words: a header, then student, points, pending and a verdict per criterion."""
    columns = _columns(grades, language)
    names = ("page.student", "page.points-head", "page.pending-head")
    header = (*(label(name, language) for name in names), *columns.values())
    return (header, *(_row(grade, tuple(columns), language) for grade in grades))


def _row(grade: Grade, columns: Sequence[str], language: Language) -> tuple[str, ...]:
    found = _by_criterion(grade)
    verdicts = (word("verdict", found[column], language) if column in found else "–" for column in columns)
    pending = number(grade.pending) if grade.pending else "–"
    return (safe(grade.submission.student), f"{number(grade.points)} / {number(grade.out_of)}", pending, *verdicts)


def _columns(grades: Sequence[Grade], language: Language) -> dict[str, str]:
    """Criterion ids with their titles, in the order in which they first appear."""
    return {scored.criterion.id: title(scored, language) for grade in grades for scored in grade.scored}


def _by_criterion(grade: Grade) -> dict[str, Verdict]:
    return {scored.criterion.id: scored.finding.verdict for scored in grade.scored}


def _cells(grade: Grade, columns: Sequence[str]) -> tuple[tuple[Verdict | None, bool], ...]:
    """The verdict for each column, and whether a person decided it."""
    found = {one.criterion.id: (one.finding.verdict, one.decided is not None) for one in grade.scored}
    return tuple(found.get(column, (None, False)) for column in columns)


def _verdicts(grade: Grade) -> set[Verdict]:
    return set(_by_criterion(grade).values())


def _percent(grade: Grade) -> float:
    return 100 * grade.points / grade.out_of if grade.out_of > 0 else 0.0


def _said(grades: Sequence[Grade]) -> tuple[Verdict, ...]:
    """The verdicts that anyone has, besides pass."""
    found = set().union(*map(_verdicts, grades)) - {Verdict.PASS}
    return tuple(verdict for verdict in Verdict if verdict in found)


def _waits(grade: Grade) -> bool:
    return grade.needs_review or grade.pending > 0 or bool(_verdicts(grade) & set(WAITING))


def _counts(grades: Sequence[Grade], language: Language) -> tuple[tuple[str, str], ...]:
    counts = (
        (len(grades), "page.students"),
        (round(median([_percent(grade) for grade in grades]), 1) if grades else 0, "page.median"),
        (sum(grade.out_of > 0 and grade.points >= grade.out_of for grade in grades), "page.full"),
        (sum(_waits(grade) for grade in grades), "page.waiting"),
        (sum(Verdict.FAULT in _verdicts(grade) for grade in grades), "page.broke"),
    )
    return tuple((number(count), label(name, language)) for count, name in counts)


def _bins(grades: Sequence[Grade]) -> tuple[list[int], list[int]]:
    """Students by tenths of their points: those decided, and those with points still pending."""
    decided, pending = [0] * BINS, [0] * BINS
    for grade in grades:
        place = min(max(int(_percent(grade) // 10), 0), BINS - 1)
        (pending if grade.pending > 0 else decided)[place] += 1
    return decided, pending


def _histogram(decided: Sequence[int], pending: Sequence[int], language: Language) -> Markup:
    words = {"title": label("page.histogram", language), "label": label("page.percent-axis", language)}
    return Markup(plots.histogram(decided, pending, id="histogram", **words))  # noqa: S704 - plots escape what they print


def _rates(grades: Sequence[Grade], language: Language) -> tuple[Rate, ...]:
    """The criteria, worst first; nobody's rate is spoilt by what was not judged or still waits."""
    columns = _columns(grades, language)
    rates = [_rate(n, column, grades, language) for n, column in enumerate(columns.items(), start=1)]
    return tuple(sorted(rates, key=lambda rate: rate.share))


def _rate(n: int, column: tuple[str, str], grades: Sequence[Grade], language: Language) -> Rate:
    key, heading = column
    found = [verdicts[key] for verdicts in map(_by_criterion, grades) if key in verdicts]
    counts = Counter(found)
    judged = sum(counts[verdict] for verdict in (Verdict.PASS, Verdict.PARTIAL, Verdict.FAIL))
    share = counts[Verdict.PASS] / judged if judged else 1.0
    words = label("page.rate-title", language, passed=counts[Verdict.PASS], judged=judged)
    bar = Markup(plots.rate(share if judged else 0.0, id=f"rate-{n}", title=f"{heading}: {words}"))  # noqa: S704 - escaped
    return Rate(title=heading, share=share, words=words, bar=bar, counts={v.value: counts[v] for v in Verdict})


def _diagnoses(grades: Sequence[Grade], language: Language) -> tuple[Diagnosis, ...]:
    """What was said most often about criteria that were not passed, each student counted once, each topic apart."""
    said: dict[tuple[object, ...], list[tuple[str, Scored, Message]]] = {}
    for grade in grades:
        for scored in grade.scored:
            for reason in () if scored.decided else _reasons(scored.finding):
                same = (reason.id, reason.parameters.get("topic"))
                said.setdefault(same, []).append((grade.submission.student, scored, reason))
    common = sorted(said.values(), key=lambda entries: -len({student for student, _, _ in entries}))
    return tuple(_diagnosis(entries, language) for entries in common[:DIAGNOSES])


def _reasons(finding: Finding) -> tuple[Message, ...]:
    """The named bugs of a finding, else its message."""
    if finding.verdict not in (Verdict.FAIL, Verdict.PARTIAL):
        return ()
    said = (finding.message, *finding.details, *([finding.hint] if finding.hint else []))
    return tuple(message for message in said if message.id.startswith("bug.")) or (finding.message,)


def _diagnosis(entries: Sequence[tuple[str, Scored, Message]], language: Language) -> Diagnosis:
    _, scored, example = entries[0]
    students = tuple(dict.fromkeys(student for student, _, _ in entries))
    return Diagnosis(title=title(scored, language), example=example, students=students)


def _queue(grades: Sequence[Grade], language: Language) -> tuple[Waiting, ...]:
    """What a person has to decide: faults first, the rest in no order of names or points, which sways who judges."""
    entries = list(chain.from_iterable(_waiting(grade, language) for grade in grades))
    return tuple(sorted(entries, key=lambda entry: (entry.verdict is not Verdict.FAULT, _drawn(entry.student))))


def _drawn(student: str) -> bytes:
    """A place in the queue that follows from the name alone, and looks as if it were drawn."""
    return hashlib.sha256(student.encode("utf-8", "backslashreplace")).digest()


def _waiting(grade: Grade, language: Language) -> list[Waiting]:
    """One entry for each reason, with all the criteria that wait for it."""
    groups: dict[tuple[Verdict, str], list[Scored]] = {}
    for scored in grade.scored:
        if scored.finding.verdict in WAITING:
            reason = text(scored.finding.message, language)
            groups.setdefault((scored.finding.verdict, reason), []).append(scored)
    student = grade.submission.student
    if not groups and _waits(grade):
        problem = next(iter(grade.submission.problems), None)
        return [Waiting(student=student, titles=(), verdict=Verdict.REVIEW, pending=grade.pending, reason=problem)]
    return [
        Waiting(
            student=student,
            titles=_titles(group, grade, language),
            verdict=verdict,
            pending=sum(scored.pending for scored in group),
            reason=group[0].finding.message,
        )
        for (verdict, _), group in groups.items()
    ]


def _titles(group: Sequence[Scored], grade: Grade, language: Language) -> tuple[str, ...]:
    if len(group) == len(grade.scored) > 1:
        return (label("page.every-part", language),)
    return tuple(title(scored, language) for scored in group)
