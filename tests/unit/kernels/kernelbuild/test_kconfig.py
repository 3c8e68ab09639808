"""What was asked for of a kernel's config, and what became of it."""

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import ArtifactError, UsageError
from runner.kernels import guestconfig
from runner.kernels.kernelbuild import kconfig
from runner.kernels.kernelbuild.kconfig import Request
from tests.unit.kernels.kernelbuild.trees import make_tree


def asked(name: str, value: str = "y") -> Request:
    return Request(name=name, value=value, where="base.config:1")


def test_fragment_is_read_with_its_lines() -> None:
    text = '# Why.\n\nCONFIG_NET=y\n# CONFIG_SMP is not set\nCONFIG_LSM="bpf"\n'

    assert kconfig.parse_fragment(text, "base.config") == [
        Request(name="NET", value="y", where="base.config:3"),
        Request(name="SMP", value="n", where="base.config:4"),
        Request(name="LSM", value='"bpf"', where="base.config:5"),
    ]


@pytest.mark.parametrize("line", ["NET=y", "CONFIG_NET", "CONFIG_NET=", "CONFIG_NET y"])
def test_line_that_is_no_option_is_told(line: str) -> None:
    with pytest.raises(UsageError, match=r"base\.config:2"):
        kconfig.parse_fragment(f"CONFIG_SMP=y\n{line}\n", "base.config")


names = st.text(string.ascii_uppercase + string.digits + "_", min_size=1)
values = st.sampled_from(["y", "m", "n", "42", "-1", "0x10", '"some text"'])


@given(st.dictionaries(names, values))
def test_preset_reads_back_as_what_was_asked(wanted: dict[str, str]) -> None:
    requests = [asked(name, value) for name, value in wanted.items()]

    read = kconfig.parse_fragment(kconfig.preset(requests), "preset")

    assert {it.name: it.value for it in read} == wanted


@given(st.text())
def test_garbage_is_refused_or_read(text: str) -> None:
    try:
        read = kconfig.parse_fragment(text, "base.config")
    except UsageError:
        return
    assert kconfig.lost(read, guestconfig.parse(kconfig.preset(read))) == ()


def test_option_that_became_built_in_counts_as_asked_for() -> None:
    assert kconfig.lost([asked("NET", "m")], {"NET": "y"}) == ()


def test_option_that_stayed_off_or_came_on_is_lost() -> None:
    requests = [asked("NET"), asked("SMP", "n"), asked("HZ", "100")]

    lost = kconfig.lost(requests, {"SMP": "y", "HZ": "250"})

    assert [it.name for it in lost] == ["NET", "SMP", "HZ"]


def test_option_that_a_kernel_refuses_is_named_with_what_it_needs(
    tmp_path: Path,
) -> None:
    with pytest.raises(ArtifactError) as caught:
        kconfig.check([asked("VIRTIO_NET")], {}, make_tree(tmp_path))

    assert "CONFIG_VIRTIO_NET=y (base.config:1)" in caught.value.message
    assert "NET && VIRTIO and NETDEVICES" in caught.value.message


@pytest.mark.parametrize("name", ["UNHEARD_OF", "ARM_ONLY"])
def test_option_that_a_kernel_does_not_know_is_passed_over(
    tmp_path: Path, name: str
) -> None:
    kconfig.check([asked(name)], {}, make_tree(tmp_path))
