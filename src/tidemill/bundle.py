"""The one set of files that serving loads: write it, open it, verify it.

A bundle is a folder. Its `manifest.json` lists every other file with its sha256, and the bundle's
id is the sha256 of the manifest's bytes. Whoever opens a bundle says which id the ledger recorded:
a bundle that was changed and signed anew is therefore a stranger, not an accepted one.

    model.onnx       from the codec's arrays to `logits_<target>` (calibrated) and `embedding`
    codec.json       kind and configuration of the codec
    labels.json      per target, the names in the order of the logits
    golden.json      payloads with the answer they must get, see `Golden`
    evaluation.json  what the model scored, and on what
    lineage.json     snapshot, run, configuration, seed, code, environment, parent
    card.md          the same for people
    *.png            pictures of the evaluation

Nothing in it is code, and nothing is pickled.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidemill.codecs.codec import Codec, open_codec
from tidemill.domain.errors import Corrupt, DataError, NotFound
from tidemill.domain.types import Labels
from tidemill.staging import settle, staged

FORMAT = 1
MANIFEST = "manifest.json"
REQUIRED = (
    "model.onnx",
    "codec.json",
    "labels.json",
    "golden.json",
    "evaluation.json",
    "lineage.json",
    "card.md",
)
TOLERANCE = 1e-3
"""How far a golden probability may be from the recorded one (fp32)."""


@dataclass(frozen=True, slots=True)
class Golden:
    """A held-out payload that the model names rightly, and the answer recorded at training.

    `labels` are the true names. `probabilities` were computed by the training framework, so that
    reproducing them checks the exported graph, the codec and the runtime at once.
    """

    payload: bytes
    labels: Labels
    probabilities: Mapping[str, Mapping[str, float]]

    def fault(self, target: str, label: str, probabilities: Mapping[str, float]) -> str:
        """What is wrong with an answer to this sample, as a sentence; empty when it is right."""
        if label != self.labels[target]:
            return f"{target}: {label!r} was answered where {self.labels[target]!r} is true"
        recorded = self.probabilities[target]
        if set(probabilities) != set(recorded):
            return f"{target}: other label names than recorded ({', '.join(probabilities)})"
        for name, expected in recorded.items():
            gap = abs(expected - probabilities[name])
            if not gap <= TOLERANCE:  # so, because NaN is not greater either
                return (
                    f"{target}: probability of {name!r} is off by {gap:.2g} (at most {TOLERANCE})"
                )
        return ""

    def to_json(self) -> dict[str, Any]:
        return {
            "payload": base64.b64encode(self.payload).decode(),
            "labels": dict(self.labels),
            "probabilities": {name: dict(row) for name, row in self.probabilities.items()},
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Golden:
        return cls(base64.b64decode(body["payload"]), body["labels"], body["probabilities"])


@dataclass(frozen=True, slots=True)
class Bundle:
    """An opened and verified bundle."""

    id: str
    path: Path
    recipe: str
    codec: Codec[Any]
    labels: Mapping[str, tuple[str, ...]]
    golden: tuple[Golden, ...]

    @property
    def model(self) -> Path:
        return self.path / "model.onnx"

    def document(self, name: str) -> dict[str, Any]:
        """One of the bundle's JSON files, such as `lineage.json`."""
        body: dict[str, Any] = json.loads((self.path / name).read_bytes())
        return body


def encode(body: object) -> bytes:
    """JSON whose bytes depend on the content alone."""
    return json.dumps(body, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False).encode()


def manifest_of(recipe: str, files: Mapping[str, bytes]) -> bytes:
    """The manifest that lists `files`."""
    listed = {name: _digest(content) for name, content in sorted(files.items())}
    return encode({"format": FORMAT, "recipe": recipe, "files": listed})


class BundleStore:
    """The folder of bundles, each named by its id."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, recipe: str, files: Mapping[str, bytes]) -> str:
        """Keep a bundle and return its id. Raises DataError when a required file is missing."""
        missing = [name for name in REQUIRED if name not in files]
        if missing:
            raise DataError(f"The bundle lacks {', '.join(missing)}.")
        manifest = manifest_of(recipe, files)
        bundle = _digest(manifest)
        with staged(self.root) as folder:
            for name, content in (*files.items(), (MANIFEST, manifest)):
                (folder / name).write_bytes(content)
            settle(folder, bundle)
        return bundle

    def open(self, id: str) -> Bundle:
        """The bundle that the ledger knows as `id`.

        Raises NotFound when it is not here, Corrupt when its manifest is another one or a file
        does not match it.
        """
        path = self.root / id
        if not (path / MANIFEST).is_file():
            raise NotFound(f"Bundle {id[:12]} is not in {self.root}.")
        manifest = (path / MANIFEST).read_bytes()
        if _digest(manifest) != id:
            raise Corrupt(
                f"Bundle {id[:12]} has another manifest than the one the ledger recorded.",
                hint="It was changed after it was registered. Train again, or restore it.",
            )
        body = json.loads(manifest)
        _verify(path, body["files"])
        codec = json.loads((path / "codec.json").read_bytes())
        labels = json.loads((path / "labels.json").read_bytes())
        golden = json.loads((path / "golden.json").read_bytes())
        return Bundle(
            id=id,
            path=path,
            recipe=body["recipe"],
            codec=open_codec(codec["kind"], codec["config"]),
            labels={target: tuple(names) for target, names in labels.items()},
            golden=tuple(Golden.from_json(sample) for sample in golden),
        )


def _verify(path: Path, files: Mapping[str, str]) -> None:
    present = {entry.name for entry in path.iterdir()} - {MANIFEST}
    if strays := sorted(present ^ set(files)):
        raise Corrupt(f"Bundle {path.name[:12]} and its manifest differ: {', '.join(strays)}.")
    for name, digest in files.items():
        if _digest((path / name).read_bytes()) != digest:
            raise Corrupt(
                f"{name} of bundle {path.name[:12]} does not match its manifest.",
                hint="It was changed after it was written. Train again, or restore it.",
            )


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
