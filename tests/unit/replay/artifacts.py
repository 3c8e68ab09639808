"""Artifacts made by hand, whole and hostile, for tests of replays."""

import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.reports import resultsfile
from tests.unit.reports.runs import F, P, case, kernel, run

SUITE = b"""\
description: Tasks are seen.
cases:
  - name: state
    object: task.bpf.c
    must_run: false
    expect: [{value: "${kernel.release}", matches: .+}]
"""
SOURCE = b"// A program.\n"
OBJECT = b"not really an object"
RESULTS = run(
    case("5.10", P),
    case("6.1", F),
    kernels=(kernel("5.10"), kernel("6.1", image_sha256="aa" * 32)),
    planned=None,
)
ROW: dict[str, Any] = {"source": {"type": "debian", "suite": "bookworm"}}
LOCKED: dict[str, Any] = {
    **ROW,
    "pin": {
        "provider": "debian",
        "version": "6.1.7",
        "origin": "bookworm linux-image-6.1.0-7-cloud-amd64 6.1.7-1",
        "items": [
            {
                "name": "linux-image-6.1.0-7-cloud-amd64",
                "location": "linux-image-6.1.0-7-cloud-amd64=6.1.7-1",
                "sha256": "bb" * 32,
            }
        ],
    },
}


def sha(data: bytes) -> str:
    """Return a file's name in a bundle."""
    return hashlib.sha256(data).hexdigest()


def index(**more: Any) -> dict[str, Any]:
    """Return replay.json of a run of one suite on two kernels."""
    return {
        "runner": "0.2.0",
        "arch": "x86_64",
        "settings": {"boot_timeout": 60.0},
        "kernels": [
            {"id": id_, "row": {"id": id_, **ROW}, "locked": LOCKED}
            for id_ in ("5.10", "6.1")
        ],
        "suites": [
            {
                "name": "task",
                "folder": "task",
                "files": [
                    {"path": "task/suite.yaml", "sha256": sha(SUITE)},
                    {"path": "task/task.bpf.c", "sha256": sha(SOURCE)},
                ],
                "objects": [{"path": "task/task.bpf.c", "sha256": sha(OBJECT)}],
            }
        ],
        **more,
    }


def files(made: Mapping[str, Any] | None = None) -> dict[str, bytes]:
    """Return the files of an artifact."""
    kept = {f"replay/files/{sha(it)}": it for it in (SUITE, SOURCE, OBJECT)}
    return {
        "results.json": resultsfile.dump(RESULTS).encode(),
        "replay/replay.json": json.dumps(index() if made is None else made).encode(),
        **kept,
    }


def folder_of(path: Path, given: Mapping[str, bytes] | None = None) -> Path:
    """Write an artifact as a folder."""
    for name, data in (files() if given is None else given).items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def zip_of(path: Path, given: Mapping[str, bytes] | None = None, top: str = "") -> Path:
    """Write it as a zip, as GitHub does."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (files() if given is None else given).items():
            archive.writestr(f"{top}{name}", data)
    return path


def tar_of(path: Path, given: Mapping[str, bytes] | None = None) -> Path:
    """Write it as a tar."""
    with tarfile.open(path, "w") as archive:
        for name, data in (files() if given is None else given).items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path
