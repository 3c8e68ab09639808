"""Whether a file is the whole BTF of a kernel, as far as BTF can tell."""

from dataclasses import dataclass

from runner.bpf import btf
from runner.bpf.btf import Btf
from runner.errors import ArtifactError
from runner.versions import KernelVersion


@dataclass(frozen=True, kw_only=True)
class _Rename:
    """A member that got another name in a release, without a backport known."""

    since: str
    struct: str
    before: str
    after: str


# BTF carries no version; what it calls these says which it is of.
_RENAMES = (
    # 296f781a4b78
    _Rename(since="4.7", struct="thread_struct", before="fs", after="fsbase"),
    # cf25e24db61c
    _Rename(
        since="5.5",
        struct="task_struct",
        before="real_start_time",
        after="start_boottime",
    ),
    # da1c55f1b272
    _Rename(since="5.8", struct="mm_struct", before="mmap_sem", after="mmap_lock"),
    # 2f064a59a11f
    _Rename(since="5.14", struct="task_struct", before="state", after="__state"),
)


def verify(
    data: bytes,
    *,
    of: str,
    release: str,
    version: KernelVersion,
    byte_order: str = "little",
) -> None:
    """Check that BTF parses, is a kernel's, and that its kernel may be this one.

    `of` names the BTF for people. Raises ArtifactError with the reason.
    """
    try:
        found = btf.parse(data)
        if found.byteorder != byte_order:
            raise ArtifactError("it is for a machine with the other byte order")
        if "struct task_struct" not in found.named:
            raise ArtifactError("it has no struct task_struct, so it is not a kernel's")
        _compare(found, release, version)
    except ArtifactError as error:
        raise ArtifactError(
            f"the BTF of {of} can't be used for {release}: {error.message}",
            hint="set another one with the key btf of the matrix, or `btf: kernel` "
            "to run without",
        ) from error


def _compare(found: Btf, release: str, version: KernelVersion) -> None:
    for it in _RENAMES:
        members = _members(found, it.struct)
        old, new = it.before in members, it.after in members
        if old == new:
            continue
        since = KernelVersion.parse(it.since)
        if old and version >= since:
            raise ArtifactError(
                f"{it.struct} has {it.before}, so it is of a kernel before {it.since}"
            )
        # Red Hat's kernels keep their version and take over much of later ones.
        if new and version < since and ".el" not in release:
            raise ArtifactError(
                f"{it.struct} has {it.after}, so it is of {it.since} or later"
            )


def _members(found: Btf, struct: str) -> set[str]:
    id_ = found.named.get(f"struct {struct}")
    return set() if id_ is None else {it.name for it in found.fields(found.type(id_))}
