"""Predictions held against boots: each relocation of each bundled object."""

import os
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

import pytest

from runner.bpf import bpftool
from runner.bpf.debuginfo import Function
from runner.bpf.insn import LD_IMM64, Insn, decode
from runner.bpf.object import BpfObject, read_whole
from runner.case.verdict import is_deadly
from runner.errors import GuestError
from runner.failures.classes import is_one_of
from runner.failures.classify import classify
from runner.files.cache import Cache
from runner.guest.agenterrors import AgentError
from runner.guest.guest import Guest
from runner.guest.objectsettings import ObjectSettings
from runner.guest.replies import LoadedObject
from runner.kernels import facts, rows
from runner.kernels.artifact import Artifact
from runner.kernels.btf import minimal
from runner.kernels.fetch import obtain
from runner.preflight import targets
from runner.preflight.engine import Engine
from runner.preflight.model import Prediction, Verdict
from runner.preflight.predict import (
    Loader,
    PredictedObject,
    Target,
    instructions_after,
    predict,
)
from runner.preflight.reach import walked
from runner.preflight.targets import BtfSource
from runner.preflight.verifier import verifier_of
from runner.run.lease import Need
from runner.run.run import Run
from runner.run.settings import Settings
from runner.text.progress import progress
from runner.versions import KernelVersion
from tests.unit.preflight.made import build
from tests.vm.conftest import ROOT, command

pytestmark = pytest.mark.vm

TIMEOUT = 60.0
# A folder of built vanilla trees, each named by its version.
TREES = os.environ.get("KERNEL_TREES", "")
DEBIAN = ("5.10", "6.1", "6.12", "sid")
VANILLA = ("4.4", "4.11", "5.5", "5.14")
# Those of the README's table that never change.
IN_README = ("4.4", "4.11", "5.14")
# Before, nothing in a kernel has an id by which its instructions could be had.
TRANSLATIONS_SINCE = KernelVersion.parse("4.13")
# What only the verifier judges: no relocation, and nothing that a kernel lacks.
OF_THE_VERIFIER = {
    *("verifier_rejected", "context_access_bad", "license_not_gpl"),
    *("stack_uninitialised", "stack_too_large", "register_uninitialised"),
    *("unreachable_code", "helper_not_allowed"),
}
# The same of single objects, by how they are refused.
OF_OBJECTS = {
    ("endless_loop.bpf.o", "loop_unsupported"),
    ("too_many_jumps.bpf.o", "program_too_large"),
    # Kernels before 4.14 call it the same as one that they do not have.
    ("helper_of_another_type.bpf.o", "helper_missing"),
    # What BTF does not tell: the kernel's configuration, and the guest's memory.
    ("strong_extern.bpf.o", "extern_missing"),
    ("large.bpf.o", "memory_short"),
}
# Kernels that take few of the programs at all.
OLD = ("4.4", "4.11")
# The fewest instructions and verdicts that a kernel's boot must have had a say in.
FEWEST = 200
FEWEST_OLD = 50
FEWEST_VERDICTS = 50


