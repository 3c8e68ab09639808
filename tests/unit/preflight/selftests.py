"""The kernel's own CO-RE selftests, taken from Debian's package with its source.

Nothing of them is in this repository. Their table of cases is C: it is compiled for
this machine, and prints itself.
"""

import json
import os
import re
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

# Where an unpacked source may be; else the package's archive is unpacked.
VARIABLE = "LINUX_SOURCE"
PACKAGES = Path("/usr/src")
FOLDER = "tools/testing/selftests/bpf"
# clang 14, Debian 12's default, knows neither type_matches nor 64-bit enumerators.
CLANG = "clang-16"
WANTED = re.compile(
    rf"[^/]+/{FOLDER}/(prog_tests/core_reloc\.c|bpf_testmod/[^/]+\.h|"
    r"progs/(core_reloc_types\.h|(test_|btf__)core_reloc_[^/]+\.c))"
)
# Behind this the table's runner begins, which needs a kernel.
END_OF_TABLE = "\nstruct data {"
STUBS = """\
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>
#include <linux/types.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#define CHECK(condition, ...) (!!(condition))
#define ASSERT_OK_PTR(pointer, name) (!libbpf_get_error(pointer))
static inline int trigger_module_test_read(int size) { return size; }
"""
MAIN = """\
#include "cases.c"
static void hex(const char *name, const char *bytes, int length)
{
    printf(", \\"%s\\": \\"", name);
    for (int i = 0; bytes && i < length; i++)
        printf("%02x", (unsigned char)bytes[i]);
    printf("\\"");
}
int main(void)
{
    for (size_t i = 0; i < sizeof(test_cases) / sizeof(*test_cases); i++) {
        struct core_reloc_test_case it = test_cases[i];

        /* These are about the running kernel. */
        if (!it.btf_src_file)
            continue;
        if (it.setup && it.setup(&it))
            return 1;
        printf("{\\"name\\": \\"%s\\", \\"object\\": \\"%s\\", \\"btf\\": \\"%s\\", "
               "\\"fails\\": %s, \\"program\\": \\"%s\\"",
               it.case_name, it.bpf_obj_file, it.btf_src_file,
               it.fails ? "true" : "false", it.prog_name);
        hex("input", it.input, it.input_len);
        hex("output", it.output, it.output_len);
        puts("}");
    }
    return 0;
}
"""


class Unavailable(Exception):  # noqa: N818
    """There is no source."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A row of the table."""

    name: str
    # Files in the folder that the selftests were built in.
    object: str
    btf: str
    program: str
    # Whether loading must fail.
    fails: bool
    # What is in `data.in` before, and in `data.out` afterwards.
    input: bytes
    output: bytes


class Selftests:
    """The selftests, built in a folder."""

    def __init__(self, folder: Path) -> None:
        """Unpack and build them. Raises Unavailable."""
        if shutil.which(CLANG) is None:
            raise Unavailable(f"{CLANG} is not installed")
        self.folder = folder
        self._source = source(folder, WANTED) / FOLDER
        # What clang can't compile.
        self.not_compiled: set[str] = set()
        for path in sorted((self._source / "progs").glob("*core_reloc_*.c")):
            self._compile(path)

    @cached_property
    def cases(self) -> list[Case]:
        """Return the table's rows."""
        text = (self._source / "prog_tests/core_reloc.c").read_text()
        assert END_OF_TABLE in text
        (self.folder / "cases.c").write_text(text.partition(END_OF_TABLE)[0])
        (self.folder / "test_progs.h").write_text(STUBS)
        (self.folder / "main.c").write_text(MAIN)
        includes = ("-I.", f"-I{self._source}", f"-I{self._source}/progs")
        subprocess.run(
            ["gcc", "-w", *includes, "main.c", "-o", "table", "-lbpf"],
            cwd=self.folder,
            check=True,
        )
        done = subprocess.run(
            [self.folder / "table"], cwd=self.folder, capture_output=True, check=True
        )
        return [_case(json.loads(line)) for line in done.stdout.splitlines()]

    def _compile(self, path: Path) -> None:
        name = f"{path.stem}.bpf.o"
        words = [CLANG, "-target", "bpf", "-mcpu=v1", "-g", "-O2", "-w"]
        words += ["-D__TARGET_ARCH_x86", "-D__x86_64__"]
        # Of this machine, or of the package for cross compilers.
        words += ["-I/usr/include/x86_64-linux-gnu"]
        words += ["-I/usr/x86_64-linux-gnu/include", f"-I{path.parent}"]
        words += ["-fno-crash-diagnostics", "-c", str(path), "-o", name]
        done = subprocess.run(words, cwd=self.folder, capture_output=True)
        if done.returncode:
            self.not_compiled.add(name)


def _case(row: dict[str, str]) -> Case:
    return Case(
        name=row["name"],
        object=row["object"],
        btf=row["btf"],
        program=row["program"],
        fails=bool(row["fails"]),
        input=bytes.fromhex(row["input"]),
        output=bytes.fromhex(row["output"]),
    )


def source(folder: Path, wanted: re.Pattern[str]) -> Path:
    """Return a kernel's source that has what is wanted. Raises Unavailable."""
    given = os.environ.get(VARIABLE)
    if given:
        return Path(given)
    archives = sorted(PACKAGES.glob("linux-source-*.tar.xz"))
    if not archives:
        raise Unavailable(
            "no kernel source: apt-get install linux-source, or set "
            f"{VARIABLE} to an unpacked one"
        )
    with tarfile.open(archives[-1]) as archive:
        members = [it for it in archive if wanted.fullmatch(it.name)]
        archive.extractall(folder, members, filter="data")
    (found,) = folder.glob("linux-source-*")
    return found
