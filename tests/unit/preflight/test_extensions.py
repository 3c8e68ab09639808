"""Programs that replace functions of another object (freplace)."""

from pathlib import Path

import pytest

from runner.preflight import check, targets
from runner.preflight.model import Effect, FindingKind, Prediction, Verdict
from tests.unit.preflight.made import (
    HEAD,
    an_object,
    build,
    checked,
    compiled,
    kernel,
)

KERNEL = "struct nothing { int at_all; } nothing; int function(int a) { return a; }"
EXTENDED = """\
__attribute__((noinline)) %s decide(%s) { volatile int result = 1; return %s; }
SEC("tc") int dispatch(struct __sk_buff *skb) { volatile int known; %s; return known; }
"""
CALL = "known = decide(skb, 1)"
TAKES = "struct __sk_buff *skb, int verdict"


def extended(
    takes: str = TAKES,
    returns: str = "int",
    result: str = "result",
    call: str = CALL,
) -> str:
    return EXTENDED % (returns, takes, result, call)


def prediction(
    takes: str, of: str = "", returns: str = "int", target: str = "decide"
) -> Prediction:
    source = f'SEC("freplace/{target}") {returns} mine({takes}) {{ return 2; }}'
    if returns == "void":
        source = source.replace("return 2;", "")
    return checked(
        an_object(source), kernel(KERNEL), extended=an_object(of or extended())
    )


@pytest.mark.parametrize(
    "takes",
    [
        TAKES,
        # Names, qualifiers and typedefs are no difference.
        "struct __sk_buff *context, const __s32 other",
    ],
)
def test_what_fits_loads(takes: str) -> None:
    found = prediction(takes)

    assert (found.verdict, found.findings) == (Verdict.LOADS, ())


@pytest.mark.parametrize(
    ("takes", "kind", "reason"),
    [
        (
            f"{TAKES}, int more",
            FindingKind.ARGUMENT_MISSING,
            "mine() takes 3 and decide() 2",
        ),
        (
            "struct __sk_buff *skb",
            FindingKind.ARGUMENT_CHANGED,
            "mine() takes 1 and decide() 2",
        ),
        (
            "struct __sk_buff *skb, long verdict",
            FindingKind.ARGUMENT_CHANGED,
            "argument 2 of mine() is long, and of decide() int",
        ),
        (
            "struct __sk_buff *skb, int *verdict",
            FindingKind.ARGUMENT_CHANGED,
            "argument 2 of mine() is int *, and of decide() int",
        ),
        (
            "struct xdp_md *skb, int verdict",
            FindingKind.ARGUMENT_CHANGED,
            "argument 1 of mine() is struct xdp_md *, and of decide() struct __sk_buff",
        ),
    ],
)
def test_another_prototype_is_refused_with_its_line(
    takes: str, kind: FindingKind, reason: str
) -> None:
    found = prediction(takes)

    (finding,) = found.findings
    assert found.verdict is Verdict.REJECTED
    assert finding.kind is kind
    assert finding.effect is Effect.NOT_LOADED
    assert finding.reason.startswith(reason)
    assert "int decide(struct __sk_buff *skb, int verdict)" in finding.reason
    assert finding.cure == (
        "declare it as int mine(struct __sk_buff *skb, int verdict)"
    )
    assert finding.place.line
    assert finding.place.program == "mine"


def test_another_returned_value_is_refused() -> None:
    void = extended(returns="void", result="", call="decide(skb, 1); known = 2")

    (finding,) = prediction(TAKES, void).findings

    assert finding.kind is FindingKind.RETURN_MISSING
    assert finding.subject == "decide, return value"
    assert finding.reason.startswith("mine() returns int, and decide() void")
    (finding,) = prediction(TAKES, returns="void").findings
    assert finding.kind is FindingKind.ARGUMENT_CHANGED


def test_a_static_function_is_not_replaced() -> None:
    (finding,) = prediction(TAKES, f"static {extended()}").findings

    assert finding.kind is FindingKind.TARGET_UNSUPPORTED
    assert "decide() of made.bpf.o is static" in finding.reason


def test_a_function_that_there_is_not() -> None:
    (finding,) = prediction(TAKES, target="decides").findings

    assert finding.kind is FindingKind.TARGET_MISSING
    assert finding.reason == (
        "made.bpf.o has no function decides; did you mean 'decide'?"
    )


# The kernel compares no pointers to anything but structs, and refuses those.
def test_pointers_to_numbers_are_refused() -> None:
    takes = "struct __sk_buff *skb, int *verdict"
    call = "int number = 1; known = decide(skb, &number)"

    (finding,) = prediction(takes, extended(takes, call=call)).findings

    assert finding.kind is FindingKind.ARGUMENT_CHANGED


def test_what_nobody_names_is_left_to_the_loader() -> None:
    item = an_object(f'SEC("freplace/decide") int mine({TAKES}) {{ return 2; }}')

    found = checked(item, kernel(KERNEL))

    assert found.verdict is Verdict.UNKNOWN
    assert found.findings == ()


# The index tells one extended object from the other.
def test_each_extended_object_has_its_own_prediction(tmp_path: Path) -> None:
    source = f'SEC("freplace/decide") int mine({TAKES}) {{ return 2; }}'
    mine, btf = tmp_path / "mine.o", tmp_path / "6.1.btf"
    mine.write_bytes(compiled(HEAD + source))
    btf.write_bytes(kernel(KERNEL))
    others = {"fits.o": extended(), "static.o": f"static {extended()}"}

    found = {}
    for name, text in others.items():
        other = tmp_path / name
        other.write_bytes(compiled(HEAD + text))
        (result,) = check.check(
            [mine],
            targets.of_path(str(btf)),
            tmp_path / "index",
            engine=build(),
            extended=[other],
        )
        found[name] = result.predictions[0].verdict

    assert found == {"fits.o": Verdict.LOADS, "static.o": Verdict.REJECTED}
