"""Logs are cut from what libbpf 1.1 and kernels from 4.4 to 6.18 printed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.facts.abilities import Known
from runner.failures.classes import UNCLASSIFIED
from runner.failures.classify import classify, classify_oops, says_why
from runner.versions import KernelVersion


def of_version(text: str) -> Known:
    return Known(version=KernelVersion.parse(text))


def refused(verifier: str, error: str = "Invalid argument") -> str:
    """Wrap the verifier's words as libbpf does."""
    return (
        f"libbpf: prog 'p': BPF program load failed: {error}\n"
        "libbpf: prog 'p': -- BEGIN PROG LOAD LOG --\n"
        f"{verifier}"
        "-- END PROG LOAD LOG --\n"
        "libbpf: prog 'p': failed to load: -22\n"
        "libbpf: failed to load object 'p.o'\n"
    )


NULL_POINTER = """\
0: R1=ctx() R10=fp0
; __u64 *v = bpf_map_lookup_elem(&m, &k); *v = 1; @ bad.bpf.c:4
0: (b7) r1 = 0                        ; R1=0
6: (85) call bpf_map_lookup_elem#1    ; R0=map_value_or_null(id=1,map=m,ks=4,vs=8)
7: (b7) r1 = 1                        ; R1=1
8: (7b) *(u64 *)(r0 +0) = r1
R0 invalid mem access 'map_value_or_null'
processed 8 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0
"""

POISON = """\
0: (85) call bpf_get_current_task#35          ; R0=scalar()
1: <invalid CO-RE relocation>
failed to resolve CO-RE relocation <byte_off> [5] struct task_struct.gone (0:0 @ offset 0)
processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0
"""  # noqa: E501

LOOP = """\
6: (61) r3 = *(u32 *)(r1 +0)          ; R1=ctx() R3=scalar()
7: (5d) if r2 != r3 goto pc-6 infinite loop detected at insn 2
cur state: R1=ctx() R2=scalar()
old state: R1=ctx() R2=scalar()
processed 19 insns (limit 1000000) max_states_per_insn 0 total_states 1 peak_states 1
"""

# What 4.4 prints: no summary, and its own names.
OLD = """\
0: (bf) r6 = r1
1: (85) call {}
invalid func {}
"""

# In two parts, for the spelling checker's sake.
OLD_SPELLING = "Procc" + "essed"


