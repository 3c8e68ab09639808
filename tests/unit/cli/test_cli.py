"""The command line as users meet it: help, mistakes, tables, and exit statuses."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runner import __version__, cli
from runner.reports import resultsfile
from runner.results import Shard
from tests.unit.caches import with_programs
from tests.unit.kernels import images

ROOT = Path(__file__).resolve().parents[3]

MATRIX = """\
kernels:
  - id: "4.4"
    tags: [default, legacy]
    source: {type: path, image: bzImage}
    btf: kernel
  - id: "5.5"
    source: {type: unavailable, reason: "not [yet] built"}
"""
# Apart, because only apt can tell its version.
GLOB = """\
  - id: glob
    source: {type: debian, suite: bookworm, package: "linux-image-[a-z]*"}
"""
SECONDS = "must be a number of seconds from 1 to 86400"
FACTOR = "must be a number from 0.1 to 1000"

SUITE = """\
description: A suite.
cases:
  - name: one
    object: a.bpf.c
    expect:
      - {map: m, equals: 1}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a matrix, and a cache that is empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(with_programs(tmp_path / "cache")))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bzImage").write_bytes(images.bzimage("4.4.1"))
    (tmp_path / "matrix.yaml").write_text(MATRIX)
    (tmp_path / "glob.yaml").write_text(MATRIX + GLOB)
    return tmp_path


def run(*words: str) -> int:
    try:
        return cli.main(words)
    except SystemExit as exited:
        # argparse's way out.
        return int(exited.code or 0)


@pytest.mark.parametrize(
    "words", [["--help"], ["-h"], ["run", "--help"], ["doctor", "--help"]]
)
def test_help_is_no_error(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*words) == 0
    assert "usage: python -m runner" in capsys.readouterr().out


