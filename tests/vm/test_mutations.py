"""Suites that would notice: every expected value flipped, every offset shifted.

All of them, on one kernel. What the suites skip there is left out, and named.
"""

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from runner.bpf.compile import compile_object
from runner.case import run as session_case
from runner.case.attempt import CaseJob
from runner.guest.guest import upload_btf
from runner.kernels.artifact import Artifact, known_kernel
from runner.kernels.btf import minimal
from runner.kernels.rows import KernelChoice
from runner.results import CaseResult, Outcome
from runner.run.lease import Need
from runner.run.run import Run
from runner.run.settings import Settings
from runner.suites import suitefile
from runner.suites.model import Case
from runner.text.progress import progress
from tests.vm.conftest import ROOT, run
from tests.vm.shifts import relocated, shifted

pytestmark = pytest.mark.vm

KERNEL = "6.1"
SUITES = ("kconfig", "flavors", "reloc")
# Cases for other kernels than this one.
KEPT_FOR_OTHERS = {"flavors": {"resident_per_cpu"}}

# ------------------------------------------------------------ expected values


def flipped(expectation: dict[str, Any]) -> dict[str, Any]:
    """Return an expectation that wants another value."""
    changed = dict(expectation)
    if "equals" in changed:
        wanted = changed["equals"]
        # A reference's number gets a digit more, and its text a character.
        changed["equals"] = wanted + 1 if isinstance(wanted, int) else f"1{wanted}"
    elif "between" in changed:
        low, high = changed["between"]
        changed["between"] = [high + 1, high + 1 + (high - low)]
    elif "matches" in changed:
        changed["matches"] = f"not {changed['matches']}"
    else:
        raise AssertionError(f"no way to flip {expectation}")
    return changed


def flip_all(source: Path, target: Path) -> dict[str, int]:
    """Copy a suite with all its values flipped; count them by case."""
    shutil.copytree(source, target)
    suite = yaml.safe_load((source / "suite.yaml").read_text())
    suite["cases"] = [case for case in suite["cases"] if "expect" in case]
    for case in suite["cases"]:
        case["expect"] = [flipped(it) for it in case["expect"]]
    (target / "suite.yaml").write_text(yaml.safe_dump(suite, sort_keys=False))
    return {case["name"]: len(case["expect"]) for case in suite["cases"]}


@pytest.mark.parametrize("suite", SUITES)
def test_a_flipped_value_is_noticed_whichever_it_is(
    suite: str, tmp_path: Path, reports: Path
) -> None:
    counts = flip_all(ROOT / "suites" / suite, tmp_path / suite)

    done = run("--kernels", KERNEL, "--suite", tmp_path / suite, reports=reports)

    judged = {
        # One mismatch is enough for red; each expectation has one of its own.
        case.case: len(set(case.mismatches))
        for case in done.results.cases
        if case.outcome is not Outcome.SKIPPED
    }
    assert judged
    assert judged == {name: counts[name] for name in judged}
    assert counts.keys() - judged.keys() == KEPT_FOR_OTHERS.get(suite, set())


# -------------------------------------------------------------------- offsets


@pytest.fixture(scope="module")
def the_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A run with guests of one kernel."""
    found = Run(
        Settings(
            kernels=KernelChoice(matrix=ROOT / "matrix.yaml", selectors=(KERNEL,)),
            reports=tmp_path_factory.mktemp("reports"),
        )
    )
    found.obtain(progress())
    try:
        yield found
    finally:
        found.close()


def judge(suite: str, case: Case, object_: Path, btf: Path, the_run: Run) -> CaseResult:
    """Run a case with libbpf relocating against BTF of one's own."""
    job = CaseJob(
        suite=suite,
        case=case,
        object_path=object_,
        shown_path=f"{suite}/{case.object}",
        nodeid="",
    )
    need = Need(kernel=the_run.kernels[0], tenant=str(object_))
    with the_run.guests().lease(need) as guest:
        artifact = dataclasses.replace(guest.artifact, btf=btf, btf_source="shifted")
        upload_btf(guest.agent, artifact)
        return session_case.run(job, dataclasses.replace(guest, artifact=artifact))


def cases_of(suite: str, artifact: Artifact) -> dict[str, list[Case]]:
    """Return a suite's cases that judge values on the kernel, by object.

    Those of one object and trigger are one case here, to save time.
    """
    found: dict[str, dict[str, Case]] = {}
    for case in suitefile.load(ROOT / "suites" / suite / "suite.yaml").suite.cases:
        if not case.expect or case.gap_on(known_kernel(artifact, None)):
            continue
        cases = found.setdefault(case.object, {})
        other = cases.setdefault(repr(case.trigger), case)
        if other is not case:
            assert all(
                other.truth.get(name, truth) == truth
                for name, truth in case.truth.items()
            )
            cases[repr(case.trigger)] = other.model_copy(
                update={
                    "truth": {**other.truth, **case.truth},
                    "expect": (*other.expect, *case.expect),
                }
            )
    return {name: list(cases.values()) for name, cases in found.items()}


@pytest.mark.parametrize("suite", SUITES)
def test_a_shifted_offset_is_noticed_whichever_it_is(
    suite: str, the_run: Run, tmp_path: Path
) -> None:
    artifact = the_run.artifact(the_run.kernels[0], progress())
    assert isinstance(artifact, Artifact)
    assert artifact.btf is not None
    unnoticed: list[str] = []
    noticed: list[str] = []
    for name, cases in cases_of(suite, artifact).items():
        object_ = compile_object(ROOT / "suites" / suite / name, the_run.cache)
        whole = artifact.btf.read_bytes()
        btf = tmp_path / "own.btf"
        # Cut down to what the object relocates, so that it is read in no time; but then
        # the numbers of types are others than the kernel knows.
        by_number = name == "type_id.bpf.c"
        base = whole if by_number else minimal.cut(whole, [object_], tmp_path)

        btf.write_bytes(base)
        for case in cases:
            result = judge(suite, case, object_, btf, the_run)
            assert result.outcome is Outcome.PASSED, (name, case.name, result.message)

        for one in shifted(base, relocated(object_)):
            btf.write_bytes(one.data)
            seen = (judge(suite, case, object_, btf, the_run) for case in cases)
            red = any(result.outcome is Outcome.FAILED for result in seen)
            (noticed if red else unnoticed).append(f"{name}: {one.field}")

    assert not unnoticed
    assert noticed
