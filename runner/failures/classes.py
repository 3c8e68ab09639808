"""The classes of failures: what each means, what shows it, and what to do about it.

runner.failures.classify looks for the patterns; docs/classes.md is made from this
table, and suites may name no class that is not here.
"""

import re
from dataclasses import dataclass

from runner.bpf.insn import POISON_HELPER

UNCLASSIFIED = "unclassified"


@dataclass(frozen=True, kw_only=True)
class FailureClass:
    """A reason for which kernels refuse objects, or for which cases fail."""

    name: str
    meaning: str
    cure: str
    # What shows it; of several that are found, the first pattern's line says most.
    # Old and new forms of the same words stand next to each other.
    # In the verifier's log.
    verifier: tuple[re.Pattern[str], ...] = ()
    # In libbpf's own words, where the kernel was not asked or has no words.
    libbpf: tuple[re.Pattern[str], ...] = ()
    # The same, of no meaning but when an object is loaded.
    load: tuple[re.Pattern[str], ...] = ()
    # In what loaders of other libraries print, before they end.
    printed: tuple[re.Pattern[str], ...] = ()
    # Why the words may mean something else too; empty for those that can't.
    doubt: str = ""
    # Whether an object can have earned it, so that a suite may expect it.
    declarable: bool = True

    @property
    def explanation(self) -> str:
        """What reports say one should do."""
        return f"{self.meaning}: {self.cure}"


def _any_of(*patterns: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern) for pattern in patterns)


# libbpf up to 1.5 prints what strerror says, from 1.6 on "-EINVAL".
_EINVAL = r"(Invalid argument|-EINVAL)"
_ENOENT = r"(No such file or directory|-ENOENT)"
_BELOW_THE_STACK = r"-(51[3-9]|5[2-9]\d|[6-9]\d\d|\d{4,})\b"
_E2BIG = r"(Argument list too long|-E2BIG)"
_ENOMEM = r"(Cannot allocate memory|-ENOMEM)"
_EBUSY = r"(Device or resource busy|-EBUSY)"
_EPERM = r"(Operation not permitted|-EPERM)"

POISON_REACHABLE = FailureClass(
    name="poison_reachable",
    meaning="the program uses a field, type or enum value that this kernel does not "
    "have",
    cure="guard it with bpf_core_field_exists() or similar, as `if (exists) new; "
    "else old;`, with a struct flavor for the old name; before 4.15 use a guard "
    "that verifiers of that time can decide",
    # libbpf puts a call of that helper in place of what it can't
    # resolve; only the verifier's log, rewritten by libbpf, names the field.
    verifier=_any_of(
        r"failed to resolve CO-RE relocation",
        r"<invalid CO-RE relocation>",
        rf"invalid func (unknown#)?{POISON_HELPER}",
    ),
)

GUARD_UNDECIDED = FailureClass(
    name="guard_undecided",
    meaning="the program guards what this kernel lacks, but verifiers before 4.15 do "
    "not understand the guard: they skip a side only if a branch compares a "
    "constant with an equal one",
    cure="load it with `loader: compat`, or do the same in your loader "
    "(docs/compat.md)",
    # Words of the agent, which looks at what was refused.
    load=_any_of(r"agent: prog '.*': none of its \d+ poisoned instructions"),
)

SIGNED_FIELD_RESIZED = FailureClass(
    name="signed_field_resized",
    meaning="a signed field has another size on this kernel, and a plain load can't "
    "adapt to that",
    cure="read it with bpf_core_read() into a zeroed variable of the right size, or "
    "with BPF_CORE_READ_BITFIELD_PROBED(), which extends the sign",
    libbpf=_any_of(r"accesses field incorrectly\. Make sure you are accessing"),
)

VERIFIER_REJECTED = FailureClass(
    name="verifier_rejected",
    meaning="the verifier can't prove the program safe",
    cure="read the verifier's log; newer kernels accept more",
    doubt="the log is from the verifier, but matches none of the classes above",
)

