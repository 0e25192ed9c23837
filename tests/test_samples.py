"""The sample submissions, graded end to end, against what `sample_submissions/expected.toml` says of each."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "sample_submissions"
EXPECTED: dict[str, dict[str, Any]] = tomllib.loads((SAMPLES / "expected.toml").read_text(encoding="utf-8"))
RUBRIC = tomllib.loads((SAMPLES / "rubric.toml").read_text(encoding="utf-8"))
CRITERIA = [criterion["id"] for criterion in RUBRIC["criterion"]]

KEYS = {
    "about", "traits", "notebook", "report", "cells", "runs", "experiments",
    "pages", "languages", "readable", "topics", "verdicts", "points", "pending", "out_of",
}  # fmt: skip


# -- what each trait means, in the entry and in the hand-in ------------------------------------------

Shows = Callable[[dict[str, Any], str], bool]


def _rule(name: str) -> Shows:
    return lambda entry, _: any(run.get("rule") == name and run["verdict"] == "matches" for run in entry["runs"])


def _diagnosis(name: str) -> Shows:
    return lambda entry, _: any(run["verdict"] == "differs" and name in run["diagnosis"] for run in entry["runs"])


def _code(*parts: str) -> Shows:
    """The notebook has these pieces of code, and its runs match."""
    return lambda entry, code: (
        all(part in code for part in parts) and all(run["verdict"] == "matches" for run in entry["runs"])
    )


def _three_learning_rates(entry: dict[str, Any], _: str) -> bool:
    return len({run["hyperparameters"]["lr"] for run in entry["runs"] if run["rule"] == "gd"}) >= 3


def _slides(entry: dict[str, Any], _: str) -> bool:
    return any(run.get("convention", {}).get("start") == "first gradient" for run in entry["runs"])


TRAITS: dict[str, Shows] = {
    "gd-three-learning-rates": _three_learning_rates,
    "adagrad": _rule("adagrad"),
    "momentum": _rule("momentum"),
    "rmsprop-slides": _slides,
    "histories-returned": _code("return b_list, w_list"),
    "theta-array": _code("theta = np.zeros((iteration + 1, 2))"),
    "history-attribute": _code("class ", "self.history.append"),
    "losses-recorded": lambda entry, _: all(run["loss"] == "matches" for run in entry["runs"]),
    "diverges": lambda entry, _: (
        any(run.get("effect") == "diverging" for run in entry["runs"]) and entry["points"] == 100
    ),
    "plot-fails": lambda entry, _: "error" in entry["cells"].values() and len(entry["runs"]) > 1,
    "gauss-seidel": _diagnosis("gauss-seidel"),
    "adagrad-no-root": _diagnosis("no-root"),
    "sign-error": _diagnosis("sign"),
    "linspace-fake": _diagnosis("evenly-spaced"),
    "infinite-loop": lambda entry, _: "timeout" in entry["cells"].values(),
    "notebook-not-json": lambda entry, text: not text.startswith("{") and entry["verdicts"]["updates"] == "review",
    "no-report": lambda entry, _: entry["report"] == "" and entry["verdicts"]["sgd"] == "fail",
    "report-four-pages": lambda entry, _: entry["pages"] == 4 and entry["verdicts"]["report-pages"] == "fail",
    "report-without-rmsprop": lambda entry, _: entry["topics"]["rmsprop"] == "missing",
    "report-traditional-chinese": lambda entry, _: entry["languages"] == ["zh-Hant"],
    "report-scanned": lambda entry, _: entry["verdicts"]["report-readable"] == "review",
    "report-lists-names": lambda entry, _: set(entry["topics"].values()) == {"mentioned"},
    "claim-contradicts": lambda entry, _: any(e["claim"] == "contradicts" for e in entry["experiments"]),
    "flawless": lambda entry, _: entry["points"] == 100 and "verdicts" not in entry,
}


def code(student: str) -> str:
    """The text of the notebook, with its code as plain lines where it is JSON."""
    text = Path(SAMPLES, student, EXPECTED[student]["notebook"]).read_text(encoding="utf-8")
    if not text.startswith("{"):
        return text
    return "{" + "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])


@pytest.mark.parametrize("trait", TRAITS)
def test_every_trait_is_shown_by_a_student_who_has_it(trait: str) -> None:
    students = [student for student, entry in EXPECTED.items() if trait in entry["traits"]]

    assert students
    assert all(TRAITS[trait](EXPECTED[student], code(student)) for student in students)


def test_expectations_name_each_student_once_and_nothing_unknown() -> None:
    folders = {path.name for path in SAMPLES.iterdir() if path.is_dir()}
    unknown = {
        (student, name)
        for student, entry in EXPECTED.items()
        for name in {*entry} - KEYS | {*entry["traits"]} - {*TRAITS} | {*entry.get("verdicts", {})} - {*CRITERIA}
    }

    assert folders == {*EXPECTED}
    assert not unknown


def test_two_students_are_flawless_one_in_each_language() -> None:
    languages = [entry["languages"] for entry in EXPECTED.values() if "flawless" in entry["traits"]]

    assert sorted(languages) == [["en"], ["zh-Hant"]]


# -- the files come from their sources ---------------------------------------------------------------


@pytest.mark.slow
def test_making_the_samples_again_changes_nothing(tmp_path: Path) -> None:
    fonts = Path("/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc")
    if not fonts.exists():
        pytest.skip("the Chinese reports need fonts-wqy-zenhei")

    subprocess.run([sys.executable, str(ROOT / "tests" / "samples" / "make.py"), str(tmp_path)], check=True)

    made = {path.relative_to(tmp_path): path for path in tmp_path.rglob("*") if path.is_file()}
    kept = {path.relative_to(SAMPLES) for path in SAMPLES.rglob("*") if path.is_file()}
    assert kept - {Path("expected.toml")} == {*made}
    for name, path in made.items():
        content = words if name.suffix == ".pdf" else Path.read_bytes
        assert content(path) == content(SAMPLES / name), name


def words(pdf: Path) -> list[str]:
    """The text of each page: the bytes of a PDF depend on the versions of zlib and of the fonts."""
    import pypdfium2

    return [page.get_textpage().get_text_bounded() for page in pypdfium2.PdfDocument(pdf)]


# -- graded end to end -------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def batch(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """One batch of all samples, from the command line, as `make demo` does it."""
    results = tmp_path_factory.mktemp("samples") / "results"
    command = ["grade", str(SAMPLES), "--rubric", str(SAMPLES / "rubric.toml"), "-o", str(results), "--format", "jsonl"]
    return subprocess.run(
        [str(Path(sys.executable).with_name("grader")), *command],
        capture_output=True, text=True, encoding="utf-8", timeout=900,
    )  # fmt: skip


@pytest.fixture(scope="session")
def grades(batch: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    """Every sample's grade, by student."""
    return {grade["submission"]["student"]: grade for grade in map(json.loads, batch.stdout.splitlines())}


