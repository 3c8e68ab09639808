"""Programs of the user's own on a real kernel: their ends, tests and output."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lxml import etree

from runner.results import Outcome
from tests.vm import programs
from tests.vm.conftest import ROOT, Finished, run

pytestmark = pytest.mark.vm

P, F, S = Outcome.PASSED, Outcome.FAILED, Outcome.SKIPPED
FLOOD = 20
SUITE = f"""\
description: A program that ends in every way.
cases:
  - {{name: answers, command: [./tool]}}
  - {{name: crashes, command: [./tool, segv]}}
  - {{name: daemon, command: [./tool, daemon]}}
  - {{name: floods, command: [./tool, flood, "{FLOOD}"]}}
  - {{name: panics, command: [sh, -c, "echo c > /proc/sysrq-trigger"]}}
  - name: everything
    command: [./everything.sh, "${{files.folder}}", "${{kernel.id}}"]
    files: [data, "data/in:/etc/mine"]
    stdin: data/in
    env: {{MINE: "${{kernel.release}}"}}
    as: "7:8"
    cwd: /tmp
"""
SCRIPT = """\
#!/bin/sh
echo "$1 $2 $MINE $(id -u):$(id -g) $(pwd) $(cat) $(cat /etc/mine) $(cat "$1/data/in")"
"""
TEST = """\
from pathlib import Path

TOOL = Path(__file__).with_name("tool")


def test_exec_and_put(guest):
    there = guest.put(Path(__file__).with_name("data") / "in", "/tmp/new/in")
    done = guest.exec(["cat", str(there)])
    assert (done.exit, done.stdout) == (0, "hello")
    done = guest.exec([TOOL], env={"A": "b"}, user=7)
    assert (done.exit, done.stdout) == (0, "42\\n")
    assert guest.exec([TOOL, "segv"]).signal == "SIGSEGV"
    assert guest.exec([TOOL, "hang"], timeout=0.5).timed_out


def test_output_does_not_fill_the_agent(guest):
    def most():
        status = guest.agent.read(f"/proc/{guest.hello.pid}/status", timeout=20)
        (line,) = [it for it in status.splitlines() if it.startswith("VmHWM")]
        return int(line.split()[1])

    before = most()
    done = guest.exec([TOOL, "flood", "8"])
    assert len(done.stdout) == (8 << 20) + len("42\\n")
    # KiB.
    assert most() - before < 2048
