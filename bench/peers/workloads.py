"""What the contestants are asked: a version of Tidemill and payloads for it.

Each version is trained once, in a workspace of its own, and kept. The peers serve the files of the
same bundle.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.peers.encoder import write_encoder
from bench.train import train
from tidemill.adapters.child_process import argv, child_environment
from tidemill.domain.errors import NotFound, TidemillError, Unavailable
from tidemill.recipes.sentiment.sample.headlines import Headlines, examples
from tidemill.workspace.workspace import Workspace

Form = Literal["text", "image", "node"]
PAYLOADS = 64
WORDS = 28
"""Of each text."""


@dataclass(frozen=True, slots=True)
class Workload:
    """`bundle` is the folder of the champion of the workspace `home`."""

    name: str
    form: Form
    home: Path
    bundle: Path
    payloads: Sequence[bytes]


def bert(root: Path) -> Workload:
    """Return texts of 28 words for a BERT of 4 layers, 256 wide."""
    home = root / "bert"
    texts = [row.payload.decode() for row in examples(Headlines(train=2_000, val=0, test=0))]

    def make() -> None:
        encoder = home / "encoder"
        write_encoder(encoder, texts)
        small = ("data.train=60", "data.val=60", "data.test=60", "train.epochs=1")
        train(home, "model=bert", f"model.path={encoder}", *small, recipe="sentiment")
        _promote(home, "random weights, for a benchmark")

    bundle = _champion(home, make)
    words = " ".join(texts).split()
    rows = [" ".join(words[at * WORDS : (at + 1) * WORDS]) for at in range(PAYLOADS)]
    return Workload("bert", "text", home, bundle, [row.encode() for row in rows])


WORKLOADS: Mapping[str, Callable[[Path], Workload]] = {"bert": bert}


def _champion(home: Path, make: Callable[[], None]) -> Path:
    """Return the bundle of the champion, which `make` trains and promotes where there is none."""
    if bundle := _find_champion(home):
        return bundle
    make()
    if bundle := _find_champion(home):
        return bundle
    raise TidemillError(f"The workspace {home} got no champion.")


def _find_champion(home: Path) -> Path | None:
    with Workspace(home) as workspace:
        try:
            return home / "bundles" / workspace.champion().bundle
        except (NotFound, Unavailable):
            return None


def _promote(home: Path, reason: str) -> None:
    """Promote the first version, whatever the gate says. Raises TidemillError."""
    words = argv("models", "promote", "v1", "--override", reason)
    if subprocess.run(words, env=child_environment(home), check=False).returncode:
        raise TidemillError("The version could not be promoted; the reason stands above.")
