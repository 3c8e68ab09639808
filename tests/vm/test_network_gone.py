"""A guest whose network is gone costs its case, and not the time of what it was at."""

import re
from pathlib import Path

import pytest

from runner.results import Outcome
from tests.vm.conftest import DATA, run

pytestmark = pytest.mark.vm

FINE = """\
    object: fine.bpf.c
    trigger: [{test_run: length}]
    expect: [{value: "${run.retval}", equals: 50}]
"""
SUITE = f"""\
description: A guest that nobody reaches any more.
cases:
  - name: before
{FINE}\
  - name: gone
    object: fine.bpf.c
    trigger:
      - command: [sh, -c, "(sleep 0.2; ip link set eth0 down) >/dev/null 2>&1 &"]
      - {{sleep: 60}}
      - {{test_run: length}}
    expect: [{{value: "${{run.retval}}", equals: 50}}]
  - name: after
{FINE}"""


def test_only_its_case_is_an_error_and_soon(tmp_path: Path, reports: Path) -> None:
    suite = tmp_path / "mine"
    suite.mkdir()
    (suite / "fine.bpf.c").write_text((DATA / "suites/hostile/fine.bpf.c").read_text())
    (suite / "suite.yaml").write_text(SUITE)
    words = ("--kernels", "6.1", "--suite", suite, "-n", "1", "--timeout-scale", "0.2")

    finished = run(*words, reports=reports, seconds=200)

    gone = finished.case("gone")
    assert (gone.outcome, gone.failure_class) == (Outcome.ERROR, "timed_out")
    # "within 61 s" would say that it was waited for to the end.
    assert re.search(r"did not answer \w+ for \d+ s ", gone.message)
    assert "the guest does not answer on SSH either" in gone.message
    assert finished.case("before").outcome is Outcome.PASSED
    assert finished.case("after").outcome is Outcome.PASSED
