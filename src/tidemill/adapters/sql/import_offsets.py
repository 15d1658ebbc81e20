"""Bookmarks in SQL."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import insert, select, update

from tidemill.adapters.sql.records import RecordsPart, as_written
from tidemill.adapters.sql.tables import BOOKMARKS
from tidemill.domain.events import Event
from tidemill.domain.guards import guard_bookmark
from tidemill.domain.import_offset import Bookmark


class BookmarksPart(RecordsPart):
    """The part that `Bookmarks` asks for."""

    def bookmark(self, name: str) -> Bookmark:
        return self._bookmark(name) or Bookmark(name)

    def move_bookmark(self, to: Bookmark, *, expected: Bookmark, event: Event) -> None:
        found = self._bookmark(to.name)
        guard_bookmark(found or Bookmark(to.name), expected)
        self.tell(event)
        if found is None:
            self._connection.execute(insert(BOOKMARKS).values(asdict(to)))
        else:
            query = update(BOOKMARKS).where(BOOKMARKS.c.name == to.name)
            self._connection.execute(query.values(asdict(to)))

    def _bookmark(self, name: str) -> Bookmark | None:
        with as_written():
            query = select(BOOKMARKS).where(BOOKMARKS.c.name == name)
            row = self._connection.execute(query).first()
            return Bookmark(**row._mapping) if row else None
