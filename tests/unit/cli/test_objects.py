import re
from pathlib import Path

import pytest

from runner.cli import objects
from runner.errors import InfrastructureError, UsageError
from runner.suites import suitefile


def test_a_suite_loads_each_object(tmp_path: Path) -> None:
    for name in ("a.bpf.o", "4 c.o"):
        (tmp_path / name).write_bytes(name.encode())

    folder = objects.suite_of(
        [tmp_path / "a.bpf.o", tmp_path / "4 c.o"], tmp_path / "reports/objects"
    )

    given = [tmp_path / "a.bpf.o", tmp_path / "4 c.o"]
    loaded = suitefile.load(folder / "suite.yaml", named=given)
    assert loaded.name == "objects"
    assert [case.name for case in loaded.suite.cases] == ["a", "_4_c"]
    assert [case.object for case in loaded.suite.cases] == ["a.bpf.o", "4 c.o"]
    assert not any(case.must_run for case in loaded.suite.cases)
    assert all(case.must_attach and case.attach for case in loaded.suite.cases)
    assert (folder / "4 c.o").read_bytes() == b"4 c.o"
    # Messages name the user's file.
    assert loaded.file("4 c.o") == given[1]
    assert loaded.shown("4 c.o") == str(given[1])


def test_objects_may_have_to_load_only(tmp_path: Path) -> None:
    (tmp_path / "a.o").touch()

    folder = objects.suite_of([tmp_path / "a.o"], tmp_path / "x", load_only=True)

    loaded = suitefile.load(folder / "suite.yaml", named=[tmp_path / "a.o"])
    (case,) = loaded.suite.cases
    assert (case.attach, case.must_attach) == (False, False)


@pytest.mark.parametrize(
    ("loaders", "cases"),
    [
        ([], {"a": "libbpf"}),
        (["ebpf-go"], {"a": "ebpf-go"}),
        (["ebpf-go", "ebpf-go"], {"a": "ebpf-go"}),
        (["libbpf", "aya"], {"a[libbpf]": "libbpf", "a[aya]": "aya"}),
    ],
)
def test_each_loader_loads_each_object(
    loaders: list[str], cases: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "a.o").touch()

    folder = objects.suite_of([tmp_path / "a.o"], tmp_path / "x", loaders=loaders)

    loaded = suitefile.load(folder / "suite.yaml", named=[tmp_path / "a.o"])
    assert {it.name: it.loader for it in loaded.suite.cases} == cases


def test_objects_of_an_earlier_run_are_gone(tmp_path: Path) -> None:
    (tmp_path / "new.o").touch()
    (tmp_path / "objects").mkdir()
    (tmp_path / "objects/old.o").touch()

    folder = objects.suite_of([tmp_path / "new.o"], tmp_path / "objects")

    assert sorted(it.name for it in folder.iterdir()) == [
        "CACHEDIR.TAG",
        "new.o",
        "suite.yaml",
    ]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("none.o", "none.o: there is no such file"),
        ("source.c", "source.c: is a source, not a compiled object"),
        ("prog.cpp", "prog.cpp: is a source, not a compiled object"),
        ("text", "text: is not an object file; its name must end with .o"),
        ("folder.o", "folder.o: is a folder\n  name the objects in it: --object "),
    ],
)
def test_what_is_no_object_is_refused(tmp_path: Path, name: str, told: str) -> None:
    for file in ("source.c", "prog.cpp", "text"):
        (tmp_path / file).touch()
    (tmp_path / "folder.o").mkdir()

    with pytest.raises(UsageError, match=re.escape(told)):
        objects.suite_of([tmp_path / name], tmp_path / "objects")


def case_names(folder: Path, *given: str) -> dict[str, str]:
    """Return what each case's object holds."""
    paths = [folder / it for it in given]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(str(path.relative_to(folder)).encode())
    suite = objects.suite_of(paths, folder / "objects")
    loaded = suitefile.load(suite / "suite.yaml", named=paths)
    return {case.name: (suite / case.object).read_text() for case in loaded.suite.cases}


def test_objects_that_are_named_alike_are_told_apart(tmp_path: Path) -> None:
    assert case_names(tmp_path, "x/a.o", "y/a.o", "b.o") == {
        "x_a": "x/a.o",
        "y_a": "y/a.o",
        "b": "b.o",
    }
    assert case_names(tmp_path, "1/x/a.bpf.o", "2/x/a.bpf.o", "x/b.o") == {
        "_1_x_a": "1/x/a.bpf.o",
        "_2_x_a": "2/x/a.bpf.o",
        "b": "x/b.o",
    }
    assert case_names(tmp_path, "a.o", "a.bpf.o") == {
        "a_o": "a.o",
        "a_bpf_o": "a.bpf.o",
    }


def test_an_object_that_is_named_twice_is_one(tmp_path: Path) -> None:
    assert case_names(tmp_path, "a.o", "x/../a.o", "a.o") == {"a": "a.o"}


def test_names_that_can_not_be_told_apart_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="its case would have the name x_a"):
        case_names(tmp_path, "x/a.o", "y/a.o", "x_a.o")


def test_a_folder_that_can_not_be_made_is_infrastructure(tmp_path: Path) -> None:
    (tmp_path / "a.o").touch()
    with pytest.raises(InfrastructureError, match="can't be written"):
        objects.suite_of([tmp_path / "a.o"], tmp_path / "a.o/objects")


def test_sources_are_tested_in_each_build(tmp_path: Path) -> None:
    (tmp_path / "tool.bpf.c").touch()

    folder = objects.suite_of(
        [tmp_path / "tool.bpf.c"], tmp_path / "x", variants=["clang=14,19", "mcpu=v3"]
    )

    given = [tmp_path / "tool.bpf.c"]
    loaded = suitefile.load(folder / "suite.yaml", named=given)
    assert [it.name for it in loaded.suite.cases] == [
        *("tool[clang-14-v3]", "tool[clang-19-v3]")
    ]
    assert {loaded.file(it.object) for it in loaded.suite.cases} == {*given}


def test_compiled_objects_are_not_built_again(tmp_path: Path) -> None:
    (tmp_path / "tool.bpf.o").touch()

    with pytest.raises(UsageError, match=r"tool\.bpf\.o: clang-14 needs a source"):
        objects.suite_of(
            [tmp_path / "tool.bpf.o"], tmp_path / "x", variants=["clang=14"]
        )
