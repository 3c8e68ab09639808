"""What kernels learnt to do that their BTF does not show, and since when.

The version is the upstream one and only counts for a kernel that nobody has booted:
vendors take features back to older versions, and configurations leave them out.
runner/guest/probes.py finds each of them out on a kernel that runs.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from runner.facts.model import (
    UNKNOWN,
    Facts,
    Judgement,
    Learnt,
    Presence,
    judged,
    probed,
)
from runner.versions import KernelVersion


@dataclass(frozen=True, kw_only=True)
class Since:
    """When an architecture got something that others had before."""

    # The upstream version that has it first; None for one that lacks it so far.
    version: str | None
    # As an ability's.
    source: str


@dataclass(frozen=True, kw_only=True)
class Ability:
    """Something that a kernel can do."""

    # As suites name it: `needs: {ability: bounded_loops}`.
    name: str
    # As sentences name it: "the kernel has no loops".
    words: str
    # The upstream version that has it first.
    since: str
    # Where that is known from: a commit, or what was read or seen there.
    source: str
    # The option of a configuration without which no kernel has it.
    option: str = ""
    # Where that is not so, by the architecture's name in runner/arch.
    elsewhere: Mapping[str, Since] = field(default_factory=dict)

    def on(self, architecture: str) -> Since:
        """Return since when an architecture has it; "" is one that is not known."""
        own = Since(version=self.since, source=self.source)
        return self.elsewhere.get(architecture, own)


def _table(*abilities: Ability) -> Mapping[str, Ability]:
    return {it.name: it for it in abilities}


ABILITIES = _table(
    # ---------------------------------------------- programs that are accepted
    Ability(
        name="large_programs",
        words="more than 4,096 instructions",
        since="5.2",
        source="c04c0d2b968a",
    ),
    Ability(name="bounded_loops", words="loops", since="5.3", source="2589726d12a1"),
    Ability(
        name="subprograms",
        words="calls of other functions",
        since="4.16",
        source="cc8b0b92a169",
    ),
    Ability(
        name="subprogram_addresses",
        words="addresses of functions",
        since="5.13",
        source="69c087ba6225",
    ),
    Ability(
        name="global_functions",
        words="functions that are verified alone",
        since="5.6",
        source="51c39bb1d5d1",
    ),
    Ability(
        name="private_stacks",
        words="stacks of their own for functions",
        since="6.13",
        source="the JIT of x86",
        elsewhere={
            "arm64": Since(version="6.17", source="6c17a882d380"),
            "s390x": Since(version=None, source="bpf_jit_supports_private_stack()"),
            "riscv64": Since(version=None, source="bpf_jit_supports_private_stack()"),
        },
    ),
    Ability(
        name="jumps_v2",
        words="jumps by <, <= (-mcpu=v2)",
        since="4.14",
        source="92b31a9af73b",
    ),
    Ability(
        name="jumps_32",
        words="32-bit jumps (-mcpu=v3)",
        since="5.1",
        source="092ed0968bb6",
    ),
    Ability(
        name="atomics",
        words="atomics that return values",
        since="5.12",
        source="5ffa25502b5a",
    ),
    Ability(
        name="instructions_v4",
        words="instructions of -mcpu=v4",
        since="6.6",
        source="1f9a1ea821ff",
    ),
    Ability(
        name="sleepable",
        words="sleepable programs",
        since="5.10",
        source="1e6c62a88215",
    ),
    Ability(
        name="trampolines",
        words="programs on a function's entry (fentry)",
        since="5.5",
        source="fec56f5890d9",
        # arch_prepare_bpf_trampoline() is the JIT's.
        option="CONFIG_BPF_JIT",
        elsewhere={
            # 6.0 (efc9909fdce0) has trampolines for BPF programs; a function of the
            # kernel needs ftrace's direct calls, too.
            "arm64": Since(version="6.4", source="2aa6ac03516d"),
            "s390x": Since(version="6.3", source="528eb2cb87bc"),
            # The same, after trampolines in 6.3 (49b5e77ae3e2).
            "riscv64": Since(version="6.8", source="196c79f19a92"),
        },
    ),
    Ability(
        name="kernel_functions",
        words="calls of its functions (kfuncs)",
        since="5.13",
        source="e6ac2450d6de",
        # add_kfunc_call() refuses them without a JIT, also where nothing reaches them.
        option="CONFIG_BPF_JIT",
        elsewhere={
            "arm64": Since(version="5.18", source="b5e975d256db"),
            "s390x": Since(version="6.3", source="63d7b53ab59f"),
            "riscv64": Since(version="6.4", source="d40c3847b485"),
        },
    ),
    Ability(
        name="struct_ops",
        words="structs of operations (struct_ops)",
        since="5.6",
        source="27ae7997a661",
        # kernel/bpf/Makefile. What calls its functions is made as a trampoline is.
        option="CONFIG_BPF_JIT",
        elsewhere={
            "arm64": Since(version="6.0", source="efc9909fdce0"),
            "s390x": Since(version="6.3", source="528eb2cb87bc"),
            "riscv64": Since(version="6.3", source="49b5e77ae3e2"),
        },
    ),
    Ability(
        name="uninitialised_buffers",
        words="helpers that write to uninitialised memory",
        since="4.11",
        source="seen on 4.4.1 and 4.11.0",
    ),
    Ability(
        name="uninitialised_stack",
        words="reads of uninitialised memory by root",
        since="6.3",
        source="6715df8d5d24",
    ),
    # ----------------------------------------------------------------- maps
    Ability(
        name="global_data", words="global data", since="5.2", source="d8eca5bbb2be"
    ),
    Ability(
        name="readonly_data",
        words="constants in global data",
        since="5.2",
        source="d8eca5bbb2be",
    ),
    Ability(
        name="long_hash_keys",
        words="hash keys of more than 512 bytes",
        since="5.11",
        source="c6bde958a62b",
    ),
    Ability(
        name="walks_tries", words="walks of tries", since="4.16", source="b471f2f1de8b"
    ),
    Ability(
        name="walks_stacks",
        words="walks of stack trace maps",
        since="4.16",
        source="kernel/bpf/stackmap.c",
    ),
    Ability(
        name="program_array_ids",
        words="ids of the programs in a program array",
        since="4.15",
        source="kernel/bpf/arraymap.c",
    ),
    # ---------------------------------------------------- the system call bpf()
    Ability(
        name="test_runs", words="BPF_PROG_TEST_RUN", since="4.12", source="1cf1cae963c2"
    ),
    Ability(
        name="test_run_contexts",
        words="contexts of BPF_PROG_TEST_RUN",
        since="5.2",
        source="b0b9395d865e",
    ),
    Ability(
        name="test_run_marks",
        words="marks of BPF_PROG_TEST_RUN",
        since="5.6",
        source="net/bpf/test_run.c",
    ),
    Ability(
        name="ids",
        words="ids of programs and maps",
        since="4.13",
        source="34ad5580f8f9",
    ),
    Ability(name="btf", words="BTF of objects", since="4.18", source="69b693f0aefa"),
    Ability(name="map_btf", words="BTF of maps", since="4.18", source="a26ca7c982cb"),
    Ability(
        name="verifier_verdicts",
        words="the verifier's verdict without its trace",
        since="5.2",
        source="06ee7115b0d1",
    ),
    # ------------------------------------------------------------- attaching
    Ability(
        name="raw_tracepoints",
        words="raw tracepoints",
        since="4.17",
        source="c4f6699dfcb8",
    ),
    Ability(
        name="syscall_tracepoints",
        words="programs on system calls' tracepoints",
        since="4.14",
        source="cf5f5cea2706",
    ),
    Ability(
        name="attach_cookies",
        words="cookies of attached programs",
        since="5.15",
        source="7adfc6c9b315",
    ),
    Ability(
        name="syscall_wrappers",
        words="wrappers of system calls (__x64_sys_…, __arm64_sys_…)",
        since="4.17",
        source="fa697140f9a2",
        elsewhere={
            "arm64": Since(version="4.19", source="4378a7d4be30"),
            "s390x": Since(version="5.1", source="aa0d6e70d3b3"),
            "riscv64": Since(version="6.6", source="08d0ce30e0e4"),
        },
    ),
    # ----------------------------------------- what the verifier knows of constants
    Ability(
        name="dead_poison",
        words="poison in code that is never reached",
        since="4.15",
        source="c131187db2d3",
    ),
    Ability(
        name="decides_ldimm64",
        words="branches that are decided by a 64-bit constant",
        since="4.11",
        source="check_cond_jmp_op()",
    ),
    Ability(
        name="decides_computed",
        words="branches that are decided by arithmetic",
        since="4.11",
        source="check_cond_jmp_op()",
    ),
    Ability(
        name="decides_orders",
        words="branches by order that are decided",
        since="5.0",
        source="4f7b3e82589e",
    ),
    Ability(
        name="decides_registers",
        words="branches by two registers that are decided",
        since="5.3",
        source="fb8d251ee2a6",
    ),
    Ability(
        name="decides_spilled",
        words="branches that are decided by the stack",
        since="5.3",
        source="f7cf25b2026d",
    ),
    Ability(
        name="decides_readonly",
        words="branches that are decided by .rodata",
        since="5.5",
        source="a23740ec43ba",
    ),
    # ---------------------------------------------------------- words of its log
    Ability(
        name="names_wrong_types",
        words="words for a helper of another program type",
        since="6.10",
        source="check_helper_call()",
    ),
)


def left_out(config: str) -> frozenset[str]:
    """Return the names of the abilities that a .config leaves out."""
    wanted = (it for it in ABILITIES.values() if it.option)
    return frozenset(
        it.name for it in wanted if not re.search(rf"^{it.option}=y$", config, re.M)
    )


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of a kernel that decides what it can do."""

    # None when nobody knows.
    version: KernelVersion | None = None
    # None for a kernel that nobody has booted.
    facts: Facts | None = None
    # As runner/arch names it; "" where nobody knows, which counts as x86_64.
    architecture: str = ""
    # The security modules that it starts with; None where nobody knows.
    lsm: tuple[str, ...] | None = None
    # The abilities that its configuration leaves out.
    left_out: frozenset[str] = frozenset()

    def ability(self, name: str) -> Judgement:
        """Return whether it has an ability: as it said, or as its version says."""
        found = probed(self.facts.abilities.get(name)) if self.facts else UNKNOWN
        if not found.is_known and name in self.left_out:
            return judged(False, Learnt.CONFIG)
        if found.is_known or self.version is None:
            return found
        since = ABILITIES[name].on(self.architecture).version
        is_there = since is not None and self.version >= KernelVersion.parse(since)
        return judged(is_there, Learnt.VERSION)

    def has(self, name: str) -> bool:
        """Whether it has an ability; a kernel of which nothing is known is new."""
        return self.ability(name).presence is not Presence.ABSENT

    @property
    def digest(self) -> str:
        """Return a text that differs where what is known does."""
        facts = self.facts.digest if self.facts else ""
        modules = "" if self.lsm is None else ",".join(self.lsm)
        words = (facts, self.architecture, modules, " ".join(sorted(self.left_out)))
        return f"{self.version or ''} {' '.join(words)}"


NOTHING = Known()
