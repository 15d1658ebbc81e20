"""Read images from Parquet files, in the format of the Hugging Face hub."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tidemill.data.row_source import LabelColumn, Part, RowSource
from tidemill.data.rows import Row, cell_text, require
from tidemill.domain.errors import DataError
from tidemill.domain.types import Split

BATCH = 8
METADATA = b"huggingface"


class ImageRows:
    """Yield the rows of one file, a few at a time, counted from 1. Fulfils `rows.Rows`.

    BATCH images and one page of the column are in memory, however large the file and its row groups
    are. The column `image` is binary, or a struct with a field `bytes`. The value of `label`
    becomes the name of its class. A text is that name. A number is a position in the class list of
    the file's metadata (`ClassLabel` of `datasets`) or in `classes`.
    """

    def __init__(self, path: Path, *, image: str, label: str, classes: Sequence[str] = ()) -> None:
        self.path = path
        self.image = image
        self.label = label
        self.classes = tuple(classes)

    @property
    def name(self) -> str:
        return self.path.name

    def read(self, columns: Sequence[str]) -> Iterator[Row]:
        """Yield these columns of every row. Raises DataError with the file and the row."""
        wanted = list(dict.fromkeys([*columns, self.image, self.label]))
        number = 0
        try:
            # The file is memory-mapped, because a stream reader holds the column of a whole row
            # group. The hub puts up to a thousand images into one.
            with pq.ParquetFile(self.path, memory_map=True) as file:
                schema = file.schema_arrow
                require(wanted, schema.names, self.name)
                holds = self._holds(schema.field(self.image).type)
                names = self._names(schema)
                read = [holds if column == self.image else column for column in wanted]
                for batch in file.iter_batches(batch_size=BATCH, columns=read):
                    for values in batch.to_pylist():
                        number += 1
                        place = f"row {number}"
                        image = values[self.image]
                        if holds != self.image:
                            image = image and image["bytes"]
                        label = self._label(values[self.label], names, place)
                        yield Row(place, values | {self.image: image, self.label: label})
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{self.name} cannot be read after row {number}: {error}.") from error

    def _holds(self, kind: Any) -> str:
        """Return the Parquet path of the column that contains the bytes."""
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            return self.image
        if pa.types.is_struct(kind) and "bytes" in [field.name for field in kind]:
            return f"{self.image}.bytes"
        raise DataError(
            f"The column {self.image!r} of {self.name} holds no images but {kind}.",
            hint="Images are bytes, or a struct of bytes and path.",
        )

    def _names(self, schema: Any) -> tuple[str, ...]:
        """Return the class names by number; empty when the column contains the names."""
        if pa.types.is_string(kind := schema.field(self.label).type) or pa.types.is_large_string(
            kind
        ):
            return ()
        stored = _class_names((schema.metadata or {}).get(METADATA, b"{}"), self.label)
        if stored and self.classes and stored != self.classes:
            raise DataError(
                f"{self.name} calls its classes {', '.join(stored)}.",
                hint=f"Leave out the list that was given: {', '.join(self.classes)}.",
            )
        if not (names := stored or self.classes):
            raise DataError(
                f"{self.name} numbers the classes in {self.label!r} and does not name them.",
                hint="Give their names in order: data.classes=[...].",
            )
        return names

    def _label(self, value: Any, names: Sequence[str], place: str) -> str:
        label = cell_text(value)
        if not names or not label:
            return label
        if not label.isdecimal() or int(label) >= len(names):
            # The hub writes -1 for a hidden label.
            raise DataError(
                f"{self.name} {place}: {self.label!r} is {label}, which is no class.",
                hint=f"The classes are numbered from 0 to {len(names) - 1}.",
            )
        return names[int(label)]


@dataclass(frozen=True)
class ImageColumn:
    """A column of image files. The payload is the file's bytes, unchanged."""

    column: str

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def payload(self, values: Mapping[str, Any]) -> bytes | None:
        value = values.get(self.column)
        if value is not None and not isinstance(value, bytes):
            raise DataError(f"the column {self.column!r} holds no bytes but {value!r:.40}")
        return value or None


def image_source(
    name: str,
    files: Mapping[Split, Sequence[Path]],
    target: str,
    *,
    image: str = "image",
    label: str = "label",
    classes: Sequence[str] = (),
) -> RowSource:
    """Return the images of Parquet files, split by split, in the order of the files.

    One batch of rows is in memory at a time. A row without image or label is an error that names
    it.
    """
    parts = [
        Part(ImageRows(path, image=image, label=label, classes=classes), split)
        for split, paths in files.items()
        for path in paths
    ]
    return RowSource(name, parts, ImageColumn(image), {target: LabelColumn(label)})


def _class_names(metadata: bytes, column: str) -> tuple[str, ...]:
    """Return the class names of a schema written by `datasets` 2 or later.

    They stand under info > features > column > names.
    """
    try:
        feature = json.loads(metadata)["info"]["features"][column]
        names = feature["names"] if feature.get("_type") == "ClassLabel" else []
    except (ValueError, KeyError, TypeError, AttributeError):
        # Other content under that key names no classes.
        return ()
    named = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return tuple(names) if named else ()
