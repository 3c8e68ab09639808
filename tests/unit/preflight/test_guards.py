"""Whether verifiers of each age come to poison: facts.md 1 and 2."""

import pytest

from runner.preflight.model import Guard, Verdict
from tests.unit.preflight.made import an_object, checked, kernel

EMPTY = kernel("struct task { int pid; } x;")
NEWER = """\
struct task { int pid; int gone; } CORE;
unsigned long out;
SEC("kprobe/a") int on_a(struct task *task)
{
	%s
}
"""
# `if (exists)` is compiled to a jump over the read when it is 0.
PLAIN = """\
	if (bpf_core_field_exists(struct task, gone))
		return bpf_core_field_offset(struct task, gone);
	return bpf_core_field_offset(struct task, pid);
"""
UNGUARDED = "return bpf_core_field_offset(struct task, gone);"
OF_VERSION = """\
	extern int LINUX_KERNEL_VERSION __kconfig;
	if (LINUX_KERNEL_VERSION >= 0x060c00)
		return bpf_core_field_offset(struct task, gone);
	return 0;
"""


def guard(body: str, version: str) -> tuple[Verdict, Guard]:
    """Return the verdict, and what guards the only poison."""
    prediction = checked(an_object(NEWER % body), EMPTY, version)
    (found,) = {
        it.guard for it in prediction.relocations if it.guard is not Guard.NOT_NEEDED
    }
    return prediction.verdict, found


@pytest.mark.parametrize("version", ["4.15", "5.4", "6.12"])
def test_a_guard_is_seen_through(version: str) -> None:
    assert guard(PLAIN, version) == (Verdict.LOADS, Guard.GUARDED)


@pytest.mark.parametrize("version", ["4.4", "4.14.300", "5.4", "6.12"])
def test_what_is_not_guarded_is_reached(version: str) -> None:
    assert guard(UNGUARDED, version) == (Verdict.REJECTED, Guard.REACHABLE)


@pytest.mark.parametrize("version", ["4.4", "4.11"])
def test_poison_in_dead_code_kills_old_kernels(version: str) -> None:
    verdict, found = guard(PLAIN, version)

    assert verdict in (Verdict.CRASHES, Verdict.REJECTED)
    assert found in (Guard.DEADLY, Guard.REACHABLE)


def test_a_guard_by_the_kernels_version_is_seen_through_when_data_is_frozen() -> None:
    assert guard(OF_VERSION, "5.10") == (Verdict.LOADS, Guard.GUARDED)
    assert guard(OF_VERSION, "6.13") == (Verdict.REJECTED, Guard.REACHABLE)


# As libbpf's own usdt.bpf.h and bpf_tracing.h ask.
OF_LIBBPF = """\
	extern const _Bool %s __kconfig;
	if (%s)
		return bpf_core_field_offset(struct task, gone);
	return 0;
"""


@pytest.mark.parametrize(
    ("name", "version", "found"),
    [
        ("LINUX_HAS_BPF_COOKIE", "5.14", Guard.GUARDED),
        ("LINUX_HAS_BPF_COOKIE", "5.15", Guard.REACHABLE),
        ("LINUX_HAS_SYSCALL_WRAPPER", "5.10", Guard.REACHABLE),
    ],
)
def test_a_guard_by_what_libbpf_finds_out_is_seen_through(
    name: str, version: str, found: Guard
) -> None:
    assert guard(OF_LIBBPF.replace("%s", name), version)[1] is found


def test_a_guard_that_leads_through_a_function_is_seen_through() -> None:
    source = """\
struct task { int pid; int gone; } CORE;
static __noinline int has(void) { return bpf_core_field_exists(struct task, gone); }
SEC("kprobe/a") int on_a(struct task *task)
{
	if (has())
		return bpf_core_field_offset(struct task, gone);
	return 0;
}
"""
    prediction = checked(an_object(source), EMPTY, "6.1")

    assert prediction.verdict is Verdict.LOADS


AFTER_KFUNC = """\
struct task { int pid; int gone; } CORE;
extern int bpf_kernels(int number) __ksym;
SEC("kprobe/a") int on_a(struct task *task)
{
	if (bpf_kernels(1))
		return bpf_core_field_offset(struct task, gone);
	return bpf_get_smp_processor_id();
}
"""


def test_what_is_behind_a_call_of_the_kernels_own_function_is_reached() -> None:
    types = kernel("struct task { int pid; } x; int bpf_kernels(int n) { return n; }")

    prediction = checked(an_object(AFTER_KFUNC), types, "6.1")

    assert prediction.verdict is Verdict.REJECTED
    assert "gone is missing and not guarded" in prediction.reasons[0]
    assert "get_smp_processor_id" in {it.name for it in prediction.features}
