"""The one set of files that serving loads: write it, open it, verify it.

A bundle is a folder. Its `manifest.json` lists every other file with its sha256, and the bundle's
id is the sha256 of the manifest's bytes. A bundle is opened by the id that the ledger recorded, so
a bundle that was changed and signed anew is not accepted.

    model.onnx       from the codec's arrays to `logits_<target>` (calibrated) and `embedding`
    codec.json       kind and configuration of the codec
    classes.json      the classes of each target, in the order of the logits
    golden.json      payloads with the answer they must get, see `Golden`
    reference.npz    feature histograms of held-out examples, see `Reference`
    evaluation.json  what the model scored, and on what
    lineage.json     snapshot, run, configuration, seed, code, environment, parent
    card.md          the same for people
    *.png            images of the evaluation

Nothing in it is code, and nothing is pickled.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Strict, TypeAdapter, ValidationError

from tidemill.codecs.codec import Codec, open_codec
from tidemill.domain.errors import Corrupt, DataError, NotFound, StorageFailed, UsageError
from tidemill.domain.types import Labels
from tidemill.evaluation.evaluation import Evaluation
from tidemill.profile import Reference
from tidemill.staging import publish_folder, stage_folder

FORMAT = 1
MANIFEST = "manifest.json"
REFERENCE = "reference.npz"
EVALUATION = "evaluation.json"
REQUIRED = (
    "model.onnx",
    "codec.json",
    "classes.json",
    "golden.json",
    REFERENCE,
    EVALUATION,
    "lineage.json",
    "card.md",
)
READ = ("model.onnx", "codec.json", "classes.json", "golden.json", REFERENCE)
"""The files that stay in memory; the others are verified and left on disk."""

TOLERANCE = 1e-3
"""How far a probability of the exported graph may be from the network's own (fp32)."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Golden:
    """A held-out payload that the model classifies correctly, and its answer at training.

    `labels` are the true labels. `probabilities` were computed by the training framework, so that
    reproducing them checks the exported graph, the codec and the runtime at once.
    """

    payload: bytes
    labels: Labels
    probabilities: Mapping[str, Mapping[str, float]]

    def fault(self, target: str, label: str, probabilities: Mapping[str, float]) -> str:
        """Return a sentence about a wrong answer to this sample; empty for a right one."""
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
        """Return the sample that `to_json` wrote.

        Raises ValueError when the payload is not base64.
        """
        payload = base64.b64decode(body["payload"], validate=True)
        return cls(payload, body["labels"], body["probabilities"])


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle. `model` is the graph, in the verified bytes."""

    id: str
    path: Path
    recipe: str
    codec: Codec[Any]
    classes: Mapping[str, tuple[str, ...]]
    golden: tuple[Golden, ...]
    reference: Reference = field(repr=False)
    model: bytes = field(repr=False)

    def without_model(self) -> Bundle:
        """Return the bundle for one whose runtime holds the graph, which need not be held twice."""
        return replace(self, model=b"")

    def evaluation(self) -> Evaluation:
        """Read the scores of the model from disk.

        Raises StorageFailed when the file cannot be read, Corrupt when it is malformed.
        """
        try:
            content = (self.path / EVALUATION).read_bytes()
        except OSError as error:
            raise StorageFailed(
                f"{EVALUATION} of bundle {self.id[:12]} cannot be read: {error.strerror}."
            ) from error
        return _understood(self.id, EVALUATION, content, Evaluation.from_bytes)


class BundleGuard:
    """Looks whether the files of an open bundle are still those that were verified."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._stamps: Mapping[str, tuple[int, int, int]] = {}
        self._fault = ""

    def fault(self) -> str:
        """Return what is wrong with the files, as a sentence; empty while they are whole.

        Files are read again only when one of them has changed.
        """
        stamps = _stamps(self._bundle.path)
        if stamps != self._stamps:
            self._fault = self._verify()
            self._stamps = stamps
        return self._fault

    def _verify(self) -> str:
        try:
            open_folder(self._bundle.path, self._bundle.id)
        except (Corrupt, NotFound, StorageFailed) as error:
            return error.message
        return ""


def _stamps(path: Path) -> dict[str, tuple[int, int, int]]:
    """Return what changes when a file does: its number, its size and when it was written."""
    try:
        entries = [*path.iterdir()]
        stats = {entry.name: entry.stat() for entry in entries}
    except OSError:
        return {}
    return {name: (row.st_ino, row.st_size, row.st_mtime_ns) for name, row in stats.items()}


def encode(body: object) -> bytes:
    """Return JSON whose bytes depend on the content alone."""
    return json.dumps(body, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False).encode()


def manifest_of(recipe: str, files: Mapping[str, bytes]) -> bytes:
    """Return the manifest that lists `files`."""
    listed = {name: _digest(content) for name, content in sorted(files.items())}
    return encode({"format": FORMAT, "recipe": recipe, "files": listed})


