"""A guest whose agent answers from a table, and whose machine dies when told to."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from pydantic import JsonValue

from runner.arch import X86_64, Architecture
from runner.bpf import bpftool
from runner.deadline import Deadline
from runner.errors import GuestError
from runner.files.cache import Cache
from runner.guest.agent import AgentSession
from runner.guest.guest import Guest
from runner.guest.host import Host
from runner.guest.image.initramfs import Tools
from runner.guest.kits import GuestKit, GuestKits
from runner.guest.life import Life, Starts
from runner.guest.qemu.machine import Machine
from runner.guest.qemu.vm import Vm
from runner.guest.replies import Hello
from runner.guest.snapshots import Snapshots
from runner.guest.ssh import Ssh
from runner.kernels.artifact import Artifact
from runner.libbpf import Programs
from runner.matrix.matrix import DebianSource, Kernel
from runner.text.progress import Progress
from runner.timeouts import Pace
from runner.versions import KernelVersion
from tests.unit.preflight.made import build

KERNEL = Kernel(id="6.1", source=DebianSource(type="debian", suite="bookworm"))
# Nobody runs them.
PROGRAMS = Programs(
    agent=Path("/agent"), engine=Path("/engine"), source="/mine", sha256="ab12"
)
HELLO = Hello(
    agent="1",
    libbpf="1.1",
    release="6.1.0-50-cloud-amd64",
    machine="x86_64",
    pid=2,
    clk_tck=100,
    cpus=1,
    page_size=4096,
    tick_ns=4000000,
)

# What an agent says to everything, when all goes well: one program, one map with the
# row 1 → 42.
_MAP: JsonValue = {
    "name": "m",
    "type": "hash",
    "id": 7,
    "key_size": 4,
    "value_size": 4,
    "max_entries": 16,
}
_PROGRAM: JsonValue = {"name": "p", "type": "kprobe", "id": 9, "instructions": 2}
_ROW = {
    "key": ["0x01", "0x00", "0x00", "0x00"],
    "value": ["0x2a", "0x00", "0x00", "0x00"],
    "formatted": {"key": 1, "value": 42},
}
COMMAND: dict[str, JsonValue] = {
    "pid": 5,
    "exit": 0,
    "signal": None,
    "timed_out": False,
    "stdout": "",
    "stderr": "",
    "truncated": False,
    "duration_ms": 1,
}
ANSWERS: dict[str, dict[str, JsonValue]] = {
    "open": {"handle": 1, "programs": [], "maps": [], "log": "opened\n"},
    "load": {"programs": [_PROGRAM], "maps": [_MAP], "log": "loaded\n"},
    "attach": {"attached": True, "log": "attached\n"},
    "fork": {
        "pid": 100,
        "tgid": 100,
        "ppid": 2,
        "comm": "sleeper",
        "user_ns": 4026531837,
        "thread_pointer": 4096,
    },
    "read": {"text": "State:\tS (sleeping)\n", "truncated": False},
    # Nothing of BPF, and plenty of memory.
    "aftermath": {"records": [], "incomplete": False, "objects": [], "pins": []},
    "census": {"parts": {"programs": [], "maps": []}, "available_kib": 1 << 20},
}


def fault(
    message: str, errno: str | None = "EINVAL", log: str = ""
) -> dict[str, JsonValue]:
    """Return the agent's no."""
    return {"ok": False, "error": {"message": message, "errno": errno}, "log": log}


# What a call of bpf(2) gives that is done.
DONE: dict[str, JsonValue] = {"done": True, "errno": None, "log": ""}


class FakeAgent:
    """A `runner.guest.exchange.Channel` to an agent that follows a table."""

    def __init__(
        self, answers: Mapping[str, dict[str, JsonValue] | Exception] | None = None
    ) -> None:
        self._given = answers or {}
        self._answers = {**ANSWERS, **self._given}
        self.requests: list[dict[str, JsonValue]] = []

    @property
    def operations(self) -> list[str]:
        return [str(request["op"]) for request in self.requests]

    def send(self, data: bytes) -> None:
        self.requests.append(json.loads(data))

    def receive_line(self, deadline: Deadline) -> bytes:
        request = self.requests[-1]
        operation = str(request["op"])
        answer = self._answers.get(operation, {})
        if operation == "run" and "run" not in self._answers:
            answer = self._command(request["argv"])
        if operation == "runs" and "runs" not in self._given:
            asked = self.operations.count("runs")
            answer = {"programs": [{"name": "p", "runs": asked}]}
        if operation == "bpf" and "bpf" not in self._given:
            answer = {"answers": [DONE] * _count(request["calls"]), "duration_us": 1}
        if operation == "functions" and "functions" not in self._given:
            answer = {"functions": ""}
        if operation == "there" and "there" not in self._given:
            answer = {"there": [True] * _count(request["places"])}
        if isinstance(answer, Exception):
            raise answer
        return json.dumps({"id": request["id"], "ok": True, **answer}).encode()

    def _command(self, argv: JsonValue) -> dict[str, JsonValue]:
        if argv == bpftool.map_dump(7):
            return {**COMMAND, "stdout": json.dumps([_ROW])}
        return COMMAND


