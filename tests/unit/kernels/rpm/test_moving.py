"""`kernels --stale` and `lock --update`, with a repository that moves on."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from runner import cli
from tests.unit.kernels.rpm import kernels
from tests.unit.kernels.rpm.conftest import Maker
from tests.unit.kernels.rpm.made import RpmRepository, RpmSigner

OLD = kernels.plain("4.14.1", "1.amzn2", "gzip")
NEW = kernels.plain("4.14.2", "1.amzn2", "gzip")


@pytest.fixture
def matrix(
    repository: RpmRepository,
    make: Maker,
    vendor: RpmSigner,
    key: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> str:
    """A matrix that was locked before its repository moved on."""
    repository.publish(make(OLD, vendor))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "250")
    source = (
        f"{{type: rpm, baseurl: '{repository.url}', package: kernel, gpgkey: {key.name}"
    )
    file = tmp_path / "matrix.yaml"
    file.write_text(
        f"kernels:\n- {{id: newest, btf: kernel, source: {source}}}}}\n"
        f"- {{id: exact, btf: kernel, source: {source}, version: 4.14.1-1.amzn2}}}}\n"
    )
    assert cli.main(["lock", "--matrix", str(file)]) == 0
    repository.publish(make(OLD, vendor), make(NEW, vendor))
    capsys.readouterr()
    return str(file)


def states(matrix: str, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    assert cli.main(["kernels", "--stale", "--json", "--matrix", matrix]) == 0
    return {row["id"]: row["state"] for row in json.loads(capsys.readouterr().out)}


def test_rows_that_moved_on_are_listed_with_what_to_do(
    matrix: str, repository: RpmRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["kernels", "--stale", "--matrix", matrix]) == 0

    said = capsys.readouterr().out
    (line,) = [line for line in said.splitlines() if line.startswith("newest")]
    assert line.split() == [
        *("newest", "stale", OLD.nevra, "of", repository.url),
        *(NEW.nevra, "of", repository.url),
    ]
    assert "lock --update newest" in said


def test_row_moves_on_when_it_is_updated_and_the_others_stay(
    matrix: str, repository: RpmRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    assert states(matrix, capsys) == {"newest": "stale", "exact": "current"}

    assert cli.main(["lock", "--matrix", matrix, "--update", "newest"]) == 0

    said = capsys.readouterr().out
    change = f"{OLD.nevra} of {repository.url} → {NEW.nevra} of {repository.url}"
    assert f"newest: {change}\n" in said
    assert "exact" not in said
    assert states(matrix, capsys) == {"newest": "current", "exact": "current"}


def test_debug_package_that_was_built_again_makes_its_row_stale(
    repository: RpmRepository,
    make: Maker,
    key: Path,
    vendor: RpmSigner,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "250")
    debug = kernels.debug("kernel-debuginfo", OLD)
    repository.publish(make(OLD, vendor), make(debug, vendor))
    file = tmp_path / "matrix.yaml"
    file.write_text(
        "kernels:\n- id: old\n  btf: kernel\n  source: "
        f"{{type: rpm, baseurl: '{repository.url}', package: kernel, "
        f"gpgkey: {key.name}, debug_package: kernel-debuginfo}}\n"
    )
    assert cli.main(["lock", "--matrix", str(file)]) == 0
    capsys.readouterr()

    # Of the same version, and signed; only its content is another.
    again = replace(debug, files={**debug.files, "usr/lib/debug/more": b"more"})
    repository.publish(make(OLD, vendor), make(again, vendor))

    assert states(str(file), capsys) == {"old": "stale"}
    assert cli.main(["kernels", "--stale", "--matrix", str(file)]) == 0
    assert f"other files now: {debug.nevra}" in capsys.readouterr().out
    assert cli.main(["lock", "--matrix", str(file), "--update", "old"]) == 0
    capsys.readouterr()
    assert states(str(file), capsys) == {"old": "current"}


def test_repository_that_can_not_be_asked_makes_the_status_3(
    matrix: str, repository: RpmRepository, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.server.answers.clear()

    assert cli.main(["kernels", "--stale", "--json", "--matrix", matrix]) == 3

    (first, _) = json.loads(capsys.readouterr().out)
    assert first["state"] == "unknown"
    assert "there is no RPM repository" in first["reason"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["lock", "--update", "other"], "matrix.lock does not have other"),
        (["lock", "--update", "exact", "--kernels", "exact"], "either --kernels or"),
        (["kernels", "--stale", "--locked"], "can't be used with --locked"),
    ],
)
def test_words_that_mean_nothing_are_refused(
    words: list[str], message: str, matrix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*words, "--matrix", matrix]) == 2
    assert message in capsys.readouterr().err
