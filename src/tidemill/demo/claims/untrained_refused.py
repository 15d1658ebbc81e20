"""An untrained network is refused although its bundle is valid in every other way."""

from __future__ import annotations

from typing import Any

from tidemill.adapters.onnx import OnnxRuntime
from tidemill.demo.claim import Claim, Outcome, expect
from tidemill.demo.demo_run import DemoRun
from tidemill.demo.forgery import forge_untrained, read_bundle_files, register_forgery
from tidemill.domain.types import ModelVersion
from tidemill.predictor import Predictor
from tidemill.workspace.workspace import Workspace

PASSED_CHECKS = ("onnx_parity", "label_names")
"""Checks that an untrained bundle passes, because it is what it says it is."""


def judge(demo: DemoRun) -> Outcome:
    workspace = demo.copy_base("untrained")
    champion = workspace.champion()

    def predict_golden(graph: bytes) -> list[dict[str, Any]]:
        return _predict_golden(workspace, champion, graph)

    files = forge_untrained(read_bundle_files(workspace, champion), predict_golden)
    forged = register_forgery(workspace, files, champion)
    with workspace.ledger.begin(write=False) as unit:
        workspace.predictor(unit.get(ModelVersion, forged))
    verdict = workspace.judge(forged)
    checks = {check.name: check for check in verdict.checks}
    for name in PASSED_CHECKS:
        expect(checks[name].passed, f"{name} does not hold: {checks[name].reason}")
    expect(not checks["not_untrained"].passed, "not_untrained let it pass")
    expect(not verdict.passed, "the gate let it pass")
    return Outcome(
        True,
        "Digests, schema and parity hold, and the gate still refuses the network: "
        f"{checks['not_untrained'].reason}.",
    )


def _predict_golden(
    workspace: Workspace, version: ModelVersion, graph: bytes
) -> list[dict[str, Any]]:
    """Return the probabilities that another graph gives to a bundle's golden samples."""
    bundle = workspace.bundles.open(version.bundle)
    predictor = Predictor(bundle, OnnxRuntime(graph))
    inputs = [predictor.decode(sample.payload) for sample in bundle.golden]
    return [
        {answer.target: dict(answer.probabilities) for answer in answers}
        for answers in predictor.predict(inputs)
    ]


CLAIM = Claim(
    "untrained_refused",
    "An untrained network in a valid bundle is refused",
    "The champion's graph gets random weights and the golden samples that it happens to get "
    "right. Digests, schema and parity must hold, and the gate must refuse it all the same.",
    judge,
)
