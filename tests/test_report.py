"""Reading reports: a set of PDFs from many producers, hostile answers, bombs, and the repairs of text."""

from __future__ import annotations

import base64
import doctest
import json
import os
import random
import struct
import threading
import time
import tomllib
import zlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make_reports import TALK, essay, raw, shown, written

from grader import sandbox
from grader.coverage import coverage, lexicon, sentences, topics
from grader.doctor import _has_cjk_fonts as machine_has_chinese_fonts
from grader.model import Isolation, Limits, Problem, ReportFacts
from grader.report import gather, pictures, read, recognition, text
from grader.report import ink as ink_module
from grader.report import lines as lines_module
from grader.report.gather import Answer, answer, facts, refusal
from grader.report.ink import ink, unlike
from grader.report.lines import Word, lines, overlapping, said_by
from grader.report.pictures import picture
from grader.sandbox import environment

ROOT = Path(__file__).parents[1]
REPORTS = ROOT / "tests/reports"
EXPECTED: dict[str, dict[str, Any]] = tomllib.loads((REPORTS / "expected.toml").read_text(encoding="utf-8"))
LEXICON = topics(tomllib.loads((ROOT / "rubrics/gradient_descent/topics.toml").read_text(encoding="utf-8")))
LETTER = {"covered": "C", "thin": "t", "mentioned": "m", "missing": "-", "wrong": "w"}
QUICK = (
    "chromium-tw-serif",
    "latex-two-columns",
    "hidden-transparent",
    "scan",
    "password",
    "no-mapping-tw",
    "truncated",
)
LIMITS = Limits(ocr_seconds=0)
NOISE = random.Random(1).randbytes(300_000)  # noqa: S311 - the same noise each time


@pytest.fixture(scope="session")
def isolation() -> Isolation:
    return sandbox.probe()


def judged(found: ReportFacts) -> dict[str, Any]:
    """What `expected.toml` says of a report, from its facts."""
    told: dict[str, Any] = {
        "outcome": found.outcome,
        "problems": [f"{p.id} {p.page}" if p.page else p.id for p in found.problems],
    }
    if found.pages:
        told["pages"] = [-1 if count is None else count for count in found.pages.values()]
    if found.outcome == "read":
        told["topics"] = "".join(LETTER[one.status] for one in coverage(found, LEXICON))
        told["languages"] = list(found.languages)
    return told


def write(folder: Path, content: bytes) -> Path:
    path = folder / "report.pdf"
    path.write_bytes(content)
    return path


# -- the set -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", QUICK)
def test_a_report_is_judged_as_expected(name: str, isolation: Isolation) -> None:
    found = read(REPORTS / f"{name}.pdf", limits=LIMITS, isolation=isolation)

    assert judged(found) == EXPECTED[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in EXPECTED if name not in QUICK])
def test_every_report_of_the_set_is_judged_as_expected(name: str, isolation: Isolation) -> None:
    if name == "reportlab-unembedded" and not machine_has_chinese_fonts():
        pytest.skip("needs a Chinese font, such as fonts-noto-cjk")
    found = read(REPORTS / f"{name}.pdf", limits=LIMITS, isolation=isolation)

    assert judged(found) == EXPECTED[name]


