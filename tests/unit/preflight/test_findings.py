"""What `check` writes of findings, and which of them it leaves out."""

import json
from pathlib import Path

import pytest

from runner.preflight import findingsfile
from runner.preflight.model import (
    Effect,
    Finding,
    FindingKind,
    InstructionPlace,
    Prediction,
    Verdict,
    no_warning,
)
from runner.preflight.spread import Spread, spread_of
from runner.preflight.targets import BtfSource
from runner.versions import KernelVersion


def finding(effect: Effect = Effect.WRONG_VALUE, reason: str = "it moved") -> Finding:
    return Finding(
        kind=FindingKind.ARGUMENT_CHANGED,
        effect=effect,
        place=InstructionPlace(
            program="removes",
            section="kprobe/vfs_unlink",
            instruction=3,
            file="unlink.bpf.c",
            line=12,
        ),
        subject="vfs_unlink, argument 2",
        reason=reason,
        cure="write another",
    )


def source(name: str) -> BtfSource:
    return BtfSource(name=name, path=Path(name), version=KernelVersion.parse(name))


def predicted(*findings: Finding) -> Prediction:
    return Prediction(
        object_sha256="",
        btf_sha256=(),
        pointer_size=8,
        relocations=(),
        features=(),
        verdict=Verdict.LOADS,
        reasons=(),
        findings=findings,
    )


def spread(**kernels: Finding | None) -> list[Spread]:
    return spread_of(
        (source(name.strip("v").replace("_", ".")), predicted(*([it] if it else [])))
        for name, it in kernels.items()
    )


@pytest.mark.parametrize(
    ("kernels", "words"),
    [
        ({"v5_10": None, "v6_1": finding(), "v6_12": finding()}, "from 6.1 on"),
        # In any order.
        ({"v6_12": finding(), "v5_10": None, "v6_1": finding()}, "from 6.1 on"),
        ({"v5_10": finding(), "v6_1": None}, "5.10"),
        ({"v5_10": finding(), "v6_1": None, "v6_12": finding()}, "5.10, 6.12"),
        ({"v5_10": finding(), "v6_1": finding()}, "all kernels"),
        ({"v6_1": finding()}, "6.1"),
    ],
)
def test_the_first_kernel_where_it_differs_is_named(
    kernels: dict[str, Finding | None], words: str
) -> None:
    (found,) = spread(**kernels)

    assert found.words == words


def test_kernels_with_other_types_are_told_apart() -> None:
    found = spread(v6_1=finding(reason="one"), v6_12=finding(reason="two"))

    assert [(it.words, it.finding.reason) for it in found] == [
        ("6.1", "one"),
        ("6.12", "two"),
    ]


@pytest.mark.parametrize(
    ("name", "accepted"),
    [
        ("argument_changed", True),
        ("argument_changed:vfs_unlink, argument 2", True),
        ("argument_changed:vfs_unlink, argument *", True),
        ("argument_changed:vfs_unlink, argument 3", False),
        ("argument_missing", False),
    ],
)
def test_warnings_are_accepted_by_name(name: str, accepted: bool) -> None:
    assert finding().is_accepted([name]) is accepted
    # What a kernel refuses stays refused.
    assert not finding(Effect.NOT_LOADED).is_accepted([name])


def test_sarif_points_at_the_line() -> None:
    (it,) = spread(v6_1=finding())
    (run,) = json.loads(findingsfile.sarif([it]))["runs"]
    (result,) = run["results"]

    assert result["level"] == "warning"
    assert result["ruleId"] == "argument_changed"
    assert result["properties"] == {"kernels": ["6.1"]}
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "unlink.bpf.c"
    assert place["region"] == {"startLine": 12}


def test_annotations_point_at_the_line() -> None:
    found = [*spread(v6_1=finding()), *spread(v6_1=finding(Effect.NOT_ATTACHED))]

    assert list(findingsfile.annotations(found)) == [
        "::warning file=unlink.bpf.c,line=12,title=vfs_unlink%2C argument 2 on 6.1"
        "::6.1: it moved%0AWhat to do: write another",
        "::error file=unlink.bpf.c,line=12,title=vfs_unlink%2C argument 2 on 6.1"
        "::6.1: it moved%0AWhat to do: write another",
    ]


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("argument_changed", ""),
        ("argument_changed:vfs_*, argument 2", ""),
        ("argument_*", ""),
        ("*", ""),
        ("argument_chnaged:x", "no warning is called 'argument_chnaged'"),
        ("vfs_unlink, argument 2", "no warning is called 'vfs_unlink, argument 2'"),
        # What is refused can't be accepted.
        ("refused", "no warning is called 'refused'"),
    ],
)
def test_a_name_that_accepts_nothing_is_told(name: str, wrong: str) -> None:
    assert no_warning(name).startswith(wrong)
    assert bool(no_warning(name)) is bool(wrong)
