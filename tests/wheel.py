"""The wheel as users get it, and an environment that has nothing else of ours."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[1]
# Seconds; far more than anything here takes.
PATIENCE = 300


def copy_of_the_checkout(folder: Path) -> Path:
    """Copy what git knows, or will know, of the checkout.

    A build writes into the folder that it is started in.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def build(source: Path, out: Path, *words: str) -> list[Path]:
    """Build with the libraries that the tests have, without the network.

    By default a source distribution, and a wheel from that alone.
    """
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "-o", out, *words, source],
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=PATIENCE,
        # Away from the checkout, whose folder `build` is no module.
        cwd=source.parent,
    )
    return sorted(out.iterdir())


def install(wheel: Path, folder: Path) -> Path:
    """Install a wheel into an empty environment; return its console command.

    The libraries that it depends on are those of the tests' environment. Files of
    `.pth` that are there, such as the checkout's, do not count here.
    """
    venv.create(folder, symlinks=True)
    python = folder / "bin/python"
    words = ["install", "-q", "--no-deps", "--no-index", "--disable-pip-version-check"]
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, *words, wheel],
        check=True,
        timeout=PATIENCE,
    )
    (site,) = folder.glob("lib/python3*/site-packages")
    (site / "libraries-of-the-tests.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin/bpf-kernel-matrix"


def shared_folder(factory: pytest.TempPathFactory) -> Path:
    """Return a folder that all workers of this run of the tests share, and no other."""
    own = factory.getbasetemp()
    # Without workers, the folder above is that of all runs.
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


def installed(shared: Path) -> Path:
    """Return the console command of the wheel of this checkout, installed once.

    `shared` is a folder that processes may share.
    """
    with FileLock(shared / "wheel.lock"):
        command = shared / "wheel/venv/bin/bpf-kernel-matrix"
        if not command.exists():
            shutil.rmtree(shared / "wheel", ignore_errors=True)
            source = copy_of_the_checkout(shared / "wheel/source")
            _, wheel = sorted(
                build(source, shared / "wheel/dist"), key=lambda it: it.suffix == ".whl"
            )
            install(wheel, shared / "wheel/venv")
    return command


def call(
    command: Path, folder: Path, *words: object, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run the installed program in a folder, without the tests' search path."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return subprocess.run(
        [command, *map(str, words)],
        cwd=folder,
        env={**kept, "COLUMNS": "100", **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
