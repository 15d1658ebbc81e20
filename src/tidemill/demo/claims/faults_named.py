"""Faulty data is refused, each fault named by file, and nothing else is reported."""

from __future__ import annotations

from tidemill.demo.claim import Claim, Outcome, expect
from tidemill.demo.demo_run import Stage

KINDS = {
    "identical": "identical",
    "leak": "leak",
    "conflict": "conflict",
    "broken": "undecodable",
}
"""A planted fault's name, and the kind of finding that it must become."""


def judge(stage: Stage) -> Outcome:
    world = stage.world
    folder = stage.folder("faulty") / world.items
    home = folder.parent / "home"
    planted = world.plant(folder)
    data = (world.recipe, *world.faulty(folder))
    checked = stage.run(home, "data", "check", *data)
    expect(checked.code == 3, f"the check ended with exit code {checked.code}")
    findings = checked.body["findings"]
    expected = sorted(("error", KINDS[name], sorted(files)) for name, files in planted.items())
    found = sorted((row["severity"], row["kind"], sorted(row["files"])) for row in findings)
    expect(found == expected, f"reported {found}, planted {expected}")
    for row in findings:
        missing = [file for file in row["files"] if file not in row["sentence"]]
        expect(not missing, f"{missing} is not named in {row['sentence']!r}")
    # A training begins with the same step; asked for by itself it loads no training library.
    refused = stage.run(home, "data", "snapshot", *data)
    expect(refused.code == 3, f"keeping it for training ended with exit code {refused.code}")
    lines = "\n".join(refused.body["error"]["lines"])
    unnamed = [file for files in planted.values() for file in files if file not in lines]
    expect(not unnamed, f"it was refused without naming {unnamed}")
    kept = list((home / "snapshots").glob("*"))
    expect(not kept, f"a snapshot of it was kept: {kept}")
    return Outcome(True, f"{len(found)} faults planted, {len(found)} named, nothing else")


CLAIM = Claim("faults_named", "Faulty data is refused, each fault named by file", judge)