@pytest.mark.parametrize(
    ("verifier", "name", "line"),
    [
        (
            NULL_POINTER,
            "pointer_may_be_null",
            "R0 invalid mem access 'map_value_or_null'",
        ),
        (
            POISON,
            "poison_reachable",
            "failed to resolve CO-RE relocation <byte_off> [5] struct task_struct.gone "
            "(0:0 @ offset 0)",
        ),
        (
            "dereference of modified ctx ptr R1 off=8 disallowed\n",
            "context_modified",
            "dereference of modified ctx ptr R1 off=8 disallowed",
        ),
        (
            "1: <invalid CO-RE relocation>\n",
            "poison_reachable",
            "1: <invalid CO-RE relocation>",
        ),
        (
            "invalid func unknown#195896080\n",
            "poison_reachable",
            "invalid func unknown#195896080",
        ),
        (
            OLD.format(195896080, 195896080),
            "poison_reachable",
            "invalid func 195896080",
        ),
        (
            OLD.format(2001000001, 2001000001),
            "map_not_created",
            "invalid func 2001000001",
        ),
        (
            "3: <invalid BPF map reference>\n"
            "BPF map '.rodata' is referenced but wasn't created\n",
            "map_not_created",
            "BPF map '.rodata' is referenced but wasn't created",
        ),
        (
            "unrecognized bpf_ld_imm64 insn\n",
            "global_data_unsupported",
            "unrecognized bpf_ld_imm64 insn",
        ),
        (
            "4: <invalid kfunc call>\nkfunc 'f' is referenced but wasn't resolved\n",
            "kfunc_missing",
            "kfunc 'f' is referenced but wasn't resolved",
        ),
        (
            "invalid func unknown#2002000003\n",
            "kfunc_missing",
            "invalid func unknown#2002000003",
        ),
        (OLD.format(35, 35), "helper_missing", "invalid func 35"),
        (
            "invalid func bpf_get_current_task#35\n",
            "helper_missing",
            "invalid func bpf_get_current_task#35",
        ),
        (
            "unknown func bpf_ktime_get_boot_ns#125\n",
            "helper_missing",
            "unknown func bpf_ktime_get_boot_ns#125",
        ),
        (
            "3: (85) call bpf_probe_write_user#36\n"
            "program of this type cannot use helper bpf_probe_write_user#36\n",
            "helper_not_allowed",
            "program of this type cannot use helper bpf_probe_write_user#36",
        ),
        (
            "0: (85) call bpf_get_current_task#35\n"
            "cannot call GPL-restricted function from non-GPL compatible program\n",
            "license_not_gpl",
            "cannot call GPL-restricted function from non-GPL compatible program",
        ),
        (
            f"BPF program is too large. {OLD_SPELLING} 32769 insn\n",
            "program_too_large",
            f"BPF program is too large. {OLD_SPELLING} 32769 insn",
        ),
        (
            "BPF program is too large. Processed 1000001 insn\n",
            "program_too_large",
            "BPF program is too large. Processed 1000001 insn",
        ),
        (
            "back-edge from insn 7 to 2\n",
            "loop_unsupported",
            "back-edge from insn 7 to 2",
        ),
        (
            LOOP,
            "loop_unsupported",
            "7: (5d) if r2 != r3 goto pc-6 infinite loop detected at insn 2",
        ),
        ("unreachable insn 9\n", "unreachable_code", "unreachable insn 9"),
        (
            "invalid indirect read from stack off -16+0 size 8\n",
            "stack_uninitialised",
            "invalid indirect read from stack off -16+0 size 8",
        ),
        *(
            (f"{line}\n", "stack_too_large", line)
            for line in (
                "invalid stack off=-520 size=8",
                "invalid write to stack R10 off=-513 size=1",
                "combined stack size of 2 calls is 800. Too large",
            )
        ),
        # In words that no class has.
        (
            "the program is not to my liking\n",
            "verifier_rejected",
            "the program is not to my liking",
        ),
        # In two lines: both count, and the first says more.
        (
            "8: (79) r6 = *(u64 *)(r0 +32)\n"
            "invalid access to map value, value_size=8 off=32 size=8\n"
            "R0 min value is outside of the allowed memory range\n",
            "access_out_of_bounds",
            "invalid access to map value, value_size=8 off=32 size=8; R0 min value is "
            "outside of the allowed memory range",
        ),
        # What stands before the verdict is a note: the program is no global function.
        (
            "Global function p() doesn't return scalar. Only those are supported.\n"
            "0: (79) r1 = *(u64 *)(r1 +168)        ; R1_w=sock_common_or_null(id=1)\n"
            "1: (61) r0 = *(u32 *)(r1 +0)\n"
            "R1 invalid mem access 'sock_common_or_null'\n",
            "pointer_may_be_null",
            "R1 invalid mem access 'sock_common_or_null'",
        ),
        (
            "arg#0 reference type('UNKNOWN ') size cannot be determined: -22\n"
            "8: (79) r0 = *(u64 *)(r0 +0)\n"
            "invalid access to memory, mem_size=4 off=0 size=8\n"
            "R0 min value is outside of the allowed memory range\n",
            "access_out_of_bounds",
            "invalid access to memory, mem_size=4 off=0 size=8; R0 min value is "
            "outside of the allowed memory range",
        ),
        # A kernel function's buffer whose size has no bound.
        (
            "16: (85) call bpf_dynptr_slice#55142\n"
            "R4 unbounded memory access, use 'var &= const' or 'if (var < const)'\n"
            "arg#2 arg#3 memory, len pair leads to invalid memory access\n",
            "bound_missing",
            "R4 unbounded memory access, use 'var &= const' or 'if (var < const)'; "
            "arg#2 arg#3 memory, len pair leads to invalid memory access",
        ),
        # The same words of a dynptr's slots as of memory that was never written.
        (
            "21: (85) call bpf_dynptr_from_mem#197 ; R0_w=scalar() "
            "fp-24_w=dynptr_local(id=2,dynptr_id=1)\n"
            "27: (85) call bpf_strncmp#182\n"
            "invalid indirect read from stack R1 off -24+0 size 16\n",
            "dynptr_misused",
            "invalid indirect read from stack R1 off -24+0 size 16",
        ),
        (
            "21: (85) call bpf_dynptr_from_mem#197 ; R0_w=scalar() "
            "fp-24_w=dynptr_local(id=2,dynptr_id=1)\n"
            "27: (85) call bpf_strncmp#182\n"
            "invalid indirect read from stack R1 off -40+0 size 16\n",
            "stack_uninitialised",
            "invalid indirect read from stack R1 off -40+0 size 16",
        ),
        *(
            (f"{line}\n", name, line)
            for name, line in (
                (
                    "release_unowned",
                    "release kernel function bpf_task_release expects refcounted "
                    "PTR_TO_BTF_ID",
                ),
                ("write_not_allowed", "only read is supported"),
                (
                    "map_not_for_this",
                    "write into map forbidden, value_size=48 off=0 size=8",
                ),
                (
                    "argument_bad",
                    "kernel function f args#0 expected pointer to STRUCT path but R1 "
                    "has a pointer to STRUCT file",
                ),
                ("pointer_arithmetic_bad", "R0 pointer += pointer prohibited"),
                ("privilege_missing", "R0 pointer -= pointer prohibited"),
            )
        ),
        # Above the stack's top, which is no matter of size.
        (
            "invalid stack off=8 size=8\n",
            "stack_access_bad",
            "invalid stack off=8 size=8",
        ),
    ],
)
def test_verifiers_words_are_classified(verifier: str, name: str, line: str) -> None:
    for error in ("Invalid argument", "-EINVAL"):
        found = classify(refused(verifier, error), "load", "EINVAL")
        assert (found.name, found.line) == (name, line)
        assert found.cure


