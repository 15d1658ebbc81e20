"""The commands on data: check, snapshot and statistics of files that a case wrote."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cases.commands import Outcome, run, succeed

NO_NEAR_DUPLICATES = "checks.near_distance=0"
"""Rows that only resemble each other stay, for cases that are about something else."""


def check(recipe: str, source: str, path: Path, *overrides: str, home: Path) -> Outcome:
    """Check the data at a path; it may be refused."""
    return run("data", "check", *_data(recipe, source, path), *overrides, home=home)


def take_snapshot(recipe: str, source: str, path: Path, *overrides: str, home: Path) -> Outcome:
    """Take a snapshot of the data at a path; it may be refused."""
    return run("data", "snapshot", *_data(recipe, source, path), *overrides, home=home)


def _data(recipe: str, source: str, path: Path) -> tuple[str, ...]:
    return recipe, f"data={source}", f"data.path={path}"


def is_silent(checked: Outcome) -> bool:
    """True when the check has neither a refusal nor a finding nor a note."""
    body = checked.body
    return not (checked.error or body["findings"] or body["notes"])


def words_of(checked: Outcome) -> str:
    """Everything that a check says, as one text."""
    body = checked.body
    return json.dumps([body.get(key) for key in ("error", "findings", "notes")])


def label_counts(home: Path, target: str) -> dict[str, dict[str, int]]:
    """Of the newest snapshot: per split, how many examples each label has."""
    splits = succeed("data", "stats", home=home)["splits"]
    return {split: row["labels"][target] for split, row in splits.items()}


def class_names(home: Path, target: str) -> list[str]:
    """The labels of the newest snapshot, in alphabetical order."""
    return sorted({name for counts in label_counts(home, target).values() for name in counts})
