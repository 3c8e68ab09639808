"""`doctor`: what this machine lacks for the main job, and how that is fixed."""

import argparse
import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.markup import escape

from runner import libbpf
from runner.arch import ARCHITECTURES, Architecture, find, native
from runner.bpf import compile as compile_
from runner.cli import packages
from runner.cli.called import as_called
from runner.cli.output import print_json
from runner.cli.packages import DebianPackage
from runner.errors import (
    DOCTOR_FIXES,
    ExitStatus,
    InfrastructureError,
    RunnerError,
    UsageError,
)
from runner.files import shipped
from runner.files.cache import Cache
from runner.guest.qemu import vm
from runner.guest.qemu.accelerator import KVM
from runner.guest.roots import disk
from runner.kernels import kernelbuild
from runner.kernels.sources import debian, ubuntukeys
from runner.kernels.sources.rpm import tools as rpm_tools
from runner.libbpf import cross, recipe, systemlibbpf
from runner.loaders import LIBRARIES
from runner.process.programs import environment
from runner.text import console
from runner.text.progress import progress
from runner.text.tables import print_rows

# Below this a build of artifacts may fill the disk: four kernels take 200 MB.
_ENOUGH_DISK = 1 << 30
# A guest takes 256 MB, and QEMU its share.
_ENOUGH_MEMORY = 512 << 20
# Seconds; it prints a line.
_AGENT_TIMEOUT = 10.0
# How a hint begins that `--fix` can do.
_INSTALL = "apt-get install "


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
    parser.add_argument(
        "--fix",
        action="store_true",
        help="on Debian and Ubuntu, install the packages that are missing, after "
        "asking you, and build the guest agent",
    )
    parser.add_argument(
        "--arch",
        type=_architecture,
        nargs="+",
        default=(),
        metavar="ARCH",
        help="require what guests of these architectures need, such as arm64; by "
        "default, of your machine's own",
    )
    parser.add_argument(
        "-y", "--yes", action="store_true", help="with --fix: install without asking"
    )


def main(arguments: argparse.Namespace) -> int:
    """Print what was found; 0 when nothing is missing, else 3.

    With `--fix`, what is missing is installed first. Raises UsageError if nobody can
    be asked, and InfrastructureError for packages that can't be installed.
    """
    if arguments.yes and not arguments.fix:
        raise UsageError("--yes only works with --fix")
    if arguments.fix and not _fix(arguments.arch, without_asking=arguments.yes):
        return ExitStatus.INFRASTRUCTURE
    findings = list(look(arguments.arch))
    if arguments.json:
        print_json([asdict(finding) for finding in findings])
    else:
        _show(findings)
    good = all(finding.good for finding in findings)
    return ExitStatus.COMPATIBLE if good else ExitStatus.INFRASTRUCTURE


def _architecture(name: str) -> Architecture:
    found = find(name)
    if found is None:
        known = ", ".join(it.name for it in ARCHITECTURES)
        raise argparse.ArgumentTypeError(
            f"there is no architecture {name!r}; there are {known}"
        )
    return found


def _fix(wanted: Sequence[Architecture], *, without_asking: bool) -> bool:
    """Install packages and build the programs; return whether the user agreed."""
    lacking = packages.missing(wanted)
    if lacking:
        if not without_asking and not _agrees(lacking):
            print("nothing was installed", file=sys.stderr)
            return False
        update, install = packages.commands(lacking)
        packages.run(update)
        _require_candidates(lacking)
        packages.run(install)
    libbpf.programs(None, Cache(), progress())
    return True


def _agrees(lacking: Sequence[DebianPackage]) -> bool:
    if not sys.stdin.isatty():
        raise UsageError(
            "--fix asks before it installs packages, and there is no terminal",
            hint="give --yes to install without being asked",
        )
    width = max(len(it.name) for it in lacking)
    for package in lacking:
        print(f"  {package.name:{width}}  {package.reason}", file=sys.stderr)
    by = packages.commands(lacking)[-1][0]
    print(f"Install these {len(lacking)} packages", end="", file=sys.stderr)
    print(f"{' with sudo' if by == 'sudo' else ''}? [y/N] ", end="", file=sys.stderr)
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _require_candidates(lacking: Sequence[DebianPackage]) -> None:
    unknown = packages.unavailable(lacking)
    if unknown:
        names = ", ".join(it.name for it in unknown)
        raise InfrastructureError(
            f"apt knows no package {names}",
            hint="nothing was installed; on Ubuntu, enable the component universe "
            "(add-apt-repository universe)",
        )


class _OptionalError(RunnerError):
    """What is missing is needed by some runs only."""


def look(wanted: Sequence[Architecture] = ()) -> Iterator[MachineCheck]:
    """Look at everything the main job needs, without changing anything.

    What guests of an architecture need is needed if it is this machine's, or `wanted`.
    """
    needed = wanted or [it for it in ARCHITECTURES if it is native()]
    for architecture in ARCHITECTURES:
        yield _checked(
            f"{architecture.name} guests",
            functools.partial(_guests, architecture, required=architecture in needed),
        )
    for program in _PROGRAMS:
        yield _checked(program.name, functools.partial(_program, program))
    for what, check in _CHECKS.items():
        yield _checked(what, check)


def _checked(what: str, check: Callable[[], str]) -> MachineCheck:
    """Return what a check saw; it raises RunnerError for what is not as it must be."""
    try:
        return MachineCheck(what=what, good=True, seen=check())
    except RunnerError as error:
        good = isinstance(error, _OptionalError)
        return MachineCheck(what=what, good=good, seen=error.message, mend=error.hint)


