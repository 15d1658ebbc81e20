"""Every kind of event stands in docs/serving.md, with the details that it has."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

from tidemill.domain import events
from tidemill.domain.events import Event, EventKind

PAGE = Path(__file__).parents[1] / "docs" / "serving.md"
ROW = re.compile(r"^\| `([A-Z]\w+)` \| (.+?) \| (.*?) ?\|$", re.MULTILINE)


def kinds() -> dict[str, set[str]]:
    """Each class of event with the fields that it adds."""
    shared = {field.name for field in fields(Event)}
    return {
        name: {field.name for field in fields(kind)} - shared
        for name, kind in vars(events).items()
        if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
    }


def test_the_page_lists_every_kind_of_event_and_no_other() -> None:
    section = PAGE.read_text().split("### `GET /v1/events`")[1].split("###")[0]
    rows = {name: set(re.findall(r"`(\w+)`", detail)) for name, _, detail in ROW.findall(section)}
    assert rows == kinds()
    assert len(rows) > 15, "the table was found"


def test_a_reader_can_ask_for_every_kind() -> None:
    assert sorted(get_args(EventKind)) == sorted(kinds())
