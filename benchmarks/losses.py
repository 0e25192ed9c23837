# ruff: noqa: ARG005 - a table of small functions that share a signature, one a line
"""The battery of loss curves: what students record beside a right run, wrong curves and made-up ones, from a seed.

    python benchmarks/losses.py --draws 20 --seed 1

Most kinds, and what is right to say of each, were written before the code that judges them was read; the code was
mended by them since. A right curve must never be said to differ, a wrong or made-up one must never be said to match;
the rest is for a person, or no loss at all.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # run from a checkout without installing

from benchmarks.battery import Made, Random, World, any_rule, deliver, judge, train, wide, world
from grader.model import Match, Series

Array = Any  # of float64 or float32
NAMES = ("loss_history", "cost", "losses", "mse", "J_history", "L", "hist['loss']", "model.costs", "損失", "train_loss")
GROUPS = {
    "right": "matches",
    "asked": "unexplained",
    "none": "absent",
    "wrong": "differs",
    "fake": "unexplained",
}
"""What is best said of a group; what else may be said of a kind stands beside it."""


class Kept(NamedTuple):
    """A right run with all that a loss may be made of: errors [T+1, N], and the samples of each step."""

    w: World
    path: Array
    declared: dict[str, float]
    batches: tuple[Array, ...]
    errors: Array

    @property
    def mse(self) -> Array:
        """The mean squared error at every state."""
        return (self.errors**2).mean(axis=1)

    @property
    def passes(self) -> int:
        """The steps of a pass over the samples."""
        return -(-len(self.w.y) // len(self.batches[0]))

    def of_steps(self, late: int = 0) -> Array:
        """The mean squared error of the samples of each step, before it or after."""
        return np.array([np.mean(self.errors[t + late, rows] ** 2) for t, rows in enumerate(self.batches)])

    def a_pass(self, losses: Array) -> Array:
        """The losses of steps, a row for each whole pass."""
        return losses[: len(losses) // self.passes * self.passes].reshape(-1, self.passes)


def phi(w: World) -> Array:
    """The features of the samples, the constant first."""
    return w.phi if w.phi is not None else np.stack([np.ones_like(w.x), w.x], axis=1)


def whole(rng: Random, *, steps: int | None = None) -> Kept:
    """A right run with the gradient of all samples, on a line or on several features."""
    w = wide(rng) if rng.random() < 0.25 else world(rng)
    w = w._replace(steps=steps or w.steps)
    step, declared = any_rule(rng, w)
    path = train(w, step)
    every = np.arange(len(w.y))
    return Kept(w, path, declared, (every,) * (path.shape[1] - 1), (phi(w) @ path).T - w.y)


def in_parts(rng: Random, size: int) -> Kept:
    """A right run of descent on one sample or one batch a step, in order or drawn, over some passes."""
    w = world(rng)
    n, table = len(w.y), phi(w)
    lr = float(f"{0.1 / (2 * size * (table**2).sum(axis=1).max()):.1g}")
    drawn, theta, path, batches = rng.random() < 0.5, w.start, [w.start], []
    for _ in range(max(6, 120 // n)):
        order = rng.permutation(n) if drawn else np.arange(n)
        for rows in (order[k : k + size] for k in range(0, n - n % size, size)):
            theta = theta - lr * 2 * table[rows].T @ (table[rows] @ theta - w.y[rows])
            path.append(theta)
            batches.append(rows)
    states = np.array(path)
    declared = {"lr": lr} | ({"batch_size": float(size)} if size > 1 else {})
    return Kept(w, states.T, declared, tuple(batches), states @ table.T - w.y)


class Kind(NamedTuple):
    """How a kind of curve is made of a run, under which name, and what may be said of it."""

    run: Callable[[Random], Kept]
    curve: Callable[[Random, Kept], Array]
    right: tuple[str, ...]
    name: str | None = None
    plotted: bool = False
    states: slice = slice(None)


KINDS: dict[str, Kind] = {}


def kind(
    name: str,
    curve: Callable[[Random, Kept], Array],
    *also: str,
    run: Callable[[Random], Kept] = whole,
    called: str | None = None,
    plotted: bool = False,
    states: slice = slice(None),
) -> None:
    """Add a kind, whose group stands before the colon of its name; `also` may be said of it as well."""
    best = GROUPS[name.partition(":")[0]]
    KINDS[name] = Kind(run, curve, (best, *also), called, plotted, states)


def one(rng: Random) -> Kept:
    """One sample a step."""
    return in_parts(rng, 1)


def some(rng: Random) -> Kept:
    """Two samples a step."""
    return in_parts(rng, 2)


def long(rng: Random) -> Kept:
    """A run of 640 steps."""
    return whole(rng, steps=640)


def even(rng: Random) -> Kept:
    """A run of 200 steps."""
    return whole(rng, steps=200)


def made(name: str, rng: Random) -> tuple[Made, bool]:
    """The run with its loss among the usual decoys, as capture would deliver it; whether that is the right loss."""
    each = KINDS[name]
    kept = each.run(rng)
    values = np.asarray(each.curve(rng, kept), dtype=np.float64)
    layout = "columns" if len(kept.path) > 2 else "pair"
    found = deliver(kept.w, kept.path[:, each.states], *each.right, layout=layout, **kept.declared)
    called = each.name or str(rng.choice(NAMES))
    if each.plotted:
        values, called = np.stack([np.arange(1.0, len(values) + 1), values], axis=1), "plot[1]"
    loss = Series(cell=4, name=called, values=values, source="plotted" if each.plotted else "namespace")
    return found._replace(series=(*found.series, loss)), np.array_equal(values, kept.mse[1:])


# -- right curves ----------------------------------------------------------------------------------

PERSON = "unexplained"


def ema(losses: Array, beta: float = 0.9, start: float | None = None) -> Array:
    """A running mean, as a loop writes it."""
    mean, kept = losses[0] if start is None else start, []
    for value in losses:
        mean = beta * mean + (1 - beta) * value
        kept.append(mean)
    return np.array(kept)


def digits(losses: Array, count: int) -> list[float]:
    """Numbers with so many significant digits."""
    return [float(f"{value:.{count}g}") for value in losses]


kind("right: mse before", lambda rng, k: k.mse[:-1])
kind("right: mse after", lambda rng, k: k.mse[1:])
kind("right: mse of all states", lambda rng, k: k.mse)
kind("right: sse", lambda rng, k: (k.errors**2).sum(axis=1)[1:])
kind("right: half mse", lambda rng, k: k.mse[:-1] / 2)
kind("right: rmse", lambda rng, k: np.sqrt(k.mse[1:]))
kind("right: norm", lambda rng, k: np.linalg.norm(k.errors, axis=1)[1:])
kind("right: mae", lambda rng, k: np.abs(k.errors).mean(axis=1)[1:])
kind("right: over N - 1", lambda rng, k: (k.errors**2).sum(axis=1)[1:] / (len(k.w.y) - 1))
kind("right: expanded square", lambda rng, k: expanded(k)[1:], PERSON)
kind("right: columns of one", lambda rng, k: k.mse[1:, None])
kind("right: single precision", lambda rng, k: k.mse[1:].astype(np.float32))
kind("right: errors in single precision", lambda rng, k: np.mean(k.errors.astype(np.float32) ** 2, axis=1)[1:])
kind("right: 2 decimals", lambda rng, k: np.round(k.mse[1:], 2), PERSON)
kind("right: 6 decimals", lambda rng, k: np.round(k.mse[1:], 6), PERSON)
kind("right: 4 digits", lambda rng, k: digits(k.mse[1:], 4), PERSON)
kind("right: 3 digits", lambda rng, k: digits(k.mse[1:], 3), PERSON)
kind("right: whole numbers", lambda rng, k: np.trunc(k.mse[1:]), PERSON)
kind("right: logarithm", lambda rng, k: np.log(k.mse[1:]))
kind("right: common logarithm", lambda rng, k: np.log10(k.mse[1:]))
kind("right: share of the first", lambda rng, k: k.mse / k.mse[0])
kind("right: every 10th", lambda rng, k: k.mse[:-1:10], PERSON)
kind("right: every 10th, after", lambda rng, k: k.mse[1::10], PERSON)
kind("right: every 50th and the last", lambda rng, k: [*k.mse[:-1:50], k.mse[-1]], run=long)
kind("right: from step 20 on", lambda rng, k: k.mse[21:], PERSON)
kind("right: last ones missing", lambda rng, k: k.mse[:-6], PERSON)
kind("right: only plotted", lambda rng, k: k.mse[1:], plotted=True)
kind("right: only plotted, every 10th", lambda rng, k: k.mse[:-1:10], "absent", plotted=True)
kind("right: logarithm only plotted", lambda rng, k: np.log(k.mse[1:]), plotted=True)
kind("right: states before, losses after", lambda rng, k: k.mse[1:], states=slice(None, -1))
kind("right: states after, losses before", lambda rng, k: k.mse[:-1], PERSON, states=slice(1, None))
kind("right: states without the first", lambda rng, k: k.mse, PERSON, states=slice(1, None))
kind("right: a zero first", lambda rng, k: [0.0, *k.mse[1:]])
kind("right: infinity first", lambda rng, k: [np.inf, *k.mse[1:]])
kind("right: zeros after the end", lambda rng, k: [*k.mse[1:], *np.zeros(50)])
kind("right: each twice", lambda rng, k: np.repeat(k.mse[1:], 2))
kind("right: list not emptied", lambda rng, k: [*(k.mse[1:] * 2 + 1), *k.mse[1:]], PERSON, "absent")
kind("right: moving mean", lambda rng, k: np.convolve(k.mse[1:], np.ones(5) / 5, "valid"))
kind("right: mean of the last 10", lambda rng, k: [k.mse[max(1, t - 9) : t + 1].mean() for t in range(1, len(k.mse))])
kind("right: mean so far", lambda rng, k: np.cumsum(k.mse[1:]) / np.arange(1, len(k.mse)))
kind("right: means of every 10", lambda rng, k: k.mse[1:].reshape(-1, 10).mean(axis=1), run=even)
kind("right: running mean", lambda rng, k: ema(k.mse[1:]))
kind("right: running mean, corrected",
     lambda rng, k: ema(k.mse[1:], start=0.0) / (1 - 0.9 ** np.arange(1, len(k.mse))))  # fmt: skip
kind("right: sample of the step", lambda rng, k: k.of_steps(), run=one)
kind("right: half of it", lambda rng, k: k.of_steps() / 2, run=one)
kind("right: sample after the step", lambda rng, k: k.of_steps(1), run=one)
kind("right: all samples, every step", lambda rng, k: k.mse[1:], run=one)
kind("right: all samples, every pass", lambda rng, k: k.mse[:: k.passes], PERSON, run=one)
kind("right: samples of a pass, summed", lambda rng, k: k.a_pass(k.of_steps()).sum(axis=1), run=one)
kind("right: samples of a pass, averaged", lambda rng, k: k.a_pass(k.of_steps()).mean(axis=1), run=one)
kind("right: batch of the step", lambda rng, k: k.of_steps(), PERSON, run=some)
kind("right: batch after the step", lambda rng, k: k.of_steps(1), PERSON, run=some)
kind("right: batches of a pass, averaged", lambda rng, k: k.a_pass(k.of_steps()).mean(axis=1), PERSON, run=some)
kind("right: last batch of a pass", lambda rng, k: k.a_pass(k.of_steps())[:, -1], PERSON, run=some)
kind("right: running mean of batches", lambda rng, k: ema(k.of_steps()), PERSON, run=some)


def expanded(k: Kept) -> Array:
    """The mean squared error from the expanded square, which cancels."""
    table, y = phi(k.w), k.w.y
    A, q = table.T @ table, table.T @ y
    return np.array([(theta @ A @ theta - 2 * theta @ q + y @ y) / len(y) for theta in k.path.T])


# -- what a person decides, and what is no loss ----------------------------------------------------

kind("asked: penalty", lambda rng, k: k.mse[1:] + 0.1 * (k.path[1:, 1:] ** 2).sum(axis=0))
kind("asked: validation data", lambda rng, k: ((k.errors[1:] - rng.normal(0, 3, len(k.w.y))) ** 2).mean(axis=1),
     called="val_loss")  # fmt: skip
kind("asked: Huber", lambda rng, k: huber(k.errors[1:]))
kind("asked: largest error", lambda rng, k: np.abs(k.errors[1:]).max(axis=1), called="error")
kind("asked: loss above the least", lambda rng, k: k.mse[1:] - k.mse.min() * 0.99, called="loss")
kind("asked: 3.7 times the loss", lambda rng, k: 3.7 * k.mse[1:])
kind("asked: all but one sample", lambda rng, k: (k.errors[1:, :-1] ** 2).mean(axis=1))
kind("asked: best so far", lambda rng, k: np.minimum.accumulate(k.mse[1:]), "matches", run=one)
kind("asked: cut off for a plot", lambda rng, k: np.minimum(k.mse[1:], k.mse[5] * 0.999), "matches")
kind("asked: R2 called a loss", lambda rng, k: 1 - k.mse[1:] / k.w.y.var(), called="loss")
kind("asked: cumulative by name", lambda rng, k: np.cumsum(k.mse[1:]), called="cumulative_loss")
kind("asked: mean error by name", lambda rng, k: k.errors[1:].mean(axis=1), called="mean_error")
kind("asked: results of other rates", lambda rng, k: np.sort(rng.uniform(1, 9, 9)), "absent", called="losses")
kind("none: gradient norms", lambda rng, k: np.linalg.norm(k.errors[:-1] @ phi(k.w), axis=1), called="grad_norm")
kind("none: R2", lambda rng, k: 1 - k.mse[1:] / k.w.y.var(), called="r2_history")
kind("none: changes of the loss", lambda rng, k: np.abs(np.diff(k.mse)), called="loss_diff")
kind("none: errors at the end", lambda rng, k: k.errors[-1], called="errors")
kind("none: squared errors at the end", lambda rng, k: k.errors[-1] ** 2, called="loss")
kind("none: times", lambda rng, k: rng.uniform(1e-5, 2e-5, len(k.mse) - 1), called="time_cost")
kind("none: a plotted line", lambda rng, k: np.linspace(0, 9, 50) ** 2, plotted=True)


def huber(errors: Array) -> Array:
    """Squares near zero, absolute errors beyond their median."""
    size, knee = np.abs(errors), float(np.median(np.abs(errors)))
    return np.where(size < knee, size**2 / 2, knee * (size - knee / 2)).mean(axis=1)


# -- wrong and made up -----------------------------------------------------------------------------


def edited(rng: Random, losses: Array, count: int, factor: float) -> Array:
    """Some entries changed by hand."""
    losses = losses.copy()
    losses[rng.choice(np.arange(8, len(losses) - 2), count, replace=False)] *= factor
    return losses


def other_run(rng: Random, k: Kept) -> Array:
    """The loss of a run with another rule or another rate from the same start."""
    step, _ = any_rule(rng, k.w)
    theta = train(k.w._replace(steps=len(k.mse) - 1, start=k.w.start + 0.5), step)
    return (((phi(k.w) @ theta).T - k.w.y) ** 2).mean(axis=1)[1:]


def falling(k: Kept) -> Array:
    """A curve from the first loss to the last that nothing was trained for."""
    t = np.arange(len(k.mse) - 1)
    return k.mse[-1] + (k.mse[0] - k.mse[-1]) * np.exp(-t / 20)


kind("wrong: sign", lambda rng, k: -k.mse[1:])
kind("wrong: square of the sum", lambda rng, k: k.errors[1:].sum(axis=1) ** 2, PERSON)
kind("wrong: square of the mean", lambda rng, k: k.errors[1:].mean(axis=1) ** 2, PERSON)
kind("wrong: no square", lambda rng, k: k.errors[1:].mean(axis=1), PERSON, called="loss")
kind("wrong: last sample", lambda rng, k: k.errors[1:, -1] ** 2)
kind("wrong: first sample", lambda rng, k: k.errors[:-1, 0] ** 2)
kind("wrong: last sample over N", lambda rng, k: k.errors[1:, -1] ** 2 / len(k.w.y))
kind("wrong: sum so far", lambda rng, k: np.cumsum(k.mse[1:]))
kind("wrong: total not set back", lambda rng, k: np.cumsum((k.errors**2).sum(axis=1))[:-1])
kind("wrong: one point edited", lambda rng, k: edited(rng, k.mse[1:], 1, 0.8), PERSON)
kind("wrong: three points edited", lambda rng, k: edited(rng, k.mse[1:], 3, 1.3), PERSON)
kind("wrong: the end pushed down", lambda rng, k: [*k.mse[1:-3], *(0.7 * k.mse[-3:])], PERSON)
kind("wrong: edited among 4 decimals", lambda rng, k: np.round(edited(rng, k.mse[1:], 1, 0.9), 4), PERSON)
kind("fake: of another run", other_run, "differs")
kind("fake: straight", lambda rng, k: np.linspace(k.mse[0], k.mse[-1], len(k.mse) - 1))
kind("fake: exponential", lambda rng, k: falling(k))
kind("fake: exponential, 2 decimals", lambda rng, k: np.round(falling(k), 2))
kind("fake: exponential, noisy", lambda rng, k: falling(k) * (1 + 0.01 * rng.normal(size=len(k.mse) - 1)))
kind("fake: 1/t", lambda rng, k: k.mse[0] / np.arange(1, len(k.mse)))
kind("fake: noise of 1e-3", lambda rng, k: k.mse[1:] * (1 + 1e-3 * rng.normal(size=len(k.mse) - 1)), "differs")
kind("fake: noise of 1e-9", lambda rng, k: k.mse[1:] * (1 + 1e-9 * rng.normal(size=len(k.mse) - 1)))
kind("fake: first half invented", lambda rng, k: [*np.linspace(2 * k.mse[1], k.mse[len(k.mse) // 2], len(k.mse) // 2),
     *k.mse[len(k.mse) // 2 + 1 :]], "differs")  # fmt: skip
kind("fake: reversed", lambda rng, k: k.mse[:0:-1])
kind("fake: sorted", lambda rng, k: np.sort(k.mse[1:])[::-1], run=one)
kind("fake: shifted up", lambda rng, k: k.mse[1:] + 0.1 * k.mse[0])
kind("fake: constant", lambda rng, k: np.full(len(k.mse) - 1, k.mse[0]))
kind("fake: every 10th, repeated", lambda rng, k: np.repeat(k.mse[:-1:10], 10), run=even)
kind("fake: every 20th, joined", lambda rng, k: np.interp(np.arange(200), np.arange(0, 200, 20), k.mse[:-1:20]),
     "differs", run=even)  # fmt: skip
kind("fake: intercept forgotten",
     lambda rng, k: (((phi(k.w)[:, 1:] @ k.path[1:, 1:]).T - k.w.y) ** 2).mean(axis=1), "differs")  # fmt: skip
kind("fake: y in another order",
     lambda rng, k: ((k.errors[1:] + k.w.y - np.roll(k.w.y, 1)) ** 2).mean(axis=1))  # fmt: skip
kind("fake: broadcast to a table",
     lambda rng, k: [np.mean(((e + k.w.y)[:, None] - k.w.y) ** 2) for e in k.errors[1:]])  # fmt: skip
kind("fake: squared once more", lambda rng, k: k.mse[1:] ** 2)


# -- the table -------------------------------------------------------------------------------------


class Row(NamedTuple):
    """What was said of the draws of one kind, and how often something that may not be said."""

    name: str
    verdicts: Counter[str]
    not_right: int


def said(match: Match | None, *, identical: bool = False) -> str:
    """The verdict on the loss of a run; a spoilt curve that came out as the right one is identical."""
    if match is None:
        return "no run"
    return "identical" if identical and match.loss.verdict == "matches" else match.loss.verdict


def rows(kinds: dict[str, Kind], *, draws: int, seed: int) -> Iterator[Row]:
    """Draw every kind and judge it."""
    for number, name in enumerate(KINDS):
        if name not in kinds:
            continue
        drawn = (made(name, np.random.default_rng([seed, number, draw])) for draw in range(draws))
        verdicts = Counter(said(judge(run), identical=same and not name.startswith("right")) for run, same in drawn)
        right = (*KINDS[name].right, "identical")
        yield Row(name, verdicts, sum(count for verdict, count in verdicts.items() if verdict not in right))


def by_group(found: list[Row]) -> str:
    """The kinds by their groups, as a table for the documents."""
    titles = {"right": "right curves", "asked": "for a person", "none": "no loss curve", "wrong": "wrong or edited",
              "fake": "made up"}  # fmt: skip
    lines = [
        "| curves | kinds | drawn | identical to right | match | differ | a person | no loss | against the rule |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for group, title in titles.items():
        some = [row for row in found if row.name.startswith(group)]
        total: Counter[str] = sum((row.verdicts for row in some), Counter())
        counts = [total[verdict] for verdict in ("identical", "matches", "differs", "unexplained", "absent")]
        numbers = (title, len(some), total.total(), *counts, sum(row.not_right for row in some))
        lines.append(f"| {' | '.join(map(str, numbers))} |")
    return "\n".join(lines)


def main() -> None:
    """Run the battery and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="kinds whose name contains this")
    options = parser.parse_args()
    found = []
    print(f"{'kind':44} {'best said':12} {'said':52} against the rule")
    chosen = {name: each for name, each in KINDS.items() if options.only in name}
    for row in rows(chosen, draws=options.draws, seed=options.seed):
        found.append(row)
        verdicts = ", ".join(f"{count} {verdict}" for verdict, count in row.verdicts.most_common())
        print(f"{row.name:44} {KINDS[row.name].right[0]:12} {verdicts:52} {row.not_right or ''}", flush=True)
    print(f"\n{by_group(found)}")


if __name__ == "__main__":
    main()
