from pathlib import Path

import pytest

from runner import suitefile
from runner.cli import objects
from runner.errors import InfrastructureError, UsageError


def test_a_suite_loads_each_object(tmp_path: Path) -> None:
    for name in ("a.bpf.o", "4 c.o"):
        (tmp_path / name).write_bytes(name.encode())

    folder = objects.suite_of(
        [tmp_path / "a.bpf.o", tmp_path / "4 c.o"], tmp_path / "reports/objects"
    )

    loaded = suitefile.load(folder / "suite.yaml")
    assert loaded.name == "objects"
    assert [case.name for case in loaded.suite.cases] == ["a", "_4_c"]
    assert [case.object for case in loaded.suite.cases] == ["a.bpf.o", "4 c.o"]
    assert not any(case.must_run for case in loaded.suite.cases)
    assert all(case.must_attach and case.attach for case in loaded.suite.cases)
    assert (folder / "4 c.o").read_bytes() == b"4 c.o"


def test_objects_may_have_to_load_only(tmp_path: Path) -> None:
    (tmp_path / "a.o").touch()

    folder = objects.suite_of([tmp_path / "a.o"], tmp_path / "x", load_only=True)

    (case,) = suitefile.load(folder / "suite.yaml").suite.cases
    assert (case.attach, case.must_attach) == (False, False)


def test_objects_of_an_earlier_run_are_gone(tmp_path: Path) -> None:
    (tmp_path / "new.o").touch()
    (tmp_path / "objects").mkdir()
    (tmp_path / "objects/old.o").touch()

    folder = objects.suite_of([tmp_path / "new.o"], tmp_path / "objects")

    assert sorted(it.name for it in folder.iterdir()) == ["new.o", "suite.yaml"]


@pytest.mark.parametrize("name", ["none.o", "source.bpf.c", "folder.o"])
def test_what_is_no_object_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "source.bpf.c").touch()
    (tmp_path / "folder.o").mkdir()

    with pytest.raises(UsageError, match="no such object file"):
        objects.suite_of([tmp_path / name], tmp_path / "objects")


def test_objects_that_are_named_alike_are_refused(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.o").touch()

    with pytest.raises(UsageError, match=r"x/a\.o is named alike"):
        objects.suite_of([tmp_path / "x/a.o", tmp_path / "y/a.o"], tmp_path / "objects")


def test_a_folder_that_can_not_be_made_is_infrastructure(tmp_path: Path) -> None:
    (tmp_path / "a.o").touch()
    with pytest.raises(InfrastructureError, match="can't be written"):
        objects.suite_of([tmp_path / "a.o"], tmp_path / "a.o/objects")