"""


def outcomes(finished: Finished) -> dict[str, Outcome]:
    return {it.case: it.outcome for it in finished.results.cases}


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    mine = tmp_path_factory.mktemp("mine") / "mine"
    mine.mkdir()
    programs.c(mine)
    (mine / "data").mkdir()
    (mine / "data/in").write_text("hello")
    (mine / "everything.sh").write_text(SCRIPT)
    (mine / "suite.yaml").write_text(SUITE)
    (mine / "test_fixtures.py").write_text(TEST)
    reports = tmp_path_factory.mktemp("reports") / "r"
    return run("--kernels", "6.1", "--suite", mine, "-n", "1", reports=reports)


def test_a_program_brings_its_libraries(suite: Finished) -> None:
    case = suite.case("answers")

    assert case.outcome is P, case.message
    assert case.commands[0].stdout == "42\n"


@pytest.mark.parametrize(
    ("name", "class_"),
    [
        ("crashes", "program_killed"),
        ("daemon", "left_running"),
        ("panics", "kernel_panic"),
    ],
)
def test_each_bad_end_has_its_class(suite: Finished, name: str, class_: str) -> None:
    case = suite.case(name)

    assert case.outcome is F
    assert case.failure_class == class_, case.message


def test_all_of_a_long_output_is_on_disk_and_its_ends_in_the_report(
    suite: Finished,
) -> None:
    (command,) = suite.case("floods").commands

    whole = suite.reports / command.stdout_file
    assert whole.stat().st_size == (FLOOD << 20) + len("42\n")
    assert len(command.stdout) < 40_000
    assert command.stdout.endswith("x\n42\n")
    assert not command.truncated
    assert (suite.reports / "results.json").stat().st_size < 1 << 20


def test_a_command_has_its_files_input_user_folder_and_variables(
    suite: Finished,
) -> None:
    case = suite.case("everything")
    (kernel,) = suite.results.kernels

    assert case.outcome is P, case.message
    assert case.commands[0].stdout == (
        f"/run/files 6.1 {kernel.release} 7:8 /tmp hello hello hello\n"
    )


@pytest.mark.parametrize(
    "name", ["test_exec_and_put", "test_output_does_not_fill_the_agent"]
)
def test_python_tests_run_programs(suite: Finished, name: str) -> None:
    case = suite.case(name)

    assert case.outcome is P, case.message


def test_tests_of_go_are_cases_and_one_that_panics_the_kernel_costs_itself(
    tmp_path: Path,
) -> None:
    program = programs.go(tmp_path)

    done = run(
        *("exec", "--kernels", "6.1", "--results", "gotest", "--env", "CRASH=1"),
        *("--", program),
        reports=tmp_path / "r",
        before="--",
    )

    assert done.status == 1, done.output + done.errors
    assert done.results.complete
    found = {
        it.removeprefix("loader_test::"): how for it, how in outcomes(done).items()
    }
    assert found == {
        "loader_test": P,
        "TestPasses": P,
        "TestFails": F,
        "TestSkips": S,
        "TestSubtests": F,
        "TestSubtests/first": P,
        "TestSubtests/second_one": P,
        "TestSubtests/third": F,
        "TestPrintsWithoutNewline": P,
        "TestForges": F,
        "TestParallelA": P,
        "TestParallelB": P,
        "TestParallelB/deep": P,
        "TestParallelB/deep/deeper": P,
        "TestPanics": S,
        "TestExits": S,
        "TestCrashes": F,
        "TestLast": P,
        "Example_hello": P,
    }
    crashed = done.case("loader_test::TestCrashes")
    assert crashed.failure_class == "kernel_panic"
    assert "sysrq triggered crash" in crashed.console
    assert "     6.1 | === RUN   TestPasses" in done.output
    root = etree.parse(str(done.reports / "6.1/junit.xml")).getroot()
    assert root.get("tests") == str(len(found))
    assert len(root.findall(".//skipped")) == 3


def test_tests_of_rust_are_cases_and_one_that_aborts_costs_itself(
    tmp_path: Path,
) -> None:
    program = programs.rust(tmp_path)

    done = run(
        *("exec", "--kernels", "6.1", "--results", "auto", "--env", "ABORT=1"),
        *("--quiet", "--", program),
        reports=tmp_path / "r",
        before="--",
    )

    assert done.status == 1, done.output + done.errors
    prefix = "rust-tests::tests::"
    found = {it.removeprefix(prefix): how for it, how in outcomes(done).items()}
    assert found == {
        "rust-tests": P,
        "aborts": F,
        "exits": P,
        "fails": F,
        "forges": P,
        "panics_as_it_should": P,
        "passes": P,
        "skips": S,
    }
    assert done.case(f"{prefix}aborts").failure_class == "test_died"
    assert " | " not in done.output


# What a reader copies from a page, and the lines that it shows.
EXAMPLE = re.compile(r"```sh tested\n(.*?)```\n\n```\n(.*?)```", re.DOTALL)
EXAMPLES = [
    pytest.param(*found, id=f"{page}: {found[0].split()[0]}")
    for page in ("exec.md", "loaders.md")
    for found in EXAMPLE.findall((ROOT / "docs" / page).read_text())
]
LINE = re.compile(r"(\d[\d.]*) +(?:\| (.*)|(exec::\S+)  (passed|skipped|failed))")


@pytest.mark.parametrize(("script", "shown"), EXAMPLES)
def test_the_examples_of_the_pages_do_what_they_show(
    script: str, shown: str, tmp_path: Path
) -> None:
    for program in ("go", "cargo", "rustc", "gcc"):
        if re.search(rf"\b{program} ", script) and shutil.which(program) is None:
            pytest.skip(f"{program} is not on the PATH")
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    words = f"{sys.executable} -m runner exec --matrix builtin --reports {tmp_path}/r"

    done = subprocess.run(
        ["bash", "-e", "-c", script.replace("python -m runner exec", words)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert {*LINE.findall(shown)} <= {*LINE.findall(done.stdout)}


def test_the_pages_have_an_example_of_each_kind() -> None:
    assert len(EXAMPLES) == 7
