"""The text of a suite.yaml for one object, with comments that say what to change."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from runner.scaffold import expectations, hooks
from runner.scaffold.expectations import Expectations, Expected, PlannedRun
from runner.scaffold.hooks import TriggerValue
from runner.scaffold.inventory import Inventory, MapFound, ProgramFound
from runner.scaffold.sections import Way, kind_of
from runner.scaffold.yamltext import commented, flow

# UDP from 127.0.0.1 to its port 9, in an Ethernet frame of 64 bytes.
PACKET = (
    "ffffffffffff 020000000001 0800 "
    "45000032000040004011 3cb9 7f000001 7f000001 "
    "3039 0009 001e 0000 " + "61" * 22
)

# Types of maps that came after 5.10, with the version.
_NEW_MAPS = {
    "task_storage": "5.11",
    "bloom_filter": "5.16",
    "user_ringbuf": "6.1",
    "cgrp_storage": "6.2",
    "arena": "6.9",
}
# Types of maps that have no number of entries, or one that libbpf sets.
_UNSIZED = frozenset(
    {
        *("unspec", "perf_event_array", "struct_ops", "ringbuf", "user_ringbuf"),
        *("sk_storage", "inode_storage", "task_storage", "cgrp_storage", "arena"),
        *("cgroup_storage", "percpu_cgroup_storage"),
    }
)
_ENTRIES = 1024


@dataclass(frozen=True, kw_only=True)
class SuiteSubject:
    """What a suite is written for."""

    # Of the suite, and what libbpf calls the object by.
    name: str
    object_name: str
    # As suite.yaml has it, relative to its folder.
    path: str
    # What there is, too: the source of a built object, relative to the same folder.
    other: str = ""
    # The row of the matrix whose types a source includes; empty for none.
    vmlinux: str = ""
    # Why the object or source could not be read, in a line; empty if it was.
    problem: str = ""
    inventory: Inventory


def text(subject: SuiteSubject) -> str:
    """Return the file's text."""
    runs = [_planned(it) for it in subject.inventory.programs if not it.is_optional]
    active = [it for it in runs if it.kind.way not in (Way.LOADED, Way.LEFT_OUT)]
    case = _runs(subject, runs, active) if active else _loads(subject, runs)
    return "\n".join([*_head(subject, "runs" if active else "loads"), *case, ""])


def _head(subject: SuiteSubject, case: str) -> Iterator[str]:
    yield from commented(
        0,
        f"Written by `bpf-kernel-matrix init` for {subject.object_name}. It is yours: "
        "change it. Each comment says what to change; docs/suite.md has every key.",
    )
    if subject.inventory.is_guess:
        yield from _problem(subject)
    yield f"name: {flow(subject.name)}   # in reports: {subject.name}::{case}"
    yield "# What your users lose where it fails: say it in your own words."
    yield f"description: {flow(f'{subject.object_name} loads, attaches and runs.')}"
    yield "cases:"


def _problem(subject: SuiteSubject) -> Iterator[str]:
    yield from commented(
        0,
        f"The source does not compile by itself: {subject.problem}. So this was read "
        "from its text alone. To make it run, set one of these: `object:` to the "
        "object that your build makes, which needs no compiler here; `vmlinux:` to "
        "a row of "
        "the matrix, if the source includes vmlinux.h; or put the headers that it "
        "includes next to it. It is compiled in its own folder, as C for BPF, with "
        "warnings as errors.",
    )


# -------------------------------------------------------------------- loads


def _loads(subject: SuiteSubject, runs: Sequence[PlannedRun]) -> Iterator[str]:
    """Write a case for an object whose programs nothing runs."""
    yield "  # Each kernel's verifier accepts it. Nothing makes its programs run:"
    for run in runs:
        words = f"{run.program.section} of {run.program.name}: {run.kind.note}."
        yield from commented(2, words)
    yield "  - name: loads"
    yield from _object(subject)
    yield from _programs(subject, _left_out(subject))
    yield from _maps(subject)
    yield from _needs(subject)
    yield "    attach: false     # delete this line if the programs can be attached"
    yield "    must_run: false   # and this one, once a trigger makes them run"
    yield "    expect:"
    yield "      # The types that the kernel knows them by. Add what else must be true."
    lines = list(_shows(subject))
    yield from (f"      - {flow(it)}" for it in lines)
    if not lines:
        yield from _release()


def _release() -> Iterator[str]:
    yield "      # Nothing is known of the object: this holds wherever it loads."
    yield '      - {value: "${kernel.release}", matches: ".+"}'


def _shows(subject: SuiteSubject) -> Iterator[dict[str, object]]:
    for program in subject.inventory.programs:
        kind = kind_of(program.section)
        if kind.type and kind.way is not Way.LEFT_OUT and not program.is_optional:
            yield {"program": program.name, "show": {"type": kind.type}}
    for map_ in subject.inventory.maps:
        if map_.type and map_.type != "struct_ops":
            yield {"map": map_.name, "show": {"type": map_.type}}