@pytest.mark.parametrize("error", ["Permission denied", "-EACCES"])
def test_permission_denied_by_the_verifier_is_a_rejection(error: str) -> None:
    found = classify(refused("it is not to my liking\n", error), "load", "EACCES")
    assert found.name == "verifier_rejected"


def test_rejection_without_a_log_is_a_rejection() -> None:
    log = "libbpf: prog 'p': BPF program load failed: Permission denied\n"
    assert classify(log, "load", "EACCES").name == "verifier_rejected"


def test_verifiers_log_alone_is_understood() -> None:
    found = classify(NULL_POINTER, "load", "EACCES")
    assert found.line == "R0 invalid mem access 'map_value_or_null'"


def test_logs_of_programs_that_loaded_do_not_count() -> None:
    loaded = (
        "libbpf: prog 'q': -- BEGIN PROG LOAD LOG --\n"
        "BPF program is too large. Processed 9 insn\n"
        "processed 9 insns (limit 1000000)\n"
        "-- END PROG LOAD LOG --\n"
    )
    found = classify(loaded + refused(NULL_POINTER), "load", "EACCES")
    assert found.name == "pointer_may_be_null"
    log = loaded + "libbpf: prog 'p': BPF program load failed: Invalid argument\n"
    assert classify(log, "load", "EINVAL").name == "program_type_missing"


def test_log_that_was_cut_short_is_read_to_its_end() -> None:
    log = refused(NULL_POINTER).partition("processed")[0]
    found = classify(log, "load", "EACCES")
    assert found.line == "R0 invalid mem access 'map_value_or_null'"


def test_resized_field_says_more_than_the_poison_that_it_leaves() -> None:
    warning = (
        "libbpf: prog 'p': relo #1: insn #4 (LDX/ST/STX) accesses field incorrectly. "
        "Make sure you are accessing pointers, unsigned integers, or fields of "
        "matching type and size.\n"
    )
    found = classify(warning + refused(POISON), "load", "EINVAL")
    assert found.name == "signed_field_resized"
    found = classify(warning + refused(NULL_POINTER), "load", "EACCES")
    assert found.name == "pointer_may_be_null"


