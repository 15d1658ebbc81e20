"""The names of the table and columns of another system's database that hold labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tidemill.domain.errors import UsageError


@dataclass(frozen=True, slots=True)
class FeedbackColumns:
    """The table of a feedback import. Raises UsageError for names that cannot work.

    schema      the schema of the table; empty for the one that the database searches first
    table       a table or a view
    label       the column of the labels, or one column per target: {plant: species, disease: ill}
    time        when a row was written; an import goes on from there
    payload     the column of the payload; empty where each row names a prediction
    prediction  the column of prediction ids; empty where each row has a payload
    item        the column of item names, for predictions of several items
    actor       the column of who gave the label; empty where the table does not say
    values      the label that a value stands for, such as {"1": "yes"}; keys in lower case

    Without an entry in `values`, the text of a value is the label. A column that is empty does not
    exist. Names are those of the database, in its upper and lower case.
    """

    schema: str = ""
    table: str = "feedback"
    label: str | Mapping[str, str] = "label"
    time: str = "time"
    payload: str = "payload"
    prediction: str = ""
    item: str = ""
    actor: str = ""
    values: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = self.label.values() if isinstance(self.label, Mapping) else (self.label,)
        needed = {"table": self.table, "time": self.time, "label": bool(names) and all(names)}
        for name, value in needed.items():
            if not value:
                raise UsageError(f"The feedback import needs feedback.{name}.")
        if not self.payload and not self.prediction:
            raise UsageError("The feedback import needs feedback.payload or feedback.prediction.")
        if self.item and not self.prediction:
            raise UsageError(
                "feedback.item needs feedback.prediction: only a prediction has named items."
            )
        upper = [value for value in self.values if value != value.lower()]
        if upper:
            raise UsageError(f"feedback.values has {upper[0]!r}; its keys are in lower case.")

    def targets(self, known: Mapping[str, object]) -> Mapping[str, str]:
        """Return the column of each target. `known` has the targets of the champion.

        Raises UsageError when one column is named for several targets, or a target is unknown.
        """
        if isinstance(self.label, Mapping):
            unknown = [target for target in self.label if target not in known]
            if unknown:
                raise UsageError(
                    f"feedback.label has the target {unknown[0]!r}, which the champion has not.",
                    hint=f"Known are {', '.join(known)}.",
                )
            return self.label
        if len(known) != 1:
            columns = ",".join(f"{target}:COLUMN" for target in known)
            raise UsageError(
                f"feedback.label names one column, and the champion has {len(known)} targets.",
                hint=f"Name a column per target: 'feedback.label={{{columns}}}'.",
            )
        return {next(iter(known)): self.label}

    @property
    def columns(self) -> list[str]:
        """The names of all columns that are read."""
        labels = self.label.values() if isinstance(self.label, Mapping) else (self.label,)
        others = (self.time, self.payload, self.prediction, self.item, self.actor)
        return list(dict.fromkeys(name for name in (*labels, *others) if name))
