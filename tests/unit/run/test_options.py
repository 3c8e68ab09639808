"""Every front end has the options of a run from one table."""

import argparse
import dataclasses
import json
from pathlib import Path

import pytest
from _pytest.config.argparsing import Parser

from runner.cli import run
from runner.kernels.rows import KernelChoice
from runner.plugin import state
from runner.run import options
from runner.run.options import OPTIONS, RunOption
from runner.run.settings import Settings, as_plain, of_plain, settings_of
from runner.run.sharding import Part

# A value for each option that takes one of its own kind.
VALUES = {
    "--matrix": "x.yaml",
    "--kernel": "6.1=bzImage",
    "--shard": "2/3",
    "--boot-timeout": "90",
    "--timeout-scale": "2.5",
    "--cost-limit": "70",
    "--cost-growth": "5",
}


def parse_command_line(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    run.add_arguments(parser)
    return parser.parse_args(words)


def parse_pytest(words: list[str]) -> argparse.Namespace:
    parser = Parser(_ispytest=True)
    state.add_options(parser)
    return parser.parse(words)


FRONT_ENDS = {"cli": parse_command_line, "pytest": parse_pytest}
SHARED = [it for it in OPTIONS if len(it.front_ends) == len(FRONT_ENDS)]


def words_of(option: RunOption) -> list[str]:
    if option.action == "store_true":
        return [option.flag]
    if option.choices is not None:
        return [f"{option.flag}={option.choices[-1]}"]
    return [f"{option.flag}={VALUES.get(option.flag, 'x')}"]


@pytest.mark.parametrize("option", OPTIONS, ids=lambda it: it.flag)
def test_a_front_end_has_its_options_with_their_defaults(option: RunOption) -> None:
    empty = False if option.action == "store_true" else option.default
    default = [] if option.action in ("append", "extend") else empty
    for name, parse in FRONT_ENDS.items():
        found = vars(parse([]))
        if name in option.front_ends:
            assert found[option.dest] == default
        else:
            assert option.dest not in found


@pytest.mark.parametrize("option", SHARED, ids=lambda it: it.flag)
def test_front_ends_read_the_same_of_a_word(option: RunOption) -> None:
    words = words_of(option)
    found = [getattr(parse(words), option.dest) for parse in FRONT_ENDS.values()]

    assert found[0] == found[1]
    assert found[0] != getattr(parse_command_line([]), option.dest)


def test_front_ends_make_the_same_settings() -> None:
    words = [word for option in SHARED for word in words_of(option)]
    first, second = (settings_of(parse(words)) for parse in FRONT_ENDS.values())

    assert first == second
    assert first.part == Part(index=2, count=3)
    assert first.kernels.overrides == ("6.1=bzImage",)
    assert first.kernels.selectors == ("x",)


def test_help_has_one_text_and_a_remark_for_users_of_pytest() -> None:
    kernels = options.of("pytest")[0]

    told = kernels.declaration("pytest")["help"]
    assert told.startswith(kernels.declaration("cli")["help"] + "; ")
    assert "--kernels=@lts" in told


def test_settings_survive_the_way_to_a_worker() -> None:
    settings = Settings(
        kernels=KernelChoice(
            matrix=Path("m.yaml"),
            selectors=("5.10", "@lts"),
            overrides=("6.1=bzImage",),
            locked=True,
        ),
        reports=Path("/tmp/r"),
        accelerator="tcg",
        boot_timeout=1.5,
        timeout_scale=2.0,
        cold=True,
        fresh=True,
        part=Part(index=2, count=3),
        timings=Path("old.json"),
        libbpf=Path("mine"),
        objects=(Path("a.o"), Path("b.o")),
        streams=True,
        update=True,
        precompiled={"a.bpf.c|": Path("a.bpf.o")},
    )
    for field in dataclasses.fields(Settings):
        assert getattr(settings, field.name) != field.default, field.name

    assert of_plain(json.loads(json.dumps(as_plain(settings)))) == settings
    least = Settings(kernels=settings.kernels, reports=settings.reports)
    assert of_plain(as_plain(least)) == least
