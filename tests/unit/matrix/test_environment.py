"""What a guest is besides its kernel: the model, and what wins."""

import re
from pathlib import Path

import pytest

from runner.errors import UsageError
from runner.matrix import matrix
from runner.matrix.environment import (
    PLAIN,
    Cpus,
    GuestEnvironment,
    Token,
    User,
    merged,
    parse,
)
from runner.matrix.interfaces import of_own_namespace
from runner.matrix.mounts import OWN

RECIPE = Path(__file__).parents[3] / "images"


def test_the_nearest_wins_key_by_key() -> None:
    row = parse(["cpus=2", "lockdown=integrity", "sysctl={kernel.sysrq: 1}"])
    suite = parse(["cpus={online: [0, 3], possible: 8}", "cgroup=v1"])
    case = parse(["sysctl={kernel.kptr_restrict: 2}", "lockdown=none"])
    assert merged([row, suite, case]).shown == {
        "cpus": {"online": [0, 3], "possible": 8},
        "lockdown": "none",
        "cgroup": "v1",
        "sysctl": {"kernel.kptr_restrict": 2},
    }
    assert merged([PLAIN, PLAIN]) == PLAIN


def test_processors_that_are_online_and_possible() -> None:
    assert (PLAIN.processors.started, PLAIN.processors.all) == (1, 1)
    two = GuestEnvironment(cpus=2).processors
    assert (two.started, two.all, two.numbers) == (2, 2, (0, 1))
    holes = Cpus(online=(0, 3), possible=8)
    assert (holes.started, holes.all, holes.numbers) == (4, 8, (0, 3))
    assert Cpus(online=(0, 3)).all == 4


def test_who_loads_has_the_bits_that_the_kernel_counts() -> None:
    # Source: include/uapi/linux/capability.h: CAP_PERFMON 38, CAP_BPF 39.
    assert User(capabilities=("CAP_BPF", "CAP_PERFMON")).mask == 1 << 39 | 1 << 38
    assert User(capabilities=("CAP_CHOWN",)).mask == 1
    assert User(uid=1000).mask == 0
    assert User().is_root
    assert not User(capabilities=()).is_root
    assert not User(uid=1000).is_root
    assert User(capabilities=()).mask == 0


def test_root_of_a_user_namespace_is_root_there_only() -> None:
    apart = User(uid=1000, namespace=True)
    assert apart.mask == User().mask
    assert not User(namespace=True).is_root
    assert User(namespace=True, capabilities=("CAP_CHOWN",)).mask == 1


