"""What a case wants of its guest that it will not get."""

import re

import pytest

from runner.case import guestfit
from runner.guest.environment import EnvironmentUnavailableError
from runner.matrix.environment import parse
from runner.suites.known import KnownKernel
from runner.suites.model import Case
from runner.versions import KernelVersion

KERNEL = KnownKernel(version=KernelVersion.parse("6.1"))
PAIR = "interfaces=[{name: veth0, peer: {name: veth1, netns: other}}]"
USER = "user={uid: 1000}"


def case(**keys: object) -> Case:
    return Case.model_validate({"name": "c", **keys}, strict=False)


def attached(place: object, **keys: object) -> Case:
    return case(object="a.o", programs={"p": {"attach": place}}, **keys)


@pytest.mark.parametrize(
    ("place", "words", "message"),
    [
        ("xdp/veth0", [], "p: xdp/veth0: the guest has no interface veth0; it has lo"),
        ("tc/vet0/ingress", [PAIR], "no interface vet0; it has lo, eth0, veth0"),
        ("tcx/veth1/egress", [PAIR], "veth1 is in the network namespace other"),
        ({"<6.2": "xdp/veth0/native"}, [], "no interface veth0"),
    ],
)
def test_an_interface_that_will_not_be_there(
    place: object, words: list[str], message: str
) -> None:
    with pytest.raises(EnvironmentUnavailableError, match=re.escape(message)):
        guestfit.require(attached(place), parse(words), KERNEL)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("xdp/lo", []),
        ("xdp/eth0/generic", []),
        ("tc/veth0/ingress", [PAIR]),
        # Drivers make these, and modules nobody knows which.
        ("xdp/sit0", []),
        ("xdp/wg0", ["modules=[wireguard]"]),
        ("xdp/${files.folder}", []),
        ("kprobe/veth0", []),
        ({">=6.2": "xdp/veth0"}, []),
        (False, []),
    ],
)
def test_an_interface_that_may_be_there(place: object, words: list[str]) -> None:
    guestfit.require(attached(place), parse(words), KERNEL)


def test_nothing_is_said_of_what_is_not_attached() -> None:
    guestfit.require(attached("xdp/veth0", attach=False), parse([]), KERNEL)


TOKEN = "user={uid: 1000, namespace: true, token: {maps: any}}"
APART = "user={uid: 1000, namespace: true}"


def test_a_token_on_a_kernel_without_them() -> None:
    newer = KnownKernel(version=KernelVersion.parse("6.12"))
    one = case(object="a.o")
    with pytest.raises(EnvironmentUnavailableError, match=r"which were added in 6\.9"):
        guestfit.require(one, parse([TOKEN]), KERNEL)
    guestfit.require(one, parse([TOKEN]), newer)
    guestfit.require(one, parse([APART]), KERNEL)


def test_a_user_namespace_on_a_kernel_without_them() -> None:
    options = {"y": "CONFIG_USER_NS=y", "n": "# CONFIG_USER_NS is not set"}
    version = KernelVersion.parse("6.1")
    with pytest.raises(EnvironmentUnavailableError, match="CONFIG_USER_NS"):
        guestfit.require(
            case(object="a.o"),
            parse([APART]),
            KnownKernel(version=version, config=options["n"]),
        )
    guestfit.require(
        case(object="a.o"),
        parse([APART]),
        KnownKernel(version=version, config=options["y"]),
    )


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"object": "a.o", "loader": "ebpf-go"}, "the loader ebpf-go always loads as"),
        ({"object": "a.o", "loader": {"<6.2": "aya"}}, "the loader aya always loads"),
        ({"command": ["loader"]}, "runs as the user that its key `as` names"),
        ({"files": ["loader"]}, "loaders in `files` run as root"),
    ],
)
def test_a_user_whom_a_loader_would_ignore(
    keys: dict[str, object], message: str
) -> None:
    with pytest.raises(EnvironmentUnavailableError, match=re.escape(message)):
        guestfit.require(case(**keys), parse([USER]), KERNEL)
    guestfit.require(case(**keys), parse(["user={uid: 0}"]), KERNEL)


@pytest.mark.parametrize("loader", ["libbpf", "compat", {"<6.0": "aya"}])
def test_a_user_for_libbpf(loader: object) -> None:
    guestfit.require(case(object="a.o", loader=loader), parse([USER]), KERNEL)


DUMMY = "interfaces=[{name: dum0, type: dummy}]"
NETKIT = "interfaces=[{name: nk0, type: netkit, peer: {name: nk1}}]"
V1, HYBRID = "cgroup=v1", "cgroup=hybrid"
GROUPS = "mounts=[{type: cgroup2, path: /sys/fs/cgroup/unified}]"


