"""Faults to plant into a copy of the product's sources, and the claims that must fail then."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """In `file`, the text `right` becomes `wrong`; then `claim` fails, and its value `says` why.

    With `trains`, the faulty product also trains the workspace that it is judged on.
    """

    claim: str
    file: str
    right: str
    wrong: str
    says: str
    trains: bool = False


FAULTS = {
    "a leak is reported as identical examples": Fault(
        "data_faults_reported",
        "data/checks.py",
        '"leak", "error"',
        '"identical", "error"',
        "reported [",
    ),
    "a broken file is only a warning": Fault(
        "data_faults_reported",
        "data/checks.py",
        '"undecodable", "error", sentence',
        '"undecodable", "warning", sentence',
        "('warning', 'undecodable'",
    ),
    "a finding does not name its files": Fault(
        "data_faults_reported",
        "data/checks.py",
        'examples have the same content: {_named(files)}."',
        'examples have the same content."',
        "is not named in",
    ),
    "the loss has no gradient": Fault(
        "champion_trained",
        "learn/module.py",
        "torch.stack(losses).sum()",
        "torch.stack(losses).sum() * 0",
        "its gate ended with exit code 1",
    ),
    "golden samples are never compared": Fault(
        "readiness_checked",
        "web/golden_check.py",
        "if fault := compare_answers(sample, shown, targets):",
        "if (fault := compare_answers(sample, shown, targets)) and False:",
        "gets a wrong label",
    ),
    "the recipe's routes are not checked": Fault(
        "readiness_checked",
        "web/golden_check.py",
        "for single in self.golden_requests:",
        "for single in ():",
        "golden requests for",
    ),
    "probabilities are never compared": Fault(
        "readiness_checked",
        "bundle.py",
        "if not gap <= TOLERANCE:",
        "if False:",
        "gets a wrong probability",
    ),
    "the log is rolled back": Fault(
        "predictions_durable",
        "adapters/traffic.py",
        'self._db.execute("COMMIT")',
        'self._db.execute("ROLLBACK")',
        "is lost (404)",
    ),
    "the log is written after the reply": Fault(
        "predictions_durable",
        "loop/prediction_log.py",
        "                self._traffic.append(predictions)\n",
        "                threading.Timer(1, self._traffic.append, [predictions]).start()\n",
        "is lost (404)",
    ),
    "a failing log is ignored": Fault(
        "predictions_durable",
        "loop/prediction_log.py",
        "            except StorageFailed:\n                raise\n",
        "            except StorageFailed:\n                return predictions\n",
        "went unnoticed",
    ),
    "the lineage names another run": Fault(
        "predictions_durable",
        "web/read_routes.py",
        '"run": run.id',
        '"run": version.id',
        "lineage.run is 'v1'",
    ),
    "the lineage has another configuration": Fault(
        "predictions_durable",
        "web/read_routes.py",
        '"config": dict(run.config)',
        '"config": {**run.config, "seed": 1}',
        "lineage.config.seed is 1, not 0",
    ),
    "the payload is not stored": Fault(
        "predictions_durable",
        "adapters/traffic.py",
        "        prediction.payload,\n",
        '        b"",\n',
        "example is",
    ),
    "the commit is not recorded": Fault(
        "predictions_durable",
        "provenance.py",
        '"revision": _git(folder, "rev-parse", "HEAD")',
        '"revision": ""',
        "code.revision is ''",
        trains=True,
    ),
    "the server reads the ledger once": Fault(
        "hot_swap_lossless",
        "web/slots.py",
        "self._stop.wait(self._poll)",
        "self._stop.wait(3600)",
        "was not served within",
    ),
    "the gate trusts golden samples": Fault(
        "permuted_labels_refused",
        "loop/evidence.py",
        "_name_faults(known.get(id, ()), answers)",
        "_name_faults((sample.labels,), answers)",
        "classes.json and golden samples permuted: refused, but only by",
    ),
    "the gate accepts names that no sample checks": Fault(
        "permuted_labels_refused",
        "loop/gate.py",
        "if named > policy.margin * n:",
        "if False:",
        "two names swapped, their golden samples dropped: refused, but only by",
    ),
    "the gate accepts an untrained network": Fault(
        "untrained_refused",
        "loop/gate.py",
        'Check("not_untrained", learned and decided,',
        'Check("not_untrained", True,',
        "not_untrained let it pass",
    ),
    "any manifest is accepted": Fault(
        "tampering_refused",
        "bundle.py",
        "if _digest(manifest) != id:",
        "if False:",
        "and its manifest recomputed:",
    ),
    "files are not compared with the manifest": Fault(
        "tampering_refused",
        "bundle.py",
        "if _digest(content) != digest:",
        "if False:",
        "a file changed:",
    ),
    "the seed is ignored": Fault(
        "training_reproducible",
        "learn/fit.py",
        "torch.Generator().manual_seed(seed)",
        "torch.Generator(); generator.seed()",
        "another model.onnx",
    ),
    "every weight has the same digest": Fault(
        "training_reproducible",
        "learn/digest.py",
        "        digest.update(tensor.numpy().tobytes())\n",
        "",
        "the same model.onnx and another digest",
    ),
    "every window is called drift": Fault(
        "no_false_drift",
        "loop/drift.py",
        "drifted = name in surprising and moved >= policy.psi",
        "drifted = True",
        "is called drift",
    ),
    "no window is called drift": Fault(
        "drift_detected",
        "loop/drift.py",
        "drifted = name in surprising and moved >= policy.psi",
        "drifted = False",
        "a drift verdict after 400 predictions did not come",
    ),
    "the retraining set has the model's own answers": Fault(
        "loop_closed",
        "engine/extend_snapshot.py",
        "labels={row.target: row.label for row in rows}",
        "labels={row.target: row.predicted_label for row in rows}",
        "refused",
    ),
    "a training outlives its engine": Fault(
        "engine_crash_recovered",
        "adapters/local_jobs.py",
        'tidemill", *words, "--with-parent"]',
        'tidemill", *words]',
        "its trainings are ['finished']",
    ),
    "fresh labels are always credible": Fault(
        "label_flipping_refused",
        "loop/gate.py",
        "passed, needed = bound >= policy.fresh_floor,",
        "passed, needed = True,",
        "it was refused for another reason",
    ),
    "a rollback quarantines nothing": Fault(
        "rollback_quarantines",
        "loop/rollout.py",
        "quarantine(unit, taken_back - served,",
        "quarantine(unit, set(),",
        "the wrong feedback was quarantined",
    ),
}
