"""Which cases leave nothing in their guest that a census does not show."""

from collections.abc import Iterator, Sequence

from runner.suites.model import Case, Command, CommandTruth

# Programs of the guest whose effects a census shows, whatever their arguments: on
# files, sysctls and what there is of BPF; most of them only read. A shell is none, nor
# is what sets something in /sys, or of the network that no census shows.
_SEEN = """
arch base64 basename bpftool cat cmp crc32 cut diff dirname du echo expr false find fold
grep head hexdump hostid id ls lsmod md5sum nl nproc od paste pidof printf ps pwd
readlink realpath rev rm seq sha1sum sha256sum sha512sum sleep sort stat strings sync
sysctl tac tail test touch tr true uname uniq uptime usleep wc which who whoami xxd
xzcat zcat
"""
# Where the guest has them.
_FOLDERS = ("", "/bin", "/usr/bin", "/sbin", "/usr/sbin")
# Programs that run another one, and how many words stand before it.
_WRAPPERS = {"busybox": 1, "taskset": 2}


def is_seen(case: Case) -> bool:
    """Whether a census of the guest shows all that a case may leave in it.

    A program of the user's own may leave anything.
    """
    return not case.command and all(map(_is_seen, _commands(case)))


def runs_commands(case: Case) -> bool:
    """Whether a case runs a command, which may set sysctls."""
    return bool(case.command) or any(_commands(case))


def _is_seen(command: Sequence[str]) -> bool:
    folder, _, name = command[0].rpartition("/") if command else ("", "", "")
    if folder not in _FOLDERS:
        return False
    if name in _WRAPPERS:
        return _is_seen(command[_WRAPPERS[name] :])
    # find(1) runs and removes what it is told to.
    return name in _SEEN.split() and not {"-exec", "-ok"} & {*command}


def _commands(case: Case) -> Iterator[Sequence[str]]:
    """Yield the commands that the triggers and truths of a case run."""
    for it in (*case.trigger, *case.truth.values()):
        if isinstance(it, Command | CommandTruth):
            yield it.command
