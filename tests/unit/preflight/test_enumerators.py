"""Enumerators that the compiler made numbers of."""

import pytest

from runner.preflight.model import Effect, FindingKind
from tests.unit.preflight.made import an_object, checked, kernel

SOURCE = """\
enum kind { KIND_NONE, KIND_FILE = 5, KIND_PIPE = 6 };
struct iterator { enum kind kind; int number; } CORE;
int sink;
SEC("raw_tp/sched_switch") int reads(unsigned long long *ctx)
{
	struct iterator *it = (void *)ctx[1];
	int kind = BPF_CORE_READ(it, %s);

	%s
	return 0;
}
"""
KERNEL = """\
enum kind { KIND_NONE, KIND_FILE = %d, KIND_PIPE = 6 };
struct iterator { enum kind kind; int number; } i;
"""


# Its BTF has the enumeration where a member of that type is read.
@pytest.mark.parametrize(("type_", "sure"), [("enum kind", ""), ("int", "likely: ")])
def test_an_enumerator_with_another_value_is_warned_of(type_: str, sure: str) -> None:
    source = SOURCE % ("kind", "if (kind == KIND_FILE)\n\t\tsink++;")
    item = an_object(source.replace("{ enum kind kind", f"{{ {type_} kind"))

    assert checked(item, kernel(KERNEL % 5)).findings == ()
    (finding,) = checked(item, kernel(KERNEL % 0)).warnings
    assert finding.kind is FindingKind.ENUMERATOR_CHANGED
    assert finding.effect is Effect.WRONG_VALUE
    assert finding.reason == (
        f"{sure}KIND_FILE is 0 on this kernel, and the code compares with 5"
    )
    assert finding.place.source == "if (kind == KIND_FILE)"


@pytest.mark.parametrize(
    "line",
    [
        "if (kind == bpf_core_enum_value(enum kind, KIND_FILE))\n\t\tsink++;",
        # It may be the number of something else, of either.
        "if (kind == 7 || (it && kind == KIND_NONE))\n\t\tsink++;",
        "if (kind == 7)\n\t\tsink = KIND_FILE;",
        "if (kind == KIND_NONE)\n\t\tsink++;",
        "if (kind == 7 && it /* KIND_NONE */)\n\t\tsink = 0;",
    ],
)
def test_what_is_not_sure_is_not_warned_of(line: str) -> None:
    item = an_object(SOURCE % ("kind", line))

    assert checked(item, kernel(KERNEL % 0)).findings == ()


def test_what_is_not_reached_is_not_warned_of() -> None:
    line = (
        "if (bpf_core_field_exists(it->number))\n\t\tsink = kind;\n"
        "\telse if (kind == KIND_FILE)\n\t\tsink++;"
    )
    item = an_object(SOURCE % ("kind", line))

    assert checked(item, kernel(KERNEL % 0)).findings == ()


def test_a_name_with_several_values_says_nothing() -> None:
    item = an_object(SOURCE % ("kind", "if (kind == KIND_FILE)\n\t\tsink++;"))
    twice = f"{KERNEL % 0}struct f;"
    other = "enum { OTHER } o;"

    assert len(checked(item, kernel(twice + other)).findings) == 1
    assert checked(item, kernel("struct iterator { int kind; } i;")).findings == ()


def test_a_line_may_name_several() -> None:
    kind = "kind == KIND_FILE || kind == KIND_LINK"
    more = "KIND_PIPE = 6, KIND_LINK = 9"
    source = SOURCE.replace("KIND_PIPE = 6", more)
    source = source.replace("enum kind kind;", "int kind;")
    item = an_object(source % ("kind", f"if ({kind})\n\t\tsink++;"))
    same, other = (
        checked(item, kernel(KERNEL.replace("KIND_PIPE = 6", more) % it)).warnings
        for it in (5, 0)
    )

    assert same == ()
    (finding,) = other
    assert finding.subject == "KIND_FILE"
    assert finding.reason == (
        "likely: KIND_FILE is 0 on this kernel, and the code compares with 5 and 9"
    )
