"""The student's notebook as text: read it, see what it declares and what changed; nothing here runs it."""

from grader.notebook.changes import changes, own_prose, prose
from grader.notebook.constants import declared
from grader.notebook.loops import loops
from grader.notebook.reach import reaches
from grader.notebook.reading import UnreadableError, parse, read
from grader.notebook.recording import recording
from grader.notebook.source import needs_newer, runnable
from grader.notebook.training import calls

__all__ = [
    "UnreadableError",
    "calls",
    "changes",
    "declared",
    "loops",
    "needs_newer",
    "own_prose",
    "parse",
    "prose",
    "reaches",
    "read",
    "recording",
    "runnable",
]