def _program(program: _Tool) -> str:
    found = program.path if program.path else shutil.which(program.name)
    if found is None or not Path(found).exists():
        raise RunnerError(
            f"missing; it {program.purpose}",
            hint=f"{_INSTALL}{program.package}",
        )
    return str(found)


def _guests(architecture: Architecture, *, required: bool) -> str:
    """Look at what guests of an architecture need, and say how they run here."""
    own = architecture is native()
    lacking = compile_.missing_headers(architecture)
    if not own:
        lacking |= cross.missing(architecture)
    board = architecture.board
    qemu = shutil.which(board.program)
    if qemu is None:
        lacking = {board.program: board.package, **lacking}
    if lacking:
        install = f"{_INSTALL}{' '.join(lacking.values())}"
        names = ", ".join(lacking)
        if required:
            raise RunnerError(f"{names} missing", hint=install)
        only = f"only rows with arch: {architecture.name} need it"
        raise _OptionalError(f"{names} missing; {only}", hint=install)
    assert qemu is not None
    return f"{_qemu(Path(qemu), board.package)}; {_how(own=own)}"


def _how(*, own: bool) -> str:
    """Return how guests run here: under KVM or TCG."""
    if not own:
        return "under TCG, with a cross-built agent"
    if not os.access(KVM, os.R_OK | os.W_OK):
        return f"under TCG, because {KVM} can't be opened"
    return "under KVM once a guest was seen to speak under it, else under TCG"


def _qemu(path: Path, package: str) -> str:
    try:
        return f"{path}, {vm.version(path)}"
    except RunnerError as error:
        mend = f"apt-get install --reinstall {package}"
        raise RunnerError(error.message, hint=mend) from error


def _agent() -> str:
    lacking = systemlibbpf.missing()
    if lacking:
        raise RunnerError(
            f"can't be built: {', '.join(lacking)} missing",
            hint=f"{_INSTALL}{' '.join(dict.fromkeys(lacking.values()))}",
        )
    found = systemlibbpf.known(shipped.IMAGES, Cache())
    if found is None:
        return "not built yet; the first run builds it, in some seconds"
    try:
        said = subprocess.run(
            [found.directory / recipe.AGENT, "--version"],
            env=environment(),
            capture_output=True,
            text=True,
            check=True,
            timeout=_AGENT_TIMEOUT,
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        mend = f"rm -r {found.directory}; the next run builds it again"
        raise RunnerError("it does not run", hint=mend) from error
    return said.strip()


def _mirror() -> str:
    debian.mirror()
    return "configured for apt"


def _ubuntu_keys() -> str:
    path = ubuntukeys.INSTALLED / ubuntukeys.ARCHIVE_KEYS
    if path.is_file():
        return str(path)
    # Not an error: Debian 12 has no such package.
    return f"{path} missing; ubuntu sources get it out of Debian's ubuntu-keyring"


def _builds() -> str:
    return _for_some("kernel-org sources need", kernelbuild.missing())


def _rpm_packages() -> str:
    return _for_some("rpm sources need", rpm_tools.missing())


def _roots() -> str:
    return _for_some("root file systems (exec --root) need", disk.missing())


def _loaders() -> str:
    lacking = {
        it.tool: it.package for it in LIBRARIES.values() if not shutil.which(it.tool)
    }
    names = " and ".join(it.name for it in LIBRARIES.values() if it.tool in lacking)
    return _for_some(f"cases with the loader {names} need", lacking)


def _for_some(users: str, lacking: Mapping[str, str]) -> str:
    """Look at programs, by name, that only some `users` "need"."""
    if lacking:
        raise _OptionalError(
            f"{', '.join(lacking)} missing; only {users} it",
            hint=f"apt-get install {' '.join(lacking.values())}",
        )
    return "all programs are installed"


def _kvm() -> str:
    # Not an error: the runner falls to TCG by itself.
    if not KVM.exists():
        return f"no {KVM}; guests run under TCG"
    if not os.access(KVM, os.R_OK | os.W_OK):
        return f"you have no permission to open {KVM}; guests run under TCG"
    return f"{KVM} can be opened; the first run finds out if guests run under it"


def _cache() -> str:
    root = Cache().root
    folder = root
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        raise RunnerError(
            f"{root} can't be written",
            hint="set XDG_CACHE_HOME to a folder that you own",
        )
    free = shutil.disk_usage(folder).free
    seen = f"{root}, {free >> 20} MiB free"
    if free < _ENOUGH_DISK:
        raise RunnerError(seen, hint="free 1 GiB, or set XDG_CACHE_HOME")
    return seen


def _memory() -> str:
    pages = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    seen = f"{pages >> 20} MiB free"
    if pages < _ENOUGH_MEMORY:
        raise RunnerError(seen, hint="end other programs, or use -n 1")
    return seen


_CHECKS: Mapping[str, Callable[[], str]] = {
    "guest agent": _agent,
    "Debian mirror": _mirror,
    "Ubuntu's keys": _ubuntu_keys,
    "kernel builds": _builds,
    "RPM packages": _rpm_packages,
    "disks of roots": _roots,
    "other loaders": _loaders,
    "KVM": _kvm,
    "cache": _cache,
    "memory": _memory,
}


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
    console.make().print(found or "nothing is missing", style="bold", highlight=False)
    if any(it.mend.startswith(_INSTALL) for it in findings if not it.good):
        print(as_called(DOCTOR_FIXES))
