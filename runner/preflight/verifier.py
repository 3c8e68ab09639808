"""How kernels' verifiers decide branches on constants, by version."""

from dataclasses import dataclass, replace

from runner.versions import KernelVersion


@dataclass(frozen=True, kw_only=True)
class Verifier:
    """What a verifier knows of constants; newer ones know more."""

    # The first kernel that has it.
    since: KernelVersion
    # A branch is decided when the constant differs, too, not only when it is equal.
    decides_unequal: bool
    # JGT, JSET and the others are decided, not only JEQ and JNE.
    decides_all: bool
    # LD_IMM64 gives a constant.
    tracks_ldimm64: bool
    # Arithmetic on constants gives constants.
    computes: bool
    # The other operand of a branch may be a register that holds a constant.
    compares_registers: bool
    # A constant survives on the stack.
    tracks_stack: bool
    # Frozen maps' contents, such as .rodata, are constants.
    reads_frozen_maps: bool
    # Functions that are not static are verified once, for any arguments.
    verifies_globals_alone: bool
    # Poison in dead code oopses the kernel.
    dead_poison_oopses: bool


def _row(since: str, known: str = "", *, oopses: bool = False) -> Verifier:
    words = known.split()
    return Verifier(
        since=KernelVersion.parse(since),
        decides_unequal="unequal" in words,
        decides_all="all" in words,
        tracks_ldimm64="ldimm64" in words,
        computes="computes" in words,
        compares_registers="registers" in words,
        tracks_stack="stack" in words,
        reads_frozen_maps="maps" in words,
        verifies_globals_alone="globals" in words,
        dead_poison_oopses=oopses,
    )


# Oldest first. Up to 4.11 read in check_cond_jmp_op() and check_ld_imm() of 4.4.1 and
# 4.11, and seen on both.
VERIFIERS = (
    _row("0", oopses=True),
    _row("4.11", "ldimm64 computes", oopses=True),
    # The fix of dead poison is c131187db2d3; JEQ and JNE came to be decided either way
    # with it.
    _row("4.15", "unequal ldimm64 computes"),
    # is_branch_taken(), 4f7b3e82589e.
    _row("5.0", "unequal all ldimm64 computes"),
    # Spilled constants (f7cf25b2026d) and constant registers (fb8d251ee2a6).
    _row("5.3", "unequal all ldimm64 computes registers stack"),
    # a23740ec43ba.
    _row("5.5", "unequal all ldimm64 computes registers stack maps"),
    # 51c39bb1d5d1.
    _row("5.6", "unequal all ldimm64 computes registers stack maps globals"),
)


def verifier_of(kernel: KernelVersion | None, *, compat: bool = False) -> Verifier:
    """Return the verifier of a kernel; the newest when its version is not known.

    The loader "compat" decides branches before any verifier does, and takes poison out
    of dead code.
    """
    if kernel is None:
        return VERIFIERS[-1]
    found = next(it for it in reversed(VERIFIERS) if it.since <= kernel)
    if not compat:
        return found
    return replace(
        found,
        decides_unequal=True,
        decides_all=True,
        tracks_ldimm64=True,
        computes=True,
        compares_registers=True,
        reads_frozen_maps=True,
        dead_poison_oopses=False,
    )