@pytest.mark.parametrize(
    ("log", "operation", "name"),
    [
        (
            "libbpf: prog 'p': relo #0: field offset ambiguity: 4 != 8\n",
            "load",
            "relocation_ambiguous",
        ),
        (
            "libbpf: prog 'p': relo #0: relocation decision ambiguity: success 4 != "
            "failure 0\n",
            "load",
            "relocation_ambiguous",
        ),
        ("libbpf: failed to find valid kernel BTF\n", "load", "kernel_btf_missing"),
        ("libbpf: Error loading vmlinux BTF: -3\n", "load", "kernel_btf_missing"),
        (
            "libbpf: kernel BTF is missing at '/sys/kernel/btf/vmlinux', was "
            "CONFIG_DEBUG_INFO_BTF enabled?\n",
            "load",
            "kernel_btf_missing",
        ),
        ("libbpf: failed to parse target BTF: -22\n", "load", "custom_btf_bad"),
        (
            "libbpf: prog 'p': failed to find kernel BTF type ID of 'no_such': -3\n",
            "load",
            "attach_target_missing",
        ),
        (
            "libbpf: prog 'p': failed to find kernel BTF type ID of 'f': -ESRCH\n",
            "load",
            "attach_target_missing",
        ),
        (
            "libbpf: extern (func ksym) 'f': not found in kernel or module BTFs\n",
            "load",
            "kfunc_missing",
        ),
        (
            "libbpf: extern 'CONFIG_NO_SUCH' (strong): not resolved\n",
            "load",
            "extern_missing",
        ),
        # libbpf 0.8's words.
        (
            "libbpf: extern CONFIG_NO_SUCH (strong) not resolved\n",
            "load",
            "extern_missing",
        ),
        (
            "libbpf: Unsupported BTF_KIND:19\n"
            "libbpf: loading kernel BTF '/sys/kernel/btf/vmlinux': -22\n"
            "libbpf: failed to find valid kernel BTF\n"
            "libbpf: Error loading vmlinux BTF: -3\n",
            "load",
            "kernel_btf_too_new",
        ),
        (
            "libbpf: prog 'p': relo #0: parsing [19] struct upid + 0 failed: -22\n"
            "libbpf: prog 'p': relo #0: failed to relocate: -22\n",
            "load",
            "libbpf_too_old",
        ),
        (
            "libbpf: map 'm': failed to create: Invalid argument(-22)\n",
            "load",
            "map_type_missing",
        ),
        ("libbpf: map 'm': failed to create: -EINVAL\n", "load", "map_type_missing"),
        (
            "libbpf: map 'm': failed to create: Argument list too long(-7)\n",
            "load",
            "map_type_missing",
        ),
        (
            "libbpf: prog 'p': failed to create kprobe 'f+0x0' perf event: Invalid "
            "argument\n",
            "attach",
            "attach_target_untraceable",
        ),
        (
            "libbpf: prog 'p': failed to attach: Device or resource busy\n",
            "attach",
            "attach_target_untraceable",
        ),
        (
            "libbpf: prog 'p': failed to attach to tracepoint "
            "'syscalls/sys_enter_sync': Invalid argument\n",
            "attach",
            "attach_target_untraceable",
        ),
        (
            "libbpf: map 'm': failed to create: Cannot allocate memory(-12)\n",
            "load",
            "memory_short",
        ),
        (
            "libbpf: elf: failed to find symbol 'f' in '/proc/self/exe'\n",
            "attach",
            "user_target_missing",
        ),
        (
            "libbpf: usdt: no USDT notes section (.note.stapsdt) found in '/x'\n",
            "attach",
            "user_target_missing",
        ),
        (
            "libbpf: prog 'p': missing BPF prog type, check ELF section name 'x/y'\n"
            "libbpf: prog 'p': failed to load: -22\n"
            "libbpf: failed to load object 'o'\n",
            "load",
            "section_unknown",
        ),
        (
            "agent: prog 'p': section 'tracepoint/own' names no place\n",
            "attach",
            "section_unknown",
        ),
        (
            "libbpf: prog 'p': attach program FD is not set\n"
            "libbpf: prog 'p': failed to prepare load attributes: -22\n",
            "load",
            "extension_without_target",
        ),
        (
            "libbpf: elf: legacy map definitions in 'maps' section are not supported "
            "by libbpf v1.0+\n",
            "open",
            "maps_legacy",
        ),
        (
            "libbpf: sec 'tc': program 'f' is static and not supported\n",
            "open",
            "program_static",
        ),
        (
            "libbpf: failed to find BTF for extern 'f' [5] section: -2\n",
            "open",
            "extern_undeclared",
        ),
        (
            "libbpf: extern (func ksym) 'f': func_proto [4] incompatible with kernel "
            "[94157]\n",
            "load",
            "kfunc_missing",
        ),
        (
            "libbpf: map 'm': failed to create: Operation not permitted(-1)\n",
            "load",
            "permission_denied",
        ),
        (
            "libbpf: prog 'p': BPF program load failed: -EPERM\n",
            "load",
            "permission_denied",
        ),
        (
            "libbpf: prog 'p': BPF program load failed: Invalid argument\n"
            "libbpf: prog 'p': failed to load: -22\n",
            "load",
            "program_type_missing",
        ),
        (
            "libbpf: prog 'p': BPF program load failed: -EINVAL\n",
            "load",
            "program_type_missing",
        ),
        (
            "libbpf: prog 'p': BPF program load failed: Argument list too long\n",
            "load",
            "program_too_large",
        ),
        (
            "libbpf: prog 'p': failed to create kprobe 'f+0x0' perf event: No such "
            "file or directory\n",
            "attach",
            "attach_target_missing",
        ),
        (
            "libbpf: prog 'p': failed to create tracepoint 'sched/no_such' perf event: "
            "-ENOENT\n",
            "attach",
            "attach_target_missing",
        ),
        (
            "libbpf: prog 'p': failed to attach to raw tracepoint 'no_such': No such "
            "file or directory\n",
            "attach",
            "attach_target_missing",
        ),
    ],
)
def test_libbpfs_words_are_classified(log: str, operation: str, name: str) -> None:
    found = classify(f"libbpf: loading object\n{log}", operation, None)
    assert found.name == name
    assert found.line == log.splitlines()[0]


