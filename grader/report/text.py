"""Repairs text as PDFs give it, tells its language, and says whether it can be text at all."""

from __future__ import annotations

import re
import unicodedata

# Radicals that a browser's "save as PDF" puts in place of the characters, and that NFKC leaves alone.
_RADICALS = str.maketrans(
    "⺁⺃⺄⺅⺆⺇⺈⺉⺊⺋⺌⺍⺎⺏⺐⺑⺒⺓⺔⺕⺖⺗⺘⺙⺛⺜⺝⺞⺠⺡⺢⺣⺤⺥⺧⺨⺩⺫⺬⺭⺮⺰⺱⺷⺹⺼⺽⺾⻁⻂⻃⻄⻅⻆⻇⻈⻉⻊⻋⻌⻎⻏⻐⻑⻒⻓⻔⻕⻖⻗⻘⻙⻚⻛⻜⻝⻟⻠⻡⻢⻣⻤⻥⻦⻧⻨⻩⻪⻬⻮⻰⻲",
    "厂乚乙亻冂几刀刂卜㔾小小兀尢尣尢巳幺彑彐忄心扌攵旡日月歹民氵氺灬爪爫牛犭王目示礻竹纟罓羊耂肉臼艹虎衤覀西见角角讠贝足车辶辶邑钅長镸长门阜阝雨青韦页风飞食食饣首马骨鬼鱼鸟卤麦黄黾齐齿龙龟",
)
# Compatibility letters; superscripts and Chinese punctuation stay as the student wrote them.
_COMPATIBLE = re.compile(
    "[\u2f00-\u2fdf\uf900-\ufaff\ufb00-\ufb06\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\uff1d\U0001d400-\U0001d7ff\U0002f800-\U0002fa1f]"
)
_SPACES = re.compile(r"\s+")
_SOFT = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff\u200e\u200f"))
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_LATIN_WORD = re.compile(r"[a-z]+")
_WIDE = r"[\u3000-\u303f\u3400-\u4dbf\u4e00-\u9fff\uff00-\uffef]"
_BETWEEN_HAN = re.compile(f"(?<={_WIDE}) (?={_WIDE})")

# The commonest characters in such essays, both scripts: 0.40 to 0.44 of honest text, 0.01 of wrongly decoded text.
_COMMON_HAN = frozenset(
    "的一是不了在人有我他這这個个們们中來来上大為为和國国地到以說说時时要就出會会可也你對对生能而子那得於于著着下自之年過过發发後后作裡里"
    "用道行所然家種种事成方多經经麼么去法學学如都同現现當当沒没動动面起看定天分還还進进好小部其些主樣样理心本前開开但因只從从想"
    "數数率更新每次度值點点參变變量損损失訓训練练算更大越加使最與与或及將将此等"
)
# Pairs that any essay holds, 0.03 and more a character; next to none where letters are mapped at random.
_COMMON_PAIRS = re.compile(
    "可以|因為|因为|所以|但是|這樣|这样|我們|我们|一個|一个|如果|就是|不會|不会|沒有|没有|因此|或者|時候|时候|比較|比较|方法|問題|问题|使用|以及"
    "|其中|由於|由于|需要|可能|例如|另外|每次|什麼|什么|自己|結果|结果|最後|最后|開始|开始|已經|已经|目前|不同|一般|這個|这个|那麼|那么|雖然|虽然"
    "|不過|不过|而且|並且|并且|透過|通过|進行|进行|對於|对于|關於|关于|就會|就会|也會|也会|都會|都会|這些|这些|之後|之后|之前|作為|作为|認為|认为"
    "|知道|出現|出现|發現|发现|相同|大小|方向|速度|資料|数据|數據|計算|计算|公式|參數|参数|更新|梯度|學習|学习|訓練|训练|函數|函数|一次|一步|每個|每个"
    "|過去|过去|現在|现在|越來|越来|優點|优点|缺點|缺点|介紹|介绍|報告|报告|作業|作业"
)
_COMMON_WORDS = re.compile(
    "the|of|and|to|in|a|is|that|for|it|as|with|on|by|we|this|are|be|at|from|an|which|or|can|not|so|if|but|has|have|was"
    "|will|its|when|la|le|les|de|des|et|en|un|une|est|el|los|las|y|que|der|die|das|und|ist|ein|eine|il|di|che|e|per|os|do"
)
_TRADITIONAL = frozenset(
    "這個們來為國說時會對於過發後裡種經麼學現當沒動還進樣開從數參變損訓練與將機減權導資樣據歷歸優點斷續應該讓難題圖線實驗結論設計較間題"
)
_SIMPLIFIED = (
    frozenset(
        "这个们来为国说时会对于过发后里种经么学现当没动还进样开从数参变损训练与将机减权导资样据历归优点断续应该让难题图线实验结论设计较间题"
    )
    - _TRADITIONAL
)

