"""Reading: tokens, phrases among them, statements, formulas; and that its work grows with the text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lines_run import lines_run

from grader.reading import GRAMMAR, Phrases, Subjects, fold, formulas, meant, parts, shapes, statements, tokens

PHRASES = Phrases({**GRAMMAR, "own": ("sgd",), "other": ("gd",)})


def said(text: str) -> list[str]:
    return [token.text for token in tokens(fold(text))]


def parted(text: str) -> list[tuple[str, str]]:
    """The statements of a sentence, each with how it is held."""
    row = tokens(fold(text))
    found = PHRASES.find(row)
    subjects = Subjects(
        own=tuple(hit[0] for hit in found.get("own", ())), others=tuple(hit[0] for hit in found.get("other", ()))
    )
    kept = []
    for part in statements(row, found, subjects)[0]:
        marks = [name for name in ("denied", "hearsay", "supposed", "listed") if getattr(part, name)]
        marks += [part.whose] if part.whose != "own" else []
        kept.append((" ".join(token.text for token in row[part.start : part.end]), " ".join(marks)))
    return kept


def held(text: str, words: str) -> str:
    """How the statement that holds some words is held."""
    return next(marks for part, marks in parted(text) if words in part)


# -- tokens --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("使用SGD時", ["使", "用", "sgd", "時"]),
        ("mini-batch", ["mini", "batch"]),
        ("don't", ["do", "n't"]),
        ("ＲＭＳｐｒｏｐ", ["rmsprop"]),
        (".9 or 0.9", ["0.9", "or", "0.9"]),
        ("v_{t−1}", ["v", "t", "-", "1"]),
        ("A d a g r a d", ["adagrad"]),
        ("w, x, y, z, b", ["w", ",", "x", ",", "y", ",", "z", ",", "b"]),
        ("g² + ρ", ["g", "2", "+", "ρ"]),
    ],
)
def test_a_text_is_cut_where_a_reader_cuts_it(text: str, expected: list[str]) -> None:
    assert said(text) == expected


@given(st.text(max_size=200))
def test_every_token_stands_where_it_says(text: str) -> None:
    folded = fold(text)
    places = [(token.start, token.end) for token in tokens(folded)]

    assert places == sorted(places)
    assert all(0 <= start < end <= len(folded) for start, end in places)


@pytest.mark.parametrize(
    ("word", "name"),
    [("mementum", "momentum"), ("adgrad", "adagrad"), ("rmsporp", "rmsprop"), ("stocastic", "stochastic")],
)
def test_a_slip_of_the_pen_is_the_word_that_was_meant(word: str, name: str) -> None:
    assert meant(word, frozenset({"momentum", "adagrad", "rmsprop", "stochastic"})) == name


@pytest.mark.parametrize("word", ["moments", "momentary", "adagradient", "gradual", "sgdx", "statistic"])
def test_another_word_is_not_taken_for_a_slip(word: str) -> None:
    assert meant(word, frozenset({"momentum", "adagrad", "rmsprop", "stochastic"})) == word


# -- phrases -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phrase", "text", "found"),
    [
        ("mini batch", "a minibatch", True),
        ("mini batch", "mini-batches", True),
        ("oscillat*", "使用sgd時oscillates", True),
        ("lr", "allright", False),
        ("(each|every)…rate", "each parameter has its own rate", True),
        ("(each|every)…rate", "each of the many parameters that a network has gets a rate", False),
        ("移動平均", "指数移動平均", True),
        ("colou?r", "color", True),
    ],
)
def test_a_phrase_is_found_as_a_teacher_means_it(phrase: str, text: str, found: bool) -> None:
    assert bool(Phrases({"group": (phrase,)}).find(tokens(fold(text)))) is found


@pytest.mark.parametrize("phrase", ["half (open", "shut)", "", "a?", "(a|…b)", "…rate"])
def test_a_phrase_that_cannot_be_meant_is_refused(phrase: str) -> None:
    with pytest.raises(ValueError, match=r"parenthes|everything"):
        parts(phrase)


@pytest.mark.parametrize("phrase", [phrase for phrases in GRAMMAR.values() for phrase in phrases])
def test_every_phrase_of_the_grammar_can_be_read(phrase: str) -> None:
    assert parts(fold(phrase))


# -- statements ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words", "marks"),
    [
        ("SGD does not use one sample", "use one sample", "denied"),
        ("SGD uses one sample instead of all data", "all data", "denied"),
        ("SGD uses one sample instead of all data", "uses one sample", ""),
        ("instead of all data SGD uses one sample", "uses one sample", ""),
        ("SGD does not use all data but one sample", "one sample", ""),
        ("SGD uses not only one sample", "one sample", ""),
        ("SGD does not depend only on the slope", "slope", ""),
        ("SGD 不使用全部資料，而是一筆", "一 筆", ""),
        ("SGD 不使用全部資料，而是一筆", "全 部", "denied"),
        ("SGD 不斷更新參數", "更 新", ""),
        ("並不是隨機抽一筆", "抽 一 筆", "denied"),
        ("SGD 完全不累積速度", "累 積", "denied"),
        ("many people think that the rate grows", "rate grows", "hearsay"),
        ("many people think that it grows, but the rate shrinks", "shrinks", ""),
        ("does SGD use one sample?", "one sample", "hearsay"),
        ("if all data were used it would be slow", "all data", "supposed"),
        ("GD uses all data, SGD uses one sample", "all data", "other"),
        ("GD uses all data, SGD uses one sample", "one sample", ""),
        ("Unlike GD, which uses all data, SGD takes one", "uses all data", "other"),
        ("GD sums the loss, and then it moves", "it moves", "unsure"),
        ("GD uses everything, which costs time", "costs time", "other"),
        ("SGD is better than GD, since it is fast", "fast", ""),
    ],
)
def test_a_statement_is_held_as_it_was_meant(text: str, words: str, marks: str) -> None:
    assert held(text, words) == marks


def test_a_row_of_keywords_is_listed_and_a_row_of_short_clauses_is_not() -> None:
    assert held("gradient, update, learning rate, random, noise", "random") == "listed"
    assert held("隨手抓一筆資料來看看坡往哪邊斜，就走一步，所以便宜，但方向有誤差，走起來搖搖晃晃", "走 一 步") == ""


# -- formulas ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("v ← γv + ηg", "velocity"),
        ("m_t = β m_{t−1} + (1−β) g_t", "velocity"),
        ("v = 0.9 * v - lr * grad", "velocity"),
        ("Δθ_t = γ Δθ_{t-1} - η ∇J(θ)", "velocity"),
        ("s += g ** 2", "squares-summed"),
        ("G = G + g ⊙ g", "squares-summed"),
        ("lr_b = lr_b + b_grad**2", "squares-summed"),
        ("w = w − η/√(g0² + g1² + g2²) g", "squares-summed"),
        ("s ← ρs + (1−ρ)g²", "squares-averaged"),
        ("E[g²]t = 0.9 E[g²]t−1 + 0.1 gt²", "squares-averaged"),
        ("cache = decay * cache + (1 - decay) * dx**2", "squares-averaged"),
        ("w ← w − ηg/√(s+ε)", "rooted"),
        ("θ = θ − η·∇J(θ; x_i, y_i)", "sampled"),
        ("w = w − η∇L_n(w)", "sampled"),
        ("w = w - lr * grad", "descent"),
    ],
)
def test_an_update_rule_is_known_by_its_parts(text: str, shape: str) -> None:
    assert shape in {shape for one in formulas(tokens(fold(text))) for shape in shapes(one)}


@pytest.mark.parametrize("text", ["y = w x + b", "loss = sum of (y - b - w x)²", "lr = 0.01", "E = m c²", "a = b"])
def test_another_equation_is_no_update_rule(text: str) -> None:
    assert {shape for one in formulas(tokens(fold(text))) for shape in shapes(one)} == set()


# -- the work ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "it does not use all of the data, ",
        "每一次不使用全部的資料，",
        "each each each every rate rate ",
        "v = v + g - ",
    ],
)
def test_the_work_grows_with_the_text(text: str) -> None:
    def read(times: int) -> None:
        row = tokens(fold(text * times))
        statements(row, PHRASES.find(row), Subjects())
        for one in formulas(row):
            shapes(one)

    def work(times: int) -> int:
        return lines_run(lambda: read(times), rooms={"reading"})

    read(1)
    small, large = work(20), work(80)

    assert large < 5 * small
