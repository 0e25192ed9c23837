"""The pages people read: their order, their honesty, and that nothing a student wrote can act in them."""

import base64
import hashlib
import re
from collections.abc import Callable
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from sample_grades import (
    EVIL,
    SAMPLES,
    Sample,
    adagrad_without_root,
    all_review,
    diverging,
    evidence,
    fault,
    finding,
    grade,
    gradient_descent,
    hostile,
    loss_differs,
    match,
    no_report,
    perfect,
    scanned,
    self_check,
    submission,
)

from grader import feedback
from grader.feedback import pages
from grader.model import (
    CellRun,
    Coverage,
    Curve,
    Evidence,
    Grade,
    Isolation,
    Language,
    Match,
    ReportFacts,
    Run,
    Snippet,
    Verdict,
    message,
)

BOTH: tuple[Language, ...] = ("en", "zh-TW")
OPEN = Isolation(level="process-limits", network="open")
CELLS = (CellRun(index=1, status="ok"),)
VOID = {"meta", "br", "img", "input", "link"}
NEVER = {"script", "iframe", "object", "embed", "link", "form", "input", "button", "base", "foreignobject", "i"}
MADE = SAMPLES | {"scanned": scanned}
EVERY = [pytest.param(make, language, id=f"{name}-{language}") for name, make in MADE.items() for language in BOTH]


