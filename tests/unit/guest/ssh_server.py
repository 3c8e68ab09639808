"""A guest's SSH server, in this process."""

import threading
from dataclasses import dataclass, field

from runner.guest.sshlibrary import paramiko

# A wait that nobody has.
LONG = 60.0


@dataclass
class Server(paramiko.ServerInterface):
    """Lets anybody in, and says something in place of what it is to start."""

    says: bytes = b""
    channels: list[paramiko.Channel] = field(default_factory=list)
    # Cleared, it answers nothing to who wants to start something.
    answers: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.answers.set()

    def check_auth_none(self, username: str) -> int:
        return paramiko.common.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.common.OPEN_SUCCEEDED

    def check_channel_exec_request(
        self, channel: paramiko.Channel, command: bytes
    ) -> bool:
        self.answers.wait(LONG)
        self.channels.append(channel)
        channel.sendall(self.says)
        return True
