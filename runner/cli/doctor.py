"""`doctor`: what this machine lacks for the main job, and what fixes it."""

import argparse
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from runner.cli.output import print_json
from runner.errors import ExitStatus, RunnerError
from runner.files.cache import Cache
from runner.guest.host import QEMU, ROOT
from runner.guest.qemu import vm
from runner.guest.qemu.accelerator import KVM
from runner.kernels import kernelbuild
from runner.kernels.sources import apt
from runner.libbpf import AGENT
from runner.process.programs import environment
from runner.text.tables import print_rows

# Below this a build of artifacts may fill the disk: four kernels take 200 MB.
_ENOUGH_DISK = 1 << 30
# A guest takes 256 MB, and QEMU its share.
_ENOUGH_MEMORY = 512 << 20
# Seconds; it prints a line.
_AGENT_TIMEOUT = 10.0


@dataclass(frozen=True, kw_only=True)
class MachineCheck:
    """One thing that was looked at."""

    what: str
    good: bool
    seen: str
    # The command that fixes it.
    mend: str = ""


@dataclass(frozen=True, kw_only=True)
class _Tool:
    name: str
    package: str
    purpose: str
    # Where guests take it from, if not from the PATH.
    path: Path | None = None


_PROGRAMS = (
    _Tool(name=QEMU, package="qemu-system-x86", purpose="boots kernels"),
    _Tool(
        name="setpriv", package="util-linux", purpose="ends guests when the runner ends"
    ),
    _Tool(name="clang", package="clang", purpose="compiles BPF objects"),
    _Tool(name="apt-get", package="apt", purpose="fetches kernels"),
    _Tool(name="dpkg-deb", package="dpkg", purpose="opens packages"),
    _Tool(
        name="pahole", package="dwarves", purpose="generates BTF for kernels without"
    ),
    _Tool(
        name="bpftool",
        package="bpftool",
        purpose="reads maps in guests",
        path=Path("/usr/sbin/bpftool"),
    ),
    _Tool(
        name="dropbear",
        package="dropbear-bin",
        purpose="is the SSH server in guests",
        path=Path("/usr/sbin/dropbear"),
    ),
    _Tool(
        name="busybox",
        package="busybox-static",
        purpose="is the shell in guests",
        path=Path("/bin/busybox"),
    ),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def main(arguments: argparse.Namespace) -> int:
    """Print what was found; 0 when nothing is missing, else 3."""
    findings = list(look())
    if arguments.json:
        print_json([asdict(finding) for finding in findings])
    else:
        _show(findings)
    good = all(finding.good for finding in findings)
    return ExitStatus.COMPATIBLE if good else ExitStatus.INFRASTRUCTURE


def look() -> Iterator[MachineCheck]:
    """Look at everything the main job needs, without changing anything."""
    yield from (_program(program) for program in _PROGRAMS)
    yield _agent()
    yield _mirror()
    yield _builds()
    yield _kvm()
    yield _cache()
    yield _memory()


def _program(program: _Tool) -> MachineCheck:
    found = program.path if program.path else shutil.which(program.name)
    if found is None or not Path(found).exists():
        return MachineCheck(
            what=program.name,
            good=False,
            seen=f"missing; it {program.purpose}",
            mend=f"apt-get install {program.package}",
        )
    if program.name == QEMU:
        return _qemu(Path(found))
    return MachineCheck(what=program.name, good=True, seen=str(found))


def _qemu(path: Path) -> MachineCheck:
    try:
        return MachineCheck(what=QEMU, good=True, seen=f"{path}, {vm.version(path)}")
    except RunnerError as error:
        return MachineCheck(
            what=QEMU,
            good=False,
            seen=error.message,
            mend="apt-get install --reinstall qemu-system-x86",
        )


def _agent() -> MachineCheck:
    shown = str(AGENT.relative_to(ROOT))
    if not AGENT.exists():
        return MachineCheck(
            what="guest agent", good=False, seen=f"{shown} missing", mend="./dev setup"
        )
    try:
        said = subprocess.run(
            [AGENT, "--version"],
            env=environment(),
            capture_output=True,
            text=True,
            check=True,
            timeout=_AGENT_TIMEOUT,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return MachineCheck(
            what="guest agent",
            good=False,
            seen=f"{shown} does not run",
            mend="./dev clean && ./dev setup",
        )
    return MachineCheck(what="guest agent", good=True, seen=said.strip())


def _mirror() -> MachineCheck:
    try:
        apt.mirror()
    except RunnerError as error:
        return MachineCheck(
            what="Debian mirror", good=False, seen=error.message, mend=error.hint
        )
    return MachineCheck(what="Debian mirror", good=True, seen="configured for apt")


def _builds() -> MachineCheck:
    # Not an error: other sources need no compiler.
    lacking = kernelbuild.missing()
    if not lacking:
        return MachineCheck(
            what="kernel builds", good=True, seen="all programs are installed"
        )
    return MachineCheck(
        what="kernel builds",
        good=True,
        seen=f"{', '.join(lacking)} missing; only kernel-org sources need it",
        mend=f"apt-get install {' '.join(lacking.values())}",
    )


def _kvm() -> MachineCheck:
    # Not an error: the runner falls to TCG by itself.
    if not KVM.exists():
        seen = f"no {KVM}; guests run under TCG"
    elif not os.access(KVM, os.R_OK | os.W_OK):
        seen = f"you have no permission to open {KVM}; guests run under TCG"
    else:
        seen = f"{KVM} can be opened; the first run finds out if guests run under it"
    return MachineCheck(what="KVM", good=True, seen=seen)


def _cache() -> MachineCheck:
    root = Cache().root
    folder = root
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if not os.access(folder, os.W_OK):
        return MachineCheck(
            what="cache",
            good=False,
            seen=f"{root} can't be written",
            mend="set XDG_CACHE_HOME to a folder that you own",
        )
    return MachineCheck(
        what="cache",
        good=free >= _ENOUGH_DISK,
        seen=f"{root}, {free >> 20} MiB free",
        mend="" if free >= _ENOUGH_DISK else "free 1 GiB, or set XDG_CACHE_HOME",
    )


def _memory() -> MachineCheck:
    pages = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return MachineCheck(
        what="memory",
        good=pages >= _ENOUGH_MEMORY,
        seen=f"{pages >> 20} MiB free",
        mend="" if pages >= _ENOUGH_MEMORY else "end other programs, or use -n 1",
    )


def _show(findings: list[MachineCheck]) -> None:
    signs = {True: "[green]ok[/]", False: "[bold red]!![/]"}
    print_rows(
        ("", "what", "seen", "what to do"),
        [
            (signs[it.good], escape(it.what), escape(it.seen), escape(it.mend))
            for it in findings
        ],
    )
    bad = sum(not finding.good for finding in findings)
    found = f"{bad} problem{'s' if bad > 1 else ''} found" if bad else ""
    Console().print(found or "nothing is missing", style="bold", highlight=False)
