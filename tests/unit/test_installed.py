"""The wheel alone, in an empty environment and an empty folder.

The libraries that it depends on are those of the tests' environment: whether its list
of them is whole is what .github/scripts/install-check finds out, once a week.
"""

import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest

from runner import __version__
from runner.reports import resultsfile
from tests import wheel
from tests.unit.preflight.made import HEAD, compiled, kernel
from tests.unit.reports import runs
from tests.wheel import ROOT, call

NOTE = (
    "note: there is no matrix.yaml in this folder; using the built-in kernels "
    "(--matrix builtin)"
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of pytest-xdist share."""
    return wheel.shared_folder(tmp_path_factory)


@pytest.fixture(scope="module")
def command(shared: Path) -> Path:
    """The installed console command."""
    return wheel.installed(shared)


@pytest.fixture(scope="module")
def packed(command: Path, shared: Path) -> zipfile.ZipFile:
    """The wheel, built from the source distribution."""
    (path,) = (shared / "wheel/dist").glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """An empty folder."""
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


# ------------------------------------------------------------------- contents


def test_it_brings_no_other_names_to_the_top_level(packed: zipfile.ZipFile) -> None:
    tops = {name.partition("/")[0] for name in packed.namelist()}

    version = f"bpf_kernel_matrix-{__version__}.dist-info"
    assert tops == {"bpf_kernel_matrix.py", "runner", version}


def test_all_that_guests_are_made_of_is_in_it(packed: zipfile.ZipFile) -> None:
    def shipped(*folders: str) -> set[str]:
        return {
            str(path.relative_to(ROOT))
            for folder in folders
            for path in (ROOT / folder).rglob("*")
            if path.is_file() and not {"target", "__pycache__"} & set(path.parts)
        }

    beside = {"matrix.yaml", "matrix.lock"}
    found = {
        name.removeprefix("runner/shipped/")
        for name in packed.namelist()
        if name.startswith("runner/shipped/") and not name.endswith("/")
    }
    assert found == beside | shipped("images", "suites", "matrices")


def test_all_data_of_the_package_is_in_it(packed: zipfile.ZipFile) -> None:
    data = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "runner").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    assert "runner/failures/classes.yaml" in data
    assert data <= set(packed.namelist())


def test_the_source_distribution_gives_the_wheel_of_the_checkout(
    packed: zipfile.ZipFile, shared: Path, tmp_path: Path
) -> None:
    source = wheel.copy_of_the_checkout(tmp_path / "source")
    # What an earlier build left is not packed.
    (source / "build/lib/runner").mkdir(parents=True)
    (source / "build/lib/runner/removed_long_ago.py").touch()

    (path,) = wheel.build(source, tmp_path / "dist", "--wheel")

    direct = zipfile.ZipFile(path)
    assert {it: direct.read(it) for it in direct.namelist()} == {
        it: packed.read(it) for it in packed.namelist()
    }


def test_the_source_distribution_has_its_licence_and_no_tests(shared: Path) -> None:
    (path,) = (shared / "wheel/dist").glob("*.tar.gz")
    with tarfile.open(fileobj=io.BytesIO(path.read_bytes())) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert {"LICENSE", "README.md", "setup.py", "images/agent/main.c"} <= names
    assert not any(name.startswith(("tests", "bench", "docs")) for name in names)


# -------------------------------------------------------------------- commands


def test_it_lists_the_built_in_kernels_and_says_so_first(
    command: Path, empty: Path
) -> None:
    done = call(command, empty, "kernels")

    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [NOTE]
    assert "6.1 " in done.stdout
    machine = call(command, empty, "kernels", "--json")
    assert [it["id"] for it in json.loads(machine.stdout)][:2] == ["4.4", "4.11"]
    assert list(empty.iterdir()) == []


def test_it_says_its_version(command: Path, empty: Path) -> None:
    assert call(command, empty, "--version").stdout.strip() == __version__


def test_it_is_the_same_program_as_the_module(command: Path, empty: Path) -> None:
    done = call(command.with_name("python"), empty, "-m", "runner", "plan", "--help")

    assert done.returncode == 0
    assert done.stdout.startswith("usage: python -m runner plan")


@pytest.mark.parametrize("name", ["runner", "bench", "images"])
def test_folders_of_the_user_do_not_get_in_its_way(
    command: Path, empty: Path, name: str
) -> None:
    (empty / name).mkdir()
    (empty / name / "__init__.py").write_text("raise SystemExit('mine')\n")
    (empty / "yaml.py").write_text("raise SystemExit('mine')\n")

    done = call(command, empty, "kernels", PYTHONPATH=str(empty))

    assert done.returncode == 0, done.stderr


def test_it_checks_an_object(command: Path, empty: Path) -> None:
    source = 'SEC("socket") int p(void *ctx) { return 0; }'
    (empty / "own.bpf.o").write_bytes(compiled(HEAD + source))
    (empty / "6.1.btf").write_bytes(kernel("struct task { int pid; } x;"))

    done = call(command, empty, "check", "own.bpf.o", "--btf", "6.1.btf")

    assert done.returncode == 0, done.stderr + done.stdout
    assert "loads" in done.stdout
    # No kernel of a matrix was meant.
    assert NOTE not in done.stderr


def test_doctor_names_commands_that_are_there(command: Path, empty: Path) -> None:
    done = call(command, empty, "doctor")

    assert done.returncode in (0, 3)
    assert "guest agent" in done.stdout
    assert "./dev" not in done.stdout


def test_one_of_its_suites_is_planned_by_name(command: Path, empty: Path) -> None:
    done = call(command, empty, "plan", "--suite", "builtin/task", "--kernels", "6.1")

    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-3:] == ["1/1", "6.1", "10"]


def test_without_a_suite_it_refuses_and_says_what_to_do(
    command: Path, empty: Path
) -> None:
    done = call(command, empty, "--kernels", "6.1")

    assert done.returncode == 2
    first, error, *hint = done.stderr.splitlines()
    assert first == NOTE
    assert error.startswith("error: there is no suite.yaml below")
    assert "--suite builtin/task" in "".join(hint)
    assert "Traceback" not in done.stderr


def test_its_own_kernels_are_not_locked(command: Path, empty: Path) -> None:
    done = call(command, empty, "lock")

    assert done.returncode == 2
    assert "can't be locked from here" in done.stderr


def test_its_plugin_is_one_of_pytests(command: Path, empty: Path) -> None:
    python = command.with_name("python")

    done = call(python, empty, "-P", "-m", "pytest", "--kernels", "nope", "-q")

    assert done.returncode == 4
    assert "nope" in done.stderr


def test_reports_are_merged_and_written(command: Path, empty: Path) -> None:
    (empty / "run").mkdir()
    text = resultsfile.dump(runs.run(runs.case("6.1", runs.P, "a")))
    (empty / "run/results.json").write_text(text)

    reported = call(command, empty, "report", "run")
    merged = call(command, empty, "merge", "run", "--out", "all", "--allow-missing")

    assert reported.returncode == 0, reported.stderr
    assert (empty / "run/report.html").exists()
    assert merged.returncode == 0, merged.stderr