@pytest.mark.parametrize(
    ("log", "operation"),
    [
        ("", "open"),
        ("", "load"),
        ("libbpf: elf: something else\n", "open"),
        ("libbpf: prog 'p': failed to attach to perf_event FD 9: -EBUSY\n", "attach"),
        # It mentions "lsm", and that says nothing.
        ("libbpf: prog 'my_lsm': can't attach\n", "attach"),
    ],
)
def test_what_is_not_known_is_not_guessed(log: str, operation: str) -> None:
    found = classify(log, operation, "EINVAL")
    assert found.name == UNCLASSIFIED
    assert found.line == log.strip()


@given(st.text(), st.sampled_from(("open", "load", "attach")), st.none() | st.text())
def test_any_log_is_classified(
    log: str, operation: str, errno_name: str | None
) -> None:
    found = classify(log, operation, errno_name)
    assert "\n" not in found.line
    assert found.name


# What 4.4 prints of a guard that it does not see through, after the agent's own line.
UNSEEN_GUARD = (
    "agent: prog 'on_new_task': none of its 1 poisoned instructions is ever reached\n"
    + refused("0: (bf) r6 = r1\n9: (85) call 195896080\ninvalid func 195896080\n")
)


def test_a_guard_that_the_verifier_does_not_see_is_told_from_none() -> None:
    found = classify(UNSEEN_GUARD, "load", "EINVAL")
    unguarded = classify(UNSEEN_GUARD.partition("\n")[2], "load", "EINVAL")

    assert found.name == "guard_undecided"
    assert "loader: compat" in found.cure
    assert unguarded.name == "poison_reachable"


OOPS_4_4 = """\
BUG: unable to handle kernel NULL pointer dereference at           (null)
IP: [<ffffffff810b3b30>] SyS_bpf+0x730/0xb50
Oops: 0000 [#1]
CPU: 0 PID: 35 Comm: agent Not tainted 4.4.1 #2
RIP: 0010:[<ffffffff810b3b30>]  [<ffffffff810b3b30>] SyS_bpf+0x730/0xb50
"""
OOPS_4_11 = """\
BUG: unable to handle kernel NULL pointer dereference at           (null)
IP: bpf_prog_load+0x2a2/0x540
Oops: 0000 [#1]
"""
OTHER_OOPS = """\
BUG: unable to handle kernel NULL pointer dereference at           (null)
IP: sysrq_handle_crash+0x16/0x20
Call Trace:
 bpf_prog_load+0x2a2/0x540
"""


@pytest.mark.parametrize("console", [OOPS_4_4, OOPS_4_11])
def test_an_oops_on_a_call_that_is_not_reached_is_known(console: str) -> None:
    found = classify_oops(console, of_version("4.4.1"))

    assert found is not None
    assert found.name == "unreached_call_oops"
    assert found.line.startswith("IP: ")
    assert "loader: compat" in found.cure


