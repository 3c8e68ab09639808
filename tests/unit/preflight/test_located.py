"""Where predictions say that something is, and why an object does not load."""

from dataclasses import replace

from runner.bpf.kinds import RelocationKind
from runner.preflight.located import located
from runner.preflight.model import (
    Effect,
    Finding,
    FindingKind,
    Guard,
    InstructionPlace,
    Prediction,
    Relocation,
    Status,
    Verdict,
)
from runner.preflight.refusals import refusals

PLACE = InstructionPlace(
    program="on_open",
    section="tracepoint/x/y",
    instruction=1,
    file="./gone.bpf.c",
    line=10,
)
RELOCATION = Relocation(
    place=PLACE,
    kind=RelocationKind.BYTE_OFF,
    access="task_struct.no_such",
    local="",
    target="",
    status=Status.MISSING,
    value=None,
    instructions=("", ""),
    local_field=None,
    field=None,
    guard=Guard.REACHABLE,
)
FINDING = Finding(
    kind=FindingKind.ARGUMENT_MISSING,
    effect=Effect.NOT_LOADED,
    place=PLACE,
    subject="f, argument 4",
    reason="f has 3 arguments",
)
REJECTED = Prediction(
    object_sha256="",
    btf_sha256=(),
    pointer_size=8,
    relocations=(RELOCATION,),
    features=(),
    verdict=Verdict.REJECTED,
    reasons=(
        f"{PLACE}: task_struct.no_such is missing and not guarded",
        "the kernel has no map type ringbuf",
        str(FINDING),
    ),
    findings=(FINDING,),
)


def test_a_source_has_its_name_from_where_the_command_was_started() -> None:
    found = located(
        replace(REJECTED, reasons=("gone.bpf.c:10: is missing",)),
        "gone.bpf.c",
        "src/gone.bpf.c",
    )

    assert found.relocations[0].place.file == "src/gone.bpf.c"
    assert found.findings[0].place.file == "src/gone.bpf.c"
    assert found.reasons == ("src/gone.bpf.c:10: is missing",)
    assert found.verdict is Verdict.REJECTED
    assert found.relocations[0].guard is Guard.REACHABLE


def test_another_file_keeps_its_name() -> None:
    assert located(REJECTED, "other.bpf.c", "src/other.bpf.c") == REJECTED


def test_each_reason_of_a_refusal_is_at_its_place() -> None:
    found = list(refusals(REJECTED, "src/gone.bpf.c"))

    assert [(it.subject, it.place.line, it.reason) for it in found] == [
        ("task_struct.no_such", 10, "task_struct.no_such is missing and not guarded"),
        ("src/gone.bpf.c", 0, "the kernel has no map type ringbuf"),
    ]
    assert {it.kind for it in found} == {FindingKind.REFUSED}
    assert not any(it.is_warning for it in found)


def test_what_loads_has_no_refusal() -> None:
    assert not list(refusals(replace(REJECTED, verdict=Verdict.LOADS), ""))
