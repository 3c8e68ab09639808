"""A run with a fault in it, of any kind, gives no wrong verdict and leaves nothing.

FAULT_RUNS says how many runs there are; a number always gives the same fault.
"""

import os
from pathlib import Path

import pytest

from tests.faults import campaign
from tests.faults.campaign import Undisturbed

pytestmark = pytest.mark.vm

RUNS = int(os.environ.get("FAULT_RUNS", "40"))
SEED = 1


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[Undisturbed]:
    """What runs without a fault say: by threads, and by processes."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return [campaign.undisturbed(folder, with_test=it) for it in (False, True)]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount overlays")
@pytest.mark.parametrize("number", range(RUNS))
def test_a_fault_costs_no_wrong_verdict(
    number: int, undisturbed: list[Undisturbed], tmp_path: Path
) -> None:
    row = campaign.one(tmp_path / "world", number, SEED, campaign.FAULTS, undisturbed)

    assert not row.judged.wrong, row.told
