"""Read nodes from a folder with a `.content` and a `.cites` file, the format of Cora."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from tidemill.codecs.citations import Citations, read_citations
from tidemill.data.ignored_files import IgnoredFile, list_ignored_files
from tidemill.domain.errors import BadPayload, DataError
from tidemill.domain.types import Example, Split, payload_id

Parting = Literal["original", "hash"]
ORIGINAL: tuple[tuple[Split, range], ...] = (
    ("train", range(140)),
    ("val", range(200, 500)),
    ("test", range(500, 1500)),
)
"""The nodes of each split by their position in the file, as the original has it."""


class CitationFiles:
    """Yield the nodes of such a folder in the file's order. Fulfils `domain.ports.Source`.

    With the split `original`, a node outside the ranges is a neighbour without a label. With
    `hash`, Tidemill assigns the splits. A folder may hold one file of each kind. Raises DataError
    with the file and the line for every fault, such as a node that does not have `features`
    features.
    """

    name = "files"

    def __init__(
        self, path: Path, target: str, *, features: int, split: Parting = "original"
    ) -> None:
        self.path = path
        self.target = target
        self.features = features
        self.split = split

    def prepare(self, progress: Callable[[int, int], None]) -> None:
        """Do nothing: a folder is local. A missing one is reported when it is read."""

    def __len__(self) -> int:
        """Return the number of nodes. Raises DataError."""
        return len(self._read().ids)

    def examples(self) -> Iterator[Example]:
        """Yield every node. Raises DataError."""
        content, graph = self._file("content"), self._read()
        splits = self._splits(len(graph.ids))
        for at, (id, payload) in enumerate(graph.examples()):
            learnt = splits is None or at in splits
            yield Example(
                id=payload_id(payload),
                payload=payload,
                labels={self.target: graph.labels[id]} if learnt else {},
                source=self.name,
                origin=f"{content.name} node {id}",
                split=None if splits is None else splits.get(at, "train"),
            )

    def ignored_files(self) -> tuple[IgnoredFile, ...]:
        """Return the other files of the folder. Raises DataError as `examples` does."""
        used = {self._file(suffix).name for suffix in ("content", "cites")}
        return list_ignored_files(self.path, used, "no .content or .cites file", deep=False)

    def _read(self) -> Citations:
        content, cites = self._file("content"), self._file("cites")
        try:
            graph = read_citations(content.read_bytes(), cites.read_bytes(), features=self.features)
        except BadPayload as error:
            # The reader knows the kind of the file, but not its name.
            kind, _, rest = error.message.partition(" line ")
            named = {"content": content.name, "cites": cites.name}.get(kind)
            message = f"{named} line {rest}" if named else error.message
            raise DataError(message, hint=error.hint) from error
        except OSError as error:
            raise DataError(f"{error.filename} cannot be read: {error.strerror}.") from error
        if not graph.labels:
            raise DataError(
                f"{content.name} has no labels to learn from.",
                hint="The label is the last field of a line.",
            )
        return graph

    def _file(self, suffix: str) -> Path:
        if not self.path.is_dir():
            raise DataError(f"No folder at {self.path}.", hint="Give the folder with the files.")
        files = sorted(self.path.glob(f"*.{suffix}"))
        if len(files) != 1:
            raise DataError(
                f"{self.path} holds {len(files)} .{suffix} files.",
                hint="Give a folder with one .content and one .cites file.",
            )
        return files[0]

    def _splits(self, nodes: int) -> dict[int, Split] | None:
        if self.split == "hash":
            return None
        if nodes < ORIGINAL[-1][1].stop:
            raise DataError(
                f"The original's split takes {ORIGINAL[-1][1].stop:,} nodes; there are {nodes:,}.",
                hint="Choose data.split=hash.",
            )
        return {at: split for split, places in ORIGINAL for at in places}
