"""Modules of a kernel's package that guests load, their BTF, and who has what."""

import lzma
import shutil
import struct
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import zstandard

from runner.errors import ArtifactError
from runner.files.cache import Cache
from runner.kernels import fetch, modulefiles, moduleowners
from runner.kernels.artifact import Artifact
from runner.kernels.modulefiles import NONE, ChosenModules, ModuleMissingError
from runner.kernels.sources.kernelorg import KernelOrg
from runner.kernels.sources.localpath import LocalFiles
from runner.kernels.sources.source import Collected, Pin, Workplace
from runner.matrix.matrix import Kernel, KernelOrgSource, PathSource
from tests.unit.kernels import images
from tests.unit.kernels.silent import Silent
from tests.unit.preflight.raw import Raw, a_kernel

RELEASE = "6.1.0-x"
BASE = a_kernel()
BASE.struct("task_struct", 8, ("pid", 2, 0))
WITH_BTF = images.GUEST_CONFIG + b"CONFIG_DEBUG_INFO_BTF_MODULES=y\n"


def btf(*structs: str) -> bytes:
    """Return a module's BTF, on top of the kernel's."""
    raw = Raw(base=BASE.counts)
    for name in structs:
        raw.struct(name, 4, ("value", 2, 0))
    return raw.data


def ko(*depends: str, data: bytes | None = None, **symbols: int) -> bytes:
    """Return a module; `symbols` are functions, and the section that each is in."""
    names = b"\0" + b"".join(it.encode() + b"\0" for it in symbols)
    table = bytes(24)
    for name, section in symbols.items():
        at = names.index(b"\0" + name.encode() + b"\0") + 1
        table += struct.pack("<IBBHQQ", at, 0x12, 0, section, 0, 4)
    modinfo = b"license=GPL\0depends=" + ",".join(depends).encode() + b"\0"
    sections = {".modinfo": modinfo, ".symtab": table, ".strtab": names}
    return images.elf(sections | ({} if data is None else {".BTF": data}))


FILES = {
    "net/nf_conntrack.ko.xz": lzma.compress(
        ko("nf-defrag", data=btf("nf_conn"), bpf_ct_release=1, panic=0)
    ),
    "net/nf-defrag.ko.zst": zstandard.compress(ko(data=btf("defrag"), shared=1)),
    # Empty, as it is where a module has no types but the kernel's.
    "crypto/sha1_ssse3.ko": ko(data=b"", shared=1),
    # It has no BTF at all.
    "fs/plain.ko": ko(),
    "fs/lost.ko": ko("nobody"),
    "lib/libcrc.ko": images.module(softdep="pre: crc"),
    "lib/crc_fast.ko": images.module(alias="crc"),
}


@dataclass
class Package:
    """A kernel on the disk, and its artifact."""

    kernel: Kernel
    artifact: Artifact
    cache: Cache
    folder: Path

    def choose(self, *names: str) -> ChosenModules:
        return modulefiles.choose(
            names, self.kernel, self.artifact, self.cache, Silent()
        )

    def owners(self) -> moduleowners.ModuleOwners:
        return moduleowners.owners(self.kernel, self.artifact, self.cache, Silent())


def package(folder: Path, config: bytes = WITH_BTF) -> Package:
    modules = folder / "modules"
    for name, data in FILES.items():
        path = modules / "kernel" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (modules / "modules.builtin").write_text("kernel/fs/ext4.ko\n")
    image, options = folder / "bzImage", folder / "config"
    image.write_bytes(images.bzimage(RELEASE, {".text": b"\x90", ".BTF": BASE.data}))
    options.write_bytes(config)
    source = PathSource(type="path", image=image, modules=modules, config=options)
    kernel = Kernel(id="6.1", source=source)
    cache = Cache(root=folder / "cache")
    found = fetch.obtain(kernel, cache, Silent())
    return Package(kernel=kernel, artifact=found, cache=cache, folder=folder)


@pytest.fixture
def there(tmp_path: Path) -> Package:
    return package(tmp_path)


def test_a_module_comes_after_what_it_needs_and_as_the_kernel_loads_it(
    there: Package,
) -> None:
    found = there.choose("nf-conntrack")

    assert [it.stem for it in found.paths] == ["nf_defrag", "nf_conntrack"]
    assert all(it.read_bytes().startswith(b"\x7fELF") for it in found.paths)
    assert [it.read_bytes() for it in found.btfs] == [btf("defrag"), btf("nf_conn")]


