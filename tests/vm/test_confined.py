"""A guest and its QEMU reach nothing of this machine."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

from tests.vm.conftest import DATA, ROOT, command, guests, run

pytestmark = pytest.mark.vm

# QEMU's user network has the host here.
_HOST = "10.0.2.2"


def test_qemu_has_no_privilege(tmp_path: Path) -> None:
    suite = tmp_path / "waits"
    suite.mkdir()
    (suite / "fine.bpf.c").write_text((DATA / "suites/hostile/fine.bpf.c").read_text())
    (suite / "suite.yaml").write_text(
        "description: waits\n"
        "cases:\n"
        "  - {name: first, object: fine.bpf.c, trigger: [{test_run: length}],\n"
        "     expect: [{value: '${run.retval}', equals: 50}]}\n"
        "  - {name: long, object: fine.bpf.c, trigger: [{sleep: 20}],\n"
        "     expect: [{program: length, show: {type: socket_filter}}]}\n"
    )
    words = ("--kernels", "6.1", "--suite", suite, "--reports", tmp_path / "r")
    with subprocess.Popen(
        command(*words), cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        next(line for line in process.stdout if "first" in line)
        (pid, *_) = guests(tmp_path / "r")
        status = dict(
            line.split(":\t", 1)
            for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        )
        process.kill()

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
