"""How a guest comes to be what a suite wants."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import JsonValue

from runner.arch import X86_64
from runner.guest import environment, guestinterfaces
from runner.guest.agent import AgentSession
from runner.guest.asked import Asked
from runner.guest.environment import MEANS, EnvironmentUnavailableError
from runner.guest.qemu.machine import Machine
from runner.kernels import guestconfig
from runner.kernels.modulefiles import NONE
from runner.matrix.environment import GuestEnvironment, parse
from runner.versions import KernelVersion
from tests.unit.guest.doubles import COMMAND, FakeAgent, artifact

CONFIG = {
    "SMP": "y",
    "NR_CPUS": "64",
    "CGROUPS": "y",
    "BPF_LSM": "y",
    "SECURITY_LANDLOCK": "y",
    "SECURITY_YAMA": "y",
    "LSM": '"landlock,yama"',
    "SECURITY_LOCKDOWN_LSM": "y",
    "SECURITY_LOCKDOWN_LSM_EARLY": "y",
}
MACHINE = Machine(
    qemu=Path("/usr/bin/qemu"),
    architecture=X86_64,
    nic="virtio-net-pci",
    accelerator="tcg",
    kernel=Path("/vmlinuz"),
    initrd="",
    memory=256,
    console=Path(),
)


def asked(
    *words: str, version: str = "6.1", config: dict[str, str] | None = None
) -> Asked:
    known = CONFIG if config is None else config
    of = replace(artifact(), version=KernelVersion.parse(version), release=version)
    return Asked(environment=parse(words), artifact=of, config=known)


def calls(*words: str) -> list[tuple[str, ...]]:
    it = asked(*words)
    return [call for means in MEANS for call in means.calls(it)]


def test_each_key_has_a_row() -> None:
    assert {it.key for it in MEANS} == set(GuestEnvironment.model_fields)


def test_what_is_done_after_the_boot_is_known() -> None:
    found = asked("memory=512", "arguments=[nokaslr]", "sysctl={kernel.sysrq: 1}", PAIR)

    assert [*environment.set_up_after_boot(found)] == ["interfaces", "sysctl"]
    assert environment.set_up_after_boot(found)["sysctl"] == {"kernel.sysrq": 1}
    assert not environment.set_up_after_boot(asked("memory=512"))


def test_processors_are_the_machines_and_the_kernels() -> None:
    it = asked("cpus={online: [0, 3], possible: 8}")
    found = environment.machine_of(MACHINE, it)
    assert found.cpus == 8
    assert found.arguments == ("maxcpus=4",)
    assert calls("cpus={online: [0, 3], possible: 8}") == [("cpus", "0,3", "8")]


PAIR = (
    "interfaces=[{name: veth0, addresses: [10.1.0.1/24], peer: {name: veth1, netns: "
    "other, addresses: ['fd00::1/64']}}, {name: d0, type: dummy}]"
)


def test_interfaces_are_made_before_they_are_turned_on() -> None:
    assert calls(PAIR) == [
        ("pair", "veth", "veth0", "veth1", "other"),
        ("dummy", "d0"),
        ("up", "veth0", "-", "02:00:00:00:00:01", "10.1.0.1/24"),
        ("up", "veth1", "other", "02:00:00:00:00:02", "fd00::1/64"),
        ("up", "d0", "-", "02:00:00:00:00:03"),
    ]
    netkit = "interfaces=[{name: n0, type: netkit, peer: {name: n1}}]"
    assert calls(netkit) == [
        ("pair", "netkit", "n0", "n1"),
        ("up", "n0", "-", "-"),
        ("up", "n1", "-", "-"),
    ]


@pytest.mark.parametrize(
    ("config", "modules"),
    [
        (None, ("xfs", "veth", "dummy")),
        ({"VETH": "m", "DUMMY": "y"}, ("xfs", "veth")),
        ({"VETH": "y", "DUMMY": "y"}, ("xfs",)),
    ],
)
def test_interfaces_load_their_modules(
    config: dict[str, str] | None, modules: tuple[str, ...]
) -> None:
    found = guestinterfaces.modules_of(parse([PAIR, "modules=[xfs]"]), config)
    assert found == modules
    netkit = parse(["interfaces=[{name: n0, type: netkit, peer: {name: n1}}]"])
    assert guestinterfaces.modules_of(netkit, config) == ()


def test_a_plain_guest_is_what_it_always_was() -> None:
    assert environment.machine_of(MACHINE, asked()) == MACHINE
    assert calls() == []


def test_lockdown_comes_last() -> None:
    found = calls("lockdown=integrity", "sysctl={kernel.sysrq: 1}", "cgroup=v1")
    assert found == [
        ("cgroup", "v1"),
        ("sysctl", "kernel.sysrq", "/proc/sys/kernel/sysrq", "1"),
        ("lockdown", "integrity"),
    ]


def test_lockdown_that_is_not_there_early_is_a_security_module_to_start() -> None:
    late = {**CONFIG, "SECURITY_LOCKDOWN_LSM_EARLY": "n"}
    found = environment.machine_of(MACHINE, asked("lockdown=none", config=late))
    assert found.arguments == ("lsm=lockdown,landlock,yama",)
    late["LSM"] = '"yama,lockdown"'
    found = environment.machine_of(MACHINE, asked("lockdown=none", config=late))
    assert found.arguments == ()
    found = environment.machine_of(MACHINE, asked("lockdown=none"))
    assert found.arguments == ()


def test_three_dots_are_the_kernels_own_security_modules() -> None:
    it = asked("lsm=[..., bpf]")
    assert environment.machine_of(MACHINE, it).arguments == ("lsm=landlock,yama,bpf",)
    assert calls("lsm=[..., bpf]") == [("lsm", "bpf")]
    it = asked("lsm=[yama, ...]")
    assert environment.machine_of(MACHINE, it).arguments == ("lsm=yama,landlock",)


def test_what_a_kernel_starts_anyway_makes_no_other_guest() -> None:
    own = {**CONFIG, "LSM": '"landlock,bpf"'}
    it = asked("lsm=[..., bpf]", "user={uid: 7}", config=own)
    assert environment.machine_of(MACHINE, it).arguments == ()
    assert environment.saved(it) == GuestEnvironment()
    other = asked("lsm=[bpf]", config=own)
    assert environment.saved(other).lsm == ("bpf",)


def test_three_dots_need_a_list_of_the_kernels_own() -> None:
    without = {name: it for name, it in CONFIG.items() if name != "LSM"}
    with pytest.raises(EnvironmentUnavailableError, match=r"CONFIG_LSM, from 5\.1 on"):
        environment.require(asked("lsm=[..., bpf]", config=without))


@pytest.mark.parametrize(
    ("words", "config", "version", "message"),
    [
        (["cpus=65"], {}, "6.1", "cpus: 65 possible processors, but the kernel was "),
        (["cpus={online: 2, possible: 65}"], {}, "6.1", "built for 64"),
        (["cpus=2"], {"SMP": "n"}, "6.1", "built for one"),
        (["lockdown=integrity"], {}, "5.3", "which was added in 5.4"),
        (["lsm=[nope]"], {}, "6.1", "lsm: the security module nope"),
        (["cgroup=v1"], {"CGROUPS": "n"}, "6.1", "the kernel has none"),
        ([PAIR], {"NET_NS": "y"}, "6.1", "veth0 is of the type veth, which the kernel"),
        ([PAIR], {"VETH": "m", "NET_NS": "y"}, "6.1", "d0 is of the type dummy"),
        ([PAIR], {"VETH": "m", "DUMMY": "m"}, "6.1", "the network namespace other"),
    ],
)
def test_what_a_kernel_lacks_is_told_before_it_boots(
    words: list[str], config: dict[str, str], version: str, message: str
) -> None:
    it = asked(*words, version=version, config={**CONFIG, **config})
    with pytest.raises(EnvironmentUnavailableError, match=message):
        environment.require(it)
    without = replace(it, environment=parse([]))
    environment.require(without)


def test_types_of_interfaces_have_versions_where_nothing_else_is_known() -> None:
    netkit = "interfaces=[{name: n0, type: netkit, peer: {name: n1}}]"
    old = replace(asked(netkit, version="6.6"), config=None)
    with pytest.raises(EnvironmentUnavailableError, match=r"added in 6\.7"):
        environment.require(old)
    environment.require(replace(asked(netkit, version="6.7"), config=None))
    environment.require(asked(netkit, version="5.14", config={"NETKIT": "y"}))


def test_what_a_kernel_has_is_not_refused() -> None:
    environment.require(asked("cpus=64", "lockdown=integrity", "lsm=[landlock, bpf]"))
    # Nothing is known of a kernel without a configuration.
    it = asked("cpus=64", "lockdown=integrity", "lsm=[nope]", "cgroup=v1")
    environment.require(replace(it, config=None))


def test_lockdown_of_a_kernel_without_it() -> None:
    config = {name: it for name, it in CONFIG.items() if "LOCKDOWN" not in name}
    with pytest.raises(EnvironmentUnavailableError, match="was built without it"):
        environment.require(asked("lockdown=confidentiality", config=config))
    environment.require(asked("lockdown=none", config=config))


@pytest.mark.parametrize("version", ["5.11", "5.12.19", "5.13.1"])
def test_kernels_that_hang_with_two_processors_get_none(version: str) -> None:
    it = asked("cpus=2", version=version)
    with pytest.raises(EnvironmentUnavailableError, match="hangs"):
        environment.machine_of(MACHINE, it)
    environment.machine_of(replace(MACHINE, accelerator="kvm"), it)
    environment.machine_of(MACHINE, asked(version=version))


@pytest.mark.parametrize("version", ["5.10", "5.14", "6.1"])
def test_others_get_them(version: str) -> None:
    found = environment.machine_of(MACHINE, asked("cpus=2", version=version))
    assert found.cpus == 2


def test_mounts_are_made_and_looked_at() -> None:
    assert calls(
        "mounts=[{type: tmpfs, path: /mnt/a, options: [size=1m, noexec, ro]}, "
        "{type: tmpfs, path: /mnt/b}, "
        "{type: none, source: /etc, path: /mnt/c, options: [bind, ro]}]"
    ) == [
        ("mount", "tmpfs", "none", "/mnt/a", "size=1m,noexec,ro", "noexec", "ro"),
        ("mount", "tmpfs", "none", "/mnt/b", "-"),
        ("bind", "none", "/etc", "/mnt/c", "bind,ro", "ro"),
    ]


def test_a_machine_that_has_fewer_processors_is_told_before_it_boots() -> None:
    found = asked(
        "cpus={online: 1, possible: 249}", config={**CONFIG, "NR_CPUS": "256"}
    )
    environment.require(found)
    of = replace(found.artifact, architecture="s390x")
    with pytest.raises(EnvironmentUnavailableError, match="at most 248") as caught:
        environment.require(replace(found, artifact=of))
    assert caught.value.where == ("guest", "cpus")
    with pytest.raises(EnvironmentUnavailableError, match="s390-ccw-virtio"):
        environment.require(replace(found, artifact=of, config=None))


def test_an_option_that_is_not_set_is_one_that_the_kernel_lacks() -> None:
    config = guestconfig.parse(
        "CONFIG_SMP=y\nCONFIG_NR_CPUS=8\n# CONFIG_SECURITY_LOCKDOWN_LSM is not set\n"
    )
    for word, key in (("lockdown=integrity", "lockdown"), ("cpus=9", "cpus")):
        with pytest.raises(EnvironmentUnavailableError, match="built") as caught:
            environment.require(asked(word, config=config))
        assert caught.value.where == ("guest", key)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("kernel.sysrq", "kernel/sysrq"),
        ("net.ipv4.conf.eth0/1.forwarding", "net/ipv4/conf/eth0.1/forwarding"),
        ("net/ipv4/conf/eth0.1/forwarding", "net/ipv4/conf/eth0.1/forwarding"),
    ],
)
def test_sysctls_are_named_as_sysctl_does(name: str, file: str) -> None:
    found = calls(f"sysctl={{{name}: 1}}")
    assert found == [("sysctl", name, f"/proc/sys/{file}", "1")]


class _Words(FakeAgent):
    """An agent whose guest lacks a sysctl, and has others."""

    def _command(self, argv: JsonValue) -> dict[str, JsonValue]:
        if argv == ["find", "/proc/sys", "-type", "f"]:
            names = "/proc/sys/kernel/sysrq\n/proc/sys/kernel/kptr_restrict\n"
            return {**COMMAND, "stdout": names}
        assert isinstance(argv, list)
        wrong = argv[1] == "sysctl" and argv[2] != "kernel.sysrq"
        said = f"no such sysctl: {argv[2]}\n" if wrong else ""
        return {**COMMAND, "exit": int(wrong), "stderr": said}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("kernel.kptr_restict", "did you mean 'kernel.kptr_restrict'?"),
        ("kernel/kptr_restict", "did you mean 'kernel.kptr_restrict'?"),
        ("net.nothing_like_it", "no such sysctl: net.nothing_like_it"),
    ],
)
def test_a_sysctl_that_is_not_there_gets_a_near_name(name: str, message: str) -> None:
    agent = AgentSession(_Words())
    environment.set_up(agent, asked("sysctl={kernel.sysrq: 1}"))
    with pytest.raises(EnvironmentUnavailableError, match=re.escape(message)) as caught:
        environment.set_up(agent, asked(f"sysctl={{{name}: 1}}"))
    assert caught.value.failure_class == "sysctl"


class _Refuses(FakeAgent):
    """An agent whose guest refuses all modules."""

    def _command(self, argv: JsonValue) -> dict[str, JsonValue]:
        assert isinstance(argv, list)
        said = f"modules did not load: {argv[2]}\n"
        return {**COMMAND, "exit": 1, "stderr": said}


@pytest.mark.parametrize(
    ("why", "cure"),
    [
        (
            "kvm_amd (No such device: it does not suit this processor, or the guest "
            "lacks what it drives)",
            "take the module out of `modules`, or skip the case on this kernel",
        ),
        (
            "mine (invalid module format)",
            "use the modules of this kernel's own package",
        ),
        ("mine (Key was rejected by service)", "give the guest what it needs"),
    ],
)
def test_the_cure_of_a_module_that_is_refused_is_not_to_load_it(
    why: str, cure: str
) -> None:
    # The words that its call is given are those that the double answers with.
    it = replace(asked(), modules=replace(NONE, needed=(why,)))
    with pytest.raises(EnvironmentUnavailableError, match=re.escape(why)) as caught:
        environment.set_up(AgentSession(_Refuses()), it)

    assert caught.value.failure_class == "module_missing"
    assert cure in caught.value.hint
    assert not caught.value.hint.startswith("load")
