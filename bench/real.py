"""The real data, read from the folder that TIDEMILL_REAL_DATA names. Nothing of it is kept."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from pathlib import Path

from tidemill.data.folder import INDEX, FolderSource
from tidemill.data.payloads import TextColumn
from tidemill.data.row_files import open_rows
from tidemill.data.row_source import LabelColumn, Part, RowSource
from tidemill.domain.errors import Unavailable
from tidemill.domain.types import Example
from tidemill.recipes.coffee.recipe import TARGET

LEAVES, CROPS = "coffee", "coffee_symptom"


@dataclass(frozen=True, slots=True)
class Crops:
    """Close-ups of leaves, in hash order, and which of them are never labelled."""

    images: tuple[Example, ...]
    held_out: frozenset[str]


def root() -> Path:
    """The folder of the real data. Raises Unavailable when it is not here."""
    named = os.environ.get("TIDEMILL_REAL_DATA", "")
    hint = "Set TIDEMILL_REAL_DATA to the folder that holds coffee/, sentiment/ and others."
    if not named:
        raise Unavailable("The real data is not here: TIDEMILL_REAL_DATA is not set.", hint=hint)
    if not Path(named).is_dir():
        raise Unavailable(f"The real data is not here: {named} is no folder.", hint=hint)
    return Path(named).absolute()


def folder(name: str) -> Path:
    """A folder of the real data. Raises Unavailable when it is not here."""
    path = root() / name
    if not path.is_dir():
        raise Unavailable(
            f"The real data is not here: {path} is no folder.",
            hint=f"Set TIDEMILL_REAL_DATA to the folder that holds {name}/.",
        )
    return path


def headlines() -> list[Example]:
    """The training texts of the sentiment system."""
    rows = open_rows(folder("sentiment") / "seed_splits" / "train.csv")
    labels = {"sentiment": LabelColumn("label")}
    return list(RowSource("files", [Part(rows)], TextColumn("text"), labels).examples())


def crops(place: Path) -> Crops:
    """The close-ups. Held back are those of leaves in the test split, which is the test set.

    So no leaf is on both sides: of many a leaf there are several close-ups, and a model that was
    labelled those of test leaves could not be measured on test any more.
    """
    with (place / INDEX).open(newline="", encoding="utf-8") as file:
        test_files = {
            row["file"] for row in csv.DictReader(file) if row["source_leaf_split"] == "test"
        }
    # A folder gives one class after the other, which would be drift; an id is as good as chance.
    images = sorted(FolderSource(place, TARGET).examples(), key=lambda row: row.id)
    return Crops(tuple(images), frozenset(row.id for row in images if row.origin in test_files))
