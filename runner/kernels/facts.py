"""What kernels said when they were booted, by their images."""

from dataclasses import replace

from runner.facts import model, traced
from runner.facts.model import Facts
from runner.facts.traced import Traced
from runner.files.cache import Cache

# To be raised when what a kernel is asked changes, in runner/guest/*probes.py: what was
# learnt before counts no more.
RECIPE = "2"
# The same for what runner/guest/tracing.py asks.
_TRACED_RECIPE = "1"


def known(cache: Cache, image_sha256: str) -> Facts | None:
    """Return the facts of a kernel's image; None for one that nobody has booted."""
    found = model.from_json(cache.recall(_name(image_sha256)))
    return found and replace(found, traced=_traced(cache, image_sha256))


def keep(cache: Cache, image_sha256: str, facts: Facts) -> None:
    """Keep the facts of a kernel's image.

    Raises InfrastructureError when the cache can't be written.
    """
    cache.remember(_name(image_sha256), model.as_json(facts))


def keep_traced(cache: Cache, image_sha256: str, learnt: Traced) -> None:
    """Keep what a kernel's image can be traced by, on top of what is known.

    Raises InfrastructureError when the cache can't be written.
    """
    # Another guest of the kernel may have learnt more meanwhile.
    grown = _traced(cache, image_sha256).with_all_of(learnt)
    cache.remember(_traced_name(image_sha256), traced.as_json(grown))


def _traced(cache: Cache, image_sha256: str) -> Traced:
    return traced.from_json(cache.recall(_traced_name(image_sha256)))


def _traced_name(image_sha256: str) -> str:
    return f"traced-{_TRACED_RECIPE}-{image_sha256[:32]}"


def _name(image_sha256: str) -> str:
    return f"facts-{RECIPE}-{image_sha256[:32]}"
