"""Kernels from container images, of a registry on this machine."""

import base64
import contextlib
import dataclasses
import gzip
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import requests
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.arch import ARM64, RISCV64, S390X, X86_64, Architecture
from runner.errors import ArtifactError
from runner.files.cache import Cache
from runner.kernels import fetch
from runner.kernels.sources import image, imagemanifest
from runner.kernels.sources import registry as registry_
from runner.kernels.sources.oci import LayerFiles, Oci
from runner.kernels.sources.source import Workplace
from runner.matrix.matrix import Kernel, OciSource
from tests.unit.kernels import images
from tests.unit.kernels.registry import (
    MANIFEST,
    Registry,
    digest,
    manifest,
    tar,
    zipped,
)
from tests.unit.kernels.server import Answer, serving
from tests.unit.kernels.silent import Silent

RELEASE = "6.6.30"
IMAGE = images.bzimage(RELEASE)
BUILT_IN = b"kernel/virtio_pci.ko\nkernel/virtio_net.ko\n"
CI_KERNELS = {
    "boot/vmlinuz": IMAGE,
    f"usr/lib/modules/{RELEASE}/modules.builtin": BUILT_IN,
}
LVH = {
    f"data/kernels/6.6/boot/vmlinuz-{RELEASE}": IMAGE,
    f"data/kernels/6.6/boot/System.map-{RELEASE}": b"ffffffff81000000 T _text\n",
    f"data/kernels/6.6/boot/btf-{RELEASE}": images.BTF,
    f"data/kernels/6.6/boot/vmlinux-{RELEASE}": images.VMLINUX,
    f"data/kernels/6.6/lib/modules/{RELEASE}/modules.builtin": BUILT_IN,
}
INDEX = "application/vnd.oci.image.index.v1+json"


@pytest.fixture
def registry() -> Iterator[Registry]:
    with serving() as running:
        yield Registry(running)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(root=tmp_path / "cache")


@pytest.mark.parametrize("files", [CI_KERNELS, LVH], ids=["ci-kernels", "lvh"])
def test_kernel_comes_out_of_an_image(
    registry: Registry, cache: Cache, files: Mapping[str, bytes]
) -> None:
    layers = [zipped({"bin/busybox": b"x"}), zipped(files)]
    registry.push("6.6", *layers)
    progress = Silent()

    found = fetch.obtain(registry.kernel(), cache, progress)

    told = [done for done, total in progress.tasks.values() if total]
    assert sorted(told) == sorted(map(len, layers))
    assert found.release == RELEASE
    assert found.vmlinuz.read_bytes() == IMAGE
    assert "@sha256:" in found.origin


def work(cache: Cache, scratch: Path) -> Workplace:
    return Workplace(cache=cache, scratch=scratch, progress=Silent())


def test_what_lies_beside_the_image_is_kept(
    registry: Registry, cache: Cache, tmp_path: Path
) -> None:
    registry.push("6.6", zipped(LVH))
    oci, source = Oci(), registry.source()

    found = oci.collect(oci.resolve(source, cache), source, work(cache, tmp_path))

    assert found.btf == images.BTF
    assert found.vmlinux is not None
    assert found.vmlinux.read_bytes() == images.VMLINUX
    assert set(found.contents) == {
        f"boot/vmlinuz-{RELEASE}",
        f"boot/System.map-{RELEASE}",
        f"lib/modules/{RELEASE}/modules.builtin",
    }


def test_config_is_taken_out_of_an_image_that_has_none_beside(
    registry: Registry, cache: Cache
) -> None:
    # As newer ci-kernels are: a module for selftests, and no modules.builtin.
    config = images.GUEST_CONFIG
    kept = b"IKCFG_ST" + gzip.compress(config) + b"IKCFG_ED"
    image = images.bzimage(RELEASE, {".rodata": kept})
    module = f"usr/lib/modules/{RELEASE}/extra/bpf_testmod.ko"
    registry.push("6.6", zipped({"boot/vmlinuz": image, module: images.module()}))

    found = fetch.obtain(registry.kernel(), cache, Silent())

    assert found.config is not None
    assert found.config.read_bytes() == config
    assert found.nic is not None


