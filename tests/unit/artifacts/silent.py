"""A progress for tests."""


class Silent:
    """A progress that keeps messages."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def task(self, name: str) -> "Silent":
        return self

    def __enter__(self) -> "Silent":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def advance_to(self, done: int, total: int) -> None:
        pass

    def message(self, text: str) -> None:
        self.messages.append(text)
