"""Types and places that a suite expects, held against those that records have."""

import re
from pathlib import Path

import pytest

from runner.facts import names
from runner.suites import loadednames
from runner.suites.model import LoadedThing

AGENT = Path(__file__).resolve().parents[3] / "images/agent"
PLACES = (AGENT / "places.c").read_text()
LOADING = (AGENT / "loading.c").read_text()
# "kprobe" of "k%sprobe", "tp_btf" of the table of BTF's, "raw_tp" of "raw_tp/%s".
FORMATS = re.findall(r'text_of\(\s*"([a-z_.%]+)[/"]', PLACES + LOADING)
SECTIONS = re.findall(r'\{BPF_\w+, "\w*", "(\w+)"\}', PLACES)


def mistakes(**thing: str) -> list[str]:
    found = LoadedThing.model_validate({"program": "p", **thing})
    return [it.what for it in loadednames.mistakes(found, ())]


def written() -> set[str]:
    """Return the kinds of places that the recorder's source writes."""
    found = {*SECTIONS}
    for text in FORMATS:
        if text.endswith("probe"):
            letters = "ku" if text[:2] == "%c" else text[0]
            found |= {f"{it}{ret}probe" for it in letters for ret in ("", "ret")}
        elif "%" not in text:
            found.add(text)
    return found


def test_every_kind_that_the_recorder_writes_is_known() -> None:
    kinds = written()

    assert {"kprobe", "uretprobe", "fentry", "raw_tp", "socket"} <= kinds
    assert [it for it in kinds if mistakes(attach=it)] == []


@pytest.mark.parametrize(
    "place",
    [
        "kprobe/vfs_read+0x10",
        "uprobe//bin/sh:0x10",
        "kprobe.multi/a,b and 3 more",
        "tracepoint/sched/sched_switch",
        "cgroup_inet_ingress/sys/fs/cgroup",
        "tcx_ingress/eth0",
        "ext",
    ],
)
def test_a_place_as_records_have_it_is_no_mistake(place: str) -> None:
    assert mistakes(attach=place) == []


def test_every_type_is_known() -> None:
    assert [it for it in names.PROGRAM_TYPES[1:] if mistakes(type=it)] == []
