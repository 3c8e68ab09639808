from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner import objectuse, sourceline
from runner.bpfobject import BpfObject, DamagedError

DATA = Path(__file__).parents[1] / "data/objects"
NAME = "renamed.bpf.c"
SOURCE = (DATA / NAME).read_text()
OBJECT = (DATA / "renamed.bpf.o").read_bytes()
# What 6.12 and libbpf 1.1 said of it.
LOG = (DATA / "renamed-6.12.log").read_text()

READS_STATE = 1 + SOURCE.splitlines().index(
    "\tbpf_core_read(&state, sizeof(state), &task->state);"
)


def test_a_field_that_is_gone_is_read_on_the_line_that_names_it() -> None:
    # Clang's line table has the line before it there, and so has the verifier.
    assert sourceline.of_verifier(LOG, OBJECT, SOURCE, NAME) == READS_STATE


def test_without_the_object_the_line_that_the_log_shows_counts() -> None:
    assert sourceline.of_verifier(LOG, b"", SOURCE, NAME) == READS_STATE - 1


def test_a_refused_instruction_is_looked_up_in_the_line_table() -> None:
    log = (
        "libbpf: prog 'on_new_task': BPF program load failed: Permission denied\n"
        "libbpf: prog 'on_new_task': -- BEGIN PROG LOAD LOG --\n"
        "; __u64 state = 0;\n"
        "3: (7b) *(u64 *)(r10 -16) = r1\n"
        "R1 !read_ok\n"
        "-- END PROG LOAD LOG --\n"
    )
    line = sourceline.of_verifier(log, OBJECT, SOURCE, NAME)
    assert SOURCE.splitlines()[line - 1] == "\t__u64 state = 0;"


def test_a_log_of_programs_that_loaded_tells_no_line() -> None:
    log = LOG.replace("BPF program load failed", "done")
    assert sourceline.of_verifier(log, OBJECT, SOURCE, NAME) == 0


def test_an_instruction_of_a_called_function_is_not_looked_up_in_the_program() -> None:
    log = LOG.replace("12: <invalid", "12000: <invalid")
    assert sourceline.of_verifier(log, OBJECT, SOURCE, NAME) == READS_STATE - 1


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("x.bpf.c: clang refuses it\nx.bpf.c:20:5: error: no", 20),
        ("./x.bpf.c:7:1: fatal error: no", 7),
        ("/usr/include/bpf/y.h:9:1: error: no\nx.bpf.c:3:1: error: no", 3),
        ("x.bpf.c:20:5: warning: hm", 0),
        ("error: license changed binding", 0),
    ],
)
def test_clang_tells_the_line(message: str, line: int) -> None:
    assert sourceline.of_compiler(message, "x.bpf.c") == line


def test_an_object_tells_what_it_needs() -> None:
    use = objectuse.inspect(OBJECT, NAME)
    (program,) = use.programs
    assert program.section == "kprobe/wake_up_new_task"
    assert "map_update_elem" in program.helpers
    assert [(it.name, it.type) for it in use.maps] == [("states", "hash")]


@given(st.integers(0, len(OBJECT) - 1), st.integers(0, 255))
def test_a_damaged_object_says_less_and_breaks_nothing(place: int, byte: int) -> None:
    damaged = OBJECT[:place] + bytes([byte]) + OBJECT[place + 1 :]
    assert objectuse.inspect(damaged, NAME).path == NAME
    assert sourceline.of_verifier(LOG, damaged, SOURCE, NAME) >= 0


@given(st.text())
def test_any_log_can_be_asked(log: str) -> None:
    assert sourceline.of_verifier(log, OBJECT, SOURCE, NAME) >= 0
    assert sourceline.of_compiler(log, NAME) >= 0


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(DamagedError):
        BpfObject.read(b"no ELF")