@pytest.mark.slow
@pytest.mark.xdist_group("samples")
def test_the_batch_is_complete_and_leaves_nobody_out(
    batch: subprocess.CompletedProcess[str], grades: dict[str, dict[str, Any]]
) -> None:
    assert batch.returncode == 0, batch.stderr
    assert {*grades} == {*EXPECTED}


@pytest.mark.slow
@pytest.mark.xdist_group("samples")
@pytest.mark.parametrize("student", EXPECTED)
def test_a_sample_gets_the_expected_grade(student: str, grades: dict[str, dict[str, Any]]) -> None:
    assert list(differences(EXPECTED[student], grades[student])) == []


def differences(entry: dict[str, Any], grade: dict[str, Any]) -> Iterator[str]:
    """Say where a grade is not what the entry expects; what the entry leaves out has a default."""
    runs, found = entry["runs"], grade["runs"]
    places = [(run["cell"], run["rule"], run["verdict"]) for run in found]
    if len(runs) != len(found):
        yield f"{len(found)} runs instead of {len(runs)}: {places}"
    for expected, run in zip(runs, found, strict=False):
        yield from _apart(expected, _run(run), f"run of cell {expected['cell']}")
    for expected in entry.get("experiments", []):
        same = [e for e in grade["experiments"] if (e["name"], e["cell"]) == (expected["name"], expected["cell"])]
        if not same:
            yield f"no experiment with {expected['name']} in cell {expected['cell']}"
        for experiment in same:
            yield from _apart(expected, experiment, f"experiment of cell {expected['cell']}")
    for key, (expected, seen) in _summary(entry, grade).items():
        if not _agree(expected, seen):
            yield f"{key}: {seen} instead of {expected}"