def test_a_token_has_the_bits_that_bpffs_counts() -> None:
    # Source: enum bpf_cmd, bpf_map_type, bpf_prog_type, bpf_attach_type of
    # include/uapi/linux/bpf.h.
    token = Token(
        commands=("map_create", "prog_load"),
        maps=("hash", "ringbuf"),
        programs=("socket_filter",),
        attach="any",
    )
    assert dict(token.options) == {
        "delegate_cmds": "0x21",
        "delegate_maps": hex(1 << 1 | 1 << 27),
        "delegate_progs": "0x2",
        "delegate_attachs": "any",
    }
    assert dict(Token().options) == {"delegate_cmds": hex(1 | 1 << 5 | 1 << 18)}


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("cpus=256", "cpus: 256: should be less than or equal to 255"),
        ("cpus=0", "cpus: 0: should be greater than or equal to 1"),
        ("cpus={online: [1, 2]}", "online must have processor 0"),
        ("cpus={online: [0, 2, 2]}", "online must list each processor once, in order"),
        ("cpus={online: [0, 4], possible: 4}", "possible is 4, but 5 processors start"),
        ("lockdown=true", "lockdown: true must be 'none', 'integrity' or"),
        ("lockdown=full", "'full' must be 'none', 'integrity' or 'confidentiality'"),
        ("cgroup=v3", "'v3' must be 'v1', 'v2' or 'hybrid'"),
        ("lokdown=none", "unknown key 'lokdown'; did you mean 'lockdown'?"),
        ("user={capabilities: [CAP_BPFF]}", "'CAP_BPFF'; did you mean 'CAP_BPF'?"),
        ("user={token: {maps: any}}", "token needs namespace: true"),
        (
            "user={namespace: true, token: {maps: [hsh]}}",
            "maps: no kernel has 'hsh'; did you mean 'hash'?",
        ),
        (
            "user={namespace: true, token: {commands: [map_lookup]}}",
            "commands: no kernel has 'map_lookup'",
        ),
        ("sysctl={panic: 1}", "must be a sysctl: kernel.kptr_restrict"),
        ("interfaces=[{name: veth0}]", "the type veth has a peer"),
        (
            "interfaces=[{name: d0, type: dummy, peer: {name: d1}}]",
            "the type dummy has no peer",
        ),
        (
            "interfaces=[{name: abcdefghijklmnop, type: dummy}]",
            "'abcdefghijklmnop' has 16 characters, and kernels take 15",
        ),
        ("interfaces=[{name: eth0, type: dummy}]", "each guest has eth0 already"),
        ("interfaces=[{name: lo, type: dummy}]", "each guest has lo already"),
        ("interfaces=[{name: all, type: dummy}]", "can be called 'all'"),
        ("interfaces=[{name: a/b, type: dummy}]", "must be"),
        (
            "interfaces=[{name: a, type: dummy}, {name: a, type: dummy}]",
            "two interfaces are called a",
        ),
        (
            "interfaces=[{name: a, peer: {name: a}}]",
            "two interfaces are called a",
        ),
        (
            "interfaces=[{name: a, type: dummy, addresses: [10.0.0.300/24]}]",
            "'10.0.0.300/24' is not an address; write one such as 10.0.0.1/24",
        ),
        (
            "interfaces=[{name: a, type: dummy, addresses: [10.1.0.1]}]",
            "write 10.1.0.1/24 or another length",
        ),
        (
            "interfaces=[{name: a, type: dummy, addresses: [10.0.2.9/24]}]",
            "the runner needs 10.0.2.0/24",
        ),
        (
            "interfaces=[{name: a, addresses: [10.1.0.1/24], "
            "peer: {name: b, addresses: [10.1.0.1/24]}}]",
            "two interfaces have the address 10.1.0.1",
        ),
        ("interfaces=[{name: a, type: bridge}]", "'veth', 'dummy' or 'netkit'"),
        ("memory=1", "memory: 1: should be greater than or equal to 96"),
        ("cpus", "'cpus' is not KEY=VALUE"),
        ("cpus=", "'cpus=' is not KEY=VALUE"),
        ("cpus={", "is not YAML"),
    ],
)
def test_what_makes_no_sense_is_refused(word: str, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        parse([word])


def test_ends_of_other_namespaces_may_have_any_name_and_address() -> None:
    found = parse(
        [
            "interfaces=[{name: a, addresses: [10.1.0.1/24], "
            "peer: {name: a, netns: n, addresses: [10.0.2.1/24, 'fd00::1/64']}}]"
        ]
    )
    assert of_own_namespace(found.interfaces or ()) == ("lo", "eth0", "a")


ROW = "kernels:\n  - id: a\n    source: {type: path, image: bzImage}\n"


def read(tmp_path: Path, text: str) -> matrix.Kernel:
    (tmp_path / "matrix.yaml").write_text(ROW + text)
    return matrix.load(tmp_path / "matrix.yaml").kernels[0]


def test_a_row_has_an_environment_with_defaults(tmp_path: Path) -> None:
    row = read(tmp_path, "    arguments: [nokaslr]\n    guest: {cpus: 2}\n")
    assert row.environment.memory == 256
    assert row.environment.arguments == ("nokaslr",)
    assert row.environment.cpus == 2


def test_a_row_within_no_environment_is_the_row(tmp_path: Path) -> None:
    row = read(tmp_path, "    guest: {cpus: 2}\n")
    assert row.within(PLAIN) == row
    assert row.within(parse(["cpus=2"])) == row
    assert row.within(parse(["cpus=3"])) != row


def test_a_row_says_its_memory_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="keys memory and guest"):
        read(tmp_path, "    memory: 512\n    guest: {memory: 256}\n")


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("arguments=[quiet]", "quiet would hide what the kernel reports"),
        ("arguments=[quiet=1]", "quiet=1 would hide"),
        ("arguments=['\"quiet\"']", "would hide"),
        ("arguments=[loglevel=4]", "loglevel=4 would hide"),
        ("arguments=[loglevel=0x1]", "loglevel=0x1 would hide"),
        ("arguments=[loglevel=0X4]", "loglevel=0X4 would hide"),
        ("arguments=[loglevel=04]", "loglevel=04 would hide"),
        ("arguments=[loglevel=00]", "loglevel=00 would hide"),
        ("arguments=[loglevel=-8]", "loglevel=-8 would hide"),
        ("arguments=['loglevel=\"3\"']", "would hide"),
        ("arguments=[loglevel=3,8]", "would hide"),
        ("arguments=[loglevel=]", "is not a level; write loglevel=8"),
        ("arguments=[loglevel=high]", "is not a level"),
        ("arguments=[printk.console-no-auto-verbose]", "would hide"),
        ("arguments=[printk.console_no_auto_verbose=on]", "would hide"),
        (
            "arguments=[console-msg-format=syslog]",
            "puts a level before each console line",
        ),
        ("arguments=[console=]", "whose console the runner reads"),
        ("arguments=[console=null]", "whose console the runner reads"),
        ("arguments=['--']", "-- hides all words behind it"),
        ("arguments=['x=\"1']", "opens a quotation that nothing closes"),
        ("sysctl={kernel.printk: '3 4 1 3'}", "kernel.printk 3 4 1 3 would hide"),
        ("sysctl={kernel.printk: 1}", "kernel.printk 1 would hide"),
        ("sysctl={kernel.printk: -7}", "kernel.printk -7 would hide"),
        ("sysctl={kernel/printk: '1 4 1 7'}", "kernel/printk 1 4 1 7 would hide"),
        ("sysctl={kernel.printk: ' 0x1 4 1 7'}", "kernel.printk 0x1 4 1 7 would"),
        ("sysctl={kernel.printk: 7, kernel/printk: 1}", "kernel/printk 1 would hide"),
        ("sysctl={kernel..printk: 1}", "'kernel..printk' has an empty part"),
        ("sysctl={kernel/./printk: 1}", "'kernel/./printk' has an empty part"),
        ("sysctl={kernel/../printk: 1}", "has an empty part"),
    ],
)
def test_a_console_that_tells_nothing_is_refused(word: str, told: str) -> None:
    with pytest.raises(UsageError, match=re.escape(told)):
        parse([word])


