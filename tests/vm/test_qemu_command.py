"""The command that reports show of a kernel boots it."""

import subprocess
from pathlib import Path

import pytest

from runner.files.cache import Cache
from tests.vm.conftest import DATA, run

pytestmark = pytest.mark.vm

# What images/rc prints last.
UP = b"rc: network is up"
# Seconds.
TIMEOUT = 120


def test_the_shown_command_boots_the_kernel_from_a_shell(reports: Path) -> None:
    done = run(
        *("--kernels", "6.1", "--suite", DATA / "suites/canary", "-x"), reports=reports
    )
    (kernel,) = done.results.kernels
    # Nothing of this machine is in it, and a shell finds the cache.
    assert str(Cache().root) not in kernel.qemu_command
    assert str(Cache().root) not in (reports / "results.json").read_text()
    assert str(Cache().root) not in (reports / "report.html").read_text()
    words = ["sh", "-c", f"exec {kernel.qemu_command}"]

    with subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            lines = iter(process.stdout.readline, b"")
            assert any(UP in line for line in lines), done.output
        finally:
            process.kill()
