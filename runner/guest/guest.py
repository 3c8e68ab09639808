"""A guest that is up: its machine, its agent, and what it said of itself."""

import gzip
import json
import logging
import os
import shlex
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath

from runner import timeouts
from runner.bpf import bpftool
from runner.bpf.bpftool import BpftoolError
from runner.deadline import Deadline
from runner.errors import GuestError, InfrastructureError, UsageError, timed_out
from runner.facts.abilities import Known
from runner.facts.model import Facts
from runner.failures.classes import MODULE_MISSING, VERIFIER_TOO_SLOW
from runner.failures.splats import KernelReport
from runner.files.cache import Cache, sha256_of
from runner.guest import (
    environment,
    firstwords,
    guestinterfaces,
    keys,
    probes,
    snapshots,
    ssh,
    timely,
)
from runner.guest.agent import MOST_OUTPUT, AgentSession
from runner.guest.agenterrors import AgentError, AgentLost
from runner.guest.asked import Asked, config_of
from runner.guest.commands import Commands
from runner.guest.environment import EnvironmentUnavailableError
from runner.guest.firstwords import FirstWords
from runner.guest.host import Host, Initramfs, packed_initramfs
from runner.guest.image import initramfs
from runner.guest.image.initramfs import Tools
from runner.guest.keys import GuestKeys
from runner.guest.kits import GuestKit
from runner.guest.life import Life, Starts, State
from runner.guest.qemu import accelerator, processor, snapshot
from runner.guest.qemu.machine import WINDOW, Machine, has_window
from runner.guest.qemu.memory import GuestWindow
from runner.guest.qemu.snapshot import SnapshotError
from runner.guest.qemu.vm import (
    Vm,
    boot,
    wait_for_hangup,
    wait_for_state,
    wait_until_idle,
)
from runner.guest.replies import Hello, LeftProcess
from runner.guest.snapshots import Snapshot
from runner.guest.ssh import Ssh
from runner.kernels import btf, modulefiles, nic
from runner.kernels import facts as kernel_facts
from runner.kernels.artifact import Artifact, known_kernel
from runner.kernels.modulefiles import ChosenModules, ModuleMissingError
from runner.matrix.environment import User
from runner.matrix.matrix import Kernel
from runner.programs import prepare
from runner.programs.prepare import GuestFile
from runner.suites.known import KnownKernel
from runner.text.progress import progress
from runner.timeouts import EXEC, Timeout

log = logging.getLogger(__name__)

# Bytes; as many as a kernel's generator is keyed with, and to spare.
_ENTROPY = 128
_BTF = PurePosixPath("/run/agent/vmlinux.btf")
_LSM = "/sys/kernel/security/lsm"
_STDIN = PurePosixPath("/run/files.stdin")
# Key of a snapshot's metadata: how long its guest took to boot, which guests that come
# from it must know.
_BOOT = "boot_seconds"


@dataclass(frozen=True, kw_only=True)
class Executed:
    """How a command of `Guest.exec` ended, and what it printed."""

    # None when a signal ended it.
    exit: int | None
    # "SIGSEGV", or None.
    signal: str | None
    # It was killed when its time was over.
    timed_out: bool
    # The first 16 MiB of each; bytes that are no UTF-8 are U+FFFD.
    stdout: str
    stderr: str
    # What it has left running.
    left: tuple[LeftProcess, ...]