PROGRAM_TOO_LARGE = FailureClass(
    name="program_too_large",
    meaning="the verifier gave up; before 5.2 a program may have at most 4096 "
    "instructions",
    cure="split the program with tail calls, or do less in it",
    verifier=_any_of(
        # Spelt with a double c up to 4.14 or so.
        r"BPF program is too large\. Proc+essed \d+ insn",
        r"The sequence of \d+ jumps is too complex",
    ),
    load=_any_of(rf"BPF program load failed: {_E2BIG}"),
)

VERIFIER_TOO_SLOW = FailureClass(
    name="verifier_too_slow",
    meaning="the load took longer than its timeout while the guest still answered: "
    "the verifier took too long to walk the program",
    cure="look for loops and branches that multiply the paths through the program; "
    "if it really needs that long, raise --timeout-scale (docs/timeouts.md)",
    doubt="a slow machine makes the verifier slow, too; the timeout is scaled by the "
    "machine's speed",
)

TIMED_OUT = FailureClass(
    name="timed_out",
    meaning="a command, an answer of the guest's agent, or a boot took longer than its "
    "timeout, also in a second, clean guest",
    cure="read the output so far; if the machine is slow, raise the option in the "
    "message, `timeout` of the trigger in suite.yaml or --timeout-scale; "
    "otherwise find out what hangs (docs/timeouts.md)",
    doubt="nobody can distinguish a slow machine from something that hangs, so it "
    "counts as infrastructure: never as a wrong value, and never as a pass",
    declarable=False,
)

PROGRAM_TYPE_MISSING = FailureClass(
    name="program_type_missing",
    meaning="this kernel does not know the program's type, or got a wrong version "
    "for a kprobe (before 5.0)",
    cure="use a type that it knows (kprobe instead of fentry or raw_tp), or do not "
    "load the program there",
    load=_any_of(rf"BPF program load failed: {_EINVAL}"),
    doubt="the kernel only returns EINVAL, as for a wrong version or flag",
)

UNREACHED_CALL = FailureClass(
    name="unreached_call_oops",
    meaning="the kernel crashed because of a call that the program never makes: "
    "before 4.15 it looks up the helpers of such calls, too, and fails for "
    "libbpf's poison or a helper of newer kernels",
    cure="load it with `loader: compat`, or do the same in your loader "
    "(docs/compat.md); otherwise avoid guarded fields on these kernels",
    doubt="recognised by the functions on the stack of the oops",
)

LOADER_CRASHED = FailureClass(
    name="loader_crashed",
    meaning="libbpf crashed while it loaded the object; the kernel still runs",
    cure="check if the object is damaged, and build it again; otherwise report it to "
    "libbpf's maintainers",
)

OUT_OF_MEMORY = FailureClass(
    name="kernel_out_of_memory",
    meaning="the guest did not have enough memory for the object's maps, for the "
    "verifier, or for what ran",
    cure="give the kernel's row in matrix.yaml more `memory` (docs/matrix.md), or "
    "maps fewer entries (`maps: {NAME: {max_entries: …}}`); the console shows "
    "what used the memory",
)

WRONG_VALUE = FailureClass(
    name="wrong_value",
    meaning="the object loads and runs, but what it read is not what you expect",
    cure="the program read a wrong value (often at a wrong offset), or the "
    "expectation is wrong: compare it with what the suite expects",
)

NEVER_RAN = FailureClass(
    name="never_ran",
    meaning="none of the object's programs ran",
    cure="add a trigger that runs them, or set `must_run: false` if the case only "
    "tests loading",
    declarable=False,
)

NOTHING_CHECKED = FailureClass(
    name="nothing_checked",
    meaning="none of the case's expectations can be checked on this kernel",
    cure="add an expectation that can be checked on this kernel",
    declarable=False,
)

PREDICTION_WRONG = FailureClass(
    name="prediction_wrong",
    meaning="preflight and the kernel disagree on whether the object loads, and one "
    "of them is wrong",
    cure="compare the log with the prediction (docs/preflight.md)",
    declarable=False,
)

# Of a case that its suite does not run on a kernel.
DECLARED_GAP = "declared_gap"

UNEXPECTED_PASS = FailureClass(
    name="unexpected_pass",
    meaning="the case passed, but the suite declares that it fails",
    cure="if the gap is closed, remove `expect_failure` from the suite",
    declarable=False,
)

