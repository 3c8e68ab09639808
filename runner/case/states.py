"""Which of an object's programs were loaded and attached, and why others were not."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from runner.errors import RunnerError
from runner.guest.replies import LoadedObject, OpenedObject
from runner.results import ProgramState, StructOpsState
from runner.suites.checks.text import listing
from runner.suites.model import Case, Map, Program

_STRUCT_OPS = "struct_ops"
# Where programs go whose sections name no place, by their types.
_PLACES = {
    "sched_cls": "tc/INTERFACE/ingress or tcx/INTERFACE/ingress",
    "sched_act": "tc/INTERFACE/ingress",
    "xdp": "xdp/INTERFACE",
    "sk_lookup": "netns",
    "flow_dissector": "netns",
    "sk_msg": "sockmap/MAP",
    "sk_skb": "sockmap/MAP",
    "netfilter": "netfilter/ipv4/HOOK",
    "perf_event": "perf_event/cpu-clock",
    **dict.fromkeys(
        (
            *("cgroup_skb", "cgroup_sock", "cgroup_sock_addr", "cgroup_device"),
            *("cgroup_sysctl", "cgroup_sockopt", "sock_ops"),
        ),
        "cgroup/sys/fs/cgroup",
    ),
    "kprobe": "kprobe/FUNCTION, or uprobe/FILE:SYMBOL",
}
_OPTIONAL = 'its section is optional (SEC("?…")), and nothing requests it'
# By which reports know the library of a loader that has another name.
_LIBRARY = {"compat": "libbpf"}


class NothingError(RunnerError):
    """Nothing of an object was loaded, or attached."""

    def __init__(self, message: str, *, loaded: bool) -> None:
        super().__init__(message)
        # Whether it was loaded.
        self.loaded = loaded


@dataclass(frozen=True, kw_only=True)
class ObjectStates:
    """What became of an object's programs and struct_ops maps."""

    programs: tuple[ProgramState, ...] = ()
    struct_ops: tuple[StructOpsState, ...] = ()
    # Maps of it that were created: "counts (hash)".
    maps: tuple[str, ...] = ()
    # Programs that the case itself keeps from being loaded or attached.
    left_out: frozenset[str] = frozenset()
    # struct_ops maps that the case keeps from being registered.
    left_out_maps: frozenset[str] = frozenset()
    # Whether the case attaches programs.
    attaches: bool = True
    # Whether the object was refused, and each program was then tried alone.
    alone: bool = False

    def tried(self, name: str, *, attached: bool, loader: str) -> "ObjectStates":
        """Return the states after a program was attached, or could not be by itself."""
        type_ = next(it.type for it in self.programs if it.name == name)
        library = _LIBRARY.get(loader, loader)
        if attached:
            why = ""
        elif type_ == _STRUCT_OPS:
            why = "no struct_ops map that was registered calls it"
        elif type_ in _PLACES:
            why = (
                f"{library} does not attach {type_} programs automatically; write "
                f"where: attach: {_PLACES[type_]}"
            )
        else:
            why = (
                f"{library} does not attach {type_ or 'such'} programs automatically "
                "if their section has no target"
            )
        return self._with(name, attached=attached, why=why)

    def refused(self, name: str, why: str) -> "ObjectStates":
        """Return the states after the kernel refused to attach a program."""
        return self._with(name, attached=False, why=why)

    def registered(self, name: str, programs: Collection[str]) -> "ObjectStates":
        """Return the states after a map was registered, which calls some programs."""
        found = self._with_map(name, registered=True, why="")
        for program in self.programs:
            if program.loaded and program.name in programs:
                found = found._with(program.name, attached=True, why="")
        return found

    def not_registered(self, name: str, why: str) -> "ObjectStates":
        """Return the states after a map could not be registered."""
        return self._with_map(name, registered=False, why=why)

    def _with_map(self, name: str, *, registered: bool, why: str) -> "ObjectStates":
        changed = tuple(
            it.model_copy(update={"registered": registered, "why": why})
            if it.name == name
            else it
            for it in self.struct_ops
        )
        return replace(self, struct_ops=changed)

    def _with(self, name: str, *, attached: bool, why: str) -> "ObjectStates":
        changed = tuple(
            it.model_copy(update={"attached": attached, "why": why})
            if it.name == name
            else it
            for it in self.programs
        )
        return replace(self, programs=changed)

    @property
    def shortfall(self) -> str:
        """What was not attached, not loaded or not registered; empty for nothing.

        Without what the case leaves out by name.
        """
        if self.maps and not self.programs:
            return f"no programs; created its maps only: {listing(self.maps)}"
        if not self.attaches:
            return "only loaded, nothing attached (--load-only, or attach: false)"
        programs = [it for it in self.programs if it.name not in self.left_out]
        words = []
        left = [it for it in programs if it.loaded and not it.attached]
        if left:
            words.append(f"loaded, not attached: {_names(left)}")
        missing = [it for it in programs if not it.loaded]
        if missing:
            words.append(f"not loaded: {_names(missing)}")
        maps = [
            it.name
            for it in self.struct_ops
            if not it.registered and it.name not in self.left_out_maps
        ]
        if maps:
            words.append(f"not registered: {', '.join(maps)} (struct_ops)")
        return "; ".join(words)