def test_a_chinese_font_that_nobody_has_leaves_a_report_to_a_person(
    isolation: Isolation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What this machine cannot draw is neither seen nor hidden: no accusation, and no topic is missing for certain."""
    monkeypatch.setattr(environment, "_SYSTEM", tuple(p for p in environment._SYSTEM if "fonts" not in p))
    monkeypatch.setattr(environment, "visible", environment.visible.__wrapped__)

    found = read(REPORTS / "reportlab-unembedded.pdf", limits=LIMITS, isolation=isolation)

    assert {problem.id for problem in found.problems} == {"font-missing"}
    assert not any(one.certain for one in coverage(found, LEXICON))
    assert "covered" not in {one.status for one in coverage(found, LEXICON)}


def test_every_file_of_the_set_has_an_expectation() -> None:
    assert {path.stem for path in REPORTS.glob("*.pdf")} == set(EXPECTED)


def test_no_hidden_introduction_is_expected_to_count() -> None:
    hidden = {name: told for name, told in EXPECTED.items() if name.startswith("hidden-")}

    assert len(hidden) == 20
    assert all("C" not in told.get("topics", "") for told in hidden.values())
    assert all(told["problems"] for told in hidden.values())


# -- refusals ----------------------------------------------------------------------------------


def test_a_file_that_cannot_be_opened_is_for_a_person_and_no_failure(tmp_path: Path) -> None:
    folder = tmp_path / "folder.pdf"
    folder.mkdir()
    loop = tmp_path / "loop.pdf"
    loop.symlink_to(loop)

    told = [refusal(path, limits=LIMITS) for path in (tmp_path / "none.pdf", folder, loop)]

    assert [(one.outcome, one.problems[0].id) for one in told if one] == [("crashed", "no-file")] * 3


def test_a_large_file_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    told = refusal(write(tmp_path, b"%PDF-1.7" + bytes(200_000)), limits=Limits(pdf_mb=0.1))

    assert told is not None
    assert told.outcome == "too-large"
    assert told.problems == (Problem(id="large-file", text="0.2 MB"),)


def test_the_mark_of_a_pdf_may_stand_within_the_first_1024_bytes(tmp_path: Path) -> None:
    assert refusal(write(tmp_path, bytes(900) + b"%PDF-1.4"), limits=LIMITS) is None
    assert refusal(write(tmp_path, bytes(1100) + b"%PDF-1.4"), limits=LIMITS) is not None


# -- what the children say is hostile ----------------------------------------------------------


@given(st.binary(max_size=300))
def test_whatever_a_child_prints_is_an_answer(said: bytes) -> None:
    assert isinstance(answer(said), Answer)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["pages", "sheets", "words", "ink", "number", "error", "width"]), inner, max_size=5
        )
    ),
    max_leaves=12,
)


@given(JSON, JSON)
def test_whatever_json_the_children_print_becomes_facts(first: Any, second: Any) -> None:
    """The parent must treat the answer as hostile: no exception, whatever it is."""
    found = facts(answer(json.dumps(first).encode()), answer(json.dumps(second).encode()))

    assert found.outcome != "read"


@pytest.mark.parametrize(
    "sheet",
    [
        {"number": 99},
        {"number": 1, "width": -5},
        {"number": 1, "width": 1e300},
        {"number": 1, "words": [["a", 0, 0, 1]]},
        {"number": 1, "words": [["a" * 1000, 0, 0, 1, 1, 9, 0, False, []]]},
        {"number": 1, "unit": 0},
        {"number": 1, "ink": {"width": 10**9, "height": 10**9, "bits": ""}},
    ],
)
def test_a_sheet_out_of_bounds_is_a_crash_of_that_child(sheet: dict[str, Any]) -> None:
    assert answer(json.dumps({"engine": "pdfium", "pages": 1, "sheets": [sheet]}).encode()).outcome == "crashed"


def test_ink_that_unpacks_to_more_than_it_says_is_refused() -> None:
    bomb = base64.b64encode(zlib.compress(bytes(10_000_000))).decode()

    assert ink(100, 100, bomb, points=100) is None
    assert ink(100, 100, "not base64!", points=100) is None
    assert ink(100_000, 100_000, "", points=100) is None


def test_ink_tells_the_painted_half_from_the_bare_one() -> None:
    rows = b"\xff\xf0\x00" * 10  # 20 pixels wide, the left 12 painted
    found = ink(20, 10, base64.b64encode(zlib.compress(rows)).decode(), points=20)

    assert found is not None
    assert found.shows("word", (1, 1, 9, 9), [])
    assert not found.shows("word", (14, 1, 19, 9), [])
    assert not found.shows("word", (-50, -50, -10, -10), [])


def test_a_letter_is_seen_from_edge_to_edge() -> None:
    across = b"\xff\xff\xf0"  # twenty pixels of a row
    dashes = ink(20, 20, base64.b64encode(zlib.compress(bytes(30) + across * 2 + bytes(24))).decode(), points=20)
    block = ink(20, 20, base64.b64encode(zlib.compress(across * 20)).decode(), points=20)
    letters = [(0.0, 5.0, 6.0, 15.0), (7.0, 5.0, 13.0, 15.0), (14.0, 5.0, 20.0, 15.0)]

    assert dashes is not None
    assert block is not None
    assert dashes.shows("sgd", (0, 5, 20, 15), [])
    assert not dashes.shows("sgd", (0, 5, 20, 15), letters)
    assert not block.shows("sgd", (0, 5, 20, 15), letters)
    assert block.shows("gd", (0, 5, 13, 15), letters[:2])  # so few may be of a heavy face


def _row(text: str, heights: str) -> list[tuple[float, float, float, float]]:
    """Boxes of letters on one line; `x` is a low one, `h` a high one, `p` reaches below the line."""
    sides = {"x": (5.0, 10.0), "h": (2.5, 10.0), "p": (5.0, 12.5)}
    return [(6.0 * i, sides[kind][0], 6.0 * i + 5, sides[kind][1]) for i, kind in enumerate(heights[: len(text)])]


@pytest.mark.parametrize(
    ("text", "heights", "told"),
    [
        ("gradient", "pxxhhxxh", False),
        ("means", "xxxxx", False),
        ("MEANS", "hhhhh", None),
        ("means", "hhhhh", False),  # small capitals
        ("means", "xhxxp", True),
        ("descend", "xxxxxxx", False),
        ("based", "xhhhx", True),
        ("the", "hhx", None),
    ],
)
def test_letters_that_look_otherwise_than_they_are_spelled_are_told(text: str, heights: str, told: bool | None) -> None:
    assert unlike(text, _row(text, heights)) is told


def test_turned_letters_and_ligatures_are_not_compared() -> None:
    aslant = [(4.0 * i, 40.0 - 4 * i, 4.0 * i + 5, 46.0 - 3 * i) for i in range(6)]
    joined = [(-12.0, 2.0, -3.0, 10.0)] * 2 + _row("ore", "xxx")

    assert unlike("summed", aslant) is None
    assert unlike("store", joined) is False


def _unfolded(png: bytes) -> tuple[int, int, bytes]:
    """Width, height and rows of a PNG of ours, by its own chunks."""
    found, at = {}, 8
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at : at + 8])
        found[kind] = png[at + 8 : at + 8 + size]
        (check,) = struct.unpack(">I", png[at + 8 + size : at + 12 + size])
        assert check == zlib.crc32(kind + found[kind])
        at += 12 + size
    assert list(found) == [b"IHDR", b"IDAT", b"IEND"]
    width, height, *kind_of_pixels = struct.unpack(">IIBBBBB", found[b"IHDR"])
    assert kind_of_pixels == [4, 0, 0, 0, 0]
    return width, height, zlib.decompress(found[b"IDAT"])


@given(st.integers(1, 40), st.integers(1, 40), st.data())
def test_the_picture_of_a_page_is_made_anew_from_its_pixels(width: int, height: int, data: st.DataObject) -> None:
    stride = (width + 1) // 2
    pixels = data.draw(st.binary(min_size=stride * height, max_size=stride * height))

    png = picture(width, height, base64.b64encode(zlib.compress(pixels)).decode())

    assert png is not None
    wide, high, rows = _unfolded(png)
    assert (wide, high) == (width, height)
    assert rows == b"".join(b"\0" + pixels[y * stride : (y + 1) * stride] for y in range(height))


@pytest.mark.parametrize(
    ("width", "height", "pixels"),
    [
        (100, 100, b"\xff" * 4999),
        (100, 100, b"\xff" * 5001),
        (100, 100, bytes(50_000_000)),
        (60_000, 60_000, b"\xff" * 5000),
        (0, 100, b""),
        (-2, -100, b"\xff" * 100),
        (700, 800, NOISE[: 350 * 800]),
    ],
    ids=["too-few", "too-many", "bomb", "too-large", "empty", "negative", "noise"],
)
def test_pixels_that_are_not_what_they_claim_make_no_picture(width: int, height: int, pixels: bytes) -> None:
    assert picture(width, height, base64.b64encode(zlib.compress(pixels)).decode()) is None


def test_what_is_no_compressed_stream_makes_no_picture() -> None:
    assert picture(8, 8, "<script>") is None
    assert picture(8, 8, base64.b64encode(b"\x89PNG").decode()) is None


def test_the_pages_are_pictured_small_the_first_three_of_them(isolation: Isolation) -> None:
    found = read(REPORTS / "pages-four.pdf", limits=LIMITS, isolation=isolation)

    assert [one.page for one in found.thumbnails] == [1, 2, 3]
    for one in found.thumbnails:
        width, height, rows = _unfolded(one.png)
        assert (width, height) == (round(one.width), round(one.height))
        assert len(one.png) < 60_000
        assert 0.02 < 1 - rows.count(b"\xff") / len(rows) < 0.5  # there is ink, and there is paper


def test_a_page_out_of_noise_is_left_out_and_the_others_stay() -> None:
    noise = base64.b64encode(zlib.compress(NOISE[:250_000])).decode()
    plain = base64.b64encode(zlib.compress(b"\xff" * 50 * 141)).decode()
    sheets = [
        {"number": 1, "width": 700, "height": 714, "picture": {"width": 700, "height": 714, "bits": noise}},
        {"number": 2, "width": 595, "height": 842, "picture": {"width": 100, "height": 141, "bits": plain}},
        {"number": 2, "width": 595, "height": 842, "picture": {"width": 100, "height": 141, "bits": plain}},
        {"number": 7, "width": 595, "height": 842, "picture": {"width": 100, "height": 141, "bits": plain}},
    ]

    found = facts(answer(json.dumps({"pages": 4, "sheets": sheets}).encode()), Answer(pages=4))

    assert [one.page for one in found.thumbnails] == [2]


def said(engine: str, *, painted: bool = True, words: str = TALK, pages: int = 1) -> Answer:
    """An answer of one engine about a page that holds some words."""
    row = [
        (
            word,
            50 + 6 * i % 480,
            40 + 14 * (line := 6 * i // 480),
            55 + 6 * i % 480,
            50 + 14 * line,
            11,
            line,
            False,
            (),
        )
        for i, word in enumerate(words.split())
    ]
    sheet: dict[str, Any] = {"number": 1, "width": 595, "height": 842, "words": row}
    if painted:
        bits = base64.b64encode(zlib.compress(b"\xff" * 75 * 842)).decode()
        sheet["ink"] = {"width": 595, "height": 842, "bits": bits}
    return answer(json.dumps({"engine": engine, "pages": pages, "sheets": [sheet]}).encode())


def test_the_answer_of_one_engine_survives_the_crash_of_the_other() -> None:
    found = facts(said("pdfium"), Answer(outcome="timeout"))

    assert found.outcome == "read"
    assert found.pages == {"pdfium": 1, "pdfplumber": None}
    assert Problem(id="engine-timeout", text="pdfplumber") in found.problems


def test_text_that_was_never_drawn_is_for_a_person() -> None:
    found = facts(Answer(outcome="crashed"), said("pdfplumber", painted=False))

    assert found.outcome == "crashed"
    assert "not-rendered" in {problem.id for problem in found.problems}


def test_the_second_engine_reads_where_the_first_finds_nothing() -> None:
    blank = said("pdfium", words="")
    found = facts(blank, said("pdfplumber", painted=False))

    assert found.outcome == "read"
    assert "homework" in found.lines[0].text


def test_both_engines_without_an_answer_tell_why() -> None:
    assert facts(Answer(outcome="timeout"), Answer(outcome="memory")).outcome == "timeout"
    assert facts(Answer(outcome="memory"), Answer(outcome="crashed")).outcome == "crashed"
    assert facts(Answer(error="failed"), Answer(error="failed")).outcome == "unreadable"
    assert facts(Answer(error="encrypted"), Answer(error="failed")).outcome == "encrypted"


# -- bombs -------------------------------------------------------------------------------------


def _nested_flate() -> bytes:
    inner = zlib.compress(zlib.compress(b" " * 200_000_000), 9)
    return written(
        {
            1: b"<< /Type /Catalog /Pages 2 0 R >>",
            2: b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
            3: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R >>",
            4: b"<< /Length %d /Filter [/FlateDecode /FlateDecode] >> stream\n%s\nendstream" % (len(inner), inner),
        }
    )


def _laughing_forms() -> bytes:
    head = b"<< /Type /XObject /Subtype /Form /BBox [0 0 595 842] "
    inner = b"/Resources << /XObject << /F %d 0 R >> >> /Length 60 >> stream\n%s\nendstream"
    objects = [head + inner % (101 + i, b"/F Do " * 10) for i in range(12)]
    last = head + b"/Length 20 >> stream\n0 0 100 100 re f    \nendstream"
    return raw([b"/F Do"], resources=b"/XObject << /F 100 0 R >>", extra=[*objects, last])


BOMBS: dict[str, Callable[[], bytes]] = {
    "nested-flate": _nested_flate,
    "forms": _laughing_forms,
    "million-contents": lambda: raw([b" "]).replace(
        b"/Contents 11 0 R", b"/Contents [" + b"11 0 R " * 1_000_000 + b"]"
    ),
    "million-numbers": lambda: raw([b" "], page=b"/Numbers [" + b"1 " * 5_000_000 + b"]"),
    "million-brackets": lambda: raw([b" "], page=b"/Nested " + b"[" * 1_000_000 + b"]" * 1_000_000),
    "million-kids": lambda: raw([shown("page")], kids=[10] * 1_000_000, count=1_000_000),
    "objects-in-a-loop": lambda: raw(
        [b"/F Do"],
        resources=b"/XObject << /F 100 0 R >>",
        extra=[
            (
                b"<< /Type /XObject /Subtype /Form /BBox [0 0 595 842] /Resources << /XObject << /F 100 0 R >> >> "
                b"/Length 5 >> stream\n/F Do\nendstream"
            )
        ],
    ),
    "million-glyphs": lambda: raw([b"BT /F1 9 Tf 50 700 Td " + b"(a) Tj " * 1_000_000 + b"ET"]),
    "ten-thousand-pages": lambda: raw([shown("page")] * 10_000),
    "huge-page": lambda: raw([shown(TALK)], box=b"[0 0 14400 14400]"),
}


class Peak(threading.Thread):
    """Watches the memory of everything that this process starts while it is used with `with`."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.megabytes, self._done = 0.0, threading.Event()
        self._before = {*_descendants(os.getpid())}  # graders that other tests of this process keep

    def __enter__(self) -> Peak:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self.join()

    def run(self) -> None:
        while not self._done.wait(0.03):
            started = {*_descendants(os.getpid())} - self._before
            self.megabytes = max(self.megabytes, sum(map(_resident_mb, started)))


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in task.read_text(encoding="ascii").split()]
        except OSError:  # it has ended just now
            continue
        for child in children:
            found += [child, *_descendants(child)]
    return found


