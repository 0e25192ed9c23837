"""Execute a notebook in a kernel that sits in a jail, and bring back what happened and the numbers it left.

The kernel belongs to the student: whatever it says is bounded while it arrives, and nothing it says can raise out of
`execute`. A cell that fails does not stop the notebook; a limit does, and the cells after it are "not-run".
"""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

import nbformat.v4
from msgspec.structs import replace
from nbclient.exceptions import DeadKernelError
from zmq.constants import Event
from zmq.utils.monitor import recv_monitor_message

from grader import sandbox, trace
from grader.kernel.jupyter import MB, MESSAGE_BYTES, Cells, Client, Manager, Meter, Provisioner, ready
from grader.kernel.outputs import failure, images, printed, with_consequences
from grader.model import Cell, CellRun, CellStatus, Declared, GraderError, Message, Record, Run, Series, message
from grader.notebook import needs_newer, runnable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from grader.model import Gather, Isolation, Limits, Notebook

_CHUNK_BYTES = 4 * MB
_OVERHEAD = 1.5  # base64 and the envelope of a message
_WATCH_SECONDS = 0.05
_START_SECONDS = 60.0
_RETRY_MILLISECONDS = 500
_GROWTH_MB, _GROWTH_TIMES = 64, 6  # what a cell's output may cost this process: parsed, copied, and as wide text

Stop = Literal["timeout", "memory", "output-limit", "kernel-died", "protocol"]


class Execution(Record, frozen=True, kw_only=True):
    """What running a notebook yields.

    `skipped` names what was too big to leave the jail, `cut` the series of which only the beginning did: cell, name,
    length.
    """

    run: Run
    series: tuple[Series, ...] = ()
    scalars: tuple[Declared, ...] = ()
    skipped: tuple[tuple[int, str, int], ...] = ()
    cut: tuple[tuple[int, str, int], ...] = ()


def execute(notebook: Notebook, *, gather: Gather, isolation: Isolation) -> Execution:
    """Run every code cell of a notebook in a fresh jailed kernel.

    `GraderError` when the kernel does not even start.
    """
    return asyncio.run(_execute(notebook, gather, isolation))


async def _execute(notebook: Notebook, gather: Gather, isolation: Isolation) -> Execution:
    began = time.monotonic()
    kernel = await _started(gather, isolation)
    try:
        cells = [cell for cell in notebook.cells if cell.kind == "code"]
        told = [await kernel.run(cell) for cell in cells]
        runs = with_consequences(told, [cell.source for cell in cells])
    finally:
        kernel.close()
    run = Run(
        outcome="complete" if kernel.stopped is None else "stopped",
        isolation=isolation,
        cells=runs,
        seconds=time.monotonic() - began,
        cpu_seconds=kernel.cpu_seconds,
        problem=_problem(kernel, runs, gather.limits),
    )
    return Execution(
        run=run,
        series=tuple(kernel.series),
        scalars=tuple(kernel.scalars),
        skipped=tuple(kernel.skipped),
        cut=tuple(kernel.cut),
    )


async def _started(gather: Gather, isolation: Isolation) -> _Kernel:
    """Give a kernel that answers; tried twice, since a machine that is full just now may refuse it a thread."""
    try:
        return await _begun(gather, isolation)
    except GraderError:
        return await _begun(gather, isolation)