def test_other_oopses_are_not_guessed_at() -> None:
    assert classify_oops(OTHER_OOPS, of_version("4.4.1")) is None
    # Mended in 4.15: whatever it is there, it is something else.
    assert classify_oops(OOPS_4_11, of_version("4.15")) is None


def test_an_unknown_refusal_shows_the_line_that_tells_most() -> None:
    log = (
        "libbpf: prog 'p': something nobody has seen\n"
        "libbpf: prog 'p': failed to load: -22\n"
        "libbpf: failed to load object 'o'\n"
    )

    found = classify(log, "load", "EINVAL")

    assert (found.name, found.line) == (
        UNCLASSIFIED,
        "libbpf: prog 'p': something nobody has seen",
    )


@pytest.mark.parametrize("size", ["max_entries", "value_size"])
def test_a_map_without_a_size_is_no_missing_type(size: str) -> None:
    log = (
        "libbpf: map 'm': failed to create: Invalid argument(-22)\n"
        f"agent: map 'm' has no {size}\n"
    )

    found = classify(log, "load", "EINVAL")

    assert (found.name, found.line) == (
        "map_incomplete",
        f"agent: map 'm' has no {size}",
    )


@pytest.mark.parametrize(
    "log",
    [
        "libbpf: map 'a': attr 'map_extra': expected PTR, got enum64.\n",
        "libbpf: elf: skipping unrecognized data section(5) .struct_ops.link\n"
        + refused("attach_btf_id 0 is not a supported struct\nprocessed 0 insns\n"),
        # As 6.12 says it.
        "libbpf: elf: skipping unrecognized data section(5) .struct_ops.link\n"
        + refused("processed 0 insns (limit 1000000) max_states_per_insn 0\n"),
    ],
)
def test_what_needs_a_newer_libbpf_is_told(log: str) -> None:
    assert classify(log, "load", "EINVAL").name == "libbpf_too_old"


def test_an_empty_log_of_the_verifier_is_no_missing_type() -> None:
    log = refused("processed 0 insns (limit 1000000) max_states_per_insn 0\n")

    assert classify(log, "load", "EINVAL").name == "verifier_rejected"


@pytest.mark.parametrize(
    ("words", "name"),
    [
        # What loaders with cilium/ebpf 0.22 printed on 6.1, 5.4 and 4.19.
        (
            "program p: load program: bad CO-RE relocation: R1_w=0: "
            "frame pointer is read only (5 line(s) omitted)",
            "poison_reachable",
        ),
        (
            'program p: apply CO-RE relocations: relocate Struct:"perf_aux_event": '
            "type_size: multiple types match: ambiguous relocation",
            "relocation_ambiguous",
        ),
        ('program p: fixing up kfuncs: kfunc "f": not supported', "kfunc_missing"),
        ("map strange: map create: invalid argument", "map_type_missing"),
        (
            'program p: resolve .kconfig: config option "CONFIG_X" does not exist on '
            "this kernel",
            "extern_missing",
        ),
        (
            "attach p to kprobe/f: creating perf_kprobe PMU (arch-specific fallback "
            'for "f"): token __x64_f: not found: no such file or directory',
            "attach_target_missing",
        ),
        (
            'attach p to tracepoint/sched/e: reading file "…/id": open '
            "/sys/kernel/tracing/events/sched/e/id: no such file or directory",
            "attach_target_missing",
        ),
        (
            "program p: attach Tracing/TraceFEntry: fentry f not supported",
            "attach_target_missing",
        ),
        (
            "program p: load program: map create: ring buffers not supported "
            "(requires >= v5.8)",
            "kernel_feature_missing",
        ),
        # And those with Aya 0.14 on 6.1.
        (
            "error relocating section: error relocating `socket`: error relocating "
            "perf_aux_event, multiple candidate target types found with different "
            'memory layouts: ["perf_aux_event"]',
            "relocation_ambiguous",
        ),
        (
            "error relocating section: error relocating `kprobe/f`: instruction #1 "
            "referenced by relocation #0 is invalid: original type long has size 8 but "
            "target type int has size 4",
            "signed_field_resized",
        ),
        (
            "error parsing BPF object: invalid program section `tc`",
            "loader_unsupported",
        ),
        (
            "BTF error: Unable to determine the size of section `.kconfig`",
            "loader_unsupported",
        ),
        ("map error: invalid map type 999", "map_type_missing"),
        (
            "attach p to kprobe/f: `perf_event_open` failed: No such file or directory "
            "(os error 2)",
            "attach_target_missing",
        ),
        (
            "attach p to tracepoint/sched/e: `/sys/kernel/tracing/events/sched/e/id`: "
            "No such file or directory (os error 2)",
            "attach_target_missing",
        ),
        (
            "attach p to raw_tp/e: `bpf_raw_tracepoint_open` failed: No such file or "
            "directory (os error 2)",
            "attach_target_missing",
        ),
        (
            "program p: fentry/f: BTF error: unknown BTF type `f`",
            "attach_target_missing",
        ),
        (
            "loader: ebpf-go can't attach program p to perf_event/cpu-clock: no "
            "function of the library does",
            "loader_unsupported",
        ),
    ],
)
def test_words_of_other_libraries(words: str, name: str) -> None:
    found = classify(words + "\n", "load", None, other_library=True)

    assert (found.name, found.line) == (name, words)


