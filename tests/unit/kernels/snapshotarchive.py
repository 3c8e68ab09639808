"""An archive of packages of all times, on a server of tests."""

import hashlib
import json
from pathlib import Path

from tests.unit.kernels.server import Server


def publish(server: Server, package: Path, *, architecture: str = "amd64") -> str:
    """Serve a package as the snapshot archive does, and return its SHA-1."""
    name, version, _ = package.name.split("_")
    data = package.read_bytes()
    sha1 = hashlib.sha1(data).hexdigest()
    answer = {
        "_comment": "foo",
        "binary": name,
        "binary_version": version,
        "fileinfo": {
            sha1: [
                {
                    "archive_name": "debian",
                    "first_seen": "20170619T213410Z",
                    "name": package.name,
                    "path": "/pool/main/l/linux",
                    "size": len(data),
                }
            ]
        },
        "result": [{"architecture": architecture, "hash": sha1}],
    }
    path = f"/mr/binary/{name}/{version}/binfiles?fileinfo=1"
    server.put(path, json.dumps(answer).encode())
    server.put(f"/file/{sha1}", data)
    return sha1
