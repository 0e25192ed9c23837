"""Small real students, made by hand, for the tests of what people read."""

import base64
import json
import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, TypeVar

import msgspec

from grader.model import (
    Cell,
    CellRun,
    Coverage,
    Criterion,
    Curve,
    Divergence,
    Evidence,
    Experiment,
    Fault,
    Finding,
    Grade,
    Isolation,
    Line,
    LossMatch,
    Match,
    Message,
    Notebook,
    Problem,
    ReportFacts,
    RubricId,
    Run,
    Scored,
    Snippet,
    Submission,
    Surface,
    Thumbnail,
    Verdict,
    Where,
    message,
    to_json,
)
from grader.report.pictures import picture

X = (338.0, 333.0, 328.0, 207.0, 226.0, 25.0, 179.0, 60.0, 208.0, 606.0)
Y = (640.0, 633.0, 619.0, 393.0, 428.0, 27.0, 193.0, 66.0, 226.0, 1591.0)
START = (-120.0, -4.0)
CENTRE = (-188.43319665732653, 2.6694640160365247)
Point = tuple[float, float]
R = TypeVar("R")
Sample = tuple[Grade, Evidence]

CRITERIA = (
    ("notebook-runs", "notebook-runs", 10.0, "The notebook runs", "notebook 可以執行"),
    ("updates", "updates-match", 25.0, "Parameter updates match a reference", "參數更新與參考實作一致"),
    ("losses", "losses-match", 5.0, "Loss curves match", "損失曲線一致"),
    ("experiments", "experiments-made", 15.0, "Hyperparameters were modified", "修改了超參數"),
    ("explained", "effects-explained", 15.0, "The effects are explained", "說明了修改的效果"),
    ("report-readable", "report-readable", 4.0, "The report is a readable PDF", "報告是可讀取的 PDF"),
    ("report-pages", "report-pages", 6.0, "The report has at most three pages", "報告不超過三頁"),
    ("sgd", "topic-covered", 5.0, "SGD is introduced", "介紹了 SGD"),
    ("momentum", "topic-covered", 5.0, "Momentum is introduced", "介紹了 Momentum"),
    ("adagrad", "topic-covered", 5.0, "Adagrad is introduced", "介紹了 Adagrad"),
    ("rmsprop", "topic-covered", 5.0, "RMSprop is introduced", "介紹了 RMSprop"),
)
PASSED = {
    "notebook-runs": message("runs.all", cells=6),
    "updates-match": message("updates.all", runs=3, steps=300000),
    "losses-match": message("losses.derived"),
    "experiments-made": message("experiments.made", count=3, minimum=2),
    "effects-explained": message("explained.enough", count=2, minimum=2),
    "report-readable": message("report.read"),
    "report-pages": message("pages.count", found=3, limit=3),
}
TOPICS = ("SGD", "Momentum", "Adagrad", "RMSprop")


# -- runs ------------------------------------------------------------------------------------------


def loss(point: Sequence[float]) -> float:
    b, w = point
    try:
        return sum((y - b - w * x) ** 2 for x, y in zip(X, Y, strict=True))
    except OverflowError:
        return math.inf


def gradient(point: Point) -> Point:
    b, w = point
    errors = [(y - b - w * x, x) for x, y in zip(X, Y, strict=True)]
    return -2 * sum(e for e, _ in errors), -2 * sum(e * x for e, x in errors)


def surface() -> Surface:
    rows = ((float(len(X)), sum(X)), (sum(X), sum(x * x for x in X)))
    return Surface(centre=CENTRE, hessian=rows, minimum=loss(CENTRE))


@cache
def gradient_descent(rate: float, steps: int) -> list[Point]:
    path = [START]
    for _ in range(steps):
        (b, w), (gb, gw) = path[-1], gradient(path[-1])
        path.append((b - rate * gb, w - rate * gw))
    return path


@cache
def adagrad(rate: float, steps: int, root: Callable[[float], float] = math.sqrt) -> list[Point]:
    path, sums = [START], [0.0, 0.0]
    for _ in range(steps):
        g = gradient(path[-1])
        sums = [s + gi * gi for s, gi in zip(sums, g, strict=True)]
        b, w = (p - rate * gi / root(s) for p, gi, s in zip(path[-1], g, sums, strict=True))
        path.append((b, w))
    return path


