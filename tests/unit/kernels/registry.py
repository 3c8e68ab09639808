"""A registry of container images on this machine, and what images are made of."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping

from runner.matrix.matrix import Kernel, OciSource
from tests.unit.kernels.server import Server

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def tar(files: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def zipped(files: Mapping[str, bytes]) -> bytes:
    return gzip.compress(tar(files), mtime=0)


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Registry:
    """A registry's addresses on a server of files."""

    def __init__(self, server: Server, repository: str = "cilium/ci-kernels") -> None:
        self.server = server
        self.repository = repository
        host = server.url.removeprefix("http://")
        self.image = f"{host}/{repository}"

    def push(self, tag: str, *layers: bytes) -> str:
        """Serve an image and return its digest."""
        return self.put(tag, manifest(*map(self.blob, layers)))

    def blob(self, data: bytes) -> dict[str, object]:
        name = digest(data)
        self.server.put(f"/v2/{self.repository}/blobs/{name}", data)
        return {"mediaType": "some", "digest": name, "size": len(data)}

    def put(self, tag: str, document: object) -> str:
        data = json.dumps(document).encode()
        for reference in (tag, digest(data)):
            self.server.put(f"/v2/{self.repository}/manifests/{reference}", data)
        return digest(data)

    def source(self, tag: str = "6.6") -> OciSource:
        return OciSource(type="oci", image=self.image, tag=tag)

    def kernel(self, tag: str = "6.6") -> Kernel:
        return Kernel(id="6.6", source=self.source(tag), btf="kernel")


def manifest(*layers: dict[str, object]) -> dict[str, object]:
    config = {"mediaType": "some", "digest": digest(b"{}"), "size": 2}
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config,
        "layers": list(layers),
    }
