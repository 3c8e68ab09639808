"""What suites need of kernels: whether it is there, and where that was learnt."""

import json
from pathlib import Path
from typing import Any

import pytest

from runner.facts.model import Facts, Learnt, Presence
from runner.suites.conditions import Condition
from runner.suites.known import KnownKernel
from runner.suites.model import Case, Map, Program
from runner.versions import KernelVersion
from tests.unit.preflight.made import kernel

TYPES = """\
enum bpf_func_id { BPF_FUNC_unspec, BPF_FUNC_ringbuf_output = 130 } a;
enum bpf_map_type { M0, BPF_MAP_TYPE_HASH = 1, BPF_MAP_TYPE_RINGBUF = 27 } b;
enum bpf_prog_type { P0, BPF_PROG_TYPE_TRACING = 26 } c;
enum bpf_attach_type { A0, BPF_TRACE_FENTRY = 24 } d;
enum bpf_link_type { L0, BPF_LINK_TYPE_XDP = 6, BPF_LINK_TYPE_KPROBE_MULTI = 8 } e;
struct mm { long total; } g;
struct task_struct { unsigned __state; struct { int inside; }; struct mm *mm; } f;
int vfs_read(int x) { return x; }
"""
CONFIG = "CONFIG_BPF_LSM=y\nCONFIG_HZ=250\n# CONFIG_SMP is not set\n"
FACTS = Facts(
    release="4.18.0-553.el8",
    abilities={"bounded_loops": True, "private_stacks": False},
    helpers={208: False},
    maps={22: True, 1: False},
)


@pytest.fixture(scope="module")
def btf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("btf") / "vmlinux.btf"
    path.write_bytes(kernel(TYPES))
    return path


def condition(keys: dict[str, Any]) -> Condition:
    return Condition.model_validate_json(json.dumps(keys))


def version(text: str) -> KernelVersion:
    return KernelVersion.parse(text)


@pytest.mark.parametrize(
    ("keys", "presence", "learnt"),
    [
        ({"ability": "bounded_loops"}, "present", Learnt.PROBED),
        ({"ability": "private_stacks"}, "absent", Learnt.PROBED),
        # Neither was said of: upstream's 4.18 has one of them.
        ({"ability": "raw_tracepoints"}, "present", Learnt.VERSION),
        ({"ability": "atomics"}, "absent", Learnt.VERSION),
        ({"helper": "bpf_ringbuf_output"}, "present", Learnt.BTF),
        ({"helper": "bpf_ktime_get_tai_ns"}, "absent", Learnt.PROBED),
        ({"helper": "bpf_loop"}, "absent", Learnt.BTF),
        ({"map_type": "ringbuf"}, "present", Learnt.BTF),
        ({"map_type": "queue"}, "present", Learnt.PROBED),
        # What it refused counts more than what its BTF names.
        ({"map_type": "hash"}, "absent", Learnt.PROBED),
        ({"map_type": "arena"}, "absent", Learnt.BTF),
        ({"prog_type": "tracing"}, "present", Learnt.BTF),
        ({"prog_type": "syscall"}, "absent", Learnt.BTF),
        ({"attach": "trace_fentry"}, "present", Learnt.BTF),
        ({"attach": "netfilter"}, "absent", Learnt.BTF),
        ({"link": "xdp"}, "present", Learnt.BTF),
        # The configuration left it out.
        ({"link": "kprobe_multi"}, "absent", Learnt.BTF),
        ({"field": "task_struct.__state"}, "present", Learnt.BTF),
        ({"field": "task_struct.inside"}, "present", Learnt.BTF),
        ({"field": "task_struct.mm.total"}, "present", Learnt.BTF),
        ({"field": "task_struct.state"}, "absent", Learnt.BTF),
        ({"field": "no_struct.state"}, "absent", Learnt.BTF),
        ({"type": "struct mm"}, "present", Learnt.BTF),
        ({"type": "mm"}, "present", Learnt.BTF),
        ({"type": "union mm"}, "absent", Learnt.BTF),
        ({"func": "vfs_read"}, "present", Learnt.BTF),
        ({"kfunc": "bpf_task_acquire"}, "absent", Learnt.BTF),
        ({"config": "CONFIG_BPF_LSM"}, "present", Learnt.CONFIG),
        ({"config": "CONFIG_HZ=250"}, "present", Learnt.CONFIG),
        ({"config": "CONFIG_HZ=100"}, "absent", Learnt.CONFIG),
        ({"config": "CONFIG_SMP"}, "absent", Learnt.CONFIG),
        ({"kernels": "rhel>=8.3"}, "present", Learnt.VERSION),
        ({"kernels": ">=5.8"}, "absent", Learnt.VERSION),
        ({"arch": "aarch64"}, "present", Learnt.ARCHITECTURE),
        ({"arch": "s390x"}, "absent", Learnt.ARCHITECTURE),
    ],
)
def test_each_key_is_judged_by_what_knows_best(
    btf: Path, keys: dict[str, Any], presence: str, learnt: Learnt
) -> None:
    el8 = KnownKernel(
        version=version("4.18.0-553.el8"),
        config=CONFIG,
        facts=FACTS,
        btf=btf,
        architecture="arm64",
    )
    held = condition(keys).on(el8)

    assert (held.presence, held.judgement.learnt) == (presence, learnt)


