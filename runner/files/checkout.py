"""The checkout that this package lies in, which guests are made of."""

from pathlib import Path

from runner.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "images"


def require() -> None:
    """Check that there is a checkout.

    Raises UsageError where `pip install` has put the package alone.
    """
    if not IMAGES.is_dir():
        raise UsageError(
            "this is the installed package alone, without the files that guests are "
            "made of; it can only merge, report and show the cache",
            hint="clone the repository, run ./dev setup in it, and call "
            ".venv/bin/bpf-kernel-matrix of that clone",
        )
