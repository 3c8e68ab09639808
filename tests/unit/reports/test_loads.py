"""What commands loaded, as reports say it."""

from io import StringIO

from rich.console import Console

from runner.reports import junit, loads, markdown, page, summary
from runner.reports.criteria import Report
from runner.results import (
    CaseResult,
    LoadRecord,
    Outcome,
    RecordedMap,
    RecordedProgram,
    RunResults,
)
from tests.unit.reports import runs

FENTRY = RecordedProgram(
    name="on_fentry",
    type="tracing",
    tag="a" * 16,
    btf=True,
    process="tool",
    pid=9,
    attached=("fentry/vfs_read",),
)
KPROBE = RecordedProgram(
    name="on_kprobe",
    type="kprobe",
    process="tool",
    pid=9,
    attached=("kprobe/a", "kprobe/b", "kprobe/c", "kprobe/d"),
    not_attached=("kprobe.multi/a: EINVAL",),
)
REFUSED = RecordedProgram(
    name="on_fentry", type="tracing", process="tool", pid=9, error="EINVAL", count=2
)
PROBE = RecordedProgram(type="socket_filter", probe=True, count=3)
RING = RecordedMap(name="events", type="ringbuf", process="tool", pid=9)
PERF = RecordedMap(name="events", type="perf_event_array", process="tool", pid=9)


def case(record: LoadRecord | None, kernel: str = "6.1") -> CaseResult:
    return CaseResult(
        kernel=kernel,
        suite="exec",
        case="tool",
        outcome=Outcome.PASSED,
        recorded=record,
    )


def differences(*cases: CaseResult) -> list[str]:
    results = RunResults(runner="1", started="", duration=1, cases=cases)
    return [f"{it.case}: {it}" for it in loads.differences(results)]


def test_each_call_is_a_line_and_probes_are_counted() -> None:
    record = LoadRecord(
        programs=(PROBE, REFUSED, KPROBE, FENTRY), maps=(PERF,), missing=("2 more",)
    )

    assert loads.lines(case(record)) == [
        "program on_fentry: tracing refused (EINVAL), by tool, 2 times",
        "program on_kprobe: kprobe at kprobe/a, kprobe/b, kprobe/c and 1 more, not at "
        "kprobe.multi/a: EINVAL, by tool",
        f"program on_fentry: tracing at fentry/vfs_read, tag {'a' * 16}, with BTF, by "
        "tool",
        "map events: perf_event_array, by tool",
        "3 tests of what the kernel can do",
        "not all was seen: 2 more",
    ]
    assert loads.lines(case(record), 1)[:2] == [
        "program on_fentry: tracing refused (EINVAL), by tool, 2 times",
        "and 3 more; see results.json",
    ]
    assert loads.lines(case(None)) == []


def test_a_loader_that_falls_back_differs_by_kernel() -> None:
    fallen = LoadRecord(programs=(REFUSED, KPROBE), maps=(PERF,))
    native = LoadRecord(programs=(PROBE, FENTRY), maps=(RING,))

    found = differences(case(fallen, "5.4"), case(native, "5.10"), case(native, "6.1"))

    assert found == [
        "exec::tool: program on_fentry: tracing refused (EINVAL) on 5.4; tracing at "
        "fentry/vfs_read on 5.10, 6.1",
        "exec::tool: program on_kprobe: kprobe at kprobe/a, kprobe/b, kprobe/c and 1 "
        "more on 5.4; not loaded on 5.10, 6.1",
        "exec::tool: map events: perf_event_array on 5.4; ringbuf on 5.10, 6.1",
    ]


def test_a_refusal_before_a_load_makes_no_difference() -> None:
    retried = LoadRecord(programs=(REFUSED, FENTRY))

    assert (
        differences(case(retried, "5.10"), case(LoadRecord(programs=(FENTRY,)), "6.1"))
        == []
    )


def test_a_kernel_without_names_is_not_compared() -> None:
    old = LoadRecord(programs=(RecordedProgram(type="kprobe"),))

    assert (
        differences(case(old, "4.4"), case(LoadRecord(programs=(FENTRY,)), "6.1")) == []
    )


def test_one_kernel_or_none_differs_from_nothing() -> None:
    assert differences(case(LoadRecord(programs=(FENTRY,))), case(None, "6.12")) == []


def test_a_name_forges_no_line() -> None:
    evil = RecordedMap(
        name="a\n  ✓ 6.1 passed\x1b[31m", type="hash\n", process="b\r\nc", pid=1
    )
    record = LoadRecord(maps=(evil,))

    lines = [
        *loads.lines(case(record)),
        *differences(case(record), case(LoadRecord(), "5.10")),
    ]

    assert len(lines) == 2
    assert not any(c < " " for line in lines for c in line)


def test_every_report_shows_what_a_command_loaded() -> None:
    found = runs.run(
        runs.case("5.10", runs.F, recorded=LoadRecord(maps=(PERF,))),
        runs.case("6.1", runs.P, recorded=LoadRecord(maps=(RING,))),
    )
    console = Console(file=StringIO(), width=200)
    files = dict(zip(("5.10", "6.1"), junit.documents(found), strict=True))

    summary.render(Report(results=found), console, loaded=True)

    assert isinstance(console.file, StringIO)
    terminal = console.file.getvalue()
    difference = "map events: perf_event_array on 5.10; ringbuf on 6.1"
    assert "loaded: map events: perf_event_array, by tool\n" in terminal
    assert "    map events: ringbuf, by tool\n" in terminal
    assert f"task::state: {difference}\n" in terminal
    assert "loaded: map events: ringbuf, by tool" in files["6.1"][1]
    assert f"`task::state`: `{difference}`" in markdown.render(found)
    assert "map events: ringbuf, by tool" in page.render(found)


def test_the_terminal_lists_what_passed_only_if_asked() -> None:
    found = runs.run(runs.case("6.1", runs.P, recorded=LoadRecord(maps=(RING,))))
    console = Console(file=StringIO(), width=200)

    summary.render(Report(results=found), console)

    assert isinstance(console.file, StringIO)
    assert "ringbuf" not in console.file.getvalue()
