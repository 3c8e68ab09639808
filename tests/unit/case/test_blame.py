"""Lines and fields that real logs are about, with the objects that left them."""

import functools
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from runner.bpf import compile as compiler
from runner.bpf import object as bpf_object
from runner.bpf.object import read_whole
from runner.case.blame import Blame, Evidence, blame
from runner.facts.abilities import Known
from runner.failures.classify import classify
from runner.preflight import show
from runner.preflight.check import Result
from runner.preflight.model import Prediction
from runner.preflight.targets import BtfSource
from runner.versions import KernelVersion
from tests.unit.failures.test_logs import LOGS, read
from tests.unit.kernels.btf import kernels
from tests.unit.preflight.made import HEAD, checked
from tests.unit.preflight.made import compiled as made
from tests.unit.preflight.made import kernel as kernel_of

ROOT = Path(__file__).parents[3]
SUITE = ROOT / "suites/negative"
DATA = ROOT / "tests/data/logs"
# A map, an extern or a kernel without BTF is no matter of a line of a program.
WITHOUT_A_LINE = (
    "extern_missing",
    "kernel_btf_missing",
    "kfunc_missing",
    "map_type_missing",
)


@functools.cache
def compiled(name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / f"{name}.o"
        command = compiler.command(SUITE / f"{name}.bpf.c", output)
        subprocess.run(command, cwd=SUITE, check=True)
        return output.read_bytes()


def blamed(log: Path, name: str, btf: bytes | None = None) -> Blame:
    operation, errno, instructions, text = read(log)
    data = compiled(name)
    kernel = log.parent.name
    prediction = None if btf is None else checked(read_whole(data), btf)
    return blame(
        Evidence(
            found=classify(text, operation, errno, instructions),
            log=text,
            data=data,
            info=bpf_object.read(data).debug,
            prediction=prediction,
            known=Known(
                version=KernelVersion.parse("7.2" if kernel == "sid" else kernel)
            ),
        )
    )


def text_at(source: str) -> str:
    file, _, number = source.rpartition(":")
    return (SUITE / file).read_text().splitlines()[int(number) - 1]


@pytest.mark.parametrize("log", LOGS, ids=lambda log: f"{log.parent.name}/{log.stem}")
def test_a_line_of_the_program_is_blamed(log: Path) -> None:
    class_, _, name = log.stem.partition("--")
    if class_ in WITHOUT_A_LINE or not (SUITE / f"{name}.bpf.c").exists():
        return
    source = blamed(log, name).source

    assert source.startswith(f"{name}.bpf.c:")
    assert text_at(source)


@pytest.mark.parametrize(
    ("log", "words"),
    [
        # Not where the compiler puts the offset into a register.
        ("4.4/poison_reachable--missing_field", "&task->__states"),
        ("sid/poison_reachable--missing_field", "&task->__states"),
        ("5.14/poison_reachable--missing_type", "missing->first"),
        ("6.1/stack_too_large--deep_calls", "has_a_callee("),
        ("5.14/signed_field_resized--signed_resize", "task->pid == 1"),
        ("5.10/relocation_ambiguous--ambiguous", "bpf_core_type_size"),
        ("6.12/pointer_may_be_null--null_pointer", "return *value;"),
        ("4.11/pointer_may_be_null--null_pointer", "return *value;"),
        ("6.1/license_not_gpl--not_gpl", "bpf_probe_read_kernel("),
    ],
)
def test_it_is_the_line_with_the_mistake(log: str, words: str) -> None:
    found = blamed(DATA / f"{log}.log", log.partition("--")[2])

    assert words in text_at(found.source)


def test_a_renamed_field_is_found_again(tmp_path: Path) -> None:
    new = kernels.btf(tmp_path, kernels.NEW)
    log = DATA / "5.14/poison_reachable--renamed_field.log"

    found = blamed(log, "renamed_field", new)

    assert found.cure.startswith(
        "the kernel has no task_struct.state; similar: "
        "task_struct.__state (renamed, long int)"
    )
    assert "bpf_core_field_exists()" in found.cure
    assert "4.15" not in found.cure


def test_a_log_that_names_no_field_is_understood_by_the_object(tmp_path: Path) -> None:
    log = DATA / "4.4/poison_reachable--missing_field.log"
    old = kernels.btf(tmp_path, kernels.OLD)

    found = blamed(log, "missing_field", old)

    assert "no task_struct.__states; similar: task_struct.state" in found.cure
    assert "Before 4.15" in found.cure


def test_without_a_prediction_the_missing_field_is_named_at_least() -> None:
    log = DATA / "5.14/poison_reachable--renamed_field.log"

    found = blamed(log, "renamed_field")

    assert found.source
    assert found.cure.startswith(
        "the kernel has no task_struct.state; the program uses a field"
    )


# The offset goes into a register ahead of the line that needs it.
HOISTED = """\
struct inner { int deep; } CORE;
struct task { int state; struct inner inner; } CORE;
int seen;
SEC("kprobe/a")
int on_a(struct task *task)
{
	int found = 0;

	bpf_get_current_comm(&seen, sizeof(seen));
	bpf_probe_read_kernel(&found, sizeof(found), &task->%s);
	seen = found;
	return 0;
}
"""
CASES = [
    (
        "state",
        "struct task { int __state; } x;",
        "the kernel has no task.state; similar: task.__state (renamed, int)",
    ),
    (
        "inner.deep",
        "struct task { char *inner; } x;",
        "task.inner.deep has another type on this kernel: task.inner (retyped, char *)",
    ),
    (
        "state",
        "struct task { struct { struct { int state; } ids; }; } x;",
        "the kernel has no task.state; similar: task.ids.state (moved, int)",
    ),
    (
        "state",
        "struct tasks { int state; } x;",
        "the kernel has no struct task; similar: tasks (renamed)",
    ),
    ("state", "struct other { int nothing; } x;", "the kernel has no struct task"),
]


def poisoned(data: bytes, prediction: Prediction) -> Blame:
    """Return what a run blames where the poison of the first relocation is reached."""
    (relocation,) = prediction.relocations
    at = relocation.place.instruction
    log = (
        "libbpf: prog 'on_a': BPF program load failed: Invalid argument\n"
        "libbpf: prog 'on_a': -- BEGIN PROG LOAD LOG --\n"
        f"{at}: <invalid CO-RE relocation>\n"
        "failed to resolve CO-RE relocation <byte_off> [2] struct task.state\n"
        "processed 1 insns (limit 1000000)\n"
        "-- END PROG LOAD LOG --\n"
    )
    return blame(
        Evidence(
            found=classify(log, "load", "EINVAL"),
            log=log,
            data=data,
            info=bpf_object.read(data).debug,
            prediction=prediction,
            known=Known(version=KernelVersion.parse("6.1")),
        )
    )


@pytest.mark.parametrize(("field", "types", "instead"), CASES)
def test_a_run_and_check_agree_on_the_line_and_on_what_is_there_instead(
    field: str, types: str, instead: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = made(HEAD + HOISTED % field)
    prediction = checked(read_whole(data), kernel_of(types))
    (predicted,) = prediction.relocations
    found = poisoned(data, prediction)

    place = predicted.place
    assert found.source == f"{place.file}:{place.line}"
    assert f"&task->{field}" in place.source
    assert found.cure.startswith(instead)
    if predicted.candidates:
        result = Result(
            source=BtfSource(name="6.1", path=Path("btf"), version=None),
            predictions=(prediction,),
        )
        show.show([show.Batch(names=("a.o",), results=(result,))], verbose=False)
        assert instead in capsys.readouterr().out


def test_a_refused_attach_is_not_blamed_on_a_field() -> None:
    source = """\
        #include <linux/bpf.h>
        #include <bpf/bpf_helpers.h>
        struct pt_regs { long di; } __attribute__((preserve_access_index));
        SEC("kprobe/no_such") int probe(struct pt_regs *regs) { return regs->di; }
        char _license[] SEC("license") = "GPL";
        """
    with tempfile.TemporaryDirectory() as folder:
        path, output = Path(folder) / "a.bpf.c", Path(folder) / "a.o"
        path.write_text(source)
        subprocess.run(compiler.command(path, output), cwd=folder, check=True)
        data = output.read_bytes()
    log = (
        "libbpf: prog 'probe': failed to create kprobe 'no_such+0x0' perf event: No "
        "such file or directory\n"
    )

    found = blame(
        Evidence(
            found=classify(log, "attach", "ENOENT"),
            log=log,
            data=data,
            info=bpf_object.read(data).debug,
            prediction=None,
            known=Known(version=KernelVersion.parse("6.1")),
        )
    )

    assert found == Blame(source="a.bpf.c:4")


def test_an_inlined_helper_is_not_where_a_program_is_defined() -> None:
    data = made(
        HEAD
        + """\
#include <linux/ptrace.h>
#include <bpf/bpf_tracing.h>
static __always_inline long helper(void)
{
	return bpf_get_current_pid_tgid();
}
long seen;
SEC("kprobe/no_such")
int BPF_KPROBE(probe, long first)
{
	long found = helper();
	seen = found + first;
	return 0;
}
"""
    )
    info = bpf_object.read(data).debug
    defined = info.line_defining("probe")

    assert defined is not None
    assert "probe" in defined.text


def test_a_missing_target_is_told_with_what_is_called_alike() -> None:
    data = made(
        HEAD + 'SEC("fentry/do_filp_open") int on_open(void *ctx) { return 0; }'
    )
    btf = kernel_of("int do_file_open(int x) { return x; }")
    prediction = checked(bpf_object.read(data), btf)
    log = (
        "libbpf: prog 'on_open': failed to find kernel BTF type ID of "
        "'do_filp_open': -3\n"
    )
    known = Evidence(
        found=classify(log, "load", "ESRCH"),
        log=log,
        data=data,
        info=bpf_object.read(data).debug,
        prediction=prediction,
        known=Known(version=KernelVersion.parse("7.2")),
    )

    assert blame(known).cure.endswith(
        "Instead of fentry/do_filp_open this kernel has: do_file_open"
    )
    assert "Instead" not in blame(replace(known, prediction=None)).cure
