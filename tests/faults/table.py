"""What became of the runs of a campaign, as a table: fault, phase and outcome."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from tests.faults.fault import Struck
from tests.faults.judge import Judged
from tests.faults.running import PHASES, Phase

OUTCOMES = ("all verdicts", "some without a verdict", "incomplete", "no results")


@dataclass(frozen=True, kw_only=True)
class Made:
    """A run, before anything became of it."""

    # Together they say what chance it had.
    seed: int
    number: int
    fault: str
    # Of the code that ran; with a "+" where files had been changed since.
    commit: str


@dataclass(frozen=True, kw_only=True)
class Row(Made):
    """One run of a campaign."""

    how: str
    phase: Phase
    seconds: float
    # As subprocess has it: negative for a signal.
    status: int
    outcome: str
    wrong: tuple[str, ...]

    @property
    def told(self) -> str:
        """A line for people, and lines for what was wrong."""
        line = f"{self.fault}: {self.how} [{self.phase}, {self.seconds:.1f} s]"
        wrong = "".join(f"\n  WRONG {each}" for each in self.wrong)
        return f"{line} → {self.outcome}, exit {self.status}{wrong}"


def row(made: Made, struck: Struck, judged: Judged) -> Row:
    """Return what became of a run."""
    return Row(
        **asdict(made),
        how=struck.how,
        phase=struck.phase,
        seconds=round(struck.ended.seconds, 1),
        status=struck.ended.status,
        outcome=judged.outcome,
        wrong=judged.wrong,
    )


def render(rows: Sequence[Row], *, seed: int) -> str:
    """Return a campaign's table in Markdown."""
    faults = list(dict.fromkeys(row.fault for row in rows))
    wrong = sum(bool(row.wrong) for row in rows)
    commits = ", ".join(dict.fromkeys(row.commit for row in rows))
    head = ["fault", "runs", "struck in", *OUTCOMES, "wrong"]
    lines = [
        f"{len(rows)} runs, seed {seed}, of {commits}: {wrong} wrong.",
        "",
        _line(head),
        _line("---" for _ in head),
        *(
            _line(_cells(fault, [it for it in rows if it.fault == fault]))
            for fault in faults
        ),
    ]
    return "\n".join(lines)


def _cells(fault: str, rows: Sequence[Row]) -> list[str]:
    phases = Counter(row.phase for row in rows)
    outcomes = Counter(row.outcome for row in rows)
    struck = ", ".join(f"{it} {phases[it]}" for it in PHASES if phases[it])
    wrong = sum(bool(row.wrong) for row in rows)
    counts = [str(outcomes[it] or "") for it in OUTCOMES]
    return [fault, str(len(rows)), struck, *counts, str(wrong or "")]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