@pytest.mark.parametrize(
    "pack", [tar, zipped, lambda it: zstandard.compress(tar(it))], ids=["", "gz", "zst"]
)
def test_layers_are_packed_as_they_like(
    registry: Registry, cache: Cache, pack: "type[object]"
) -> None:
    registry.push("6.6", pack(CI_KERNELS))  # type: ignore[call-arg, arg-type]

    assert fetch.obtain(registry.kernel(), cache, Silent()).release == RELEASE


def test_upper_layer_replaces_and_removes(registry: Registry, cache: Cache) -> None:
    old = {"boot/vmlinuz-5.4.1": images.bzimage("5.4.1"), "boot/vmlinuz": b"old"}
    registry.push(
        "6.6",
        zipped(old | {"lib/modules/5.4.1/modules.builtin": b""}),
        zipped({"boot/.wh.vmlinuz-5.4.1": b"", "lib/modules/.wh..wh..opq": b""}),
        zipped(CI_KERNELS),
    )

    assert fetch.obtain(registry.kernel(), cache, Silent()).release == RELEASE


def test_image_for_this_architecture_is_taken(registry: Registry, cache: Cache) -> None:
    wanted = registry.push("amd64", zipped(CI_KERNELS))
    other = registry.push("arm64", zipped({"boot/vmlinuz": b"arm"}))
    choices = [
        {"digest": other, "platform": {"os": "linux", "architecture": "arm64"}},
        {"digest": wanted, "platform": {"os": "linux", "architecture": "amd64"}},
    ]
    registry.put("6.6", {"schemaVersion": 2, "mediaType": INDEX, "manifests": choices})

    assert wanted in fetch.obtain(registry.kernel(), cache, Silent()).origin


def test_tag_that_moved_leaves_a_pin_alone(
    registry: Registry, cache: Cache, tmp_path: Path
) -> None:
    registry.push("6.6", zipped(CI_KERNELS))
    oci, source = Oci(), registry.source()
    pin = oci.resolve(source, cache)
    registry.push("6.6", zipped({"boot/vmlinuz": images.bzimage("6.6.31")}))

    found = oci.collect(pin, source, work(cache, tmp_path))

    assert found.contents["boot/vmlinuz"] == IMAGE
    assert oci.resolve(source, cache) != pin


def test_image_without_this_architecture_is_told(
    registry: Registry, cache: Cache
) -> None:
    other = registry.push("arm64", zipped({"boot/vmlinuz": b"arm"}))
    choice = {"digest": other, "platform": {"os": "linux", "architecture": "arm64"}}
    registry.put("6.6", {"schemaVersion": 2, "manifests": [choice]})

    with pytest.raises(ArtifactError, match="no image for amd64") as caught:
        Oci().resolve(registry.source(), cache)
    assert "arm64" in caught.value.hint


def test_tag_that_is_not_there_is_told(registry: Registry, cache: Cache) -> None:
    with pytest.raises(ArtifactError, match=r"ci-kernels:9\.9 is not in the registry"):
        Oci().resolve(registry.source("9.9"), cache)


def test_registry_that_wants_a_login_is_told(registry: Registry, cache: Cache) -> None:
    registry.server.answers[f"/v2/{registry.repository}/manifests/6.6"] = Answer(
        status=401
    )

    with pytest.raises(ArtifactError, match=r"6\.6 needs a login") as caught:
        Oci().resolve(registry.source(), cache)
    assert "docker login" in caught.value.hint


# As Debian's docker-registry asks with htpasswd, and as one with a server for tokens.
BASIC = 'Basic realm="Registry Realm"'
BEARER = 'Bearer realm="{url}/token",service="registry",scope="repository:x:pull"'
LOGIN = base64.b64encode(b"me:secret").decode()
# "secret", by bcrypt.
HTPASSWD = "me:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home in which nobody logged in."""
    path = tmp_path / "home"
    (path / ".docker").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(path))
    return path


def log_in(home: Path, image: str, login: str = LOGIN) -> None:
    """Write what `docker login` does."""
    document = {"auths": {image.partition("/")[0]: {"auth": login}}}
    (home / ".docker/config.json").write_text(json.dumps(document))


