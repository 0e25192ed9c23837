"""Execute a notebook in a jailed kernel."""

from grader.kernel.execution import Execution, execute

__all__ = ["Execution", "execute"]