def _object(subject: SuiteSubject) -> Iterator[str]:
    if subject.path.endswith(".c"):
        yield from commented(
            4,
            "Compiled by each run. Name the object that your build makes, if you "
            "ship it.",
        )
    elif subject.other:
        yield from commented(
            4,
            f"What your build makes. `object: {subject.other}` would compile the "
            "source "
            "in each run instead.",
        )
    else:
        yield "    # What your build makes: build it before each run."
    yield f"    object: {flow(subject.path)}"
    if subject.vmlinux:
        yield "    # The row of matrix.yaml whose types the source gets as vmlinux.h."
        yield f"    vmlinux: {json.dumps(subject.vmlinux)}"


def _left_out(subject: SuiteSubject) -> dict[str, tuple[dict[str, object], str]]:
    return {
        it.name: ({"load": False}, f"{it.section}: {kind_of(it.section).note}")
        for it in subject.inventory.programs
        if kind_of(it.section).way is Way.LEFT_OUT
    }


def _programs(
    subject: SuiteSubject, settings: dict[str, tuple[dict[str, object], str]]
) -> Iterator[str]:
    if not settings:
        return
    yield "    programs:   # what your loader sets for single programs"
    for name, (setting, why) in settings.items():
        yield from commented(6, why)
        yield f"      {name}: {flow(setting)}"


def _maps(subject: SuiteSubject) -> Iterator[str]:
    """Set sizes that the object leaves to its loader."""
    wanted = {
        it.name: sizes for it in subject.inventory.maps if (sizes := _sizes_of(it))
    }
    if not wanted or subject.inventory.is_guess:
        return
    yield "    maps:   # sizes that your loader sets: put in its own"
    for name, sizes in wanted.items():
        yield f"      {name}: {flow(sizes)}"


def _sizes_of(found: MapFound) -> dict[str, int]:
    sizes = {}
    if found.type and found.type not in _UNSIZED and not found.max_entries:
        sizes["max_entries"] = _ENTRIES
    if found.type == "stack_trace" and not found.value_size:
        # 8 bytes for each of 127 frames, the kernel's own limit.
        sizes["value_size"] = 127 * 8
    return sizes


def _needs(subject: SuiteSubject) -> Iterator[str]:
    """Say what kernels must have that not all of the matrix have."""
    wanted: dict[str, tuple[dict[str, str], str]] = {}
    for program in subject.inventory.programs:
        kind = kind_of(program.section)
        if kind.needs and not program.is_optional:
            since = f", since {kind.since}" if kind.since else ""
            why = f"{program.section.partition('/')[0]} of {program.name}{since}"
            wanted[str(kind.needs)] = (kind.needs, why)
    for map_ in subject.inventory.maps:
        if map_.type in _NEW_MAPS:
            needs = {"map_type": map_.type}
            wanted[str(needs)] = (needs, f"{map_.name}, since {_NEW_MAPS[map_.type]}")
    if not wanted:
        return
    all_ = [needs for needs, _ in wanted.values()]
    yield from commented(
        4,
        "Other kernels skip this case, as a declared gap: "
        f"{'; '.join(why for _, why in wanted.values())}. Without this line they fail.",
    )
    yield f"    needs: {flow(all_[0] if len(all_) == 1 else {'all': all_})}"


# --------------------------------------------------------------------- runs


def _runs(
    subject: SuiteSubject, runs: Sequence[PlannedRun], active: Sequence[PlannedRun]
) -> Iterator[str]:
    found = expectations.of_maps(subject.inventory, active, subject.object_name)
    yield "  # It loads, is attached, and what its programs hook happens in the guest."
    yield "  - name: runs"
    yield from _object(subject)
    yield from _programs(subject, {**_left_out(subject), **_placed(runs)})
    yield from _alternatives(subject.inventory.programs)
    yield from _maps(subject)
    yield from _needs(subject)
    yield from _must_run(active, found)
    yield "    trigger:   # what happens once the programs are attached: add your own"
    yield from _triggers(active, found)
    yield from _truths(found)
    yield from _expect(subject, active, found)


def _planned(program: ProgramFound) -> PlannedRun:
    kind = kind_of(program.section)
    return PlannedRun(program=program, kind=kind, hook=kind.hook(program.section))


def _placed(
    runs: Sequence[PlannedRun],
) -> dict[str, tuple[dict[str, object], str]]:
    found: dict[str, tuple[dict[str, object], str]] = {}
    for run in runs:
        words = f"{run.program.section}: {run.kind.note}"
        if run.kind.way is Way.PLACED:
            found[run.program.name] = ({"attach": run.kind.attach}, words)
        elif run.kind.way is Way.LOADED:
            found[run.program.name] = ({"attach": False}, words)
    return found


