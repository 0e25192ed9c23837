"""Judges whether a report introduces each topic, and keeps the sentence and place that decided.

The lexicon (`topics.toml`) is data: word groups, and for each topic its names, the concepts as combinations of groups,
formulas, and questions about what is often misunderstood. The rules here are the same for every topic:

* a sentence belongs to the topic of its section and to the one that its paragraph begins with,
  else to the one it names, else to the one named last;
* a sentence that names three topics is a list and counts for none; of one that strings keywords together, clauses do;
* after the references nothing counts;
* missing is not certain where the mechanism is told without a name: a heading may be a picture, or misspelled;
* covered = the mechanism, at least two other concepts, and enough words; anything less is for a person.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from grader.model import Box, Coverage, GraderError, Line, Message, Record, Snippet, message

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from grader.model import ReportFacts

MECHANISM = "mechanism"
# Word groups that the rules themselves know; a lexicon may leave them out.
NAMESAKES = "namesakes"  # what only sounds like a topic
SUBJECT = "subject"  # what an introduction speaks of, whichever topic it is about
HEARSAY = "hearsay"  # what the student only reports
COMPARED = "compared"  # how a sentence begins that first says what it compares with
OTHER_CONCEPTS = 2  # besides the mechanism
LEAST_UNITS = 22.0  # an English word is one, a Chinese character 0.6
LIKELY_UNITS = 40.0  # this much text about a topic is for a person, even where no concept is known
LIST_TOPICS = 3
CLAUSE_UNITS = 9.0  # a part of a list this long says something, whatever short ones stand beside it
SENTENCE_LETTERS = 400
REFERENCES_LETTERS = 24
LEAD_LETTERS = 8  # before the name: "The ", a number, a bullet
LESSER_HEADING = 0.97  # times the size of the topic's own heading
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


# -- the lexicon -----------------------------------------------------------------------------------


class Question(Record, frozen=True, kw_only=True):
    """A misconception: the message to ask, and the word groups that give it away."""

    id: str
    when: tuple[str, ...]


class Topic(Record, frozen=True, kw_only=True):
    """What is known about one topic; a concept is any of several combinations of word groups (`a & b & !c`)."""

    id: str
    names: tuple[str, ...]
    concepts: dict[str, tuple[str, ...]]
    formulas: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()


class Topics(Record, frozen=True, kw_only=True):
    """The lexicon, checked; plain strings, so that it has a digest."""

    topics: tuple[Topic, ...]
    words: dict[str, tuple[str, ...]]
    references: tuple[str, ...]
    general: tuple[str, ...] = ()
    aspects: tuple[str, ...] = ()
    traditional: str = ""
    simplified: str = ""


def topics(table: Mapping[str, Any]) -> Topics:
    """Make the lexicon from the table of a `topics.toml`; every mistake at once, each with its place."""
    reading = _Reading(table)
    lexicon = reading.lexicon()
    if reading.mistakes:
        raise GraderError("\n".join(reading.mistakes), where="topics.toml")
    return lexicon


class _Reading:
    """One pass over a table, which collects mistakes and goes on."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        self.table, self.mistakes = table, list[str]()
        self.words: dict[str, tuple[str, ...]] = {}
        self.pairs = ("", "")

    def lexicon(self) -> Topics:
        self._keys(self.table, "$", {"words", "topic", "headings", "characters"}, needed={"words", "topic"})
        characters = self._table(self.table.get("characters", {}), "$.characters")
        self._keys(characters, "$.characters", {"traditional", "simplified"})
        self.pairs = self._text(characters, "traditional"), self._text(characters, "simplified")
        if len(self.pairs[0]) != len(self.pairs[1]):
            self._mistake("$.characters", "`traditional` and `simplified` differ in length")
            self.pairs = ("", "")
        headings = self._table(self.table.get("headings", {}), "$.headings")
        self._keys(headings, "$.headings", {"references", "general", "aspects"})
        for name, group in self._table(self.table.get("words", {}), "$.words").items():
            self.words[name] = self._phrases(group, f"$.words.{name}")
        found = self.table.get("topic", [])
        if not isinstance(found, list) or not found:
            self._mistake("$.topic", "at least one [[topic]] is needed")
            found = []
        made = tuple(self._topic(self._table(one, f"$.topic[{i}]"), f"$.topic[{i}]") for i, one in enumerate(found))
        for index, topic in enumerate(made):
            if topic.id in {earlier.id for earlier in made[:index]}:
                self._mistake(f"$.topic[{index}].id", f"`{topic.id}` is used twice")
        return Topics(
            topics=made,
            words=self.words,
            references=self._phrases(headings.get("references", []), "$.headings.references"),
            general=self._phrases(headings.get("general", []), "$.headings.general"),
            aspects=self._phrases(headings.get("aspects", []), "$.headings.aspects"),
            traditional=self.pairs[0],
            simplified=self.pairs[1],
        )

    def _topic(self, table: Mapping[str, Any], place: str) -> Topic:
        self._keys(
            table, place, {"id", "names", "concepts", "formulas", "questions"}, needed={"id", "names", "concepts"}
        )
        concepts = {
            name: self._combinations(rules, f"{place}.concepts.{name}")
            for name, rules in self._table(table.get("concepts", {}), f"{place}.concepts").items()
        }
        if MECHANISM not in concepts:
            self._mistake(f"{place}.concepts", "`mechanism` is missing: what makes it that method")
        questions = table.get("questions", [])
        return Topic(
            id=self._text(table, "id", place),
            names=self._phrases(table.get("names", []), f"{place}.names"),
            concepts=concepts,
            formulas=self._formulas(table.get("formulas", []), f"{place}.formulas"),
            questions=tuple(
                self._question(self._table(one, f"{place}.questions[{i}]"), f"{place}.questions[{i}]")
                for i, one in enumerate(questions if isinstance(questions, list) else ())
            ),
        )

    def _question(self, table: Mapping[str, Any], place: str) -> Question:
        self._keys(table, place, {"id", "when"}, needed={"id", "when"})
        return Question(
            id=self._text(table, "id", place), when=self._combinations(table.get("when", []), f"{place}.when")
        )

    def _combinations(self, rules: Any, place: str) -> tuple[str, ...]:
        found = self._strings(rules, place)
        for index, rule in enumerate(found):
            for part in rule.split("&"):
                name = part.strip().lstrip("!").strip()
                if name not in self.words:
                    self._mistake(f"{place}[{index}]", f"no word group is called `{name}`")
        return found

    def _phrases(self, group: Any, place: str) -> tuple[str, ...]:
        """Read phrases, also where they are kept apart by language."""
        if isinstance(group, dict):
            return tuple(phrase for key, part in group.items() for phrase in self._phrases(part, f"{place}.{key}"))
        found = self._strings(group, place)
        for index, phrase in enumerate(found):
            try:
                _phrase(_fold(phrase, *self.pairs))
            except (ValueError, re.error) as error:
                self._mistake(f"{place}[{index}]", f"`{phrase}`: {error}")
        return found

    def _formulas(self, group: Any, place: str) -> tuple[str, ...]:
        found = self._strings(group, place)
        for index, pattern in enumerate(found):
            try:
                re.compile(pattern)
            except re.error as error:
                self._mistake(f"{place}[{index}]", f"`{pattern}` is no regular expression: {error}")
        return found

    def _strings(self, value: Any, place: str) -> tuple[str, ...]:
        if isinstance(value, list) and all(isinstance(one, str) and one.strip() for one in value):
            return tuple(value)
        self._mistake(place, "a list of texts is needed")
        return ()

    def _text(self, table: Mapping[str, Any], key: str, place: str = "$") -> str:
        value = table.get(key, "")
        if not isinstance(value, str):
            self._mistake(f"{place}.{key}", "a text is needed")
            return ""
        return value

    def _table(self, value: Any, place: str) -> Mapping[str, Any]:
        if isinstance(value, dict):
            return value
        self._mistake(place, "a table is needed")
        return {}

    def _keys(self, table: Mapping[str, Any], place: str, known: set[str], *, needed: Iterable[str] = ()) -> None:
        for key in table:
            if key not in known:
                self._mistake(f"{place}.{key}", f"unknown; known here: {', '.join(sorted(known))}")
        for key in sorted(set(needed) - set(table)):
            self._mistake(f"{place}.{key}", "is missing")

    def _mistake(self, place: str, what: str) -> None:
        self.mistakes.append(f"{place}: {what}")


