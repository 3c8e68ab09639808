"""What objects need of kernels besides types."""

from typing import Any

import pytest

from runner.case.prediction import disagreement
from runner.facts.abilities import ABILITIES
from runner.facts.model import Facts, Learnt, Presence
from runner.facts.traced import Traced, pack_functions
from runner.preflight.architecture import of_target
from runner.preflight.engine import Engine
from runner.preflight.model import (
    Feature,
    FindingKind,
    KernelNeed,
    Prediction,
    Verdict,
)
from tests.unit.preflight.made import an_object, build, checked, kernel

WHOLE = """\
enum bpf_func_id { BPF_FUNC_unspec, BPF_FUNC_map_lookup_elem, BPF_FUNC_ktime = 5,
	__BPF_FUNC_MAX_ID = 6 } a;
enum bpf_prog_type { P0, P1, BPF_PROG_TYPE_KPROBE = 2, BPF_PROG_TYPE_TRACING = 26 } b;
enum bpf_map_type { M0, BPF_MAP_TYPE_HASH = 1 } c;
enum bpf_attach_type { A0, BPF_TRACE_FENTRY = 24, __MAX_BPF_ATTACH_TYPE = 40 } d;
typedef void (*btf_trace_an_event)(void); btf_trace_an_event e;
int a_function(int x) { return x; }
struct bpf_struct_ops_some_ops { int common; } f;
"""
# The same without what objects here need.
BARE = """\
enum bpf_func_id { BPF_FUNC_unspec, __BPF_FUNC_MAX_ID } a;
enum bpf_prog_type { P0 } b; enum bpf_map_type { M0 } c;
enum bpf_attach_type { A0, __MAX_BPF_ATTACH_TYPE } d;
int another_function(int x) { return x; }
"""
NOTHING = "int nothing;"
OTHER = "int another_function(int x) { return x; }"
KPROBE = 'SEC("kprobe/a_function") int on_a(void *ctx) { %s return 0; }\n'
FENTRY = 'SEC("fentry/a_function") int on_a(void *ctx) { return 0; }\n'
KFUNC = "extern int a_function(int) %s;\n" + KPROBE % "return a_function(1);"
MAP = (
    "struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 1);"
    '__type(key, int); __type(value, int); } items SEC(".maps");\n'
    + KPROBE
    % "int key = 0; bpf_map_lookup_elem(&items, &key);"
)
STRUCT_OPS = """\
struct some_ops { int (*act)(void); };
SEC("struct_ops/act") int act(void *ctx) { return 0; }
SEC(".struct_ops") struct some_ops ops = { .act = (void *)act };
"""
RAW = 'SEC("raw_tp/an_event") int on_a(void *ctx) { return 0; }\n'


def need(found: Prediction, kind: str, name: str) -> Feature:
    """Return the only feature of a kind and name."""
    (it,) = [it for it in found.features if it.need == kind and it.name == name]
    return it


@pytest.mark.parametrize(
    ("source", "kind", "name"),
    [
        (KPROBE % "bpf_ktime_get_ns();", "helper", "ktime_get_ns"),
        (KPROBE % "", "program_type", "kprobe"),
        (FENTRY, "attach_type", "trace_fentry"),
        (FENTRY, "attach_target", "fentry/a_function"),
        (MAP, "map_type", "hash"),
        (KFUNC % "__ksym", "kfunc", "a_function"),
        (STRUCT_OPS, "struct_ops", "some_ops"),
    ],
)
def test_what_the_kernel_lacks_keeps_the_object_out(
    source: str, kind: str, name: str
) -> None:
    item = an_object(source)
    lacking = checked(item, kernel(BARE))

    assert need(checked(item, kernel(WHOLE)), kind, name).presence is Presence.PRESENT
    assert need(lacking, kind, name).presence is Presence.ABSENT
    assert lacking.verdict is Verdict.REJECTED
    assert any(name in it for it in lacking.reasons)


def test_without_the_enumerations_nobody_knows() -> None:
    found = checked(an_object(KPROBE % "bpf_ktime_get_ns();"), kernel(NOTHING))

    assert need(found, "helper", "ktime_get_ns").presence is Presence.UNKNOWN
    assert found.verdict is Verdict.LOADS


def test_cut_btf_tells_nothing_of_functions() -> None:
    found = checked(an_object(FENTRY), kernel(NOTHING))

    assert need(found, "attach_target", "fentry/a_function").presence is (
        Presence.UNKNOWN
    )


