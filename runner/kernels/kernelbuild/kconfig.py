"""Options of a kernel's config: what was asked for, and what became of it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.arch import X86_64
from runner.errors import ArtifactError, UsageError

_LINE = re.compile(r"CONFIG_(\w+)=(\S.*)")
_UNSET = re.compile(r"# CONFIG_(\w+) is not set")
_DEFINED = re.compile(r"^\s*(?:menu)?config\s+(\w+)\s*$")
_DEPENDS = re.compile(r"^\s*depends on\s+(.*)$")


@dataclass(frozen=True, kw_only=True)
class Request:
    """An option that a kernel should have."""

    # Without CONFIG_.
    name: str
    # y, m, n, a number, or text in quotes.
    value: str
    # Who asks: "base.config:12".
    where: str


def parse_fragment(text: str, name: str) -> list[Request]:
    """Read a fragment. Raises UsageError for a line that is none of a config's."""
    requests = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        unset = _UNSET.fullmatch(line)
        if not line or (line.startswith("#") and unset is None):
            continue
        found = unset or _LINE.fullmatch(line)
        if found is None:
            raise UsageError(
                f"{name}:{number}: {line!r} is not an option of a config",
                hint="write CONFIG_NAME=y, or # CONFIG_NAME is not set",
            )
        value = "n" if unset else found[2]
        where = f"{name}:{number}"
        requests.append(Request(name=found[1], value=value, where=where))
    return requests


def preset(requests: Sequence[Request]) -> str:
    """Return the file that KCONFIG_ALLCONFIG takes."""
    return "".join(
        f"# CONFIG_{it.name} is not set\n"
        if it.value == "n"
        else f"CONFIG_{it.name}={it.value}\n"
        for it in requests
    )


def lost(requests: Sequence[Request], config: Mapping[str, str]) -> tuple[Request, ...]:
    """Return the requests that a config does not fulfil.

    What was asked for as a module and is built in counts as fulfilled.
    """
    return tuple(
        it
        for it in requests
        if (got := config.get(it.name, "n")) != it.value
        and (it.value, got) != ("m", "y")
    )


def check(
    requests: Sequence[Request],
    config: Mapping[str, str],
    tree: Path,
    folder: str = X86_64.tree.folder,
) -> None:
    """Refuse a config that lacks what was asked for and the kernel knows.

    `folder` is the architecture's own below arch/.
    Raises ArtifactError that names each option, who asked for it and what it needs.
    """
    missing = {it.name: it for it in lost(requests, config)}
    if not missing:
        return
    known = _definitions(tree, missing, folder)
    told = [
        f"CONFIG_{name}={missing[name].value} ({missing[name].where})"
        + (f", which depends on {' and '.join(needs)}" if needs else "")
        for name, needs in known.items()
    ]
    if told:
        raise ArtifactError(
            f"these options were requested but not accepted: {'; '.join(told)}",
            hint="request what they depend on too, in a fragment in images/kernel or "
            "with the row's key options",
        )


def _definitions(
    tree: Path, names: Mapping[str, object], folder: str
) -> dict[str, list[str]]:
    """Return those names that a tree defines, each with what it depends on."""
    found: dict[str, list[str]] = {}
    for path in _files(tree, folder):
        name = ""
        for line in path.read_text(errors="replace").splitlines():
            defined = _DEFINED.match(line)
            if defined:
                name = defined[1] if defined[1] in names else ""
                if name:
                    found.setdefault(name, [])
            elif name and (needs := _DEPENDS.match(line)):
                found[name].append(needs[1].partition("#")[0].strip())
    return found


def _files(tree: Path, folder: str) -> Iterator[Path]:
    """Return a tree's Kconfig files, those of other architectures left out."""
    for path in sorted(tree.rglob("Kconfig*")):
        parts = path.relative_to(tree).parts
        foreign = parts[0] == "arch" and len(parts) > 2 and parts[1] != folder
        # The tests and the documentation of kconfig itself hold samples.
        if path.is_file() and not foreign and parts[0] not in ("scripts", "tools"):
            yield path
