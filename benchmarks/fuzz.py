"""Whatever crosses a border of the grader is read within its bounds: changed samples are tried by the thousand.

    make fuzz                                           an hour over all borders
    python benchmarks/fuzz.py --minutes 5 --border prose rubric
    python benchmarks/fuzz.py --again FILE              one input that was found, with its traceback

Each input may take 5 seconds of the processor and 300 MB, and end in an answer or in the refusal that the border is
for. What does not is written to `.fuzz/`, becomes a test once it is mended, and is told at the end.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import nbformat.v4
from msgspec.structs import replace

from grader import feedback, files, intake, notebook, pipeline, similarity, store, trace
from grader.cli.results import feedback_page
from grader.cli.settings import read_rubric
from grader.coverage import coverage
from grader.experiments import experiments
from grader.export.csv import grades_csv, harmless
from grader.export.json import grade_json
from grader.kernel import outputs
from grader.model import (
    CellRun,
    Change,
    Curve,
    Evidence,
    GraderError,
    Isolation,
    Limits,
    Line,
    LossMatch,
    Match,
    Notebook,
    Prose,
    ReportFacts,
    Run,
    Submission,
    from_json,
    message,
    to_json,
)
from grader.report import gather, recognition
from grader.rubric import Rubric, load
from grader.rubric import grade as judged
from grader.verify.alone import printed

ROOT = Path(__file__).parents[1]
SECONDS, MEMORY_MB, BATCH = 5.0, 300, 200
SLICE_SECONDS = 10.0
LONGEST = 400_000


class Border(NamedTuple):
    """What crosses here: samples of it, who reads it, and the refusals that are answers too."""

    seeds: Callable[[], Sequence[bytes]]
    read: Callable[[bytes], object]
    refusals: tuple[type[Exception], ...] = ()


class Finding(NamedTuple):
    """An input that was not read within its bounds."""

    border: str
    why: str
    data: bytes


class SlowError(BaseException):
    """An input takes more of the processor than it may."""


# -- samples -----------------------------------------------------------------------------------------


@cache
def notebooks() -> tuple[bytes, ...]:
    """Notebooks as students hand them in, and the one that was handed out."""
    found = (*(ROOT / "sample_submissions").glob("*/*.ipynb"), *(ROOT / "rubrics").glob("*/*.ipynb"))
    return tuple(data for path in sorted(found) if len(data := path.read_bytes()) < LONGEST)


@cache
def sources() -> tuple[bytes, ...]:
    """Code and text of their cells."""
    cells: list[bytes] = []
    for data in notebooks():
        with contextlib.suppress(GraderError, UnicodeDecodeError):
            cells += [cell.source.encode() for cell in notebook.parse(data.decode()).cells if cell.source.strip()]
    return tuple(dict.fromkeys(cells))


@cache
def prose() -> tuple[bytes, ...]:
    """Lines that students write, in English and in Chinese."""
    lines = [line for source in sources() for line in source.split(b"\n") if len(line) > 20]
    said = [
        "With lr = 1e-6 it converges 10 times faster than with 1e-7, but it oscillates at first.",
        "學習率從 0.01 變大到 1 之後，收斂得比較快，不過 2×10^-7 還是發散；RMSprop 比 Adagrad 好。",
        "**Effect.** After only 1,000 iterations (-120, -4) __stays__ where it was; does it diverge?",
    ]
    return (*(each.encode() for each in said), *lines[:200])


def _match(cell: int, **fields: Any) -> Match:
    return Match(
        cell=cell, names=("b_history", "w_history"), steps=1000, verdict="matches", rule="gd", effect="converged",
        hyperparameters={"lr": 10.0**-cell}, declared={"lr": 10.0**-cell}, final_loss=10189.9, max_residual=0.1,
        curve=Curve(steps=(0, 500, 1000), losses=(9.0, 3.0, 1.0), path=((0.0, 0.0), (1.0, 1.0))),
        loss=LossMatch(name="loss", kind="mse", verdict="matches"), **fields,
    )  # fmt: skip


@cache
def evidence() -> Evidence:
    """Evidence that has something of everything."""
    lines = tuple(
        Line(page=1, text=text, bbox=(72.0, 90.0 + 12 * number, 300.0, 100.0 + 12 * number), size=11.0)
        for number, text in enumerate(bytes(each).decode() for each in prose()[:60])
    )
    cells = tuple(CellRun(index=index, status="ok", printed="loss 1.5", images=("a" * 64,)) for index in range(1, 5))
    return Evidence(
        submission=Submission(student="b10901234", root="/class/b1", notebook="a.ipynb", report="r.pdf"),
        isolation=Isolation(level="bubblewrap"),
        notebook=Notebook(),
        prose=tuple(
            Prose(cell=index % 4 + 1, line=index, text=each.decode()) for index, each in enumerate(prose()[:40])
        ),
        changes=(
            Change(name="lr", cell=2, before="1e-7", after="1e-6"),
            Change(name="optimizer", cell=4, before="gd", after="adam"),
        ),
        run=Run(outcome="complete", isolation=Isolation(), cells=cells),
        matches=(_match(2), _match(4, diagnosis=message("bug.sign", step=3))),
        report=ReportFacts(outcome="read", pages={"pdfium": 3, "pdfplumber": 3}, languages=("en",), lines=lines),
    )


def _report() -> ReportFacts:
    report = evidence().report
    assert report is not None
    return report


@cache
def rubric() -> Rubric:
    """The rubric that ships."""
    return read_rubric("gradient-descent")


def _rubrics() -> tuple[bytes, ...]:
    return tuple(
        path.read_bytes() for path in (*ROOT.glob("rubrics/*/rubric.toml"), ROOT / "sample_submissions/rubric.toml")
    )


def _lexicons() -> tuple[bytes, ...]:
    return tuple(path.read_bytes() for path in ROOT.glob("rubrics/*/topics.toml"))


_ANSWER = {
    "engine": "pdfium", "pages": 1,
    "sheets": [{"number": 1, "width": 595.0, "height": 842.0, "words": [["SGD", 72, 90, 99, 100, 11, 0, True, [1]]]}],
}  # fmt: skip
_MESSAGES = [
    {"output_type": "stream", "name": "stdout", "text": "\x1b[31mloss 1.5\x1b[0m\n"},
    {"output_type": "execute_result", "data": {"text/plain": "array([1., 2.])"}, "metadata": {}, "execution_count": 1},
    {"output_type": "display_data", "data": {"image/png": "iVBORw0KGgo="}, "metadata": {}},
    {
        "output_type": "error",
        "ename": "NameError",
        "evalue": "name 'x' is not defined",
        "traceback": ["Cell In[1], line 3"],
    },
]
_TOLD = (
    "'abc;16;78:n:2:0:0;79:000000000000f03f;7a:1000;AAAAAAAA8D8AAAAAAADwPw=='",
    "'abc;32;78:a:2:2:0,79:c:2:0:1;;;AAAAAAAA8D8AAAAAAADwPwAAAAAAAPA/AAAAAAAA8D8='",
)


@cache
def _database() -> bytes:
    """A results database with one grade."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "grades.sqlite")
        with store.open_store(path) as opened:
            grade = pipeline.judge(evidence(), rubric())
            opened.begin([("b10901234", "key")], rubric=grade.rubric.digest)
            opened.keep_evidence("key", evidence())
            opened.keep_grade("key", grade)
        return path.read_bytes()