def test_a_guarded_helper_is_not_needed() -> None:
    source = """\
struct task { int gone; } CORE;
SEC("kprobe/a_function") int on_a(void *ctx)
{
	if (bpf_core_field_exists(struct task, gone))
		return bpf_ktime_get_ns();
	return 0;
}
"""
    found = checked(an_object(source), kernel(WHOLE + "struct task { int a; } t;"))

    assert not [it for it in found.features if it.need == "helper"]


GUARDED = "extern int a_function(int) %s;\n" + KPROBE % (
    "return a_function ? a_function(1) : 0;"
)
UNUSED = """\
struct nobody { int x; } CORE;
extern int a_function(int) %s;
SEC("kprobe/a_function") int on_a(void *ctx)
{
	return bpf_core_type_exists(struct nobody) ? a_function(1) : 0;
}
"""


# libbpf refuses what is strong before any verifier looks, whether it is reached or not;
# the verifier refuses a call of what is weak where it comes to it.
@pytest.mark.parametrize(
    ("source", "attributes", "verdict"),
    [
        (KFUNC, "__ksym", Verdict.REJECTED),
        (KFUNC, "__ksym __weak", Verdict.REJECTED),
        (UNUSED, "__ksym", Verdict.REJECTED),
        (UNUSED, "__ksym __weak", Verdict.LOADS),
        (GUARDED, "__ksym __weak", Verdict.LOADS),
    ],
)
def test_a_kernel_function_that_is_missing(
    source: str, attributes: str, verdict: Verdict
) -> None:
    found = checked(an_object(source % attributes), kernel(OTHER))

    assert need(found, "kfunc", "a_function").presence is Presence.ABSENT
    assert found.verdict is verdict


EITHER = """\
struct task { int gone; } CORE;
extern int a_function(int) __ksym __weak;
SEC("kprobe/x") int on_x(struct task *task)
{
	if (%s)
		return bpf_core_field_offset(struct task, gone);
	return 0;
}
"""


@pytest.mark.parametrize(
    ("condition", "there", "missing"),
    [
        ("a_function", Verdict.REJECTED, Verdict.LOADS),
        ("!a_function", Verdict.LOADS, Verdict.REJECTED),
    ],
)
def test_a_guard_asks_whether_the_kernel_has_a_function(
    condition: str, there: Verdict, missing: Verdict
) -> None:
    item = an_object(EITHER % condition)
    task, function = "struct task { int a; } t;", "int a_function(int x) { return x; }"

    assert checked(item, kernel(task + function)).verdict is there
    assert checked(item, kernel(task + OTHER)).verdict is missing
    # libbpf takes one with another prototype for missing.
    other = "int a_function(struct task *x) { return 0; }"
    found = checked(item, kernel(task + other))
    assert ("not guarded" in str(found.reasons)) is (missing is Verdict.REJECTED)


@pytest.mark.parametrize(
    ("types", "verdict"),
    [("int x;", Verdict.LOADS), ("int a_variable;", Verdict.REJECTED)],
)
def test_a_variable_that_is_there_may_be_0_for_all_that_the_verifier_knows(
    types: str, verdict: Verdict
) -> None:
    source = EITHER.replace("int a_function(int)", "const int a_variable")

    found = checked(
        an_object(source % "&a_variable"), kernel("struct task { int a; } t;" + types)
    )

    assert found.verdict is verdict


@pytest.mark.parametrize(
    ("release", "verdict"),
    [
        ("5.12.1", Verdict.LOADS),
        ("5.14.2", Verdict.REJECTED),
        # Vendors take cures back.
        ("5.14.0-427.13.1.el9_4.x86_64", Verdict.LOADS),
        ("5.15.1", Verdict.LOADS),
    ],
)
def test_a_missing_kernel_function_that_is_not_reached(
    release: str, verdict: Verdict
) -> None:
    found = checked(an_object(GUARDED % "__ksym __weak"), kernel(OTHER), release)

    assert found.verdict is verdict


def test_a_kernel_function_of_a_program_that_is_not_loaded_counts() -> None:
    source = (KFUNC % "__ksym").replace('SEC("kprobe', 'SEC("?kprobe')

    assert checked(an_object(source), kernel(OTHER)).verdict is Verdict.REJECTED


