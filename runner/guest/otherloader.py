"""Loaders with other libraries than libbpf, at work in a guest.

They answer requests of the agent's protocol: open, load, attach and close. What they
have loaded is handed to the agent by its ids, which then reads maps, runs programs and
counts runs as it does for its own objects.
"""

from pathlib import PurePosixPath

from runner import timeouts
from runner.guest.agent import AgentSession
from runner.guest.guest import Guest
from runner.guest.image import initramfs
from runner.guest.objectsettings import ObjectSettings
from runner.guest.replies import (
    AgentReply,
    Attached,
    LoadedObject,
    NamedId,
    OpenedObject,
)
from runner.guest.ssh import SshChannel
from runner.loaders import LIBRARIES, LoaderProgram
from runner.programs.prepare import GuestFile

_FOLDER = PurePosixPath("/run/loaders")
# The command that starts each: the agent keeps what they hand to the kernel.
_COMMANDS = {name: f"{initramfs.AGENT} trace {_FOLDER}/{name}" for name in LIBRARIES}
# Maps of global data, which libbpf calls by the object's name, too.
_DATA = (".rodata", ".data", ".bss", ".kconfig")
# Bytes of a name in the kernel, and of it for a section's own at least (libbpf's
# internal_map_name).
_LONGEST_NAME = 15
_SECTION_ROOM = 7


class _HandedOver(AgentReply):
    programs: tuple[NamedId, ...]
    maps: tuple[NamedId, ...]
    log: str


class _LoaderRequests(AgentSession):
    """The part of the protocol that differs from the agent's."""

    def load_object(self, handle: int, *, timeout: float) -> _HandedOver:
        return self._ask(_HandedOver, "load", timeout, handle=handle)


class OtherSession:
    """A loader with an object. Methods raise as those of AgentSession do."""

    def __init__(self, guest: Guest, program: LoaderProgram) -> None:
        self.program = program
        self._agent = guest.agent
        self._channel = _started(guest, program)
        self._asked = _LoaderRequests(self._channel, guest.ssh.pace)
        self._object_name = ""

    def open(
        self,
        data: bytes,
        *,
        name: str,
        btf: PurePosixPath | None,
        settings: ObjectSettings | None,
        timeout: float,
    ) -> OpenedObject:
        """Read an object; see `AgentSession.open`."""
        self._object_name = name
        return self._asked.open(
            data, name=name, btf=btf, settings=settings, timeout=timeout
        )

    def load(self, handle: int, *, timeout: float) -> LoadedObject:
        """Load the object that is open, and hand it to the agent.

        The handle of what is returned is the agent's. Needs a kernel that has ids of
        programs, from 4.13 on.
        """
        handed = self._asked.load_object(handle, timeout=timeout)
        loaded = self._agent.adopt(
            handed.programs,
            [
                NamedId(name=_libbpf_name(it.name, self._object_name), id=it.id)
                for it in handed.maps
            ],
            timeout=timeouts.ANSWER.seconds,
        )
        return loaded.model_copy(update={"log": handed.log + loaded.log})

    def attach(
        self, handle: int, program: str, target: str | None, *, timeout: float
    ) -> Attached:
        """Attach a program; the loader holds the link."""
        return self._asked.attach(handle, program, target, timeout=timeout)

    def end(self) -> None:
        """Detach and unload everything, and end the loader."""
        try:
            self._asked.close_object(1, timeout=timeouts.ANSWER.seconds)
        finally:
            self._channel.close()


def _started(guest: Guest, program: LoaderProgram) -> SshChannel:
    place = _FOLDER / program.name
    guest.copy([GuestFile(source=program.path, target=place, mode=0o700)])
    return guest.ssh.start(_COMMANDS[program.name])


def _libbpf_name(name: str, object_name: str) -> str:
    """Return a map's name as libbpf makes it: "maps.rodata" for ".rodata"."""
    if name not in _DATA:
        return name
    room = max(_SECTION_ROOM, len(name))
    prefix = object_name[: min(_LONGEST_NAME - room, len(object_name))]
    return f"{prefix}{name}"
