"""The program in a foreign environment: folders, variables and streams of the user."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from runner.process import startup

ROOT = Path(__file__).resolve().parents[3]
COMMAND = Path(sys.executable).with_name("bpf-kernel-matrix")
# Modules that the program imports, and some that a library imports where it can.
NAMES = ("yaml", "pytest", "json", "argparse", "rich", "threading", "simplejson")
MATRIX = """\
kernels:
  - id: "4.4"
    tags: [default]
    source: {type: unavailable, reason: "for testing"}
"""
CALLS = {
    "module": [sys.executable, "-m", "runner"],
    "command": [str(COMMAND)],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's folder, with modules that must not be imported, and a matrix."""
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text(f'raise SystemExit("foreign {name}")\n')
    (tmp_path / "matrix.yaml").write_text(MATRIX)
    return tmp_path


def foreign_runner(folder: Path) -> None:
    (folder / "runner").mkdir()
    (folder / "runner/__init__.py").write_text('raise SystemExit("foreign runner")\n')


def call(
    words: list[str], folder: Path, shell: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder; `shell` is what is done to its streams."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return subprocess.run(
        ["sh", "-c", f"exec {shlex.join(words)} {shell}"],
        cwd=folder,
        env={**clean, "XDG_CACHE_HOME": str(folder / "cache"), **environment},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
    )


@pytest.mark.parametrize("how", CALLS)
def test_modules_of_the_current_folder_are_not_imported(how: str, folder: Path) -> None:
    done = call([*CALLS[how], "kernels"], folder)

    assert done.returncode == 0, done.stderr
    assert "for testing" in done.stdout


@pytest.mark.parametrize("how", CALLS)
@pytest.mark.parametrize("python_path", ["{}", ".", ":"])
def test_modules_of_pythonpath_are_not_imported(
    how: str, python_path: str, folder: Path
) -> None:
    # What Python imports itself, before any program, is beyond reach.
    (folder / "threading.py").unlink()

    done = call([*CALLS[how], "kernels"], folder, PYTHONPATH=python_path.format(folder))

    assert done.returncode == 0, done.stderr
    assert "for testing" in done.stdout


@pytest.mark.parametrize("python_path", ["", "{}"])
def test_the_command_does_not_take_a_foreign_runner(
    python_path: str, folder: Path
) -> None:
    (folder / "threading.py").unlink()
    foreign_runner(folder)

    done = call(
        [str(COMMAND), "kernels"], folder, PYTHONPATH=python_path.format(folder)
    )

    assert done.returncode == 0, done.stderr
    assert "for testing" in done.stdout


def test_only_our_own_folder_on_pythonpath_is_searched() -> None:
    found = startup.search_path(["/bin", "/mine", str(ROOT), "/lib"], f"/mine:{ROOT}")

    assert found == ["/bin", str(ROOT), "/lib"]


def test_the_current_folder_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert startup.search_path(["", "/lib"], "") == ["/lib"]
    assert startup.search_path([str(tmp_path), "/lib"], "") == ["/lib"]
    assert startup.search_path(["/bin", "/lib"], "") == ["/bin", "/lib"]


def test_our_own_checkout_is_not_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)

    assert startup.search_path([str(ROOT), "/lib"], "") == [str(ROOT), "/lib"]


def test_a_current_folder_that_is_gone_is_no_traceback(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    words = shlex.join([*CALLS["module"], "kernels"])
    done = call(["sh", "-c", f'rmdir "$PWD"; exec {words}'], gone)

    # It has no matrix either, so the built-in kernels are listed.
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("how", "name"), [("module", "python -m runner"), ("command", "bpf-kernel-matrix")]
)
@pytest.mark.parametrize("words", [["--help"], ["report", "--help"]])
def test_help_names_the_program_as_it_was_called(
    how: str, name: str, words: list[str], tmp_path: Path
) -> None:
    done = call([*CALLS[how], *words], tmp_path)

    other = {"python -m runner", "bpf-kernel-matrix"} - {name}
    assert done.returncode == 0
    assert f"usage: {name}" in done.stdout
    assert f"  {name} " in done.stdout
    assert not [it for it in other if f"  {it} " in done.stdout]


