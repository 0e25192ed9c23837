"""A rubric is read whole, its mistakes are told all at once, and points add up."""

from __future__ import annotations

from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.model import Criterion, Evidence, Finding, Line, ReportFacts, Submission, Verdict, message
from grader.rubric import Rubric, RubricError, grade, load, score

FOLDER = files("rubrics") / "gradient_descent"
TEXT = (FOLDER / "rubric.toml").read_text(encoding="utf-8")


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _load(text: str) -> Rubric:
    return load(text, read=_read)


def _mistakes(text: str) -> tuple[str, ...]:
    with pytest.raises(RubricError) as caught:
        _load(text)
    return caught.value.mistakes


def test_the_rubric_that_ships_is_a_hundred_points() -> None:
    rubric = _load(TEXT)

    assert rubric.out_of == 100
    assert rubric.gather.base.startswith("{")
    assert rubric.gather.limits.cell_seconds == 120
    assert [c.id for c in rubric.criteria][-4:] == ["sgd", "momentum", "adagrad", "rmsprop"]
    assert all(set(c.title) == {"en", "zh-TW"} for c in rubric.criteria)


def test_all_mistakes_are_told_at_once_each_with_its_line() -> None:
    bad = TEXT.replace("points = 25", 'points = "many"').replace("limit = 3", "limt = 3").replace(
        'check = "losses-match"', 'check = "loss-match"'
    )  # fmt: skip

    mistakes = _mistakes(bad)

    assert len(mistakes) == 3
    lines = bad.splitlines()
    for mistake, text in zip(mistakes, ("points = ", "loss-match", "limt"), strict=True):
        line = int(mistake.split(":")[0].removeprefix("line "))
        assert text in lines[line - 1]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("limit = 3", "limit = 0", "limit"),
        ('topic = "sgd"', 'topic = "sgd"\nthin = 1.5', "thin"),
        ("limit = 3", 'limit = "3"', "limit"),
        ("limit = 3", "limits = 3", "did you mean `limit`?"),
        ('topic = "sgd"', 'topic = "adam"', "there are sgd, momentum, adagrad, rmsprop, but not 'adam'"),
        ('topic = "sgd"\n', "", "needs `topic`"),
        ('id = "losses"', 'id = "updates"', "used twice"),
        ('id = "losses"', 'id = "lösses/../x"', "must be a word"),
        ("points = 25", "points = nan", "above 0"),
        ("points = 25", "points = -1", "above 0"),
        ("points = 25", "points = true", "above 0"),
        ('check = "losses-match"', 'check = "losses-mach"', "did you mean `losses-match`?"),
        ("cell_seconds = 120", "cell_second = 120", "did you mean `cell_seconds`?"),
        ("cell_seconds = 120", 'cell_seconds = "long"', "cell_seconds"),
        ("cell_seconds = 120", "cell_seconds = -1", "above 0"),
        ('base = "gradient descent.ipynb"', 'base = "nothing.ipynb"', "cannot read `nothing.ipynb`"),
        ('topics = "topics.toml"', 'topics = "nothing.toml"', "cannot read `nothing.toml`"),
        ('topics = "topics.toml"', 'topics = "topics.toml"\nassignment = "no.txt"', "cannot read `no.txt`"),
        ('title = "Gradient descent"', "", "needs a `title`"),
        ("[gather]", "[gathr]", "did you mean `gather`?"),
        ('x = ["x_data"]', "x = [1]", "x"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_words_that_lead_to_it(old: str, new: str, told: str) -> None:
    assert TEXT.count(old) >= 1

    assert any(told in mistake for mistake in _mistakes(TEXT.replace(old, new, 1)))


@pytest.mark.parametrize(
    "text", ["", "title = 1", "criterion = 3\ntitle='x'", "[[criterion]]", "= nonsense", "criterion = [1]"]
)
def test_a_rubric_that_is_none_is_told(text: str) -> None:
    assert _mistakes(text)


def test_the_mistakes_are_told_in_the_order_of_the_file() -> None:
    wrong = TEXT.replace("points = 5", "points = 0").replace("cell_seconds = 120", "cell_seconds = -1")
    wrong = wrong.replace("processes = 64", "processes = 1.5").replace('topics = "topics.toml"', 'topics = "no.toml"')

    lines = [int(mistake.split(":")[0].removeprefix("line ")) for mistake in _mistakes(wrong)]

    assert len(lines) == 8
    assert lines == sorted(lines)


def test_passages_of_the_assignment_are_shown_and_cost_nothing() -> None:
    sentence = "Explain with your own eyes how the four methods walk down the valley, one page for each, and sign it."
    rubric = load(
        TEXT.replace("[gather]", 'assignment = "sheet.txt"\n[gather]', 1),
        read=lambda name: sentence if name == "sheet.txt" else _read(name),
    )
    copied = "the gradient of the squared error over all ten points, then move both parameters a small step against it"
    said = (copied, "My own words stand here.", sentence)
    lines = tuple(Line(page=1, text=text, bbox=(50, 90 * i, 500, 90 * i + 12)) for i, text in enumerate(said))
    evidence = Evidence(submission=Submission(student="a", root="/"), report=ReportFacts(outcome="read", lines=lines))
    plain = load(TEXT, read=_read)

    told = grade(evidence, rubric)

    assert [(one.concept, one.text) for one in told.shared] == [("notebook", copied), ("assignment", sentence[:-1])]
    assert told.points == grade(evidence, plain).points
    assert rubric.digest != plain.digest


def test_text_recognition_can_be_turned_off_and_nothing_else() -> None:
    assert _load(TEXT.replace("ocr_seconds = 60", "ocr_seconds = 0")).gather.limits.ocr_seconds == 0
    assert _mistakes(TEXT.replace("ocr_seconds = 60", "ocr_seconds = -1"))
    assert _mistakes(TEXT.replace("cell_seconds = 120", "cell_seconds = 0"))


def test_the_digest_follows_what_judging_depends_on_and_nothing_else() -> None:
    same = _load(TEXT.replace("cell_seconds = 120", "cell_seconds = 60") + "\n# a comment\n")
    other = _load(TEXT.replace("points = 25", "points = 26"))

    assert same.digest == _load(TEXT).digest != other.digest


verdicts = st.sampled_from(Verdict)


@given(verdict=verdicts, credit=st.floats(0, 1), waits=st.floats(0, 1), points=st.floats(0.5, 100))
def test_points_are_given_lost_or_left_to_a_person_and_never_two_of_these(
    verdict: Verdict, credit: float, waits: float, points: float
) -> None:
    finding = Finding(check="x", verdict=verdict, credit=credit, open=waits, message=message("x"))

    scored = score(Criterion(id="x", check="x", points=points), finding)

    if verdict is Verdict.SKIPPED:
        assert (scored.points, scored.pending, scored.out_of) == (0, 0, 0)
        return
    assert scored.out_of == points
    assert 0 <= scored.points <= points + 0.005
    if verdict is Verdict.FAULT:
        assert (scored.points, scored.pending) == (0, points)
    elif verdict is Verdict.REVIEW:
        assert scored.pending == pytest.approx(min(points * waits, points - scored.points), abs=0.01)
    else:
        assert scored.pending == 0


def test_a_finding_that_is_open_as_a_whole_leaves_every_point_to_a_person() -> None:
    finding = Finding(check="x", verdict=Verdict.REVIEW, credit=0.0, message=message("x"))

    scored = score(Criterion(id="x", check="x", points=1.625), finding)

    assert (scored.points, scored.pending) == (0, 1.625)


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "1" * 5000,
        "x = 0x" + "f" * 5000,
        "x = 1" + "0" * 400,
        "x = " + "[" * 5000,
        "a" + ".b" * 60_000 + " = 1",
        "#" + "x" * 3_000_000,
    ],
    ids=["digits", "hexadecimal", "beyond-floats", "depth", "dots", "size"],
)
def test_toml_that_breaks_its_reader_is_a_mistake_of_the_rubric(text: str) -> None:
    with pytest.raises(RubricError, match="not TOML"):
        load(text, read=lambda _: "")
    with pytest.raises(RubricError, match="not TOML"):
        load('title = "t"\n', read=lambda _: text)
