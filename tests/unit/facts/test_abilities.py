"""What a kernel can do: as it says, or else as its version says."""

import pytest

from runner import arch
from runner.facts.abilities import ABILITIES, NOTHING, Known, left_out
from runner.facts.model import Facts, Learnt, Presence
from runner.facts.names import ATTACH_TYPES, HELPERS, MAP_TYPES, PROGRAM_TYPES
from runner.preflight.engine import Engine
from runner.versions import KernelVersion
from tests.unit.preflight.made import build

OLD = KernelVersion.parse("4.18.0-553.el8_10")
NEW = KernelVersion.parse("6.12")


def test_what_a_kernel_said_counts_more_than_its_version() -> None:
    can = Known(version=OLD, facts=Facts(release="", abilities={"atomics": True}))
    can_not = Known(version=NEW, facts=Facts(release="", abilities={"atomics": False}))

    assert can.has("atomics")
    assert can.ability("atomics").learnt is Learnt.PROBED
    assert not can_not.has("atomics")


def test_what_it_did_not_say_is_judged_by_its_version() -> None:
    known = Known(version=OLD, facts=Facts(release=""))

    assert not known.has("atomics")
    assert known.ability("atomics").learnt is Learnt.VERSION
    assert Known(version=NEW).has("atomics")


def test_a_kernel_of_which_nothing_is_known_is_new() -> None:
    assert NOTHING.has("private_stacks")
    assert NOTHING.ability("private_stacks").presence is Presence.UNKNOWN


def test_each_ability_names_a_version_and_a_source() -> None:
    assert all(KernelVersion.parse(it.since) and it.source for it in ABILITIES.values())
    assert all(name == it.name for name, it in ABILITIES.items())


def test_the_names_of_types_are_those_of_libbpf() -> None:
    with Engine(build()) as engine:
        names = engine.names
    helpers = tuple(it.removeprefix("bpf_") for it in HELPERS)
    for own, known in (
        (PROGRAM_TYPES, names.programs),
        (MAP_TYPES, names.maps),
        (ATTACH_TYPES, names.attach),
        (helpers, names.helpers),
    ):
        # libbpf leaves those empty that it does not know yet.
        assert [a for a, b in zip(own, known, strict=False) if b not in ("", a)] == []


@pytest.mark.parametrize(
    ("architecture", "version", "has_it"),
    [
        ("x86_64", "5.5", True),
        ("", "5.5", True),
        ("arm64", "5.10", False),
        ("arm64", "6.1", False),
        ("arm64", "6.4", True),
        ("s390x", "6.1", False),
        ("s390x", "6.3", True),
        ("riscv64", "6.6", False),
        ("riscv64", "6.8", True),
    ],
)
def test_an_architecture_may_have_it_later(
    architecture: str, version: str, has_it: bool
) -> None:
    known = Known(version=KernelVersion.parse(version), architecture=architecture)

    assert known.has("trampolines") is has_it


def test_a_kernel_without_a_jit_has_no_trampolines() -> None:
    def known(config: str) -> Known:
        version = KernelVersion.parse("6.12")
        return Known(version=version, architecture="s390x", left_out=left_out(config))

    assert known("CONFIG_BPF_JIT=y\n").has("trampolines")
    without = known("# CONFIG_BPF_JIT is not set\n")
    assert not without.has("trampolines")
    assert without.ability("trampolines").learnt is Learnt.CONFIG
    assert without.digest != known("CONFIG_BPF_JIT=y\n").digest


def test_an_architecture_may_lack_it_so_far() -> None:
    known = Known(version=KernelVersion.parse("9.9"), architecture="s390x")

    assert not known.has("private_stacks")
    assert known.digest != Known(version=known.version).digest


def test_architectures_of_abilities_are_in_the_table() -> None:
    for ability in ABILITIES.values():
        for name, since in ability.elsewhere.items():
            assert arch.named(name).name == name
            assert since.source
            assert since.version is None or KernelVersion.parse(since.version)
