"""Store contents under their sha256, one file each: `<first two hex digits>/<id>`."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from tidemill.domain.errors import Corrupt, NotFound, StorageFailed
from tidemill.domain.ports import Blobs
from tidemill.staging import stage_folder, sync

ID = re.compile(r"[0-9a-f]{64}")
"""No other text is an id, or becomes part of a path."""


class FileBlobs:
    """A folder of blobs. A blob appears as a whole, and is on the disk before `put` returns."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, content: bytes) -> str:
        """Store these bytes. A damaged file of that id is replaced."""
        id = hashlib.sha256(content).hexdigest()
        final = self._path(id)
        with stage_folder(self.root) as folder:
            if not (final.is_file() and final.read_bytes() == content):
                written = folder / id
                written.write_bytes(content)
                sync(written)
                final.parent.mkdir(exist_ok=True)
                written.replace(final)
            # Also for an existing file: its writer may have stopped before this point.
            for parent in (final.parent, self.root):
                sync(parent)
        return id

    def get(self, id: str) -> bytes:
        """Return the bytes.

        Raises NotFound, Corrupt, and StorageFailed when they cannot be read.
        """
        if not ID.fullmatch(id):
            raise _missing(id)
        try:
            content = self._path(id).read_bytes()
        except FileNotFoundError:
            raise _missing(id) from None
        except OSError as error:
            raise StorageFailed(
                f"The blob {id} could not be read: {error.strerror or error}.",
                hint=f"Look at the rights of {self.root}.",
            ) from error
        if hashlib.sha256(content).hexdigest() != id:
            raise Corrupt(
                f"The blob {id} holds other bytes than were put there.",
                hint="Restore it from a copy, or give the same content again.",
            )
        return content

    def _path(self, id: str) -> Path:
        return self.root / id[:2] / id


def _missing(id: str) -> NotFound:
    return NotFound(f"There is no blob {id!r}.", hint="Its id is the sha256 of its content.")


def _proof(blobs: FileBlobs) -> Blobs:
    """Let mypy prove that this meets the contract."""
    return blobs
