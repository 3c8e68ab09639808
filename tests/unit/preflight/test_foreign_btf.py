"""BTF of other machines, of modules, of new kinds; and garbage."""

import contextlib
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from runner.bpf.kinds import RelocationKind
from runner.bpf.object import read_whole
from runner.errors import RunnerError
from runner.preflight.engine import Engine
from runner.preflight.errors import BadBtfError, EngineError
from runner.preflight.model import Verdict
from runner.preflight.predict import PredictedObject, Target, predict
from tests.unit.preflight.made import (
    HEAD,
    an_object,
    build,
    checked,
    compiled,
    kernel,
    only,
)
from tests.unit.preflight.raw import (
    ARRAY,
    PTR,
    STRUCT,
    TYPEDEF,
    UNION,
    Raw,
    a_kernel,
)

SOURCE = """\
enum colour { BLUE };
struct task { int pid; long big; } CORE;
struct extra { int value; } CORE;
unsigned long out[8];
SEC("kprobe/a") int on_a(struct task *task)
{
	out[0] = bpf_core_field_offset(struct task, pid);
	out[1] = bpf_core_field_size(struct task, big);
	out[2] = bpf_core_enum_value(enum colour, BLUE);
	out[3] = bpf_core_type_size(struct extra);
	out[4] = bpf_core_field_exists(struct extra, value);
	return 0;
}
"""


@pytest.fixture(scope="module")
def asan() -> Iterator[Engine]:
    with Engine(build("asan")) as engine:
        yield engine


@pytest.fixture(scope="module")
def subject(asan: Engine) -> PredictedObject:
    return PredictedObject(an_object(SOURCE), asan)


def test_the_other_byte_order_gives_the_same_values() -> None:
    item = an_object(SOURCE)

    def values(btf: bytes) -> list[int | None]:
        return [it.value for it in checked(item, btf).relocations]

    assert values(a_kernel(">").data) == values(a_kernel("<").data)


BOTH = ("bpfel", "bpfeb")
BITS = """\
struct bits { int pad; int a:3; int b:7; unsigned int c:13; short s; } CORE;
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 7); __type(key, int);
		__type(value, long); } seen SEC(".maps");
int limit = 5;
static __noinline int twice(int x) { return x * limit; }
SEC("tp/sched/sched_switch") int on_b(struct bits *bits)
{
	int key = 0;
	bpf_map_lookup_elem(&seen, &key);
	return twice(BPF_CORE_READ_BITFIELD_PROBED(bits, b)) +
		BPF_CORE_READ_BITFIELD_PROBED(bits, c) +
		BPF_CORE_READ_BITFIELD_PROBED(bits, s);
}
"""
BITS_THERE = (
    "struct bits { int a:3; int pad2; int b:7; unsigned int c:13; long q; short s; } x;"
)
# Of the byte order: 64 - (bit_off + bit_sz - byte_off * 8), and
# (8 - byte_sz) * 8 + (bit_off - byte_off * 8) (bpf_core_calc_field_relo()).
SHIFTS = {
    "bpfel": {"bits.b": 57, "bits.c": 44, "bits.s": 48},
    "bpfeb": {"bits.b": 32, "bits.c": 39, "bits.s": 48},
}


@pytest.mark.parametrize("target", BOTH)
def test_bit_fields_shift_as_on_their_own_machine(target: str) -> None:
    item = an_object(BITS, "-target", target)
    found = checked(item, kernel(BITS_THERE, "-target", target))

    assert found.verdict is Verdict.LOADS, found.reasons
    shifts = {
        it.access: it.value
        for it in found.relocations
        if it.kind is RelocationKind.LSHIFT_U64
    }
    assert shifts == SHIFTS[target]
    assert only(found, "bits.c", "byte_off").value == 8


@pytest.mark.parametrize("target", BOTH)
@pytest.mark.parametrize("of_kernel", BOTH)
def test_an_object_of_the_other_byte_order_does_not_load(
    target: str, of_kernel: str
) -> None:
    item = an_object(BITS, "-target", target)
    found = checked(item, kernel(BITS_THERE, "-target", of_kernel))

    assert (found.verdict is Verdict.LOADS) is (target == of_kernel)
    if target != of_kernel:
        assert found.reasons[0].startswith("the object is ")
        assert "endian" in found.reasons[0]


def test_libbpf_finds_the_same_in_an_object_of_either_byte_order() -> None:
    little, big = (an_object(BITS, "-target", it) for it in BOTH)
    with Engine(build()) as engine:
        found, other = engine.contents(little), engine.contents(big)

    assert found.maps == other.maps
    assert [(it.name, it.section, it.type) for it in found.programs] == [
        (it.name, it.section, it.type) for it in other.programs
    ]


@pytest.mark.parametrize("pointer", [4, 8])
def test_a_kernels_own_pointers_count(pointer: int) -> None:
    found = checked(an_object(SOURCE), a_kernel(pointer=pointer).data)

    assert found.pointer_size == pointer
    assert only(found, "task.big", "byte_sz").value == pointer


def test_wide_enumerators_are_read() -> None:
    found = checked(an_object(SOURCE), a_kernel().data)

    assert only(found, "colour.BLUE", "enumval_value").value == 0x1FFFFFFFF


