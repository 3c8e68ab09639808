from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from runner.preflight import objectuse
from tests.unit.preflight.made import build

NAME = "renamed.bpf.c"
OBJECT = (Path(__file__).parents[2] / "data/objects/renamed.bpf.o").read_bytes()


def test_an_object_tells_what_it_needs() -> None:
    use = objectuse.inspect(OBJECT, NAME, build())
    (program,) = use.programs
    assert program.section == "kprobe/wake_up_new_task"
    assert "map_update_elem" in program.helpers
    assert [(it.name, it.type) for it in use.maps] == [("states", "hash")]


@given(st.integers(0, len(OBJECT) - 1), st.integers(0, 255))
def test_a_damaged_object_says_less_and_breaks_nothing(place: int, byte: int) -> None:
    damaged = OBJECT[:place] + bytes([byte]) + OBJECT[place + 1 :]
    assert objectuse.inspect(damaged, NAME, build()).path == NAME
