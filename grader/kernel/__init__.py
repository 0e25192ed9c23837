"""Execute a notebook in a jailed kernel."""

from grader.kernel.execution import Execution, execute
from grader.kernel.reach import reaches

__all__ = ["Execution", "execute", "reaches"]
