"""Runs INSIDE the jail, after the boot program: becomes an IPython kernel that answers on sockets in the shared folder.

Standard library and ipykernel only, nothing of ours: it is handed into the jail as a file, `capture.py` beside it.
"""

from __future__ import annotations

import importlib.util
import io
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import MethodType
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
    shell = app.shell
    shell.__dict__["_grader_capture"] = _capture().Capture(shell.user_ns)
    shell._grader_capture.watch(shell.ast_transformers, shell.display_formatter)
    shell.__dict__["system"] = MethodType(_system, shell)
    shell.__dict__["ask_exit"] = lambda: None  # `exit()` as "I am done" would end the kernel before the next cell
    app.kernel.shell_handlers["grader_request"] = partial(_answer, app.kernel)
    app.start()


async def _answer(kernel: Any, stream: Any, ident: Any, request: Any) -> None:
    """Let capture answer a question of the grader's.

    It is a message of its own kind, since an expression would need names that a notebook may delete.
    """
    content = request["content"]
    try:
        text = getattr(kernel.shell._grader_capture, content["ask"])(*content["values"])
    except Exception:  # what the student made of capture may raise anything
        text = None
    kernel.session.send(stream, "grader_reply", {"text": text}, parent=request, ident=ident)


def _system(shell: Any, command: str) -> None:
    """Run `!command` by a pipe: IPython's own way needs a terminal, of which a jail has none."""
    if command.rstrip().endswith("&"):
        raise OSError("Background processes not supported.")
    expanded = shell.var_expand(command, depth=1)
    process = subprocess.Popen(  # noqa: S602 - a shell line is what the student wrote
        expanded, shell=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    with process, io.TextIOWrapper(process.stdout, encoding="utf-8", errors="replace") as lines:  # type: ignore[type-var]
        for line in lines:
            sys.stdout.write(line)
    shell.user_ns["_exit_code"] = process.returncode


def _capture() -> Any:
    """Load capture under a name of its own, before the student's first cell."""
    spec: Any = importlib.util.spec_from_file_location("_grader_capture", Path(__file__).with_name("capture.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
