"""What was handed in: folders and files become submissions, nothing is opened but to take its digest."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from grader import files as opening
from grader.model import GraderError, Message, Part, Record, Submission, message

CHECKPOINTS = ".ipynb_checkpoints"
IGNORED_FOLDERS = {"__MACOSX", CHECKPOINTS, ".git", "__pycache__", ".venv", "node_modules"}
IGNORED_FILES = {".DS_Store", "Thumbs.db", "desktop.ini", "feedback.html"}
MAX_FILES = 2000
MAX_DEPTH = 4
MAX_FOLDERS = 2000
MAX_DIGESTED = 64 * 2**20  # of one file; what is larger than any notebook or report may be is known by size and time
MAX_COMPARED = 256 * 2**20  # of one student's files, where several of a kind may be copies of each other

# What students hand in by mistake in place of the right kind of file.
ARCHIVES = (".zip", ".rar", ".7z", ".tar", ".tar.gz", ".tgz")
TYPED = ("text.html", "link.html")
"""What was typed into the page of a learning management system in place of a file."""
LOOKALIKES: dict[Part, tuple[str, ...]] = {
    "notebook": (*ARCHIVES, ".py", ".ipynb.txt", ".ipynb.json", ".html", ".htm", ".json"),
    "report": (*ARCHIVES, ".docx", ".doc", ".odt", ".pages", ".md", ".tex", ".txt", ".pptx", *TYPED),
}
DRAFTS = ("untitled", "scratch", "draft", "test", "backup", "old", "副本", "草稿", "測試", "备份", "備份")
SUFFIX: dict[Part, str] = {"notebook": ".ipynb", "report": ".pdf"}


class NoSubmissionError(GraderError):
    """What a student named is no submission; `problem` says why and `advice` what to do, in the student's language."""

    def __init__(self, problem: Message, *, where: str = "", advice: Message | None = None) -> None:
        super().__init__(problem.id, where=where)
        self.problem, self.advice = problem, advice

    def __reduce__(self) -> tuple[Any, ...]:
        return (_no_submission, (self.problem, self.where, self.advice))


def _no_submission(problem: Message, where: str, advice: Message | None) -> NoSubmissionError:
    return NoSubmissionError(problem, where=where, advice=advice)


class _Walk(Record, frozen=True, kw_only=True):
    """What lies below a student's folder: the files, links among them, and what may hide others.

    `closed` folders cannot be opened, `linked` ones are not followed, `copies` are notebooks that Jupyter saved by
    itself, and `more` says that there are files beyond what is looked through.
    """

    files: tuple[Path, ...] = ()
    closed: tuple[str, ...] = ()
    linked: tuple[Path, ...] = ()
    copies: tuple[Path, ...] = ()
    more: bool = False


def folder(path: Path, *, handed_out: str = "") -> tuple[Submission, ...]:
    """Find one submission in each folder below `path`, in the order of their names.

    `handed_out` is the text of the notebook that everybody got: an untouched copy beside the student's is left out.

    Raises:
        GraderError: where `path` is no folder, or cannot be read.
    """
    if not path.is_dir():
        what = "this is a file, not a folder of submissions" if path.exists() else "there is no such folder"
        raise GraderError(what, where=str(path), hint="give the folder that holds one folder per student")
    given = handed_out.encode()
    return tuple(_submission(student.name, student, given) for student in sorted(_folders(path), key=lambda p: p.name))


def strays(path: Path) -> tuple[str, ...]:
    """List notebooks, PDFs and archives that lie beside the students' folders and belong to nobody."""
    kinds = (*SUFFIX.values(), *ARCHIVES)
    return tuple(sorted(p.name for p in path.iterdir() if p.is_file() and p.name.lower().endswith(kinds)))


def passed_over(path: Path) -> tuple[str, ...]:
    """List folders that look like a student's and are not graded: links, and hidden ones that hold homework."""
    folders = [p for p in path.iterdir() if p.is_dir() and p.name not in IGNORED_FOLDERS]
    return tuple(sorted(p.name for p in folders if p.is_symlink() or (_ignored(p) and _holds_homework(p))))


