"""The access log: a line of JSON for each request, without a word that a client wrote freely.

It has the route's template and not the path, no query, no address and no payload.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import orjson
from starlette.types import Scope

from tidemill.domain.errors import Unavailable
from tidemill.web.meter import METHODS
from tidemill.web.request_context import version_of

log = logging.getLogger(__name__)

STDOUT = "-"
CLOSED = -1


class AccessLog:
    """Appends to a file, which may be moved away at any time, or writes to stdout.

    Without a target it is off. It writes unbuffered, so a line is there when the answer is sent.
    """

    def __init__(self, target: str | None) -> None:
        """Open the file, or stdout for `-`. Raises Unavailable when it cannot be written."""
        self.is_on = bool(target)
        self._path = Path(target).absolute() if target and target != STDOUT else None
        self._file = CLOSED
        self._inode = 0
        self._failed = False
        try:
            self._reopen()
        except OSError as error:
            raise Unavailable(
                f"The access log {self._path} cannot be written: {error.strerror}.",
                hint="Set TIDEMILL_ACCESS_LOG to another file, or to nothing.",
            ) from error

    def write(self, scope: Scope, id: str, trace: str, status: int, seconds: float) -> None:
        """Write the line of one request. A log that cannot be written stops no answer."""
        method = scope["method"]
        row = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "request_id": id,
            "traceparent": trace or None,
            "method": method if method in METHODS else "other",
            "route": getattr(scope.get("route"), "path", "unmatched"),
            "status": status,
            "seconds": round(seconds, 6),
            "version": version_of(scope),
        }
        line = orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
        try:
            if self._path is None:
                sys.stdout.write(line.decode())
                sys.stdout.flush()
            else:
                self._reopen()
                os.write(self._file, line)
        except (OSError, ValueError) as error:
            if not self._failed:
                self._failed = True
                log.warning("The access log cannot be written: %s.", error)

    def close(self) -> None:
        """Close the file."""
        if self._file != CLOSED:
            os.close(self._file)
            self._file = CLOSED

    def _reopen(self) -> None:
        """Open the file if it is not open, or if another one has its name by now."""
        if self._path is None:
            return
        with contextlib.suppress(FileNotFoundError):
            if self._file != CLOSED and self._path.stat().st_ino == self._inode:
                return
        self.close()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
        self._inode = os.fstat(self._file).st_ino
