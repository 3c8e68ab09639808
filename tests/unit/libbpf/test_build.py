"""Programs with another libbpf than the machine's."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runner import libbpf
from runner.errors import UsageError
from runner.files.cache import Cache
from runner.libbpf import Programs, build, source
from runner.preflight.engine import Engine
from runner.text.progress import ProgressTask
from tests.unit.libbpf import made

IMAGES = Path(__file__).resolve().parents[3] / "images"


class Watched:
    """Remembers what was said to take time."""

    def __init__(self) -> None:
        self.tasks: list[str] = []

    @contextmanager
    def task(self, name: str) -> Iterator[ProgressTask]:
        """Remember it."""
        self.tasks.append(name)
        yield self

    def advance_to(self, done: int, total: int) -> None:
        """Say nothing."""

    def message(self, text: str) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A libbpf of version 1.99."""
    return made.another(tmp_path_factory.mktemp("libbpf"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    """A cache that this module shares."""
    return Cache(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def programs(folder: Path, cache: Cache) -> Programs:
    """The programs with that libbpf."""
    return libbpf.programs(folder, cache, Watched())


def test_the_agent_has_the_libbpf_that_was_named(
    programs: Programs, folder: Path
) -> None:
    said = subprocess.run(
        [programs.agent, "--version"], check=True, capture_output=True, text=True
    ).stdout

    assert said.strip().endswith(f"libbpf 1.{made.MINOR}")
    assert programs.source == str(folder)
    assert programs.sha256 == source.read(folder).sha256


def test_the_engine_answers(programs: Programs) -> None:
    with Engine(programs.engine) as engine:
        assert "kprobe" in engine.names.programs


def test_what_was_built_is_built_once(
    programs: Programs, folder: Path, cache: Cache
) -> None:
    watched = Watched()

    assert libbpf.programs(folder, cache, watched) == programs
    assert watched.tasks == []


def test_other_sources_of_the_programs_are_built_anew(
    programs: Programs, folder: Path, cache: Cache, tmp_path: Path
) -> None:
    images = shutil.copytree(IMAGES, tmp_path / "images")
    with (images / "common/distance.c").open("a") as stream:
        stream.write("/* changed */\n")
    watched = Watched()

    found = build.built(source.read(folder), images, cache, watched)

    assert watched.tasks == [f"building libbpf 1.{made.MINOR} from {folder}"]
    assert found.directory != programs.agent.parent


def test_a_source_is_built_where_it_is_not_written_to(
    cache: Cache, tmp_path: Path
) -> None:
    before = sorted(made.source(tmp_path).rglob("*"))

    found = libbpf.programs(tmp_path, cache, Watched())

    assert found.agent.exists()
    assert found.engine.exists()
    assert sorted(tmp_path.rglob("*")) == before


def test_the_compilers_words_are_told(cache: Cache, tmp_path: Path) -> None:
    made.source(tmp_path)
    (tmp_path / "src/bpf.c").write_text("int broken(\n")

    with pytest.raises(UsageError, match="libbpf does not build") as caught:
        libbpf.programs(tmp_path, cache, Watched())

    assert "bpf.c:1:" in caught.value.message
    assert "error: expected" in caught.value.message
    log = Path(caught.value.hint.partition(" ")[0])
    assert "error: expected" in log.read_text()


def test_a_structure_that_the_engine_would_read_wrong_is_told(
    cache: Cache, tmp_path: Path
) -> None:
    made.source(tmp_path)
    header = tmp_path / "src/relo_core.h"
    header.write_text(header.read_text().replace("bool poison,", "bool why, poison,"))

    with pytest.raises(UsageError, match="preflight with it does not build") as caught:
        libbpf.programs(tmp_path, cache, Watched())

    assert "bpf_core_relo_res.poison is not where layout.h has it" in str(caught.value)


def test_a_library_of_one_object_is_refused(
    folder: Path, cache: Cache, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    objects = [str(path) for path in (tmp_path / "objects").glob("*.o")]
    (tmp_path / "lib/libbpf.a").unlink()
    subprocess.run(
        ["ld", "-r", "-o", str(tmp_path / "libbpf-in.o"), *objects], check=True
    )
    subprocess.run(
        ["ar", "rcs", tmp_path / "lib/libbpf.a", tmp_path / "libbpf-in.o"], check=True
    )

    with pytest.raises(UsageError, match="is one single object") as caught:
        libbpf.programs(tmp_path, cache, Watched())

    assert caught.value.hint == "name the kernel tree instead"


def test_what_is_no_archive_is_refused(
    folder: Path, cache: Cache, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "lib/libbpf.a").write_text("none")

    with pytest.raises(UsageError, match=r"libbpf\.a is not an archive"):
        libbpf.programs(tmp_path, cache, Watched())