def _holds_homework(folder: Path) -> bool:
    return any(path.suffix.lower() in SUFFIX.values() for path in _walk(folder).files)


def files(paths: Sequence[Path], *, handed_out: str = "") -> Submission:
    """Make one submission of the files that a student names, or of a folder of theirs.

    A notebook alone, or a PDF alone, asks only for the criteria of that part.

    Raises:
        NoSubmissionError: for a missing file, another kind, two of the same kind, or a folder of several students.
    """
    if len(paths) == 1 and paths[0].is_dir():
        return _own_folder(paths[0].resolve(), handed_out.encode())
    parts: dict[Part, Path] = {}
    for path in paths:
        part = _part(path)
        if part in parts:
            raise NoSubmissionError(message(f"intake.two-{part}s", first=str(parts[part]), second=str(path.resolve())))
        parts[part] = path.resolve()
    root = Path(os.path.commonpath([path.parent for path in parts.values()]))
    names = {part: str(path.relative_to(root)) for part, path in parts.items()}
    return Submission(
        student=root.name or "student",
        root=str(root),
        notebook=names.get("notebook"),
        report=names.get("report"),
        files=tuple(sorted(names.values())),
        digest=_digest(parts[part] for part in SUFFIX if part in parts),
        asked=tuple(part for part in SUFFIX if part in parts),
    )


def unchanged(submission: Submission) -> bool:
    """Whether the chosen files still are those whose digest the submission has; where none were chosen, they are."""
    chosen = [name for name in (submission.notebook, submission.report) if name]
    return not chosen or _digest(Path(submission.root, name) for name in chosen) == submission.digest


def _part(path: Path) -> Part:
    if not path.exists():
        raise NoSubmissionError(message("intake.no-such-file"), where=str(path))
    if path.is_dir():
        raise NoSubmissionError(message("intake.folder-among-files"), where=str(path))
    if not path.is_file():
        raise NoSubmissionError(message("intake.no-ordinary-file"), where=str(path))
    for part, suffix in SUFFIX.items():
        if path.suffix.lower() == suffix:
            return part
    raise NoSubmissionError(message("intake.other-kind"), where=str(path))


def _own_folder(root: Path, handed_out: bytes) -> Submission:
    submission = _submission(root.name, root, handed_out)
    students = {Path(name).parts[0] for name in submission.files if Path(name).suffix.lower() == SUFFIX["notebook"]}
    if submission.problems and len(students) > 1 and all((root / name).is_dir() for name in students):
        advice = message("intake.grade-them", folder=root.name)
        raise NoSubmissionError(message("intake.several-people"), where=str(root), advice=advice)
    return submission


def of_files(student: str, root: Path, names: Sequence[str] | None = None, *, handed_out: str = "") -> Submission:
    """Make one student's submission of a folder, or of those of its files that are named."""
    return _submission(student, root, handed_out.encode(), names)


def students_folders(path: Path) -> list[Path]:
    """List the folders that may be students': neither links nor what systems leave behind."""
    return _folders(path)


def with_files(submission: Submission, chosen: Mapping[Part, str | None]) -> Submission:
    """The same with the notebook or the report that a person chose, None for none of that kind.

    Raises:
        GraderError: where it has no such file.
    """
    for name in filter(None, chosen.values()):
        if name not in submission.files:
            where = submission.origin or submission.student
            raise GraderError(f"there is no file `{name}` in this hand-in", where=where)
    names = {part: chosen.get(part, getattr(submission, part)) for part in SUFFIX}
    taken = [Path(submission.root, name) for name in names.values() if name]
    problems = tuple(one for one in submission.problems if not any(one.id.startswith(f"intake.{p}-") for p in chosen))
    return replace(
        submission,
        notebook=names["notebook"],
        report=names["report"],
        digest=_digest(taken),
        received=_received(taken),
        problems=problems,
    )


