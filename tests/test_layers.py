"""The house rules that a reader relies on: who may import whom, and who alone may touch what."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
JAILED = {
    "grader.capture",
    "grader.sandbox.boot",
    "grader.kernel.program",
    "grader.report.parse",
    "grader.report.recognise",
    "grader.intake.unpack",
}

# Lower layers first; a room may import rooms of lower layers and, within a layer, those named for it.
LAYERS: tuple[set[str], ...] = (
    {"model", "files", "limits", "encodings", "tables"},
    {"intake", "notebook", "sandbox", "kernel", "capture", "trace", "report"},
    {"reading", "verify", "experiments", "coverage", "checks", "rubric", "decisions", "similarity", "alike"},
    {"store", "feedback", "export", "doctor"},
    {"pipeline"},
    {"judging"},
    {"batch", "regrade"},
    {"cli"},
)
SAME_LAYER = {
    "encodings": {"model"},
    "tables": {"model", "encodings"},
    "kernel": {"notebook", "sandbox", "trace"},
    "report": {"sandbox"},
    "intake": {"sandbox"},
    "coverage": {"reading"},
    "checks": {"experiments", "coverage", "verify"},
    "rubric": {"checks", "coverage", "similarity"},
    "decisions": {"rubric"},
    "alike": {"similarity"},
    "export": {"feedback"},
}
NOT_ACROSS = {  # lower layers that a room must know nothing of, whatever its own layer
    "verify": {"intake", "notebook", "sandbox", "kernel", "capture", "trace", "report"},
    "experiments": {"intake", "notebook", "sandbox", "kernel", "capture", "trace", "report"},
    "reading": {"intake", "notebook", "sandbox", "kernel", "capture", "trace", "report"},
    "coverage": {"intake", "notebook", "sandbox", "kernel", "capture", "trace", "report"},
    "similarity": {"intake", "notebook", "sandbox", "kernel", "capture", "trace", "report"},
    "checks": {"intake", "notebook", "sandbox", "kernel", "capture", "trace", "report"},
    "rubric": {"intake", "notebook", "sandbox", "kernel", "capture", "trace", "report"},
    "store": {"intake", "notebook", "sandbox", "kernel", "capture", "trace", "report", "rubric", "checks"},
    "feedback": {"intake", "notebook", "sandbox", "kernel", "capture", "trace", "report", "rubric", "checks", "verify"},
    "export": {"intake", "notebook", "sandbox", "kernel", "capture", "trace", "report", "rubric", "checks", "verify"},
}
JUDGES = ("reading", "verify", "experiments", "coverage", "similarity", "checks", "rubric", "decisions", "alike")
ONLY = {  # a library, and the rooms that alone may import it
    "click": {"cli"},
    "sqlite3": {"store"},
    "yaml": {"intake"},
    "zipfile": {"intake", "cli"},
    "nbclient": {"kernel"},
    "jupyter_client": {"kernel"},
    "zmq": {"kernel"},
    "nbformat": {"notebook", "kernel"},
    "pdfplumber": {"report"},
    "pdfminer": {"report"},
    "pypdfium2": {"report"},
    "jinja2": {"feedback"},
    "subprocess": {"sandbox", "kernel", "pipeline", "judging", "doctor"},
    "numpy": {"verify", "trace", "kernel"},
}


def _modules() -> dict[str, Path]:
    """Every module of grader/ and reference/ by its dotted name."""
    found = {}
    for top in ("grader", "reference"):
        for path in sorted((ROOT / top).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = _modules()


def _is_for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _imports(path: Path, *, at_run_time: bool = False) -> set[str]:
    """The dotted names that a module imports, `from grader import kernel` counting as grader.kernel."""
    names: set[str] = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = [node for node in ast.walk(tree) if _is_for_types_only(node)] if at_run_time else []
    skipped = {id(inner) for block in for_types for inner in ast.walk(block)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            module = node.module or ""
            names |= {f"{module}.{alias.name}" for alias in node.names} if module == "grader" else {module}
    return names


def _room(name: str) -> str:
    """The room of `grader.verify.bounds` is `verify`."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else parts[0]


