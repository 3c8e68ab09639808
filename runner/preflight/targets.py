"""The kernels that objects are checked against: files, folders, rows of the matrix."""

import contextlib
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from runner import arch
from runner.errors import ArtifactError, UsageError
from runner.facts.abilities import Known, left_out
from runner.facts.model import Facts
from runner.files.cache import Cache, sha256_of
from runner.kernels import (
    elfsections,
    facts,
    fetch,
    guestconfig,
    modulefiles,
    securitymodules,
)
from runner.kernels.artifact import Artifact
from runner.kernels.modulefiles import ModuleMissingError
from runner.matrix.matrix import Kernel
from runner.preflight.architecture import of_strings
from runner.preflight.errors import BadBtfError
from runner.preflight.payload import Payload
from runner.preflight.predict import Target
from runner.text import progress as progress_
from runner.text.progress import Progress
from runner.versions import KernelVersion

_MAGICS = (b"\x9f\xeb", b"\xeb\x9f")
_ELF = b"\x7fELF"
_PACKED = ".btf.tar.xz"
# "4.15.0-20-generic.btf", "vmlinux-5.4.0"; not the 86 of x86_64.
_RELEASE = re.compile(r"(?<![\w.])\d+\.\d+[\w.+~-]*")
# The kernel's own BTF in /sys/kernel/btf, next to those of its modules.
_KERNEL = "vmlinux"


@dataclass(frozen=True, kw_only=True)
class BtfSource:
    """A kernel's BTF that was not read yet."""

    # What tables call it.
    name: str
    path: Path
    version: KernelVersion | None
    modules: tuple[Path, ...] = ()
    # The kernel's .config, when it is at hand.
    config: Path | None = None
    # What it said when it was booted; None for a kernel that nobody has booted.
    facts: Facts | None = None
    # As runner/arch names it; "" where only the BTF says it.
    architecture: str = ""
    # Why nothing can be said of it; empty for most.
    problem: str = ""
    # The security modules that it starts with; None where nobody knows.
    lsm: tuple[str, ...] | None = None

    @property
    def known(self) -> Known:
        """What decides what the kernel can do."""
        config = self.config.read_text() if self.config else None
        return Known(
            version=self.version,
            facts=self.facts,
            architecture=self.architecture,
            lsm=self.lsm,
            left_out=frozenset() if config is None else left_out(config),
        )


def of_path(text: str) -> list[BtfSource]:
    """Return the BTFs that a file or folder means; "4.4=FILE" tells the version.

    A folder is searched for *.btf, *.btf.tar.xz and vmlinux*; one laid out as
    /sys/kernel/btf is one kernel with its modules. Raises UsageError.
    """
    version, equals, name = text.partition("=")
    path = Path(name if equals else text)
    if not path.exists():
        raise UsageError(
            f"--btf {text}: there is no {path}",
            hint="use a BTF file, a vmlinux, a folder of them, or `kernels`",
        )
    if path.is_dir():
        found = _in_folder(path)
        if not found:
            raise UsageError(
                f"--btf {text}: it contains no *.btf, *{_PACKED} or vmlinux*"
            )
        return found
    if not equals:
        return [_source(path, path.name)]
    try:
        return [
            BtfSource(name=version, path=path, version=KernelVersion.parse(version))
        ]
    except ValueError as error:
        raise UsageError(f"--btf {text}: {error}") from error


def of_kernels(
    kernels: Iterable[Kernel], cache: Cache, progress: Progress | None = None
) -> list[BtfSource]:
    """Return the BTFs of a matrix's rows, as far as they are in the cache.

    With those of the modules that their guests load. One that has no such module is a
    source with a problem.
    """
    progress = progress or progress_.progress()
    found = ((kernel, fetch.cached(kernel, cache)) for kernel in kernels)
    return [
        _of_kernel(kernel, artifact, artifact.btf, cache, progress)
        for kernel, artifact in found
        if artifact is not None and artifact.btf is not None
    ]


def _of_kernel(
    kernel: Kernel, artifact: Artifact, btf: Path, cache: Cache, progress: Progress
) -> BtfSource:
    try:
        modules, problem = _module_btfs(kernel, artifact, cache, progress), ""
    except (ModuleMissingError, ArtifactError) as error:
        modules, problem = (), error.message
    return BtfSource(
        name=kernel.id,
        path=btf,
        version=artifact.version,
        modules=modules,
        config=artifact.config,
        facts=facts.known(cache, artifact.image_sha256),
        architecture=kernel.arch,
        lsm=_lsm(kernel, artifact),
        problem=problem,
    )


