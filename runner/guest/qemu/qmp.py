"""A blocking face for qemu.qmp's client, on one connected socket."""

import asyncio
import socket
from contextlib import AbstractContextManager

from qemu.qmp import ExecInterruptedError, QMPClient, QMPError

from runner.errors import InfrastructureError


class Qmp(AbstractContextManager["Qmp"]):
    """QEMU's monitor. Closed with the `with` block; QEMU itself goes on."""

    def __init__(self, connection: socket.socket) -> None:
        self._runner = asyncio.Runner()
        self._client = QMPClient()
        self._connection = connection

    def __exit__(self, *_: object) -> None:
        self.close()

    def connect(self, timeout: float) -> None:
        """Greet QEMU within `timeout` seconds.

        Raises InfrastructureError when it closes the socket or does not answer.
        """
        self._run(self._client.connect(self._connection), timeout, "the greeting")

    def execute(
        self,
        command: str,
        arguments: dict[str, object] | None = None,
        *,
        timeout: float,
    ) -> object:
        """Run a QMP command and return what it returns.

        Raises InfrastructureError for an error, a closed socket and a missed deadline.
        """
        return self._run(self._client.execute(command, arguments), timeout, command)

    def give(self, name: str, descriptor: int, *, timeout: float) -> None:
        """Hand QEMU an open file, to be called `name` in later commands.

        It opens none by itself, so that its sandbox can stay shut.
        Raises as `execute` does.
        """

        async def hand_over() -> None:
            self._client.send_fd_scm(descriptor)
            await self._client.execute("getfd", {"fdname": name})

        self._run(hand_over(), timeout, "getfd")

    def give_path(self, descriptor: int, *, timeout: float) -> str:
        """Hand QEMU an open file; return the path by which later commands name it.

        Raises as `execute` does.
        """

        async def hand_over() -> object:
            self._client.send_fd_scm(descriptor)
            return await self._client.execute("add-fd")

        given = self._run(hand_over(), timeout, "add-fd")
        assert isinstance(given, dict)
        return f"/dev/fdset/{given['fdset-id']}"

    def close(self) -> None:
        """Close the connection; done twice, it does nothing."""
        try:
            self._runner.run(self._disconnect())
        finally:
            self._runner.close()
            self._connection.close()

    async def _disconnect(self) -> None:
        try:
            await asyncio.wait_for(self._client.disconnect(), timeout=1)
        except (QMPError, OSError, EOFError, TimeoutError):
            # QEMU may be gone already, which is what closing is for.
            return

    def _run(self, coroutine: object, timeout: float, what: str) -> object:
        async def bounded() -> object:
            return await asyncio.wait_for(coroutine, timeout)  # type: ignore[arg-type]

        try:
            return self._runner.run(bounded())
        except TimeoutError as error:
            raise InfrastructureError(
                f"QEMU did not answer {what} within {timeout:.0f} s"
            ) from error
        except (QMPError, ExecInterruptedError, OSError, EOFError) as error:
            raise InfrastructureError(f"QEMU's monitor, {what}: {error}") from error