# -- who reads it ------------------------------------------------------------------------------------


def read_notebook(data: bytes) -> None:
    """Read a notebook file as the child does, then all that looks at its text."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.ipynb")
        path.write_bytes(data)
        look(notebook.read(path, limits=Limits()))


def look(theirs: Notebook) -> None:
    """Look at a notebook's text in every way in which it is looked at."""
    base = notebook.parse(rubric().gather.base)
    notebook.declared(theirs)
    notebook.own_prose(base, theirs)
    changed = notebook.changes(base, theirs)
    said = notebook.prose(base, theirs)
    notebook.recording(theirs)
    code = [cell for cell in theirs.cells if cell.kind == "code"]
    for cell in code:
        notebook.reaches(cell.source)
        notebook.runnable(cell.source)
    runs = [CellRun(index=cell.index, status="error", error="NameError: name 'x' is not defined") for cell in code]
    outputs.with_consequences(runs, [cell.source for cell in code])
    experiments(replace(evidence(), notebook=theirs, prose=said, changes=changed))


def read_source(data: bytes) -> None:
    """Look at a notebook of one code cell, in which the text stands twice: as it is, and after an assignment."""
    text = data.decode("utf-8", "replace")
    cells = [{"cell_type": "code", "source": source} for source in (text, f"lr = 1\n{text}")]
    look(notebook.parse(json.dumps({"nbformat": 4, "metadata": {}, "cells": cells})))