def _submission(student: str, root: Path, handed_out: bytes = b"", names: Sequence[str] | None = None) -> Submission:
    seen = _walk(root) if names is None else _Walk(files=tuple(root / name for name in names))
    if seen.closed:
        names = ", ".join(seen.closed[:5])
        problems = tuple(message(f"intake.{part}-closed", files=names) for part in SUFFIX)
        return Submission(student=student, root=str(root), problems=problems)
    seen = replace(seen, files=_without_untouched(seen.files, handed_out))
    notebook, notebook_problem = _choose("notebook", seen, root)
    report, report_problem = _choose("report", seen, root)
    chosen = [p for p in (notebook, report) if p is not None]
    return Submission(
        student=student,
        root=str(root),
        notebook=_relative(notebook, root),
        report=_relative(report, root),
        files=tuple(str(p.relative_to(root)) for p in seen.files),
        digest=_digest(chosen),
        received=_received(chosen),
        problems=tuple(p for p in (notebook_problem, report_problem) if p is not None),
    )


def _folders(path: Path) -> list[Path]:
    try:
        inside = list(path.iterdir())
    except OSError as error:
        raise GraderError(f"cannot list the folder: {error.strerror}", where=str(path)) from error
    return [p for p in inside if p.is_dir() and not p.is_symlink() and not _ignored(p)]


def _ignored(path: Path) -> bool:
    return path.name in IGNORED_FOLDERS or path.name in IGNORED_FILES or path.name.startswith((".", "~$"))


def _without_untouched(found: tuple[Path, ...], handed_out: bytes) -> tuple[Path, ...]:
    """Leave out copies of the handed-out notebook, unless there is no other notebook."""
    notebooks = [path for path in found if path.suffix.lower() == SUFFIX["notebook"]]
    untouched = [path for path in notebooks if handed_out and _same(path, handed_out)]
    return tuple(path for path in found if path not in untouched) if len(untouched) < len(notebooks) else found


def _same(path: Path, content: bytes) -> bool:
    """Whether a notebook is the handed-out one, byte for byte."""
    try:
        return path.lstat().st_size == len(content) and opening.content(path, most=len(content)) == content
    except OSError:
        return False


def _walk(root: Path) -> _Walk:
    """Look through a student's folder; links are listed but never followed."""
    files: list[Path] = []
    closed: list[str] = []
    linked: list[Path] = []
    copies: list[Path] = []
    more = False

    def note(error: OSError) -> None:
        closed.append(Path(error.filename).name)

    for looked, (here, folders, names) in enumerate(os.walk(root, followlinks=False, onerror=note), start=1):
        inside = [Path(here, n) for n in sorted(folders)]
        copies += [copy for p in inside if p.name == CHECKPOINTS for copy in _notebooks(p)]
        inside = [p for p in inside if not _ignored(p)]
        linked += [p for p in inside if p.is_symlink()]
        is_deep = len(Path(here).relative_to(root).parts) >= MAX_DEPTH
        folders[:] = [] if is_deep else [p.name for p in inside]
        files += [Path(here, n) for n in sorted(names) if not _ignored(Path(n))]
        is_full = len(files) > MAX_FILES or looked > MAX_FOLDERS
        more = more or (is_deep and bool(inside)) or is_full
        if is_full:
            break
    return _Walk(
        files=tuple(files[:MAX_FILES]), closed=tuple(closed), linked=tuple(linked), copies=tuple(copies), more=more
    )


def _notebooks(folder: Path) -> list[Path]:
    return [] if folder.is_symlink() else sorted(folder.glob("*" + SUFFIX["notebook"]))


def _choose(part: Part, seen: _Walk, root: Path) -> tuple[Path | None, Message | None]:
    """Choose the one file of its kind; where several remain a person chooses."""
    of_kind = [p for p in seen.files if p.suffix.lower() == SUFFIX[part] and not _is_copy(p)]
    files = [p for p in of_kind if p.is_file() and not p.is_symlink()]
    if len(files) > 1:
        files = _likely(_distinct(files))
    if len(files) == 1:
        return files[0], None
    if files:
        return None, message(f"intake.{part}-several", files=_names(files, root))
    return None, _why_none(part, seen, root, links=(*of_kind, *seen.linked))


