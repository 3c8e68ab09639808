"""Hooks of this plugin's own, for what shows how a run goes on.

All may be called in any thread.
"""

from runner.guest.life import Step


def pytest_kernel_matrix_case_begins(nodeid: str, name: str, thread: str) -> None:
    """Show that a worker's thread begins a case; `name` is what reports call it."""


def pytest_kernel_matrix_output(kernel: str, stream: str, data: bytes) -> None:
    """Show what a program prints in a kernel's guest, to "stdout" or "stderr"."""


def pytest_kernel_matrix_step(step: Step) -> None:
    """Show what a kernel's guest becomes, or what is done in it, from now on."""
