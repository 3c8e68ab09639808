"""Fragments and quirks: the shipped ones, and mistakes in others."""

import re
from pathlib import Path

import pytest

from runner.arch import ARM64, S390X, X86_64, Architecture
from runner.errors import UsageError
from runner.kernels import guestconfig
from runner.kernels.kernelbuild import recipe
from runner.versions import KernelVersion
from tests.unit.kernels.kernelbuild.trees import make_recipes


def version(text: str) -> KernelVersion:
    return KernelVersion.parse(text)


def shipped(text: str, **options: str) -> recipe.Recipe:
    return recipe.load(version(text), options)


def requested(made: recipe.Recipe) -> dict[str, str]:
    return {it.name: it.value for it in made.requests}


def test_old_kernel_gets_the_flags_that_it_needs() -> None:
    variables = shipped("4.4.1").variables

    assert variables["KCFLAGS"].split() == [
        *("-fno-pie", "-no-pie", "-fno-stack-protector", "-fcf-protection=none")
    ]
    assert variables["KAFLAGS"] == "-fno-pie"
    assert "-fcommon" in variables["HOSTCFLAGS"]
    assert "max-page-size=0x200000" in variables["LD"]


def test_new_kernel_is_built_as_it_is() -> None:
    made = shipped("6.1")

    assert made.variables == {}
    assert made.edits == ()
    assert made.pahole(version("1.24")) == []


@pytest.mark.parametrize(
    ("kernel", "pahole", "wanted"),
    [
        ("5.14", "1.24", ["--skip_encoding_btf_enum64"]),
        ("5.14", "1.22", []),
        ("6.0", "1.24", []),
    ],
)
def test_pahole_is_told_what_it_knows(
    kernel: str, pahole: str, wanted: list[str]
) -> None:
    assert shipped(kernel).pahole(version(pahole)) == wanted


def test_fragments_are_for_versions() -> None:
    assert "DEBUG_INFO_BTF" not in requested(shipped("5.3"))
    assert requested(shipped("5.4"))["DEBUG_INFO_BTF"] == "y"
    assert "BPF_LSM" not in requested(shipped("5.6"))


@pytest.mark.parametrize(
    ("name", "option"),
    [("kasan", "KASAN"), ("lockdep", "PROVE_LOCKING"), ("ubsan", "UBSAN")],
)
def test_a_row_asks_for_fragments_that_watch_the_kernel(name: str, option: str) -> None:
    made = recipe.load(version("6.1"), {}, named=[name])

    assert requested(made)[option] == "y"
    assert option not in requested(shipped("6.1"))
    assert recipe.fingerprint({}, named=[name]) != recipe.fingerprint({})


def test_the_rows_own_options_count_more_than_its_fragments() -> None:
    made = recipe.load(version("6.1"), {"KASAN_INLINE": "n"}, named=["kasan"])

    assert requested(made)["KASAN_INLINE"] == "n"


@pytest.mark.parametrize("kernel", ["4.18.0-240.el8", "4.18.0-553.66.1.el8_10.x86_64"])
def test_rhel_8_gets_what_it_needs_and_upstreams_4_18_does_not(kernel: str) -> None:
    made = shipped(kernel)

    assert "-Wno-error" in made.variables["KCFLAGS"]
    assert requested(made)["DEBUG_INFO_BTF"] == "y"
    assert requested(made)["BPF_LSM"] == "y"
    assert requested(made)["RHEL_DIFFERENCES"] == "y"
    assert made.pahole(version("1.24")) == ["--skip_encoding_btf_enum64"]
    upstream = shipped("4.18")
    assert "-Wno-error" not in upstream.variables["KCFLAGS"]
    assert {"DEBUG_INFO_BTF", "RHEL_DIFFERENCES"}.isdisjoint(requested(upstream))


# A file of RHEL 8, the release that has the trouble first and the one before it, what
# stands there, and what it becomes.
EDITS = [
    (
        *("init/Kconfig", "4.18.0-305.el8", "4.18.0-240.el8"),
        '\ttristate "Kernel .config support"',
        '\ttristate "Kernel .config support"\n\tselect BUILD_BIN2C',
    ),
    (
        *("drivers/virtio/Makefile", "4.18.0-348.el8", "4.18.0-305.el8"),
        "obj-$(CONFIG_VIRTIO) += virtio.o virtio_ring.o virtio_dma_buf.o",
        "obj-$(CONFIG_VIRTIO) += virtio.o virtio_ring.o\n"
        "obj-$(CONFIG_DMA_SHARED_BUFFER) += virtio_dma_buf.o",
    ),
    (
        *("arch/x86/kernel/alternative.c", "4.18.0-372.el8", "4.18.0-348.el8"),
        "\tparavirt_set_cap();",
        "#ifdef CONFIG_PARAVIRT_SPINLOCKS\n\tparavirt_set_cap();\n#endif",
    ),
    (
        *("arch/x86/entry/entry_64.S", "4.18.0-425.el8", "4.18.0-372.el8"),
        "idtentry_vc vmm_communication do_vmm",
        "#ifdef CONFIG_AMD_MEM_ENCRYPT\nidtentry_vc vmm_communication do_vmm\n#endif",
    ),
    (
        *("arch/x86/mm/cpu_entry_area.c", "4.18.0-513.el8", "4.18.0-477.el8"),
        "\tif (!kaslr_enabled()) {",
        "\tif (!IS_ENABLED(CONFIG_RANDOMIZE_BASE) || !kaslr_enabled()) {",
    ),
    (
        *("arch/x86/boot/header.S", "4.18.0-553.el8_10", "4.18.0-513.el8"),
        "\t.macro\t\t__handover_offset\n#if !defined(CONFIG_X86_64)",
        "\t.macro\t\t__handover_offset\n#ifndef CONFIG_EFI_STUB\n\t.long\t\t0\n"
        "#elif !defined(CONFIG_X86_64)",
    ),
]


