"""`python -m runner btf`."""

import hashlib
from pathlib import Path

import pytest

from runner import cli
from tests.unit.kernels import images
from tests.unit.kernels.btf import kernels

# Reads one member.
PROGRAM = """
struct task_struct { int pid; } __attribute__((preserve_access_index));
__attribute__((section("socket"), used)) int program(struct task_struct *task)
{
    return task->pid;
}
"""


@pytest.fixture
def matrix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare/bzImage").write_bytes(images.bzimage("4.4.1"))
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole/bzImage").write_bytes(images.bzimage("4.4.1"))
    kernels.vmlinux(tmp_path / "whole")
    path = tmp_path / "matrix.yaml"
    path.write_text(
        'kernels:\n  - id: "4.4"\n    source: {type: path, image: whole}\n'
        "  - id: bare\n    source: {type: path, image: bare}\n"
    )
    return path


def test_btf_is_told_and_written(
    matrix: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["btf", "4.4", "--matrix", str(matrix), "-o", "out.btf"]) == 0

    data = Path("out.btf").read_bytes()
    said = capsys.readouterr().out
    assert "source:     vmlinux: pahole" in said
    assert f"{len(data)} bytes" in said
    assert hashlib.sha256(data).hexdigest() in said


def test_btf_is_cut_down_to_what_an_object_needs(
    matrix: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("pid.bpf.c").write_text(PROGRAM)
    assert cli.main(["btf", "4.4", "--matrix", str(matrix)]) == 0
    capsys.readouterr()

    assert cli.main(["btf", "4.4", "--matrix", str(matrix), "--min", "pid.bpf.c"]) == 0

    whole, cut = (Path(name).read_bytes() for name in ("4.4.btf", "4.4.min.btf"))
    assert b"\0pid\0" in cut
    assert b"\0comm\0" in whole
    assert b"\0comm\0" not in cut
    said = capsys.readouterr().out
    assert f"{len(cut)} bytes" in said
    assert "written to: 4.4.min.btf" in said


def test_kernel_without_btf_says_what_to_do(
    matrix: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["btf", "bare", "--matrix", str(matrix)]) == 3

    said = capsys.readouterr().err
    assert "4.4.1 has no BTF: the image has none; there is none next to it" in said
    assert "key btf of the matrix" in said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nope"], "there is no kernel 'nope'"),
        (["all"], "all selects 2 kernels"),
        (["4.4", "-o", "no/such/folder"], "-o no/such/folder: No such file"),
        (["4.4", "--min", "no.bpf.o"], "no.bpf.o does not exist"),
    ],
)
def test_mistake_is_told(
    matrix: Path, words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["btf", "--matrix", str(matrix), *words]) == 2
    assert told in capsys.readouterr().err
