"""Predictions for people and for programs."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pydantic import JsonValue, TypeAdapter
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from runner.bpf.kinds import RelocationKind
from runner.errors import RunnerError
from runner.facts.model import Learnt, Presence
from runner.files import sources
from runner.preflight.changes import Change, FeatureChange
from runner.preflight.check import Result
from runner.preflight.history import Span
from runner.preflight.model import (
    Difference,
    Effect,
    Feature,
    Guard,
    KernelNeed,
    Prediction,
    Relocation,
    Status,
    Verdict,
)
from runner.preflight.refusals import refusals
from runner.preflight.spread import Spread, spread_of
from runner.preflight.steps import KernelStep
from runner.preflight.targets import BtfSource
from runner.text.console import make
from runner.text.tables import print_rows, print_table
from runner.text.wrap import print_wrapped

# More classes of kernels than fit next to each other are shown below each other.
_MOST_COLUMNS = 8
_MOST_LINES = 12
# Characters that an access gets at least.
_ACCESS = 34
_STYLES = {
    Verdict.LOADS: "green",
    Verdict.REJECTED: "red",
    Verdict.CRASHES: "red bold",
    Verdict.UNKNOWN: "yellow",
}
# Where it was learnt whether a kernel has something, in a cell.
_LEARNT = {
    Learnt.PROBED: "probed",
    Learnt.BTF: "BTF",
    Learnt.CONFIG: "configuration",
    Learnt.ARCHITECTURE: "architecture",
    Learnt.VERSION: "version",
}
# What findings do that the verdict does not show, and a line above them.
_EFFECTS = {
    Effect.NOT_ATTACHED: "[yellow bold]can't be attached",
    Effect.WRONG_VALUE: "[yellow bold]warnings[/]: the kernel says nothing of these",
    Effect.UNKNOWN: "[yellow bold]unknown[/]: what programs read was not compared",
}
_JSON = TypeAdapter(dict[str, JsonValue])


@dataclass(frozen=True, kw_only=True)
class Class:
    """Kernels on which an object behaves alike."""

    sources: tuple[BtfSource, ...]
    # Of each of them; they differ in nothing that a boot would show.
    predictions: tuple[Prediction, ...]

    @property
    def prediction(self) -> Prediction:
        """Return what is predicted of all."""
        return self.predictions[0]

    def learnt(self, need: KernelNeed, name: str) -> str:
        """Return where it was learnt whether they have something: "probed, version"."""
        found = {
            it.learnt
            for prediction in self.predictions
            for it in prediction.features
            if (it.need, it.name) == (need, name)
        }
        return ", ".join(_LEARNT[it] for it in _LEARNT if it in found)

    @property
    def name(self) -> str:
        """Return the kernels' names, or how many there are."""
        names = [it.name for it in self.sources]
        if len(names) <= 3:
            return ", ".join(names)
        return f"{names[0]} … {names[-1]} ({len(names)})"


def classes(pairs: Iterable[tuple[BtfSource, Prediction]]) -> list[Class]:
    """Return the fewest classes that tell every difference, in the kernels' order."""
    found: dict[object, list[tuple[BtfSource, Prediction]]] = {}
    for source, prediction in pairs:
        found.setdefault(prediction.shape, []).append((source, prediction))
    return [
        Class(
            sources=tuple(source for source, _ in members),
            predictions=tuple(prediction for _, prediction in members),
        )
        for members in found.values()
    ]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Objects that were checked together, with what became of them on each kernel."""

    names: tuple[str, ...]
    results: tuple[Result, ...]
    # Where each of them lies, for what concerns an object as a whole.
    files: tuple[str, ...] = ()


def as_json(
    batches: Sequence[Batch], refused: Mapping[Path, RunnerError]
) -> dict[str, object]:
    """Return all that is known, for `--json`; `refused` are objects of no use."""
    kernels = _by_kernel(batches)
    return {
        "objects": [name for batch in batches for name in batch.names],
        "unusable": [
            {"object": path.name, "error": error.message, "hint": error.hint}
            for path, error in refused.items()
        ],
        "kernels": [
            {
                "kernel": results[0].source.name,
                "version": str(results[0].source.version or ""),
                "btf": str(results[0].source.path),
                "error": _errors(results),
                "predictions": [
                    {"object": name, **asdict(prediction)}
                    for batch, result in zip(batches, results, strict=True)
                    for name, prediction in zip(
                        batch.names, result.predictions, strict=False
                    )
                ],
            }
            for results in kernels
        ],
    }


def _by_kernel(batches: Sequence[Batch]) -> list[tuple[Result, ...]]:
    """Return each kernel's results in all batches."""
    return list(zip(*(it.results for it in batches), strict=True))


