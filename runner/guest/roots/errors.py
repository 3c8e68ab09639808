"""What is wrong with a root file system."""

from runner.errors import UsageError


class RootError(UsageError):
    """A root file system that can't be used."""
