"""What a case's loader sets before it loads, by the kernel's version."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from runner.case import loaders, settings
from runner.errors import UsageError
from runner.guest.objectsettings import MapSettings, ObjectSettings
from runner.suites.model import Case, Program
from tests.unit.guest.agent_process import compile_bpf
from tests.unit.guest.doubles import HELLO, FakeAgent, guest

SOURCE = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
const volatile int wanted;
SEC("socket") int use(void *context) { return wanted; }
char _license[] SEC("license") = "GPL";
"""


def of(
    data: bytes, version: str, agent: FakeAgent | None = None, **keys: Any
) -> ObjectSettings:
    case = Case.model_validate({"name": "c", "object": "a.o", **keys})
    return settings.of_case(case, data, guest(agent, version=version))


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


ALTERNATIVES = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
SEC("fentry/a") int first(void *context) { return 0; }
SEC("?tp_btf/b") int second(void *context) { return 0; }
SEC("kprobe/c") int last(void *context) { return 0; }
char _license[] SEC("license") = "GPL";
"""


@pytest.mark.parametrize(
    ("there", "loaded"),
    [
        ([True, True, True], "first"),
        ([False, True, True], "second"),
        ([False, False, True], "last"),
        # So that its loading tells what is missing.
        ([False, False, False], "last"),
    ],
)
def test_the_first_alternative_that_is_there_is_loaded(
    tmp_path: Path, there: list[bool], loaded: str
) -> None:
    answer: list[JsonValue] = [*there]
    agent = FakeAgent({"there": {"there": answer}})
    names = ("first", "second", "last")

    found = of(
        compile_bpf(ALTERNATIVES, tmp_path),
        "6.1",
        agent,
        alternatives=(names,),
        programs={"last": {"attach": "kprobe/other"}},
    )

    assert agent.requests[-1]["places"] == ["fentry/a", "?tp_btf/b", "kprobe/other"]
    assert found.load == {name: name == loaded for name in names}


def test_an_alternative_that_the_object_lacks_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'first'"):
        of(compile_bpf(ALTERNATIVES, tmp_path), "6.1", alternatives=(("fist", "last"),))


@pytest.mark.parametrize(
    ("attach", "place"),
    [
        (True, None),
        ("kprobe/f", "kprobe/f"),
        # It is looked up when the program loads.
        ("fentry/f", None),
        ("uprobe/${files.folder}/tool:main", f"uprobe/{loaders.FOLDER}/tool:main"),
        ({"<5": "kprobe/f"}, None),
    ],
)
def test_a_place_is_where_a_program_is_attached_to(
    attach: Any, place: str | None
) -> None:
    assert settings.place(Program(attach=attach), guest()) == place


def test_places_of_many_functions_are_what_programs_are_loaded_for() -> None:
    found = of(
        b"",
        "6.12",
        programs={
            "functions": {"attach": "kprobe.multi/vfs_*link"},
            "symbols": {"attach": "uretprobe.multi/libc.so.6:get*"},
            "one": {"attach": "kprobe/vfs_read"},
            "filter": {"type": "netfilter", "attach": "netfilter/ipv4/input"},
        },
    )

    # BPF_TRACE_KPROBE_MULTI and BPF_TRACE_UPROBE_MULTI; 32 and 45 are netfilter's.
    assert found.types == {"functions": (0, 42), "symbols": (0, 48), "filter": (32, 45)}
