"""The parsers in Python that read what others wrote, with inputs to begin from."""

import contextlib
import gzip
import io
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from runner.bpf import bpftool, btf, swapped, verifierstats
from runner.bpf import object as bpfobject
from runner.deadline import Deadline
from runner.errors import RunnerError
from runner.facts import traced
from runner.failures import classify, splats
from runner.files import yamlfile
from runner.guest.agent import AgentSession
from runner.harness import cargo, gotest, gtest, tap, xmlfile
from runner.harness.model import Reader
from runner.kernels import elfsections, guestconfig, kernelimage, modules
from runner.kernels.kernelbuild import kconfig
from runner.kernels.sources import imagemanifest
from runner.kernels.sources.oci import LayerFiles
from runner.kernels.sources.rpm import metadata
from runner.matrix import matrix
from runner.reports import resultsfile
from runner.suites import suitefile
from tests.unit.kernels import images
from tests.unit.kernels.registry import digest, manifest, tar, zipped
from tests.unit.reports.runs import F, P, case, run

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests/data"

_URL = "http://127.0.0.1/"
_SEED_SIZE = 100_000


@dataclass(frozen=True, kw_only=True)
class Parser:
    """A parser, and the errors with which it may refuse its input."""

    name: str
    parse: Callable[[bytes], object]
    seeds: Callable[[], Iterator[bytes]]
    refuses: tuple[type[Exception], ...] = (RunnerError,)

    def __call__(self, data: bytes) -> None:
        """Parse; whatever else is raised is a finding."""
        with contextlib.suppress(*self.refuses):
            self.parse(data)


def _image(data: bytes) -> None:
    for part in (
        *(kernelimage.architecture, kernelimage.bootable, kernelimage.release),
        *(kernelimage.built, kernelimage.btf, kernelimage.config),
        kernelimage.build_ids,
    ):
        with contextlib.suppress(RunnerError):
            part(data)


def _images() -> Iterator[bytes]:
    yield images.bzimage("6.1.0", {".BTF": images.BTF})
    yield images.arm64_image("6.1.0", images.BTF)
    yield images.riscv_image("6.1.0", images.BTF)
    yield images.zboot_image(gzip.compress(images.arm64_image()))
    yield gzip.compress(images.arm64_image())


def _elf(data: bytes) -> None:
    elfsections.section(data, ".BTF")
    elfsections.build_id(data)


def _object(data: bytes) -> None:
    found = bpfobject.read(data)
    for part in (
        *(lambda: found.programs, lambda: found.references, lambda: found.debug),
        *(lambda: found.relocations, lambda: found.frozen),
        *(lambda: swapped.swapped(found), lambda: list(found.btf.types())),
    ):
        with contextlib.suppress(RunnerError):
            part()


def _objects() -> Iterator[bytes]:
    for path in sorted(DATA.rglob("*.bpf.o")):
        yield path.read_bytes()


def _btf(data: bytes) -> None:
    found = btf.parse(data)
    for each in found.types():
        with contextlib.suppress(RunnerError):
            list(found.members(each))
            found.resolved(each.id)
            found.size(each.id)


def _btfs() -> Iterator[bytes]:
    yield images.BTF
    for data in _objects():
        with contextlib.suppress(RunnerError):
            section = bpfobject.read(data).section(".BTF")
            if section is not None:
                yield section.data


