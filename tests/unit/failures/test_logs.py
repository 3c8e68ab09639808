"""Real logs, of every kernel that was at hand, are classified as their suite says.

tests/data/logs/KERNEL/CLASS--CASE.log; python -m tests.tools.record_logs makes them.
"""

from collections import Counter
from pathlib import Path

import pytest

from runner.failures.classes import CLASSES
from runner.failures.classify import classify
from runner.suites import suitefile
from runner.suites.known import KnownKernel
from runner.versions import KernelVersion

ROOT = Path(__file__).resolve().parents[3]
LOGS = sorted((ROOT / "tests/data/logs").rglob("*.log"))
# A corpus that lost its logs would hold nothing.
ENOUGH = 150


def read(log: Path) -> tuple[str, str | None, dict[str, int], str]:
    """Return operation, errno, instructions of each program, and the log."""
    head, _, text = log.read_text().partition("\n")
    operation, errno, *sizes = head.split()
    pairs = (size.rpartition("=") for size in sizes)
    instructions = {name: int(count) for name, _, count in pairs}
    return operation, None if errno == "None" else errno, instructions, text


@pytest.mark.parametrize("log", LOGS, ids=lambda log: f"{log.parent.name}/{log.stem}")
def test_a_real_log_is_classified(log: Path) -> None:
    operation, errno, instructions, text = read(log)

    found = classify(text, operation, errno, instructions)

    assert found.name == log.stem.partition("--")[0]
    assert all(it in text for it in found.line.split("; "))
    assert found.cure


def test_the_corpus_is_large_and_has_every_kernel() -> None:
    kernels = Counter(log.parent.name for log in LOGS)

    assert kernels.total() >= ENOUGH
    assert set(kernels) == {
        *("4.4", "4.11", "5.5", "5.10", "5.14", "6.1", "6.12", "sid"),
    }
    assert {log.stem.partition("--")[0] for log in LOGS} <= CLASSES.keys()


@pytest.mark.parametrize("kernel", sorted({log.parent.name for log in LOGS}))
def test_every_case_that_must_fail_has_its_log_on_every_kernel(kernel: str) -> None:
    # sid is newer than all ranges tell.
    version = KernelVersion.parse("99.0" if kernel == "sid" else kernel)
    known = KnownKernel(version=version)
    cases = suitefile.load(ROOT / "suites/negative/suite.yaml").suite.cases

    # By the machine's libbpf, whose class comes first.
    wanted = {
        f"{case.expect_failure.classes[0]}--{case.name}"
        for case in cases
        if case.expect_failure is not None and not case.gap_on(known)
    }

    assert wanted == {log.stem for log in LOGS if log.parent.name == kernel}


@pytest.mark.parametrize("log", LOGS[::7], ids=lambda log: f"{log.parent.name}")
def test_a_log_in_other_words_is_not_guessed(log: Path) -> None:
    operation, _, _, text = read(log)
    other = "".join(chr(ord(c) ^ 1) if c.isalpha() else c for c in text)

    assert classify(other, operation, "EINVAL").name == "unclassified"
