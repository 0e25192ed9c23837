"""Small notebooks for the experiments' judge: each is written as a list of short cells and really run, in this process.

`tests/notebooks/golden.toml` holds them with what a careful teacher would say of them. A cell is `md: text`, or a
template with the settings that it changes, then comments: `gd lr=1e-6 # ten times larger`.
"""

from __future__ import annotations

import contextlib
import io
import re
import textwrap
import tomllib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from grader import notebook, verify
from grader.experiments import experiments
from grader.model import (
    Cell,
    CellRun,
    Evidence,
    Experiment,
    Isolation,
    Match,
    Names,
    Notebook,
    Run,
    Series,
    Submission,
)

FILE = Path(__file__).parent / "notebooks" / "golden.toml"
DATA = """
x_data = np.array([338., 333., 328., 207., 226., 25., 179., 60., 208., 606.])
y_data = np.array([640., 633., 619., 393., 428., 27., 193., 66., 226., 1591.])
"""
LOOP = """
    b_history, w_history = [b], [w]
    {start}
    for i in range(iteration):
        error = y_data - b - w * x_data
        b_grad = -2.0 * error.sum()
        w_grad = -2.0 * (error * x_data).sum()
        {step}
        b_history.append(b)
        w_history.append(w)
"""
RULES = {
    "gd": ("pass", "b = b - lr * b_grad\nw = w - lr * w_grad"),
    "adagrad": (
        "lr_b = lr_w = 0.0",
        """lr_b = lr_b + b_grad ** 2
lr_w = lr_w + w_grad ** 2
b = b - lr / np.sqrt(lr_b) * b_grad
w = w - lr / np.sqrt(lr_w) * w_grad""",
    ),
    "momentum": (
        "v_b = v_w = 0.0",
        "v_b = momentum * v_b - lr * b_grad\nv_w = momentum * v_w - lr * w_grad\nb = b + v_b\nw = w + v_w",
    ),
    "rmsprop": (
        "s_b = s_w = 0.0",
        """s_b = rho * s_b + (1 - rho) * b_grad ** 2
s_w = rho * s_w + (1 - rho) * w_grad ** 2
b = b - lr / np.sqrt(s_b) * b_grad
w = w - lr / np.sqrt(s_w) * w_grad""",
    ),
}
RULES["rmsprop-eps"] = (RULES["rmsprop"][0], re.sub(r"sqrt\((s_[bw])\)", r"sqrt(\1 + eps)", RULES["rmsprop"][1]))
USUAL = {"b": "-120", "w": "-4", "lr": "1e-7", "iteration": "2000"}
MORE = {"adagrad": {"lr": "1"}, "momentum": {"momentum": "0.9"}, "rmsprop": {"lr": "0.1", "rho": "0.9"}}
MORE["rmsprop-eps"] = {**MORE["rmsprop"], "eps": "1e-8"}


def loop(rule: str) -> str:
    """The training loop of a rule."""
    start, step = RULES[rule]
    return textwrap.dedent(LOOP).format(start=start, step=step.replace("\n", "\n    "))


def inner(source: str) -> str:
    """A source one level deeper."""
    return textwrap.indent(source.strip("\n"), "    ")


def expand(cell: str) -> Cell:
    """Write out a short cell; its index is filled in later."""
    if cell.startswith("md:"):
        return Cell(index=0, kind="markdown", source=cell[3:].strip())
    head, _, comment = cell.partition("#")
    kind, *pairs = head.split()
    source = _code(kind, dict(pair.split("=", 1) for pair in pairs))
    return Cell(index=0, kind="code", source=f"# {comment.strip()}\n{source}" if comment else source)


