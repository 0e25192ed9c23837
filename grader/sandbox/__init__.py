"""The jail in which everything that a student made is run or parsed."""

from grader.sandbox.fonts import fonts
from grader.sandbox.jail import Jail, start
from grader.sandbox.limits import resident
from grader.sandbox.probe import candidates, filters, obstacles, probe, trouble
from grader.sandbox.rooms import IPC
from grader.sandbox.run import Finished, run

__all__ = [
    "IPC",
    "Finished",
    "Jail",
    "candidates",
    "filters",
    "fonts",
    "obstacles",
    "probe",
    "resident",
    "run",
    "start",
    "trouble",
]