@dataclass(kw_only=True)
class Guest:
    """A booted kernel with an agent that answers; `start` gives one and ends it."""

    kernel: Kernel
    artifact: Artifact
    vm: Vm
    ssh: Ssh
    agent: AgentSession
    hello: Hello
    bpftool_version: str
    # Predicts what the agent loads: it has the same libbpf.
    engine: Path
    # Where predictions are kept: the run's.
    cache: Cache
    life: Life
    # What the kernel said that it has; None where it could not be asked.
    facts: Facts | None = None
    # From QEMU's start to the agent's first answer; 0.0 for one from a snapshot.
    boot_seconds: float = 0.0
    # What its console showed before anybody used it.
    first_words: FirstWords = field(default_factory=FirstWords)
    # What its image was made of; None when that is not known.
    tools: Tools | None = None
    # Keeps what commands printed that failed.
    commands: Commands = field(default_factory=Commands)
    # Disks that were plugged in: the root's key → serial number.
    disks: dict[str, str] = field(default_factory=dict)
    # Raw BTFs of modules that it has loaded, on top of the kernel's.
    module_btfs: tuple[Path, ...] = ()
    # Folders of its roots.
    roots: list[str] = field(default_factory=list)
    # Whether its kernel reported a fault of its own. Many are reported once only, so
    # nobody else is to work in it.
    has_reported: bool = False
    # What it reported. A Python test need not look at what `bpf.run` returns.
    unanswered: list[KernelReport] = field(default_factory=list)
    # Whether its log had no room for all that the kernel said since its case began.
    lost_log: bool = False
    # The case, or test in Python, that it served before.
    before: str = ""
    # Whether a case did not pass in it. Only cases of the same object follow.
    is_suspect: bool = False
    # How many objects were at work in it before the one that is.
    served: int = 0

    @property
    def btf(self) -> PurePosixPath | None:
        """The file of BTF that objects relocate against; None for the kernel's own."""
        return _BTF if _brings_btf(self.artifact) else None

    @property
    def known(self) -> Known:
        """What decides what its kernel can do."""
        return self.on.known

    @property
    def on(self) -> KnownKernel:
        """Its kernel, as conditions of suites ask for it."""
        return known_kernel(self.artifact, self.facts)

    @cached_property
    def security_modules(self) -> tuple[str, ...] | None:
        """The security modules that it was started with; None if it does not tell."""
        try:
            text = self.agent.read(_LSM, timeout=timeouts.ANSWER.seconds)
        except AgentError:
            return None
        return tuple(text.strip().split(","))

    @property
    def loads_as(self) -> User | None:
        """Who loads objects; None for root."""
        found = self.kernel.guest.loader
        return None if found.is_root else found

    @property
    def usable(self) -> bool:
        """Whether more can be asked of it."""
        return not self.life.is_over and self.vm.running

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Name what is done, so that a guest that dies of it is diagnosed.

        Raises GuestError with the console's last words in place of AgentLost. A guest
        in which something timed out is lost, too: the next try gets a clean one.
        """
        self.life.step(what)
        try:
            yield
        except AgentLost as error:
            self.life.to(State.LOST)
            raise self._diagnosis(what, error) from error
        except GuestError as error:
            self.life.to(State.LOST)
            raise GuestError(
                f"{error.message}; while {what}",
                hint=error.hint,
                cause=error.cause,
                console=error.console,
            ) from error

    def _diagnosis(self, what: str, error: AgentLost) -> GuestError:
        found = self.vm.lost(what, cause=error)
        if found.cause != "no_answer" or error.cause == "lost":
            return found
        # What is wrong with the agent is not always wrong with its guest.
        lives = error.reachable and self.ssh.answers(
            f"{initramfs.AGENT} --version", self.vm.pace.deadline(timeouts.ANSWER)
        )
        if error.cause == "gone":
            if not lives:
                return found
            # Libbpf may die of an object, and takes no more than the agent with it.
            return GuestError(
                f"the agent crashed while {what}; the guest still runs",
                cause="agent_crashed",
                console=found.console,
            )
        if error.operation == "load" and lives:
            # It is in a system call, and others are served.
            return GuestError(
                f"the verifier took over {error.seconds:g} s while {what}",
                hint=VERIFIER_TOO_SLOW.cure,
                cause=VERIFIER_TOO_SLOW.name,
                console=found.console,
            )
        return timed_out(
            f"{error.message} while {what}; the guest "
            f"{'lives' if lives else 'does not answer on SSH either'}",
            timeouts.SCALE_OPTION,
            console=found.console,
        )

    def put(
        self, source: Path | str, target: PurePosixPath | str | None = None
    ) -> PurePosixPath:
        """Copy a file of this machine into the guest, and return its path there.

        Without a `target`, an absolute path, it goes to /run/files under its own name.
        Its mode stays. Raises as `copy` does.
        """
        path = Path(source)
        there = PurePosixPath(target or prepare.FOLDER / path.name)
        try:
            mode = path.stat().st_mode & 0o777
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror or error}") from error
        self.copy([GuestFile(source=path, target=there, mode=mode)])
        return there

    def exec(
        self,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        stdin: Path | None = None,
        cwd: str = str(prepare.FOLDER),
        user: int | tuple[int, int] | None = None,
        timeout: float = EXEC.seconds,
    ) -> Executed:
        """Run a command in the guest, and return how it ended and what it printed.

        A first word that is a Path is a program of this machine: it is copied with its
        shared libraries. A text is a program of the guest. `stdin` is a file of this
        machine, `user` a user, or a user and a group, by number; `timeout` is in
        seconds. The reports have all of the output. Raises UsageError for a program
        that no guest could start, AgentError for one that this guest can't start, and
        GuestError when the guest dies; an exit status other than 0 raises nothing.
        """
        first, *words = command
        if isinstance(first, Path):
            own = initramfs.commands(self.tools.recipe) if self.tools else frozenset()
            program = prepare.prepare(
                first.resolve(), architecture=self.kernel.architecture, commands=own
            )
            self.copy(program.files)
            first = program.path
        there = None if stdin is None else self.put(stdin, _STDIN)
        argv = [first, *map(str, words)]
        recording = self.commands.record(PurePosixPath(first).name, argv)
        kept: dict[str, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}

        def take(stream: str, data: bytes) -> None:
            recording.write(stream, data)
            kept[stream] += data[: max(0, MOST_OUTPUT - len(kept[stream]))]

        end = None
        try:
            with self.doing(f"running {first}"):
                end = self.agent.stream(
                    argv,
                    show=take,
                    stdin=there,
                    environment=env,
                    folder=PurePosixPath(cwd),
                    user=(user, user) if isinstance(user, int) else user,
                    timeout=timeout,
                )
        finally:
            recording.end(end)
        return Executed(
            exit=end.exit,
            signal=end.signal,
            timed_out=end.timed_out,
            stdout=kept["stdout"].decode("utf-8", "replace"),
            stderr=kept["stderr"].decode("utf-8", "replace"),
            left=end.left,
        )

    def copy(
        self, files: Iterable[GuestFile], root: PurePosixPath | None = None
    ) -> None:
        """Copy files of this machine, but for those that every guest has.

        Their paths begin at `root`, the guest's own by default. Raises UsageError for a
        file that can't be read or does not fit, and GuestError when the guest dies.
        """
        own = initramfs.own_files(self.tools) if self.tools is not None else {}
        for file in files:
            if root is None and own.get(file.target) == file.source.resolve():
                continue
            with self.doing(f"copying {file.source.name}"):
                self._copy(file, root)

    def _copy(self, file: GuestFile, root: PurePosixPath | None) -> None:
        try:
            self.agent.copy(
                file.source,
                file.target,
                mode=file.mode,
                root=root,
                timeout=timeouts.TRANSFER.seconds,
            )
        except OSError as error:
            raise UsageError(f"{file.source}: {error.strerror or error}") from error
        except AgentError as error:
            if error.errno_name != "ENOSPC":
                raise UsageError(
                    f"{file.source} can't be copied to {file.target} in the guest: "
                    f"{error.message}"
                ) from error
            size = file.source.stat().st_size >> 20
            raise UsageError(
                f"{file.source} ({size} MiB) does not fit into the guest, whose files "
                "are in its memory",
                hint=f"raise `memory:` of {self.kernel.id} in matrix.yaml (now "
                f"{self.vm.machine.memory} MiB)",
            ) from error

    def run(self, argv: list[str], *, timeout: Timeout = timeouts.LOOK) -> str:
        """Run a program that looks at something, and return what it printed.

        bpftool prints JSON even when it fails. Raises GuestError when it does not end
        in time, BpftoolError when it fails and says nothing on its output, and
        InfrastructureError when it prints too much.
        """
        with self.agent.unwatched():
            output = self.agent.run(
                argv, most_output=MOST_OUTPUT, timeout=timeout.seconds
            )
        if output.exit != 0:
            self.commands.add(argv[0], argv, output)
        timely.require_ended(output, shlex.join(argv), timeout)
        if output.truncated:
            raise InfrastructureError(
                f"{argv[0]} printed more than {MOST_OUTPUT >> 20} MiB, the most that "
                "is read",
                hint="use maps with fewer entries",
            )
        if not output.stdout.strip() and (output.signal or output.exit):
            ended = output.signal or f"exit status {output.exit}"
            said = timely.printed("", output.stderr)
            raise BpftoolError(f"{shlex.join(argv)}: {ended}; stderr: {said}")
        return output.stdout


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What guests of a kernel start from."""

    kernel: Kernel
    artifact: Artifact
    host: Host

    @cached_property
    def kit(self) -> GuestKit:
        """QEMU and programs of its architecture. Raises InfrastructureError."""
        return self.host.kits.of(self.kernel.architecture)

    @cached_property
    def initramfs(self) -> Initramfs:
        """What is in it, but for the keys."""
        paths = (*self.artifact.modules, *self.modules.paths)
        return packed_initramfs(self.kit.tools, paths, self.host.cache)

    @cached_property
    def modules(self) -> ChosenModules:
        """Modules of the kernel's package that its guests load.

        Raises EnvironmentUnavailableError for one that it lacks, and ArtifactError.
        """
        wanted = guestinterfaces.modules_of(
            self.kernel.environment, config_of(self.artifact)
        )
        try:
            return modulefiles.choose(
                wanted, self.kernel, self.artifact, self.host.cache, progress()
            )
        except ModuleMissingError as error:
            name = MODULE_MISSING.name
            raise EnvironmentUnavailableError(
                error.message, hint=error.hint, name=name, where=("guest", "modules")
            ) from error

    @cached_property
    def module_btfs(self) -> tuple[Path, ...]:
        """Raw BTFs of all modules that its guests load. Raises ArtifactError."""
        return modulefiles.btfs(self.artifact, self.modules, self.host.cache)

    @cached_property
    def _machine(self) -> Machine:
        architecture = self.kernel.architecture
        finding = accelerator.choose(
            self.host.accelerator,
            architecture,
            qemu=self.kit.qemu,
            kernel=self.artifact.vmlinuz,
            memory=self.host.cache.root / f"accelerator-{architecture.name}.json",
        )
        log.info("%s: %s under %s", self.kernel.id, self.artifact.origin, finding)
        cpu = processor.of(
            architecture,
            finding.accelerator,
            qemu=self.kit.qemu_version,
            kernel=self.artifact.version,
        )
        plain = Machine(
            qemu=self.kit.qemu,
            architecture=architecture,
            accelerator=finding.accelerator,
            kernel=self.artifact.vmlinuz,
            initrd="",
            memory=self.kernel.memory,
            nic=self.artifact.nic or nic.of(architecture)[0].device,
            cpu=cpu.model,
            arguments=cpu.arguments,
            workaround=cpu.note,
            console=Path(),
        )
        return environment.machine_of(plain, self.asked)

    @cached_property
    def asked(self) -> Asked:
        """What its guests are to be, besides its kernel."""
        return environment.asked_of(self.kernel, self.artifact, self.modules)

    def require(self) -> None:
        """Refuse what no guest can be. Raises EnvironmentUnavailableError."""
        environment.require(self.asked)
        if self.asked.environment.processors.all > 1:
            # Under which accelerator, matters then.
            _ = self._machine

    @property
    def memory(self) -> int:
        """Of a guest, in MiB."""
        return self.kernel.environment.memory or self.kernel.memory

    def machine(self, console: Path) -> Machine:
        """Return the machine; `console` gets the serial console's output."""
        return replace(self._machine, console=console)

    @cached_property
    def snapshot_key(self) -> str:
        """The key of the snapshot that guests of this origin can start from."""
        return snapshots.key(
            self._machine,
            self.initramfs.checksum,
            kernel=self.artifact.image_sha256,
            uploads=_checksums_of_uploads(self.artifact),
            environment=self._saved_environment,
            qemu=self.kit.qemu_version,
        )

    @property
    def _saved_environment(self) -> str:
        return environment.saved(self.asked).model_dump_json(exclude_none=True)

    @property
    def uses_snapshots(self) -> bool:
        """Whether guests are to come from a snapshot."""
        return not self.host.cold and not self.host.snapshots.is_refused(
            self.snapshot_key
        )

    @property
    def has_snapshot(self) -> bool:
        """Whether the next guest is expected to come from a snapshot."""
        return self.uses_snapshots and self.host.snapshots.has(self.snapshot_key)


