"""Arguments that programs read, against a kernel's prototypes."""

import pytest

from runner.preflight.model import Effect, Finding, FindingKind, Prediction, Verdict
from tests.unit.preflight.made import an_object, checked, kernel

# With the registers' names of vmlinux.h.
HEAD = """\
#define __VMLINUX_H__
#include <bpf/bpf_tracing.h>
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di;
};
struct inode { long number; int mode; } CORE;
struct dentry { struct inode *inode; long more; } CORE;
struct idmap { long owner; } CORE;
struct file { struct dentry *entry; } CORE;
int sink;
"""
TYPES = """\
struct inode { long number; int mode; };
struct dentry { struct inode *inode; long more; };
struct idmap { long owner; };
struct file { struct dentry *entry; };
struct pair { long a, b; };
struct btf_func_model { %s int nr_args; };
struct btf_func_model model;
typedef void (*btf_trace_opened)(void *data, struct file *file, int flags);
typedef void (*btf_trace_sched_switch)(void *data);
btf_trace_opened opened;
btf_trace_sched_switch sched_switch;
long create(%s) { return 0; }
void closed(struct file *file) { }
long paired(struct pair pair) { return 0; }
long strings(char **of, char *one, unsigned long many) { return 0; }
"""
OLD = "struct inode *dir, struct dentry *entry, int mode"
NEW = "struct idmap *map, struct inode *dir, struct dentry *entry, int mode"


def prediction(
    program: str,
    parameters: str = OLD,
    version: str = "6.1",
    model: str = "int arg_flags;",
) -> Prediction:
    item = an_object(HEAD + program)
    return checked(item, kernel(TYPES % (model, parameters)), version)


def findings(program: str, parameters: str = OLD, **rest: str) -> tuple[Finding, ...]:
    return prediction(program, parameters, **rest).findings


ENTRY = """\
SEC("fentry/create") int BPF_PROG(creates, %s)
{
	sink = %s;
	return 0;
}
"""


def test_an_argument_too_many_is_refused_with_its_line() -> None:
    program = ENTRY % (NEW, "mode")

    assert findings(program, NEW) == ()
    found = prediction(program, OLD)
    (finding,) = found.findings
    assert found.verdict is Verdict.REJECTED
    assert finding.kind is FindingKind.ARGUMENT_MISSING
    assert finding.effect is Effect.NOT_LOADED
    assert "BPF_PROG(creates" in finding.place.source
    assert finding.place.line
    assert finding.reason.startswith("create doesn't have argument 4, only 3 arguments")
    assert f"BPF_PROG(creates, {OLD})" in finding.cure


# What is returned stands behind the last argument, and nothing does for fentry.
@pytest.mark.parametrize(("section", "refused"), [("fentry", True), ("fexit", False)])
def test_what_is_returned_is_for_fexit(section: str, refused: bool) -> None:
    found = prediction(
        f'SEC("{section}/create") int BPF_PROG(creates, {OLD}, long ret)\n'
        "{ return ret; }"
    )

    assert (found.verdict is Verdict.REJECTED) is refused
    assert bool(found.findings) is refused


def test_nothing_is_returned_by_void() -> None:
    (finding,) = findings(
        'SEC("fexit/closed") int BPF_PROG(closes, struct file *file, long ret)\n'
        "{ return ret; }"
    )

    assert finding.kind is FindingKind.RETURN_MISSING
    assert finding.effect is Effect.NOT_LOADED


def test_only_what_is_reached_counts() -> None:
    program = """\
struct later { long owner; } CORE;
SEC("fentry/create") int creates(unsigned long long *ctx)
{
	if (bpf_core_type_exists(struct later))
		sink = bpf_get_prandom_u32() + ctx[3];
	return ctx[2];
}
"""

    assert findings(program) == ()


RETURNED = """\
SEC("fexit/create") int BPF_PROG(after, void *a, void *b, int c, int %s)
{
	sink = %s;
	return 0;
}
"""


# Nobody says that the returned value has moved behind an argument that was added.
@pytest.mark.parametrize("name", ["ret", "retval", "rc"])
def test_an_argument_that_is_taken_for_what_is_returned_is_warned_of(name: str) -> None:
    program = RETURNED % (name, name)

    assert findings(program, OLD) == ()
    (finding,) = findings(program, f"{OLD}, unsigned flags")
    assert finding.is_warning
    assert finding.kind is FindingKind.ARGUMENT_CHANGED
    taken = f"the program takes it for the returned value (int {name})"
    assert f"is unsigned int flags, and {taken}" in finding.reason
    # An argument of that name is no returned value, nor is one of another name.
    assert findings(program, f"{OLD}, unsigned {name}") == ()
    assert findings(RETURNED % ("mask", "mask"), f"{OLD}, unsigned flags") == ()


PROBE = """\
SEC("kprobe/create") int BPF_KPROBE(creates, %s)
{
	sink = %s;
	return 0;
}
"""
READ = "BPF_CORE_READ(dir, mode)"


def test_a_probe_that_reads_another_argument_is_warned_of() -> None:
    program = PROBE % (OLD, READ)

    assert findings(program, OLD) == ()
    found = prediction(program, NEW)
    (finding,) = found.findings
    assert found.verdict is Verdict.LOADS
    assert finding.is_warning
    assert finding.kind is FindingKind.ARGUMENT_CHANGED
    assert finding.subject == "create, argument 1"
    assert "is struct idmap *map, and the program takes it for struct inode *dir" in (
        finding.reason
    )


