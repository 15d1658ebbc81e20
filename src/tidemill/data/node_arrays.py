"""Read nodes from one `.npz` file: features in CSR form, edges, classes and split masks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.npyio import NpzFile

from tidemill.codecs.nodes import node_payload
from tidemill.data.links import Links
from tidemill.domain.errors import DataError
from tidemill.domain.types import Example, Split, payload_id
from tidemill.profile import BROKEN_ARRAYS

Whole = npt.NDArray[np.int64]
MASKS: dict[str, Split] = {"train_idx": "train", "val_idx": "val", "test_idx": "test"}
WHOLE = ("x_indptr", "x_indices", "x_shape", "y", "edge_index", *MASKS)
"""The arrays of whole numbers; `x_data` may hold any finite numbers."""


class NodeArrays:
    """Yield the nodes of such a file; a node's id is its number. Fulfils `domain.ports.Source`.

    `x_indptr, x_indices, x_data, x_shape` are the features [nodes, features]. `y` [nodes] is the
    class of each node, as a position in `names`. `edge_index` [2, edges] may list a link once or in
    both directions. `train_idx`, `val_idx`, `test_idx` list the nodes of each split. A node in none
    of them is a neighbour without a label, as the masks intend.

    Nothing in the file is executed: arrays of Python objects are refused. Raises DataError with the
    array and the position of every fault.
    """

    name = "npz"

    def __init__(self, path: Path, target: str, names: Sequence[str], *, features: int) -> None:
        self.path = path
        self.target = target
        self.names = tuple(names)
        self.features = features

    def prepare(self, progress: Callable[[int, int], None]) -> None:
        """Do nothing: the file is local. A missing one is reported when it is read."""

    def __len__(self) -> int:
        """Return the number of nodes. Raises DataError."""
        return len(self._arrays()["y"])

    def examples(self) -> Iterator[Example]:
        """Yield every node, by its number. Raises DataError."""
        arrays = self._arrays()
        links = self._links(arrays)
        splits = self._splits(arrays)
        for at, label in enumerate(self._labels(arrays["y"])):
            payload = node_payload(str(at), self._row(arrays, at), links.of(str(at)))
            yield Example(
                id=payload_id(payload),
                payload=payload,
                labels={self.target: label} if at in splits else {},
                source=self.name,
                origin=f"{self.path.name} node {at}",
                split=splits.get(at, "train"),
            )

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        try:
            opened = np.load(self.path, allow_pickle=False)
            if not isinstance(opened, NpzFile):
                raise DataError(f"{self.path} cannot be read as .npz: it is a single array.")
            with opened as file:
                missing = [name for name in (*WHOLE, "x_data") if name not in file]
                if missing:
                    raise DataError(f"{self.path.name} holds no array {missing[0]!r}.")
                arrays = {name: file[name] for name in (*WHOLE, "x_data")}
        except BROKEN_ARRAYS as error:
            reason = str(error).rstrip(".") or type(error).__name__
            raise DataError(f"{self.path} cannot be read as .npz: {reason}.") from error
        for name in WHOLE:
            if arrays[name].dtype.kind not in "iu":
                raise self._fault(f"{name} holds {arrays[name].dtype}, not whole numbers")
            arrays[name] = arrays[name].astype(np.int64)
        self._check(arrays)
        return arrays

    def _check(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        shape, starts, data = arrays["x_shape"], arrays["x_indptr"], arrays["x_data"]
        if shape.shape != (2,) or shape[0] < 1:
            raise self._fault("x_shape is no count of nodes and features")
        nodes, features = (int(count) for count in shape)
        if features != self.features:
            raise DataError(
                f"{self.path.name} has {features} features where {self.features} are expected.",
                hint=f"Set codec.features={features}.",
            )
        for name, length in (("x_indptr", nodes + 1), ("y", nodes)):
            if arrays[name].shape != (length,):
                raise self._fault(f"{name} has the shape {arrays[name].shape}, not ({length},)")
        stored = arrays["x_indices"].shape
        if data.dtype.kind not in "iuf" or data.shape != stored or len(stored) != 1:
            raise self._fault("x_data and x_indices are not one number for each stored feature")
        if not np.isfinite(data).all():
            raise self._fault("x_data holds a number that is not finite")
        if starts[0] != 0 or starts[-1] != len(data) or (np.diff(starts) < 0).any():
            raise self._fault("x_indptr does not divide x_indices into rows")
        edges = arrays["edge_index"]
        if edges.ndim != 2 or len(edges) != 2:
            raise self._fault(f"edge_index has the shape {edges.shape}, not (2, edges)")
        for name, most in (("x_indices", features), *((n, nodes) for n in ("edge_index", *MASKS))):
            outside = (arrays[name] < 0) | (arrays[name] >= most)
            if outside.any():
                wrong = arrays[name][outside][0]
                raise self._fault(f"{name} holds {wrong}, which is not in 0..{most - 1}")

    def _links(self, arrays: dict[str, npt.NDArray[Any]]) -> Links:
        links = Links(str(at) for at in range(len(arrays["y"])))
        for one, other in arrays["edge_index"].T.tolist():
            links.add(str(one), str(other))
        return links

    def _splits(self, arrays: dict[str, npt.NDArray[Any]]) -> dict[int, Split]:
        splits: dict[int, Split] = {}
        for name, split in MASKS.items():
            for at in arrays[name].reshape(-1).tolist():
                if at in splits:
                    raise self._fault(f"node {at} of {name} is in {splits[at]} already")
                splits[at] = split
        return splits

    def _labels(self, classes: Whole) -> Iterator[str]:
        for at, value in enumerate(classes.tolist()):
            if not 0 <= value < len(self.names):
                raise DataError(
                    f"{self.path.name}: node {at} has the class {value}, and {len(self.names)} "
                    "classes are named.",
                    hint="Name them all in data.names, in the order of their numbers.",
                )
            yield self.names[value]

    def _row(self, arrays: dict[str, npt.NDArray[Any]], at: int) -> dict[int, float]:
        part = slice(*arrays["x_indptr"][at : at + 2].tolist())
        places, values = arrays["x_indices"][part].tolist(), arrays["x_data"][part].tolist()
        row: dict[int, float] = {}
        for place, value in zip(places, values, strict=True):
            if place in row:
                raise self._fault(f"node {at} has the feature {place} twice")
            row[place] = value
        return row

    def _fault(self, what: str) -> DataError:
        return DataError(f"{self.path.name}: {what}.")
