"""matrix.yaml, as users may write it, and the one that is shipped."""

from pathlib import Path

import pytest

from runner.errors import UsageError
from runner.files.modelfile import PATTERNS
from runner.matrix import matrix
from runner.matrix.matrix import DebianSource, UnavailableSource

ROOT = Path(__file__).resolve().parents[3]

ROW = """\
kernels:
  - id: "5.4"
    source: {type: debian, suite: bookworm}
"""


def load(folder: Path, text: str) -> matrix.Matrix:
    path = folder / "matrix.yaml"
    path.write_text(text)
    return matrix.load(path)


def mistakes(folder: Path, text: str) -> list[str]:
    with pytest.raises(UsageError) as caught:
        load(folder, text)
    return caught.value.message.replace(f"{folder}/", "").splitlines()


def test_a_row_has_defaults(tmp_path: Path) -> None:
    (kernel,) = load(tmp_path, ROW).kernels

    assert kernel.id == "5.4"
    assert kernel.source == DebianSource(type="debian", suite="bookworm")
    assert kernel.source.wanted_package == "linux-image-cloud-amd64"
    assert (kernel.btf, kernel.arch) == ("auto", "x86_64")
    assert (kernel.tags, kernel.arguments) == ((), ())
    assert (kernel.required, kernel.memory) == (True, 256)


def test_a_row_can_say_everything(tmp_path: Path) -> None:
    (kernel,) = load(
        tmp_path,
        'kernels: [{id: sid, source: {type: debian, suite: sid, package: "linux-*"}, '
        "btf: kernel, arch: x86_64, tags: [a, b-c], required: no, memory: 512, "
        'arguments: [nokaslr, "a=b,c"]}]',
    ).kernels

    assert kernel.tags == ("a", "b-c")
    assert not kernel.required
    assert kernel.memory == 512
    assert kernel.arguments == ("nokaslr", "a=b,c")


