"""One submission from files to grade, through the child that does the dangerous work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
import tomllib
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import nbformat
import pytest
from msgspec.structs import replace

from grader import intake, pipeline, sandbox
from grader.coverage import topics
from grader.model import (
    CellRun,
    Criterion,
    Evidence,
    Gather,
    Grade,
    GraderError,
    Isolation,
    Limits,
    ReportFacts,
    Run,
    Submission,
    Verdict,
    from_json,
    to_json,
)
from grader.rubric import Rubric, grade

GATHER = Gather(limits=Limits(cell_seconds=20, notebook_seconds=60))
GOOD = """
x_data, y_data = [1.0, 2.0, 3.0], [2.0, 4.1, 5.9]
b, w, lr = 0.0, 0.0, 0.01
b_history, w_history = [b], [w]
for i in range(50):
    b_grad = w_grad = 0.0
    for x, y in zip(x_data, y_data):
        b_grad -= 2.0 * (y - b - w * x)
        w_grad -= 2.0 * (y - b - w * x) * x
    b -= lr * b_grad
    w -= lr * w_grad
    b_history.append(b)
    w_history.append(w)
"""


def _hand_in(folder: Path, *sources: str) -> Submission:
    folder.mkdir(exist_ok=True)
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    (folder / "hw.ipynb").write_text(nbformat.writes(book), encoding="utf-8")
    return replace(intake.files([folder]), asked=("notebook",))


@pytest.fixture(scope="module")
def isolation() -> Isolation:
    return sandbox.probe()


@pytest.fixture(scope="module")
def rubric() -> Rubric:
    criteria = (
        Criterion(id="runs", check="notebook-runs", points=10),
        Criterion(id="updates", check="updates-match", points=20),
        Criterion(id="pages", check="report-pages", points=5, params={"limit": 3}),
    )
    lexicon = (files("rubrics") / "gradient_descent" / "topics.toml").read_text(encoding="utf-8")
    return Rubric(title="t", criteria=criteria, topics=topics(tomllib.loads(lexicon)), digest="d")


def test_an_honest_run_is_verified_and_earns_its_points(tmp_path: Path, isolation: Isolation, rubric: Rubric) -> None:
    evidence = pipeline.examine(_hand_in(tmp_path / "b1", GOOD), gather=GATHER, isolation=isolation)
    judged = pipeline.judge(evidence, rubric)

    assert [(m.cell, m.steps, m.rule, m.verdict) for m in evidence.matches] == [(1, 50, "gd", "matches")]
    assert (judged.points, judged.pending, judged.out_of) == (30, 0, 30)  # the report was not asked for


@pytest.mark.slow
def test_what_the_notebook_prints_never_becomes_the_answer(tmp_path: Path, isolation: Isolation) -> None:
    forged = '{"submission": {"student": "forged"}}'
    loud = f"import os, sys\nos.write(1, b'{{}}')\nprint({forged!r})\nsys.stderr.write('x' * 10000)"

    evidence = pipeline.examine(_hand_in(tmp_path / "b1", loud, GOOD), gather=GATHER, isolation=isolation)

    assert evidence.fault is None
    assert evidence.submission.student == "b1"
    assert [m.verdict for m in evidence.matches] == ["matches"]


def test_a_child_that_dies_is_a_fault_of_ours_and_no_points_are_lost(
    tmp_path: Path, isolation: Isolation, rubric: Rubric, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")

    evidence = pipeline.examine(_hand_in(tmp_path / "b1", GOOD), gather=GATHER, isolation=isolation)
    judged = pipeline.judge(evidence, rubric)

    assert evidence.fault is not None
    assert [s.finding.verdict for s in judged.scored] == [Verdict.FAULT, Verdict.FAULT, Verdict.SKIPPED]
    assert (judged.points, judged.pending, judged.needs_review) == (0, 30, True)


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo nonsense", "cannot read Evidence"),
        ("yes", "MB"),
        ("sleep 60", "exit code -9"),
        ("echo why >&2; exit 3", "why"),
    ],
    ids=["nonsense", "flood", "hangs", "stderr"],
)
def test_whatever_a_child_answers_the_parent_goes_on(
    script: str, told: str, tmp_path: Path, isolation: Isolation, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = tmp_path / "child"
    child.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    child.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(child))
    monkeypatch.setattr(pipeline, "SECONDS_TO_SPARE", 1.0)
    brief = Gather(limits=Limits(notebook_seconds=0.5, report_seconds=0.1, ocr_seconds=0))

    evidence = pipeline.examine(_hand_in(tmp_path / "b1", GOOD), gather=brief, isolation=isolation)

    assert evidence.fault is not None
    assert told in evidence.fault.traceback


def test_a_broken_check_is_a_fault_not_a_zero(
    rubric: Rubric, isolation: Isolation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(evidence: Evidence, rubric: Rubric, real: Callable[..., Grade] = grade, **_: object) -> Grade:
        if evidence.fault is None:
            raise ZeroDivisionError
        return real(evidence, rubric)

    monkeypatch.setattr(pipeline, "grade", broken)

    judged = pipeline.judge(Evidence(submission=Submission(student="b1", root="/", notebook="a", report="b")), rubric)

    assert {s.finding.verdict for s in judged.scored} == {Verdict.FAULT}


def test_facts_have_another_name_when_anything_they_rest_on_changes(isolation: Isolation) -> None:
    submission = Submission(student="a", root="/", digest="sha256:1")
    key = pipeline.facts_key(submission, GATHER, isolation, verifier="1")

    others = {
        pipeline.facts_key(replace(submission, digest="sha256:2"), GATHER, isolation, verifier="1"),
        pipeline.facts_key(submission, Gather(), isolation, verifier="1"),
        pipeline.facts_key(submission, GATHER, replace(isolation, level="none"), verifier="1"),
        pipeline.facts_key(submission, GATHER, isolation, verifier="2"),
        pipeline.facts_key(replace(submission, asked=("notebook",)), GATHER, isolation, verifier="1"),
    }

    assert len(others | {key}) == 6
    assert pipeline.facts_key(replace(submission, student="b"), GATHER, isolation, verifier="1") == key


@pytest.mark.slow
def test_a_handed_out_notebook_that_does_not_run_is_told_to_the_teacher(isolation: Isolation) -> None:
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")])

    with pytest.raises(GraderError, match="handed-out notebook does not run") as caught:
        pipeline.base_matches(replace(GATHER, base=nbformat.writes(book)), isolation=isolation)

    assert caught.value.hint == "cell 1: ZeroDivisionError: division by zero"


SUPERVISE = """
import sys
from grader import pipeline
from grader.model import from_json
job = from_json(sys.stdin.buffer.read(), pipeline.Job)
pipeline.examine(job.submission, gather=job.gather, isolation=job.isolation)
"""


@pytest.mark.slow
def test_nothing_survives_a_grader_that_is_killed(tmp_path: Path, isolation: Isolation) -> None:
    sleeper = f"sleep 987{os.getpid()}"
    source = f"import subprocess, time\nsubprocess.Popen({sleeper.split()!r})\ntime.sleep(987)"
    job = pipeline.Job(
        submission=_hand_in(tmp_path / "b1", source),
        gather=Gather(limits=Limits(cell_seconds=900, notebook_seconds=900)),
        isolation=isolation,
    )
    grader = subprocess.Popen([sys.executable, "-c", SUPERVISE], stdin=subprocess.PIPE)
    assert grader.stdin is not None
    with grader.stdin as pipe:
        pipe.write(to_json(job))

    assert _wait_for(lambda: _running(sleeper), seconds=30)
    grader.kill()
    grader.wait()

    assert _wait_for(lambda: not _running(sleeper), seconds=10)


def _running(command: str) -> bool:
    return subprocess.run(["pgrep", "-f", command], stdout=subprocess.DEVNULL, check=False).returncode == 0


def _wait_for(condition: Callable[[], bool], *, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return False


SILENT = "\n".join(line for line in GOOD.splitlines() if "history" not in line)


@pytest.mark.slow
def test_a_loop_that_keeps_no_history_is_run_again_with_a_record(tmp_path: Path, isolation: Isolation) -> None:
    evidence = pipeline.examine(_hand_in(tmp_path, SILENT), gather=GATHER, isolation=isolation)

    (match,) = evidence.matches
    assert (match.names, match.steps, match.rule, match.verdict) == (("b", "w"), 50, "gd", "matches")
    assert [note.id for note in match.notes][:1] == ["kernel.recorded"]


BY_RATE = f"""
def train(lr):
{textwrap.indent(GOOD.replace(", lr = 0.0, 0.0, 0.01", " = 0.0, 0.0"), "    ")}
    return b_history, w_history

