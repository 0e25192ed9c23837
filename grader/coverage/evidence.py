"""What sentences assert of a topic, and what they deny: the lexicon's concepts, looked up in statements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from grader.reading import Subjects, formulas, shapes, statements

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from grader.coverage.lexicon import Topic
    from grader.coverage.matcher import Matcher, Read
    from grader.coverage.sentences import Sentence
    from grader.reading import Statement
    from grader.reading.phrases import Hit, Span
    from grader.reading.statements import Whose

Told = Literal["", "asserted", "denied"]


@dataclass(frozen=True)
class Heard:
    """A sentence of the report with what was read in it."""

    sentence: Sentence
    read: Read


@dataclass(frozen=True)
class Spoken:
    """A sentence as it speaks of one topic."""

    heard: Heard
    statements: tuple[Statement, ...]


@dataclass(frozen=True)
class Claim:
    """A concept that a sentence asserts of the topic, or denies."""

    concept: str
    heard: Heard
    denied: bool = False
    shown: bool = False  # by an update rule alone


def spoken(topic: str, heard: Sequence[Heard], lexicon: Matcher, *, whose: Whose = "own") -> list[Spoken]:
    """Part sentences into statements about a topic; where one ended with another's deeds, the next is unsure."""
    found: list[Spoken] = []
    last = whose
    for one in heard:
        places = one.read.places
        subjects = Subjects(
            own=tuple((start, end) for start, end, name in places if name == topic),
            others=tuple(
                sorted([*((start, end) for start, end, name in places if name != topic), *lexicon.others(one.read)])
            ),
        )
        if one.sentence.opens:
            last = whose
        answers = bool(found) and _leaves_out_the_verb(found[-1], one)
        parts, last = statements(one.read.said, one.read.found, subjects, carried=last, answers=answers)
        last = "unsure" if last == "other" else last
        found.append(Spoken(heard=one, statements=parts))
    return found


def _leaves_out_the_verb(before: Spoken, heard: Heard) -> bool:
    """Whether a sentence may do without a verb: it answers a question, or goes on with what was just said."""
    if before.heard.sentence.text.rstrip().endswith(("?", "？")):
        return True
    return not heard.sentence.opens and any(part.verb and not part.listed for part in before.statements)


def claims(topic: Topic, told: Sequence[Spoken]) -> Iterator[Claim]:
    """Every concept of the topic in the sentences that assert or deny it, in their order."""
    for one in told:
        shown = _formula_concepts(topic, one)
        for concept, rules in topic.concepts.items():
            found = [holds(rule, one) for rule in rules]
            if "asserted" in found:
                yield Claim(concept=concept, heard=one.heard)
            elif any(holds(rule, one, surely=True) == "denied" for rule in rules):
                yield Claim(concept=concept, heard=one.heard, denied=True)
            elif concept in shown:
                yield Claim(concept=concept, heard=one.heard, shown=True)
        if shown and "formula" not in topic.concepts:
            yield Claim(concept="formula", heard=one.heard, shown=True)


def _formula_concepts(topic: Topic, told: Spoken) -> frozenset[str]:
    if not topic.formulas:
        return frozenset()
    seen = {
        shape
        for formula in formulas(told.heard.read.said)
        if not any(part.denied and part.start <= formula.at < part.end for part in told.statements)
        for shape in shapes(formula)
    }
    return frozenset(concept for concept, known in topic.formulas.items() if seen & set(known))


def holds(rule: str, told: Spoken, *, surely: bool = False, close: bool = False) -> Told:
    """Whether a combination of word groups is asserted of the topic in a sentence, or denied.

    `surely` leaves out what is only supposed and what may be another's, `close` phrases that reach over a comma.
    A group marked `-` has to be denied; `~` only has to be there, whatever is said of it; `!` must not be asserted,
    `!!` not in the same clause.
    """
    found = told.heard.read.found
    marked = [_marked(part.strip()) for part in rule.split("&")]
    wanted = [(mark, name) for mark, name in marked if not mark.startswith("!")]
    groups = [name for _, name in wanted]
    if not all(name in found for name in groups):
        return ""
    consumed = [span for name in groups for hit in found[name] for span in hit if span[1] - span[0] > 1 or len(hit) > 1]
    clauses = {_clause(span, told) for name in groups for hit in found[name] for span in hit}
    for mark, name in marked:
        for hit in found.get(name, ()) if mark.startswith("!") else ():
            near = mark == "!" or _clause(hit[0], told) in clauses
            if near and _tone(hit, told, consumed) == "asserted":
                return ""
    tones = [{_tone(hit, told, consumed, surely=surely, close=close) for hit in found[name]} - {""} for name in groups]
    kept = [_kept(mark, each) for (mark, _), each in zip(wanted, tones, strict=True)]
    if all("asserted" in each for each in kept):
        return "asserted"
    return "denied" if all(kept) else ""


def _kept(mark: str, tones: set[Told]) -> set[Told]:
    """How a group is held, by what its mark asks for."""
    if mark == "~" and tones:
        return {"asserted"}
    if mark == "-":
        return {"asserted"} if tones == {"denied"} else set()
    return tones


def _marked(part: str) -> tuple[str, str]:
    mark = next((mark for mark in ("!!", "!", "~", "-") if part.startswith(mark)), "")
    return mark, part[len(mark) :].strip()


def _tone(hit: Hit, told: Spoken, consumed: Sequence[Span], *, surely: bool = False, close: bool = False) -> Told:
    """How the statements hold a phrase, which may stand in more than one of them."""
    if close and len({_clause(span, told) for span in hit}) > 1:
        return ""
    tones = {_polarity(span, told, consumed, surely=surely) for span in hit}
    return "" if "" in tones else "denied" if "denied" in tones else "asserted"


def _clause(span: Span, told: Spoken) -> int:
    return next((part.clause for part in told.statements if part.start <= span[0] < part.end), -1)


def _polarity(span: Span, told: Spoken, consumed: Sequence[Span], *, surely: bool) -> Told:
    """How a statement holds a word; a denial that is part of a longer phrase of the rule denies nothing else."""
    where = next((part for part in told.statements if part.start <= span[0] < part.end), None)
    if where is None or not where.counts or not where.verb:
        return ""
    if surely and (where.supposed or where.hedged or where.whose == "unsure"):
        return ""
    if where.untrue or (where.denied and not any(start <= where.start < end for start, end in consumed)):
        return "denied"
    return "asserted"