def _level(room: str) -> int:
    return next(level for level, rooms in enumerate(LAYERS) if room in rooms)


GRADER = [name for name in MODULES if name.startswith("grader.")]


@pytest.mark.parametrize("name", GRADER)
def test_every_room_is_drawn_in_the_house(name: str) -> None:
    assert any(_room(name) in rooms for rooms in LAYERS)


@pytest.mark.parametrize("name", [n for n in GRADER if n not in JAILED])
def test_a_room_imports_only_rooms_below_it(name: str) -> None:
    room = _room(name)
    ours = {_room(i) for i in _imports(MODULES[name]) if i.startswith("grader.")} - {room}

    upward = {i for i in ours if _level(i) >= _level(room)} - SAME_LAYER.get(room, set())

    assert not upward, f"{name} imports {sorted(upward)}"
    assert not ours & NOT_ACROSS.get(room, set()), f"{name} imports {sorted(ours & NOT_ACROSS[room])}"


@pytest.mark.parametrize("name", sorted(JAILED))
def test_what_runs_inside_the_jail_imports_nothing_of_ours(name: str) -> None:
    assert not {i for i in _imports(MODULES[name]) if i.split(".")[0] in ("grader", "reference", "rubrics")}


@pytest.mark.parametrize("library", sorted(ONLY))
def test_a_library_is_imported_by_its_room_alone(library: str) -> None:
    users = {
        _room(name)
        for name in GRADER
        if name not in JAILED and any(i.split(".")[0] == library for i in _imports(MODULES[name], at_run_time=True))
    }

    assert users <= ONLY[library]


@pytest.mark.parametrize("name", [n for n in GRADER if _room(n) in JUDGES])
def test_a_judge_opens_no_file(name: str) -> None:
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    calls = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    methods = {n.func.attr for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)}

    assert "open" not in calls
    assert not methods & {"read_text", "read_bytes", "write_text", "write_bytes"}
    assert not {i.split(".")[0] for i in _imports(MODULES[name])} & {"os", "pathlib", "tempfile", "shutil", "socket"}


@pytest.mark.parametrize("name", [n for n in MODULES if n.split(".")[0] == "reference"])
def test_reference_imports_numpy_alone(name: str) -> None:
    tops = {i.split(".")[0] for i in _imports(MODULES[name])} - set(sys.stdlib_module_names)

    assert tops <= {"numpy", "reference"}


@pytest.mark.parametrize("name", [n for n in GRADER if _room(n) != "cli" and n not in JAILED])
def test_only_the_command_line_prints_or_exits(name: str) -> None:
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    calls = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}

    assert not calls & {"print", "exit", "quit", "input"}


OWN_FILES = {  # modules that read files of their own making, whose names come from nobody else
    "grader.cli",
    "grader.cli.grade",
    "grader.cli.settings",
    "grader.doctor",
    "grader.feedback.catalogue",
    "grader.feedback.pages",
}
OTHERS = [n for n in GRADER if n not in JAILED | OWN_FILES and _room(n) not in ("files", "sandbox")]


@pytest.mark.parametrize("name", OTHERS)
def test_what_somebody_else_named_is_opened_by_one_module(name: str) -> None:
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]
    opening = {n.func.attr for n in calls if isinstance(n.func, ast.Attribute) and not _is_exempt(n, n.func.value)}

    assert not opening & {"read_text", "read_bytes", "open"}


def _is_exempt(call: ast.Call, owner: ast.expr) -> bool:
    """Whether the call makes a new file, gives its flags itself, or reads on in an archive that is open already."""
    if isinstance(owner, ast.Attribute) and owner.attr == "_zip":
        return True
    makes = any(isinstance(each, ast.Constant) and each.value == "xb" for each in call.args)
    return makes or (isinstance(owner, ast.Name) and owner.id == "os")