x_data, y_data = [1.0, 2.0, 3.0], [2.0, 4.1, 5.9]
for lr in (0.01, 0.02, 0.03):
    b_history, w_history = train(lr)
"""


@pytest.mark.slow
def test_what_a_later_turn_overwrites_is_verified_as_well(tmp_path: Path, isolation: Isolation) -> None:
    evidence = pipeline.examine(_hand_in(tmp_path, BY_RATE), gather=GATHER, isolation=isolation)

    assert {(match.verdict, match.steps) for match in evidence.matches} == {("matches", 50)}
    assert sorted(match.hyperparameters["lr"] for match in evidence.matches) == pytest.approx([0.01, 0.02, 0.03])


DRAWN = (  # decorated functions are left as they are
    BY_RATE.replace("(0.01, ", "(0.015, ")
    .replace("def train", "import functools\nimport matplotlib.pyplot as plt\n@functools.cache\ndef train")
    .replace("return b_history, w_history", "plt.plot(b_history, w_history)\n    plt.show()\n    return b, w")
    .replace("b_history, w_history = train", "b, w = train")
)


@pytest.mark.slow
def test_a_line_that_follows_a_rule_is_a_run(tmp_path: Path, isolation: Isolation) -> None:
    evidence = pipeline.examine(_hand_in(tmp_path, GOOD, DRAWN), gather=GATHER, isolation=isolation)

    found = {match.names: match.hyperparameters["lr"] for match in evidence.matches if match.cell == 2}
    assert found == {
        ("plot[1][:, 0]", "plot[1][:, 1]"): pytest.approx(0.015),
        ("plot[2][:, 0]", "plot[2][:, 1]"): pytest.approx(0.02),
        ("plot[3][:, 0]", "plot[3][:, 1]"): pytest.approx(0.03),
    }


@pytest.mark.slow
def test_a_history_of_the_students_own_is_not_recorded_again(tmp_path: Path, isolation: Isolation) -> None:
    evidence = pipeline.examine(_hand_in(tmp_path, GOOD), gather=GATHER, isolation=isolation)

    assert [note.id for match in evidence.matches for note in match.notes] == []


HIDDEN = {
    "capture": "real = get_ipython()._grader_capture",
    "hook": "get_ipython().events.register('post_run_cell', lambda *_: None)",
    "exec": "exec('late = 1')",
}


@pytest.mark.parametrize("source", HIDDEN.values(), ids=HIDDEN)
def test_where_a_cell_reaches_past_itself_a_right_run_says_so_and_loses_nothing(
    tmp_path: Path, isolation: Isolation, rubric: Rubric, source: str
) -> None:
    reaching, plain = (
        pipeline.examine(_hand_in(tmp_path / name, first, GOOD, source), gather=GATHER, isolation=isolation)
        for name, first in (("reaching", source), ("plain", "pass"))
    )

    assert [note.parameters["cell"] for note in reaching.matches[0].notes if note.id == "notebook.reaches"] == [1]
    assert [note for note in plain.matches[0].notes if note.id == "notebook.reaches"] == []
    assert grade(reaching, rubric).points == grade(plain, rubric).points


@pytest.mark.slow
def test_of_ten_million_steps_it_is_said_how_many_were_checked(tmp_path: Path, isolation: Isolation) -> None:
    """Issue 5: long histories are sampled, and said so."""
    long = GOOD.replace("range(50)", "range(1_200_000)").replace("zip(x_data, y_data)", "[(2.0, 4.1)]")

    evidence = pipeline.examine(_hand_in(tmp_path, long), gather=GATHER, isolation=isolation)

    (match,) = evidence.matches
    assert match.steps == 1_200_000
    assert [(n.id, n.parameters) for n in match.notes if n.id == "verify.more-steps"] == [
        ("verify.more-steps", {"steps": 1_200_000, "judged": 1_000_000})
    ]


TROUBLE = (
    "%matplotlib qt5\nimport matplotlib\nmatplotlib.use('TkAgg')\nimport matplotlib.pyplot as plt\nimport numpy as np",
    "from google.colab import drive\ndrive.mount('/content/drive')",
    "!pip install seaborn\nlr = float(input('learning rate? '))",
    "import nowhere_to_be_found as nn\nmodel = nn.Model()",
    "model.fit(1, 2)",
    "data = np.loadtxt('data.csv')",
    "table = {}\ntable[0] = data[0]",
    "print(table[0])",
    "k = np.int(3)",
    "ax = plt.figure().gca(projection='3d')",
    " plt.switch_backend('nbagg')\n plt.show()",
    GOOD,
)


@pytest.mark.slow
def test_trouble_with_the_environment_is_no_mistake_and_hides_no_run(tmp_path: Path, isolation: Isolation) -> None:
    """Issue 5: environment trouble is told apart from the student's mistake."""
    evidence = pipeline.examine(_hand_in(tmp_path, *TROUBLE), gather=GATHER, isolation=isolation)

    assert evidence.run is not None
    assert [cell.error for cell in evidence.run.cells if cell.status != "ok" and not cell.environment] == []
    assert [cell.index for cell in evidence.run.cells if cell.environment] == [3, 4, 5, 6, 7, 8, 9, 10]
    assert [match.verdict for match in evidence.matches] == ["matches"]


