"""`exec`: the suite that a command line describes, and what it refuses."""

import argparse
from pathlib import Path
from typing import Any

import pytest

from runner import cli
from runner.cli import exec as exec_
from runner.cli import run
from runner.cli.streaming import Streams
from runner.suites import suitefile
from runner.suites.suitefile import LoadedSuite
from tests.unit.guest.roots import tars


class Run:
    """Stands in for the main job, and keeps what it was given."""

    def __init__(self, reports: Path) -> None:
        self._reports = reports
        self.arguments = argparse.Namespace()
        self.suite: LoadedSuite | None = None

    def carry_out(self, arguments: argparse.Namespace, make: Any) -> int:
        self.arguments = arguments
        (folder,) = make(arguments)
        self.suite = suitefile.load(folder / "suite.yaml", named=arguments.object)
        return 0

    def __call__(self, *words: str | Path) -> dict[str, Any]:
        """Run `exec`, and return the case of its suite."""
        reports = ["--reports", str(self._reports)]
        assert cli.main(["exec", *reports, *map(str, words)]) == 0
        assert self.suite is not None
        (case,) = self.suite.suite.cases
        return case.model_dump(by_alias=True)


@pytest.fixture
def run_exec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    made = Run(tmp_path / "reports")
    monkeypatch.setattr(run, "carry_out", made.carry_out)
    monkeypatch.chdir(tmp_path)
    return made


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    path = tmp_path / "my tool.test"
    path.write_text("#!/bin/sh\necho hello\n")
    return path


def test_a_program_becomes_a_suite(run_exec: Run, tool: Path) -> None:
    case = run_exec("--kernels", "6.1", "--", "./my tool.test", "--", "-k", "${HOME}")

    assert case["name"] == "my_tool_test"
    assert case["command"] == ("program/my tool.test", "--", "-k", "${HOME}")
    assert case["results"] == "exit"
    assert case["timeout"] == 300
    assert run_exec.suite is not None
    assert run_exec.suite.name == "exec"
    # Reports name the user's file.
    assert run_exec.suite.shown("program/my tool.test") == "my tool.test"
    assert run_exec.arguments.streams


def test_all_options_reach_the_suite(
    run_exec: Run, tool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "in").write_text("x")
    monkeypatch.setenv("MINE", "here")

    case = run_exec(
        *("--results", "gotest", "--isolate", "--timeout", "5", "--as", "nobody"),
        *("--cwd", "/tmp", "--stdin", "in", "--env", "A=b=c", "--env", "MINE"),
        *("--file", "data", "--file", "in:/etc/x", "--quiet", "--", "./my tool.test"),
    )

    assert (case["results"], case["isolate"], case["timeout"]) == ("gotest", True, 5)
    assert (case["as"], case["cwd"]) == ("nobody", "/tmp")
    assert case["env"] == {"A": "b=c", "MINE": "here"}
    assert case["stdin"] == "stdin/in"
    assert case["files"] == ("files/0/data", "files/1/in:/etc/x")
    assert not run_exec.arguments.streams


def test_a_name_is_first_a_program_of_the_guest(run_exec: Run) -> None:
    assert run_exec("--", "sh", "-c", "true")["command"] == ("sh", "-c", "true")
    assert run_exec("--", "git")["command"] == ("program/git",)


def test_an_empty_argument_stays(run_exec: Run) -> None:
    assert run_exec("--", "sh", "")["command"] == ("sh", "")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "there is no command"),
        (["--"], "there is no command"),
        (["--", "./none"], "there is no file none"),
        (["--", "/tmp"], "is a folder"),
        (["--", "no-such-program"], "no program 'no-such-program'"),
        (["--", "./text"], "is not a program"),
        (["--file", "none", "--", "sh"], "there is no file or folder none"),
        (["--file", "text:x", "--", "sh"], "no file or folder text:x"),
        (["--file", "text:/a/../b", "--", "sh"], "GUESTPATH must be absolute"),
        (["--stdin", "none", "--", "sh"], "--stdin: there is no file none"),
        (["--env", "NOT_SET_HERE", "--", "sh"], "is not NAME=VALUE"),
        (["--root", "none.tar", "--", "sh"], "no folder, tar or image 'none.tar'"),
        (["--root", "text", "--", "sh"], "text can't be unpacked"),
        (["--headers", "--", "sh"], "--headers needs a --root"),
        (["--loaded", "--no-record", "--", "sh"], "--no-record does not record"),
    ],
)
def test_a_mistake_is_told_before_anything_boots(
    words: list[str],
    told: str,
    run_exec: Run,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "text").write_text("hello\n")

    assert cli.main(["exec", *words]) == 2

    assert told in capsys.readouterr().err
    assert run_exec.suite is None


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--results", "perl", "must be one of exit, gotest"),
        ("--results", "junit=x", "absolute PATH"),
        ("--as", "me", "must be root, nobody"),
        ("--timeout", "0", "from 1 to 86400"),
    ],
)
def test_a_wrong_value_is_told(
    option: str, value: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["exec", option, value, "--", "sh"])

    assert caught.value.code == 2
    assert told in capsys.readouterr().err


