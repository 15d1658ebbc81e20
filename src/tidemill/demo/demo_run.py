"""The folder of one demo: a trained workspace, and a copy of it for each claim."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from tidemill import provenance
from tidemill.adapters.child_process import (
    EngineProcess,
    ServerProcess,
    argv,
    child_environment,
)
from tidemill.demo.scenario import Scenario
from tidemill.domain.errors import TidemillError
from tidemill.domain.ports import Source
from tidemill.domain.types import Example, ModelVersion
from tidemill.screen import Stages, warn
from tidemill.settings import Settings
from tidemill.workspace.planning import plan
from tidemill.workspace.workspace import Workspace

PAYLOADS = 500
"""Payloads that clients send where many are needed."""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command ended, and the JSON object that it printed."""

    exit_code: int
    output: dict[str, Any]


class DemoRun:
    """The folder of a demo. `base` is the workspace that all claims share and none changes.

    A file beside `base` names the code that trained it, and shows that it is complete.
    """

    def __init__(
        self, scenario: Scenario, settings: Settings, notify: Callable[[str], None]
    ) -> None:
        self.scenario = scenario
        self.root = settings.home / "demo" / scenario.recipe
        self.samples = settings.samples or settings.home / "samples"
        self.base = self.root / "base"
        self.notify = notify
        self._base_note = self.root / "base.json"
        self._retrained = self.root / "after-one-cycle"
        self._warned: set[str] = set()

    def clear(self) -> None:
        """Remove what an earlier demo left; generated samples stay."""
        shutil.rmtree(self.root, ignore_errors=True)

    def resume(self) -> None:
        """Use the base workspace of an earlier demo; warn when other code trained it."""
        if self._base_note.exists() and self.base_code()["package"] != provenance.package_digest():
            self.notify(f"note: {self.base} was trained by other sources than these; they judge it")

    def run_command(self, home: Path, *words: str, quiet: bool = True) -> CommandResult:
        """Run a command of Tidemill on a workspace, with `--json`."""
        completed = subprocess.run(
            argv(*words, "--json"),
            env=self._environment(home),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if quiet else None,
            text=True,
            check=False,
        )
        output = json.loads(completed.stdout) if completed.stdout else {}
        return CommandResult(completed.returncode, output)

    def train(self, home: Path, *overrides: str, promoted: bool = False) -> CommandResult:
        """Train on the generated sample, with live progress; each warning is shown once."""
        flags = ("--hide-warnings", *(("--promote",) if promoted else ()))
        result = self.run_command(
            home, "train", self.scenario.recipe, *overrides, *flags, quiet=False
        )
        warn(self.select_new_warnings(result.output.get("warnings", ())))
        return result

    def select_new_warnings(self, lines: Iterable[str]) -> list[str]:
        """Return the warnings that no earlier training of this demo caused: all train on one
        sample.
        """
        new = [line for line in lines if line not in self._warned]
        self._warned.update(new)
        return new

    def make_folder(self, name: str) -> Path:
        """Make an empty folder of this demo."""
        folder = self.root / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def copy_base(self, name: str) -> Workspace:
        """Copy the base workspace; the copy may be changed."""
        self._train_base()
        return self.copy_workspace(self.base, name)

    def adopt_base(self, home: Path) -> None:
        """Make a newly trained workspace the base, unless there is one."""
        if not self._base_note.exists():
            shutil.rmtree(self.base, ignore_errors=True)
            shutil.copytree(home, self.base)
            self._write_base_note()

    def base_code(self) -> dict[str, Any]:
        """Return the code that trained the base workspace, as `current_code` saw it then."""
        self._train_base()
        code: dict[str, Any] = json.loads(self._base_note.read_bytes())
        return code

    def train_second(self) -> str:
        """Train a second version in the base workspace, once; returns its id."""
        self._train_base()
        with self._open(self.base).ledger.begin(write=False) as unit:
            versions = unit.latest(ModelVersion)
        if len(versions) == 1:
            self.notify("training a second version")
            if self.train(self.base, *self.scenario.second_overrides).exit_code:
                raise TidemillError("The second version could not be trained; see above.")
        return "v2"

    def copy_workspace(self, home: Path, name: str) -> Workspace:
        """Copy any workspace; the copy may be changed."""
        copy = self.root / name
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(home, copy)
        return self._open(copy)

    def save_retrained(self, home: Path) -> None:
        """Keep a workspace after its first cycle, for the claims that begin there."""
        shutil.rmtree(self._retrained, ignore_errors=True)
        shutil.copytree(home, self._retrained)

    def open_retrained(self) -> Workspace | None:
        """Open that workspace; None when there is none yet."""
        return self._open(self._retrained) if self._retrained.exists() else None

    def _train_base(self) -> None:
        if self._base_note.exists():
            return
        self.notify("no trained workspace yet: training the champion")
        shutil.rmtree(self.base, ignore_errors=True)
        if self.train(self.base, promoted=True).exit_code:
            raise TidemillError("The champion could not be trained; see above.")
        self._write_base_note()

    def _write_base_note(self) -> None:
        self._base_note.write_text(json.dumps(current_code(Path.cwd())) + "\n")

    def _open(self, home: Path) -> Workspace:
        return Workspace(home, samples=self.samples, actor="demo")

    @contextmanager
    def start_server(self, home: Path, **settings: str) -> Iterator[ServerProcess]:
        """Start a server over a workspace, on a free port; it logs to `server.log` there."""
        with (
            (home / "server.log").open("ab") as log,
            ServerProcess(home, settings=_variables(actor="demo", **settings), log=log) as process,
        ):
            yield process

    @contextmanager
    def start_engine(self, home: Path, *policies: str, **settings: str) -> Iterator[EngineProcess]:
        """Start an engine over a workspace; it logs to `engine.log` there."""
        variables = _variables(actor="demo", samples=str(self.samples), **settings)
        with (
            (home / "engine.log").open("ab") as log,
            EngineProcess(home, *policies, settings=variables, log=log) as process,
        ):
            yield process

    def prepare_sample(self) -> None:
        """Generate the sample once, with a progress bar; all workspaces of the demo share it."""
        with Stages(f"make {self.scenario.examples_noun}") as stages:
            self._source().prepare(stages.step)

    def test_payloads(self) -> list[bytes]:
        """Return the first payloads of the test split: no model was trained on them."""
        test = (row for row in self.examples() if row.split == "test")
        return [example.payload for example in islice(test, PAYLOADS)]

    def examples(self) -> Iterator[Example]:
        """Return every example of the sample."""
        return self._source().examples()

    def _source(self) -> Source:
        recipe, experiment = plan(self.scenario.recipe)
        return recipe.source(experiment.tree(), self.samples)

    def _environment(self, home: Path) -> dict[str, str]:
        return child_environment(home, _variables(actor="demo", samples=str(self.samples)))


def _variables(**settings: str) -> dict[str, str]:
    return {f"TIDEMILL_{name.upper()}": value for name, value in settings.items()}


def current_code(folder: Path) -> dict[str, Any]:
    """Return the code that runs now, read from the files and from git, not from the product's
    records.

    A training that is started in `folder` must record the same.
    """
    return {"package": provenance.package_digest(), "revision": _commit(folder)}


def _commit(folder: Path) -> str:
    """Return the commit of the checkout; empty outside a checkout or without git."""
    try:
        completed = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return completed.stdout.strip() if completed.returncode == 0 else ""
