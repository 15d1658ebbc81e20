"""Rows of text with a label, and files of them."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path


def write_csv(file: Path, rows: Iterable[tuple[str, str]]) -> Path:
    """Write texts and labels under the header `text,label`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as opened:
        csv.writer(opened).writerows([("text", "label"), *rows])
    return file


def words(text: str) -> list[str]:
    """The words of a text, for lists that read better in one line."""
    return text.split()
