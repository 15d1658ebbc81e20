"""The champion's run, repeated, gives the same weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import combinations
from pathlib import Path

from tidemill.demo.claim import Claim, Outcome, expect
from tidemill.demo.demo_run import DemoRun
from tidemill.domain.types import ModelVersion, Run
from tidemill.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class WeightDigests:
    """The digest of a run's weights, and that of the graph which was exported from them."""

    digest: str
    graph: str


def judge(demo: DemoRun) -> Outcome:
    # This needs no other workspace, so that it can go on while the champion is trained.
    home = demo.make_folder("again")
    training = demo.train(home)
    expect(training.exit_code == 0, f"the second training ended with {training.exit_code}")
    workspace = demo.copy_second("first")
    versions = _read_digests(workspace)
    first = workspace.champion()
    output = training.output
    expect(output["snapshot"] == first.snapshot, "the same sample gave another snapshot")
    repeated = _digest_bundle(output["weights"], home / "bundles" / output["bundle"])
    expect(repeated.graph == versions[first.id].graph, "the same run gave another model.onnx")
    contradiction = find_contradiction({**versions, f"{first.id} again": repeated})
    expect(not contradiction, contradiction)
    others = ", ".join(name for name in versions if versions[name].digest != repeated.digest)
    comparison = f" The digest of {others} differs, as it must." if others else ""
    return Outcome(
        True,
        f"Two runs give the same weights {repeated.digest[:12]} and the same model.onnx "
        f"{repeated.graph[:12]}, bit for bit.{comparison}",
    )


def find_contradiction(runs: Mapping[str, WeightDigests]) -> str:
    """Return a sentence about two runs of which only the digests or only the graphs are equal."""
    for (one, a), (other, b) in combinations(runs.items(), 2):
        if (a.digest == b.digest) != (a.graph == b.graph):
            equal, different = "digest", "model.onnx"
            if a.graph == b.graph:
                equal, different = different, equal
            return f"{one} and {other} have the same {equal} and another {different}"
    return ""


def _read_digests(workspace: Workspace) -> dict[str, WeightDigests]:
    """Return the digests of every version of the workspace."""
    with workspace.ledger.begin(write=False) as unit:
        return {
            version.id: _digest_bundle(
                unit.get(Run, version.run).weights, workspace.bundles.root / version.bundle
            )
            for version in unit.latest(ModelVersion)
        }


def _digest_bundle(digest: str, bundle: Path) -> WeightDigests:
    return WeightDigests(digest, sha256((bundle / "model.onnx").read_bytes()).hexdigest())


CLAIM = Claim(
    "training_reproducible",
    "The same run twice gives the same weights",
    "The champion's training is repeated in an empty workspace. The digests of the weights "
    "and of the exported graph must be equal. Those of a second version must differ.",
    judge,
)