def curve(path: Sequence[Point], expected: Sequence[Point] = ()) -> Curve:
    """Thinned as the grader does it: every step at first, then ever fewer."""
    kept = [0]
    while kept[-1] < len(path) - 1:
        kept.append(min(max(kept[-1] + 1, int(kept[-1] * 1.05)), len(path) - 1))
    return Curve(
        steps=tuple(kept),
        losses=tuple(loss(path[t]) for t in kept),
        path=tuple(path[t] for t in kept),
        expected_losses=tuple(loss(expected[t]) for t in kept) if expected else (),
        expected_path=tuple(expected[t] for t in kept) if expected else (),
        surface=surface(),
    )


def match(path: Sequence[Point], **fields: Any) -> Match:
    known: dict[str, Any] = {
        "cell": 3,
        "names": ("b_history", "w_history"),
        "steps": len(path) - 1,
        "verdict": "matches",
        "rule": "sgd",
        "max_residual": 0.14,
        "informative_steps": len(path) - 1,
        "final_loss": loss(path[-1]),
        "curve": curve(path),
    }
    return Match(**(known | fields))


# -- records ---------------------------------------------------------------------------------------


def submission(student: str, **fields: Any) -> Submission:
    known: dict[str, Any] = {
        "student": student,
        "root": f"/class/{student}",
        "notebook": "gradient descent.ipynb",
        "report": "report.pdf",
        "digest": "sha256:3b1f6c0e9d7a4452",
        "received": "2026-10-12T21:04:00+08:00",
    }
    return Submission(**(known | fields))


def finding(check: str, verdict: Verdict, credit: float, what: Message, **fields: Any) -> Finding:
    return Finding(check=check, verdict=verdict, credit=credit, message=what, **fields)


def scored(findings: dict[str, Finding]) -> tuple[Scored, ...]:
    """Every criterion passed but those given."""
    lines = []
    for key, check, points, english, chinese in CRITERIA:
        criterion = Criterion(id=key, check=check, points=points, title={"en": english, "zh-TW": chinese})
        found = findings.get(key) or finding(check, Verdict.PASS, 1.0, _passed(key, check))
        waits = found.verdict in (Verdict.REVIEW, Verdict.FAULT)
        skipped = found.verdict is Verdict.SKIPPED
        lines.append(
            Scored(
                criterion=criterion,
                finding=found,
                points=0.0 if waits or skipped else points * found.credit,
                pending=points if waits else 0.0,
                out_of=0.0 if skipped else points,
            )
        )
    return tuple(lines)


def _passed(id: str, check: str) -> Message:
    topics = dict(zip(("sgd", "momentum", "adagrad", "rmsprop"), TOPICS, strict=True))
    return message("topic.covered", topic=topics[id]) if check == "topic-covered" else PASSED[check]


def grade(about: Submission, findings: dict[str, Finding] | None = None, **fields: Any) -> Grade:
    lines = scored(findings or {})
    known: dict[str, Any] = {
        "submission": about,
        "rubric": RubricId(title="Gradient descent", digest="sha256:9a8b7c6d5e4f3a2b"),
        "scored": lines,
        "points": sum(line.points for line in lines),
        "pending": sum(line.pending for line in lines),
        "out_of": sum(line.out_of for line in lines),
        "needs_review": any(line.pending for line in lines),
    }
    return Grade(**(known | fields))


def evidence(about: Submission, **fields: Any) -> Evidence:
    isolation = Isolation(level="bubblewrap", seccomp=True)
    cells = tuple(CellRun(index=i, status="ok", seconds=0.4) for i in (1, 3, 5))
    known: dict[str, Any] = {
        "submission": about,
        "isolation": isolation,
        "notebook": Notebook(cells=(Cell(index=1, kind="code", source="import numpy as np"),)),
        "run": Run(outcome="complete", isolation=isolation, cells=cells, seconds=2.2),
        "report": report(),
        "verifier": "1",
        "seconds": 4.1,
    }
    return Evidence(**(known | fields))


def report(**fields: Any) -> ReportFacts:
    line = Line(page=1, text="Stochastic gradient descent", bbox=(72.0, 90.0, 300.0, 110.0))
    known: dict[str, Any] = {
        "outcome": "read",
        "pages": {"pdfplumber": 3, "pdfium": 3},
        "languages": ("en",),
        "lines": (line,),
        "thumbnails": (thumbnail(),),
    }
    return ReportFacts(**(known | fields))


