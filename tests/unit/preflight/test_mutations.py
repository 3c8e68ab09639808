"""Whatever becomes of a member that an object uses is noticed, and named rightly."""

import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bench.mutations import KINDS, Member, Mutation, Mutator
from runner import matrix
from runner.artifacts.btf import minimal
from runner.artifacts.cache import Cache
from runner.preflight import targets
from runner.preflight.bpfobject import BpfObject
from runner.preflight.changes import changes
from runner.preflight.engine import Engine
from runner.preflight.kinds import RelocationKind
from runner.preflight.model import Difference
from runner.preflight.predict import Subject, Target, predict
from tests.unit.preflight.made import ROOT, an_object, build, kernel

OBJECT = """\
struct inner { long count; void *next; } CORE;
struct task {
	int pid; long big; struct inner inner; char name[8]; struct inner *link;
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
	return 0;
}
"""
KERNEL = kernel("""\
struct other { long a; unsigned int b; void *c; struct { char d; short e; }; };
struct inner { char pad[16]; unsigned long count; void *next; unsigned char small; };
struct task {
	unsigned short first; union { unsigned int pid; unsigned int tid; };
	struct other other; unsigned long big; struct inner inner; char name[16];
	struct inner *link; unsigned int more : 2, flag : 3; unsigned long last;
} task;
""")
SAMPLE, ALL = 400, 10_000
SEED = 7


@dataclass
class Score:
    """What became of mutations."""

    touching: int = 0
    others: int = 0
    missed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    kinds: Counter[Difference] = field(default_factory=Counter)


def play(items: list[BpfObject], btf: bytes, count: int) -> Score:
    """Mutate a member at a time, of those that objects use and of others, in turn."""
    dice, score, mutator = random.Random(SEED), Score(), Mutator(btf)
    with Engine(build()) as engine:
        subjects = [Subject(it, engine) for it in items]
        engine.load_target(btf)
        target = Target(btf=btf, sha256="")
        before = [predict(it, target, engine) for it in subjects]
        used: dict[Member, set[int]] = {}
        for number, subject in enumerate(subjects):
            for _, member in mutator.touched(engine.relocate(subject.number)):
                used.setdefault(member, set()).add(number)
        everything, names = (
            mutator.all_members(),
            sorted(used, key=lambda it: (it.type_id, it.index)),
        )
        while score.touching + score.others < count:
            touching = score.touching < 0.9 * count
            member = dice.choice(names if touching else everything)
            mutation = mutator.mutate(member, dice.choice(KINDS), dice)
            if mutation is None or (not touching and member in used):
                continue
            engine.load_target(mutation.data)
            numbers = used[member] if touching else range(len(subjects))
            found = {
                number: list(
                    changes(
                        before[number],
                        predict(subjects[number], target, engine, like=before[number]),
                    )
                )
                for number in (numbers if touching else [dice.choice(list(numbers))])
            }
            _count(score, mutation, touching, found)
    return score


def _count(score: Score, mutation: Mutation, touching: bool, found) -> None:  # type: ignore[no-untyped-def]
    shown = f"{mutation.kind} {mutation.member} {mutation.name}: "
    if not touching:
        score.others += 1
        score.wrong += [shown + str(it) for it in found.values() if it]
        return
    score.touching += 1
    score.kinds[mutation.kind] += 1
    for differences in found.values():
        named = [it for it in differences if it.difference is mutation.kind]
        if mutation.kind is Difference.RENAMED:
            # In a union two members may be alike but for their names.
            named = [
                it
                for it in named
                if any(mutation.name in access for access in it.became)
            ]
        if not named or len(named) < len(differences):
            score.missed.append(shown + str(differences))
            break


def judged(score: Score) -> None:
    """Assert what the issue asks for."""
    print(score.touching, score.others, score.kinds, len(score.missed))
    print("\n".join(score.missed[:20]))
    assert score.wrong == []
    assert len(score.missed) <= score.touching / 100
    assert min(score.kinds[it] for it in KINDS) > score.touching / 20


def test_a_sample_of_mutations_is_noticed_and_named() -> None:
    judged(play([an_object(OBJECT)], KERNEL, SAMPLE))


@pytest.mark.mutations
def test_ten_thousand_mutations_of_a_kernel_are_noticed_and_named() -> None:
    cache = Cache()
    kernels = matrix.load(ROOT / "matrix.yaml").kernels
    sources = targets.of_kernels([it for it in kernels if it.id == "6.1"], cache)
    if not sources:
        pytest.skip("no BTF of 6.1 in the cache: python -m runner fetch --kernels 6.1")
    paths = minimal.objects([ROOT / "suites/flavors", ROOT / "suites/task"], cache)
    judged(play(_plain(paths), targets.load(sources[0]).btf, ALL))


def _plain(paths: list[Path]) -> list[BpfObject]:
    """Return objects that ask for no whole type, which any member changes."""
    found = [BpfObject(it.read_bytes(), it) for it in paths]
    whole = RelocationKind.TYPE_MATCHES
    return [
        it
        for it in found
        if it.relocations and all(row.kind != whole for row in it.relocations)
    ]
