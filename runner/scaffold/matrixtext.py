"""The text of a first matrix.yaml: rows of the built-in one, with a reason for each."""

import json
from collections.abc import Iterator, Mapping, Sequence

from runner.scaffold.yamltext import commented, flow

# What users run a kernel of a suite of Debian with.
_DISTRIBUTIONS = {
    "bullseye": "Debian 11",
    "bookworm": "Debian 12",
    "trixie": "Debian 13",
    "sid": "Debian's unstable suite",
}


def text(rows: Sequence[Mapping[str, object]], suites: str) -> str:
    """Return the file's text.

    `rows` are those of the built-in matrix file, oldest first; `suites` is the folder
    of the suites.
    """
    return "\n".join([*_head(suites), *_rows(rows), ""])


def _head(suites: str) -> Iterator[str]:
    yield from commented(
        0,
        "The kernels that your objects must work on, written by `bpf-kernel-matrix "
        "init`. "
        "Make it yours: one row for each kernel that your users run. "
        "docs/matrix.md has "
        "every key; `bpf-kernel-matrix kernels --matrix vendors` lists rows of RHEL, "
        "Ubuntu, Amazon Linux and others to copy. Rows with the tag `default` run "
        "without "
        "--kernels; if no row has it, all run.",
    )
    yield "# Where your suites are: list more folders here."
    yield f"suites: [{flow(suites)}]"
    yield "kernels:"


def _rows(rows: Sequence[Mapping[str, object]]) -> Iterator[str]:
    for number, row in enumerate(rows):
        yield from commented(2, _reason(row, number, len(rows)))
        yield f"  - id: {json.dumps(str(row['id']))}   # for --kernels, and in reports"
        yield f"    source: {flow(row['source'])}"
        tags = [it for it in _list(row.get("tags")) if it != "default"]
        if tags:
            yield f"    tags: {flow(tags)}   # for --kernels @TAG"


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []


def _reason(row: Mapping[str, object], number: int, count: int) -> str:
    whose = _whose(row)
    if number == 0 and count > 1:
        return (
            f"The oldest one{whose}: what is missing here fails first. Take the oldest "
            "kernel that your users run."
        )
    if "newest" in _list(row.get("tags")):
        return (
            f"The newest one{whose}: what breaks here reaches your users later. "
            "`required: false` would report it without failing the run."
        )
    if number >= count - 2:
        return (
            f"The current long-term kernel{whose}. Keep it: most new machines run it."
        )
    return f"A long-term kernel{whose}. Delete it if none of your users runs it."


def _whose(row: Mapping[str, object]) -> str:
    source = row["source"]
    suite = source.get("suite") if isinstance(source, dict) else None
    name = _DISTRIBUTIONS.get(str(suite))
    return f" ({name})" if name else ""
