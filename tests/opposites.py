"""Turns what passages say into its opposite: denied, reversed, told of another method, without verbs.

The turned text is small letters and simplified characters, as the reading room compares them; the judge cannot tell.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from grader.reading import sentence_ends

if TYPE_CHECKING:
    from collections.abc import Iterator

    from grader.coverage.matcher import Matcher, Read

ORDER = ("sgd", "momentum", "adagrad", "rmsprop")
TITLES = {"sgd": "SGD", "momentum": "Momentum", "adagrad": "Adagrad", "rmsprop": "RMSprop"}
_HAN = re.compile(r"[\u3400-\u9fff]")
_HELPERS = frozenset(("is", "are", "was", "were", "can", "will", "has", "have", "had", "must"))
# Chinese words before which 不 denies a clause; others may be half of another word.
_DENIABLE = re.compile(
    "会|把|将|让|使用|用|抽取|选取|抽|取|计算|加上|累积|累加|累计|乘以|乘上|乘|除以|保留|更新|考虑|引入|采用|维护|记录|记住"
    "|是|可以|能|给|看|随机"
)
# What makes a method, and its opposite; a passage in which nothing stands is not turned.
REVERSALS: dict[str, tuple[tuple[str, str], ...]] = {
    "sgd": (
        (
            r"\b(a|one|each|every|only one|a single)( randomly chosen| random| single)?( training)? (sample|example)\b",
            "the whole training set",
        ),
        (r"\b(a |each |every |the )?(small |random |randomly chosen )*mini-?batch(es)?\b", "the entire training set"),
        (
            r"(随机)?(抽|取|选取|抽取|拿|用|看|挑)?(出)?(一|单|1)(个|笔|条)(随机)?(的)?(样本|资料|数据|example)",
            "使用全部的训练数据",
        ),
        (r"一(个)?小批(量|次)?(的)?(随机)?(样本|资料|数据)?", "全部的训练数据"),
    ),
    "momentum": (
        (r"\b(adds|keeps|remembers|retains|accumulates|combines)\b", "ignores"),
        (r"\b(added|kept|remembered|accumulated)\b", "ignored"),
        (r"\b(faster|accelerates?|speeds up)\b", "slows down the convergence"),
        (r"\b(damps?|reduces?|suppress(es)?) (the )?oscillations?\b", "amplifies the oscillation"),
        (r"(保留|累积|累加|加上|记住|延续|考虑)(了|着)?", "不考虑"),
        (r"(减少|减小|抑制|降低|减轻)(了)?(震荡|摆动|抖动)", "增加震荡"),
        (r"(加速|加快)(收敛)?", "减慢收敛"),
    ),
    "adagrad": (
        (r"\b(divides?|divided|dividing)\b", "multiplies"),
        (r"\b(shrinks?|decreases?|falls|vanish(es)?|decays?)\b", "grows larger and larger"),
        (r"\bsums? of\b", "moving average of"),
        (r"\b(accumulates|sums up|adds up)\b", "keeps a moving average of"),
        (
            r"(学习率|步长|步伐|步子)(会|就|则|也)*(越来越|不断|逐渐|一直|变得)*(变小|小|减小|下降|衰减)",
            "学习率越来越大",
        ),
        (r"(累加|累积|累计|加总|加起来)", "做移动平均"),
    ),
    "rmsprop": (
        (
            r"\b(an? )?(exponential(ly)? )?(decaying |weighted |moving |running |leaky )+(average|mean)( of)?\b",
            "the sum of all the past",
        ),
        (r"\b(forgets?|forgotten|fades?( away| out)?|discards?)\b", "never forgets"),
        (r"(指数)?(加权|衰减|移动|滑动)+(移动)?(的)?平均(值)?", "从头到现在全部的总和"),
        (r"(被)?(遗忘|忘记|忘掉|丢弃|淡出)", "永远不会忘记"),
    ),
}


def denied_as_a_whole(text: str) -> str:
    """Every sentence called untrue."""
    return "\n".join(_untrue(line) for line in text.splitlines())


def _untrue(line: str) -> str:
    if line.startswith("#"):
        return line
    ends = [0, *sentence_ends(line), len(line)]
    said = [line[start:end].strip() for start, end in pairwise(ends)]
    return "".join(
        ("以下說法是錯的：" if _HAN.search(one) else "It is not true that ") + one + " " for one in said if one
    )


def denied_by_verb(text: str, matcher: Matcher) -> str:
    """The first verb of every clause denied, denials lifted; an equation cannot be denied and is left out."""
    return _capital("\n".join(line if line.startswith("#") else _denied(line, matcher) for line in text.splitlines()))


def _denied(line: str, matcher: Matcher) -> str:
    read = matcher.read(line)
    if "=" in read.folded:
        return ""
    verbs = {hit[0][0] for hit in read.found.get("·verb", ())}
    lifted = {i for name in ("·denial", "·instead") for hit in read.found.get(name, ()) for i in range(*hit[0])}
    made, at, done = "", 0, False
    for index, token in enumerate(read.said):
        if token.kind == "sign" and token.text in ",.;:!?，。；：！？":
            done = False
        if index in lifted:
            made, at, done = made + read.folded[at : token.start], token.end, True
        elif not done and token.kind == "word" and index in verbs:
            helper = token.text in _HELPERS
            made += read.folded[at : token.end if helper else token.start] + (" not" if helper else "does not ")
            at, done = token.end if helper else token.start, True
        elif not done and token.kind == "han" and _DENIABLE.match(read.folded, token.start):
            made, at, done = made + read.folded[at : token.start] + "不", token.start, True
    return made + read.folded[at:]


def reversed_(text: str, topic: str) -> str | None:
    """The mechanism and its effect turned round; None where none of the known wordings stands."""
    turned = text.lower()
    for pattern, other in REVERSALS[topic]:
        turned = re.sub(pattern, other, turned)
    return _capital(turned) if turned != text.lower() else None


def exchanged(text: str, matcher: Matcher, by: int) -> str:
    """The methods' names exchanged: each for the one that stands so many places behind it."""
    return _capital(
        "\n".join(_renamed(matcher.read(line, title=line.startswith("#")), by) for line in text.splitlines())
    )


def other(topic: str, by: int) -> str:
    """The topic whose name an exchanged passage bears."""
    return ORDER[(ORDER.index(topic) + by) % len(ORDER)]


def _renamed(read: Read, by: int) -> str:
    made, at = "", 0
    for start, end, topic in read.places:
        made += read.folded[at : read.said[start].start] + TITLES[other(topic, by)]
        at = read.said[end - 1].end
    return made + read.folded[at:]


def without_verbs(text: str, matcher: Matcher) -> str:
    """Every verb that the reading room knows removed, and equations with them."""
    return _capital("\n".join("".join(_verbless(line, matcher)) for line in text.splitlines()))


def _verbless(line: str, matcher: Matcher) -> Iterator[str]:
    if line.startswith("#"):
        yield line
        return
    read = matcher.read(line)
    gone = {i for group in ("·verb", "·imperative") for hit in read.found.get(group, ()) for i in range(*hit[0])}
    at = 0
    for index, token in enumerate(read.said):
        if index in gone:
            yield read.folded[at : token.start]
            at = token.end
    yield read.folded[at:]


def _capital(text: str) -> str:
    """Sentences begin with a capital again, so that they are told apart."""
    return re.sub(r"(^|[.!?]\s+)([a-z])", lambda found: found[1] + found[2].upper(), text, flags=re.MULTILINE)
