"""`manifest.json` of a snapshot: the contents of its folder, validated when it is read."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from tidemill.domain.errors import Corrupt
from tidemill.domain.types import Snapshot, Split

MANIFEST = "manifest.json"
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Shard(BaseModel):
    """One Parquet file, all of its rows in one split."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: Annotated[str, Field(pattern=r"^[a-z]+-\d{5,}\.parquet$")]
    split: Split
    rows: Annotated[int, Field(gt=0)]
    sha256: Digest


class Manifest(BaseModel):
    """A snapshot's record and its shards, in reading order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    id: Digest
    recipe: str
    policy: str
    parent: str | None
    at: AwareDatetime
    rows: int
    splits: dict[str, int]
    classes: dict[str, tuple[str, ...]]
    order: Literal["split, id, labels, source"] = "split, id, labels, source"
    shards: tuple[Shard, ...]

    def snapshot(self) -> Snapshot:
        """Return the record as the ledger stores it."""
        return Snapshot(
            id=self.id,
            recipe=self.recipe,
            rows=self.rows,
            splits=dict(self.splits),
            classes=dict(self.classes),
            policy=self.policy,
            parent=self.parent,
            at=self.at.astimezone(UTC),
        )


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a snapshot's folder.

    Raises Corrupt when it cannot be read, is not valid, contradicts itself, or lacks a shard.
    """
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except OSError as error:
        raise Corrupt(f"Snapshot {folder.name[:12]} has no readable {MANIFEST}.") from error
    except ValidationError as error:
        raise Corrupt(
            f"The {MANIFEST} of snapshot {folder.name[:12]} is not valid: {_first(error)}.",
            hint="Restore it from a copy, or take the snapshot again.",
        ) from error
    counts: dict[str, int] = {}
    for shard in manifest.shards:
        counts[shard.split] = counts.get(shard.split, 0) + shard.rows
        if not (folder / shard.file).is_file():
            raise Corrupt(f"Snapshot {folder.name[:12]} lacks its shard {shard.file}.")
    if (manifest.id, manifest.rows, manifest.splits) != (
        folder.name,
        sum(counts.values()),
        counts,
    ):
        raise Corrupt(f"The {MANIFEST} of snapshot {folder.name[:12]} contradicts itself.")
    return manifest


def _first(error: ValidationError) -> str:
    fault = error.errors()[0]
    place = ".".join(str(part) for part in fault["loc"]) or "JSON"
    return f"{place}: {fault['msg']}"