class BundleStore:
    """The folder of bundles, each named by its id."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, recipe: str, files: Mapping[str, bytes]) -> str:
        """Store a bundle and return its id. Raises DataError when a required file is missing."""
        missing = [name for name in REQUIRED if name not in files]
        if missing:
            raise DataError(f"The bundle lacks {', '.join(missing)}.")
        manifest = manifest_of(recipe, files)
        bundle = _digest(manifest)
        with stage_folder(self.root) as folder:
            for name, content in (*files.items(), (MANIFEST, manifest)):
                (folder / name).write_bytes(content)
            publish_folder(folder, bundle)
        return bundle

    def open(self, id: str) -> Bundle:
        """Return the bundle with the ledger's `id`; each file is read once.

        Raises NotFound when it is missing. Raises Corrupt when its manifest is another one, or a
        file does not match the manifest or its format.
        """
        return open_folder(self.root / id, id)


def open_folder(path: Path, id: str | None = None) -> Bundle:
    """Return the bundle in a folder. Without an `id`, its own manifest says which one it is.

    Raises what `BundleStore.open` raises.
    """
    if not (path / MANIFEST).is_file():
        raise NotFound(
            f"There is no bundle in {path}.", hint=f"The folder of a bundle has a {MANIFEST}."
        )
    manifest = _read(path, MANIFEST)
    id = _digest(manifest) if id is None else id
    if _digest(manifest) != id:
        raise Corrupt(
            f"Bundle {id[:12]} has another manifest than the one the ledger recorded.",
            hint="It was changed after it was registered. Train again, or restore it.",
        )
    body = _understood(id, MANIFEST, manifest, _Manifest.model_validate_json)
    files = _verified(path, body.files)
    classes = _understood(id, "classes.json", files["classes.json"], _classes)
    return Bundle(
        id=id,
        path=path,
        recipe=body.recipe,
        codec=_understood(id, "codec.json", files["codec.json"], _codec),
        classes=classes,
        golden=_understood(
            id,
            "golden.json",
            files["golden.json"],
            lambda content: _golden(content, set(classes)),
        ),
        reference=_understood(
            id,
            REFERENCE,
            files[REFERENCE],
            lambda content: _reference(content, classes),
        ),
        model=files["model.onnx"],
    )


def _verified(path: Path, files: Mapping[str, str]) -> dict[str, bytes]:
    """Return the listed files' contents, each the one that its digest names; only READ ones are
    kept.
    """
    present = {entry.name for entry in path.iterdir()} - {MANIFEST}
    if strays := sorted(present ^ set(files)):
        raise Corrupt(f"Bundle {path.name[:12]} and its manifest differ: {', '.join(strays)}.")
    if missing := [name for name in REQUIRED if name not in files]:
        raise Corrupt(f"Bundle {path.name[:12]} lacks {', '.join(missing)}.")
    contents = {}
    for name, digest in files.items():
        content = _read(path, name)
        if _digest(content) != digest:
            raise Corrupt(
                f"{name} of bundle {path.name[:12]} does not match its manifest.",
                hint="It was changed after it was written. Train again, or restore it.",
            )
        if name in READ:
            contents[name] = content
    return contents


def _read(path: Path, name: str) -> bytes:
    try:
        return (path / name).read_bytes()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise Corrupt(f"{name} of bundle {path.name[:12]} is no file.") from error
    except OSError as error:
        # A temporary fault of the disk or the process says nothing about the bundle.
        raise StorageFailed(
            f"{name} of bundle {path.name[:12]} cannot be read: {error.strerror}."
        ) from error


def _understood(id: str, name: str, content: bytes, form: Callable[[bytes], T]) -> T:
    """Parse a file with `form`. Raises Corrupt for a malformed one."""
    try:
        return form(content)
    except UsageError as error:
        raise Corrupt(
            f"{name} of bundle {id[:12]} cannot be used: {error.message}", hint=error.hint
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "JSON"
        raise Corrupt(
            f"{name} of bundle {id[:12]} is malformed: {place}: {first['msg']}."
        ) from error
    except ValueError as error:
        raise Corrupt(f"{name} of bundle {id[:12]} is malformed: {error}.") from error


class _Manifest(BaseModel):
    model_config = ConfigDict(strict=True)

    format: Literal[1]
    recipe: str
    files: dict[str, str]


class _Codec(BaseModel):
    model_config = ConfigDict(strict=True)

    kind: str
    config: dict[str, Any]


class _Sample(BaseModel):
    model_config = ConfigDict(strict=True)

    payload: str
    labels: dict[str, str]
    probabilities: dict[str, dict[str, float]]


_CLASSES = TypeAdapter(Annotated[dict[str, list[str]], Strict()])
_GOLDEN = TypeAdapter(list[_Sample])


def _codec(content: bytes) -> Codec[Any]:
    body = _Codec.model_validate_json(content)
    return open_codec(body.kind, body.config)


def _classes(content: bytes) -> dict[str, tuple[str, ...]]:
    classes = {name: tuple(row) for name, row in _CLASSES.validate_json(content).items()}
    if not classes or not all(classes.values()):
        raise ValueError("there is no target, or one without a class")
    return classes


def _golden(content: bytes, targets: set[str]) -> tuple[Golden, ...]:
    golden = [Golden.from_json(row.model_dump()) for row in _GOLDEN.validate_json(content)]
    if not all(set(row.labels) == set(row.probabilities) == targets for row in golden):
        raise ValueError("a golden sample does not name every target, or names another one")
    return tuple(golden)


def _reference(content: bytes, classes: Mapping[str, Sequence[str]]) -> Reference:
    reference = Reference.from_bytes(content)
    counted = {target: sorted(names) for target, names in reference.view.classes.items()}
    # The order is not compared, because the gate checks it against the graph.
    if counted != {target: sorted(names) for target, names in classes.items()}:
        raise ValueError("it counts other classes than classes.json names")
    return reference


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