@pytest.mark.parametrize(
    "keys",
    [
        {"link": "xdp"},
        {"field": "task_struct.on_rq"},
        {"type": "mm"},
        {"func": "vfs_read"},
        {"config": "CONFIG_SMP"},
        {"kernels": "rhel"},
        {"arch": "arm64"},
    ],
)
def test_nothing_is_known_of_a_kernel_of_which_only_the_version_is_known(
    keys: dict[str, Any],
) -> None:
    assert condition(keys).on(KnownKernel(version=version("6.1"))).presence is (
        Presence.UNKNOWN
    )


def test_a_kernel_is_too_old_for_links_that_its_btf_does_not_enumerate(
    tmp_path: Path,
) -> None:
    path = tmp_path / "vmlinux.btf"
    path.write_bytes(kernel("struct mm { long total; } m;"))
    old = KnownKernel(version=version("5.5"), btf=path)

    held = condition({"link": "kprobe_multi"}).on(old)

    assert (held.presence, held.judgement.learnt) == ("absent", Learnt.VERSION)


YES, NO = {"kernels": ">=5"}, {"kernels": "<5"}
MAYBE = {"func": "vfs_read"}


@pytest.mark.parametrize(
    ("keys", "presence"),
    [
        ({"all": [YES, YES]}, "present"),
        ({"all": [YES, MAYBE]}, "unknown"),
        ({"all": [MAYBE, NO]}, "absent"),
        ({"any": [NO, YES]}, "present"),
        ({"any": [NO, MAYBE]}, "unknown"),
        ({"any": [NO, NO]}, "absent"),
        ({"not": YES}, "absent"),
        ({"not": NO}, "present"),
        ({"not": MAYBE}, "unknown"),
        # Several keys must all hold.
        ({**YES, "not": YES}, "absent"),
        ({**YES, "any": [NO, YES]}, "present"),
    ],
)
def test_conditions_hold_together(keys: dict[str, Any], presence: str) -> None:
    held = condition(keys).on(KnownKernel(version=version("6.1")))

    assert held.presence == presence


def case(**keys: object) -> Case:
    found = {"name": "a", "object": "a.o", **keys}
    return Case.model_validate_json(json.dumps(found))


@pytest.mark.parametrize(
    ("keys", "gap"),
    [
        (
            {"needs": {"map_type": "arena"}},
            "needs maps of type arena (its BTF)",
        ),
        (
            {"needs": {"ability": "private_stacks"}, "reason": "two stacks"},
            "needs the ability private_stacks (probed on the kernel): two stacks",
        ),
        (
            {"needs": {"not": {"ability": "bounded_loops"}}},
            "needs a kernel without the ability bounded_loops (probed on the kernel)",
        ),
        (
            {"needs": {"any": [{"map_type": "arena"}, {"helper": "bpf_loop"}]}},
            "needs maps of type arena or the helper bpf_loop (its BTF)",
        ),
        ({"needs": {"map_type": "ringbuf"}}, ""),
        # Nobody knows: it runs.
        ({"needs": {"config": "CONFIG_X"}}, ""),
    ],
)
def test_a_skipped_case_says_what_is_missing_and_where_that_was_learnt(
    btf: Path, keys: dict[str, object], gap: str
) -> None:
    kernel = KnownKernel(version=version("4.18"), facts=FACTS, btf=btf)

    assert case(**keys).gap_on(kernel) == gap


def test_what_only_a_boot_tells_is_waited_for() -> None:
    loops = case(needs={"not": {"any": [{"ability": "bounded_loops"}]}})
    field = case(needs={"field": "task_struct.pid"})
    unbooted, booted = KnownKernel(), KnownKernel(facts=FACTS)

    assert loops.waits_for_boot(unbooted)
    assert not loops.waits_for_boot(booted)
    assert not field.waits_for_boot(unbooted)


def test_settings_differ_by_what_a_kernel_has() -> None:
    old = {"not": {"ability": "bounded_loops"}}
    it = case(loader=[{"needs": old, "use": "compat"}])
    program = Program.model_validate_json(
        '{"load": [{"needs": {"ability": "bounded_loops"}, "use": false}],'
        '"attach": [{"needs": {"ability": "bounded_loops"}, "use": "kprobe/new"},'
        '{"needs": {"not": {"ability": "bounded_loops"}}, "use": "kprobe/old"}]}'
    )
    map_ = Map.model_validate_json(
        '{"create": [{"needs": {"ability": "bounded_loops"}, "use": false}]}'
    )
    # Its facts and not its version decide.
    new = KnownKernel(version=version("4.4"), facts=FACTS)
    other = Facts(release="", abilities={"bounded_loops": False})
    none = KnownKernel(version=version("6.1"), facts=other)

    assert (it.loader_on(new), it.loader_on(none)) == ("libbpf", "compat")
    assert (program.loads(new), program.loads(none)) == (False, True)
    assert (program.place(new), program.place(none)) == ("kprobe/new", "kprobe/old")
    assert (map_.creates(new), map_.creates(none)) == (False, True)
    # Where nobody knows, nothing is chosen.
    assert program.place(KnownKernel()) is None


def test_a_failure_is_declared_for_kernels_that_lack_something() -> None:
    it = case(
        expect_failure={
            "needs": {"not": {"map_type": "queue"}},
            "class": "map_type_missing",
            "reason": "r",
        }
    )
    assert it.expect_failure is not None
    assert it.expect_failure.is_gap
    has, lacks = KnownKernel(facts=FACTS), KnownKernel(version=version("4.19"))

    assert it.failure_on(has) is None
    assert it.failure_on(lacks) is it.expect_failure
