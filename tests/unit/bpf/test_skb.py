import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.bpf import skb
from runner.errors import UsageError


def test_offsets_are_those_of_the_kernels_header(tmp_path: Path) -> None:
    lines = [
        f'printf("{name} %zu %zu\\n", offsetof(struct __sk_buff, {name}), '
        f"sizeof(((struct __sk_buff *)0)->{name}));"
        for name in skb.FIELDS
    ]
    source = tmp_path / "offsets.c"
    source.write_text(
        "#include <linux/bpf.h>\n#include <stddef.h>\n#include <stdio.h>\n"
        'int main(void) { printf("%zu\\n", sizeof(struct __sk_buff));\n'
        + "\n".join(lines)
        + "\nreturn 0; }\n"
    )
    program = tmp_path / "offsets"
    subprocess.run(["clang", "-o", program, source], check=True, timeout=60)
    output = subprocess.run(
        [program], check=True, capture_output=True, text=True, timeout=60
    ).stdout
    size, *fields = output.splitlines()
    assert int(size) == skb.SIZE
    assert fields == [
        f"{name} {field.offset} {field.width * field.count}"
        for name, field in skb.FIELDS.items()
    ]


def test_members_are_little_endian_at_their_offsets() -> None:
    data = skb.pack({"mark": 41, "cb[4]": 0x01020304, "tstamp": 2**64 - 1})
    assert len(data) == skb.SIZE
    assert data[8:12] == bytes([41, 0, 0, 0])
    assert data[64:68] == bytes([4, 3, 2, 1])
    assert data[152:160] == b"\xff" * 8
    assert sum(data) == 41 + 10 + 8 * 255


def test_arrays_are_unpacked_as_lists() -> None:
    values = skb.unpack(skb.pack({"mark": 42, "cb[1]": 7, "remote_ip6[3]": 9}))
    assert values["mark"] == 42
    assert values["cb"] == [0, 7, 0, 0, 0]
    assert values["remote_ip6"] == [0, 0, 0, 9]
    assert values.keys() == skb.FIELDS.keys()


def test_shorter_context_of_an_older_kernel_has_fewer_members() -> None:
    values = skb.unpack(skb.pack({"mark": 42})[:66])
    assert values["mark"] == 42
    assert "ifindex" in values
    assert "cb" not in values
    assert "hash" not in values
    assert skb.unpack(b"") == {}


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("mark_", "did you mean 'mark'"),
        ("cb", r"it is an array: write cb\[0\] to cb\[4\]"),
        ("cb[5]", "did you mean 'cb"),
        ("xyzzy", "its fields are len, pkt_type"),
    ],
)
def test_unknown_member_is_refused_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        skb.pack({name: 1})


@pytest.mark.parametrize(
    ("name", "value"),
    [("mark", -1), ("mark", 2**32), ("tstamp", 2**64), ("tstamp_type", 256)],
)
def test_value_that_does_not_fit_is_refused(name: str, value: int) -> None:
    with pytest.raises(UsageError, match="does not fit"):
        skb.pack({name: value})


numbers = st.fixed_dictionaries(
    {},
    optional={
        name: st.integers(min_value=0, max_value=(1 << (8 * field.width)) - 1)
        for name, field in skb.FIELDS.items()
        if field.count == 1
    },
)


@given(numbers)
def test_what_is_packed_is_unpacked(values: dict[str, int]) -> None:
    unpacked = skb.unpack(skb.pack(values))
    assert {name: unpacked[name] for name in values} == values


def test_a_big_endian_kernel_has_its_own_order() -> None:
    values = {"mark": 0x01020304, "tstamp": 5, "cb[1]": 7}
    packed = skb.pack(values, "big")

    assert packed[8:12] == bytes([1, 2, 3, 4])
    found = skb.unpack(packed, "big")
    assert (found["mark"], found["tstamp"]) == (0x01020304, 5)
    assert skb.unpack(packed)["mark"] == 0x04030201
