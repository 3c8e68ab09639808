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
            "this is only the installed package, without the files for guests; it "
            "can only merge, report and show the cache",
            hint="clone the repository, run ./dev setup in it, and use "
            ".venv/bin/bpf-kernel-matrix of that clone",
        )
