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

LEAST_CHARACTERS = 60  # fewer on the whole report are a title, not an introduction
LEAST_HAN_COMMON = 0.15
LEAST_WORDS_COMMON = 0.08
MOST_UNMAPPED = 0.15


def repaired(text: str) -> str:
    """Undo what PDFs do to text: radicals, ligatures, wide and mathematical letters, soft hyphens.

    >>> repaired("⽅向 ⻑度 ﬁnd ＳＧＤ 𝜃")
    '方向 長度 find SGD θ'
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
    return _words_common(text)


def _words_common(text: str) -> bool:
    han = _HAN.findall(text)
    words = _LATIN_WORD.findall(text.lower())
    if len(han) * 0.6 >= len(words):
        return bool(han) and sum(letter in _COMMON_HAN for letter in han) >= LEAST_HAN_COMMON * len(han)
    if len(words) < 25:
        return bool(words)
    return sum(_COMMON_WORDS.fullmatch(word) is not None for word in words) >= LEAST_WORDS_COMMON * len(words)