def _resident_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_contained_in_time_and_memory_and_told(name: str, tmp_path: Path, isolation: Isolation) -> None:
    path = write(tmp_path, BOMBS[name]())
    limits = Limits(report_seconds=8.0, memory_mb=1024, ocr_seconds=0)
    begun = time.monotonic()

    with Peak() as peak:
        found = read(path, limits=limits, isolation=isolation)

    assert time.monotonic() - begun < 20
    assert 10 < peak.megabytes < limits.memory_mb + 300  # it was seen at work; between two looks it may grow
    counts = set(found.pages.values())
    assert found.outcome != "read" or found.problems or (len(counts) == 1 and (counts.pop() or 0) > 3)


# -- text ----------------------------------------------------------------------------------------


def test_radicals_of_a_browsers_pdf_become_characters() -> None:
    assert text.repaired("⼩批次的⽅向，⾃適應，⻑度") == "小批次的方向，自適應，長度"


def test_quotes_keep_the_punctuation_and_powers_that_the_student_wrote() -> None:
    assert text.repaired("（g²），ＳＧＤ：ﬁne") == "（g²），SGD：fine"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("The learning rate decides.", ("en",)),
        ("學習率會決定每一步的大小，這樣就會收斂。", ("zh-Hant",)),
        ("学习率会决定每一步的大小，这样就会收敛。", ("zh-Hans",)),
        ("我們使用 gradient descent 的方法 to find the minimum of the loss", ("en", "zh-Hant")),
        ("12345", ()),
    ],
)
def test_languages_are_told_by_script(said: str, expected: tuple[str, ...]) -> None:
    assert text.languages(said) == expected


