"""A run of the wheel, in an empty environment and from an empty folder."""

import json
from pathlib import Path

import pytest

from tests import wheel
from tests.unit.preflight.made import HEAD, compiled
from tests.wheel import call

pytestmark = pytest.mark.vm


def test_an_object_runs_in_a_guest_without_a_checkout(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    command = wheel.installed(wheel.shared_folder(tmp_path_factory))
    source = 'SEC("tracepoint/syscalls/sys_enter_openat") int on(void *c) { return 0; }'
    (tmp_path / "own.bpf.o").write_bytes(compiled(HEAD + source))

    done = call(command, tmp_path, "--kernels", "6.1", "--object", "own.bpf.o")

    assert done.returncode == 0, done.stderr + done.stdout
    assert done.stderr.startswith("note: there is no matrix.yaml in this folder; using")
    assert "compatible: 1 passed; 1 kernel" in done.stdout
    results = json.loads((tmp_path / "reports/latest/results.json").read_text())
    assert results["complete"] is True
    assert sorted(it.name for it in tmp_path.iterdir()) == ["own.bpf.o", "reports"]
