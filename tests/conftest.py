"""A model that is small enough to compute by hand, as a real bundle on disk; no torch."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
from onnx import TensorProto, helper
from PIL import Image

from tidemill.adapters.onnx import OnnxRuntime
from tidemill.bundle import REFERENCE, BundleStore, Golden, encode
from tidemill.codecs.codec import open_codec
from tidemill.predictor import Model, Predictor
from tidemill.profile import Reference

if TYPE_CHECKING:
    from tidemill.testing.in_process import OpenLoop

pytest_plugins = ["tests.ids", "tests.memory_folder", "tests.operator_table", "tests.threads"]

SIDE = 8
SHARPNESS = 6.0
NAMES = ("miner", "healthy", "phoma", "rust", "spot")
COLOURS = ((250, 20, 20), (20, 250, 20), (20, 20, 250), (230, 230, 10), (230, 10, 230))
"""What each of the names looks like."""
WEIGHTS = np.array([[1, 0, 0, 0.8, 0.8], [0, 1, 0, 0.8, -0.8], [0, 0, 1, -0.8, 0.8]])

TinyFiles = Callable[..., dict[str, bytes]]


def tiny_image(colour: Sequence[int]) -> bytes:
    """A PNG of one colour."""
    file = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE), (colour[0], colour[1], colour[2])).save(file, "PNG")
    return file.getvalue()


def tiny_scores(colour: Sequence[int], labels: int) -> npt.NDArray[np.float64]:
    """The probabilities that the tiny model gives to a colour, computed without it."""
    logits = np.array(colour) / 255 * SHARPNESS @ WEIGHTS[:, :labels]
    raised = np.exp(logits - logits.max())
    scores: npt.NDArray[np.float64] = raised / raised.sum()
    return scores


def _model(targets: Mapping[str, int], side: int) -> bytes:
    heads = [
        helper.make_node("MatMul", ["embedding", f"weights_{name}"], [f"logits_{name}"])
        for name in targets
    ]
    weights = {
        name: (WEIGHTS[:, :labels] * SHARPNESS / 255).astype(np.float32)
        for name, labels in targets.items()
    }
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["pixels", "axes"], ["embedding"], keepdims=0),
            *heads,
        ],
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", side, side, 3])],
        [
            helper.make_tensor_value_info(f"logits_{name}", TensorProto.FLOAT, ["n", labels])
            for name, labels in targets.items()
        ]
        + [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor("axes", TensorProto.INT64, [2], [1, 2])]
        + [
            helper.make_tensor(f"weights_{name}", TensorProto.FLOAT, row.shape, row.ravel())
            for name, row in weights.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    content: bytes = model.SerializeToString()
    return content


def tiny_reference(files: Mapping[str, bytes], payloads: Sequence[bytes]) -> bytes:
    """The reference of a bundle's files: what their graph sees in these payloads."""
    codec, labels = json.loads(files["codec.json"]), json.loads(files["classes.json"])
    opened = open_codec(codec["kind"], codec["config"])
    model = Model(opened, labels, OnnxRuntime(files["model.onnx"]))
    preprocessed = [model.preprocess(payload) for payload in payloads]
    return Reference.build(*model.profile_rows(preprocessed), labels).to_bytes()


def tiny_golden(classes: Mapping[str, Sequence[str]]) -> list[Golden]:
    """One sample per colour that all targets can name, with the answer that numpy gives."""
    shared = min(len(names) for names in classes.values())
    return [
        Golden(
            tiny_image(colour),
            {target: names[at] for target, names in classes.items()},
            {
                target: dict(zip(names, tiny_scores(colour, len(names)).tolist(), strict=True))
                for target, names in classes.items()
            },
        )
        for at, colour in enumerate(COLOURS[:shared])
    ]


def tiny_bundle_files(
    classes: Mapping[str, Sequence[str]] | None = None,
    *,
    golden: Sequence[Golden] | None = None,
    side: int = SIDE,
) -> dict[str, bytes]:
    """The files of a bundle: names per target (three of them, `disease`), samples, image size."""
    named = {"disease": NAMES[:3]} if classes is None else classes
    samples = tiny_golden(named) if golden is None else golden
    codec: dict[str, Any] = {"width": side, "height": side, "mean": [0, 0, 0], "std": [1, 1, 1]}
    files = {
        "model.onnx": _model({target: len(row) for target, row in named.items()}, side),
        "codec.json": encode({"kind": "image", "config": codec}),
        "classes.json": encode({target: list(row) for target, row in named.items()}),
        "golden.json": encode([sample.to_json() for sample in samples]),
        "evaluation.json": encode({}),
        "lineage.json": encode({"run": "r1"}),
        "card.md": b"# tiny\n",
    }
    return files | {REFERENCE: tiny_reference(files, [tiny_image(row) for row in COLOURS])}


@pytest.fixture(scope="session")
def tiny_colours() -> tuple[tuple[int, int, int], ...]:
    """What each label of the tiny model looks like, in the order of its names."""
    return COLOURS


@pytest.fixture(scope="session")
def tiny_names() -> tuple[str, ...]:
    """The five names; a tiny model takes the first three unless it is told others."""
    return NAMES


@pytest.fixture(scope="session")
def paint() -> Callable[[Sequence[int]], bytes]:
    """Makes the PNG of one colour."""
    return tiny_image


@pytest.fixture(scope="session")
def expected() -> Callable[[Sequence[int], int], npt.NDArray[np.float64]]:
    """The probabilities of a colour under so many labels, by numpy alone."""
    return tiny_scores


@pytest.fixture(scope="session")
def golden_of() -> Callable[[Mapping[str, Sequence[str]]], list[Golden]]:
    """The golden samples that fit the given names."""
    return tiny_golden


@pytest.fixture(scope="session")
def reference_for() -> Callable[[Mapping[str, bytes], Sequence[bytes]], bytes]:
    """Makes the reference of a bundle's files, of these payloads."""
    return tiny_reference


@pytest.fixture(scope="session")
def tiny_files() -> TinyFiles:
    """The files of a tiny bundle."""
    return tiny_bundle_files


@pytest.fixture
def bundles(tmp_path: Path) -> BundleStore:
    """An empty store."""
    return BundleStore(tmp_path / "bundles")


@pytest.fixture
def tiny(bundles: BundleStore) -> Callable[..., Predictor]:
    """A loaded tiny model; takes what `tiny_files` takes."""

    def load(*arguments: Any, **choices: Any) -> Predictor:
        bundle = bundles.open(bundles.write("coffee", tiny_bundle_files(*arguments, **choices)))
        return Predictor(bundle, OnnxRuntime(bundle.model))

    return load


@pytest.fixture(scope="session")
def pebbled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose champion v1 knows pebbles. Nobody writes there."""
    from tidemill.testing.in_process import train_champion

    home = tmp_path_factory.mktemp("pebbled") / "home"
    train_champion(home).ledger.close()
    return home


@pytest.fixture
def begin(pebbled: Path, tmp_path: Path) -> Iterator[OpenLoop]:
    """`begin(*policies)`: a circle over a copy of that workspace; again, over the same copy."""
    from tidemill.testing.in_process import open_loops

    with open_loops(pebbled, tmp_path / "home") as begun:
        yield begun