# -- matching --------------------------------------------------------------------------------------

_DASHES = str.maketrans(
    {"−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "’": "'", "“": '"', "”": '"', "「": '"', "」": '"'}
)
_INFLECTED = "(?:s|es|d|ed|ing|ly)?(?![a-z])"
_GAP = r"(?:[^.。!?]|\.(?=\d)){0,30}?"  # not beyond the sentence; a decimal point does not end one


def _fold(text: str, traditional: str, simplified: str) -> str:
    """Bring a text to the one form in which it is compared: small letters, simplified characters, plain signs."""
    return _folded(text).translate(str.maketrans(traditional, simplified))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).lower().translate(_DASHES).replace("**", "^").replace("^", "")


@lru_cache(maxsize=4096)
def _phrase(phrase: str) -> str:
    """Turn a phrase into a regular expression; it is not one itself, so a teacher can write it.

    A space also stands for a hyphen or nothing, `…` for anything up to 30 characters, `*` for the rest of a word,
    `(a|b)` for a choice, `?` makes the letter or choice before it optional.

    >>> bool(re.search(_phrase("mini batch"), "a mini-batch of 32"))
    True
    >>> bool(re.search(_phrase("oscillat*"), "使用sgd時oscillates"))
    True
    >>> bool(re.search(_phrase("lr"), "allright"))
    False
    """
    if phrase.count("(") != phrase.count(")"):
        raise ValueError("the parentheses do not match")
    made = {" ": r"[\s-]{0,2}", "…": _GAP, "...": _GAP, "*": "[a-z]*", "(": "(?:", ")": ")", "|": "|", "?": "?"}
    body = "".join(made.get(part) or re.escape(part) for part in re.findall(r"\.\.\.|.", phrase.strip()))
    before = "(?<![a-z])" if re.match(r"[a-z(]", phrase) and re.search(r"^\(*[a-z]", phrase) else ""
    after = _INFLECTED if re.search(r"[a-z]\)*\??$", phrase) else "(?![a-z])" if phrase.endswith("*") else ""
    pattern = f"{before}(?:{body}){after}"
    if re.search(pattern, "") is not None:
        raise ValueError("it matches everything")
    return pattern