class _Gone(subprocess.Popen[bytes]):
    """A child that ends between two looks at it."""

    def poll(self) -> None:
        self.wait()


def test_a_child_that_ends_as_it_is_killed_is_no_fault() -> None:
    with _Gone(["true"], start_new_session=True) as child:
        pipeline._kill(child)

    assert child.returncode == 0


def test_more_than_the_parent_reads_is_a_persons_look_at_the_notebook_only() -> None:
    report = ReportFacts(outcome="read", pages={"pdfium": 3})
    cells = tuple(CellRun(index=1, status="ok", printed="\x01" * 10_000) for _ in range(800))
    run = Run(outcome="complete", isolation=Isolation(), cells=cells)
    evidence = Evidence(submission=Submission(student="b1", root="/"), run=run, report=report)

    answer = pipeline._answer(evidence)
    told = from_json(answer, Evidence)

    assert len(answer) <= pipeline.MAX_ANSWER
    assert told.notebook_problem is not None
    assert told.notebook_problem.id == "notebook.too-much-found"
    assert (told.run, told.report, told.fault) == (None, report, None)


def test_of_what_very_many_cells_print_the_beginning_is_kept() -> None:
    cells = tuple(CellRun(index=1, status="ok", printed="x" * 20_000) for _ in range(5000))

    run = pipeline._brief(Run(outcome="complete", isolation=Isolation(), cells=cells))

    assert run.cells[0].printed == "x" * 20_000
    assert {len(cell.printed) for cell in run.cells[201:]} == {pipeline.LEAST_PRINTED}


@pytest.mark.parametrize(
    "begin",
    ["from grader import pipeline; pipeline._limit_self()", "from grader import judging; judging._limit_self()"],
    ids=["child", "judge"],
)
def test_a_process_that_crashes_says_where(begin: str) -> None:
    crash = f"import os, signal; {begin}\ndef here():\n    os.kill(os.getpid(), signal.SIGSEGV)\nhere()"

    done = subprocess.run([sys.executable, "-I", "-c", crash], capture_output=True, text=True, check=False)

    assert done.returncode == -signal.SIGSEGV
    assert "Segmentation fault" in done.stderr
    assert "in here" in done.stderr
