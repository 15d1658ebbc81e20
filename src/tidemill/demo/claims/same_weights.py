"""The champion's run, done again, gives the same weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import combinations
from pathlib import Path

from tidemill.demo.claim import Claim, Outcome, expect
from tidemill.demo.demo_run import Stage
from tidemill.domain.types import ModelVersion, Run
from tidemill.workspace.root import Workspace


@dataclass(frozen=True, slots=True)
class Weights:
    """The digest of a run's weights, and that of the graph which was exported from them."""

    digest: str
    graph: str


def judge(stage: Stage) -> Outcome:
    workspace = stage.workspace("first")
    known = _known(workspace)
    first = workspace.champion()
    home = stage.folder("again")
    said = stage.train(home)
    expect(said.code == 0, f"the second training ended with exit code {said.code}")
    expect(said.body["snapshot"] == first.snapshot, "the same sample gave another snapshot")
    again = _weights(said.body["weights"], home / "bundles" / said.body["bundle"])
    expect(again.graph == known[first.id].graph, "the same run gave another model.onnx")
    contradiction = contradicted({**known, f"{first.id} again": again})
    expect(not contradiction, contradiction)
    others = ", ".join(name for name in known if known[name].digest != again.digest)
    figure = f"weights {again.digest[:12]} and model.onnx {again.graph[:12]} twice, bit for bit"
    return Outcome(
        True, f"{figure}; other weights have another digest ({others})" if others else figure
    )


def contradicted(runs: Mapping[str, Weights]) -> str:
    """Two runs whose digests and graphs disagree about being equal, as a sentence."""
    for (one, a), (other, b) in combinations(runs.items(), 2):
        if (a.digest == b.digest) != (a.graph == b.graph):
            equal, differing = "digest", "model.onnx"
            if a.graph == b.graph:
                equal, differing = differing, equal
            return f"{one} and {other} have the same {equal} and another {differing}"
    return ""


def _known(workspace: Workspace) -> dict[str, Weights]:
    """Every version of the workspace; nothing is trained to have more of them."""
    with workspace.ledger.begin(write=False) as unit:
        return {
            version.id: _weights(
                unit.get(Run, version.run).weights, workspace.bundles.root / version.bundle
            )
            for version in unit.latest(ModelVersion)
        }


def _weights(digest: str, bundle: Path) -> Weights:
    return Weights(digest, sha256((bundle / "model.onnx").read_bytes()).hexdigest())


CLAIM = Claim("same_weights", "The same run twice gives the same weights", judge)
