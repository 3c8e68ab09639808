"""What a kernel must be built with."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.arch import S390X, X86_64
from runner.errors import ArtifactError
from runner.files.cache import Cache
from runner.kernels import fetch, guestconfig, nic
from runner.kernels.artifact import Artifact
from runner.matrix.matrix import Kernel, PathSource
from tests.unit.kernels import images
from tests.unit.kernels.silent import Silent

NAMES = (
    *("64BIT", "PCI", "BLK_DEV_INITRD", "RD_GZIP", "BINFMT_ELF", "BINFMT_SCRIPT"),
    *("PRINTK", "SERIAL_8250_CONSOLE", "PROC_FS", "SYSFS", "DEVTMPFS", "TMPFS"),
    *("INET", "BPF_SYSCALL", "VIRTIO_PCI", "VIRTIO_NET"),
)
GOOD = "".join(f"CONFIG_{name}=y\n" for name in NAMES)


def obtain(tmp_path: Path, config: str) -> Artifact:
    (tmp_path / "bzImage").write_bytes(images.bzimage("4.4.1"))
    (tmp_path / ".config").write_text(config)
    kernel = Kernel(id="4.4", source=PathSource(type="path", image=tmp_path))
    return fetch.obtain(kernel, Cache(root=tmp_path / "cache"), Silent())


def test_whole_config_lacks_nothing() -> None:
    assert guestconfig.missing(guestconfig.parse(GOOD), X86_64) == []


def test_every_missing_option_is_named_with_its_reason() -> None:
    config = GOOD.replace("CONFIG_BPF_SYSCALL=y", "# CONFIG_BPF_SYSCALL is not set")
    config = config.replace("CONFIG_TMPFS=y", "CONFIG_TMPFS=m")

    assert guestconfig.missing(guestconfig.parse(config), X86_64) == [
        "CONFIG_TMPFS=y (/run is one)",
        "CONFIG_BPF_SYSCALL=y (objects are loaded with bpf())",
    ]


def test_card_may_be_virtio_or_e1000() -> None:
    config = guestconfig.parse(GOOD.replace("CONFIG_VIRTIO_NET=y\n", ""))

    assert guestconfig.missing(config, X86_64) == [
        "CONFIG_VIRTIO_NET=y or m, or else CONFIG_E1000=y or m (SSH needs a network "
        "card)"
    ]
    assert guestconfig.missing({**config, "E1000": "m"}, X86_64) == []


def test_kernel_is_refused_before_it_boots(tmp_path: Path) -> None:
    config = GOOD.replace("CONFIG_BPF_SYSCALL=y", "")

    with pytest.raises(ArtifactError, match=r"it needs CONFIG_BPF_SYSCALL=y"):
        obtain(tmp_path, config)


@pytest.mark.parametrize(
    ("drivers", "card"),
    [
        ("VIRTIO_NET=y", "virtio-net-pci"),
        ("VIRTIO_NET=y\nCONFIG_E1000=y", "virtio-net-pci"),
        ("E1000=y", "e1000"),
    ],
)
def test_card_follows_the_drivers(tmp_path: Path, drivers: str, card: str) -> None:
    config = GOOD.replace("CONFIG_VIRTIO_NET=y", f"CONFIG_{drivers}")

    assert obtain(tmp_path, config).nic == card


def test_driver_that_is_a_module_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no driver for a network card") as caught:
        obtain(tmp_path, GOOD.replace("VIRTIO_NET=y", "VIRTIO_NET=m"))

    assert "key modules" in caught.value.hint


def test_file_that_is_no_config_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="sets no option"):
        obtain(tmp_path, "0000 T _text\n")


def test_config_of_another_kernel_is_refused(tmp_path: Path) -> None:
    head = "# Linux/x86 5.10.3 Kernel Configuration\n"

    with pytest.raises(
        ArtifactError, match=r"of 5\.10\.3, but the image is of 4\.4\.1"
    ):
        obtain(tmp_path, head + GOOD)


def test_config_tells_upstreams_version(tmp_path: Path) -> None:
    head = "# Linux/x86 4.4.302 Kernel Configuration\n"

    assert str(obtain(tmp_path, head + GOOD).version) == "4.4.302"


def test_card_needs_all_of_its_drivers() -> None:
    assert nic.choose({"virtio_net", "e1000"}, X86_64) == nic.of(X86_64)[1]
    assert nic.choose({"virtio_net"}, X86_64) is None
    assert nic.choose({"virtio_net"}, S390X) == nic.of(S390X)[0]


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    assert (
        guestconfig.missing(guestconfig.parse(text), X86_64) or "CONFIG_PCI=y" in text
    )
