import pytest

from runner.bpf import shapes
from tests.unit.preflight.made import HEAD, compiled


@pytest.mark.parametrize(
    ("name", "section", "map_"),
    [
        ("globals", ".bss", "globals.bss"),
        ("globals", ".rodata", "globals.rodata"),
        # As a kernel with the object global_data.bpf.o showed it.
        ("global_data", ".bss", "global_d.bss"),
        ("global_data", ".data", "global_d.data"),
        ("tool", ".data.of_another", ".data.of_another"),
    ],
)
def test_maps_of_global_data_are_called_as_libbpf_does(
    name: str, section: str, map_: str
) -> None:
    assert shapes.name_of_globals(name, section) == map_


def test_a_struct_of_operations_is_a_map_by_its_name() -> None:
    source = """\
struct ops { int (*decide)(void); unsigned int flags; };
SEC("struct_ops/decide") int decide(void) { return 0; }
SEC(".struct_ops") struct ops mine = { .decide = (void *)decide, .flags = 1 };
"""
    found = shapes.of_object(compiled(HEAD + source), "made")

    assert "mine" in found.maps
