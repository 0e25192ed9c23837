"""Recognises update rules among tokens by what they are made of, since a PDF keeps letters and loses their places.

A formula is what stands around an equals sign. Subscripts are glued to their letters or stand behind them, fractions
lose their line, and exponents come down; what survives is which quantity is made of which. So a formula shows a
mechanism where it has its parts, and never disproves one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from grader.model import Record
from grader.reading.tokens import words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from grader.reading.tokens import Token

LONGEST = 48  # tokens of one side
_GREEK_NAMES = words(
    "alpha beta gamma delta epsilon eps eta theta lambda lam mu rho sigma phi omega nabla partial sum"
    " sqrt root frac cdot times odot leftarrow left right mathbf mathbb text bar hat tilde quad"
)
_PARAMETERS = words("θ theta w x b ω omega β φ ϕ p param params weight weights parameter parameters")
_GRADIENT = words("g ∇ nabla grad grads gradient gradients dw db dx ag gt gi gτ ∂ partial gb gw wgrad bgrad gradl l j")
_SQUARE = frozenset(("2", "²", "square", "squared"))
_ROOT = frozenset(("√", "sqrt", "root", "rms"))
_SUMS = frozenset(("∑", "Σ", "sum", "total", "cumsum"))
_DECAYS = words("α β γ ρ μ λ ν beta gamma rho alpha mu lambda lam decay momentum discount m")
_COEFFICIENTS = words("0.9 0.8 0.5 0.95 0.99 0.999 0.1 0.01 90")
_VELOCITIES = words("v m u p z s d δ ∆ velocity mom movement vt mt vb vw vdw")
_SAMPLED = words("i n k b xi yi batch sample")

_CHINESE_GRADIENT = frozenset("梯微斜坡")  # how its words begin
_ALWAYS_ENDS = ("=", "；", "。", "，", "、")

SHAPES = ("velocity", "squares-summed", "squares-averaged", "rooted", "descent", "sampled")


class Formula(Record, frozen=True, kw_only=True):
    """An equation: what is computed, from what; `adds` marks `+=`."""

    at: int  # the token of the equals sign
    left: tuple[str, ...]
    right: tuple[str, ...]
    adds: bool = False
    takes: bool = False


def formulas(said: Sequence[Token]) -> Iterator[Formula]:
    """The equations of a sentence, or of the lines of one."""
    for index, token in enumerate(said):
        if token.text != "=" or index == 0:
            continue
        sign = said[index - 1].text
        before = index - 1 if sign in "+-:" else index
        left = _side(said[max(0, before - 8) : before][::-1])[::-1]
        right = _side(said[index + 1 : index + 1 + LONGEST])
        if left and right:
            yield Formula(at=index, left=left, right=right, adds=sign == "+", takes=sign == "-")


def _side(row: Sequence[Token]) -> tuple[str, ...]:
    """The symbols up to where words or another equation begin."""
    found: list[str] = []
    depth = 0
    for token in row:
        depth += (token.text in "([") - (token.text in ")]")
        if token.text in _ALWAYS_ENDS or (token.text in ",.;" and depth <= 0) or _prose(token):
            break
        found.append(token.text)
    if len(found) < len(row) and row[len(found)].text in _CHINESE_GRADIENT:
        found.append("gradient")
    return tuple(found)


def _prose(token: Token) -> bool:
    if token.kind == "han":
        return True
    if token.kind != "word" or len(token.text) <= 3:
        return token.text in ("the", "and", "are", "is", "so", "for", "we", "of", "to", "in", "it")
    known = _GREEK_NAMES | _PARAMETERS | _GRADIENT | _ROOT | _SUMS | _VELOCITIES | _DECAYS | _SQUARE
    return token.text not in known and token.text not in (
        "cache",
        "history",
        "learning",
        "rate",
        "mean",
        "last",
        "previous",
    )


def shapes(formula: Formula) -> frozenset[str]:
    """What an equation shows, by its parts."""
    right = formula.right
    letter = _base(formula.left)
    again = formula.adds or formula.takes or any(_same(symbol, letter) for symbol in right)
    slope = any(symbol in _GRADIENT or symbol.endswith("grad") for symbol in right)
    squares = _squares(right)
    rooted = any(symbol in _ROOT for symbol in right)
    decayed = _decayed(right)
    average = _average(right)
    parameter = letter in _PARAMETERS and not (letter in "βpb" and letter in _VELOCITIES)
    found = set[str]()
    if again and slope and not squares and not rooted and (decayed or average) and not _only_descends(letter):
        found.add("velocity")
    if squares and again and not average and not decayed and not rooted and ("+" in right or formula.adds):
        found.add("squares-summed")
    if squares and rooted and not average and (any(symbol in _SUMS for symbol in right) or squares > 1):
        found.add("squares-summed")
    if squares and average:
        found.add("squares-averaged")
    if rooted and slope:
        found.add("rooted")
    if parameter and again and slope and ("-" in right or formula.takes):
        found.add("descent")
        if any(symbol in _SAMPLED for symbol in right[1:]) and not rooted:
            found.add("sampled")
    return frozenset(found)


def _base(left: Sequence[str]) -> str:
    """The quantity on the left without its subscript."""
    words = [symbol for symbol in left if symbol.isalpha() and symbol not in ("text", "mathbf", "mathbb")]
    return words[0] if words else ""


def _same(symbol: str, letter: str) -> bool:
    """Whether a symbol is the quantity, with or without a subscript glued to it."""
    if not letter:
        return False
    return symbol == letter or (len(letter) <= 2 and len(symbol) <= 3 and symbol[0] == letter[0] and symbol.isalpha())


def _squares(right: tuple[str, ...]) -> int:
    """How many quantities are squared; an exponent may be glued to a subscript, as in g1²."""
    return sum(
        (symbol in _SQUARE or (len(symbol) > 1 and symbol.isdigit() and symbol.endswith("2")))
        and index > 0
        and right[index - 1] not in "+-*/="
        for index, symbol in enumerate(right)
    ) + sum(
        symbol in _GRADIENT and (right[index + 1] == symbol or right[index + 1 : index + 3] == ("⊙", symbol))
        for index, symbol in enumerate(right[:-1])
    )


def _decayed(right: Sequence[str]) -> bool:
    """Whether a coefficient below one stands in it, by name or number."""
    return any(symbol in _DECAYS or symbol in _COEFFICIENTS for symbol in right)


def _average(right: Sequence[str]) -> bool:
    """Whether two shares that make one stand in it: ρ and 1 - ρ, or 0.9 and 0.1."""
    for index in range(len(right) - 2):
        if (
            right[index] == "1"
            and right[index + 1] == "-"
            and (right[index + 2] in _DECAYS or right[index + 2] in _COEFFICIENTS)
        ):
            return True
    return {"0.9", "0.1"} <= set(right) or {"0.99", "0.01"} <= set(right)


def _only_descends(letter: str) -> bool:
    """Whether it is w = w - rate * gradient, in which the coefficient is the rate."""
    return letter in _PARAMETERS and letter not in _VELOCITIES
