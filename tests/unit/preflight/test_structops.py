"""Maps of struct_ops, and their programs' arguments, against a kernel's struct."""

import pytest

from runner.preflight.engine import Engine, LibbpfNames
from runner.preflight.model import (
    Effect,
    FindingKind,
    KernelNeed,
    Prediction,
    Verdict,
)
from tests.unit.preflight.made import an_object, build, checked, kernel

# The object's struct, its map, and what its program `acts` takes and does.
SOURCE = """\
#include <bpf/bpf_tracing.h>
struct thing {{ int id; }} CORE;
struct some_ops{flavor} {{
	int (*act)(struct thing *thing);
	int (*rest)(void);
	{extra}
}};
int sink;
SEC("struct_ops/whatever") int BPF_PROG(acts, {takes})
{{
	sink = {read};
	return 0;
}}
SEC(".struct_ops") struct some_ops{flavor} ops = {{ .act = (void *)acts, {sets} }};
"""
KERNEL = """\
struct thing { int id; };
struct other { long some; int id; };
struct some_ops { %s };
struct bpf_struct_ops_some_ops { struct some_ops data; } whole;
struct other other;
struct thing thing;
int function(int a) { return a; }
"""
MEMBERS = "int (*act)(struct thing *thing); int (*rest)(void); int limit;"


def source(
    takes: str = "struct thing *thing",
    read: str = "thing->id",
    extra: str = "int limit;",
    sets: str = "",
    flavor: str = "",
) -> str:
    return SOURCE.format(takes=takes, read=read, extra=extra, sets=sets, flavor=flavor)


def prediction(
    text: str,
    members: str = MEMBERS,
    libbpf: tuple[int, int] = (1, 1),
    not_created: tuple[str, ...] = (),
) -> Prediction:
    """Return what is predicted with a libbpf's behaviour."""
    with Engine(build()) as engine:
        names = engine.names.model_copy(update={"version": libbpf})
        engine.__dict__["names"] = names
        return checked(
            an_object(text),
            kernel(KERNEL % members),
            engine=engine,
            not_created=frozenset(not_created),
        )


def test_the_engine_says_its_libbpf() -> None:
    with Engine(build()) as engine:
        names: LibbpfNames = engine.names

    assert names.version >= (0, 8)


def test_what_fits_loads() -> None:
    found = prediction(source(sets=".limit = 3"))

    assert (found.verdict, found.findings) == (Verdict.LOADS, ())
    (signature,) = found.signatures
    assert signature.subject == "some_ops.act, argument 1"
    assert signature.kernel == "struct thing *"


def test_an_argument_too_many_is_refused_with_its_line() -> None:
    text = source("struct thing *thing, int how", "how")

    found = prediction(text)

    (finding,) = found.findings
    assert found.verdict is Verdict.REJECTED
    assert finding.kind is FindingKind.ARGUMENT_MISSING
    assert finding.effect is Effect.NOT_LOADED
    assert "BPF_PROG(acts" in finding.place.source
    assert finding.reason.startswith(
        "some_ops.act doesn't have argument 2, only 1 argument"
    )
    assert "int some_ops.act(struct thing *)" in finding.reason
    assert "a second map" in finding.cure
    newer = MEMBERS.replace("thing *thing", "thing *thing, int how")
    assert prediction(text, newer).verdict is Verdict.LOADS


def test_a_number_is_not_followed() -> None:
    found = prediction(source(), MEMBERS.replace("struct thing *thing", "int number"))

    (finding,) = found.findings
    assert found.verdict is Verdict.REJECTED
    assert finding.kind is FindingKind.ARGUMENT_CHANGED
    assert "argument 1 is int, which is not a pointer" in finding.reason


def test_another_struct_is_read_as_what_it_is_not() -> None:
    found = prediction(source(), MEMBERS.replace("struct thing", "struct other"))

    (finding,) = found.findings
    assert found.verdict is Verdict.LOADS
    assert finding.effect is Effect.WRONG_VALUE
    assert "is struct other *, and the program takes it for struct thing" in (
        finding.reason
    )


