"""When it is decided that a case does not run on a kernel."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from runner.facts.model import Facts
from runner.matrix.environment import PLAIN
from runner.matrix.matrix import Kernel
from runner.results import CaseResult, Outcome
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


OTHER = KERNEL.model_copy(update={"id": "other"})


CONFIG = """\
CONFIG_BPF=y
# CONFIG_BPF_LSM is not set
CONFIG_HZ=250
CONFIG_DEBUG_INFO_DWARF4=y
"""


class KnownRun:
    """A run that knows something of its kernel, and of another row of the matrix."""

    def __init__(self, known: KnownKernel, other: KnownKernel | None) -> None:
        self._known = {KERNEL.id: known, OTHER.id: other}
        rows = (KERNEL,) if other is None else (KERNEL, OTHER)
        self.matrix = SimpleNamespace(kernels=rows)
        self.settings = SimpleNamespace(
            kernels=SimpleNamespace(matrix=Path("matrix.yaml"))
        )

    def known(self, kernel: Kernel) -> KnownKernel:
        found = self._known[kernel.id]
        assert found is not None
        return found


def outcome(
    case: Case, known: KnownKernel, other: KnownKernel | None = None
) -> Outcome | None:
    """Return how a case ends before any guest is asked for; None where one is."""
    found = result(case, known, other)
    return None if found is None else found.outcome


def result(
    case: Case, known: KnownKernel, other: KnownKernel | None = None
) -> CaseResult | None:
    suite = SimpleNamespace(guest=PLAIN)
    loaded = SimpleNamespace(name="s", suite=suite, shown=lambda name: name)
    on = KernelCase(
        loaded=cast(LoadedSuite, loaded), case=case, kernel=KERNEL, nodeid="n"
    )
    return retry.declared_gap(cast(Run, KnownRun(known, other)), on)


def case(**keys: object) -> Case:
    return Case.model_validate_json(json.dumps({"name": "c", "object": "a.o", **keys}))


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
    known = KnownKernel(version=OLD, config=CONFIG)
    has = KnownKernel(version=OLD, config=f"{CONFIG}CONFIG_BPF_LSM=y\n")

    assert outcome(lsm, known, has) is Outcome.SKIPPED
    assert outcome(lsm, has, known) is None
    assert outcome(case(kernels=">=5", reason="r"), known, has) is Outcome.FAILED


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (
            {"needs": {"config": "CONFIG_BPF_LMS"}},
            "no kernel of the matrix meets what it needs: CONFIG_BPF_LMS; no kernel of "
            "the run has the option CONFIG_BPF_LMS; did you mean 'CONFIG_BPF_LSM'?",
        ),
        (
            {"config": ["CONFIG_BPF_LMS=y"], "reason": "r"},
            "CONFIG_BPF_LMS=y; no kernel of the run has the option CONFIG_BPF_LMS; did",
        ),
        (
            {"needs": {"all": [{"any": [{"config": "CONFIG_BPF_LMS"}]}]}},
            "did you mean 'CONFIG_BPF_LSM'?",
        ),
        ({"needs": {"config": "CONFIG_HZ=251"}}, "needs: CONFIG_HZ=251"),
        (
            {"needs": {"config": "CONFIG_NO_SUCH_THING"}},
            "no kernel of the run has the option CONFIG_NO_SUCH_THING",
        ),
        (
            {"needs": {"not": {"kernels": ">=4"}}},
            "meets what it needs: a kernel without a version in >=4",
        ),
    ],
)
def test_what_no_kernels_configuration_has_is_a_mistake(
    keys: dict[str, object], said: str
) -> None:
    known = KnownKernel(version=OLD, config=CONFIG)

    found = result(case(**keys), known, known)

    assert found is not None
    assert (found.outcome, found.failure_class) == (Outcome.FAILED, "never_runs")
    assert said in found.message


def test_a_set_options_value_is_no_mistake_in_its_name() -> None:
    known = KnownKernel(version=OLD, config=CONFIG)

    found = result(case(needs={"config": "CONFIG_HZ=251"}), known)

    assert found is not None
    assert "has the option" not in found.message


def test_a_kernel_of_unknown_configuration_may_have_any_option() -> None:
    known, unknown = KnownKernel(version=OLD, config=CONFIG), KnownKernel(version=OLD)
    typo = result(case(needs={"config": "CONFIG_BPF_LMS"}), known, unknown)
    # It resembles CONFIG_DEBUG_INFO_DWARF4, but not much.
    newer = result(case(needs={"config": "CONFIG_DEBUG_INFO_BTF"}), known, unknown)

    assert typo is not None
    assert newer is not None
    assert (typo.outcome, newer.outcome) == (Outcome.SKIPPED, Outcome.SKIPPED)
    # What is much like another option is said to be.
    assert typo.message == (
        "needs CONFIG_BPF_LMS (its configuration); no kernel of the run has the option "
        "CONFIG_BPF_LMS; did you mean 'CONFIG_BPF_LSM'?"
    )
    assert newer.message == "needs CONFIG_DEBUG_INFO_BTF (its configuration)"