def test_a_kernel_function_has_the_prototype_of_the_kernel() -> None:
    item = an_object(KFUNC % "__ksym")
    same = kernel("int a_function(int number) { return number; }")
    other = kernel("int a_function(void *of, int number) { return number; }")

    assert checked(item, same).findings == ()
    (finding,) = checked(item, other).findings
    assert finding.kind is FindingKind.KFUNC_CHANGED
    assert "the kernel has int a_function(void *of, int number)" in finding.reason
    assert finding.place.line


TAGGED = """\
__attribute__((btf_decl_tag("bpf_kfunc"))) int other(int number) { return number; }
%s int a_function(int number) { return number; }
"""


@pytest.mark.parametrize(
    ("tag", "verdict"),
    [
        ('__attribute__((btf_decl_tag("bpf_kfunc")))', Verdict.LOADS),
        ("", Verdict.REJECTED),
    ],
)
def test_functions_without_the_tag_can_not_be_called(
    tag: str, verdict: Verdict
) -> None:
    item = an_object(KFUNC % "__ksym")

    assert checked(item, kernel(TAGGED % tag)).verdict is verdict


VARIABLE = (
    "extern const %s a_variable __ksym %s;\n" + KPROBE % "return (long)&a_variable;"
)


@pytest.mark.parametrize(
    ("type_", "weak", "presence", "verdict"),
    [
        ("int", "", Presence.ABSENT, Verdict.REJECTED),
        ("int", "__weak", Presence.ABSENT, Verdict.LOADS),
        # libbpf looks for it in kallsyms, which BTF does not have.
        ("void", "", Presence.UNKNOWN, Verdict.LOADS),
    ],
)
def test_variables_of_the_kernel(
    type_: str, weak: str, presence: Presence, verdict: Verdict
) -> None:
    found = checked(an_object(VARIABLE % (type_, weak)), kernel(OTHER))

    assert need(found, "ksym", "a_variable").presence is presence
    assert found.verdict is verdict


def test_a_kprobe_that_is_not_in_btf_may_still_be_there() -> None:
    found = checked(an_object(KPROBE % ""), kernel(NOTHING))

    assert (
        need(found, "attach_target", "kprobe/a_function").presence is Presence.UNKNOWN
    )


# Where tracepoints have types, this one has one.
TRACED = OTHER + (
    "typedef void (*btf_trace_sched_switch)(void); btf_trace_sched_switch a;"
)


@pytest.mark.parametrize(
    ("types", "presence"), [(OTHER, Presence.UNKNOWN), (TRACED, Presence.ABSENT)]
)
def test_raw_tracepoints_are_missing_where_btf_has_others(
    types: str, presence: Presence
) -> None:
    found = checked(an_object(RAW), kernel(types))

    assert need(found, "attach_target", "raw_tp/an_event").presence is presence
    assert found.verdict is Verdict.LOADS


ATTACHED = kernel("""\
typedef void (*btf_trace_an_event)(void); btf_trace_an_event a;
int bpf_lsm_a_hook(int x) { return x; }
int bpf_iter_a_list(int x) { return x; }
int a_function(int x) { return x; }
int __x64_sys_a_call(int x) { return x; }
""")
PROGRAM = 'SEC("%s") int on_a(void *ctx) { return 0; }\n'


@pytest.mark.parametrize(
    ("section", "lacking", "verdict"),
    [
        ("tp_btf/%s", Presence.ABSENT, Verdict.REJECTED),
        ("lsm/%s", Presence.ABSENT, Verdict.REJECTED),
        ("iter/%s", Presence.ABSENT, Verdict.REJECTED),
        ("fexit/%s", Presence.ABSENT, Verdict.REJECTED),
        ("fentry.s/%s", Presence.ABSENT, Verdict.REJECTED),
        ("tp/group/%s", Presence.ABSENT, Verdict.LOADS),
        ("kprobe/%s+4", Presence.UNKNOWN, Verdict.LOADS),
        ("ksyscall/%s", Presence.UNKNOWN, Verdict.LOADS),
    ],
)
def test_what_programs_attach_to_is_looked_for(
    section: str, lacking: Presence, verdict: Verdict
) -> None:
    names = {
        **dict.fromkeys(("tp_btf", "tp"), "an_event"),
        "lsm": "a_hook",
        "iter": "a_list",
        "ksyscall": "a_call",
    }
    place = section % names.get(section.partition("/")[0], "a_function")
    item = an_object(PROGRAM % place)
    without = checked(item, kernel(TRACED))

    assert need(checked(item, ATTACHED), "attach_target", place).presence is (
        Presence.PRESENT
    )
    assert need(without, "attach_target", place).presence is lacking
    assert without.verdict is verdict


