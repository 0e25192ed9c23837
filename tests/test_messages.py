"""The sentences: complete in both languages, alike in their placeholders, and no more of them than are said."""

import ast
import itertools
import math
import re
import string
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import grader
from grader.feedback import catalogue, number, pages, safe, text
from grader.feedback.catalogue import PLACEHOLDER, numbers
from grader.model import GraderError, Language, Message, message

ROOT = Path(grader.__file__).parent
SENTENCES = catalogue.catalogue()
BOTH = ("en", "zh-TW")
CHINESE = re.compile(r"[\u3400-\u9fff]")
FULL = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]")
MAINLAND = (
    "信息",
    "默認",
    "數據",
    "運行",
    "程序",
    "代碼",
    "單元格",
    "視頻",
    "屏幕",
    "文件夾",
    "打印",
    "字符",
    "內存",
    "學習速率",
)
AREAS = sorted({key.partition(".")[0] for key in SENTENCES})


def placeholders(sentence: str) -> set[str]:
    return {place[1] for place in PLACEHOLDER.finditer(sentence)}


def sentences(language: str) -> list[tuple[str, str]]:
    return [(key, words[language]) for key, words in SENTENCES.items() if language in words]


# -- the catalogue -----------------------------------------------------------------------------------


def test_every_id_has_both_languages_and_nothing_else() -> None:
    assert [key for key, words in SENTENCES.items() if set(words) != set(BOTH) or not all(words.values())] == []


def test_both_languages_have_the_same_placeholders() -> None:
    differ = [key for key, words in SENTENCES.items() if len({frozenset(placeholders(s)) for s in words.values()}) > 1]

    assert differ == []


def test_braces_hold_plain_names_only() -> None:
    odd = [
        key for key, words in SENTENCES.items() for s in words.values() if re.search(r"[{}]", PLACEHOLDER.sub("", s))
    ]

    assert odd == []


def test_backticks_come_in_pairs() -> None:
    assert [key for key, words in SENTENCES.items() for s in words.values() if s.count("`") % 2] == []


def test_english_sentences_hold_no_chinese_and_no_full_width_signs() -> None:
    assert [(key, s) for key, s in sentences("en") if FULL.search(s)] == []


def test_chinese_sentences_use_full_width_punctuation_beside_chinese() -> None:
    """No `,;:!?()` of ASCII touches a Chinese character, and no sentence ends in an ASCII full stop after one."""
    half = re.compile(r"[\u3400-\u9fff][,;:!?()]|[,;:!?()][\u3400-\u9fff]|[\u3400-\u9fff]\.(\s|$)")

    assert [(key, s) for key, s in sentences("zh-TW") if half.search(s)] == []


def test_chinese_sentences_have_no_space_beside_full_width_punctuation() -> None:
    wide = re.compile(r"[，。；：！？「」（）、] | [，。；：！？」（）、]")

    assert [(key, s) for key, s in sentences("zh-TW") if wide.search(s) and not key.startswith("page.and")] == []


def test_chinese_sentences_are_traditional() -> None:
    """Every Chinese character is in Big5, which has no simplified ones."""
    odd = [(key, c) for key, s in sentences("zh-TW") for c in CHINESE.findall(s) if not _big5(c)]

    assert odd == []


def _big5(character: str) -> bool:
    try:
        return bool(character.encode("cp950"))
    except UnicodeEncodeError:
        return False


def test_chinese_sentences_use_the_words_of_taiwan() -> None:
    assert [(key, word) for key, s in sentences("zh-TW") for word in MAINLAND if word in s] == []


def test_a_sentence_in_one_language_is_a_sentence_in_the_other() -> None:
    ends = {".": "。", "?": "？", "!": "！"}
    odd = [
        key for key, words in SENTENCES.items() if words["en"][-1] in ends and words["zh-TW"][-1] not in "。？！）」}"
    ]

    assert odd == []


def test_an_id_that_is_defined_twice_is_a_mistake_with_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    table = {"x.y": {"en": "a", "zh-TW": "b"}}
    monkeypatch.setattr(catalogue, "sources", lambda: {"a.toml": table, "b.toml": table})

    with pytest.raises(GraderError, match=r"x\.y") as caught:
        catalogue.catalogue.__wrapped__()

    assert caught.value.where == "b.toml"


# -- what the source says ----------------------------------------------------------------------------


