"""Objects without a suite: one is written that loads and attaches them."""

import argparse
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from runner.errors import UsageError
from runner.reports import folder as reports
from runner.reports.atomic import explained
from runner.suites import builds
from runner.suites.builds import Axes
from runner.suites.search import SUITE_FILE, TAG, TAG_TEXT

_OBJECT = ".o"
_BPF_SOURCE = ".bpf.c"
_SOURCE = (".c", ".cc", ".cpp", ".cxx", ".h")
_SUFFIX = re.compile(r"(\.bpf\.c|(\.bpf)?\.o)$")


def of_arguments(arguments: argparse.Namespace) -> Path:
    """Write the suite of --object below --reports. Raises as `suite_of` does."""
    return suite_of(
        arguments.object,
        arguments.reports / "objects",
        load_only=arguments.load_only,
        loaders=arguments.loader,
        variants=arguments.variants,
    )


def suite_of(
    objects: Sequence[Path],
    folder: Path,
    *,
    load_only: bool = False,
    loaders: Sequence[str] = (),
    variants: Sequence[str] = (),
) -> Path:
    """Write a suite of objects, with links to them, and return its folder.

    With `load_only` nothing is attached; else an object that has nothing attached
    fails. With several `loaders`, each object is loaded once with each. `variants` are
    words such as "clang=14,19".

    Raises UsageError for what is neither an object file nor its source, and for
    variants that there are not; InfrastructureError when the folder can't be written.
    """
    axes = builds.of_words(variants)
    for path in objects:
        _require_object(path)
        _require_builds(path, axes)
    names = _names(list({it.resolve(): it for it in objects}.values()))
    # A folder for each of those that are named alike, so that both keep their names.
    files = {name: f"{name}/{path.name}" for name, path in names.items()}
    if len({path.name for path in names.values()}) == len(names):
        files = {name: path.name for name, path in names.items()}
    suite = {
        "name": "objects",
        "description": "The objects of the command line load"
        + ("." if load_only else ", and attach."),
        "cases": [
            _case(name, file, load_only=load_only, loaders=loaders, axes=axes)
            for name, file in files.items()
        ],
    }
    reports.make(folder.parent)
    with explained(folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / TAG).write_text(TAG_TEXT)
        for name, path in names.items():
            (folder / files[name]).parent.mkdir(exist_ok=True)
            (folder / files[name]).symlink_to(path.absolute())
        (folder / SUITE_FILE).write_text(yaml.safe_dump(suite, sort_keys=False))
    return folder


def _require_object(path: Path) -> None:
    if path.is_dir():
        raise UsageError(
            f"--object {path}: is a folder",
            hint=f"name the objects in it: --object {path}/*.o",
        )
    if not path.is_file():
        raise UsageError(f"--object {path}: there is no such file")
    if path.name.endswith(_BPF_SOURCE):
        return
    if path.suffix in _SOURCE:
        raise UsageError(
            f"--object {path}: is a source, not a compiled object",
            hint="compile it with clang -target bpf -g, or call it NAME.bpf.c if it is "
            "whole and needs only the headers of libbpf",
        )
    if path.suffix != _OBJECT:
        raise UsageError(
            f"--object {path}: is not an object file; its name must end with {_OBJECT}"
        )


def _variants(axes: Axes) -> dict[str, object]:
    made = axes.model_dump(mode="json", exclude_unset=True)
    return {"variants": made} if made else {}


def _require_builds(path: Path, axes: Axes) -> None:
    """Refuse what its own words say, before a file that nobody wrote does."""
    is_source = path.name.endswith(_BPF_SOURCE)
    for mistake in builds.mistakes(axes, is_source=is_source):
        raise UsageError(f"--variants: {path.name}: {mistake.what}")


def _names(paths: Sequence[Path]) -> Mapping[str, Path]:
    """Return the cases' names: the files', with their folders where those are alike."""
    alike: dict[str, list[Path]] = {}
    for path in paths:
        alike.setdefault(_name(path, 1), []).append(path)
    found: dict[str, Path] = {}
    for name, group in alike.items():
        told = {name: group[0]} if len(group) == 1 else _distinct(group)
        for own, path in told.items():
            other = found.setdefault(own, path)
            if other is not path:
                raise UsageError(
                    f"--object {path}: its case would have the name {own}, like "
                    f"that of {other}",
                    hint="rename one of the two files, or test them in two runs",
                )
    return found


def _distinct(paths: Sequence[Path]) -> dict[str, Path]:
    whole = [path.absolute() for path in paths]
    for depth in range(1, max(len(it.parts) for it in whole)):
        for keep in (False, True):
            names = [_name(it, depth, keep_suffix=keep) for it in whole]
            if len({*names}) == len(names):
                return dict(zip(names, paths, strict=True))
    raise UsageError(
        f"--object {paths[0]}: its case would have the same name as that of {paths[1]}",
        hint="rename one of the two files, or test them in two runs",
    )


def _name(path: Path, depth: int, *, keep_suffix: bool = False) -> str:
    """Return what a case may be called, of the last parts of a path."""
    text = "_".join(path.parts[-depth:])
    text = text if keep_suffix else _SUFFIX.sub("", text)
    name = re.sub(r"[^A-Za-z0-9_-]", "_", text)
    return name if re.match("[A-Za-z_]", name) else f"_{name}"


def _case(
    name: str, file: str, *, load_only: bool, loaders: Sequence[str], axes: Axes
) -> dict[str, object]:
    distinct = list(dict.fromkeys(loaders))
    named = {"loader": distinct if distinct[1:] else distinct[0]} if distinct else {}
    return {
        "name": name,
        "object": file,
        **named,
        **_variants(axes),
        **({"attach": False} if load_only else {"must_attach": True}),
        "each_program": True,
        # Nothing is known of what makes its programs run.
        "must_run": False,
        # Holds wherever the object loads and attaches: else the case ends before.
        "expect": [{"value": "${kernel.release}", "matches": ".+"}],
    }
