"""What a student changed in the handed-out notebook: settings by training run, and the prose that is their own."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice

from msgspec.structs import replace

from grader.model import Cell, Change, Notebook, Prose
from grader.notebook.constants import called, modules
from grader.notebook.source import plain, tree
from grader.notebook.training import Site, sites

MAX_CHANGES = 60
MAX_LINES, MAX_LINE = 1_000, 2_000  # of prose: more than anybody reads, and no more than judging takes lightly
LONGEST_CODE_LINE = 1_000
ADAPTIVE = ("adagrad", "rmsprop", "adam")
ONLY_THEIRS = (
    "momentum",
    "rho",
    "eps",
    "beta1",
    "beta2",
    "batch",
    "schedule",
)  # what the handed-out rules need not have


def changes(base: Notebook, theirs: Notebook) -> tuple[Change, ...]:
    """List what differs from the handed-out notebook, training run by training run.

    Every run of theirs is compared with the run of the base that is most like it, so renamed variables, copied cells
    and added cells do not count by themselves. `Change.cell` is the cell in which the run starts.
    """
    known = sites(modules(base))
    if not known:
        return ()
    found = [change for site in sites(modules(theirs)) for change in _differences(_nearest(known, site), site)]
    return tuple({(c.name, c.cell, c.before, c.after): c for c in found}.values())[:MAX_CHANGES]


def _nearest(known: tuple[Site, ...], site: Site) -> Site:
    def likeness(other: Site) -> tuple[bool, bool, float]:
        kin = (other.rule in ADAPTIVE) == (site.rule in ADAPTIVE)
        return other.rule == site.rule, kin, _overlap(other.shape, site.shape)

    return max(known, key=likeness)


def _overlap(a: Counter[str], b: Counter[str]) -> float:
    return (a & b).total() / max(1, (a | b).total())


def _differences(before: Site, after: Site) -> Iterator[Change]:
    if before.rule != after.rule:
        yield Change(name="optimizer", cell=after.cell, before=before.rule, after=after.rule, line=after.line)
    for name, value in after.values.items():
        old = before.values.get(name)
        if value != old and (old is not None or name in ONLY_THEIRS):
            yield Change(name=name, cell=after.cell, before=shown(old), after=shown(value), line=after.line)
    yield from _data(before, after)


def _data(before: Site, after: Site) -> Iterator[Change]:
    """Compare the data sets; the one of the same name, else the one in the same place."""
    if len(after.data) != len(before.data):
        return
    for name, values in after.data.items():
        others = dict(before.data)
        if values in others.values():
            continue
        old = others.get(name) or list(others.values())[list(after.data).index(name)]
        was, now = _shown_data(name, old, values)
        yield Change(name="data", cell=after.cell, before=was, after=now, line=after.line)


def _shown_data(name: str, old: tuple[float, ...], new: tuple[float, ...]) -> tuple[str, str]:
    if len(old) != len(new):
        return f"{name}: {len(old)}", f"{name}: {len(new)}"
    index = next(i for i, (a, b) in enumerate(zip(old, new, strict=True)) if a != b)
    return f"{name}[{index}] = {shown(old[index])}", f"{name}[{index}] = {shown(new[index])}"


def shown(value: float | None) -> str | None:
    """Write a number as a person would: 100000, 0.9, 1e-7."""
    return None if value is None else re.sub(r"e([+-])0+", r"e\1", f"{value:.10g}").replace("e+", "e")


# -- prose ---------------------------------------------------------------------------------------------


def own_prose(base: Notebook, theirs: Notebook) -> tuple[int, ...]:
    """List the text cells that are not in the handed-out notebook, however they are spaced."""
    given = {_squeezed(cell.source) for cell in base.cells}
    texts = [cell for cell in theirs.cells if cell.kind == "markdown" and cell.source.strip()]
    return tuple(cell.index for cell in texts if _squeezed(cell.source) not in given)


def prose(base: Notebook, theirs: Notebook) -> tuple[Prose, ...]:
    """List what the student wrote for people: lines of text cells, comments and printed sentences of their own."""
    given = {_squeezed(line.text) for cell in base.cells for line in _prose(cell)}
    own = (line for cell in theirs.cells for line in _prose(cell) if _squeezed(line.text) not in given)
    return tuple(replace(line, text=line.text[:MAX_LINE]) for line in islice(own, MAX_LINES))


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def _prose(cell: Cell) -> Iterator[Prose]:
    if cell.kind == "markdown":
        for number, text in enumerate(cell.source.split("\n"), 1):
            if text.strip():
                yield Prose(cell=cell.index, line=number, text=text.strip())
    elif cell.kind == "code":
        found = {**_comments(cell.source), **_sentences(cell.source)}
        yield from (Prose(cell=cell.index, line=n, text=t, kind="comment") for n, t in sorted(found.items()))


def _comments(source: str) -> dict[int, str]:
    """Find the comments; code that was commented out is none.

    Python's tokenizer takes time by the square of a line, so lines that nobody writes are left out.
    """
    found: dict[int, str] = {}
    lines = (line if len(line) <= LONGEST_CODE_LINE else "" for line in plain(source).split("\n"))
    try:
        for token in tokenize.generate_tokens(io.StringIO("\n".join(lines)).readline):
            if token.type == tokenize.COMMENT:
                text = token.string.strip("#! \t")
                if text and not _is_code(text):
                    found[token.start[0]] = text
    except (tokenize.TokenError, SyntaxError):
        return found  # what stands before the damage still counts
    return found


def _is_code(text: str) -> bool:
    """Say whether a comment is a statement that was switched off, such as `lr = 1`."""
    module = tree(text)
    statement = module.body[0] if module and module.body else None
    return isinstance(statement, ast.Assign | ast.AugAssign | ast.Import | ast.ImportFrom) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
    )


def _sentences(source: str) -> Mapping[int, str]:
    """Find sentences in strings that stand alone, are printed, or are handed to a figure or a function."""
    module = tree(source)
    found: dict[int, str] = {}
    for node in ast.walk(module) if module else ():
        match node:
            case ast.Expr(value=ast.Constant(value=str() as text)):
                found[node.lineno] = " ".join(text.split())
            case ast.Call(func=func, args=[ast.Constant(value=str() as text)]) if called(func) in ("print", "title"):
                found[node.lineno] = " ".join(text.split())
            case ast.Call(args=args, keywords=keywords):
                given = (*args, *(keyword.value for keyword in keywords))
                texts = [t for each in given if (t := _text(each)) and _is_sentence(t)]
                found |= {node.lineno: max(texts, key=len)} if texts and node.lineno not in found else {}
    return found


def _text(node: ast.expr) -> str:
    """The words of a string that is written out."""
    return " ".join(node.value.split()) if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _is_sentence(text: str) -> bool:
    """Whether a string says something: some words beside each other, or a clause in Chinese."""
    words = sum(word.strip(".,:;()%").isalpha() for word in text.split())
    return words >= 4 or sum("\u4e00" <= letter <= "\u9fff" for letter in text) >= 6