# Words of which several may stand in one log: the first class that is found counts.
IN_LOGS = (
    POISON_REACHABLE,
    FailureClass(
        name="relocation_ambiguous",
        meaning="several types of the kernel match, with different results",
        cure="use a flavor with more fields of the type that you want, so that only "
        "it matches",
        libbpf=_any_of(
            r"field offset ambiguity: \d+ != \d+",
            r"relocation decision ambiguity: ",
        ),
    ),
    SIGNED_FIELD_RESIZED,
    FailureClass(
        name="custom_btf_bad",
        meaning="the BTF file for opening the object can't be read",
        cure="generate it again: pahole --btf_encode_detached",
        libbpf=_any_of(r"failed to parse target BTF:"),
    ),
    FailureClass(
        name="kernel_btf_too_new",
        meaning="the loader's library can't read the kernel's BTF, which has kinds "
        "of types that were added later: 64-bit enumerators need libbpf 1.0 "
        "or cilium/ebpf 0.10",
        cure="build the loader with a newer library, or set a BTF file without them "
        "in the matrix (pahole --skip_encoding_btf_enum64)",
        # Before it says that there is none.
        libbpf=_any_of(r"Unsupported BTF_KIND:\d+"),
        # cilium/ebpf.
        printed=_any_of(r"unknown kind: Unknown \(\d+\)"),
    ),
    FailureClass(
        name="kernel_btf_missing",
        meaning="this kernel has no BTF (CONFIG_DEBUG_INFO_BTF, from 5.2 on)",
        cure="set a BTF file for it in the matrix; programs that are attached by BTF "
        "(fentry, tp_btf, LSM) need the kernel's own",
        libbpf=_any_of(
            r"kernel BTF is missing at ",
            r"failed to find valid kernel BTF",
            r"Error loading vmlinux BTF: ",
        ),
    ),
    FailureClass(
        name="kfunc_missing",
        meaning="the program calls a kernel function that this kernel does not "
        "offer, or not with this prototype",
        cure="declare it __weak and guard the call with bpf_ksym_exists(); check "
        "that its prototype matches the kernel's",
        # From 2002000000 on: what libbpf puts in place of calls of kfuncs.
        verifier=_any_of(
            r"kfunc '.*' is referenced but wasn't resolved",
            r"<invalid kfunc call>",
            r"invalid func (unknown#)?2002\d{6}\b",
        ),
        libbpf=_any_of(
            r"extern \(func ksym\) '.*': not found in kernel or module BTFs",
            r"extern \(func ksym\) '.*': func_proto .* incompatible with kernel",
        ),
    ),
    FailureClass(
        name="map_not_created",
        meaning="the program uses a map that was not created; .rodata, .data and "
        ".bss need 5.2",
        cure="do not load programs with global variables on older kernels, or keep "
        "the variables in an array map of your own; `loader: compat` replaces "
        "reads of .rodata with constants (docs/compat.md)",
        # From 2001000000 on: what libbpf puts in place of references to maps.
        verifier=_any_of(
            r"BPF map '.*' is referenced but wasn't created",
            r"<invalid BPF map reference>",
            r"invalid func (unknown#)?2001\d{6}\b",
        ),
    ),
    FailureClass(
        name="global_data_unsupported",
        meaning="global variables and __kconfig externs need 5.2",
        cure="detect the kernel with CO-RE instead (bpf_core_field_exists, "
        "bpf_core_type_exists), and keep data in maps; `loader: compat` "
        "replaces reads of __kconfig externs with constants (docs/compat.md)",
        verifier=_any_of(r"unrecognized bpf_ld_imm64 insn"),
    ),
    FailureClass(
        name="helper_not_allowed",
        meaning="the program calls a helper that programs of this type must not "
        "call, or that this kernel was built without",
        cure="see bpf-helpers(7) for the types that may call it, or move the call; "
        "bpf_override_return() needs CONFIG_BPF_KPROBE_OVERRIDE",
        verifier=_any_of(r"program of this type cannot use helper"),
    ),
    FailureClass(
        name="license_not_gpl",
        meaning="the program calls a helper that only GPL-compatible programs may call",
        cure='license the program as "GPL" or "Dual BSD/GPL", or do not use the helper',
        # Newer kernels say the first, older ones the second.
        verifier=_any_of(
            r"cannot call GPL-restricted function",
            r"cannot call GPL only function",
        ),
    ),
    FailureClass(
        name="helper_missing",
        meaning="the program calls a helper that this kernel does not have for this "
        "type of program",
        cure="guard the call with bpf_core_enum_value_exists(enum bpf_func_id, …), or "
        "use an older helper",
        verifier=_any_of(r"invalid func \S+", r"unknown func \S+"),
        doubt="up to 6.9, kernels say the same about a helper that other types may "
        "call",
    ),
    PROGRAM_TOO_LARGE,
    FailureClass(
        name="loop_unsupported",
        meaning="the program has a loop that this verifier does not accept; before "
        "5.3 it accepts none",
        cure="unroll it (#pragma unroll), or bound it with a constant",
        verifier=_any_of(
            r"back-edge from insn \d+ to \d+", r"infinite loop detected at insn"
        ),
    ),
    FailureClass(
        name="unreachable_code",
        meaning="some instructions are never reached; before 4.16, functions that "
        "are called count as unreachable, too",
        cure="make functions static __always_inline, and remove dead code",
        verifier=_any_of(r"unreachable insn \d+"),
    ),
    FailureClass(
        name="stack_too_large",
        meaning="the program uses memory outside of the 512 bytes of stack, which "
        "functions that call each other share",
        cure="keep large data in a per-CPU array map, or split the program with tail "
        "calls",
        # Every offset below -512; "off -8+0" is memory that is not initialised.
        verifier=_any_of(
            r"invalid (indirect )?(read from|write to|access to) stack R\d+ "
            rf"off={_BELOW_THE_STACK}",
            rf"invalid stack (type R\d+ )?off={_BELOW_THE_STACK}",
            r"combined stack size of \d+ calls is \d+",
        ),
    ),
    FailureClass(
        name="context_access_bad",
        meaning="the program reads or writes a field of the context that programs of "
        "this type must not access, or not on this kernel",
        cure="read only fields that the type has there, as a whole and as struct "
        "__sk_buff or similar declares them; most fields are read-only",
        verifier=_any_of(r"invalid bpf_context access off=\d+ size=\d+"),
    ),
    FailureClass(
        name="register_uninitialised",
        meaning="the program uses a register that was never written",
        cure="set the variable on every path; look for a missing return or an "
        "argument that the caller does not pass",
        verifier=_any_of(r"R\d+ !read_ok"),
    ),
    FailureClass(
        name="stack_uninitialised",
        meaning="the program passes memory to a helper that is not initialised; old "
        "kernels refuse this even if the helper only writes it",
        cure="set the variable to zero first: `u64 v = 0; bpf_core_read(&v, …)` "
        "instead of BPF_CORE_READ(); `loader: compat` does it for you (docs/compat.md)",
        verifier=_any_of(
            r"invalid indirect (read|access) (from|to) stack (R\d+ )?(var_)?off ",
            r"invalid read from stack (R\d+ )?(var_)?off",
        ),
    ),
    FailureClass(
        name="extern_missing",
        meaning="an extern variable has no value: the kernel's configuration has no "
        "such option, or no configuration was found",
        cure="declare it __weak, so that it is 0 if it is missing",
        libbpf=_any_of(
            r"extern '.*' \(strong\): not resolved",
            # Up to 0.8.
            r"extern \S+ \(strong\) not resolved",
            r"failed to open system Kconfig",
            r"extern \((var )?ksym\) '.*': not found",
        ),
    ),
    FailureClass(
        name="attach_target_missing",
        meaning="this kernel does not have the function or tracepoint, or inlined it "
        "(or tracefs is not mounted)",
        cure="attach to its name on this kernel (`programs: {NAME: {attach: …}}`), "
        "or leave the program out where it is missing, as your loader does "
        "(`load: …`, docs/suite.md)",
        libbpf=_any_of(
            r"failed to find kernel BTF type ID of '.*': (-3|-ESRCH)",
            rf"failed to create (kprobe|kretprobe) '.*' perf event: {_ENOENT}",
            rf"failed to create tracepoint '.*' perf event: {_ENOENT}",
            rf"failed to attach to raw tracepoint '.*': {_ENOENT}",
        ),
    ),
    FailureClass(
        name="permission_denied",
        meaning="the kernel does not allow this user to load programs, or to lock "
        "that much memory",
        cure="run the loader as root, without a limit on locked memory (ulimit -l)",
        # Not EACCES, which is the verifier's.
        libbpf=_any_of(
            rf"map '.*': failed to create: {_EPERM}",
            rf"BPF program load failed: {_EPERM}",
        ),
    ),
    FailureClass(
        name="attach_target_untraceable",
        meaning="the kernel has the target, but does not allow attaching to it: the "
        "function is `notrace`, as copies of inline functions are, or it is "
        "a system call's tracepoint before 4.14",
        cure="attach to a function that calls it, or to a tracepoint; attachable "
        "functions are listed in tracing/available_filter_functions, but BTF "
        "and kallsyms also have others",
        libbpf=_any_of(
            rf"failed to create (kprobe|kretprobe) '.*' perf event: {_EINVAL}",
            rf"prog '.*': failed to attach: {_EBUSY}",
            rf"failed to attach to tracepoint 'syscalls/.*': {_EINVAL}",
        ),
        doubt="EBUSY can also mean that something else has replaced the function",
    ),
    FailureClass(
        name="user_target_missing",
        meaning="a user space binary or library, or a symbol or probe in it, is not "
        "in the guest, which has little more than busybox",
        cure="leave the program out (`programs: {NAME: {attach: false}}`), or add "
        "the binary and a loader as `files` (docs/suite.md)",
        libbpf=_any_of(
            r"elf: failed to find symbol '.*' in '.*'",
            r"usdt: no USDT notes section",
            r"usdt: .* no matching USDT",
            r"failed to resolve full path for '.*'",
            r"elf: failed to open .*: ",
        ),
    ),
    FailureClass(
        name="section_unknown",
        meaning="libbpf does not know the program's section, and so not its type, or "
        "not what it attaches to",
        cure='use a section name of libbpf, such as SEC("tracepoint/GROUP/NAME"), '
        "or set the target in the suite (`attach: tracepoint/GROUP/NAME`); test "
        "an object for another loader with that loader (`files`, docs/suite.md)",
        libbpf=_any_of(r"agent: prog '.*': section '.*' names no place"),
        load=_any_of(r"missing BPF prog type, check ELF section name"),
    ),
    FailureClass(
        name="extension_without_target",
        meaning="a program extends or traces another BPF program (freplace), which "
        "its loader must name",
        cure="leave it out (`programs: {NAME: {load: false}}`), or test it with your "
        "loader (`files`, docs/suite.md)",
        load=_any_of(r"prog '.*': attach program FD is not set"),
    ),
    FailureClass(
        name="maps_legacy",
        meaning='maps are declared in the old way, SEC("maps"), which libbpf '
        "dropped in 1.0",
        cure='declare them in SEC(".maps"), with __uint() and __type(); test an '
        "object for another loader with that loader (`files`, docs/suite.md)",
        libbpf=_any_of(r"legacy map definitions in '.*' section are not supported"),
    ),
    FailureClass(
        name="program_static",
        meaning="a function in a program section is static, so libbpf does not "
        "accept it as a program",
        cure="remove `static`; if the function is only called by programs, remove "
        "its section",
        libbpf=_any_of(r"program '.*' is static and not supported"),
    ),
    FailureClass(
        name="extern_undeclared",
        meaning="the program uses a name that is neither defined nor declared __ksym "
        "or __kconfig; often it is a macro of newer headers that the "
        "compiler treated as a function",
        cure="look at the compiler's warnings (implicit declaration), and build with "
        "the headers that the source was written for; test an object for "
        "another loader with that loader (`files`, docs/suite.md)",
        libbpf=_any_of(r"failed to find BTF for extern '.*'"),
    ),
    FailureClass(
        name="context_modified",
        meaning="the program reads the context through a pointer that it added "
        "something to, which this verifier refuses",
        cure="clang merged two reads into one: keep them apart with barrier_var() on "
        "one of the values, or write two programs and let the loader choose one",
        verifier=_any_of(r"dereference of modified ctx ptr"),
    ),
    FailureClass(
        name="memory_short",
        meaning="the guest does not have the memory for a map when it is created",
        cure="give the kernel's row in matrix.yaml more `memory`, or the map fewer "
        "entries (`maps: {NAME: {max_entries: …}}`)",
        libbpf=_any_of(rf"map '.*': failed to create: {_ENOMEM}"),
    ),
    FailureClass(
        name="map_incomplete",
        meaning="a map has no size; its own loader sets it before it loads",
        cure="set it in the suite, `maps: {NAME: {max_entries: 1024}}` or value_size "
        "(docs/suite.md), or give the object a default size",
        # Words of the agent, which looks at what was refused.
        load=_any_of(r"agent: map '.*' has no (max_entries|value_size)"),
    ),
    FailureClass(
        name="map_type_missing",
        meaning="this kernel does not know the map's type, or not with these sizes "
        "and flags (keys of hash maps have at most 512 bytes before 5.11)",
        cure="choose the type for each kernel: bpf_map__set_type(), or "
        "bpf_map__set_autocreate() with a second map",
        libbpf=_any_of(
            rf"map '.*': failed to create: {_EINVAL}",
            rf"map '.*': failed to create: {_E2BIG}",
        ),
        doubt="EINVAL can also mean wrong sizes or flags",
    ),
    GUARD_UNDECIDED,
    PROGRAM_TYPE_MISSING,
    FailureClass(
        name="libbpf_too_old",
        meaning="the object needs a newer libbpf than the one that loads it",
        cure="load it with the libbpf that your loader is linked with: --libbpf "
        "(docs/libbpf.md); or with your own loader (`files`, docs/suite.md)",
        verifier=_any_of(r"attach_btf_id 0 is not a supported struct"),
        libbpf=_any_of(
            r"map '.*': attr '\w+': expected PTR, got ",
            r"skipping unrecognized data section\(\d+\) \.struct_ops\.",
            # A kind of relocation that it does not know: type_matches before 1.0.
            r"relo #\d+: parsing \[\d+\] .* failed: -22",
        ),
        doubt="libbpf prints the second one for sections that it skips, which may "
        "not be the reason",
    ),
)


