"""Programs of BPF LSM on kernels that start without it: attached, and never called."""

from collections.abc import Iterator

from runner.facts.abilities import Known
from runner.kernels.securitymodules import BPF
from runner.preflight.model import Effect, Finding, FindingKind
from runner.preflight.places import place_of
from runner.preflight.rules import Code

# Words of sections: each is attached to a function that the hook of the module calls.
_HOOKS = ("lsm", "lsm_cgroup")
CURE = "start it, as your users have to: `guest: {lsm: [..., bpf]}`, lsm= at the boot"


def is_hook(section: str) -> bool:
    """Whether programs of a section are hooks of BPF LSM."""
    word = section.removeprefix("?").partition("/")[0]
    return word.removesuffix(".s") in _HOOKS


def reason(lsm: tuple[str, ...]) -> str:
    """Return why no such program is called by a kernel with these modules."""
    names = ",".join(lsm) or "none"
    return f"attached, never called: bpf is not among this kernel's LSMs ({names})"


def findings(code: Code, known: Known) -> Iterator[Finding]:
    """Yield the programs that are attached and never called."""
    if known.lsm is None or BPF in known.lsm:
        return
    sections = {it.name: it.section for it in code.contents.programs}
    for program in code.programs():
        section = sections.get(program.name, program.section)
        if is_hook(section):
            yield Finding(
                kind=FindingKind.LSM_NOT_CALLED,
                effect=Effect.WRONG_VALUE,
                place=place_of(code.item, (program.section_index, program.start)),
                subject=section.removeprefix("?").partition("/")[2] or program.name,
                reason=reason(known.lsm),
                cure=CURE,
            )
