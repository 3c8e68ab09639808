"""The objects that `check` is given, with the modules that their suites load."""

from pathlib import Path

import pytest

from runner.arch import X86_64
from runner.bpf.compile import CompileError
from runner.cli import givenobjects
from runner.errors import UsageError
from runner.files.cache import Cache
from runner.suites.builds import Axes
from tests.unit.preflight.made import HEAD, build, compiled

SOURCE = 'SEC("xdp") int on_packet(struct xdp_md *packet) { return XDP_PASS; }\n'
SUITE = """\
description: Modules.
guest: {modules: [nf_conntrack]}
cases:
  - {name: of_suite, object: one.bpf.o, WHY}
  - {name: own, object: one.bpf.o, guest: {modules: [xfs, loop]}, WHY}
  - {name: none, object: one.bpf.o, guest: {modules: []}, WHY}
  - {name: again, object: one.bpf.o, guest: {cpus: 1}, WHY}
  - {name: other, object: two.bpf.o, WHY}
""".replace("WHY", "expect_failure: {class: kfunc_missing, reason: x}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("one", "two", "three"):
        (tmp_path / f"{name}.bpf.o").write_bytes(compiled(HEAD + SOURCE))
    (tmp_path / "suite.yaml").write_text(SUITE)
    return tmp_path


def no_types(kernel_id: str) -> Path:
    raise AssertionError(kernel_id)


def found(
    folder: Path, modules: tuple[str, ...] | None = None
) -> list[tuple[str, tuple[str, ...] | None]]:
    cache = Cache(root=folder / "cache")
    given, refused = givenobjects.find(
        [folder], Axes(), [X86_64], cache, build(), no_types, modules
    )
    assert not refused
    return [(it.name, it.modules) for it in given]


def test_an_object_is_checked_with_each_list_of_modules_that_its_suite_has(
    folder: Path,
) -> None:
    assert found(folder) == [
        ("one.bpf.o (with nf_conntrack)", ("nf_conntrack",)),
        ("one.bpf.o (with xfs, loop)", ("xfs", "loop")),
        ("one.bpf.o (without modules)", ()),
        # No case loads it, so only the kernel's row counts.
        ("three.bpf.o", None),
        ("two.bpf.o", ("nf_conntrack",)),
    ]


@pytest.mark.parametrize("modules", [(), ("dummy",)])
def test_what_the_command_line_names_counts_alone(
    folder: Path, modules: tuple[str, ...]
) -> None:
    assert found(folder, modules) == [
        (f"{name}.bpf.o", modules) for name in ("one", "three", "two")
    ]


OPENED = """\
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
SEC("xdp") int on_packet(struct of_kernel *it) { return it->field; }
char LICENSE[] SEC("license") = "GPL";
"""
TYPES = """\
description: Types of kernels.
cases:
  - {name: old, object: one.bpf.c, vmlinux: "6.1", WHY}
  - {name: again, object: one.bpf.c, vmlinux: "6.1", WHY}
  - {name: new, object: one.bpf.c, vmlinux: "6.12", variants: [{mcpu: v3}], WHY}
""".replace("WHY", "expect_failure: {class: kfunc_missing, reason: x}")


def typed(tmp_path: Path, suite: str, vmlinux: str | None = None) -> list[str]:
    folder = tmp_path / "suite"
    folder.mkdir(exist_ok=True)
    (folder / "one.bpf.c").write_text(OPENED)
    if suite:
        (folder / "suite.yaml").write_text(suite)

    def types(kernel_id: str) -> Path:
        if kernel_id == "7.0":
            raise UsageError("vmlinux: the matrix has no kernel '7.0'")
        headers = tmp_path / f"headers-{kernel_id}"
        headers.mkdir(exist_ok=True)
        wide = "unsigned int field;" if kernel_id == "6.1" else "long pad, field;"
        (headers / "vmlinux.h").write_text(
            "typedef unsigned int __u32; typedef unsigned long long __u64;\n"
            "typedef unsigned short __u16; typedef unsigned char __u8;\n"
            "typedef int __s32; typedef __u16 __be16; typedef __u32 __be32;\n"
            "typedef long long __s64; typedef __u32 __wsum;\n"
            "enum bpf_map_type { BPF_MAP_TYPE_UNSPEC };\n"
            f"struct of_kernel {{ {wide} }};\n"
        )
        return headers

    cache = Cache(root=tmp_path / "cache")
    given, refused = givenobjects.find(
        [folder], Axes(), [X86_64], cache, build(), types, vmlinux=vmlinux
    )
    assert not refused
    assert len({it.path.read_bytes() for it in given}) == len(given)
    return [it.name for it in given]


def test_a_source_includes_the_types_of_each_kernel_that_its_suite_names(
    tmp_path: Path,
) -> None:
    assert typed(tmp_path, TYPES) == [
        "one.bpf.o (types of 6.1)",
        "one.bpf.o[v3] (types of 6.12)",
    ]
    one = TYPES.replace("6.12", "6.1").replace("variants: [{mcpu: v3}], ", "")
    assert typed(tmp_path, one) == ["one.bpf.o"]


def test_the_command_line_names_types_where_no_suite_does(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match=r"vmlinux\.h"):
        typed(tmp_path, "")
    assert typed(tmp_path, "", "6.1") == ["one.bpf.o"]
    # What the suite says counts.
    assert typed(tmp_path, TYPES, "6.1") == [
        "one.bpf.o (types of 6.1)",
        "one.bpf.o[v3] (types of 6.12)",
    ]


def test_a_kernel_that_no_matrix_has_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no kernel '7\.0'"):
        typed(tmp_path, TYPES.replace("6.12", "7.0").replace("6.1", "7.0"))


EXTENDS = """\
description: Programs in the place of others.
cases:
  - {name: none, object: one.bpf.o, WHY}
  - name: two
    object: one.bpf.o
    extends: {object: two.bpf.o, program: on_packet}
    WHY
""".replace("WHY", "expect_failure: {class: kfunc_missing, reason: x}")


def test_an_object_is_checked_with_each_object_that_its_suite_says_it_extends(
    folder: Path,
) -> None:
    (folder / "suite.yaml").write_text(EXTENDS)

    given, refused = givenobjects.find(
        *([folder / "one.bpf.o"], Axes(), [X86_64]),
        *(Cache(root=folder / "cache"), build(), no_types),
    )

    assert not refused
    other = {X86_64.name: folder / "two.bpf.o"}
    assert [(it.name, it.extended) for it in given] == [
        ("one.bpf.o", {}),
        ("one.bpf.o (extends two.bpf.o)", other),
    ]
