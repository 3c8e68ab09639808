"""A kernel's tree, as Debian's package with its source has it."""

import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from runner import libbpf
from runner.files.cache import Cache
from runner.libbpf import source
from runner.preflight.engine import Engine
from runner.text.progress import Lines

pytestmark = pytest.mark.selftests

PARTS = (
    "tools/lib/",
    "tools/include/",
    "tools/arch/",
    "tools/build/",
    "tools/scripts/",
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    given = os.environ.get("LINUX_SOURCE")
    if given:
        return Path(given)
    archives = sorted(Path("/usr/src").glob("linux-source-*.tar.xz"))
    if not archives:
        pytest.skip("no kernel source: apt-get install linux-source")
    folder = tmp_path_factory.mktemp("source")
    with tarfile.open(archives[-1]) as archive:
        members = [
            it
            for it in archive
            if it.name.partition("/")[2].startswith((*PARTS, "scripts/bpf_doc.py"))
        ]
        archive.extractall(folder, members, filter="data")
    (found,) = folder.iterdir()
    return found


def test_its_libbpf_is_built_without_writing_to_it(tree: Path, tmp_path: Path) -> None:
    before = sorted(tree.rglob("*"))

    found = libbpf.programs(tree, Cache(tmp_path), Lines())

    said = subprocess.run(
        [found.agent, "--version"], check=True, capture_output=True, text=True
    ).stdout
    assert said.strip().endswith(f"libbpf {source.read(tree).version}")
    with Engine(found.engine) as engine:
        assert "kprobe" in engine.names.programs
    assert sorted(tree.rglob("*")) == before