@cache
def modules() -> tuple[tuple[Path, tuple[ast.AST, ...]], ...]:
    """Every source file with all nodes of its tree."""
    paths = sorted(ROOT.rglob("*.py"))
    return tuple((path, tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))) for path in paths)


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call of `message` and `Message`, with its place."""
    for path, nodes in modules():
        for node in nodes:
            name = getattr(node.func, "id", getattr(node.func, "attr", "")) if isinstance(node, ast.Call) else ""
            if isinstance(node, ast.Call) and name in ("message", "Message"):
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def said_in(call: ast.Call) -> ast.expr | None:
    keyword = next((keyword.value for keyword in call.keywords if keyword.arg == "id"), None)
    return call.args[0] if call.args else keyword


def pattern(node: ast.AST) -> re.Pattern[str] | None:
    """What ids a constant or an f-string can make; None for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.compile(re.escape(node.value))
    if isinstance(node, ast.JoinedStr):
        parts = (re.escape(str(part.value)) if isinstance(part, ast.Constant) else r"[\w.-]+" for part in node.values)
        return re.compile("".join(parts))
    return None


def test_every_message_in_the_source_is_in_the_catalogue() -> None:
    unknown = []
    for place, call in calls():
        made = pattern(said) if (said := said_in(call)) else None
        if made and not any(made.fullmatch(key) for key in SENTENCES):
            unknown.append((place, made.pattern))

    assert unknown == []


def test_every_text_in_the_source_that_looks_like_an_id_is_one() -> None:
    looks = re.compile(rf"(?:{'|'.join(AREAS)})\.[a-z0-9]+(?:[.-][a-z0-9]+)*")
    files = (".css", ".html", ".toml", ".py", ".json", ".jsonl", ".pdf", ".ipynb")
    unknown = [
        (path.name, node.value)
        for path, nodes in modules()
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if looks.fullmatch(node.value) and not node.value.endswith(files) and node.value not in SENTENCES
    ]

    assert unknown == []


def test_every_placeholder_is_given_where_the_message_is_made() -> None:
    missing = []
    for place, call in calls():
        said, given = said_in(call), {keyword.arg for keyword in call.keywords}
        if isinstance(said, ast.Constant) and None not in given and said.value in SENTENCES and call.args:
            wanted = placeholders(SENTENCES[said.value]["en"])
            missing += [(place, said.value, name) for name in sorted(wanted - given)]

    assert missing == []


def test_every_label_of_a_template_is_in_the_catalogue_with_its_parameters() -> None:
    wrong = []
    for path in sorted((ROOT / "feedback" / "templates").glob("*.html")):
        for key, rest in re.findall(r'label\("([\w.-]+)"((?:[^()]|\([^()]*\))*)\)', path.read_text(encoding="utf-8")):
            given = set(re.findall(r"(\w+)=", rest))
            if key not in SENTENCES or given != placeholders(SENTENCES[key]["en"]):
                wrong.append((path.name, key))

    assert wrong == []


def test_every_sentence_is_said_somewhere() -> None:
    """In the source as text or by an f-string, in a template or a lexicon; `word.…` follow the records' own words."""
    starts = tuple(f"{re.escape(area)}\\." for area in AREAS)
    paths = (*(ROOT / "feedback" / "templates").glob("*.html"), *(ROOT.parent / "rubrics").glob("*/topics.toml"))
    texts = "".join(path.read_text(encoding="utf-8") for path in paths)
    nodes = [node for _, inside in modules() for node in inside if isinstance(node, ast.Constant | ast.JoinedStr)]
    patterns = [made for node in nodes if (made := pattern(node)) and made.pattern.startswith(starts)]
    silent = [
        key
        for key in SENTENCES
        if not key.startswith("word.") and f'"{key}"' not in texts and not any(p.fullmatch(key) for p in patterns)
    ]

    assert silent == []


# -- filling in ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "The report has 4 pages; 3 are allowed."),
        ("zh-TW", "報告共 4 頁，上限是 3 頁。"),
    ],
)
def test_a_message_is_filled_in(language: Language, said: str) -> None:
    assert text(message("pages.count", found=4, limit=3), language) == said


def test_an_unknown_id_shows_itself_and_its_parameters() -> None:
    assert text(message("no.such", step=3, name="b"), "zh-TW") == "no.such (step=3, name=b)"
    assert text(message("no.such"), "en") == "no.such"