@pytest.mark.parametrize(
    ("place", "words", "class_", "message"),
    [
        ("netkit/lo/peer", [], "attach_place_unfit", "lo is of the type loopback"),
        ("netkit/dum0/primary", [DUMMY], "attach_place_unfit", "of the type dummy"),
        ("netkit/veth0/primary", [PAIR], "attach_place_unfit", "of the type veth"),
        (
            "netkit/nk1/primary",
            [NETKIT],
            "attach_place_unfit",
            "nk1 is the peer of nk0",
        ),
        ("xdp/lo/native", [], "xdp_mode_unsupported", "no XDP programs in native mode"),
        ("xdp/dum0/native", [DUMMY], "xdp_mode_unsupported", "of the type dummy"),
        (
            "netns/run/netns/othr",
            [PAIR],
            "attach_place_unfit",
            "nobody makes the network namespace othr; did you mean 'other'?",
        ),
        ("sk_lookup//var/run/netns/x", [], "attach_place_unfit", "namespace x"),
        (
            "cgroup/sys/fs/cgroup/memory",
            [],
            "user_target_missing",
            "/sys/fs/cgroup/memory is a folder of cgroup v1",
        ),
        ("cgroup/sys/fs/cgroup/unified/a", [], "user_target_missing", "cgroup v2"),
        (
            "cgroup/sys/fs/cgroup/nothere",
            [],
            "user_target_missing",
            "nobody makes the control group /sys/fs/cgroup/nothere",
        ),
        (
            "cgroup/sys/fs/./cgroup//a/b",
            [],
            "user_target_missing",
            "nobody makes the control group /sys/fs/cgroup/a",
        ),
        (
            "cgroup/sys/fs/cgroup/unified/a",
            [HYBRID],
            "user_target_missing",
            "nobody makes the control group /sys/fs/cgroup/unified/a",
        ),
        ("cgroup/sys/fs/cgroup/freezer", [V1], "cgroup_version", "with cgroup v1"),
        ("cgroup/sys/fs/cgroup", [HYBRID], "cgroup_version", "with cgroup hybrid"),
    ],
)
def test_a_place_that_takes_no_program_is_told_before_the_boot(
    place: str, words: list[str], class_: str, message: str
) -> None:
    with pytest.raises(EnvironmentUnavailableError) as caught:
        guestfit.require(attached(place), parse(words), KERNEL)

    assert caught.value.failure_class == class_
    assert f"p: {place}: " in caught.value.message
    assert message in caught.value.message
    assert caught.value.hint
    # A suite that expects it is about the kernel's own words.
    declared = {"class": class_, "reason": "it says so"}
    guestfit.require(attached(place, expect_failure=declared), parse(words), KERNEL)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("netkit/nk0/peer", [NETKIT]),
        ("xdp/lo/generic", []),
        ("xdp/lo", []),
        ("xdp/eth0/native", []),
        ("xdp/veth0/native", [PAIR]),
        ("netns", []),
        ("netns/run/netns/other", [PAIR]),
        ("netns/proc/1/ns/net", []),
        ("netns/run/netns/${x}", []),
        ("cgroup/sys/fs/cgroup", []),
        ("cgroup//sys/fs/cgroup/", []),
        ("cgroup/sys/fs/cgroup/unified", [HYBRID]),
        ("cgroup/sys/fs/cgroup/unified", [GROUPS]),
        ("cgroup/run/groups", [V1]),
    ],
)
def test_a_place_that_may_take_a_program(place: str, words: list[str]) -> None:
    guestfit.require(attached(place), parse(words), KERNEL)


@pytest.mark.parametrize(
    ("place", "words", "command"),
    [
        ("netns/run/netns/mine", [], ["unshare", "--net=/run/netns/mine", "true"]),
        ("cgroup/sys/fs/cgroup/mine", [], ["mkdir", "/sys/fs/cgroup/mine"]),
        ("cgroup/sys/fs/cgroup/memory", [], ["mkdir", "/sys/fs/cgroup/memory"]),
        (
            "cgroup/sys/fs/cgroup/unified/mine/a",
            [HYBRID],
            ["sh", "-c", "cd /sys/fs/cgroup/unified && mkdir -p mine/a"],
        ),
    ],
)
def test_a_place_that_a_case_makes_is_there(
    place: str, words: list[str], command: list[str]
) -> None:
    makes = case(object="a.o", trigger=[{"command": command}])
    others = [
        case(object="a.o", trigger=[{"command": ["mkdir", "/tmp/other"]}]),
        case(object="a.o"),
    ]

    guestfit.require(attached(place), parse(words), KERNEL, [makes])
    with pytest.raises(EnvironmentUnavailableError):
        guestfit.require(attached(place), parse(words), KERNEL, others)


@pytest.mark.parametrize(
    "keys", [{"command": ["build/prepare"]}, {"object": "a.o", "files": ["make.sh"]}]
)
def test_nobody_knows_what_programs_of_the_suite_make(keys: dict[str, object]) -> None:
    place = attached("cgroup/sys/fs/cgroup/mine")
    guestfit.require(place, parse([]), KERNEL, [case(**keys)])


def test_no_command_gives_a_group_of_version_1_programs() -> None:
    place = attached(
        "cgroup/sys/fs/cgroup/freezer",
        trigger=[{"command": ["mkdir", "/sys/fs/cgroup/freezer/a"]}],
    )
    with pytest.raises(EnvironmentUnavailableError, match="with cgroup v1"):
        guestfit.require(place, parse([V1]), KERNEL)
