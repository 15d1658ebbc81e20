"""Bad bundles, made the way an accident or an attacker would make them, and registered."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from tidemill.bundle import MANIFEST, encode, manifest_of
from tidemill.demo.claim import Broken
from tidemill.domain.events import VersionRegistered
from tidemill.domain.types import ModelVersion
from tidemill.workspace.root import Workspace

Files = dict[str, bytes]
LUCK = 100
"""Random networks that a forger tries."""
SHIFT = 0.02
"""How far a forged probability lies from the true one: too little to change any label."""


def files_of(workspace: Workspace, version: ModelVersion) -> Files:
    """Every file of a version's bundle but the manifest."""
    folder = workspace.bundles.root / version.bundle
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != MANIFEST}


def enlist(workspace: Workspace, files: Mapping[str, bytes], like: ModelVersion) -> str:
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


def permuted(files: Files) -> Files:
    """The names in `classes.json` moved on by one: the graph is right, every answer is wrong."""
    labels = json.loads(files["classes.json"])
    turned = {target: names[1:] + names[:1] for target, names in labels.items()}
    return {**files, "classes.json": encode(turned)}


def consistent(files: Files) -> Files:
    """Permuted names, and golden samples whose expectations were made anew to agree with them."""
    forged = permuted(files)
    before, after = json.loads(files["classes.json"]), json.loads(forged["classes.json"])
    renamed = {
        target: dict(zip(names, after[target], strict=True)) for target, names in before.items()
    }
    return {**forged, "golden.json": encode(_renamed(files["golden.json"], renamed))}


def unproved(files: Files) -> Files:
    """Two names exchanged in `classes.json`, and no golden sample left that would tell."""
    labels = json.loads(files["classes.json"])
    target, (one, other, *_) = next(iter(labels.items()))
    renamed = {key: dict(zip(names, names, strict=True)) for key, names in labels.items()}
    renamed[target] |= {one: other, other: one}
    kept = [
        sample
        for sample in _renamed(files["golden.json"], renamed)
        if sample["labels"][target] not in (one, other)
    ]
    turned = {key: [renamed[key][name] for name in names] for key, names in labels.items()}
    return {**files, "classes.json": encode(turned), "golden.json": encode(kept)}


def misnamed(files: Files) -> Files:
    """One golden sample that expects another label than it gets."""
    golden = json.loads(files["golden.json"])
    names = json.loads(files["classes.json"])
    for target, label in golden[0]["labels"].items():
        golden[0]["labels"][target] = next(name for name in names[target] if name != label)
    return {**files, "golden.json": encode(golden)}


def misjudged(files: Files) -> Files:
    """One golden sample that expects the right label with a probability that it does not get."""
    golden = json.loads(files["golden.json"])
    for target, label in golden[0]["labels"].items():
        row = golden[0]["probabilities"][target]
        other = min(row, key=row.__getitem__)
        row[label], row[other] = row[label] - SHIFT, row[other] + SHIFT
    return {**files, "golden.json": encode(golden)}


def untrained(files: Files, answer: Callable[[bytes], list[dict[str, Any]]]) -> Files:
    """Random weights in the same graph, with golden samples that it reproduces.

    `answer` gives, for a graph, each golden sample's probabilities. Samples are kept where the
    random network happens to name the truth, so that digests, schema and parity all hold; the
    forger draws until it does, for of several targets that takes more luck. Raises Broken when he
    has none.
    """
    drawn = (_drawn(files, answer, np.random.default_rng(seed)) for seed in range(LUCK))
    if found := next((forged for forged, kept in drawn if kept), None):
        return found
    raise Broken(f"none of {LUCK} random networks names a golden sample rightly")


def _drawn(
    files: Files, answer: Callable[[bytes], list[dict[str, Any]]], dice: np.random.Generator
) -> tuple[Files, int]:
    """One random network, and how many golden samples it has."""
    model = onnx.load_from_string(files["model.onnx"])
    for weights in model.graph.initializer:
        values = numpy_helper.to_array(weights)
        if values.dtype == np.float32 and values.ndim > 1:
            spread = 0.05 / np.sqrt(values[0].size)
            drawn = dice.normal(0, spread, values.shape).astype(np.float32)
            weights.CopyFrom(numpy_helper.from_array(drawn, weights.name))
    graph = model.SerializeToString(deterministic=True)
    golden = json.loads(files["golden.json"])
    kept = []
    for sample, probabilities in zip(golden, answer(graph), strict=True):
        said = {target: max(row, key=row.__getitem__) for target, row in probabilities.items()}
        if said == sample["labels"]:
            kept.append({**sample, "probabilities": probabilities})
    return {**files, "model.onnx": graph, "golden.json": encode(kept)}, len(kept)


def tamper(workspace: Workspace, version: ModelVersion, *, sign: bool) -> None:
    """Change a bundle where it lies; with `sign`, recompute its manifest as well."""
    folder = workspace.bundles.root / version.bundle
    files = permuted(files_of(workspace, version))
    (folder / "classes.json").write_bytes(files["classes.json"])
    if sign:
        (folder / MANIFEST).write_bytes(manifest_of(version.recipe, files))


def _renamed(golden: bytes, names: Mapping[str, Mapping[str, str]]) -> list[dict[str, Any]]:
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