def test_honest_essays_are_readable_in_every_script() -> None:
    for script in ("en", "tw", "cn"):
        assert text.readable(" ".join(line for _, texts in essay(script) for line in texts))


@pytest.mark.parametrize(
    "said",
    ["", "SGD", "(cid:31)" * 80, "\ue001" * 200, "xqv zzk wrt " * 40, "禦饕龘魑魅魍魎" * 30],
    ids=lambda said: said[:8],
)
def test_what_no_one_could_have_written_is_not_readable(said: str) -> None:
    assert not text.readable(said)


def _words(*rows: tuple[str, float, float], page: int = 1) -> list[Word]:
    """Rows of text: what, how large, how far down."""
    return [
        Word(page=page, text=word, bbox=(50 + 40 * i, top, 85 + 40 * i, top + size), size=size, line=number)
        for number, (said, size, top) in enumerate(rows)
        for i, word in enumerate(said.split())
    ]


def test_headings_are_short_lines_in_larger_type_or_with_a_number() -> None:
    words = _words(
        ("Momentum", 16, 100),
        ("v = 0.9 v + g", 16, 130),
        ("It keeps a part of the last step and adds it.", 11, 160),
        ("2. Adagrad", 11, 190),
        ("2. It divides, then it steps.", 11, 220),
    )

    assert [line.heading for line in lines(words, heights={1: 842})] == [True, False, False, True, False]


