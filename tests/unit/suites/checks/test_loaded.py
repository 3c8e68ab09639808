"""What a suite expects a command to load, held against what it loaded."""

from typing import Any

import pytest

from runner.results import LoadRecord, Mismatch, RecordedMap, RecordedProgram
from runner.suites import checks
from runner.suites.checks import Observations, loaded
from runner.suites.checks.evidence import judge_all
from runner.suites.model import LoadedExpectation, LoadedThing, ShowExpectation

FENTRY = RecordedProgram(
    name="on_fentry", type="tracing", tag="a" * 16, attached=("fentry/vfs_read",)
)
KPROBE = RecordedProgram(name="on_kprobe", type="kprobe", attached=("kprobe/vfs_read",))
REFUSED = RecordedProgram(name="on_fentry", type="tracing", error="EINVAL")
PROBE = RecordedProgram(name="test", type="socket_filter", probe=True)
RING = RecordedMap(name="events", type="ringbuf", max_entries=4096)
PERF = RecordedMap(name="events", type="perf_event_array", key_size=4, value_size=4)

NATIVE = LoadRecord(programs=(PROBE, FENTRY), maps=(RING,))
FALLEN_BACK = LoadRecord(programs=(REFUSED, KPROBE), maps=(PERF,))


def check(record: LoadRecord | None, nameless: str = "", **thing: Any) -> str:
    """Return the first mismatch, "not available: …", or nothing."""
    expected = [LoadedExpectation(loaded=LoadedThing.model_validate(thing))]
    seen = Observations(recorded=record, nameless=nameless)
    judged = judge_all(expected, seen, {})
    found, missing = judged.mismatches, checks.not_available(expected, seen)
    assert sum(map(bool, (found, missing, judged.matches))) == 1
    return str(found[0]) if found else "".join(f"not available: {it}" for it in missing)


@pytest.mark.parametrize(
    "thing",
    [
        {"program": "on_fentry"},
        {"program": "on_fentry", "type": "tracing", "tag": "a" * 16},
        {"program": "on_fentry", "attach": "fentry"},
        {"program": "on_fentry", "attach": "fentry/vfs_read"},
        {"program": "on_kprobe", "present": False},
        {"program": "on_fentry", "type": "kprobe", "present": False},
        {"map": "events", "type": "ringbuf"},
        {"map": "events", "type": "perf_event_array", "present": False},
    ],
)
def test_what_is_loaded_as_expected_holds(thing: dict[str, Any]) -> None:
    assert check(NATIVE, **thing) == ""


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        (
            {"program": "on_fentry"},
            "program on_fentry: expected loaded, observed refused with EINVAL "
            "(type tracing)",
        ),
        (
            {"program": "on_kprobe", "attach": "fentry"},
            "program on_kprobe: expected loaded with attach fentry, observed loaded "
            "with type kprobe, attach kprobe/vfs_read",
        ),
        (
            {"map": "events", "type": "ringbuf"},
            "map events: expected loaded with type ringbuf, observed loaded with type "
            "perf_event_array",
        ),
        (
            {"map": "events", "present": False},
            "map events: expected not loaded, observed loaded with type "
            "perf_event_array",
        ),
        (
            {"program": "on_fexit"},
            "program on_fexit: expected loaded, observed no program of this name; "
            "loaded were on_kprobe",
        ),
    ],
)
def test_a_loader_that_falls_back_does_not(thing: dict[str, Any], words: str) -> None:
    assert check(FALLEN_BACK, **thing) == words


def test_a_command_that_loads_nothing_fails() -> None:
    assert "observed no map was loaded" in check(LoadRecord(), map="events")


@pytest.mark.parametrize(
    "record", [LoadRecord(), LoadRecord(programs=(PROBE, REFUSED))]
)
def test_nothing_is_absent_from_a_command_that_loads_nothing(
    record: LoadRecord,
) -> None:
    words = check(record, program="on_kprobe", present=False)

    assert "expected not loaded" in words
    assert "the command loaded nothing" in words


def test_a_probe_is_not_listed_as_loaded() -> None:
    only = LoadRecord(programs=(PROBE,))

    assert "observed no program was loaded" in check(only, program="on_fentry")


def test_a_name_counts_as_far_as_kernels_keep_it() -> None:
    short = RecordedProgram(name="handle_exec_eve", type="kprobe")
    record = LoadRecord(programs=(short,))

    assert check(record, program="handle_exec_event") == ""
    assert check(record, program="handle_exec_eve") == ""
    assert check(record, program="handle_exec") != ""


@pytest.mark.parametrize("present", [True, False])
def test_what_nobody_could_see_is_not_available(*, present: bool) -> None:
    record = LoadRecord(missing=("the kernel has no seccomp filters",))

    words = check(record, program="on_fentry", present=present)

    assert words == (
        "not available: loaded program on_fentry: the kernel has no seccomp filters"
    )
    assert "nothing was recorded" in check(None, program="p", present=present)


def test_what_was_seen_counts_though_something_was_missed() -> None:
    record = NATIVE.model_copy(update={"missing": ("5 more calls",)})

    assert check(record, program="on_fentry") == ""
    assert "expected not loaded" in check(record, program="on_fentry", present=False)


def test_a_kernel_that_keeps_no_names_can_not_say() -> None:
    record = LoadRecord(programs=(RecordedProgram(type="kprobe"),))

    why = loaded.nameless(record, is_old=True)

    assert "takes no names" in check(record, why, program="on_kprobe")
    assert loaded.nameless(record, is_old=False) == ""
    assert loaded.nameless(NATIVE, is_old=True) == ""
    # That nothing was loaded is known all the same.
    assert loaded.nameless(LoadRecord(), is_old=True) == ""


def test_show_works_on_what_was_loaded() -> None:
    shown = loaded.shown(("map", "events"), FALLEN_BACK)
    assert shown is not None
    seen = Observations(shows={("map", "events"): shown}, ids=loaded.named(FALLEN_BACK))
    good = ShowExpectation(map="events", show={"type": "perf_event_array"})
    bad = ShowExpectation(map="events", show={"bytes_key": 8})
    other = ShowExpectation(map="evens", show={"bytes_key": 8})

    assert checks.check(good, seen, {}) == []
    assert checks.check(bad, seen, {}) == [
        Mismatch(subject="map events", field="bytes_key", expected="8", observed="4")
    ]
    (absent,) = checks.check(other, seen, {})
    assert absent.observed == "no such map; did you mean 'events'?"
    assert loaded.shown(("program", "on_fentry"), FALLEN_BACK) is None
