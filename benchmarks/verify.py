"""What verifying a run of 100,000 steps costs, beside the naive replay in a Python loop and one pass over memory.

python benchmarks/verify.py --steps 100000
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # run from a checkout without installing

from grader import verify
from grader.model import Declared, Names, Series
from reference import line_fit, optimizers

RUNS: tuple[tuple[str, Callable[..., Any], float, dict[str, Any]], ...] = (
    ("gd", optimizers.sgd, 1e-7, {}),
    ("momentum", optimizers.momentum, 1e-7, {"beta": 0.9}),
    ("adagrad", optimizers.adagrad, 1.0, {}),
    ("rmsprop", optimizers.rmsprop, 0.01, {"rho": 0.9}),
    ("adam", optimizers.adam, 0.1, {"beta1": 0.9, "beta2": 0.999}),
)


def milliseconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """The CPU time of the best of three, with the last result."""
    best, result = float("inf"), None
    for _ in range(3):
        begun = time.process_time()
        result = work()
        best = min(best, time.process_time() - begun)
    return best * 1e3, result


def replay(steps: int) -> None:
    """Plain descent over ten points in a Python loop, as a notebook does it."""
    x, y = line_fit.X_DATA.tolist(), line_fit.Y_DATA.tolist()
    b, w = -120.0, -4.0
    for _ in range(steps):
        b_grad = w_grad = 0.0
        for n in range(len(x)):
            error = y[n] - b - w * x[n]
            b_grad, w_grad = b_grad - 2.0 * error, w_grad - 2.0 * error * x[n]
        b, w = b - 1e-7 * b_grad, w - 1e-7 * w_grad


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=100_000)
    steps = parser.parse_args().steps
    naive, _ = milliseconds(lambda: replay(steps))
    rows = np.zeros((2, steps))
    floor, _ = milliseconds(lambda: rows.sum())
    print(f"{steps} steps, two parameters; CPU milliseconds, best of three")
    print(f"{'replay in a Python loop':28} {naive:8.1f}")
    print(f"{'one pass over the memory':28} {floor:8.2f}")
    for name, rule, lr, keywords in RUNS:
        theta = optimizers.descend(rule, line_fit.gradient, np.array([-120.0, -4.0]), steps=steps, lr=lr, **keywords)
        held = {"x_data": line_fit.X_DATA, "y_data": line_fit.Y_DATA, "b_history": theta[0], "w_history": theta[1]}
        series = [Series(cell=1, name=key, values=np.array(values)) for key, values in held.items()]
        declared = [Declared(name=key, cell=1, value=value) for key, value in {"lr": lr, **keywords}.items()]
        spent, found = milliseconds(lambda s=series, d=declared: verify.runs(s, declared=d, names=Names()))  # type: ignore[misc]
        print(f"{'verify ' + name:28} {spent:8.1f}   {naive / spent:5.1f} x less than the loop   {found[0].verdict}")


if __name__ == "__main__":
    main()
