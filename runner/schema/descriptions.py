"""What the docstrings below a model's keys say, for its schema.

pydantic can read them by itself (`use_attribute_docstrings`). It then looks for the
source of each model whenever one is imported, which took a sixth of the time that the
runner needs to start. Only the schemas want them.
"""

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise

from pydantic import BaseModel

from runner.files.modelfile import FileEntry
from runner.results import Record

# Where pydantic keeps what it made of a model.
_SCHEMA = "__pydantic_core_schema__"


@cache
def describe_all() -> None:
    """Give the keys of all models of files their descriptions."""
    models = [*_below(FileEntry), *_below(Record)]
    for model in models:
        for name, field in model.model_fields.items():
            if field.description is None:
                field.description = _described(model, name)
    for model in models:
        # What holds a model that was in use takes its schema as it was then.
        if _SCHEMA in vars(model):
            delattr(model, _SCHEMA)
    for model in models:
        model.model_rebuild(force=True)


def _below(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for it in model.__subclasses__():
        yield it
        yield from _below(it)


def _described(model: type[BaseModel], name: str) -> str | None:
    """Return what is said of a key by the class that declares it."""
    for it in model.__mro__:
        if name in vars(it).get("__annotations__", {}):
            return _docstrings(it.__module__).get((it.__qualname__, name))
    return None


@cache
def _docstrings(module: str) -> Mapping[tuple[str, str], str]:
    """Return the docstrings below the keys of a module's classes."""
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {
        (it.name, key.target.id): inspect.cleandoc(below.value.value)
        for it in tree.body
        if isinstance(it, ast.ClassDef)
        for key, below in pairwise(it.body)
        if isinstance(key, ast.AnnAssign)
        and isinstance(key.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    }