@pytest.mark.parametrize("challenge", [BASIC, BEARER, "Bearer", "Negotiate"])
def test_without_a_login_the_command_for_one_is_told(
    registry: Registry,
    cache: Cache,
    home: Path,
    caplog: pytest.LogCaptureFixture,
    challenge: str,
) -> None:
    registry.push("6.6", zipped(CI_KERNELS))
    registry.server.challenge = challenge.format(url=registry.server.url)

    with pytest.raises(ArtifactError, match=r"6\.6 needs a login") as caught:
        Oci().resolve(registry.source(), cache)

    host = registry.image.partition("/")[0]
    assert caught.value.hint.startswith(f"docker login {host};")
    assert not [it for it in caplog.records if it.name.startswith("oras")]


@pytest.mark.parametrize(
    ("challenge", "authorization"),
    [(BASIC, f"Basic {LOGIN}"), (BEARER, "Bearer abc")],
    ids=["basic", "bearer"],
)
def test_what_docker_login_left_is_used(
    registry: Registry, cache: Cache, home: Path, challenge: str, authorization: str
) -> None:
    registry.push("6.6", zipped(CI_KERNELS))
    server = registry.server
    server.challenge = challenge.format(url=server.url)
    server.authorizations = (authorization,)
    query = "?service=registry&scope=repository%3Ax%3Apull"
    server.put(f"/token{query}", b'{"token": "abc"}')
    log_in(home, registry.image)

    assert fetch.obtain(registry.kernel(), cache, Silent()).release == RELEASE


def test_a_login_that_is_not_taken_is_told(
    registry: Registry, cache: Cache, home: Path
) -> None:
    registry.push("6.6", zipped(CI_KERNELS))
    registry.server.challenge = BASIC
    log_in(home, registry.image)

    with pytest.raises(
        ArtifactError, match=r"does not give .* to your login"
    ) as caught:
        Oci().resolve(registry.source(), cache)
    assert "docker login" in caught.value.hint


@pytest.mark.parametrize(
    "garbage", [b"<html>", b"[]", b'{"layers": [{"digest": "x"}]}']
)
def test_what_is_no_registry_is_told(
    registry: Registry, cache: Cache, garbage: bytes
) -> None:
    registry.server.put(f"/v2/{registry.repository}/manifests/6.6", garbage)

    with pytest.raises(ArtifactError, match="did not answer like a registry"):
        Oci().resolve(registry.source(), cache)


def test_server_that_is_dead_is_told(cache: Cache) -> None:
    with serving() as running:
        gone = Registry(running)
    with pytest.raises(ArtifactError, match="Connection refused"):
        Oci().resolve(gone.source(), cache)


def test_layer_that_is_another_file_is_refused(
    registry: Registry, cache: Cache
) -> None:
    layer = zipped(CI_KERNELS)
    registry.push("6.6", layer)
    registry.server.put(
        f"/v2/{registry.repository}/blobs/{digest(layer)}", zipped({"boot/x": b""})
    )

    with pytest.raises(ArtifactError, match="is another file: sha256"):
        fetch.obtain(registry.kernel(), cache, Silent())


def test_layer_that_breaks_off_is_refused(registry: Registry, cache: Cache) -> None:
    layer = zipped(CI_KERNELS)
    registry.push("6.6", layer)
    path = f"/v2/{registry.repository}/blobs/{digest(layer)}"
    registry.server.answers[path] = Answer(body=layer[:50], length=len(layer))

    with pytest.raises(ArtifactError, match="50 bytes read"):
        fetch.obtain(registry.kernel(), cache, Silent())


def test_layer_that_is_damaged_is_refused(registry: Registry, cache: Cache) -> None:
    registry.push("6.6", zipped(CI_KERNELS)[:-20])

    with pytest.raises(ArtifactError, match=r"layer 1 of oci .* can't be unpacked"):
        fetch.obtain(registry.kernel(), cache, Silent())


def test_layer_that_ends_between_two_files_is_refused(
    registry: Registry, cache: Cache
) -> None:
    one = tar({"boot/vmlinuz": IMAGE}).rstrip(b"\0")
    border = -len(one) % tarfile.BLOCKSIZE
    registry.push("6.6", gzip.compress(one + bytes(border)))

    with pytest.raises(ArtifactError, match="can't be unpacked: it ends too early"):
        fetch.obtain(registry.kernel(), cache, Silent())