def test_numbers_that_moved_are_warned_of() -> None:
    (finding,) = findings(
        PROBE % ("struct inode *dir, int flags, int mode", "mode"),
        "struct inode *dir, int mode, int flags",
    )

    assert "for int mode, which is argument 2 there" in finding.reason


@pytest.mark.parametrize(
    ("declared", "kernel_has"),
    [
        # A number as wide as a pointer may be one, and nobody knows what void is.
        ("unsigned long dir", "struct inode *dir"),
        ("void *dir", "struct inode *dir"),
        ("struct inode *dir", "void *dir"),
        ("struct inode *dir", "unsigned long dir"),
        # A new name alone.
        ("struct inode *dir", "const struct inode *folder"),
        ("int flags", "unsigned int modes"),
        # What is in the first place, either way.
        ("struct wrapper *dir", "struct inode *dir"),
        ("struct inode *dir", "struct wrapper *dir"),
    ],
)
def test_what_fits_is_not_warned_of(declared: str, kernel_has: str) -> None:
    item = an_object(
        HEAD + "struct wrapper { struct inode inode; } CORE;\n"
        'SEC("kprobe/f") int BPF_KPROBE(probe, ' + declared + ")\n"
        "{ sink = (long)" + declared.replace("*", " ").split()[-1] + "; return 0; }"
    )
    btf = kernel(
        "struct inode { long number; }; struct wrapper { struct inode inode; };\n"
        f"struct wrapper w; long f({kernel_has}) {{ return 0; }}"
    )

    found = checked(item, btf)

    assert found.findings == ()
    assert len(found.signatures) == 1


def test_without_declared_types_relocations_show_them() -> None:
    program = """\
SEC("kprobe/create") int creates(struct pt_regs *ctx)
{
	struct inode *dir = (void *)ctx->di;

	sink = BPF_CORE_READ(dir, mode);
	return 0;
}
"""

    assert findings(program, OLD) == ()
    (finding,) = findings(program, NEW)
    assert "the program takes it for struct inode *" in finding.reason


def test_the_return_of_void_is_warned_of() -> None:
    (finding,) = findings(
        'SEC("kretprobe/closed") int BPF_KRETPROBE(closes, long ret)\n{ return ret; }'
    )

    assert finding.kind is FindingKind.RETURN_MISSING
    assert finding.is_warning


LATE = (
    'SEC("kretprobe/closed") int closes(struct pt_regs *ctx)\n'
    "{ sink = PT_REGS_PARM1(ctx); return 0; }",
    'SEC("kretprobe/closed") int BPF_KPROBE(closes, void *first)\n'
    "{ sink = (long)first; return 0; }",
)


@pytest.mark.parametrize("program", LATE)
def test_an_argument_is_gone_when_the_function_returns(program: str) -> None:
    (finding,) = findings(program)

    assert finding.kind is FindingKind.ARGUMENT_MISSING
    assert finding.is_warning
    assert finding.subject == "closed, argument 1"
    assert "reads the register of argument 1 when closed() returns" in finding.reason
    assert 'SEC("kprobe/closed")' in finding.cure
    assert finding.place.line


def test_nothing_is_returned_yet_when_the_function_begins() -> None:
    (finding,) = findings(
        'SEC("kprobe/closed") int closes(struct pt_regs *ctx)\n'
        "{ sink = PT_REGS_RC(ctx); return 0; }"
    )

    assert finding.is_warning
    assert finding.subject == "closed, return value"
    assert 'SEC("kretprobe/closed")' in finding.cure


RAW = """\
SEC("raw_tp/opened") int opens(unsigned long long *ctx)
{
	sink = ctx[%d];
	return 0;
}
"""


def test_raw_tracepoints_with_too_many_arguments_are_not_attached() -> None:
    assert findings(RAW % 1) == ()
    found = prediction(RAW % 2)
    (finding,) = found.findings
    assert found.verdict is Verdict.LOADS
    assert finding.effect is Effect.NOT_ATTACHED


def test_typed_tracepoints_with_too_many_arguments_are_refused() -> None:
    assert findings((RAW % 1).replace("raw_tp", "tp_btf")) == ()
    (finding,) = findings((RAW % 2).replace("raw_tp", "tp_btf"))
    assert finding.effect is Effect.NOT_LOADED


def test_structs_by_value_need_6_1() -> None:
    program = 'SEC("fentry/paired") int pairs(void *ctx) { return 0; }'

    assert findings(program) == ()
    (finding,) = findings(program, model="")
    assert finding.kind is FindingKind.TARGET_UNSUPPORTED
    assert "takes struct pair by value" in finding.reason


STRINGS = """\
SEC("fentry/strings") int reads(unsigned long long *ctx)
{
	%s
	return 0;
}
"""


def test_typed_programs_can_not_follow_numbers() -> None:
    follows = STRINGS % "sink = *(char *)ctx[1];"

    assert findings(STRINGS % "sink = ctx[1];") == ()
    (finding,) = findings(follows)
    assert finding.effect is Effect.NOT_LOADED


def test_typed_programs_can_not_read_pointers_to_pointers_on_known_kernels() -> None:
    reads = STRINGS % "sink = ctx[0];"

    assert [it.effect for it in findings(reads)] == [Effect.NOT_LOADED]
    assert findings(reads, version="7.2") == ()


def test_a_kernel_without_functions_says_nothing() -> None:
    item = an_object(HEAD + ENTRY % (NEW, "mode"))

    assert checked(item, kernel("struct inode { long number; } x;")).findings == ()
