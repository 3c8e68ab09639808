"""Which packages a row means, in real repositories."""

import gzip
import re
from collections.abc import Callable
from typing import Any

import pytest

from runner.errors import ArtifactError
from runner.files.cache import Cache
from runner.kernels import fetch
from runner.kernels.sources.rpm.provider import Rpm
from runner.matrix.matrix import Kernel
from runner.versions import VersionRange
from tests.unit.kernels import images
from tests.unit.kernels.rpm import kernels
from tests.unit.kernels.rpm.conftest import Maker, row
from tests.unit.kernels.rpm.made import RpmRepository, Spec
from tests.unit.kernels.silent import Silent


def core(version: str, release: str = "1.el9", **more: Any) -> Spec:
    return Spec(name="kernel-core", version=version, release=release, **more)


def named(repository: RpmRepository, cache: Cache, **keys: object) -> list[str]:
    """Return the packages that a row of the repository means."""
    pin = Rpm().resolve(row(repository, gpgcheck=False, **keys), cache)
    return [item.name for item in pin.items]


def test_newest_is_chosen_by_the_order_of_rpm(
    repository: RpmRepository, make: Maker, cache: Cache
) -> None:
    repository.publish(
        make(core("5.14.0", "70.el9")),
        make(core("5.14.0", "570.12.1.el9_6")),
        make(core("5.14.0", "570.el9")),
        make(core("5.14.0~rc1", "999.el9")),
    )

    assert named(repository, cache) == ["kernel-core-5.14.0-570.12.1.el9_6.x86_64"]


def test_epoch_makes_a_lower_version_the_newest(
    repository: RpmRepository, make: Maker, cache: Cache
) -> None:
    repository.publish(make(core("5.14.0")), make(core("4.18.0", epoch=1)))

    assert named(repository, cache) == ["kernel-core-1:4.18.0-1.el9.x86_64"]


@pytest.mark.parametrize(
    "version",
    [
        "5.14.0-70.el9",
        "5.14.0-70.el9.x86_64",
        "kernel-core-5.14.0-70.el9",
        "kernel-core-5.14.0-70.el9.x86_64",
        "1:5.14.0-70.el9",
    ],
)
def test_exact_version_is_chosen_however_it_is_written(
    version: str, repository: RpmRepository, make: Maker, cache: Cache
) -> None:
    repository.publish(
        make(core("5.14.0", "70.el9", epoch=1)),
        make(core("5.14.0", "570.el9", epoch=1)),
    )

    (found,) = named(repository, cache, version=version)
    assert found == "kernel-core-1:5.14.0-70.el9.x86_64"


def test_version_that_is_not_there_is_an_error_that_lists_near_ones(
    repository: RpmRepository, make: Maker, cache: Cache
) -> None:
    repository.publish(make(core("5.14.0", "70.el9")), make(core("6.12.0", "1.el10")))

    with pytest.raises(
        ArtifactError, match=r"no kernel-core of version 5\.14\.0-71"
    ) as it:
        named(repository, cache, version="5.14.0-71.el9")
    assert it.value.hint.startswith("it has 5.14.0-70.el9")


def test_package_that_is_not_there_is_an_error_with_a_near_name(
    repository: RpmRepository, make: Maker, cache: Cache
) -> None:
    repository.publish(make(core("5.14.0")))

    with pytest.raises(ArtifactError, match="has no package kernel-cor\n") as it:
        named(repository, cache, package="kernel-cor")
    assert it.value.hint == "did you mean 'kernel-core'?"


def test_repository_without_a_kernel_says_so(
    repository: RpmRepository, make: Maker, cache: Cache
) -> None:
    repository.publish(make(Spec(name="bash")))

    with pytest.raises(ArtifactError, match="has no package kernel-core") as it:
        named(repository, cache)
    assert "it has no kernel" in it.value.hint


def test_package_of_this_architecture_is_taken_though_another_is_newer(
    repository: RpmRepository, make: Maker, cache: Cache
) -> None:
    repository.publish(
        make(core("5.14.0", "2.el9", arch="aarch64")), make(core("5.14.0", "1.el9"))
    )

    assert named(repository, cache) == ["kernel-core-5.14.0-1.el9.x86_64"]


def test_package_of_another_architecture_only_is_an_error_that_names_it(
    repository: RpmRepository, make: Maker, cache: Cache
) -> None:
    repository.publish(make(core("5.14.0", arch="aarch64")))

    with pytest.raises(
        ArtifactError, match="kernel-core for aarch64 only, not for x86"
    ):
        named(repository, cache)


@pytest.mark.parametrize("arch", ["aarch64", "s390x"])
def test_row_of_an_architecture_gets_its_packages_from_its_repository(
    arch: str, repository: RpmRepository, make: Maker, cache: Cache
) -> None:
    required = f"kernel-modules-core-uname-r = 5.14.0-1.el9.{arch}"
    placed = RpmRepository(
        root=repository.root, server=repository.server, path=f"/9/{arch}/os"
    )
    placed.publish(
        make(core("5.14.0", "9.el9")),
        make(core("5.14.0", arch=arch, requires=[required])),
        make(Spec(name="kernel-modules-core", arch=arch, provides=[required])),
    )
    source = row(
        repository,
        baseurl=f"{repository.server.url}/9/$basearch/os/",
        gpgcheck=False,
    )
    # It tells its source.
    kernel = Kernel(id="alma-9", arch=arch, source=source)

    pin = Rpm().resolve(source, cache)

    assert [it.name for it in pin.items] == [
        f"kernel-core-5.14.0-1.el9.{arch}",
        f"kernel-modules-core-5.14.0-1.el9.{arch}",
    ]
    version = fetch.version_of(kernel, cache)
    assert version is not None
    assert version in VersionRange.parse("rhel>=9,rhel<10")


