"""The kernel's own CO-RE selftests: what programs read once they are relocated."""

from dataclasses import dataclass, field

import pytest

from runner.bpf.insn import LD_IMM64
from runner.bpf.object import read_whole
from runner.kernels import elfsections
from runner.preflight.engine import Engine
from runner.preflight.model import Guard, Status
from runner.preflight.predict import (
    PredictedObject,
    Target,
    instructions_after,
    predict,
)
from tests.unit.guest import bpf_machine as bpf
from tests.unit.preflight.made import build
from tests.unit.preflight.selftests import Case, Selftests, Unavailable

pytestmark = pytest.mark.selftests

PROBE_READ, PROBE_READ_KERNEL, PID_TGID = 4, 113, 14
OUT = 256


@dataclass
class Machine(bpf.Machine):
    """Runs programs that read memory by helpers; what they write is read again."""

    memory: dict[int, int] = field(default_factory=dict)

    def _call(self, at: int, helper: int, registers: list[int]) -> int | None:
        if helper not in (PROBE_READ, PROBE_READ_KERNEL, PID_TGID):
            return super()._call(at, helper, registers)
        if helper != PID_TGID:
            to, size, from_ = registers[1:4]
            for i in range(size):
                self.stack[to + i] = self.stack.get(from_ + i, 0)
        registers[0] = 0
        return at + 1


@pytest.fixture(scope="module")
def selftests(tmp_path_factory: pytest.TempPathFactory) -> Selftests:
    try:
        return Selftests(tmp_path_factory.mktemp("selftests"))
    except Unavailable as error:
        pytest.skip(str(error))


def test_every_case_gives_what_the_kernel_expects(selftests: Selftests) -> None:
    wrong, left_out = [], []
    for case in selftests.cases:
        if {case.object, case.btf} & selftests.not_compiled:
            left_out.append(case.name)
            continue
        problem = _problem(selftests, case)
        if problem is None:
            left_out.append(case.name)
        elif problem:
            wrong.append(f"{case.name}: {problem}")

    assert wrong == []
    assert len(selftests.cases) >= 60
    assert left_out == []


def _problem(selftests: Selftests, case: Case) -> str | None:
    """Return how a case differs from what the kernel's table says, or nothing.

    None when clang left its program empty.
    """
    path = selftests.folder / case.object
    btf = elfsections.section((selftests.folder / case.btf).read_bytes(), ".BTF")
    assert btf is not None
    item = read_whole(path.read_bytes(), path)
    if not item.relocations:
        return None
    with Engine(build()) as engine:
        subject = PredictedObject(item, engine)
        engine.load_target(btf)
        prediction = predict(subject, Target(btf=btf, sha256=""), engine)
        changed = instructions_after(subject, engine.relocate(subject.number))
    # The rest of the kernel is not in these BTFs: the object's hooks, for one.
    refused = any(
        it.guard is Guard.REACHABLE or it.status in (Status.AMBIGUOUS, Status.REFUSED)
        for it in prediction.relocations
    )
    if case.fails or refused:
        good = case.fails == refused
        return "" if good else f"{prediction.verdict}: {prediction.reasons}"
    function = next(it for it in item.functions if it.name == case.program)
    section = function.section_index
    insns = []
    for index, original in enumerate(item.insns(function)):
        at = section, function.start + index
        insn = changed.get(at, original)
        variable = subject.flow.variable(at)
        if variable is not None and insn.code == LD_IMM64:
            insns.append(
                bpf.Insn(LD_IMM64, insn.dst, bpf.MAP_VALUE, 0, variable.section)
            )
        elif insns and insns[-1].src == bpf.MAP_VALUE and insns[-1].code == LD_IMM64:
            before = subject.flow.variable((at[0], at[1] - 1))
            assert before is not None
            insns.append(bpf.Insn(0, imm=before.offset))
        else:
            insns.append(bpf.Insn(insn.code, insn.dst, insn.src, insn.offset, insn.imm))
    data = next(it for it in item.references if it.symbol.name == "data").symbol
    start = bpf.address_of(data.section, data.value)
    machine = Machine(insns, {}, {})
    machine.stack.update({start + i: 0 for i in range(2 * OUT + 64)})
    machine.stack.update({start + i: byte for i, byte in enumerate(case.input)})
    end = machine.run()[-1]
    if end != bpf.Event("exit", (0,)):
        return f"it ended in {end}"
    out = bytes(machine.stack[start + OUT + i] for i in range(len(case.output)))
    return "" if out == case.output else f"{out.hex()}, not {case.output.hex()}"
