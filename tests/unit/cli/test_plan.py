"""What would run where: as people, programs and workflows read it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner import cli
from runner.cli import github_output
from runner.errors import InfrastructureError
from runner.kernels import fetch
from tests.unit.caches import with_programs
from tests.unit.guest.doubles import artifact

SUITE = """\
description: A suite.
cases:
  - name: everywhere
    object: a.bpf.c
    expect: [{map: m, equals: 1}]
  - name: newer
    object: a.bpf.c
    kernels: ">=5.0"
    reason: it is new
    expect: [{map: m, equals: 1}]
"""
# What a shard of kernels of x86_64 is told.
ON_PCS = {
    "arch": "x86_64",
    "runs-on": "ubuntu-latest",
    "own-runner": False,
    "kvm": False,
}
ROW = '  - {{id: "{}", source: {{type: path, image: bzImage}}}}\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a matrix and a suite, and a cache that is empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(with_programs(tmp_path / "cache")))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv(github_output.OUTPUT, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "matrix.yaml").write_text(
        "kernels:\n" + "".join(map(ROW.format, ("4.4", "5.10", "6.1")))
    )
    (tmp_path / "suite").mkdir()
    (tmp_path / "suite/suite.yaml").write_text(SUITE)
    (tmp_path / "suite/a.bpf.c").write_text("")
    return tmp_path


def plan(*words: str) -> int:
    return cli.main(["plan", "--kernels", "all", "--suite", "suite", *words])


def planned(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert plan("--format", "json", *words) == 0
    return json.loads(capsys.readouterr().out)


def test_a_kernel_is_a_shard_if_nothing_else_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = planned(capsys)

    assert told["kernels"] == ["4.4", "5.10", "6.1"]
    assert [it["shard"] for it in told["shards"]] == ["1/3", "2/3", "3/3"]
    assert [it["kernels"] for it in told["shards"]] == [["4.4"], ["5.10"], ["6.1"]]


def test_cases_and_declared_gaps_are_told_apart(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shards = planned(capsys)["shards"]

    assert [(it["cases"], it["gaps"]) for it in shards] == [(1, 1), (2, 0), (2, 0)]


def test_a_gap_is_what_a_run_with_this_cache_would_skip(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "config").write_text("CONFIG_BPF=y\n# CONFIG_BPF_LSM is not set\n")
    (folder / "suite/suite.yaml").write_text(
        SUITE.replace('kernels: ">=5.0"', "config: [CONFIG_BPF_LSM=y]")
    )
    # A row 5.10 whose kernel is 5.10.223.
    known = replace(artifact("5.10.223"), config=folder / "config")
    monkeypatch.setattr(
        fetch, "cached", lambda kernel, _: known if kernel.id == "5.10" else None
    )

    assert [it["gaps"] for it in planned(capsys)["shards"]] == [0, 1, 0]
    newer = SUITE.replace(">=5.0", ">=5.10.100")
    (folder / "suite/suite.yaml").write_text(newer)
    assert [it["gaps"] for it in planned(capsys)["shards"]] == [1, 0, 0]


def test_there_are_no_more_shards_than_kernels(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert len(planned(capsys, "--shards", "9")["shards"]) == 3
    assert len(planned(capsys, "--shards", "2")["shards"]) == 2


def test_a_table_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert plan("--shards", "2") == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["shard", "kernels", "cases", "gaps"]
    assert lines[1].split() == ["1/2", "4.4,", "6.1", "3", "1"]


def test_a_workflow_gets_a_matrix_and_outputs(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(github_output.OUTPUT, str(folder / "output"))
    (folder / "output").write_text("earlier=1\n")

    assert plan("--shards", "2", "--format", "github") == 0

    printed = capsys.readouterr().out
    all_ = "4.4,5.10,6.1"
    assert json.loads(printed) == {
        "include": [
            {"index": 1, "shard": "1/2", "name": "4.4, 6.1", "kernels": all_, **ON_PCS},
            {"index": 2, "shard": "2/2", "name": "5.10", "kernels": all_, **ON_PCS},
        ]
    }
    lines = (folder / "output").read_text().splitlines()
    assert lines == [
        "earlier=1",
        f"matrix={printed.strip()}",
        f"kernels={all_}",
        "shards=2",
    ]


@pytest.fixture
def of_three(folder: Path) -> None:
    """A matrix with kernels of three architectures."""
    text = "kernels:\n" + "".join(map(ROW.format, ("4.4", "5.10", "6.1")))
    for arch in ("arm64", "s390x"):
        row = ROW.format(f"6.1-{arch}")
        text += row.replace("source:", f"arch: {arch}, source:")
    (folder / "matrix.yaml").write_text(text)


def shards(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    assert plan("--format", "github", *words) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["include"]
    return found


def test_each_shard_is_told_the_machines_that_suit_it(
    of_three: None, capsys: pytest.CaptureFixture[str]
) -> None:
    arm64 = ("--runner-for", "aarch64=ubuntu-24.04-arm")
    s390x = ("--runner-for", 's390x=["self-hosted", "s390x"] kvm')

    found = shards(capsys, "--shards", "3", "--runner", "big", *arm64, *s390x)

    told = [
        (it["name"], it["arch"], it["runs-on"], it["own-runner"], it["kvm"])
        for it in found
    ]
    assert told == [
        ("4.4, 5.10, 6.1", "x86_64", "big", False, False),
        ("6.1-arm64", "arm64", "ubuntu-24.04-arm", True, False),
        ("6.1-s390x", "s390x", ["self-hosted", "s390x"], True, True),
    ]


def test_without_a_label_for_it_an_architecture_runs_on_the_others_machines(
    of_three: None, capsys: pytest.CaptureFixture[str]
) -> None:
    found = shards(capsys, "--runner", '["self-hosted", "x64"]')

    assert {tuple(it["runs-on"]) for it in found} == {("self-hosted", "x64")}
    assert [it["arch"] for it in found] == ["x86_64"] * 3 + ["arm64", "s390x"]


def test_a_shard_of_several_architectures_runs_where_all_of_them_can(
    of_three: None, capsys: pytest.CaptureFixture[str]
) -> None:
    arm64 = ("--runner-for", "arm64=ubuntu-24.04-arm")

    found = shards(capsys, "--shards", "2", *arm64)

    # Three architectures in two shards: some shard has several.
    assert {it["runs-on"] for it in found if ", " in it["arch"]} == {"ubuntu-latest"}
    assert any(", " in it["arch"] for it in found)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--runner-for", "arm64"), "must be ARCH=LABEL"),
        (("--runner-for", "arm64="), "must be ARCH=LABEL"),
        (("--runner-for", "arm63=x"), "no architecture 'arm63'; did you mean 'arm64'?"),
        (("--runner-for", "arm64=[x]"), "is not a JSON list of labels"),
        (("--runner", "[1]"), "is not a JSON list of labels"),
    ],
)
def test_a_label_that_is_none_is_told(
    words: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plan("--format", "github", *words) == 2
    assert told in capsys.readouterr().err


def test_a_workflow_has_no_more_jobs_than_it_may(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "".join(ROW.format(f"6.1.{number}") for number in range(300))
    (folder / "matrix.yaml").write_text("kernels:\n" + rows)

    assert plan("--format", "github") == 0
    assert len(json.loads(capsys.readouterr().out)["include"]) == 256
    assert plan("--format", "github", "--shards", "257") == 2
    assert "at most 256 jobs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--shards", "0"], "--shards 0: must be a positive number"),
        (["--shards", "few"], "invalid int value"),
        (["--suite", "none"], "none: there is no such file"),
        (["--timings", "suite/suite.yaml"], "is not JSON"),
        (["--kernels", "4.5"], "there is no kernel '4.5'"),
    ],
)
def test_a_mistake_is_status_2(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status: object = plan(*words)
    except SystemExit as exited:
        status = exited.code

    assert status == 2
    assert told in capsys.readouterr().err


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["plan", "--help"])

    assert "python -m runner plan --kernels all --shards 4" in capsys.readouterr().out


def test_an_output_of_several_lines_can_not_set_others(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(github_output.OUTPUT, str(folder / "output"))

    github_output.set_outputs({"a": "x\nEOF\nb=1"})

    first, *middle, last = (folder / "output").read_text().splitlines()
    assert first == f"a<<{last}"
    assert middle == ["x", "EOF", "b=1"]


def test_an_output_that_can_not_be_written_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(github_output.OUTPUT, str(folder / "none/output"))

    with pytest.raises(InfrastructureError, match="GITHUB_OUTPUT"):
        github_output.set_outputs({"a": "1"})