def read_prose(data: bytes) -> None:
    """Judge what a student wrote about a change, in the notebook and in the report."""
    lines = data.decode("utf-8", "replace").split("\n")
    said = tuple(Prose(cell=2 + number % 3, line=number, text=line[:2000]) for number, line in enumerate(lines[:1000]))
    experiments(replace(evidence(), prose=said))
    written = tuple(
        Line(
            page=1 + number // 50,
            text=line[:2000],
            bbox=(72.0, 12.0 * (number % 50), 300.0, 12.0 * (number % 50) + 10),
            size=11.0,
        )
        for number, line in enumerate(lines[:300])
    )
    coverage(replace(_report(), lines=written), rubric().topics)
    similarity.shared(written, {"notebook": similarity.notebook_text(rubric().gather.base)})


def read_messages(data: bytes) -> None:
    """Reduce what a cell showed."""
    given = json.loads(data)
    node = nbformat.v4.new_code_cell("x")
    node.outputs = [
        nbformat.from_dict(each) for each in (given if isinstance(given, list) else [given]) if isinstance(each, dict)
    ]
    node.execution_count = 1
    outputs.failure(node)
    outputs.printed(node)
    outputs.images(node)
    printed((CellRun(index=1, status="ok", printed=outputs.printed(node)),))


def read_numbers(data: bytes) -> None:
    """Read what capture would have said."""
    told = trace.announced(data.decode("utf-8", "replace"), nonce="abc", budget=10_000_000)
    trace.Reader().series(1, told, told.data)
    trace.scalars(1, told)


def read_answer(data: bytes) -> None:
    """Read a child's answer, judge it, and show it in every form."""
    told = from_json(data, Evidence)
    grade = judged(told, rubric())
    for language in ("en", "zh-TW"):
        feedback.render(grade, told, language=language)
        grade_json(grade, told, language=language)
    feedback.summary([grade], language="en", links={grade.submission.student: feedback_page(grade.submission.student)})
    grades_csv([grade], links={})


def read_pages(data: bytes) -> None:
    """Read what the parsers of a report printed."""
    answer = gather.answer(data)
    told = gather.facts(answer, gather.answer(json.dumps(_ANSWER).encode()))
    coverage(told, rubric().topics)
    recognition.answers(data)


def read_rubric_text(data: bytes) -> None:
    """Read a rubric."""
    beside = {"topics.toml": _lexicons()[0].decode()}
    load(data.decode("utf-8", "replace"), read=lambda name: beside.get(name, ""))


def read_lexicon(data: bytes) -> None:
    """Read a lexicon, and judge a report by it."""
    own = load(
        _rubrics()[0].decode(), read=lambda name: data.decode("utf-8", "replace") if name == "topics.toml" else ""
    )
    coverage(_report(), own.topics)


def read_names(data: bytes) -> None:
    """Take names of students and files, one a line, through everything that names are shown in."""
    with tempfile.TemporaryDirectory() as folder:
        for name in data.split(b"\n")[:40]:
            with contextlib.suppress(OSError, ValueError):
                student = Path(os.fsdecode(os.path.join(os.fsencode(folder), name.replace(b"/", b"_")[:250])))  # noqa: PTH118
                student.mkdir()
                (student / (student.name[:40] + ".ipynb")).write_bytes(b"{}")
        for found in intake.folder(Path(folder)):
            harmless(found.student)
            feedback.safe(found.student)
            feedback_page(found.student)
            to_json(found)
        intake.strays(Path(folder))
        intake.passed_over(Path(folder))