@contextmanager
def start(origin: Origin, console: Path, life: Life) -> Iterator[Guest]:
    """Start a guest that answers, and end it on the way out.

    It comes from the kernel's snapshot, which is saved if there is none; where that
    fails a guest boots, and a note says why. `console` gets the serial console's
    output at its end.
    Raises GuestError when the guest does not come up, InfrastructureError when the
    host can't start it.
    """
    with ExitStack() as stack:
        up = None
        if origin.uses_snapshots:
            up = _enter_restored(stack, origin, console, life)
        yield up or stack.enter_context(_booted(origin, console, life, keys.generate()))


def _enter_restored(
    stack: ExitStack, origin: Origin, console: Path, life: Life
) -> Guest | None:
    """Start a guest from the snapshot; without one, say why and return None."""
    known, key = origin.host.snapshots, origin.snapshot_key
    try:
        saved = known.find(key, memory=origin.memory)
    except SnapshotError as error:
        _refuse(origin, life.starts, error)
        return None
    if saved is None:
        secrets = keys.generate()
        with _booted(origin, console, life, secrets) as up:
            try:
                saved = _save(up, secrets, origin)
            except InfrastructureError as error:
                _refuse(origin, life.starts, error)
                return None
    try:
        return stack.enter_context(_restored(origin, saved, console, life))
    except InfrastructureError as error:
        _refuse(origin, life.starts, error)
        return None


