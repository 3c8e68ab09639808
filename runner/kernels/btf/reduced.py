"""A kernel whose BTF is cut to what some objects need: the whole one, less its types.

It is made of the kernel in the cache that has all of its BTF, so that nothing is
downloaded again for it.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from runner.errors import ArtifactError
from runner.files.cache import Cache, CacheEntry
from runner.kernels import artifact
from runner.kernels.btf import minimal
from runner.kernels.btf.pinned import PinnedBtf
from runner.matrix.matrix import Kernel, MinBtf


def setting_of(kernel: Kernel) -> MinBtf | None:
    """Return how a row's BTF is cut; None where it is whole."""
    setting = kernel.btf.setting if isinstance(kernel.btf, PinnedBtf) else kernel.btf
    return setting if isinstance(setting, MinBtf) else None


def whole(kernel: Kernel, setting: MinBtf) -> Kernel:
    """Return a row with the BTF that its own is cut from."""
    of = setting.of
    if isinstance(kernel.btf, PinnedBtf):
        return kernel.model_copy(
            update={"btf": kernel.btf.model_copy(update={"setting": of})}
        )
    return kernel.model_copy(update={"btf": of})


def build(
    setting: MinBtf, whole: CacheEntry, folder: Path, cache: Cache
) -> Mapping[str, JsonValue]:
    """Put a kernel into a folder, with its BTF cut; return what the cache notes of it.

    Raises ArtifactError for a kernel without BTF, and for objects that bpftool finds no
    types for; UsageError for objects that are not there.
    """
    data = whole.metadata
    if artifact.BTF not in whole.checksums:
        raise ArtifactError(f"there is no BTF to reduce: {data['btf_detail']}")
    for name in whole.checksums:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(whole.directory / name, folder / name)
    objects = minimal.objects(setting.objects, cache)
    with cache.scratch() as scratch:
        cut = minimal.cut((folder / artifact.BTF).read_bytes(), objects, scratch)
    (folder / artifact.BTF).write_bytes(cut)
    return {
        **data,
        "btf_source": artifact.MINIMAL,
        "btf_detail": f"of {data['btf_source']} ({data['btf_detail']}), for "
        + ", ".join(path.name for path in objects),
    }
