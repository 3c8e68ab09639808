"""A vmlinux in small: the structs that tell versions apart, compiled."""

import subprocess
from pathlib import Path

_SOURCE = """
const char linux_banner[] = "Linux version {release} (someone@somewhere) #1 SMP";
struct thread_struct {{ unsigned long {fs}; }};
struct mm_struct {{ struct {{ long {mmap_lock}; }}; }};
struct task_struct {{
    long {state}; unsigned long long {start}; int pid; char comm[16];
    struct thread_struct thread; struct mm_struct *mm;
}};
struct task_struct init_task;
#ifdef SHOWS_BTF
int btf_vmlinux_init(void) {{ return 0; }}
#endif
enum small {{ ONE = 1 }} one;
"""
OLD = {
    "fs": "fs",
    "mmap_lock": "mmap_sem",
    "state": "state",
    "start": "real_start_time",
}
NEW = {
    "fs": "fsbase",
    "mmap_lock": "mmap_lock",
    "state": "__state",
    "start": "start_boottime",
}


# Since when the kernel has the new name. Source: runner/kernels/btf/verify.py.
_SINCE = {"fs": (4, 7), "start": (5, 5), "mmap_lock": (5, 8), "state": (5, 14)}


def names_of(version: str) -> dict[str, str]:
    """Return the names that a kernel of an upstream version has."""
    major, minor = map(int, version.split(".")[:2])
    return {
        what: (NEW if (major, minor) >= since else OLD)[what]
        for what, since in _SINCE.items()
    }


def vmlinux(
    folder: Path,
    *,
    release: str = "4.4.1",
    names: dict[str, str] = OLD,
    options: tuple[str, ...] = ("-g",),
) -> Path:
    """Compile a vmlinux and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "vmlinux.c"
    source.write_text(_SOURCE.format(release=release, **names))
    output = folder / "vmlinux"
    subprocess.run(["gcc", "-c", *options, source, "-o", output], check=True)
    return output


def btf(
    folder: Path, names: dict[str, str] = OLD, options: tuple[str, ...] = ("-g",)
) -> bytes:
    """Return raw BTF that pahole made of such a vmlinux."""
    output = folder / "made.btf"
    subprocess.run(
        [
            *("pahole", "--btf_encode_detached", output),
            vmlinux(folder, names=names, options=options),
        ],
        check=True,
    )
    return output.read_bytes()
