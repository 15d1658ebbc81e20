"""One trained service of each text recipe, and one trained on random labels.

They are trained on the whole sample, so the tests that use them are among the slow ones.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.behaviour.broken import Misled
from tests.behaviour.grammar import GRAMMARS
from tests.behaviour.service import Ask, Service, asking, learn, open_home, serving
from tidemill.adapters.onnx import OnnxRuntime
from tidemill.codecs.text import TextCodec
from tidemill.domain.errors import GateRefused
from tidemill.predictor import Model
from tidemill.recipes.recipe import open_recipe
from tidemill.workspace.workspace import Workspace

LEARNT = ("data.val=300", "data.test=300")
"""What is trained on is the sample as it ships; only what judges it is smaller."""
NONSENSE = ("data.train=600", "data.val=150", "data.test=150", "train.epochs=3")


@pytest.fixture(
    scope="session",
    params=[
        pytest.param(name, marks=[pytest.mark.slow, pytest.mark.xdist_group(f"behaviour {name}")])
        for name in GRAMMARS
    ],
)
def recipe(request: pytest.FixtureRequest) -> str:
    """The name of each text recipe in turn; one worker does all of its tests."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def service(recipe: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The recipe's champion in a running server. No test trains or promotes there."""
    home = tmp_path_factory.mktemp(recipe) / "home"
    workspace = open_home(home, create=True)
    workspace.promote(learn(workspace, open_recipe(recipe), *LEARNT).version.id)
    workspace.close()
    with serving(home, recipe) as served:
        assert served.client.request("GET", "/v1/ready").status_code == 200
        yield served


@pytest.fixture(scope="session")
def misled(recipe: str, tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """A model trained on random labels, called directly, because the gate refuses it."""
    workspace = open_home(tmp_path_factory.mktemp(f"misled {recipe}") / "home", create=True)
    version = learn(workspace, Misled(open_recipe(recipe)), *NONSENSE).version
    with pytest.raises(GateRefused):
        workspace.promote(version.id)
    predictor = workspace.predictor(version)
    workspace.close()
    return asking(predictor, GRAMMARS[recipe].target)


@pytest.fixture
def miscoded(service: Service) -> Callable[[type[TextCodec]], Ask]:
    """`miscoded(codec)`: the champion's graph and labels behind another codec."""
    workspace = open_home(service.home)
    bundle = workspace.bundles.open(workspace.champion().bundle)
    workspace.close()

    def build(codec: type[TextCodec]) -> Ask:
        text_codec = codec.from_config(bundle.codec.config())
        model = Model(text_codec, bundle.classes, OnnxRuntime(bundle.model))
        return asking(model, service.grammar.target)

    return build


@pytest.fixture
def copied(service: Service, tmp_path: Path) -> Iterator[Workspace]:
    """A copy of the workspace that a test may change; `serving` can serve it."""
    shutil.copytree(service.home, tmp_path / "home", ignore=shutil.ignore_patterns("traffic"))
    home_workspace = open_home(tmp_path / "home")
    yield home_workspace
    home_workspace.close()
