"""Records a program's instructions: python -m tests.tools.record_code, with 6.1.

tests/data/bpftool/prog-dump-xlated.json is what bpftool prints of on_new_task of
suites/bytecode/fields.bpf.c, prog-relocated.hex what libbpf hands to the kernel. The
offsets are those that it prints; they belong into
tests/unit/suites/checks/test_code.py.
"""

from pathlib import Path

from runner.bpf import bpftool, btf
from runner.bpf.compile import compile_object
from runner.guest.guest import Guest
from runner.kernels.rows import KernelChoice
from runner.run.lease import Need
from runner.run.run import Run
from runner.run.settings import Settings
from runner.text.progress import progress

_ROOT = Path(__file__).resolve().parents[2]
_DATA = _ROOT / "tests/data/bpftool"
_TIMEOUT = 60.0


def main() -> None:
    """Write both files."""
    chosen = KernelChoice(matrix=_ROOT / "matrix.yaml", selectors=("6.1",))
    run = Run(Settings(kernels=chosen, reports=_ROOT / "build/recorded"))
    run.obtain(progress())
    try:
        need = Need(kernel=run.kernels[0], tenant="fields")
        with run.guests().lease(need) as guest:
            _record(run, guest)
    finally:
        run.close()


def _record(run: Run, guest: Guest) -> None:
    source = _ROOT / "suites/bytecode/fields.bpf.c"
    data = compile_object(source, run.cache).read_bytes()
    opened = guest.agent.open(data, name="fields", timeout=_TIMEOUT)
    loaded = guest.agent.load(opened.handle, timeout=_TIMEOUT)
    (program,) = loaded.programs
    assert program.id is not None
    assert guest.artifact.btf is not None
    code = guest.agent.instructions(loaded.handle, program.name, timeout=_TIMEOUT)
    (_DATA / "prog-relocated.hex").write_text(code.hex() + "\n")
    dumped = guest.run(bpftool.prog_dump(program.id))
    (_DATA / "prog-dump-xlated.json").write_text(dumped)
    types = btf.of_file(guest.artifact.btf)
    for field in ("pid", "real_parent", "tgid", "mm"):
        print(field, types.offset_of("struct task_struct", field))
    print("start_stack", types.offset_of("struct mm_struct", "start_stack"))
    print("task_struct", types.size_of("struct task_struct"))
    print({info.name: info.id for info in loaded.maps})


if __name__ == "__main__":
    main()
