"""Faulty data is refused, each fault named by file, and nothing else is reported."""

from __future__ import annotations

from tidemill.cli.story.claim import Claim, Outcome, expect
from tidemill.cli.story.stage import RECIPE, Stage
from tidemill.data.samples.faults import plant

KINDS = {
    "identical": "identical",
    "leak": "leak",
    "conflict": "conflict",
    "broken": "undecodable",
}
"""A planted fault's name, and the kind of finding that it must become."""


def judge(stage: Stage) -> Outcome:
    folder = stage.folder("faulty") / "leaves"
    planted = plant(folder)
    data = ("data=folder", f"data.path={folder}")
    checked = stage.run(folder.parent / "home", "data", "check", RECIPE, *data)
    expect(checked.code == 3, f"the check ended with exit code {checked.code}")
    expected = sorted((KINDS[name], sorted(files)) for name, files in planted.items())
    found = sorted((row["kind"], sorted(row["files"])) for row in checked.body["findings"])
    expect(found == expected, f"reported {found}, planted {expected}")
    trained = stage.run(folder.parent / "home", "train", RECIPE, *data)
    expect(trained.code == 3, f"training on it ended with exit code {trained.code}")
    kept = list((folder.parent / "home" / "snapshots").glob("*"))
    expect(not kept, f"a snapshot of it was kept: {kept}")
    return Outcome(True, f"{len(found)} faults planted, {len(found)} named, nothing else")


CLAIM = Claim("faults_named", "Faulty data is refused, each fault named by file", judge)
