"""A fixed part of the fuzzer: changed samples of whatever crosses a border are read within its bounds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_whatever_crosses_a_border_is_read_within_its_bounds() -> None:
    command = [sys.executable, "-W", "ignore", "benchmarks/fuzz.py", "--seed", "1", "--turns", "2", "--batch", "40"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert set(told["inputs"].values()) == {80}
    assert len(told["inputs"]) >= 12
