"""Faults in the guest: a case that does its worst, next to cases that do not."""

from tests.faults.fault import Chance, Fault, Struck
from tests.faults.running import Running
from tests.faults.world import World

# What one case runs in its guest. Each is a shell's words.
_WORST = {
    "the agent is killed": "kill -9 $(pidof agent)",
    "the SSH server is killed": "kill -9 $(pidof dropbear)",
    "all processes are killed": "kill -9 -1",
    "the kernel panics": "echo c > /proc/sysrq-trigger",
    "the guest powers off": "echo o > /proc/sysrq-trigger",
    "the guest reboots": "echo b > /proc/sysrq-trigger",
    "the guest hangs": "while :; do :; done & while :; do :; done",
    "no memory in the guest": "x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done",
    "gigabytes on the console": "timeout 5 cat /dev/zero > /dev/console",
    "gigabytes of output": "timeout 5 cat /dev/zero",
    "random bytes on the console": "head -c 100000 /dev/urandom > /dev/console",
    "escape sequences": r"printf '\033[2J\033]0;x\007\r\n]]>\0\376' | tee /dev/console",
    "forged markers": r"for it in PASSED '{\"ok\":true}' 'Kernel panic - not syncing' "
    r"'BUG: unable to handle' '::error::x' '::endgroup::'; do echo \"$it\"; done",
    "the network is gone": "for it in $(ls /sys/class/net); "
    "do ip link set $it down; done",
    "the clock jumps": "date -s 2038-01-19",
    "processes without end": "f() { f | f & }; f",
    "file systems are gone": "umount -l /proc /sys /tmp /dev",
}
# How its words are run: at once, or behind its back, when other cases may be at work.
_NOW, _LATER = "{}", "({}) > /dev/null 2>&1 & true"

_CASE = """
  - name: hostile
    object: fine.bpf.c
    trigger:
      - {{command: [sh, -c, {words}], timeout: 8}}
      - {{test_run: length}}
    expect: [{{value: '${{run.retval}}', equals: 50}}]
"""


def hostile(name: str, words: str) -> Fault:
    """Return the fault that one case runs some words in its guest."""

    def put(world: World, chance: Chance) -> Struck:
        late = chance.random.choice([False, False, True])
        after = chance.random.choice([0, 0, 0.05, 0.4])
        whole = (_LATER if late else _NOW).format(f"sleep {after}; {words}")
        path = world.suite / "suite.yaml"
        head, *cases = path.read_text().split("\n  - ")
        where = chance.random.randrange(len(cases) + 1)
        quoted = "'" + whole.replace("'", "''") + "'"
        cases.insert(where, _CASE.format(words=quoted).strip().removeprefix("- "))
        path.write_text("\n  - ".join([head, *cases]) + "\n")
        how = f"{'later' if late else 'at once'}, as case {where + 1}"
        return Struck(how=how, phase="cases", ended=Running(world).end())

    return Fault(name=f"in a guest: {name}", put=put, loses=False)


FAULTS = tuple(hostile(name, words) for name, words in _WORST.items())
