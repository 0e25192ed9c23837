"""Turns a sentence into tokens: words, numbers, single Chinese characters and signs, in one linear pass.

Whatever script and spelling it was written in, a text is compared in one form: small letters, simplified characters,
plain signs. Every Chinese and every Greek character is a token of its own, so no expression has to guess where words
end beside them.
"""

from __future__ import annotations

import unicodedata

from grader.model import Record

LETTERS_APART = 4  # single letters in a row that are one word, set apart for show

_SIGNS = str.maketrans(
    {
        **dict.fromkeys("−–—‐‑﹣", "-"),
        **dict.fromkeys("’‘ʼ", "'"),
        **dict.fromkeys("“”「」『』", '"'),
        **dict.fromkeys("←⟵≔", "="),
        "∕": "/",
        "⋅": "·",
    }
)
_SILENT = frozenset("_{}^*\\$`")


class Token(Record, frozen=True, kw_only=True):
    """One word, number, character or sign, and where it stands in the folded text."""

    text: str
    start: int
    end: int
    kind: str = "word"

    @property
    def units(self) -> float:
        """How much it says: a word counts one, a Chinese character 0.6."""
        return {"word": 1.0 if len(self.text) > 1 else 0.0, "han": 0.6}.get(self.kind, 0.0)


def fold(text: str, characters: dict[int, str] | None = None) -> str:
    """Bring a text to the one form in which it is compared.

    >>> fold("ＳＧＤ’s g² − 學", {ord("學"): "学"})
    "sgd's g2 - 学"
    """
    folded = unicodedata.normalize("NFKC", text.translate(_SIGNS)).lower().translate(_SIGNS)
    folded = folded.replace("**", "")
    return folded.translate(characters) if characters else folded


def tokens(folded: str) -> tuple[Token, ...]:
    """Cut a folded text; hyphens inside of words part them, and an apostrophe parts what it adds.

    >>> [token.text for token in tokens("adagrad's mini-batch isn't 0.9 of 小批, v_{t-1}")]
    ['adagrad', "'s", 'mini', 'batch', 'is', "n't", '0.9', 'of', '小', '批', ',', 'v', 't', '-', '1']
    >>> [token.text for token in tokens("a d a g r a d")]
    ['adagrad']
    """
    found: list[Token] = []
    at = 0
    while at < len(folded):
        letter = folded[at]
        end = _end(folded, at)
        if _latin(letter):
            found += _word(folded, at, end)
        elif letter.isdigit() or (letter == "." and end > at + 1):
            found.append(Token(text=_number(folded[at:end]), start=at, end=end, kind="number"))
        elif letter.isalpha():
            found.append(Token(text=letter, start=at, end=end, kind="han" if han(letter) else "letter"))
        elif not letter.isspace() and letter not in _SILENT and not _hyphen(folded, at):
            found.append(Token(text=letter, start=at, end=end, kind="sign"))
        at = end
    return tuple(_rejoined(found))


def words(text: str) -> frozenset[str]:
    """The set of the words of a text, as a table of them is written."""
    return frozenset(text.split())


def han(letter: str) -> bool:
    """Whether a character is Chinese."""
    return "\u3400" <= letter <= "\u9fff"


def _latin(letter: str) -> bool:
    return "a" <= letter <= "z" or "à" <= letter <= "ÿ"


def _end(folded: str, at: int) -> int:
    letter, end = folded[at], at + 1
    if _latin(letter):
        while end < len(folded) and (_latin(folded[end]) or _apostrophe(folded, end)):
            end += 1
    elif letter.isdigit() or (letter == "." and end < len(folded) and folded[end].isdigit()):
        if letter == "." and at and (folded[at - 1].isalnum() or folded[at - 1] == "."):
            return end
        while end < len(folded) and (folded[end].isdigit() or _point(folded, end)):
            end += 1
    return end


def _apostrophe(folded: str, at: int) -> bool:
    return folded[at] == "'" and at + 1 < len(folded) and _latin(folded[at + 1])


def _point(folded: str, at: int) -> bool:
    return folded[at] == "." and at + 1 < len(folded) and folded[at + 1].isdigit()


def _hyphen(folded: str, at: int) -> bool:
    """A hyphen between two letters; between blanks or numbers it is a dash or a minus."""
    near = folded[at - 1 : at], folded[at + 1 : at + 2]
    return folded[at] == "-" and all(side and _latin(side) for side in near)


def _number(text: str) -> str:
    return f"0{text}" if text.startswith(".") else text


def _word(folded: str, start: int, end: int) -> list[Token]:
    text = folded[start:end]
    mark = text.find("'")
    if mark < 0 or text == "n't":
        return [Token(text=text, start=start, end=end)]
    cut = mark - 1 if text.endswith("n't") and mark > 1 else mark
    return [
        Token(text=text[:cut], start=start, end=start + cut),
        Token(text=text[cut:], start=start + cut, end=end),
    ]


def _rejoined(found: list[Token]) -> list[Token]:
    """Words that were set apart letter by letter, as one token each."""
    made: list[Token] = []
    row: list[Token] = []
    for token in [*found, Token(text="", start=-9, end=-9, kind="end")]:
        if token.kind == "word" and len(token.text) == 1 and (not row or token.start == row[-1].end + 1):
            row.append(token)
            continue
        made += _row(row)
        row = [token] if token.kind == "word" and len(token.text) == 1 else []
        made += [] if row or token.kind == "end" else [token]
    return made


def _row(row: list[Token]) -> list[Token]:
    if len(row) < LETTERS_APART:
        return row
    return [Token(text="".join(token.text for token in row), start=row[0].start, end=row[-1].end)]
