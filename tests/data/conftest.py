"""Examples small enough to read: a payload is a line of text that says what it looks like."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.data.retraining import AT, DISTANCE, Extend, Named
from tidemill.codecs.codec import Fingerprint
from tidemill.data.retraining_set import AcceptedLabels, RetrainingSet, extend_snapshot
from tidemill.data.snapshots import SnapshotStore
from tidemill.data.splits import joining_split
from tidemill.domain.errors import BadPayload
from tidemill.domain.types import Example, Snapshot, Split, payload_id

MakeExample = Callable[..., Example]
Write = Callable[..., Snapshot]


class TextCodec:
    """Reads `content` or `content|hash`: surrounding blanks are the container, not the content."""

    def fingerprint(self, payload: bytes) -> Fingerprint:
        try:
            content, _, near = payload.decode().strip().partition("|")
        except UnicodeDecodeError as error:
            raise BadPayload("This is not UTF-8 text.") from error
        exact = hashlib.sha256(f"{content}|{near}".encode()).hexdigest()
        return Fingerprint(exact, int(near or exact[:16], 16))


class ListSource:
    """A source that is a list."""

    name = "list"

    def __init__(self, examples: Sequence[Example]) -> None:
        self.rows = examples

    def examples(self) -> Iterator[Example]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


def make_example(
    payload: str | bytes, label: str = "rust", *, origin: str = "", split: Split | None = None
) -> Example:
    data = payload.encode() if isinstance(payload, str) else payload
    return Example(
        id=payload_id(data),
        payload=data,
        labels={"disease": label},
        source="list",
        origin=origin or f"{data.decode(errors='replace').strip()}.txt",
        split=split,
    )


@pytest.fixture(scope="session")
def codec() -> TextCodec:
    return TextCodec()


@pytest.fixture(scope="session")
def example() -> MakeExample:
    return make_example


@pytest.fixture
def source() -> Callable[[Sequence[Example]], ListSource]:
    return ListSource


@pytest.fixture
def at() -> datetime:
    return datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def crowd() -> list[Example]:
    """Ten healthy and ten rusty leaves in train, three of each in val and in test."""
    sizes: list[tuple[Split, int]] = [("train", 10), ("val", 3), ("test", 3)]
    return [
        make_example(f"{label} {split} {number}", label, split=split)
        for split, size in sizes
        for label in ("healthy", "rust")
        for number in range(size)
    ]


@pytest.fixture
def store(tmp_path: Path) -> SnapshotStore:
    return SnapshotStore(tmp_path / "snapshots")


@pytest.fixture
def write(store: SnapshotStore, crowd: list[Example], at: datetime) -> Write:
    def written(rows: Any = None, **choices: Any) -> Snapshot:
        settings = {"recipe": "leaves", "policy": "stop", "parent": None, "at": at} | choices
        return store.write(crowd if rows is None else rows, **settings)

    return written


@pytest.fixture
def extend(store: SnapshotStore, codec: Any, write: Any, crowd: list[Example]) -> Extend:
    """Grows a parent, the crowd's snapshot unless another one is named."""
    write()

    def result(items: Sequence[AcceptedLabels], parent: str = "", **choices: Any) -> RetrainingSet:
        opened = store.open(parent or write().id)
        arguments: Any = {"recipe": "leaves", "near_distance": DISTANCE, "at": AT} | choices
        return extend_snapshot(opened, items, codec, store, **arguments)

    return result


@pytest.fixture
def named(codec: Any) -> Named:
    """Makes a payload that its hash puts in a split."""

    def text_in(split: Split) -> str:
        texts = (f"leaf {n}" for n in range(1000))
        return next(
            text for text in texts if joining_split(codec.fingerprint(text.encode()).exact) == split
        )

    return text_in
