"""Runs, versions and aliases in memory."""

from __future__ import annotations

from dataclasses import replace

from tidemill.adapters.memory_unit.records import RecordsPart
from tidemill.domain.aliases import guard_alias
from tidemill.domain.errors import Conflict
from tidemill.domain.events import Event
from tidemill.domain.types import Alias, AliasName, ModelVersion, Run, Verdict


class RegistryPart(RecordsPart):
    """Implements `Registry`."""

    def verdicts(self, version: str, *, limit: int = 100) -> list[Verdict]:
        rows = [row for row in self._rows(Verdict).values() if row.version == version]
        return rows[::-1][:limit]

    def alias(self, name: AliasName) -> Alias | None:
        return self._state.aliases.get(name)

    def move_alias(self, to: Alias, *, expected: str | None, event: Event) -> None:
        self.get(ModelVersion, to.version)
        guard_alias(to, self.get(Verdict, to.verdict), self.alias(to.name), expected)
        self.record_event(event)
        self._state.aliases[to.name] = to

    def close_run(self, run: Run, event: Event) -> None:
        before = self.get(Run, run.id)
        if before.status != "running" or run.status == "running":
            raise Conflict(f"Run {run.id} is {before.status}.")
        self.record_event(event)
        self._keep(
            replace(
                before,
                status=run.status,
                metrics=run.metrics,
                weights=run.weights,
                error=run.error,
            )
        )

    def find_version(self, run: str) -> ModelVersion | None:
        return next((row for row in self._rows(ModelVersion).values() if row.run == run), None)

    def next_version(self) -> str:
        return f"v{len(self._rows(ModelVersion)) + 1}"

    def count_test_uses(self, snapshot: str) -> int:
        runs = [
            row
            for row in self._rows(Run).values()
            if row.snapshot == snapshot and row.status == "finished"
        ]
        versions = {row.id for row in self._rows(ModelVersion).values() if row.snapshot == snapshot}
        verdicts = [row for row in self._rows(Verdict).values() if row.version in versions]
        return len(runs) + len(verdicts)
