"""Work that is alike: found with both passages, never by chance, and without what everybody got."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import test_cli
from hypothesis import given
from hypothesis import strategies as st
from test_cli import Child, hand_in, run

from grader.alike import MANY, SURE, Alike, Work, alike

child, here = test_cli.child, test_cli.here
ROOT = Path(__file__).parents[1]
PASSAGES = list(
    dict.fromkeys(  # a passage about two topics stands there for each
        passage["text"]
        for name in ("holdout.toml", "tuning.toml", "second-holdout.toml")
        for passage in tomllib.loads((ROOT / "tests/passages" / name).read_text(encoding="utf-8"))["passage"]
    )
)
ENGLISH = (
    "Momentum keeps a velocity that gathers the gradients of earlier steps, so that the path does not zigzag between "
    "the walls of a narrow valley and reaches the floor of it sooner than plain descent would."
)
CHINESE = (
    "動量法會保留先前梯度的累積速度，讓更新的方向比較穩定，不會在狹窄的谷底兩側來回震盪，因此通常可以更快到達最低點。"
)
CODE = """
for step in range(iteration):
    guess = intercept + slope * x_data
    error = y_data - guess
    intercept_gradient = -2.0 * error.sum()
    slope_gradient = -2.0 * (error * x_data).sum()
    velocity_b = 0.9 * velocity_b - rate * intercept_gradient
"""


def works(*texts: str, kind: str = "report") -> list[Work]:
    return [Work(student=f"b{number}", texts={kind: text}) for number, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("shared", "kind"), [(ENGLISH, "report"), (CHINESE, "report"), (ENGLISH, "prose"), (CODE, "code")],
    ids=["english", "chinese", "prose", "code"],
)  # fmt: skip
def test_a_long_passage_in_common_is_found_and_quoted_from_both(shared: str, kind: str) -> None:
    first, second = f"My own beginning. {shared} My end.", f"Quite another start! {shared.upper()} And so on."
    found = alike(works(first, "Something else altogether.", second, kind=kind), {})

    assert [pair.students for pair in found.pairs] == [("b0", "b2")]
    (passage,) = found.pairs[0].passages
    assert shared.strip()[:30] in passage.first
    assert shared.upper().strip()[:30] in passage.second


def test_texts_that_were_written_apart_are_not_alike() -> None:
    """No accusation by chance: every passage of the corpora is a student's report."""
    found = alike(works(*PASSAGES), {})

    assert found == Alike()
    assert len(PASSAGES) > 200


def test_what_was_handed_out_is_not_in_common() -> None:
    found = alike(works(f"I think. {ENGLISH}", f"We say: {ENGLISH}"), {"report": f"The sheet. {ENGLISH}"})

    assert found == Alike()


def test_an_edited_loop_of_the_handed_out_notebook_is_not_in_common() -> None:
    edited = [CODE.replace("0.9", value) for value in ("0.8", "0.7", "0.6")]

    assert alike(works(*edited, kind="code"), {"code": CODE}) == Alike()


def test_what_very_many_share_says_nothing_of_two() -> None:
    assert alike(works(*(f"Number {n}. {ENGLISH}" for n in range(MANY + 5))), {}).pairs == ()


def test_the_same_files_are_told_first_and_only_once() -> None:
    one = [
        Work(student=f"b{n}", digest="sha256:1" if n < 2 else f"sha256:{n}", texts={"report": ENGLISH})
        for n in range(3)
    ]
    found = alike(one, {})

    assert found.identical == (("b0", "b1"),)
    assert {pair.students for pair in found.pairs} == {("b0", "b2"), ("b1", "b2")}


def test_a_group_may_be_alike() -> None:
    group = [Work(student=f"b{n}", digest="sha256:1", group="A", texts={"report": ENGLISH}) for n in range(2)]

    assert alike(group, {}) == Alike()
    assert alike([*group, Work(student="b9", digest="sha256:1", group="B", texts={})], {}).identical == (
        ("b0", "b1", "b9"),
    )


def test_nothing_handed_in_is_no_identical_file() -> None:
    assert alike([Work(student=f"b{n}", texts={}) for n in range(3)], {}) == Alike()


@given(st.lists(st.sampled_from("abcdefgh"), min_size=SURE + 10, max_size=60), st.integers(0, 5))
def test_a_long_run_in_common_is_never_missed(words: list[str], offset: int) -> None:
    """Two texts with so many tokens in a row in common share a hash for certain."""
    shared = " ".join(f"{word}{number}" for number, word in enumerate(words))
    found = alike(works("x " * offset + shared, shared + " y z"), {})

    assert [pair.students for pair in found.pairs] == [("b0", "b1")]
    assert found.pairs[0].length == len(words)


def test_the_class_page_shows_identical_copies(here: Path, child: Child) -> None:
    for name in ("b0", "b1"):
        hand_in(here / "class" / name, "ok the same")
    hand_in(here / "class/b2", "ok other")
    run("grade", "class")

    def page() -> str:
        return (here / "results/summary.html").read_text(encoding="utf-8")

    assert "The very same files" in page()
    run("override", "results", "b0", "runs", "1", "--why", "copied")
    assert "The very same files" in page()
