"""Hooks of this plugin's own, for what shows how a run goes on."""


def pytest_kernel_matrix_case_begins(nodeid: str, name: str, thread: str) -> None:
    """Tell that a lane begins a case; may be called in any thread.

    `name` is the case as reports show it, `thread` the lane's, as runner.log names it.
    """
