"""Bookmarks in memory."""

from __future__ import annotations

from tidemill.adapters.memory_unit.records import RecordsPart
from tidemill.domain.events import Event
from tidemill.domain.guards import guard_bookmark
from tidemill.domain.import_offset import Bookmark


class BookmarksPart(RecordsPart):
    """The part that `Bookmarks` asks for."""

    def bookmark(self, name: str) -> Bookmark:
        return self._state.bookmarks.get(name, Bookmark(name))

    def move_bookmark(self, to: Bookmark, *, expected: Bookmark, event: Event) -> None:
        guard_bookmark(self.bookmark(to.name), expected)
        self.tell(event)
        self._state.bookmarks[to.name] = to