def test_an_id_may_tell_the_version(tmp_path: Path) -> None:
    def version(id_: str) -> str:
        return str(load(tmp_path, ROW.replace("5.4", id_)).kernels[0].version)

    assert version("5.14") == "5.14"
    assert version("6.1-rt") == "6.1"
    assert version("sid") == "None"
    assert version("6-rt") == "None"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ROW + "    bft: kernel\n", "4: kernels[0].bft: unknown key 'bft'; did you "
         "mean 'btf'?"),
        ("kernels: []\n", "1: kernels: must not be empty"),
        ("kernels: all\n", '1: kernels: "all": should be a list'),
        ("just text\n", '1: "just text": should be a mapping'),
        (
            ROW + ROW.partition("\n")[2],
            "4: kernels[1].id: '5.4' is used twice; line 2 already has it",
        ),
        (
            ROW + "    id: '5.5'\n",
            "4: key 'id' is used twice; it is already in line 2",
        ),
        (
            ROW.replace('"5.4"', "5.10"),
            '2: kernels[0].id: write it in quotes, "5.10"; YAML reads 5.10 as the '
            "number 5.1",
        ),
        (
            ROW.replace('"5.4"', "../x"),
            "2: kernels[0].id: '../x' must be "
            + PATTERNS[r"^[A-Za-z0-9][A-Za-z0-9._+-]*$"],
        ),
        (
            ROW.replace("debian", "debain"),
            "3: kernels[0].source: unknown type 'debain'; did you mean 'debian'?",
        ),
        (
            ROW.replace("type: debian, ", ""),
            "3: kernels[0].source: key 'type' is missing",
        ),
        (
            ROW.replace("bookworm", "bookworm/main"),
            "3: kernels[0].source.suite: 'bookworm/main' must be "
            + PATTERNS[r"^[a-z][a-z0-9-]*(/updates)?$"],
        ),
        (
            ROW.replace("bookworm", "sid, package: --help"),
            "3: kernels[0].source.package: '--help' must be "
            + PATTERNS[r"^[a-z0-9*?\[\]][a-z0-9.+*?\[\]-]*$"],
        ),
        (
            ROW + "    memory: lots\n",
            '4: kernels[0].memory: "lots": should be a whole number',
        ),
        (
            ROW + "    memory: 16\n",
            "4: kernels[0].memory: 16: should be greater than or equal to 96",
        ),
        (
            ROW + "    arch: arm46\n",
            "4: kernels[0].arch: no architecture 'arm46'; did you mean 'arm64'?; there "
            "are x86_64, arm64, s390x, riscv64",
        ),
        (
            ROW + "    required: sometimes\n",
            '4: kernels[0].required: "sometimes": should be true or false',
        ),
        (ROW + "    tags: lts\n", '4: kernels[0].tags: "lts": should be a list'),
        (
            ROW + "    tags: [lts, 'b c']\n",
            "4: kernels[0].tags[1]: 'b c' must be "
            + PATTERNS[r"^[A-Za-z0-9][A-Za-z0-9._+-]*$"],
        ),
        (
            ROW + "    arguments: ['quiet init=/bin/sh']\n",
            "4: kernels[0].arguments[0]: 'quiet init=/bin/sh' must be one word of "
            "printable ASCII, without blanks",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    assert said in [
        line.removeprefix("matrix.yaml:") for line in mistakes(tmp_path, text)
    ]


def test_the_shipped_matrix_holds_what_is_promised() -> None:
    shipped = matrix.load(ROOT / "matrix.yaml")

    ids = [kernel.id for kernel in shipped.kernels]
    assert {"4.4", "4.11", "5.5", "5.14", "5.10", "6.1", "6.12", "sid"} <= set(ids)
    for kernel in shipped.kernels:
        if kernel.id in ("5.10", "6.1", "6.12", "sid"):
            assert isinstance(kernel.source, DebianSource)
        if isinstance(kernel.source, UnavailableSource):
            assert kernel.source.reason
    assert any("default" in kernel.tags for kernel in shipped.kernels)


UBUNTU = "kernels:\n- id: a\n  source: {type: ubuntu, KEYS}\n"
ADDRESS = f"{{url: 'https://example.org/a.deb', sha256: {'a' * 64}}}"


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("package: linux-image-aws", "needs either the key series or the key packages"),
        (
            f"series: jammy, packages: [{ADDRESS}]",
            "needs either the key series or the key packages",
        ),
        (
            f"packages: [{ADDRESS}], debug: true",
            "the key packages can't be used with debug",
        ),
        ("series: jammy, pockets: []", "kernels[0].source.pockets"),
        (
            "series: jammy, pockets: [release, sekurity]",
            "'sekurity' must be 'release', 'security', 'updates', 'proposed', "
            "'backports', 'infra-security' or 'infra-updates'; did you mean "
            "'security'?",
        ),
        (
            "series: jammy, version: latest",
            "'latest' must be a version such as 5.15.0-91 or 5.15.0-91.101",
        ),
        ("series: jammy, archive: /mnt/ubuntu", "'/mnt/ubuntu' must be an address"),
        ("series: jammy, pocket: updates", "did you mean 'pockets'?"),
    ],
)
def test_mistake_in_an_ubuntu_row_is_told(tmp_path: Path, keys: str, said: str) -> None:
    assert said in " ".join(mistakes(tmp_path, UBUNTU.replace("KEYS", keys)))


def test_ubuntu_row_needs_a_series_or_addresses_only(tmp_path: Path) -> None:
    path = tmp_path / "matrix.yaml"
    path.write_text(
        UBUNTU.replace("KEYS", "series: jammy, version: 5.15.0-91")
        + UBUNTU.replace("KEYS", f"packages: [{ADDRESS}]")
        .removeprefix("kernels:\n")
        .replace("id: a", "id: b")
    )

    first, second = (row.sources[0] for row in matrix.load(path).kernels)

    assert first.shown == "ubuntu jammy linux-image-generic 5.15.0-91"
    assert not first.tells_checksums
    assert second.shown == "ubuntu a.deb"
    assert second.tells_checksums


@pytest.mark.parametrize(
    ("spelling", "arch", "package"),
    [
        ("amd64", "x86_64", "linux-image-cloud-amd64"),
        ("aarch64", "arm64", "linux-image-cloud-arm64"),
        ("arm64", "arm64", "linux-image-cloud-arm64"),
        ("s390x", "s390x", "linux-image-s390x"),
        ("riscv64", "riscv64", "linux-image-riscv64"),
    ],
)
def test_a_row_has_an_architecture(
    spelling: str, arch: str, package: str, tmp_path: Path
) -> None:
    (kernel,) = load(tmp_path, f"{ROW}\n    arch: {spelling}\n").kernels

    assert kernel.arch == arch
    assert isinstance(kernel.source, DebianSource)
    assert kernel.source.wanted_package == package
    exact = kernel.at("6.1.176-1")
    assert exact is not None
    assert [it.arch for it in exact.sources] == [arch]