RENAMED = """\
#define __VMLINUX_H__
#include <bpf/bpf_tracing.h>
struct filename; struct open_flags; struct file; struct tty;
struct pt_regs { unsigned long di, si; };
SEC("%s/do_filp_open")
int BPF_PROG(on_open, int dfd, struct filename *name, const struct open_flags *op)
{ return dfd; }
"""
ELSEWHERE = """\
struct filename { int x; }; struct open_flags { int x; }; struct file { int x; };
struct file *bad_file_open(struct file *file) { return file; }
struct file *do_file_open(int dfd, struct filename *name, const struct open_flags *op)
{ return 0; }
struct file *do_filp_opn(struct file *file, int flags) { return 0; }
int bpf_lsm_file_open(struct file *file) { return 0; }
int __filp_reopen(struct filename *name, int dfd) { return 0; }
typedef void (*btf_trace_sched_switch)(void *data); btf_trace_sched_switch a;
typedef void (*btf_trace_sched_process_fork)(void *data);
btf_trace_sched_process_fork b;
"""


@pytest.mark.parametrize(
    ("program", "near"),
    [
        # By the arguments that the line of the macro declares.
        (RENAMED % "fentry", ("do_file_open (same arguments)",)),
        # By the name alone.
        (PROGRAM % "fentry/do_filp_open", ("do_file_open", "do_filp_opn")),
        (PROGRAM % "kprobe/do_filp_open", ("do_file_open", "do_filp_opn")),
        (PROGRAM % "lsm/file_opens", ("file_open",)),
        (PROGRAM % "tp/sched/sched_swich", ("sched_switch",)),
        (PROGRAM % "tp_btf/sched_proces_fork", ("sched_process_fork",)),
        (PROGRAM % "fentry/nothing_like_it", ()),
        # It is there.
        (PROGRAM % "fentry/do_file_open", ()),
    ],
)
def test_what_is_called_alike_is_named_for_a_target_that_is_missing(
    program: str, near: tuple[str, ...]
) -> None:
    found = checked(an_object(program), kernel(ELSEWHERE))
    (target,) = (it for it in found.features if it.need is KernelNeed.ATTACH_TARGET)

    assert target.near == near
    told = any(f"similar: {', '.join(near)}" in it for it in found.reasons)
    assert told == bool(near and target.stops_loading)


LONG = KPROBE % ("volatile long x = 0;" + " x += 1;" * 2100)
LOOP = KPROBE % (
    "volatile int n = 9; long i = 0; while (n) { i += bpf_ktime_get_ns(); } return i;"
)
DATA = "volatile int counter;\n" + KPROBE % "counter++;"
CALLS = "static __noinline int f(void) { return bpf_ktime_get_ns(); }\n" + (
    KPROBE % "return f();"
)


CALLBACK = (
    """\
static long each(__u32 index, void *context) { return 0; }
"""
    + KPROBE % "bpf_loop(3, each, 0, 0);"
)
BELOW = KPROBE % 'asm volatile("r1 = 1; if r1 < 9 goto +0;" ::: "r1");'
NARROW = KPROBE % "if ((int)bpf_ktime_get_ns() > 9) bpf_get_smp_processor_id();"
ATOMIC = "long sum;\n" + KPROBE % "return __sync_fetch_and_add(&sum, 1);"
# The later of two counts for clang.
OPTIONS = {
    BELOW: ("-mcpu=v2",),
    NARROW: ("-mcpu=v3",),
    ATOMIC: ("-mcpu=v3",),
}


def test_a_map_is_no_global_data() -> None:
    map_ = (
        "struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1);"
        ' __type(key, int); __type(value, int); } counts SEC(".maps");\n'
    )
    item = an_object(
        map_ + KPROBE % "int k = 0; bpf_map_lookup_elem(&counts, &k); return 0;"
    )
    found = checked(item, kernel(NOTHING), "4.4")
    assert [it.name for it in found.features if it.need == "rule"] == []


# In a map of maps, which shows what maps will be in it.
LONG_KEYS = """\
struct inner {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__uint(key_size, 520);
	__uint(value_size, 4);
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, int);
	__array(values, struct inner);
} outer SEC(".maps");
SEC("socket") int use(void *context) { return 0; }
"""


