"""What a run was asked for, as values that other processes can be given."""

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from runner import timeouts
from runner.guest.qemu.accelerator import AcceleratorChoice
from runner.kernels import rows
from runner.loaders import LIBRARIES
from runner.run import options
from runner.run.sharding import Part


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the command line chose."""

    kernels: rows.KernelChoice
    reports: Path
    accelerator: AcceleratorChoice = "auto"
    # Seconds.
    boot_timeout: float = timeouts.BOOT.seconds
    # What all timeouts are multiplied by; None is what the machine's speed asks for.
    timeout_scale: float | None = None
    # Whether every guest boots, without snapshots.
    cold: bool = False
    # Whether each object gets a guest that nobody used.
    fresh: bool = False
    # Which part of the kernels; None is all of them.
    part: Part | None = None
    # An earlier results.json, by whose seconds parts are made equal.
    timings: Path | None = None
    # Where the libbpf is that loads objects; None is the machine's.
    libbpf: Path | None = None
    # Versions or folders of the libraries of other loaders, by the loader's name; those
    # that are not here are the pinned ones.
    loaders: dict[str, str] = field(default_factory=dict)
    # Objects, programs and files that the command line names; they may lie anywhere.
    objects: tuple[Path, ...] = ()
    # Whether what programs print is shown as it comes.
    streams: bool = False
    # Objects in place of compiling, by "SOURCE|KERNEL|BUILD" of their source, vmlinux.h
    # and build; then no program of a suite is started on this machine either. None
    # compiles.
    precompiled: dict[str, Path] | None = None
    # Whether what cases record replaces what was recorded before.
    update: bool = False


def settings_of(arguments: argparse.Namespace) -> Settings:
    """Return what the command line of a run or of pytest says.

    Raises UsageError for a wrong --shard or pyproject.toml.
    """
    shard = arguments.shard
    return Settings(
        kernels=options.choice_of(arguments),
        reports=arguments.reports.absolute(),
        accelerator=arguments.accel,
        boot_timeout=arguments.boot_timeout,
        timeout_scale=arguments.timeout_scale,
        cold=arguments.cold,
        fresh=arguments.fresh,
        part=None if shard is None else Part.parse(shard),
        timings=arguments.timings,
        libbpf=arguments.libbpf,
        loaders={
            name: given
            for name, library in LIBRARIES.items()
            if (given := getattr(arguments, options.dest_of(library.option)))
        },
        # pytest has no such option.
        objects=tuple(getattr(arguments, "object", ())),
        # Only `exec` has it.
        streams=getattr(arguments, "streams", False),
        # Only `replay` has it.
        precompiled=getattr(arguments, "precompiled", None),
        # What makes its suite itself records nothing.
        update=getattr(arguments, "update", False),
    )


def as_plain(settings: Settings) -> dict[str, Any]:
    """Return settings as strings, numbers, lists and dictionaries."""
    plain: dict[str, Any] = TypeAdapter(Settings).dump_python(settings, mode="json")
    return plain


def of_plain(plain: dict[str, Any]) -> Settings:
    """Return the settings that `as_plain` was given."""
    return TypeAdapter(Settings).validate_python(plain)
