"""How the records of a workspace look in a notebook."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.figures.page import classes_of, parse, table_of, text_of
from tidemill.domain.cycle import Cycle
from tidemill.domain.drift import DriftVerdict, FeatureDrift
from tidemill.domain.types import (
    MAX_ANSWERS,
    MAX_LABELS,
    AliasName,
    Answer,
    Check,
    ModelVersion,
    Prediction,
    Run,
    Snapshot,
    Verdict,
)
from tidemill.loop.drift import DriftPolicy, Window
from tidemill.loop.lineage import Lineage
from tidemill.loop.step import Wait
from tidemill.workspace.drift import MAX_CHECKS, DriftReport
from tidemill.workspace.status import LoopStatus
from tidemill.workspace.versions import MAX_ROWS, VersionRecord, Versions

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SCRIPT = "<script>alert('x')</script>"
SNAPSHOT = Snapshot("s" * 64, "coffee", 1200, {}, {}, "stop", None, NOW)
VERDICT = Verdict("d1", "v1", None, True, (Check("floor", True, "good", 0.9),), 1, NOW)
REFUSED = replace(VERDICT, passed=False)
DRIFT = DriftVerdict(
    "w1", "v1", True, 250, 400, NOW, NOW, (FeatureDrift("red", 1.4, 0.4, 0, True),), NOW, 0.2
)
ANSWER = Answer("disease", SCRIPT, 0.6, {SCRIPT: 0.6, "rust": 0.4})
PREDICTION = Prediction(
    "p1", "web", 1, "v1", NOW, "live", b"", (ANSWER,), example="e1", remarks=("The text was cut.",)
)


def record(
    number: int, metrics: dict[str, Any], *verdicts: Verdict, aliases: tuple[AliasName, ...] = ()
) -> VersionRecord:
    id, parent = f"v{number}", f"v{number - 1}" if number > 1 else None
    run = Run(f"run{number}", "coffee", "s", 7, {}, {"revision": "abc"}, {}, NOW, metrics=metrics)
    version = ModelVersion(id, "b" * 64, run.id, "s" * 64, "coffee", parent, NOW)
    return VersionRecord(version, run, aliases, verdicts)


def scored(number: int, accuracy: float, *verdicts: Verdict) -> VersionRecord:
    return record(number, {"test": {"accuracy": accuracy}}, *verdicts)


def test_versions_are_a_table_and_their_accuracy_a_line() -> None:
    versions = Versions(
        [
            record(4, {}),
            scored(3, 0.8, REFUSED),
            scored(2, 0.95, replace(REFUSED, override_reason="a person said so")),
            record(1, {"val": {"accuracy": 0.9}}, VERDICT, aliases=("champion", "previous")),
        ]
    )
    root = parse(versions._repr_html_())
    assert [row[:6] for row in table_of(root)] == [
        ["version", "aliases", "accuracy", "verdict", "registered", "parent"],
        ["v4", "", "", "not judged", "2026-01-01 12:00", "v3"],
        ["v3", "", "0.800", "✗ refused", "2026-01-01 12:00", "v2"],
        ["v2", "", "0.950", "✓ overridden", "2026-01-01 12:00", "v1"],
        ["v1", "champion, previous", "0.900", "✓ passed", "2026-01-01 12:00", ""],
    ]
    # Oldest first; a version without an accuracy has no point.
    assert classes_of(root, "circle") == ["before", "before", "after"]
    assert text_of(root).count("v1 v2 v3") == 1


def test_versions_are_a_sequence() -> None:
    rows = [scored(2, 0.8), scored(1, 0.9)]
    versions = Versions(rows)
    assert list(versions) == rows
    assert (len(versions), versions[0].id, [row.id for row in versions[1:]]) == (2, "v2", ["v1"])


def test_no_versions_are_a_sentence() -> None:
    assert "No version is registered yet." in text_of(parse(Versions()._repr_html_()))


def test_one_version_has_no_line_and_nan_no_point() -> None:
    for versions in (
        Versions([scored(1, 0.9)]),
        Versions([scored(2, math.nan), scored(1, math.nan)]),
    ):
        assert [*parse(versions._repr_html_()).iter("svg")] == []


def test_of_many_versions_the_latest_are_shown() -> None:
    html = Versions(scored(at, 0.5) for at in range(400, 0, -1))._repr_html_()
    root = parse(html)
    assert len(table_of(root)) == 1 + MAX_ROWS
    assert table_of(root)[1][0] == "v400"
    assert len(classes_of(root, "circle")) == MAX_ROWS
    assert f"{400 - MAX_ROWS} earlier versions are not shown." in text_of(root)
    assert len(html) < 40_000


def test_a_version_shows_its_scores_its_origin_and_its_latest_verdict() -> None:
    metrics = {
        "val": {"accuracy": 0.9, "note": "high"},
        "test": {"accuracy": 0.8, "nll": math.nan},
        "seconds": 3,
    }
    row = record(2, metrics, REFUSED, VERDICT, aliases=("challenger",))
    root = parse(row._repr_html_())
    assert table_of(root) == [
        ["split", "accuracy", "note", "nll"],
        ["val", "0.9", "", ""],
        ["test", "0.8", "", "nan"],
    ]
    assert ["run", "run2, seed 7"] in table_of(root, 1)
    text = text_of(root)
    assert text.startswith("Version v2, challenger")
    assert text.count("Verdict on") == 1
    assert "refused" in text
    assert "Earlier verdicts: 1." in text


def test_a_version_that_was_not_judged_says_so() -> None:
    text = text_of(parse(record(1, {})._repr_html_()))
    assert "The gate has not judged this version." in text
    assert "Earlier verdicts" not in text


def drift_report(*verdicts: DriftVerdict) -> DriftReport:
    return DriftReport("v1", DriftPolicy(), Window(40, 160), verdicts)


def test_a_drift_report_shows_its_checks_over_time_and_the_latest() -> None:
    calm = FeatureDrift("red", 0.1, 0.1, 0.5, False)
    earlier = replace(DRIFT, drifted=False, features=(calm,), at=NOW - timedelta(minutes=1))
    root = parse(drift_report(DRIFT, earlier)._repr_html_())
    assert classes_of(root, "circle") == ["before", "after"]
    text = text_of(root)
    assert "40 predictions wait for the next check; it needs 160 more." in text
    assert "11:59:00 12:00:00" in text
    assert text.count("Drift check of v1: drift") == 1


def test_of_many_drift_checks_the_latest_are_drawn() -> None:
    checks = [replace(DRIFT, at=NOW - timedelta(minutes=at)) for at in range(2_000)]
    html = drift_report(*checks)._repr_html_()
    root = parse(html)
    assert len(classes_of(root, "circle")) == MAX_CHECKS
    assert "11:11:00 12:00:00" in text_of(root)
    assert len(html) < 20_000


def test_a_drift_report_without_checks_is_a_sentence() -> None:
    root = parse(drift_report()._repr_html_())
    assert "No drift check yet." in text_of(root)
    assert [*root.iter("svg")] == []
    empty = replace(DRIFT, features=())
    assert "No feature was compared." in text_of(parse(drift_report(empty, empty)._repr_html_()))


def test_the_status_of_the_loop_is_two_tables() -> None:
    cycle = Cycle("c1", "coffee", "drift", f"moved {SCRIPT}", "v1", NOW, version="v2")
    status = LoopStatus(
        "web leads.", {"pending": 3}, "no drift", None, 4, "", (cycle,), Wait("nothing is due")
    )
    html = status._repr_html_()
    root = parse(html)
    assert "<script" not in html
    assert table_of(root)[:2] == [["engine", "web leads."], ["feedback", "3 pending"]]
    assert "schedule" not in dict(table_of(root))
    assert table_of(root, 1)[1] == ["c1", "triggered", "", "drift", "v2", f"moved {SCRIPT}"]
    quiet = parse(replace(status, cycles=())._repr_html_())
    assert len([*quiet.iter("table")]) == 1


def test_a_prediction_shows_its_answer_and_the_likeliest_labels() -> None:
    html = PREDICTION._repr_html_()
    root = parse(html)
    assert "<script" not in html
    assert table_of(root) == [["target", "label", "confidence"], ["disease", SCRIPT, "0.600"]]
    assert classes_of(root, "rect") == ["before", "before"]
    assert "The text was cut." in text_of(root)


def test_a_prediction_of_many_items_and_labels_stays_small() -> None:
    labels = {f"label {at}": at / 1000 for at in range(1_000)}
    one = parse(replace(PREDICTION, answers=(replace(ANSWER, probabilities=labels),))._repr_html_())
    assert len(classes_of(one, "rect")) == MAX_LABELS
    assert "label 999 0.999" in text_of(one)
    answers = tuple(replace(ANSWER, item=f"node {at}", probabilities=labels) for at in range(2_000))
    html = replace(PREDICTION, answers=answers)._repr_html_()
    root = parse(html)
    assert table_of(root)[1] == ["disease", "node 0", SCRIPT, "0.600"]
    assert f"{2_000 - MAX_ANSWERS} more answers are in `answers`." in text_of(root)
    assert len(html) < 10_000
    parse(replace(PREDICTION, answers=())._repr_html_())


def test_a_lineage_names_version_run_and_snapshot() -> None:
    version = record(1, {})
    html = Lineage(PREDICTION, version.version, version.run, SNAPSHOT)._repr_html_()
    root = parse(html)
    assert table_of(root, 1) == [
        ["version", "v1, registered 2026-01-01 12:00 UTC"],
        ["bundle", "b" * 64],
        ["run", "run1, seed 7"],
        ["code", "abc"],
        ["snapshot", f"{'s' * 64}, 1200 rows"],
        ["example", "e1"],
    ]
