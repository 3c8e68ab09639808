"""The way from a folder of objects to a first verdict, and to one after each save."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runner.bpf import compile as compile_
from tests.unit.scaffold import sources
from tests.vm.conftest import command, guests, run

pytestmark = pytest.mark.vm

KERNEL = "6.1"
_SECONDS = 120


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a folder that holds two objects and their sources, and nothing else."""
    texts = {
        "started": sources.EVENTS,
        "opened": sources.BY_PID,
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.bpf.c").write_text(sources.HEAD + text)
        build(tmp_path, name)
    return tmp_path


def build(folder: Path, name: str) -> None:
    """Build an object, as its owner does."""
    argv = compile_.command(folder / f"{name}.bpf.c", folder / f"{name}.bpf.o")
    subprocess.run(argv, cwd=folder, check=True)


def init(folder: Path) -> None:
    """Write the suites and all else."""
    argv = [sys.executable, "-P", "-m", "runner", "init"]
    subprocess.run(argv, cwd=folder, check=True, capture_output=True)


def change(path: Path, old: str, new: str) -> None:
    """Change a file, which must hold the old text."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_what_init_writes_is_green_until_an_object_breaks(
    repository: Path, reports: Path
) -> None:
    init(repository)
    done = run("--kernels", KERNEL, reports=reports, folder=repository)

    assert done.status == 0, done.output + done.errors
    assert [case.suite for case in done.results.cases] == ["opened", "started"]

    # It reports the thread group's number in place of the user's.
    source = repository / "opened.bpf.c"
    change(source, "bpf_get_current_uid_gid()", "bpf_get_current_pid_tgid() >> 32")
    build(repository, "opened")
    done = run("--kernels", KERNEL, reports=reports, folder=repository)

    assert done.status == 1
    (failed,) = [case for case in done.results.cases if case.suite == "opened"]
    assert failed.failure_class == "wrong_value"
    assert "field uid: expected 0" in failed.message


def test_a_save_gives_a_verdict_and_ctrl_c_leaves_no_guest(
    repository: Path, reports: Path
) -> None:
    init(repository)
    shutil.rmtree(repository / "tests/bpf/started")
    # The suite compiles the source itself.
    change(repository / "tests/bpf/opened/suite.yaml", "opened.bpf.o", "opened.bpf.c")
    words = command("watch", "--kernels", KERNEL, "--reports", reports)
    with subprocess.Popen(
        [words[0], "-P", *words[1:]],
        cwd=repository,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    ) as process:
        watch = WatchOutput(process)
        assert f"{KERNEL}: compatible" in watch.until("waiting for a save")

        source = repository / "opened.bpf.c"
        change(source, "bpf_get_current_uid_gid()", "7")
        printed = watch.until("waiting for a save")
        assert f"{KERNEL}: incompatible" in printed
        assert "expected 0, observed 7" in printed
        assert re.search(r"saved .*opened\.bpf\.c: 1 case", printed)
        assert (reports / "last/results.json").is_file()

        assert guests(reports), "the next guest waits"
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(_SECONDS) == 130
    assert not guests(reports)
    assert not (reports / "next").exists()


class WatchOutput:
    """What `watch` prints."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def until(self, words: str) -> str:
        """Return what it prints up to a line with these words."""
        assert self._process.stdout is not None
        printed = ""
        for line in self._process.stdout:
            printed += line
            if words in line:
                return printed
        pytest.fail(f"watch ended:\n{printed}")
