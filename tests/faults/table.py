"""What became of the runs of a campaign, as a table: fault, phase and outcome."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.faults.fault import Struck
from tests.faults.judge import Judged
from tests.faults.running import PHASES

OUTCOMES = ("all verdicts", "some without a verdict", "incomplete", "no results")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One run of a campaign."""

    fault: str
    struck: Struck
    judged: Judged

    @property
    def told(self) -> str:
        """A line for people, and lines for what was wrong."""
        it = self.struck
        line = f"{self.fault}: {it.how} [{it.phase}, {it.ended.seconds:.1f} s]"
        wrong = "".join(f"\n  WRONG {each}" for each in self.judged.wrong)
        return f"{line} → {self.judged.outcome}, exit {it.ended.status}{wrong}"


def render(rows: Sequence[Row], *, seed: int) -> str:
    """Return a campaign's table in Markdown."""
    faults = list(dict.fromkeys(row.fault for row in rows))
    wrong = sum(bool(row.judged.wrong) for row in rows)
    head = ["fault", "runs", "struck in", *OUTCOMES, "wrong"]
    lines = [
        f"{len(rows)} runs, seed {seed}: {wrong} wrong.",
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
    phases = Counter(row.struck.phase for row in rows)
    outcomes = Counter(row.judged.outcome for row in rows)
    struck = ", ".join(f"{it} {phases[it]}" for it in PHASES if phases[it])
    wrong = sum(bool(row.judged.wrong) for row in rows)
    counts = [str(outcomes[it] or "") for it in OUTCOMES]
    return [fault, str(len(rows)), struck, *counts, str(wrong or "")]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
