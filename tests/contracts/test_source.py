"""What every source must do. A new one joins by adding one line to SOURCES."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tidemill.adapters.memory import MemorySource
from tidemill.codecs.codec import Fingerprint
from tidemill.data.blocks import BlockSplitSource
from tidemill.data.folder import FolderSource
from tidemill.data.merged_source import MergedSource
from tidemill.data.payloads import TextColumn
from tidemill.data.remote import RemoteSource
from tidemill.data.row_files import open_rows
from tidemill.data.row_source import LabelColumn, Part, RowSource
from tidemill.data.sql_rows import SqlRows
from tidemill.data.stratified import StratifiedSource
from tidemill.domain.errors import DataError
from tidemill.domain.ports import Source
from tidemill.domain.types import SPLITS, Example, payload_id
from tidemill.recipes.shared.leaves import Sample
from tidemill.recipes.shared.sample_images import SampleSource


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


class Digests:
    """Fingerprints of payloads that are alike only when they are the same."""

    def fingerprint(self, payload: bytes) -> Fingerprint:
        return Fingerprint(payload_id(payload), 0)


def filed(root: Path, count: int = 6, *, name: str = "rows") -> Source:
    lines = [json.dumps({"text": f"{n}", "kind": "ab"[n % 2]}) for n in range(count)]
    (root / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    part = Part(open_rows(root / f"{name}.jsonl"))
    return RowSource(name, [part], TextColumn("text"), {"disease": LabelColumn("kind")})


def queried(root: Path, count: int = 6) -> Source:
    with closing(sqlite3.connect(root / "rows.db")) as database, database:
        database.execute("CREATE TABLE said (text TEXT, kind TEXT, time INTEGER)")
        table = [(f"{n}", "ab"[n % 2], n) for n in range(count)]
        database.executemany("INSERT INTO said VALUES (?, ?, ?)", table)
    rows = SqlRows("CONTRACT_DATABASE", "SELECT * FROM said", ("time", "text"), page=4)
    return RowSource("said", [Part(rows)], TextColumn("text"), {"disease": LabelColumn("kind")})


def merged(root: Path, count: int = 6) -> Source:
    return MergedSource([filed(root, count, name=name) for name in ("one", "two")])


def drawn(root: Path, count: int = 6) -> Source:
    return StratifiedSource(filed(root, count), Digests(), share=0.5, seed=0)


@pytest.fixture(autouse=True)
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTRACT_DATABASE", f"sqlite:///{tmp_path / 'rows.db'}")


SOURCES: dict[str, Callable[[Path], Source]] = {
    "memory": lambda _: MemorySource(listed()),
    "folder": lambda root: FolderSource(folder(root), "disease"),
    "sample": lambda root: SampleSource(root, Sample(train=5, val=5, test=0, size=(16, 16))),
    "rows": filed,
    "query": queried,
    "merged": merged,
    "drawn": drawn,
    "blocks": lambda root: BlockSplitSource(filed(root), size=2),
    "fetched": lambda root: RemoteSource(filed(root), []),
}
EMPTY: dict[str, Callable[[Path], Source]] = {
    "memory": lambda _: MemorySource([]),
    "folder": lambda root: FolderSource(root / "leaves", "disease"),
    "sample": lambda root: SampleSource(root, Sample(train=0, val=0, test=0)),
    "rows": lambda root: filed(root, 0),
    "query": lambda root: queried(root, 0),
    "merged": lambda root: merged(root, 0),
    "drawn": lambda root: drawn(root, 0),
    "fetched": lambda root: RemoteSource(filed(root, 0), []),
}


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    implementation = SOURCES[request.param](tmp_path)
    implementation.prepare(lambda _done, _all: None)
    return implementation


def test_every_reading_gives_the_same_in_the_same_order(source: Source) -> None:
    first, second = list(source.examples()), list(source.examples())
    assert first == second
    assert len(source) == len(first) > 0


def test_every_example_is_whole(source: Source) -> None:
    rows = list(source.examples())
    names = {one.name for one in getattr(source, "sources", [source])}
    assert {example.source for example in rows} == names
    for example in rows:
        assert example.id == payload_id(example.payload)
        assert set(example.labels) == {"disease"}
        assert example.split in (None, *SPLITS)
    assert len({example.origin for example in rows}) == len(rows)


def test_to_prepare_again_changes_nothing(source: Source) -> None:
    before = list(source.examples())
    steps: list[tuple[int, int]] = []
    source.prepare(lambda done, everything: steps.append((done, everything)))
    assert steps == []
    assert list(source.examples()) == before


@pytest.mark.parametrize("name", EMPTY)
def test_nothing_to_give_is_an_error(tmp_path: Path, name: str) -> None:
    source = EMPTY[name](tmp_path)
    with pytest.raises(DataError):
        list(source.examples())
