"""An untrained network is refused although everything about its bundle is in order."""

from __future__ import annotations

from typing import Any

from tidemill.adapters.onnx import OnnxRuntime
from tidemill.demo.claim import Claim, Outcome, expect
from tidemill.demo.demo_run import Stage
from tidemill.demo.forgery import enlist, files_of, untrained
from tidemill.domain.types import ModelVersion
from tidemill.predictor import Predictor
from tidemill.workspace.promotion import judge_version
from tidemill.workspace.root import Workspace

SOUND = ("onnx_parity", "label_names")
"""Checks that an untrained bundle passes: it is exactly what it says it is."""


def judge(stage: Stage) -> Outcome:
    workspace = stage.workspace("untrained")
    champion = workspace.champion()

    def answer(graph: bytes) -> list[dict[str, Any]]:
        return _golden_answers(workspace, champion, graph)

    forged = enlist(workspace, untrained(files_of(workspace, champion), answer), champion)
    with workspace.ledger.begin(write=False) as unit:
        workspace.predictor(unit.get(ModelVersion, forged))
    verdict = judge_version(workspace, forged)
    checks = {check.name: check for check in verdict.checks}
    for name in SOUND:
        expect(checks[name].passed, f"{name} does not hold: {checks[name].reason}")
    expect(not checks["not_untrained"].passed, "not_untrained let it pass")
    expect(not verdict.passed, "the gate let it pass")
    return Outcome(True, f"digests, schema and parity hold; {checks['not_untrained'].reason}")


def _golden_answers(
    workspace: Workspace, version: ModelVersion, graph: bytes
) -> list[dict[str, Any]]:
    """What another graph answers to a bundle's golden samples."""
    bundle = workspace.bundles.open(version.bundle)
    predictor = Predictor(bundle, OnnxRuntime(graph))
    inputs = [predictor.decode(sample.payload) for sample in bundle.golden]
    return [
        {answer.target: dict(answer.probabilities) for answer in answers}
        for answers in predictor.predict(inputs)
    ]


CLAIM = Claim("not_untrained", "An untrained network is refused, though its bundle is sound", judge)
