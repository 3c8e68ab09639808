from pathlib import Path

import pytest
import yaml

from runner.scaffold import inventory, suitetext
from runner.scaffold.inventory import Inventory, MapFound, ProgramFound
from runner.scaffold.suitetext import SuiteSubject
from runner.suites import suitefile
from runner.suites.model import Case
from tests.unit.scaffold import sources
from tests.unit.scaffold.objects import inventory_of
from tests.unit.scaffold.test_sections import LIBBPF, whole


def _text(found: Inventory, **more: str) -> str:
    values = {"name": "tool", "object_name": "tool", "path": "tool.bpf.o", **more}
    return suitetext.text(SuiteSubject(inventory=found, **values))


def _case(found: Inventory, folder: Path) -> Case:
    """Return the case of a suite that the product itself accepts."""
    (folder / "tool.bpf.o").touch()
    (folder / "suite.yaml").write_text(_text(found))
    (case,) = suitefile.load(folder / "suite.yaml").suite.cases
    return case


def _expected(case: Case) -> list[dict[str, object]]:
    return [it.model_dump(exclude_unset=True) for it in case.expect]


@pytest.mark.parametrize("section", [*LIBBPF, "of_our_own", "kprobe", "fentry"])
def test_a_suite_of_each_section_is_accepted(section: str, tmp_path: Path) -> None:
    program = ProgramFound(name="program", section=whole(section))

    assert _case(Inventory(programs=(program,), maps=()), tmp_path).expect


def test_an_object_without_programs_has_a_suite(tmp_path: Path) -> None:
    found = Inventory(programs=(), maps=(MapFound(name="m", type="hash"),))

    assert _expected(_case(found, tmp_path)) == [{"map": "m", "show": {"type": "hash"}}]


def test_an_openat_is_made_for_its_tracepoint(tmp_path: Path) -> None:
    case = _case(inventory_of(tmp_path, sources.BY_PID), tmp_path)

    assert [it.model_dump(exclude_unset=True) for it in case.trigger] == [
        {"syscall": "openat", "save": "openat"}
    ]
    assert case.must_run
    lines = _expected(case)
    row = {"map": "by_pid", "rows": ({"key": "${openat.pid}"},), "match": "includes"}
    assert row in lines
    comm = {"map": "by_pid", "key": "${openat.pid}", "field": "comm"}
    assert {**comm, "equals": "${truth.comm}"} in lines
    # Its rows are gone by then.
    assert not any(it.get("map") == "started" and "rows" in it for it in lines)


def test_what_may_not_hold_is_only_a_comment(tmp_path: Path) -> None:
    text = _text(inventory_of(tmp_path, sources.BY_PID))

    (line,) = [it for it in text.splitlines() if "started, rows" in it]
    assert line.strip().startswith("# - {map: started, rows:")
    assert "your program deletes entries" in line


def test_a_counter_counts_at_least_once(tmp_path: Path) -> None:
    body = sources.COUNTER.replace("SECTION", "lsm/file_open")
    case = _case(inventory_of(tmp_path, body), tmp_path)

    assert _expected(case)[-1]["map"] == "count"
    assert _expected(case)[-1]["between"] == (1, 1_000_000_000_000)
    assert case.needs is not None
    assert case.needs.config == "CONFIG_BPF_LSM"


def test_nothing_is_expected_of_a_counter_that_nothing_reaches(tmp_path: Path) -> None:
    body = sources.COUNTER.replace("SECTION", "kprobe/no_such_function")
    case = _case(inventory_of(tmp_path, body), tmp_path)

    assert not case.must_run
    assert not [it for it in _expected(case) if "between" in it]


def test_records_of_one_process_are_read(tmp_path: Path) -> None:
    case = _case(inventory_of(tmp_path, sources.EVENTS), tmp_path)

    drain = case.trigger[-1].model_dump(exclude_unset=True)
    assert drain["struct"] == "event"
    assert drain["where"] == {"pid": "${started.pid}"}
    values = {it["value"]: it for it in _expected(case) if "value" in it}
    assert values["${of_events.record.uid}"]["equals"] == 0
    assert values["${of_events.record.comm}"]["equals"] == "busybox"


def test_records_without_a_struct_are_counted(tmp_path: Path) -> None:
    case = _case(inventory_of(tmp_path, sources.NAMELESS_EVENTS), tmp_path)

    assert case.trigger[-1].model_dump(exclude_unset=True)["fields"]
    assert _expected(case)[-1]["value"] == "${of_events.count}"


def test_packets_come_by_test_runs_and_an_interface(tmp_path: Path) -> None:
    case = _case(inventory_of(tmp_path, sources.PACKETS), tmp_path)

    assert case.programs["pass"].attach == "xdp/lo"
    names = [it.save for it in case.trigger]
    assert names == ["packets", "run_pass", "run_keep"]


def test_sizes_that_a_loader_sets_are_set(tmp_path: Path) -> None:
    maps = (
        MapFound(name="sized", type="hash", max_entries=7),
        MapFound(name="open", type="hash"),
        MapFound(name="stacks", type="stack_trace"),
        # libbpf knows its size.
        MapFound(name="events", type="perf_event_array"),
    )
    program = ProgramFound(name="p", section="tp/sched/sched_process_exec")
    case = _case(Inventory(programs=(program,), maps=maps), tmp_path)

    set_ = {name: it.model_dump(exclude_unset=True) for name, it in case.maps.items()}
    assert set_ == {
        "open": {"max_entries": 1024},
        "stacks": {"max_entries": 1024, "value_size": 1016},
    }


def test_other_kernels_are_declared_gaps(tmp_path: Path) -> None:
    programs = (
        ProgramFound(name="a", section="kprobe.multi/vfs_read"),
        ProgramFound(name="b", section="lsm/file_open"),
    )
    maps = (MapFound(name="m", type="user_ringbuf"),)
    needs = _case(Inventory(programs=programs, maps=maps), tmp_path).needs

    assert needs is not None
    assert [dict(it.named) for it in needs.all] == [
        {"link": "kprobe_multi"},
        {"config": "CONFIG_BPF_LSM"},
        {"map_type": "user_ringbuf"},
    ]


def test_a_program_that_its_loader_asks_for_is_left_alone(tmp_path: Path) -> None:
    program = ProgramFound(name="a", section="kprobe/x", is_optional=True)
    case = _case(Inventory(programs=(program,), maps=()), tmp_path)

    assert not case.programs
    assert not case.attach


def test_a_source_that_does_not_compile_says_what_to_set() -> None:
    found = inventory.of_source('SEC("xdp") int count(struct xdp_md *ctx) {}')
    text = _text(found, path="a.bpf.c", problem="a.bpf.c:1: no 'mine.h'")

    assert "a.bpf.c:1: no 'mine.h'" in text
    assert "`object:`" in text
    (case,) = yaml.safe_load(text)["cases"]
    assert case["programs"] == {"count": {"attach": "xdp/lo"}}


@pytest.mark.parametrize("name", ["5", "on", "a.b", "4-x"])
def test_names_stay_names(name: str) -> None:
    text = _text(Inventory(programs=(), maps=()), name=name, object_name=name)

    assert yaml.safe_load(text)["name"] == name


def test_each_line_is_about_something_that_readers_may_change(tmp_path: Path) -> None:
    text = _text(inventory_of(tmp_path, sources.EVENTS))
    lines = text.splitlines()

    keys = ("object:", "trigger:", "expect:", "description:", "- name:")
    for number, line in enumerate(lines):
        if line.strip().startswith(keys):
            assert "#" in line or lines[number - 1].strip().startswith("#"), line
