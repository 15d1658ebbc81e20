"""Rows of text with a label, and files of them."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable
from itertools import islice, product
from pathlib import Path

LabelledText = tuple[str, str]


def write_csv(file: Path, rows: Iterable[LabelledText]) -> Path:
    """Write texts and labels under the header `text,label`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as opened:
        csv.writer(opened).writerows([("text", "label"), *rows])
    return file


def words(text: str) -> list[str]:
    """The words of a text, for lists that read better in one line."""
    return text.split()


NUMBERS = words("one two three four five six seven eight nine ten")


def numbered_texts(count: int) -> list[str]:
    """Up to a thousand short texts, no two of them equal."""
    texts = product(NUMBERS, repeat=3)
    return [f"profit {one} {two} then {three}" for one, two, three in islice(texts, count)]


def labelled_texts(count: int) -> list[LabelledText]:
    """Such texts, labelled down and up in turn."""
    return [(text, ("down", "up")[at % 2]) for at, text in enumerate(numbered_texts(count))]


def varied_texts(count: int) -> list[LabelledText]:
    """Sentences of drawn words, each with a number of its own, and three labels in turn."""
    draw, labels = random.Random(1), ("negative", "neutral", "positive")
    known = words("profit sales orders rose fell market plant share board")
    return [
        (" ".join([*draw.choices(known, k=9), f"no {at}"]), labels[at % 3]) for at in range(count)
    ]
