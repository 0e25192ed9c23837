"""Threads that begin at the same moment in a fresh process: what is built at first use is built once, and whole."""

from __future__ import annotations

import subprocess
import sys

import pytest

_TOGETHER = """
import sys, threading
sys.setswitchinterval(float(sys.argv[1]))  # turns that are short end inside of what is built at first use
{imports}
start = threading.Barrier(8)
ended = []
def work():
    start.wait()
    {work}
    ended.append(True)
threads = [threading.Thread(target=work) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
sys.exit(0 if len(ended) == 8 else 9)
"""
_BLANK = """
from grader.model import Evidence, Grade, Submission, from_json, to_json
blank = Evidence(submission=Submission(student="a", root="/"))
"""
TURNS = (5e-4, 4e-4, 3e-4, 2e-4, 1e-4, 5e-5)


def _together(turn: float, *, imports: str, work: str) -> tuple[int, str]:
    """Let eight threads do the same first thing in a Python of their own; its exit code and what it said."""
    script = _TOGETHER.format(imports=imports, work=work.replace("\n", "\n    "))
    done = subprocess.run([sys.executable, "-I", "-c", script, str(turn)], capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize("turn", TURNS)
def test_eight_threads_may_read_their_first_evidence_at_the_same_moment(turn: float) -> None:
    imports = _BLANK + "data = to_json(blank)"

    assert _together(turn, imports=imports, work="from_json(data, Evidence)") == (0, "")


@pytest.mark.parametrize("turn", TURNS)
def test_eight_threads_may_write_their_first_evidence_at_the_same_moment(turn: float) -> None:
    assert _together(turn, imports=_BLANK, work="to_json(blank)") == (0, "")


@pytest.mark.parametrize("turn", TURNS[::2])
def test_threads_may_begin_with_records_that_hold_one_another(turn: float) -> None:
    work = """
try:
    from_json(b"{}", (Evidence, Grade, Submission)[threading.get_native_id() % 3])
except Exception:
    pass"""

    assert _together(turn, imports=_BLANK, work=work) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize("turn", TURNS)
def test_eight_threads_may_judge_and_show_their_first_submission_at_the_same_moment(turn: float) -> None:
    imports = """
from grader import feedback, pipeline
from grader.cli.settings import read_rubric
from grader.export.json import grade_json
rubric = read_rubric("gradient-descent")
"""
    work = """
evidence = from_json(to_json(blank), Evidence)
grade = pipeline.judge(evidence, rubric)
feedback.render(grade, evidence, language="zh-TW")
grade_json(grade, evidence, language="en")"""

    assert _together(turn, imports=_BLANK + imports, work=work) == (0, "")
