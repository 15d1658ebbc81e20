"""Images in a zip archive, as an experiment names them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import Field

from tidemill.data.archive import ArchiveSource
from tidemill.data.folder import SPLIT_NAMES
from tidemill.data.remote import RemoteFile, RemoteSource
from tidemill.domain.errors import UsageError
from tidemill.domain.ports import Source
from tidemill.domain.types import Labels
from tidemill.recipes.shared.sample_data import Choice

OFFLINE = (
    "Without a network use data=sample, or images of your own: data=folder data.path=FOLDER,"
    " data=archive data.path=FILE."
)
LIMIT = 64 * 2**30
"""The most bytes of an archive; images need more than rows."""


class ArchiveData(Choice):
    """A zip file of class folders: the one at `path`, or else the one behind `url`.

    `val` is what its folder `val/` becomes; an archive without a test may lend that.
    """

    name: Literal["archive"]
    path: Path | None
    url: str | None
    sha256: str | None = Field(pattern="^[0-9a-f]{64}$")
    val: Literal["val", "test"]


def open_archive(data: ArchiveData, labels: str | Callable[[str], Labels], cache: Path) -> Source:
    """Return the images; an archive behind a URL is fetched into `cache` by `prepare`.

    `labels` is the target that the class folders name, or what makes the labels of such a name.
    Raises UsageError when there is neither path nor URL.
    """
    splits = {name: data.val if split == "val" else split for name, split in SPLIT_NAMES.items()}
    if data.path is not None:
        return ArchiveSource(data.path, labels, splits=splits)
    if not data.url:
        raise UsageError("data=archive names no archive.", hint="Add data.path=FILE.")
    file = RemoteFile(data.url, cache, sha256=data.sha256 or "", offline=OFFLINE, limit=LIMIT)
    return RemoteSource(ArchiveSource(file.path, labels, splits=splits), [file])