def _module_btfs(
    kernel: Kernel, artifact: Artifact, cache: Cache, progress: Progress
) -> tuple[Path, ...]:
    # What has no BTF of modules need not be fetched again to look for them.
    if not modulefiles.shows_btf(artifact):
        return ()
    wanted = kernel.environment.modules or ()
    chosen = modulefiles.choose(wanted, kernel, artifact, cache, progress)
    return modulefiles.btfs(artifact, chosen, cache)


def _lsm(kernel: Kernel, artifact: Artifact) -> tuple[str, ...] | None:
    text = artifact.config_text()
    config = None if text is None else guestconfig.parse(text)
    return securitymodules.of_environment(kernel.environment, config)


def with_architecture(source: BtfSource) -> BtfSource:
    """Return a BTF that says its architecture: of its folder, or of what is in it.

    BTFHub has a folder for each. What can't be read is left as it is.
    """
    if source.architecture:
        return source
    of_folder = arch.find(source.path.parent.name)
    if of_folder is not None:
        return replace(source, architecture=of_folder.name)
    try:
        return replace(source, architecture=of_strings(read(source.path)))
    except BadBtfError:
        return source


def load(source: BtfSource, sha256: Sequence[str] = ()) -> Target:
    """Return a BTF; its hash and those of its modules may be known.

    What is raw stays in its file. Raises BadBtfError for what holds none. A module's
    is handed on as it is: it costs only its own types.
    """
    found = [_payload(source.path), *source.modules]
    hashes = sha256 or [_hash(it) for it in found]
    return Target(
        btf=found[0],
        sha256=hashes[0],
        known=source.known,
        modules=tuple(found[1:]),
        module_sha256=tuple(hashes[1:]),
        module_names=tuple(it.stem for it in source.modules),
    )


def _payload(path: Path) -> Payload:
    with contextlib.suppress(OSError):
        if _is_raw(path):
            return path
    return read(path)


def _hash(payload: Payload) -> str:
    if not isinstance(payload, Path):
        return hashlib.sha256(payload).hexdigest()
    return sha256_of(payload)


def read(path: Path) -> bytes:
    """Return the raw BTF of a file: raw, of an ELF file, or packed as BTFHub does.

    Raises BadBtfError.
    """
    try:
        data = path.read_bytes()
        if path.name.endswith(_PACKED):
            # Here, because it imports what talks to servers, which few runs do.
            from runner.kernels.btf import hub

            data = hub.unpack(data, path.name.removesuffix(_PACKED), str(path))
        elif data.startswith(_ELF):
            section = elfsections.section(data, ".BTF")
            if section is None:
                raise BadBtfError(
                    f"{path}: has no .BTF section",
                    hint="generate one: pahole --btf_encode_detached FILE vmlinux",
                )
            data = section
    except (OSError, ValueError, ArtifactError) as error:
        raise BadBtfError(f"{path}: can't be read: {error}") from error
    if data[:2] not in _MAGICS:
        raise BadBtfError(
            f"{path}: not BTF: it begins with another magic number",
            hint="use raw BTF, a vmlinux with a .BTF section, or a .btf.tar.xz",
        )
    return data


# ------------------------------------------------------------------- folders


def _in_folder(folder: Path) -> list[BtfSource]:
    kernel = folder / _KERNEL
    if kernel.is_file() and _is_raw(kernel):
        # All files there are BTFs, and one that is not has a story to tell.
        modules = (it for it in folder.iterdir() if it != kernel and it.is_file())
        return [
            BtfSource(
                name=_release_of(folder) or str(folder),
                path=kernel,
                version=_version(_release_of(folder)),
                modules=tuple(sorted(modules)),
            )
        ]
    found = sorted(_files(folder))
    return [_source(path, str(path.relative_to(folder))) for path in found]


def _files(folder: Path) -> Iterator[Path]:
    for pattern in ("*.btf", f"*{_PACKED}", f"{_KERNEL}*"):
        for path in folder.rglob(pattern):
            if path.is_file() and (path.suffix != ".btf" or path.stat().st_size):
                yield path


def _is_raw(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) in _MAGICS


def _source(path: Path, name: str) -> BtfSource:
    name = name.removesuffix(_PACKED).removesuffix(".btf")
    return BtfSource(name=name, path=path, version=_version(_release_of(path)))


def _release_of(path: Path) -> str:
    """Return the release that a path names: in its own name, or in a folder's."""
    names = [path.name.removesuffix(_PACKED).removesuffix(".btf"), path.parent.name]
    return next((it for name in names for it in _RELEASE.findall(name)), "")


def _version(release: str) -> KernelVersion | None:
    try:
        return KernelVersion.parse(release)
    except ValueError:
        return None
