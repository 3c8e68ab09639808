"""-k matches names as reports print them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from _pytest.mark.expression import Expression

from runner.plugin.keywords import matcher
from tests.unit.caches import with_programs

ROOT = Path(__file__).resolve().parents[3]
MATRIX = """\
kernels:
  - {id: "6.1", source: {type: path, image: none}}
  - {id: "6.12", source: {type: path, image: none}}
"""
SUITE = """\
description: A suite.
cases:
  - {name: opens, object: a.bpf.c, expect: [{map: m, equals: 1}]}
  - {name: closes, object: a.bpf.c, expect: [{map: m, equals: 1}]}
"""


@pytest.mark.parametrize(
    ("expression", "means"),
    [
        ("opens", True),
        ("myprobe", True),
        ("myprobe::opens", True),
        ("MyProbe::Op", True),
        ("6.1", True),
        ("opens[6.1]", True),
        ("myprobe::opens[6.1]", True),
        ("myprobe and not closes", True),
        ("(closes or opens) and 6.1", True),
        # What pytest would match itself.
        ("suite", False),
        ("yaml", False),
        ("kernel", False),
        ("xdist_group", False),
        ("6.12", False),
        ("6", False),
        ("opens[6.12]", False),
        ("not opens", False),
        ("myprobe::closes", False),
    ],
)
def test_words_mean_names_of_reports(expression: str, means: bool) -> None:
    found = matcher("myprobe", "opens", "6.1")

    assert Expression.compile(expression).evaluate(found) is means


@pytest.fixture
def collected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., list[str]]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(with_programs(tmp_path / "cache")))
    folder = tmp_path / "newcomer/myprobe"
    folder.mkdir(parents=True)
    (folder.parent / "matrix.yaml").write_text(MATRIX)
    (folder.parent / "pytest.ini").write_text("[pytest]\n")
    # Not a kernel, which is found out when it boots.
    (folder.parent / "none").touch()
    (folder / "suite.yaml").write_text(SUITE)
    (folder / "a.bpf.c").touch()
    (folder / "test_own.py").write_text("def test_opens_too():\n    pass\n")
    monkeypatch.chdir(folder.parent)

    def collect(expression: str) -> list[str]:
        status = pytest.main(
            [
                *("--collect-only", "-q", "-p", "no:cacheprovider"),
                *("--kernels=6.1", "-k", expression, "myprobe"),
            ]
        )
        said = capsys.readouterr().out
        assert status in (0, 5), said
        return [it for it in said.splitlines() if "::" in it]

    return collect


def test_pytest_selects_by_them_too(collected: Callable[..., list[str]]) -> None:
    case = "myprobe/suite.yaml::opens[6.1]"
    own = "myprobe/test_own.py::test_opens_too"

    assert collected("opens") == [case, own] or collected("opens") == [own, case]
    assert collected("myprobe::opens") == [case]
    assert collected("newcomer") == []
    assert collected("yaml") == []
    assert collected("not kernel and not closes and not test_opens_too") == [case]