WEAK_CALL = """\
extern int of_the_kernel(int x) __weak __ksym;
SEC("tc") int guarded(void *context)
{
	return of_the_kernel ? of_the_kernel(1) : 0;
}
"""


RULES = pytest.mark.parametrize(
    ("source", "name", "before", "since"),
    [
        (LONG, "more than 4,096 instructions", "5.1", "5.2"),
        (LOOP, "loops", "5.2", "5.3"),
        (DATA, "global data", "5.1", "5.2"),
        (CALLS, "calls of other functions", "4.15", "4.16"),
        (RAW, "raw tracepoints", "4.16", "4.17"),
        (CALLBACK, "addresses of functions", "5.12", "5.13"),
        (LONG_KEYS, "hash keys of more than 512 bytes", "5.10", "5.11"),
        (BELOW, "jumps by <, <= (-mcpu=v2)", "4.13", "4.14"),
        (NARROW, "32-bit jumps (-mcpu=v3)", "5.0", "5.1"),
        (ATOMIC, "atomics that return values", "5.11", "5.12"),
        (PROGRAM % "fentry.s/f", "sleepable programs", "5.9", "5.10"),
        (PROGRAM % "struct_ops/f", "structs of operations (struct_ops)", "5.5", "5.6"),
        (PROGRAM % "fexit/f", "programs on a function's entry (fentry)", "5.4", "5.5"),
        (PROGRAM % "lsm/f", "programs on a function's entry (fentry)", "5.4", "5.5"),
        (
            PROGRAM % "tracepoint/syscalls/sys_enter_openat",
            "programs on system calls' tracepoints",
            *("4.13", "4.14"),
        ),
        (PROGRAM % "xdp", "XDP links", "5.8", "5.9"),
        (PROGRAM % "kprobe.multi/f*", "multi-kprobe links", "5.17", "5.18"),
        (PROGRAM % "cgroup_skb/ingress", "cgroup links", "5.6", "5.7"),
        (PROGRAM % "sk_lookup", "network namespace links", "5.7", "5.8"),
    ],
    # The name of a rule tells of its source.
    ids=lambda text: "of" if "SEC(" in text else text,
)


@RULES
def test_what_came_with_a_version(
    source: str, name: str, before: str, since: str
) -> None:
    item = an_object(source, *OPTIONS.get(source, ()))
    presences = [
        need(checked(item, kernel(NOTHING), version), "rule", name).presence
        for version in (before, since)
    ]

    assert presences == [Presence.ABSENT, Presence.PRESENT]


def test_calls_of_the_kernel_that_nothing_reaches_are_looked_at_too() -> None:
    item = an_object(WEAK_CALL)

    def needed(version: str, **without: Any) -> list[Presence]:
        found = checked(item, kernel(NOTHING), version, **without)
        return [it.presence for it in found.features if "kfuncs" in it.name]

    assert needed("5.12") == []
    assert needed("5.13") == [Presence.PRESENT]
    no_jit = Facts(release="", abilities={"kernel_functions": False})
    assert needed("6.12", facts=no_jit) == [Presence.ABSENT]


def test_what_a_kernel_was_built_without_stops_loading() -> None:
    item = an_object(PROGRAM % "fexit/a_function")
    none = Facts(release="", abilities={"trampolines": False})

    # A JIT without trampolines refuses to attach it.
    assert checked(item, ATTACHED, facts=none).verdict is Verdict.LOADS
    # Without a JIT, nothing takes it.
    built_without = frozenset({"trampolines"})
    found = checked(item, ATTACHED, facts=none, left_out=built_without)
    assert found.verdict is Verdict.REJECTED


@RULES
def test_what_a_kernel_said_counts_more_than_its_version(
    source: str, name: str, before: str, since: str
) -> None:
    abilities = {it.words: it.name for it in ABILITIES.values()}
    if name not in abilities:
        pytest.skip("its BTF tells of kinds of links")
    item = an_object(source, *OPTIONS.get(source, ()))

    for version, is_there in ((before, True), (since, False)):
        facts = Facts(release="", abilities={abilities[name]: is_there})
        found = need(checked(item, kernel(NOTHING), version, facts=facts), "rule", name)
        presence = Presence.PRESENT if is_there else Presence.ABSENT
        assert (found.presence, found.learnt) == (presence, Learnt.PROBED)
        assert found.evidence == "probed on the kernel"


