"""The trained workspace that is served, and the painted leaves that are asked about."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tidemill.adapters.child_process import argv, child_environment
from tidemill.adapters.hydra import resolve
from tidemill.adapters.onnx import OnnxRuntime
from tidemill.bundle import BundleStore
from tidemill.domain.errors import NotFound, TidemillError, Unavailable
from tidemill.domain.types import ModelVersion
from tidemill.predictor import Predictor
from tidemill.recipes.coffee.recipe import Coffee
from tidemill.recipes.shared.sample_images import SampleSource
from tidemill.settings import Settings, read_settings
from tidemill.workspace.workspace import Workspace

LEFT_OUT = shutil.ignore_patterns("traffic", "samples", "snapshots", "demo", "bench-*")


@dataclass(frozen=True, slots=True)
class Served:
    """A workspace with a champion. `home` is a copy, so that no log of anybody grows."""

    home: Path
    settings: Settings
    champion: ModelVersion

    def predictor(self) -> Predictor:
        """The champion, loaded with as many threads as the server gives it."""
        bundle = BundleStore(self.home / "bundles").open(self.champion.bundle)
        return Predictor(bundle, OnnxRuntime(bundle.model, threads=self.settings.threads))


@contextmanager
def served(home: Path) -> Iterator[Served]:
    """A copy of the workspace `home`, on the same disk; a champion is trained there if none is.

    Raises TidemillError when the training fails.
    """
    settings = read_settings(home=home)
    champion = _champion(settings) or _train(settings)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=home) as folder:
        copy = Path(folder) / "home"
        shutil.copytree(home, copy, ignore=LEFT_OUT)
        yield Served(copy, settings, champion)


def painting(samples: Path) -> SampleSource:
    """The default sample of the coffee recipe, painted or not, below `samples`."""
    recipe = Coffee()
    source = recipe.source(resolve(recipe.conf, []), samples)
    assert isinstance(source, SampleSource)
    return source


def leaves(home: Path, most: int) -> list[str]:
    """Files of painted leaves that no model was trained on, all classes mixed."""
    source = painting(read_settings(home=home).samples or home / "samples")
    source.prepare(lambda _done, _all: None)
    files = (source.path / "test").glob("*/*.bmp")
    return [str(file.absolute()) for file in sorted(files, key=lambda file: file.name)][:most]


def _champion(settings: Settings) -> ModelVersion | None:
    with Workspace(settings.home) as workspace:
        try:
            return workspace.champion()
        except (NotFound, Unavailable):
            return None


def _train(settings: Settings) -> ModelVersion:
    words = argv("train", "coffee", "--promote")
    done = subprocess.run(words, env=child_environment(settings.home), check=False)
    champion = None if done.returncode else _champion(settings)
    if champion is None:
        raise TidemillError("No champion could be trained; the reason stands above.")
    return champion
