"""Small CSV files of texts with four planted faults, to prove that the checks find them."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tidemill.data.random_stream import stream
from tidemill.domain.errors import UsageError
from tidemill.recipes.shared.canvas import Dice
from tidemill.recipes.shared.generated_texts import TextSample, compose

UNREADABLE = "\a\a\a"
"""A broken text: control characters, which are neither blanks nor text."""


class TextRow(NamedTuple):
    """One line of a file."""

    text: str
    label: str


@dataclass(frozen=True, slots=True)
class Layout:
    """The names and form of the files: one per split, and the columns of text and label.

    `values` says how a label is spelled in them, where that is not its name. `prefix` goes before
    a file's name in the origins that the source gives.
    """

    files: Mapping[str, str]
    text: str
    label: str
    values: Mapping[str, str] = field(default_factory=dict)
    prefix: str = ""

    def origin(self, split: str, number: int) -> str:
        """Return where row `number` of a split stands; the header is line 1."""
        return f"{self.prefix}{self.files[split]} line {number + 2}"


def plant(
    folder: Path, sample: TextSample, layout: Layout, *, each: int = 20
) -> dict[str, tuple[str, ...]]:
    """Write the files of the layout and return the origins of each fault's rows.

    `each` texts a label in train, a quarter as many (at least two) in every other split, planted
    ones included. Exactly four faults, in disjoint rows:

    * `identical`: two train rows of one label with one text, the second with a blank more;
    * `leak`: a train row and a test row of one label, the second a copy of the first;
    * `conflict`: two train rows of two labels, the second a copy of the first;
    * `broken`: a train row of control characters.

    Raises UsageError when `each` is below 4 or the folder holds anything already.
    """
    if each < 4:
        raise UsageError(f"Cannot plant faults among {each} texts a label.", hint="At least 4.")
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty.", hint="Name a new folder.")
    folder.mkdir(parents=True, exist_ok=True)
    counts = {split: each if split == "train" else max(2, each // 4) for split in layout.files}
    rows = {split: _written(sample, split, count) for split, count in counts.items()}
    planted = _spoil(rows, Dice(stream("faults", sample.genre.name, sample.seed)), sample, layout)
    for split, name in layout.files.items():
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow((layout.text, layout.label))
            writer.writerows((text, layout.values.get(label, label)) for text, label in rows[split])
    return planted


def _written(sample: TextSample, split: str, each: int) -> list[TextRow]:
    """Return the labels in turn: row `number` has the label `number % len(labels)`."""
    labels = sample.genre.labels * each
    names = f"faulty {split}"
    return [TextRow(compose(sample, names, at, label)[0], label) for at, label in enumerate(labels)]


def _spoil(
    rows: Mapping[str, list[TextRow]], dice: Dice, sample: TextSample, layout: Layout
) -> dict[str, tuple[str, ...]]:
    train, test = rows["train"], rows["test"]
    kinds = len(sample.genre.labels)
    # One round of the labels per role, so that the faults use different rows.
    rounds = list(range(len(train) // kinds))
    first, second, third, fourth = (
        kinds * rounds.pop(dice.whole(0, len(rounds) - 1)) for _ in range(4)
    )
    label = dice.whole(0, kinds - 1)

    one, again = first + label, second + label
    train[again] = train[again]._replace(text=train[one].text.replace(" ", "  ", 1))
    learnt, tested = third + label, label
    test[tested] = test[tested]._replace(text=train[learnt].text)
    called, also_called = fourth, fourth + 1
    train[also_called] = train[also_called]._replace(text=train[called].text)
    broken = first + (label + 1) % kinds
    train[broken] = train[broken]._replace(text=UNREADABLE)
    return {
        "identical": (layout.origin("train", one), layout.origin("train", again)),
        "leak": (layout.origin("train", learnt), layout.origin("test", tested)),
        "conflict": (layout.origin("train", called), layout.origin("train", also_called)),
        "broken": (layout.origin("train", broken),),
    }