def test_a_command_without_dashes_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["exec", "--kernels=6.1", "./tool"]) == 2

    assert "exec --kernels 6.1 -- ./tool" in capsys.readouterr().err


def test_the_name_of_a_case_is_a_name() -> None:
    assert exec_._case_name("/a/4 b.c") == "_4_b_c"


def test_the_name_of_a_test_binary_of_cargo_stays_when_the_compiler_changes() -> None:
    assert exec_._case_name("target/debug/deps/forks-8a288f9809a8f7cb") == "forks"
    assert exec_._case_name("deadbeef-12345678") == "deadbeef-12345678"


def test_output_is_shown_in_lines_with_the_kernel_in_front() -> None:
    shown: list[str] = []
    streams = Streams(shown.append)

    streams.feed("6.1", "stdout", b"on\x1b[31me\ntw")
    streams.feed("6.12", "stdout", b"\x16--- PASS\xff\n")
    streams.feed("6.1", "stderr", b"err\n")
    streams.feed("6.1", "stdout", b"o\nend")
    streams.close("6.1")

    assert shown == [
        "     6.1 | one",
        "    6.12 | --- PASS\ufffd",
        "     6.1 | err",
        "     6.1 | two",
        "     6.1 | end",
    ]


def test_output_without_end_is_shown_in_part() -> None:
    shown: list[str] = []
    streams = Streams(shown.append)

    for _ in range(3000):
        streams.feed("6.1", "stdout", b"x" * 1023 + b"\n")

    assert shown[-1].endswith("[… more is in the folder of reports …]")
    assert 1000 < len(shown) < 1100


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "root.tar"
    programs = {
        "opt/mine": b"#!/bin/sh\n",
        "bin/nointerp.pl": b"#!/usr/bin/perl\n",
    }
    members = [tars.file(name, data, 0o755) for name, data in programs.items()]
    path.write_bytes(tars.tar([*tars.SMALL, *members]))
    return path


def test_a_name_and_a_path_that_is_not_here_are_programs_of_the_root(
    run_exec: Run, root: Path, tmp_path: Path
) -> None:
    case = run_exec("--root", "root.tar", "--headers", "--", "cat", "x")

    assert case["command"] == ("cat", "x")
    assert case["root"] == "root/root.tar"
    assert case["headers"]
    assert (tmp_path / "reports/exec/root/root.tar").resolve() == root
    command = run_exec("--root", root, "--", "/opt/mine")["command"]
    assert command == ("/opt/mine",)


def test_a_path_that_is_here_is_copied_into_the_root(
    run_exec: Run, root: Path, tool: Path
) -> None:
    case = run_exec("--root", root, "--", "./my tool.test")

    assert case["command"] == ("program/my tool.test",)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("git", "has no program 'git'"),
        ("/opt/none", "has no program '/opt/none'"),
        ("./python", "needs the interpreter python3, which is not in the root"),
        ("nointerp.pl", "root.tar:/bin/nointerp.pl needs the interpreter /usr/bin/p"),
    ],
)
def test_what_the_root_lacks_is_told_before_anything_boots(
    command: str,
    told: str,
    run_exec: Run,
    root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "python").write_text("#!/usr/bin/env python3\n")

    assert cli.main(["exec", "--root", str(root), "--", command]) == 2

    assert told in capsys.readouterr().err
