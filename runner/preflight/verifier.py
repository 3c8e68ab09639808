"""How kernels' verifiers decide branches on constants."""

from enum import Flag, auto

from runner.facts.abilities import Known


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


# By ability. Up to 4.11 read in check_cond_jmp_op() and check_ld_imm() of 4.4.1 and
# 4.11, and seen on both. What fixed dead poison, c131187db2d3, also decides JEQ and JNE
# either way.
_ABILITIES = {
    "decides_ldimm64": Verifier.TRACKS_LDIMM64,
    "decides_computed": Verifier.COMPUTES,
    "dead_poison": Verifier.DECIDES_UNEQUAL,
    "decides_orders": Verifier.DECIDES_ALL,
    "decides_registers": Verifier.COMPARES_REGISTERS,
    "decides_spilled": Verifier.TRACKS_STACK,
    "decides_readonly": Verifier.READS_FROZEN_MAPS,
    "global_functions": Verifier.VERIFIES_GLOBALS_ALONE,
}
# What the loader "compat" decides before any verifier does.
_COMPAT = (
    Verifier.DECIDES_UNEQUAL
    | Verifier.DECIDES_ALL
    | Verifier.TRACKS_LDIMM64
    | Verifier.COMPUTES
    | Verifier.COMPARES_REGISTERS
    | Verifier.READS_FROZEN_MAPS
)


def verifier_of(kernel: Known, *, compat: bool = False) -> Verifier:
    """Return the verifier of a kernel; the newest where nothing is known of it.

    The loader "compat" decides branches before any verifier does, and takes poison out
    of dead code.
    """
    found = Verifier.NOTHING
    for name, flag in _ABILITIES.items():
        if kernel.has(name):
            found |= flag
    if compat:
        return found | _COMPAT
    return found if kernel.has("dead_poison") else found | Verifier.DEAD_POISON_OOPSES
