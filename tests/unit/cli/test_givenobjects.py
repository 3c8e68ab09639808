"""The objects that `check` is given, with the modules that their suites load."""

from pathlib import Path

import pytest

from runner.arch import X86_64
from runner.cli import givenobjects
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


def found(
    folder: Path, modules: tuple[str, ...] | None = None
) -> list[tuple[str, tuple[str, ...] | None]]:
    cache = Cache(root=folder / "cache")
    given, refused = givenobjects.find(
        [folder], Axes(), [X86_64], cache, build(), modules
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
