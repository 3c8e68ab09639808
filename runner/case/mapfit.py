"""What a case expects of its object's maps, and what these can hold by their types.

Maps that say nothing of their types are left to the boot.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

from pydantic import JsonValue

from runner.bpf.forms import BytesForm
from runner.bpf.shapes import Shape, Shapes
from runner.files.modelfile import Mistake, Where, written
from runner.suites.checks.fitting import Fitted, misfits, misfits_of
from runner.suites.checks.mapplaces import Looking
from runner.suites.checks.paths import NoSuchPathError, follow
from runner.suites.model import Case, MapExpectation, RowsExpectation


@dataclass(frozen=True, kw_only=True)
class MeantMap:
    """The map that an expectation is about."""

    # "map outer", "the maps in outer".
    words: str
    shape: Shape

    @property
    def key(self) -> Fitted:
        """What its keys are; those of an expectation may name some members only."""
        form, owner = self.shape.key_form, f"the key of {self.words}"
        return Fitted(owner=owner, form=form, is_whole=False)

    @property
    def value(self) -> Fitted:
        """What its values are."""
        return Fitted(owner=f"a value of {self.words}", form=self.shape.value_form)


def meant_by(
    case: Case, expectation: Looking, shape: Shapes, at: Where
) -> Generator[Mistake, None, MeantMap]:
    """Find what is wrong with `inner`; return the map that an expectation is about."""
    name = expectation.map or ""
    found = MeantMap(words=f"map {name}", shape=_shape(case, name, shape))
    if expectation.inner is None:
        return found
    words = f"the maps in {name}"
    if found.shape.is_of_maps is False or "." in name:
        what = f"map {name} is not a map of maps; leave out `inner`"
        yield Mistake((*at, "inner"), what)
        return MeantMap(words=words, shape=Shape())
    yield from misfits(expectation.inner, found.key, (*at, "inner"), takes_bytes=True)
    settings = case.maps.get(name)
    like = settings.inner_map if settings is not None else None
    inside = found.shape.inner if like is None else _shape(case, like, shape)
    return MeantMap(words=words, shape=inside or Shape())


def _shape(case: Case, name: str, shape: Shapes) -> Shape:
    found, settings = shape.maps.get(name, Shape()), case.maps.get(name)
    if settings is None or settings.value_size is None:
        return found
    # libbpf then takes back what the object says of it (bpf_map__set_value_size()).
    return replace(found, key_form=None, value_form=None)


def of_value(
    case: Case, expectation: MapExpectation, shape: Shapes, at: Where
) -> Iterator[Mistake]:
    """Find why a value of a map can't be as expected, whatever the object does."""
    meant = yield from meant_by(case, expectation, shape, at)
    yield from _key(expectation, meant.key, (*at, "key"))
    sample = meant.shape.value
    if expectation.field is not None and sample is not None:
        try:
            follow(sample, expectation.field)
        except NoSuchPathError as nothing:
            yield Mistake((*at, "field"), f"{meant.words}: {nothing}")
            return
    yield from _cpu(expectation, meant, at)
    value = meant.value
    if expectation.field is not None:
        value = value.at(expectation.field)
    elif expectation.raw and value.form is not None:
        value = replace(value, form=BytesForm(size=value.form.size))
    yield from misfits_of(expectation, value, at, is_sum=expectation.cpu == "sum")


def _key(expectation: MapExpectation, what: Fitted, at: Where) -> Iterator[Mistake]:
    if expectation.key is None:
        return
    found = list(misfits(expectation.key, what, at, takes_bytes=True))
    if found and expectation.raw and what.form is not None:
        plain = replace(what, form=BytesForm(size=what.form.size))
        if not any(True for _ in misfits(expectation.key, plain, at)):
            return
    yield from found


def _cpu(expectation: MapExpectation, meant: MeantMap, at: Where) -> Iterator[Mistake]:
    if expectation.cpu is not None and meant.shape.is_per_cpu is False:
        what = f"{meant.words} is not a per-CPU map; leave out `cpu`"
        yield Mistake((*at, "cpu"), what)
    elif expectation.cpu is None and meant.shape.is_per_cpu:
        what = f"{meant.words} has a value for each CPU; set cpu: N, sum or any"
        yield Mistake(at, what)


def of_rows(
    case: Case, expectation: RowsExpectation, shape: Shapes, at: Where
) -> Iterator[Mistake]:
    """Find why a map can't have rows as expected, whatever the object does."""
    meant = yield from meant_by(case, expectation, shape, at)
    for number, row in enumerate(expectation.rows):
        place = (*at, "rows", number)
        if "key" in row:
            yield from misfits(row["key"], meant.key, (*place, "key"), takes_bytes=True)
        if "value" in row:
            yield from _of_row(row["value"], meant, (*place, "value"))


def _of_row(expected: JsonValue, meant: MeantMap, at: Where) -> Iterator[Mistake]:
    if not meant.shape.is_per_cpu:
        yield from misfits(expected, meant.value, at, takes_bytes=True)
        return
    if not isinstance(expected, list):
        what = f"{meant.words} has a value for each CPU; write a list of them"
        yield Mistake(at, f"{written(expected)}: {what}")
        return
    for number, value in enumerate(expected):
        yield from misfits(value, meant.value, (*at, number), takes_bytes=True)
