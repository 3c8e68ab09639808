"""pytest as the engine of a run: what the user's environment tells pytest stays out.

`pytest --kernels …`, which users run themselves, keeps pytest's own rules.
"""

import hashlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from runner.files.cache import Cache
from runner.process import startup

# Settings that a user's own pytest.ini must not change.
CONFIGURATION = Path(__file__).with_name("pytest.ini")
# All that are loaded: others just happen to be installed.
_PLUGINS = ("runner.plugin", "xdist.plugin", "runner.cli.pytesthooks")
_PYTEST = "PYTEST_"
_NO_OTHER_PLUGINS = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
# What Python reads when it starts a worker of pytest-xdist, before any of our code:
# neither the current folder nor PYTHONPATH may come before our libraries.
_SAFE_PATH = "PYTHONSAFEPATH"
_PATH = "PYTHONPATH"


def arguments(root: Path, paths: Sequence[Path], *, python_tests: bool) -> list[str]:
    """Return pytest's arguments that decide what it reads and loads.

    `root` is the folder that node ids are relative to. Python tests get the conftest.py
    files from the folder that holds both `root` and them on down; suites need none.
    """
    words = [
        *("-c", str(CONFIGURATION)),
        *("--rootdir", str(root)),
        *("-o", f"cache_dir={_memory(root)}"),
        *("-p", "no:terminal"),
        # Its hook would warn of a signal in a destructor; ours asks again.
        *("-p", "no:unraisableexception"),
    ]
    for name in _PLUGINS:
        words += ["-p", name]
    if not python_tests:
        return [*words, "--noconftest"]
    folders = [it if it.is_dir() else it.parent for it in paths]
    top = os.path.commonpath([root, *(it.absolute() for it in folders)])
    return [*words, "--confcutdir", top]


def _memory(root: Path) -> Path:
    """Return where pytest keeps what failed last, for --lf: not in the user's folder.

    It is one for each project, because node ids are.
    """
    digest = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()
    return Cache().root / "pytest" / digest[:16]


@contextmanager
def isolated(*, workers: bool, python_tests: bool) -> Iterator[Mapping[str, str]]:
    """Keep pytest's variables, and for workers Python's, out of os.environ meanwhile.

    Python tests may import what PYTHONPATH names; it comes last.
    Yields what was removed of Python's, which the user's tests may want in a worker.
    """
    before = dict(os.environ)
    removed = {name for name in before if name.startswith(_PYTEST)}
    saved = {}
    os.environ.update(_NO_OTHER_PLUGINS)
    if workers:
        removed.add(_PATH)
        saved = {name: before[name] for name in (_PATH, _SAFE_PATH) if name in before}
        os.environ[_SAFE_PATH] = "1"
    for name in removed - {*_NO_OTHER_PLUGINS}:
        os.environ.pop(name, None)
    path = sys.path[:]
    if python_tests:
        # A worker must find our own package before another `runner` there.
        sys.path += [startup.HOME, *startup.python_folders(before.get(_PATH, ""))]
    try:
        yield saved
    finally:
        sys.path[:] = path
        os.environ.clear()
        os.environ.update(before)


def restore(saved: Mapping[str, str]) -> None:
    """Give a worker's children the variables that `isolated` has kept from itself."""
    for name in (_PATH, _SAFE_PATH):
        os.environ.pop(name, None)
    os.environ.update(saved)