@lru_cache(maxsize=512)
def _group(phrases: tuple[str, ...], traditional: str, simplified: str) -> re.Pattern[str]:
    return re.compile("|".join(_phrase(_fold(phrase, traditional, simplified)) for phrase in phrases) or "(?!)")


@lru_cache(maxsize=512)
def _formula(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


class _Matcher:
    """The lexicon ready to search with."""

    def __init__(self, lexicon: Topics) -> None:
        self.lexicon = lexicon
        self.pairs = lexicon.traditional, lexicon.simplified
        self.characters = str.maketrans(*self.pairs)
        self.words = {name: _group(phrases, *self.pairs) for name, phrases in lexicon.words.items()}
        self.names = [(topic.id, _group(topic.names, *self.pairs)) for topic in lexicon.topics]
        self.references = _group(lexicon.references, *self.pairs)
        self.general = _group(lexicon.general, *self.pairs)
        self.aspects = _group(lexicon.aspects, *self.pairs)

    def fold(self, text: str) -> str:
        return _folded(text).translate(self.characters)

    def named(self, folded: str) -> tuple[str, ...]:
        """The topics that a text names, in their order."""
        return tuple(dict.fromkeys(topic for _, _, topic in self._places(folded)))

    def leads(self, folded: str) -> str | None:
        """The topic whose name a paragraph begins with."""
        places = [] if self.turned(folded) else self._places(folded)
        return places[0][2] if places and places[0][0] <= LEAD_LETTERS else None

    def _places(self, folded: str) -> list[tuple[int, int, str]]:
        """Where topics are named; the longer name wins, so "SGD with momentum" is Momentum.

        A namesake is none: "second momentum" is a mean of squares.
        """
        namesakes = self.words.get(NAMESAKES)
        names = [*self.names, *([(NAMESAKES, namesakes)] if namesakes else [])]
        found = [(m.start(), m.end(), topic) for topic, pattern in names for m in pattern.finditer(folded)]
        kept: list[tuple[int, int, str]] = []
        for start, end, topic in sorted(found, key=lambda one: one[0] - one[1]):
            if all(end <= s or start >= e for s, e, _ in kept):
                kept.append((start, end, topic))
        return sorted(one for one in kept if one[2] != NAMESAKES)

    def clauses(self, sentence: _Sentence) -> tuple[_Sentence, ...]:
        """Cut "While SGD …, Momentum …" and "Adagrad …, whereas RMSprop …" in two, outside of a topic's own section.

        "Unlike Adagrad, which …, RMSprop …" stays whole: it tells about one of them.
        """
        folded = sentence.folded
        places = self._places(folded)
        if sentence.section or len({topic for _, _, topic in places}) != 2:
            return (sentence,)
        cut = next(start for start, _, topic in places if topic != places[0][2])
        if not _CLAUSE.search(folded[:cut]) or (self.turned(folded) and not _CONTRAST.match(folded)):
            return (sentence,)
        return tuple(msgspec.structs.replace(sentence, folded=part) for part in (folded[:cut], folded[cut:]))

    def turned(self, folded: str) -> bool:
        """Whether a sentence begins with what it compares with."""
        compared = self.words.get(COMPARED)
        return compared is not None and compared.match(folded) is not None

    def has(self, group: str, folded: str, *, otherwise: bool) -> bool:
        """Whether a word of a group is in a text; `otherwise` where the lexicon has no such group."""
        words = self.words.get(group)
        return otherwise if words is None else words.search(folded) is not None

    def holds(self, rule: str, folded: str) -> bool:
        """Whether a combination of word groups is in a sentence."""
        for part in rule.split("&"):
            name = part.strip()
            if name.startswith("!"):
                if self.words[name[1:].strip()].search(folded):
                    return False
            elif not self.words[name].search(folded):
                return False
        return True


# -- sentences -------------------------------------------------------------------------------------


class _Sentence(Record, frozen=True, kw_only=True):
    """A sentence or heading with its place; `section` is the topic of the heading above it."""

    text: str
    folded: str
    page: int
    bbox: Box
    section: str | None
    heading: bool = False
    resets: bool = False  # a heading after which the topic named last no longer goes on
    opens: bool = False  # the first of its paragraph


class _Said(Record, frozen=True, kw_only=True):
    """What was said about one topic; in `asides` it is named while another is introduced."""

    sentences: list[_Sentence]
    asides: list[_Sentence]


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


def _sentences(lines: Sequence[Line], matcher: _Matcher) -> Iterator[_Sentence]:
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


def _heading(line: Line, bare: str, section: str | None, *, resets: bool) -> _Sentence:
    return _Sentence(
        text=line.text, folded=bare, page=line.page, bbox=line.bbox, section=section, heading=True, resets=resets
    )


def _title(line: Line, bare: str, matcher: _Matcher) -> bool:
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
    line: Line, bare: str, named: tuple[str, ...], section: str | None, size: float, matcher: _Matcher
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


def _split(block: Sequence[Line], section: str | None, matcher: _Matcher) -> Iterator[_Sentence]:
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
                yield _Sentence(
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


def listing(folded: str) -> bool:
    """Whether a text strings keywords together instead of saying something.

    >>> listing("sgd, momentum, learning rate, decay, squared gradient, moving average")
    True
    >>> listing("it divides the rate by the root of the sum, so each step shrinks")
    False
    """
    parts = [part.strip() for part in _PART.split(folded) if part.strip() and "=" not in part]
    han, words = len(_HAN.findall(folded)), len(re.findall(r"[a-z]+", folded))
    if len(parts) >= 5 and sorted(_units(part) for part in parts)[len(parts) // 2] <= 3.7:
        return _glued(" ".join(part for part in parts if _units(part) < CLAUSE_UNITS)) < 0.2
    if han > words:
        return han >= 16 and len(_CHINESE_GLUE.findall(folded)) < 0.04 * han
    return words >= 9 and len(_ENGLISH_GLUE.findall(folded)) < 0.1 * words and "=" not in folded


def _glued(folded: str) -> float:
    """The share of small words that hold a sentence together."""
    han, words = len(_HAN.findall(folded)), len(re.findall(r"[a-z]+", folded))
    if han > words:
        return len(_CHINESE_GLUE.findall(folded)) / han
    return len(_ENGLISH_GLUE.findall(folded)) / max(words, 1)


def _long_parts(sentence: _Sentence) -> Iterator[_Sentence]:
    """What a list says in whole clauses; its keywords count for nothing."""
    for part in _PART.split(sentence.folded):
        if _units(part) >= CLAUSE_UNITS and not listing(part):
            yield msgspec.structs.replace(sentence, folded=part)


def _units(text: str) -> float:
    """How much is said: an English word counts one, a Chinese character 0.6."""
    return len(re.findall(r"[A-Za-z]{2,}", text)) + 0.6 * len(_HAN.findall(text))


# -- judging ---------------------------------------------------------------------------------------


def coverage(report: ReportFacts, topics: Topics) -> tuple[Coverage, ...]:
    """Judge every topic of the lexicon, in its order; from what was recognised where there is no text to read."""
    lines = report.lines if report.outcome == "read" else report.recognised
    if not lines and report.outcome != "read":
        return ()
    matcher = _Matcher(topics)
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


def _attributed(lines: Sequence[Line], matcher: _Matcher) -> tuple[dict[str, _Said], set[str], Sequence[_Sentence]]:
    """Give every sentence to the topics that it tells about; the topics named; what no name or section claims."""
    said = {topic.id: _Said(sentences=[], asides=[]) for topic in matcher.lexicon.topics}
    named: set[str] = set()
    loose: list[_Sentence] = []
    lead: str | None = None
    current: str | None = None
    for sentence in _sentences(lines, matcher):
        names = matcher.named(sentence.folded)
        named.update(names)
        if sentence.heading:
            lead, current = None, sentence.section if sentence.resets else current
            continue
        lead = matcher.leads(sentence.folded) if sentence.opens else lead
        if len(names) >= LIST_TOPICS:
            continue
        for clause in matcher.clauses(sentence) if not listing(sentence.folded) else _long_parts(sentence):
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


def _judged(topic: Topic, said: _Said, named: bool, matcher: _Matcher, *, certain: bool) -> Coverage:
    evidence = tuple(_evidence(topic, said, matcher))
    found = {snippet.concept for snippet in evidence}
    units = 0.0
    if any(matcher.has(SUBJECT, matcher.fold(sentence.text), otherwise=True) for sentence in said.sentences):
        units = sum(map(_units, {sentence.folded for sentence in said.sentences}))
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


def _evidence(topic: Topic, said: _Said, matcher: _Matcher) -> Iterator[Snippet]:
    """The first sentence of every concept; what makes the method is not learned from an aside."""
    for concept in topic.concepts:
        sentences = said.sentences if concept == MECHANISM else [*said.sentences, *said.asides]
        sentence = next((s for s in sentences if _tells(topic, concept, s, matcher)), None)
        if sentence:
            yield _snippet(sentence, concept)
    formula = next((s for s in said.sentences if _has_formula(topic, s.folded)), None)
    if formula:
        yield _snippet(formula, "formula")


def _tells(topic: Topic, concept: str, sentence: _Sentence, matcher: _Matcher) -> bool:
    return any(matcher.holds(rule, sentence.folded) for rule in topic.concepts[concept])


def _snippet(sentence: _Sentence, concept: str) -> Snippet:
    return Snippet(page=sentence.page, bbox=sentence.bbox, text=sentence.text[:QUOTE_LETTERS], concept=concept)


def _has_formula(topic: Topic, folded: str) -> bool:
    bare = re.sub(r"[\s_{}^*·×\\\[\]]", "", folded)
    return any(_formula(pattern).search(bare) for pattern in topic.formulas)


def _questions(topic: Topic, sentences: Sequence[_Sentence], matcher: _Matcher) -> Iterator[Message]:
    for question in topic.questions:
        for sentence in sentences:
            names = matcher.named(sentence.folded)
            if matcher.has(HEARSAY, sentence.folded, otherwise=False):
                continue
            if names in ((), (topic.id,)) and any(matcher.holds(rule, sentence.folded) for rule in question.when):
                yield message(question.id, page=sentence.page, quote=sentence.text[:QUOTE_LETTERS])
                break
