import pytest

from runner.bpf import shapes


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
