"""Which packages of another architecture are fetched."""

from pathlib import Path
from typing import cast

import pytest

from runner.arch import S390X
from runner.errors import ArtifactError
from runner.guest.sysroot import choice
from runner.kernels.sources.apt import Archive, Package
from runner.kernels.sources.aptplace import AptPlace


def package(name: str, *depends: str) -> Package:
    return Package(
        name=name,
        version="1",
        sha256="0" * 64,
        size=1,
        depends=tuple(tuple(it.split("|")) for it in depends),
    )


class FakeArchive:
    """Has some packages."""

    place = AptPlace(
        address="http://localhost",
        suites=("bookworm",),
        architecture=S390X.debian.name,
        keyring=Path("/none"),
        hint="check the mirror",
    )

    def __init__(self, *packages: Package) -> None:
        self.known = {it.name: it for it in packages}

    def describe(self, names: list[str]) -> list[Package]:
        return [self.known[it] for it in names if it in self.known]


def closure(*packages: Package) -> set[str]:
    return set(choice._closure(cast(Archive, FakeArchive(*packages))))


def roots(**depends: str) -> list[Package]:
    return [
        package(it, *depends.get(it.replace("-", "_"), "").split())
        for it in choice.ROOTS
    ]


def test_packages_bring_what_they_need() -> None:
    found = closure(
        *roots(bpftool="libelf1", dropbear_bin="libc6 libtommath1"),
        package("libelf1", "zlib1g"),
        package("zlib1g", "libc6"),
        package("libc6", "libgcc-s1"),
        package("libgcc-s1", "libc6"),
        package("libtommath1"),
        package("unrelated"),
    )

    assert found == {
        *choice.ROOTS,
        *("libelf1", "zlib1g", "libc6", "libgcc-s1", "libtommath1"),
    }


def test_the_first_alternative_that_is_there_is_taken() -> None:
    found = closure(*roots(libbpf_dev="libc-dev|libc6-other"), package("libc6-other"))

    assert "libc6-other" in found


def test_what_only_installations_run_is_left_out() -> None:
    found = closure(*roots(libc6_dev="libnsl-dev"), package("libnsl-dev", "libtirpc"))

    assert found == set(choice.ROOTS)


def test_a_package_that_is_missing_is_named() -> None:
    with pytest.raises(ArtifactError) as caught:
        closure(*roots(bpftool="libcap2"))

    assert caught.value.message == "bookworm has no package libcap2 for s390x"
