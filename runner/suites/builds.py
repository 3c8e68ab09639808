"""Several builds of one source: what may differ, and what each of them is called."""

import itertools
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, TypeVar

from pydantic import Discriminator, Field, JsonValue, Tag, ValidationError

from runner.bpf.build import Build, InstructionSet, MacroValue
from runner.errors import UsageError
from runner.files import modelfile
from runner.files.modelfile import FileEntry, Mistake
from runner.text.nearest import near

IDENTIFIER = r"^[A-Za-z_][A-Za-z0-9_]*$"
VARIANT_NAME = r"^[A-Za-z0-9_][A-Za-z0-9._=+-]*$"

_Value = TypeVar("_Value")

Identifier = Annotated[str, Field(pattern=IDENTIFIER)]
ClangVersion = Annotated[int, Field(ge=10, le=99)]

# On a command line.
_WORDS = ("clang", "mcpu")
_TABLES = {"define": "defines", "variable": "variables"}
_EXAMPLE = (
    "write clang=14,19 mcpu=v1,v3 define:DEBUG=0,1 variable:max_len=64,4096, as many "
    "as you need"
)

_STRANGE = re.compile(r"[^A-Za-z0-9._+-]+")
_LONGEST = 24
# Of one case: each is compiled, and runs on each kernel.
_MOST = 64


class Variant(FileEntry):
    """One build of a source, and values for its global variables."""

    name: Annotated[str, Field(pattern=VARIANT_NAME)] | None = None
    """What reports call it, in brackets behind the case's name. The default lists what
    is set: clang-19-v3-DEBUG=1."""
    clang: ClangVersion | None = None
    """clang's major version: 19 is the program clang-19. The default is `clang`."""
    mcpu: InstructionSet | None = None
    """The instruction set, clang's -mcpu: v1 (each kernel knows it), v2 (4.14), v3
    (5.1), v4 (6.6). The default is v1."""
    defines: dict[Identifier, MacroValue] = {}
    """Macros and their values, as -DNAME=VALUE; null leaves one undefined."""
    variables: dict[str, JsonValue] = {}
    """Values for global variables, as in a case's own `variables`, which these
    override."""

    @property
    def label(self) -> str:
        """What reports call it."""
        return self.name or "-".join(self._words())

    def _words(self) -> Iterator[str]:
        if self.clang is not None:
            yield f"clang-{self.clang}"
        if self.mcpu is not None:
            yield self.mcpu
        for name, value in [*self.defines.items(), *self.variables.items()]:
            yield f"no-{name}" if value is None else f"{name}={_short(value)}"

    @property
    def build(self) -> Build:
        """How its object is compiled."""
        defines = {it: str(to) for it, to in self.defines.items() if to is not None}
        return Build(
            clang=self.clang,
            mcpu=self.mcpu or "v1",
            defines=tuple(sorted(defines.items())),
        )


class Axes(FileEntry):
    """What differs, each with its values: a variant is one value of each."""

    clang: Annotated[tuple[ClangVersion, ...], Field(min_length=1)] | None = None
    """Major versions of clang: [14, 19] are the programs clang-14 and clang-19."""
    mcpu: Annotated[tuple[InstructionSet, ...], Field(min_length=1)] | None = None
    """Instruction sets, clang's -mcpu: v1 (each kernel knows it), v2 (4.14), v3 (5.1),
    v4 (6.6)."""
    defines: dict[
        Identifier, Annotated[tuple[MacroValue, ...], Field(min_length=1)]
    ] = {}
    """Macros, each with the values that it takes: {DEBUG: [null, 1]}; null leaves it
    undefined."""
    variables: dict[str, Annotated[tuple[JsonValue, ...], Field(min_length=1)]] = {}
    """Global variables, each with the values that they get: {max_len: [64, 4096]}."""

    @property
    def product(self) -> Iterator[Variant]:
        """All variants; the last axis changes fastest."""
        for clang, mcpu, defines, variables in itertools.product(
            self.clang or (None,),
            self.mcpu or (None,),
            list(_each(self.defines)),
            list(_each(self.variables)),
        ):
            yield Variant(clang=clang, mcpu=mcpu, defines=defines, variables=variables)

    @property
    def count(self) -> int:
        """How many variants there are."""
        lengths = [len(self.clang or (0,)), len(self.mcpu or (0,))]
        lengths += map(len, (*self.defines.values(), *self.variables.values()))
        return math.prod(lengths)


def _form(data: object) -> str:
    return "axes" if isinstance(data, dict | Axes) else "list of variants"


Variants = Annotated[
    Annotated[Axes, Tag("axes")]
    | Annotated[tuple[Variant, ...], Tag("list of variants")],
    Discriminator(_form),
]


def listed(variants: Variants) -> tuple[Variant, ...]:
    """Return each variant, in order."""
    if isinstance(variants, Axes):
        return tuple(variants.product) if variants.model_fields_set else ()
    return variants


def mistakes(variants: Variants, is_source: bool) -> Iterator[Mistake]:
    """Find variants that can't be told apart, and builds of what is built already."""
    at = ("variants",)
    count = variants.count if isinstance(variants, Axes) else len(variants)
    if count > _MOST:
        what = f"are {count} variants; there may be up to {_MOST}: list those you need"
        yield Mistake(at, what)
        return
    seen: set[str] = set()
    for variant in listed(variants):
        label = variant.label
        if not label:
            what = "has a variant that sets nothing; give it a `name`"
            yield Mistake(at, what)
        elif label in seen:
            yield Mistake(at, f"two variants are called {label}; give each a `name`")
        elif not is_source and variant.build != Build():
            what = f"{label} needs a source, NAME.bpf.c; an object is compiled already"
            yield Mistake(at, what)
        seen.add(label)


def of_words(words: Sequence[str]) -> Axes:
    """Read axes as a command line names them: clang=14,19 define:DEBUG=0,1.

    Raises UsageError that says what is wrong with a word.
    """
    axes: dict[str, list[JsonValue]] = {}
    tables: dict[str, dict[str, list[JsonValue]]] = {}
    for word in words:
        name, equals, text = word.partition("=")
        kind, colon, own = name.partition(":")
        values: list[JsonValue] = [_value(it) for it in text.split(",")]
        if not equals or "" in values or (colon and not own):
            raise _bad(word, "is not AXIS=VALUE,VALUE")
        if name in _WORDS:
            axes.setdefault(name, []).extend(values)
        elif colon and kind in _TABLES:
            table = tables.setdefault(_TABLES[kind], {})
            table.setdefault(own, []).extend(values)
        else:
            raise _bad(word, f"isn't an axis{near(kind, [*_WORDS, *_TABLES])}")
    try:
        # As JSON, so that lists become tuples while all else stays strict.
        return Axes.model_validate_json(json.dumps({**axes, **tables}))
    except ValidationError as error:
        raise UsageError(
            f"--variants: {modelfile.sentences(Axes, error, {**axes, **tables})}",
            hint=_EXAMPLE,
        ) from error


def _bad(word: str, what: str) -> UsageError:
    return UsageError(f"--variants: {word!r} {what}", hint=_EXAMPLE)


def _value(text: str) -> JsonValue:
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else text


def _each(table: Mapping[str, Iterable[_Value]]) -> Iterator[dict[str, _Value]]:
    for values in itertools.product(*table.values()):
        yield dict(zip(table, values, strict=True))


def _short(value: JsonValue) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return _STRANGE.sub("_", text)[:_LONGEST]
