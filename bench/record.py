"""What a benchmark found: rows, and goals that are met or not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from bench.machine import machine

ROOT = Path(__file__).parents[1]
OUT = ROOT / "bench" / "out"
WIDTH = 170
"""Columns of what is printed where no terminal says otherwise."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A sentence with a bound, and the value that was measured against it."""

    id: str
    goal: str
    value: float | str
    met: bool


class Record:
    """Collects what one benchmark found, then writes and prints it once.

    Rows are flat; they need not have the same columns.
    """

    def __init__(self, name: str, *, out: Path = OUT) -> None:
        self.rows: list[dict[str, Any]] = []
        self.goals: list[Goal] = []
        self._name = name
        self._out = out
        self._machine = machine()

    def row(self, **columns: Any) -> None:
        """Add a row."""
        self.rows.append(columns)

    def goal(self, id: str, goal: str, value: float | str, *, met: bool) -> None:
        """Add a goal."""
        self.goals.append(Goal(id, goal, value, bool(met)))

    def finish(self, figure: Figure) -> int:
        """Write `NAME.json`, `NAME.md` and `NAME.png`, print the tables.

        Returns the exit status: 1 when a goal is not met.
        """
        goals = [asdict(goal) for goal in self.goals]
        body = {"machine": self._machine, "rows": self.rows, "goals": goals}
        self._out.mkdir(parents=True, exist_ok=True)
        place = self._out / self._name
        text = json.dumps(body, indent=1, ensure_ascii=False, allow_nan=False)
        place.with_suffix(".json").write_text(text + "\n")
        place.with_suffix(".md").write_text(self._page())
        figure.savefig(place.with_suffix(".png"))
        self._print()
        print(f"{place}.json, .md, .png")
        return 0 if all(goal.met for goal in self.goals) else 1

    def _print(self) -> None:
        console = Console(highlight=False)
        if not console.is_terminal:
            console = Console(highlight=False, width=WIDTH)
        for head, lines in self._tables():
            table = Table(*head, title=self._name)
            for line in lines:
                table.add_row(*line)
            console.print(table, markup=False)

    def _page(self) -> str:
        named = ", ".join(f"{key} {value}" for key, value in self._machine.items())
        parts = [f"# {self._name}", named]
        parts += [_markdown(head, lines) for head, lines in self._tables()]
        return "\n\n".join(parts) + "\n"

    def _tables(self) -> list[tuple[list[str], list[list[str]]]]:
        """Headings and cells: the rows, then the goals."""
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        rows = [[shown(row.get(name)) for name in columns] for row in self.rows]
        goals = [
            [goal.id, goal.goal, shown(goal.value), "met" if goal.met else "NOT MET"]
            for goal in self.goals
        ]
        return [(columns, rows), (["id", "goal", "value", "met"], goals)]


def shown(value: object) -> str:
    """A cell's text: three figures are enough to read."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)


def _markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    table = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in table)