# bpf_skb_store_bytes is number 9, bpf_probe_read_kernel 113 and bpf_probe_read 4.
STORES = KPROBE % "bpf_skb_store_bytes(ctx, 0, ctx, 1, 0);"
STORES_BEHIND = (
    "static __noinline int f(void *c) { return bpf_skb_store_bytes(c, 0, c, 1, 0); }\n"
    + KPROBE % "return f(ctx);"
)
READS = KPROBE % "long x; bpf_probe_read_kernel(&x, 8, ctx); return x;"
SLEEPS = (
    'SEC("uprobe.s/f") int on_a(void *ctx)'
    " { long x; bpf_copy_from_user(&x, 8, ctx); return x; }\n"
)
NO_STORE = "bpf_skb_store_bytes() for kprobe programs"


@pytest.mark.parametrize(
    ("source", "calls", "refused"),
    [
        (STORES, {9: False}, NO_STORE),
        (STORES_BEHIND, {9: False}, NO_STORE),
        (STORES, {9: True}, ""),
        # The kernel did not say.
        (STORES, {}, ""),
        # libbpf takes the older one.
        (READS, {113: False, 4: True}, ""),
        (READS, {113: False, 4: False}, "bpf_probe_read_kernel() for kprobe programs"),
        # Programs of the type may call it if they may sleep.
        (SLEEPS, {148: False}, ""),
    ],
    ids=["own", "behind", "allowed", "unknown", "older", "neither", "sleeps"],
)
def test_a_kernel_said_which_helpers_a_type_of_programs_may_call(
    source: str, calls: dict[int, bool], refused: str
) -> None:
    helpers = {9: True, 4: True, 113: True, 148: True}
    facts = Facts(release="", helpers=helpers, calls={2: calls})
    found = checked(an_object(source), kernel(NOTHING), facts=facts)

    named = [it.name for it in found.features if "() for " in it.name]
    assert named == ([refused] if refused else [])
    assert found.verdict is (Verdict.REJECTED if refused else Verdict.LOADS)
    assert all(refused in it for it in found.reasons)


LINKS = """\
enum bpf_link_type { L0, BPF_LINK_TYPE_CGROUP = 3, BPF_LINK_TYPE_KPROBE_MULTI = 8 } a;
"""


@pytest.mark.parametrize(
    ("types", "section", "name", "presence"),
    [
        (LINKS, "cgroup_skb/ingress", "cgroup links", Presence.PRESENT),
        (LINKS, "xdp", "XDP links", Presence.ABSENT),
        # Without CONFIG_FPROBE.
        (LINKS, "kprobe.multi/f*", "multi-kprobe links", Presence.ABSENT),
        (
            LINKS + "struct bpf_kprobe_multi_link { int x; } b;",
            *("kprobe.multi/f*", "multi-kprobe links"),
            Presence.PRESENT,
        ),
    ],
)
def test_btf_tells_which_kinds_of_links_there_are(
    types: str, section: str, name: str, presence: Presence
) -> None:
    # Whatever its version says.
    for version in ("4.18", "6.12"):
        found = checked(an_object(PROGRAM % section), kernel(types), version)
        it = need(found, "rule", name)
        assert (it.presence, it.learnt) == (presence, Learnt.BTF)
        assert found.verdict is Verdict.LOADS


@pytest.mark.parametrize(
    ("source", "kind", "name"),
    [
        (KPROBE % "bpf_ktime_get_ns();", "helper", "ktime_get_ns"),
        (KPROBE % "", "program_type", "kprobe"),
        (MAP, "map_type", "hash"),
    ],
)
def test_what_a_kernel_refused_is_missing_though_its_btf_names_it(
    source: str, kind: str, name: str
) -> None:
    item = an_object(source)

    for types, is_there in ((WHOLE, False), (BARE, True)):
        facts = Facts(
            release="",
            helpers={1: is_there, 5: is_there},
            programs={2: is_there},
            maps={1: is_there},
        )
        found = need(checked(item, kernel(types), facts=facts), kind, name)
        presence = Presence.PRESENT if is_there else Presence.ABSENT
        assert (found.presence, found.learnt) == (presence, Learnt.PROBED)


# Of RHEL 8.10, whose upstream version has none of this: the objects of the handbook.
EL8 = "4.18.0-553.66.1.el8_10.x86_64"
EL8_FACTS = Facts(
    release=EL8,
    abilities={
        **dict.fromkeys(("bounded_loops", "global_data", "readonly_data"), True),
        **dict.fromkeys(("jumps_32", "atomics", "subprogram_addresses"), True),
        **dict.fromkeys(("large_programs", "long_hash_keys", "sleepable"), True),
        **dict.fromkeys(("decides_orders", "decides_readonly"), True),
    },
)


