"""The pages in a real browser: accessible, inside their own policy, readable on a phone and on paper."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from sample_grades import SAMPLES, hostile, many_runs, scanned

from grader import decisions, feedback
from grader.alike import Alike, Pair, Passage
from grader.model import Decision, Grade, Language, Lateness

HERE = Path(__file__).parent / "browser"
LANGUAGES: tuple[Language, ...] = ("en", "zh-TW")

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def modules() -> Path:
    """A folder in the virtual environment with what `package.json` asks for, installed on first use."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("Node.js is not installed")
    folder = Path(sys.prefix) / "share" / "descent-grader-browser"
    wanted = (HERE / "package.json").read_text(encoding="utf-8")
    done = folder / "installed.json"
    if not done.is_file() or done.read_text(encoding="utf-8") != wanted:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text(wanted, encoding="utf-8")
        quiet = ["--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
        subprocess.run([npm, "install", *quiet], cwd=folder, check=True, timeout=300, capture_output=True)
        done.write_text(wanted, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def browser() -> str:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip("no Chromium is installed")
    return found


LATE = Lateness(late=True, seconds=4000, known_by="file")
ALIKE = Alike(
    identical=(("adagrad-without-root", "diverging"),),
    pairs=(
        Pair(
            students=("hostile", "scanned"),
            kind="code",
            length=66,
            share=0.5,
            passages=(Passage(first="x = 1 <script>", second="一段很長的文字" * 40, length=66),),
        ),
    ),
)


def decided(grade: Grade) -> Grade:
    """The grade with every criterion decided by a person, the first one on another result."""
    made = [
        Decision(
            student=grade.submission.student,
            criterion=scored.criterion.id,
            share=0.5,
            comment="看過了，寫得很清楚。" * 5,
            basis=decisions.basis(scored, grade.submission.digest if number else "sha256:other"),
        )
        for number, scored in enumerate(grade.scored)
    ]
    return decisions.final(grade, made)


def looked(pages: list[Path], modules: Path, browser: str) -> list[dict[str, Any]]:
    command = ["node", str(HERE / "check.mjs"), browser, *map(str, pages)]
    ran = subprocess.run(command, cwd=modules, capture_output=True, text=True, encoding="utf-8", timeout=300)
    assert ran.returncode == 0, ran.stderr
    seen: list[dict[str, Any]] = json.loads(ran.stdout)
    return seen


def wrong(seen: list[dict[str, Any]]) -> list[str]:
    """What is wrong, a line each: page, scheme, width, and what was found."""
    keys = ("violations", "refused", "requests", "overflow", "folded", "cut")
    return [
        f"{Path(page['path']).name} {page['colorScheme']} {page['width']}: {key} {page[key]}"
        for page in seen
        for key in keys
        if page[key]
    ]


def test_pages_are_accessible_and_keep_their_policy(tmp_path: Path, modules: Path, browser: str) -> None:
    students = {name: make() for name, make in (SAMPLES | {"hostile": hostile, "scanned": scanned}).items()}
    wanted: list[tuple[str, Language]] = [
        ("adagrad-without-root", "en"),
        ("adagrad-without-root", "zh-TW"),
        ("diverging", "zh-TW"),
        ("scanned", "en"),
        ("fault", "en"),
        ("hostile", "zh-TW"),
    ]
    texts = {f"{name}.{language}": feedback.render(*students[name], language=language) for name, language in wanted}
    grades = [grade for grade, _ in students.values()]
    links = {grade.submission.student: f"{grade.submission.student}/feedback.html" for grade in grades}
    texts |= {f"summary.{language}": feedback.summary(grades, language=language, links=links) for language in LANGUAGES}
    texts |= {
        "nobody.en": feedback.summary([], language="en", links={}),
        "many-runs.en": feedback.render(*many_runs(), language="en"),
        "all-review.zh-TW": feedback.render(*students["all-review"], language="zh-TW"),
    }
    late = [replace(grade, submission=replace(grade.submission, lateness=LATE)) for grade in grades]
    texts |= {
        f"class-in-full.{language}": feedback.summary(
            late, language=language, links=links, missing=["b10901001", "王小明"], earlier=grades[:2], alike=ALIKE
        )
        for language in LANGUAGES
    }
    waiting, evidence = students["all-review"]
    texts |= {
        f"decided.{language}": feedback.render(decided(waiting), evidence, language=language) for language in LANGUAGES
    }
    pages = [tmp_path / f"{name}.html" for name in texts]
    for page, text in zip(pages, texts.values(), strict=True):
        page.write_text(text, encoding="utf-8")

    seen = looked(pages, modules, browser)

    assert len(seen) == 3 * len(pages)
    assert wrong(seen) == []


def test_the_browser_would_notice_a_bad_page(tmp_path: Path, modules: Path, browser: str) -> None:
    grade, evidence = SAMPLES["perfect"]()
    page = tmp_path / "bad.html"
    good = feedback.render(grade, evidence, language="en")
    bad = '<p style="color: #eee">pale</p><img src="data:image/png;base64,AA"><script>document.title = "x"</script>'
    page.write_text(good.replace("</main>", f"{bad}</main>"), encoding="utf-8")

    seen = looked([page], modules, browser)

    assert all(any("Content Security Policy" in text for text in look["refused"]) for look in seen)
    assert all("image-alt" in {found["rule"] for found in look["violations"]} for look in seen)
