"""What `kernels` prints of a matrix."""

import json
from pathlib import Path

import pytest

from runner import cli

MATRIX = """\
kernels:
  - id: alma-9.7-with-a-long-name
    source:
      type: rpm
      baseurl: https://example.org/$basearch/
      gpgcheck: false
      version: 5.14.0-611.5.1.el9_7
    seen: layout
    tags: [rhel, rhel9, current]
  - {id: mine, source: {type: path, image: /nowhere/bzImage}}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "matrix.yaml"
    path.write_text(MATRIX)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")
    return path


def test_table_has_80_columns_and_whole_ids(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["kernels", "--matrix", str(file)]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["id", "version", "source", "btf", "seen", "tags"]
    row = next(it for it in lines if it.startswith("alma-9.7-with-a-long-name "))
    assert "5.14.0" in row
    assert "layout" in row


@pytest.mark.parametrize("matrix", ["builtin", "vendors"])
def test_shipped_matrices_fit_into_80_columns(
    matrix: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["kernels", "--matrix", matrix]) == 0

    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_programs_read_what_was_seen_of_a_row(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["kernels", "--json", "--matrix", str(file)]) == 0

    first, second = json.loads(capsys.readouterr().out)
    assert (first["seen"], second["seen"]) == ("layout", "")


def test_family_is_selected_by_its_tag(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["kernels", "--json", "--matrix", "vendors", "--kernels", "@rhel8"]

    assert cli.main(words) == 0

    found = [row["id"] for row in json.loads(capsys.readouterr().out)]
    assert found == ["rocky-8", "rocky-8.9", "rocky-8.8"]


def test_unknown_name_of_a_matrix_is_a_mistake_of_usage(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["kernels", "--matrix", "vendros"]) == 2

    said = capsys.readouterr().err
    assert "there is no matrix 'vendros'; did you mean 'vendors'?" in said