def _run(run: dict[str, Any]) -> dict[str, Any]:
    return run | {"loss": run["loss"]["verdict"]}


def _apart(expected: dict[str, Any], seen: dict[str, Any], place: str) -> Iterator[str]:
    for key, value in expected.items():
        other = seen.get(key)
        agree = value in (other or "") if key == "diagnosis" else _agree(value, other, whole=False)
        if not agree:
            yield f"{place}: {key} {other} instead of {value}"


def _summary(entry: dict[str, Any], grade: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    report = grade["report"] or {}
    seen = {
        "notebook": grade["submission"]["notebook"] or "",
        "report": grade["submission"]["report"] or "",
        "cells": {str(cell["index"]): cell["status"] for cell in grade["cells"] if cell["status"] != "ok"},
        "pages": report.get("pages"),
        "languages": report.get("languages"),
        "readable": report.get("readable"),
        "topics": {topic: found["status"] for topic, found in report["topics"].items()} if report else None,
        "verdicts": {f["id"]: f["verdict"] for f in grade["findings"] if f["verdict"] != "pass"},
        "points": grade["points"],
        "pending": grade["pending"],
        "out_of": grade["out_of"],
    }
    defaults = {"cells": {}, "verdicts": {}, "pending": 0.0, "out_of": 100.0}
    return {key: (entry.get(key, defaults.get(key)), value) for key, value in seen.items()}


def _agree(expected: Any, seen: Any, *, whole: bool = True) -> bool:
    """Compare values: numbers to 12 digits, and tables in part unless they are compared as a `whole`."""
    if isinstance(expected, dict):
        known = isinstance(seen, dict) and (set(expected) == set(seen) if whole else set(expected) <= set(seen))
        return known and all(_agree(value, seen[key], whole=whole) for key, value in expected.items())
    if isinstance(expected, float) and isinstance(seen, int | float):
        return math.isclose(expected, seen, rel_tol=1e-12)
    return bool(expected == seen)


# -- the comparison itself fails loudly --------------------------------------------------------------


def a_grade(**changes: Any) -> dict[str, Any]:
    return {
        "submission": {"notebook": "a.ipynb", "report": None},
        "cells": [{"index": 2, "status": "ok"}],
        "runs": [{"cell": 2, "rule": "gd", "verdict": "matches", "diagnosis": None, "loss": {"verdict": "absent"}}],
        "experiments": [],
        "report": None,
        "findings": [{"id": "updates", "verdict": "pass"}],
        "points": 100.0, "pending": 0.0, "out_of": 100.0,
    } | changes  # fmt: skip


AN_ENTRY = {
    "notebook": "a.ipynb",
    "report": "",
    "runs": [{"cell": 2, "rule": "gd", "verdict": "matches"}],
    "points": 100.0,
}


def test_a_grade_as_expected_differs_in_nothing() -> None:
    assert list(differences(AN_ENTRY, a_grade())) == []


@pytest.mark.parametrize(
    ("entry", "changes"),
    [
        pytest.param({}, {"runs": []}, id="a run that is missing"),
        pytest.param({"runs": []}, {}, id="a run too many"),
        pytest.param({"runs": [{"cell": 2, "diagnosis": "sign"}]}, {}, id="a diagnosis that is missing"),
        pytest.param({"runs": [{"cell": 2, "unheard": 1}]}, {}, id="a key that no run has"),
        pytest.param({"experiments": [{"name": "lr", "cell": 2}]}, {}, id="an experiment that is missing"),
        pytest.param({"topics": {"sgd": "covered"}}, {}, id="topics without a report"),
        pytest.param({"verdicts": {"updates": "fail"}}, {}, id="another verdict"),
        pytest.param({}, {"findings": [{"id": "sgd", "verdict": "fault"}]}, id="a fault nobody expects"),
        pytest.param({"cells": {"2": "error"}}, {}, id="a cell that should fail"),
        pytest.param({"points": 99.0}, {}, id="other points"),
        pytest.param({}, {"points": "nan"}, id="points that are no number"),
    ],
)
def test_a_grade_that_is_not_as_expected_is_told(entry: dict[str, Any], changes: dict[str, Any]) -> None:
    assert list(differences(AN_ENTRY | entry, a_grade(**changes)))
