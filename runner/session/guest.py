"""A guest that is up: its machine, its agent, and what it said of itself."""

import gzip
import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from runner import bpftool, keys, ssh
from runner.agent import AgentLost, AgentSession, Hello
from runner.artifacts import Artifact, btf
from runner.deadline import Deadline
from runner.errors import GuestError
from runner.image import initramfs
from runner.matrix import Kernel
from runner.qemu import accelerator
from runner.qemu.machine import Machine
from runner.qemu.vm import Vm, boot
from runner.session.host import Host, packed_initramfs
from runner.ssh import Ssh

log = logging.getLogger(__name__)

_ANSWER_TIMEOUT = 10.0
_UPLOAD_TIMEOUT = 60.0
_BTF = PurePosixPath("/run/agent/vmlinux.btf")


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
    # From QEMU's start to the agent's first answer.
    boot_seconds: float
    # Set once it did not answer; nothing that it says later counts.
    lost: bool = False

    @property
    def btf(self) -> PurePosixPath | None:
        """The file of BTF that objects relocate against; None for the kernel's own."""
        return _BTF if _brings_btf(self.artifact) else None

    @property
    def usable(self) -> bool:
        """Whether more can be asked of it."""
        return not self.lost and self.vm.running

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Name what is done, so that a guest that dies of it is diagnosed.

        Raises GuestError with the console's last words in place of AgentLost.
        """
        log.debug("%s: %s", self.kernel.id, what)
        try:
            yield
        except AgentLost as error:
            self.lost = True
            raise self._diagnosis(what, error) from error

    def _diagnosis(self, what: str, error: AgentLost) -> GuestError:
        found = self.vm.lost(what, cause=error)
        # Libbpf may die of an object, and takes no more than the agent with it.
        version = f"{initramfs.AGENT} --version"
        if (
            error.cause == "gone"
            and found.cause == "no_answer"
            and self.ssh.answers(version, Deadline.after(_ANSWER_TIMEOUT))
        ):
            return GuestError(
                f"the agent died while {what}; the guest lives",
                cause="agent_crashed",
                console=found.console,
            )
        return found

    def run(self, argv: list[str], *, timeout: float = _ANSWER_TIMEOUT) -> str:
        """Run a command and return what it printed, whatever its exit status."""
        return self.agent.run(argv, timeout=timeout).stdout


@contextmanager
def start(
    kernel: Kernel, artifact: Artifact, host: Host, console: Path
) -> Iterator[Guest]:
    """Boot a kernel, wait until its agent answers, and end the guest on the way out.

    `console` gets the serial console's output at its end.
    Raises GuestError when the guest does not come up, InfrastructureError when the
    host can't start it.
    """
    secrets = keys.generate()
    image = packed_initramfs(host, artifact.modules)
    finding = accelerator.choose(
        host.accelerator,
        qemu=host.qemu,
        kernel=artifact.vmlinuz,
        memory=host.cache.root / "accelerator.json",
    )
    machine = Machine(
        qemu=host.qemu,
        accelerator=finding.accelerator,
        kernel=artifact.vmlinuz,
        initrd="",
        memory=kernel.memory,
        nic=artifact.nic or "virtio-net-pci",
        arguments=kernel.arguments,
        console=console,
    )
    log.info("%s: booting %s under %s", kernel.id, artifact.origin, finding)
    started = time.monotonic()
    with boot(machine, image + initramfs.secrets(secrets.files)) as vm:
        deadline = Deadline.after(host.boot_timeout)
        with ssh.connect(vm, secrets, deadline) as connection:
            agent = AgentSession(connection.start(f"{initramfs.AGENT} session"))
            try:
                hello = agent.hello(timeout=max(deadline.remaining(), 1.0))
                ready = time.monotonic() - started
                bpftool_version = _bpftool_version(agent)
            except AgentLost as error:
                raise vm.lost("starting the agent", cause=error) from error
            _upload_btf(agent, artifact)
            _upload_config(agent, artifact, hello.release)
            log.info("%s: up after %.1f s: %s", kernel.id, ready, hello)
            yield Guest(
                kernel=kernel,
                artifact=artifact,
                vm=vm,
                ssh=connection,
                agent=agent,
                hello=hello,
                bpftool_version=bpftool_version,
                boot_seconds=ready,
            )


def _brings_btf(artifact: Artifact) -> bool:
    return artifact.btf is not None and artifact.btf_source != btf.KERNEL


def _upload_btf(agent: AgentSession, artifact: Artifact) -> None:
    if artifact.btf is not None and _brings_btf(artifact):
        agent.put(_BTF, artifact.btf.read_bytes(), timeout=_UPLOAD_TIMEOUT)


def _upload_config(agent: AgentSession, artifact: Artifact, release: str) -> None:
    # For __kconfig externs: few kernels have /proc/config.gz. libbpf unpacks it.
    if artifact.config is not None:
        packed = gzip.compress(artifact.config.read_bytes(), mtime=0)
        agent.put(f"/run/agent/config-{release}", packed, timeout=_UPLOAD_TIMEOUT)


def _bpftool_version(agent: AgentSession) -> str:
    said = agent.run([bpftool.PROGRAM, "-j", "version"], timeout=_ANSWER_TIMEOUT)
    try:
        return str(json.loads(said.stdout)["version"])
    except (ValueError, KeyError, TypeError) as error:
        raise GuestError(
            f"bpftool does not run in the guest: {said.stdout}{said.stderr}"
        ) from error