def test_running_heads_and_page_numbers_are_left_out() -> None:
    words = [
        word
        for page in (1, 2)
        for word in _words(("Homework one", 9, 20), ("Body text here.", 11, 300), (f"{page} / 2", 9, 820), page=page)
    ]

    assert [line.text for line in lines(words, heights={1: 842, 2: 842})] == ["Body text here.", "Body text here."]


def test_words_on_top_of_other_words_are_told_but_not_a_word_drawn_twice() -> None:
    under = Word(page=1, text="secret", bbox=(50, 100, 90, 111), size=11, line=0)
    over = Word(page=1, text="visible", bbox=(52, 100, 92, 111), size=11, line=1)
    bold = Word(page=1, text="visible", bbox=(52.3, 100, 92.3, 111), size=11, line=2)

    assert overlapping([under, over]) == {under, over}
    assert overlapping([over, bold]) == frozenset()


@pytest.mark.parametrize("module", [lexicon, sentences, gather, ink_module, lines_module, pictures, text])
def test_the_examples_in_the_docstrings_hold(module: ModuleType) -> None:
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("said", [b'{"x": ' * 5000, b'{"sheets": ' + b"[" * 5000], ids=["objects", "lists"])
def test_an_answer_that_is_nested_without_end_is_a_crash_of_its_child(said: bytes) -> None:
    assert gather.answer(said).outcome == "crashed"
    assert recognition.answers(said) == ()


