"""Predictions held against boots: each relocation of each bundled object."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from runner import bpftool
from runner.agent import AgentError, LoadedObject
from runner.artifacts import rows
from runner.artifacts.btf import minimal
from runner.artifacts.progress import progress
from runner.classify import classify
from runner.instructions import Instruction
from runner.preflight import targets
from runner.preflight.bpfobject import BpfObject, Function
from runner.preflight.engine import Engine
from runner.preflight.insn import LD_IMM64, Insn, decode
from runner.preflight.model import Prediction, Verdict
from runner.preflight.predict import Subject, Target, patched, predict
from runner.preflight.reach import walked
from runner.preflight.verifier import verifier_of
from runner.session.guest import Guest
from runner.session.run import Run, Settings
from tests.unit.preflight.made import build
from tests.vm.conftest import ROOT

pytestmark = pytest.mark.vm

TIMEOUT = 60.0
# What a load is refused for when a relocation went wrong.
OF_RELOCATIONS = {
    "poison_reachable",
    "guard_undecided",
    "relocation_ambiguous",
    "signed_field_resized",
}
# The fewest relocations that a kernel's boot must have had a say in.
FEWEST = 200


@dataclass
class Compared:
    """What a kernel's boot said of predictions."""

    # Instructions that libbpf handed to the kernel, and that the kernel showed.
    relocated: int = 0
    translated: int = 0
    verdicts: int = 0
    differences: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What of an object is in a kernel, and what was predicted of that."""

    subject: Subject
    prediction: Prediction
    programs: LoadedObject


@dataclass(frozen=True, kw_only=True)
class Judge:
    """A kernel, booted and predicted."""

    guest: Guest
    engine: Engine
    target: Target
    compared: Compared

    def judge(self, path: Path) -> None:
        """Compare all of an object; its programs one by one if it is refused."""
        item = BpfObject(path.read_bytes(), path)
        if not item.relocations:
            return
        names = [it.name for it in Subject(item, self.engine).contents.programs]
        if self._one(item, {}) or len(names) == 1:
            return
        for name in names:
            self._one(item, {other: other == name for other in names})

    def _one(self, item: BpfObject, load: Mapping[str, bool]) -> bool:
        subject = Subject(item, self.engine, load)
        prediction = predict(subject, self.target, self.engine)
        agent = self.guest.agent
        try:
            opened = agent.open(
                item.data, name=item.path.stem, load=load, timeout=TIMEOUT
            )
        except AgentError:
            return False
        try:
            loaded = agent.load(opened.handle, timeout=TIMEOUT)
        except AgentError as error:
            self._refused(item, prediction, error)
            return False
        else:
            self._differs(
                prediction.verdict is not Verdict.LOADS,
                f"{item.path.name} {dict(load)} loads, and was predicted to be "
                f"{prediction.verdict}: {prediction.reasons}",
            )
            self._compare(
                Loaded(subject=subject, prediction=prediction, programs=loaded)
            )
            return True
        finally:
            agent.close_object(opened.handle, timeout=TIMEOUT)

    def _refused(
        self, item: BpfObject, prediction: Prediction, error: AgentError
    ) -> None:
        found = classify(error.log, error.operation, error.errno_name).name
        if found in OF_RELOCATIONS:
            self._differs(
                prediction.verdict is Verdict.LOADS,
                f"{item.path.name} was predicted to load: {found}\n{error.log[-2000:]}",
            )

    def _differs(self, differs: bool, text: str) -> None:
        self.compared.verdicts += 1
        if differs:
            self.compared.differences.append(text)

    # --------------------------------------------------------- instructions

    def _compare(self, loaded: Loaded) -> None:
        answers = self.engine.relocate(loaded.subject.number)
        changed = patched(loaded.subject, answers)
        version = self.target.version
        flow = loaded.subject.flow
        reached = walked(flow, changed, verifier_of(version), version)
        for program in loaded.programs.programs:
            handed = decode(
                memoryview(
                    self.guest.agent.instructions(
                        loaded.programs.handle, program.name, timeout=TIMEOUT
                    )
                ),
                "<",
            )
            assert program.id is not None
            shown = bpftool.parse_prog_dump(
                self.guest.run(bpftool.prog_dump(program.id))
            )
            where = f"{loaded.subject.item.path.name}: {program.name}"
            for function, start in _functions(
                loaded.subject.item, program.name, handed
            ):
                wanted = {
                    index - function.start: insn
                    for (section, index), insn in changed.items()
                    if section == function.section_index
                    and 0 <= index - function.start < function.length
                }
                self._handed(where, wanted, handed[start:])
                self._shown(
                    f"{where}, {function.name}",
                    [
                        insn
                        for index, insn in sorted(wanted.items())
                        if (function.section_index, function.start + index) in reached
                        # The second half of a wide one.
                        and insn.code
                    ],
                    shown,
                )

    def _handed(
        self, where: str, wanted: Mapping[int, Insn], handed: Sequence[Insn]
    ) -> None:
        for index, insn in wanted.items():
            self.compared.relocated += 1
            if handed[index] != insn:
                self.compared.differences.append(
                    f"{where}, instruction {index}: {insn} was predicted, and libbpf "
                    f"made {handed[index]}"
                )

    def _shown(
        self, where: str, wanted: Sequence[Insn], shown: Sequence[Instruction]
    ) -> None:
        """Look for constants in their order, as the kernel drops what it rules out."""
        behind = -1
        for insn in wanted:
            self.compared.translated += 1
            match = next(
                (
                    number
                    for number, it in enumerate(shown)
                    if number > behind and _same(it, insn)
                ),
                None,
            )
            if match is None:
                self.compared.differences.append(
                    f"{where}: the kernel shows no {insn} behind {behind}"
                )
                return
            behind = match


def _same(shown: Instruction, wanted: Insn) -> bool:
    # Loads from what BTF describes become probing ones (BPF_PROBE_MEM).
    if shown.code not in (wanted.code, wanted.code & ~0xE0 | 0x20):
        return False
    if shown.code == LD_IMM64:
        return shown.immediate == wanted.imm
    return (shown.offset, shown.immediate) == (wanted.offset, wanted.imm)


def _functions(
    item: BpfObject, program: str, handed: Sequence[Insn]
) -> Iterator[tuple[Function, int]]:
    """Yield a program and what it calls, with where libbpf put them."""
    own = next(it for it in item.functions if it.name == program)
    yield own, 0
    for function in item.functions:
        if function.is_program:
            continue
        codes = [it.code for it in item.insns(function)]
        for start in range(own.length, len(handed) - len(codes) + 1):
            # A relocation may turn an instruction into poison, a call.
            if all(
                it.code == code or it.is_poison
                for it, code in zip(handed[start:], codes, strict=False)
            ):
                yield function, start
                break


@pytest.mark.parametrize("kernel", ["5.10", "6.1", "6.12", "sid"])
def test_every_relocation_is_as_booted(kernel: str, tmp_path: Path) -> None:
    compared = Compared()
    chosen = rows.Choice(matrix=ROOT / "matrix.yaml", selectors=(kernel,))
    run = Run(Settings(kernels=chosen, reports=tmp_path))
    run.obtain(progress())
    try:
        (source,) = targets.of_kernels(run.kernels, run.cache)
        target = targets.load(source)
        with Engine(build()) as engine:
            engine.load_target(target.btf)
            judge = Judge(
                guest=run.guests.lease(run.kernels[0], "preflight"),
                engine=engine,
                target=target,
                compared=compared,
            )
            for path in minimal.objects([ROOT / "suites"], run.cache):
                judge.judge(path)
    finally:
        run.close()

    assert compared.differences == []
    assert compared.relocated >= FEWEST
    assert compared.translated >= FEWEST