@pytest.mark.parametrize("source", [LONG, LOOP, DATA, CALLBACK, NARROW, ATOMIC])
def test_a_vendors_kernel_is_not_judged_by_its_upstream_number(source: str) -> None:
    item = an_object(source, *OPTIONS.get(source, ()))
    unbooted = checked(item, kernel(NOTHING), EL8)
    booted = checked(item, kernel(NOTHING), EL8, facts=EL8_FACTS)

    assert unbooted.verdict is Verdict.REJECTED
    assert "since" in unbooted.reasons[0]
    assert booted.verdict is Verdict.LOADS
    # A boot that loads it disagrees with the one alone.
    assert disagreement(unbooted, loaded=True, failure_class="")
    assert not disagreement(booted, loaded=True, failure_class="")


def test_a_newer_number_does_not_make_up_for_what_is_missing() -> None:
    facts = Facts(release="6.12.0-mine", abilities={"bounded_loops": False})
    found = checked(an_object(LOOP), kernel(NOTHING), "6.12.0-mine", facts=facts)

    assert found.verdict is Verdict.REJECTED
    assert found.reasons == ("on_a: the kernel has no loops, probed on the kernel",)


CONSTANT = "const volatile int limit = 3;\n" + KPROBE % "return limit;"


@pytest.mark.parametrize(
    ("source", "verdict"), [(CONSTANT, Verdict.LOADS), (DATA, Verdict.REJECTED)]
)
def test_compat_does_without_constants_and_not_without_variables(
    source: str, verdict: Verdict
) -> None:
    item = an_object(source)

    assert checked(item, kernel(NOTHING), "4.4", loader="compat").verdict is verdict
    assert checked(item, kernel(NOTHING), "4.4").verdict is Verdict.REJECTED
    assert checked(item, kernel(NOTHING), "5.2").verdict is Verdict.LOADS


def test_a_short_program_comes_under_no_rule() -> None:
    found = checked(an_object(KPROBE % ""), kernel(NOTHING), "4.4")

    assert not [it for it in found.features if it.need == "rule"]


LEFT = """\
struct { __uint(type, BPF_MAP_TYPE_STACK_TRACE); __uint(key_size, 4); } stacks
	SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(key_size, 4); __uint(value_size, 4); }
	seen SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 4096); } ring
	SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY); __uint(key_size, 4);
	__uint(value_size, 4); } events SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); __uint(max_entries, 1);
	__uint(key_size, 4); __uint(value_size, 4); } outer SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_TASK_STORAGE); __uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int); __type(value, int); } storage SEC(".maps");
int data;
SEC("own/section") int typeless(void *context) { return data; }
SEC("freplace/other") int replacement(void *context) { return 0; }
SEC("socket") int whole(void *context) { return 0; }
"""


def test_what_is_left_to_the_loader_makes_the_verdict_unknown() -> None:
    found = checked(an_object(LEFT), kernel(NOTHING), "6.1")

    left = [it for it in found.features if it.need == "loader"]
    assert [it.name for it in left] == [
        "max_entries of stacks",
        "value_size of stacks",
        "max_entries of seen",
        "inner map of outer",
        "type of typeless",
        "target of replacement",
    ]
    assert {it.presence for it in left} == {Presence.UNKNOWN}
    assert found.verdict is Verdict.UNKNOWN
    assert found.reasons[0] == "max_entries of stacks is left to the loader"


def test_what_a_suite_does_not_set_is_refused() -> None:
    item, btf = an_object(LEFT), kernel(NOTHING)
    names = [it.name for it in checked(item, btf).features if it.need == "loader"]

    assert checked(item, btf, given=names).verdict is Verdict.LOADS
    for left in names:
        found = checked(item, btf, given=[it for it in names if it != left])
        assert found.verdict is Verdict.REJECTED
        assert found.reasons == (
            f"{left} is left to the loader, which does not set it",
        )


# ------------------------------------------------------------- architectures

