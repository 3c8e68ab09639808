"""Objects that take too long to follow are told as unknown, everywhere."""

import json

import pytest

from runner.preflight import dataflow, findingsfile
from runner.preflight.model import Effect, FindingKind, Prediction, Verdict
from runner.preflight.spread import spread_of
from runner.preflight.targets import BtfSource
from runner.versions import KernelVersion
from tests.unit.preflight.made import BUILD, an_object, checked, kernel

KERNEL = """\
struct thing { int id; };
long act(struct thing *thing) { return 0; }
"""
SOURCE = """\
#define __VMLINUX_H__
#include <bpf/bpf_tracing.h>
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di;
};
struct thing { int id; } CORE;
int sink;
%s
{
	sink = how;
	return 0;
}
"""
FENTRY = SOURCE % 'SEC("fentry/act") int BPF_PROG(acts, struct thing *thing, int how)'
KPROBE = SOURCE % 'SEC("kprobe/act") int BPF_KPROBE(acts, struct thing *thing, int how)'


def prediction(source: str) -> Prediction:
    return checked(an_object(source), kernel(KERNEL))


@pytest.fixture
def given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataflow, "MOST_VISITS", 2)


def test_what_is_followed_is_judged() -> None:
    assert prediction(FENTRY).verdict is Verdict.REJECTED
    (finding,) = prediction(KPROBE).findings
    assert finding.kind is FindingKind.ARGUMENT_MISSING


@pytest.mark.usefixtures("given_up")
def test_a_typed_program_may_be_refused_for_what_nobody_compared() -> None:
    found = prediction(FENTRY)

    (finding,) = found.findings
    assert found.verdict is Verdict.UNKNOWN
    assert found.reasons == (str(finding),)
    assert finding.kind is FindingKind.NOT_FOLLOWED
    assert finding.effect is Effect.UNKNOWN
    assert finding.place.program == "acts"
    assert finding.place.line
    assert "after 2 steps" in finding.reason
    assert finding.cure


@pytest.mark.usefixtures("given_up")
def test_a_probe_is_refused_for_nothing_of_that() -> None:
    found = prediction(KPROBE)

    (finding,) = found.findings
    assert found.verdict is Verdict.LOADS
    assert finding.effect is Effect.UNKNOWN
    assert finding.is_accepted(["not_followed"])


@pytest.mark.usefixtures("given_up")
def test_code_scanning_and_annotations_have_it_as_a_note() -> None:
    source = BtfSource(name="6.1", path=BUILD, version=KernelVersion.parse("6.1"))
    found = spread_of([(source, prediction(KPROBE))])

    (result,) = json.loads(findingsfile.sarif(found))["runs"][0]["results"]
    (line,) = findingsfile.annotations(found)

    assert (result["ruleId"], result["level"]) == ("not_followed", "note")
    assert line.startswith("::notice file=")
