"""Execute a notebook in a kernel that sits in a jail, and bring back what happened and the numbers it left.

The kernel belongs to the student: whatever it says is bounded while it arrives, and nothing it says can raise out of
`execute`. A cell that fails does not stop the notebook; a limit does, and the cells after it are "not-run".
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import time
from contextlib import suppress
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING, Any, Literal

import nbformat.v4
from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.connect import channel_socket_types
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner
from jupyter_client.session import Session
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from zmq.constants import Event, SocketOption
from zmq.utils.monitor import recv_monitor_message

from grader import sandbox, trace
from grader.model import Cell, CellRun, CellStatus, Declared, GraderError, Message, Record, Run, Series, message
from grader.notebook import runnable
from grader.outputs import failure, images, printed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from grader.model import Gather, Isolation, Limits, Notebook

MB = 1024 * 1024
_MESSAGE_BYTES = 16 * MB
_CHUNK_BYTES = 4 * MB
_OVERHEAD = 1.5  # base64 and the envelope of a message
_WATCH_SECONDS = 0.05
_START_SECONDS = 60.0
_MESSAGES = 200_000  # of one notebook: a flood of tiny messages costs time, not bytes
_SHOWN = frozenset({"status", "execute_input", "stream", "display_data", "execute_result", "error", "clear_output"})
_PROGRAM = Path(__file__).parent / "sandbox" / "kernel_program.py"
_CAPTURE = Path(__file__).with_name("capture.py")

Stop = Literal["timeout", "memory", "output-limit", "kernel-died", "protocol"]


class Execution(Record, frozen=True, kw_only=True):
    """What running a notebook yields; `skipped` names what was too big to leave the jail: cell, name, length."""

    run: Run
    series: tuple[Series, ...] = ()
    scalars: tuple[Declared, ...] = ()
    skipped: tuple[tuple[int, str, int], ...] = ()


def execute(notebook: Notebook, *, gather: Gather, isolation: Isolation, slot: int = 0) -> Execution:
    """Run every code cell of a notebook in a fresh jailed kernel.

    `slot` tells apart kernels that run at the same time. `GraderError` when the kernel does not even start.
    """
    return asyncio.run(_execute(notebook, gather, isolation, slot))


async def _execute(notebook: Notebook, gather: Gather, isolation: Isolation, slot: int) -> Execution:
    began = time.monotonic()
    kernel = _Kernel(gather, isolation, slot)
    try:
        await kernel.start()
        cells = [cell for cell in notebook.cells if cell.kind == "code"]
        runs = [await kernel.run(cell, number) for number, cell in enumerate(cells)]
    finally:
        kernel.close()
    run = Run(
        outcome="complete" if kernel.stopped is None else "stopped",
        isolation=isolation,
        cells=tuple(runs),
        seconds=time.monotonic() - began,
        cpu_seconds=kernel.cpu_seconds,
        problem=_problem(kernel, runs, gather.limits),
    )
    return Execution(run=run, series=tuple(kernel.series), scalars=tuple(kernel.scalars), skipped=tuple(kernel.skipped))


def _problem(kernel: _Kernel, runs: Iterable[CellRun], limits: Limits) -> Message | None:
    """Say what ended the notebook early, or which history was too big."""
    cell = next((run.index for run in runs if run.status in {"timeout", "memory", "output-limit", "kernel-died"}), 0)
    match kernel.stopped:
        case None if kernel.skipped:
            at, name, rows = kernel.skipped[0]
            return message("kernel.history-too-big", cell=at, name=name, rows=rows, allowed=limits.history_mb)
        case None:
            return None
        case "timeout":
            return message("kernel.timeout", cell=cell, allowed=limits.cell_seconds, notebook=limits.notebook_seconds)
        case "memory":
            return message("kernel.memory", cell=cell, allowed=limits.memory_mb)
        case "output-limit":
            return message("kernel.output-limit", cell=cell, allowed=limits.cell_output_mb)
        case "kernel-died":
            return message("kernel.died", cell=cell)
        case "protocol":
            return message("kernel.protocol", cell=cell)


class _Kernel:
    """One jailed kernel with its client; once `stopped` is set, nothing more runs in it."""

    def __init__(self, gather: Gather, isolation: Isolation, slot: int) -> None:
        self.limits = gather.limits
        self.stopped: Stop | None = None
        self.series: list[Series] = []
        self.scalars: list[Declared] = []
        self.skipped: list[tuple[int, str, int]] = []
        self._over = asyncio.get_running_loop().create_future()
        self._reader = trace.Reader()
        self._history_left = int(gather.limits.history_mb * MB)
        self._deadline = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self._meter = _Meter(key=b"", on_flood=lambda: self._stop("output-limit"))
        self._meter.allow(cell=_MESSAGE_BYTES, notebook=int(gather.limits.notebook_output_mb * MB))
        self._manager = _Manager(session=self._meter, kernel_name="")
        self._provisioner = _Provisioner(parent=self._manager)
        self._provisioner.order(gather, isolation, slot)
        self._manager.provisioner = self._provisioner
        self._client: _Client | None = None
        self._notebook = _Cells(nbformat.v4.new_notebook(), km=self._manager, allow_errors=True, timeout=None)

    @property
    def cpu_seconds(self) -> float:
        """What the jail used; known after `close`."""
        return self._provisioner.jail.cpu_seconds

    async def start(self) -> None:
        """Build the jail, start the kernel in it and connect."""
        self._deadline = time.monotonic() + self.limits.notebook_seconds
        await self._manager.start_kernel()
        jail = self._provisioner.jail
        self._client = _Client(parent=self._manager, context=self._manager.context, session=self._meter)
        self._client.load_connection_info(self._manager.get_connection_info())
        self._client.start_channels(stdin=False, hb=False, control=False)
        self._client.allow_stdin = False
        self._notebook.kc = self._client
        self._tasks.append(asyncio.create_task(self._watch(jail)))
        ready = asyncio.create_task(_ready(self._client))
        await asyncio.wait({ready, self._over}, timeout=_START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if not ready.done() or ready.exception():
            ready.cancel()
            raise GraderError("the notebook's kernel does not start", where=self._provisioner.last_words())
        for channel in (self._client.iopub_channel, self._client.shell_channel):
            self._tasks.append(asyncio.create_task(self._listen(channel.socket)))

    def close(self) -> None:
        """End the jail and everything in it."""
        for task in self._tasks:
            task.cancel()
        if self._client is not None:
            self._client.stop_channels()
        self._provisioner.close()
        self._manager.context.destroy(linger=0)

    async def run(self, cell: Cell, number: int) -> CellRun:
        """Run one cell, then fetch the numbers it left."""
        if self.stopped is not None:
            return CellRun(index=cell.index, status="not-run")
        if not cell.source.strip():
            return CellRun(index=cell.index, status="ok")
        self._meter.allow(cell=int(self.limits.cell_output_mb * MB))
        node = nbformat.v4.new_code_cell(runnable(cell.source))
        self._notebook.nb.cells.append(node)
        began = time.monotonic()
        await self._bounded(self._notebook.async_execute_cell(node, number))
        seconds = time.monotonic() - began
        if self.stopped is None:
            await self._bounded(self._fetch(cell.index))
        return self._told(cell, node, seconds)

    def _told(self, cell: Cell, node: Any, seconds: float) -> CellRun:
        """Say what a cell did, from what it showed."""
        error = failure(node)
        status: CellStatus = "ok" if error is None else "memory" if error.name == "MemoryError" else "error"
        if self.stopped is not None:
            status = "kernel-died" if self.stopped == "protocol" else self.stopped
        return CellRun(
            index=cell.index,
            status=status,
            seconds=seconds,
            error=None if error is None else error.text,
            line=None if error is None else error.line,
            environment=error is not None and error.environment,
            printed=printed(node),
            images=images(node),
        )

    async def _bounded(self, work: Any) -> None:
        """Do one thing with the kernel until it is done, or something stops the kernel."""
        seconds = max(0.0, min(self.limits.cell_seconds, self._deadline - time.monotonic()))
        task = asyncio.ensure_future(work)
        await asyncio.wait({task, self._over}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            task.cancel()
            self._stop("timeout")
        with suppress(asyncio.CancelledError, DeadKernelError):
            try:
                await task
            except DeadKernelError:
                self._stop("kernel-died")
            except Exception:  # the border of the kernel: its messages can make any layer raise
                self._stop("protocol")

    def _stop(self, reason: Stop) -> None:
        """Note the first reason why the kernel ends, and end it."""
        if self.stopped is None:
            self.stopped = reason
            if not self._over.done():
                self._over.set_result(None)
            self._provisioner.end()

    async def _watch(self, jail: sandbox.Jail) -> None:
        """Look after the jail: its life and its memory."""
        while self.stopped is None:
            if jail.process.poll() is not None:
                self._stop("kernel-died")
            elif jail.too_big():
                self._stop("memory")
            self._provisioner.listen()
            await asyncio.sleep(_WATCH_SECONDS)

    async def _listen(self, socket: Any) -> None:
        """Notice when a connection breaks: a message over the cap makes libzmq drop it."""
        monitor = socket.get_monitor_socket(Event.DISCONNECTED)
        await recv_monitor_message(monitor)
        await asyncio.sleep(4 * _WATCH_SECONDS)  # a dead kernel breaks connections too; let that be seen first
        self._stop("output-limit")

    # -- the numbers ---------------------------------------------------------------------------

    async def _fetch(self, cell: int) -> None:
        """Bring out the series that are new since the last cell."""
        nonce, budget = secrets.token_hex(16), self._history_left
        self._meter.allow(cell=int(_OVERHEAD * _CHUNK_BYTES) + MB, history=True)
        text = await self._ask(f"collect({nonce!r}, {budget}, {_CHUNK_BYTES})")
        told = trace.announced(text, nonce=nonce, budget=budget)
        data = bytearray(told.data)
        while len(data) < told.total:
            self._meter.allow(cell=int(_OVERHEAD * _CHUNK_BYTES) + MB, history=True)
            text = await self._ask(f"piece({nonce!r}, {len(data)}, {_CHUNK_BYTES})")
            more = trace.piece(text, nonce=nonce, offset=len(data))
            if not more:
                raise trace.TraceError("a piece is empty")
            data += more
        self._history_left -= told.total
        self.series.extend(self._reader.series(cell, told, data))
        self.scalars.extend(trace.scalars(cell, told))
        self.skipped.extend((cell, name, rows) for name, rows in told.skipped)

    async def _ask(self, question: str) -> str:
        """Let capture answer inside the kernel, and take the answer from the reply."""
        assert self._client is not None  # noqa: S101 - started before any cell runs
        asked = self._client.execute(
            "", silent=True, store_history=False, user_expressions={"told": f"get_ipython()._grader_capture.{question}"}
        )
        while True:
            reply = await self._client.get_shell_msg(timeout=None)
            if reply["parent_header"].get("msg_id") == asked:
                text = reply["content"]["user_expressions"]["told"]["data"]["text/plain"]
                if not isinstance(text, str):
                    raise trace.TraceError("the answer is no text")
                return text


async def _ready(client: _Client) -> None:
    """Wait until the kernel answers on both channels; asks again, since what it publishes before we listen is lost."""
    while True:
        asked = client.kernel_info()
        with suppress(Empty):
            while (await client.get_shell_msg(timeout=1))["parent_header"].get("msg_id") != asked:
                pass
            while (message := await client.get_iopub_msg(timeout=0.02))["parent_header"].get("msg_id") != asked or (
                message["content"].get("execution_state") != "idle"
            ):
                pass
            return


# -- what Jupyter needs ----------------------------------------------------------------------------


class _Meter(Session):  # type: ignore[misc] # jupyter_client is not typed for us
    """Counts what arrives, before any of it is parsed."""

    def __init__(self, *, on_flood: Any, **settings: Any) -> None:
        super().__init__(**settings)
        self._on_flood = on_flood
        self._cell_left = self._notebook_left = 0
        self._messages_left = _MESSAGES
        self._history = False

    def allow(self, *, cell: int, notebook: int | None = None, history: bool = False) -> None:
        """Grant bytes to the next cell, and to the notebook; histories have a budget of their own."""
        self._cell_left, self._history = cell, history
        self._notebook_left = self._notebook_left if notebook is None else notebook

    def feed_identities(self, msg_list: Any, copy: bool = True) -> Any:
        """Called with each message as it came from the socket."""
        size = sum(map(len, msg_list))
        self._cell_left -= size
        self._notebook_left -= 0 if self._history else size
        self._messages_left -= 1
        if min(self._cell_left, self._notebook_left, self._messages_left) < 0:
            self._on_flood()
            raise trace.TraceError("too much output")
        return super().feed_identities(msg_list, copy=copy)


class _Connected:
    """Connects sockets with a cap on each message, and at once: libzmq would wait 100 ms to try again."""

    def _create_connected_socket(self, channel: str, identity: bytes | None = None) -> Any:
        made: Any = self
        socket = made.context.socket(channel_socket_types[channel])
        socket.linger = 0
        socket.setsockopt(SocketOption.MAXMSGSIZE, _MESSAGE_BYTES)
        socket.setsockopt(SocketOption.RECONNECT_IVL, 2)
        if identity:
            socket.identity = identity
        socket.connect(made._make_url(channel))
        return socket


class _Cells(NotebookClient):  # type: ignore[misc] # nbclient is not typed for us
    """Executes cells; widgets and whatever else the kernel invents are not listened to."""

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        """Called with each message about the running cell."""
        return super().process_message(msg, cell, cell_index) if msg["msg_type"] in _SHOWN else None


class _Client(_Connected, AsyncKernelClient):  # type: ignore[misc] # jupyter_client is not typed for us
    """A client with capped sockets."""


class _Manager(_Connected, AsyncKernelManager):  # type: ignore[misc] # jupyter_client is not typed for us
    """A manager that knows no kernelspec: what the notebook names as its kernel is not asked."""

    def write_connection_file(self, **_: Any) -> None:
        """Write no file: it would name the sockets to whoever reads the temporary folder."""

    def _connect_control_socket(self) -> None:
        """Nothing is asked over the control channel: the jail is killed, not shut down."""


class _Provisioner(LocalProvisioner):  # type: ignore[misc] # jupyter_client is not typed for us
    """Starts the kernel in a jail; called by the manager's `start_kernel`."""

    jail: sandbox.Jail

    def order(self, gather: Gather, isolation: Isolation, slot: int) -> None:
        """Say which kernel to start, and how it is jailed."""
        self._order = gather, isolation, slot
        self._heard = b""

    async def pre_launch(self, **settings: Any) -> dict[str, Any]:
        """Write no connection file: the kernel's sockets have fixed names in a folder of their own."""
        return {**settings, "cmd": []}

    async def launch_kernel(self, cmd: list[str], **_: Any) -> dict[str, Any]:  # noqa: ARG002 - as Jupyter calls it
        """Start the jail and say where the kernel's sockets will be."""
        gather, isolation, slot = self._order
        python = gather.kernel or sys.executable
        self.jail = sandbox.start(
            [python, "-I", "/job/kernel_program.py", sandbox.IPC],
            isolation=isolation,
            limits=gather.limits,
            inputs={"kernel_program.py": _PROGRAM, "capture.py": _CAPTURE},
            home=sandbox.fonts(isolation, python),
            slot=slot,
            python=python,
        )
        self.process, self.pid = self.jail.process, self.jail.process.pid
        for stream in self.jail.pipes:
            os.set_blocking(stream.fileno(), False)
        ports = {f"{name}_port": n for n, name in enumerate(("shell", "iopub", "stdin", "hb", "control"), start=1)}
        self.connection_info = {
            "transport": "ipc",
            "ip": str(self.jail.ipc / "k"),
            "key": b"",
            "signature_scheme": "hmac-sha256",
            **ports,
        }
        return self.connection_info

    def listen(self) -> None:
        """Empty the pipes that the kernel writes to past IPython, keeping the last words."""
        for stream in self.jail.pipes:
            with suppress(BlockingIOError, ValueError):
                while heard := os.read(stream.fileno(), 65536):
                    self._heard = (self._heard + heard)[-2000:]

    def last_words(self) -> str:
        """Say what the kernel wrote last, for an error before its first cell."""
        self.listen()
        return self._heard.decode("utf-8", "replace").strip()

    def end(self) -> None:
        """Kill everything in the jail."""
        self.jail.kill()

    def close(self) -> None:
        """Kill everything in the jail and remove its room."""
        if hasattr(self, "jail"):
            self.jail.close()
