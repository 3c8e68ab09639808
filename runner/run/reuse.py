"""Which cases may share a guest: a census shows what they leave, a failure the rest."""

from collections.abc import Iterator, Sequence

from runner.suites.comparable import Compared
from runner.suites.model import Case, Command, CommandTruth, Tcp

# Programs of the guest whose effects a census shows, whatever their arguments: on
# files, sysctls and what there is of BPF; most of them only read. A shell is none, nor
# is what writes a file that it is told, or sets something of the network that no census
# shows.
_SEEN = """
arch base64 basename bpftool cat cmp crc32 cut diff dirname du echo expr false find fold
grep head hexdump hostid id ls lsmod md5sum nl nproc od paste pidof printf ps pwd
readlink realpath rev rm seq sha1sum sha256sum sha512sum sleep stat strings sync
sysctl tac tail test touch tr true uname uptime usleep wc which who whoami
xzcat zcat
"""
# Where the guest has them.
_FOLDERS = ("", "/bin", "/usr/bin", "/sbin", "/usr/sbin")
# Programs that run another one, and how many words stand before it.
_WRAPPERS = {"busybox": 1, "taskset": 2}


def is_seen(case: Case) -> bool:
    """Whether a census of the guest shows all that a case may leave in it.

    A program of the user's own may leave anything. A TCP connection stays for a minute
    after its end (TIME_WAIT), which the next object's iterator would find.
    """
    if case.command or any(isinstance(it, Tcp) for it in case.trigger):
        return False
    return all(map(_is_seen, _commands(case)))


def may_be_used(case: Case) -> bool:
    """Whether a case may get a guest that others used.

    What others left may make it fail, which a fresh guest then shows. Where a failure
    is what is expected, or kernels or records are compared, it would show nowhere.
    """
    if case.command or case.expect_failure is not None:
        return False
    return not any(isinstance(it, Compared) for it in case.expect)


def runs_commands(case: Case) -> bool:
    """Whether a case runs a command, which may set sysctls."""
    return bool(case.command) or any(_commands(case))


def _is_seen(command: Sequence[str]) -> bool:
    folder, _, name = command[0].rpartition("/") if command else ("", "", "")
    if folder not in _FOLDERS:
        return False
    if name in _WRAPPERS:
        return _is_seen(command[_WRAPPERS[name] :])
    # find(1) runs what it is told to; the last pid changes by itself, so that no census
    # has it.
    odd = [it for it in command if it in ("-exec", "-ok") or "ns_last_pid" in it]
    return name in _SEEN.split() and not odd


def _commands(case: Case) -> Iterator[Sequence[str]]:
    """Yield the commands that the triggers and truths of a case run."""
    for it in (*case.trigger, *case.truth.values()):
        if isinstance(it, Command | CommandTruth):
            yield it.command