@pytest.mark.parametrize(
    ("file", "first", "before", "text", "edited"), EDITS, ids=[it[0] for it in EDITS]
)
def test_later_kernels_of_rhel_8_are_edited_where_they_do_not_build(
    file: str, first: str, before: str, text: str, edited: str
) -> None:
    (edit,) = [it for it in shipped(first).edits if it.file == file]

    assert re.sub(edit.find, edit.replace, text, flags=re.MULTILINE) == edited
    # A tree that has something else stays as it is.
    assert not re.search(edit.find, f"/* {text}", flags=re.MULTILINE)
    assert file in {it.file for it in shipped("4.18.0-553.66.1.el8_10").edits}
    for other in (before, "4.18", "5.14.0-570.el9"):
        assert file not in {it.file for it in shipped(other).edits}


def test_rhel_9_is_built_as_upstreams_5_14() -> None:
    made, upstream = shipped("5.14.0-570.32.1.el9_6"), shipped("5.14")

    assert made.variables == upstream.variables
    assert made.edits == upstream.edits
    assert made.requests == upstream.requests


def test_options_of_a_row_count_most() -> None:
    made = shipped("5.10", DEBUG_INFO_BTF="n")

    assert requested(made)["DEBUG_INFO_BTF"] == "n"
    assert [it for it in made.requests if it.where == "the row's options"]


def test_every_quirk_tells_its_reason() -> None:
    for kernel in ("4.4", "4.11", "5.5", "5.14"):
        assert all(len(quirk.why) > 20 for quirk in shipped(kernel).quirks)


def test_fingerprint_changes_with_files_and_options(tmp_path: Path) -> None:
    folder = make_recipes(tmp_path / "recipes")
    before = recipe.fingerprint({}, folder)

    assert recipe.fingerprint({"NET": "n"}, folder) != before
    assert recipe.fingerprint({}, folder, "gcc-11") != before
    (folder / "base.config").write_text("CONFIG_64BIT=y\n")
    assert recipe.fingerprint({}, folder) != before


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"fragments.yaml": "- file: none.config\n"}, r"fragments\.yaml:1: .*none"),
        ({"fragments.yaml": "- {file: base.config, kernels: old}\n"}, "'old'"),
        ({"quirks.yaml": '- {kernels: "<5", why: ""}\n'}, r"quirks\.yaml:1"),
        (
            {"quirks.yaml": '- {kernels: "<5", why: x, make: {CC: [tcc]}}\n'},
            "KCFLAGS",
        ),
        (
            {
                "quirks.yaml": '- {kernels: "<5", why: x, '
                'edits: [{file: Makefile, find: "(", replace: ""}]}\n'
            },
            "regular expression",
        ),
        (
            {
                "quirks.yaml": '- {kernels: "<5", why: x, '
                'edits: [{file: ../x, find: "", replace: ""}]}\n'
            },
            r"\.\./x",
        ),
        ({"base.config": "NET=y\n"}, r"base\.config:1"),
    ],
)
def test_mistakes_in_tables_are_told(
    tmp_path: Path, files: dict[str, str], told: str
) -> None:
    folder = make_recipes(tmp_path / "recipes", files)

    with pytest.raises(UsageError, match=told):
        recipe.load(version("4.4"), {}, folder)


@pytest.mark.parametrize("architecture", [X86_64, ARM64, S390X], ids=lambda it: it.name)
def test_a_built_kernel_has_what_the_machine_of_its_architecture_needs(
    architecture: Architecture,
) -> None:
    made = recipe.load(version("6.1"), {}, architecture=architecture)

    # Only x86 has to be asked for 64 bits.
    config = {"64BIT": "y", **made.requested}
    assert guestconfig.missing(config, architecture) == []
    # What only another machine has, is not asked for: it would be refused.
    others = {X86_64, ARM64, S390X} - {architecture}
    foreign = {name for it in others for name, _ in it.board.options}
    own = {name for name, _ in architecture.board.options} | {"PCI"}
    assert not foreign - own & made.requested.keys()


def test_a_kernel_of_another_architecture_is_another_one() -> None:
    prints = {recipe.fingerprint({}, architecture=it) for it in (X86_64, ARM64, S390X)}

    assert len(prints) == 3


def test_a_fragment_of_another_architecture_does_not_count(tmp_path: Path) -> None:
    rows = "- {file: a.config, arch: arm64}\n- {file: s.config, arch: s390x}\n"
    files = {"fragments.yaml": rows, "a.config": "CONFIG_A=y\n", "s.config": ""}
    folder = make_recipes(tmp_path / "recipes", files)
    before = recipe.fingerprint({}, folder, architecture=ARM64)

    (folder / "s.config").write_text("CONFIG_S=y\n")
    assert recipe.fingerprint({}, folder, architecture=ARM64) == before
    (folder / "a.config").write_text("CONFIG_B=y\n")
    assert recipe.fingerprint({}, folder, architecture=ARM64) != before
