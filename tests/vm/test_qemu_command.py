"""The command that reports show of a kernel boots it."""

import shlex
import subprocess
from pathlib import Path

import pytest

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
    words = shlex.split(kernel.qemu_command)

    with subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            lines = iter(process.stdout.readline, b"")
            assert any(UP in line for line in lines), done.output
        finally:
            process.kill()
