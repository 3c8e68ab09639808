"""Puts the files that this project ships besides Python into the wheel.

They stay at the top of a checkout, where people look for them; runner/files/shipped.py
finds them in either place. All else is in pyproject.toml.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

_SHIPPED = ("images", "matrices", "matrix.lock", "matrix.yaml", "suites")
# What compilers leave in the sources of loaders.
_BUILT = ("__pycache__", "target")
_TARGET = Path("runner/shipped")


class BuildWithShipped(build_py):
    """Copy them, except for an editable install, which has the checkout."""

    def run(self) -> None:
        """Build in an empty folder, so that nothing of an earlier build is packed."""
        if not self.editable_mode:
            shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()
        if self.editable_mode:
            return
        for source in _sources():
            target = Path(self.build_lib, _TARGET, source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)

    def get_source_files(self) -> list[str]:
        """Return what belongs into a source distribution."""
        return [*super().get_source_files(), *map(str, _sources())]

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """Return what is installed."""
        shipped = (str(Path(self.build_lib, _TARGET, it)) for it in _sources())
        return [*super().get_outputs(include_bytecode), *shipped]


def _sources() -> list[Path]:
    return [
        path
        for top in map(Path, _SHIPPED)
        for path in ([top] if top.is_file() else sorted(top.rglob("*")))
        if path.is_file() and not set(path.parts).intersection(_BUILT)
    ]


setup(cmdclass={"build_py": BuildWithShipped})
