"""What of a cell reaches past its own variables: by such words the numbers of another cell can be put in place.

No word is wrong, and whoever hides one is not found. That a run follows its rule is decided by its numbers alone;
these words only say where a person should look before she believes that the code beside them made those numbers.
"""

from __future__ import annotations

import ast

from grader.notebook.source import tree

_MODULES = frozenset(
    {"ast", "builtins", "code", "ctypes", "gc", "importlib", "inspect", "marshal", "runpy", "threading"}
)
_NAMES = frozenset({"__builtins__", "__import__", "compile", "eval", "exec", "globals"})
_OF_SYS = frozenset({"_current_frames", "_getframe", "modules", "setprofile", "settrace"})
_USUAL = frozenset({"getoutput", "magic", "run_cell_magic", "run_line_magic", "system"})  # what magics become


def reaches(source: str) -> tuple[str, ...]:
    """List such words of a cell, each once, in the order in which they are met."""
    module = tree(source)
    nodes = ast.walk(module) if module else ()
    return tuple(dict.fromkeys(word for node in nodes for word in _words(node)))


def _words(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names if alias.name.partition(".")[0] in _MODULES]
        case ast.ImportFrom(module=str() as module, names=names):
            taken = [alias.name for alias in names if module == "sys" and alias.name in _OF_SYS]
            return [module] if module.partition(".")[0] in _MODULES else [f"sys.{name}" for name in taken]
        case ast.Name(id=name):
            return [name] if name in _NAMES else []
        case ast.Attribute(value=ast.Name(id="sys"), attr=name):
            return [f"sys.{name}"] if name in _OF_SYS else []
        case ast.Attribute(value=ast.Call(func=ast.Name(id="get_ipython")), attr=name):
            return [f"get_ipython().{name}"] if name not in _USUAL else []
        case ast.Assign(value=ast.Call(func=ast.Name(id="get_ipython"))):
            return ["get_ipython()"]
    return []