class Page(HTMLParser):
    """A strict reader: elements must close in order; keeps tags, attributes, ids, headings and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"an attribute twice in <{tag}>"
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("h1", "h2", "h3"):
            self.headings.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.text += data
        if self.open and self.open[-1] in ("h1", "h2", "h3"):
            self.headings[-1] += data

    def values(self, name: str) -> list[str]:
        return [value for _, attributes in self.tags if (value := attributes.get(name)) is not None]


def page(sample: Sample, language: Language = "en") -> Page:
    return Page(feedback.render(*sample, language=language))


def words(html: str) -> str:
    return " ".join(Page(html).text.split())


def summary(*grades: Grade, language: Language = "en") -> str:
    links = {one.submission.student: f"feedback/{one.submission.student}/feedback.html" for one in grades}
    return feedback.summary(grades, language=language, links=links)


# -- what a page is --------------------------------------------------------------------------------


def assert_sound(html: str) -> None:
    read = Page(html)
    assert not {tag for tag, _ in read.tags} & NEVER
    pictures = [attributes for tag, attributes in read.tags if tag == "img"]
    assert all(set(one) == {"src", "alt"} and one["alt"] for one in pictures)
    assert all(re.fullmatch(r"data:image/png;base64,[A-Za-z0-9+/]+=*", one["src"] or "") for one in pictures)
    assert not read.values("style")
    assert not [name for _, attributes in read.tags for name in attributes if name.startswith("on")]
    ids = read.values("id")
    assert len(ids) == len(set(ids))
    assert all(link[1:] in ids for link in read.values("href") if link.startswith("#"))
    assert all(link.startswith(("#", "feedback/")) for link in read.values("href"))
    assert all(pointer in ids for value in read.values("aria-labelledby") for pointer in value.split())
    assert all(name in ids for name in re.findall(r"url\(#([\w-]+)\)", html))


@pytest.mark.parametrize(("make", "language"), EVERY)
def test_a_page_is_one_sound_inert_document(make: Callable[[], Sample], language: Language) -> None:
    assert_sound(feedback.render(*make(), language=language))


@pytest.mark.parametrize("language", BOTH)
def test_the_class_page_is_one_sound_inert_document(language: Language) -> None:
    assert_sound(summary(*(make()[0] for make in SAMPLES.values()), language=language))
    assert_sound(summary(language=language))


def test_the_policy_comes_first_and_allows_this_style_sheet_alone() -> None:
    html = feedback.render(*perfect(), language="en")

    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    first = html.partition("<head>")[2].strip().splitlines()[0]
    assert first == (
        '<meta http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;; '
        f'style-src &#39;sha256-{digest}&#39;; img-src data:; base-uri &#39;none&#39;; form-action &#39;none&#39;">'
    )


@pytest.mark.parametrize(("language", "lang"), [("en", "en"), ("zh-TW", "zh-Hant-TW")])
def test_a_page_names_its_language_and_that_of_code(language: Language, lang: str) -> None:
    read = page(adagrad_without_root(), language)

    assert dict(read.tags)["html"]["lang"] == lang
    assert {attributes.get("lang") for tag, attributes in read.tags if tag == "code"} == {"en"}
    assert {attributes.get("lang") for tag, attributes in read.tags if tag == "q"} == {"en", "zh-Hant"}


def test_every_plot_has_a_name_and_its_numbers_beside_it() -> None:
    html = feedback.render(*diverging(), language="en")

    plots = re.findall(r'<svg [^>]*role="img"[^>]*><title', html)
    figures = [one for one in re.findall(r"<figure[ >].*?</figure>", html, re.DOTALL) if "<img" not in one]
    assert len(plots) == 1 + len(figures) == 5
    assert all("<table" in figure for figure in figures)


def test_the_page_opens_offline() -> None:
    html = feedback.render(*perfect(), language="en")

    assert not re.search(r"https?://|@import|url\((?!#)", html)


# -- order and content -----------------------------------------------------------------------------


def test_the_page_goes_from_what_to_do_to_how_it_was_checked() -> None:
    read = page(adagrad_without_root())

    assert read.headings == [
        "b10901002",
        "Next steps",
        "The effects are explained",
        "Parameter updates match a reference",
        "The report has at most three pages",
        "Points by part",
        "What we saw",
        "Parameter updates match a reference",
        "The effects are explained",
        "The report has at most three pages",
        "RMSprop is introduced",
        "Training runs",
        "Experiments",
        "Report",
        "SGD",
        "Momentum",
        "Adagrad",
        "RMSprop",
        "The other parts",
        "The notebook runs",
        "Loss curves match",
        "Hyperparameters were modified",
        "The report is a readable PDF",
        "SGD is introduced",
        "Momentum is introduced",
        "Adagrad is introduced",
        "How this was checked",
        "If you think something is wrong",
    ]


def test_next_steps_are_three_and_the_best_first() -> None:
    html = feedback.render(*adagrad_without_root(), language="en")

    gains = re.findall(r'class="gain">up to ([\d.]+) points', html)
    assert gains == ["15", "12.5", "6"]
    assert "cell 5, line 12" in html
    assert "page 4" in html


def test_one_missing_report_is_one_next_step_with_all_its_points() -> None:
    html = feedback.render(*no_report(), language="en")

    assert re.findall(r'class="gain">up to ([\d.]+) points', html) == ["30", "2.5"]
    assert "SGD is introduced and 3 more" in html


def test_expected_stands_beside_seen_with_the_ratio_of_the_moves() -> None:
    html = feedback.render(*adagrad_without_root(), language="en")

    gap = words("<div" + html.partition('<div class="gap"')[2].partition("</div>")[0] + "</div>")
    assert gap.startswith("Run 2, read as Adagrad, leaves the rule for the first time in step 1")
    assert "b_history-120-119-119.999973.1141e-5" in gap.replace(" ", "")
    assert "Likely reason" in gap


def test_a_differing_loss_shows_its_factor() -> None:
    html = feedback.render(*loss_differs(), language="en")

    assert re.search(r"mse_history</code></th><td[^>]*>3,670,819</td><td[^>]*>36,708,190</td><td[^>]*>10</td>", html)


def test_passed_parts_are_folded_and_nothing_else_of_them_is_said_before() -> None:
    html = feedback.render(*perfect(), language="en")

    folded = html.index("<details><summary>Passed (11)")
    assert html.index("All 6 code cells run.") > folded
    assert "There is nothing you have to do." in html


def test_a_run_is_described_in_the_table() -> None:
    text = words(feedback.render(*perfect(), language="en"))

    assert "5 gradient descent lr = 1e-6 3000 ✓matches converging" in text
    assert "7 Adagrad lr = 1 3000 ✓matches converging" in text


def test_a_hyperparameter_is_written_as_in_the_notebook() -> None:
    run = match(gradient_descent(1e-7, 20), hyperparameters={"lr": 10_000.0})
    about = submission("code")

    assert "lr = 10000<" in feedback.render(grade(about), evidence(about, matches=(run,)), language="en")


def test_an_experiment_quotes_the_student_beside_the_measured_effect() -> None:
    text = words(feedback.render(*diverging(), language="zh-TW"))

    assert "發散 inf 有 有 與訓練結果矛盾 學習率變成 1e-5 之後，模型很快就收斂了。" in text


def test_a_report_topic_shows_the_sentence_that_decided_and_its_page() -> None:
    html = feedback.render(*perfect(), language="en")

    assert re.search(r'<q lang="zh-Hant">動量會累積.*</q> <span class="where">page 1</span>', html)


def test_what_the_report_shares_with_the_assignment_is_quoted_without_a_verdict() -> None:
    judged, known = perfect()
    copied = Snippet(page=2, bbox=(0, 0, 9, 9), text="Adagrad gives every parameter its own rate", concept="notebook")

    text = page((structs.replace(judged, shared=(copied,)), known)).text

    assert "Also in the assignment" in text
    assert "Adagrad gives every parameter its own rate" in text
    assert "in the handed-out notebook" in text
    assert "costs no points" in text


def test_a_sentence_that_shows_a_topic_in_two_ways_is_quoted_once() -> None:
    judged, known = perfect()
    first = judged.coverage[0]
    other = structs.replace(first.evidence[0], concept="update", bbox=(0.0, 0.0, 1.0, 1.0))
    twice = structs.replace(first, evidence=(*first.evidence, other))

    html = feedback.render(structs.replace(judged, coverage=(twice,)), known, language="en")

    assert html.count("SGD replaces the sum") == 1


def test_more_runs_than_can_be_told_apart_are_all_in_the_table() -> None:
    run = match(gradient_descent(1e-7, 20), hyperparameters={"lr": 1e-7})
    about = submission("many")

    html = feedback.render(grade(about), evidence(about, matches=(run,) * 12), language="en")

    assert "The first 8 of 12 runs are drawn" in html
    assert html.count('<th scope="row"><span class="who">') == 12
    assert "More runs (6)" in html
    assert_sound(html)


def test_the_foot_says_how_it_was_checked_and_how_to_ask_again() -> None:
    text = words(feedback.render(*perfect(), language="en"))

    for part in ("bubblewrap, no network", "sha256:9a8b7c6d5e4f3a2b", "gradient descent.ipynb, report.pdf", "4.1 s"):
        assert part in text
    assert "this record: 3b1f6c0e9d7a. A person will look at it" in text


# -- states ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "language", "said"),
    [
        (perfect, "en", "Everything that was asked for is there."),
        (adagrad_without_root, "en", "7 of 11 parts passed."),
        (diverging, "en", "A person will look at this: 15 points are not decided yet, and not lost."),
        (all_review, "zh-TW", "有 100 分尚未決定，會由助教確認，這部分沒有被扣分。"),
        (fault, "en", "The grader itself broke while it read this submission. That is not your mistake."),
        (fault, "zh-TW", "不是你的錯。100 分等待助教處理，沒有被扣分。"),
        (self_check, "en", "70 points are not decided yet, and not lost."),
    ],
)
def test_the_state_is_said_in_words(make: Callable[[], Sample], language: Language, said: str) -> None:
    assert said in words(feedback.render(*make(), language=language))


@pytest.mark.parametrize("make", [all_review, fault])
def test_what_waits_for_a_person_is_no_homework(make: Callable[[], Sample]) -> None:
    html = feedback.render(*make(), language="en")

    assert 'class="gain"' not in html
    assert "There is nothing you have to do." in html or "Nothing has to be done for this." in html
    assert "not yet" not in html


def test_what_a_person_will_look_at_stands_beside_the_next_steps() -> None:
    html = feedback.render(*self_check(), language="en")

    first = html.partition('<section id="next"')[2].partition("</section>")[0]
    assert "The notebook runs, Parameter updates match a reference, Loss curves match and 2 more" in first
    assert "70 pending" in first
    assert "Keep b and w of every iteration in lists" in first


def test_points_that_are_pending_are_no_zero() -> None:
    text = words(feedback.render(*diverging(), language="en"))

    assert "The effects are explained ?a person looks 15 pending" in text
    assert "0 / 15" not in text


def test_what_is_said_in_the_same_words_is_said_once() -> None:
    unread = {
        topic: finding("topic-covered", Verdict.REVIEW, 0.0, message("topic.unread", topic=topic))
        for topic in ("sgd", "momentum", "adagrad", "rmsprop")
    }
    about = submission("once")

    html = feedback.render(grade(about, unread), evidence(about), language="en")

    assert html.count('<article class="part') == 1
    assert "SGD is introduced, Momentum is introduced, Adagrad is introduced and 1 more" in html


def test_what_broke_is_not_put_on_what_was_handed_in() -> None:
    foot = words(feedback.render(*fault(), language="en")).partition("How this was checked")[2]

    assert "The grader broke before anything could be checked." in foot
    assert "handed in could" not in foot


@pytest.mark.parametrize(
    ("change", "said", "unsaid"),
    [
        ({}, "in a closed box without network", "on this machine"),
        ({"run": None, "matches": ()}, "Your report was read", "Your notebook ran"),
        ({"run": None, "matches": (), "report": None}, "Nothing that was handed in could be run", "was read for"),
        ({"run": Run(outcome="complete", isolation=OPEN, cells=CELLS)}, "but in no closed box", "without network"),
    ],
    ids=["all", "report alone", "nothing", "no jail"],
)
def test_the_foot_tells_only_what_was_done(change: dict[str, Any], said: str, unsaid: str) -> None:
    judged, known = perfect()

    text = words(feedback.render(judged, structs.replace(known, **change), language="en"))

    foot = text.partition("How this was checked")[2]
    assert said in foot
    assert unsaid not in foot


def test_a_report_of_which_nothing_is_known_has_no_empty_section() -> None:
    judged, known = perfect()
    locked = structs.replace(known, report=ReportFacts(outcome="encrypted"))

    assert "Report" not in page((structs.replace(judged, coverage=()), locked)).headings


def test_a_fault_shows_no_traceback() -> None:
    assert "Traceback" not in feedback.render(*fault(), language="en")


def test_the_page_shows_the_points_it_is_given_and_computes_none() -> None:
    judged, known = perfect()
    odd = structs.replace(judged, points=12.25, out_of=77.0)

    assert "12.25 of 77 points" in words(feedback.render(odd, known, language="en"))


def test_skipped_parts_count_neither_way() -> None:
    text = words(feedback.render(*self_check(), language="en"))

    assert "Not judged (6) These parts count neither for nor against you." in text
    assert "0 of 70 points" in text


@pytest.mark.parametrize(("limit", "said"), [(4, "at most 4 pages"), (1, "at most 1 page<")])
def test_a_title_takes_its_numbers_from_the_rubric(limit: int, said: str) -> None:
    judged, evidence = perfect("b1")
    title = {"en": "The report has at most {limit} {limit:page|pages}", "zh-TW": "報告不超過 {limit} 頁"}
    scored = tuple(
        structs.replace(one, criterion=structs.replace(one.criterion, title=title, params={"limit": limit}))
        if one.criterion.id == "report-pages"
        else one
        for one in judged.scored
    )

    assert said in feedback.render(structs.replace(judged, scored=scored), evidence, language="en")


def test_a_rubric_without_titles_shows_its_ids() -> None:
    judged, known = perfect()
    bare = tuple(structs.replace(one, criterion=structs.replace(one.criterion, title={})) for one in judged.scored)

    assert "report-readable" in feedback.render(structs.replace(judged, scored=bare), known, language="zh-TW")


@given(
    st.sampled_from(sorted(SAMPLES)),
    st.sets(st.sampled_from([name for name in Evidence.__struct_fields__ if name != "submission"])),
    st.sets(st.sampled_from(["experiments", "coverage", "scored"])),
    st.sampled_from(BOTH),
)
@settings(max_examples=25)
def test_any_part_may_be_missing(
    name: str, evidence_parts: set[str], grade_parts: set[str], language: Language
) -> None:
    judged, known = SAMPLES[name]()
    defaults = structs.asdict(Evidence(submission=known.submission))
    known = structs.replace(known, **{part: defaults[part] for part in evidence_parts})
    judged = structs.replace(judged, **dict.fromkeys(grade_parts, ()))

    assert_sound(feedback.render(judged, known, language=language))
    assert_sound(summary(judged, language=language))


@pytest.mark.parametrize(
    "odd",
    [
        match([(-120.0, -4.0)], curve=Curve()),
        match([(-120.0, -4.0)], names=("theta",), curve=Curve(steps=(0,), losses=(1.0,), path=((1.0,),))),
        match([(-120.0, -4.0)], names=(), rule=None, effect=None, final_loss=None),
        match([(-120.0, -4.0)], curve=Curve(path=((float("nan"), 1.0),), losses=(float("inf"),), steps=(0,))),
        match([(-120.0, -4.0)], verdict="unexplained", diagnosis=message("no.such"), notes=(message("no.such.note"),)),
    ],
    ids=["no curve", "one parameter", "nothing known", "not finite", "notes"],
)
def test_odd_runs_are_shown(odd: Match) -> None:
    about = submission("odd")

    assert_sound(feedback.render(grade(about), evidence(about, matches=(odd,)), language="en"))


# -- hostile text ----------------------------------------------------------------------------------


@pytest.mark.parametrize("language", BOTH)
def test_a_students_text_is_never_markup_wherever_it_stands(language: Language) -> None:
    judged, known = hostile()

    html = feedback.render(judged, known, language=language)

    assert html.count("&lt;script&gt;") > 60
    assert_sound(html)  # no script, no img, no attribute that acts
    assert "&amp;lt;b&amp;gt;" in html
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", html)
    assert "{{7*7}}" in Page(html).text


@pytest.mark.parametrize("language", BOTH)
def test_the_class_page_is_as_safe(language: Language) -> None:
    judged, _ = hostile()

    html = feedback.summary([judged], language=language, links={judged.submission.student: f"feedback/{EVIL}"})

    assert html.count("&lt;script&gt;") >= 10
    assert_sound(html)


def test_a_link_can_only_be_a_path() -> None:
    judged, _ = perfect("x")

    html = feedback.summary([judged], language="en", links={"x": "javascript:alert(1)"})

    assert Page(html).values("href") == ["javascript%3Aalert%281%29"]


@pytest.mark.parametrize("name", ["x" * 250, "王" * 83, "%" * 250])
def test_a_link_is_whole_however_long_the_name_is(name: str) -> None:
    judged, _ = perfect(name)

    html = feedback.summary([judged], language="en", links={name: f"feedback/{name}/feedback.html"})

    assert set(map(unquote, Page(html).values("href"))) == {f"feedback/{name}/feedback.html"}


def test_backticks_are_code_in_our_sentences_and_nothing_in_a_students(monkeypatch: pytest.MonkeyPatch) -> None:
    table = {"x": {"en": "Set `{name}` to {given}.", "zh-TW": "把 `{name}` 設成 {given}。"}}
    monkeypatch.setattr("grader.feedback.catalogue.catalogue", lambda: table)

    said = pages.rich(message("x", name="<lr>", given="`1`"), "en")

    assert said == 'Set <code lang="en">&lt;lr&gt;</code> to `1`.'


def test_a_small_number_stays_on_one_line_and_is_read_as_one() -> None:
    said = pages.rich(message("verify.rate-read-off", lr=1e-7), "en")

    assert '<span class="whole">1e-7</span>' in said
    assert " 1e-7 " in Page(f"<p>{said}</p>").text


def test_no_page_shows_markup_as_text() -> None:
    html = "".join(feedback.render(*make(), language="zh-TW") for make in MADE.values())

    assert "&lt;" not in html + summary(*several())


# -- the class -------------------------------------------------------------------------------------


def several() -> list[Grade]:
    return [make()[0] for make in SAMPLES.values()]


def test_the_class_page_counts() -> None:
    text = words(summary(*several()))

    assert "8students" in text
    assert "1with all points" in text
    assert "4wait for a person" in text
    assert "1grader faults" in text


def test_the_hardest_part_comes_first_and_waiting_ones_do_not_count() -> None:
    html = summary(*several())

    rates = re.findall(r"(\d+) of (\d+) passed</span></td>", html)
    shares = [int(passed) / int(judged) for passed, judged in rates]
    assert shares == sorted(shares)
    assert len(rates) == 11
    assert max(int(judged) for _, judged in rates) == 5


def test_common_mistakes_are_counted_with_links_once_for_each_student() -> None:
    twice = [adagrad_without_root("a")[0], adagrad_without_root("b")[0], no_report("c")[0]]

    html = summary(*twice)

    first = html.partition('<ol class="steps">')[2].partition("</li>")[0]
    assert "2 students" in first
    assert 'href="feedback/a/feedback.html"' in first
    missing = html.partition("No report (PDF) was handed in.")[0].rpartition("<li>")[2]
    assert "1 student<" in missing  # six criteria of one student


@pytest.mark.parametrize(("language", "told"), [("en", "to be asked about"), ("zh-TW", "需要確認")])
def test_a_topic_that_is_wrong_shows_its_question_and_waits_for_a_person(language: Any, told: str) -> None:
    judged, known = perfect()
    asked = message("question.adagrad-moving-average", page=1, quote="Adagrad keeps a moving average.")
    wrong = Coverage(topic="adagrad", status="wrong", questions=(asked,))

    html = feedback.render(structs.replace(judged, coverage=(wrong,)), known, language=language)

    article = html.partition('<article class="topic wrong">')[2].partition("</article>")[0]
    assert told in article
    assert "Adagrad keeps a moving average." in article
    assert 'class="verdict review"' in article


def test_topics_that_are_missing_are_counted_apart() -> None:
    missing = [
        grade(
            submission(topic),
            {topic: finding("topic-covered", Verdict.FAIL, 0.0, message("topic.missing", topic=topic))},
        )
        for topic in ("sgd", "rmsprop")
    ]

    first = summary(*missing).partition('<ol class="steps">')[2].partition("</ol>")[0]

    assert first.count("1 student<") == 2
    assert "RMSprop is introduced" in first


def test_the_review_queue_gives_reasons_and_starts_with_our_faults() -> None:
    html = summary(*several())

    queue = html.partition('aria-labelledby="queue-head"')[2].partition("</section>")[0]
    assert re.findall(r">(b\d+)</a>", queue) == ["b10901006", "b10901004", "b10901007", "b10901003"]
    assert "Your text says" in queue
    assert "Every part" in queue


def test_the_queue_has_an_order_of_its_own() -> None:
    waiting = [structs.replace(perfect(f"s{number:02}")[0], needs_review=True) for number in range(12)]
    orders = []
    for grades in (waiting, waiting[::-1]):
        queue = summary(*grades).partition('aria-labelledby="queue-head"')[2].partition("</section>")[0]
        orders.append(re.findall(r">(s\d+)</a>", queue))

    assert orders[0] == orders[1]
    assert orders[0] != sorted(orders[0])


def test_a_submission_that_waits_without_a_criterion_is_in_the_queue() -> None:
    judged, _ = perfect("whole")
    waiting = structs.replace(judged, needs_review=True)

    queue = summary(waiting).partition('aria-labelledby="queue-head"')[2].partition("</section>")[0]
    assert ">whole</a>" in queue


def test_every_student_is_in_the_table_with_a_verdict_for_each_part() -> None:
    html = summary(*several())

    table = html.partition('<table class="students">')[2]
    assert table.count('<th scope="row">') == 8
    assert table.count('class="verdict') == 8 * 11


def test_rows_are_the_same_table_in_words() -> None:
    header, *lines = feedback.rows([adagrad_without_root()[0], all_review()[0]], language="zh-TW")

    assert header[:4] == ("學生", "得分", "待確認", "notebook 可以執行")
    assert lines[0][:5] == ("b10901002", "61.5 / 100", "–", "通過", "部分通過")
    assert lines[1][2] == "100"
    assert all(len(line) == len(header) for line in lines)


def test_students_judged_by_different_rubrics_still_share_a_table() -> None:
    short = structs.replace(perfect("s")[0], scored=perfect()[0].scored[:2])

    rows = feedback.rows([perfect()[0], short], language="en")

    assert rows[2][5:] == ("–",) * 9


def test_two_criteria_with_one_check_keep_their_own_verdicts() -> None:
    about = submission("t")
    missing = finding("topic-covered", Verdict.FAIL, 0.0, message("topic.missing", topic="SGD"))

    rows = feedback.rows([grade(about, {"sgd": missing})], language="en")

    assert dict(zip(rows[0], rows[1], strict=True))["SGD is introduced"] == "not yet"
    assert dict(zip(rows[0], rows[1], strict=True))["Adagrad is introduced"] == "passed"


# -- colours ---------------------------------------------------------------------------------------

CSS = (files("grader.feedback") / "templates" / "page.css").read_text(encoding="utf-8")
TEXTS = ("ink", "soft", "accent", "pass", "partial", "fail", "review", "skipped", "fault")
LINES = tuple(f"run-{n}" for n in range(1, 9))


def palettes() -> dict[str, dict[str, str]]:
    light, dark, print_ = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block)) for block in _roots())
    return {"light": light, "dark": light | dark, "print": light | print_}


def _roots() -> list[str]:
    return re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)


def luminance(colour: str) -> float:
    channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(a: str, b: str) -> float:
    dark, light = sorted((luminance(a), luminance(b)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_text_has_enough_contrast(scheme: str) -> None:
    """WCAG 2.2, 1.4.3: at least 4.5 to 1. The names of the lines in a plot are text as well."""
    colours = palettes()[scheme]
    pairs = [(name, ground) for name in TEXTS for ground in ("paper", "card", "wash")]
    pairs += [(name, "card") for name in LINES]

    pale = [pair for pair in pairs if contrast(colours[pair[0]], colours[pair[1]]) < 4.5]
    assert pale == []


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_lines_have_enough_contrast(scheme: str) -> None:
    """WCAG 2.2, 1.4.11: at least 3 to 1 for what a picture says."""
    colours = palettes()[scheme]
    pairs = [(name, "card") for name in (*LINES, "edge", "ring", "accent", "review")]
    pairs += [(name, "paper") for name in ("edge", "accent", "review")]

    assert [pair for pair in pairs if contrast(colours[pair[0]], colours[pair[1]]) < 3.0] == []


def test_every_line_style_has_a_colour_and_a_dash_of_its_own() -> None:
    dashes = re.findall(r"\.line\.run-(\d) \{ stroke-dasharray: ([\d ]+);", CSS)

    assert [int(n) for n, _ in dashes] == list(range(2, 9))
    assert len({dash for _, dash in dashes}) == 7


def test_every_class_of_a_plot_has_a_style() -> None:
    svgs = "".join(re.findall(r"<svg.*?</svg>", feedback.render(*adagrad_without_root(), language="en"), re.DOTALL))
    used = {name for value in re.findall(r'class="([^"]*)"', svgs) for name in value.split()}

    assert {name for name in used if f".{name}" not in CSS} == set()