def _errors(results: Sequence[Result]) -> str:
    return "; ".join(dict.fromkeys(it.error for it in results if it.error))


def spread(batches: Sequence[Batch]) -> list[Spread]:
    """Return all findings and refusals, each with its kernels."""
    return [
        it
        for batch in batches
        for number, file in enumerate(batch.files or batch.names)
        for it in spread_of(
            (result.source, _whole(result.predictions[number], file))
            for result in batch.results
            if not result.error
        )
    ]


def _whole(prediction: Prediction, file: str) -> Prediction:
    """Return a prediction whose findings tell of all that does not load."""
    more = tuple(refusals(prediction, file))
    return replace(prediction, findings=(*more, *prediction.findings))


def show(
    batches: Iterable[Batch], *, verbose: bool, accepted: Sequence[str] = ()
) -> list[Batch]:
    """Print a table for each object, a batch's as soon as it is there; return all.

    Warnings that `accepted` names are only counted.
    """
    console = make()
    told: set[str] = set()
    found = []
    for batch in batches:
        found.append(batch)
        for result in batch.results:
            error = _error(result)
            if error and error not in told:
                told.add(error)
                print(f"error: {error}", file=sys.stderr)
        for number, name in enumerate(batch.names):
            pairs = [
                (it.source, it.predictions[number])
                for it in batch.results
                if not it.error
            ]
            if pairs:
                alike = classes(pairs)
                _show_object(console, name, alike, verbose=verbose)
                _show_findings(console, alike, accepted)
        # What reads a pipe is to have it now, too.
        console.file.flush()
    summary = _summary(found)
    if summary is not None:
        console.print()
        print_table(console, summary)
    return found


def _error(result: Result) -> str:
    named = not result.error or result.error.startswith(str(result.source.path))
    return result.error if named else f"{result.source.name}: {result.error}"


def _summary(batches: Sequence[Batch]) -> Table | None:
    """Return verdicts: of each object on each kernel, or how many there are of each."""
    columns = [
        number
        for number, results in enumerate(_by_kernel(batches))
        if not all(it.error for it in results)
    ]
    if not columns or sum(len(it.names) for it in batches) < 2:
        return None
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("all objects", overflow="fold")
    wide = len(columns) <= _MOST_COLUMNS
    kernels = [batches[0].results[it].source.name for it in columns]
    for title in kernels if wide else list(Verdict):
        table.add_column(escape(title), overflow="fold")
    for batch in batches:
        results = [batch.results[it] for it in columns]
        for number, name in enumerate(batch.names):
            found = [None if it.error else it.predictions[number] for it in results]
            if wide:
                cells = [_verdict(it) if it else Text("") for it in found]
            else:
                known = [it for it in found if it]
                cells = [_count(known, verdict) for verdict in Verdict]
            table.add_row(escape(name), *cells)
    return table


def _count(found: Sequence[Prediction], verdict: Verdict) -> Text:
    count = sum(it.verdict is verdict for it in found)
    return Text(str(count) if count else "", style=_STYLES[verdict])


def _show_object(
    console: Console, name: str, found: Sequence[Class], *, verbose: bool
) -> None:
    kernels = sum(len(it.sources) for it in found)
    console.print(
        f"\n[bold]{escape(name)}[/bold] on {kernels} "
        f"kernel{'s' if kernels != 1 else ''}, {len(found)} "
        f"{'ways' if len(found) != 1 else 'way'}"
    )
    wide = _wide(found, verbose=verbose)
    if len(found) <= _MOST_COLUMNS and _fits(wide, console):
        print_table(console, wide)
    else:
        _print_long(found)
    if any(
        it.guard is Guard.GUARDED
        for each in found
        for it in each.prediction.relocations
    ):
        console.print("[dim]-: missing, and guarded")
    elif any(
        None in row and (verbose or _is_lacking(row))
        for row in _feature_rows(found).values()
    ):
        console.print("[dim]-: not needed there")
    for each in found:
        _explain(console, each)


# -------------------------------------------------------------------- tables


def _fits(table: Table, console: Console) -> bool:
    """Whether a table's columns have room for their longest words."""
    options = console.options.update(width=10_000)
    return Measurement.get(console, options, table).minimum <= console.width


