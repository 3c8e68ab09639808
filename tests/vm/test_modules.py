"""Modules whose BTF is empty, or was made for another kernel, in real guests."""

import re
import struct

import pytest

from runner.files.cache import Cache
from runner.kernels import fetch, modulefiles
from runner.matrix import matrix
from runner.results import Outcome
from runner.text.progress import progress
from tests.unit.preflight.raw import TYPEDEF, Raw
from tests.vm.conftest import DATA, ROOT, Finished, run

pytestmark = pytest.mark.vm

# A header, and neither types nor strings: what pahole makes of sha1_ssse3.
EMPTY = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, 0, 0, 0)
VEGAS = """\
{modules: [dummy, tcp_vegas], sysctl: {net.ipv4.tcp_congestion_control: vegas}}"""
SUITE = f"""\
description: Modules with a strange BTF.
cases:
  - name: needs_none
    object: fine.bpf.c
    guest: {VEGAS}
    trigger: [{{test_run: length}}]
    expect: [{{value: "${{run.retval}}", equals: 50}}]
  - name: needs_another
    object: vegas.bpf.c
    guest: {VEGAS}
    trigger: [{{tcp: 10}}]
    expect: [{{map: begun, key: 0, field: sockets, equals: 2}}]
  - name: mismatched
    object: fine.bpf.c
    guest: {{modules: [tcp_dctcp]}}
    trigger: [{{test_run: length}}]
    expect: [{{value: "${{run.retval}}", equals: 50}}]
  - name: mismatched_and_needed
    object: dctcp.bpf.c
    guest: {{modules: [tcp_dctcp]}}
    must_run: false
    expect: [{{map: seen, key: 0, equals: 0}}]
  - name: unfit
    object: fine.bpf.c
    guest: {{modules: [dummy, kvm_amd, kvm_intel]}}
    trigger: [{{test_run: length}}]
    expect: [{{value: "${{run.retval}}", equals: 50}}]
"""
DCTCP = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32);
  __type(value, __u64); } seen SEC(".maps");
SEC("fentry/dctcp_init") int on_init(void *ctx) { return 0; }
char LICENSE[] SEC("license") = "GPL";
"""


def with_btf(module: bytes, btf: bytes) -> bytes:
    """Return a module with another .BTF, which is put at its end."""
    table = struct.unpack_from("<Q", module, 0x28)[0]
    size, count, names = struct.unpack_from("<HHH", module, 0x3A)
    rows = [table + it * size for it in range(count)]
    at = struct.unpack_from("<Q", module, rows[names] + 24)[0]
    end = len(module) + -len(module) % 8
    changed = bytearray(module.ljust(end, b"\0") + btf)
    for row in rows:
        name = at + struct.unpack_from("<I", module, row)[0]
        if module[name : name + 5] == b".BTF\0":
            struct.pack_into("<QQ", changed, row + 24, end, len(btf))
            return bytes(changed)
    raise AssertionError("the module has no .BTF")


def of_another_kernel() -> bytes:
    """Return a BTF that refers to types which this kernel does not have."""
    raw = Raw(base=(10_000_000, 100_000_000))
    raw.add(TYPEDEF, "far", 9_999_999)
    return raw.data


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("modules")
    kernels = matrix.load(ROOT / "matrix.yaml").kernels
    kernel = next(it for it in kernels if it.id == "6.1")
    artifact = fetch.obtain(kernel, Cache(), progress())
    wanted = ("dummy", "tcp_vegas", "tcp_dctcp", "kvm_amd", "kvm_intel")
    chosen = modulefiles.choose(wanted, kernel, artifact, Cache(), progress())
    btfs = {"dummy": EMPTY, "tcp_dctcp": of_another_kernel()}
    modules = folder / "modules"
    modules.mkdir()
    for path in (*artifact.modules, *chosen.paths):
        data = path.read_bytes()
        btf = btfs.get(path.stem)
        (modules / path.name).write_bytes(with_btf(data, btf) if btf else data)
    (folder / "matrix.yaml").write_text(
        "kernels:\n- id: '6.1'\n  source: {type: path, "
        f"image: {artifact.vmlinuz}, modules: {modules}, config: {artifact.config}}}\n"
    )
    suite = folder / "strange"
    suite.mkdir()
    for source in (
        DATA / "suites/hostile/fine.bpf.c",
        ROOT / "suites/modules/vegas.bpf.c",
    ):
        (suite / source.name).write_text(source.read_text())
    (suite / "dctcp.bpf.c").write_text(DCTCP)
    (suite / "suite.yaml").write_text(SUITE)
    return run(
        *("--matrix", folder / "matrix.yaml", "--suite", suite, "-n", "1"),
        reports=folder / "reports",
    )


@pytest.mark.parametrize("name", ["needs_none", "needs_another", "mismatched"])
def test_a_strange_btf_stops_no_object_that_does_not_need_it(
    finished: Finished, name: str
) -> None:
    case = finished.case(name)

    assert case.outcome is Outcome.PASSED, case.message
    assert case.predicted == "loads"


def test_what_needs_a_btf_that_does_not_fit_is_refused_for_that(
    finished: Finished,
) -> None:
    case = finished.case("mismatched_and_needed")

    assert case.failure_class == "module_btf_invalid"
    assert "the kernel did not take the BTF of tcp_dctcp" in case.message
    assert case.predicted == "rejected"


def test_a_module_that_does_not_suit_the_processor_is_named_with_the_reason(
    finished: Finished,
) -> None:
    # No processor has both.
    case = finished.case("unfit")

    assert case.failure_class == "module_missing"
    assert re.search(r"modules did not load: kvm_(amd|intel) \([A-Z].+\)", case.message)
    assert case.cure.startswith("take the module out of `modules`"), case.cure