def test_a_console_that_tells_more_is_fine() -> None:
    words = ["loglevel=8", "ignore_loglevel", "loglevel=0x6", "loglevel=010", "debug"]
    words += ["printk.console_no_auto_verbose=0", "console_msg_format=default"]
    setting = "sysctl={kernel.printk: '7 4 1 7', kernel/printk_delay: 0}"

    assert parse([f"arguments={words}", setting]).arguments == tuple(words)


@pytest.mark.parametrize(
    ("word", "told"),
    [
        # The kinds that would leave the guest without what answers the runner.
        ("rdinit=/bin/sh", "something else in the place of the guest's init"),
        ("init=/bin/sh", "run it as a `command` of a case"),
        ("single", "something else in the place of the guest's init"),
        ("-s", "something else in the place of the guest's init"),
        ("1", "something else in the place of the guest's init"),
        ("root=/dev/vda1", "a command gets one by the key `root` of its case"),
        ("rootwait", "is about a root file system"),
        ("noinitrd", "is about a root file system"),
        ("kgdboc=ttyS0", "wait for a debugger"),
        ("ip=dhcp", "write `interfaces`"),
        ("pci=nomsi,off", "would take the guest's network from it"),
        ("8250.nr-uarts=0", "would take the guest's console from it"),
        ("nomodule", "keeps the guest from loading modules"),
        ("module_blacklist=virtio_net", "those that `modules` names"),
        ("modprobe.blacklist=virtio_net", "keeps the guest from loading modules"),
        ("boot_delay=1000", "longer than the runner waits"),
        ("bootconfig", "write them as `arguments`"),
        ("crashkernel=128M", "for a second kernel that nothing loads"),
        ("hugepages=200", "write `sysctl: {vm.nr_hugepages: 8}`"),
        ("hugetlb_cma=64M", "takes memory from the guest"),
        ("systemd.log_level=debug", "is for systemd or dracut"),
        ("rd.break", "is for systemd or dracut"),
        ("LD_PRELOAD=/x.so", "would be in the environment of init"),
        # What decides how a guest ends.
        ("panic=0", "they end when their kernel panics"),
        ("panic=10", "they end when their kernel panics"),
        ("pause_on_oops=5", "they end when their kernel panics"),
        ("reboot=b", "decides how the guest ends"),
        # What blinds the guard on the kernel's reports.
        ("nowatchdog", "would hide what the kernel reports of itself; leave it out"),
        ("nosoftlockup", "would hide"),
        ("nmi_watchdog=0", "would hide"),
        ("nmi_watchdog=panic,0", "would hide"),
        ("watchdog_thresh=0", "would hide"),
        ("watchdog_thresh=3600", "would hide"),
        ("workqueue.watchdog_thresh=0", "would hide"),
        ("initcall_blacklist=xfs_init,virtio_net_driver_init", "would take drivers"),
        ("kfence.sample_interval=99999999", "would turn off a check"),
        ("rcupdate.rcu_cpu_stall_suppress=1", "would hide"),
        ("rcupdate.rcu-cpu-stall-suppress", "would hide"),
        ("kasan=off", "use a row with a kernel that was built without it"),
        ("kfence.sample_interval=0", "would turn off a check"),
        ("kcsan.early_enable=0", "would turn off a check"),
        ("kmemleak=off", "would turn off a check"),
        ("lockdep.prove_locking=0", "would turn off a check"),
        ("no_debug_objects", "would turn off a check"),
        ("slub_debug=-", "would turn off a check"),
        ("slab_debug=-", "would turn off a check"),
        ("mem=200M", "mem=200M contradicts `memory`, which says the same; write"),
        ("memmap=64M$0x10000000", "contradicts `memory`"),
        ("maxcpus=1", "contradicts `cpus`"),
        ("nr_cpus=1", "contradicts `cpus`"),
        ("nr-cpus=1", "contradicts `cpus`"),
        ("possible_cpus=2", "contradicts `cpus`"),
        ("nosmp", "contradicts `cpus`"),
        ("lockdown=integrity", "contradicts `lockdown`"),
        ("lsm=bpf", "contradicts `lsm`"),
        ("security=selinux", "contradicts `lsm`"),
        ("cgroup_disable=memory", "contradicts `cgroup`"),
        ("cgroup-no-v1=all", "contradicts `cgroup`"),
        ("systemd.unified_cgroup_hierarchy=0", "contradicts `cgroup`"),
        (
            "sysctl.kernel.unprivileged_bpf_disabld=0",
            "write `sysctl: {kernel.unprivileged_bpf_disabld: 0}`, which is looked at",
        ),
        ("sysctl.kernel.printk=1", "write `sysctl: {kernel.printk: 1}`"),
        ("sysctl/kernel/printk=1", "write `sysctl: {kernel.printk: 1}`"),
        ("sysctl.kernel/printk", "write `sysctl: {kernel.printk: …}`"),
    ],
)
def test_what_a_guest_can_not_do_with_is_no_argument(
    tmp_path: Path, word: str, told: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(told)):
        parse([f"arguments=['{word}']"])
    with pytest.raises(UsageError, match=rf"4: .*{re.escape(told)}"):
        read(tmp_path, f"    arguments: ['{word}']\n")


