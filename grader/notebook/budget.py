"""How much code a notebook may hold: counted by a scan before anything parses it, and by its depth after.

A syntax tree takes up to a kilobyte for each word and sign, and whoever walks it goes as deep as it is nested. Honest
notebooks have a hundredth of what is allowed, and a tenth of the depth.
"""

from __future__ import annotations

import ast
import re
from itertools import islice

MAX_SIGNS = 100_000  # of all cells: 90 MB of trees, and some seconds for all who walk them
MAX_LEVELS = 100

MAX_VALUES = 1_000_000  # of the file, outputs included: 300 MB of objects

_VALUE = re.compile(r'[{\[,]|"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_SIGN = re.compile(r"\d[\w.]*|\w+|[^\w\s]")


def signs(source: str) -> int:
    """Count the words, numbers and signs of a source, of which each may become a node; no further than it matters."""
    return sum(1 for _ in islice(_SIGN.finditer(source), MAX_SIGNS + 1))


def values(text: str) -> int:
    """Count the values of a text that may be JSON: a bracket or a comma is before each; as far as it matters."""
    found = islice(_VALUE.finditer(text), 5 * MAX_VALUES)
    return sum(text[match.start()] != '"' for match in found) if len(text) > MAX_VALUES else 0


def levels(module: ast.AST) -> int:
    """Count how deep a syntax tree is nested."""
    deepest = 0
    waiting = [(module, 0)]
    while waiting:
        node, level = waiting.pop()
        deepest = max(deepest, level)
        waiting += [(child, level + 1) for child in ast.iter_child_nodes(node)]
    return deepest
