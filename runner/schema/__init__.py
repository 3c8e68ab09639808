"""JSON Schemas and reference pages of the project's files, made from their models.

`python -m runner.schema` writes them; `--check` says whether they are stale.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, JsonValue

from runner.matrix.matrix import Matrix
from runner.reports.flaky import FlakyFile
from runner.reports.release import Release
from runner.results import RunResults
from runner.schema import (
    abilities,
    classes,
    descriptions,
    examples,
    page,
    timeouts,
)
from runner.suites import coverage
from runner.suites.model import Suite

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]
_DOCS = _ROOT / "docs"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, JsonValue]


@dataclass(frozen=True, kw_only=True)
class DescribedFile:
    """A kind of file that is described."""

    name: str
    model: type[BaseModel]

    @property
    def schema_path(self) -> Path:
        """Where editors find the schema."""
        return _HERE / f"{self.name}.schema.json"

    @property
    def page_path(self) -> Path:
        """Where people find the reference; its introduction is written by hand."""
        return _DOCS / f"{self.name}.md"

    def schema(self) -> Schema:
        """Return the JSON Schema."""
        descriptions.describe_all()
        made: Schema = self.model.model_json_schema()
        if self.model is Suite:
            examples.put_into(made)
        return {"$schema": _DIALECT, **made}

    def files(self) -> dict[Path, str]:
        """Return what the files of this subject should hold.

        Raises ValueError when the page lacks the marks between which it is generated.
        """
        schema = self.schema()
        text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        texts = examples.OF_SUITE if self.model is Suite else {}
        whole = page.filled(self.page_path.read_text(), schema, texts)
        return {self.schema_path: text, self.page_path: whole}


SUBJECTS = (
    DescribedFile(name="matrix", model=Matrix),
    DescribedFile(name="suite", model=Suite),
    DescribedFile(name="results", model=RunResults),
    DescribedFile(name="flaky", model=FlakyFile),
    DescribedFile(name="release", model=Release),
)


def _files() -> dict[Path, str]:
    """Return what every generated file should hold."""
    of_models = {
        path: text for subject in SUBJECTS for path, text in subject.files().items()
    }
    classes_page = _DOCS / "classes.md"
    timeouts_page = _DOCS / "timeouts.md"
    facts_page = _DOCS / "facts.md"
    return {
        **of_models,
        classes_page: classes.filled(classes_page.read_text()),
        timeouts_page: timeouts.filled(timeouts_page.read_text()),
        facts_page: abilities.filled(facts_page.read_text()),
        _DOCS / "coverage.md": coverage.page(_ROOT / "suites", _ROOT / "matrix.yaml"),
    }


def stale() -> dict[Path, str]:
    """Return the files that are not as they should be, with what they should hold."""
    return {
        path: text
        for path, text in _files().items()
        if not path.exists() or path.read_text() != text
    }
