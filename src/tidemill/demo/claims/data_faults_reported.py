"""Faulty data is refused; each fault is reported with its files, and nothing else is."""

from __future__ import annotations

from tidemill.demo.claim import Claim, Outcome, expect
from tidemill.demo.demo_run import DemoRun

KINDS = {
    "identical": "identical",
    "leak": "leak",
    "conflict": "conflict",
    "broken": "undecodable",
}
"""A planted fault, and the kind of finding that must report it."""


def judge(demo: DemoRun) -> Outcome:
    scenario = demo.scenario
    folder = demo.make_folder("faulty") / scenario.examples_noun
    home = folder.parent / "home"
    planted = scenario.plant_faults(folder)
    data = (scenario.recipe, *scenario.faulty_overrides(folder))
    check = demo.run_command(home, "data", "check", *data)
    expect(check.exit_code == 3, f"the check ended with exit code {check.exit_code}")
    findings = check.output["findings"]
    expected = sorted(("error", KINDS[name], sorted(files)) for name, files in planted.items())
    reported = sorted((row["severity"], row["kind"], sorted(row["files"])) for row in findings)
    expect(reported == expected, f"reported {reported}, planted {expected}")
    for row in findings:
        missing = [file for file in row["files"] if file not in row["sentence"]]
        expect(not missing, f"{missing} is not named in {row['sentence']!r}")
    # A training begins with a snapshot; this command takes one without a training library.
    snapshot = demo.run_command(home, "data", "snapshot", *data)
    expect(snapshot.exit_code == 3, f"its snapshot ended with exit code {snapshot.exit_code}")
    lines = "\n".join(snapshot.output["error"]["lines"])
    unnamed = [file for files in planted.values() for file in files if file not in lines]
    expect(not unnamed, f"it was refused without naming {unnamed}")
    written = list((home / "snapshots").glob("*"))
    expect(not written, f"a snapshot of it was written: {written}")
    count = len(planted)
    return Outcome(
        True,
        f"The check reports all {count} planted faults with their files and nothing else; "
        "no snapshot of the data is written.",
    )


CLAIM = Claim(
    "data_faults_reported",
    "Faulty data is refused, and each fault is reported",
    "Data with identical examples, a leak into the test split, a label conflict and a broken "
    "file is written. `tidemill data check` must report exactly these faults, and `tidemill "
    "data snapshot` must refuse the data.",
    judge,
)
