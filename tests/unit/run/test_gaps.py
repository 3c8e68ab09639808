"""When it is decided that a case does not run on a kernel."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from runner.facts.model import Facts
from runner.matrix.matrix import Kernel
from runner.results import Outcome
from runner.run import retry
from runner.run.retry import KernelCase
from runner.run.run import Run
from runner.suites.known import KnownKernel
from runner.suites.model import Case
from runner.suites.suitefile import LoadedSuite
from runner.versions import KernelVersion
from tests.unit.guest.doubles import KERNEL

OLD = KernelVersion.parse("4.18.0-553.el8")
HAS = Facts(release="", abilities={"bounded_loops": True})
LACKS = Facts(release="", abilities={"bounded_loops": False})


class KnownRun:
    """A run that knows something of its only kernel."""

    def __init__(self, known: KnownKernel) -> None:
        self._known = known
        self.matrix = SimpleNamespace(kernels=(KERNEL,))
        self.settings = SimpleNamespace(
            kernels=SimpleNamespace(matrix=Path("matrix.yaml"))
        )

    def known(self, _: Kernel) -> KnownKernel:
        return self._known


def outcome(case: Case, known: KnownKernel) -> Outcome | None:
    """Return how a case ends before any guest is asked for; None where one is."""
    loaded = SimpleNamespace(name="s", shown=lambda name: name)
    on = KernelCase(
        loaded=cast(LoadedSuite, loaded), case=case, kernel=KERNEL, nodeid="n"
    )
    found = retry.declared_gap(cast(Run, KnownRun(known)), on)
    return None if found is None else found.outcome


def case(**keys: object) -> Case:
    return Case.model_validate({"name": "c", "object": "a.o", **keys})


@pytest.mark.parametrize(
    ("facts", "expected"),
    # That no kernel of the matrix has it is a mistake of the suite.
    [(None, None), (HAS, None), (LACKS, Outcome.FAILED)],
)
def test_what_only_a_boot_shows_is_not_decided_by_a_version(
    facts: Facts | None, expected: Outcome | None
) -> None:
    loops = case(needs={"ability": "bounded_loops"})

    assert outcome(loops, KnownKernel(version=OLD, facts=facts)) is expected


def test_what_files_of_a_kernel_show_needs_no_boot() -> None:
    lsm = case(needs={"config": "CONFIG_BPF_LSM"})
    known = KnownKernel(version=OLD, config="CONFIG_BPF=y\n")

    assert outcome(lsm, known) is Outcome.SKIPPED
    assert outcome(case(kernels=">=5", reason="r"), known) is Outcome.FAILED
