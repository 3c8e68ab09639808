"""A guest and its QEMU reach nothing of this machine."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

from runner.guest.qemu.machine import LINE
from runner.results import Outcome
from tests.vm.conftest import guests, run

pytestmark = pytest.mark.vm

# QEMU's user network has the host here.
_HOST = "10.0.2.2"


def test_qemu_has_no_privilege(long_run: subprocess.Popen[str], tmp_path: Path) -> None:
    (pid,) = guests(tmp_path / "r")
    status = dict(
        line.split(":\t", 1)
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )

    assert os.geteuid() != 0 or status["Uid"].split() == ["65534"] * 4
    for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(status[kind], 16) == 0, kind
    assert status["NoNewPrivs"] == "1"
    # A filter of system calls.
    assert status["Seccomp"] == "2"


def test_a_guest_reaches_nobody(reports: Path, tmp_path: Path) -> None:
    suite = tmp_path / "reaches"
    suite.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (suite / "suite.yaml").write_text(
            "description: reaches\n"
            "cases:\n"
            "  - name: host\n"
            f"    command: [sh, -c, '! nc -w 2 {_HOST} {port} < /dev/null']\n"
            "  - {name: itself, command: [nc, -w, '2', 127.0.0.1, '22']}\n"
        )

        done = run("--kernels", "6.1", "--suite", suite, reports=reports)

        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert done.status == 0, done.output


def test_who_speaks_in_a_guests_name_loses_it(reports: Path, tmp_path: Path) -> None:
    suite = tmp_path / "speaks"
    suite.mkdir()
    address, port = LINE
    (suite / "suite.yaml").write_text(
        "description: speaks\n"
        "cases:\n"
        f"  - {{name: liar, command: [sh, -c, 'yes | nc -w 5 {address} {port}']}}\n"
        "  - {name: other, command: ['true']}\n"
    )

    done = run("--kernels", "6.1", "--suite", suite, reports=reports)

    outcomes = {case.case: case.outcome for case in done.results.cases}
    assert outcomes == {"liar": Outcome.ERROR, "other": Outcome.PASSED}
    assert done.status == 3