def test_modules_bring_types_that_the_kernel_lacks() -> None:
    base = a_kernel()
    module = Raw(base=base.counts)
    module.struct("extra", 8, ("pad", 2, 0), ("value", 2, 32))
    other = Raw(base=base.counts)
    other.struct("unrelated", 4, ("value", 2, 0))
    item = an_object(SOURCE)
    with Engine(build()) as engine:
        subject = PredictedObject(item, engine)
        engine.load_target(base.data, [other.data, module.data])
        found = predict(subject, Target(btf=base.data, sha256=""), engine)

    assert only(found, "struct extra", "type_size").value == 8
    assert only(checked(item, base.data), "struct extra", "type_size").value == 0


def test_a_huge_kernel_is_read_in_time() -> None:
    raw = Raw()
    int_ = raw.int_("int", 4)
    raw.struct("other", 4, ("pid", int_, 0))
    # As many types as a dozen kernels have.
    raw.types += raw.types[-1:] * 1_000_000
    raw.struct("task", 8, ("pid", int_, 32))

    found = checked(an_object(SOURCE), raw.data)

    assert only(found, "task.pid", "byte_off").value == 4


def test_a_kernel_that_is_too_large_is_refused(asan: Engine) -> None:
    with pytest.raises(BadBtfError, match="129 MB"):
        asan.load_target(b"\x9f\xeb\1\0" + bytes(129 << 20))

    assert asan.load_target(KERNEL).types


# -------------------------------------------------------------------- garbage


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda raw: raw.add(TYPEDEF, "me", 1), "contains itself"),
        (lambda raw: raw.struct("me", 4, ("me", 1, 0)), "contains itself"),
        (lambda raw: raw.add(ARRAY, "", 0, 1, 1, 2), "contains itself"),
        (lambda raw: raw.add(TYPEDEF, "far", 99), "does not exist"),
        (lambda raw: raw.struct("far", 4, ("far", 99, 0)), "does not exist"),
        (
            lambda raw: raw.add(STRUCT, "x", 4, 9999, 0, 0, count=1),
            "lies outside the strings",
        ),
    ],
)
def test_types_that_lead_nowhere_are_refused(make, said: str, asan: Engine) -> None:  # type: ignore[no-untyped-def]
    raw = Raw()
    make(raw)

    with pytest.raises(BadBtfError, match=said):
        asan.load_target(raw.data)


def test_a_pointer_to_what_has_no_name_is_described(asan: Engine) -> None:
    raw = Raw()
    pointer = raw.add(PTR, "", raw.int_("", 4))
    asan.load_target(raw.data)

    (found,) = asan.types([pointer])
    assert found is not None
    assert found.text == " *"


def test_nameless_unions_that_multiply_are_refused(asan: Engine) -> None:
    raw = Raw()
    inner = raw.int_("int", 4)
    for _ in range(40):
        words = [0, inner, 0] * 2
        inner = raw.add(UNION, "", 4, *words, count=2)

    with pytest.raises(BadBtfError, match="too many"):
        asan.load_target(raw.data)


@pytest.mark.parametrize(
    "data", [b"", b"\x9f\xeb", b"\x9f\xeb\1\0" + bytes(64), b"\x7fELF" + bytes(64)]
)
def test_what_is_no_btf_is_refused(data: bytes, asan: Engine) -> None:
    with pytest.raises(BadBtfError):
        asan.load_target(data)


KERNEL = a_kernel().data
OBJECT = compiled(HEAD + SOURCE)
CHANGES = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)),
    min_size=1,
    max_size=12,
)


def changed(data: bytes, changes: list[tuple[float, int]], kept: float) -> bytes:
    """Return data with some bytes overwritten, cut to a share of it."""
    found = bytearray(data)
    for place, byte in changes:
        found[int(place * len(found))] = byte
    return bytes(found[: round(len(found) * kept)])


FUZZ = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
KEPT = st.one_of(st.just(1.0), st.floats(0, 1))


@FUZZ
@given(changes=CHANGES, kept=KEPT)
def test_garbage_for_a_kernel_is_an_error_or_a_kernel(
    changes: list[tuple[float, int]],
    kept: float,
    asan: Engine,
    subject: PredictedObject,
) -> None:
    btf = changed(KERNEL, changes, kept)
    try:
        asan.load_target(btf)
        predict(subject, Target(btf=btf, sha256=""), asan)
        asan.near("task")
        asan.types(range(1, 20))
        for number in range(20):
            asan.moved(number, "pid")
    except EngineError:
        # It crashed, or hung.
        raise
    except RunnerError as error:
        event(error.message)


@FUZZ
@given(changes=CHANGES, kept=KEPT)
def test_garbage_for_a_module_is_an_error_or_a_module(
    changes: list[tuple[float, int]], kept: float, asan: Engine
) -> None:
    base = a_kernel()
    module = Raw(base=base.counts)
    module.struct("extra", 8, ("pad", 2, 0), ("value", 2, 32))
    try:
        asan.load_target(base.data, [changed(module.data, changes, kept)])
    except EngineError:
        raise
    except RunnerError as error:
        event(error.message)


@FUZZ
@given(changes=CHANGES, kept=KEPT)
def test_garbage_for_an_object_is_an_error_or_an_object(
    changes: list[tuple[float, int]], kept: float
) -> None:
    # libbpf's own reading of ELF files may break the engine: an error of that file.
    with contextlib.suppress(RunnerError):
        checked(read_whole(changed(OBJECT, changes, kept)), KERNEL)
