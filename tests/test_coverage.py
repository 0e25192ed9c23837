"""Whether topics are introduced: passages in three scripts, and the rules one by one."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lines_run import lines_run

from grader.coverage import UNREAD, Topics, coverage, topics
from grader.coverage.matcher import matcher
from grader.coverage.tables import streams
from grader.model import Coverage, GraderError, Line, Problem, ReportFacts, Sheet

ROOT = Path(__file__).parents[1]
TABLE = tomllib.loads((ROOT / "rubrics/gradient_descent/topics.toml").read_text(encoding="utf-8"))
LEXICON = topics(TABLE)


def passages(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads((ROOT / "tests/passages" / name).read_text(encoding="utf-8"))["passage"]
    return found


def report(text: str) -> ReportFacts:
    """Set a text as a page would: 16 points for lines that begin with "# ", 12 for the others."""
    lines = []
    for number, said in enumerate(text.strip().splitlines()):
        heading = said.startswith("# ")
        box = (50.0, 50.0 + 18 * number, 500.0, 62.0 + 18 * number)
        lines.append(Line(page=1, text=said.removeprefix("# "), bbox=box, size=16 if heading else 12, heading=heading))
    return ReportFacts(outcome="read", lines=tuple(lines))


def judged(text: str, topic: str, lexicon: Topics = LEXICON) -> Coverage:
    return next(one for one in coverage(report(text), lexicon) if one.topic == topic)


def questions(text: str) -> set[str]:
    return {question.id for one in coverage(report(text), LEXICON) for question in one.questions}


def test_the_topics_come_in_the_order_of_the_lexicon() -> None:
    found = coverage(report("Nothing of this kind."), LEXICON)

    assert [one.topic for one in found] == ["sgd", "momentum", "adagrad", "rmsprop"]
    assert {one.status for one in found} == {"missing"}


@pytest.mark.parametrize("name", ["holdout.toml", "second-holdout.toml", "tuning.toml"])
def test_no_thin_or_stuffed_passage_is_covered(name: str) -> None:
    wrongly = [
        p["id"]
        for p in passages(name)
        if p["kind"] in ("thin", "stuffed", "off") and judged(p["text"], p["topic"]).status == "covered"
    ]

    assert not wrongly


@pytest.mark.parametrize("name", ["holdout.toml", "second-holdout.toml", "tuning.toml"])
def test_no_good_passage_is_lost(name: str) -> None:
    lost = [
        p["id"]
        for p in passages(name)
        if p["kind"] == "good" and judged(p["text"], p["topic"]).status in ("missing", "mentioned")
    ]

    assert not lost


@pytest.mark.parametrize("name", ["holdout.toml", "second-holdout.toml"])
def test_nine_of_ten_good_passages_are_covered_that_the_lexicon_never_saw(name: str) -> None:
    good = [p for p in passages(name) if p["kind"] == "good"]
    covered = [p for p in good if judged(p["text"], p["topic"]).status == "covered"]

    assert len(covered) >= 0.9 * len(good)


STATEMENTS = [pytest.param(p, id=p["id"]) for p in passages("statements.toml")]
TITLES = {"sgd": "SGD", "momentum": "Momentum", "adagrad": "Adagrad", "rmsprop": "RMSprop"}


@pytest.mark.parametrize("passage", STATEMENTS)
def test_a_passage_is_judged_by_what_it_states(passage: dict[str, Any]) -> None:
    under = judged(f"# {TITLES[passage['topic']]}\n{passage['text']}", passage["topic"])

    assert under.status in ({"missing", "mentioned"} if passage["right"] == "missing" else {passage["right"]})
    assert "question" not in passage or passage["question"] in {question.id for question in under.questions}


@pytest.mark.parametrize("passage", [p for p in STATEMENTS if "formula" not in str(p.id)])
def test_a_passage_without_a_heading_is_judged_by_what_it_states(passage: dict[str, Any]) -> None:
    assert judged(passage["text"], passage["topic"]).status == passage["right"]


@pytest.mark.parametrize("right", ["covered", "wrong"])
def test_what_is_wrong_is_asked_about_with_its_sentence(right: str) -> None:
    for passage in passages("statements.toml"):
        if passage["right"] == right:
            found = judged(passage["text"], passage["topic"])
            quotes = [str(question.parameters["quote"]) for question in found.questions]

            assert bool(quotes) is (right == "wrong")
            assert all(quote in passage["text"] for quote in quotes)


REPORTS = [
    pytest.param(report, id=report["id"])
    for report in tomllib.loads((ROOT / "tests/passages/reports.toml").read_text(encoding="utf-8"))["report"]
]


@pytest.mark.parametrize("found", REPORTS)
def test_no_good_topic_of_a_report_is_lost_and_nothing_else_is_covered(found: dict[str, Any]) -> None:
    allowed = {
        "good": {"covered", "thin"},
        "thin": {"thin", "mentioned"},
        "named": {"thin", "mentioned"},
        "wrong": {"wrong"},
        "absent": {"missing"},
    }
    statuses = {one.topic: one.status for one in coverage(report(found["text"]), LEXICON)}

    assert {topic for topic, right in found["topics"].items() if statuses[topic] not in allowed[right]} == set()


@pytest.mark.parametrize(
    ("topic", "name"),
    [
        ("momentum", "慣性"),
        ("momentum", "動能"),
        ("momentum", "動能法"),
        ("momentum", "衝量法"),
        ("momentum", "Momemtum"),
        ("sgd", "隨機斜率下降法"),
        ("sgd", "Stochastc Gradient Descent"),
        ("adagrad", "自適應學習率梯度法"),
        ("adagrad", "A d a g r a d"),
        ("adagrad", "Addagrad"),
        ("rmsprop", "方均根傳播"),
        ("rmsprop", "均方根傳播"),
        ("rmsprop", "RMS"),
        ("rmsprop", "RMSP"),
        ("rmsprop", "R.M.S. prop"),
    ],
)
def test_a_method_is_known_by_its_other_names(topic: str, name: str) -> None:
    told = {
        "sgd": "It draws one random sample, computes its gradient and updates the weights. It is fast but noisy.",
        "momentum": "It adds a part of the previous step to the gradient step, which damps oscillations.",
        "adagrad": ADAGRAD.replace("Adagrad", "It"),
        "rmsprop": "It divides by the root of a moving average of squared gradients, so the rate does not vanish.",
    }[topic]

    assert judged(f"# {name}\n{told}", topic).status == "covered"
    assert judged(told.replace("It ", f"{name} ", 1), topic).status == "covered"


@pytest.mark.parametrize("word", ["RMS", "慣性", "動能"])
def test_a_word_that_is_a_name_in_headings_only_is_none_in_a_sentence(word: str) -> None:
    assert all(one.status == "missing" for one in coverage(report(f"We compute the {word} of the error."), LEXICON))


def test_mistakes_of_a_lexicon_are_told_all_at_once_with_their_places() -> None:
    table = {
        "words": {"a": ["fine"], "b": ["half (open"]},
        "topic": [{"id": "x", "names": ["x y"], "concepts": {"mechanism": ["a & c"]}, "colour": 1}],
        "extra": {},
    }

    with pytest.raises(GraderError) as told:
        topics(table)

    for place in ("$.words.b[0]", "$.topic[0].concepts.mechanism[0]", "$.topic[0].colour", "$.extra"):
        assert place in told.value.message


# -- the rules one by one ----------------------------------------------------------------------

ADAGRAD = (
    "Adagrad divides the learning rate of each parameter by the square root of the sum of its squared gradients. "
    "It is useful for sparse features, but the learning rate shrinks towards zero and the training stops too early."
)


def test_evidence_is_the_sentence_with_its_place() -> None:
    snippet = next(one for one in judged(f"# Adagrad\n{ADAGRAD}", "adagrad").evidence if one.concept == "mechanism")

    assert snippet.text.startswith("Adagrad divides")
    assert snippet.text.endswith("squared gradients.")
    assert (snippet.page, snippet.bbox) == (1, (50.0, 68.0, 500.0, 80.0))


@pytest.mark.parametrize("name", ["holdout.toml", "second-holdout.toml", "tuning.toml"])
def test_questions_are_asked_only_where_something_is_misunderstood(name: str) -> None:
    asked = {p["id"]: questions(p["text"]) - {p.get("question", "")} for p in passages(name)}

    assert {passage: wrongly for passage, wrongly in asked.items() if wrongly} == {}


def test_every_misconception_that_the_lexicon_was_tuned_on_is_asked_about() -> None:
    wrong = [p for p in passages("tuning.toml") if p["kind"] == "wrong"]

    assert [p["id"] for p in wrong if p["question"] not in questions(p["text"])] == []


@pytest.mark.parametrize(
    "denial",
    [
        "Unlike gradient descent, SGD does not use the whole training set in every step.",
        "SGD does not guarantee the global minimum.",
        "SGD 並不保證能找到全域最小值。",
        "Adagrad 的學習率不會越來越大，而是越來越小。",
        "RMSprop does not sum up all past squared gradients.",
        "RMSprop 不是把所有的梯度平方加總，而是取移動平均。",
        "Unlike Adagrad, momentum does not give each parameter its own learning rate.",
        "Adagrad does not use an exponential moving average of the squared gradients.",
        "Some people think that the learning rate of Adagrad grows over time.",
        "很多人以為 Adagrad 的學習率會越來越大。",
    ],
)
def test_a_denial_is_no_misconception(denial: str) -> None:
    assert questions(denial) == set()


@pytest.mark.parametrize(
    ("mistake", "question"),
    [
        ("SGD is random and always finds the global minimum, no matter where it starts.", "sgd-global-minimum"),
        ("SGD 具有隨機性，所以一定能找到全域最小值，不會卡住。", "sgd-global-minimum"),
        ("Adagrad 會累積梯度的平方，學習率會越來越大，適合稀疏資料。", "adagrad-rate-grows"),
    ],
)
def test_another_word_that_denies_does_not_hide_a_misconception(mistake: str, question: str) -> None:
    assert questions(mistake) == {f"question.{question}"}


def test_sgd_with_momentum_is_momentum() -> None:
    text = "SGD with momentum adds a part of the previous update to the current gradient step."

    assert judged(text, "sgd").status == judged(text.replace("with", "+"), "sgd").status == "missing"
    assert judged(text, "momentum").status == "thin"


@pytest.mark.parametrize(
    "said", ["使用SGD時", "Adagrad優化器", "(RMSProp)", "「Momentum」", "ＳＧＤ", "RMS prop", "AdaGrad's"]
)
def test_names_are_found_beside_chinese_and_signs(said: str) -> None:
    assert sum(one.status != "missing" for one in coverage(report(said), LEXICON)) == 1


@pytest.mark.parametrize("said", ["MomentumX", "sgdx", "adagradient", "the program"])
def test_names_inside_other_words_are_no_names(said: str) -> None:
    assert all(one.status == "missing" for one in coverage(report(said), LEXICON))


def test_the_place_of_a_sentence_ends_with_its_column() -> None:
    lines = [
        Line(page=1, text="Adagrad divides the learning rate of each", bbox=(50, 700, 290, 712), size=11),
        Line(page=1, text="parameter by the square root of the sum", bbox=(50, 714, 290, 726), size=11),
        Line(page=1, text="of its squared gradients.", bbox=(310, 60, 550, 72), size=11),
    ]

    found = next(one for one in coverage(ReportFacts(outcome="read", lines=tuple(lines)), LEXICON) if one.evidence)

    assert found.evidence[0].bbox == (50.0, 700.0, 290.0, 726.0)
    assert found.evidence[0].text.endswith("squared gradients.")


@pytest.mark.parametrize("heading", ["References", "5. Reference", "參考文獻", "六、參考資料", "参考文献："])
def test_after_the_references_nothing_counts(heading: str) -> None:
    assert judged(f"{heading}\n{ADAGRAD}", "adagrad").status == "missing"


def test_a_topic_that_follows_the_references_under_its_own_heading_counts() -> None:
    assert judged(f"# SGD\nText.\n# References\n[1] A paper.\n# Adagrad\n{ADAGRAD}", "adagrad").status == "covered"


def test_a_heading_in_mathematics_or_of_an_aspect_does_not_end_a_section() -> None:
    text = f"# Adagrad\n# Advantages\n{ADAGRAD.replace('Adagrad', 'It')}"

    assert judged(text, "adagrad").status == "covered"


@pytest.mark.parametrize(
    "heading", ["Adagrad (better than SGD?)", "Adagrad: a step beyond Momentum", "Adagrad - SGD with many rates"]
)
def test_the_name_before_a_subtitle_is_the_topic_of_a_section(heading: str) -> None:
    assert judged(f"# {heading}\n{ADAGRAD.replace('Adagrad', 'It')}", "adagrad").status == "covered"


def test_a_general_heading_ends_a_section() -> None:
    text = f"# Adagrad\n# Experiments\n{ADAGRAD.replace('Adagrad', 'It')}"

    assert judged(text, "adagrad").status == "mentioned"


def test_what_is_said_while_another_topic_is_introduced_does_not_introduce() -> None:
    """ "Unlike Adagrad, which divides by …" in the section of RMSprop is for a person, at most."""
    text = f"# RMSprop\nUnlike the older method, {ADAGRAD.replace('It is', 'RMSprop is')}"

    assert judged(text, "adagrad").status != "covered"


@pytest.mark.parametrize(
    "sentence",
    [
        "Adagrad divides by the root of the sum of squared gradients, whereas RMSprop forgets the old gradients.",
        "While Adagrad divides by the root of the sum of squared gradients, RMSprop forgets the old gradients.",
        "Adagrad 把學習率除以過去梯度平方總和的平方根，而 RMSprop 則除以梯度平方的指數移動平均的平方根。",
    ],
)
def test_two_methods_in_one_sentence_are_told_apart(sentence: str) -> None:
    found = {one.topic: {snippet.concept for snippet in one.evidence} for one in coverage(report(sentence), LEXICON)}

    assert all("mechanism" in found[topic] for topic in ("adagrad", "rmsprop"))


@pytest.mark.parametrize(
    "said",
    ["Momentum investing", "the momentum of a body", "動量守恆", "角動量", "梯度的二階動量", "second-order momentum"],
)
def test_what_only_sounds_like_a_topic_is_none(said: str) -> None:
    assert all(one.status == "missing" for one in coverage(report(said), LEXICON))


def test_a_text_without_any_optimisation_is_no_introduction() -> None:
    text = (
        "The team kept its momentum after the third win. Every previous success accumulated into a faster game, they "
        "updated the line-up in each step, and the direction was clear: they wanted to go on and not slow down."
    )

    assert judged(text, "momentum").status != "covered"


def test_hyphens_and_line_ends_do_not_hide_a_name() -> None:
    assert judged("We use Ada-\ngrad here.", "adagrad").status == "mentioned"


def test_repeating_a_sentence_adds_no_substance() -> None:
    sentence = "Momentum keeps a part of the previous step. "

    assert judged(sentence * 20, "momentum").status != "covered"


@pytest.mark.parametrize(
    ("topic", "text"),
    [
        (
            "adagrad",
            (
                "# Adagrad\nsquared gradients, root, learning rate, sparse data, accumulated sum of the squared "
                "gradients of each single parameter, divide, decreasing, epsilon, adaptive, update of parameters"
            ),
        ),
        (
            "rmsprop",
            (
                "RMSprop, average, decay rate 0.9, the exponentially weighted moving average of the recent squared "
                "gradients, root, learning rate, Hinton, non-stationary, update parameters, Adagrad problem solved, RNN"
            ),
        ),
        (
            "momentum",
            (
                "# Momentum\nvelocity, inertia, the accumulated velocity of all previous gradients and the step, "
                "0.9, faster convergence, oscillation, overshoot, local minimum, update, parameter, ball, hill, plateau"
            ),
        ),
        (
            "sgd",
            "SGD，隨機，小批次，每次隨機抽取一小批資料計算梯度並更新參數，速度快，雜訊，學習率，震盪，局部最小值，記憶體，更新，參數",
        ),
    ],
)
def test_one_clause_among_keywords_is_no_introduction(topic: str, text: str) -> None:
    assert judged(text, topic).status in ("thin", "mentioned")


def test_a_teacher_can_add_words() -> None:
    table = tomllib.loads((ROOT / "rubrics/gradient_descent/topics.toml").read_text(encoding="utf-8"))
    text = "# Momentum\nIt is like a skier: what was fast stays fast. The learning rate was 0.1 for me."
    table["words"]["skiing"] = ["skier", "stays fast"]
    table["topic"][1]["concepts"]["mechanism"].append("skiing")

    assert judged(text, "momentum").status == "thin"
    assert "mechanism" not in {one.concept for one in judged(text, "momentum").evidence}
    assert "mechanism" in {one.concept for one in judged(text, "momentum", topics(table)).evidence}


def test_missing_is_not_certain_where_something_was_not_read() -> None:
    facts = report("A short text without the topics.")
    hidden = msgspec.structs.replace(facts, problems=(Problem(id="hidden-text", page=1, text="…"),))
    scanned = msgspec.structs.replace(facts, sheets=(Sheet(page=1, width=595, height=842, pictures=0.9),))

    assert all(one.certain for one in coverage(facts, LEXICON))
    assert not any(one.certain for one in coverage(hidden, LEXICON) + coverage(scanned, LEXICON))


def test_missing_is_not_certain_where_the_counts_of_pages_differ() -> None:
    facts = report("A short text without the topics.")

    assert all(one.certain for one in coverage(msgspec.structs.replace(facts, pages={"a": 1, "b": 1}), LEXICON))
    assert not any(one.certain for one in coverage(msgspec.structs.replace(facts, pages={"a": 1, "b": 3}), LEXICON))


SHEET = """Homework: introduce SGD, Momentum, Adagrad and RMSprop in at most three pages.
SGD draws one random sample and updates the weights with its gradient, which is fast but noisy.
3. Momentum (TODO)"""


def test_what_was_handed_out_introduces_nothing() -> None:
    said = f"{SHEET.splitlines()[0]}\n# SGD\n{SHEET.splitlines()[1]}\n# 3. Momentum (TODO)\n# Adagrad\n{ADAGRAD}"

    copied = {one.topic: one.status for one in coverage(report(said), LEXICON, handed_out=(SHEET,))}
    own = {one.topic: one.status for one in coverage(report(said), LEXICON)}

    assert copied == {"sgd": "mentioned", "momentum": "missing", "adagrad": "covered", "rmsprop": "missing"}
    assert own["sgd"] == "covered"


def test_an_update_rule_without_a_word_is_thin_and_with_one_line_covered() -> None:
    rule = "# RMSprop\ns = ρ s + (1 − ρ) g²\nw = w − η g / √(s + ε)"

    assert judged(rule, "rmsprop").status == "thin"
    assert (
        judged(f"{rule}\nOld gradients are forgotten, so the step size does not vanish.", "rmsprop").status == "covered"
    )


def test_a_name_that_was_handed_out_too_is_a_name() -> None:
    found = {
        one.topic: one.status for one in coverage(report("• SGD\n• Adagrad"), LEXICON, handed_out=("# Adagrad\nSGD",))
    }

    assert (found["sgd"], found["adagrad"]) == ("mentioned", "mentioned")


def test_a_sentence_that_only_resembles_what_was_handed_out_counts() -> None:
    said = "# SGD\nSGD draws a few random samples, so each update is fast, and noisy as well."

    assert {one.topic: one.status for one in coverage(report(said), LEXICON, handed_out=(SHEET,))}["sgd"] == "covered"


def cell(text: str, left: float, top: float, *, width: float = 90) -> Line:
    return Line(page=1, text=text, bbox=(left, top, left + width, top + 12), size=11)


@pytest.mark.parametrize("header", [[("SGD", 110.0), ("Adagrad", 230.0)], [("SGD 　　　　　　　　 Adagrad", 110.0)]])
def test_a_column_under_a_name_is_about_that_method(header: list[tuple[str, float]]) -> None:
    lines = [
        *(cell(name, left, 100, width=180 if len(header) == 1 else 60) for name, left in header),
        cell("Idea", 50, 120, width=40),
        cell("It takes one random", 110, 120),
        cell("sample per update.", 110, 134),
        cell("It divides the rate by", 230, 120),
        cell("the root of the sum of", 230, 134),
        cell("squared gradients.", 230, 148),
        cell("Effect", 50, 170, width=40),
        cell("It is fast but noisy.", 110, 170),
        cell("The learning rate", 230, 170),
        cell("shrinks to zero.", 230, 184),
        cell("I liked it, since it is easy to use and works in all of my experiments.", 50, 220, width=400),
    ]

    found = {one.topic: one for one in coverage(ReportFacts(outcome="read", lines=tuple(lines)), LEXICON)}

    assert (found["sgd"].status, found["adagrad"].status) == ("covered", "covered")
    assert all("experiments" not in snippet.text for one in found.values() for snippet in one.evidence)


def test_two_names_in_a_sentence_are_no_head_of_a_table() -> None:
    lines = [cell("SGD and Adagrad are methods.", 50, 100, width=200), cell("Adagrad sums.", 50, 120)]

    assert len(streams(lines, matcher(LEXICON))) == 1


def test_missing_is_not_certain_where_the_method_is_told_without_its_name() -> None:
    """A heading may be a picture, or drawn as outlines, so that no program reads its name."""
    told = f"# SGD\nText about it.\n# Introduction\n{ADAGRAD.replace('Adagrad', 'It')}"

    assert [one.certain for one in coverage(report(told), LEXICON)][2:] == [False, True]
    assert all(one.certain for one in coverage(report("# SGD\nIt takes one sample and its gradient."), LEXICON))


@pytest.mark.parametrize("name", ["Adagard", "RMSporp", "Momentun"])
def test_a_slip_of_the_pen_does_not_hide_a_name(name: str) -> None:
    assert sum(one.status != "missing" for one in coverage(report(name), LEXICON)) == 1


@pytest.mark.parametrize(
    "text", ["adagrad squares the gradient ", "每個參數的梯度平方不會累加，", "# Adagrad\nIt is.\n"]
)
def test_the_work_grows_with_the_report(text: str) -> None:
    def work(times: int) -> int:
        return lines_run(lambda: judged(text * times, "adagrad"), rooms={"reading", "coverage"})

    judged(text, "adagrad")
    small, large = work(10), work(40)

    assert large < 5 * small


@given(st.lists(st.text(max_size=60), max_size=8))
def test_whatever_a_report_says_is_judged(said: list[str]) -> None:
    found = coverage(report("\n".join(said) or "-"), LEXICON)

    assert [one.topic for one in found] == ["sgd", "momentum", "adagrad", "rmsprop"]


WORDS = (
    "SGD",
    "Momentum",
    "Adagrad",
    "RMSprop",
    "不",
    "not",
    "uses",
    "平方",
    "sum",
    "，",
    ". ",
    "of all",
    "Unlike",
    "=",
    "g",
    "√",
    "#",
    "(",
    "Q:",
    "？",
)


@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join), min_size=1, max_size=6))
def test_whatever_stands_beside_names_is_judged(said: list[str]) -> None:
    found = coverage(report("\n".join(said) or "-"), LEXICON, handed_out=("SGD uses g = √ sum.",))

    assert [one.topic for one in found] == ["sgd", "momentum", "adagrad", "rmsprop"]


def test_every_question_and_notice_has_its_sentence() -> None:
    told = tomllib.loads((ROOT / "grader/feedback/messages/report.toml").read_text(encoding="utf-8"))
    asked = {question.id for topic in LEXICON.topics for question in topic.questions}

    assert asked <= set(told)
    assert {f"report.problem.{problem}" for problem in UNREAD} <= set(told)
    assert all(set(sentence) == {"en", "zh-TW"} for sentence in told.values())
