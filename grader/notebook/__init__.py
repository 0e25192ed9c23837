"""The student's notebook as text: read it, see what it declares and what changed; nothing here runs it."""

from grader.notebook.changes import changes, own_prose, prose
from grader.notebook.constants import declared
from grader.notebook.reach import reaches
from grader.notebook.reading import UnreadableError, parse, read
from grader.notebook.recording import recording
from grader.notebook.source import needs_newer, runnable

__all__ = [
    "UnreadableError",
    "changes",
    "declared",
    "needs_newer",
    "own_prose",
    "parse",
    "prose",
    "reaches",
    "read",
    "recording",
    "runnable",
]
