"""Forged bundles, as an accident or an attacker would make them, and their registration."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from tidemill.bundle import MANIFEST, encode, manifest_of
from tidemill.demo.claim import ClaimFailed
from tidemill.domain.events import VersionRegistered
from tidemill.domain.types import ModelVersion
from tidemill.workspace.workspace import Workspace

Files = dict[str, bytes]
MAX_DRAWS = 100
"""Random networks that `forge_untrained` tries."""
SHIFT = 0.02
"""The error of a forged probability, which is too small to change a label."""


def read_bundle_files(workspace: Workspace, version: ModelVersion) -> Files:
    """Return every file of a version's bundle but the manifest."""
    folder = workspace.bundles.root / version.bundle
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != MANIFEST}


def register_forgery(workspace: Workspace, files: Mapping[str, bytes], like: ModelVersion) -> str:
    """Register files as a new version: valid digests, a valid entry in the ledger."""
    bundle = workspace.bundles.write(like.recipe, files)
    with workspace.ledger.begin() as unit:
        version = ModelVersion(
            unit.next_version(), bundle, like.run, like.snapshot, like.recipe, like.id, like.at
        )
        event = VersionRegistered(
            actor="forger", subject=version.id, bundle=bundle, run=version.run
        )
        unit.add(version, event)
    return version.id


def permute_labels(files: Files) -> Files:
    """Move the names in `classes.json` on by one: the graph is right, every answer is wrong."""
    classes = json.loads(files["classes.json"])
    permuted = {target: names[1:] + names[:1] for target, names in classes.items()}
    return {**files, "classes.json": encode(permuted)}


def permute_with_golden(files: Files) -> Files:
    """Permute the names, and rename the golden samples' expectations to agree with them."""
    forged = permute_labels(files)
    before, after = json.loads(files["classes.json"]), json.loads(forged["classes.json"])
    renamed = {
        target: dict(zip(names, after[target], strict=True)) for target, names in before.items()
    }
    return {**forged, "golden.json": encode(_rename_golden(files["golden.json"], renamed))}


def swap_without_golden(files: Files) -> Files:
    """Swap two names in `classes.json`, and drop the golden samples that would show it."""
    classes = json.loads(files["classes.json"])
    target, (one, other, *_) = next(iter(classes.items()))
    renamed = {key: dict(zip(names, names, strict=True)) for key, names in classes.items()}
    renamed[target] |= {one: other, other: one}
    golden = [
        sample
        for sample in _rename_golden(files["golden.json"], renamed)
        if sample["labels"][target] not in (one, other)
    ]
    swapped = {key: [renamed[key][name] for name in names] for key, names in classes.items()}
    return {**files, "classes.json": encode(swapped), "golden.json": encode(golden)}


def forge_golden_label(files: Files) -> Files:
    """Make one golden sample expect another label than it gets."""
    golden = json.loads(files["golden.json"])
    classes = json.loads(files["classes.json"])
    for target, label in golden[0]["labels"].items():
        golden[0]["labels"][target] = next(name for name in classes[target] if name != label)
    return {**files, "golden.json": encode(golden)}


def forge_golden_probability(files: Files) -> Files:
    """Make one golden sample expect the right label with another probability than it gets."""
    golden = json.loads(files["golden.json"])
    for target, label in golden[0]["labels"].items():
        row = golden[0]["probabilities"][target]
        other = min(row, key=row.__getitem__)
        row[label], row[other] = row[label] - SHIFT, row[other] + SHIFT
    return {**files, "golden.json": encode(golden)}


def forge_untrained(files: Files, predict_golden: Callable[[bytes], list[dict[str, Any]]]) -> Files:
    """Put random weights into the same graph, with golden samples that it reproduces.

    `predict_golden` gives, for a graph, each golden sample's probabilities. The forged bundle keeps
    the samples whose label the random network gets right, so digests, schema and parity all hold.
    Several targets need several draws. Raises ClaimFailed when no draw gets a sample right.
    """
    draws = (
        _draw_network(files, predict_golden, np.random.default_rng(seed))
        for seed in range(MAX_DRAWS)
    )
    if forged := next((forged for forged, samples in draws if samples), None):
        return forged
    raise ClaimFailed(f"none of {MAX_DRAWS} random networks labels a golden sample correctly")


def _draw_network(
    files: Files, predict_golden: Callable[[bytes], list[dict[str, Any]]], rng: np.random.Generator
) -> tuple[Files, int]:
    """Draw one random network; the forged files, and how many golden samples they have."""
    model = onnx.load_from_string(files["model.onnx"])
    for weights in model.graph.initializer:
        values = numpy_helper.to_array(weights)
        if values.dtype == np.float32 and values.ndim > 1:
            spread = 0.05 / np.sqrt(values[0].size)
            drawn = rng.normal(0, spread, values.shape).astype(np.float32)
            weights.CopyFrom(numpy_helper.from_array(drawn, weights.name))
    graph = model.SerializeToString(deterministic=True)
    golden = json.loads(files["golden.json"])
    samples = []
    for sample, probabilities in zip(golden, predict_golden(graph), strict=True):
        labels = {target: max(row, key=row.__getitem__) for target, row in probabilities.items()}
        if labels == sample["labels"]:
            samples.append({**sample, "probabilities": probabilities})
    return {**files, "model.onnx": graph, "golden.json": encode(samples)}, len(samples)


def tamper_bundle(workspace: Workspace, version: ModelVersion, *, sign: bool) -> None:
    """Change a bundle on the disk; with `sign`, recompute its manifest as well."""
    folder = workspace.bundles.root / version.bundle
    files = permute_labels(read_bundle_files(workspace, version))
    (folder / "classes.json").write_bytes(files["classes.json"])
    if sign:
        (folder / MANIFEST).write_bytes(manifest_of(version.recipe, files))


def _rename_golden(golden: bytes, names: Mapping[str, Mapping[str, str]]) -> list[dict[str, Any]]:
    return [
        {
            "payload": sample["payload"],
            "labels": {t: names[t][label] for t, label in sample["labels"].items()},
            "probabilities": {
                t: {names[t][label]: p for label, p in row.items()}
                for t, row in sample["probabilities"].items()
            },
        }
        for sample in json.loads(golden)
    ]
