"""What this project ships besides Python: files for guests, matrices, suites.

They stand at the top of a checkout. `setup.py` puts copies into the wheel, in a folder
of the package.
"""

from importlib import resources
from pathlib import Path

# The folder of the wheel.
INSTALLED = "shipped"


def _root() -> Path:
    # Files of a compiler, of QEMU and of other processes: they have to be on a disk.
    package = Path(str(resources.files("runner")))
    installed = package / INSTALLED
    return installed if installed.is_dir() else package.parent


# The top of the checkout, or what stands for it in an installed package.
ROOT = _root()
# What guests, and programs for them, are made of.
IMAGES = ROOT / "images"
SUITES = ROOT / "suites"
# The built-in matrix, and others next to it.
MATRIX = ROOT / "matrix.yaml"
MATRICES = ROOT / "matrices"
