"""CPU and wall time of reading a three-page report, stage by stage, beside plain text extraction.

    python benchmarks/report.py [--times 7]

Each report is the first page of a file of `tests/reports`, three times: dense pages from four producers.
The stages run in this process, so starting processes and importing libraries stand apart; the last line reads the
report as the grader does, in two jails, whose CPU is not all counted.
The floor is what pdfium needs to give the plain text of the same pages.
Medians; on a busy machine read the ratios. The aim: at most 0.5 s of CPU for all stages together.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import msgspec
import pypdfium2
import pypdfium2.raw as raw

from grader import coverage, report, sandbox, similarity
from grader.model import Limits
from grader.report import gather, parse

REPORTS = Path(__file__).parents[1] / "tests" / "reports"
PRODUCERS = ("chromium-tw-serif", "libreoffice-en", "latex-en", "reportlab-tw-two-columns")
HOMEWORK = files("rubrics") / "gradient_descent"
TOPICS = coverage.topics(tomllib.loads((HOMEWORK / "topics.toml").read_text(encoding="utf-8")))
BASE = similarity.notebook_text((HOMEWORK / "gradient descent.ipynb").read_text(encoding="utf-8"))
FLOOR = "plain text by pdfium (the floor)"
APART = (
    "start Python, import pdfium and Pillow",
    "start Python, import pdfplumber",
    "read in two jails (CPU of this side alone)",
)

Times = defaultdict[str, list[tuple[float, float]]]


@contextmanager
def stage(times: Times, name: str) -> Iterator[None]:
    """Note the CPU and wall seconds of what happens inside, children included."""
    wall, cpu = time.monotonic(), _cpu()
    yield
    times[name].append((_cpu() - cpu, time.monotonic() - wall))


def _cpu() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def three_pages(name: str, folder: Path) -> Path:
    """A report of three dense pages."""
    made = pypdfium2.PdfDocument.new()
    made.import_pages(pypdfium2.PdfDocument(REPORTS / f"{name}.pdf"), [0, 0, 0])
    path = folder / f"{name}.pdf"
    made.save(path)
    return path


def measure(path: Path, times: Times) -> None:
    """Read one report once, stage by stage."""
    with stage(times, FLOOR):
        for page in pypdfium2.PdfDocument(path):
            page.get_textpage().get_text_range()
    with stage(times, "count and open pages with pdfium"):
        document = pypdfium2.PdfDocument(path)
        pages = [parse._as_shown(document, number, raw) for number in range(len(document))]
    with stage(times, "words with boxes, pictures"):
        for page in pages:
            place = parse._placer(page)
            parse._pdfium_words(page, raw, place)
            parse._objects(page, raw, place)
    wholes = [page.render(scale=parse.INK_SCALE, grayscale=True).to_pil() for page in pages]
    with stage(times, "small pictures for the feedback"):
        for page, whole in zip(pages, wholes, strict=True):
            parse._picture(whole, *page.get_size())
    with stage(times, "difference rendering (hidden text)"):
        for page in pages:
            parse._pixels(page, raw, parse.PICTURED + 1)
    with stage(times, "count pages with pdfplumber"):
        second = gather.answer(msgspec.json.encode(parse.with_pdfplumber_count(str(path))))
    first = msgspec.json.encode({"engine": "pdfium", **parse.with_pdfium(str(path))})
    with stage(times, "check the answers, lines, visible words"):
        found = gather.facts(gather.answer(first), second)
    with stage(times, "coverage of four topics"):
        coverage.coverage(found, TOPICS)
    with stage(times, "compare with the assignment"):
        similarity.shared(found.lines, {"notebook": BASE})


def apart(path: Path, times: Times) -> None:
    """What the stages do not hold: processes, imports, jails."""
    for name, code in zip(APART, ("import pypdfium2.raw, PIL.ImageChops", "import pdfplumber"), strict=False):
        with stage(times, name):
            subprocess.run([sys.executable, "-I", "-c", code], check=True)
    isolation = sandbox.probe()
    with stage(times, APART[-1]):
        report.read(path, limits=Limits(ocr_seconds=0), isolation=isolation)


def _print(name: str, times: Times) -> None:
    cpu, wall = ({key: statistics.median(one[i] for one in seen) for key, seen in times.items()} for i in (0, 1))
    print(f"\n{name}\n{'':<44}{'CPU ms':>8}{'wall ms':>8}{'CPU / floor':>13}")
    total = {key: value for key, value in cpu.items() if key not in (FLOOR, *APART)}
    for key in cpu:
        print(f"{key:<44}{1000 * cpu[key]:>8.1f}{1000 * wall[key]:>8.1f}{cpu[key] / cpu[FLOOR]:>13.1f}")
    print(f"{'ALL STAGES':<44}{1000 * sum(total.values()):>8.1f}{'':>8}{sum(total.values()) / cpu[FLOOR]:>13.1f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="cost of reading a report, as ratios in one run")
    parser.add_argument("--times", type=int, default=7)
    repeat = parser.parse_args().times
    print(f"{repeat} times, medians; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    with tempfile.TemporaryDirectory() as folder:
        for name in PRODUCERS:
            path, times = three_pages(name, Path(folder)), Times(list)
            for _ in range(repeat + 1):
                measure(path, times)
            for seen in times.values():
                del seen[0]  # the first round warms up
            for _ in range(min(repeat, 3)):
                apart(path, times)
            _print(name, times)


if __name__ == "__main__":
    main()