@dataclass
class Compared:
    """What a kernel's boot said of predictions."""

    # Instructions that libbpf handed to the kernel, and that the kernel showed.
    relocated: int = 0
    translated: int = 0
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    # What was predicted to load, and was refused for what only the verifier judges.
    refused: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        verdicts = ", ".join(f"{number} {it}" for it, number in self.verdicts.items())
        return (
            f"{self.relocated} relocated instructions, {self.translated} of them as "
            f"the kernel shows them; {self.verdicts.total()} verdicts ({verdicts}); "
            f"{len(self.differences)} different; refused by the verifier alone: "
            + ", ".join(sorted(self.refused))
        )


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What of an object is in a kernel, and what was predicted of that."""

    subject: PredictedObject
    prediction: Prediction
    programs: LoadedObject


@dataclass(frozen=True, kw_only=True)
class Judge:
    """A kernel, booted and predicted."""

    run: Run
    engine: Engine
    target: Target
    loader: Loader
    compared: Compared

    @property
    def guest(self) -> Guest:
        """The guest, or a new one when an object took the last one down."""
        need = Need(kernel=self.run.kernels[0], tenant="preflight")
        with self.run.guests().lease(need) as found:
            return found

    def judge(self, path: Path) -> None:
        """Compare all of an object; its programs one by one if it is refused."""
        item = read_whole(path.read_bytes(), path)
        names = [it.name for it in PredictedObject(item, self.engine).contents.programs]
        if self._one(item, {}) or len(names) == 1:
            return
        for name in names:
            self._one(item, {other: other == name for other in names})

    def _one(self, item: BpfObject, load: Mapping[str, bool]) -> bool:
        subject = PredictedObject(item, self.engine, load)
        prediction = predict(subject, self.target, self.engine, self.loader)
        what = f"{item.path.name} {[it for it, wanted in load.items() if wanted]}"
        guest = self.guest
        try:
            with guest.doing(f"loading {what}"):
                opened = guest.agent.open(
                    item.data,
                    name=item.path.stem,
                    btf=guest.btf,
                    settings=ObjectSettings(load=load),
                    loader=self.loader,
                    timeout=TIMEOUT,
                )
                loaded = guest.agent.load(opened.handle, timeout=TIMEOUT)
        except AgentError as error:
            found = classify(error.log, error.operation, error.errno_name).name
            self._ended(what, prediction, Verdict.REJECTED, f"{found}\n{error.log}")
            return False
        except GuestError as error:
            if not is_deadly(error):
                raise
            self._ended(what, prediction, Verdict.CRASHES, error.console)
            return False
        try:
            self._ended(what, prediction, Verdict.LOADS, "")
            self._compare(
                Loaded(subject=subject, prediction=prediction, programs=loaded)
            )
            return True
        finally:
            guest.agent.close_object(opened.handle, timeout=TIMEOUT)

    def _ended(
        self, what: str, prediction: Prediction, ended: Verdict, text: str
    ) -> None:
        self.compared.verdicts[ended] += 1
        if ended is prediction.verdict:
            return
        # A suite says what the object leaves to its loader.
        left = [it for it in prediction.reasons if "left to the loader" in it]
        if prediction.verdict is Verdict.UNKNOWN and left:
            return
        # What BTF can't tell may well have kept the verifier away.
        if ended is Verdict.LOADS and prediction.by_config:
            return
        why = text.partition("\n")[0]
        beyond = is_one_of(why, OF_THE_VERIFIER) or (what.split()[0], why) in OF_OBJECTS
        if prediction.verdict is Verdict.LOADS and beyond:
            self.compared.refused.append(f"{what.removesuffix(' []')}: {why}")
            return
        self.compared.differences.append(
            f"{what} {ended} ({why}), and was predicted {prediction.verdict}: "
            f"{prediction.reasons}\n{text[-2000:]}"
        )

    # --------------------------------------------------------- instructions

    def _compare(self, loaded: Loaded) -> None:
        answers = self.engine.relocate(loaded.subject.number)
        changed = instructions_after(loaded.subject, answers)
        known = self.target.known
        version = known.version
        assert version is not None
        flow = loaded.subject.flow
        reached = walked(flow, changed, verifier_of(known), known)
        # The loader "compat" has rewritten what the kernel shows.
        translations = version >= TRANSLATIONS_SINCE and self.loader == "libbpf"
        for program in loaded.programs.programs:
            handed = decode(
                self.guest.agent.instructions(
                    loaded.programs.handle, program.name, timeout=TIMEOUT
                )
            )
            shown = self._dump(program.id) if translations else None
            where = f"{loaded.subject.item.path.name}: {program.name}"
            for function, start in _functions(
                loaded.subject.item, program.name, handed
            ):
                wanted = {
                    index - function.start: insn
                    for (section, index), insn in changed.items()
                    if section == function.section_index
                    and 0 <= index - function.start < function.size
                }
                self._handed(where, wanted, handed[start:])
                if shown is None:
                    continue
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

    def _dump(self, id_: int | None) -> Sequence[Insn]:
        assert id_ is not None
        return bpftool.parse_prog_dump(self.guest.run(bpftool.prog_dump(id_)))

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

    def _shown(self, where: str, wanted: Sequence[Insn], shown: Sequence[Insn]) -> None:
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


def _same(shown: Insn, wanted: Insn) -> bool:
    # Loads from what BTF describes become probing ones (BPF_PROBE_MEM).
    if shown.code not in (wanted.code, wanted.code & ~0xE0 | 0x20):
        return False
    if shown.code == LD_IMM64:
        return shown.imm == wanted.imm
    return (shown.offset, shown.imm) == (wanted.offset, wanted.imm)


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
        for start in range(own.size, len(handed) - len(codes) + 1):
            # A relocation may turn an instruction into poison, a call.
            if all(
                it.code == code or it.is_poison
                for it, code in zip(handed[start:], codes, strict=False)
            ):
                yield function, start
                break


def needs_trees(*kernels: str) -> None:
    """Skip a test without built trees of kernels."""
    if not TREES:
        pytest.skip("KERNEL_TREES names no folder of kernel trees")
    missing = [it for it in kernels if not (Path(TREES) / it).exists()]
    if missing:
        pytest.skip(f"KERNEL_TREES holds no tree of {', '.join(missing)}")


def judged(kernel: rows.KernelChoice, loader: Loader, reports: Path) -> Compared:
    """Load each bundled object on a kernel, and hold it against its prediction."""
    compared = Compared()
    run = Run(Settings(kernels=kernel, reports=reports))
    run.obtain(progress())
    try:
        artifact = run.artifact(run.kernels[0], progress())
        assert isinstance(artifact, Artifact), artifact
        assert artifact.btf is not None
        source = BtfSource(
            name="",
            path=artifact.btf,
            version=artifact.version,
            facts=facts.known(Cache(), artifact.image_sha256),
        )
        target = targets.load(source)
        with Engine(build()) as engine:
            engine.load_target(target.btf)
            judge = Judge(
                run=run,
                engine=engine,
                target=target,
                loader=loader,
                compared=compared,
            )
            for path in minimal.objects([ROOT / "suites"], run.cache):
                judge.judge(path)
    finally:
        run.close()
    return compared


@pytest.mark.parametrize(
    ("kernel", "loader"),
    [
        *((kernel, "libbpf") for kernel in (*VANILLA, *DEBIAN)),
        *((kernel, "compat") for kernel in VANILLA),
    ],
)
def test_every_relocation_and_verdict_is_as_booted(
    kernel: str,
    loader: Loader,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    if kernel in VANILLA:
        needs_trees(kernel)
    paths = (f"{kernel}={TREES}/{kernel}",) if kernel in VANILLA else ()
    chosen = rows.KernelChoice(
        matrix=ROOT / "matrix.yaml", selectors=(kernel,), overrides=paths
    )

    compared = judged(chosen, loader, tmp_path)

    record_property("compared", str(compared))
    print(f"{kernel}, {loader}: {compared}")
    assert not compared.differences, "\n".join(compared.differences)
    assert compared.relocated >= (FEWEST_OLD if kernel in OLD else FEWEST)
    assert compared.verdicts.total() >= FEWEST_VERDICTS
    if kernel not in OLD and loader == "libbpf":
        assert compared.translated >= FEWEST


# ------------------------------------------------------------------ the README


def test_readme_shows_what_check_prints(tmp_path: Path) -> None:
    needs_trees(*IN_README)
    lines = (ROOT / "README.md").read_text().splitlines()
    start = next(at for at, it in enumerate(lines) if "runner check suites/" in it)
    shown = list(takewhile(str.strip, lines[start:]))
    words = shown[0].partition("-m runner ")[2].split()
    assert words[-1] == "more/btf"

    printed = check(*words[:-1], str(btf_of_trees(tmp_path)))

    assert [plain(it) for it in shown[1:]] == [plain(it) for it in printed]
    # Those of Debian's kernels change with them.
    columns = shown[2].split()
    still = [columns.index(it) for it in IN_README]
    for ours, theirs in zip(shown[3:-1], printed[2:-1], strict=True):
        cells = [re.split(r"\s{2,}", it.strip()) for it in (ours, theirs)]
        mine, found = ([it[-len(columns) :][at] for at in still] for it in cells)
        assert mine == found


def btf_of_trees(folder: Path) -> Path:
    """Return a folder with the vanilla kernels' BTF."""
    cache = Cache()
    paths = tuple(f"{kernel}={TREES}/{kernel}" for kernel in IN_README)
    chosen = rows.KernelChoice(
        matrix=ROOT / "matrix.yaml", selectors=IN_README, overrides=paths
    )
    for kernel in rows.choose(chosen, cache).kernels:
        found = obtain(kernel, cache, progress())
        assert found.btf is not None
        (folder / f"{kernel.id}.btf").symlink_to(found.btf)
    return folder


def check(*words: str) -> list[str]:
    """Return the lines that the command prints, but for empty ones."""
    done = subprocess.run(
        command(*words), cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return [it for it in done.stdout.splitlines() if it.strip()]


def plain(line: str) -> list[str]:
    """Return a line's words, with all numbers of more than a digit alike."""
    return re.sub(r"\b\d{2,}\b(?!\.)", "N", line).split()