def test_a_missing_parameter_keeps_its_place() -> None:
    assert text(message("page.of"), "en") == "of {out_of} points"


@pytest.mark.parametrize(
    ("found", "limit", "said"),
    [
        (1, 3, "The report has 1 page; 3 are allowed."),
        (4, 1, "The report has 4 pages; 1 is allowed."),
        (0, 1.0, "The report has 0 pages; 1 is allowed."),
    ],
)
def test_words_go_with_their_number(found: int, limit: float, said: str) -> None:
    assert text(message("pages.count", found=found, limit=limit), "en") == said


def test_no_sentence_leaves_the_number_to_the_reader() -> None:
    assert [(key, s) for key, s in sentences("en") if "(s)" in s] == []


def test_text_in_a_parameter_is_never_filled_in_again() -> None:
    assert "{limit}" in text(message("pages.count", found="{limit}", limit="{found}"), "en")


@pytest.mark.parametrize(("language", "said"), [("en", "diverging"), ("zh-TW", "發散")])
def test_the_graders_own_words_are_translated(language: Language, said: str) -> None:
    told = message("explained.contradicts", cell=3, name="lr", effect="diverging", quote="…")

    assert said in text(told, language)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1e-7, "1e-7"),
        (1.0, "1"),
        (-0.0, "0"),
        (100000, "100,000"),
        (9999, "9999"),
        (10189.9012, "10,189.9"),
        (-188.43665, "-188.437"),
        (36708190.7, "36,708,191"),
        (1.5e12, "1,500,000,000,000"),
        (1.25e30, "1.25e30"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (10**400, "inf"),
    ],
    ids=str,
)
def test_numbers_are_shown_for_people(value: float, shown: str) -> None:
    assert number(value) == shown


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_shown_number_is_the_number_to_six_digits(value: float) -> None:
    assert float(number(value).replace(",", "")) == pytest.approx(value, rel=1e-5)


@given(st.text(max_size=2000))
def test_shown_text_is_one_bounded_line_without_tricks(given: str) -> None:
    shown = safe(given)

    assert len(shown) <= catalogue.LONGEST
    assert all(unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for character in shown)
    assert safe(shown) == shown


def test_ordinary_text_is_shown_as_it_is() -> None:
    assert safe("學習率 lr = 1e-6，收斂較快。") == "學習率 lr = 1e-6，收斂較快。"


def test_long_text_ends_in_an_ellipsis() -> None:
    assert safe("a" * 10_000_000, 10) == "aaaaaaaaa…"


@given(
    st.sampled_from(sorted(SENTENCES)) | st.text(max_size=20),
    st.dictionaries(
        st.sampled_from(["step", "name", "effect", "cell", "quote"]) | st.text(string.ascii_lowercase, max_size=5),
        st.text(max_size=50) | st.integers() | st.floats(),
        max_size=5,
    ),
)
def test_any_message_becomes_one_line(key: str, parameters: dict[str, str | int | float]) -> None:
    for language in ("en", "zh-TW"):
        shown = text(Message(id=key, parameters=parameters), language)

        assert "\n" not in shown


@given(st.lists(st.floats(), max_size=4))
def test_numbers_that_differ_are_shown_as_different(values: list[float]) -> None:
    shown = numbers(values)

    assert all(
        (a == b) == (x == y)
        for (a, x), (b, y) in itertools.combinations(zip(values, shown, strict=True), 2)
        if not (math.isnan(a) or math.isnan(b))
    )


@pytest.mark.parametrize("show", [text, pages.rich])
def test_a_sentence_shows_how_far_two_numbers_are_apart(show: Callable[[Message, Language], str]) -> None:
    said = show(message("updates.step", cell=1, step=1, name="b", expected=-119.0, seen=-119.00000012), "en")

    assert "-119.0000001" in said


@pytest.mark.parametrize(("sign", "said"), [("mse", "mean squared error"), ("mse, rounded", "mse, rounded")])
def test_a_loss_is_named_in_words_where_there_are_any(sign: str, said: str) -> None:
    assert said in text(message("losses.all", count=1, kind=sign), "en")


@given(st.text(max_size=40), st.integers(1, 30))
def test_text_is_cut_to_its_columns(given: str, most: int) -> None:
    shown = catalogue.cut(given, most)

    assert catalogue.columns(shown) <= most
    assert shown == given if catalogue.columns(given) <= most else shown.endswith("…")