def _refuse(origin: Origin, starts: Starts, error: InfrastructureError) -> None:
    if not origin.host.snapshots.refuse(origin.snapshot_key):
        # Another worker said so.
        return
    why = error.message.partition("\n")[0]
    note = f"no guest could start from a snapshot, so each boots: {why}"
    log.warning("%s: %s", origin.kernel.id, note)
    starts.notes.append(note)


@contextmanager
def _booted(
    origin: Origin, console: Path, life: Life, secrets: GuestKeys
) -> Iterator[Guest]:
    host, artifact = origin.host, origin.artifact
    image = origin.initramfs.read() + initramfs.secrets(secrets.files)
    life.to(State.BOOTING)
    started = time.monotonic()
    with boot(origin.machine(console), image, host.pace) as vm, life.starts.watched(vm):
        deadline = Deadline.after(host.boot_timeout * host.pace.scale)
        ssh.wait_for_server(vm, deadline)
        with ssh.connect(vm, secrets, deadline) as connection:
            # Not before: a slow guest is tried while it still boots.
            booted = vm.news()
            with _diagnosed(vm):
                agent = _session(connection, vm)
                hello = agent.hello(timeout=timeouts.ANSWER.seconds)
                ready = time.monotonic() - started
                host.pace.saw_boot(ready)
                bpftool_version = _bpftool_version(agent)
                upload_btf(agent, artifact)
                _upload_config(agent, artifact, hello.release)
                facts = _facts(agent, origin, hello)
                said = FirstWords(
                    booting=booted,
                    setting_up=vm.news(),
                    done=environment.set_up_after_boot(origin.asked),
                )
                # Last: a kernel that is locked down says less of itself.
                try:
                    environment.set_up(agent, origin.asked)
                except BaseException:
                    # It serves nobody who would say it.
                    own = (origin.kernel.splats,)
                    firstwords.note(said.and_later(vm.news()), own, life.starts)
                    raise
                said = said.and_later(vm.news())
            life.starts.boots.append(ready)
            life.to(State.READY, f"up after {ready:.1f} s: {hello!r}")
            yield Guest(
                kernel=origin.kernel,
                artifact=artifact,
                vm=vm,
                ssh=connection,
                agent=agent,
                hello=hello,
                bpftool_version=bpftool_version,
                engine=host.programs.engine,
                cache=host.cache,
                life=life,
                facts=facts,
                tools=origin.kit.tools,
                module_btfs=origin.module_btfs,
                boot_seconds=ready,
                first_words=said,
            )


