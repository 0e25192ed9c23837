"""The jail in which everything that a student made is run or parsed."""

from grader.sandbox.fonts import fonts
from grader.sandbox.jail import IPC, Jail, start
from grader.sandbox.probe import probe
from grader.sandbox.run import Finished, run

__all__ = ["IPC", "Finished", "Jail", "fonts", "probe", "run", "start"]
