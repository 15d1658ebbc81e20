"""Questions answered with yes or no, the training side: one text, one answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from tidemill.codecs.text import TextCodec
from tidemill.data.ignored_files import IgnoredFile, list_ignored_files
from tidemill.data.merged_source import MergedSource
from tidemill.domain.errors import DataError
from tidemill.domain.ports import Source
from tidemill.learn.text_model import check_text, text_codec
from tidemill.recipes.lucky.sample.questions import GeneratedSource, Questions
from tidemill.recipes.lucky.subsets import SUBSETS, from_folder, from_hub, from_users, present
from tidemill.recipes.recipe import Config
from tidemill.recipes.shared.sample_data import Choice, SampleData
from tidemill.validation import validate

Name = Literal["boolq", "strategyqa", "commonsense", "justice"]
SubsetNames = Annotated[tuple[Name, ...], Field(min_length=1)]


class FilesData(Choice):
    """A folder with the subsets' files. `user` names the variable with a database's address."""

    name: Literal["files"]
    path: Path
    subsets: SubsetNames | None
    user: str | None


class HubData(Choice):
    """The subsets as they were published."""

    name: Literal["hub"]
    subsets: SubsetNames
    user: str | None


class Parts(BaseModel):
    """The part of an experiment that only this recipe reads."""

    data: Annotated[SampleData | FilesData | HubData, Field(discriminator="name")]


class Lucky:
    """Fulfils `recipes.recipe.Recipe`."""

    name = "lucky"
    description = "Yes or no to a question, of facts and of what is all right to do"
    conf = Path(__file__).parent / "conf"

    def check(self, config: Config) -> None:
        validate(Parts, config)
        check_text(config)

    def codec(self, config: Config) -> TextCodec:
        return text_codec(config)

    def source(self, config: Config, samples: Path) -> Source:
        data = validate(Parts, config).data
        if isinstance(data, SampleData):
            return GeneratedSource(Questions(**data.model_dump(exclude={"name"})))
        sources: list[Source] = []
        ignored_files: tuple[IgnoredFile, ...] = ()
        if isinstance(data, HubData):
            sources += [from_hub(name, samples) for name in data.subsets]
        else:
            names = data.subsets or _there(data.path)
            sources += [from_folder(name, data.path) for name in names]
            used = {path.name for name in names for path in SUBSETS[name].paths(data.path)}
            ignored_files = list_ignored_files(
                data.path, used, "of no subset that is read", deep=False
            )
        if data.user is not None:
            sources.append(from_users(data.user))
        return MergedSource(sources, ignored_files=ignored_files)


def _there(folder: Path) -> list[str]:
    if subsets := present(folder):
        return subsets
    pairs = "; ".join(" and ".join(subset.files) for subset in SUBSETS.values())
    raise DataError(f"{folder} holds the files of no subset.", hint=f"Any of: {pairs}.")
