"""Judges how far a report introduces each topic, and keeps the sentence and place that decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from grader.coverage.evidence import Heard, claims, holds, spoken
from grader.coverage.given import Given
from grader.coverage.lexicon import ELSEWHERE, MECHANISM, NEARBY, SUBJECT
from grader.coverage.matcher import matcher
from grader.coverage.sentences import sentences
from grader.coverage.tables import streams
from grader.model import Coverage, Message, Snippet, message
from grader.reading import keywords, leading

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from grader.coverage.evidence import Claim, Spoken
    from grader.coverage.lexicon import Question, Topic, Topics
    from grader.coverage.matcher import Matcher, Read
    from grader.coverage.sentences import Sentence
    from grader.model import Line, ReportFacts

EFFECTS = frozenset({"purpose", "limitation"})
DISPUTED = 2  # concepts that are denied, from which a person reads what else is said
OTHER_CONCEPTS = 2  # besides the mechanism, where no effect is told
LIKELY_UNITS = 40.0  # this much text about a topic is for a person, even where no concept is known
LEAST_UNITS = 3.0  # of a sentence that says something beside a formula
LINE_UNITS = 8.0  # of a formula's own sentence that says something about it
LIST_TOPICS = 3
LEAST_TOKENS = 4  # that are said of a name
SEVERAL = 3  # topics of one sentence, each with its own clause
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
        "xfa-form",
        "portfolio",
        "other-language",
        "engine-timeout",
        "engine-memory",
        "engine-output-limit",
        "engine-crashed",
    }
)
LARGE_PICTURE = 0.4  # of a page; it may show text

Status = Literal["covered", "thin", "mentioned", "missing", "wrong"]


@dataclass
class Said:
    """What was said about one topic; in `asides` it is named while another is introduced."""

    sentences: list[Heard]
    asides: list[Heard]


def coverage(report: ReportFacts, topics: Topics, *, handed_out: Sequence[str] = ()) -> tuple[Coverage, ...]:
    """Judge every topic of the lexicon, in its order; from what was recognised where there is no text to read.

    What the report repeats of texts that were handed out counts for nothing.
    """
    lines = report.lines if report.outcome == "read" else report.recognised
    if not lines and report.outcome != "read":
        return ()
    lexicon = matcher(topics)
    said, named, loose = _attributed(lines, lexicon, Given(handed_out, lexicon))
    sure = certain(report)
    core = any(heard.read.has(SUBJECT) for one in said.values() for heard in one.sentences)
    return tuple(
        _judged(
            topic,
            said[topic.id],
            topic.id in named,
            lexicon,
            core=core,
            certain=sure and not any(_tells_mechanism(topic, heard, lexicon) for heard in loose),
        )
        for topic in topics.topics
    )


def certain(report: ReportFacts) -> bool:
    """Whether all that the report shows was read, so that what was not found is not there."""
    if report.outcome != "read" or len(set(report.pages.values())) > 1:
        return False
    return not any(problem.id in UNREAD for problem in report.problems) and all(
        sheet.pictures < LARGE_PICTURE for sheet in report.sheets
    )


def _attributed(lines: Sequence[Line], lexicon: Matcher, given: Given) -> tuple[dict[str, Said], set[str], list[Heard]]:
    """Give every sentence to the topics that it tells about; the topics named; what no name or section claims."""
    said = {topic.id: Said(sentences=[], asides=[]) for topic in lexicon.lexicon.topics}
    named: set[str] = set()
    titled: dict[str, bool] = {}  # by a heading, and whether anything of this world stands below it
    loose: list[Heard] = []
    lead: str | None = None
    current: str | None = None
    for sentence in _in_order(lines, lexicon):
        if sentence.heading:
            title = lexicon.read(sentence.text, title=True)
            titled.update({topic: titled.get(topic, False) or not given.holds(title) for topic in title.named})
            lead, current = None, sentence.section if sentence.resets else current
            continue
        heard = Heard(sentence=sentence, read=lexicon.read(sentence.text))
        if given.holds(heard.read):
            continue
        if heard.read.has(ELSEWHERE) and not heard.read.has(SUBJECT):
            titled.update({topic: False for topic in (sentence.section,) if topic and not said[topic].sentences})
            continue
        titled.update({topic: True for topic in (sentence.section,) if topic in titled})
        names = heard.read.named
        named.update(names)
        leads = lexicon.leads(heard.read, section=sentence.section)
        lead = leads if sentence.opens or (leads and lexicon.labelled(heard.read)) else lead
        lead = None if sentence.section in names and lead != sentence.section else lead
        if len(names) >= LIST_TOPICS and not lead and not _several(heard.read):
            current = None
            continue
        about = _about(heard.read, lexicon, section=sentence.section, lead=lead, current=current)
        if not names and not sentence.section:
            loose.append(heard)
        for topic in about:
            said[topic].sentences.append(heard)
        for topic in set(names) - set(about):
            said[topic].asides.append(heard)
        current = next(iter(about), current) if names else current
    return said, named | {topic for topic, told in titled.items() if told}, loose


def _several(read: Read) -> bool:
    """Whether a sentence that names many tells of several, each in words of its own, and is no mere list."""
    names = leading(read.said, read.found, [place[:2] for place in read.places])
    ends = [*(start for start, _ in names), len(read.said)][1:]
    told = sum(after - end >= LEAST_TOKENS for (_, end), after in zip(names, ends, strict=True))
    return told >= SEVERAL and not keywords(read.said)


def _in_order(lines: Sequence[Line], lexicon: Matcher) -> Iterator[Sentence]:
    """Every sentence: first of the text, then of each cell of a table whose columns are methods."""
    for stream in streams(lines, lexicon):
        yield from sentences(stream.lines, lexicon, section=stream.section)


def _about(
    read: Read, lexicon: Matcher, *, section: str | None, lead: str | None, current: str | None
) -> tuple[str, ...]:
    """The topics that a sentence tells about, the main one first.

    Its section is one; so is the topic that its paragraph begins with; else the sentence itself decides.
    A sentence that begins with what it compares with ("Unlike Adagrad, …") is about the other.
    """
    names = read.named
    if section:
        return _distinct(section, lead)
    if lead:
        beside = (current,) if not names else names if len(names) <= 2 else ()
        return _distinct(*beside, lead)
    if not names or (current and not leading(read.said, read.found, [place[:2] for place in read.places])):
        return _distinct(current)
    return tuple(reversed(names)) if lexicon.turned(read) else names


def _distinct(*topics: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(topic for topic in topics if topic))


def _judged(topic: Topic, said: Said, named: bool, lexicon: Matcher, *, core: bool, certain: bool) -> Coverage:
    told = spoken(topic.id, said.sentences, lexicon)
    claimed = list(claims(topic, told))
    aside = claims(topic, spoken(topic.id, said.asides, lexicon, whose="other"))
    evidence = tuple(_evidence(topic, [*claimed, *(claim for claim in aside if claim.concept != MECHANISM)]))
    doubts = tuple(_doubts(topic, told, claimed, lexicon))
    units = 0.0
    if core or any(heard.read.has(NEARBY) for heard in said.sentences):
        units = 0.1 + sum({heard.read.folded: heard.read.units for heard in said.sentences}.values())
    found = {snippet.concept for snippet in evidence}
    status = "wrong" if any(wrong for wrong, _ in doubts) else _status(found, units, named, core=core)
    if status == "covered" and not any(_worded(claim) for claim in claimed):
        status = "thin"  # an update rule without a word about it
    if status == "covered" and sum(claim.denied and claim.concept != "hyperparameter" for claim in claimed) >= DISPUTED:
        status = "thin"
    return Coverage(
        topic=topic.id,
        status=status,
        evidence=evidence,
        questions=tuple(question for _, question in doubts),
        certain=certain,
    )


def _worded(claim: Claim) -> bool:
    """Whether something is said in words; the letters of a formula are hyperparameters too."""
    least = LINE_UNITS if claim.shown else LEAST_UNITS
    return not claim.denied and claim.concept != "hyperparameter" and claim.heard.read.units >= least


def _status(found: set[str], units: float, named: bool, *, core: bool) -> Status:
    if not units:  # nothing of this world is spoken of
        return "mentioned" if named or found else "missing"
    others = found - {MECHANISM}
    if MECHANISM in found and ((core and others & EFFECTS) or len(others) >= OTHER_CONCEPTS):
        return "covered"
    if (found and (MECHANISM in found or len(found) > 1)) or units >= LIKELY_UNITS:
        return "thin"
    return "mentioned" if named or found else "missing"


def _evidence(topic: Topic, told: Sequence[Claim]) -> Iterator[Snippet]:
    """The first sentence of every concept that is asserted."""
    for concept in dict.fromkeys([*topic.concepts, *(claim.concept for claim in told)]):
        claim = next((one for one in told if one.concept == concept and not one.denied), None)
        if claim:
            yield _snippet(claim.heard, concept)


def _snippet(heard: Heard, concept: str) -> Snippet:
    sentence = heard.sentence
    return Snippet(page=sentence.page, bbox=sentence.bbox, text=sentence.text[:QUOTE_LETTERS], concept=concept)


def _tells_mechanism(topic: Topic, heard: Heard, lexicon: Matcher) -> bool:
    told = claims(topic, spoken(topic.id, [heard], lexicon))
    return any(claim.concept == MECHANISM and not claim.denied for claim in told)


# -- what is to be asked about ---------------------------------------------------------------------


def _doubts(
    topic: Topic, told: Sequence[Spoken], claimed: Sequence[Claim], lexicon: Matcher
) -> Iterator[tuple[bool, Message]]:
    """Questions, each with whether it is of what makes the method: a denied mechanism, or that of another."""
    certain = False
    for question in topic.questions:
        one = next((one for one in told if _gives_away(question, one)), None)
        if one:
            certain = certain or question.wrong
            yield question.wrong, _asked(question.id, one.heard)
    mechanism = [claim for claim in claimed if claim.concept == MECHANISM]
    denied = next((claim for claim in mechanism if claim.denied), None)
    if denied and not certain:
        yield True, _asked(f"question.{topic.id}-denied", denied.heard)
    if certain or denied:
        return
    for other in lexicon.lexicon.topics:
        one = next((one for one in told if other.id != topic.id and _anothers(other, one)), None)
        if one:
            yield True, _asked(f"question.not-{other.id}", one.heard)
            return


def _gives_away(question: Question, told: Spoken) -> bool:
    return any(holds(rule, told, surely=True, close=True) == "asserted" for rule in question.when)


def _anothers(other: Topic, told: Spoken) -> bool:
    return any(holds(rule, told, surely=True, close=True) == "asserted" for rule in other.exclusive)


def _asked(id: str, heard: Heard) -> Message:
    return message(id, page=heard.sentence.page, quote=heard.sentence.text[:QUOTE_LETTERS])
