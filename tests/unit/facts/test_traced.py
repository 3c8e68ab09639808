"""What kernels can be traced by, as tracefs and kallsyms say it."""

from runner.facts import traced
from runner.facts.traced import NOTHING_TRACED, EventField, EventRecord, Traced

# As 5.10 says it.
FORMAT = """\
name: sched_process_free
ID: 330
format:
	field:unsigned short common_type;	offset:0;	size:2;	signed:0;
	field:unsigned char common_flags;	offset:2;	size:1;	signed:0;
	field:unsigned char common_preempt_count;	offset:3;	size:1;	signed:0;
	field:int common_pid;	offset:4;	size:4;	signed:1;

	field:char comm[16];	offset:8;	size:16;	signed:1;
	field:pid_t pid;	offset:24;	size:4;	signed:1;
	field:int prio;	offset:28;	size:4;	signed:1;

print fmt: "comm=%s pid=%d prio=%d", REC->comm, REC->pid, REC->prio
"""
# As 6.16 says it, with a field whose bytes are elsewhere.
NEWER = """\
	field:__data_loc char[] comm;	offset:8;	size:4;	signed:0;
	field:const char * name;	offset:16;	size:8;	signed:0;
"""
FUNCTIONS = """\
+finish_task_switch.isra.0
-finish_task_switch.isra.0.cold
-ftrace_location
+walk
+walk.part.0
"""


def test_a_format_file_says_fields_with_their_places() -> None:
    found = traced.parse_format(FORMAT)

    assert found is not None
    assert [it.name for it in found.fields[4:]] == ["comm", "pid", "prio"]
    assert found.fields[4] == EventField(
        name="comm", type="char[16]", offset=8, size=16, signed=True
    )
    assert found.end == 32


def test_a_byte_belongs_to_a_field_or_to_padding() -> None:
    found = traced.parse_format(NEWER)

    assert found is not None
    assert [it.type for it in found.fields] == ["__data_loc char[]", "const char *"]
    assert found.at(11) == found.named("comm")
    assert found.at(12) is None
    assert found.at(24) is None


def test_what_is_no_format_file_is_no_record() -> None:
    assert traced.parse_format("") is None
    assert traced.parse_format("name: x\nID: 1\n") is None


def test_functions_are_told_with_what_compilers_made_of_them() -> None:
    found = traced.pack_functions(FUNCTIONS)

    assert found.changed("finish_task_switch") == (
        "finish_task_switch.isra.0",
        "finish_task_switch.isra.0.cold",
    )
    assert "finish_task_switch" not in found.names
    assert (found.names["walk"], found.changed("walk")) == (True, ("walk.part.0",))
    assert not found.names["ftrace_location"]
    assert found.changed("vfs_read") == ()


def test_it_is_read_as_it_was_kept() -> None:
    record = traced.parse_format(FORMAT)
    assert record is not None
    kept = Traced(
        events={"sched/sched_process_free": record},
        functions=traced.pack_functions(FUNCTIONS),
    )

    assert traced.from_json(traced.as_json(kept)) == kept
    assert traced.from_json({"events": 7}) == NOTHING_TRACED
    assert traced.from_json(None) == NOTHING_TRACED


def test_a_digest_tells_what_is_known_apart() -> None:
    empty = EventRecord(fields=())
    one, other = Traced(events={"a/b": empty}), Traced(events={"a/c": empty})
    functions = traced.pack_functions(FUNCTIONS)

    digests = {
        it.digest for it in (one, other, Traced(functions=functions), NOTHING_TRACED)
    }

    assert len(digests) == 4
    assert NOTHING_TRACED.digest == ""
    assert one.with_all_of(other).events.keys() == {"a/b", "a/c"}


def test_places_name_events_and_functions() -> None:
    assert traced.events_of(
        [
            "?tp/sched/sched_switch",
            "tracepoint/syscalls/sys_enter_open",
            "raw_tp/sched_switch",
            "tp/sched",
            "tp/../../etc",
            "tp/a/b/c",
        ]
    ) == {"sched/sched_switch", "syscalls/sys_enter_open"}
    assert traced.names_functions(["xdp", "?fexit/vfs_read"])
    assert not traced.names_functions(["lsm/file_open", "uprobe//bin/sh:main"])
