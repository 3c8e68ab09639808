import io

import pytest

from runner.text import console


class Terminal(io.StringIO):
    """Text in memory that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        *("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "COLUMNS", "CI", "TMUX", "STY"),
        *("TTY_COMPATIBLE", "FORCE_HYPERLINK", "COLORTERM", "TERM_PROGRAM"),
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def printed(file: io.StringIO) -> str:
    console.make(file).print("red", style="red")
    return file.getvalue()


RED, PLAIN = "\x1b[31mred\x1b[0m\n", "red\n"


@pytest.mark.parametrize(
    ("variables", "terminal", "other"),
    [
        ({}, RED, PLAIN),
        ({"NO_COLOR": "1"}, PLAIN, PLAIN),
        ({"FORCE_COLOR": "1"}, RED, RED),
        ({"CLICOLOR_FORCE": "1"}, RED, RED),
        ({"CLICOLOR_FORCE": "0"}, RED, PLAIN),
        ({"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, PLAIN, PLAIN),
        ({"TERM": "dumb"}, PLAIN, PLAIN),
    ],
)
def test_colours_are_for_terminals_unless_variables_say_otherwise(
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    terminal: str,
    other: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert printed(Terminal()) == terminal
    assert printed(io.StringIO()) == other


def test_a_log_has_room_for_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    assert console.make(io.StringIO()).width == console.WIDTH_OF_LOGS
    monkeypatch.setenv("COLUMNS", "50")
    assert console.make(io.StringIO()).width == 50
    assert console.make(io.StringIO(), width=40).width == 40


def test_a_closed_stream_is_no_terminal() -> None:
    stream = Terminal()
    stream.close()
    assert not console.is_terminal(io.TextIOWrapper(io.BytesIO()))
    assert not console.is_terminal(None)


@pytest.mark.parametrize(
    ("variables", "has"),
    [
        ({"TERM": "xterm-256color"}, False),
        ({"TERM": "xterm-kitty"}, True),
        ({"TERM_PROGRAM": "WezTerm"}, True),
        ({"TERM_PROGRAM": "Apple_Terminal"}, False),
        ({"VTE_VERSION": "6003"}, True),
        ({"VTE_VERSION": "4600"}, False),
        ({"VTE_VERSION": "new"}, False),
        ({"WT_SESSION": "1"}, True),
        ({"TERM_PROGRAM": "WezTerm", "TMUX": "/tmp/tmux,1,0"}, False),
        ({"TERM_PROGRAM": "vscode", "CI": "true"}, False),
        ({"FORCE_HYPERLINK": "1"}, True),
        ({"FORCE_HYPERLINK": "0", "TERM": "xterm-kitty"}, False),
    ],
)
def test_links_are_for_terminals_that_are_known_to_have_them(
    variables: dict[str, str], has: bool
) -> None:
    assert console.knows_links(variables) == has


def test_a_file_never_gets_links(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_HYPERLINK", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert console.has_links(console.make(Terminal()))
    assert not console.has_links(console.make(io.StringIO()))