def thumbnail(page: int = 1) -> Thumbnail:
    """A white page with a grey block where the sentences of `coverage` stand."""
    rows = [b"\xff" * 74 if not 11 < y < 28 else b"\xff" * 9 + b"\x88" * 29 + b"\xff" * 36 for y in range(210)]
    png = picture(148, 210, base64.b64encode(zlib.compress(b"".join(rows))).decode())
    assert png is not None
    return Thumbnail(page=page, width=595.3, height=841.9, png=png)


SENTENCES = {
    "sgd": "SGD replaces the sum over all examples by one randomly drawn example, so one update is cheap but noisy.",
    "momentum": "動量會累積過去的梯度，因此在同一方向上愈走愈快，遇到震盪的方向則互相抵銷。",
    "adagrad": "Adagrad divides the learning rate of each parameter by the root of the sum of its squared gradients.",
    "rmsprop": "RMSprop keeps a moving average of squared gradients, so old gradients are forgotten.",
}


def coverage(**status: str) -> tuple[Coverage, ...]:
    """Every topic covered but those given."""
    return tuple(_topic(topic, status.get(topic, "covered")) for topic in SENTENCES)


def _topic(topic: str, status: Any) -> Coverage:
    box = (72.0, 50.0 + 16 * list(SENTENCES).index(topic), 300.0, 62.0 + 16 * list(SENTENCES).index(topic))
    snippets = () if status == "missing" else (Snippet(page=1, bbox=box, text=SENTENCES[topic]),)
    questions = () if status == "covered" else (message(f"topic.hint-{topic}"),)
    return Coverage(topic=topic, status=status, evidence=snippets, questions=questions)


def experiment(**fields: Any) -> Experiment:
    known: dict[str, Any] = {
        "name": "lr",
        "cell": 3,
        "before": "1e-7",
        "after": "1e-6",
        "effect": "faster",
        "steps": 100000,
        "final_loss": 12010.5,
        "illustrated": True,
        "explained": True,
        "claim": "agrees",
        "quote": "With lr = 1e-6 the curve falls earlier, and after 100000 steps b is closer to the optimum.",
    }
    return Experiment(**(known | fields))


# -- students --------------------------------------------------------------------------------------


def perfect(student: str = "b10901001") -> Sample:
    about = submission(student)
    paths = (gradient_descent(1e-7, 3000), gradient_descent(1e-6, 3000), adagrad(1.0, 3000))
    rules: tuple[dict[str, Any], ...] = (
        {"cell": 3, "rule": "sgd", "hyperparameters": {"lr": 1e-7}, "effect": "converging"},
        {"cell": 5, "rule": "sgd", "hyperparameters": {"lr": 1e-6}, "effect": "converging"},
        {"cell": 7, "rule": "adagrad", "hyperparameters": {"lr": 1.0}, "effect": "converging"},
    )
    matches = tuple(match(path, **rule) for path, rule in zip(paths, rules, strict=True))
    made = (experiment(), experiment(name="iteration", before="100000", after="3000", effect="not-converged", quote=""))
    return grade(about, experiments=made, coverage=coverage()), evidence(about, matches=matches)


def adagrad_without_root(student: str = "b10901002") -> Sample:
    about = submission(student)
    right, wrong = adagrad(1.0, 3000), adagrad(1.0, 3000, root=float)
    gap = Divergence(step=1, before=START, expected=right[1], seen=wrong[1])
    diagnosis = message(
        "bug.adagrad-no-root", step=1, name="b_history", seen=wrong[1][0] - START[0], lr=1.0, expected=1.0
    )
    found = match(
        wrong,
        cell=5,
        verdict="differs",
        rule="adagrad",
        hyperparameters={"lr": 1.0},
        max_residual=4e15,
        first_divergence=gap,
        diagnosis=diagnosis,
        effect="stalled",
        curve=curve(wrong, right),
    )
    plain = match(gradient_descent(1e-7, 3000), hyperparameters={"lr": 1e-7}, effect="converging")
    step = message("updates.step", cell=5, step=1, name="b_history", expected=right[1][0], seen=wrong[1][0])
    findings = {
        "updates": finding(
            "updates-match",
            Verdict.PARTIAL,
            0.5,
            message("updates.differ", wrong=1, runs=2, cell=5),
            hint=diagnosis,
            where=Where(cell=5, line=12),
            details=(step,),
        ),
        "explained": finding(
            "effects-explained",
            Verdict.FAIL,
            0.0,
            message("explained.few", count=0, minimum=2),
            hint=message("explained.hint"),
        ),
        "rmsprop": finding(
            "topic-covered",
            Verdict.FAIL,
            0.0,
            message("topic.missing", topic="RMSprop"),
            hint=message("topic.hint-rmsprop"),
        ),
        "report-pages": finding(
            "report-pages",
            Verdict.FAIL,
            0.0,
            message("pages.count", found=4, limit=3),
            hint=message("pages.hint", over=1),
            where=Where(page=4),
        ),
    }
    made = (
        experiment(explained=False, claim="none", quote=""),
        experiment(cell=5, before="1e-7", after="1", effect="slower"),
    )
    judged = grade(about, findings, experiments=made, coverage=coverage(rmsprop="missing", momentum="thin"))
    problem = Problem(id="hidden-text", page=2, text="SGD Momentum Adagrad RMSprop")
    return judged, evidence(
        about,
        matches=(plain, found),
        report=report(pages={"pdfplumber": 4, "pdfium": 4}, languages=("en", "zh-Hant"), problems=(problem,)),
    )