# Before 1.4 libbpf refuses each member that the kernel lacks.
@pytest.mark.parametrize(
    ("sets", "libbpf", "refused"),
    [
        (".limit = 3", (1, 1), True),
        (".limit = 3", (1, 4), True),
        ("", (1, 1), True),
        ("", (1, 3), True),
        ("", (1, 4), False),
        ("", (1, 7), False),
    ],
)
def test_a_member_that_the_kernel_lacks(
    sets: str, libbpf: tuple[int, int], refused: bool
) -> None:
    members = MEMBERS.replace("int limit;", "int limits;")

    found = prediction(source(sets=sets), members, libbpf)

    assert (found.verdict is Verdict.REJECTED) is refused
    if refused:
        (finding,) = found.findings
        assert finding.kind is FindingKind.MEMBER_MISSING
        assert finding.subject == "some_ops.limit"
        assert finding.effect is Effect.NOT_LOADED
        assert (
            "ops: the kernel's struct some_ops has no member limit; did you mean "
            in (finding.reason)
        )
        assert ("zero" in finding.reason) is (not sets)
        assert finding.place.line
        assert "limit" in finding.cure
    else:
        assert found.findings == ()


@pytest.mark.parametrize("libbpf", [(1, 1), (1, 7)])
def test_a_program_in_a_member_that_the_kernel_lacks(libbpf: tuple[int, int]) -> None:
    found = prediction(source(), "int (*rest)(void); int limit;", libbpf)

    (finding,) = found.findings
    assert finding.kind is FindingKind.MEMBER_MISSING
    assert finding.subject == "some_ops.act"
    assert finding.place.program == "acts"
    assert "BPF_PROG(acts" in finding.place.source


@pytest.mark.parametrize(
    ("member", "why"),
    [
        ("long limit;", "has 8 bytes, and the object's has 4"),
        ("void *limit;", "is void *, and the object has another kind of type"),
        ("int limit : 4;", "can't be set: libbpf sets no bit fields"),
    ],
)
def test_a_member_of_another_form_is_refused(member: str, why: str) -> None:
    found = prediction(source(), MEMBERS.replace("int limit;", member), (1, 7))

    (finding,) = found.findings
    assert found.verdict is Verdict.REJECTED
    assert finding.kind is FindingKind.MEMBER_CHANGED
    assert why in finding.reason


def test_a_program_where_the_kernel_has_no_function() -> None:
    members = MEMBERS.replace("int (*act)(struct thing *thing)", "struct thing *act")

    (finding,) = prediction(source(), members).findings

    assert "is struct thing *, which points to no function" in finding.reason


@pytest.mark.parametrize(
    ("member", "load", "told"),
    [
        ("act", {}, []),
        ("get_info", {}, ["get_info"]),
        # The kernel looks at the member when it loads its program.
        ("get_info", {"acts": False}, []),
    ],
)
def test_an_operation_that_no_program_may_implement(
    member: str, load: dict[str, bool], told: list[str]
) -> None:
    def renamed(text: str) -> str:
        return text.replace("some_ops", "tcp_congestion_ops").replace(
            "act)", f"{member})"
        )

    text = renamed(source()).replace(".act =", f".{member} =")
    with Engine(build()) as engine:
        found = checked(
            an_object(text),
            kernel(renamed(KERNEL % MEMBERS)),
            engine=engine,
            load=load,
        ).findings

    assert [it.subject for it in found] == [f"tcp_congestion_ops.{it}" for it in told]
    assert all(it.kind is FindingKind.TARGET_UNSUPPORTED for it in found)
    assert all(it.place.program == "acts" for it in found)


# The size of a type with a pointer to it does not count.
def test_other_pointers_are_not_compared() -> None:
    members = MEMBERS.replace("int limit;", "struct thing *limit;")

    found = prediction(source(extra="struct other *limit;"), members)

    assert (found.verdict, found.findings) == (Verdict.LOADS, ())


# libbpf 1.4 takes off the flavor of a struct's name.
@pytest.mark.parametrize(
    ("libbpf", "verdict"), [((1, 1), Verdict.REJECTED), ((1, 4), Verdict.LOADS)]
)
def test_a_structs_flavor(libbpf: tuple[int, int], verdict: Verdict) -> None:
    assert prediction(source(flavor="___old"), libbpf=libbpf).verdict is verdict


# Before 1.4 libbpf prepares maps that are not to be created, too.
@pytest.mark.parametrize(
    ("libbpf", "verdict"), [((1, 1), Verdict.REJECTED), ((1, 4), Verdict.LOADS)]
)
def test_a_map_that_is_not_created(libbpf: tuple[int, int], verdict: Verdict) -> None:
    members = MEMBERS.replace("int limit;", "")

    found = prediction(source(sets=".limit = 3"), members, libbpf, ("ops",))

    assert found.verdict is verdict
    needs = {it.need for it in found.features}
    assert (KernelNeed.STRUCT_OPS in needs) is (verdict is Verdict.REJECTED)
