"""Find the files of a pretrained model on this machine. Loads no torch."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

import httpx

from tidemill.data.hub import REVISION
from tidemill.domain.errors import DataError, Unavailable, UsageError

INSTALL = "pip install 'tidemill[train]'"
REACH_S = 2.0
"""The longest time to reach the hub. Its own client tries for half a minute."""


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The files of a kind of model.

    `choices` tells a person without them about alternatives, `saved` how to save such a model.
    `also` is fetched if it exists; repositories have the same weights in five more forms.
    """

    needed: tuple[str, ...]
    choices: str
    saved: str
    also: tuple[str, ...] = ()

    def locate(self, name: str, *, cache: Path | None = None) -> Path:
        """Return the folder with all files.

        `name` is a folder, or a name on the Hugging Face hub with `@` and a whole commit behind it;
        files from there are fetched once into `cache`, by default the hub's own. Raises UsageError
        for a name that can be neither, DataError when a file is missing, Unavailable when the
        hub's library is not installed or the hub cannot be reached.
        """
        return self.here(name, cache=cache) or self._complete(self._fetched(name, cache))

    def here(self, name: str, *, cache: Path | None = None) -> Path | None:
        """Return the folder that `locate` gives if this machine has the files, without a request.

        Returns None if the files would have to be fetched. Otherwise raises what `locate` raises.
        """
        if Path(name).is_dir() or Path(name).is_absolute():
            return self.in_folder(Path(name))
        return self._local_snapshot(name, cache)

    def in_folder(self, folder: Path) -> Path:
        """Return the folder itself.

        Raises UsageError when there is none, DataError for a missing file.
        """
        if not folder.is_dir():
            raise UsageError(f"There is no folder {folder}.", hint=self.choices)
        return self._complete(folder)

    def _missing(self, folder: Path) -> list[str]:
        return [file for file in self.needed if not (folder / file).is_file()]

    def _complete(self, folder: Path) -> Path:
        if missing := self._missing(folder):
            raise DataError(f"{folder} holds no {' and no '.join(missing)}.", hint=self.saved)
        return folder

    def _local_snapshot(self, name: str, cache: Path | None) -> Path | None:
        repository, _, revision = name.partition("@")
        if not REVISION.fullmatch(revision):
            raise UsageError(
                f"{name!r} is no folder, and names no commit of the Hugging Face hub: a branch"
                " moves.",
                hint=f"Pin it with the commit's 40 hexadecimal digits: {repository}@COMMIT."
                f" Or: {self.choices}",
            )
        hub, errors = self._client(name)
        try:
            folder = self._snapshot(hub, name, cache, local_files_only=True)
        except errors.HFValidationError as error:
            raise UsageError(
                f"{name!r} is neither a folder nor a name on the Hugging Face hub.",
                hint=self.choices,
            ) from error
        except errors.LocalEntryNotFoundError:
            return None  # nothing of it was fetched yet
        return None if self._missing(folder) else folder

    def _fetched(self, name: str, cache: Path | None) -> Path:
        hub, _ = self._client(name)
        try:
            if not hub.constants.HF_HUB_OFFLINE:
                # Any response will do. Without one, the client would try again and again.
                timeout = httpx.Timeout(10, connect=REACH_S)
                httpx.head(hub.constants.ENDPOINT, timeout=timeout, trust_env=True)
            return self._snapshot(hub, name, cache)
        except (OSError, httpx.HTTPError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise Unavailable(
                f"{name} cannot be had from the Hugging Face hub: {reason.rstrip('.')}.",
                hint=f"Without a network: {self.choices}",
            ) from error

    def _client(self, name: str) -> tuple[ModuleType, ModuleType]:
        try:
            return import_module("huggingface_hub"), import_module("huggingface_hub.errors")
        except ImportError as error:
            raise Unavailable(
                f"{name} is on the Hugging Face hub, and huggingface_hub is not installed.",
                hint=f"{INSTALL}. Or: {self.choices}",
            ) from error

    def _snapshot(
        self, hub: ModuleType, name: str, cache: Path | None, *, local_files_only: bool = False
    ) -> Path:
        repository, _, revision = name.partition("@")
        folder: str = hub.snapshot_download(
            repository,
            revision=revision,
            cache_dir=cache,
            allow_patterns=[*self.needed, *self.also],
            local_files_only=local_files_only,
        )
        return Path(folder)
