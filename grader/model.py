"""The records that flow through the grader: gathered facts, judgements, and the errors people see.

Records are frozen and hold plain values, so any of them can be stored as JSON and read back equal.
Cells are counted from 1 over the whole notebook, as a person counts them.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import msgspec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Language = Literal["en", "zh-TW"]
Level = Literal["bubblewrap", "landlock", "process-limits"]
Scalar = str | int | float
R = TypeVar("R")


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A frozen record; "change" one with `msgspec.structs.replace`."""


class GraderError(Exception):
    """A mistake that a person can mend: what happened, where, and what to do."""

    def __init__(self, message: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message, self.where, self.hint = message, where, hint

    def __str__(self) -> str:
        return f"{self.message} ({' '.join(self.where.split())})" if self.where else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return (_grader_error, (self.message, self.where, self.hint))


def _grader_error(message: str, where: str, hint: str) -> GraderError:
    return GraderError(message, where=where, hint=hint)


# -- what a person reads -------------------------------------------------------------------------


class Message(Record, frozen=True, kw_only=True):
    """A sentence by its id; the sentence itself lives in `grader/feedback/messages`, in every language."""

    id: str
    parameters: dict[str, Scalar] = {}


def message(id: str, **parameters: Scalar) -> Message:
    """Make a message, so that a judge reads as a sentence."""
    return Message(id=id, parameters=parameters)


class Where(Record, frozen=True, kw_only=True):
    """A place in what was submitted: a cell and line of the notebook, or a page of the report."""

    cell: int | None = None
    line: int | None = None
    page: int | None = None


# -- what comes in -------------------------------------------------------------------------------

Part = Literal["notebook", "report"]


class Person(Record, frozen=True, kw_only=True):
    """How a learning management system and a roster know a student.

    `ids` are by kind: `number` (the school's), `login`, `canvas` (user), `moodle` (participant), `gradescope`.
    """

    name: str = ""
    mail: str = ""
    group: str = ""
    ids: dict[str, str] = {}


class Lateness(Record, frozen=True, kw_only=True):
    """How late work came: after the deadline and its grace, where that is known, and how it is known.

    `system` is the time that the system noted, `mark` its own mark without a time, `file` only the file's own time,
    which a student can set and an archive can lose.
    """

    late: bool
    seconds: float | None = None
    known_by: Literal["system", "mark", "file"] = "file"


class Submission(Record, frozen=True, kw_only=True):
    """One student's hand-in: which file is the notebook and which the report.

    `notebook` and `report` are paths relative to `root`, None where nothing was handed in.
    `asked` lists the parts that are judged: `grader check FILE` asks for one only.
    `origin` is what the learning management system called it, and what it wants feedback to be called by.
    `lateness` is None where no deadline is known.
    """

    student: str
    root: str
    notebook: str | None = None
    report: str | None = None
    files: tuple[str, ...] = ()
    digest: str = ""
    received: str | None = None
    asked: tuple[Part, ...] = ("notebook", "report")
    problems: tuple[Message, ...] = ()
    person: Person = Person()
    origin: str = ""
    lateness: Lateness | None = None


class Limits(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What gathering one submission may use."""

    cell_seconds: float = 120.0
    notebook_seconds: float = 300.0
    report_seconds: float = 20.0
    ocr_seconds: float = 60.0
    memory_mb: int = 2048
    disk_mb: int = 256
    processes: int = 64
    cell_output_mb: float = 16.0
    notebook_output_mb: float = 64.0
    history_mb: float = 512.0
    pdf_mb: float = 20.0
    notebook_mb: float = 50.0


class Names(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the notebook's own names usually are: hints for pairing, never requirements."""

    parameters: tuple[tuple[str, ...], ...] = (("b_history", "w_history"),)
    losses: tuple[str, ...] = ("loss_history",)
    x: tuple[str, ...] = ("x_data",)
    y: tuple[str, ...] = ("y_data",)


class Gather(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How facts are gathered; its digest, with the submission's, is the key under which they are kept.

    `base` is the text of the handed-out notebook; `kernel` another Python to run notebooks with.
    """

    limits: Limits = Limits()
    names: Names = Names()
    base: str = ""
    kernel: str | None = None


# -- what gathering yields -----------------------------------------------------------------------


class Isolation(Record, frozen=True, kw_only=True):
    """What kept the submission's code in its jail, as really run in a probe; `program` is the bubblewrap used."""

    level: Level | Literal["none"] = "none"
    network: Literal["none", "open"] = "none"
    memory: Literal["watchdog", "cgroup", "rlimit"] = "rlimit"
    bwrap: str | None = None
    landlock: int | None = None
    seccomp: bool = False
    program: str | None = None


class Cell(Record, frozen=True, kw_only=True):
    """A cell as the student wrote it.

    One that `may_fail` says so by its tag `raises-exception`, which Jupyter obeys as well.
    """

    index: int
    kind: Literal["code", "markdown", "raw"]
    source: str
    may_fail: bool = False


class Notebook(Record, frozen=True, kw_only=True):
    """What was read from the .ipynb file; nothing in it has run."""

    cells: tuple[Cell, ...] = ()
    language: str = "python"


CellStatus = Literal["ok", "error", "timeout", "memory", "output-limit", "kernel-died", "not-run"]
Lack = Literal[
    "package", "file", "removed", "one-element", "input", "network", "place", "program", "window", "setting",
    "resources", "follows",
]  # fmt: skip


class CellRun(Record, frozen=True, kw_only=True):
    """What one code cell did when it ran.

    `lacks` says what the machine lacks where an error is not the student's: a package, a file, an old name.
    `follows` is the cell whose failure this one's NameError comes from: only that cell is at fault.
    A cell that is `translated` needs a newer Python, and ran as this one writes the same.
    `printed` is bounded plain text; `images` holds the SHA-256 of every figure shown.
    """

    index: int
    status: CellStatus
    seconds: float = 0.0
    error: str | None = None
    line: int | None = None
    lacks: Lack | None = None
    follows: int | None = None
    translated: bool = False
    printed: str = ""
    images: tuple[str, ...] = ()

    @property
    def environment(self) -> bool:
        """Whether the machine is at fault, not the student."""
        return self.lacks is not None


class Run(Record, frozen=True, kw_only=True):
    """One execution of a notebook in a jail; `cpu_seconds` is what the whole jail used, which no `wait` reports."""

    outcome: Literal["complete", "stopped", "refused"]
    isolation: Isolation
    cells: tuple[CellRun, ...] = ()
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    problem: Message | None = None


class Declared(Record, frozen=True, kw_only=True):
    """A number that the notebook states under a name: an assigned constant or a call's argument."""

    name: str
    cell: int
    value: float
    line: int | None = None


class Change(Record, frozen=True, kw_only=True):
    """A value that differs from the handed-out notebook; None where one side does not have it."""

    name: str
    cell: int
    before: str | None
    after: str | None
    line: int | None = None


class Prose(Record, frozen=True, kw_only=True):
    """A line that the student wrote for people, in a text cell or as a comment; `line` counts from 1 in its cell."""

    cell: int
    line: int
    text: str
    kind: Literal["text", "comment"] = "text"


class Kept(Record, frozen=True, kw_only=True):
    """A container that a training loop fills, as Python reaches it in the loop, and what stands in its columns.

    A key that varies is written `[*]`. A column is None where it is nothing that the loop carries from turn to turn.
    """

    path: str
    columns: tuple[str | None, ...]


class Loop(Record, frozen=True, kw_only=True):
    """A training loop as written: in which function it stands ("" outside of any), and what it keeps of its states.

    `carried` are its parameters, as far as that can be told; `reads` the names that it speaks of, also in the functions
    that it calls.
    """

    cell: int
    place: str
    line: int
    kept: tuple[Kept, ...] = ()
    carried: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()


class Call(Record, frozen=True, kw_only=True):
    """One training run as written: the function of its loop, or "" and the loop's line, and what it is given."""

    cell: int
    place: str
    line: int
    settings: dict[str, float]


class Series(Record, frozen=True, kw_only=True):
    """Numbers that the kernel held after a cell, as capture found them; a candidate, not yet a history.

    `values` has shape [T] or [T, k]. `name` is how Python reaches it: `b_history`, `hist['b']`, `theta`. One that was
    `filled` in a function is a second name for numbers that the notebook still holds.
    """

    cell: int
    name: str
    values: Any
    source: Literal["namespace", "attribute", "container", "returned", "plotted", "printed", "recorded", "filled"] = (
        "namespace"
    )


# -- what verification yields --------------------------------------------------------------------


class Divergence(Record, frozen=True, kw_only=True):
    """The first step that leaves the rule; steps count from 1, the first update."""

    step: int
    before: tuple[float, ...]
    expected: tuple[float, ...]
    seen: tuple[float, ...]


class Surface(Record, frozen=True, kw_only=True):
    """The quadratic loss of a line fit: minimum + (p - centre)ᵀ · hessian · (p - centre)."""

    centre: tuple[float, float]
    hessian: tuple[tuple[float, float], tuple[float, float]]
    minimum: float


class Curve(Record, frozen=True, kw_only=True):
    """A run thinned for plotting: its loss (sum of squares) and its path, at the kept steps.

    `expected` is the reference's path from the same start where the run leaves its rule, else empty.
    """

    steps: tuple[int, ...] = ()
    losses: tuple[float, ...] = ()
    path: tuple[tuple[float, ...], ...] = ()
    expected_losses: tuple[float, ...] = ()
    expected_path: tuple[tuple[float, ...], ...] = ()
    surface: Surface | None = None


LossMistake = Literal["sign", "cumulative", "square-of-sum", "no-square", "sample"]


class LossMatch(Record, frozen=True, kw_only=True):
    """A recorded loss history against the loss derived from the parameters.

    It differs where it is a loss of the wrong kind or most of it is one loss and the rest is not; a loss that agrees
    with none (a penalty, another data set, or made up) is unexplained: a person looks. `manner` says how it was
    recorded (rounded, averaged), `mistake` what makes it the wrong loss, `factor` by what it is a multiple of its kind,
    `data` the names of what it is of where the run was trained on others.
    """

    name: str | None = None
    kind: str | None = None
    manner: str = ""
    mistake: LossMistake | None = None
    factor: float | None = None
    data: str | None = None
    verdict: Literal["matches", "differs", "unexplained", "absent"] = "absent"
    at: Literal["before", "after"] | None = None
    max_residual: float | None = None
    first_divergence: Divergence | None = None


RunVerdict = Literal["matches", "differs", "unexplained", "unverifiable", "review"]
Effect = Literal["converged", "converging", "stalled", "oscillating", "diverging"]


class Match(Record, frozen=True, kw_only=True):
    """What one training run is: the rule it follows, or the first step where it leaves the rule and why.

    `slip` says that a single mistake explains every step of a run that differs. `line` is where the loop begins that
    made it, 0 where none is known.
    """

    cell: int
    names: tuple[str, ...]
    steps: int
    verdict: RunVerdict
    rule: str | None = None
    convention: dict[str, Scalar] = {}
    consistent_with: tuple[str, ...] = ()
    hyperparameters: dict[str, float] = {}
    declared: dict[str, float] = {}
    max_residual: float | None = None
    informative_steps: int = 0
    first_divergence: Divergence | None = None
    diagnosis: Message | None = None
    slip: bool = False
    notes: tuple[Message, ...] = ()
    loss: LossMatch = LossMatch()
    effect: Effect | None = None
    final_loss: float | None = None
    curve: Curve = Curve()
    trace_digest: str = ""
    line: int = 0

    @property
    def stands(self) -> bool:
        """Whether every state is the same."""
        return len(self.curve.path) > 1 and len(set(self.curve.path)) == 1


# -- what the report's parser yields -------------------------------------------------------------

Box = tuple[float, float, float, float]


class Line(Record, frozen=True, kw_only=True):
    """A line of text of the report, in reading order; `bbox` in points from the page's top left."""

    page: int
    text: str
    bbox: Box
    size: float = 0.0
    heading: bool = False


class Problem(Record, frozen=True, kw_only=True):
    """Something about the report that a person should know, without accusation."""

    id: str
    page: int | None = None
    text: str = ""


class Sheet(Record, frozen=True, kw_only=True):
    """One page as shown: its size in points, how much can be read on it, the share under its largest picture."""

    page: int
    width: float
    height: float
    characters: int = 0
    languages: tuple[str, ...] = ()
    pictures: float = 0.0


class Thumbnail(Record, frozen=True, kw_only=True):
    """A page in small, for showing where the evidence is; its size in the points in which boxes are given."""

    page: int
    width: float
    height: float
    png: Annotated[bytes, msgspec.Meta(max_length=64_000)]


class ReportFacts(Record, frozen=True, kw_only=True):
    """What the PDF parsers saw; `pages` by engine, None where that engine did not finish.

    `recognised` are the lines that text recognition read on a report without readable text; they decide nothing.
    """

    outcome: Literal["read", "unreadable", "encrypted", "not-a-pdf", "too-large", "timeout", "crashed"]
    pages: dict[str, int | None] = {}
    languages: tuple[str, ...] = ()
    lines: tuple[Line, ...] = ()
    problems: tuple[Problem, ...] = ()
    seconds: float = 0.0
    sheets: tuple[Sheet, ...] = ()
    thumbnails: tuple[Thumbnail, ...] = ()
    recognised: tuple[Line, ...] = ()


class Fault(Record, frozen=True, kw_only=True):
    """The grader broke: kept for the engineer, never held against the student."""

    stage: str
    traceback: str

    @property
    def reason(self) -> str:
        """The last line of the traceback, which names the error."""
        return (self.traceback.strip().splitlines() or [""])[-1].strip()


class Evidence(Record, frozen=True, kw_only=True):
    """Everything known about one submission; all that judging may look at.

    `own_prose` lists the text cells that are not in the handed-out notebook, `prose` the lines and comments.
    """

    submission: Submission
    isolation: Isolation = Isolation()
    notebook: Notebook | None = None
    notebook_problem: Message | None = None
    own_prose: tuple[int, ...] = ()
    prose: tuple[Prose, ...] = ()
    changes: tuple[Change, ...] = ()
    declared: tuple[Declared, ...] = ()
    run: Run | None = None
    matches: tuple[Match, ...] = ()
    base_matches: tuple[Match, ...] = ()
    report: ReportFacts | None = None
    fault: Fault | None = None
    verifier: str = ""
    seconds: float = 0.0


# -- what judging yields -------------------------------------------------------------------------


class Verdict(StrEnum):
    """What a check says. REVIEW is a person's to decide, FAULT is ours; neither costs the student anything."""

    PASS = "pass"  # noqa: S105 - a verdict, no password
    PARTIAL = "partial"
    FAIL = "fail"
    REVIEW = "review"
    SKIPPED = "skipped"
    FAULT = "fault"


ExperimentEffect = Literal[
    "faster", "slower", "no-visible-change", "oscillating", "diverging", "not-converged", "converged"
]
Claim = Literal["agrees", "contradicts", "not-judged", "none"]


class Experiment(Record, frozen=True, kw_only=True):
    """A hyperparameter that the student changed, what that did, and whether the notebook shows and says so.

    `run` marks the training run that was changed, "" where it is not known.
    """

    name: str
    cell: int
    run: str = ""
    before: str | None
    after: str | None
    effect: ExperimentEffect | None = None
    steps: int | None = None
    final_loss: float | None = None
    illustrated: bool = False
    explained: bool = False
    claim: Claim = "none"
    quote: str = ""


class Snippet(Record, frozen=True, kw_only=True):
    """The sentence that decided, and its place in the report."""

    page: int
    bbox: Box
    text: str
    concept: str = ""


class Coverage(Record, frozen=True, kw_only=True):
    """How far the report introduces one topic; not `certain` where part of the report could not be read."""

    topic: str
    status: Literal["covered", "thin", "mentioned", "missing", "wrong"]
    evidence: tuple[Snippet, ...] = ()
    questions: tuple[Message, ...] = ()
    certain: bool = True


class Finding(Record, frozen=True, kw_only=True):
    """What one check says about one submission; `credit` from 0 to 1 is certain.

    `open` is the share that a person decides where the verdict is review; the rest is lost.
    `details` are the lines of evidence in the order a student should read them.
    """

    check: str
    verdict: Verdict
    credit: float
    open: float = 1.0
    message: Message
    hint: Message | None = None
    where: Where | None = None
    details: tuple[Message, ...] = ()


class Criterion(Record, frozen=True, kw_only=True):
    """One line of a rubric: what is checked, for how many points."""

    id: str
    check: str
    points: float
    title: dict[str, str] = {}
    params: dict[str, Any] = {}


class Basis(Record, frozen=True, kw_only=True):
    """The automatic result that a person saw when they decided; `digest` is that of the files."""

    verdict: Verdict
    points: float
    out_of: float
    digest: str = ""


class Decision(Record, frozen=True, kw_only=True):
    """What a person decided about one criterion of one student, kept apart from every automatic result.

    Either `points`, or the `share` of the criterion's points; with neither, an earlier decision is withdrawn.
    The student reads `comment`; `note` is for the staff.
    """

    student: str
    criterion: str
    points: float | None = None
    share: float | None = None
    comment: str = ""
    note: str = ""
    by: str = ""
    at: str = ""
    basis: Basis | None = None


class Decided(Record, frozen=True, kw_only=True):
    """A decision beside the automatic result as it is now; a stale one was made on another result and waits."""

    decision: Decision
    automatic: Basis
    stale: bool = False


class Scored(Record, frozen=True, kw_only=True):
    """A finding with its points; `pending` points are neither given nor lost."""

    criterion: Criterion
    finding: Finding
    points: float
    pending: float
    out_of: float
    decided: Decided | None = None


class LatePolicy(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What late work loses for each day begun: a share of all points or of those earned, up to a cap."""

    per_day: Annotated[float, msgspec.Meta(gt=0, le=1)]
    cap: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    of: Literal["max", "earned"] = "max"


class RubricId(Record, frozen=True, kw_only=True):
    """Which rubric judged: its title and the digest of its content."""

    title: str
    digest: str


class Grade(Record, frozen=True, kw_only=True):
    """The judgement of one submission.

    `shared` are passages of the report that also stand in the assignment's own text; `concept` says where.
    `points` are those of the criteria; what `late` takes off is counted by whoever shows or exports the grade.
    """

    submission: Submission
    rubric: RubricId
    scored: tuple[Scored, ...]
    points: float
    pending: float
    out_of: float
    needs_review: bool
    experiments: tuple[Experiment, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    shared: tuple[Snippet, ...] = ()
    late: LatePolicy | None = None


class TooLongError(Exception):
    """Judging one part of a submission takes longer than any honest one does; a person looks at that part."""


Within = Callable[[str], AbstractContextManager[None]]
"""Bounds a named part of judging: what is inside is ended by `TooLongError` where it takes too long."""


# -- JSON ----------------------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """Turn records into plain JSON values; NaN and infinities become "nan", "inf" and "-inf"."""
    return _finite(msgspec.to_builtins(value))


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, str) and not value.isascii():  # a lone surrogate, legal in a notebook's JSON, is not UTF-8
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value


def to_json(value: Any) -> bytes:
    """Encode a record as JSON that `from_json` reads back equal."""
    return msgspec.json.encode(plain(value))


def from_json(data: bytes | str, kind: type[R]) -> R:
    """Decode a record; a wrong field raises `GraderError` that says where it is."""
    try:
        return decoder(kind, strict=False).decode(data)
    except UNREADABLE as error:
        raise GraderError(f"cannot read {kind.__name__}: {error}") from error


UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding bytes of unknown origin raises; a `ValidationError` is a `DecodeError`."""

_decoders: dict[tuple[Any, bool], msgspec.json.Decoder[Any]] = {}
_building = threading.Lock()


def decoder(kind: type[R], *, strict: bool = True) -> msgspec.json.Decoder[R]:
    """Build the decoder of a type once, one type at a time whatever thread asks.

    msgspec shows a record's fields to other threads before they are all known: two threads that build the same record
    for the first time end the process with SIGSEGV. docs/decisions/sandbox.md has the smallest case.
    """
    key = (kind, strict)
    if key not in _decoders:
        with _building:
            _decoders.setdefault(key, msgspec.json.Decoder(kind, strict=strict))
    return _decoders[key]