@pytest.mark.parametrize(
    "environment",
    [
        {"COLUMNS": "0"},
        {"COLUMNS": "-1"},
        {"COLUMNS": "foo"},
        {"COLUMNS": ""},
        {"COLUMNS": "9" * 5000},
        {"COLUMNS": "99999999"},
        {"LINES": "0"},
        {"TERM": "dumb"},
        {"TERM": ""},
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"LC_ALL": "nosuch"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1:strict"},
        {"NO_COLOR": "1"},
        {"FORCE_COLOR": "1"},
        {"TMPDIR": "/nosuch"},
        {"HOME": ""},
        {"PYTEST_ADDOPTS": "--nosuch"},
    ],
    ids=lambda it: " ".join(f"{k}={v[:9]}" for k, v in it.items()),
)
def test_a_table_is_whole_in_any_environment(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "matrix.yaml").write_text(MATRIX.replace("testing", "é ✗ 测"))

    done = call([*CALLS["module"], "kernels"], tmp_path, **environment)

    assert done.returncode == 0, done.stderr
    assert "4.4" in done.stdout
    assert "@default" in done.stdout
    assert not done.stderr


@pytest.mark.parametrize("shell", ["<&-", "2>&-", "<&- 2>&-", "2>/dev/full"])
def test_closed_streams_that_do_not_matter(shell: str, folder: Path) -> None:
    done = call([*CALLS["module"], "kernels"], folder, shell)

    assert done.returncode == 0
    assert "for testing" in done.stdout


@pytest.mark.parametrize("shell", [">&-", ">/dev/full", "<&- >&-", ">&- <&- 2>&-"])
@pytest.mark.parametrize("words", [["kernels"], ["--help"]])
def test_lost_output_is_an_error(shell: str, words: list[str], folder: Path) -> None:
    done = call([*CALLS["module"], *words], folder, shell)

    assert done.returncode == 3
    if "2>&-" not in shell:
        assert done.stderr.startswith("error: standard output can't be written: ")
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("shell", [">&-", ">/dev/full", "2>&-", "2>/dev/full"])
def test_a_mistake_stays_a_mistake_without_streams(shell: str, folder: Path) -> None:
    done = call([*CALLS["module"], "--kernels", "9"], folder, shell)

    assert done.returncode == 2


def test_descriptors_are_open_before_anything_takes_their_numbers(
    tmp_path: Path,
) -> None:
    script = (
        "from runner.process import startup; startup.protect(); import os; "
        "print(os.open('/dev/null', os.O_RDONLY), file=open('number', 'w'))"
    )
    done = call(
        [sys.executable, "-c", script], tmp_path, "<&- >&- 2>&-", PYTHONPATH=str(ROOT)
    )

    assert done.returncode == 0
    assert int((tmp_path / "number").read_text()) > 2


@pytest.mark.parametrize("how", CALLS)
@pytest.mark.parametrize("megabytes", [30, 45, 60, 90])
def test_a_process_without_memory_is_no_verdict_and_no_traceback(
    megabytes: int, how: str, folder: Path
) -> None:
    words = shlex.join([*CALLS[how], "kernels"])

    done = call(["sh", "-c", f"ulimit -v {megabytes << 10}; exec {words}"], folder)

    # Libraries that are not Python die of it.
    assert done.returncode in (0, 3) or done.returncode < 0, done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode != 3 or done.stderr.startswith("error: ")


def test_a_folder_that_hides_the_program_is_named(folder: Path) -> None:
    (folder / "runner").mkdir()

    done = call([*CALLS["module"], "kernels"], folder)

    assert done.returncode == 3
    assert "a folder 'runner' of the current folder hides" in done.stderr
    assert "the command bpf-kernel-matrix does not look there" in done.stderr
    assert call([*CALLS["command"], "kernels"], folder).returncode == 0


def test_a_missing_library_is_an_error_in_a_line(tmp_path: Path) -> None:
    # Only what Python itself has.
    command = [sys.executable, "-S", "-m", "runner", "kernels"]

    done = call(command, tmp_path, PYTHONPATH=str(ROOT))

    assert done.returncode == 3
    said, hint = done.stderr.splitlines()
    assert said.startswith("error: ModuleNotFoundError: No module named ")
    assert "install the package again" in hint


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_what_is_told_comes_in_the_order_in_which_it_was_told(
    unbuffered: str, tmp_path: Path
) -> None:
    # Containers set PYTHONUNBUFFERED, and one pipe takes both streams there.
    done = call(
        [*CALLS["command"], "kernels"],
        tmp_path,
        "2>&1",
        PYTHONUNBUFFERED=unbuffered,
    )

    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("note: there is no matrix.yaml in this folder")
