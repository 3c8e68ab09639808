"""Caches of tests' own, in which the agent and the engine do not have to be built."""

import shutil
from pathlib import Path

from runner import libbpf
from runner.files.cache import APPLICATION, Cache
from runner.text.progress import Lines

# Whatever a test makes of XDG_CACHE_HOME.
_SHARED = Cache()


def with_programs(home: Path) -> Path:
    """Put the programs into a new cache; return `home`, which is its XDG_CACHE_HOME."""
    entry = libbpf.programs(None, _SHARED, Lines()).agent.parent
    shutil.copytree(entry, home / APPLICATION / entry.parent.name / entry.name)
    return home