def read_database(data: bytes) -> None:
    """Read results that somebody else wrote."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "grades.sqlite")
        path.write_bytes(data)
        with store.open_store(path) as opened:
            opened.pending()
            for _ in opened.graded():
                pass


def read_file(data: bytes) -> None:
    """Look at a report without a parser, and at a page that may be ours."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "r.pdf")
        path.write_bytes(data)
        gather.refusal(path, limits=Limits())
        files.beginning(path, 4096)


BORDERS: dict[str, Border] = {
    "notebook": Border(notebooks, read_notebook, (notebook.UnreadableError,)),
    "source": Border(sources, read_source, (notebook.UnreadableError,)),
    "prose": Border(prose, read_prose),
    "messages": Border(lambda: tuple(json.dumps([each]).encode() for each in _MESSAGES), read_messages, (Exception,)),
    "numbers": Border(lambda: tuple(each.encode() for each in _TOLD), read_numbers, (trace.TraceError,)),
    "answer": Border(lambda: (to_json(evidence()),), read_answer, (GraderError,)),
    "pages": Border(lambda: (json.dumps(_ANSWER).encode(),), read_pages),
    "rubric": Border(_rubrics, read_rubric_text, (GraderError,)),
    "lexicon": Border(_lexicons, read_lexicon, (GraderError,)),
    "names": Border(lambda: (b"b10901234\n=1+1\n\xe7\x8e\x8b\nprn.txt\na b\n..c",), read_names),
    "database": Border(lambda: (_database(),), read_database, (GraderError,)),
    "file": Border(lambda: (b"%PDF-1.4\n%%EOF", b"PK\x03\x04", b""), read_file),
}

# -- changes -----------------------------------------------------------------------------------------

