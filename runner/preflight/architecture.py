"""Which architecture a kernel is for, by what its BTF calls its registers."""

from collections.abc import Mapping

from runner.preflight.engine import Engine, MemberAnswer

_REGISTERS = "pt_regs"
# A member of struct pt_regs that no other architecture has (asm/ptrace.h of each).
_MEMBERS: Mapping[str, str] = {
    "orig_ax": "x86_64",
    "syscallno": "arm64",
    "psw": "s390x",
    "badaddr": "riscv64",
}


def of_strings(btf: bytes) -> str:
    """Return the architecture by the names in a kernel's BTF alone, or "".

    It takes no engine; where names of two architectures stand, nothing is said.
    """
    found = [
        _MEMBERS[name] for name in _MEMBERS if b"\0" + name.encode() + b"\0" in btf
    ]
    return found[0] if len(found) == 1 else ""


def of_target(engine: Engine) -> str:
    """Return the architecture of the engine's target as runner/arch names it.

    "" for BTF that does not say, such as one that was cut to some objects.
    """
    (found,) = engine.find([_REGISTERS])
    structs = [it for it in engine.types(id_ for id_, _ in found) if it is not None]
    names = {field.name for it in structs for field in _fields(engine, it.id)}
    return next((_MEMBERS[it] for it in _MEMBERS if it in names), "")


def _fields(engine: Engine, id_: int) -> list[MemberAnswer]:
    """Return members of a struct, and those of its nameless ones."""
    (type_,) = engine.types([id_])
    if type_ is None:
        return []
    inner = [
        each
        for it in type_.fields
        if not it.name and it.type != id_
        for each in _fields(engine, it.type)
    ]
    return [*type_.fields, *inner]
