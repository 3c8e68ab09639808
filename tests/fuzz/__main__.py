"""Fuzz parsers, with coverage, for a while; print what each did and what was found."""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from runner.errors import ExitStatus
from tests.fuzz import native
from tests.fuzz.parsers import PARSERS, ROOT, Parser, seeds

# Seconds and MB that one input may take.
_LIMITS = ("-timeout=20", "-rss_limit_mb=3072")
# What libFuzzer's last line says, at the end or when it is stopped.
_DONE = re.compile(r"#(\d+)\s.*cov: (\d+) ft: (\d+) corp: (\d+)")


@dataclass(frozen=True, kw_only=True)
class Fuzzed:
    """What became of a target."""

    name: str
    inputs: int
    coverage: int
    # The files that make it fail.
    findings: tuple[Path, ...]
    output: str


def main(argv: Sequence[str]) -> int:
    """Fuzz; the exit status says whether anything was found."""
    arguments = _parser().parse_args(argv)
    names = arguments.target or [*PARSERS, *native.TARGETS]
    unknown = sorted({*names} - {*PARSERS, *native.TARGETS})
    if unknown:
        known = ", ".join([*PARSERS, *native.TARGETS])
        print(f"no target is called {unknown[0]}; there are {known}", file=sys.stderr)
        return int(ExitStatus.USAGE)
    arguments.findings.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(arguments.jobs) as pool:
        done = list(pool.map(lambda it: _fuzz(it, arguments), names))
    print(*_table(done), sep="\n")
    for each in done:
        for path in each.findings:
            print(f"\n{each.name}: {path}\n{each.output}", file=sys.stderr)
    return int(any(it.findings for it in done))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", nargs="*", help="which ones (all)")
    parser.add_argument(
        "--seconds", type=int, default=60, help="how long for each target (60)"
    )
    parser.add_argument(
        "--inputs", type=int, default=-1, help="how many inputs at most (no limit)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="what chance is made of (0: anything)"
    )
    parser.add_argument(
        "--jobs", type=int, default=2, help="how many go on at once (2)"
    )
    parser.add_argument(
        "--findings",
        type=Path,
        default=ROOT / "build/fuzz",
        help="where inputs go that make a target fail (build/fuzz)",
    )
    return parser


def _fuzz(name: str, arguments: argparse.Namespace) -> Fuzzed:
    parser = PARSERS.get(name)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        corpus = Path(folder)
        command = (
            native.command(name, corpus)
            if parser is None
            else [*_python(parser, corpus), str(corpus)]
        )
        before = {*arguments.findings.iterdir()}
        prefix = f"-artifact_prefix={arguments.findings}/{name}-"
        ended = subprocess.run(
            [
                *(*command, prefix, f"-seed={arguments.seed}", *_LIMITS),
                *(f"-max_total_time={arguments.seconds}", f"-runs={arguments.inputs}"),
            ],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
        )
    output = ended.stderr + ended.stdout
    counts = _DONE.findall(output)
    found = sorted(
        it
        for it in {*arguments.findings.iterdir()} - before
        if it.name.startswith(f"{name}-")
    )
    print(f"{name}: {'FOUND' if found else 'done'}", file=sys.stderr, flush=True)
    if not counts and not found:
        raise RuntimeError(f"{name} did not run:\n{output[-4000:]}")
    return Fuzzed(
        name=name,
        inputs=int(counts[-1][0]) if counts else 0,
        coverage=int(counts[-1][1]) if counts else 0,
        findings=tuple(found),
        output=output[-6000:],
    )


def _python(parser: Parser, corpus: Path) -> list[str]:
    for number, seed in enumerate(seeds(parser)):
        (corpus / f"seed-{number}").write_bytes(seed)
    return [sys.executable, "-m", "tests.fuzz.python", parser.name]


def _table(done: Sequence[Fuzzed]) -> list[str]:
    return [
        "| target | inputs | branches | findings |",
        "| --- | --- | --- | --- |",
        *(
            f"| {it.name} | {it.inputs} | {it.coverage} | {len(it.findings) or ''} |"
            for it in done
        ),
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
