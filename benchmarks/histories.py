"""What the history forms of the rules cost, beside their step forms in a Python loop and beside one pass over memory.

Run `python benchmarks/histories.py`. All is measured in this one run, on the gradients of two parameters over 100,000
steps; only the ratios are worth comparing between machines. A process that has freed no large array yet pays page
faults on top, up to five times the arithmetic: here the descent that makes the gradients has warmed the allocator.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np

from reference import histories, line_fit, optimizers

STEPS = 100_000
RULES = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam")
START = np.array([-120.0, -4.0])


def milliseconds(work: Callable[[], object], *, rounds: int) -> float:
    """The shortest of some rounds: what the work takes when nothing disturbs it."""
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return 1000 * min(times)


def loop(name: str, g: histories.Array) -> None:
    """The step form over the same gradients, one step after another."""
    rule, state = getattr(optimizers, name), None
    for column in g.T:
        _, state = rule(column, state, lr=1.0)


def main() -> None:
    """Print one line for each rule, and one for the filter that most of them rest on."""
    path = optimizers.descend(optimizers.adagrad, line_fit.gradient, START, steps=STEPS, lr=1.0)
    g = line_fit.gradient(path[:, :-1])
    copy = np.empty_like(g)
    memory = milliseconds(partial(np.add, g, 1.0, out=copy), rounds=100)

    print(f"{STEPS:,} steps of two parameters; one pass over memory takes {memory:.3f} ms")
    print(f"{'':10}{'history':>12}{'step by step':>15}{'passes':>9}{'faster by':>12}")
    whole = milliseconds(partial(histories.decay, g, 0.9), rounds=30)
    print(f"{'decay':10}{whole:>9.2f} ms{'':15}{whole / memory:>9.0f}")
    for name in RULES:
        whole = milliseconds(partial(getattr(histories, name), g), rounds=30)
        stepped = milliseconds(partial(loop, name, g), rounds=1)
        print(f"{name:10}{whole:>9.2f} ms{stepped:>12.0f} ms{whole / memory:>9.0f}{stepped / whole:>11.0f}×")


if __name__ == "__main__":
    main()
