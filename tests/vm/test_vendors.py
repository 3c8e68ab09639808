"""What vendors took back to older versions is found out, whatever the number is."""

import os
from pathlib import Path

import pytest

from tests.vm.conftest import DATA, ROOT, Finished, run

pytestmark = pytest.mark.vm

# A folder of built kernels of vendors, each in a folder that is named by its release:
# 4.18.0-553.66.1.el8_10.x86_64. docs/matrix.md says how they are built.
TREES = os.environ.get("VENDOR_TREES", "")
KERNELS = sorted(it.name for it in Path(TREES).iterdir()) if TREES else []
EACH_VENDORS = pytest.mark.parametrize(
    "release",
    KERNELS
    or [pytest.param("", marks=pytest.mark.skip(reason="VENDOR_TREES is not set"))],
)
# 5.10 lacks some of what the objects use, and 6.1 nothing.
LACKING = {"atomic", "callback", "long_keys", "syscall_program"}


def with_row(folder: Path, release: str) -> Path:
    """Return the shipped matrix with a row `vendor`: its others run what that can't."""
    text = (ROOT / "matrix.yaml").read_text().replace("[suites]", f"[{ROOT}/suites]")
    path = folder / "matrix.yaml"
    path.write_text(
        f"{text}\n  - id: vendor\n"
        f"    source: {{type: path, image: {TREES}/{release}}}\n"
    )
    return path


def outcomes(done: Finished, kernel: str) -> dict[str, set[str]]:
    """Return the names of a kernel's cases by how they ended."""
    found: dict[str, set[str]] = {}
    for case in done.results.cases:
        if case.kernel == kernel:
            found.setdefault(case.outcome, set()).add(case.case)
    return found


def test_newer_objects_fail_where_a_kernel_lacks_what_they_use(reports: Path) -> None:
    done = run(
        *("--kernels", "5.10,6.1", "--suite", DATA / "suites/newer"), reports=reports
    )

    assert done.status == 0, done.output + done.errors
    old, new = outcomes(done, "5.10"), outcomes(done, "6.1")
    assert old["skipped"] == LACKING
    assert set(new) == {"passed"}
    assert new["passed"] == old["passed"] | LACKING


@EACH_VENDORS
def test_newer_objects_pass_on_a_vendors_kernel(
    release: str, tmp_path: Path, reports: Path
) -> None:
    done = run(
        *("--matrix", with_row(tmp_path, release), "--kernels", "vendor"),
        *("--suite", DATA / "suites/newer"),
        reports=reports,
    )

    assert done.status == 0, done.output + done.errors
    (kernel,) = done.results.kernels
    assert kernel.release == release
    assert set(outcomes(done, "vendor")) == {"passed"}


@EACH_VENDORS
def test_all_suites_pass_on_a_vendors_kernel(
    release: str, tmp_path: Path, reports: Path
) -> None:
    done = run(
        *("--matrix", with_row(tmp_path, release), "--kernels", "vendor"),
        reports=reports,
    )

    assert done.status == 0, done.output + done.errors
    assert set(outcomes(done, "vendor")) == {"passed", "skipped"}