TOKENS = [
    b"", b"\x00", b"\n", b"\r", b"\t", b" ", b"\\", b'"', b"'", b"(", b")", b"[", b"]", b"{", b"}", b",", b";", b":",
    b"=", b"-", b"+", b"*", b"**", b"__", b"%", b"!", b"?", b"#", b"@", b"~", b"0", b"1", b"-1", b"1e999", b"NaN",
    b"Infinity", b"9" * 400, b"1" * 5000, b"null", b"true", b"1.5", b"0x10", b"\\ud800", b"\\u0000", b"\xff",
    b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xe2\x80\xae", b"\xe2\x80\x8b", b"\xcc\x81" * 50, b"\x1b[31m",
    b"\x1b]0;x\x07", b"<script>", b"{{", b"${", b"lambda: ", b"not ", b"-" * 120, b"(" * 120, b"[" * 120, b"if a:\n",
    b"for i in a:\n ", b"while 1:\n b-=lr*g\n", b"f'{", b"import os\n", b"10^", b"2\xc3\x9710^-7",
    b"\xe5\x8d\x81\xe8\x90\xac", b"times faster", b"lr = 1e-7\n", b"x" * 3000, b"{}," * 200, b"[[]]," * 200,
    b"a;" * 500, b"a.b" * 300, b"\n" * 500, b"1 " * 500, b"loss " * 100, b"with the same " * 50,
]  # fmt: skip


def changed(data: bytes, seeds: Sequence[bytes], drawn: random.Random) -> bytes:
    """Change a sample in a few places: as JSON where it is some, else byte by byte."""
    if drawn.random() < 0.5:
        with contextlib.suppress(ValueError, RecursionError):
            value = _changed_value(json.loads(data), drawn, drawn.randint(1, 4))
            return json.dumps(value, ensure_ascii=drawn.random() < 0.5).encode("utf-8", "surrogatepass")[:LONGEST]
    for _ in range(drawn.choice([1, 1, 2, 3, 6, 20])):
        data = _changed_bytes(data, seeds, drawn)[:LONGEST]
    return data


def _changed_bytes(data: bytes, seeds: Sequence[bytes], drawn: random.Random) -> bytes:
    start = drawn.randint(0, len(data))
    end = min(len(data), start + int(drawn.paretovariate(0.7)))
    part = data[start:end]
    match drawn.randint(0, 6):
        case 0:
            part = drawn.choice(TOKENS)
        case 1:
            part = drawn.choice(TOKENS) * drawn.choice([1, 2, 10, 200])
        case 2:
            part = part * drawn.choice([0, 2, 3, 50, 1000])
        case 3:
            part = drawn.randbytes(len(part))
        case 4:
            other = drawn.choice(seeds)
            at = drawn.randint(0, len(other))
            part = other[at : at + drawn.randint(1, 200)]
        case 5:
            part = part[::-1]
        case _:
            part += part[:1].swapcase()
    return data[:start] + part + data[end:]


def _changed_value(value: Any, drawn: random.Random, count: int) -> Any:
    """Change parts of a JSON value: another kind, another size, twice, deep, or gone."""
    for _ in range(count):
        path = list(_paths(value, drawn))
        value = _with(value, path, drawn)
    return value


def _paths(value: Any, drawn: random.Random) -> Iterator[Any]:
    while isinstance(value, dict | list) and value and drawn.random() < 0.85:
        key = drawn.choice(list(value)) if isinstance(value, dict) else drawn.randrange(len(value))
        yield key
        value = value[key]


def _with(value: Any, path: list[Any], drawn: random.Random) -> Any:
    if not path:
        return _other(value, drawn)
    first, *rest = path
    inner = _with(value[first], rest, drawn)
    if isinstance(value, dict):
        return {key: inner if key == first else each for key, each in value.items()}
    return [inner if index == first else each for index, each in enumerate(value)]


def _other(value: Any, drawn: random.Random) -> Any:
    text = drawn.choice(TOKENS).decode("utf-8", "replace")
    choices: list[Any] = [
        None, True, 0, -1, 10**30, 1.5, float("nan"), float("inf"), "", text, text * 40, [], {}, [value] * 3,
        {"x": value}, [[value]], "\ud800", [text] * 50,
    ]  # fmt: skip
    if isinstance(value, str):
        choices += [value * 20, value[::-1], value[: len(value) // 2] + text, text + value] * 3
    if isinstance(value, list):
        choices += [value * 5, value[::-1], value[:1] * 2000] * 3
    if isinstance(value, dict):
        choices += [{key: each for key, each in value.items() if drawn.random() < 0.7}] * 6
    if isinstance(value, int | float):
        choices += [-value, value * 10**9, value + 1, str(value), 0.1] * 3
    return drawn.choice(choices)


# -- trying them -------------------------------------------------------------------------------------


def tried(name: str, inputs: Sequence[bytes]) -> list[Finding]:
    """Let processes of their own read the inputs; one that ends at an input is followed by another."""
    findings: list[Finding] = []
    at = 0
    while at < len(inputs):
        told, begun = _in_a_process(name, inputs[at:])
        findings += [Finding(name, why, inputs[at + index]) for index, why in told.items()]
        at += begun
    return findings


def _in_a_process(name: str, inputs: Sequence[bytes]) -> tuple[dict[int, str], int]:
    """Say why inputs were not read, and how many were begun: the last one may have ended the process."""
    heard, said = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(heard)
        _try_all(name, inputs, said)
    os.close(said)
    with os.fdopen(heard, encoding="utf-8") as pipe:
        told: list[tuple[int, str | None]] = [tuple(json.loads(line)) for line in pipe]
    _, status = os.waitpid(process, 0)
    code = os.waitstatus_to_exitcode(status)
    ended = {index: why for index, why in told if why}
    last = max((index for index, _ in told), default=0)
    if code != 0 and (last, "") not in told:
        ended.setdefault(last, f"the process ended with {code}")
    return ended, last + 1


def _try_all(name: str, inputs: Sequence[bytes], said: int) -> None:
    signal.signal(signal.SIGPROF, _slow)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.setrecursionlimit(1000)
    _bound_memory()
    for index, data in enumerate(inputs):
        os.write(said, json.dumps([index, None]).encode() + b"\n")
        os.write(said, json.dumps([index, _why(name, data)]).encode() + b"\n")
    os._exit(0)


def _why(name: str, data: bytes) -> str:
    """Why an input was not read within its bounds; nothing where it was."""
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    resource.setrlimit(resource.RLIMIT_CPU, (int(used + 3 * SECONDS) + 1, resource.RLIM_INFINITY))
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        BORDERS[name].read(data)
    except BORDERS[name].refusals:
        return ""
    except (Exception, SlowError):
        return traceback.format_exc()[-3000:]
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return ""


def _slow(*_: object) -> None:
    raise SlowError


def _bound_memory() -> None:
    held = next(line for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines() if "VmData" in line)
    most = int(held.split()[1]) * 1024 + MEMORY_MB * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _drawing(seed: str) -> random.Random:
    return random.Random(seed)  # noqa: S311 - samples, not secrets


def drawn_inputs(name: str, count: int, drawn: random.Random) -> list[bytes]:
    """Draw changed samples of a border."""
    seeds = BORDERS[name].seeds()
    return [changed(drawn.choice(seeds), seeds, drawn) for _ in range(count)]


# -- the command -------------------------------------------------------------------------------------


def main() -> int:
    """Fuzz for a while, and keep what was found."""
    asked = _asked()
    if asked.again:
        name = asked.again.parent.name
        BORDERS[name].read(asked.again.read_bytes())
        print(f"{name}: read")
        return 0
    for name in asked.border:
        BORDERS[name].seeds()
    counts: Counter[str] = Counter()
    found: dict[tuple[str, str], Finding] = {}
    for name, inputs in _turns(asked):
        counts[name] += len(inputs)
        for finding in tried(name, inputs):
            kind = (name, _kind(finding.why))
            if kind not in found:
                print(f"{name}: {kind[1]}\n  {_kept(finding)}", flush=True)
                found[kind] = finding
    told = {"seed": asked.seed, "all": counts.total(), "inputs": dict(counts), "findings": len(found)}
    print(json.dumps(told))
    return 1 if found else 0


def _turns(asked: argparse.Namespace) -> Iterator[tuple[str, list[bytes]]]:
    """Draw inputs for one border after another: so many turns, or for a while, in which each gets the same time."""
    until = time.monotonic() + 60 * asked.minutes
    turn = 0
    while turn < asked.turns if asked.turns else time.monotonic() < until:
        turn += 1
        for name in asked.border:
            slice_ends, part = time.monotonic() + (0 if asked.turns else SLICE_SECONDS), 0
            while part == 0 or time.monotonic() < min(slice_ends, until):
                yield name, drawn_inputs(name, asked.batch, _drawing(f"{name} {asked.seed} {turn} {part}"))
                part += 1


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--border", nargs="+", choices=sorted(BORDERS), default=sorted(BORDERS))
    parser.add_argument("--seed", type=int, default=int(time.time()) % 10**6)
    parser.add_argument("--turns", type=int, help="so many times all borders, however long it takes")
    parser.add_argument("--batch", type=int, default=BATCH, help="inputs of a border in one turn")
    parser.add_argument("--again", type=Path)
    return parser.parse_args()


def _kind(why: str) -> str:
    """The error and where it came from, by which findings are told apart."""
    lines = [line.strip() for line in why.strip().splitlines()]
    places = [line for line in lines if line.startswith("File ") and "/grader/" in line]
    return f"{lines[-1][:120]} | {places[-1] if places else ''}"


def _kept(finding: Finding) -> Path:
    folder = ROOT / ".fuzz" / finding.border
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / hashlib.sha256(finding.data).hexdigest()[:16]
    path.write_bytes(finding.data)
    path.with_suffix(".why").write_text(finding.why, encoding="utf-8")
    return path


if __name__ == "__main__":
    sys.exit(main())