# Words that keywords and notes about the subject hold, where small words are left out.
_SUBJECT_WORDS = frozenset(
    (
        *(
            "gradient",
            "gradients",
            "descent",
            "learning",
            "rate",
            "update",
            "updates",
            "weight",
            "weights",
            "parameter",
        ),
        *(
            "parameters",
            "loss",
            "batch",
            "random",
            "sample",
            "momentum",
            "velocity",
            "adagrad",
            "rmsprop",
            "sgd",
            "root",
        ),
        *("square", "squared", "sum", "average", "step", "data", "training", "converge", "convergence", "optimizer"),
    )
)
OTHER_LETTERS = 0.2  # to the plain ones; Greek in formulas is less
MIXED = 0.25  # of one script to the other, from which both count

LEAST_CHARACTERS = 60  # fewer on the whole report are a title, not an introduction
LEAST_HAN_COMMON = 0.15
LEAST_HAN_PAIRS = 0.02
PAIRS_FROM = 120  # characters; fewer may hold no such pair by chance
LEAST_WORDS_COMMON = 0.08
MOST_UNMAPPED = 0.15


def repaired(text: str) -> str:
    """Undo what PDFs do to text: radicals, ligatures, wide and mathematical letters, soft hyphens.

    >>> repaired("⽅向 ⻑度 ﬁnd ＳＧＤ 𝜃")
    '方向長度 find SGD θ'
    """
    text = unicodedata.normalize("NFC", text.translate(_SOFT)).translate(_RADICALS)
    text = _COMPATIBLE.sub(lambda found: unicodedata.normalize("NFKC", found.group()), text)
    text = "".join(letter if letter.isprintable() or letter == " " else " " for letter in text)
    return _BETWEEN_HAN.sub("", _SPACES.sub(" ", text)).strip()


def joined(lines: list[str]) -> str:
    """Join the lines of a paragraph: hyphenated words mended, no space between Chinese characters.

    >>> joined(["the Ada-", "grad method", "使用動", "量"])
    'the Adagrad method 使用動量'
    """
    text = ""
    for line in lines:
        if re.search(r"[A-Za-z]-$", text) and re.match(r"[a-z]", line):
            text = text[:-1] + line
        else:
            text = f"{text} {line}" if text else line
    return repaired(text)


# Small words that tell languages written in Latin letters apart; none is also an English one.
_SMALL_WORDS = {
    "fr": frozenset(
        ("le", "la", "les", "des", "et", "une", "est", "que", "dans", "du", "pour", "qui", "sur", "pas", "cette")
    ),
    "de": frozenset(
        ("der", "die", "das", "und", "ist", "ein", "eine", "nicht", "mit", "zu", "auf", "wird", "den", "von")
    ),
    "es": frozenset(("el", "los", "las", "y", "que", "del", "una", "es", "por", "con", "para", "se", "como", "al")),
}
_ENGLISH_WORDS = frozenset(
    ("the", "of", "and", "to", "is", "a", "in", "that", "it", "for", "as", "with", "by", "this", "are")
)
LANGUAGE_NAMES = {"ja": "日本語", "ko": "한국어", "fr": "français", "de": "Deutsch", "es": "español"}
LEAST_FOREIGN = 0.3  # of the letters, in kana or hangul; a Japanese text has 0.5 and more


