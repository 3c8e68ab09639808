"""What must be in maps after a case's triggers, as far as types and instructions show.

What honest programs may not do either is only a suggestion, in a comment.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from runner.bpf.shapes import name_of_globals
from runner.scaffold.hooks import Action, Hook, TriggerValue
from runner.scaffold.inventory import Inventory, MapFound, ProgramFound, ValueField
from runner.scaffold.sections import SectionKind, Way
from runner.scaffold.yamltext import flow

# "At least one": counters of one case stay below this.
MANY = 1_000_000_000_000

_HASHES = frozenset({"hash", "lru_hash", "percpu_hash", "lru_percpu_hash"})
_OF_PROCESSORS = frozenset({"percpu_hash", "lru_percpu_hash", "percpu_array"})
_STREAMS = frozenset({"ringbuf", "perf_event_array"})
_ARRAYS = frozenset({"array", "percpu_array"})
_PID_NAMES = re.compile(r"pid|tgid|proc|task|thread")
_COUNTERS = re.compile(
    r"(\w*_)?(count|counts|counter|total|calls|hits|events|packets|bytes|seen|nr|num)"
    r"(_\w*)?"
)
_PIDS = frozenset({"pid", "tgid"})
_PARENTS = frozenset({"ppid", "parent", "parent_pid"})
# Of a guest's processes, all of which are root's.
_USERS = frozenset({"uid"})


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """A program, and what makes it run in the case."""

    program: ProgramFound
    kind: SectionKind
    # What reaches the place that its section names, if that is known.
    hook: Hook | None = None

    @property
    def actions(self) -> tuple[Action, ...]:
        """What is done for it, apart from test runs and iterators."""
        if self.kind.way is Way.PLACED:
            return self.kind.actions
        return (self.hook.action,) if self.hook else ()

    @property
    def is_certain(self) -> bool:
        """Whether it runs for sure once it is attached."""
        return self.kind.way in (Way.TEST_RUN, Way.ITERATED) or bool(self.actions)


@dataclass(frozen=True, kw_only=True)
class Expected:
    """A line of `expect`, with what to change about it."""

    value: dict[str, object]
    comment: str = ""


@dataclass(frozen=True, kw_only=True)
class Expectations:
    """What a case expects of its maps."""

    # Triggers at the end that read what was sent, with comments.
    drains: tuple[tuple[TriggerValue, str], ...] = ()
    truths: dict[str, dict[str, object]] = field(default_factory=dict)
    expected: tuple[Expected, ...] = ()
    # Lines that may be wrong for honest programs: commented out.
    suggested: tuple[Expected, ...] = ()


@dataclass(kw_only=True)
class _Draft:
    drains: list[tuple[TriggerValue, str]] = field(default_factory=list)
    truths: dict[str, dict[str, object]] = field(default_factory=dict)
    expected: list[Expected] = field(default_factory=list)
    suggested: list[Expected] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class _Actor:
    """The process whose doing all users of a map see."""

    pid: str
    parent: str
    is_alive: bool
    has_comm: bool


def of_maps(
    inventory: Inventory, runs: Sequence[PlannedRun], name: str
) -> Expectations:
    """Return what to expect; `name` is the object's, by which libbpf calls globals."""
    draft = _Draft()
    for found in inventory.maps:
        users = [run for run in runs if found.name in run.program.maps]
        certain = bool(users) and all(run.is_certain for run in users)
        if found.type in _STREAMS:
            _stream(draft, inventory, found, users, certain)
        elif found.type in _HASHES:
            _hash(draft, found, users, certain)
        elif found.type in _ARRAYS:
            _array(draft, found, certain)
    _globals(draft, inventory, runs, name)
    return Expectations(
        drains=tuple(draft.drains),
        truths=draft.truths,
        expected=tuple(draft.expected),
        suggested=tuple(draft.suggested),
    )


def _actor(users: Sequence[PlannedRun]) -> _Actor | None:
    """Return the one process that all users see; None if that is not known."""
    actions = {run.hook.action.name: run.hook for run in users if run.hook}
    inside = all(run.hook is not None and run.hook.is_in_process for run in users)
    if len(actions) != 1 or not inside:
        return None
    (hook,) = actions.values()
    action = hook.action
    if not action.pid:
        return None
    return _Actor(
        pid=action.pid,
        parent=action.parent,
        is_alive=action.is_alive,
        has_comm=all(run.hook is not None and run.hook.has_comm for run in users),
    )


# ------------------------------------------------------------------ streams


def _stream(
    draft: _Draft,
    inventory: Inventory,
    found: MapFound,
    users: Sequence[PlannedRun],
    certain: bool,
) -> None:
    save = f"of_{found.name}"
    drain: TriggerValue = {"drain": found.name}
    records = list(inventory.records.items())
    fields: tuple[ValueField, ...] = ()
    if len(records) == 1:
        record, fields = records[0]
        drain["struct"] = record
        comment = f"what was sent, as struct {record}; name another struct if it is not"
    else:
        drain["fields"] = {"first": "u8@0"}
        comment = (
            "what was sent; to check its fields, write `struct: NAME` instead of "
            "`fields`, and keep the struct in the object's BTF: "
            "const struct NAME *unused __attribute__((unused));"
        )
    actor = _actor(users)
    if actor and (pid := next((it for it in fields if it.path in _PIDS), None)):
        drain["where"] = {pid.path: actor.pid}
        comment += "; `where` picks the records of one process"
    drain["save"] = save
    at_least_one = Expected(
        value={"value": f"${{{save}.count}}", "between": [1, MANY]},
        comment="records: say how many, if you know",
    )
    if not (certain and found.is_sent_through):
        draft.suggested.append(
            Expected(
                value=at_least_one.value, comment=f"after the trigger {flow(drain)}"
            )
        )
        return
    draft.drains.append((drain, comment))
    draft.expected.append(at_least_one)
    if "where" in drain:
        for value in fields:
            path = f"${{{save}.record.{value.path}}}"
            _of_field(draft, actor, value, {"value": path})