def diverging(student: str = "b10901003") -> Sample:
    about = submission(student)
    calm, wild = gradient_descent(1e-7, 3000), gradient_descent(1e-6, 1000)
    exploding = gradient_descent(1e-5, 126)
    matches = (
        match(calm, hyperparameters={"lr": 1e-7}, effect="converging"),
        match(wild, cell=5, hyperparameters={"lr": 1e-6}, effect="converging"),
        match(exploding, cell=7, hyperparameters={"lr": 1e-5}, effect="diverging"),
    )
    wrong = experiment(
        cell=7,
        after="1e-5",
        effect="diverging",
        final_loss=math.inf,
        claim="contradicts",
        quote="學習率變成 1e-5 之後，模型很快就收斂了。",
    )
    told = message("explained.contradicts", cell=7, name="lr", effect="diverging", quote=wrong.quote)
    doubt = finding("effects-explained", Verdict.REVIEW, 0.0, told, where=Where(cell=7))
    made = (experiment(cell=5), wrong)
    return grade(about, {"explained": doubt}, experiments=made, coverage=coverage()), evidence(about, matches=matches)


def all_review(student: str = "b10901004") -> Sample:
    about = submission(student)
    what = message("updates.none")
    findings = {key: finding(check, Verdict.REVIEW, 0.0, what) for key, check, *_ in CRITERIA}
    return grade(about, findings), evidence(about, matches=(), report=report(outcome="unreadable", pages={}))


def scanned(student: str = "b10901009") -> Sample:
    """A scan that text recognition read."""
    about = submission(student)
    lines = tuple(
        Line(page=1, text=text, bbox=(72, 90 + 16 * i, 500, 102 + 16 * i)) for i, text in enumerate(SENTENCES.values())
    )
    what = {
        topic: message("topic.recognised", topic=topic, coverage=status)
        for topic, status in zip(SENTENCES, ("covered", "covered", "thin", "missing"), strict=True)
    }
    findings = {key: finding("topic-covered", Verdict.REVIEW, 0.0, said) for key, said in what.items()}
    findings["report-readable"] = finding("report-readable", Verdict.REVIEW, 0.0, message("report.unreadable"))
    seen = report(outcome="unreadable", lines=(), recognised=lines, problems=(Problem(id="scanned-page", page=1),))
    judged = coverage(adagrad="thin", rmsprop="missing")
    return grade(about, findings, coverage=judged), evidence(about, report=seen)


def no_report(student: str = "b10901005") -> Sample:
    about = submission(student, report=None)
    missing = {
        key: finding(check, Verdict.FAIL, 0.0, message("checks.report-missing"), hint=message("checks.report-add"))
        for key, check, *_ in CRITERIA
        if check.startswith(("report", "topic"))
    }
    run = match(gradient_descent(1e-7, 3000), hyperparameters={"lr": 1e-7}, effect="converging")
    stopped = CellRun(index=4, status="error", error="NameError: name 'plt' is not defined", line=2)
    ran = evidence(about).run
    assert ran is not None
    cells = Run(outcome="complete", isolation=ran.isolation, cells=(*ran.cells, stopped))
    missing["notebook-runs"] = finding(
        "notebook-runs",
        Verdict.PARTIAL,
        0.75,
        message("runs.error", cell=4, error="NameError: name 'plt' is not defined"),
        hint=message("runs.hint-error"),
        where=Where(cell=4, line=2),
    )
    return grade(about, missing, experiments=(experiment(),)), evidence(about, matches=(run,), report=None, run=cells)


