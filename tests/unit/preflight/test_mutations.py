"""Whatever becomes of a member that an object uses is noticed, and named rightly."""

import hashlib
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import pytest

from runner.bpf.compile import compile_object, vmlinux_h
from runner.bpf.kinds import RelocationKind
from runner.bpf.object import BpfObject, read_whole
from runner.files.cache import Cache
from runner.kernels.btf import minimal
from runner.matrix import matrix
from runner.preflight import targets
from runner.preflight.changes import Change, changes
from runner.preflight.engine import Engine
from runner.preflight.model import Difference, Prediction
from runner.preflight.predict import PredictedObject, Target, predict
from tests.unit.preflight.made import ROOT, an_object, build, kernel
from tests.unit.preflight.mutations import CALLED, Member, Mutation, Mutator, Way

OBJECT = """\
struct inner { long count; void *next; } CORE;
struct other { long a; } CORE;
struct task {
	int pid; long big; struct inner inner; char name[8]; struct inner *link;
	struct other other; char whole[4];
	unsigned int flag : 3;
} CORE;
unsigned long out[16];
SEC("kprobe/a") int on_a(struct task *task)
{
	out[0] = bpf_core_field_offset(struct task, pid);
	out[1] = bpf_core_field_offset(struct task, inner.count);
	out[2] = bpf_core_field_offset(struct task, inner.next);
	out[3] = bpf_core_field_offset(struct task, name[3]);
	out[4] = bpf_core_field_size(struct task, big);
	out[5] = bpf_core_field_exists(struct task, link);
	out[6] = __builtin_preserve_field_info(task->flag, BPF_FIELD_LSHIFT_U64);
	out[7] = bpf_core_type_size(struct inner);
	out[8] = bpf_core_field_offset(struct task, other);
	out[9] = bpf_core_field_offset(struct task, whole);
	return 0;
}
"""
KERNEL = kernel("""\
struct other { long a; unsigned int b; void *c; struct { char d; short e; }; };
struct inner { char pad[16]; unsigned long count; void *next; unsigned char small; };
struct task {
	unsigned short first; union { unsigned int pid; unsigned int tid; };
	struct other other; unsigned long big; struct inner inner; char name[16], whole[4];
	struct inner *link; unsigned int more : 2, flag : 3; unsigned long last;
} task;
""")
# Of a sample, and of all kernels together.
SAMPLE, ALL = 400, 10_000
# As many that touch nothing, for each hundred that touch a field.
OTHERS = 20
SEED = 7
# Whose header the example is compiled with.
HEADERS = "6.1"
KERNELS = ("5.10", "6.1", "6.12", "sid")
TOUCHING = [it for it in Way if CALLED[it] is not None]
NEUTRAL = [it for it in Way if CALLED[it] is None]


@dataclass
class Score:
    """What became of mutations."""

    # By what was done, and by what it has to be called.
    ways: Counter[Way] = field(default_factory=Counter)
    kinds: Counter[Difference] = field(default_factory=Counter)
    # Those that make no difference, by where they are.
    others: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    # Objects and members that were touched, of those that there are.
    objects: Counter[str] = field(default_factory=Counter)
    members: set[Member] = field(default_factory=set)
    used: int = 0

    @property
    def touching(self) -> int:
        return sum(self.ways.values())

    def __str__(self) -> str:
        lines = [f"{self.touching} touch a field, {len(self.missed)} missed"]
        lines += [f"  {self.kinds[it]:6} {it}" for it in Difference if self.kinds[it]]
        lines += [f"    {self.ways[it]:6} {it}" for it in TOUCHING]
        lines += [f"  {len(self.members)} of {self.used} members; by object:"]
        lines += [f"    {number:6} {name}" for name, number in self.objects.items()]
        lines += [f"{self.others.total()} touch none, {len(self.wrong)} wrong"]
        lines += [f"    {number:6} {what}" for what, number in self.others.items()]
        return "\n".join([*lines, *self.missed[:20], *self.wrong[:20]])


