"""Records what test programs print, for tests/unit/harness.

    python -m tests.tools.record_programs

Builds the programs of tests/data/programs with go, rustc and g++ (libgtest-dev), and
writes their outputs to tests/data/programs/recorded. Times and process ids in them
differ from run to run.
"""

import os
import subprocess
import tempfile
from pathlib import Path

PROGRAMS = Path(__file__).resolve().parents[1] / "data/programs"
RECORDED = PROGRAMS / "recorded"

_GO = ("-test.paniconexit0", "-test.v=test2json")
_RUST = ("--test-threads=1",)
_JSON = ("-Z", "unstable-options", "--format", "json")


def main() -> None:
    """Build and record."""
    with tempfile.TemporaryDirectory() as folder:
        go, rust, cc = _built(Path(folder))
        _record("go-marked.txt", go, *_GO)
        _record("go-plain.txt", go, "-test.paniconexit0", "-test.v")
        _record("go-panic.txt", go, *_GO, PANIC="1")
        _record("go-list.txt", go, "-test.list", ".*")
        _record("cargo.txt", rust, *_RUST)
        _record("cargo.json", rust, *_RUST, *_JSON, RUSTC_BOOTSTRAP="1")
        _record("cargo-abort.txt", rust, *_RUST, ABORT="1")
        _record("cargo-list.txt", rust, "--list", "--format", "terse")
        xml = f"--gtest_output=xml:{RECORDED / 'gtest.xml'}"
        _record("gtest.txt", cc, xml, "--gtest_color=no")
        _record("gtest-abort.txt", cc, "--gtest_color=no", ABORT="1")
        _record("gtest-list.txt", cc, "--gtest_list_tests")


def _built(folder: Path) -> tuple[Path, Path, Path]:
    go, rust, cc = (folder / name for name in ("go", "rust", "cc"))
    static = {**os.environ, "CGO_ENABLED": "0"}
    test: list[str | Path] = ["go", "test", "-c", "-o", go, "."]
    subprocess.run(test, cwd=PROGRAMS / "gotest", env=static, check=True)
    root = PROGRAMS.parents[2]
    # Seen from the top, so that no path of this machine is recorded.
    source, tests = PROGRAMS / "rust/tests.rs", PROGRAMS / "gtest/tests.cc"
    commands: list[list[str | Path]] = [
        ["rustc", "--test", "-o", rust, source.relative_to(root)],
        ["g++", "-o", cc, tests.relative_to(root), "-lgtest", "-lgtest_main"],
    ]
    for words in commands:
        subprocess.run(words, cwd=root, check=True)
    return go, rust, cc


def _record(name: str, program: Path, *words: str, **environment: str) -> None:
    done = subprocess.run(
        [program, *words],
        env={**os.environ, "RUST_BACKTRACE": "0", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    (RECORDED / name).write_bytes(done.stdout)


if __name__ == "__main__":
    main()
