"""What the contestants are asked: a version of Tidemill and payloads for it.

Each version is trained once, in a workspace of its own, and kept. The peers serve the files of the
same bundle.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from bench.peers.encoder import write_encoder
from bench.train import train
from bench.workspace import leaves
from tidemill.adapters.child_process import argv, child_environment
from tidemill.codecs.nodes import parse_json
from tidemill.domain.errors import NotFound, TidemillError, Unavailable
from tidemill.recipes.sentiment.sample.headlines import Headlines, examples
from tidemill.workspace.workspace import Workspace

Form = Literal["text", "image", "node"]
PAYLOADS = 64
WORDS = 28
"""Of each text."""
LEAVES, PHOTOS = 32, 8
NOISE = 4.0
"""Standard deviation, of 255."""


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


def leaf(root: Path) -> Workload:
    """Return JPEGs of painted leaves, of a usual size."""
    return _coffee(root, "leaf", (1_024, 768), LEAVES)


def photo(root: Path) -> Workload:
    """Return JPEGs of 12 megapixels, as a camera writes them."""
    return _coffee(root, "photo", (4_000, 3_000), PHOTOS)


def cora(root: Path) -> Workload:
    """Return ids of nodes of the stored graph."""
    home = root / "cora"
    bundle = _champion(home, lambda: _train(home, "cora"))
    config = json.loads((bundle / "codec.json").read_bytes())["config"]
    nodes = parse_json(zlib.decompress(base64.b64decode(config["stored"])))["nodes"]
    ids = [node["id"].encode() for node in nodes]
    return Workload("cora", "node", home, bundle, ids[:: max(1, len(ids) // PAYLOADS)][:PAYLOADS])


WORKLOADS: Mapping[str, Callable[[Path], Workload]] = {
    "bert": bert,
    "leaf": leaf,
    "photo": photo,
    "cora": cora,
}


def _coffee(root: Path, name: str, size: tuple[int, int], count: int) -> Workload:
    home = root / "coffee"
    bundle = _champion(home, lambda: _train(home, "coffee"))
    images = [to_jpeg(Path(file), size) for file in leaves(home, count)]
    return Workload(name, "image", home, bundle, images)


def to_jpeg(file: Path, size: tuple[int, int]) -> bytes:
    """Return a painted leaf as a JPEG of that size, with the noise that a sensor adds."""
    with Image.open(file) as image:
        pixels = np.asarray(image.convert("RGB").resize(size, Image.Resampling.BICUBIC), np.float32)
    noise = np.random.default_rng(0).normal(0, NOISE, pixels.shape)
    out = BytesIO()
    Image.fromarray((pixels + noise).clip(0, 255).astype(np.uint8)).save(out, "JPEG", quality=90)
    return out.getvalue()


def _train(home: Path, recipe: str) -> None:
    train(home, "--promote", recipe=recipe)


def _champion(home: Path, make: Callable[[], None]) -> Path:
    """Return the bundle of the champion, which `make` trains and promotes where there is none."""
    if bundle := _find_champion(home):
        return bundle
    shutil.rmtree(home, ignore_errors=True)  # what an older Tidemill made is made anew
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
