"""The original's sources of questions and judgements: their places, and the meaning of labels.

None has a validation split. It is drawn in blocks, because ETHICS lists variants of a judgement, of
either label, in neighbouring rows. Rows from users are only learnt from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tidemill.data.blocks import BlockSplitSource
from tidemill.data.hub import hub_url
from tidemill.data.payloads import TextColumn
from tidemill.data.remote import RemoteFile, RemoteSource
from tidemill.data.row_files import open_rows
from tidemill.data.row_source import LabelColumn, Part, RowSource
from tidemill.data.rows import Row, Rows, cell_text
from tidemill.data.sql_rows import SqlRows
from tidemill.domain.errors import DataError
from tidemill.domain.types import Split

TARGET = "answer"
SPLITS: tuple[Split, Split] = ("train", "test")

YES_OR_NO = {"yes": "yes", "true": "yes", "1": "yes", "no": "no", "false": "no", "0": "no"}
"""The spellings of the two answers in files and databases."""

WRONG_IS_ONE = {"0": "yes", "1": "no"}
"""ETHICS labels whether an act is wrong; Lucky answers whether it is all right."""

_BOOLQ = ("google/boolq", "35b264d03638db9f4ce671b711558bf7ff0f80d5")
_STRATEGYQA = ("ChilleD/StrategyQA", "705562638fe1d8ca6bb98c66fc8f94d45fda8c83")
_ETHICS = (
    "https://raw.githubusercontent.com/EleutherAI/gpt-neox/"
    "49e7b2c7ac5ab67b89400dff7cc9d1cc40bc9422/data/ethics/"
)


@dataclass(frozen=True, slots=True)
class Published:
    """A file behind a URL. Without a digest, the first fetch records it, and it must not change."""

    url: str
    sha256: str = ""


@dataclass(frozen=True)
class ShortRows:
    """The rows that ETHICS calls short: a sentence or two. Fulfils `rows.Rows`."""

    rows: Rows

    @property
    def name(self) -> str:
        return self.rows.name

    def read(self, columns: Sequence[str]) -> Iterator[Row]:
        """Yield the rows. Raises what the source's rows raise."""
        for row in self.rows.read([*columns, "is_short"]):
            if cell_text(row.values["is_short"]).lower() == "true":
                yield row


@dataclass(frozen=True, slots=True)
class Subset:
    """One source: `files` are its train and its test in a folder, `published` the same behind URLs.

    `columns` are those of text and label in the files, `published_columns` there. `values` says
    which label a value stands for. With `short`, only the rows count whose `is_short` is true; the
    file NAME_short.csv holds those alone.
    """

    files: tuple[str, str]
    columns: tuple[str, str]
    values: Mapping[str, str]
    published: tuple[Published, Published]
    published_columns: tuple[str, str]
    short: bool = False

    def paths(self, folder: Path) -> list[Path]:
        """Return the files of a folder, whether they exist or not."""
        paths = [folder / name for name in self.files]
        return [_cut(path) if self.short and _cut(path).is_file() else path for path in paths]

    def rows(self, path: Path) -> Rows:
        """Return the relevant rows of one file."""
        rows = open_rows(path)
        return ShortRows(rows) if self.short and not path.stem.endswith("_short") else rows


SUBSETS: dict[str, Subset] = {
    "boolq": Subset(
        ("boolq_train.csv", "boolq_test.csv"),
        ("input", "label"),
        YES_OR_NO,
        (
            Published(
                hub_url(*_BOOLQ, "data/train-00000-of-00001.parquet"),
                "4f028e992c0bd4df30b9f056f4946b64f5c23028034ff0ed5ea467d8538cc623",
            ),
            Published(
                hub_url(*_BOOLQ, "data/validation-00000-of-00001.parquet"),
                "52355d11524b4b874a9b9dcc278feb10f672d52c4f4eff9872e695ede59820f8",
            ),
        ),
        ("question", "answer"),
    ),
    "strategyqa": Subset(
        ("strategyqa_train.csv", "strategyqa_test.csv"),
        ("input", "label"),
        YES_OR_NO,
        (
            Published(
                hub_url(*_STRATEGYQA, "data/train-00000-of-00001-506370352f622815.parquet"),
                "82262246f9f669cc69128c64d96e81860d232482565ecb9d9c63e7ee2c6574a7",
            ),
            Published(hub_url(*_STRATEGYQA, "data/test-00000-of-00001-bae602f3ee37f4ca.parquet")),
        ),
        ("question", "answer"),
    ),
    "commonsense": Subset(
        ("cm_train.csv", "cm_test.csv"),
        ("input", "label"),
        WRONG_IS_ONE,
        (
            Published(f"{_ETHICS}commonsense/cm_train.csv"),
            Published(f"{_ETHICS}commonsense/cm_test.csv"),
        ),
        ("input", "label"),
        short=True,
    ),
    "justice": Subset(
        ("justice_train.csv", "justice_test.csv"),
        ("scenario", "label"),
        YES_OR_NO,
        (
            Published(
                f"{_ETHICS}justice/justice_train.csv",
                "175c8255f5ee3d99ad381cd716473367274dc24b3832d5e3357f37f1779a7d3f",
            ),
            Published(
                f"{_ETHICS}justice/justice_test.csv",
                "d7cc506a1055915d455a9244b26de573c75a760d416a8508a9420d41cbf40250",
            ),
        ),
        ("scenario", "label"),
    ),
}


def present(folder: Path) -> list[str]:
    """Return the subsets with files in a folder. Raises DataError for an incomplete subset."""
    names = []
    for name, subset in SUBSETS.items():
        missing = [path.name for path in subset.paths(folder) if not path.is_file()]
        if not missing:
            names.append(name)
        elif len(missing) < len(subset.files):
            raise DataError(
                f"{folder} holds half of the subset {name}: {missing[0]} is not there.",
                hint="Add it, or name the subsets that you want: data.subsets=[...].",
            )
    return names


def from_folder(name: str, folder: Path) -> BlockSplitSource:
    """Return a subset from the CSV files in a folder."""
    subset = SUBSETS[name]
    return BlockSplitSource(_source(name, subset, subset.paths(folder), subset.columns))


def from_hub(name: str, cache: Path) -> BlockSplitSource:
    """Return a published subset, fetched once into `cache`."""
    subset = SUBSETS[name]
    files = [RemoteFile(one.url, cache, sha256=one.sha256) for one in subset.published]
    paths = [file.path for file in files]
    return BlockSplitSource(
        RemoteSource(_source(name, subset, paths, subset.published_columns), files)
    )


def from_users(variable: str) -> RowSource:
    """Return the rows of the original's users: a table at an address in the environment."""
    query = "SELECT prompt, label, time FROM user_data"
    rows = SqlRows(variable, query, ("time", "prompt", "label"), name="user_data")
    labels = {TARGET: LabelColumn("label", YES_OR_NO)}
    # Anonymous rows must not judge: without a split, some would join the published tests.
    part = Part(rows, "train")
    # On the first day there may be no rows yet.
    return RowSource("user", [part], TextColumn("prompt"), labels, may_be_empty=True)


def _source(
    name: str, subset: Subset, paths: Sequence[Path], columns: tuple[str, str]
) -> RowSource:
    parts = [Part(subset.rows(path), split) for path, split in zip(paths, SPLITS, strict=True)]
    text, label = columns
    labels = {TARGET: LabelColumn(label, subset.values)}
    return RowSource(name, parts, TextColumn(text), labels, skip_blank=True)


def _cut(path: Path) -> Path:
    return path.with_stem(f"{path.stem}_short")
