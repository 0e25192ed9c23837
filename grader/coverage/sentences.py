"""The sentences of a report, each with its place, the topic of its section and what it says beside mere keywords."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from grader.model import Box, Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from grader.coverage.lexicon import Matcher
    from grader.model import Line

CLAUSE_UNITS = 9.0  # a part of a list this long says something, whatever short ones stand beside it
SENTENCE_LETTERS = 400
REFERENCES_LETTERS = 24
LESSER_HEADING = 0.97  # times the size of the topic's own heading


class Sentence(Record, frozen=True, kw_only=True):
    """A sentence or heading with its place; `section` is the topic of the heading above it."""

    text: str
    folded: str
    page: int
    bbox: Box
    section: str | None
    heading: bool = False
    resets: bool = False  # a heading after which the topic named last no longer goes on
    opens: bool = False  # the first of its paragraph


_HAN = re.compile(r"[\u3400-\u9fff]")
_ENDS = re.compile(
    r"[。！？!?]+[」』”’\"）)]*|[；;](?=\s|[\u3400-\u9fff])"
    r"|(?<![eE]\.g)(?<![iI]\.e)(?<!\bal)(?<!\bvs)(?<!\b[fF]ig)(?<!\b[eE]q)\.[”\"’)]*(?=\s+[^a-z0-9\s]|\s*[\u3400-\u9fff]|\s*$)"
)
_ORNAMENT = re.compile(
    r"^(?:[\s\d.()（）、,:：\-–—一二三四五六七八九十#■●◆▲►➤•*\[\]【】《》<>]|[ivxIVX]+(?=[.)、）]))+|[\s.()（）:：\-–—\[\]【】《》<>]+$"
)
_SUBTITLE = re.compile(r"[(:]|\s-+\s")
_BULLET = re.compile(r"^\s*(?:[•‧·●○◦▪■□◆➤►\-*]\s|[(（]?\d{1,2}[)）.、]\s?)")


def sentences(lines: Sequence[Line], matcher: Matcher) -> Iterator[Sentence]:
    """Yield headings and sentences before the references, each with the topic of its section."""
    section: str | None = None
    size, closed = 0.0, 0.0
    block: list[Line] = []
    for line in lines:
        bare = matcher.fold(_ORNAMENT.sub("", line.text))
        named = matcher.named(bare)
        title = _title(line, bare, matcher)
        if bare and len(bare) <= REFERENCES_LETTERS and matcher.references.fullmatch(bare):
            yield from _split(block, section, matcher)
            block, closed = [], max(line.size, 0.1)
        elif closed and not (line.heading and named and line.size >= closed):
            continue
        elif title:
            yield from _split(block, section, matcher)
            block, closed = [], 0.0
            before, (section, size, resets) = section, _section(line, bare, named, section, size, matcher)
            yield _heading(line, bare, section, resets=resets or section != before)
        elif block and _parts(block[-1], line, lines):
            yield from _split(block, section, matcher)
            block = [line]
        else:
            block.append(line)
    yield from _split(block, section, matcher)


def _heading(line: Line, bare: str, section: str | None, *, resets: bool) -> Sentence:
    return Sentence(
        text=line.text, folded=bare, page=line.page, bbox=line.bbox, section=section, heading=True, resets=resets
    )


def _title(line: Line, bare: str, matcher: Matcher) -> bool:
    """A heading by its type, or a line that holds nothing but the name of one topic."""
    if line.heading:
        return True
    if len(bare) > 60 or line.text.rstrip().endswith(("。", ".", ";", "；", ",", "，")):
        return False
    rest = bare
    for _, names in matcher.names:
        rest = names.sub("", rest)
    return rest != bare and not re.search(r"[^\W\d_]", matcher.aspects.sub("", rest).replace("optimizer", ""))


def _section(
    line: Line, bare: str, named: tuple[str, ...], section: str | None, size: float, matcher: Matcher
) -> tuple[str | None, float, bool]:
    """The topic after a heading: the one it names; a lesser heading or one about an aspect leaves it."""
    first = named if len(named) == 1 else matcher.named(_SUBTITLE.split(bare)[0])
    if len(first) == 1:
        return first[0], line.size, True
    if named or matcher.general.search(bare):
        return None, line.size, True
    if matcher.aspects.search(bare) or (section and line.size < LESSER_HEADING * size):
        return section, size, False
    return None, line.size, True


def _parts(before: Line, line: Line, lines: Sequence[Line]) -> bool:
    """Whether a new paragraph begins: a bullet, or the line before stops well short of its column."""
    if _BULLET.match(line.text):
        return True
    if before.page != line.page:
        return False
    wide = max(
        (other.bbox[2] for other in lines if other.page == before.page and abs(other.bbox[0] - before.bbox[0]) < 30),
        default=0,
    )
    width = max(wide - before.bbox[0], 1.0)
    return before.bbox[2] < wide - 0.3 * width and not re.match(r"[a-z]", line.text)


def _split(block: Sequence[Line], section: str | None, matcher: Matcher) -> Iterator[Sentence]:
    """Cut a paragraph into sentences, each with the lines that it stands on."""
    text, starts = "", list[int]()
    for line in block:
        text, start = _joined(text, line.text)
        starts.append(start)
    begin, opens = 0, True
    for end in [*(found.end() for found in _ENDS.finditer(text)), len(text)]:
        for start, stop in _pieces(text, begin, end):
            said = text[start:stop].strip()
            if said:
                inside = [
                    line
                    for line, at, after in zip(block, starts, [*starts[1:], len(text)], strict=True)
                    if at < stop and after > start
                ]
                yield Sentence(
                    text=said,
                    folded=matcher.fold(said),
                    page=inside[0].page,
                    bbox=_around([line.bbox for line in _together(inside)]),
                    section=section,
                    opens=opens,
                )
                opens = False
        begin = end


def _joined(text: str, line: str) -> tuple[str, int]:
    if re.search(r"[A-Za-z]-$", text) and re.match(r"[a-z]", line):
        return text[:-1] + line, len(text) - 1
    glue = "" if not text or (_HAN.match(text[-1:]) and _HAN.match(line[:1])) else " "
    return text + glue + line, len(text) + len(glue)


def _pieces(text: str, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut what no full stop ends, so that a page without punctuation is not one sentence."""
    while end - begin > SENTENCE_LETTERS:
        cut = max(text.rfind(mark, begin + 80, begin + SENTENCE_LETTERS) for mark in ",，、 ")
        cut = cut + 1 if cut > begin else begin + SENTENCE_LETTERS
        yield begin, cut
        begin = cut
    yield begin, end


