"""Where `attach` of a program may point to: kinds of places, each with its form."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from runner.files.modelfile import Mistake
from runner.suites.model import Case
from runner.text.nearest import did_you_mean


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """A kind of places."""

    # Behind the slash, for readers.
    form: str
    pattern: str = r"[^\s/]+"

    def fits(self, rest: str) -> bool:
        """Whether the words behind the slash have this form."""
        return re.fullmatch(self.pattern, rest) is not None


# A reference may stand for any part of a name.
_NAME = _Kind(form="NAME")
_EVENT = _Kind(form="GROUP/NAME", pattern=r"[^\s/]+/[^\s/]+")
_SYMBOL = _Kind(form="FILE:SYMBOL", pattern=r"\S.*:[^:\s]+")
# What the agent attaches (images/agent/target.c), and behind it what libbpf looks up
# when it loads a program.
_KINDS = {
    "kprobe": _NAME,
    "kretprobe": _NAME,
    "tracepoint": _EVENT,
    "tp": _EVENT,
    "raw_tracepoint": _NAME,
    "raw_tp": _NAME,
    "perf_event": _Kind(form="cpu-clock", pattern="cpu-clock"),
    "uprobe": _SYMBOL,
    "uretprobe": _SYMBOL,
    "xdp": _Kind(form="INTERFACE"),
    "cgroup": _Kind(form="FOLDER", pattern=r"\S.*"),
    "fentry": _NAME,
    "fexit": _NAME,
    "fmod_ret": _NAME,
    "tp_btf": _NAME,
    "lsm": _NAME,
}
_REFERENCE = re.compile(r"\$\{[^}]*\}")
_SLEEPABLE = ".s"
_LOOKED_UP = ("fentry", "fexit", "fmod_ret", "tp_btf", "lsm")


def is_looked_up(place: str) -> bool:
    """Whether a place is looked up when the program loads, and not to attach."""
    return place.partition("/")[0].removesuffix(_SLEEPABLE) in _LOOKED_UP


def mistakes(case: Case) -> Iterator[Mistake]:
    """Find places that nothing can be attached to, whatever the kernel has."""
    for name, program in case.programs.items():
        for where, place in program.places:
            what = _mistake(place)
            if what:
                yield Mistake(
                    ("programs", name, "attach", *where), f"{place!r}: {what}"
                )


def _mistake(place: str) -> str:
    """Return what is wrong with a place; empty when nothing is."""
    word, _, rest = place.partition("/")
    kind = _KINDS.get(word.removesuffix(_SLEEPABLE) if is_looked_up(place) else word)
    if "${" in word:
        return ""
    if kind is None:
        known = did_you_mean(word, _KINDS) or f"there are {', '.join(_KINDS)}"
        return f"no kind of place is called {word!r}; {known}"
    # What a reference stands for may have any form but that of no text.
    if kind.fits(_REFERENCE.sub("x", rest)) or _REFERENCE.fullmatch(rest):
        return ""
    return f"write {word}/{kind.form}"
