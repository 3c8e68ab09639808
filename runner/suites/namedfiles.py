"""Files that a suite names: whether they are there, and inside its reach."""

from collections.abc import Callable, Iterator
from pathlib import Path

from runner.bpf import btf
from runner.files.modelfile import Mistake, Where
from runner.suites.reach import Reach
from runner.text.nearest import near

_ELF = b"\x7fELF"


def check(
    name: str,
    reach: Reach,
    at: Where,
    refusal: Callable[[str], str] = lambda _: "",
    *,
    folders: bool = False,
) -> Iterator[Mistake]:
    """Check that a file is there, and inside; `refusal` says what its name lacks."""
    try:
        if not reach.holds(name):
            where = reach.name
            what = f"is outside of the {where}; copy it into the {where} when you build"
            instead = ", or load it with --object" if name.endswith(".o") else ""
            yield Mistake(at, f"{shown(name)} {what}{instead}")
        elif refused := refusal(name):
            yield Mistake(at, f"{shown(name)} {refused}")
        elif folders and (reach.folder / name).is_dir():
            return
        elif (reach.folder / name).is_dir():
            yield Mistake(at, f"{name!r} is a folder; name a file in it")
        elif not (reach.folder / name).is_file():
            yield Mistake(at, f"no file {name!r}{_near(name, reach.folder, refusal)}")
    except (OSError, ValueError, RuntimeError) as error:
        # Too long a name, a NUL in it, a symlink to itself.
        words = getattr(error, "strerror", None) or str(error)
        yield Mistake(at, f"{shown(name)} can't be opened: {words}")


def check_btf(name: str, reach: Reach, at: Where) -> Iterator[Mistake]:
    """Check that a file is there, and has BTF."""
    found = [*check(name, reach, at)]
    yield from found
    if found:
        return
    data = (reach.folder / name).read_bytes()
    # libbpf reads ELF files, too, and says what is wrong with them.
    if data.startswith(_ELF):
        return
    try:
        btf.parse(data)
    except btf.BtfError as error:
        yield Mistake(at, f"{shown(name)} can't be used as BTF: {error.message}")


def _near(name: str, folder: Path, refusal: Callable[[str], str]) -> str:
    parent = (folder / name).parent
    if not parent.is_dir():
        return ""
    there = sorted(it.name for it in parent.iterdir() if it.is_file())
    return near(Path(name).name, [it for it in there if not refusal(it)])


def shown(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:59]}…")