@pytest.mark.parametrize("section", ["fentry/f", "fexit.s/f", "lsm/file_open"])
@pytest.mark.parametrize("errno", ["Cannot allocate memory", "-ENOMEM"])
def test_without_a_jit_what_needs_trampolines_does_not_load(
    section: str, errno: str
) -> None:
    # As 6.12.107 of Debian's s390x says it.
    log = (
        f"libbpf: sec '{section}': found program 'p' at insn offset 0 (0 bytes)\n"
        "libbpf: map 'm': created successfully, fd=6\n"
        f"libbpf: prog 'p': BPF program load failed: {errno}\n"
        "libbpf: prog 'p': -- BEGIN PROG LOAD LOG --\n"
        "processed 0 insns (limit 1000000) max_states_per_insn 0 total_states 0\n"
        "-- END PROG LOAD LOG --\n"
        "libbpf: prog 'p': failed to load: -12\n"
    )

    found = classify(log, "load", "ENOMEM")

    line = f"libbpf: prog 'p': BPF program load failed: {errno}"
    assert (found.name, found.line) == ("attach_kind_missing", line)
    # Another program may want memory.
    for own, others in ((section, "kprobe/f"), ("prog 'p'", "prog 'q'")):
        other = classify(log.replace(own, others), "load", "ENOMEM")
        assert other.name == "verifier_rejected"


def test_words_of_other_libraries_mean_nothing_from_libbpf() -> None:
    words = "program p: load program: bad CO-RE relocation\n"

    assert classify(words, "load", None).name == UNCLASSIFIED


def test_another_library_leaves_the_verifiers_words_as_they_are() -> None:
    log = (
        "program p: load program: permission denied\n"
        "-- BEGIN PROG LOAD LOG --\n"
        f"{NULL_POINTER}"
        "-- END PROG LOAD LOG --\n"
    )

    assert classify(log, "load", "EACCES", other_library=True) == classify(
        log, "load", "EACCES"
    )


