"""What a suite expects of a type: refused only where it can never be equal."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from runner.bpf import forms
from runner.bpf import object as bpf_object
from runner.bpf.btf import Btf
from runner.bpf.forms import BytesForm, Form, NumberForm
from runner.bpf.values import Formatter, GivenUpError
from runner.suites.checks.equality import contains, equal
from runner.suites.checks.fitting import Fitted, misfits, misfits_of
from runner.suites.checks.matchers import judge
from runner.suites.model import MapExpectation
from tests.unit.preflight.made import HEAD, compiled

SOURCE = """\
enum kind { SMALL = 1, LARGE, AGAIN = 1 };
enum __attribute__((packed)) tiny { LESS = -2, TINY = 1 };
struct cell { __u16 row; __s16 column; };
struct seen {
	struct cell place;
	struct { __u8 first; union { __u32 word; __s8 half; }; };
	enum kind kind;
	enum tiny tiny[2];
	char comm[8];
	const char constant[4];
	unsigned char mac[3];
	struct cell cells[2];
	bool flag;
	unsigned int low : 3, high : 29;
	__int128 wide;
	void *pointer;
	__u64 count;
	char none[];
};
struct real { __u32 before; float number; };
struct seen seen;
struct real real;
SEC("socket") int use(void *context) { return seen.flag + !real.before; }
"""


@pytest.fixture(scope="module")
def btf() -> Btf:
    return bpf_object.read(compiled(HEAD + SOURCE)).btf


def form_of(btf: Btf, name: str) -> Form:
    found = forms.of_type(btf, btf.find(name).id)
    assert found is not None
    return found


def fitted(form: Form | None, *, is_whole: bool = True) -> Fitted:
    return Fitted(owner="a value of map m", form=form, is_whole=is_whole)


def said(expected: JsonValue, form: Form | None, *, is_whole: bool = True) -> list[str]:
    found = misfits(expected, fitted(form, is_whole=is_whole), ("equals",))
    return [".".join(map(str, it.where)) + ": " + it.what for it in found]


# What somebody may write, and what may be read.
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-300, 300)
    | st.integers(-(1 << 64), 1 << 64)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "0x1f", "7", "0x01 0x02", "SMALL", "LARGE", "AGAIN", "ß"])
    | st.text("ab\0", max_size=10),
    lambda it: (
        st.lists(it, max_size=3)
        | st.dictionaries(st.sampled_from(["row", "column"]), it, max_size=2)
    ),
    max_leaves=6,
)


@settings(deadline=None, max_examples=300)
@given(data=st.binary(min_size=128, max_size=128), cut=st.integers(0, 128))
def test_what_was_read_is_never_refused(btf: Btf, data: bytes, cut: int) -> None:
    # Zeros at the end, so that there is text.
    data = data[:cut].ljust(128, b"\0")
    read = Formatter(btf).value(btf.find("struct seen").id, data)

    assert equal(read, read)
    assert not said(read, form_of(btf, "struct seen"))
    for name, value in dict(read).items() if isinstance(read, dict) else ():
        form = fitted(form_of(btf, "struct seen")).at(name).form
        assert not said(value, form), name


@settings(deadline=None, max_examples=500)
@given(data=st.data())
def test_what_is_refused_is_not_equal(btf: Btf, data: st.DataObject) -> None:
    read = Formatter(btf).value(
        btf.find("struct seen").id, data.draw(st.binary(min_size=128, max_size=128))
    )
    assert isinstance(read, dict)
    name = data.draw(st.sampled_from(sorted(read)))
    form = fitted(form_of(btf, "struct seen")).at(name).form
    expected = data.draw(JSON)

    if said(expected, form):
        assert not equal(expected, read[name])
    if said(expected, form, is_whole=False):
        assert not contains(expected, read[name])


@settings(deadline=None, max_examples=300)
@given(expected=JSON, read=st.binary(min_size=2, max_size=2))
def test_bytes_that_are_refused_are_not_equal(expected: JsonValue, read: bytes) -> None:
    if said(expected, BytesForm(size=2)):
        assert not equal(expected, read)
    assert not said(int.from_bytes(read, "little"), BytesForm(size=2))
    assert not said(" ".join(f"0x{it:02x}" for it in read), BytesForm(size=2))


def expectation(**keys: Any) -> MapExpectation:
    return MapExpectation.model_validate_json(json.dumps({"map": "m", **keys}))


MATCHERS = st.one_of(
    st.fixed_dictionaries({"equals": JSON}),
    st.fixed_dictionaries({"equals": JSON, "within": st.integers(1, 300)}),
    st.fixed_dictionaries({"equals": JSON, "mask": st.integers(1, 255)}),
    st.fixed_dictionaries({"one_of": st.lists(JSON, min_size=1, max_size=3)}),
    st.tuples(st.integers(-900, 900), st.integers(-900, 900)).map(
        lambda it: {"between": list(it)}
    ),
)


@settings(deadline=None, max_examples=500)
@given(keys=MATCHERS, data=st.data())
def test_matchers_that_are_refused_do_not_hold(
    btf: Btf, keys: dict[str, Any], data: st.DataObject
) -> None:
    read = Formatter(btf).value(
        btf.find("struct seen").id, data.draw(st.binary(min_size=128, max_size=128))
    )
    assert isinstance(read, dict)
    name = data.draw(st.sampled_from(sorted(read)))
    form = fitted(form_of(btf, "struct seen")).at(name).form
    wanted = expectation(**keys)

    if list(misfits_of(wanted, fitted(form), ())):
        assert judge(wanted, read[name], {})


@pytest.mark.parametrize(
    ("member", "expected", "words"),
    [
        ("count", -1, "an integer of 8 bytes, 0 to 18446744073709551615"),
        ("count", "7", "an integer of 8 bytes"),
        ("first", 256, "an integer of 1 byte, 0 to 255"),
        ("half", 128, "an integer of 1 byte, -128 to 127"),
        ("flag", 2, "true or false"),
        ("low", 8, "a number of 3 bits, 0x0 to 0x7"),
        ("kind", "LAGRE", "a name of enum kind: SMALL, LARGE"),
        ("kind", 2, "shown by its name, LARGE"),
        # bpftool shows the first name of a number.
        ("kind", "AGAIN", "a name of enum kind"),
        ("comm", "as long as a line", "text of at most 8 bytes"),
        ("comm", {"a": 1}, "text of at most 8 bytes"),
        ("mac", [1, 2], "a list of 3 elements"),
        ("place", 7, "a mapping of the members of struct cell: row, column"),
    ],
)
def test_what_can_not_be_is_told(
    btf: Btf, member: str, expected: JsonValue, words: str
) -> None:
    what = fitted(form_of(btf, "struct seen")).at(member)
    (found,) = misfits(expected, what, ("equals",))

    shown = repr(expected) if isinstance(expected, str) else json.dumps(expected)
    assert found.where == ("equals",)
    assert found.what.startswith(f"{shown}: {member} in a value of map m is {words}")


def test_each_member_is_told_at_its_place(btf: Btf) -> None:
    cells = fitted(form_of(btf, "struct seen")).at("cells").form

    assert said([{"row": 1, "column": 2}, {"row": -1, "columns": 2}], cells) == [
        "equals.1.row: -1: [1].row in a value of map m is an integer of 2 bytes, 0 to "
        "65535",
        "equals.1.columns: 'columns': no such field; did you mean 'column'?",
    ]


def test_a_value_has_all_members_and_a_key_some(btf: Btf) -> None:
    cell = form_of(btf, "struct cell")

    assert not said({"row": 1}, cell, is_whole=False)
    assert said({"row": 1}, cell) == [
        "equals: a value of map m is compared with all of its members, and column is "
        "missing"
    ]


def test_what_is_not_known_yet_may_fit(btf: Btf) -> None:
    cell = form_of(btf, "struct cell")

    assert not said("${child.pid}", cell)
    assert not said({"row": "${a.b}", "column": "${c.d} or so"}, cell)
    assert not said("anything", None)


def test_bpftool_stops_at_a_float(btf: Btf) -> None:
    type_ = btf.find("struct real").id
    with pytest.raises(GivenUpError):
        Formatter(btf).value(type_, bytes(8))

    assert forms.of_type(btf, type_) is None


def test_text_may_be_bytes_for_a_kernel_that_formats_nothing(btf: Btf) -> None:
    what = fitted(form_of(btf, "struct cell"))

    assert not list(misfits("0x01 0x00 0x02 0x00", what, (), takes_bytes=True))
    assert list(misfits("0x01 0x00 0x02", what, (), takes_bytes=True))
    assert list(misfits("0x01 0x00 0x02 0x00", what, ()))


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (
            {"between": [300, 400]},
            "between: 300 to 400: a value of map m is an integer",
        ),
        ({"equals": 300, "within": 9}, "equals: 291 to 309: a value of map m is an"),
        ({"equals": "much", "within": 9}, "equals: 'much' is not a number"),
        ({"one_of": [256, "much"]}, "one_of.0: 256: a value of map m is an integer"),
        ({"equals": "1", "mask": 1}, "equals: '1': the masked value of a value of map"),
    ],
)
def test_a_matcher_that_can_not_hold_is_told(keys: dict[str, Any], words: str) -> None:
    found = misfits_of(expectation(**keys), fitted(NumberForm(size=1)), ())
    first, *_ = (".".join(map(str, it.where)) + ": " + it.what for it in found)

    assert first.startswith(words)


@pytest.mark.parametrize(
    "keys",
    [
        {"between": [200, 400]},
        {"between": ["${a.b}", 400]},
        {"equals": 260, "within": 9},
        {"equals": "${a.b}", "within": 9},
        # One of several is enough: kernels may differ.
        {"one_of": ["0x07", 7, "SMALL"]},
        {"equals": 7, "mask": 1},
        {"matches": "7|8"},
    ],
)
def test_a_matcher_that_may_hold_is_let_through(keys: dict[str, Any]) -> None:
    assert not list(misfits_of(expectation(**keys), fitted(NumberForm(size=1)), ()))


def test_a_sum_may_be_larger_than_what_is_added(btf: Btf) -> None:
    number, cell = fitted(NumberForm(size=1)), fitted(form_of(btf, "struct cell"))

    assert not list(misfits_of(expectation(equals=900), number, (), is_sum=True))
    (found,) = misfits_of(expectation(equals=9), cell, (), is_sum=True)
    assert found.where == ("cpu",)
    assert found.what.startswith("`cpu` needs a number; a value of map m is a mapping")