def of(case: Case, opened: OpenedObject, loaded: LoadedObject) -> ObjectStates:
    """Return how things stand once an object is loaded and before it is attached."""
    there = {it.name: it for it in loaded.programs}
    sections = {it.name: it for it in opened.programs}
    return ObjectStates(
        programs=tuple(
            ProgramState(
                name=name,
                section=sections[name].section if name in sections else "",
                type=(there.get(name) or sections[name]).type or "",
                loaded=name in there,
                why=_why(case, name, loaded=name in there),
            )
            for name in dict.fromkeys([*sections, *there])
        ),
        struct_ops=tuple(
            StructOpsState(
                name=it.name,
                why=(
                    ""
                    if case.attach and case.maps.get(it.name, Map()).attach
                    else "the case sets attach: false"
                ),
            )
            for it in loaded.maps
            if it.type == _STRUCT_OPS
        ),
        maps=tuple(
            f"{it.name} ({it.type})" if it.type else it.name for it in loaded.maps
        ),
        left_out=frozenset(_left_out(case)),
        left_out_maps=frozenset(
            name for name, it in case.maps.items() if not it.attach
        ),
        attaches=case.attach,
    )


def _left_out(case: Case) -> Iterator[str]:
    for name, program in case.programs.items():
        if program.load is not True or program.attach is False:
            yield name
    for names in case.alternatives:
        yield from names


def _why(case: Case, name: str, *, loaded: bool) -> str:
    wanted = case.programs.get(name, Program())
    if loaded:
        stays = wanted.attach is False or not case.attach
        return "the case sets attach: false" if stays else ""
    if wanted.load is not True:
        return "the case does not load it (load)"
    if any(name in it for it in case.alternatives):
        return "the case loads another one of its alternatives"
    return _OPTIONAL


def why_not_loaded(case: Case, name: str) -> str:
    """Return why a program was not to be loaded."""
    return _why(case, name, loaded=False)


def require_loaded(states: ObjectStates) -> None:
    """Raise NothingError for an object of which nothing was loaded."""
    if any(it.loaded for it in states.programs):
        return
    if states.programs:
        missing, why = _names(states.programs), states.programs[0].why
        raise NothingError(f"no program was loaded: {missing}: {why}", loaded=False)
    if not states.maps:
        raise NothingError(
            "the object has no programs, and no map of it was created", loaded=False
        )


def require_attached(states: ObjectStates) -> None:
    """Raise NothingError for an object of which nothing was attached."""
    if not any(it.attached for it in states.programs):
        why = states.shortfall or "the case excludes all programs"
        raise NothingError(f"nothing was attached: {why}", loaded=True)


def _names(programs: Iterable[ProgramState]) -> str:
    """Return "cls (tc), filter (socket_filter)"."""
    kinds = {it.name: it.section or it.type for it in programs}
    return listing(
        [f"{name} ({kind})" if kind else name for name, kind in kinds.items()]
    )