def other_language(text: str) -> str:
    """The language of a text that is neither Chinese nor English, or nothing.

    >>> other_language("勾配降下法は、損失関数の勾配を計算して、パラメータを更新する方法です。")
    'ja'
    >>> other_language("SGD 每次隨機抽一筆資料。"), other_language("the gradient of the loss")
    ('', '')
    """
    letters = [letter for letter in text if letter.isalpha()]
    kana = sum("\u3041" <= letter <= "\u30fa" for letter in letters)
    hangul = sum("\uac00" <= letter <= "\ud7a3" for letter in letters)
    for language, count in (("ja", kana), ("ko", hangul)):
        if count > LEAST_FOREIGN * len(letters):
            return language
    words = _LATIN_WORD.findall(text.lower())
    english = sum(word in _ENGLISH_WORDS for word in words)
    counts = {language: sum(word in small for word in words) for language, small in _SMALL_WORDS.items()}
    most = max(counts, key=lambda language: counts[language])
    return (
        most
        if counts[most] > max(2 * english, LEAST_WORDS_COMMON * len(words)) and len(words) > len(letters) / 10
        else ""
    )


def languages(text: str) -> tuple[str, ...]:
    """Tell the languages of a text, the most used first; Chinese by its script."""
    han = len(_HAN.findall(text))
    latin = len(_LATIN_WORD.findall(text.lower()))
    shares: dict[str, float] = {}
    if latin and latin > 0.15 * (han + latin):
        shares["en"] = float(latin)
    if han and han > 0.15 * (han + latin):
        old, new = (sum(letter in script for letter in text) for script in (_TRADITIONAL, _SIMPLIFIED))
        shares["zh-Hans" if new > old else "zh-Hant"] = han * 0.6
    return tuple(sorted(shares, key=lambda language: -shares[language]))


def readable(text: str) -> bool:
    """Say whether a text layer can be what the page shows: enough of it, mapped to letters, with common words.

    A wrong mapping gives plausible letters in an order that no language has.
    """
    text = text.strip()
    letters = [letter for letter in text if not letter.isspace()]
    if len(letters) < LEAST_CHARACTERS:
        return False
    lost = 6 * text.count("(cid:") + sum(
        unicodedata.category(letter) in ("Co", "Cn", "Cc", "Cs") or letter == "\ufffd" for letter in letters
    )
    if lost > MOST_UNMAPPED * len(letters):
        return False
    return _words_common(text) or bool(other_language(text))


def _words_common(text: str) -> bool:
    """Whether the larger part of a text holds common words; of one that mixes two scripts, either part may tell."""
    han = _HAN.findall(text)
    words = _LATIN_WORD.findall(text.lower())
    mixed = MIXED * len(words) <= len(han) * 0.6 <= len(words) / MIXED
    if mixed and _han_common(han):
        return _han_paired(han, text) or _latin_common(words, text)
    if len(han) * 0.6 >= len(words):
        return _han_common(han) and _han_paired(han, text)
    return _latin_common(words, text)


def _han_common(han: list[str]) -> bool:
    return sum(letter in _COMMON_HAN for letter in han) >= LEAST_HAN_COMMON * len(han)


def _han_paired(han: list[str], text: str) -> bool:
    return len(han) < PAIRS_FROM or len(_COMMON_PAIRS.findall(text)) >= LEAST_HAN_PAIRS * len(han)


def _latin_common(words: list[str], text: str) -> bool:
    """Whether words are those of a text, or at least those of this subject: a row of keywords has no small words."""
    if len(words) < 25:
        return bool(words)
    common = sum(_COMMON_WORDS.fullmatch(word) is not None for word in words)
    others = [letter for letter in text if letter.isalpha() and not letter.isascii() and not _HAN.match(letter)]
    if len(others) <= OTHER_LETTERS * sum(map(len, words)):  # else it is wrongly mapped text around a few names
        common += sum(word in _SUBJECT_WORDS for word in words)
    return common >= LEAST_WORDS_COMMON * len(words)
