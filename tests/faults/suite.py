"""The suite of the runs: cases that pass, and one that fails on purpose."""

import shutil
from pathlib import Path

from tests.vm.conftest import DATA

SUITE = """\
description: cut
cases:
  - {name: a, object: fine.bpf.c, trigger: [{test_run: length}],
     expect: [{value: '${run.retval}', equals: 50}]}
  - {name: b, object: fine.bpf.c, trigger: [{test_run: length}],
     expect: [{value: '${run.retval}', equals: 50}]}
  - {name: wrong, object: fine.bpf.c, trigger: [{test_run: length}],
     expect: [{value: '${run.retval}', equals: 51}]}
  - {name: slow, object: fine.bpf.c, trigger: [{sleep: 0.3}, {test_run: length}],
     expect: [{value: '${run.retval}', equals: 50}]}
"""
TEST = """\
def test_guest(guest):
    assert guest.hello.release
"""


def suite(folder: Path, *, with_test: bool) -> Path:
    """Write the suite; with a test in Python, processes run it, else threads."""
    made = folder / "cut"
    made.mkdir()
    shutil.copy(DATA / "suites/hostile/fine.bpf.c", made)
    (made / "suite.yaml").write_text(SUITE)
    if with_test:
        (made / "test_cut.py").write_text(TEST)
    return made
