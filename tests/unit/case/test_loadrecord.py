"""What is made of the calls of a command, which may be of any kind and number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from runner.case import loadrecord
from runner.case.loadrecord import LoadRecorder
from runner.guest.loads import AttachSeen, MapSeen, ProgramSeen, Seen, SomethingMissed
from runner.results import LoadRecord, RecordedMap, RecordedProgram

SEEN: TypeAdapter[Seen] = TypeAdapter(Seen)
NUMBERS = st.integers(0, 0xFFFF_FFFF)
NAMES = st.text(max_size=64)
MADE = {
    "pid": st.integers(1),
    "process": NAMES,
    "error": st.sampled_from(["", "EINVAL", "524"]),
}
CALLS = st.one_of(
    st.builds(
        ProgramSeen,
        call=st.just("program"),
        name=NAMES,
        type=NAMES,
        tag=st.sampled_from(["", "a" * 16]),
        target=NAMES,
        instructions=NUMBERS,
        btf=st.booleans(),
        **MADE,
    ),
    st.builds(
        MapSeen,
        call=st.just("map"),
        name=NAMES,
        type=NAMES,
        key_size=NUMBERS,
        value_size=NUMBERS,
        max_entries=NUMBERS,
        btf=st.booleans(),
        **MADE,
    ),
    st.builds(
        AttachSeen,
        call=st.just("attach"),
        program=st.integers(-1, 1 << 70),
        place=NAMES,
        **MADE,
    ),
    st.builds(
        SomethingMissed,
        call=st.just("missing"),
        why=st.sampled_from(["too_many", "traced", "no_filter"]),
        error=st.just("EINVAL"),
    ),
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["call", "name", "pid", "error"]), inner)
    ),
)


def program(name: object = "p", **more: object) -> ProgramSeen:
    return ProgramSeen.model_validate(
        {
            "call": "program",
            "name": name,
            "type": "kprobe",
            "tag": "",
            "target": "",
            "instructions": 100,
            "btf": True,
            "pid": 7,
            "process": "loader",
            "error": "",
            **more,
        }
    )


def map_(name: str = "m", **more: object) -> MapSeen:
    return MapSeen.model_validate(
        {
            "call": "map",
            "name": name,
            "type": "hash",
            "key_size": 4,
            "value_size": 8,
            "max_entries": 64,
            "btf": True,
            "pid": 7,
            "process": "loader",
            "error": "",
            **more,
        }
    )


def attach(number: int, place: str, error: str = "") -> AttachSeen:
    return AttachSeen(
        call="attach",
        program=number,
        place=place,
        pid=7,
        process="loader",
        error=error,
    )


def record(*calls: Seen) -> LoadRecord:
    recorder = LoadRecorder()
    for it in calls:
        recorder.take(it)
    return recorder.result()


def test_a_program_has_all_its_places() -> None:
    found = record(
        program("a"),
        program("refused", error="EINVAL"),
        program("b", target="fentry/vfs_read"),
        attach(0, "kprobe/x"),
        attach(0, "kprobe/x"),
        attach(0, "kprobe/y", "ENOENT"),
        # Where its section says.
        attach(1, ""),
    )

    a, refused, b = found.programs
    assert (a.attached, a.not_attached) == (("kprobe/x",), ("kprobe/y: ENOENT",))
    assert (refused.error, refused.attached) == ("EINVAL", ())
    assert b.attached == ("fentry/vfs_read",)


def test_the_same_is_listed_once_with_its_count() -> None:
    found = record(*[program("a", pid=it, error="EPERM") for it in (5, 6)], map_())

    assert found.programs == (
        RecordedProgram(
            name="a",
            type="kprobe",
            btf=True,
            process="loader",
            pid=5,
            error="EPERM",
            count=2,
            instructions=100,
        ),
    )
    assert [it.count for it in found.maps] == [1]


def test_what_several_runs_loaded_is_one_record() -> None:
    one = record(program("a"), map_("m"))

    assert [it.count for it in loadrecord.merged([one, one]).programs] == [2]
    assert loadrecord.merged([]) == LoadRecord()


@pytest.mark.parametrize(
    ("seen", "is_probe"),
    [
        (program("", instructions=2), True),
        (program("libbpf_nametest", instructions=2), True),
        (program("probe_bpf_perf_", instructions=2), True),
        (program("aya_name_check", instructions=2), True),
        (program("aya_name_check", instructions=20), False),
        (program("aya_mine", instructions=2), False),
        (program("test", instructions=2), True),
        (program("test", instructions=20), False),
        (program("mine", instructions=2), False),
        (program("", instructions=20), False),
    ],
)
def test_tiny_programs_of_libraries_are_probes(
    seen: ProgramSeen, *, is_probe: bool
) -> None:
    (found,) = record(seen).programs

    assert found.probe is is_probe


def test_what_is_newer_than_the_agents_libbpf_has_its_name() -> None:
    found = record(
        program(type="32", instructions=100),
        attach(0, "attach type 46/eth0"),
        attach(0, "attach type 999/eth0"),
        map_("a", type="33"),
        map_("b", type="999"),
    )

    assert found.programs[0].type == "netfilter"
    assert found.programs[0].attached == ("tcx_ingress/eth0", "attach type 999/eth0")
    assert [it.type for it in found.maps] == ["arena", "999"]


def test_what_was_attached_is_not_a_probe() -> None:
    (found,) = record(program("", instructions=2), attach(0, "socket")).programs

    assert not found.probe


def test_a_map_without_a_name_may_be_any_where_nothing_has_one() -> None:
    tiny = map_("", max_entries=1)

    assert [it.probe for it in record(tiny, program("")).maps] == [False]
    assert [it.probe for it in record(tiny, program("mine")).maps] == [True]


@pytest.mark.parametrize("name", ["libbpf_global", "aya_global"])
def test_a_map_of_one_entry_that_a_library_names_is_a_probe(name: str) -> None:
    assert [it.probe for it in record(map_(name, max_entries=1)).maps] == [True]
    assert [it.probe for it in record(map_(name, max_entries=2)).maps] == [False]


def test_what_else_there_may_be_is_said() -> None:
    missed = SomethingMissed(call="missing", why="no_filter", error="EINVAL")

    assert record(missed, missed).missing == (
        "the kernel has no seccomp filters: EINVAL",
    )


@given(st.lists(CALLS, max_size=40))
def test_any_calls_make_a_record(calls: list[Seen]) -> None:
    found = record(*calls)

    assert LoadRecord.model_validate_json(found.model_dump_json()) == found
    assert sum(it.count for it in (*found.programs, *found.maps)) == sum(
        not isinstance(it, AttachSeen | SomethingMissed) for it in calls
    )


def test_a_guest_that_never_stops_fills_no_memory() -> None:
    calls = [program(f"p{it}") for it in range(3000)]
    calls += [program("q", error="EINVAL")] * 10

    found = record(*calls, *[map_(f"m{it}") for it in range(3000)])
    found_maps: tuple[RecordedMap, ...] = found.maps

    assert len(found.programs) == len(found_maps) == 500
    assert found.missing == ("5010 more calls",)


@given(st.dictionaries(st.text(max_size=5), VALUES) | VALUES)
def test_what_a_guest_makes_up_is_refused_or_a_call(value: object) -> None:
    try:
        seen = SEEN.validate_python(value)
    except ValidationError:
        return
    record(seen)


@pytest.mark.parametrize(
    "more",
    [
        {"name": "x" * 65},
        {"tag": "not hex"},
        {"pid": 0},
        {"instructions": -1},
        {"error": "no such file"},
        {"type": None},
    ],
)
def test_what_no_call_can_be_is_refused(more: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        program(**more)