# -- letters that are set apart ------------------------------------------------------------------


def row(text: str, *, letter: float, word: float, size: float = 10.0) -> list[Word]:
    """A row as an engine gives one whose letters stand apart: every letter a word."""
    words, x = [], 50.0
    for piece in text.split():
        for sign in piece:
            words.append(Word(page=1, text=sign, bbox=(x, 100.0, x + 5.0, 110.0), size=size, line=0))
            x += 5.0 + letter
        x += word - letter
    return words


@pytest.mark.parametrize(("letter", "word"), [(2.0, 5.0), (4.0, 12.0), (2.5, 4.5)])
def test_letters_that_stand_apart_are_put_together_by_their_gaps(letter: float, word: float) -> None:
    assert said_by(row("Adagrad divides the rate", letter=letter, word=word)) == "Adagrad divides the rate"


def test_a_heading_of_one_word_is_put_together() -> None:
    assert said_by(row("Momentum", letter=3.0, word=3.0)) == "Momentum"


@pytest.mark.parametrize("text", ["we set w to zero and b to one", "w = w + v", "a model with x and y"])
def test_single_letters_among_words_stay_apart(text: str) -> None:
    words, x = [], 50.0
    for piece in text.split():
        words.append(Word(page=1, text=piece, bbox=(x, 100.0, x + 5.0 * len(piece), 110.0), size=10.0, line=0))
        x += 5.0 * len(piece) + 2.8

    assert said_by(words) == text


# -- is it text ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        "先把 data 丟進 model，算出 gradient 再 update parameters，batch 太小 loss 會 oscillate。" * 6,
        "SGD: random sample, gradient, update, learning rate. Adagrad: squared gradient, sum, root, sparse. " * 4,
        "SGD：隨機、小批次、梯度、學習率、震盪。Momentum：速度、慣性、動量、加速、谷底。" * 5,
        "勾配降下法は、損失関数の勾配を計算して、パラメータを少しずつ更新していく方法です。" * 5,
    ],
)
def test_notes_mixed_sentences_and_other_languages_are_text(said: str) -> None:
    assert text.readable(said)


@pytest.mark.parametrize(
    ("said", "language"),
    [
        ("勾配降下法は、損失関数の勾配を計算して、パラメータを更新する方法です。", "ja"),
        ("경사 하강법은 손실 함수의 기울기를 이용하여 매개변수를 갱신하는 방법이다.", "ko"),
        ("La descente de gradient met à jour les paramètres avec le gradient de la perte et une vitesse.", "fr"),
        ("Das Verfahren ist ein Abstieg, der mit einem Beispiel die Gewichte ändert und nicht mit der Menge.", "de"),
        ("SGD 每次隨機抽一筆資料，用它的梯度更新參數。", ""),
        ("The gradient of one sample moves the weights.", ""),
        ("SGD, Momentum, Adagrad, RMSprop", ""),
    ],
)
def test_a_language_that_is_not_judged_is_called_by_its_name(said: str, language: str) -> None:
    assert text.other_language(said) == language
