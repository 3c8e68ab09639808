"""What is predicted of cases on kernels that are not booted."""

from dataclasses import replace
from pathlib import Path

import pytest

from runner.bisect.foresight import Foresight, foresee, objects_of
from runner.bisect.sweepcases import SweptCase
from runner.files.cache import Cache
from runner.files.shipped import ROOT
from runner.suites import suitefile
from runner.suites.model import Case
from runner.suites.suitefile import LoadedSuite
from tests.unit.guest.doubles import artifact
from tests.unit.preflight.made import build, kernel

KERNEL = """\
enum bpf_prog_type { BPF_PROG_TYPE_SCHED_CLS = 3, BPF_PROG_TYPE_EXT = 28 } types;
"""


def case(name: str) -> tuple[LoadedSuite, Case]:
    place = suitefile.load(ROOT / "suites/contracts/suite.yaml")
    (found,) = (it for it in place.suite.cases if it.name == name)
    # A failure that the suite expects is foreseen as nothing.
    return place, found.model_copy(update={"expect_failure": None, "needs": None})


def foreseen(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Foresight:
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    cache = Cache()
    place, own = case(name)
    btf = folder / "vmlinux.btf"
    btf.write_bytes(kernel(KERNEL))
    made = replace(artifact(), btf=btf)
    objects = objects_of(place, own, cache)
    assert objects == SweptCase.of(place, own, cache).objects
    return foresee(own, objects, made, cache, build(), seen=None)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("replaced_both", ""),
        ("replaced_one", "one() takes 1 and decide() 2"),
        ("replaced_wide", "argument 2 of wide() is long, and of decide() int"),
    ],
)
def test_programs_are_compared_with_what_they_extend(
    name: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = foreseen(name, tmp_path, monkeypatch)

    assert found.prediction is not None
    reasons = " ".join(found.prediction.reasons)
    assert "left to the loader" not in reasons
    assert why in reasons
    assert ("takes" in reasons or "argument" in reasons) == bool(why)
