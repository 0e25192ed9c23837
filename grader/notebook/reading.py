"""Reading an .ipynb file that may be anything: the checks come before the parsing, and every refusal says why."""

from __future__ import annotations

import json
import os
import re
import warnings
from pathlib import Path
from typing import Any

from grader import files
from grader.model import Cell, GraderError, Limits, Message, Notebook, message, to_json
from grader.notebook import budget
from grader.notebook.source import too_deep, tree

MAX_CELLS = 5_000
MAX_SOURCE = 10_000_000  # bytes of all cells together, as JSON holds them; outputs are not counted
_KINDS = {"code": "code", "markdown": "markdown", "raw": "raw", "heading": "markdown"}

_REASONS = {
    "notebook.missing": ("There is no such file.", "Hand in the .ipynb file itself."),
    "notebook.unopenable": ("The notebook file cannot be opened: {why}.", "Check the file and hand in again."),
    "notebook.too-large": (
        "The notebook has {found} MB; {allowed} MB are allowed.",
        "Clear the outputs (Edit > Clear All Outputs), save and hand in again.",
    ),
    "notebook.empty": ("The file is empty.", "Save the notebook in Jupyter and hand in again."),
    "notebook.lfs-pointer": (
        "The file is a Git LFS pointer, not the notebook itself.",
        "Run `git lfs pull` or download the file through the web page.",
    ),
    "notebook.html": ("The file is a web page renamed to .ipynb.", "Download the notebook as .ipynb, not as HTML."),
    "notebook.python-source": (
        "The file is Python source renamed to .ipynb.",
        "Paste the code into a notebook in Jupyter and save it as .ipynb.",
    ),
    "notebook.binary": ("The file is of type {filetype}, not a notebook.", "Hand in the .ipynb file itself."),
    "notebook.encoding": ("The file is not UTF-8 text.", "Save the notebook again in Jupyter."),
    "notebook.truncated": (
        "The file breaks off in line {line}, as if it was not saved completely.",
        "Open it in Jupyter, check that everything is there, save and hand in again.",
    ),
    "notebook.conflict": (
        "Git's conflict markers stand in line {line}.",
        "Resolve the merge conflict, then save the notebook in Jupyter.",
    ),
    "notebook.not-json": (
        "The file is not JSON: it cannot be understood from line {line} on.",
        "Open it in Jupyter, save and hand in again.",
    ),
    "notebook.too-deep": ("The file is nested too deeply for a notebook.", "Save the notebook again in Jupyter."),
    "notebook.too-many-values": (
        "The file has more than {allowed} values.",
        "Clear the outputs (Edit > Clear All Outputs), save and hand in again.",
    ),
    "notebook.not-a-notebook": (
        "The file is JSON, but it has no list of cells.",
        "Hand in the .ipynb file that Jupyter saved.",
    ),
    "notebook.bad-cell": ("Cell {cell} of the notebook is damaged.", "Open it in Jupyter, save and hand in again."),
    "notebook.version": (
        "The notebook has format version {found}; versions up to 4 can be read.",
        "Save it as nbformat 4 in Jupyter.",
    ),
    "notebook.too-many-cells": (
        "The notebook has {found} cells; {allowed} are allowed.",
        "Remove the cells that do not belong to the homework.",
    ),
    "notebook.too-much-source": (
        "The notebook has {found} bytes of text and code; {allowed} are allowed.",
        "Read large data from a file instead of pasting them.",
    ),
    "notebook.too-much-code": (
        "The notebook's code has more than {allowed} words and signs.",
        "Read large data from a file instead of pasting them.",
    ),
    "notebook.too-deep-code": (
        "The code of cell {cell} is nested more than {allowed} levels deep.",
        "Break the long expression into several statements.",
    ),
    "notebook.language": ("The notebook is written in {found}, not in Python.", "Choose a Python kernel in Jupyter."),
}


