"""Schemas and reference pages: fresh, and of one mind with the loaders."""

import copy
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
import yaml
from pydantic import BaseModel

from runner import schema
from runner.errors import UsageError
from runner.files.modelfile import PATTERNS
from runner.matrix import matrix
from runner.results import CaseResult, KernelRun, Mismatch, Outcome, RunResults
from runner.schema import DescribedFile, page
from runner.schema import examples as suite_examples
from runner.suites import project, suitefile
from runner.suites.model import Suite

ROOT = Path(__file__).resolve().parents[2]
MATRIX, SUITE, RESULTS, *_ = schema.SUBJECTS

SUITES = sorted(
    [*ROOT.glob("suites/*/suite.yaml"), *ROOT.glob("tests/data/suites/*/suite.yaml")]
)


def check(subject: schema.DescribedFile, data: object) -> None:
    jsonschema.validate(data, subject.schema())


def test_files_are_fresh() -> None:
    assert not schema.stale(), "run: python -m runner.schema"


def test_models_that_were_in_use_are_described_all_the_same() -> None:
    program = """
from runner.kernels.sources.debian import DebianSource
from runner.matrix.matrix import Matrix
from runner.results import Agreement, CaseVerdict, RunResults
for it in (Agreement, CaseVerdict, RunResults, Matrix):
    it.model_rebuild()
from runner import schema
assert not schema.stale()
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("subject", schema.SUBJECTS, ids=lambda it: it.name)
def test_schemas_are_schemas(subject: schema.DescribedFile) -> None:
    jsonschema.Draft202012Validator.check_schema(subject.schema())


def keys(subject: schema.DescribedFile) -> Iterator[tuple[str, dict[str, Any]]]:
    made: Any = subject.schema()
    for name, model in [(subject.name, made), *made["$defs"].items()]:
        for key, value in model.get("properties", {}).items():
            yield f"{name}.{key}", value


@pytest.mark.parametrize("subject", schema.SUBJECTS, ids=lambda it: it.name)
def test_every_key_is_explained(subject: schema.DescribedFile) -> None:
    # What is fixed by the union that it tells apart needs no word.
    silent = [
        name
        for name, value in keys(subject)
        if not value.get("description") and "const" not in value and "$ref" not in value
    ]

    assert not silent


@pytest.mark.parametrize("path", project.shipped().values(), ids=lambda it: it.name)
def test_the_shipped_matrices_are_valid(path: Path) -> None:
    check(MATRIX, yaml.safe_load(path.read_text()))


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.parent.name)
def test_suites_are_valid(path: Path) -> None:
    check(SUITE, yaml.safe_load(path.read_text()))


def test_results_are_valid() -> None:
    results = RunResults(
        runner="0.1.0",
        started="2026-01-01T00:00:00+00:00",
        duration=1.5,
        kernels=(KernelRun(id="6.1", boots=(2.5,)),),
        cases=(
            CaseResult(
                kernel="6.1",
                suite="task",
                case="pid",
                outcome=Outcome.FAILED,
                mismatches=(Mismatch(subject="map m", expected="1", observed="2"),),
            ),
        ),
    )

    check(RESULTS, results.model_dump(mode="json"))


# ---------------------------------------------- the schema and the loader agree


def matrix_file() -> dict[str, Any]:
    return {"kernels": [{"id": "6.1", "source": {"type": "debian", "suite": "sid"}}]}


def suite_file() -> dict[str, Any]:
    return {
        "description": "d",
        "cases": [
            {
                "name": "n",
                "object": "n.bpf.c",
                "trigger": [{"fork": "child"}],
                "expect": [{"map": "m", "key": 1, "equals": 2}],
            }
        ],
    }


def put(*where: str | int, value: object) -> Callable[[Any], None]:
    def change(data: Any) -> None:
        for part in where[:-1]:
            data = data[part]
        data[where[-1]] = value

    return change


def load_matrix(data: object, folder: Path) -> None:
    file = folder / "matrix.yaml"
    file.write_text(yaml.safe_dump(data))
    matrix.load(file)


def load_suite(data: object, folder: Path) -> None:
    (folder / "n.bpf.c").touch()
    file = folder / "suite.yaml"
    file.write_text(yaml.safe_dump(data))
    suitefile.load(file)


def test_what_is_changed_below_is_right(tmp_path: Path) -> None:
    check(MATRIX, matrix_file())
    load_matrix(matrix_file(), tmp_path)
    check(SUITE, suite_file())
    load_suite(suite_file(), tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        put("kernels", value=[]),
        put("kernels", value="6.1"),
        put("kernel", value=[]),
        put("kernels", 0, "id", value=6.1),
        put("kernels", 0, "id", value="-x"),
        put("kernels", 0, "memory", value="big"),
        put("kernels", 0, "memory", value=1),
        put("kernels", 0, "required", value="maybe"),
        put("kernels", 0, "tags", value=["a b"]),
        put("kernels", 0, "arch", value="vax"),
        put("kernels", 0, "btf", value="none"),
        put("kernels", 0, "source", value={"type": "debian"}),
        put("kernels", 0, "source", value={"type": "floppy"}),
        put("kernels", 0, "source", value=[]),
        put("kernels", 0, "arguments", value=["a b"]),
    ],
)
def test_a_wrong_matrix_is_refused_by_both(
    change: Callable[[Any], None], tmp_path: Path
) -> None:
    data = copy.deepcopy(matrix_file())
    change(data)

    with pytest.raises(jsonschema.ValidationError):
        check(MATRIX, data)
    with pytest.raises(UsageError):
        load_matrix(data, tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        put("description", value=""),
        put("cases", value=[]),
        put("case", value=[]),
        put("cases", 0, "name", value="a b"),
        put("cases", 0, "objekt", value="x"),
        put("cases", 0, "trigger", value=[{"frok": "child"}]),
        put("cases", 0, "trigger", value=[{"fork": "a name that is too long"}]),
        put("cases", 0, "trigger", value=[{"sleep": 0}]),
        put("cases", 0, "trigger", value=[{"syscall": "reboot"}]),
        put("cases", 0, "truth", value={"t": {"proc": "/etc/passwd"}}),
        put("cases", 0, "expect", value=[{"map": "m", "equal": 1}]),
        put("cases", 0, "expect", value=[{"value": "no reference", "equals": 1}]),
        put("cases", 0, "expect_failure", value={"class": "x"}),
        put("cases", 0, "loader", value="magic"),
    ],
)
def test_a_wrong_suite_is_refused_by_both(
    change: Callable[[Any], None], tmp_path: Path
) -> None:
    data = copy.deepcopy(suite_file())
    change(data)

    with pytest.raises(jsonschema.ValidationError):
        check(SUITE, data)
    with pytest.raises(UsageError):
        load_suite(data, tmp_path)


# ---------------------------------------------------------------------- pages


def examples(path: Path) -> list[str]:
    by_hand = path.read_text().partition(page.BEGIN)[0]
    return re.findall(r"```yaml\n(.*?)```", by_hand, re.DOTALL)


@pytest.mark.parametrize("text", examples(MATRIX.page_path))
def test_examples_of_a_matrix_load(text: str, tmp_path: Path) -> None:
    load_matrix(yaml.safe_load(text), tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        *examples(SUITE.page_path),
        *examples(ROOT / "README.md"),
        *examples(ROOT / "docs/exec.md"),
    ],
)
def test_examples_of_a_suite_load(text: str, tmp_path: Path) -> None:
    data = yaml.safe_load(text)
    for case in data["cases"]:
        named = [*case.get("files", ()), *case.get("command", ())[:1]]
        for name in [*named, case.get("object", "suite.yaml")]:
            path = tmp_path / name.partition(":/")[0]
            path.parent.mkdir(exist_ok=True)
            path.touch()

    load_suite(data, tmp_path)


def models(model: type[BaseModel] = Suite) -> dict[str, type[BaseModel]]:
    """Return a model and all that it is made of, by name."""
    found: dict[str, type[BaseModel]] = {}

    def walk(annotation: Any) -> None:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            if annotation.__name__ in found:
                return
            found[annotation.__name__] = annotation
            for field in annotation.model_fields.values():
                walk(field.annotation)
        for argument in get_args(annotation):
            walk(argument)

    walk(model)
    return found


@pytest.mark.parametrize("name", sorted(models()))
def test_every_key_of_a_suite_is_in_an_example(name: str) -> None:
    shown = {
        key for text in suite_examples.OF_SUITE[name] for key in yaml.safe_load(text)
    }
    keys = {it.alias or key for key, it in models()[name].model_fields.items()}

    assert shown == keys


@pytest.mark.parametrize(
    ("name", "text"),
    [(name, text) for name, texts in suite_examples.OF_SUITE.items() for text in texts],
)
def test_examples_of_keys_are_right(name: str, text: str) -> None:
    models()[name].model_validate_json(json.dumps(yaml.safe_load(text)))


def patterns(part: object) -> set[str]:
    """Return the patterns that a schema, or a part of it, has."""
    if isinstance(part, list):
        return set().union(*map(patterns, part))
    if not isinstance(part, dict):
        return set()
    own = part.get("pattern")
    found = {own} if isinstance(own, str) else set()
    rest = (value for key, value in part.items() if key != "examples")
    return found.union(*map(patterns, rest))


@pytest.mark.parametrize("subject", [MATRIX, SUITE], ids=lambda it: it.name)
def test_every_pattern_has_words_for_those_who_miss_it(subject: DescribedFile) -> None:
    assert patterns(subject.schema()) - set(PATTERNS) == set()


def test_pages_have_examples() -> None:
    assert examples(MATRIX.page_path)
    assert examples(SUITE.page_path)


def test_a_page_keeps_its_introduction() -> None:
    made = page.filled(f"# Mine\n\n{page.BEGIN}\nstale text", MATRIX.schema())

    assert made.startswith(f"# Mine\n\n{page.BEGIN}\n\n## Matrix")
    assert "stale text" not in made


def test_a_page_without_a_mark_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks the line"):
        page.filled("# Mine", MATRIX.schema())
