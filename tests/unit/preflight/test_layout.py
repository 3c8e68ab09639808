"""The engine knows libbpf's private structures, of any libbpf, or is not built."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.unit.preflight.made import ROOT

IMAGES = ROOT / "images"
MAIN = """\
#include <stdio.h>
#include "probe.h"
int main(void)
{
	const char *problem = probe_layout();

	puts(problem ? problem : "fits");
	return 0;
}
"""
# Each makes layout.h say something else of one structure: two members in another order,
# or one more or less.
OTHERS = {
    "bpf_core_cand": [
        (
            "const struct btf *btf;\n\t__u32 id;\n};",
            "__u32 id;\n\tconst struct btf *btf;\n};",
        ),
        ("__u32 id;\n};", "__u32 id;\n\tvoid *more;\n};"),
    ],
    "bpf_core_cand_list": [
        ("struct candidate *items;\n\tint len;", "int len;\n\tstruct candidate *items;")
    ],
    "bpf_core_accessor": [
        ("__u32 type_id;\n\t__u32 index;", "__u32 index;\n\t__u32 type_id;"),
        ("const char *name;\n};", "const char *name;\n\tvoid *more;\n};"),
    ],
    "bpf_core_spec": [
        ("#define PATH_MAX_LEN 64", "#define PATH_MAX_LEN 63"),
        ("#define PATH_MAX_LEN 64", "#define PATH_MAX_LEN 65"),
        ("kind kind;\n\tint len;", "kind kind_;\n\tint len;\n\tint kind;"),
        ("int raw_len;\n\t__u32 bit_offset;", "__u32 bit_offset;\n\tint raw_len;"),
        ("__u32 root_type_id;", "__u32 root_type_id;\n\tvoid *more;"),
    ],
    "bpf_core_relo_res": [
        ("bool poison;\n\tbool validate;", "bool validate;\n\tbool poison;"),
        ("\tbool validate;\n", "\tbool more, validate;\n"),
        (
            "relocation_value old_value;\n\trelocation_value new_value;",
            "relocation_value new_value;\n\trelocation_value old_value;",
        ),
        ("__u32 old_size;\n\t__u32 old_type_id;", "__u32 old_type_id, old_size;"),
        ("__u32 new_size;\n\t__u32 new_type_id;", "__u32 new_type_id, new_size;"),
        ("\t__u32 new_type_id;\n", "\t__u32 more, new_type_id;\n"),
    ],
}
CASES = [(name, *change) for name, changes in OTHERS.items() for change in changes]


def changed(images: Path, before: str, after: str) -> None:
    layout = images / "preflight/layout.h"
    text = layout.read_text()
    assert before in text
    layout.write_text(text.replace(before, after, 1))


@pytest.mark.parametrize(("structure", "before", "after"), [("fits", "", ""), *CASES])
def test_what_libbpf_fills_is_where_the_layout_has_it(
    structure: str, before: str, after: str, tmp_path: Path
) -> None:
    shutil.copytree(IMAGES / "preflight", tmp_path / "preflight")
    changed(tmp_path, before, after)
    (tmp_path / "main.c").write_text(MAIN)

    subprocess.run(
        [
            *("gcc", "-std=c11", "-D_GNU_SOURCE", "-o", "main"),
            *("-Ipreflight", f"-I{IMAGES}/common"),
            *("main.c", "preflight/probe.c", f"{IMAGES}/common/older.c"),
            *("-l:libbpf.a", "-lelf", "-lz"),
        ],
        cwd=tmp_path,
        check=True,
    )
    done = subprocess.run([tmp_path / "main"], capture_output=True, text=True)

    # Where a pointer is looked for in another place, libbpf may die of it.
    died = done.returncode < 0 and structure != "fits"
    assert died or structure in done.stdout


def test_an_engine_that_misreads_its_libbpf_is_not_built(tmp_path: Path) -> None:
    for part in ("preflight", "common"):
        shutil.copytree(IMAGES / part, tmp_path / part)
    changed(tmp_path, *OTHERS["bpf_core_relo_res"][0])

    done = subprocess.run(
        ["make", "-s", "-C", tmp_path / "preflight", f"BUILD={tmp_path / 'built'}"],
        capture_output=True,
        text=True,
    )

    assert done.returncode != 0
    assert "error: this libbpf's bpf_core_relo_res differs from" in done.stderr
    assert not (tmp_path / "built/engine").exists()