def _save(up: Guest, secrets: GuestKeys, origin: Origin) -> Snapshot:
    """Save a guest that is ready; nothing more can be asked of it.

    Raises InfrastructureError when that fails.
    """
    up.life.step("saving")
    started = time.monotonic()
    # A network connection can't be saved.
    with _diagnosed(up.vm):
        up.agent.settle(most=origin.memory << 20, timeout=timeouts.SETTLE.seconds)
    deadline = Deadline.after(origin.host.boot_timeout * up.vm.pace.scale)
    with ssh.be_called(up.vm, up.ssh, secrets, deadline) as recorded:
        with _diagnosed(up.vm):
            agent = _session(recorded.ssh, up.vm)
            agent.hello(timeout=timeouts.ANSWER.seconds)
        up.ssh.close()
        wait_for_hangup(up.vm, up.vm.pace.deadline(timeouts.HANG_UP))
        # Else each guest would first do what this one has left to do.
        wait_until_idle(up.vm, up.vm.pace.deadline(timeouts.IDLE))
        said = up.first_words.and_later(up.vm.news())
        saved = origin.host.snapshots.save(
            origin.snapshot_key,
            lambda path: snapshot.save(up.vm, path),
            memory=origin.memory,
            keys=secrets,
            conversation=recorded.conversation(),
            metadata={
                "kernel": up.hello.release,
                snapshots.IMAGE: up.artifact.image_sha256,
                "bpftool": up.bpftool_version,
                _BOOT: up.boot_seconds,
                **said.kept(),
            },
        )
    up.life.to(State.SAVED, f"saved after {time.monotonic() - started:.1f} s")
    return saved