def _count(words: JsonValue) -> int:
    assert isinstance(words, list)
    return len(words)


MACHINE = Machine(
    qemu=Path("/usr/bin/qemu"),
    architecture=X86_64,
    accelerator="tcg",
    kernel=Path("/vmlinuz"),
    initrd="",
    memory=256,
    nic="virtio-net-pci",
    console=Path("/console.log"),
)


@dataclass
class FakeVm:
    """A machine that ends as its test says."""

    end: GuestError = field(
        default_factory=lambda: GuestError("no answer", cause="no_answer")
    )
    running: bool = True
    command_line: str = "qemu"
    machine: Machine = MACHINE
    window: int = -1
    pace: Pace = field(default_factory=lambda: Pace(1.0))
    # What its kernel reports while a case runs.
    said: str = ""

    # Bytes on its console.
    printed: int = 0

    def console(self) -> str:
        return self.end.console

    def news(self) -> str:
        said, self.said = self.said, ""
        return said

    def turn_page(self) -> None:
        pass

    def lost(self, doing: str, *, cause: Exception | None = None) -> GuestError:
        self.running = False
        return self.end


@dataclass(frozen=True, kw_only=True)
class FakeSsh:
    """A connection to a guest that is still there, or is not."""

    alive: bool

    def answers(self, command: str, deadline: Deadline) -> bool:
        return self.alive


class SavedGuests(Snapshots):
    """Has every kernel's snapshot."""

    def has(self, key: str) -> bool:
        return not self.is_refused(key)


class FakeKits:
    """Has the programs of every architecture."""

    def of(self, architecture: Architecture, bars: Progress | None = None) -> GuestKit:
        return GuestKit(
            architecture=architecture,
            qemu=Path("/usr/bin/qemu"),
            qemu_version="7.2",
            tools=Tools(
                architecture=architecture,
                agent=Path("/agent"),
                recipe=Path("/images"),
            ),
        )


def machine_of(cache: Cache, *, cold: bool) -> Host:
    """Return a machine that has every kernel's snapshot."""
    return Host(
        kits=cast(GuestKits, FakeKits()),
        programs=PROGRAMS,
        cache=cache,
        snapshots=SavedGuests(cache),
        cold=cold,
        pace=Pace(2.5),
    )


def artifact(version: str = "6.1.176") -> Artifact:
    """Return an artifact without files."""
    return Artifact(
        release=HELLO.release,
        version=KernelVersion.parse(version),
        directory=Path("/none"),
        vmlinuz=Path("/none/vmlinuz"),
        modules=(),
        config=None,
        system_map=None,
        nic="virtio-net-pci",
        btf=None,
        btf_source="kernel",
        btf_detail="",
        image_sha256="0" * 64,
        btf_sha256="",
        origin="bookworm linux-image",
        packages={},
        btf_items=(),
    )


def guest(
    agent: FakeAgent | None = None,
    *,
    vm: FakeVm | None = None,
    kernel: Kernel = KERNEL,
    version: str = "6.1.176",
    alive: bool = False,
    cache: Cache | None = None,
    life: Life | None = None,
) -> Guest:
    """Return a guest that is up; one that is `alive` answers when its agent is gone."""
    return Guest(
        kernel=kernel,
        artifact=artifact(version),
        vm=cast(Vm, vm or FakeVm()),
        ssh=cast(Ssh, FakeSsh(alive=alive)),
        agent=AgentSession(agent or FakeAgent()),
        hello=HELLO,
        bpftool_version="7.1.0",
        engine=build(),
        # Nobody can write there, not even root.
        cache=cache or Cache(Path("/dev/null/none")),
        life=life or Life(Starts(kernel=kernel.id)),
    )