def _of_field(
    draft: _Draft, actor: _Actor | None, value: ValueField, head: dict[str, object]
) -> None:
    """Expect what the guest knows of the process in a member that says it."""
    if actor is None:
        return
    if value.is_number and value.path in _PIDS:
        draft.expected.append(
            Expected(value={**head, "equals": actor.pid}, comment="the process")
        )
    elif value.is_number and value.path in _PARENTS:
        parent = actor.parent or _truth(draft, actor, "parent", "stat", field=4)
        draft.expected.append(
            Expected(value={**head, "equals": parent}, comment="its parent")
        )
    elif value.is_number and value.path in _USERS:
        draft.expected.append(
            Expected(value={**head, "equals": 0}, comment="all are root's in a guest")
        )
    elif value.is_text and value.path == "comm":
        _comm(draft, actor, head)


def _comm(draft: _Draft, actor: _Actor, head: dict[str, object]) -> None:
    if actor.is_alive:
        comm = _truth(draft, actor, "comm", "comm")
        line = Expected(value={**head, "equals": comm}, comment="its name")
        draft.expected.append(line)
    elif actor.has_comm:
        line = Expected(value={**head, "equals": "busybox"}, comment="its name")
        draft.expected.append(line)
    else:
        draft.suggested.append(
            Expected(
                value={**head, "matches": ".+"},
                comment="its name: it is another one before exec than after",
            )
        )


def _truth(draft: _Draft, actor: _Actor, name: str, file: str, **more: object) -> str:
    draft.truths[name] = {"proc": f"/proc/{actor.pid}/{file}", **more}
    return f"${{truth.{name}}}"


# ------------------------------------------------------------- hashes, arrays


def _hash(
    draft: _Draft, found: MapFound, users: Sequence[PlannedRun], certain: bool
) -> None:
    actor = _actor(users)
    paths = {it.path for it in found.values}
    is_by_pid = found.key_size == 4 and (
        found.key_type == "pid_t"
        or bool(_PID_NAMES.search(found.name))
        or bool(paths & {"comm", *_PARENTS})
    )
    key = actor.pid if actor and is_by_pid else None
    if key is None:
        if found.is_updated or found.is_counted or not found.values:
            draft.suggested.append(
                Expected(
                    value={"map": found.name, "key": "KEY", "equals": "VALUE"},
                    comment="what must be in it then, with keys and values of yours",
                )
            )
        return
    head: dict[str, object] = {"map": found.name, "key": key}
    stays = certain and found.is_updated and not found.is_deleted_from
    row = Expected(
        value={"map": found.name, "rows": [{"key": key}], "match": "includes"},
        comment="a row of that process",
    )
    if not stays:
        why = "if the entry is still there at the end: your program deletes entries"
        draft.suggested.append(
            Expected(value=row.value, comment=why if found.is_deleted_from else "")
        )
        return
    draft.expected.append(row)
    if found.type in _OF_PROCESSORS:
        return
    for value in found.values:
        if value.path:
            _of_field(draft, actor, value, {**head, "field": value.path})


def _array(draft: _Draft, found: MapFound, certain: bool) -> None:
    (value, *others) = found.values or (ValueField(path="", type_name=""),)
    head: dict[str, object] = {"map": found.name, "key": 0}
    if found.type in _OF_PROCESSORS:
        head["cpu"] = "sum"
    if value.path:
        head["field"] = value.path
    line: dict[str, object] = {**head, "between": [1, MANY]}
    is_counter = value.is_number and not value.path and not others
    if is_counter and found.max_entries == 1 and found.is_counted and certain:
        draft.expected.append(
            Expected(value=line, comment="a counter: say how many, if you know")
        )
    elif value.is_number:
        draft.suggested.append(
            Expected(value=line, comment="if it counts what the triggers do")
        )


# ------------------------------------------------------------ global variables


def _globals(
    draft: _Draft, inventory: Inventory, runs: Sequence[PlannedRun], name: str
) -> None:
    counters = [it for it in inventory.variables.items() if _COUNTERS.fullmatch(it[0])]
    certain = any(it.is_certain and it.program.counts_variables for it in runs)
    for variable, section in counters:
        map_ = name_of_globals(name, section)
        line = Expected(
            value={"map": map_, "field": variable, "between": [1, MANY]},
            comment="a counter: say how many, if you know",
        )
        is_sure = certain and len(counters) == 1 and len(inventory.variables) == 1
        (draft.expected if is_sure else draft.suggested).append(line)


def of_test_run(run: PlannedRun, save: str) -> Iterator[Expected]:
    """Yield what a test run returns, by the program's type."""
    value = f"${{{save}.retval}}"
    if run.kind.type == "xdp":
        yield Expected(
            value={"value": value, "between": [1, 4]},
            comment="XDP_DROP, XDP_PASS, XDP_TX or XDP_REDIRECT: say which",
        )
    elif run.kind.type in ("sched_cls", "sched_act"):
        yield Expected(
            value={"value": value, "one_of": [*range(9), 0xFFFFFFFF]},
            comment="TC_ACT_OK is 0, _SHOT 2, _UNSPEC 4294967295: say which",
        )
    elif run.kind.type == "cgroup_skb":
        yield Expected(
            value={"value": value, "between": [0, 3]},
            comment="0 drops the packet, 1 lets it pass: say which",
        )
