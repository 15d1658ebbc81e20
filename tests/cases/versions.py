"""New versions for a served workspace, made of its champion v1: for cases about swaps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper
from uuid_utils import uuid7

from tests.cases.names import (
    Alias,
    AliasMoved,
    BundleStore,
    ModelVersion,
    Run,
    RunFinished,
    SqlLedger,
    SystemClock,
    UnitOfWork,
    Verdict,
    VerdictRecorded,
    VersionRegistered,
)
from tests.cases.server import Server, wait_until

ACTOR = "case"
MODEL = "model.onnx"

Files = dict[str, bytes]
Change = Callable[[Files], None]


def no_change(_files: Files) -> None:
    """The files stay as they are."""


def promote_copy(home: Path, change: Change = no_change) -> str:
    """Register a copy of v1 with its files changed, make it champion, and return its id."""
    clock = SystemClock()
    ledger, now = SqlLedger.existing(home / "ledger.sqlite", clock), clock.now()
    with ledger.begin(write=False) as unit:
        first = unit.get(ModelVersion, "v1")
        assert first is not None
        run = unit.get(Run, first.run)
        assert run is not None
    run = replace(run, id=str(uuid7()))
    files = read_bundle(home, first.bundle)
    files["card.md"] += run.id.encode()
    change(files)
    bundle = BundleStore(home / "bundles").write(first.recipe, files)
    with ledger.begin() as unit:
        unit.add(run, RunFinished(actor=ACTOR, subject=run.id, weights=""))
        version = replace(first, id=unit.next_version(), bundle=bundle, run=run.id, at=now)
        registered = VersionRegistered(actor=ACTOR, subject=version.id, bundle=bundle, run=run.id)
        unit.add(version, registered)
        verdict = Verdict(str(uuid7()), version.id, None, True, (), 1, now)
        recorded = VerdictRecorded(actor=ACTOR, subject=verdict.id, version=version.id, passed=True)
        unit.add(verdict, recorded)
        _move_aliases(unit, Alias("champion", version.id, verdict.id, now))
    ledger.close()
    return version.id


def read_bundle(home: Path, bundle: str) -> Files:
    """The files of a bundle but for its manifest."""
    files = {file.name: file.read_bytes() for file in (home / "bundles" / bundle).iterdir()}
    del files["manifest.json"]
    return files


def _move_aliases(unit: UnitOfWork, champion: Alias) -> None:
    before = unit.alias("champion")
    assert before is not None
    for alias in (champion, replace(before, name="previous")):
        current = unit.alias(alias.name)
        version = current.version if current else None
        event = AliasMoved(
            actor=ACTOR,
            subject=alias.version,
            version=alias.version,
            before=version,
            verdict=alias.verdict,
        )
        unit.move_alias(alias, expected=version, event=event)


def wait_until_served(server: Server, version: str, patience: float = 30.0) -> None:
    """Wait until the server answers with this version; fail when it does not."""
    served = wait_until(lambda: version.encode() in server.ask("/v1/ready").body, patience)
    assert served, server.ask("/v1/ready").body


def slower(products: int, side: int = 1_000) -> Change:
    """A change that has the model multiply large matrices; what it answers stays."""

    def nodes(model_input: str) -> Iterator[NodeProto]:
        yield helper.make_node("Cast", [model_input], ["S_f"], to=TensorProto.FLOAT)
        yield helper.make_node("ReduceMean", ["S_f"], ["S_m"], keepdims=0)
        yield helper.make_node("Mul", ["S_m", "S_0"], ["S_z"])
        yield helper.make_node("Add", ["S_W", "S_z"], ["S_a0"])
        for at in range(products):
            yield helper.make_node("MatMul", [f"S_a{at}", "S_a0"], [f"S_a{at + 1}"])
        yield helper.make_node("ReduceSum", [f"S_a{products}"], ["S_s"], keepdims=0)
        yield helper.make_node("Mul", ["S_s", "S_0"], ["S_r"])

    weights = np.random.default_rng(0).random((side, side), np.float32) / np.float32(side**2)
    constants = {"S_W": weights, "S_0": np.zeros((), np.float32)}

    def change(files: Files) -> None:
        files[MODEL] = with_addition(files[MODEL], constants, nodes, "S_r")

    return change


def much_slower(side: int) -> Change:
    """A change that has the model multiply two huge matrices of zeros; what it answers stays."""

    def nodes(model_input: str) -> Iterator[NodeProto]:
        yield helper.make_node("ReduceMean", [model_input], ["H_mean"], keepdims=0)
        yield helper.make_node("Mul", ["H_mean", "H_zero"], ["H_none"])
        yield helper.make_node("Expand", ["H_none", "H_sides"], ["H_large"])
        yield helper.make_node("MatMul", ["H_large", "H_large"], ["H_product"])
        yield helper.make_node("ReduceMax", ["H_product"], ["H_most"], keepdims=0)

    constants = {"H_zero": np.zeros((), np.float32), "H_sides": np.array([side, side])}

    def change(files: Files) -> None:
        files[MODEL] = with_addition(files[MODEL], constants, nodes, "H_most")

    return change


def with_addition(
    content: bytes,
    constants: Mapping[str, npt.NDArray[Any]],
    nodes: Callable[[str], Iterator[NodeProto]],
    result: str,
) -> bytes:
    """The same model, which adds to its logits what the nodes compute as `result`: zero."""
    model = onnx.load_model_from_string(content)
    logits = next(output.name for output in model.graph.output if output.name.startswith("logits_"))
    for node in model.graph.node:
        rename(node.input, logits, f"{logits}_before")
        rename(node.output, logits, f"{logits}_before")
    for name, values in constants.items():
        model.graph.initializer.append(numpy_helper.from_array(values, name))
    model.graph.node.extend(nodes(model.graph.input[0].name))
    model.graph.node.append(helper.make_node("Add", [f"{logits}_before", result], [logits]))
    changed: bytes = model.SerializeToString()
    return changed


def rename(names: Any, old: str, new: str) -> None:
    """Rename one of the inputs or outputs of a node, in place."""
    renamed: Sequence[str] = [new if name == old else name for name in names]
    names[:] = renamed
