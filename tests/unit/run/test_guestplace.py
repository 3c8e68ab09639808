"""Which line asks for a guest that can't be had."""

from pathlib import Path

import pytest

from runner.files.modelfile import Where
from runner.guest.environment import EnvironmentUnavailableError
from runner.kernels.rows import KernelChoice
from runner.run import guestplace
from runner.suites import suitefile

SUITE = """\
description: Guests.
guest:
  cgroup: v1
cases:
  - name: own
    object: a.o
    guest:
      cpus: 64
    programs:
      p:
        attach: netkit/lo/peer
    expect: [{map: m, key: 0, equals: 1}]
  - name: plain
    object: a.o
    expect: [{map: m, key: 0, equals: 1}]
"""
MATRIX = """\
kernels:
  - id: '5.10'
    source: {type: debian, suite: bullseye}
  - id: '6.1'
    source: {type: debian, suite: bookworm}
    guest:
      lockdown: integrity
"""


@pytest.mark.parametrize(
    ("case", "kernel", "where", "place"),
    [
        ("own", "6.1", ("guest", "cpus"), "suite.yaml:8: cases[0].guest.cpus: "),
        (
            "own",
            "6.1",
            ("programs", "p", "attach"),
            "suite.yaml:11: cases[0].programs.p.attach: ",
        ),
        ("own", "6.1", ("guest", "cgroup"), "suite.yaml:3: guest.cgroup: "),
        ("plain", "6.1", ("guest", "cgroup"), "suite.yaml:3: guest.cgroup: "),
        (
            "plain",
            "6.1@6.1.170-3",
            ("guest", "lockdown"),
            "matrix.yaml:7: kernels[1].guest.lockdown: ",
        ),
        ("plain", "6.1", ("guest", "sysctl"), "--guest sysctl: "),
        # The nearest counts.
        ("own", "6.1", ("guest", "modules"), "--guest modules: "),
        # Nothing says who asked.
        ("plain", "5.10", ("guest", "lockdown"), ""),
        ("plain", "6.1", (), ""),
        ("plain", "6.1", ("programs", "p", "attach"), ""),
    ],
)
def test_the_line_that_asks_for_it_is_told(
    tmp_path: Path, case: str, kernel: str, where: Where, place: str
) -> None:
    for name, text in (("suite.yaml", SUITE), ("matrix.yaml", MATRIX), ("a.o", "")):
        (tmp_path / name).write_text(text)
    loaded = suitefile.load(tmp_path / "suite.yaml")
    (one,) = (it for it in loaded.suite.cases if it.name == case)
    error = EnvironmentUnavailableError(
        "it can't", hint="h", name="sysctl", where=where
    )

    found = guestplace.located(
        error,
        case=one,
        suite=loaded,
        kernel=kernel,
        choice=KernelChoice(
            matrix=tmp_path / "matrix.yaml",
            selectors=(),
            guest=("sysctl={a: 1}", "modules=[x]"),
        ),
    )

    file = f"{tmp_path}/" if place.partition(":")[0].endswith(".yaml") else ""
    assert found.message == f"{file}{place}it can't"
    assert (found.hint, found.failure_class) == ("h", "sysctl")


def test_a_matrix_that_is_gone_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "suite.yaml").write_text(SUITE)
    (tmp_path / "a.o").write_text("")
    loaded = suitefile.load(tmp_path / "suite.yaml")
    error = EnvironmentUnavailableError("it can't", where=("guest", "lockdown"))

    found = guestplace.located(
        error,
        case=loaded.suite.cases[1],
        suite=loaded,
        kernel="6.1",
        choice=KernelChoice(matrix=tmp_path / "none.yaml", selectors=()),
    )

    assert found.message == "it can't"
