"""What kernels said when they were booted, by their images."""

from runner.facts import model
from runner.facts.model import Facts
from runner.files.cache import Cache

# To be raised when what a kernel is asked changes, in runner/guest/*probes.py: what was
# learnt before counts no more.
RECIPE = "2"


def known(cache: Cache, image_sha256: str) -> Facts | None:
    """Return the facts of a kernel's image; None for one that nobody has booted."""
    return model.from_json(cache.recall(_name(image_sha256)))


def keep(cache: Cache, image_sha256: str, facts: Facts) -> None:
    """Keep the facts of a kernel's image.

    Raises InfrastructureError when the cache can't be written.
    """
    cache.remember(_name(image_sha256), model.as_json(facts))


def _name(image_sha256: str) -> str:
    return f"facts-{RECIPE}-{image_sha256[:32]}"