def _session(connection: Ssh, vm: Vm) -> AgentSession:
    channel = connection.start(f"{initramfs.AGENT} session")
    if not has_window(vm.machine):
        return AgentSession(channel, connection.pace)
    window = GuestWindow(descriptor=vm.window, size=WINDOW << 20)
    return AgentSession(channel, connection.pace, window)


@contextmanager
def _diagnosed(vm: Vm) -> Iterator[None]:
    try:
        yield
    except AgentLost as error:
        found = vm.lost("starting the agent", cause=error)
        if error.cause == "no_answer" and found.cause == "no_answer":
            raise timed_out(
                f"{error.message} while starting the agent",
                timeouts.SCALE_OPTION,
                console=found.console,
            ) from error
        raise found from error


def wake(agent: AgentSession) -> None:
    """Give a guest that came from a snapshot what its state can't hold.

    Its clock stood still meanwhile, and all guests of a snapshot would draw the same
    random numbers.
    """
    agent.wake(
        time_ns=time.time_ns(),
        entropy=os.urandom(_ENTROPY),
        timeout=timeouts.ANSWER.seconds,
    )


@contextmanager
def _restored(
    origin: Origin, saved: Snapshot, console: Path, life: Life
) -> Iterator[Guest]:
    life.to(State.RESTORING)
    started = time.monotonic()
    pace = origin.host.pace
    boot_seconds = saved.metadata.get(_BOOT)
    if isinstance(boot_seconds, int | float):
        pace.saw_boot(boot_seconds)
    with (
        wait_for_state(origin.machine(console), saved.memory, pace) as vm,
        life.starts.watched(vm),
    ):
        most = min(origin.host.boot_timeout, timeouts.RESTORE.seconds)
        deadline = Deadline.after(most * pace.scale)
        with ssh.go_on(vm, saved.keys, saved.conversation, deadline) as connection:
            with _diagnosed(vm):
                agent = _session(connection, vm)
                hello = agent.hello(timeout=timeouts.ANSWER.seconds)
            snapshot.restore(vm, saved.state.result(), timeout=deadline.remaining())
            with _diagnosed(vm):
                wake(agent)
                facts = _facts(agent, origin, hello)
            done = environment.set_up_after_boot(origin.asked)
            said = firstwords.of_saved(saved.metadata, done).and_later(vm.news())
            ready = time.monotonic() - started
            life.starts.restores.append(ready)
            life.to(State.READY, f"up after {ready:.2f} s: {hello!r}")
            yield Guest(
                kernel=origin.kernel,
                artifact=origin.artifact,
                vm=vm,
                ssh=connection,
                agent=agent,
                hello=hello,
                bpftool_version=str(saved.metadata["bpftool"]),
                engine=origin.host.programs.engine,
                cache=origin.host.cache,
                life=life,
                facts=facts,
                tools=origin.kit.tools,
                module_btfs=origin.module_btfs,
                first_words=said,
            )


