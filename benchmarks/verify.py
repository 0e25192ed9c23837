"""What verifying a run of 100,000 steps costs, beside the naive replay in a Python loop and one pass over memory.

python benchmarks/verify.py --steps 100000
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # threads that wait for each other would be counted as work

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


def notebook(theta: Any, **declared: float) -> Callable[[], Any]:
    """Verification of a run as capture delivers it."""
    held = {"x_data": line_fit.X_DATA, "y_data": line_fit.Y_DATA, "b_history": theta[0], "w_history": theta[1]}
    series = [Series(cell=1, name=key, values=np.array(values)) for key, values in held.items()]
    stated = [Declared(name=key, cell=1, value=value) for key, value in declared.items()]
    return lambda: verify.runs(series, declared=stated, names=Names())


def spoilt(steps: int) -> dict[str, Any]:
    """Runs that follow no rule, for which everything is tried: one edited point, noise, four decimals, made up."""
    rng = np.random.default_rng(1)
    start = np.array([-120.0, -4.0])
    path = optimizers.descend(optimizers.adagrad, line_fit.gradient, start, steps=steps, lr=1.0)
    edited = path.copy()
    edited[0, steps // 2] += 1e-3
    return {
        "one point edited": edited,
        "noise": path + rng.normal(0, 1e-6, path.shape),
        "four decimals": np.round(path, 4),
        "random walk": np.cumsum(rng.normal(size=path.shape), axis=1),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=100_000)
    steps = parser.parse_args().steps
    naive, _ = milliseconds(lambda: replay(steps))
    rows = np.zeros((2, steps))
    floor, _ = milliseconds(lambda: rows.sum())
    print(f"{steps} steps, two parameters; CPU milliseconds, best of three, and as multiples")
    print(f"{'':28} {'ms':>8} {'of the loop':>12} {'of one pass':>12}")

    def line(name: str, spent: float, more: str = "") -> None:
        print(f"{name:28} {spent:8.2f} {spent / naive:12.4f} {spent / floor:12.0f}  {more}", flush=True)

    line("replay in a Python loop", naive)
    line("one pass over the memory", floor)
    for name, rule, lr, keywords in RUNS:
        theta = optimizers.descend(rule, line_fit.gradient, np.array([-120.0, -4.0]), steps=steps, lr=lr, **keywords)
        spent, found = milliseconds(notebook(theta, lr=lr, **keywords))
        line(f"verify {name}", spent, found[0].verdict)
    for name, theta in spoilt(steps).items():
        spent, found = milliseconds(notebook(theta, lr=1.0))
        line(f"verify {name}", spent, f"{found[0].verdict}, {found[0].diagnosis.id}")
    walks = np.random.default_rng(2).normal(size=(40, steps)).cumsum(axis=1)
    many = [Series(cell=1, name=f"q{k}_kept", values=row) for k, row in enumerate(walks)]
    many += [
        Series(cell=1, name="x_data", values=line_fit.X_DATA),
        Series(cell=1, name="y_data", values=line_fit.Y_DATA),
    ]
    spent, found = milliseconds(lambda: verify.runs(many, declared=[], names=Names()))
    line("verify 40 series, no run", spent, f"{len(found)} runs")


if __name__ == "__main__":
    main()