def _wide(found: Sequence[Class], *, verbose: bool) -> Table:
    """Return kernels next to each other, and what differs below each other."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", min_width=_ACCESS, overflow="fold")
    table.add_column("", style="dim", no_wrap=True, min_width=12)
    for each in found:
        table.add_column(escape(each.name), overflow="fold")
    table.add_row("verdict", "", *(_verdict(it.prediction) for it in found))
    for rows in _relocation_rows(found):
        cells = [_cell(it) for it in rows]
        if verbose or len({it.plain for it in cells}) > 1 or _has_gap(rows):
            first = rows[0]
            table.add_row(escape(first.access), first.kind.libbpf_name, *cells)
    for (need, name), features in _feature_rows(found).items():
        if verbose or _is_lacking(features):
            table.add_row(
                escape(name),
                need.value.replace("_", " "),
                *(
                    _presence(it, each.learnt(need, name))
                    for it, each in zip(features, found, strict=True)
                ),
            )
    return table


def _print_long(found: Sequence[Class]) -> None:
    """Print kernels below each other."""
    rows = []
    for each in found:
        it = each.prediction
        missing = {r.access for r in it.relocations if r.status is not Status.RESOLVED}
        missing |= {f.name for f in it.features if f.presence is Presence.ABSENT}
        verdict = f"[{_STYLES[it.verdict]}]{it.verdict.value}[/]"
        why = escape(_relative(it, it.reasons[0])) if it.reasons else ""
        rows.append((escape(each.name), verdict, str(len(missing)), why))
    print_rows(("kernels", "verdict", "missing", "why"), rows, spare=("why", "missing"))


def _relative(prediction: Prediction, reason: str) -> str:
    """Return a reason with the files that it names relative to the current folder."""
    files = {it.place.file for it in prediction.relocations}
    return sources.relative(reason, files, Path.cwd())


def _relocation_rows(found: Sequence[Class]) -> Iterator[list[Relocation]]:
    """Yield what the kernels make of each thing that is relocated, once."""
    rows: dict[tuple[str, RelocationKind], list[Relocation]] = {}
    for relocations in zip(*(it.prediction.relocations for it in found), strict=True):
        key = relocations[0].access, relocations[0].kind
        worst = rows.setdefault(key, list(relocations))
        # Of several reads the unguarded one counts.
        rows[key] = [
            new if new.guard is Guard.REACHABLE else old
            for old, new in zip(worst, relocations, strict=True)
        ]
    yield from rows.values()


def _feature_rows(
    found: Sequence[Class],
) -> Mapping[tuple[KernelNeed, str], Sequence[Feature | None]]:
    """Return what kernels have of each thing that is needed on one of them.

    None where it is not needed: a guard keeps the verifier from what needs it.
    """
    columns = [
        {(it.need, it.name): it for it in each.prediction.features} for each in found
    ]
    names = dict.fromkeys(key for column in columns for key in column)
    return {key: [column.get(key) for column in columns] for key in names}


def _is_lacking(features: Sequence[Feature | None]) -> bool:
    return any(it and it.presence is not Presence.PRESENT for it in features)


def _has_gap(rows: Sequence[Relocation]) -> bool:
    return any(it.status is not Status.RESOLVED for it in rows)


def _verdict(prediction: Prediction) -> Text:
    verdict = prediction.verdict
    return Text(verdict.value, style=_STYLES[verdict])


def _cell(it: Relocation) -> Text:
    if it.status in (Status.AMBIGUOUS, Status.REFUSED):
        return Text(it.status.value, style="red")
    if it.guard is Guard.NOT_NEEDED:
        changed = " resized" if it.difference is Difference.RESIZED else ""
        return Text(
            f"{it.value}{changed}", style="dim" if it.status is Status.MISSING else ""
        )
    if it.guard is Guard.GUARDED:
        return Text("-", style="dim")
    words = it.status.value.replace("_", " ")
    return Text(f"{words}, {it.guard.value}", style="red")


def _presence(it: Feature | None, learnt: str) -> Text:
    if it is None:
        return Text("-", style="dim")
    words = {
        Presence.PRESENT: Text("yes"),
        Presence.ABSENT: Text("no", style="red" if it.stops_loading else "yellow"),
        Presence.UNKNOWN: Text("?", style="dim"),
    }
    found = words[it.presence]
    if learnt:
        found.append(f" ({learnt})", style="dim")
    return found


def show_history(field: str, marked: str, spans: Sequence[Span]) -> None:
    """Print what became of a field; kernels that are alike share a line."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for span in spans:
        names = [it.name for it in span.sources]
        table.add_row(
            ">" if marked in names else "",
            escape(", ".join(names)),
            Text(str(span.state), style="" if span.state.shown else "red"),
        )
    console = make()
    console.print(f"[bold]{escape(field)}")
    print_table(console, table)