def test_what_a_module_wishes_for_need_not_be_loaded(there: Package) -> None:
    found = there.choose("libcrc")

    assert [it.stem for it in found.paths] == ["crc_fast", "libcrc"]
    assert found.needed == ("libcrc",)


def test_nothing_is_looked_for_where_nothing_is_wanted(there: Package) -> None:
    shutil.rmtree(there.folder / "modules")

    assert there.choose() == NONE


def test_a_package_is_read_once(there: Package) -> None:
    there.choose("plain")
    shutil.rmtree(there.folder / "modules")

    assert [it.stem for it in there.choose("nf_defrag").paths] == ["nf_defrag"]


def test_what_is_built_in_is_told_and_not_loaded(there: Package) -> None:
    found = there.choose("ext4", "plain")

    assert found.built_in == ("ext4",)
    assert [it.stem for it in found.paths] == ["plain"]


def test_a_module_that_the_package_lacks_gets_near_names(there: Package) -> None:
    with pytest.raises(ModuleMissingError) as caught:
        there.choose("nf_contrack")

    assert f"{RELEASE} has no module nf_contrack" in caught.value.message
    assert "nf_conntrack" in caught.value.message


def test_a_dependency_that_the_package_lacks_is_told(there: Package) -> None:
    with pytest.raises(ArtifactError, match="no module nobody, which lost needs"):
        there.choose("lost")


def test_a_module_without_btf_or_with_an_empty_one_has_none(there: Package) -> None:
    found = there.choose("plain", "sha1_ssse3", "nf_defrag")

    assert [it.stem for it in found.paths] == ["plain", "sha1_ssse3", "nf_defrag"]
    assert [it.stem for it in found.btfs] == ["nf_defrag"]


def test_guests_have_the_btf_of_what_they_load(there: Package) -> None:
    chosen = there.choose("nf_conntrack")
    found = modulefiles.btfs(there.artifact, chosen, there.cache)

    assert [it.stem for it in found] == ["nf_defrag", "nf_conntrack"]
    assert modulefiles.btfs(there.artifact, NONE, there.cache) == ()


def test_a_kernel_that_shows_no_btf_of_modules_has_none(tmp_path: Path) -> None:
    older = package(tmp_path, images.GUEST_CONFIG)
    chosen = older.choose("nf_conntrack")

    assert modulefiles.btfs(older.artifact, chosen, older.cache) == ()
    assert older.owners().types == {}
    assert older.owners().of("bpf_ct_release") == ("nf_conntrack",)


def test_who_has_a_function_or_a_type_is_known(there: Package) -> None:
    found = there.owners()

    assert found.of("bpf_ct_release") == ("nf_conntrack",)
    assert found.of("bpf_ct_release___old") == ("nf_conntrack",)
    assert set(found.of("shared")) == {"nf_defrag", "sha1_ssse3"}
    assert found.of("nf_conn") == ("nf_conntrack",)
    # It is used there, and defined elsewhere; and a type of the kernel's own.
    assert found.of("panic") == ()
    assert found.of("task") == ()


@pytest.mark.parametrize("modular", [False, True], ids=["all built in", "modular"])
def test_a_kernel_without_modules_is_not_built_again_for_them(
    modular: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = package(tmp_path, WITH_BTF + (b"CONFIG_VETH=m\n" if modular else b""))
    built = KernelOrgSource(
        type="kernel-org", version="6.1", tarball=str(tmp_path / "gone.tar.xz")
    )
    known = fetch.pinned(there.kernel, there.cache)
    assert known is not None
    monkeypatch.setattr(fetch, "pinned", lambda *_: replace(known, source=built))
    collected: list[KernelOrgSource] = []

    def collect(
        _: KernelOrg, pin: Pin, source: KernelOrgSource, work: Workplace
    ) -> Collected:
        collected.append(source)
        return Collected(contents={}, origin=pin.origin)

    monkeypatch.setattr(KernelOrg, "collect", collect)

    with pytest.raises(ModuleMissingError, match="has no module veth"):
        there.choose("veth")

    assert collected == ([built] if modular else [])


def test_nothing_is_fetched_where_all_that_is_wanted_is_built_in(
    there: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    def collect(*_: object) -> Collected:
        raise AssertionError("the package was read")

    monkeypatch.setattr(LocalFiles, "collect", collect)

    assert there.choose("ext4").built_in == ("ext4",)
