"""Kernels built from source, as rows of a matrix."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from runner.errors import ArtifactError
from runner.files.cache import Cache
from runner.kernels import fetch, guestconfig, lock
from runner.kernels.fetch import PinnedKernel
from runner.kernels.sources import providers
from runner.kernels.sources.kernelorg import KernelOrg
from runner.kernels.sources.source import Collected, Pin, Workplace
from runner.matrix.matrix import Kernel, KernelOrgSource, Matrix, SnapshotSource
from tests.unit.kernels.kernelbuild.trees import (
    make_recipes,
    make_rhel_tree,
    make_tarball,
    make_tree,
)
from tests.unit.kernels.server import Answer, Server, serving
from tests.unit.kernels.silent import Silent


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


class Bench:
    """A provider with recipes of its own, and a folder to build in."""

    def __init__(self, folder: Path) -> None:
        self.provider = KernelOrg(recipes=make_recipes(folder / "recipes"))
        self.cache = Cache(root=folder / "cache")
        self.scratch = folder
        self.built = 0
        self.progress = Silent()

    def resolve(self, source: KernelOrgSource) -> Pin:
        return self.provider.resolve(source, self.cache)

    def collect(self, source: KernelOrgSource, pin: Pin | None = None) -> Collected:
        self.built += 1
        scratch = self.scratch / f"scratch{self.built}"
        scratch.mkdir()
        work = Workplace(cache=self.cache, scratch=scratch, progress=self.progress)
        return self.provider.collect(pin or self.resolve(source), source, work)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def tarball(tmp_path: Path) -> Path:
    return make_tarball(make_tree(tmp_path))


def local(tarball: Path, version: str = "5.10.223") -> KernelOrgSource:
    return KernelOrgSource(type="kernel-org", version=version, tarball=str(tarball))


def remote(server: Server, tarball: Path) -> KernelOrgSource:
    data = tarball.read_bytes()
    server.put(f"/v5.x/{tarball.name}", data)
    return KernelOrgSource(
        type="kernel-org",
        version="5.10.223",
        sha256=hashlib.sha256(data).hexdigest(),
        mirror=server.url,
    )


def test_kernel_is_built_from_a_local_tarball(bench: Bench, tarball: Path) -> None:
    found = bench.collect(local(tarball))

    assert set(found.contents) == {"boot/vmlinuz", "boot/config", "boot/System.map"}
    assert found.origin == "linux 5.10.223, built here"
    assert found.vmlinux is not None


def test_tarball_is_downloaded_once(
    bench: Bench, tarball: Path, server: Server
) -> None:
    source = remote(server, tarball)
    bench.collect(source)
    bench.collect(source)

    assert server.asked == ["/v5.x/linux-5.10.223.tar.xz"]
    size = tarball.stat().st_size
    assert bench.progress.tasks["linux-5.10.223.tar.xz"] == (size, size)
    assert "linux 5.10.223: building" in bench.progress.tasks


def test_tarball_of_another_checksum_is_refused(
    bench: Bench, tarball: Path, server: Server
) -> None:
    source = remote(server, tarball).model_copy(update={"sha256": "0" * 64})

    with pytest.raises(ArtifactError, match="is another file: sha256"):
        bench.collect(source)


def test_tarball_that_breaks_off_is_refused(
    bench: Bench, tarball: Path, server: Server
) -> None:
    source = remote(server, tarball)
    server.answers[f"/v5.x/{tarball.name}"] = Answer(
        body=tarball.read_bytes()[:99], length=tarball.stat().st_size
    )

    with pytest.raises(ArtifactError, match="99 bytes"):
        bench.collect(source)


def test_release_that_is_not_there_is_told(
    bench: Bench, tarball: Path, server: Server
) -> None:
    source = remote(server, tarball).model_copy(update={"version": "5.10.999"})

    with pytest.raises(
        ArtifactError, match=r"linux-5\.10\.999\.tar\.xz does not exist"
    ):
        bench.collect(source)


def test_local_tarball_that_is_not_there_is_told(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="No such file"):
        bench.resolve(local(tmp_path / "none.tar.xz"))


def test_local_tarball_of_another_checksum_is_refused(
    bench: Bench, tarball: Path
) -> None:
    source = local(tarball).model_copy(update={"sha256": "0" * 64})

    with pytest.raises(ArtifactError, match="is another file"):
        bench.resolve(source)


@pytest.mark.parametrize("version", ["5.10", "5.10.223"])
def test_version_may_be_as_short_as_one_likes(
    bench: Bench, tarball: Path, version: str
) -> None:
    assert bench.collect(local(tarball, version)).contents


def test_tarball_of_another_version_is_refused(bench: Bench, tarball: Path) -> None:
    with pytest.raises(ArtifactError, match=r"contains linux 5\.10\.223, not 5\.4"):
        bench.collect(local(tarball, "5.4"))


def test_vendors_tree_is_built_as_what_it_is(bench: Bench, tmp_path: Path) -> None:
    tarball = make_tarball(make_rhel_tree(tmp_path))

    for version in ("4.18", "4.18.0-553.66.1.el8_10"):
        found = bench.collect(local(tarball, version))
        assert found.origin == f"linux {version}, built here"
    assert "linux 4.18.0-553.66.1.el8_10.x86_64: building" in bench.progress.tasks
    with pytest.raises(ArtifactError, match=r"not 4\.18\.0-240"):
        bench.collect(local(tarball, "4.18.0-240.el8"))


def test_what_is_known_to_fail_is_not_downloaded(
    bench: Bench, tarball: Path, server: Server
) -> None:
    refused = bench.provider.recipes / "refused.yaml"
    refused.write_text(
        '- {kernels: "<6", header: not/there.h, why: x, instead: install it}\n'
    )

    with pytest.raises(ArtifactError, match=r"not/there\.h is missing") as caught:
        bench.collect(remote(server, tarball))
    assert caught.value.hint == "install it"
    assert server.asked == []


def test_vendors_release_needs_a_tarball() -> None:
    with pytest.raises(ValidationError, match="because it is a vendor's release"):
        KernelOrgSource(type="kernel-org", version="4.18.0-553.el8_10", sha256="0" * 64)


def test_recipe_is_part_of_the_pin(bench: Bench, tarball: Path) -> None:
    source = local(tarball)
    pin = bench.resolve(source)
    (bench.provider.recipes / "base.config").write_text("CONFIG_64BIT=y\n")

    assert bench.resolve(source) != pin
    with pytest.raises(ArtifactError, match="changed since") as caught:
        bench.collect(source, pin)
    assert "lock" in caught.value.hint


def test_rows_options_are_part_of_the_pin(bench: Bench, tarball: Path) -> None:
    source = local(tarball)
    other = source.model_copy(update={"options": {"NET": "n"}})

    assert bench.resolve(source) != bench.resolve(other)


GUEST = "".join(
    f"CONFIG_{it}=y\n"
    for it in (*guestconfig.NEEDED, "PCI", "SERIAL_8250_CONSOLE", "E1000")
)


def test_built_kernel_is_kept_and_first_in_its_turn(
    bench: Bench, tarball: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = dict(providers.PROVIDERS)
    known = table[KernelOrgSource]
    table[KernelOrgSource] = replace(known, provider=bench.provider)
    monkeypatch.setattr(providers, "PROVIDERS", table)
    (bench.provider.recipes / "base.config").write_text(GUEST)
    # The server has no such package.
    first = SnapshotSource(
        type="snapshot", package="linux-image-x", version="1", url=server.url
    )
    kernel = Kernel(id="5.10", source=(first, local(tarball)))
    cache = bench.cache

    assert fetch.cached(kernel, cache) is None
    built = fetch.obtain(kernel, cache, Silent())
    assert built.release == "5.10.223"
    assert len(server.asked) == 1

    assert fetch.obtain(kernel, cache, Silent()) == built
    assert len(server.asked) == 1

    (bench.provider.recipes / "base.config").write_text(f"{GUEST}CONFIG_NEW=y\n")
    assert fetch.cached(kernel, cache) is None


def pinned(kernel: Kernel, source: KernelOrgSource, bench: Bench) -> Kernel:
    """Return a row as a lock that is written now binds it."""
    folder = bench.scratch
    made = PinnedKernel(source=source, pin=bench.resolve(source), btf=())
    known = lock.Lock().with_pinned(kernel, made, folder)
    matrix = Matrix(kernels=(kernel,))
    return lock.applied(matrix, known, folder, strict=True).kernels[0]


def test_locked_tarball_that_changed_is_refused(
    bench: Bench, tarball: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = dict(providers.PROVIDERS)
    known = table[KernelOrgSource]
    table[KernelOrgSource] = replace(known, provider=bench.provider)
    monkeypatch.setattr(providers, "PROVIDERS", table)
    source = local(tarball)
    locked = pinned(Kernel(id="5.10", source=source), source, bench)
    assert isinstance(locked.sources[0], lock.PinnedSource)
    assert locked.sources[0].pin.items[0].location == tarball.name
    tarball.write_bytes(tarball.read_bytes() + b"more")

    with pytest.raises(ArtifactError, match="is another file: sha256") as caught:
        fetch.obtain(locked, bench.cache, Silent())
    assert "python -m runner lock" in caught.value.hint


def test_locked_kernel_is_not_built_by_another_recipe(
    bench: Bench, tarball: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = dict(providers.PROVIDERS)
    known = table[KernelOrgSource]
    table[KernelOrgSource] = replace(known, provider=bench.provider)
    monkeypatch.setattr(providers, "PROVIDERS", table)
    recipe = bench.provider.recipes / "base.config"
    recipe.write_text(GUEST)
    source = local(tarball)
    kernel = Kernel(id="5.10", source=source)
    locked = pinned(kernel, source, bench)
    recipe.write_text(f"{GUEST}CONFIG_NEW=y\n")

    with pytest.raises(ArtifactError, match="changed since"):
        fetch.obtain(locked, bench.cache, Silent())
    assert fetch.obtain(kernel, bench.cache, Silent())

    recipe.write_text(GUEST)
    assert fetch.obtain(locked, bench.cache, Silent())
