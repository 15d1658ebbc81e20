"""The policies of the loop: those of the champion's experiment, with a person's overrides."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict

from tidemill.adapters.feedback_table import FeedbackTable
from tidemill.adapters.hydra import parse_mapping
from tidemill.domain.errors import UsageError
from tidemill.domain.types import Run
from tidemill.loop.champion_history import find_champion
from tidemill.loop.drift import DriftPolicy
from tidemill.loop.feedback_columns import FeedbackColumns
from tidemill.loop.trigger import TriggerPolicy
from tidemill.validation import validate
from tidemill.workspace.parts import WorkspaceParts


class Policies(BaseModel):
    """The policies for drift, for cycles, and for the import of feedback."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    drift: DriftPolicy = DriftPolicy()
    trigger: TriggerPolicy = TriggerPolicy()
    feedback: FeedbackColumns = FeedbackColumns()


def policies(run: Run | None, overrides: Sequence[str] = ()) -> Policies:
    """Return the policies in force. `overrides` are GROUP.KEY=VALUE, such as `drift.psi=0.3`.

    Without a run, and for policies that are newer than its experiment, the defaults hold. Raises
    UsageError that names an invalid value.
    """
    config = run.config if run else {}
    tree: dict[str, dict[str, Any]] = {
        group: dict(config.get(group, {})) for group in Policies.model_fields
    }
    known = _defaults()
    for override in overrides:
        path, equals, value = override.partition("=")
        group, _, key = path.partition(".")
        if not equals or not key or group not in tree:
            raise UsageError(
                f"{override!r} is no policy of the loop.",
                hint=f"Write KEY=VALUE for {', '.join(tree)}, such as trigger.feedback=300.",
            )
        if path not in known:
            close = difflib.get_close_matches(path, known, n=1)
            raise UsageError(
                f"There is no policy {path!r}.",
                hint=f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(known)}.",
            )
        tree[group][key] = _override(tree[group].get(key), value)
    try:
        return validate(Policies, tree)
    except UsageError as error:
        defaults = ", ".join(f"{path}={value}" for path, value in known.items())
        raise UsageError(error.message, hint=f"By default it is {defaults}.") from error


@cache
def _defaults() -> Mapping[str, object]:
    """Return the default of every policy by its path; an engine asks for policies at each tick."""
    return {
        f"{group}.{name}": value
        for group, policy in Policies()
        for name, value in asdict(policy).items()
    }


def _override(value: object, text: str) -> object:
    """Return the value that an override writes. As in Hydra, a mapping adds to an earlier one."""
    if not text.startswith("{"):
        return text
    earlier = value if isinstance(value, Mapping) else {}
    return {**earlier, **parse_mapping(text)}


class PolicyPart(WorkspaceParts):
    """The methods of a workspace that return the policies of its loop."""

    def policies(self, *overrides: str) -> Policies:
        """Return the policies of the champion's experiment, or the defaults, with these overrides.

        Raises UsageError that names an invalid value.
        """
        run = None
        if self.exists:
            with self.ledger.begin(write=False) as unit:
                if champion := find_champion(unit):
                    run = unit.get(Run, champion.run)
        return policies(run, overrides)

    def feedback_table(self, columns: FeedbackColumns) -> FeedbackTable | None:
        """Return the table that feedback is imported from; None when no database is set."""
        database = self.feedback_database
        return FeedbackTable(database, columns) if database else None