def _why_none(part: Part, seen: _Walk, root: Path, *, links: Sequence[Path]) -> Message | None:
    """What may be the file all the same, or hide it; nothing where it was plainly not handed in."""
    if links:
        return message(f"intake.{part}-link", files=_names(links, root))
    others = [p for p in seen.files if p.name.lower().endswith(LOOKALIKES[part])]
    if others:
        return message(f"intake.{part}-other", files=_names(others, root))
    copies = [*(p for p in seen.files if _is_copy(p)), *seen.copies]
    if part == "notebook" and copies:
        return message("intake.notebook-copy", files=_names(copies, root))
    return message(f"intake.{part}-more", files=MAX_FILES, levels=MAX_DEPTH) if seen.more else None


def _is_copy(path: Path) -> bool:
    """Whether Jupyter saved this notebook by itself."""
    return path.suffix.lower() == SUFFIX["notebook"] and path.stem.endswith("-checkpoint")


def _distinct(files: Sequence[Path]) -> list[Path]:
    """Leave out copies, byte for byte, beside or below a file with a plainer name, as a second download makes them."""
    content = {path: _content(path) for path in _comparable(files)}
    kept: list[Path] = []
    for path in sorted(files, key=lambda path: (len(path.parts), len(path.name), path.name)):
        if path not in content or not any(
            content.get(one) == content[path] and path.is_relative_to(one.parent) for one in kept
        ):
            kept.append(path)
    return [path for path in files if path in kept]


def _comparable(files: Sequence[Path]) -> list[Path]:
    """Choose the files of a size that another one has too, as long as all of them are read in good time."""
    sizes = {path: path.lstat().st_size for path in files}
    count = Counter(sizes.values())
    alike = [path for path, size in sizes.items() if count[size] > 1]
    return alike if sum(sizes[path] for path in alike) <= MAX_COMPARED else []


def _likely(files: Sequence[Path]) -> list[Path]:
    """Leave only the file named for the homework, where every other one is named as a draft or a copy."""
    named = [path for path in files if _is_homework(path)]
    others = [path for path in files if path not in named]
    if len(named) == 1 and all(any(word in path.stem.casefold() for word in DRAFTS) for path in others):
        return named
    return list(files)


def _is_homework(path: Path) -> bool:
    """Whether the file's name says that it is the homework: `gradient descent`, `report`, `報告`."""
    name = unicodedata.normalize("NFKC", path.stem).casefold().replace("_", " ").replace("-", " ")
    return any(word in name for word in ("gradient descent", "梯度下降", "report", "報告", "报告"))


def _names(paths: Iterable[Path], root: Path) -> str:
    return ", ".join(str(p.relative_to(root)) for p in list(paths)[:5])


def _relative(path: Path | None, root: Path) -> str | None:
    return str(path.relative_to(root)) if path else None


def _received(paths: Sequence[Path]) -> str | None:
    """When the newest of the chosen files was last written, in UTC."""
    if not paths:
        return None
    newest = max(path.stat().st_mtime for path in paths)
    return datetime.fromtimestamp(newest, UTC).isoformat(timespec="seconds")


def _digest(paths: Iterable[Path]) -> str:
    """SHA-256 over the chosen files' kinds and bytes; the names do not change what was handed in."""
    total = hashlib.sha256()
    for path in paths:
        total.update(path.suffix.lower().encode())
        total.update(_content(path))
    return "sha256:" + total.hexdigest()


def _content(path: Path) -> bytes:
    """Take the digest of a file; of one beyond all limits, as a sparse file of a terabyte is, size and time must do."""
    try:
        known = path.stat()
        if known.st_size > MAX_DIGESTED:
            return f"large: {known.st_size} {known.st_mtime_ns}".encode()
        with opening.opened(path) as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        return f"unreadable: {error.errno}".encode()
