from pathlib import Path

import yaml

from runner.matrix import matrix
from runner.scaffold import matrixtext
from runner.suites import project


def test_rows_are_those_of_the_built_in_matrix(tmp_path: Path) -> None:
    builtin = project.shipped()["builtin"]
    rows = yaml.safe_load(builtin.read_text())["kernels"]
    wanted = [it for it in rows if it["id"] in ("5.10", "6.1", "6.12", "sid")]
    (tmp_path / "tests/bpf").mkdir(parents=True)
    (tmp_path / "matrix.yaml").write_text(matrixtext.text(wanted, "tests/bpf"))

    found = matrix.load(tmp_path / "matrix.yaml")

    by_id = {it.id: it for it in matrix.load(builtin).kernels}
    assert [it.id for it in found.kernels] == ["5.10", "6.1", "6.12", "sid"]
    for row in found.kernels:
        assert row.sources == by_id[row.id].sources
        # Else a run without --kernels would leave out the others.
        assert "default" not in row.tags


def test_each_row_has_a_reason() -> None:
    rows = [
        {"id": "5.10", "source": {"type": "debian", "suite": "bullseye"}},
        {"id": "6.1", "source": {"type": "debian", "suite": "bookworm"}},
        {"id": "6.12", "source": {"type": "debian", "suite": "trixie"}},
        {
            "id": "sid",
            "source": {"type": "debian", "suite": "sid"},
            "tags": ["newest"],
        },
    ]
    text = matrixtext.text(rows, "tests/bpf")

    for words in (
        "# The oldest one (Debian 11)",
        "# A long-term kernel (Debian 12)",
        "# The current long-term kernel (Debian 13)",
        "# The newest one (Debian's unstable suite)",
    ):
        assert words in text
