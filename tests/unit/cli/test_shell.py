"""How the words of `shell` are understood, and what it copies."""

import argparse
import sys
from pathlib import Path

import pytest

from runner.cli import shell
from runner.errors import UsageError


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    shell.add_arguments(parser)
    return shell.with_options(parser.parse_args(words))


@pytest.mark.parametrize(
    "words",
    [
        ["--put", "a.o", "--put", "b.o", "--cold", "6.1", "ls", "-l", "--put"],
        ["6.1", "--put", "a.o", "--put", "b.o", "--cold", "ls", "-l", "--put"],
        ["--put", "a.o", "6.1", "--cold", "--put", "b.o", "ls", "-l", "--put"],
        ["--cold", "6.1", "--put", "a.o", "--put", "b.o", "--", "ls", "-l", "--put"],
    ],
)
def test_options_stand_before_or_behind_the_kernel(words: list[str]) -> None:
    found = parsed(*words)

    assert found.selector == "6.1"
    assert found.put == [Path("a.o"), Path("b.o")]
    assert found.cold
    assert found.words == ["ls", "-l", "--put"]


def test_a_command_may_begin_with_a_dash() -> None:
    assert parsed("6.1", "--", "-x").words == ["-x"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "the following arguments are required: KERNEL\n"),
        (["6.1", "--puts", "x"], "unrecognized arguments: --puts"),
        (["6.1", "--put"], "argument --put: expected one argument"),
    ],
)
def test_wrong_words_are_refused(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        parsed(*words)

    assert raised.value.code == 2
    said = capsys.readouterr().err
    assert told in said
    assert "[COMMAND ...]" in said


def test_a_mistake_names_the_command_that_was_called(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["/venv/bin/bpf-kernel-matrix", "shell"])
    with pytest.raises(SystemExit):
        parsed()

    assert "python -m runner" not in (said := capsys.readouterr().err)
    assert said.startswith("usage: bpf-kernel-matrix shell [OPTION ...] KERNEL")


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o755])
def test_a_copied_file_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    (tmp_path / "tool").write_bytes(b"x")
    (tmp_path / "tool").chmod(mode)

    found = shell.copied(tmp_path / "tool")

    assert (found.name, found.content, found.mode) == ("tool", b"x", mode)


def test_two_files_of_one_name_are_refused() -> None:
    same = shell.CopiedFile(name="a.o", content=b"", mode=0o600)

    with pytest.raises(UsageError, match=r"two files are called a\.o"):
        shell._require_distinct([same, same])