class Game:
    """Objects on a kernel that is mutated a member at a time."""

    def __init__(self, items: Sequence[BpfObject], btf: bytes, engine: Engine) -> None:
        self.engine = engine
        self.score = Score()
        self._dice = random.Random(SEED)
        self._mutator = Mutator(btf)
        self._target = Target(btf=btf, sha256="")
        self._subjects = [PredictedObject(it, engine) for it in items]
        engine.load_target(btf)
        self._before = [predict(it, self._target, engine) for it in self._subjects]
        # The objects that go through a member, and whether any goes on from there.
        self._used: dict[Member, set[int]] = {}
        through: set[Member] = set()
        for number, subject in enumerate(self._subjects):
            answers = engine.relocate(subject.number)
            for _, member, last in self._mutator.touched(answers):
                self._used.setdefault(member, set()).add(number)
                if not last:
                    through.add(member)
        self._last = set(self._used) - through
        self.score.used = len(self._used)

    def play(self, count: int) -> Score:
        """Mutate, over and over, each member that is used, in every way."""
        turns = self._turns()
        everything = self._mutator.all_members()
        while self.score.touching < count:
            self._touch(*next(turns))
            if self.score.touching * OTHERS > self.score.others.total() * 100:
                self._leave_alone(everything)
        return self.score

    def _turns(self) -> Iterator[tuple[Member, Difference]]:
        kinds = [Difference.RENAMED, Difference.MOVED]
        kinds += [Difference.RESIZED, Difference.RETYPED]
        while True:
            turns = [(member, kind) for member in sorted(self._used) for kind in kinds]
            self._dice.shuffle(turns)
            yield from turns

    def _touch(self, member: Member, kind: Difference) -> None:
        mutation = self._mutated(member, [it for it in TOUCHING if CALLED[it] is kind])
        if mutation is None:
            return
        self.score.ways[mutation.way] += 1
        self.score.kinds[kind] += 1
        self.score.members.add(member)
        for number in self._used[member]:
            item = self._subjects[number].item
            self.score.objects[str(item.path.name)] += 1
            found = self._changes(mutation, number)
            if not _right(mutation, found):
                shown = f"{item.path.name}: {mutation.way} {member} {mutation.name}"
                self.score.missed.append(f"{shown}: {found}")
                break

    def _leave_alone(self, everything: Sequence[Member]) -> None:
        """Mutate what matters to none, and what is used without making a difference."""
        used = self._dice.choice(sorted(self._used))
        number = self._dice.choice(sorted(self._used[used]))
        siblings = self._mutator.siblings(used)
        for what, among, ways in (
            ("anywhere", everything, TOUCHING),
            ("beside a used member", siblings, TOUCHING),
            ("a used one in a nameless union", [used], NEUTRAL),
        ):
            free = [it for it in among if it not in self._used or ways is NEUTRAL]
            mutation = free and self._mutated(self._dice.choice(free), ways)
            if not mutation:
                continue
            self.score.others[what] += 1
            found = self._changes(mutation, number)
            if found:
                self.score.wrong.append(f"{mutation.way} {mutation.member}: {found}")

    def _mutated(self, member: Member, ways: Sequence[Way]) -> Mutation | None:
        """Return a mutation in one of these ways, if one fits."""
        last = member in self._last
        for way in self._dice.sample(ways, len(ways)):
            found = self._mutator.mutate(member, way, self._dice, last=last)
            if found is not None:
                return found
        return None

    def _changes(self, mutation: Mutation, number: int) -> list[Change]:
        self.engine.load_target(mutation.data)
        before = self._before[number]
        after = predict(self._subjects[number], self._target, self.engine, like=before)
        return list(changes(_of_fields(before), _of_fields(after)))


def _of_fields(prediction: Prediction) -> Prediction:
    """Leave out what whole types are asked for, where each member matters."""
    whole = RelocationKind.TYPE_MATCHES
    kept = tuple(it for it in prediction.relocations if it.kind is not whole)
    return replace(prediction, relocations=kept)


def _right(mutation: Mutation, found: Sequence[Change]) -> bool:
    """Tell whether all that changed is called what it is."""
    if not found or {it.difference for it in found} != {CALLED[mutation.way]}:
        return False
    if mutation.way not in (Way.RENAMED, Way.NESTED):
        return True
    # What it is now has to be among what is near.
    return any(mutation.name in access for it in found for access in it.became)


def judged(score: Score, count: int, least: float) -> None:
    """Assert what the issue asks for."""
    print(score)
    assert score.wrong == []
    assert score.touching == count
    assert len(score.missed) <= count / 100
    assert min(score.kinds[CALLED[it] or Difference.MOVED] for it in TOUCHING) > least


def test_a_sample_of_mutations_is_noticed_and_named() -> None:
    with Engine(build()) as engine:
        score = Game([an_object(OBJECT)], KERNEL, engine).play(SAMPLE)

    judged(score, SAMPLE, SAMPLE / 20)
    assert len(score.members) == score.used


@pytest.mark.mutations
@pytest.mark.parametrize("id_", KERNELS)
def test_ten_thousand_mutations_of_kernels_are_noticed_and_named(id_: str) -> None:
    cache = Cache()
    kernels = matrix.load(ROOT / "matrix.yaml").kernels
    sources = {it.name: it for it in targets.of_kernels(kernels, cache)}
    if not sources.keys() >= {id_, HEADERS}:
        pytest.skip(f"no BTF of {id_} and {HEADERS}: python -m runner fetch")
    btf = targets.read(sources[id_].path)
    # The example's include all of a kernel's types.
    whole = sources[HEADERS].path
    types = vmlinux_h(whole, hashlib.sha256(whole.read_bytes()).hexdigest(), cache)
    paths = [
        *minimal.objects([ROOT / "suites"], cache),
        *(compile_object(it, cache, types) for it in ROOT.glob("docs/example/*.c")),
    ]
    items = [read_whole(it.read_bytes(), it) for it in paths]
    items = [it for it in items if it.relocations]
    with Engine(build()) as engine:
        game = Game(items, btf, engine)
        score = game.play(ALL // len(KERNELS))

    judged(score, ALL // len(KERNELS), ALL / len(KERNELS) / 20)
    assert len(score.members) == score.used
