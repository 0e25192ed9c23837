"""Runs INSIDE the jail, after the boot program: becomes an IPython kernel that answers on sockets in the shared folder.

Standard library and ipykernel only, nothing of ours: it is handed into the jail as a file, `capture.py` beside it.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

# The debugger is most of a kernel's start and of no use here; ipykernel goes without it when the import fails.
sys.modules["debugpy"] = None  # type: ignore[assignment]


def main() -> None:
    """Start the kernel; the one argument is the folder for its sockets."""
    from ipykernel.kernelapp import IPKernelApp
    from traitlets.config import Config

    settings = Config()
    settings.Session.key = b""  # the student's code would hold the key too: a signature would prove nothing
    settings.HistoryManager.enabled = False
    app: Any = IPKernelApp.instance(
        config=settings,
        transport="ipc",
        ip=f"{sys.argv[1]}/k",
        **{f"{name}_port": number for number, name in enumerate(("shell", "iopub", "stdin", "hb", "control"), start=1)},
    )
    app.initialize([])
    app.shell.__dict__["_grader_capture"] = _capture().Capture(app.shell.user_ns)
    app.shell._grader_capture.watch(app.shell.ast_transformers, app.shell.display_formatter)
    app.start()


def _capture() -> Any:
    """Load capture under a name of its own, before the student's first cell."""
    spec: Any = importlib.util.spec_from_file_location("_grader_capture", Path(__file__).with_name("capture.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
