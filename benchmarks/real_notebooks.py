"""Grade every notebook in a folder on its own, and say in a table which runs were found and what was decided.

    python benchmarks/real_notebooks.py FOLDER [--facts FILE.jsonl] [--kernel-python PYTHON]

`FOLDER` holds notebooks in any depth, for example `owner+name/path/in/repo.ipynb`; they are read and run in jails,
and nothing in the folder is changed. `--facts` keeps what was found of each, a line of JSON each; a notebook that has
its line there is not run again. `docs/real-notebooks.md` holds such a table with what a person says of each notebook.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from grader import intake, pipeline
from grader.cli.settings import read_rubric
from grader.model import Evidence, Grade, plain
from grader.sandbox import probe


def main() -> None:
    """Grade what is not known yet, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--facts", type=Path, help="keep what was found here, and go on where it stopped")
    parser.add_argument("--kernel-python", help="the Python to run them with, where it has more packages")
    options = parser.parse_args()
    known = _read(options.facts)
    rubric, isolation = read_rubric("gradient_descent"), probe()
    gather = replace(rubric.gather, kernel=options.kernel_python)
    base = pipeline.base_matches(gather, isolation=isolation)
    for path in sorted(options.folder.rglob("*.ipynb")):
        name = path.relative_to(options.folder).as_posix()
        if name not in known:
            evidence = pipeline.examine(intake.files([path]), gather=gather, isolation=isolation)
            evidence = replace(evidence, base_matches=base)
            known[name] = _fact(pipeline.judge(evidence, rubric), evidence)
            print(f"{name}: {_runs(known[name])}", file=sys.stderr)
            if options.facts:
                with options.facts.open("a", encoding="utf-8") as kept:
                    kept.write(json.dumps({"name": name, **known[name]}, ensure_ascii=False) + "\n")
    print(table(known))


def _read(path: Path | None) -> dict[str, Any]:
    if path is None or not path.exists():
        return {}
    return {fact["name"]: fact for fact in map(json.loads, path.read_text(encoding="utf-8").splitlines())}


def _fact(grade: Grade, evidence: Evidence) -> dict[str, Any]:
    """Keep what the table and a person need."""
    cells = evidence.run.cells if evidence.run else ()
    return {
        "seconds": evidence.seconds,
        "fault": evidence.fault.traceback if evidence.fault else None,
        "problem": evidence.notebook_problem.id if evidence.notebook_problem else None,
        "outcome": evidence.run.outcome if evidence.run else None,
        "errors": [[c.index, c.status, c.error, c.environment] for c in cells if c.status != "ok"],
        "runs": [_run(match) for match in evidence.matches],
        "verdicts": {s.criterion.id: s.finding.verdict.value for s in grade.scored},
        "experiments": [f"{e.cell} {e.name} {e.before} -> {e.after} {e.effect} {e.claim}" for e in grade.experiments],
        "points": [grade.points, grade.pending, grade.out_of],
    }


def _run(match: Any) -> dict[str, Any]:
    kept = ("cell", "names", "steps", "verdict", "rule", "effect", "hyperparameters")
    found = {key: getattr(match, key) for key in kept}
    return dict(plain(found | {"diagnosis": match.diagnosis.id if match.diagnosis else None}))


# -- the table -------------------------------------------------------------------------------------


def table(known: dict[str, Any]) -> str:
    """One line each, and the sums."""
    lines = ["| notebook | environment | runs found | updates | review |", "|---|---|---|---|---|"]
    for name, fact in sorted(known.items()):
        review = ", ".join(key for key, verdict in fact["verdicts"].items() if verdict == "review")
        updates = fact["verdicts"].get("updates", "-")
        lines.append(f"| {name} | {_trouble(fact)} | {_runs(fact)} | {updates} | {review} |")
    faults = sum(fact["fault"] is not None for fact in known.values())
    none = sum(not fact["verdicts"] for fact in known.values())
    runs = sum(bool(fact["runs"]) for fact in known.values())
    lines.append(f"\n{len(known)} notebooks, {runs} with runs, {faults} faults, {none} without a verdict")
    return "\n".join(lines)


def _trouble(fact: dict[str, Any]) -> str:
    if fact["problem"]:
        return str(fact["problem"])
    kinds = [(e[2] or e[1]).split(":")[0] + ("" if e[3] else " (own)") for e in fact["errors"] if e[1] != "not-run"]
    return ", ".join(f"{kind} ×{n}" if n > 1 else kind for kind, n in Counter(kinds).items()) or "ok"


def _runs(fact: dict[str, Any]) -> str:
    if not fact["runs"]:
        return "none"
    found = Counter(f"{_names(r['names'])} {r['rule'] or '?'} {r['verdict']}" for r in fact["runs"])
    return "; ".join(f"{run} ×{n}" if n > 1 else run for run, n in found.items())


def _names(names: list[str]) -> str:
    return " ".join(names if len(names) <= 4 else [*names[:2], f"… ({len(names)})"])


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"{time.monotonic() - started:.0f} s", file=sys.stderr)
