"""Files that no run wrote, or that were changed: told, or reported, never a fault."""

import json
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.errors import RunnerError
from runner.reports import resultsfile
from runner.reports.criteria import Criteria
from runner.reports.formats import FORMATS
from runner.results import Mismatch, ObjectUse, ProgramUse, RunResults
from tests.unit.reports.runs import E, F, P, S, case, kernel, run

WHOLE = json.loads(
    resultsfile.dump(
        run(
            case("6.1", P, log="log\n", duration=1.5),
            case(
                "6.1",
                F,
                "other",
                mismatches=(Mismatch(subject="m", expected="1", observed="2"),),
            ),
            case("sid", E),
            case("sid", S, "gap", message="needs >=5.5"),
            kernels=(
                kernel("6.1", boots=(1.0, 2.0), btf_source="kernel"),
                kernel("sid", required=False, error="no answer", console="c"),
            ),
            objects=(
                ObjectUse(
                    path="task/task.bpf.c",
                    sha256="aa",
                    programs=(ProgramUse(name="p", section="kprobe/x"),),
                ),
            ),
        )
    )
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


def places(value: Any, so_far: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all that a document holds."""
    inner: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    found = [so_far] if so_far else []
    for key, it in inner:
        found += places(it, (*so_far, key))
    return found


PLACES = places(WHOLE)


def known(path: Path) -> RunResults | None:
    """Return what a file holds; None when it is refused, which must be explained."""
    refusal = None
    try:
        return resultsfile.read(path)
    except RunnerError as error:
        refusal = error
    assert str(path) in refusal.message
    assert refusal.hint
    return None


def changed(place: tuple[Any, ...], value: Any) -> Any:
    document = json.loads(json.dumps(WHOLE))
    inner = document
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return document


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=150)
@given(st.sampled_from(PLACES), VALUES)
def test_a_changed_file_is_refused_or_reported(
    place: tuple[Any, ...], value: Any
) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "results.json"
        path.write_text(json.dumps(changed(place, value)))
        results = known(path)
    if results is None:
        return
    terms = Criteria(baseline=run(case("6.1", P, "other")), release="v1")
    for report in (terms.report(results), Criteria(baseline=results).report(results)):
        for format_ in FORMATS:
            assert all(format_.files(report).values())


@given(st.binary(max_size=200))
def test_noise_is_refused(data: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "results.json"
        path.write_bytes(data)
        assert known(path) is None