def test_help_tells_verbs_selectors_and_exit_statuses(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run("--help")

    said = capsys.readouterr().out
    for word in ("kernels", "fetch", "doctor", "SELECTOR", "@legacy", "'>=5.4,<6'"):
        assert word in said
    assert "0 compatible, 1 incompatible" in said
    assert "2 usage" in said
    assert "3 infrastructure" in said


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out.strip() == __version__


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--kernels", "4.40"], "there is no kernel '4.40'; did you mean '4.4'?"),
        (["--kernels", "@legcay"], "has the tag @legcay; did you mean '@legacy'?"),
        (["--kernels", ">=9"], "--kernels '>=9' selects no kernel"),
        (["--kernels", ">=five"], "is not a version comparison"),
        (["--kernels", "5.5", "--suite", "good"], "not [yet] built"),
        (["--matrix", "none.yaml"], "there is no matrix file none.yaml"),
        (["--matrix", "."], ".: Is a directory"),
        (["--kernels", "4.4", "--suite", "none"], "none: there is no such file"),
        (["--kernels", "4.4", "--suite", "empty"], "empty: there is no suite.yaml"),
        (
            ["--kernels", "4.4", "--suite", "good/a.bpf.c"],
            "good/a.bpf.c is not a suite\n  give its folder, its suite.yaml",
        ),
        (
            ["--kernels", "4.4", "--suite", "good/b.bpf.o"],
            "b.bpf.o is not a suite\n  to load a compiled object without a suite: "
            "--object good/b.bpf.o",
        ),
        (
            ["--kernels", "4.4", "--suite", "typed"],
            "typed/suite.yaml:5: cases[0].vmlinux: the matrix has no kernel '4.40'; "
            "did you mean '4.4'?",
        ),
        (["plan", "--suite", "typed"], "vmlinux: the matrix has no kernel '4.40'"),
        (["--kernels", "4.4", "9.9"], "there is no kernel '9.9'"),
        (["--kernels", "4.4", "--matrix", "alone/matrix.yaml"], "no suite.yaml below"),
        (["plan", "--matrix", "alone/matrix.yaml"], "no suite.yaml below"),
        (
            ["--kernels", "4.4", "--suite", "typo"],
            "typo/suite.yaml:5: cases[0].expects: unknown key 'expects'; did you mean "
            "'expect'?",
        ),
        (
            ["--kernels", "4.4", "--suite", "sly"],
            "sly/suite.yaml:4: cases[0].object: '../../etc/passwd' is outside",
        ),
        (["--kernels", "4.4", "-n", "0"], '-n 0: must be a positive number or "auto"'),
        (
            ["--kernels", "4.4", "-n", "many"],
            '-n many: must be a positive number or "auto"',
        ),
        (["--kernels", "4.4", "--accel", "hvf"], "invalid choice: 'hvf'"),
        (["--kernels", "4.4", "--boot-timeout", "soon"], f"soon: {SECONDS}"),
        (["--kernels", "4.4", "--boot-timeout", "99999999999"], f"9: {SECONDS}"),
        (["--kernels", "4.4", "--boot-timeout=-1"], f"-1: {SECONDS}"),
        (["--kernels", "4.4", "--boot-timeout", "inf"], f"inf: {SECONDS}"),
        (["--kernels", "4.4", "--timeout-scale", "0"], f"0: {FACTOR}"),
        (["--kernels", "4.4", "--timeout-scale=-2"], f"-2: {FACTOR}"),
        (["--kernels", "4.4", "--timeout-scale", "inf"], f"inf: {FACTOR}"),
        (["--kernels", "4.4", "--timeout-scale", "nan"], f"nan: {FACTOR}"),
        (["--kernels", "4.4", "--timeout-scale", "fast"], f"fast: {FACTOR}"),
        (["--kernels", "4.4", "--boot-timeout", "0"], f"0: {SECONDS}"),
        (["--kernels", "4.4", "--boot-timeout", "nan"], f"nan: {SECONDS}"),
        (["--kernls", "4.4"], "unrecognized arguments: --kernls"),
        (["frobnicate"], "invalid choice: 'frobnicate'"),
        (["kernels", "--kernels", "4.5"], "there is no kernel '4.5'"),
        (["fetch", "--kernels", "5.5"], "not [yet] built"),
    ],
)
def test_a_mistake_is_told_and_is_status_2(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    told: str,
) -> None:
    for name, text in (
        ("good", SUITE),
        ("typed", SUITE.replace("expect:", 'vmlinux: "4.40"\n    expect:')),
        ("typo", SUITE.replace("expect:", "expects:")),
        ("sly", SUITE.replace("a.bpf.c", "../../etc/passwd")),
    ):
        (folder / name).mkdir()
        (folder / name / "suite.yaml").write_text(text)
    (folder / "good/a.bpf.c").touch()
    (folder / "typed/a.bpf.c").touch()
    (folder / "good/b.bpf.o").touch()
    (folder / "empty").mkdir()
    (folder / "alone").mkdir()
    (folder / "alone/matrix.yaml").write_text((folder / "matrix.yaml").read_text())

    assert run(*words) == 2

    said = capsys.readouterr()
    assert told in said.err
    assert "Traceback" not in said.err + said.out


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["--kernels", "4.5"], 2, "error: there is no kernel '4.5'"),
        (["--matrix", "broken.yaml"], 2, "error: broken.yaml:1: not YAML"),
        (["--kernels", "4.4", "-k", "(", "--suite", "good"], 2, "-k"),
        (["--kernels", "4.4", "-k", "none", "--suite", "good"], 2, "no case matches"),
        (["kernels"], 0, ""),
    ],
)
def test_the_process_ends_without_a_traceback(
    folder: Path, words: list[str], status: int, told: str
) -> None:
    (folder / "broken.yaml").write_text("a: b: c\n")
    (folder / "good").mkdir()
    (folder / "good/suite.yaml").write_text(SUITE)
    (folder / "good/a.bpf.c").write_text("// nothing\n")

    done = subprocess.run(
        [sys.executable, "-m", "runner", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == status, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_the_table_of_kernels(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("kernels", "--matrix", "glob.yaml") == 0

    head, *rows = capsys.readouterr().out.splitlines()
    # Nothing is cached, so that no column says of what.
    assert head.split() == ["id", "version", "source", "btf", "tags"]
    assert len(rows) == 3
    assert rows[0].split()[:2] == ["4.4", "4.4"]
    assert "@default @legacy" in rows[0]
    assert "not [yet] built" in rows[1]
    # Brackets are no markup.
    assert "debian bookworm linux-image-[a-z]*" in rows[2]


def test_kernels_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("kernels", "--json", "--kernels", "4.4,5.5") == 0

    first, second = json.loads(capsys.readouterr().out)
    assert (first["id"], first["version"], first["cached"]) == ("4.4", "4.4", False)
    assert first["tags"] == ["default", "legacy"]
    assert second["unavailable"] == "not [yet] built"


def test_kernels_needs_no_right_to_write(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "file"))

    assert run("kernels") == 0


def test_a_machine_without_apt_is_status_3(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(folder / "nothing"))

    assert run("fetch", "--matrix", "glob.yaml", "--kernels", "glob") == 3

    said = capsys.readouterr().err
    assert "error: glob is unavailable: " in said
    assert "there is no apt-get here" in said


def test_a_part_without_kernels_is_reported_and_no_failure(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "suite").mkdir()
    (folder / "suite/suite.yaml").write_text(SUITE)
    (folder / "suite/a.bpf.c").write_text("")

    status = run(
        *["--kernels", "4.4", "--suite", "suite", "--reports", "r", "--shard", "2/2"]
    )

    assert status == 0
    assert "shard 2/2: there are fewer kernels than shards" in capsys.readouterr().err
    written = resultsfile.read(folder / "r/results.json")
    assert written.shard == Shard(index=2, count=2, planned=("4.4",), own=())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--shard", "3/2"], "--shard 3/2: must be K/N, with K from 1 to N"),
        (["--shard", "1/2", "--lf"], "--lf does not work with --shard"),
        (["--shard", "1/2", "--timings", "none.json"], "none.json can't be read"),
        (["--shard", "1/2", "--timings", "matrix.yaml"], "matrix.yaml is not JSON"),
    ],
)
def test_a_mistake_about_parts_is_status_2(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--kernels", "4.4", *words) == 2
    assert told in capsys.readouterr().err


def test_the_folder_of_the_schemas_is_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--schemas"])

    assert ended.value.code == 0
    folder = Path(capsys.readouterr().out.strip())
    assert (folder / "suite.schema.json").is_file()
    assert (folder / "matrix.schema.json").is_file()
