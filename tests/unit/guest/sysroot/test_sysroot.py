"""Which suite a sysroot is of."""

import pytest

from runner.arch import ARM64, RISCV64, Architecture
from runner.guest import sysroot


@pytest.mark.parametrize(
    ("own", "architecture", "suite"),
    [
        ("bookworm", ARM64, "bookworm"),
        ("bookworm", RISCV64, "trixie"),
        ("trixie", RISCV64, "trixie"),
        ("sid", RISCV64, "sid"),
    ],
)
def test_it_is_this_machines_suite_unless_that_lacks_the_architecture(
    own: str, architecture: Architecture, suite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sysroot, "this_suite", lambda: own)

    assert sysroot.suite_for(architecture) == suite