@pytest.mark.parametrize(
    ("path", "packed"),
    [
        # Red Hat's from 9.5 on, and before; SUSE's.
        ("lib/modules/{}/vmlinuz", lambda it: images.zboot_image(_gzip(it))),
        ("lib/modules/{}/vmlinuz", lambda it: _gzip(it)),
        ("boot/Image-{}", lambda it: it),
    ],
    ids=["zboot", "gzip", "Image"],
)
def test_image_of_arm64_is_found_and_unpacked(
    path: str,
    packed: Callable[[bytes], bytes],
    repository: RpmRepository,
    make: Maker,
    cache: Cache,
) -> None:
    release = "5.14.0-1.el9.aarch64"
    image = images.arm64_image(release)
    files = {path.format(release): packed(image)}
    repository.publish(make(core("5.14.0", arch="aarch64", files=files)))
    source = row(repository, gpgcheck=False)
    kernel = Kernel(id="x", arch="arm64", source=source, btf="kernel")

    found = fetch.obtain(kernel, cache, Silent())

    assert (found.release, found.architecture) == (release, "arm64")
    assert found.vmlinuz.read_bytes() == image


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def test_required_modules_that_are_not_there_are_an_error(
    repository: RpmRepository, make: Maker, cache: Cache
) -> None:
    required = "kernel-modules-core-uname-r = 5.14.0-1.el9.x86_64"
    repository.publish(make(core("5.14.0", requires=[required])))

    with pytest.raises(
        ArtifactError, match=re.escape(f"requires {required}, which no")
    ):
        named(repository, cache)
    assert named(repository, cache, modules=()) == ["kernel-core-5.14.0-1.el9.x86_64"]


def test_named_modules_of_another_version_only_are_an_error(
    repository: RpmRepository, make: Maker, cache: Cache
) -> None:
    modules = Spec(name="kernel-modules-core", version="5.14.0", release="2.el9")
    repository.publish(make(core("5.14.0")), make(modules))

    with pytest.raises(
        ArtifactError, match=r"no package kernel-modules-core-5\.14\.0-1\.el9"
    ) as it:
        named(repository, cache, modules="kernel-modules-core")
    assert it.value.hint == "it has 5.14.0-2.el9"


def test_debug_package_may_be_in_a_repository_of_its_own(
    repository: RpmRepository, make: Maker, cache: Cache
) -> None:
    other = RpmRepository(
        root=repository.root.parent / "debug", server=repository.server, path="/debug"
    )
    repository.publish(make(core("5.14.0")))
    other.publish(make(Spec(name="kernel-debuginfo", version="5.14.0")))
    source = row(
        repository,
        gpgcheck=False,
        debug_package="kernel-debuginfo",
        debug_baseurl=f"{repository.server.url}/$place/",
        variables={"place": "debug"},
    )

    kernel, debug = Rpm().resolve(source, cache).items

    assert kernel.location == "Packages/kernel-core-5.14.0-1.el9.x86_64.rpm"
    assert debug.location.startswith(f"{other.url}/Packages/kernel-debuginfo-5.14.0")


def test_variables_are_replaced_as_dnf_does(
    repository: RpmRepository, make: Maker, cache: Cache
) -> None:
    placed = RpmRepository(
        root=repository.root, server=repository.server, path="/9/x86_64/os"
    )
    placed.publish(make(core("5.14.0")))

    source = row(
        repository,
        baseurl=f"{repository.server.url}/$releasever/${{basearch}}/os/",
        variables={"releasever": "9"},
        gpgcheck=False,
    )

    assert placed.url in Rpm().resolve(source, cache).origin


def test_vendors_range_holds_for_the_newest_kernel_that_a_repository_has(
    repository: RpmRepository, make: Maker, cache: Cache
) -> None:
    repository.publish(
        make(Spec(name="kernel-core", version="5.14.0", release="687.29.1.el9_8"))
    )
    kernel = Kernel(id="alma-9", source=row(repository, gpgcheck=False))

    version = fetch.version_of(kernel, cache)

    assert version is not None
    assert str(version) == "5.14.0"
    assert version in VersionRange.parse("rhel>=9.8,rhel<10")
    assert version not in VersionRange.parse("rhel<9.8")


def test_version_before_is_used_if_the_newest_has_no_file(
    repository: RpmRepository, make: Maker, cache: Cache
) -> None:
    old = kernels.plain("4.14.1", "1.amzn2", "gzip")
    new = kernels.plain("4.14.2", "1.amzn2", "gzip")
    repository.publish(make(old), make(new))
    repository.file("Packages/*-4.14.2-*.rpm").unlink()
    repository.serve()
    source = row(repository, package="kernel", gpgcheck=False)
    progress = Silent()

    found = fetch.obtain(
        Kernel(id="amazon", source=source, btf="kernel"), cache, progress
    )

    assert found.release == old.uname
    (said,) = progress.messages
    assert said.startswith(
        f"amazon: using 4.14.1-1.amzn2 instead of {new.nevra} of {repository.url}, "
    )
    assert "does not exist (HTTP 404)" in said
