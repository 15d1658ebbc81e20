"""Sentiment of financial texts, the training side: one text, one of three sentiments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from tidemill.codecs.text import TextCodec
from tidemill.data.ignored_files import IgnoredFile, list_ignored_files
from tidemill.data.lines import Encoding
from tidemill.data.payloads import TextColumn
from tidemill.data.remote import RemoteFile, RemoteSource
from tidemill.data.row_files import SUFFIXES, open_rows
from tidemill.data.row_source import LabelColumn, Part, RowSource
from tidemill.data.rows import cell_text
from tidemill.data.stratified import StratifiedSource
from tidemill.domain.errors import DataError
from tidemill.domain.ports import Source
from tidemill.domain.types import Split
from tidemill.learn.text_model import check_text, text_codec
from tidemill.recipes.recipe import Config
from tidemill.recipes.sentiment.sample.headlines import GeneratedSource, Headlines
from tidemill.recipes.shared.sample_data import Choice, SampleData
from tidemill.validation import validate

TARGET = "sentiment"
SPLITS: dict[str, Split] = {"train": "train", "eval": "val", "val": "val", "test": "test"}
"""Maps the name of a file to a split; the original calls its validation `eval`."""


class FilesData(Choice):
    """A person's own rows; `test` is the share that `Stratified` draws."""

    name: Literal["files"]
    path: Path
    text: str
    label: str
    columns: tuple[str, ...]
    encoding: Encoding
    where: dict[str, str | bool | int | float] | None
    test: float | None = Field(gt=0, lt=1)
    seed: int = Field(ge=0)


class KaggleData(Choice):
    """A file within an archive behind a URL."""

    name: Literal["kaggle"]
    url: str
    member: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Parts(BaseModel):
    """The part of an experiment that only this recipe reads."""

    data: Annotated[SampleData | FilesData | KaggleData, Field(discriminator="name")]


class Sentiment:
    """Fulfils `recipes.recipe.Recipe`."""

    name = "sentiment"
    description = "Sentiment of financial headlines and posts"
    conf = Path(__file__).parent / "conf"

    def check(self, config: Config) -> None:
        validate(Parts, config)
        check_text(config)

    def codec(self, config: Config) -> TextCodec:
        return text_codec(config)

    def source(self, config: Config, samples: Path) -> Source:
        data = validate(Parts, config).data
        if isinstance(data, SampleData):
            return GeneratedSource(Headlines(**data.model_dump(exclude={"name"})))
        if isinstance(data, KaggleData):
            file = RemoteFile(data.url, samples, sha256=data.sha256, member=data.member)
            rows = [Part(open_rows(file.path))]
            return RemoteSource(_labelled("kaggle", rows, "Sentence", "Sentiment"), [file])
        parts = _parts(data)
        ignored_files = _ignored_files(data, parts)
        source = _labelled("files", parts, data.text, data.label, data.where, ignored_files)
        if data.test is None:
            return source
        return StratifiedSource(source, self.codec(config), share=data.test, seed=data.seed)


def _labelled(
    name: str,
    parts: list[Part],
    text: str,
    label: str,
    where: Mapping[str, object] | None = None,
    ignored_files: Sequence[IgnoredFile] = (),
) -> RowSource:
    conditions = {column: cell_text(value) for column, value in (where or {}).items()}
    labels = {TARGET: LabelColumn(label)}
    return RowSource(
        name,
        parts,
        TextColumn(text),
        labels,
        where=conditions,
        skip_blank=True,
        ignored_files=ignored_files,
    )


def _ignored_files(data: FilesData, parts: Sequence[Part]) -> tuple[IgnoredFile, ...]:
    if not data.path.is_dir():
        return ()
    used = {part.rows.name for part in parts}
    return list_ignored_files(data.path, used, f"no {'/'.join(SUFFIXES)} file", deep=False)


def _parts(data: FilesData) -> list[Part]:
    """Return one file without splits, or the files of a folder, named after their splits."""
    hint = f"Give one file, or a folder with train.csv and test.csv ({', '.join(SUFFIXES)})."
    if not data.path.exists():
        raise DataError(f"There is no file or folder {data.path}.", hint=hint)
    files = [data.path]
    if data.path.is_dir():
        files = [path for path in sorted(data.path.iterdir()) if path.suffix.lower() in SUFFIXES]
    named = {path: SPLITS.get(path.stem.lower()) for path in files}
    # A skipped file may be the test split with a wrong name.
    strange = [path.name for path, split in named.items() if not split]
    if not named or (strange and len(named) > 1):
        what = f"{', '.join(strange)}, which names no split" if strange else "no file of rows"
        raise DataError(f"{data.path} holds {what}.", hint=hint)
    return [
        Part(open_rows(path, encoding=data.encoding, names=data.columns), split)
        for path, split in named.items()
    ]