def test_arguments_that_turn_checks_on_are_fine() -> None:
    words = ["slub_debug=FZ", "kfence.sample_interval=10", "kasan=on", "kmemleak=on"]
    words += ["nmi_watchdog=panic", "watchdog_thresh=20", "pci=nomsi", "panic_on_warn"]
    words += ["rcupdate.rcu_cpu_stall_suppress=0", "oops=panic", "hugepagesz=2M"]
    words += ["8250.nr_uarts=2", "kasan_multi_shot", "initcall_blacklist=xfs_init"]

    assert parse([f"arguments={words}"]).arguments == tuple(words)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("kernel.panic: 0", "sysctl: kernel.panic 0 contradicts what guests have"),
        ("kernel/panic: 30", "sysctl: kernel/panic 30 contradicts what guests have"),
        ("kernel.panic_on_oops: 0", "they end when their kernel panics or oopses"),
        ("kernel.watchdog: 0", "would hide what the kernel reports of itself"),
        ("kernel.soft_watchdog: '0'", "would hide"),
        ("kernel.watchdog_thresh: 0", "would hide"),
        ("kernel.hung_task_timeout_secs: 0x0", "would hide"),
        ("kernel.hung_task_timeout_secs: 100000", "would hide"),
        ("kernel.hung_task_check_count: 0", "would hide"),
        ("kernel.hung_task_warnings: 0", "would hide"),
        ("kernel.bpf_stats_enabled: 0", "counting how often programs run"),
    ],
)
def test_sysctls_that_blind_a_run_are_refused(setting: str, told: str) -> None:
    with pytest.raises(UsageError, match=re.escape(told)):
        parse([f"sysctl={{{setting}}}"])


