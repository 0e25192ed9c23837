"""What Jupyter needs of us: a client that counts and caps what arrives, a provisioner that starts kernels in jails."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING, Any

from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.connect import channel_socket_types
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner
from jupyter_client.session import Session
from nbclient import NotebookClient
from zmq.constants import SocketOption

from grader import sandbox

if TYPE_CHECKING:
    from grader.model import Gather, Isolation

MB = 1024 * 1024
MESSAGE_BYTES = 16 * MB
_MESSAGES = 200_000  # of one notebook: a flood of tiny messages costs time, not bytes
_SHOWN = frozenset({"status", "execute_input", "stream", "display_data", "execute_result", "error", "clear_output"})
_PROGRAM = Path(__file__).with_name("program.py")
_CAPTURE = Path(__file__).parents[1] / "capture.py"


class TooMuchError(Exception):
    """The kernel sent more than it may."""


async def ready(client: Client) -> None:
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


class Meter(Session):  # type: ignore[misc] # jupyter_client is not typed for us
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
            raise TooMuchError
        return super().feed_identities(msg_list, copy=copy)


class _Connected:
    """Connects sockets with a cap on each message, and at once: libzmq would wait 100 ms to try again."""

    def _create_connected_socket(self, channel: str, identity: bytes | None = None) -> Any:
        made: Any = self
        socket = made.context.socket(channel_socket_types[channel])
        socket.linger = 0
        socket.setsockopt(SocketOption.MAXMSGSIZE, MESSAGE_BYTES)
        socket.setsockopt(SocketOption.RECONNECT_IVL, 2)
        if identity:
            socket.identity = identity
        socket.connect(made._make_url(channel))
        return socket


class Cells(NotebookClient):  # type: ignore[misc] # nbclient is not typed for us
    """Executes cells; widgets and whatever else the kernel invents are not listened to."""

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        """Called with each message about the running cell."""
        return super().process_message(msg, cell, cell_index) if msg["msg_type"] in _SHOWN else None


class Client(_Connected, AsyncKernelClient):  # type: ignore[misc] # jupyter_client is not typed for us
    """A client with capped sockets."""


class Manager(_Connected, AsyncKernelManager):  # type: ignore[misc] # jupyter_client is not typed for us
    """A manager that knows no kernelspec: what the notebook names as its kernel is not asked."""

    def write_connection_file(self, **_: Any) -> None:
        """Write no file: it would name the sockets to whoever reads the temporary folder."""

    def _connect_control_socket(self) -> None:
        """Nothing is asked over the control channel: the jail is killed, not shut down."""


class Provisioner(LocalProvisioner):  # type: ignore[misc] # jupyter_client is not typed for us
    """Starts the kernel in a jail; called by the manager's `start_kernel`."""

    jail: sandbox.Jail

    def order(self, gather: Gather, isolation: Isolation) -> None:
        """Say which kernel to start, and how it is jailed."""
        self._order = gather, isolation
        self._heard = b""

    async def pre_launch(self, **settings: Any) -> dict[str, Any]:
        """Write no connection file: the kernel's sockets have fixed names in a folder of their own."""
        return {**settings, "cmd": []}

    async def launch_kernel(self, cmd: list[str], **_: Any) -> dict[str, Any]:  # noqa: ARG002 - as Jupyter calls it
        """Start the jail and say where the kernel's sockets will be."""
        gather, isolation = self._order
        python = gather.kernel or sys.executable
        self.jail = sandbox.start(
            [python, "-I", "/job/program.py", sandbox.IPC],
            isolation=isolation,
            limits=gather.limits,
            inputs={"program.py": _PROGRAM, "capture.py": _CAPTURE},
            home=sandbox.fonts(isolation, python),
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
