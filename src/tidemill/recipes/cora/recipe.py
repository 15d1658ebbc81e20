"""Topics of papers in a citation graph, the training side: one node, one topic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from tidemill.codecs.graph import GraphCodec
from tidemill.data.citation_files import CitationFiles
from tidemill.data.node_arrays import NodeArrays
from tidemill.data.node_rows import NodeColumns, NodeRows
from tidemill.data.row_files import open_rows
from tidemill.domain.ports import Source
from tidemill.recipes.cora.sample.citations import Citations, CitationSource
from tidemill.recipes.recipe import Config
from tidemill.recipes.shared.sample_data import Choice, SampleData
from tidemill.validation import validate

TARGET = "topic"


class FilesData(Choice):
    """A `.content` and a `.cites` file; `split` decides how the nodes are divided."""

    name: Literal["files"]
    path: Path
    split: Literal["original", "hash"]


class ArraysData(Choice):
    """A `.npz` file; `names` are those of the classes, in the order of their numbers."""

    name: Literal["npz"]
    path: Path
    names: tuple[str, ...]


class TableData(Choice):
    """A table of nodes and a list of edges; see `data.node_rows.NodeColumns`."""

    name: Literal["table"]
    path: Path
    edges: Path
    id: str
    label: str
    prefix: str
    words: str
    split: str
    source: str
    target: str


class AttentionModel(Choice):
    """Graph attention: its kind, its heads, the channels of each, and what it forgets."""

    name: Literal["gat", "gatv2"]
    heads: int = Field(ge=1, le=64)
    width: int = Field(ge=1, le=256)
    dropout: float = Field(ge=0, lt=1)


class Parts(BaseModel):
    """The part of an experiment that only this recipe reads."""

    data: Annotated[SampleData | FilesData | ArraysData | TableData, Field(discriminator="name")]
    model: AttentionModel


class Cora:
    """Fulfils `recipes.recipe.Recipe`."""

    name = "cora"
    description = "Topics of papers from their words and whom they cite"
    conf = Path(__file__).parent / "conf"

    def check(self, config: Config) -> None:
        validate(Parts, config)
        self.codec(config)

    def codec(self, config: Config) -> GraphCodec:
        return GraphCodec.from_config(config["codec"])

    def source(self, config: Config, samples: Path) -> Source:
        data = validate(Parts, config).data
        features = self.codec(config).settings.features
        match data:
            case SampleData():
                return CitationSource(Citations(**data.model_dump(exclude={"name"})))
            case FilesData():
                return CitationFiles(data.path, TARGET, features=features, split=data.split)
            case ArraysData():
                return NodeArrays(data.path, TARGET, data.names, features=features)
            case TableData():
                columns = data.model_dump(include={"id", "label", "prefix", "words", "split"})
                return NodeRows(
                    open_rows(data.path),
                    open_rows(data.edges),
                    TARGET,
                    NodeColumns(features, **columns),
                    ends=(data.source, data.target),
                )
