from pathlib import Path

import pytest

from runner.errors import UsageError
from runner.suites import suitefile
from runner.suites.attachplaces import is_looked_up

SUITE = """\
description: A suite.
cases:
  - name: a
    object: probe.bpf.o
    programs:
      p: {attach: PLACE}
    expect: [{map: m, key: 0, equals: 1}]
"""


def mistake(folder: Path, place: str) -> str:
    """Return what loading a suite says of a place; nothing when it is fine."""
    (folder / "probe.bpf.o").write_bytes(b"")
    (folder / "suite.yaml").write_text(SUITE.replace("PLACE", place))
    try:
        suitefile.load(folder / "suite.yaml")
    except UsageError as error:
        return error.message
    return ""


@pytest.mark.parametrize(
    "place",
    [
        *("kprobe/vfs_read", "kretprobe/vfs_read", "raw_tp/sched_switch", "xdp/lo"),
        *("tracepoint/sched/sched_switch", "tp/sched/sched_switch", "fentry/vfs_read"),
        *("perf_event/cpu-clock", "lsm/file_open", "lsm.s/file_open", "fexit.s/x"),
        *("cgroup/sys/fs/cgroup", "cgroup//sys/fs/cgroup", "cgroup/x"),
        '"kprobe/${kernel.release}"',
        '"uprobe/${files.folder}/tool:main"',
        '{"<4.17": kprobe/sys_getpgid}',
    ],
)
def test_places_of_every_kind_are_accepted(tmp_path: Path, place: str) -> None:
    assert mistake(tmp_path, place) == ""


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("kprob/vfs_read", "did you mean 'kprobe'?"),
        ("tracepiont/a/b", "did you mean 'tracepoint'?"),
        ("zzz/vfs_read", "there are kprobe, kretprobe, tracepoint"),
        ("kprobe.s/vfs_read", "no kind of place is called 'kprobe.s'"),
        ("kprobe", "write kprobe/NAME"),
        ("tracepoint/sched_switch", "write tracepoint/GROUP/NAME"),
        ("kprobe/a/b", "write kprobe/NAME"),
        ("perf_event/cycles", "write perf_event/cpu-clock"),
        ("uprobe/tool", "write uprobe/FILE:SYMBOL"),
        ('{"<4.17": kprob/sys_getpgid}', "did you mean 'kprobe'?"),
        ("[{needs: {map_type: ringbuf}, use: kprob/x}]", "did you mean 'kprobe'?"),
    ],
)
def test_a_mistyped_place_is_a_mistake_before_a_boot(
    tmp_path: Path, place: str, said: str
) -> None:
    found = mistake(tmp_path, place)
    assert "suite.yaml:6: cases[0].programs.p.attach" in found
    assert said in found


def test_what_libbpf_looks_up_is_known() -> None:
    assert is_looked_up("fentry.s/x")
    assert not is_looked_up("kprobe/x")
