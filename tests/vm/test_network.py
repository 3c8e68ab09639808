"""The triggers `tcp` and `udp`, as the kernel sees them."""

from pathlib import Path

import pytest

from tests.vm.conftest import DATA, run

pytestmark = pytest.mark.vm


def test_connections_and_packets_that_nobody_receives(reports: Path) -> None:
    suite = DATA / "suites/network"

    done = run(*("--kernels", "6.1", "--suite", suite), reports=reports)

    outcomes = {it.case: (it.outcome, it.message) for it in done.results.cases}
    assert done.status == 0, outcomes
    assert len(outcomes) == 3
