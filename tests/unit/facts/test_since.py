"""The versions of types and helpers, compared with the installed Linux's header."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from runner.facts import names, since
from runner.versions import KernelVersion

# Of Debian's package linux-libc-dev, which libbpf-dev needs.
HEADERS = Path("/usr/include/linux")


def installed() -> KernelVersion:
    """Return the version of Linux that the headers are of."""
    text = (HEADERS / "version.h").read_text()
    numbers = [
        re.search(rf"LINUX_VERSION_{name}\s+(\d+)", text)
        for name in ("MAJOR", "PATCHLEVEL")
    ]
    return KernelVersion.parse(".".join(it[1] for it in numbers if it))


def enumerated(enum: str) -> set[str]:
    """Return the names of an enumeration in bpf.h."""
    text = (HEADERS / "bpf.h").read_text()
    found = re.search(rf"^enum {enum} {{(.*?)^}}", text, re.M | re.S)
    assert found is not None
    return set(re.findall(r"^\s*(BPF_\w+)", found[1], re.M))


@pytest.mark.parametrize(
    ("table", "enum", "prefix"),
    [
        (since.MAP_TYPES, "bpf_map_type", "BPF_MAP_TYPE_"),
        (since.PROGRAM_TYPES, "bpf_prog_type", "BPF_PROG_TYPE_"),
        (since.ATTACH_TYPES, "bpf_attach_type", "BPF_"),
        (since.LINK_TYPES, "bpf_link_type", "BPF_LINK_TYPE_"),
    ],
    ids=["maps", "programs", "attach", "links"],
)
def test_the_installed_header_has_what_is_of_its_version_or_older(
    table: Mapping[str, str], enum: str, prefix: str
) -> None:
    there, version = enumerated(enum), installed()

    for name, first in table.items():
        is_there = f"{prefix}{name.upper()}" in there
        assert is_there == (KernelVersion.parse(first) <= version), name


def test_helpers_are_in_the_installed_header_as_well() -> None:
    text, version = (HEADERS / "bpf.h").read_text(), installed()

    for name, first in since.HELPERS.items():
        is_there = f"FN({name.removeprefix('bpf_')}" in text
        assert is_there == (KernelVersion.parse(first) <= version), name


@pytest.mark.parametrize(
    ("table", "known"),
    [
        (since.MAP_TYPES, names.MAP_TYPES),
        (since.PROGRAM_TYPES, names.PROGRAM_TYPES),
        (since.ATTACH_TYPES, names.ATTACH_TYPES),
        (since.LINK_TYPES, names.LINK_TYPES),
        (since.HELPERS, names.HELPERS),
    ],
    ids=["maps", "programs", "attach", "links", "helpers"],
)
def test_later_numbers_are_not_of_earlier_versions(
    table: Mapping[str, str], known: tuple[str, ...]
) -> None:
    assert set(table) <= set(known)
    ordered = [KernelVersion.parse(table[name]) for name in known if name in table]

    assert ordered == sorted(ordered)
