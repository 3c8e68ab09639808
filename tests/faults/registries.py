"""Faults of a registry, which one more row has its kernel from."""

import io
import tarfile
from collections.abc import Callable
from dataclasses import replace

from runner.files.cache import Cache
from runner.kernels import fetch
from runner.matrix import matrix
from tests.faults.fault import Chance, Fault, Struck
from tests.faults.inputs import mangled
from tests.faults.running import KERNELS, Running
from tests.faults.world import World
from tests.unit.kernels.registry import Registry, zipped
from tests.unit.kernels.server import Answer, serving
from tests.unit.kernels.silent import Silent
from tests.vm.conftest import ROOT

# The row, and that of the matrix which is the same kernel.
REMOTE, SAME = "remote", "6.1"

# Changes what a registry answers; says how.
Lie = Callable[[Registry, str, Chance], str]


def _ends_early(registry: Registry, place: str, chance: Chance) -> str:
    answer = registry.server.answers[place]
    kept = chance.random.randrange(len(answer.body))
    registry.server.answers[place] = replace(
        answer, body=answer.body[:kept], length=len(answer.body)
    )
    return "ends early"


def _says_less(registry: Registry, place: str, chance: Chance) -> str:
    answer = registry.server.answers[place]
    length = chance.random.randrange(len(answer.body))
    registry.server.answers[place] = replace(answer, length=length)
    return "lies about the length"


def _stalls(registry: Registry, place: str, chance: Chance) -> str:
    answer = registry.server.answers[place]
    registry.server.answers[place] = replace(answer, stalls=True)
    return "stalls"


def _redirects(registry: Registry, place: str, chance: Chance) -> str:
    where = chance.random.choice(
        ["file:///etc/passwd", "gopher://127.0.0.1/", place, "http://127.0.0.1:1/", "?"]
    )
    registry.server.answers[place] = Answer(status=302, location=where)
    return f"redirects to {'itself' if where == place else where}"


def _refuses(registry: Registry, place: str, chance: Chance) -> str:
    status = chance.random.choice([400, 401, 403, 404, 418, 429, 500, 503, 599])
    registry.server.answers[place] = Answer(status=status)
    return f"answers {status}"


def _damages(registry: Registry, place: str, chance: Chance) -> str:
    answer = registry.server.answers[place]
    body = mangled(answer.body, chance.random)
    registry.server.answers[place] = replace(answer, body=body)
    return "sends other bytes"


_LIES: tuple[Lie, ...] = (
    _ends_early,
    _says_less,
    _redirects,
    _refuses,
    _damages,
    _damages,
)


def _lies(chance: Chance) -> Lie:
    # To be waited for is slow: seldom.
    return _stalls if chance.random.random() < 1 / 16 else chance.random.choice(_LIES)


def _lying(world: World, chance: Chance) -> Struck:
    with serving() as server:
        registry = Registry(server)
        registry.push("6.1", zipped(_kernel()))
        (blob,) = (it for it in server.answers if "/blobs/" in it)
        tag = f"/v2/{registry.repository}/manifests/6.1"
        what, place = chance.random.choice([("manifest", tag), ("layer", blob)])
        how = _lies(chance)(registry, place, chance)
        return _run(world, registry, f"{what}: {how}")


def _odd_layer(world: World, chance: Chance) -> Struck:
    """Serve layers that hold what no kernel's image should, signed and all."""
    files = _kernel()
    layers = [zipped(files), _odd(sorted(files), chance)]
    if chance.random.random() < 1 / 2:
        # Its digest is right: whoever made the image made it so.
        layers[1] = mangled(layers[1], chance.random)
    chance.random.shuffle(layers)
    with serving() as server:
        registry = Registry(server)
        registry.push("6.1", *layers)
        return _run(world, registry, "a layer of links and devices")


def _odd(names: list[str], chance: Chance) -> bytes:
    """Return a layer of links, devices, and names that lead elsewhere."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for _ in range(chance.random.randrange(1, 8)):
            name = chance.random.choice([*names, "boot", "usr/lib/modules", "boot/x"])
            name = chance.random.choice(["", "", "../../", "/", "a/../"]) + name
            member = tarfile.TarInfo(name)
            member.type = chance.random.choice(
                [
                    *(tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE),
                    *(tarfile.FIFOTYPE, tarfile.DIRTYPE, tarfile.REGTYPE),
                ]
            )
            member.linkname = chance.random.choice(
                ["/etc/passwd", "../../../etc/passwd", ".", name, "boot/vmlinuz"]
            )
            archive.addfile(member)
    return stream.getvalue()


def _kernel() -> dict[str, bytes]:
    """Return the files of a kernel as an image has them."""
    rows = matrix.load(ROOT / "matrix.yaml").kernels
    (row,) = (it for it in rows if it.id == SAME)
    found = fetch.obtain(row, Cache(), Silent())
    modules = f"usr/lib/modules/{found.release}/kernel"
    assert found.config is not None
    files = {
        f"boot/vmlinuz-{found.release}": found.vmlinuz,
        f"boot/config-{found.release}": found.config,
        **{f"{modules}/{it.name}": it for it in found.modules},
    }
    return {name: path.read_bytes() for name, path in files.items()}


def _run(world: World, registry: Registry, how: str) -> Struck:
    rows = world.suite / "matrix.yaml"
    image = f'{{type: oci, image: "{registry.image}", tag: "6.1"}}'
    text = (ROOT / "matrix.yaml").read_text()
    head, _, tail = text.partition("kernels:\n")
    row = f"  - id: {REMOTE}\n    source: {image}\n"
    rows.write_text(f"{head}kernels:\n{row}{tail}")
    words = ("--matrix", str(rows), "--kernels", f"{KERNELS},{REMOTE}")
    return Struck(how=how, phase="start", ended=Running(world, rows=words).end())


FAULTS = (
    Fault(name="a registry lies", put=_lying),
    Fault(name="an image of odd layers", put=_odd_layer),
)
