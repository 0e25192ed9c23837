"""Reads every PDF of a folder as a report and counts what becomes of it: for corpora of odd and broken files.

    python benchmarks/corpus.py FOLDER [FOLDER…] [--jobs 2] [--each]

Good folders are the test files of PDF libraries (pdfminer.six, pdfplumber, py-pdf/sample-files); none is kept here.
Every file must get a verdict about its pages: pass or fail where both engines count the same, else a person.
The exit code is 1 where a file raised an exception, outlived its time, or passed with a count in doubt.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from grader import report, sandbox
from grader.checks import Case, judge
from grader.model import Evidence, Isolation, Limits, ReportFacts, Submission, Verdict

LIMITS = Limits(ocr_seconds=0)
SPARE_SECONDS = 10.0  # for starting and ending two jails on a busy machine


def verdict(path: Path, facts: ReportFacts) -> Verdict:
    """What the page check says of the file."""
    submission = Submission(student="corpus", root=str(path.parent), report=path.name, asked=("report",))
    return judge("report-pages", Case(evidence=Evidence(submission=submission, report=facts)), limit=3).verdict


def read(path: Path, isolation: Isolation) -> tuple[Path, ReportFacts | str, float]:
    """Read one file; an exception is the finding that this looks for."""
    begun = time.monotonic()
    try:
        found: ReportFacts | str = report.read(path, limits=LIMITS, isolation=isolation)
    except Exception:  # exactly what must never happen
        found = traceback.format_exc()
    return path, found, time.monotonic() - begun


def troubles(path: Path, found: ReportFacts | str, seconds: float) -> list[str]:
    """What must not be."""
    if isinstance(found, str):
        return [f"{path}: {found}"]
    told = [f"{path}: {seconds:.1f} s"] if seconds > LIMITS.report_seconds + SPARE_SECONDS else []
    counts = set(found.pages.values())
    decided = verdict(path, found) in (Verdict.PASS, Verdict.FAIL)
    doubtful = len(found.pages) < 2 or len(counts) != 1 or not all(counts)
    return [*told, f"{path}: decided on {found.pages}"] if decided and doubtful else told


def main() -> int:
    """Read, count and print."""
    parser = argparse.ArgumentParser(description="what becomes of a corpus of PDFs")
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--each", action="store_true", help="print a line for each file")
    given = parser.parse_args()
    paths = sorted({path for folder in given.folders for path in folder.rglob("*.pdf") if path.is_file()})
    isolation = sandbox.probe()
    with ThreadPoolExecutor(given.jobs) as pool:
        seen = list(pool.map(lambda path: read(path, isolation), paths))
    facts = [(path, found, seconds) for path, found, seconds in seen if isinstance(found, ReportFacts)]
    for path, found, seconds in facts if given.each else ():
        print(f"{seconds:6.1f} s  {found.outcome:<11} {verdict(path, found):<7} {found.pages} {path.name}")
    spent = [one[2] for one in seen] or [0.0]
    print(f"{len(paths)} files; {statistics.median(spent):.1f} s each, {max(spent):.1f} s the slowest")
    print("outcomes:", dict(Counter(found.outcome for _, found, _ in facts).most_common()))
    print("pages:", {str(one): n for one, n in Counter(verdict(p, f) for p, f, _ in facts).most_common()})
    wrong = [trouble for one in seen for trouble in troubles(*one)]
    print("\n".join(wrong) if wrong else "no exception, none over its time, none decided on a count in doubt")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
