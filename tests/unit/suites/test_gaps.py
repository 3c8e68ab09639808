"""Where a case runs, as runs, plans and the page of coverage all decide it."""

import pytest

from runner.suites.known import KnownKernel
from runner.suites.model import Case
from runner.versions import KernelVersion

LSM = "CONFIG_BPF_LSM=y"
BTF = "CONFIG_DEBUG_INFO_BTF=y"
REASON = "it is new"


def case(**keys: object) -> Case:
    return Case.model_validate({"name": "a", "object": "a.o", "reason": REASON, **keys})


def version(text: str) -> KernelVersion | None:
    return KernelVersion.parse(text) if text else None


@pytest.mark.parametrize(
    ("kernels", "lines", "on", "config", "gap"),
    [
        ("", (), "4.4", "", ""),
        (">=5.5", (), "5.10", "", ""),
        (">=5.5", (), "4.4", "", "needs >=5.5"),
        (">=5.10.100", (), "5.10.223", "", ""),
        (">=5.5,<6", (), "6.1", "", "needs >=5.5,<6"),
        # Not known yet.
        (">=5.5", (), "", "", ""),
        ("", (LSM,), "6.1", "", ""),
        ("", (LSM,), "6.1", f"{BTF}\n{LSM}\n", ""),
        ("", (LSM,), "6.1", f"{BTF}\n", f"needs {LSM}"),
        ("", (LSM, BTF), "", "CONFIG_BPF=y\n", f"needs {LSM}, {BTF}"),
        ("", (LSM,), "6.1", f"# {LSM}\n", f"needs {LSM}"),
        # The version counts first: a configuration of such a kernel says nothing.
        (">=5.7", (LSM,), "4.4", f"{BTF}\n", "needs >=5.7"),
        (">=5.7", (LSM,), "", f"{BTF}\n", f"needs {LSM}"),
    ],
)
def test_a_case_runs_where_nothing_is_known_to_lack(
    kernels: str, lines: tuple[str, ...], on: str, config: str, gap: str
) -> None:
    kernel = KnownKernel(version=version(on), config=config or None)
    found = case(kernels=kernels, config=lines).gap_on(kernel)

    assert found == (f"{gap}: {REASON}" if gap else "")


@pytest.mark.parametrize(
    ("kernels", "on", "declared", "is_gap"),
    [
        ("", "4.4", True, False),
        ("", "", True, False),
        ("<5.2", "4.4", True, True),
        ("<5.2", "5.2", False, True),
        ("<5.2", "", True, True),
    ],
)
def test_a_failure_is_declared_for_some_kernels_or_for_all(
    kernels: str, on: str, declared: bool, is_gap: bool
) -> None:
    failure = {"kernels": kernels, "class": "wrong_value", "reason": "r"}
    found = case(expect_failure=failure)

    assert found.expect_failure is not None
    assert found.expect_failure.is_gap is is_gap
    assert (found.failure_on(KnownKernel(version=version(on))) is not None) is declared


def test_there_is_no_failure_where_none_is_declared() -> None:
    assert case().failure_on(KnownKernel(version=version("6.1"))) is None