def show_steps(name: str, found: Sequence[KernelStep]) -> None:
    """Print what changes for an object from each kernel to the next."""
    console = make()
    console.print(f"\n[bold]{escape(name)}[/bold], from kernel to kernel")
    for step in found:
        console.print(f"{escape(step.before.name)} → {escape(step.after.name)}")
        table = Table(box=None, pad_edge=False, show_header=False)
        for it in step.changes:
            table.add_row(" ", escape(it.access), _change(it), _states(it))
        for each in step.features:
            need = each.need.value.replace("_", " ")
            table.add_row(" ", escape(f"{need} {each.name}"), _came(each), _users(each))
        for argument in step.signatures:
            table.add_row(
                " ",
                escape(argument.subject),
                Text("changed", style="red"),
                Text(
                    f"{argument.before or 'none'} → {argument.after or 'none'}, "
                    f"read by {argument.program}"
                ),
            )
        if table.row_count:
            print_table(console, table)
        for finding in step.findings:
            print_wrapped(console, Text(f"new: {finding}"), "   ")
        if step.is_empty:
            console.print("  nothing changes")


def _came(it: FeatureChange) -> Text:
    is_there = it.after is Presence.PRESENT
    return Text(it.words, style="green" if is_there else "red")


def _users(it: FeatureChange) -> Text:
    return Text(f"needed by {', '.join(it.users)}" if it.users else "")


def _change(it: Change) -> Text:
    if it.difference is None:
        return Text("new", style="green")
    gone = not it.after
    return Text(it.difference.value.replace("_", " "), style="red" if gone else "")


def _states(it: Change) -> Text:
    after = it.after
    if not after:
        type_ = f", {it.type}" if it.type else ""
        after = f"now {it.became[0]}{type_}" if it.became else "gone"
    return Text(f"{it.before} → {after}" if it.before else after)


def steps_as_json(found: Sequence[KernelStep]) -> list[dict[str, object]]:
    """Return what `show_steps` prints, for `--json`."""
    return [
        {
            "before": step.before.name,
            "after": step.after.name,
            "changes": [asdict(it) for it in step.changes],
            "features": [asdict(it) for it in step.features],
            "signatures": [asdict(it) for it in step.signatures],
            "findings": [asdict(it) for it in step.findings],
        }
        for step in found
    ]


# ---------------------------------------------------------------- sentences


def _show_findings(
    console: Console, found: Sequence[Class], accepted: Sequence[str]
) -> None:
    """Print what no verdict shows: what can't be attached, then what reads wrong."""
    all_ = spread_of(
        (source, prediction)
        for each in found
        for source, prediction in zip(each.sources, each.predictions, strict=True)
    )
    left = [it for it in all_ if not it.finding.is_accepted(accepted)]
    if len(left) < len(all_):
        console.print(f"[dim]accepted warnings: {len(all_) - len(left)}")
    for effect, title in _EFFECTS.items():
        some = [it for it in left if it.finding.effect is effect]
        if some:
            console.print(f"\n{title}")
        for it in some[:_MOST_LINES]:
            text = f"{it.words}: {it.finding}"
            print_wrapped(console, Text(text), "  ")
            if it.finding.cure:
                print_wrapped(console, Text(f"do: {it.finding.cure}"), "    ")
        if len(some) > _MOST_LINES:
            console.print(f"  … and {len(some) - _MOST_LINES} more")


def _explain(console: Console, each: Class) -> None:
    prediction = each.prediction
    for it in prediction.features:
        # The others are among the reasons.
        if it.near and not (it.stops_loading and it.presence is Presence.ABSENT):
            words = f"{each.name}: {it.name} is not in this kernel's BTF{it.similar}"
            print_wrapped(console, Text(words), "")
    if prediction.verdict is Verdict.LOADS:
        return
    console.print(f"\n[bold]{escape(each.name)}[/bold]: {prediction.verdict.value}")
    for reason in prediction.reasons[:_MOST_LINES]:
        print_wrapped(console, Text(_relative(prediction, reason)), "  ")
    more = len(prediction.reasons) - _MOST_LINES
    if more > 0:
        console.print(f"  … and {more} more")
    similar = [
        it.instead
        for it in prediction.relocations
        if it.candidates and it.guard in (Guard.REACHABLE, Guard.DEADLY)
    ]
    cures = [
        f"do: {it.cure}"
        for it in prediction.findings
        if it.effect is Effect.NOT_LOADED and it.cure
    ]
    for words in dict.fromkeys((*similar, *cures)):
        print_wrapped(console, Text(words), "  ")
