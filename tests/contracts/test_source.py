"""What every source must do. A new one joins by adding one line to SOURCES."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tidemill.adapters.memory import MemorySource
from tidemill.data.folder import FolderSource
from tidemill.data.samples.kept import SampleSource
from tidemill.data.samples.leaves import Sample
from tidemill.domain.errors import DataError
from tidemill.domain.ports import Source
from tidemill.domain.types import SPLITS, Example, payload_id


def listed() -> list[Example]:
    return [
        Example(payload_id(b"%d" % n), b"%d" % n, {"disease": "ab"[n % 2]}, "memory", f"{n}.txt")
        for n in range(6)
    ]


def folder(root: Path) -> Path:
    for n in range(6):
        place = root / "leaves" / "ab"[n % 2]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{n}.png").write_bytes(b"%d" % n)
    return root / "leaves"


SOURCES: dict[str, Callable[[Path], Source]] = {
    "memory": lambda _: MemorySource(listed()),
    "folder": lambda root: FolderSource(folder(root), "disease"),
    "sample": lambda root: SampleSource(root, Sample(train=5, val=5, anchor=0, size=(16, 16))),
}
EMPTY: dict[str, Callable[[Path], Source]] = {
    "memory": lambda _: MemorySource([]),
    "folder": lambda root: FolderSource(root / "leaves", "disease"),
    "sample": lambda root: SampleSource(root, Sample(train=0, val=0, anchor=0)),
}


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    made = SOURCES[request.param](tmp_path)
    made.prepare(lambda _done, _all: None)
    return made


def test_every_reading_gives_the_same_in_the_same_order(source: Source) -> None:
    first, second = list(source.examples()), list(source.examples())
    assert first == second
    assert len(source) == len(first) > 0


def test_every_example_is_whole(source: Source) -> None:
    given = list(source.examples())
    for example in given:
        assert example.id == payload_id(example.payload)
        assert example.source == source.name
        assert set(example.labels) == {"disease"}
        assert example.split in (None, *SPLITS)
    assert len({example.origin for example in given}) == len(given)


def test_to_prepare_again_changes_nothing(source: Source) -> None:
    before = list(source.examples())
    told: list[tuple[int, int]] = []
    source.prepare(lambda done, everything: told.append((done, everything)))
    assert told == []
    assert list(source.examples()) == before


@pytest.mark.parametrize("name", EMPTY)
def test_nothing_to_give_is_an_error(tmp_path: Path, name: str) -> None:
    source = EMPTY[name](tmp_path)
    with pytest.raises(DataError):
        list(source.examples())
