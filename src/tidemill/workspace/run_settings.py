"""The settings of a run beside the defaults of its recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tidemill.adapters.hydra import MISSING, flatten


@dataclass(frozen=True, slots=True)
class RunSetting:
    """One setting of a run, such as `train.epochs`. `default` is None where there is none."""

    key: str
    value: Any
    default: Any = None
    has_default: bool = False

    @property
    def changed(self) -> bool:
        """True when the run did not use the default."""
        return not self.has_default or self.value != self.default

    def line(self) -> str:
        """Return the setting for people, with the default where it is another value."""
        if not self.changed or not self.has_default:
            return f"{self.key}: {self.value}"
        return f"{self.key}: {self.value} (default {self.default})"


@dataclass(frozen=True, slots=True)
class RunSettings:
    """All settings of a run, in the order of its configuration.

    `has_defaults` is false when the recipe's defaults cannot be read here; `note` then says why.
    It also says when the run used other code, whose defaults may have been others.
    """

    settings: tuple[RunSetting, ...]
    has_defaults: bool
    note: str = ""

    @property
    def changed(self) -> tuple[RunSetting, ...]:
        """The settings that differ from the defaults; all of them where those are unknown."""
        return tuple(row for row in self.settings if row.changed)

    def to_json(self) -> dict[str, Any]:
        """Return the changed settings and the note; `changed` is null without any defaults."""
        rows = [
            {"key": row.key, "value": row.value}
            | ({"default": row.default} if row.has_default else {})
            for row in self.changed
        ]
        return {"changed": rows if self.has_defaults else None, "note": self.note}


def compare_settings(
    config: Mapping[str, Any], defaults: Mapping[str, Any] | None
) -> tuple[RunSetting, ...]:
    """Return every setting in `config` with its default.

    A setting that a person has to give has no default, nor has one of another option of a group,
    such as `data.path`. A default that `config` lacks belongs to an option that was not chosen.
    """
    flat = dict(flatten(defaults or {}))
    return tuple(
        RunSetting(key, value, flat[key], has_default=True)
        if flat.get(key, MISSING) != MISSING
        else RunSetting(key, value)
        for key, value in flatten(config)
    )
