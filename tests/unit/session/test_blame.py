"""Lines and fields that real logs are about, with the objects that left them."""

import functools
import subprocess
import tempfile
from pathlib import Path

import pytest

from runner.bpf import compile as compiler
from runner.bpf import object as bpf_object
from runner.classify import classify
from runner.session.blame import Blame, Evidence, blame
from tests.unit.artifacts.btf import kernels
from tests.unit.test_logs import LOGS, read

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


def blamed(log: Path, name: str, btf: Path | None = None) -> Blame:
    operation, errno, instructions, text = read(log)
    data = compiled(name)
    return blame(
        Evidence(
            found=classify(text, operation, errno, instructions),
            log=text,
            data=data,
            info=bpf_object.read(data).debug,
            kernel_btf=btf,
            kernel=log.parent.name,
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
        ("6.12/verifier_rejected--null_pointer", "return *value;"),
        ("4.11/verifier_rejected--null_pointer", "return *value;"),
        ("6.1/license_not_gpl--not_gpl", "bpf_probe_read("),
    ],
)
def test_it_is_the_line_with_the_mistake(log: str, words: str) -> None:
    found = blamed(DATA / f"{log}.log", log.partition("--")[2])

    assert words in text_at(found.source)


def test_a_renamed_field_is_found_again(tmp_path: Path) -> None:
    new = tmp_path / "new.btf"
    new.write_bytes(kernels.btf(tmp_path, kernels.NEW))
    log = DATA / "5.14/poison_reachable--renamed_field.log"

    found = blamed(log, "renamed_field", new)

    assert found.cure.startswith(
        f"{found.source}: 5.14 has no task_struct.state; near it are "
        "task_struct.__state"
    )
    assert "bpf_core_field_exists()" in found.cure


def test_a_log_that_names_no_field_is_understood_by_the_object(tmp_path: Path) -> None:
    log = DATA / "4.4/poison_reachable--missing_field.log"
    old = tmp_path / "old.btf"
    old.write_bytes(kernels.btf(tmp_path, kernels.OLD))

    found = blamed(log, "missing_field", old)

    assert (
        "4.4 has no task_struct.__states; near it are task_struct.state" in found.cure
    )


def test_damaged_btf_of_the_kernel_costs_only_the_names(tmp_path: Path) -> None:
    bad = tmp_path / "bad.btf"
    bad.write_bytes(b"no BTF")
    log = DATA / "5.14/poison_reachable--renamed_field.log"

    found = blamed(log, "renamed_field", bad)

    assert found.source
    assert found.cure == ""


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
            kernel_btf=None,
            kernel="6.1",
        )
    )

    assert found == Blame(source="a.bpf.c:4")