def _alternatives(programs: Sequence[ProgramFound]) -> Iterator[str]:
    """Suggest what a loader chooses from: two ways to hook one place."""
    by_place: dict[str, list[ProgramFound]] = {}
    for program in programs:
        kind, _, place = program.section.partition("/")
        if kind in ("fentry", "kprobe", "fexit", "kretprobe"):
            exit_ = kind in ("fexit", "kretprobe")
            by_place.setdefault(f"{place} {exit_}", []).append(program)
    for group in by_place.values():
        names = [it.name for it in sorted(group, key=lambda it: it.section)]
        if len(names) > 1:
            yield "    # If your loader loads just one of them, as the kernel allows:"
            yield f"    # alternatives: {flow([names])}"


def _must_run(active: Sequence[PlannedRun], found: Expectations) -> Iterator[str]:
    certain = [it for it in active if it.is_certain]
    counted = [it for it in certain if not it.kind.sleeps]
    if not certain:
        yield from commented(
            4,
            "Nothing is known to reach what the programs hook. Add a trigger that "
            "does, "
            "and delete this line: the case then fails if no program runs.",
        )
        yield "    must_run: false"
    elif not counted and not found.drains:
        yield from commented(
            4,
            "Kernels before 6.1 do not count how often sleepable programs run. Delete "
            "this line once a map is expected to change.",
        )
        yield "    must_run: false"


def _triggers(active: Sequence[PlannedRun], found: Expectations) -> Iterator[str]:
    seen: set[str] = set()
    for run in active:
        yield from _triggers_of(run, seen)
    for drain, comment in found.drains:
        yield from commented(6, f"{drain['drain']}: {comment}.")
        yield f"      - {flow(drain)}"


def _triggers_of(run: PlannedRun, seen: set[str]) -> Iterator[str]:
    program = run.program
    what = f"{program.section} of {program.name}"
    actions = run.actions
    if run.kind.way is Way.HOOKED and not actions:
        yield from commented(
            6, f"{what}: these may reach it; put what does in their place."
        )
        actions = hooks.EVERYTHING
    elif actions and all(it.name in seen for it in actions):
        yield f"      # {what}: the same."
    elif actions:
        words = ", ".join(it.words for it in actions)
        yield from commented(6, f"{what}: {words}.")
    for action in actions:
        if action.name not in seen:
            seen.add(action.name)
            yield from (f"      - {flow(it)}" for it in action.triggers)
    if _is_test_run(run):
        yield from commented(6, f"{what}: a packet; write its bytes in hexadecimal.")
        yield f"      - {flow(_test_run(program))}"
    if run.kind.way is Way.ITERATED:
        yield from commented(6, f"{what}: what it prints.")
        value = {"iterate": program.name, "save": f"text_{program.name}"}
        yield f"      - {flow(value)}"


def _is_test_run(run: PlannedRun) -> bool:
    return run.kind.way is Way.TEST_RUN or run.kind.type == "xdp"


def _test_run(program: ProgramFound) -> TriggerValue:
    return {"test_run": program.name, "data": PACKET, "save": f"run_{program.name}"}


def _truths(found: Expectations) -> Iterator[str]:
    if found.truths:
        yield "    truth:   # what the guest itself says, to compare with"
        for name, truth in found.truths.items():
            yield f"      {name}: {flow(truth)}"


def _expect(
    subject: SuiteSubject, active: Sequence[PlannedRun], found: Expectations
) -> Iterator[str]:
    yield "    expect:   # what must be true then: add what your users rely on"
    yield "      # The types that the kernel knows the programs and maps by."
    shows = list(_shows(subject))
    yield from (f"      - {flow(it)}" for it in shows)
    lines = [*_returned(active), *found.expected]
    if lines:
        yield "      # What they did. Compare it with what the guest itself says."
    for line in lines:
        comment = f"   # {line.comment}" if line.comment else ""
        yield f"      - {flow(line.value)}{comment}"
    if not shows and not lines:
        yield from _release()
    if found.suggested:
        yield "      # These may hold, too: put in what you know."
    for line in found.suggested:
        comment = f"   # {line.comment}" if line.comment else ""
        yield f"      # - {flow(line.value)}{comment}"


def _returned(active: Sequence[PlannedRun]) -> Iterator[Expected]:
    for run in active:
        name = run.program.name
        if _is_test_run(run):
            yield from expectations.of_test_run(run, f"run_{name}")
        if run.kind.way is Way.ITERATED and run.program.prints:
            yield Expected(
                value={"value": f"${{text_{name}.text}}", "matches": "(?s).+"},
                comment="something: say what must be in it",
            )