def _death(name: str, what: str) -> FailureClass:
    return FailureClass(
        name=f"kernel_{name}",
        meaning=f"the kernel {what} while the case ran",
        cure="read the console's last lines in the report; the object, or what "
        "triggered it, crashes this kernel",
    )


def _not_of_object(name: str, meaning: str, cure: str) -> FailureClass:
    """Return a class that no suite can expect of an object."""
    return FailureClass(name=name, meaning=meaning, cure=cure, declarable=False)


# Requests of a case to the guest's agent that can be refused; those that open, load and
# attach have classes of their own.
_OPERATIONS = {
    "bpf": "the kernel could not be asked what it has",
    "close": "the object could not be closed",
    "detach": "a program could not be detached",
    "drain": "a ring buffer or perf buffer could not be read",
    "dump": "a map could not be read",
    "fork": "the trigger `fork` could not start its process",
    "hello": "the guest's agent could not identify itself",
    "instructions": "the relocated instructions of a program could not be read",
    "iterate": "an iterator could not be read",
    "listen": "the agent could not listen to a buffer",
    "pipe": "the trigger `pipe` could not fill its pipe",
    "put": "a file could not be written in the guest",
    "read": "a file of the guest could not be read",
    "release": "the processes of the case could not be ended",
    "run": "a command could not be run in the guest",
    "runs": "the runs of programs could not be counted",
    "settle": "the guest could not be made ready for a snapshot",
    "sleep": "the trigger `sleep` was refused",
    "syscall": "the trigger `syscall` could not make its system call",
    "test_run": "the kernel refused a test run of the program; it can't test "
    "programs of every type",
    "there": "the targets that programs attach to could not be looked up",
    "udp": "the trigger `udp` could not send its packets",
    "wake": "the guest could not be woken from its snapshot",
}


