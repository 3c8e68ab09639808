"""A progress for tests."""


class Silent:
    """A progress that keeps what it is told."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        # Bytes done and in all, last told, by the task's name.
        self.tasks: dict[str, tuple[int, int]] = {}

    def task(self, name: str) -> "Silent":
        self.tasks[name] = (0, 0)
        return self

    def __enter__(self) -> "Silent":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def advance_to(self, done: int, total: int) -> None:
        self.tasks[[*self.tasks][-1]] = (done, total)

    def message(self, text: str) -> None:
        self.messages.append(text)
