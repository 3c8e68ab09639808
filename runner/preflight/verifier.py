"""How kernels' verifiers decide branches on constants, by version."""

from enum import Flag, auto

from runner.versions import KernelVersion


class Verifier(Flag):
    """What a verifier knows of constants; newer ones know more."""

    NOTHING = 0
    # Poison in dead code oopses the kernel.
    DEAD_POISON_OOPSES = auto()
    # A branch is decided when the constant differs, too, not only when it is equal.
    DECIDES_UNEQUAL = auto()
    # JGT, JSET and the others are decided, not only JEQ and JNE.
    DECIDES_ALL = auto()
    # LD_IMM64 gives a constant.
    TRACKS_LDIMM64 = auto()
    # Arithmetic on constants gives constants.
    COMPUTES = auto()
    # The other operand of a branch may be a register that holds a constant.
    COMPARES_REGISTERS = auto()
    # A constant survives on the stack.
    TRACKS_STACK = auto()
    # Frozen maps' contents, such as .rodata, are constants.
    READS_FROZEN_MAPS = auto()
    # Functions that are not static are verified once, for any arguments.
    VERIFIES_GLOBALS_ALONE = auto()


# The first kernel → in what its verifier differs from the one before. Up to 4.11 read
# in check_cond_jmp_op() and check_ld_imm() of 4.4.1 and 4.11, and seen on both.
_CHANGES = (
    ("0", Verifier.DEAD_POISON_OOPSES),
    ("4.11", Verifier.TRACKS_LDIMM64 | Verifier.COMPUTES),
    # The fix of dead poison is c131187db2d3; JEQ and JNE came to be decided either way
    # with it.
    ("4.15", Verifier.DECIDES_UNEQUAL | Verifier.DEAD_POISON_OOPSES),
    # is_branch_taken(), 4f7b3e82589e.
    ("5.0", Verifier.DECIDES_ALL),
    # Spilled constants (f7cf25b2026d) and constant registers (fb8d251ee2a6).
    ("5.3", Verifier.COMPARES_REGISTERS | Verifier.TRACKS_STACK),
    # a23740ec43ba.
    ("5.5", Verifier.READS_FROZEN_MAPS),
    # 51c39bb1d5d1.
    ("5.6", Verifier.VERIFIES_GLOBALS_ALONE),
)
# What the loader "compat" decides before any verifier does.
_COMPAT = (
    Verifier.DECIDES_UNEQUAL
    | Verifier.DECIDES_ALL
    | Verifier.TRACKS_LDIMM64
    | Verifier.COMPUTES
    | Verifier.COMPARES_REGISTERS
    | Verifier.READS_FROZEN_MAPS
)


def verifier_of(kernel: KernelVersion | None, *, compat: bool = False) -> Verifier:
    """Return the verifier of a kernel; the newest when its version is not known.

    The loader "compat" decides branches before any verifier does, and takes poison out
    of dead code.
    """
    found = Verifier.NOTHING
    for since, change in _CHANGES:
        if kernel is None or kernel >= KernelVersion.parse(since):
            found ^= change
    return (found | _COMPAT) & ~Verifier.DEAD_POISON_OOPSES if compat else found