def _refused(operation: str, what: str) -> FailureClass:
    return _not_of_object(
        f"{operation}_failed", what, "read the message, which has the guest's own words"
    )


# What ends a guest, or keeps a case from running, without a word about the object.
_INFRASTRUCTURE = {
    "panic": "the kernel panicked before a case ran",
    "oops": "the kernel oopsed before a case ran",
    "soft_lockup": "the kernel locked up before a case ran",
    "rcu_stall": "the kernel stalled before a case ran",
    "out_of_memory": "the kernel was out of memory before a case ran",
    "early_exit": "QEMU exited, and the kernel printed nothing",
    "no_answer": "the guest did not answer in time",
    "agent_crashed": "the guest's agent crashed; the guest still runs",
    "gone": "the connection to the guest's agent ended",
    "lost": "the guest was lost",
    "infrastructure": "the machine, the network or the cache failed",
    "internal": "bpf-kernel-matrix itself failed; please report it with runner.log",
}
COMMAND_FAILED = FailureClass(
    name="command_failed",
    meaning="a command of the case failed, or could not be started",
    cure="read its output; if a trigger's exit status is right, set it in the suite "
    "(`exit: N`)",
)

LOADER_FAILED = FailureClass(
    name="loader_failed",
    meaning="a loader in the case's `files` failed, crashed, or could not be "
    "started, so what it should have loaded was not checked",
    cure="read its output; if a trigger's exit status is right, set it in the suite "
    "(`exit: N`)",
)

