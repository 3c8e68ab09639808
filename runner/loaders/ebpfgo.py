"""The loader that uses github.com/cilium/ebpf."""

from pathlib import Path

from runner.loaders.library import Library, LibraryOrigin, Workshop

_MODULE = "github.com/cilium/ebpf"


def _make(shop: Workshop, origin: LibraryOrigin, program: Path) -> str:
    if origin.version:
        shop.download("go", "get", f"{_MODULE}@v{origin.version}")
    if origin.folder is not None:
        replacement = f"{_MODULE}={origin.folder.absolute()}"
        shop.compile("go", "mod", "edit", f"-replace={replacement}")
    if origin != LibraryOrigin():
        # Its own needs are others than those of the pinned version.
        shop.download("go", "mod", "tidy")
    shop.download("go", "mod", "download")
    # Without paths and symbols: the same sources give the same program.
    shop.compile(
        *("go", "build", "-mod=readonly", "-trimpath", "-buildvcs=false"),
        *("-ldflags=-s -w", "-o", str(program), "."),
    )
    if origin.folder is not None:
        # Go's modules do not say their own version.
        return ""
    shown = shop.printed("go", "list", "-m", "-f", "{{.Version}}", _MODULE)
    return shown.strip().removeprefix("v")


LIBRARY = Library(
    name="ebpf-go",
    title="cilium/ebpf",
    option="--ebpf-go",
    example="0.22.0",
    landmark="elf_reader.go",
    suffixes=(".go", ".mod", ".sum", ".s"),
    tool="go",
    package="golang-go",
    tool_version=("go", "version"),
    # The second one is a proxy's word.
    unknown_version=r"unknown revision|\.info: 4(03|04|10) |no matching versions",
    make=_make,
)
