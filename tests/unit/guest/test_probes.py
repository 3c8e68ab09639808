"""What the answers of kernels to probes say, and what they do not say."""

import hashlib
import json

import pytest

from runner.facts.abilities import ABILITIES
from runner.facts.model import Presence
from runner.guest import abilityprobes, typeprobes
from runner.guest.bpfcalls import Descriptor
from runner.guest.replies import BpfAnswer
from runner.kernels import facts
from runner.versions import KernelVersion

VERSION = KernelVersion.parse("4.18.0-553.el8_10")
PROBES = abilityprobes.abilities(VERSION)
DONE = BpfAnswer(done=True, errno=None, log="")


def refused(errno: str, log: str = "") -> BpfAnswer:
    return BpfAnswer(done=False, errno=errno, log=log)


# What kernels without a feature say; of old ones as their sources have it.
@pytest.mark.parametrize(
    ("ability", "answer"),
    [
        ("bounded_loops", refused("EINVAL", "back-edge from insn 2 to 1\n")),
        ("large_programs", refused("E2BIG")),
        ("large_programs", refused("EINVAL")),
        ("jumps_32", refused("EINVAL", "0: (b7) r0 = 0\nunknown insn class 6\n")),
        ("jumps_v2", refused("EINVAL", "invalid BPF_JMP opcode a0\n")),
        ("subprograms", refused("EINVAL", "unreachable insn 2\n")),
        ("subprogram_addresses", refused("EINVAL", "unrecognized bpf_ld_imm64 insn\n")),
        ("atomics", refused("EINVAL", "BPF_STX uses reserved fields\n")),
        ("instructions_v4", refused("EINVAL", "BPF_MOV uses reserved fields\n")),
        ("sleepable", refused("EINVAL")),
        ("uninitialised_stack", refused("EACCES", "invalid read from stack off -8+0")),
        ("dead_poison", refused("EACCES", "3: (bf) r0 = r7\nR7 !read_ok\n")),
        (
            "names_wrong_types",
            refused("EINVAL", "unknown func bpf_skb_store_bytes#9\n"),
        ),
        ("verifier_verdicts", refused("EINVAL")),
        ("long_hash_keys", refused("E2BIG")),
        ("raw_tracepoints", refused("EINVAL")),
    ],
)
def test_the_known_refusal_says_that_a_feature_is_missing(
    ability: str, answer: BpfAnswer
) -> None:
    assert PROBES[ability].judge([answer]) is Presence.ABSENT


@pytest.mark.parametrize(
    ("ability", "answer"),
    [
        ("bounded_loops", DONE),
        # Each of these is refused on a kernel that has the feature.
        ("subprogram_addresses", refused("EINVAL", "missing btf func_info\n")),
        ("sleepable", refused("EINVAL", "Only fentry/fexit can be sleepable\n")),
        ("sleepable", refused("EINVAL", "Program of this type cannot be sleepable\n")),
        ("raw_tracepoints", refused("EBADF")),
        (
            "names_wrong_types",
            refused("EINVAL", "program of this type cannot use helper bpf_x#9\n"),
        ),
    ],
)
def test_a_kernel_with_a_feature_may_refuse_its_probe(
    ability: str, answer: BpfAnswer
) -> None:
    assert PROBES[ability].judge([answer]) is Presence.PRESENT


@pytest.mark.parametrize("name", PROBES)
@pytest.mark.parametrize(
    "answer",
    [
        refused("EPERM"),
        refused("ENOMEM"),
        refused("ENOSPC"),
        refused("EINVAL", "the JIT failed\n"),
        refused("EACCES", "something that nobody has seen yet\n"),
    ],
)
def test_another_refusal_says_nothing(name: str, answer: BpfAnswer) -> None:
    probe = PROBES[name]
    before = [DONE] * (len(probe.calls) - 1)

    assert probe.judge([*before, answer]) is Presence.UNKNOWN


def test_a_probe_that_could_not_be_prepared_says_nothing() -> None:
    answers = [refused("ENOMEM"), refused("ECANCELED")]

    assert PROBES["global_data"].judge(answers) is Presence.UNKNOWN


def test_a_helper_is_missing_where_its_number_is_invalid() -> None:
    probe = typeprobes.helpers()[130]

    assert probe.judge([refused("EINVAL", "invalid func unknown#130\n")]) is (
        Presence.ABSENT
    )
    # It is there, for programs of another type, or with other arguments.
    assert probe.judge(
        [refused("EINVAL", "unknown func bpf_ringbuf_output#130\n")]
    ) is (Presence.PRESENT)
    assert probe.judge([refused("EPERM")]) is Presence.UNKNOWN


def test_a_type_of_programs_may_not_call_each_helper() -> None:
    # bpf_skb_store_bytes, of kprobes and of sched_cls.
    of_kprobe, of_tc = (typeprobes.calls_of(VERSION)[it, 9] for it in (2, 3))
    words = (
        "invalid func 9\n",
        "unknown func bpf_skb_store_bytes#9\n",
        "program of this type cannot use helper bpf_skb_store_bytes#9\n",
    )

    assert all(
        of_kprobe.judge([refused("EINVAL", it)]) is Presence.ABSENT for it in words
    )
    assert of_tc.judge([refused("EACCES", "R2 !read_ok\n")]) is Presence.PRESENT
    assert of_tc.judge([refused("EINVAL", "bpf_probe_read is for others\n")]) is (
        Presence.UNKNOWN
    )
    # What makes a kernel warn on its console is not asked: bpf_trace_printk.
    assert (2, 6) not in typeprobes.calls_of(VERSION)


def test_a_probe_of_a_type_that_kernels_refuse_for_more_reasons_stays_unknown() -> None:
    found = typeprobes.programs(VERSION)
    kprobe, tracing, sk_lookup = found[2], found[26], found[30]

    # Before 5.0 a kprobe of another version, and tracing without BTF.
    assert kprobe.judge([refused("EINVAL")]) is Presence.UNKNOWN
    assert tracing.judge([refused("EINVAL")]) is Presence.UNKNOWN
    assert sk_lookup.judge([refused("EINVAL")]) is Presence.ABSENT


def test_each_ability_is_probed_or_found_out_otherwise() -> None:
    # Whether a program may be attached to system calls' tracepoints is not tried; the
    # wrappers of system calls are looked for by name.
    assert set(ABILITIES) - set(PROBES) == {
        *("syscall_tracepoints", "syscall_wrappers"),
        # Both take a type of the kernel's BTF, which is not the same everywhere.
        *("kernel_functions", "struct_ops"),
    }
    assert set(PROBES) <= set(ABILITIES)


def test_descriptors_of_a_probe_are_those_of_its_own_calls() -> None:
    (made, used) = PROBES["global_data"].calls

    assert made.after(7) == made
    assert [it.descriptors for it in used.after(7).pointed if it.descriptors] == [
        (Descriptor(at=4, of=7),)
    ]


def test_a_changed_probe_has_another_recipe() -> None:
    # When this fails, raise RECIPE in runner/kernels/facts.py: else kernels that were
    # booted before are judged by the old probes. Then put the new values here.
    every = (
        *PROBES.values(),
        *typeprobes.programs(VERSION).values(),
        *typeprobes.maps().values(),
        *typeprobes.helpers().values(),
        *typeprobes.calls_of(VERSION).values(),
    )
    text = json.dumps(
        [
            [
                [call.as_json() for call in it.calls],
                *(it.absent, it.present, it.silent, it.errors),
            ]
            for it in every
        ]
    )
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]

    assert (facts.RECIPE, digest) == ("2", "1866654bed80c552")
