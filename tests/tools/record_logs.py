"""Records the corpus of logs: python -m tests.tools.record_logs --kernels SELECTOR.

Every case of suites/negative that must fail on a kernel is tried on it, each in a guest
that lives until an object takes it down. What libbpf and the verifier say becomes
tests/data/logs/KERNEL/CLASS--CASE.log, with a first line that says what was refused,
with which error, and how many instructions the object's programs have. CLASS is the
suite's word, and not what the classifier makes of it.
"""

import argparse
from pathlib import Path

from runner.bpf.compile import compile_object
from runner.bpf.object import read
from runner.guest.agenterrors import AgentError
from runner.guest.guest import Guest
from runner.kernels.rows import KernelChoice
from runner.matrix.matrix import Kernel
from runner.run.lease import Need
from runner.run.run import Run
from runner.run.settings import Settings
from runner.suites import suitefile
from runner.suites.model import Case, ExpectedFailure
from runner.text.progress import progress

_ROOT = Path(__file__).resolve().parents[2]
_SUITE = _ROOT / "suites/negative/suite.yaml"
_LOGS = _ROOT / "tests/data/logs"
_TIMEOUT = 60.0
# Of logs that are longer the middle is left out.
_FIRST_LINES = 120
_LAST_LINES = 40


def main() -> None:
    """Record the kernels that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kernels", action="append", required=True)
    parser.add_argument("--kernel", action="append", default=[], metavar="ID=PATH")
    arguments = parser.parse_args()
    run = Run(
        Settings(
            kernels=KernelChoice(
                matrix=_ROOT / "matrix.yaml",
                selectors=tuple(arguments.kernels),
                overrides=tuple(arguments.kernel),
                locked=False,
            ),
            reports=_ROOT / "build/recorded",
        )
    )
    run.obtain(progress())
    try:
        for kernel in run.kernels:
            _record(run, kernel)
    finally:
        run.close()


def _record(run: Run, kernel: Kernel) -> None:
    suite = suitefile.load(_SUITE)
    folder = _LOGS / kernel.id
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for case in suite.suite.cases:
        need = Need(kernel=kernel, tenant=case.name)
        with run.guests().lease(need) as guest:
            expected = _expected(case, guest)
            if expected is None:
                continue
            data = compile_object(suite.folder / case.object, run.cache).read_bytes()
            programs = read(data).debug.programs.values()
            sizes = (f"{program.name}={program.size}" for program in programs)
            refused = _refusal(case, data, guest)
        head = " ".join([refused.operation, str(refused.errno_name), *sizes])
        file = folder / f"{expected.classes[0]}--{case.name}.log"
        file.write_text(f"{head}\n{_shortened(refused.log)}")
        print(f"{kernel.id}: {file.name}: {head}")


def _shortened(log: str) -> str:
    lines = log.splitlines(keepends=True)
    left_out = len(lines) - _FIRST_LINES - _LAST_LINES
    if left_out <= 0:
        return log
    note = f"[{left_out} lines are left out here]\n"
    return "".join([*lines[:_FIRST_LINES], note, *lines[-_LAST_LINES:]])


def _expected(case: Case, guest: Guest) -> ExpectedFailure | None:
    return None if case.gap_on(guest.on) else case.expect_failure


def _refusal(case: Case, data: bytes, guest: Guest) -> AgentError:
    agent = guest.agent
    name = case.object.partition(".")[0]
    with guest.doing(f"loading {name}"):
        opened = agent.open(data, name=name, btf=guest.btf, timeout=_TIMEOUT)
        try:
            loaded = agent.load(opened.handle, timeout=_TIMEOUT)
            for program in loaded.programs:
                agent.attach(opened.handle, program.name, timeout=_TIMEOUT)
        except AgentError as error:
            agent.close_object(opened.handle, timeout=_TIMEOUT)
            return error
    raise SystemExit(f"{guest.kernel.id}: {case.name} is not refused")


if __name__ == "__main__":
    main()
