"""What a kernel has, found out by trying it, as `bpftool feature probe` does."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from runner import timeouts
from runner.arch import X86_64, Architecture
from runner.facts.model import Facts, Presence
from runner.guest import bpfcalls as calls
from runner.guest.abilityprobes import CONTROL, abilities
from runner.guest.agent import AgentSession
from runner.guest.bpfcalls import BpfCall
from runner.guest.probe import Probe
from runner.guest.replies import BpfAnswer
from runner.guest.typeprobes import calls_of, helpers, maps, programs
from runner.versions import KernelVersion

# BPF_MAP_TYPE_ARRAY.
_ARRAY = 2
# A function that libbpf looks for, too.
_WRAPPER = "kprobe/{}bpf"


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """All probes of a kernel, by what they are of."""

    control: Mapping[str, Probe]
    abilities: Mapping[str, Probe]
    programs: Mapping[int, Probe]
    maps: Mapping[int, Probe]
    helpers: Mapping[int, Probe]
    # By types of programs and helpers.
    pairs: Mapping[tuple[int, int], Probe]

    @property
    def probes(self) -> tuple[Probe, ...]:
        """All of them, in one order."""
        named = (*self.control.values(), *self.abilities.values())
        types = (*self.programs.values(), *self.maps.values())
        return (*named, *types, *self.helpers.values(), *self.pairs.values())

    @property
    def calls(self) -> Iterator[BpfCall]:
        """The calls of all, one after the other."""
        count = 0
        for probe in self.probes:
            yield from (it.after(count) for it in probe.calls)
            count += len(probe.calls)


def find_out(
    agent: AgentSession,
    release: str,
    version: KernelVersion,
    architecture: Architecture = X86_64,
) -> Facts:
    """Return what a kernel has that is up, as it says itself.

    A kernel that does not accept the simplest program and map says nothing. Raises
    AgentError, and GuestError for a guest that is lost.
    """
    wanted = _Wanted(
        control={
            "program": Probe(calls=(CONTROL,)),
            "map": Probe(calls=(calls.create_map(_ARRAY),)),
        },
        abilities=abilities(version),
        programs=programs(version),
        maps=maps(),
        helpers=helpers(),
        pairs=calls_of(version),
    )
    replies = agent.bpf(
        [*wanted.calls],
        timeout=timeouts.PROBES.seconds,
        byte_order=architecture.elf.byte_order,
    )
    (wrapped,) = agent.has_targets(
        [_WRAPPER.format(architecture.tree.syscalls)], timeout=timeouts.READ.seconds
    )
    found = judged(wanted, replies.answers)
    if any(found[it] is not Presence.PRESENT for it in wanted.control.values()):
        return Facts(release=release)
    return Facts(
        release=release,
        abilities={**_known(wanted.abilities, found), "syscall_wrappers": wrapped},
        programs=_known(wanted.programs, found),
        maps=_known(wanted.maps, found),
        helpers=_known(wanted.helpers, found),
        calls=_by_type(_known(wanted.pairs, found)),
        milliseconds=replies.duration_us / 1000,
    )


def judged(wanted: _Wanted, answers: Sequence[BpfAnswer]) -> Mapping[Probe, Presence]:
    """Return what the answers to all calls say of each probe."""
    left = iter(answers)
    return {it: it.judge([next(left) for _ in it.calls]) for it in wanted.probes}


_Key = TypeVar("_Key", int, str, tuple[int, int])


def _known(
    probes: Mapping[_Key, Probe], found: Mapping[Probe, Presence]
) -> dict[_Key, bool]:
    """Return what is known of probes, without what the kernel did not decide."""
    return {
        key: found[probe] is Presence.PRESENT
        for key, probe in probes.items()
        if found[probe] is not Presence.UNKNOWN
    }


def _by_type(pairs: Mapping[tuple[int, int], bool]) -> dict[int, dict[int, bool]]:
    """Return helpers by the types of programs that were asked about them."""
    found: dict[int, dict[int, bool]] = {}
    for (type_, helper), is_allowed in pairs.items():
        found.setdefault(type_, {})[helper] = is_allowed
    return found
