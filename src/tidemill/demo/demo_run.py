"""The folder of one demo: a trained workspace, and a copy of it for each claim."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import islice
from pathlib import Path
from threading import Lock, RLock
from typing import IO, Any

from tidemill import provenance
from tidemill.adapters.child_process import (
    EngineProcess,
    ServerProcess,
    argv,
    child_environment,
    run_child,
)
from tidemill.demo.scenario import Scenario
from tidemill.domain.errors import TidemillError
from tidemill.domain.ports import Source
from tidemill.domain.types import Example
from tidemill.screen import Stages, warn
from tidemill.settings import Settings
from tidemill.workspace.planning import plan
from tidemill.workspace.workspace import Workspace

PAYLOADS = 500
"""Payloads that clients send where many are needed."""
SECOND = "v2"
"""The version that `copy_second` adds to the base workspace's champion."""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command ended, and the JSON object that it printed."""

    exit_code: int
    output: dict[str, Any]


class DemoRun:
    """The folder of a demo. `base` is the workspace that all claims share and none changes.

    A file beside `base` names the code that trained it, and shows that it is complete.

    Several claims may be judged at once. A lock for each of the shared workspaces lets one of them
    make it while those that need it wait. Without `screen`, a training shows its output only when
    it fails.
    """

    def __init__(
        self,
        scenario: Scenario,
        settings: Settings,
        notify: Callable[[str], None],
        *,
        screen: bool = True,
    ) -> None:
        self.scenario = scenario
        self.shifted_examples = cache(scenario.shifted_examples)
        self.root = settings.home / "demo" / scenario.recipe
        self.samples = settings.samples or settings.home / "samples"
        self.base = self.root / "base"
        self.notify = notify
        self.base_lock, self.retrained_lock = RLock(), RLock()
        self._second_lock, self._warned_lock = Lock(), Lock()
        self._screen = screen
        self._base_note = self.root / "base.json"
        self._second = self.root / "second"
        self._retrained = self.root / "after-one-cycle"
        self._warned: set[str] = set()

    def clear(self) -> None:
        """Remove what an earlier demo left; generated samples stay."""
        shutil.rmtree(self.root, ignore_errors=True)

    def resume(self) -> None:
        """Use the base workspace of an earlier demo; warn when other code trained it."""
        if self._base_note.exists() and self.base_code()["package"] != provenance.package_digest():
            self.notify(f"note: {self.base} was trained by other sources than these; they judge it")

    def run_command(self, home: Path, *words: str) -> CommandResult:
        """Run a command of Tidemill on a workspace, with `--json`."""
        completed = subprocess.run(
            argv(*words, "--json"),
            env=child_environment(home, self._variables()),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        return CommandResult(completed.returncode, _read_output(completed.stdout))

    def train(self, home: Path, *overrides: str, promoted: bool = False) -> CommandResult:
        """Train on the generated sample; each warning is shown once.

        The training ends with this process in any case.
        """
        flags = ("--json", "--hide-warnings", *(("--promote",) if promoted else ()))
        with tempfile.TemporaryFile() as stdout, self._open_log() as log:
            exit_code = run_child(
                *("train", self.scenario.recipe, *overrides, *flags),
                home=home,
                settings=self._variables(),
                stdout=stdout,
                stderr=log,
            )
            if log and exit_code:
                self.notify(_read_all(log).decode(errors="replace").strip())
            result = CommandResult(exit_code, _read_output(_read_all(stdout)))
        warn(self.select_new_warnings(result.output.get("warnings", ())))
        return result

    def _open_log(self) -> AbstractContextManager[IO[bytes] | None]:
        return nullcontext() if self._screen else tempfile.TemporaryFile()

    def select_new_warnings(self, lines: Iterable[str]) -> list[str]:
        """Return the warnings that no earlier training of this demo caused: all train on one
        sample.
        """
        with self._warned_lock:
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

    def copy_second(self, name: str) -> Workspace:
        """Copy the workspace that has a second version beside the base's; the copy may change."""
        self._train_second()
        return self.copy_workspace(self._second, name)

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
        with self.base_lock:
            if self._base_note.exists():
                return
            self.notify("no trained workspace yet: training the champion")
            for folder in (self.base, self._second, self._retrained):
                shutil.rmtree(folder, ignore_errors=True)
            if self.train(self.base, promoted=True).exit_code:
                raise TidemillError("The champion could not be trained; see above.")
            self._write_base_note()

    def _train_second(self) -> None:
        with self._second_lock:
            if self._second.exists():
                return
            workspace = self.copy_base("second-unfinished")
            self.notify("training a second version")
            if self.train(workspace.home, *self.scenario.second_overrides).exit_code:
                raise TidemillError("The second version could not be trained; see above.")
            workspace.home.rename(self._second)

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
        variables = self._variables(**settings)
        with (
            (home / "engine.log").open("ab") as log,
            EngineProcess(home, *policies, settings=variables, log=log) as process,
        ):
            yield process

    def prepare_sample(self) -> None:
        """Generate the sample once, with a progress bar; all workspaces of the demo share it."""
        with Stages(f"make {self.scenario.examples_noun}") as stages:
            self._source.prepare(stages.step)

    def test_payloads(self) -> list[bytes]:
        """Return the first payloads of the test split: no model was trained on them."""
        test = (row for row in self.examples() if row.split == "test")
        return [example.payload for example in islice(test, PAYLOADS)]

    def examples(self) -> Iterator[Example]:
        """Return every example of the sample."""
        return self._source.examples()

    @cached_property
    def _source(self) -> Source:
        recipe, experiment = plan(self.scenario.recipe)
        return recipe.source(experiment.tree(), self.samples)

    def _variables(self, **settings: str) -> dict[str, str]:
        return _variables(actor="demo", samples=str(self.samples), **settings)


def _read_all(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


def _read_output(stdout: bytes) -> dict[str, Any]:
    return json.loads(stdout) if stdout else {}


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
