"""A bundle with permuted label names is refused, even when its digests are valid."""

from __future__ import annotations

from tidemill.demo.claim import Claim, Outcome, expect
from tidemill.demo.demo_run import DemoRun
from tidemill.demo.forgery import (
    permute_labels,
    permute_with_golden,
    read_bundle_files,
    register_forgery,
    swap_without_golden,
)


def judge(demo: DemoRun) -> Outcome:
    workspace = demo.copy_base("permuted")
    champion = workspace.champion()
    files = read_bundle_files(workspace, champion)
    forgeries = {
        "classes.json permuted": permute_labels(files),
        "classes.json and golden samples permuted": permute_with_golden(files),
        "two names swapped, their golden samples dropped": swap_without_golden(files),
    }
    for name, forged in forgeries.items():
        verdict = workspace.judge(register_forgery(workspace, forged, champion))
        failed = {check.name for check in verdict.checks if not check.passed}
        expect(not verdict.passed, f"{name}: the gate let it pass")
        expect("label_names" in failed, f"{name}: refused, but only by {sorted(failed)}")
    expect(workspace.champion() == champion, "the champion has changed")
    return Outcome(
        True,
        f"The gate's check of label names refuses {len(forgeries)} of {len(forgeries)} forged "
        "bundles, although their digests are valid.",
    )


CLAIM = Claim(
    "permuted_labels_refused",
    "Permuted label names are refused, also when re-signed",
    "Bundles with permuted label names are registered with valid digests, once with golden "
    "samples that agree with them and once without the samples that would not. The gate's "
    "check of label names must refuse each.",
    judge,
)