class UnreadableError(GraderError):
    """The file cannot be read as a Python notebook; `problem` is the same reason as a message for the student."""

    def __init__(self, problem: Message, *, where: str = "") -> None:
        sentence, hint = _REASONS[problem.id]
        super().__init__(sentence.format(**problem.parameters), where=where, hint=hint)
        self.problem = problem

    def __reduce__(self) -> tuple[Any, ...]:
        return (_unreadable, (self.problem, self.where))


def _unreadable(problem: Message, where: str) -> UnreadableError:
    return UnreadableError(problem, where=where)


def _refuse(id: str, **parameters: str | int | float) -> UnreadableError:
    return UnreadableError(message(id, **parameters))


def read(path: Path, *, limits: Limits) -> Notebook:
    """Read a notebook file; what cannot be read raises `UnreadableError`, with the file as its place."""
    try:
        with files.opened(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > limits.notebook_mb * 1e6:
                raise _refuse("notebook.too-large", found=round(size / 1e6, 1), allowed=limits.notebook_mb)
            data = file.read(size)
        return parse(_text(data))
    except UnreadableError as error:
        raise UnreadableError(error.problem, where=str(path)) from error
    except (files.NoFileError, FileNotFoundError) as error:
        raise UnreadableError(message("notebook.missing"), where=str(path)) from error
    except OSError as error:
        problem = message("notebook.unopenable", why=error.strerror or type(error).__name__)
        raise UnreadableError(problem, where=str(path)) from error


def parse(text: str) -> Notebook:
    """Turn the text of an .ipynb file of any nbformat up to 4 into cells, counted from 1."""
    content = _json(text.removeprefix("\ufeff"))
    cells = _cells(content)
    _check_language(content)
    notebook = Notebook(cells=tuple(_cell(index, cell) for index, cell in enumerate(cells, 1)))
    _check_code(notebook)
    return notebook


# -- from bytes to JSON --------------------------------------------------------------------------

_MAGIC_BYTES = {
    b"%PDF": "PDF",
    b"PK\x03\x04": "zip",
    b"\x1f\x8b": "gzip",
    b"Rar!": "RAR",
    b"7z\xbc\xaf": "7z",
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
}


def _text(data: bytes) -> str:
    for start, filetype in _MAGIC_BYTES.items():
        if data.startswith(start):
            raise _refuse("notebook.binary", filetype=filetype)
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise _refuse("notebook.encoding") from None


def _json(text: str) -> Any:
    if budget.values(text) > budget.MAX_VALUES:
        raise _refuse("notebook.too-many-values", allowed=budget.MAX_VALUES)
    try:
        # Plotting libraries store NaN in outputs; it is no JSON but no reason to refuse the notebook either.
        return json.loads(text, parse_constant=str, parse_int=_whole)
    except RecursionError:
        raise _refuse("notebook.too-deep") from None
    except json.JSONDecodeError as error:
        raise _not_json(text, error) from None


def _whole(digits: str) -> int:
    return int(digits) if len(digits) < 20 else 0  # int() refuses 5,000 digits with another error


def _not_json(text: str, error: json.JSONDecodeError) -> UnreadableError:
    start = text.lstrip()[:4_000]
    if not start:
        return _refuse("notebook.empty")
    if start.startswith("version https://git-lfs"):
        return _refuse("notebook.lfs-pointer")
    if re.match(r"<(!doctype|html|head|\?xml|body|div)", start, re.IGNORECASE):
        return _refuse("notebook.html")
    conflict = re.search(r"^<{7} ", text, re.MULTILINE)
    if conflict:
        return _refuse("notebook.conflict", line=text.count("\n", 0, conflict.start()) + 1)
    if start[0] != "{":
        source = re.search(r"^\s*(import|from|def|class|print)\b|^\s*\w+\s*=|^#!|^# ?-\*-", start, re.MULTILINE)
        return _refuse("notebook.python-source") if source else _refuse("notebook.not-json", line=error.lineno)
    unterminated = error.msg.startswith("Unterminated string") or not text[error.pos :].strip()
    return _refuse("notebook.truncated" if unterminated else "notebook.not-json", line=error.lineno)


# -- from JSON to cells --------------------------------------------------------------------------


def _cells(content: Any) -> list[Any]:
    version = content.get("nbformat") if isinstance(content, dict) else None
    if isinstance(version, int) and version > 4:
        raise _refuse("notebook.version", found=version)
    if isinstance(version, int) and version < 4:
        _refuse_many(_old_cells(content))
        content = _upgraded(content)
    cells = content.get("cells") if isinstance(content, dict) else None
    if not isinstance(cells, list):
        raise _refuse("notebook.not-a-notebook")
    _refuse_many(len(cells))
    length = sum(len(to_json(_joined(cell))) for cell in cells)
    if length > MAX_SOURCE:
        raise _refuse("notebook.too-much-source", found=length, allowed=MAX_SOURCE)
    return cells


def _refuse_many(cells: int) -> None:
    if cells > MAX_CELLS:
        raise _refuse("notebook.too-many-cells", found=cells, allowed=MAX_CELLS)


def _old_cells(content: dict[str, Any]) -> int:
    """Count the cells of a notebook of before 2015, on one or several worksheets."""
    sheets = content.get("worksheets", [content])
    lists = [sheet.get("cells") for sheet in sheets if isinstance(sheet, dict)] if isinstance(sheets, list) else []
    return sum(len(cells) for cells in lists if isinstance(cells, list))


def _upgraded(content: dict[str, Any]) -> Any:
    import nbformat  # slow, and only notebooks of before 2015 need it

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return nbformat.convert(nbformat.from_dict(content), 4)
    except Exception:  # nbformat meets damaged notebooks with errors of every kind
        raise _refuse("notebook.not-a-notebook") from None


def _joined(cell: Any) -> str:
    source = cell.get("source", "") if isinstance(cell, dict) else ""
    if isinstance(source, list):
        return "".join(line for line in source if isinstance(line, str))
    return source if isinstance(source, str) else ""


def _cell(index: int, cell: Any) -> Cell:
    kind = _KINDS.get(str(cell.get("cell_type"))) if isinstance(cell, dict) else None
    if kind is None or not isinstance(cell.get("source", ""), str | list):
        raise _refuse("notebook.bad-cell", cell=index)
    source = _whole_letters(_joined(cell)).replace("\r\n", "\n").replace("\r", "\n")
    return Cell(index=index, kind=kind, source=source, may_fail="raises-exception" in _tags(cell))  # type: ignore[arg-type]


def _whole_letters(text: str) -> str:
    """Replace half an emoji, which JSON may hold and no file or message can."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _tags(cell: dict[str, Any]) -> list[Any]:
    metadata = cell.get("metadata")
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    return tags if isinstance(tags, list) else []


def _check_code(notebook: Notebook) -> None:
    """Refuse code that is too much or too deep to be looked into: a person does."""
    code = [cell for cell in notebook.cells if cell.kind == "code"]
    if sum(budget.signs(cell.source) for cell in code) > budget.MAX_SIGNS:
        raise _refuse("notebook.too-much-code", allowed=budget.MAX_SIGNS)
    for cell in code:
        module = tree(cell.source)
        if too_deep(cell.source) if module is None else budget.levels(module) > budget.MAX_LEVELS:
            raise _refuse("notebook.too-deep-code", cell=cell.index, allowed=budget.MAX_LEVELS)


def _check_language(content: dict[str, Any]) -> None:
    """Refuse notebooks of another language; a kernel's mere name says nothing, since many exist nowhere."""
    metadata = content.get("metadata")
    for part, key in (("language_info", "name"), ("kernelspec", "language")):
        entry = metadata.get(part) if isinstance(metadata, dict) else None
        language = entry.get(key) if isinstance(entry, dict) else None
        if isinstance(language, str) and language:
            if "python" not in language.lower():
                raise _refuse("notebook.language", found=language[:40])
            return
