"""Which security modules a kernel starts with."""

import pytest

from runner.kernels import securitymodules
from runner.matrix.environment import GuestEnvironment

CONFIG = {"LSM": '"lockdown,yama,apparmor"'}


def test_a_kernel_starts_its_own() -> None:
    found = securitymodules.of_environment(GuestEnvironment(), CONFIG)
    assert found == ("lockdown", "yama", "apparmor")
    assert securitymodules.of_config({"LSM": '""'}) == ()


@pytest.mark.parametrize("config", [None, {}])
def test_what_no_configuration_tells_is_not_known(
    config: dict[str, str] | None,
) -> None:
    assert securitymodules.of_environment(GuestEnvironment(), config) is None
    dots = GuestEnvironment(lsm=("...", "bpf"))
    assert securitymodules.of_environment(dots, config) is None


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (GuestEnvironment(lsm=("bpf",)), ("bpf",)),
        (GuestEnvironment(lsm=()), ()),
        (
            GuestEnvironment(lsm=("...", "bpf")),
            ("lockdown", "yama", "apparmor", "bpf"),
        ),
        # Each counts once, where it is named.
        (GuestEnvironment(lsm=("yama", "...")), ("yama", "lockdown", "apparmor")),
    ],
)
def test_others_may_be_asked_for(
    asked: GuestEnvironment, found: tuple[str, ...]
) -> None:
    assert securitymodules.of_environment(asked, CONFIG) == found