def fault(student: str = "b10901006") -> Sample:
    about = submission(student)
    findings = {key: finding(check, Verdict.FAULT, 0.0, message("checks.fault")) for key, check, *_ in CRITERIA}
    broken = Fault(stage="verify", traceback="Traceback (most recent call last):\n  ZeroDivisionError")
    return grade(about, findings), Evidence(submission=about, fault=broken)


def self_check(student: str = "b10901007") -> Sample:
    """Only a notebook was given to `grader check`, and it could not be parsed."""
    about = submission(student, report=None, asked=("notebook",))
    skipped = {
        key: finding(check, Verdict.SKIPPED, 0.0, message("checks.not-asked"))
        for key, check, *_ in CRITERIA
        if check.startswith(("report", "topic"))
    }
    unread = {
        key: finding(check, Verdict.REVIEW, 0.0, message("updates.none"))
        for key, check, *_ in CRITERIA
        if key not in skipped
    }
    broken = Evidence(submission=about, notebook_problem=message("updates.none"))
    return grade(about, skipped | unread), broken


def loss_differs(student: str = "b10901008") -> Sample:
    """Losses labelled as a mean that are a sum."""
    about = submission(student)
    path = gradient_descent(1e-6, 2000)
    gap = Divergence(step=1, before=(), expected=(loss(START) / 10,), seen=(loss(START),))
    wrong = LossMatch(name="mse_history", kind="mse", verdict="differs", at="before", first_divergence=gap)
    found = match(path, hyperparameters={"lr": 1e-6}, effect="converging", loss=wrong)
    what = message("losses.differ", cell=3, name="mse_history")
    bad = finding("losses-match", Verdict.FAIL, 0.0, what, hint=message("losses.hint"), where=Where(cell=3))
    return grade(about, {"losses": bad}, coverage=coverage(), experiments=(experiment(),)), evidence(
        about, matches=(found,)
    )


def many_runs(student: str = "b10901010") -> Sample:
    """More runs than a plot can tell apart, with losses of every size, under names of every length."""
    about = submission(student)
    long = ("history_of_the_first_parameter_" * 3, "參數的歷史紀錄" * 10)
    rates = [10.0**-power for power in range(11, 4, -1)]
    calm = [match(gradient_descent(rate, 200), hyperparameters={"lr": rate}, effect="converging") for rate in rates[:5]]
    wild = [match(gradient_descent(rate, 60), hyperparameters={"lr": rate}, effect="diverging") for rate in rates[5:]]
    named = match(adagrad(1.0, 200), rule="adagrad", names=long, hyperparameters={"lr": 1.0}, effect="converging")
    return grade(about), evidence(about, matches=(*calm, *wild, *calm, named))


SAMPLES: dict[str, Callable[[], Sample]] = {
    "perfect": perfect,
    "adagrad-without-root": adagrad_without_root,
    "diverging": diverging,
    "all-review": all_review,
    "no-report": no_report,
    "fault": fault,
    "self-check": self_check,
    "loss-differs": loss_differs,
}


EVIL = (
    "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&lt;b&gt;&#60;i&#62;\u202egnp.\x00\x1b[31m{{7*7}}${1}`x`"
)
"""Everything that a student's text could try in a page."""


@cache
def hostile() -> Sample:
    """A student who wrote EVIL wherever a record takes any text."""
    judged, known = adagrad_without_root()
    return poisoned(judged, Grade), poisoned(known, Evidence)


def poisoned(record: R, kind: type[R]) -> R:
    """The record with EVIL in place of every text that could as well be another one."""
    plain = json.loads(to_json(record))
    for place in list(_texts(plain)):
        *path, last = place
        holder = plain
        for key in path:
            holder = holder[key]
        before, holder[last] = holder[last], EVIL
        try:
            msgspec.convert(plain, kind, strict=False)
        except msgspec.ValidationError:  # one of a few words, or a number: no student's text
            holder[last] = before
    return msgspec.convert(plain, kind, strict=False)


def _texts(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, str):
        yield path
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts(inner, (*path, index))
