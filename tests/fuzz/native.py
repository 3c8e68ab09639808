"""The targets in C, which libFuzzer links; see tests/fuzz/Makefile."""

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from runner.bpf.object import read
from runner.errors import RunnerError
from runner.preflight.engine import Engine
from runner.preflight.payload import Payload
from tests.fuzz.parsers import DATA, ROOT
from tests.unit.preflight import made

BUILD = ROOT / "build/fuzz-programs"

# Types that are renamed, moved, resized and lost, between an object and a kernel.
_SOURCE = """\
enum colour { RED = 1, BLUE };
struct inner { int value; long more; };
struct task { int pid; int a:3; int b:7; struct inner in; struct inner *to; } CORE;
struct gone { int value; } CORE;
unsigned long out[16];
extern int bpf_own(struct task *task) __ksym __weak;
SEC("fentry/do_it") int on_do_it(unsigned long long *context)
{
	struct task *task = (void *)context[0];

	out[0] = bpf_core_field_offset(struct task, pid);
	out[1] = bpf_core_field_size(struct task, in.more);
	out[2] = bpf_core_enum_value(enum colour, BLUE);
	out[3] = bpf_core_type_size(struct inner);
	out[4] = bpf_core_field_exists(struct gone, value);
	out[5] = BPF_CORE_READ(task, to, value);
	out[6] = BPF_CORE_READ_BITFIELD_PROBED(task, b);
	if (bpf_own)
		out[7] = bpf_own(task);
	return 0;
}
"""
_KERNELS = (
    "enum colour { RED = 1, BLUE = 7 }; struct inner { long more; int value; };"
    "struct task { int b:7; struct inner in, *to; int pid_; } x; enum colour y;"
    "int bpf_own(struct task *t) { return 0; } int do_it(struct task *t) { return 1; }",
    "struct inner { char value; }; union task { int pid; struct inner in; } x;",
)


class _Recorder(Engine):
    """An engine of which each request is kept."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.asked: list[bytes] = []

    def _ask(
        self, request: Mapping[str, object], payloads: Sequence[Payload] = ()
    ) -> bytes:
        data = [it.read_bytes() if isinstance(it, Path) else it for it in payloads]
        sized = {**request, "sizes": [len(it) for it in data]}
        self.asked.append(json.dumps(sized).encode() + b"\n" + b"".join(data))
        return super()._ask(request, payloads)


def _sessions() -> Iterator[bytes]:
    """Yield what is asked for about objects and small kernels."""
    for item in (made.an_object(_SOURCE), made.an_object(_SOURCE, "-target", "bpfeb")):
        for types in _KERNELS:
            engine = _Recorder(made.build())
            with engine:
                made.checked(item, made.kernel(types), engine=engine)
            yield b"".join(engine.asked)


def _programs() -> Iterator[bytes]:
    """Yield the instructions of objects, without known data."""
    for path in sorted(DATA.rglob("*.bpf.o")):
        try:
            item = read(path.read_bytes(), path)
            found = {it.section_index for it in item.functions}
        except RunnerError:
            continue
        yield from (b"\0" + item.sections[it].data for it in sorted(found))


TARGETS: dict[str, Callable[[], Iterator[bytes]]] = {
    "engine": _sessions,
    "rewrite": _programs,
}


def command(name: str, corpus: Path) -> list[str]:
    """Build a target, write its first inputs, and return how it is run."""
    BUILD.mkdir(parents=True, exist_ok=True)
    folder = ROOT / "tests/fuzz"
    subprocess.run(["make", "-s", "-C", folder, f"BUILD={BUILD}", name], check=True)
    for number, seed in enumerate(TARGETS[name]()):
        (corpus / f"seed-{number}").write_bytes(seed)
    return [str(BUILD / name), str(corpus), "-max_len=65536"]
