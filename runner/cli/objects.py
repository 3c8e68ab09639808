"""Objects without a suite: one is written that loads and attaches them."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import yaml

from runner.errors import UsageError
from runner.reports.atomic import explained
from runner.suitefile import SUITE_FILE

_OBJECT = ".o"
_SUFFIX = re.compile(r"(\.bpf)?\.o$")


def suite_of(objects: Sequence[Path], folder: Path, *, load_only: bool = False) -> Path:
    """Write a suite of objects, with copies of them, and return its folder.

    With `load_only` nothing is attached; else an object of which nothing is attached
    fails.

    Raises UsageError for what is no object file and for two that are named alike,
    InfrastructureError when the folder can't be written.
    """
    names: dict[str, Path] = {}
    for path in objects:
        if path.suffix != _OBJECT or not path.is_file():
            raise UsageError(
                f"--object {path}: there is no such object file",
                hint="name compiled objects, NAME.bpf.o; sources go into a suite",
            )
        other = names.setdefault(_name(path), path)
        if other is not path:
            raise UsageError(f"--object {path}: {other} is named alike")
    suite = {
        "description": "The objects of the command line load"
        + ("." if load_only else ", and attach."),
        "cases": [
            _case(name, path.name, load_only=load_only) for name, path in names.items()
        ],
    }
    with explained(folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for path in names.values():
            shutil.copyfile(path, folder / path.name)
        (folder / SUITE_FILE).write_text(yaml.safe_dump(suite, sort_keys=False))
    return folder


def _name(path: Path) -> str:
    """Return what a case may be called."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", _SUFFIX.sub("", path.name))
    return name if re.match("[A-Za-z_]", name) else f"_{name}"


def _case(name: str, file: str, *, load_only: bool) -> dict[str, object]:
    return {
        "name": name,
        "object": file,
        **({"attach": False} if load_only else {"must_attach": True}),
        # Nothing is known of what makes its programs run.
        "must_run": False,
        # Holds wherever the object loads and attaches: else the case ends before.
        "expect": [{"value": "${kernel.release}", "matches": ".+"}],
    }
