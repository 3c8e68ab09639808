"""Mistakes in what a suite expects to be loaded: types and places that no record has.

A record never has a mistyped name, so `present: false` would always hold of it.
"""

from collections.abc import Iterator

from runner.facts import names
from runner.files.modelfile import Mistake, Where
from runner.suites import conditionnames
from runner.suites.model import LoadedThing
from runner.text.nearest import near

# What the recorder writes in place of these (images/agent/places.c).
_WRITTEN_OTHERWISE = {
    "trace_raw_tp": "tp_btf",
    "trace_fentry": "fentry",
    "trace_fexit": "fexit",
    "modify_return": "fmod_ret",
    "lsm_mac": "lsm",
    "trace_iter": "iter",
    "trace_kprobe_multi": "kprobe.multi",
}
# What sections and other tools call these.
_OTHER_SPELLINGS = {
    **_WRITTEN_OTHERWISE,
    "raw_tracepoint": "raw_tp",
    "tp": "tracepoint",
    "ksyscall": "kprobe",
    "kretsyscall": "kretprobe",
    "freplace": "ext",
    "kretprobe.multi": "kprobe.multi",
}
# Kinds of places, which a name may follow.
_KINDS = tuple(
    dict.fromkeys(
        (
            *("kprobe", "kretprobe", "kprobe.multi", "uprobe", "uretprobe"),
            *("tracepoint", "raw_tp", "tp_btf", "fentry", "fexit", "fmod_ret"),
            *("lsm", "lsm_cgroup", "iter", "perf_event"),
            *(it for it in names.ATTACH_TYPES if it not in _WRITTEN_OTHERWISE),
        )
    )
)
# Places without a name: SO_ATTACH_BPF, and a program that replaces another one.
_NAMELESS = ("socket", "ext")
_PLACES = (*_KINDS, *_NAMELESS)


def mistakes(thing: LoadedThing, at: Where) -> Iterator[Mistake]:
    """Find a type and a place that nothing loaded can have."""
    if thing.type is not None:
        key = "map_type" if thing.program is None else "prog_type"
        what = conditionnames.unknown(key, thing.type)
        if what:
            yield Mistake((*at, "type"), what)
    if thing.attach is not None:
        what = _unknown_place(thing.attach)
        if what:
            yield Mistake((*at, "attach"), what)


def _unknown_place(place: str) -> str:
    kind, has_name, name = place.partition("/")
    if kind in _NAMELESS:
        return f"{kind!r} is a kind of place that has no names" if has_name else ""
    if kind in _KINDS:
        return f"has no name behind {kind}/" if has_name and not name else ""
    meant = _OTHER_SPELLINGS.get(kind)
    words = f"; did you mean {meant!r}?" if meant else near(kind, _PLACES, cutoff=0.5)
    return f"there is no kind of place {kind!r}{words}"