def _brings_btf(artifact: Artifact) -> bool:
    return artifact.btf is not None and artifact.btf_source != btf.KERNEL


def _checksums_of_uploads(artifact: Artifact) -> str:
    uploads = [artifact.btf_sha256 if _brings_btf(artifact) else ""]
    uploads += [sha256_of(artifact.config)] if artifact.config is not None else []
    return " ".join(uploads)


def upload_btf(agent: AgentSession, artifact: Artifact) -> None:
    """Give a guest the BTF that its objects relocate against, if not its own."""
    if artifact.btf is not None and _brings_btf(artifact):
        data = artifact.btf.read_bytes()
        agent.put(_BTF, data, mode=0o644, timeout=timeouts.TRANSFER.seconds)


def _upload_config(agent: AgentSession, artifact: Artifact, release: str) -> None:
    # For __kconfig externs: few kernels have /proc/config.gz. libbpf unpacks it.
    if artifact.config is not None:
        packed = gzip.compress(artifact.config.read_bytes(), mtime=0)
        agent.put(
            f"/run/agent/config-{release}",
            packed,
            mode=0o644,
            timeout=timeouts.TRANSFER.seconds,
        )


def _facts(agent: AgentSession, origin: Origin, hello: Hello) -> Facts | None:
    """Return what a kernel says that it has; it is asked when it is first booted.

    A guest that is lost then is lost once: its kernel is not asked again.
    """
    cache, image = origin.host.cache, origin.artifact.image_sha256
    found = kernel_facts.known(cache, image)
    if found is not None:
        return found
    try:
        found = probes.find_out(
            agent, hello.release, origin.artifact.version, origin.kernel.architecture
        )
    except AgentError as error:
        log.warning("%s: its features are unknown: %s", origin.kernel.id, error.message)
        return None
    except AgentLost:
        _keep(cache, image, Facts(release=hello.release))
        raise
    log.info("%s: asked what it has, %g ms", origin.kernel.id, found.milliseconds)
    _keep(cache, image, found)
    return found


def _keep(cache: Cache, image: str, facts: Facts) -> None:
    # A full disk costs the time to ask again.
    with suppress(InfrastructureError):
        kernel_facts.keep(cache, image, facts)


def _bpftool_version(agent: AgentSession) -> str:
    said = timely.run(agent, [bpftool.PROGRAM, "-j", "version"], timeouts.LOOK)
    try:
        return str(json.loads(said.stdout)["version"])
    except (ValueError, KeyError, TypeError) as error:
        raise GuestError(
            f"bpftool does not run in the guest: {said.stdout}{said.stderr}"
        ) from error
