"""The agent as the tests run it: built under AddressSanitizer, on this machine."""

import base64
import json
import os
import platform
import re
import select
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from filelock import FileLock

from runner.deadline import Deadline

ROOT = Path(__file__).resolve().parents[3]
BUILD = ROOT / "build/agent"
_VERSION_H = Path("/usr/include/bpf/libbpf_version.h").read_text()
# "1.1": the version of the libbpf that is installed, and that the agent is linked with.
LIBBPF = ".".join(re.findall(r"_VERSION (\d+)", _VERSION_H))
# Seconds; far more than any answer takes, so that a hang is a failure.
PATIENCE = 60.0


def build(target: Literal["agent", "asan"] = "asan") -> Path:
    """Build the agent, unless it is fresh, and return its path."""
    BUILD.mkdir(parents=True, exist_ok=True)
    # xdist's workers would build it beside each other.
    with FileLock(BUILD / ".lock"):
        subprocess.run(["make", "-s", "-C", ROOT / "images/agent", target], check=True)
    return BUILD / {"agent": "agent", "asan": "agent-asan"}[target]


class PipeChannel:
    """A `runner.guest.exchange.Channel` over a process's pipes."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._input: IO[bytes] = process.stdin
        self._output = process.stdout.fileno()
        self._received = bytearray()

    def send(self, data: bytes) -> None:
        self._input.write(data)
        self._input.flush()

    def receive_line(self, deadline: Deadline) -> bytes:
        searched = 0
        while (end := self._received.find(b"\n", searched)) < 0:
            searched = len(self._received)
            ready, _, _ = select.select([self._output], [], [], deadline.remaining())
            if not ready:
                raise TimeoutError("no line in time")
            chunk = os.read(self._output, 1 << 20)
            if not chunk:
                raise EOFError("the agent closed its output")
            self._received += chunk
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line


@dataclass(kw_only=True)
class AgentProcess:
    """A running `agent session`, spoken to in JSON."""

    process: subprocess.Popen[bytes]
    channel: PipeChannel
    last_id: int = 0

    def exchange(self, line: bytes) -> dict[str, Any]:
        """Send a line, check that its reply is well formed, and return it."""
        self.channel.send(line + b"\n")
        reply = json.loads(self.channel.receive_line(Deadline.after(PATIENCE)))
        check_reply(reply)
        assert isinstance(reply, dict)
        return reply

    def ask(self, operation: str, **arguments: object) -> dict[str, Any]:
        """Send a request and return its reply."""
        self.last_id += 1
        request = {"id": self.last_id, "op": operation, **arguments}
        reply = self.exchange(json.dumps(request).encode())
        assert reply["id"] == self.last_id
        return reply

    def refusal(self, operation: str, **arguments: object) -> str:
        """Send a request that must be refused, and return the message."""
        reply = self.ask(operation, **arguments)
        assert reply["ok"] is False, reply
        return str(reply["error"]["message"])

    def end(self) -> int:
        """Close its input and return its exit status: 0 tells that nothing leaked."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(PATIENCE)


def check_reply(reply: object) -> None:
    """Check the shape that every reply has."""
    assert isinstance(reply, dict), reply
    assert reply["id"] is None or type(reply["id"]) is int
    if reply["ok"] is True:
        assert "error" not in reply
        return
    assert reply["ok"] is False
    assert reply["error"].keys() == {"message", "errno"}
    assert reply["error"]["message"]
    assert reply["error"]["errno"] is None or type(reply["error"]["errno"]) is str
    assert type(reply["log"]) is str


@contextmanager
def start(
    binary: Path, errors: Path, prefix: Sequence[Path] = ()
) -> Iterator[AgentProcess]:
    """Start a session whose standard error goes to the file `errors`."""
    with (
        errors.open("wb") as stderr,
        subprocess.Popen(
            [*prefix, binary, "session"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
        ) as process,
    ):
        try:
            yield AgentProcess(process=process, channel=PipeChannel(process))
        finally:
            process.kill()
            assert process.stdin is not None
            # Bytes that an agent which died did not read any more.
            with suppress(BrokenPipeError):
                process.stdin.close()


def compile_bpf(source: str, folder: Path, *, debug: bool = True) -> bytes:
    """Compile a BPF program's text and return the object."""
    text, compiled = folder / "test.bpf.c", folder / "test.bpf.o"
    text.write_text(source)
    subprocess.run(
        [
            *("clang", "-target", "bpf", "-O2", "-c", text, "-o", compiled),
            # asm/types.h, which clang does not look for when the target is bpf.
            *("-idirafter", f"/usr/include/{platform.machine()}-linux-gnu"),
            *(["-g"] if debug else []),
        ],
        check=True,
    )
    return compiled.read_bytes()


def encoded(data: bytes) -> str:
    """Return what a request holds of bytes."""
    return base64.b64encode(data).decode()


COUNTER = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct size { __u32 length; };
struct tally { __u64 packets; char tag[4]; };

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 32);
    __type(key, struct size);
    __type(value, struct tally);
} sizes SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 2);
    __type(key, __u32);
    __type(value, __u32);
} hits SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4096);
    __type(key, __u32);
    __type(value, __u64);
} calls SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_QUEUE);
    __uint(max_entries, 4);
    __type(value, __u32);
} queue SEC(".maps");

SEC("socket")
int count(struct __sk_buff *skb)
{
    struct size key = {.length = skb->len};
    struct tally first = {.packets = 1, .tag = "abc"}, *tally;
    __u32 zero = 0, *hit;

    hit = bpf_map_lookup_elem(&hits, &zero);
    if (hit)
        *hit += 1;
    tally = bpf_map_lookup_elem(&sizes, &key);
    if (tally)
        __sync_fetch_and_add(&tally->packets, 1);
    else
        bpf_map_update_elem(&sizes, &key, &first, BPF_ANY);
    return 7;
}

SEC("tc")
int mark(struct __sk_buff *skb)
{
    skb->mark += 1;
    return 3;
}

SEC("raw_tp/sys_enter")
int on_call(void *ctx)
{
    __u32 tgid = bpf_get_current_pid_tgid() >> 32;
    __u64 one = 1, *calls_made = bpf_map_lookup_elem(&calls, &tgid);

    if (calls_made)
        __sync_fetch_and_add(calls_made, 1);
    else
        bpf_map_update_elem(&calls, &tgid, &one, BPF_ANY);
    return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
"""

REJECTED = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("socket")
int reads_uninitialised(void *ctx)
{
    int value;

    asm volatile("%0 = r7" : "=r"(value));
    return value;
}

char _license[] SEC("license") = "Dual BSD/GPL";
"""

# Tens of thousands of instructions for the verifier to tell about.
LONG = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("socket")
int loops(struct __sk_buff *skb)
{
    __u64 sum = 0;

    for (int i = 0; i < 8000; i++) {
        sum = sum * 31 + skb->len;
        asm volatile("" : "+r"(sum));
    }
    return sum;
}

char _license[] SEC("license") = "Dual BSD/GPL";
"""