async def _begun(gather: Gather, isolation: Isolation) -> _Kernel:
    kernel = _Kernel(gather, isolation)
    try:
        await kernel.start()
    except BaseException:
        kernel.close()
        raise
    return kernel


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

    def __init__(self, gather: Gather, isolation: Isolation) -> None:
        self.limits = gather.limits
        self.stopped: Stop | None = None
        self.series: list[Series] = []
        self.scalars: list[Declared] = []
        self.skipped: list[tuple[int, str, int]] = []
        self.cut: list[tuple[int, str, int]] = []
        self._over = asyncio.get_running_loop().create_future()
        self._reader = trace.Reader()
        self._history_left = int(gather.limits.history_mb * MB)
        self._deadline = 0.0
        self._most_bytes = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._meter = Meter(key=b"", on_flood=lambda: self._stop("output-limit"))
        self._meter.allow(cell=MESSAGE_BYTES, notebook=int(gather.limits.notebook_output_mb * MB))
        self._manager = Manager(session=self._meter, kernel_name="")
        self._provisioner = Provisioner(parent=self._manager)
        self._provisioner.order(gather, isolation)
        self._manager.provisioner = self._provisioner
        self._client: Client | None = None
        self._notebook = Cells(nbformat.v4.new_notebook(), km=self._manager, allow_errors=True, timeout=None)

    @property
    def cpu_seconds(self) -> float:
        """What the jail used; known after `close`."""
        return self._provisioner.jail.cpu_seconds

    async def start(self) -> None:
        """Build the jail, start the kernel in it and connect."""
        self._deadline = time.monotonic() + self.limits.notebook_seconds
        self._may_grow()
        await self._manager.start_kernel()
        jail = self._provisioner.jail
        self._client = Client(parent=self._manager, context=self._manager.context, session=self._meter)
        self._client.load_connection_info(self._manager.get_connection_info())
        self._client.start_channels(stdin=False, hb=False, control=False)
        self._client.allow_stdin = False
        self._notebook.kc = self._client
        self._tasks.append(asyncio.create_task(self._watch(jail)))
        self._tasks[0].add_done_callback(self._pass_on)
        answered = asyncio.create_task(ready(self._client))
        await asyncio.wait({answered, self._over}, timeout=_START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if not answered.done() or answered.exception():
            answered.cancel()
            raise GraderError("the notebook's kernel does not start", where=self._provisioner.last_words())
        jail.seal()
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

    async def run(self, cell: Cell) -> CellRun:
        """Run one cell, as a notebook of its own, then fetch the numbers it left."""
        if self.stopped is not None:
            return CellRun(index=cell.index, status="not-run")
        if not cell.source.strip():
            return CellRun(index=cell.index, status="ok")
        self._meter.allow(cell=int(self.limits.cell_output_mb * MB))
        self._may_grow()
        node = nbformat.v4.new_code_cell(runnable(cell.source))
        self._notebook.nb.cells = [node]
        began = time.monotonic()
        await self._bounded(self._notebook.async_execute_cell(node, 0))
        seconds = time.monotonic() - began
        if self.stopped is None:
            await self._bounded(self._fetch(cell.index))
        try:
            return self._told(cell, node, seconds)
        except Exception:  # the border of the kernel again: what it sent is read here
            self._stop("protocol")
            return CellRun(index=cell.index, status="kernel-died", seconds=seconds)

    def _told(self, cell: Cell, node: Any, seconds: float) -> CellRun:
        """Say what a cell did, from what it showed."""
        error = None if cell.may_fail else failure(node)
        status: CellStatus = "ok" if error is None else "memory" if error.name == "MemoryError" else "error"
        if self.stopped is not None:
            status = "kernel-died" if self.stopped == "protocol" else self.stopped
        told = CellRun(
            index=cell.index,
            status=status,
            seconds=seconds,
            translated=needs_newer(cell.source),
            printed=printed(node),
            images=images(node),
        )
        if error is None:
            return told
        return replace(told, error=error.text, line=error.line, lacks=error.lacks)

    async def _bounded(self, work: Any) -> None:
        """Do one thing with the kernel until it is done, or something stops the kernel."""
        seconds = max(0.0, min(self.limits.cell_seconds, self._deadline - time.monotonic()))
        task = asyncio.ensure_future(work)
        await asyncio.wait({task, self._over}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            task.cancel()
            self._stop("timeout")
        if self._over.done():
            self._over.result()  # raises what the watch met: without it nothing may run
        with suppress(asyncio.CancelledError, DeadKernelError):
            try:
                await task
            except DeadKernelError:
                self._died(self._provisioner.jail)
            except Exception:  # the border of the kernel: its messages can make any layer raise
                self._stop("protocol")

    def _stop(self, reason: Stop) -> None:
        """Note the first reason why the kernel ends, and end it."""
        if self.stopped is None:
            self.stopped = reason
            if not self._over.done():
                self._over.set_result(None)
            self._provisioner.end()

    def _died(self, jail: sandbox.Jail) -> None:
        """Note that the kernel has ended; its jail may have been ended for its memory."""
        self._stop("memory" if jail.too_big() else "kernel-died")

    def _may_grow(self, size: int = 0) -> None:
        """Say from when on this process holds too much: what arrives in parts is in no budget until it is whole."""
        output = _GROWTH_MB + _GROWTH_TIMES * self.limits.cell_output_mb
        self._most_bytes = sandbox.resident() + int(output * MB) + size

    async def _watch(self, jail: sandbox.Jail) -> None:
        """Look after the jail, its life and its memory, and after what this process holds of it."""
        while self.stopped is None:
            if jail.process.poll() is not None:
                self._died(jail)
            elif jail.too_big():
                self._stop("memory")
            elif sandbox.resident() > self._most_bytes:
                self._stop("output-limit")
            self._provisioner.listen()
            await asyncio.sleep(_WATCH_SECONDS)

    def _pass_on(self, watch: asyncio.Task[None]) -> None:
        """Called when the watch ends, which must not go unseen where it broke."""
        if not watch.cancelled() and (error := watch.exception()) is not None and not self._over.done():
            self._over.set_exception(error)

    async def _listen(self, socket: Any) -> None:
        """Notice when libzmq drops a connection, as it does for a message over the cap.

        Where the other side ended it, libzmq tries to connect again: that a kernel died is for the watch to see,
        however long it takes.
        """
        monitor = socket.get_monitor_socket(Event.DISCONNECTED | Event.CONNECT_RETRIED)
        event = Event.CONNECT_RETRIED
        while event != Event.DISCONNECTED or await monitor.poll(_RETRY_MILLISECONDS):
            event = (await recv_monitor_message(monitor))["event"]
        self._stop("output-limit")

    # -- the numbers ---------------------------------------------------------------------------

    async def _fetch(self, cell: int) -> None:
        """Bring out the series that are new since the last cell."""
        nonce, budget = secrets.token_hex(16), self._history_left
        self._meter.allow(cell=int(_OVERHEAD * _CHUNK_BYTES) + MB, history=True)
        text = await self._ask("collect", nonce, budget, _CHUNK_BYTES)
        told = trace.announced(text, nonce=nonce, budget=budget)
        self._may_grow(2 * told.total)
        data = bytearray(told.data)
        while len(data) < told.total:
            self._meter.allow(cell=int(_OVERHEAD * _CHUNK_BYTES) + MB, history=True)
            text = await self._ask("piece", nonce, len(data), _CHUNK_BYTES)
            more = trace.piece(text, nonce=nonce, offset=len(data))
            if not more:
                raise trace.TraceError("a piece is empty")
            data += more
        self._history_left -= told.total
        self.series.extend(self._reader.series(cell, told, data))
        self.scalars.extend(trace.scalars(cell, told))
        sent = {entry.name for entry in told.entries}
        for name, rows in told.skipped:
            (self.cut if name in sent else self.skipped).append((cell, name, rows))

    async def _ask(self, ask: str, *values: str | int) -> str:
        """Let capture answer inside the kernel, and take the answer from the reply."""
        assert self._client is not None  # noqa: S101 - started before any cell runs
        request = self._client.session.msg("grader_request", {"ask": ask, "values": values})
        self._client.shell_channel.send(request)
        while True:
            reply = await self._client.get_shell_msg(timeout=None)
            if reply["parent_header"].get("msg_id") == request["header"]["msg_id"]:
                text = reply["content"]["text"]
                if not isinstance(text, str):
                    raise trace.TraceError("the answer is no text")
                return text