# By libbpf from 1.1 to 1.7, and why the kernel says so. The errno of each place is that
# of kernel/trace/bpf_trace.c, kernel/bpf/syscall.c, kernel/events/core.c.
ATTACHES = [
    # perf_event_set_bpf_prog(): max_ctx_offset > trace_event_get_offsets().
    ("tracepoint 'sched/sched_process_free': Permission denied", "record_short"),
    ("tracepoint 'sched/sched_process_free': -EACCES", "record_short"),
    (
        "tracepoint 'syscalls/sys_enter_open': Invalid argument",
        "attach_target_untraceable",
    ),
    # __bpf_probe_register(): max_ctx_offset > num_args * 8.
    ("raw tracepoint 'sched_switch': Invalid argument", "target_argument_missing"),
    ("raw tracepoint 'gone': No such file or directory", "attach_target_missing"),
    # bpf_iter_attach_map() without a map.
    ("iterator: Bad file descriptor", "attach_target_unset"),
    # link_create(): an attach type, or a kind of link, that the kernel does not have.
    ("cgroup: Invalid argument", "attach_kind_missing"),
    ("xdp: Device or resource busy", "attach_place_taken"),
    ("netfilter: -EEXIST", "attach_place_taken"),
    ("netns: -EINVAL", "attach_kind_missing"),
]
ATTACHED_ALONE = [
    # bpf_kprobe_multi_link_attach() without CONFIG_FPROBE, and before it was added.
    ("failed to attach: Operation not supported", "attach_kind_missing"),
    ("failed to attach: -EOPNOTSUPP", "attach_kind_missing"),
    # register_fentry() on arm64 before 6.4: ENOTSUPP, which libc has no word for.
    ("failed to attach: ERROR: strerror_r(-524)=22", "attach_kind_missing"),
    ("failed to attach: -ENOTSUPP", "attach_kind_missing"),
    ("failed to attach: Invalid argument", "attach_kind_missing"),
    # No function of that name, or none that matches.
    ("failed to attach: No such process", "attach_target_missing"),
    ("failed to attach: -ENOENT", "attach_target_missing"),
    ("failed to attach multi-uprobe: Invalid argument", "attach_kind_missing"),
    ("failed to find a unique match for 'do_*' (3 matches)", "attach_target_missing"),
    # bpf_trampoline_link_prog() on what is no call of fentry.
    ("failed to attach: Device or resource busy", "attach_target_untraceable"),
    (
        "no BTF-based attach target is specified, use bpf_program__set_attach_target()",
        "attach_target_unset",
    ),
    (
        "section 'uprobe//bin/sh' missing ':function[+offset]' specification",
        "section_bad",
    ),
]


@pytest.mark.parametrize(("words", "name"), ATTACHES)
def test_a_refused_attach_is_told_by_its_place_and_errno(words: str, name: str) -> None:
    log = f"libbpf: prog 'p': failed to attach to {words}\n"

    assert classify(log, "attach", None).name == name


@pytest.mark.parametrize(("words", "name"), ATTACHED_ALONE)
def test_a_refused_attach_without_a_place_is_told(words: str, name: str) -> None:
    assert classify(f"libbpf: prog 'p': {words}\n", "attach", None).name == name


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (
            "map 'jumps': failed to initialize slot [0] to prog 'p' fd=-2: -9",
            "tail_call_unloaded",
        ),
        (
            "prog 'p': SEC(\"struct_ops\") program isn't referenced anywhere, did you "
            "forget to use it?",
            "struct_ops_unused",
        ),
        (
            "map 'jumps': failed to initialize slot [0] to prog 'p' fd=7: -22",
            "tail_call_refused",
        ),
        (
            "struct_ops init_kern: struct tcp_other_ops is not found in kernel BTF",
            "struct_ops_missing",
        ),
        ("map 'a': unknown field 'size'.", "map_definition_bad"),
        ("couldn't reuse pinned map at '/p': parameter mismatch", "pinning_failed"),
        (
            "extern (kcfg) 'CONFIG_HZ': value 'y' implies bool, tristate, or char type",
            "kconfig_value_bad",
        ),
        (
            "extern (var ksym) 'x': incompatible types, expected [3] int, but kernel "
            "has [4] long",
            "extern_differs",
        ),
        (
            "extern (func ksym) 'f': func_proto [3] incompatible with nf_conntrack [4]",
            "kfunc_missing",
        ),
        ("prog 'p': bad map relo against 'x' in section '.data'", "object_malformed"),
        ("usdt: unrecognized register 'xmm0'", "usdt_unsupported"),
        ("usdt: no USDT notes section in '/bin/sh'", "user_target_missing"),
    ],
)
def test_what_libbpf_refuses_itself_has_a_class(words: str, name: str) -> None:
    assert classify(f"libbpf: {words}\n", "load", "EINVAL").name == name


def test_what_libbpf_says_of_each_socket_is_no_reason() -> None:
    words = "libbpf: Netlink error reporting not supported\n"

    assert not says_why(words)
    assert says_why(words + "libbpf: Kernel error message: no such qdisc\n")


def test_a_tracepoint_of_an_old_kernel_takes_one_program() -> None:
    words = "prog 'b': failed to attach to tracepoint 'sched/switch': File exists"

    found = classify(f"libbpf: {words}\n", "attach", "EEXIST")

    assert found.name == "attach_place_taken"
