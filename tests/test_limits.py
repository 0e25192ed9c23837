"""Limits that a process sets for itself lie within those that it was given."""

from __future__ import annotations

import subprocess
import sys

import pytest

_SET = """
import resource
from grader.limits import lower
resource.setrlimit(resource.RLIMIT_DATA, ({given}, {given}))
lower(resource.RLIMIT_DATA, {most})
print(resource.getrlimit(resource.RLIMIT_DATA))
"""
GB = 2**30


@pytest.mark.parametrize(
    ("given", "most", "found"),
    [(GB, 4 * GB, (GB, GB)), (4 * GB, GB, (GB, 4 * GB)), (-1, GB, (GB, -1))],
    ids=["below", "above", "endless"],
)
def test_a_limit_is_set_within_the_one_that_was_given(given: int, most: int, found: tuple[int, int]) -> None:
    script = _SET.format(given=given, most=most)

    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == f"{found}\n"
