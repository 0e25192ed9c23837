"""Reads what a run needs to know: the rubric with the files beside it, the limits, and the isolation there is."""

from __future__ import annotations

import shutil
import sys
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from grader import feedback, files, notebook, sandbox
from grader import rubric as rubrics
from grader.cli.errors import UNDECIDED, USAGE, Stop, stops
from grader.cli.options import DEFAULT, LEVELS
from grader.model import GraderError, Isolation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from importlib.resources.abc import Traversable

    from grader.model import Language, Submission
    from grader.rubric import Rubric
    from grader.store import Store

MAX_TEXT = 64 * 2**20


def read_rubric(
    name: str,
    *,
    base: Path | None = None,
    kernel: Path | None = None,
    limits: Mapping[str, float | None] | None = None,
    trust: bool | None = None,
) -> Rubric:
    """The rubric of a file, of a folder with a `rubric.toml`, or of a name that comes with the grader.

    `base`, `kernel` and each of `limits` that is given stand in for what the rubric says about gathering.
    `trust` says whether the rubric may choose a program to run; it need not be known where nothing is run.
    """
    file, folder = _place(name)
    with stops(USAGE):
        rubric = rubrics.load(
            read_text(file),
            read=lambda other: _beside(folder, other),
            read_notebook=lambda other: _notebook(_beside(folder, other)),
            where=str(file),
        )
    if kernel is None and rubric.gather.kernel:
        _refuse_kernel(rubric.gather.kernel, where=f"{file}: [gather] kernel", trust=trust)
    given = {limit: value for limit, value in (limits or {}).items() if value is not None}
    gather = replace(rubric.gather, limits=replace(rubric.gather.limits, **given))
    if base is not None:
        with stops(USAGE):
            gather = replace(gather, base=_notebook(read_text(base), where=str(base)))
    if kernel is not None:
        gather = replace(gather, kernel=str(kernel.absolute()))  # not resolved: a link is what makes an environment
    return replace(rubric, gather=gather)


def _refuse_kernel(named: str, *, where: str, trust: bool | None) -> None:
    """Refuse a program that a rubric names and that cannot be run, or that nobody has said may be run."""
    if not shutil.which(named):
        raise Stop(f"there is no such Python to run notebooks with: {named}", where=where)
    if trust is False:
        raise Stop(
            f"the rubric chooses a program that is started outside the jail: {named}",
            where=where,
            hint="look at it, and then add --trust-rubric, or choose a Python yourself with --kernel-python",
        )


def note(store: Store, rubric: Rubric, *, name: str, language: Language, both: bool | None = None) -> None:
    """Note with the results by which rubric and in which language they are, so that later commands go on with both."""
    store.set_note("language", language)
    store.set_note("rubric", str(Path(name).absolute()) if Path(name).exists() else name)
    if both is not None:
        store.set_note("both", "yes" if both else "no")
    store.set_note("base", rubric.gather.base)
    store.set_note("assignment", rubric.assignment)


def rubric_text(name: str) -> str:
    """The text of a rubric, to copy and change."""
    return read_text(_place(name)[0])


def read_text(path: Path | Traversable) -> str:
    """The text of a file that a person gave."""
    try:
        return _text(path)
    except UnicodeDecodeError as error:
        raise Stop("this is not UTF-8 text", where=str(path)) from error
    except OSError as error:
        raise Stop(f"cannot be read: {error.strerror}", where=str(path)) from error


def _notebook(text: str, *, where: str = "") -> str:
    """The text of the handed-out notebook, held to be one before a class is measured against it."""
    try:
        notebook.parse(text)
    except GraderError as error:
        raise GraderError(f"this is no handed-out notebook: {error.message}", where=where) from error
    return text


def _beside(folder: Traversable, name: str) -> str:
    """The text of a file that a rubric names: beside it, else the one of that name that comes with the grader."""
    packaged_file = resources.files("rubrics") / DEFAULT / name
    file = folder / name
    return _text(packaged_file if not file.is_file() and packaged_file.is_file() else file)


def _text(path: Path | Traversable) -> str:
    """The text of an ordinary file; a rubric from elsewhere may name a pipe or a device, whose end never comes."""
    if isinstance(path, Path):
        return files.content(path, most=MAX_TEXT, follow=True).decode().replace("\r\n", "\n")
    return path.read_text(encoding="utf-8")


def isolation_of(required: str) -> Isolation:
    """The isolation that works here, if it is at least the one that is required."""
    with stops(UNDECIDED):
        isolation = sandbox.probe()
    if isolation.level in LEVELS and LEVELS.index(isolation.level) >= LEVELS.index(required):
        return isolation
    raise Stop(
        f"only the isolation `{isolation.level}` works here, and `{required}` is required",
        hint="`grader doctor` shows what is missing and the command that mends it",
        code=UNDECIDED,
    )


def refuse_names(submissions: Iterable[Submission]) -> None:
    """Refuse files whose names are no text, as old archives leave them: they cannot be named to the child process.

    This happens before anything runs, since a file that is not found would look like one that was not handed in.
    """
    paths = [Path(s.root, name) for s in submissions for name in (s.notebook, s.report) if name]
    wrong = [path for path in paths if not _is_text(str(path))]
    if wrong:
        names = ", ".join(feedback.safe(ascii(str(path))) for path in wrong[:3])
        encoding = sys.getfilesystemencoding()
        if encoding != "utf-8":
            what = f"the names of {len(wrong)} files cannot be read as {encoding}, which is set here: {names}"
            raise Stop(what, hint="put LC_ALL=C.UTF-8 before the command")
        raise Stop(
            f"the names of {len(wrong)} files are not UTF-8 text, so rename them first: {names}",
            hint="names in Big5 are mended by: convmv -f big5 -t utf-8 -r --notest FOLDER",
        )


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def packaged() -> tuple[str, ...]:
    """The names of the rubrics that come with the grader."""
    return tuple(sorted(path.name for path in resources.files("rubrics").iterdir() if (path / "rubric.toml").is_file()))


def _place(name: str) -> tuple[Traversable, Traversable]:
    """The rubric's file, and the folder in which the files lie that it names."""
    if name.replace("-", "_") in packaged():
        folder = resources.files("rubrics") / name.replace("-", "_")
        return folder / "rubric.toml", folder
    path = Path(name) / "rubric.toml" if Path(name).is_dir() else Path(name)
    if path.is_file():
        return path, path.parent
    raise Stop("there is no such rubric", where=name, hint=f"give a file, or one of: {', '.join(packaged())}")