def _together(lines: Sequence[Line]) -> list[Line]:
    """The lines of a sentence up to where it goes on in another column or on another page."""
    kept = [lines[0]]
    for line in lines[1:]:
        if line.page != kept[-1].page or line.bbox[3] < kept[-1].bbox[1]:
            break
        kept.append(line)
    return kept


def _around(boxes: Sequence[Box]) -> Box:
    x0, top, x1, bottom = zip(*boxes, strict=True)
    return min(x0), min(top), max(x1), max(bottom)


_CONTRAST = re.compile(r"while|whereas|虽然?|尽管")
_CLAUSE = re.compile(r"(?:[,;]|(?<![a-z])(?:whereas|while|but)\s)\s*(?:(?:whereas|while|but|and|the)\s+|[而则但]\s*)*$")
_PART = re.compile(r"[,，、;；:：/|·•]|\s-\s|(?<=[\u3400-\u9fff])\s(?=[\u3400-\u9fff])")
_ENGLISH_GLUE = re.compile(
    r"(?<![a-z])(?:the|a|an|of|is|are|was|it|its|to|and|by|in|for|that|this|each|with|we|so|which|as|from|than|not|has|have|can|will|at|on|but|if|when|because|instead|then|be|or|i|my|our|more|only)(?![a-z])"
)
_CHINESE_GLUE = re.compile(
    r"[的是会在了把用每让使而但不以因所就也都对从为被将与和时来到给还再其这那有没可能并只如若当它于做要由此]"
)


def clauses(sentence: Sentence, matcher: Matcher) -> tuple[Sentence, ...]:
    """Cut "While SGD …, Momentum …" and "Adagrad …, whereas RMSprop …" in two, outside of a topic's own section.

    "Unlike Adagrad, which …, RMSprop …" stays whole: it tells about one of them.
    """
    folded = sentence.folded
    places = matcher.places(folded)
    if sentence.section or len({topic for _, _, topic in places}) != 2:
        return (sentence,)
    cut = next(start for start, _, topic in places if topic != places[0][2])
    if not _CLAUSE.search(folded[:cut]) or (matcher.turned(folded) and not _CONTRAST.match(folded)):
        return (sentence,)
    return tuple(msgspec.structs.replace(sentence, folded=part) for part in (folded[:cut], folded[cut:]))


def listing(folded: str) -> bool:
    """Whether a text strings keywords together instead of saying something.

    >>> listing("sgd, momentum, learning rate, decay, squared gradient, moving average")
    True
    >>> listing("it divides the rate by the root of the sum, so each step shrinks")
    False
    """
    parts = [part.strip() for part in _PART.split(folded) if part.strip() and "=" not in part]
    han, words = len(_HAN.findall(folded)), len(re.findall(r"[a-z]+", folded))
    if len(parts) >= 5 and sorted(amount(part) for part in parts)[len(parts) // 2] <= 3.7:
        return _glued(" ".join(part for part in parts if amount(part) < CLAUSE_UNITS)) < 0.2
    if han > words:
        return han >= 16 and len(_CHINESE_GLUE.findall(folded)) < 0.04 * han
    return words >= 9 and len(_ENGLISH_GLUE.findall(folded)) < 0.1 * words and "=" not in folded


def _glued(folded: str) -> float:
    """The share of small words that hold a sentence together."""
    han, words = len(_HAN.findall(folded)), len(re.findall(r"[a-z]+", folded))
    if han > words:
        return len(_CHINESE_GLUE.findall(folded)) / han
    return len(_ENGLISH_GLUE.findall(folded)) / max(words, 1)


def long_parts(sentence: Sentence) -> Iterator[Sentence]:
    """What a list says in whole clauses; its keywords count for nothing."""
    for part in _PART.split(sentence.folded):
        if amount(part) >= CLAUSE_UNITS and not listing(part):
            yield msgspec.structs.replace(sentence, folded=part)


def amount(text: str) -> float:
    """How much is said: an English word counts one, a Chinese character 0.6."""
    return len(re.findall(r"[A-Za-z]{2,}", text)) + 0.6 * len(_HAN.findall(text))
