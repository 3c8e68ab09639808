"""Libbpfs that are not the machine's."""

import shutil
import subprocess
from pathlib import Path

HEADERS = Path("/usr/include")
# Of a version that there is not.
MINOR = 99
VERSION_H = """\
#define LIBBPF_MAJOR_VERSION {}
#define LIBBPF_MINOR_VERSION {}
"""


def library() -> Path:
    """Return the machine's libbpf.a."""
    return Path(_said("gcc", "-print-file-name=libbpf.a").strip())


def another(folder: Path) -> Path:
    """Install the machine's libbpf in a folder, as one that says that it is 1.99."""
    _said("ar", "x", str(library()), cwd=_made(folder / "objects"))
    objects = folder / "objects"
    _said(
        *("objcopy", "--redefine-sym", "libbpf_minor_version=was_minor_version"),
        str(objects / "libbpf.o"),
    )
    (objects / "newer.c").write_text(
        f"unsigned libbpf_minor_version(void) {{ return {MINOR}; }}"
    )
    _said("gcc", "-fPIC", "-c", "newer.c", cwd=objects)
    parts = [str(path) for path in sorted(objects.glob("*.o"))]
    _said("ar", "rcs", str(_made(folder / "lib") / "libbpf.a"), *parts)
    shutil.copytree(HEADERS / "bpf", folder / "include/bpf")
    (folder / "include/bpf/libbpf_version.h").write_text(VERSION_H.format(1, MINOR))
    return folder


# Makes nothing: what the machine has is as good as what would come of a source.
MAKEFILE = """\
$(OBJDIR)/libbpf.a: bpf.c
	$(CC) $(CFLAGS) -fsyntax-only bpf.c
	mkdir -p $(OBJDIR)
	cp {library} $@
install_headers:
	mkdir -p $(INCLUDEDIR)
	cp -r {headers}/bpf $(INCLUDEDIR)
install_uapi_headers:
	mkdir -p $(UAPIDIR)/linux
	cp {headers}/linux/bpf.h {headers}/linux/bpf_common.h {headers}/linux/btf.h \\
		$(UAPIDIR)/linux
"""


def source(folder: Path, version: tuple[int, int] = (1, 1)) -> Path:
    """Write what looks like libbpf's source, of which the machine's libbpf comes."""
    src = _made(folder / "src")
    files = {
        "Makefile": MAKEFILE.format(library=library(), headers=HEADERS),
        "libbpf.map": "LIBBPF_1.1.0 {};\n",
        "libbpf_version.h": VERSION_H.format(*version),
        "bpf.c": "int nothing;\n",
        "relo_core.h": RELO_CORE_H,
    }
    for name, text in files.items():
        (src / name).write_text(text)
    interface = _made(folder / "include/uapi/linux")
    shutil.copy(HEADERS / "linux/bpf.h", interface)
    return folder


# The layout that libbpf has had since 1.0, in short.
RELO_CORE_H = """\
struct bpf_core_cand { const struct btf *btf; __u32 id; };
struct bpf_core_cand_list { struct bpf_core_cand *cands; int len; };
struct bpf_core_accessor { __u32 type_id, idx; const char *name; };
struct bpf_core_spec {
	const struct btf *btf;
	struct bpf_core_accessor spec[64];
	__u32 root_type_id;
	enum bpf_core_relo_kind relo_kind;
	int len;
	int raw_spec[64];
	int raw_len;
	__u32 bit_offset;
};
struct bpf_core_relo_res {
	__u64 orig_val, new_val;
	bool poison, validate, fail_memsz_adjust;
	__u32 orig_sz, orig_type_id, new_sz, new_type_id;
};
"""


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _said(*argv: str, cwd: Path | None = None) -> str:
    return subprocess.run(
        argv, cwd=cwd, check=True, capture_output=True, text=True
    ).stdout