def _code(kind: str, settings: dict[str, str]) -> str:
    if kind == "data":
        return f"import numpy as np\n{DATA}"
    if kind in RULES:
        stated = USUAL | MORE.get(kind, {}) | settings
        lines = [f"{name} = {value}" for name, value in stated.items()]
        return "\n".join(lines) + f"\n{loop(kind)}\nprint(b, w)"
    if kind == "loop":  # over one hyperparameter, histories in a dict
        (name, values), *rest = settings.items()
        lines = [f"{n} = {v}" for n, v in (USUAL | dict(rest)).items() if n != name]
        body = "\n".join(
            [*lines, loop("gd"), f"runs[{name}] = np.array([b_history, w_history]).T", f"print({name}, b, w)"]
        )
        return f"runs = {{}}\nfor {name} in [{values}]:\n{inner(body)}"
    if kind == "def":
        parameters = ", ".join(f"{name}={value}" for name, value in USUAL.items())
        return f"def train({parameters}):\n{inner(loop('gd'))}\n    return b_history, w_history"
    if kind == "call":
        arguments = ", ".join(f"{name}={value}" for name, value in settings.items())
        return f"b_history, w_history = train({arguments})\nprint(b_history[-1], w_history[-1])"
    assert kind == "renamed", kind
    source = _code("gd", settings)
    for old, new in (("lr", "learning_rate"), ("iteration", "epochs"), ("b_history", "bs"), ("w_history", "ws")):
        source = re.sub(rf"\b{old}\b", new, source)
    return source


def book(cells: list[str]) -> Notebook:
    """Write out a list of short cells, after the data."""
    expanded = [expand(cell) for cell in ("data", *cells)]
    return Notebook(cells=tuple(Cell(index=i, kind=c.kind, source=c.source) for i, c in enumerate(expanded, 1)))


BASE = book(["md: Learning rate: too large diverges.", "gd", "adagrad"])


def executed(nb: Notebook) -> tuple[tuple[Match, ...], tuple[CellRun, ...]]:
    """Run the code cells here and verify what they recorded."""
    space: dict[str, Any] = {}
    series: list[Series] = []
    cells: list[CellRun] = []
    for cell in nb.cells:
        if cell.kind == "code":
            printed = io.StringIO()
            before = {name: id(value) for name, value in space.items()}
            with contextlib.redirect_stdout(printed), np.errstate(all="ignore"):
                exec(cell.source, space)  # noqa: S102 - our own golden notebooks
            cells.append(CellRun(index=cell.index, status="ok", printed=printed.getvalue()))
            series += [
                s for name, v in space.items() if before.get(name) != id(v) for s in _series(cell.index, name, v)
            ]
    declared = notebook.declared(nb)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # runs that overflow are the verifier's own tests' concern
        return verify.runs(tuple(series), declared=declared, names=Names()), tuple(cells)


def _series(cell: int, name: str, value: Any) -> Iterator[Series]:
    if isinstance(value, dict) and not name.startswith("_"):
        for key, entry in value.items():
            yield from _series(cell, f"{name}[{key!r}]", entry)
    elif isinstance(value, list | np.ndarray) and len(value) >= 5 and not isinstance(value[0], str):
        yield Series(cell=cell, name=name, values=np.asarray(value, dtype=float))


def evidence(nb: Notebook, base_matches: tuple[Match, ...]) -> Evidence:
    """Everything that the pipeline would know of a notebook."""
    matches, cells = executed(nb)
    return Evidence(
        submission=Submission(student="golden", root="."),
        notebook=nb,
        own_prose=notebook.own_prose(BASE, nb),
        prose=notebook.prose(BASE, nb),
        changes=notebook.changes(BASE, nb),
        declared=notebook.declared(nb),
        run=Run(outcome="complete", isolation=Isolation(), cells=cells),
        matches=matches,
        base_matches=base_matches,
    )


def cases() -> dict[str, dict[str, Any]]:
    """The golden notebooks by name."""
    return dict(tomllib.loads(FILE.read_text(encoding="utf-8")))


def heldout(cases: dict[str, list[dict[str, Any]]]) -> list[tuple[bool, dict[str, Any], Experiment]]:
    """Judge the change that each case means, with its heading before the run and its text behind it."""
    base_matches, _ = executed(BASE)
    judged = []
    for truth in (True, False):
        for case in cases.get(str(truth).lower(), []):
            cells = [f"md: {case['head']}"] if "head" in case else []
            found = experiments(evidence(book([*cells, case["run"], f"md: {case['text']}"]), base_matches))
            meant = [each for each in found if each.name == case.get("about", found[0].name)]
            judged.append((truth, case, meant[0]))
    return judged
