"""How many sentences of students are understood: whether what they claim of a run agrees with what was measured.

    python benchmarks/claims.py [FILE.toml …] [--list]

Each file holds sentences that are true or false of the run they stand beside. Reported: how often a judged claim is
judged rightly, how many true ones are recognised, how many false ones are, and every true one that was contradicted.
`--list` prints what was not understood.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS.parent)]  # run from a checkout without installing

import golden  # noqa: E402 - found on the path above

FILES = sorted((TESTS / "notebooks").glob("heldout-*.toml"))


def main() -> int:
    """Print one table for each file; 1 where a true claim was contradicted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, default=FILES)
    parser.add_argument("--list", action="store_true", help="print the sentences that were not understood")
    options = parser.parse_args()
    wronged = 0
    for path in options.files:
        judged = golden.heldout(tomllib.loads(path.read_text(encoding="utf-8")))
        wronged += _report(path.stem, judged, listed=options.list)
    return int(wronged > 0)


def _report(name: str, judged: list[tuple[bool, dict[str, Any], Any]], *, listed: bool) -> int:
    true = [(case, found) for truth, case, found in judged if truth]
    false = [(case, found) for truth, case, found in judged if not truth]
    right = _count(true, "agrees") + _count(false, "contradicts")
    wronged = _count(true, "contradicts")
    wrong = wronged + _count(false, "agrees")
    print(f"{name}: {len(true)} true and {len(false)} false claims")
    print(f"  judged rightly, where judged     {right} of {right + wrong}{_percent(right, right + wrong)}")
    print(f"  true claims recognised           {_count(true, 'agrees')} of {len(true)}"
          f"{_percent(_count(true, 'agrees'), len(true))}")  # fmt: skip
    print(f"  true claims counted as explained {sum(found.explained for _, found in true)} of {len(true)}")
    print(f"  false claims shown as such       {_count(false, 'contradicts')} of {len(false)}")
    print(f"  true claims contradicted         {wronged}")
    for wanted, cases in (("agrees", true), ("contradicts", false)) if listed else ():
        for case, found in cases:
            if found.claim != wanted:
                print(f"    {found.claim:11} {'explained' if found.explained else '-':9} {case['run']}: "
                      f"{case.get('head', '')} | {case['text']}")  # fmt: skip
    return wronged


def _count(cases: list[tuple[dict[str, Any], Any]], claim: str) -> int:
    return sum(found.claim == claim for _, found in cases)


def _percent(part: int, whole: int) -> str:
    return f" ({100 * part / whole:.0f} %)" if whole else ""


if __name__ == "__main__":
    sys.exit(main())
