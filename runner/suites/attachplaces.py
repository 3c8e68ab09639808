"""Where `attach` of a program may point to: kinds of places, each with its form."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from runner.files.modelfile import Mistake
from runner.suites.model import Case
from runner.text.nearest import did_you_mean


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """A kind of places."""

    # Behind the slash, for readers.
    form: str
    pattern: str = r"[^\s/]+"
    # The first words of the sections of programs that it takes; empty for many.
    sections: tuple[str, ...] = ()
    # Which of the words behind the slash is a map of the object; -1 for none.
    map_at: int = -1

    def fits(self, rest: str) -> bool:
        """Whether the words behind the slash have this form."""
        return re.fullmatch(self.pattern, rest) is not None


# A reference may stand for any part of a name.
_NAME = _Kind(form="NAME")
# Of libbpf, which knows no others (glob_match()).
_PATTERN = _Kind(form="PATTERN, with * and ? for characters", pattern=r"[^\s/\[\]]+")
_EVENT = _Kind(form="GROUP/NAME", pattern=r"[^\s/]+/[^\s/]+")
_SYMBOL = _Kind(form="FILE:SYMBOL", pattern=r"\S.*:[^:\s\[\]]+")
_TC = ("tc", "classifier", "action", "tcx", "netkit")
_SIDES = r"[^\s/]+/(ingress|egress)"
_NAMESPACE = _Kind(
    form="FILE", pattern=r"(\S.*)?", sections=("sk_lookup", "flow_dissector")
)
# Of images/agent/perf_events.c.
_COUNTERS = (
    *("cpu-clock", "task-clock", "page-faults", "context-switches", "migrations"),
    *("minor-faults", "major-faults", "alignment-faults", "emulation-faults"),
    *("cycles", "instructions", "cache-references", "cache-misses", "branches"),
    *("branch-misses", "bus-cycles", "stalled-cycles-frontend"),
    *("stalled-cycles-backend", "ref-cycles"),
)
# What the agent attaches (images/agent/target.c), and behind it what libbpf looks up
# when it loads a program.
_KINDS = {
    "kprobe": _NAME,
    "kretprobe": _NAME,
    "kprobe.multi": _PATTERN,
    "kretprobe.multi": _PATTERN,
    "ksyscall": _NAME,
    "kretsyscall": _NAME,
    "tracepoint": _EVENT,
    "tp": _EVENT,
    "raw_tracepoint": _NAME,
    "raw_tp": _NAME,
    "perf_event": _Kind(
        form="COUNTER, such as cpu-clock or page-faults",
        pattern="|".join(_COUNTERS),
    ),
    "uprobe": _SYMBOL,
    "uretprobe": _SYMBOL,
    "uprobe.multi": _SYMBOL,
    "uretprobe.multi": _SYMBOL,
    "usdt": _Kind(form="FILE:PROVIDER:NAME", pattern=r"\S.*:[^:\s]+:[^:\s]+"),
    "iter": _Kind(
        form="NAME/MAP", pattern=r"[^\s/]+/[^\s/]+", sections=("iter",), map_at=1
    ),
    "xdp": _Kind(
        form="INTERFACE, with /generic or /native behind it if you need one of them",
        pattern=r"[^\s/]+(/(generic|native))?",
        sections=("xdp",),
    ),
    "tc": _Kind(form="INTERFACE/ingress or /egress", pattern=_SIDES, sections=_TC),
    "tcx": _Kind(form="INTERFACE/ingress or /egress", pattern=_SIDES, sections=_TC),
    "netkit": _Kind(
        form="INTERFACE/primary or /peer",
        pattern=r"[^\s/]+/(primary|peer)",
        sections=_TC,
    ),
    "netfilter": _Kind(
        form="ipv4/HOOK or ipv6/HOOK, and a priority behind it if you like; the hooks "
        "are prerouting, input, forward, output and postrouting",
        pattern=r"ipv[46]/(prerouting|input|forward|output|postrouting)(/-?\d{1,9})?",
        sections=("netfilter",),
    ),
    "netns": _NAMESPACE,
    "sk_lookup": replace(_NAMESPACE, sections=("sk_lookup",)),
    "flow_dissector": replace(_NAMESPACE, sections=("flow_dissector",)),
    "sockmap": _Kind(
        form="MAP, and for sk_skb programs /stream_parser, /stream_verdict or /verdict "
        "behind it",
        pattern=r"[^\s/]+(/(stream_parser|stream_verdict|verdict))?",
        sections=("sk_msg", "sk_skb"),
        map_at=0,
    ),
    "cgroup": _Kind(form="FOLDER", pattern=r"\S.*"),
    "fentry": _NAME,
    "fexit": _NAME,
    "fmod_ret": _NAME,
    "tp_btf": _NAME,
    "lsm": _NAME,
}
_OF_INTERFACES = ("xdp", "tc", "tcx", "netkit")
_REFERENCE = re.compile(r"\$\{[^}]*\}")
_SLEEPABLE = ".s"
_LOOKED_UP = ("fentry", "fexit", "fmod_ret", "tp_btf", "lsm")


def is_looked_up(place: str) -> bool:
    """Whether a place is looked up when the program loads, and not to attach."""
    return place.partition("/")[0].removesuffix(_SLEEPABLE) in _LOOKED_UP


def kinds() -> frozenset[str]:
    """Return the first words of places."""
    return frozenset(_KINDS)


def map_of(place: str) -> str | None:
    """Return the map that a place names; None where it names none."""
    word, _, rest = place.partition("/")
    kind = _KINDS.get(word)
    words = rest.split("/")
    if kind is None or not 0 <= kind.map_at < len(words) or "${" in rest:
        return None
    return words[kind.map_at]


def interface_of(place: str) -> str | None:
    """Return the interface that a place names; None where it names none."""
    word, _, rest = place.partition("/")
    if word not in _OF_INTERFACES or "${" in rest:
        return None
    return rest.partition("/")[0] or None


def misfit(place: str, section: str) -> str:
    """Return why a program of a section can't go to a place; empty where it may.

    Sections that libbpf does not know, which need a `type`, are not judged.
    """
    word = place.partition("/")[0].removesuffix(_SLEEPABLE)
    own = re.split(r"[/.]", section.removeprefix("?"))[0]
    if is_looked_up(place):
        fits = word == own
    else:
        kind = _KINDS.get(word)
        fits = kind is None or not kind.sections or own in kind.sections
    return "" if fits else f"the program is of the section {section}"


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
    alone = f"{word}, or " if kind.fits("") else ""
    return f"write {alone}{word}/{kind.form}"
