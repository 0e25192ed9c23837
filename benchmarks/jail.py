"""What the jail costs: the same program and the same notebooks bare and at each level, in turns, in one run.

    python benchmarks/jail.py [--rounds 7]

Bare is what Jupyter does by itself: a program without a jail, a notebook by nbclient in a stock kernel.
The rows take turns, so that a noisy machine disturbs them alike; the shortest of the rounds counts.
Only the ratios and differences within one run are worth comparing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.resources import files

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from grader import kernel, notebook, sandbox
from grader.model import Gather, Isolation, Limits, Notebook

HANDED_OUT = (files("rubrics") / "gradient_descent" / "gradient descent.ipynb").read_text(encoding="utf-8")
EMPTY = nbformat.writes(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x = 1")]))
PLAIN = [sys.executable, "-I", "-c", "pass"]
Work = Callable[[], object]


def levels() -> dict[str, Isolation]:
    """The first isolation of each level that works here."""
    found: dict[str, Isolation] = {}
    for isolation in sandbox.candidates():
        if isolation.level not in found and sandbox.trouble(isolation) is None:
            found[isolation.level] = isolation
    return found


def bare_program() -> None:
    """Start Python without a jail."""
    subprocess.run(PLAIN, check=True)


def jailed_program(isolation: Isolation) -> None:
    """Start Python in a jail."""
    sandbox.run(PLAIN, isolation=isolation, limits=Limits(), inputs={}, seconds=60, output_bytes=1000)


def bare_notebook(text: str) -> None:
    """Run a notebook as Jupyter does."""
    manager = AsyncKernelManager(kernel_name="python3")
    manager.kernel_spec.argv = [sys.executable, "-I", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    NotebookClient(nbformat.reads(text, as_version=4), km=manager, allow_errors=True).execute(stderr=subprocess.DEVNULL)


def jailed_notebook(read: Notebook, isolation: Isolation) -> None:
    """Run a notebook in a jailed kernel."""
    kernel.execute(read, gather=Gather(), isolation=isolation)


def shortest(works: dict[str, Work], *, rounds: int) -> dict[str, float]:
    """The shortest of some rounds of each, in seconds; the works take turns, after one round to warm up."""
    best = dict.fromkeys(works, float("inf"))
    for number in range(rounds + 1):
        for name, work in works.items():
            began = time.perf_counter()
            work()
            took = time.perf_counter() - began
            best[name] = min(best[name], took) if number else best[name]
    return best


def show(title: str, works: dict[str, Work], *, rounds: int) -> None:
    """Print one table: milliseconds, and ratio and difference to the first row."""
    best = shortest(works, rounds=rounds)
    floor = next(iter(best.values()))
    print(f"\n{title:<34}{'ms':>9}{'ratio':>9}{'more ms':>9}")
    for name, seconds in best.items():
        print(f"  {name:<32}{1000 * seconds:>9.1f}{seconds / floor:>9.2f}{1000 * (seconds - floor):>9.1f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="what the jail costs, as ratios in one run")
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    isolations = levels()
    programs: dict[str, Work] = {"bare": bare_program}
    programs |= {level: partial(jailed_program, isolation) for level, isolation in isolations.items()}
    show("a program that does nothing", programs, rounds=3 * rounds)
    for title, text in (("a notebook of one line", EMPTY), ("the handed-out notebook", HANDED_OUT)):
        read = notebook.parse(text)
        works: dict[str, Work] = {"bare (nbclient, stock kernel)": partial(bare_notebook, text)}
        works |= {level: partial(jailed_notebook, read, isolation) for level, isolation in isolations.items()}
        show(title, works, rounds=rounds)


if __name__ == "__main__":
    main()
