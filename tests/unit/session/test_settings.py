"""What a case's loader sets before it loads, by the kernel's version."""

from pathlib import Path
from typing import Any

import pytest

from runner.agent import MapSettings, ObjectSettings
from runner.session import settings
from runner.suite import Case
from tests.unit.agent_process import compile_bpf
from tests.unit.session.doubles import HELLO, guest

SOURCE = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
const volatile int wanted;
SEC("socket") int use(void *context) { return wanted; }
char _license[] SEC("license") = "GPL";
"""


def of(data: bytes, version: str, **keys: Any) -> ObjectSettings:
    case = Case.model_validate({"name": "c", "object": "a.o", **keys})
    return settings.of_case(case, data, guest(version=version))


@pytest.mark.parametrize(
    ("version", "load", "targets"),
    [
        ("5.10", {"old": True, "new": False}, {"traced": "fentry/vfs_open"}),
        ("6.1", {"old": False, "new": True}, {"traced": "fentry/do_open"}),
    ],
)
def test_programs_are_set_by_version(
    version: str, load: dict[str, bool], targets: dict[str, str]
) -> None:
    found = of(
        b"",
        version,
        programs={
            "old": {"load": {">=5.17": False}, "attach": "kprobe/f"},
            "new": {"load": {"<5.17": False}},
            "traced": {"attach": {"<6": "fentry/vfs_open", ">=6": "fentry/do_open"}},
        },
    )

    assert found.load == {**load, "traced": True}
    # A kprobe's is looked up when it is attached.
    assert found.targets == targets


def test_maps_are_set_by_version() -> None:
    maps = {"stacks": {"max_entries": 8}, "ring": {"create": {"<5.8": False}}}

    assert of(b"", "5.4", maps=maps).maps == {
        "stacks": MapSettings(max_entries=8),
        "ring": MapSettings(create=False),
    }
    assert of(b"", "5.8", maps=maps).maps["ring"].create


def test_variables_take_what_is_known_of_the_guest(tmp_path: Path) -> None:
    found = of(
        compile_bpf(SOURCE, tmp_path), "6.1", variables={"wanted": "${agent.pid}"}
    )

    assert found.variables == {"wanted": HELLO.pid.to_bytes(4, "little")}


def test_only_what_is_set_is_told_to_the_agent() -> None:
    told = ObjectSettings(
        load={"p": False},
        targets={"q": "fentry/f"},
        maps={"m": MapSettings(value_size=8)},
        variables={"v": b"\1"},
    ).as_json()

    assert told == {
        "programs": {"p": {"load": False}, "q": {"target": "fentry/f"}},
        "maps": {"m": {"value_size": 8, "create": True}},
        "variables": {"v": "AQ=="},
    }
