"""Objects and kernels made of C, and what preflight says of them."""

import hashlib
import subprocess
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from filelock import FileLock

from runner.bpf.build import Build
from runner.bpf.compile import command
from runner.bpf.object import BpfObject, read_whole
from runner.facts.abilities import Known
from runner.facts.model import Facts
from runner.kernels import elfsections
from runner.preflight.engine import Engine
from runner.preflight.model import Prediction, Relocation
from runner.preflight.predict import Loader, PredictedObject, Target, predict
from runner.versions import KernelVersion

ROOT = Path(__file__).resolve().parents[3]
BUILD = ROOT / "build/preflight"

HEAD = """\
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <stdbool.h>
#define CORE __attribute__((preserve_access_index))
char _license[] SEC("license") = "GPL";
"""


@cache
def build(target: Literal["engine", "asan"] = "engine") -> Path:
    """Build the engine, unless it is fresh, and return its path."""
    BUILD.mkdir(parents=True, exist_ok=True)
    # xdist's workers would build it beside each other.
    with FileLock(BUILD / ".lock"):
        folder = ROOT / "images/preflight"
        subprocess.run(["make", "-s", "-C", folder, target], check=True)
    return BUILD / {"engine": "engine", "asan": "engine-asan"}[target]


@cache
def compiled(source: str, *options: str, clang: int | None = None) -> bytes:
    """Return the object that clang, or a version of it, makes of a source."""
    with TemporaryDirectory() as folder:
        path, output = Path(folder) / "made.bpf.c", Path(folder) / "made.o"
        path.write_text(source)
        made = command(path, output, build=Build(clang=clang))
        words = [*made, "-Wno-unused", *options]
        subprocess.run(words, cwd=folder, check=True)
        return output.read_bytes()


def an_object(source: str, *options: str, clang: int | None = None) -> BpfObject:
    """Return an object of a source that HEAD goes before."""
    data = compiled(HEAD + source, *options, clang=clang)
    return read_whole(data, Path("made.bpf.o"))


@cache
def kernel(types: str, *options: str) -> bytes:
    """Return the raw BTF of a kernel that has these types: `struct a { int b; } x;`."""
    found = elfsections.section(compiled(types, *options), ".BTF")
    assert found is not None
    return found


def checked(
    item: BpfObject,
    btf: bytes,
    version: str = "6.1",
    engine: Engine | None = None,
    loader: Loader = "libbpf",
    facts: Facts | None = None,
    lsm: tuple[str, ...] | None = None,
    *,
    given: Collection[str] | None = None,
    not_created: frozenset[str] = frozenset(),
    left_out: frozenset[str] = frozenset(),
    extended: BpfObject | None = None,
    load: Mapping[str, bool] | None = None,
) -> Prediction:
    """Return what becomes of an object on a kernel."""
    own = Engine(build()) if engine is None else engine
    try:
        subject = PredictedObject(
            item, own, load, not_created=not_created, extended=extended
        )
        own.load_target(btf)
        target = Target(
            btf=btf,
            sha256=hashlib.sha256(btf).hexdigest(),
            known=Known(
                version=KernelVersion.parse(version).of_release(version),
                facts=facts,
                lsm=lsm,
                left_out=left_out,
            ),
        )
        return predict(subject, target, own, loader, given=given)
    finally:
        if engine is None:
            own.close()


def only(prediction: Prediction, access: str, kind: str) -> Relocation:
    """Return the only relocation of a kind for something."""
    (found,) = [
        it
        for it in prediction.relocations
        if it.access == access and it.kind.libbpf_name == kind
    ]
    return found
