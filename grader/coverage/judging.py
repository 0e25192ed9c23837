"""Judges how far a report introduces each topic, and keeps the sentence and place that decided."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from grader.coverage.lexicon import HEARSAY, MECHANISM, SUBJECT, Matcher, formula_of
from grader.coverage.sentences import Sentence, amount, clauses, listing, long_parts, sentences
from grader.model import Coverage, Message, Record, Snippet, message

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from grader.coverage.lexicon import Topic, Topics
    from grader.model import Line, ReportFacts

OTHER_CONCEPTS = 2  # besides the mechanism
LEAST_UNITS = 22.0  # an English word is one, a Chinese character 0.6
LIKELY_UNITS = 40.0  # this much text about a topic is for a person, even where no concept is known
LIST_TOPICS = 3
QUOTE_LETTERS = 300

# What keeps "missing" from being certain: text that is there, but was not read or not counted.
UNREAD = frozenset(
    {
        "hidden-text",
        "tiny-text",
        "font-missing",
        "unlike-letters",
        "overlapping-text",
        "drawn-letters",
        "scanned-page",
        "ocr-layer",
        "page-failed",
        "not-all-read",
        "not-rendered",
        "engine-timeout",
        "engine-memory",
        "engine-output-limit",
        "engine-crashed",
    }
)
LARGE_PICTURE = 0.4  # of a page; it may show text

Status = Literal["covered", "thin", "mentioned", "missing"]


class Said(Record, frozen=True, kw_only=True):
    """What was said about one topic; in `asides` it is named while another is introduced."""

    sentences: list[Sentence]
    asides: list[Sentence]


def coverage(report: ReportFacts, topics: Topics) -> tuple[Coverage, ...]:
    """Judge every topic of the lexicon, in its order; from what was recognised where there is no text to read."""
    lines = report.lines if report.outcome == "read" else report.recognised
    if not lines and report.outcome != "read":
        return ()
    matcher = Matcher(topics)
    said, named, loose = _attributed(lines, matcher)
    return tuple(
        _judged(
            topic,
            said[topic.id],
            topic.id in named,
            matcher,
            certain=certain(report) and not any(_tells(topic, MECHANISM, sentence, matcher) for sentence in loose),
        )
        for topic in topics.topics
    )


def certain(report: ReportFacts) -> bool:
    """Whether all that the report shows was read, so that what was not found is not there."""
    if report.outcome != "read":
        return False
    return not any(problem.id in UNREAD for problem in report.problems) and all(
        sheet.pictures < LARGE_PICTURE for sheet in report.sheets
    )


def _attributed(lines: Sequence[Line], matcher: Matcher) -> tuple[dict[str, Said], set[str], Sequence[Sentence]]:
    """Give every sentence to the topics that it tells about; the topics named; what no name or section claims."""
    said = {topic.id: Said(sentences=[], asides=[]) for topic in matcher.lexicon.topics}
    named: set[str] = set()
    loose: list[Sentence] = []
    lead: str | None = None
    current: str | None = None
    for sentence in sentences(lines, matcher):
        names = matcher.named(sentence.folded)
        named.update(names)
        if sentence.heading:
            lead, current = None, sentence.section if sentence.resets else current
            continue
        lead = matcher.leads(sentence.folded) if sentence.opens else lead
        if len(names) >= LIST_TOPICS:
            continue
        for clause in clauses(sentence, matcher) if not listing(sentence.folded) else long_parts(sentence):
            names = matcher.named(clause.folded)
            about = _about(names, matcher.turned(clause.folded), section=clause.section, lead=lead, current=current)
            if not names and not clause.section:
                loose.append(clause)
            for topic in about:
                said[topic].sentences.append(clause)
            for topic in set(names) - set(about):
                said[topic].asides.append(clause)
            current = next(iter(about), current) if names else current
    return said, named, loose


def _about(
    names: tuple[str, ...], turned: bool, *, section: str | None, lead: str | None, current: str | None
) -> tuple[str, ...]:
    """The topics that a sentence tells about, the main one first.

    Its section is one; so is the topic that its paragraph begins with; else the sentence itself decides.
    `turned` marks a sentence that begins with what it compares with ("Unlike Adagrad, …").
    """
    if section:
        beside = (lead,) if not names else names if lead and len(names) == 1 else ()
        return _distinct(section, *beside)
    if lead:
        beside = (current,) if not names else names if len(names) == 1 else ()
        return _distinct(*beside, lead)
    if not names:
        return _distinct(current)
    return names[-1:] if turned else names[:1]


def _distinct(*topics: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(topic for topic in topics if topic))


def _judged(topic: Topic, said: Said, named: bool, matcher: Matcher, *, certain: bool) -> Coverage:
    evidence = tuple(_evidence(topic, said, matcher))
    found = {snippet.concept for snippet in evidence}
    units = 0.0
    if any(matcher.has(SUBJECT, matcher.fold(sentence.text), otherwise=True) for sentence in said.sentences):
        units = sum(map(amount, {sentence.folded for sentence in said.sentences}))
    return Coverage(
        topic=topic.id,
        status=_status(found, units, named),
        evidence=evidence,
        questions=tuple(_questions(topic, said.sentences, matcher)),
        certain=certain,
    )


def _status(found: set[str], units: float, named: bool) -> Status:
    if MECHANISM in found and len(found) > OTHER_CONCEPTS and units >= LEAST_UNITS:
        return "covered"
    if (found and (MECHANISM in found or len(found) > 1)) or units >= LIKELY_UNITS:
        return "thin"
    return "mentioned" if named or found else "missing"


def _evidence(topic: Topic, said: Said, matcher: Matcher) -> Iterator[Snippet]:
    """The first sentence of every concept; what makes the method is not learned from an aside."""
    for concept in topic.concepts:
        sentences = said.sentences if concept == MECHANISM else [*said.sentences, *said.asides]
        sentence = next((s for s in sentences if _tells(topic, concept, s, matcher)), None)
        if sentence:
            yield _snippet(sentence, concept)
    formula = next((s for s in said.sentences if _hasformula_of(topic, s.folded)), None)
    if formula:
        yield _snippet(formula, "formula")


def _tells(topic: Topic, concept: str, sentence: Sentence, matcher: Matcher) -> bool:
    return any(matcher.holds(rule, sentence.folded) for rule in topic.concepts[concept])


def _snippet(sentence: Sentence, concept: str) -> Snippet:
    return Snippet(page=sentence.page, bbox=sentence.bbox, text=sentence.text[:QUOTE_LETTERS], concept=concept)


def _hasformula_of(topic: Topic, folded: str) -> bool:
    bare = re.sub(r"[\s_{}^*·×\\\[\]]", "", folded)
    return any(formula_of(pattern).search(bare) for pattern in topic.formulas)


def _questions(topic: Topic, sentences: Sequence[Sentence], matcher: Matcher) -> Iterator[Message]:
    for question in topic.questions:
        for sentence in sentences:
            names = matcher.named(sentence.folded)
            if matcher.has(HEARSAY, sentence.folded, otherwise=False):
                continue
            if names in ((), (topic.id,)) and any(matcher.holds(rule, sentence.folded) for rule in question.when):
                yield message(question.id, page=sentence.page, quote=sentence.text[:QUOTE_LETTERS])
                break