def test_sysctls_that_blind_nothing_are_fine() -> None:
    setting = (
        "kernel.panic: -1, kernel.watchdog_thresh: 30, kernel.hung_task_warnings: -1"
    )

    assert len(parse([f"sysctl={{{setting}}}"]).sysctl or {}) == 3


@pytest.mark.parametrize(
    ("mounts", "told"),
    [
        ("path: /proc", "/proc would hide /proc, which the guest itself needs"),
        ("path: //proc/", "/proc would hide /proc"),
        ("path: /mnt/../sys/fs/bpf", "/sys/fs/bpf would hide /sys/fs/bpf"),
        ("path: /sys/fs", "/sys/fs would hide /sys/fs/bpf"),
        ("path: /", "/ would hide /bin"),
        ("path: /run", "/run would hide /run"),
        ("path: /dev", "/dev would hide /dev"),
        ("path: /sys/fs/cgroup", "`guest: {cgroup: …}` says what is there"),
        ("path: /mnt/a}, {type: tmpfs, path: /mnt//a/", "two mounts are on /mnt/a"),
        (
            "path: /mnt/a/b}, {type: tmpfs, path: /mnt/a",
            "/mnt/a would hide /mnt/a/b, which is mounted before it; write it first",
        ),
        ("path: /mnt/a, options: [ro, rw]", "ro and rw contradict each other"),
        ("path: /mnt/a, options: [remount]", "remount is not for a mount that is"),
        (
            "path: /mnt/a, source: /etc, options: [bind, size=1m]",
            "a bind mount can't have size=1m",
        ),
    ],
)
def test_a_mount_that_hides_something_is_refused(
    tmp_path: Path, mounts: str, told: str
) -> None:
    row = f"    guest: {{mounts: [{{type: tmpfs, {mounts}}}]}}\n"
    with pytest.raises(UsageError, match=re.escape(told)) as caught:
        read(tmp_path, row)
    assert "matrix.yaml:4: kernels[0].guest.mounts" in str(caught.value)


def test_a_mount_without_a_file_system_is_a_bind() -> None:
    with pytest.raises(UsageError, match=r"type none is for options: \[bind\]"):
        parse(["mounts=[{type: none, path: /mnt/a}]"])


def test_mounts_that_hide_nothing_are_fine() -> None:
    found = parse(
        [
            "mounts=[{type: tmpfs, path: /mnt/a}, {type: tmpfs, path: /mnt/a/b}, "
            "{type: tmpfs, path: /mnt/ab/, options: [ro, size=1m]}, "
            "{type: hugetlbfs, path: /dev/hugepages}]"
        ]
    ).mounts
    assert found is not None
    assert [it.path for it in found] == [
        *("/mnt/a", "/mnt/a/b", "/mnt/ab", "/dev/hugepages")
    ]
    assert found[2].flags == ("ro",)


def test_what_the_guest_mounts_itself_is_known() -> None:
    lines = (RECIPE / "fstab").read_text().splitlines()
    folders = {it.split()[1] for it in lines if it and not it.startswith("#")}
    assert folders <= set(OWN)