# What each calls its registers (asm/ptrace.h).
REGISTERS = {
    "x86_64": "struct pt_regs { long di; long orig_ax; } r;",
    "arm64": "struct pt_regs { union { struct { long sp; int syscallno; }; }; } r;",
    "s390x": "struct pt_regs { union { long user; struct { long psw; }; }; } r;",
    "riscv64": "struct pt_regs { long epc; long badaddr; } r;",
}
READS = """\
enum bpf_func_id { BPF_FUNC_unspec, BPF_FUNC_probe_read = 4, BPF_FUNC_probe_read_kernel
	= 113, __BPF_FUNC_MAX_ID = 200 } a;
enum bpf_prog_type { P0, P1, BPF_PROG_TYPE_KPROBE = 2, BPF_PROG_TYPE_TRACING = 26 } b;
enum bpf_attach_type { A0, BPF_TRACE_FENTRY = 24, __MAX_BPF_ATTACH_TYPE = 40 } d;
"""
OLD_READ = KPROBE % "long it = 0; bpf_probe_read(&it, 8, ctx); return it;"
NEW_READ = KPROBE % "long it = 0; bpf_probe_read_kernel(&it, 8, ctx); return it;"


@pytest.mark.parametrize("architecture", REGISTERS)
def test_an_architecture_is_known_by_its_registers(architecture: str) -> None:
    with Engine(build()) as engine:
        engine.load_target(kernel(REGISTERS[architecture]))
        assert of_target(engine) == architecture
        engine.load_target(kernel(NOTHING))
        assert of_target(engine) == ""


@pytest.mark.parametrize(
    ("architecture", "version", "reads"),
    [
        ("x86_64", "6.1", True),
        ("arm64", "6.1", True),
        ("s390x", "5.6", True),
        ("s390x", "5.7", False),
    ],
)
def test_any_address_is_read_where_addresses_do_not_overlap(
    architecture: str, version: str, reads: bool
) -> None:
    btf = kernel(READS + REGISTERS[architecture])
    old = need(checked(an_object(OLD_READ), btf, version), "helper", "probe_read")

    assert old.presence is (Presence.PRESENT if reads else Presence.ABSENT)
    newer = checked(an_object(NEW_READ), btf, version)
    assert newer.verdict is Verdict.LOADS, newer.reasons


@pytest.mark.parametrize(
    ("architecture", "name"),
    [("x86_64", "__x64_sys_call"), ("arm64", "__arm64_sys_call")],
)
def test_a_system_calls_function_has_the_architectures_name(
    architecture: str, name: str
) -> None:
    item = an_object('SEC("ksyscall/call") int on_a(void *ctx) { return 0; }\n')
    there = f"int {name}(int x) {{ return x; }}\n{REGISTERS[architecture]}"
    found = need(checked(item, kernel(there)), "attach_target", "ksyscall/call")

    assert found.presence is Presence.PRESENT
    assert name in found.evidence


FUNCTIONS = """\
-a_function
+another_function.isra.0
-another_function.isra.0.cold
+both
+both.part.0
"""
ASKED = Facts(release="", traced=Traced(functions=pack_functions(FUNCTIONS)))


@pytest.mark.parametrize("kind", ["kprobe", "fentry"])
def test_a_function_that_the_compiler_changed_is_not_there_by_its_name(
    kind: str,
) -> None:
    source = f'SEC("{kind}/another_function") int on_a(void *ctx) {{ return 0; }}\n'

    # Its BTF has it.
    found = checked(an_object(source), kernel(OTHER), facts=ASKED)

    it = need(found, "attach_target", f"{kind}/another_function")
    assert (it.presence, it.learnt) == (Presence.ABSENT, Learnt.PROBED)
    assert it.evidence == (
        "it has another_function.isra.0, another_function.isra.0.cold instead"
    )
    # The verifier says: "The address of function another_function cannot be found".
    assert it.stops_loading == (kind == "fentry")


def test_a_function_that_can_not_be_traced_is_told_when_it_is_attached() -> None:
    types = "int a_function(int x) { return x; } int both(int x) { return x; }"
    fentry = FENTRY + 'SEC("kprobe/both") int on_b(void *ctx) { return 0; }\n'
    item = an_object(fentry)

    found = checked(item, kernel(types), facts=ASKED)

    it = need(found, "attach_target", "fentry/a_function")
    assert (it.presence, it.stops_loading) == (Presence.ABSENT, False)
    assert "available_filter_functions" in it.evidence
    # A part of it is apart.
    assert need(found, "attach_target", "kprobe/both").presence is Presence.PRESENT
    # Nobody has booted it.
    unasked = checked(item, kernel(types))
    assert need(unasked, "attach_target", it.name).presence is Presence.PRESENT
