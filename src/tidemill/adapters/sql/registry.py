"""Runs, versions and aliases in SQL."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import func, insert, select, update

from tidemill.adapters.sql.records import RecordsPart, as_written
from tidemill.adapters.sql.tables import ALIASES, MODEL_VERSIONS, RUNS, VERDICTS
from tidemill.domain.aliases import guard_alias
from tidemill.domain.errors import Conflict
from tidemill.domain.events import Event
from tidemill.domain.types import Alias, AliasName, ModelVersion, Run, Verdict


class RegistryPart(RecordsPart):
    """Implements `Registry`."""

    def verdicts(self, version: str, *, limit: int = 100) -> list[Verdict]:
        query = select(VERDICTS).where(VERDICTS.c.version == version)
        return self._records(Verdict, query.order_by(VERDICTS.c.n.desc()).limit(limit))

    def alias(self, name: AliasName) -> Alias | None:
        with as_written():
            row = self._connection.execute(select(ALIASES).where(ALIASES.c.name == name)).first()
            return Alias(**row._mapping) if row else None

    def move_alias(self, to: Alias, *, expected: str | None, event: Event) -> None:
        self.get(ModelVersion, to.version)
        now = self.alias(to.name)
        guard_alias(to, self.get(Verdict, to.verdict), now, expected)
        self.record_event(event)
        values = asdict(to)
        if now is None:
            self._connection.execute(insert(ALIASES).values(values))
        else:
            self._connection.execute(
                update(ALIASES).where(ALIASES.c.name == to.name).values(values)
            )

    def close_run(self, run: Run, event: Event) -> None:
        before = self.get(Run, run.id)
        if before.status != "running" or run.status == "running":
            raise Conflict(f"Run {run.id} is {before.status}.")
        self.record_event(event)
        self._connection.execute(
            update(RUNS)
            .where(RUNS.c.id == run.id)
            .values(status=run.status, metrics=run.metrics, weights=run.weights, error=run.error)
        )

    def find_version(self, run: str) -> ModelVersion | None:
        query = select(MODEL_VERSIONS).where(MODEL_VERSIONS.c.run == run)
        versions = self._records(ModelVersion, query.order_by(MODEL_VERSIONS.c.n).limit(1))
        return versions[0] if versions else None

    def next_version(self) -> str:
        count = self._connection.scalar(select(func.count()).select_from(MODEL_VERSIONS))
        return f"v{(count or 0) + 1}"

    def count_test_uses(self, snapshot: str) -> int:
        judged = VERDICTS.join(MODEL_VERSIONS, VERDICTS.c.version == MODEL_VERSIONS.c.id)
        verdicts = (
            select(func.count()).select_from(judged).where(MODEL_VERSIONS.c.snapshot == snapshot)
        )
        runs = (
            select(func.count())
            .select_from(RUNS)
            .where(RUNS.c.snapshot == snapshot, RUNS.c.status == "finished")
        )
        return sum(self._connection.scalar(query) or 0 for query in (verdicts, runs))
