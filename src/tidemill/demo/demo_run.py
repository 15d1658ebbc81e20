"""Where the story is played: one trained workspace, and a copy of it for each claim."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import httpx

from tidemill import provenance
from tidemill.adapters.child_process import (
    PATIENCE,
    EngineProcess,
    ServerProcess,
    argv,
    environment,
)
from tidemill.demo import code_state
from tidemill.demo.scenario import World
from tidemill.domain.errors import TidemillError
from tidemill.domain.ports import Source
from tidemill.domain.types import Example, ModelVersion
from tidemill.screen import Stages
from tidemill.settings import Settings, read_settings
from tidemill.web.slots import View
from tidemill.workspace.planning import plan
from tidemill.workspace.root import Workspace, open_workspace

ASKED = 500
"""Payloads that clients ask about where it matters that they are many."""


@dataclass(frozen=True, slots=True)
class Said:
    """How a child process ended, and the JSON object that it printed."""

    code: int
    body: dict[str, Any]


class Stage:
    """The folder of a demo. `base` is the workspace that all claims share and none changes.

    A file beside it says which sources trained it, and that it is complete.
    """

    def __init__(self, world: World, settings: Settings, tell: Callable[[str], None]) -> None:
        self.world = world
        self.root = settings.home / "demo" / world.recipe
        self.samples = settings.samples or settings.home / "samples"
        self.base = self.root / "base"
        self._note = self.root / "base.json"
        self._turned = self.root / "after-one-cycle"
        self.tell = tell

    def clear(self) -> None:
        """Begin anew; generated samples are kept."""
        shutil.rmtree(self.root, ignore_errors=True)

    def reuse(self) -> None:
        """Go on with the shared workspace of an earlier demo, and say so when it is another's."""
        if self._note.exists() and self.trained_by()["package"] != provenance.package_digest():
            self.tell(f"note: {self.base} was trained by other sources than these; they judge it")

    def run(self, home: Path, *words: str, quiet: bool = True) -> Said:
        """Run a command of Tidemill on a workspace, with `--json`."""
        done = subprocess.run(
            argv(*words, "--json"),
            env=self._environment(home),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if quiet else None,
            text=True,
            check=False,
        )
        return Said(done.returncode, json.loads(done.stdout) if done.stdout else {})

    def train(self, home: Path, *overrides: str, promoted: bool = False) -> Said:
        """Train on the generated sample, with live progress."""
        flags = ("--promote",) if promoted else ()
        return self.run(home, "train", self.world.recipe, *overrides, *flags, quiet=False)

    def folder(self, name: str) -> Path:
        """An empty folder of this demo."""
        folder = self.root / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def workspace(self, name: str) -> Workspace:
        """A copy of the trained workspace, to be changed at will."""
        self._train_base()
        return self.copied(self.base, name)

    def adopt(self, home: Path) -> None:
        """Make a newly trained workspace the shared one, unless there is one."""
        if not self._note.exists():
            shutil.rmtree(self.base, ignore_errors=True)
            shutil.copytree(home, self.base)
            self._sign()

    def trained_by(self) -> dict[str, Any]:
        """The sources that trained the shared workspace, as the demo found them then."""
        self._train_base()
        noted: dict[str, Any] = json.loads(self._note.read_bytes())
        return noted

    def second(self) -> str:
        """The second version in the shared workspace, trained when it is not there yet."""
        self._train_base()
        with self._open(self.base).ledger.begin(write=False) as unit:
            known = unit.latest(ModelVersion)
        if len(known) == 1:
            self.tell("training a second version")
            if self.train(self.base, *self.world.second).code:
                raise TidemillError("The second version could not be trained; see above.")
        return "v2"

    def copied(self, home: Path, name: str) -> Workspace:
        """A copy of some workspace, to be changed at will."""
        copy = self.root / name
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(home, copy)
        return self._open(copy)

    def turn(self, home: Path) -> None:
        """Keep a workspace whose mill has turned once, for the claims that begin there."""
        shutil.rmtree(self._turned, ignore_errors=True)
        shutil.copytree(home, self._turned)

    def turned(self) -> Workspace | None:
        """That workspace; None when there is none yet."""
        return self._open(self._turned) if self._turned.exists() else None

    def _train_base(self) -> None:
        if self._note.exists():
            return
        self.tell("no trained workspace yet: training the champion")
        shutil.rmtree(self.base, ignore_errors=True)
        if self.train(self.base, promoted=True).code:
            raise TidemillError("The champion could not be trained; see above.")
        self._sign()

    def _sign(self) -> None:
        self._note.write_text(json.dumps(code_state.running(Path.cwd())) + "\n")

    def _open(self, home: Path) -> Workspace:
        return open_workspace(read_settings(home=home, samples=self.samples, actor="demo"))

    @contextmanager
    def server(self, home: Path, **given: str) -> Iterator[ServerProcess]:
        """A server over a workspace, on a free port; it speaks to `server.log` there."""
        variables = {f"TIDEMILL_{name.upper()}": value for name, value in given.items()}
        with (
            (home / "server.log").open("ab") as log,
            ServerProcess(home, given={**variables, "TIDEMILL_ACTOR": "demo"}, log=log) as process,
        ):
            yield process

    @contextmanager
    def engine(self, home: Path, *policies: str, **given: str) -> Iterator[EngineProcess]:
        """An engine over a workspace; it speaks to `engine.log` there."""
        variables = {f"TIDEMILL_{name.upper()}": value for name, value in given.items()}
        own = {"TIDEMILL_SAMPLES": str(self.samples), "TIDEMILL_ACTOR": "demo"}
        with (
            (home / "engine.log").open("ab") as log,
            EngineProcess(home, *policies, given={**variables, **own}, log=log) as process,
        ):
            yield process

    def prepare(self) -> None:
        """Make the sample once, with a bar; every workspace of the demo shares it."""
        with Stages(f"make {self.world.items}") as stages:
            self._source().prepare(stages.step)

    def payloads(self) -> list[bytes]:
        """Payloads that no model was trained on: the test set's first ones."""
        test = (row for row in self.examples() if row.split == "test")
        return [example.payload for example in islice(test, ASKED)]

    def examples(self) -> Iterator[Example]:
        """Every example of the sample."""
        return self._source().examples()

    def _source(self) -> Source:
        recipe, experiment = plan(self.world.recipe)
        return recipe.source(experiment.tree(), self.samples)

    def _environment(self, home: Path) -> dict[str, str]:
        given = {"TIDEMILL_SAMPLES": str(self.samples), "TIDEMILL_ACTOR": "demo"}
        return environment(home, given)


def readiness(server: ServerProcess) -> tuple[bool, str]:
    """Wait until the server has made up its mind: (ready, what it says against it)."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        response = server.ready()
        if response.status_code == httpx.codes.OK:
            return True, ""
        message = response.json()["error"]["message"]
        if message != View(None, None).fault:
            return False, message
        time.sleep(0.02)
    return False, "it did not say anything in time"
