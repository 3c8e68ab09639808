"""Files read into models, and how mistakes in them are told."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from runner.errors import ExitStatus, UsageError
from runner.files import modelfile


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Cat(Strict):
    type: Literal["cat"]
    whiskers: int


class Dog(Strict):
    type: Literal["dog"]
    breed: Literal["collie", "poodle"] = "collie"


class Bird(Strict):
    type: Literal["bird"]
    song: str


class Zoo(Strict):
    name: Annotated[str, Field(pattern="^[a-z.0-9]+$")] = "zoo"
    open: bool = True
    pair: tuple[int, int] | None = None
    weight: Annotated[float, Field(gt=0)] = 1.0
    class_: Annotated[str, Field(alias="class")] = "small"
    animals: tuple[Annotated[Cat | Dog | Bird, Field(discriminator="type")], ...] = ()
    notes: dict[str, str] = {}


def read(folder: Path, text: str) -> Zoo:
    path = folder / "zoo.yaml"
    path.write_text(text)
    return modelfile.load(path, Zoo)[0]


def mistakes(folder: Path, text: str) -> list[str]:
    with pytest.raises(UsageError) as caught:
        read(folder, text)
    assert caught.value.exit_status is ExitStatus.USAGE
    return caught.value.message.replace(f"{folder}/", "").splitlines()


def test_a_file_becomes_a_frozen_model(tmp_path: Path) -> None:
    zoo = read(tmp_path, "class: large\npair: [1, 2]\nanimals: [{type: dog}]\n")

    assert zoo.class_ == "large"
    assert zoo.pair == (1, 2)
    assert zoo.animals == (Dog(type="dog"),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nmae: a\n", "1: nmae: unknown key 'nmae'; did you mean 'name'?"),
        ("clss: a\n", "1: clss: unknown key 'clss'; did you mean 'class'?"),
        (
            "quite: other\n",
            "1: quite: unknown key 'quite'; there are name, open, pair, "
            "weight, class, animals, notes",
        ),
        (
            "animals:\n  - {type: dog}\n  - {type: dgo}\n",
            "3: animals[1]: unknown type 'dgo'; did you mean 'dog'?",
        ),
        (
            "animals: [{type: zebra}]\n",
            "1: animals[0]: unknown type 'zebra'; there are cat, dog, bird",
        ),
        ("animals: [{whiskers: 1}]\n", "1: animals[0]: key 'type' is missing"),
        (
            "animals:\n  - type: cat\n",
            "2: animals[0].whiskers: key 'whiskers' is missing",
        ),
        (
            "animals: [{type: dog, bred: poodle}]\n",
            "1: animals[0].bred: unknown key 'bred'; did you mean 'breed'?",
        ),
        (
            "animals: [{type: dog, breed: poodel}]\n",
            "1: animals[0].breed: 'poodel' must be 'collie' or 'poodle'; did you "
            "mean 'poodle'?",
        ),
        (
            "animals: [{type: dog, breed: 7}]\n",
            "1: animals[0].breed: 7 must be 'collie' or 'poodle'",
        ),
        (
            "\nname: 5.10\n",
            '2: name: write it in quotes, "5.10"; YAML reads 5.10 as the number 5.1',
        ),
        ("name: no\n", '1: name: write it in quotes, "no"; YAML reads no as false'),
        ("name: ~\n", '1: name: write it in quotes, "~"; YAML reads ~ as nothing'),
        (
            "notes: {a: 0x10}\n",
            '1: notes.a: write it in quotes, "0x10"; YAML reads 0x10 as the number 16',
        ),
        (
            "animals: [{type: bird, song: on}]\n",
            '1: animals[0].song: write it in quotes, "on"; YAML reads on as true',
        ),
        ("name:\n", "1: name: null: should be text"),
        ("name: [a]\n", '1: name: ["a"]: should be text'),
        ("name: A B\n", "1: name: 'A B' must be like ^[a-z.0-9]+$"),
        ("open: 'yes'\n", '1: open: "yes": should be true or false'),
        ("weight: heavy\n", '1: weight: "heavy": should be a number'),
        ("weight: -1\n", "1: weight: -1: should be greater than 0"),
        ("animals: cat\n", '1: animals: "cat": should be a list'),
        ("notes: [a]\n", '1: notes: ["a"]: should be a mapping'),
        ("[a]\n", '1: ["a"]: should be a mapping'),
        (
            "animals: [{type: cat, whiskers: x}]\n",
            '1: animals[0].whiskers: "x": should be a whole number',
        ),
        ("pair: [1]\n", "1: pair: [1]: has too few items"),
        ("pair: [1, 2, 3]\n", "1: pair: [1, 2, 3]: has 3 items; at most 2 are allowed"),
    ],
)
def test_a_mistake_is_told_in_a_users_words(
    tmp_path: Path, text: str, said: str
) -> None:
    assert mistakes(tmp_path, text) == [f"zoo.yaml:{said}"]


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    said = mistakes(tmp_path, "nmae: a\nopen: 3\npair: x\n")

    assert [line.split(" ")[0] for line in said] == [
        "zoo.yaml:2:",
        "zoo.yaml:3:",
        "zoo.yaml:1:",
    ]


def test_no_more_than_ten_mistakes_are_told(tmp_path: Path) -> None:
    said = mistakes(tmp_path, "".join(f"k{n}: 1\n" for n in range(30)))

    assert len(said) == 11
    assert said[-1] == "zoo.yaml: and 20 more"


def test_long_values_are_cut(tmp_path: Path) -> None:
    (said,) = mistakes(tmp_path, f"animals: {'x' * 500}\n")

    assert said == f'zoo.yaml:1: animals: "{"x" * 56}…: should be a list'


def test_each_of_several_mistakes_is_told_as_an_error(tmp_path: Path) -> None:
    path = tmp_path / "zoo.yaml"
    path.write_text("nmae: a\nopen: 3\n")

    with pytest.raises(UsageError) as raised:
        modelfile.load(path, Zoo)

    lines = raised.value.told.splitlines()
    assert len(lines) > 1
    assert all(line.startswith("error: ") for line in lines)
