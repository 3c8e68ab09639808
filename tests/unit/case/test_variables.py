"""Values of global variables as an object's loader would write them."""

import struct

import pytest
from pydantic import JsonValue

from runner.bpf.btf import Btf
from runner.bpf.object import read
from runner.case import variables
from runner.errors import UsageError
from tests.unit.guest.agent_process import compile_bpf

SOURCE = """\
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

enum kind { SMALL, LARGE = 7 };
typedef int own;
struct place { __u8 row; __u32 column; char name[4]; __u32 bits : 3; };
const volatile own number = -1;
const volatile bool flag = false;
const volatile enum kind kind = SMALL;
const volatile char comm[8] = "";
const volatile int ports[3] = {};
const volatile struct place place = {};
const volatile void *pointer = 0;
volatile __u64 counted;
volatile __u16 started = 3;
extern const int LINUX_KERNEL_VERSION __kconfig;

SEC("socket") int use(void *context)
{
	long sum = number + flag + kind + comm[0] + ports[0] + place.row + !pointer;

	return sum + counted + started + LINUX_KERNEL_VERSION;
}
char _license[] SEC("license") = "GPL";
"""


@pytest.fixture(scope="module")
def types(tmp_path_factory: pytest.TempPathFactory) -> Btf:
    return read(compile_bpf(SOURCE, tmp_path_factory.mktemp("variables"))).btf


@pytest.mark.parametrize(
    ("name", "value", "data"),
    [
        ("number", 7, struct.pack("<i", 7)),
        ("number", -2, struct.pack("<i", -2)),
        ("number", 0xFFFFFFFF, struct.pack("<i", -1)),
        ("flag", True, b"\1"),
        ("flag", 0, b"\0"),
        ("kind", "LARGE", struct.pack("<I", 7)),
        ("kind", 1, struct.pack("<I", 1)),
        ("comm", "sleeper", b"sleeper\0"),
        ("comm", "", bytes(8)),
        ("comm", [65, 66], b"AB" + bytes(6)),
        ("ports", [80, 443], struct.pack("<3i", 80, 443, 0)),
        (
            "place",
            {"column": 9, "name": "abc"},
            struct.pack("<4xI", 9) + b"abc\0" + bytes(4),
        ),
        ("counted", 1 << 40, struct.pack("<Q", 1 << 40)),
        ("started", 4, struct.pack("<H", 4)),
    ],
)
def test_a_value_becomes_its_variables_bytes(
    types: Btf, name: str, value: JsonValue, data: bytes
) -> None:
    assert variables.encoded(types, {name: value}) == {name: data}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("nmber", 1, "'nmber': no such variable; did you mean 'number'?"),
        # libbpf itself fills it.
        ("LINUX_KERNEL_VERSION", 1, "no such variable"),
        ("number", 1 << 32, "number: 4294967296 does not fit into 4 bytes"),
        ("number", "many", "number: must be a number, not 'many'"),
        ("number", 1.5, "number: must be a number, not 1.5"),
        ("number", None, "number: must be a number, not null"),
        ("kind", "LARGER", "'LARGER': no such enumerator; did you mean 'LARGE'?"),
        ("comm", "sleepers", "8 bytes and a NUL do not fit into 8"),
        ("ports", [1, 2, 3, 4], "4 values do not fit into 3 elements"),
        ("ports", [1, "x"], "ports[1]: must be a number"),
        ("ports", 80, "ports: must be a list, not 80"),
        ("place", {"rwo": 1}, "'rwo': no such member; did you mean 'row'?"),
        ("place", {"row": 256}, "place.row: 256 does not fit into 1 bytes"),
        ("place", {"bits": 1}, "place.bits: a bit field can't be set"),
        ("place", [1], "place: must be a mapping of members"),
        ("pointer", 1, "only numbers, arrays and structs can be set"),
    ],
)
def test_what_a_variable_can_not_be_is_told(
    types: Btf, name: str, value: JsonValue, said: str
) -> None:
    with pytest.raises(UsageError) as error:
        variables.encoded(types, {name: value})

    assert said in error.value.message