NOTHING_LOADED = FailureClass(
    name="nothing_loaded",
    meaning="nothing of the object was loaded: none of its programs, and no map of an "
    "object without programs",
    cure='remove "?" from the programs\' section, SEC("tc") instead of '
    'SEC("?tc"), or remove `load: false` from the suite; if the object has no '
    "programs, check that it is the file that you mean",
)

NOTHING_ATTACHED = FailureClass(
    name="nothing_attached",
    meaning="the object was loaded, but none of its programs was attached",
    cure="test it in a suite that sets where they attach (`programs: {NAME: {attach: "
    "PLACE}}`) or runs them (`trigger: [{test_run: NAME}]`); if loading is "
    "enough, use --load-only, or `attach: false` in the suite",
)

_ENDS = (
    VERIFIER_REJECTED,
    UNREACHED_CALL,
    LOADER_CRASHED,
    _death("panic", "panicked"),
    _death("oops", "oopsed"),
    _death("soft_lockup", "locked up"),
    _death("rcu_stall", "stalled"),
    OUT_OF_MEMORY,
    COMMAND_FAILED,
    LOADER_FAILED,
    NOTHING_LOADED,
    NOTHING_ATTACHED,
    WRONG_VALUE,
    NEVER_RAN,
    NOTHING_CHECKED,
    PREDICTION_WRONG,
    UNEXPECTED_PASS,
    _not_of_object(
        "never_runs",
        "the matrix has no kernel that the case applies to, so it never runs",
        "add such a kernel to the matrix, or remove the case",
    ),
    _not_of_object(
        "not_run",
        "the run ended before this case had a result, so nothing is known about it",
        "find out what ended the run, and run it again",
    ),
    _not_of_object(
        "compile_error",
        "the object's source does not compile",
        "fix the source; warnings are errors",
    ),
    _not_of_object(
        "bad_object",
        "the file is not a BPF object that can be loaded: it is damaged, is for "
        "another machine, or has no BTF",
        "compile it with clang -target bpf -g, and strip it with llvm-strip -g",
    ),
    _not_of_object(
        "suite_error",
        "the suite has a mistake that only shows when the case runs",
        "fix the suite as the message says (docs/suite.md)",
    ),
    _not_of_object(
        DECLARED_GAP,
        "the case does not run on this kernel, as the suite declares",
        "nothing; the report shows the suite's reason",
    ),
    *(_refused(name, what) for name, what in _OPERATIONS.items()),
    *(
        _not_of_object(
            name,
            what,
            "look at the kernel's console.log and runner.log; the object is not the "
            "cause",
        )
        for name, what in _INFRASTRUCTURE.items()
    ),
    VERIFIER_TOO_SLOW,
    TIMED_OUT,
    FailureClass(
        name=UNCLASSIFIED,
        meaning="the object was refused with a message that this table does not have",
        cure="read the full log in the report",
        doubt="the runner does not guess",
        declarable=False,
    ),
)

# Every class by name, in the order of the documentation.
CLASSES = {it.name: it for it in (*IN_LOGS, *_ENDS)}