def _layer(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        layer = Path(folder) / "layer"
        layer.write_bytes(data)
        LayerFiles(Path(folder)).add(layer, "a layer")


def _layers() -> Iterator[bytes]:
    files = {"boot/vmlinuz": b"x", "usr/lib/modules/6/.wh.y": b"", "boot/btf": b"z"}
    yield tar(files)
    yield zipped(files)


def _module(data: bytes) -> None:
    modules.dependencies("x", modules.decompressed("x.ko", data))


def _yaml(data: bytes) -> None:
    with tempfile.NamedTemporaryFile(suffix=".yaml") as file:
        path = Path(file.name)
        path.write_bytes(data)
        yamlfile.read(path)


def _matrix(data: bytes) -> None:
    with tempfile.NamedTemporaryFile(suffix=".yaml") as file:
        path = Path(file.name)
        path.write_bytes(data)
        matrix.load(path)


def _suite(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "suite.yaml"
        path.write_bytes(data)
        suitefile.load(path)


def _suites() -> Iterator[bytes]:
    for path in sorted((*ROOT.glob("suites/*/suite.yaml"), *DATA.rglob("suite.yaml"))):
        yield path.read_bytes()


def _results() -> Iterator[bytes]:
    yield resultsfile.dump(run(case("6.1", P), case("6.1", F, "b"))).encode()


def _console(data: bytes) -> None:
    text = splats.clean(data)
    splats.diagnose(text)
    splats.reported(text)


def _logs() -> Iterator[bytes]:
    for path in sorted(DATA.glob("logs/*/*")):
        if path.is_file():
            yield path.read_bytes()


def _log(data: bytes) -> None:
    log = data.decode("utf-8", "replace")
    verifierstats.of_log(log)
    classify.classify(log, "load", "EACCES")
    classify.classify(log, "open", "EINVAL", other_library=True)


def _tests(reader: Callable[[], Reader]) -> Callable[[bytes], None]:
    def parse(data: bytes) -> None:
        made = reader()
        half = len(data) // 2
        made.feed("stdout", data[:half])
        made.feed("stdout", data[half:])
        made.close(None)

    return parse


class _Answers:
    """A channel on which lines come, whatever is asked."""

    def __init__(self, data: bytes) -> None:
        self._lines = iter(data.splitlines(keepends=True))

    def send(self, data: bytes) -> None:
        """Forget a request."""

    def receive_line(self, deadline: Deadline) -> bytes:
        """Return the next line, and nothing after the last."""
        return next(self._lines, b"")


def _agent(data: bytes) -> None:
    asked: tuple[Callable[[AgentSession], object], ...] = (
        lambda it: it.hello(timeout=1),
        lambda it: it.load(1, timeout=1),
        lambda it: it.dump(1, "map", timeout=1),
        lambda it: it.runs(1, timeout=1),
        lambda it: it.drain(1, "map", timeout=1),
        lambda it: it.stream(
            ["x"], show=lambda *_: None, record=lambda _: None, timeout=1
        ),
    )
    for ask in asked:
        # A session of its own: one that is lost answers no more.
        with contextlib.suppress(RunnerError):
            ask(AgentSession(_Answers(data)))


def _agents() -> Iterator[bytes]:
    for words in (
        {"release": "6.1", "pid": 3, "libbpf": "1.1", "boot_id": "x"},
        {"programs": [{"name": "a", "id": 1}], "maps": [], "log": "x"},
        {"rows": [{"key": "AAAA", "value": "AAAA"}], "key_size": 4, "value_size": 4},
        {"error": "no", "errno": "EPERM"},
    ):
        yield (
            json.dumps({"id": 1, "ok": "error" not in words, **words}).encode() + b"\n"
        )


def _bpftool(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    for part in (
        bpftool.parse_list,
        bpftool.parse_map_dump,
        lambda it: bpftool.parse_map_dump(it, "big"),
        bpftool.parse_show,
        bpftool.parse_prog_dump,
    ):
        with contextlib.suppress(RunnerError):
            part(text)


def _dumps() -> Iterator[bytes]:
    for path in sorted(DATA.glob("bpftool/*.json")):
        yield path.read_bytes()


def _text(parse: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda data: parse(data.decode("utf-8", "replace"))


def _these(*seeds: bytes) -> Callable[[], Iterator[bytes]]:
    return lambda: iter(seeds)


_TAP = (
    b"TAP version 13\n1..2\nok 1 - a\n  1..1\n  not ok 1 b # SKIP c\nok 2\n"
    b"Bail out! x\n"
)
_GO = (
    b"=== RUN   TestA\n=== RUN   TestA/b\n    --- PASS: TestA/b (0.00s)\n"
    b"--- FAIL: TestA (0.1s)\n"
)
_CARGO = (
    b"\nrunning 2 tests\ntest a ... ok\ntest b - should panic ... FAILED\n\n"
    b'{"type":"test","event":"started","name":"a"}\n'
    b"test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out\n"
)
_GTEST = b"[ RUN      ] A.b\n[       OK ] A.b (0 ms)\n[  FAILED  ] A.c (1 ms)\n"
_FORMAT = (
    b"name: x\nID: 3\nformat:\n\tfield:unsigned short common_type;\toffset:0;\tsize:2;"
    b"\tsigned:0;\n\n\tfield:char comm[16];\toffset:8;\tsize:16;\tsigned:0;\n\n"
    b'print fmt: "%s", REC->comm\n'
)
_REPOMD = (
    b'<repomd xmlns="http://linux.duke.edu/metadata/repo"><data type="primary">'
    b'<checksum type="sha256">ab</checksum><location href="p.xml.gz"/></data></repomd>'
)
_PRIMARY = (
    b'<metadata xmlns="http://linux.duke.edu/metadata/common" '
    b'xmlns:rpm="http://linux.duke.edu/metadata/rpm" packages="1"><package type="rpm">'
    b'<name>kernel</name><arch>x86_64</arch><version epoch="1" ver="5.14.0" rel="1"/>'
    b'<checksum type="sha256" pkgid="YES">ab</checksum><size package="1"/>'
    b'<location href="k.rpm"/></package></metadata>'
)
_MANIFEST = json.dumps(manifest({"digest": digest(b"x"), "size": 1})).encode()
_KCONFIG = b"# why\nCONFIG_BPF=y\n# CONFIG_MODULES is not set\nCONFIG_NR_CPUS=8\n"

PARSERS = {
    it.name: it
    for it in (
        Parser(name="image", parse=_image, seeds=_images),
        Parser(
            name="elf",
            parse=_elf,
            seeds=_these(images.VMLINUX),
            refuses=(RunnerError, ValueError),
        ),
        Parser(name="object", parse=_object, seeds=_objects),
        Parser(name="btf", parse=_btf, seeds=_btfs),
        Parser(name="layer", parse=_layer, seeds=_layers),
        Parser(name="module", parse=_module, seeds=_these(images.module("a", "b"))),
        Parser(name="yaml", parse=_yaml, seeds=_suites),
        Parser(
            name="matrix",
            parse=_matrix,
            seeds=lambda: iter([(ROOT / "matrix.yaml").read_bytes()]),
        ),
        Parser(name="suite", parse=_suite, seeds=_suites),
        Parser(
            name="results",
            parse=lambda data: resultsfile.parse(data, Path("results.json")),
            seeds=_results,
        ),
        Parser(name="agent", parse=_agent, seeds=_agents),
        Parser(name="bpftool", parse=_bpftool, seeds=_dumps),
        Parser(name="console", parse=_console, seeds=_logs),
        Parser(name="log", parse=_log, seeds=_logs),
        Parser(name="tap", parse=_tests(tap.TapReader), seeds=_these(_TAP)),
        Parser(
            name="gotest",
            parse=_tests(lambda: gotest.GoReader(marked=False)),
            seeds=_these(_GO),
        ),
        Parser(name="cargo", parse=_tests(cargo.CargoReader), seeds=_these(_CARGO)),
        Parser(name="gtest", parse=_tests(gtest.GoogleReader), seeds=_these(_GTEST)),
        Parser(
            name="xml",
            parse=_text(xmlfile.parse),
            seeds=_these(b'<testsuite><testcase name="a"/></testsuite>'),
            refuses=(RunnerError, ValueError),
        ),
        Parser(
            name="repomd",
            parse=lambda data: metadata.index_of(data, _URL),
            seeds=_these(_REPOMD),
        ),
        Parser(
            name="primary",
            parse=lambda data: metadata.packages_of([data], bool, _URL),
            seeds=_these(_PRIMARY),
        ),
        Parser(
            name="packed",
            parse=lambda data: list(metadata.unpacked(io.BytesIO(data), _URL, None)),
            seeds=_these(gzip.compress(_PRIMARY)),
        ),
        Parser(
            name="manifest",
            parse=lambda data: imagemanifest.parse(data, _URL),
            seeds=_these(_MANIFEST),
        ),
        Parser(name="format", parse=_text(traced.parse_format), seeds=_these(_FORMAT)),
        Parser(
            name="config",
            parse=_text(lambda text: guestconfig.check(text, "6.1.0")),
            seeds=_these(images.GUEST_CONFIG, _KCONFIG),
        ),
        Parser(
            name="fragment",
            parse=_text(lambda text: kconfig.parse_fragment(text, "a fragment")),
            seeds=_these(_KCONFIG),
        ),
    )
}


def seeds(parser: Parser) -> list[bytes]:
    """Return a parser's first inputs, without those that are long."""
    return [it for it in parser.seeds() if len(it) <= _SEED_SIZE]
