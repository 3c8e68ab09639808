from pathlib import Path

import pytest

from runner.plugin.items import source_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("repository/src/a.bpf.c", "repository/a.bpf.o", "outside.c"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path / "repository"


def test_a_source_is_its_own(folder: Path) -> None:
    source = folder / "src/a.bpf.c"
    assert source_of(source, "other.c", folder) == source


def test_an_object_names_the_file_that_it_was_built_from(folder: Path) -> None:
    built, source = folder / "a.bpf.o", folder / "src/a.bpf.c"

    assert source_of(built, "src/a.bpf.c", folder) == source
    assert source_of(built, str(source), folder) == source


@pytest.mark.parametrize("named", ["", "gone.c", "src", "../outside.c", "/etc/passwd"])
def test_what_is_no_file_of_the_repository_does_not_count(
    folder: Path, named: str
) -> None:
    built = folder / "a.bpf.o"
    assert source_of(built, named, folder) == built
