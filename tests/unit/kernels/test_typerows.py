"""Kernels whose types sources include, looked up in several matrices."""

from pathlib import Path

import pytest

from runner.files import shipped
from runner.files.cache import Cache
from runner.kernels import rows
from runner.kernels.rows import KernelChoice
from runner.kernels.typerows import TypeRows
from runner.suites import project

OWN = """\
kernels:
  - {id: mine, source: {type: debian, suite: bullseye}}
  - {id: "6.12", source: {type: debian, suite: bookworm}}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project with a matrix, as the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "matrix.yaml").write_text(OWN)
    return tmp_path


def _types(matrix: Path, *, locked: bool = False) -> TypeRows:
    choice = KernelChoice(matrix=matrix, selectors=("all",))
    found = rows.choose(choice, Cache()).matrix
    if locked:
        found = found.model_copy(update={"kernels": ()})
    return TypeRows(
        found, KernelChoice(matrix=matrix, selectors=("all",), locked=locked)
    )


@pytest.mark.parametrize(
    ("id_", "file"),
    [
        ("rocky-8", project.shipped()["vendors"]),
        ("mine", Path("matrix.yaml")),
        # The project's own row of that name counts, not the one that is built in.
        ("6.12", Path("matrix.yaml")),
        ("5.10", shipped.MATRIX),
    ],
)
def test_a_kernel_is_looked_up_from_near_to_far(id_: str, file: Path) -> None:
    types = _types(project.shipped()["vendors"])

    found = types.get(id_)

    assert found is not None
    assert (found.kernel.id, found.matrix) == (id_, file)
    assert types.why_not(id_) == ""


def test_a_kernel_of_no_matrix_has_near_names_or_a_cure() -> None:
    types = _types(project.shipped()["vendors"])

    assert types.get("6.122") is None
    assert types.why_not("6.122") == (
        "the matrix has no kernel '6.122'; did you mean '6.12'?"
    )
    assert types.why_not("xyz") == (
        "the matrix has no kernel 'xyz'; `python -m runner kernels` lists those that "
        "there are"
    )


def test_a_locked_run_takes_only_what_a_lock_pins(folder: Path) -> None:
    types = _types(Path("matrix.yaml"), locked=True)

    assert types.get("mine") is None
    assert types.why_not("mine").startswith("--locked: no lock pins the kernel 'mine'")


def test_a_matrix_that_is_not_needed_is_not_read(folder: Path) -> None:
    types = _types(shipped.MATRIX)
    (folder / "matrix.yaml").write_text("broken")

    assert types.get("6.1") is not None