def test_image_without_a_kernel_is_told(registry: Registry, cache: Cache) -> None:
    registry.push("6.6", zipped({"bin/busybox": b"x"}))

    with pytest.raises(ArtifactError, match="contains no kernel image"):
        fetch.obtain(registry.kernel(), cache, Silent())


PACKED = (tar(LVH), zipped(LVH), zstandard.compress(tar(LVH)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.sampled_from(PACKED), st.data())
def test_damaged_layer_is_read_or_refused(
    tmp_path: Path, layer: bytes, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(layer)))
    middle = data.draw(st.binary(max_size=20))
    path = tmp_path / "layer"
    path.write_bytes(layer[:start] + middle + layer[start + len(middle) :])

    with contextlib.suppress(ArtifactError):
        LayerFiles(tmp_path).add(path, "layer 1")


def objects(values: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    names = st.sampled_from(["layers", "manifests", "digest", "size", "platform"])
    return st.dictionaries(names, values)


JSON = st.recursive(
    st.none() | st.integers() | st.text(), lambda it: st.lists(it) | objects(it)
)


@given(JSON.map(json.dumps).map(str.encode) | st.binary())
def test_garbage_is_a_manifest_or_refused(data: bytes) -> None:
    with contextlib.suppress(ArtifactError):
        imagemanifest.parse(data, "http://127.0.0.1/v2/x/manifests/y")


@contextlib.contextmanager
def distributing(tmp_path: Path, **more: object) -> Iterator[str]:
    """Run a registry as they are in use: Debian's docker-registry."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("docker-registry is not installed")
    with serving() as running:
        free = running.url.removeprefix("http://")
    configuration = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(tmp_path / "registry")}},
        "http": {"addr": free},
        **more,
    }
    file = tmp_path / "registry.yml"
    file.write_text(json.dumps(configuration))
    with subprocess.Popen(
        [program, "serve", file], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                if b"listening on" in line:
                    break
            yield free
        finally:
            process.terminate()
            process.stderr.read()


@pytest.fixture
def distribution(tmp_path: Path) -> Iterator[str]:
    with distributing(tmp_path) as host:
        yield host


def test_a_real_registry_with_passwords_wants_a_login(
    cache: Cache, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    (tmp_path / "layer").write_bytes(zipped(CI_KERNELS))
    auth = {"realm": "Registry Realm", "path": str(tmp_path / "htpasswd")}
    with distributing(tmp_path, auth={"htpasswd": auth}) as host:
        name = f"{host}/me/kernels"
        source = OciSource(type="oci", image=name, tag="6.6")
        with pytest.raises(ArtifactError, match="needs a login"):
            registry_.Repository(name).push("6.6", tmp_path / "layer", "6.6", X86_64)
        with pytest.raises(ArtifactError, match="needs a login"):
            Oci().resolve(source, cache)

        log_in(home, name)
        registry_.Repository(name).push("6.6", tmp_path / "layer", "6.6", X86_64)
        kernel = Kernel(id="6.6", source=source, btf="kernel")

        assert fetch.obtain(kernel, cache, Silent()).release == RELEASE


def test_kernel_comes_from_a_real_registry(distribution: str, cache: Cache) -> None:
    base = f"http://{distribution}/v2/cilium/ci-kernels"
    layer, config = zipped(CI_KERNELS), b"{}"
    for blob in (layer, config):
        started = requests.post(f"{base}/blobs/uploads/", timeout=10)
        place = started.headers["Location"]
        requests.put(
            f"{place}&digest={digest(blob)}", data=blob, timeout=10
        ).raise_for_status()
    entry: dict[str, object] = {
        "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
        "digest": digest(layer),
        "size": len(layer),
    }
    document = manifest(entry)
    document["config"] = {
        "mediaType": "application/vnd.oci.image.config.v1+json",
        "digest": digest(config),
        "size": len(config),
    }
    pushed = requests.put(
        f"{base}/manifests/6.6",
        data=json.dumps(document),
        headers={"Content-Type": MANIFEST},
        timeout=10,
    )
    pushed.raise_for_status()
    source = OciSource(type="oci", image=f"{distribution}/cilium/ci-kernels", tag="6.6")

    found = fetch.obtain(Kernel(id="6.6", source=source), cache, Silent())

    assert found.release == RELEASE
    assert pushed.headers["Docker-Content-Digest"] in found.origin


def test_a_row_gets_its_architecture_out_of_an_index_of_a_real_registry(
    distribution: str, cache: Cache, tmp_path: Path
) -> None:
    name = f"{distribution}/me/kernels"
    repository = registry_.Repository(name)
    built = {
        X86_64: IMAGE,
        ARM64: gzip.compress(images.arm64_image("6.6.31"), mtime=0),
        S390X: images.s390_image(b"", "6.6.32"),
    }
    choices: list[dict[str, object]] = []
    for architecture, content in built.items():
        (tmp_path / "layer").write_bytes(zipped({"boot/vmlinuz": content}))
        where = repository.push(
            architecture.oci, tmp_path / "layer", "for tests", architecture
        )
        pushed = requests.get(
            f"http://{distribution}/v2/me/kernels/manifests/{architecture.oci}",
            headers={"Accept": MANIFEST},
            timeout=10,
        )
        choices.append(
            {
                "mediaType": MANIFEST,
                "digest": where.partition("@")[2],
                "size": len(pushed.content),
                "platform": {"os": "linux", "architecture": architecture.oci},
            }
        )
    requests.put(
        f"http://{distribution}/v2/me/kernels/manifests/6.6",
        data=json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": choices}),
        headers={"Content-Type": INDEX},
        timeout=10,
    ).raise_for_status()

    def row(architecture: Architecture) -> Kernel:
        # Each has its own: a row tells its sources its architecture.
        source = OciSource(type="oci", image=name, tag="6.6")
        return Kernel(id="6.6", arch=architecture.name, source=source, btf="kernel")

    for number, (architecture, release) in enumerate(
        ((X86_64, RELEASE), (ARM64, "6.6.31"))
    ):
        found = fetch.obtain(row(architecture), cache, Silent())
        assert (found.release, found.architecture) == (release, architecture.name)
        assert str(choices[number]["digest"]) in found.origin
    with pytest.raises(ArtifactError, match="no image for riscv64") as caught:
        fetch.obtain(row(RISCV64), cache, Silent())
    assert "amd64, arm64, s390x" in caught.value.hint


def test_a_kernel_that_was_pushed_comes_back(
    registry: Registry, distribution: str, cache: Cache, tmp_path: Path
) -> None:
    registry.push("6.6", zipped(LVH))
    first = fetch.obtain(registry.kernel(), cache, Silent())
    (tmp_path / "btf").write_bytes(images.BTF)
    image.pack(dataclasses.replace(first, btf=tmp_path / "btf"), tmp_path / "layer")

    target = registry_.Repository(f"{distribution}/me/kernels")
    where = target.push("6.6", tmp_path / "layer", "6.6 for tests", X86_64)

    source = OciSource(type="oci", image=f"{distribution}/me/kernels", tag="6.6")
    kernel = Kernel(id="6.6", source=source, btf="kernel")
    found = fetch.obtain(kernel, cache, Silent())
    assert found.origin == where
    assert found.release == first.release
    assert found.vmlinuz.read_bytes() == first.vmlinuz.read_bytes()
    assert found.system_map is not None
    pin = Oci().resolve(source, cache)
    collected = Oci().collect(pin, source, work(cache, tmp_path))
    assert collected.btf == images.BTF


def test_the_same_kernel_is_the_same_image(
    registry: Registry, cache: Cache, tmp_path: Path
) -> None:
    registry.push("6.6", zipped(LVH))
    found = fetch.obtain(registry.kernel(), cache, Silent())
    image.pack(found, tmp_path / "a")
    image.pack(found, tmp_path / "b")

    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_registry_that_does_not_take_an_image_is_told(
    registry: Registry, tmp_path: Path
) -> None:
    (tmp_path / "layer").write_bytes(zipped(CI_KERNELS))

    with pytest.raises(ArtifactError):
        registry_.Repository(registry.image).push(
            "6.6", tmp_path / "layer", "6.6", X86_64
        )
