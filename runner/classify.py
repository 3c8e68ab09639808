"""What a refused open, load or attach means, by libbpf's and the verifier's words."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from runner.versions import KernelVersion


@dataclass(frozen=True, kw_only=True)
class FailureClass:
    """A reason for which kernels refuse objects."""

    name: str
    meaning: str
    cure: str
    # What shows it; of several that are found, the first pattern's line tells most.
    patterns: tuple[re.Pattern[str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Classification:
    """What a failure is, and the words that show it."""

    # A FailureClass's name, or "unclassified".
    name: str
    # The log's line that shows it; empty when there is no log.
    line: str
    cure: str


UNCLASSIFIED = "unclassified"


def _any_of(*patterns: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern) for pattern in patterns)


# libbpf up to 1.5 prints what strerror says, from 1.6 on "-EINVAL".
_EINVAL = r"(Invalid argument|-EINVAL)"
_ENOENT = r"(No such file or directory|-ENOENT)"
_EPERM = r"(Operation not permitted|-EPERM)"

_POISON_REACHABLE = FailureClass(
    name="poison_reachable",
    meaning="a field, type or enum value is used that this kernel does not have",
    cure="guard it with bpf_core_field_exists() or its like, as `if (exists) new; else "
    "old;`, with a struct flavor for the old name; before 4.15 the guard must be one "
    "that the verifier of that time can decide",
    # 195896080 is 0xbad2310, the helper that libbpf puts in place of what it can't
    # resolve; only the verifier's log, rewritten by libbpf, names the field.
    patterns=_any_of(
        r"failed to resolve CO-RE relocation",
        r"<invalid CO-RE relocation>",
        r"invalid func (unknown#)?195896080",
    ),
)

# Words of the agent, which looks at what was refused.
_GUARD_UNDECIDED = FailureClass(
    name="guard_undecided",
    meaning="what this kernel lacks is guarded, but verifiers before 4.15 do not see "
    "it: they skip a side only where a branch compares a constant with an equal one",
    cure="load by `loader: compat`, or do in your loader what it does (docs/compat.md)",
    patterns=_any_of(r"agent: prog '.*': none of its \d+ poisoned instructions"),
)

_SIGNED_FIELD_RESIZED = FailureClass(
    name="signed_field_resized",
    meaning="a signed field has another size here, and a plain load can't follow that",
    cure="read it by bpf_core_read() into a zeroed variable of the right size, or by "
    "BPF_CORE_READ_BITFIELD_PROBED(), which extends the sign",
    patterns=_any_of(r"accesses field incorrectly\. Make sure you are accessing"),
)

# Words of the verifier.
_IN_VERIFIER_LOG = (
    _POISON_REACHABLE,
    FailureClass(
        name="kfunc_missing",
        meaning="a kernel function is called that this kernel does not offer",
        cure="declare it __weak and guard the call with bpf_ksym_exists()",
        # From 2002000000 on: what libbpf puts in place of calls of kfuncs.
        patterns=_any_of(
            r"kfunc '.*' is referenced but wasn't resolved",
            r"<invalid kfunc call>",
            r"invalid func (unknown#)?2002\d{6}\b",
        ),
    ),
    FailureClass(
        name="map_not_created",
        meaning="a map is used that was not created; .rodata, .data and .bss need 5.2",
        cure="keep global variables out of what older kernels load, or keep them in an "
        "array map of your own; `loader: compat` puts constants in place of reads of "
        ".rodata (docs/compat.md)",
        # From 2001000000 on: what libbpf puts in place of references to maps.
        patterns=_any_of(
            r"BPF map '.*' is referenced but wasn't created",
            r"<invalid BPF map reference>",
            r"invalid func (unknown#)?2001\d{6}\b",
        ),
    ),
    FailureClass(
        name="global_data_unsupported",
        meaning="global variables and __kconfig externs need 5.2",
        cure="tell kernels apart by CO-RE instead (bpf_core_field_exists, "
        "bpf_core_type_exists), and keep data in maps; `loader: compat` puts constants "
        "in place of reads of __kconfig externs (docs/compat.md)",
        patterns=_any_of(r"unrecognized bpf_ld_imm64 insn"),
    ),
    FailureClass(
        name="helper_not_allowed",
        meaning="a helper is called that programs of this type must not call",
        cure="see bpf-helpers(7) for the types that may, or move the call",
        patterns=_any_of(r"program of this type cannot use helper"),
    ),
    FailureClass(
        name="license_not_gpl",
        meaning="a helper is called that is for GPL-compatible programs only",
        cure='license the program as "GPL" or "Dual BSD/GPL", or do without the helper',
        # Newer kernels say the first, older ones the second.
        patterns=_any_of(
            r"cannot call GPL-restricted function",
            r"cannot call GPL only function",
        ),
    ),
    FailureClass(
        name="helper_missing",
        meaning="a helper is called that this kernel does not have for this type of "
        "program",
        cure="guard the call with bpf_core_enum_value_exists(enum bpf_func_id, …), or "
        "use an older helper",
        patterns=_any_of(r"invalid func \S+", r"unknown func \S+"),
    ),
    FailureClass(
        name="program_too_large",
        meaning="the verifier gave up; before 5.2 a program has at most 4096 "
        "instructions",
        cure="split the program by tail calls, or do less in it",
        # Spelt with a double c up to 4.14 or so.
        patterns=_any_of(r"BPF program is too large\. Proc+essed \d+ insn"),
    ),
    FailureClass(
        name="loop_unsupported",
        meaning="a loop that this verifier does not accept; before 5.3 it accepts none",
        cure="unroll it (#pragma unroll), or bound it by a constant",
        patterns=_any_of(
            r"back-edge from insn \d+ to \d+", r"infinite loop detected at insn"
        ),
    ),
    FailureClass(
        name="unreachable_code",
        meaning="instructions are never reached; before 4.16 so are functions that are "
        "called",
        cure="make functions static __always_inline, and leave out dead code",
        patterns=_any_of(r"unreachable insn \d+"),
    ),
    FailureClass(
        name="stack_too_large",
        meaning="a program, with the functions that it calls, has 512 bytes of stack",
        cure="keep large values in a per-CPU array of one element, or go on in another "
        "program by a tail call",
        patterns=_any_of(
            r"combined stack size of \d+ calls is \d+\. Too large",
            # Every offset below -512.
            r"invalid (stack|write to stack R\d+|read from stack R\d+) "
            r"off=-(51[3-9]|5[2-9]\d|[6-9]\d\d|\d{4,})\b",
        ),
    ),
    FailureClass(
        name="stack_uninitialised",
        meaning="a helper is given memory that is not initialised, which old kernels "
        "refuse even where the helper only writes it",
        cure="set the variable to zero first: `u64 v = 0; bpf_core_read(&v, …)` "
        "instead of BPF_CORE_READ(); `loader: compat` does it for you (docs/compat.md)",
        patterns=_any_of(r"invalid indirect (read|access) (from|to) stack"),
    ),
)

_VERIFIER_REJECTED = FailureClass(
    name="verifier_rejected",
    meaning="the verifier can't prove the program safe",
    cure="see the verifier's log; newer kernels accept more",
)

# libbpf's own words, where the kernel was not asked or has no words.
_IN_LIBBPF_LOG = (
    FailureClass(
        name="relocation_ambiguous",
        meaning="several types of the kernel fit, with different answers",
        cure="tell them apart by a flavor of the type that has more of its fields",
        patterns=_any_of(
            r"field offset ambiguity: \d+ != \d+",
            r"relocation decision ambiguity: ",
        ),
    ),
    _SIGNED_FIELD_RESIZED,
    FailureClass(
        name="custom_btf_bad",
        meaning="the BTF file that the object was to be opened with can't be read",
        cure="make it again: pahole --btf_encode_detached",
        patterns=_any_of(r"failed to parse target BTF:"),
    ),
    FailureClass(
        name="kernel_btf_missing",
        meaning="this kernel has no BTF (CONFIG_DEBUG_INFO_BTF, from 5.2 on)",
        cure="give it a BTF file in the matrix",
        patterns=_any_of(
            r"kernel BTF is missing at ",
            r"failed to find valid kernel BTF",
            r"Error loading vmlinux BTF: ",
        ),
    ),
    FailureClass(
        name="kfunc_missing",
        meaning="a kernel function is called that this kernel does not offer",
        cure="declare it __weak and guard the call with bpf_ksym_exists()",
        patterns=_any_of(
            r"extern \(func ksym\) '.*': not found in kernel or module BTFs"
        ),
    ),
    FailureClass(
        name="extern_missing",
        meaning="an extern variable has no value: no such option in the kernel's "
        "configuration, or no configuration was found",
        cure="declare it __weak, so that it is 0 where it is missing",
        patterns=_any_of(
            r"extern '.*' \(strong\): not resolved",
            r"failed to open system Kconfig",
            r"extern \((var )?ksym\) '.*': not found",
        ),
    ),
    FailureClass(
        name="attach_target_missing",
        meaning="this kernel does not have the function or tracepoint, or inlined it "
        "(or tracefs is not mounted)",
        cure="look for another name of it on this kernel, and attach to that one there",
        patterns=_any_of(
            r"failed to find kernel BTF type ID of '.*': (-3|-ESRCH)",
            rf"failed to create (kprobe|kretprobe) '.*' perf event: {_ENOENT}",
            rf"failed to create tracepoint '.*' perf event: {_ENOENT}",
            rf"failed to attach to raw tracepoint '.*': {_ENOENT}",
        ),
    ),
    FailureClass(
        name="permission_denied",
        meaning="the kernel does not let this user load, or lock that much memory",
        cure="run the loader as root, with no limit on locked memory (ulimit -l)",
        # Not EACCES, which is the verifier's.
        patterns=_any_of(
            rf"map '.*': failed to create: {_EPERM}",
            rf"BPF program load failed: {_EPERM}",
        ),
    ),
    FailureClass(
        name="map_type_missing",
        meaning="this kernel does not know the map's type, or not with these sizes and "
        "flags",
        cure="choose the type for each kernel: bpf_map__set_type(), or "
        "bpf_map__set_autocreate() with a second map",
        patterns=_any_of(rf"map '.*': failed to create: {_EINVAL}"),
    ),
)

_PROGRAM_TYPE_MISSING = FailureClass(
    name="program_type_missing",
    meaning="this kernel does not know the program's type, or was given a wrong "
    "version for a kprobe (before 5.0)",
    cure="use a type that it has (kprobe instead of fentry or raw_tp), or do not load "
    "the program there",
    patterns=_any_of(rf"BPF program load failed: {_EINVAL}"),
)

_PROGRAM_TOO_LARGE = FailureClass(
    name="program_too_large",
    meaning="before 5.2 a program has at most 4096 instructions",
    cure="split the program by tail calls, or do less in it",
    patterns=_any_of(r"BPF program load failed: (Argument list too long|-E2BIG)"),
)

_LOAD_FAILED = re.compile(r"BPF program load failed: ")
_VERIFIER_LOG = re.compile(
    r"-- BEGIN PROG LOAD LOG --\n(.*?)(?:^[^\n]*-- END PROG LOAD LOG --|\Z)",
    re.DOTALL | re.MULTILINE,
)
_SUMMARY = re.compile(r"^processed \d+ insns", re.MULTILINE)

# Lines that the verifier prints of what it does, not of what is wrong.
_TRACE = re.compile(
    # "3: (07) r2 += 1", "0: R1=ctx() R10=fp0", "from 3 to 5: …"
    r"\d+: |from \d+ to \d+|"
    # "R0=inv R1=ctx", with and without frames
    r"\s*(frame\d+:)?\s*R\d+(_\w+)?=|"
    # states of loops, source lines, and notes on functions
    r"(cur|old) state: |;|func#\d+|arg#\d+ |last_idx|regs=|mark_precise|"
    r"caller:|callee:|(verification time|stack depth|max_states)\b|$"
)


# The functions that follow the verifier's look at a program, as kernels of that time
# have inlined them.
_FIXING_CALLS = re.compile(
    r"^R?IP:.*\b(SyS_bpf|sys_bpf|bpf_prog_load|bpf_check|fixup_bpf_calls)\+",
    re.MULTILINE,
)
# c131187db2d3: only then calls that are never reached are taken out before.
_NO_UNREACHED_CALLS = KernelVersion.parse("4.15")

_UNREACHED_CALL = FailureClass(
    name="unreached_call_oops",
    meaning="the kernel died of a call that the program never makes: before 4.15 it "
    "looks up the helpers of such calls too, and libbpf's poison, or a helper of newer "
    "kernels, is none that it has",
    cure="load by `loader: compat`, or do in your loader what it does "
    "(docs/compat.md); without it, keep guarded fields from these kernels",
)


def classify_oops(console: str, version: KernelVersion) -> Classification | None:
    """Tell what an oops means that a load ended in, if it is of a known kind."""
    found = _FIXING_CALLS.search(console)
    if found is None or version >= _NO_UNREACHED_CALLS:
        return None
    return _as(_UNREACHED_CALL, _line_at(console, found.start()))


def classify(log: str, operation: str, errno_name: str | None) -> Classification:
    """Tell why an object was refused, or that it is "unclassified": never a guess.

    `log` is libbpf's with the verifier's in it; `errno_name` is "EINVAL" and the like.
    """
    if operation == "load":
        verifier = _verifier_log(log)
        if verifier:
            return _by_verifier(verifier, log)
    found = _first(_IN_LIBBPF_LOG, log)
    if found is None and operation == "load":
        found = _first((_PROGRAM_TYPE_MISSING, _PROGRAM_TOO_LARGE), log)
    if found is not None:
        return found
    line = _last_line(log)
    # A verifier that was given no room for a log still says EACCES, and only it does.
    if operation == "load" and errno_name == "EACCES":
        return _as(_VERIFIER_REJECTED, line)
    return Classification(name=UNCLASSIFIED, line=line, cure="see the log")


def _by_verifier(verifier: str, log: str) -> Classification:
    found = _first(_IN_VERIFIER_LOG, verifier)
    if found is None:
        return _as(_VERIFIER_REJECTED, _telling_line(verifier))
    if found.name == _POISON_REACHABLE.name:
        # libbpf poisons such a field too; its own line says why.
        return _first((_SIGNED_FIELD_RESIZED, _GUARD_UNDECIDED), log) or found
    return found


def _first(classes: Iterable[FailureClass], log: str) -> Classification | None:
    for failure in classes:
        for pattern in failure.patterns:
            match = pattern.search(log)
            if match is not None:
                return _as(failure, _line_at(log, match.start()))
    return None


def _as(failure: FailureClass, line: str) -> Classification:
    return Classification(
        name=failure.name, line=line, cure=f"{failure.meaning}: {failure.cure}"
    )


def _verifier_log(log: str) -> str:
    """Return the verifier's log of the program that failed, or nothing."""
    # libbpf prints the logs of programs that loaded, too: only what follows counts.
    failures = list(_LOAD_FAILED.finditer(log))
    if failures:
        block = _VERIFIER_LOG.search(log, failures[-1].start())
        return block[1] if block else ""
    blocks = list(_VERIFIER_LOG.finditer(log))
    if blocks:
        return str(blocks[-1][1])
    # The verifier's log alone.
    return log if _SUMMARY.search(log) else ""


def _telling_line(verifier: str) -> str:
    """Return the verifier's verdict, which stands before "processed N insns"."""
    summary = _SUMMARY.search(verifier)
    lines = verifier[: summary.start() if summary else None].splitlines()
    for line in reversed(lines):
        if not _TRACE.match(line):
            return line.strip()
    return _last_line("\n".join(lines))


LOADER_CRASHED = _as(
    FailureClass(
        name="loader_crashed",
        meaning="libbpf died while it loaded the object; the kernel lives",
        cure="is the object damaged? Build it again; else tell libbpf's maintainers",
    ),
    "",
)


def _line_at(log: str, position: int) -> str:
    start = log.rfind("\n", 0, position) + 1
    end = log.find("\n", position)
    return log[start : end if end >= 0 else None].strip()


def _last_line(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return lines[-1] if lines else ""
