"""How files reach the engine, and what it finds in them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.preflight.engine import Engine
from runner.preflight.errors import BadBtfError, EngineError
from tests.unit.preflight.made import build, kernel
from tests.unit.preflight.raw import PTR, Raw, a_kernel

FUNCTIONS = "int there(int a) { return a; } struct s { int a; } s;"


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(build("asan")) as engine:
        yield engine


def test_a_file_is_the_same_target_as_its_content(
    engine: Engine, tmp_path: Path
) -> None:
    path = tmp_path / "kernel.btf"
    path.write_bytes(a_kernel().data)

    assert engine.load_target(path) == engine.load_target(a_kernel().data)


# A page, and one byte more or less: zeros follow what a file holds.
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_files_that_end_with_a_page_are_read(more: int, engine: Engine) -> None:
    raw = Raw()
    raw.int_("int", 4)
    raw.text("x" * (4096 + more - len(raw.data) - 1))

    assert len(raw.data) == 4096 + more
    assert engine.load_target(raw.data).types == 2


def test_a_file_that_is_gone_is_an_error_of_that_file(
    engine: Engine, tmp_path: Path
) -> None:
    with pytest.raises(BadBtfError, match="No such file"):
        engine.load_target(tmp_path / "gone.btf")

    assert engine.load_target(a_kernel().data).types


def test_modules_come_in_as_many_messages_as_they_need(engine: Engine) -> None:
    base = a_kernel()
    module = Raw(base=base.counts)
    module.struct("extra", 8, ("value", 2, 0))

    engine.load_target(base.data, [module.data] * 256)

    assert engine.find(["extra"]) == [[(base.counts[0], 4)]]
    with pytest.raises(EngineError):
        engine.load_target(base.data, [module.data] * 257)
    assert engine.load_target(base.data).types


def test_types_of_different_modules_are_told_apart(engine: Engine) -> None:
    base = a_kernel()
    first, second = Raw(base=base.counts), Raw(base=base.counts)
    first.struct("one", 8, ("of_one", 2, 0))
    first.struct("further", 8, ("of_further", 2, 0))
    inner = second.struct("inner", 8, ("wanted", 2, 0))
    link = second.add(PTR, "", inner)
    second.struct("two", 16, ("inner", inner, 0), ("link", link, 64))
    third = Raw(base=base.counts)
    third.struct("three", 4, ("of_three", 2, 0))
    engine.load_target(base.data, [first.data, second.data, third.data])

    found = engine.find(["one", "further", "inner", "two", "three", "task"])
    types = [engine.types([id_])[0] for ((id_, _),) in found]

    assert [it and it.name for it in types] == [
        *("one", "further", "inner", "two", "three", "task")
    ]
    assert [[field.name for field in it.fields] for it in types if it] == [
        *(["of_one"], ["of_further"], ["wanted"], ["inner", "link"], ["of_three"]),
        ["link", "big", "pid"],
    ]
    # What their members are of is told by the same ids.
    two = types[3]
    assert two is not None
    member, pointer = engine.types(it.type for it in two.fields)
    assert member == types[2]
    assert pointer is not None
    assert (pointer.kind, pointer.to) == (PTR, found[2][0][0])
    (number,) = engine.types([types[2].fields[0].type] if types[2] else [])
    assert number is not None
    assert number.name == "int"
    # And so is what a member may have become.
    assert [it.access for it in engine.moved(two.id, "wanted")] == [
        *("two.inner.wanted", "two.link->wanted")
    ]
    assert engine.types([found[4][0][0] + 1]) == [None]


def test_functions_are_found_by_themselves(engine: Engine) -> None:
    engine.load_target(kernel(FUNCTIONS))

    assert engine.functions(["there", "the", "s", ""]) == [True, False, False, False]
    assert engine.find(["there", "s"])[0] == []


def test_types_of_the_last_target_are_forgotten(engine: Engine) -> None:
    engine.load_target(kernel("struct a { int b; } x;"))
    ((before,),) = engine.find(["a"])
    engine.types([before[0]])
    engine.load_target(kernel("struct a { long c; } x;"))
    ((after,),) = engine.find(["a"])

    (found,) = engine.types([after[0]])
    assert found is not None
    assert [it.name for it in found.fields] == ["c"]


def test_an_engine_of_another_version_is_told(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.preflight.engine._PROTOCOL", "0")

    with (
        Engine(build()) as other,
        pytest.raises(EngineError, match="another version") as caught,
    ):
        other.load_target(a_kernel().data)

    assert "is built again" in caught.value.hint
