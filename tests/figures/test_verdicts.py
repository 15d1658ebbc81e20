"""How verdicts look in a notebook."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime

from tests.figures.page import classes_of, parse, table_of, text_of
from tidemill.domain.drift import MAX_FEATURES, DriftVerdict, FeatureDrift
from tidemill.domain.types import MAX_GAINS, Check, Verdict

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SCRIPT = "<script>alert('x')</script>"
CHECKS = (
    Check("floor", True, "accuracy 0.970 on 2000 test examples", 0.97, "disease", 0.6),
    Check("non_inferiority", True, "there is no champion yet", None, "disease"),
    Check("fresh_gain", False, f"lost {SCRIPT}", -0.0032, "disease", 0.0),
)
VERDICT = Verdict("d1", "v2", "v1", False, CHECKS, 3, NOW)
FEATURES = (
    FeatureDrift("contrast", 0.11, 0.1, 0.04, False),
    FeatureDrift(SCRIPT, 1.42, 0.4, 1e-6, True),
)
DRIFT = DriftVerdict("w1", "v1", True, 250, 400, NOW, NOW, FEATURES, NOW, 0.2)


def test_a_verdict_shows_each_check_with_its_value_and_threshold() -> None:
    html = VERDICT._repr_html_()
    root = parse(html)
    assert table_of(root) == [
        ["check", "result", "value", "threshold", "reason"],
        ["floor", "✓ passed", "0.97", "0.6", "accuracy 0.970 on 2000 test examples"],
        ["non_inferiority", "✓ passed", "", "", "there is no champion yet"],
        ["fresh_gain", "✗ failed", "-0.0032", "0", f"lost {SCRIPT}"],
    ]
    text = text_of(root)
    assert text.startswith("Verdict on v2, against v1: refused 1 of 3 checks failed")
    # The gain that has a value is drawn, and only that.
    assert text.count("at least") == 1
    assert "at least -0.0032, threshold 0" in text
    assert "<script" not in html


def test_checks_of_several_targets_name_theirs() -> None:
    rows = (*CHECKS, Check("floor", True, "good", 1.0, "plant", 0.6))
    names = [row[0] for row in table_of(parse(replace(VERDICT, checks=rows)._repr_html_()))]
    assert names[1:] == [
        *("floor of disease", "non_inferiority of disease"),
        *("fresh_gain of disease", "floor of plant"),
    ]


def test_an_override_is_shown_and_a_first_version_has_no_opponent() -> None:
    verdict = replace(VERDICT, champion=None, override_reason=f"the field asks {SCRIPT}")
    text = text_of(parse(verdict._repr_html_()))
    assert "without a champion: refused" in text
    assert f"Promoted by override: the field asks {SCRIPT}" in text
    assert "override" not in VERDICT._repr_html_()


def test_a_verdict_without_numbers_has_no_figure() -> None:
    for checks in ((), (Check("champion", False, "cannot be opened"),)):
        root = parse(replace(VERDICT, checks=checks)._repr_html_())
        assert [*root.iter("svg")] == []
        assert len([*root.iter("table")]) == len(checks)


def test_of_many_gains_the_smallest_are_drawn() -> None:
    checks = [Check("fresh_gain", True, "", at / 1_000, f"t{at}", 0.0) for at in range(300, 0, -1)]
    root = parse(replace(VERDICT, checks=tuple(checks))._repr_html_())
    text = text_of(root)
    assert text.count("at least +") == MAX_GAINS
    assert "fresh_gain of t1 at least +0.0010, threshold 0" in text
    assert len(table_of(root)) == 301


def test_a_value_that_is_no_number_is_written() -> None:
    check = Check("fresh_gain", False, "odd", math.nan, "disease", math.inf)
    html = replace(VERDICT, checks=(check,))._repr_html_()
    assert table_of(parse(html))[1][2:4] == ["nan", "inf"]


def test_a_drift_verdict_shows_each_feature_the_drifted_ones_first() -> None:
    html = DRIFT._repr_html_()
    root = parse(html)
    assert "<script" not in html
    assert table_of(root) == [
        ["feature", "result", "PSI", "JS distance", "p-value"],
        [SCRIPT, "✗ drifted", "1.420", "0.400", "p < 0.0001"],
        ["contrast", "✓ no drift", "0.110", "0.100", "p = 0.0400"],
    ]
    assert classes_of(root, "rect") == ["after", "before"]
    text = text_of(root)
    assert text.startswith("Drift check of v1: drift ")
    assert "1.42, p < 0.0001, drifted" in text
    assert "a drifted one has at least 0.2" in text
    assert "250 predictions against 400 held-out examples" in text


def test_of_many_features_those_that_moved_most_are_shown() -> None:
    features = tuple(FeatureDrift(f"f{at}", at / 1000, 0.1, 0.5, False) for at in range(400))
    html = replace(DRIFT, features=features, drifted=False)._repr_html_()
    root = parse(html)
    assert len(table_of(root)) == 1 + MAX_FEATURES
    assert table_of(root)[1][0] == "f399"
    assert f"{400 - MAX_FEATURES} more features moved less." in text_of(root)
    assert len(html) < 30_000


def test_a_drift_verdict_without_traffic_or_features_is_a_sentence() -> None:
    root = parse(replace(DRIFT, n=0, features=(), drifted=False)._repr_html_())
    assert "No feature was compared." in text_of(root)
    assert [*root.iter("svg")] == []


def test_psi_that_is_no_number_is_written() -> None:
    features = (
        FeatureDrift("a", math.inf, 1.0, 0.0, True),
        FeatureDrift("b", math.nan, 0, 1, False),
    )
    html = replace(DRIFT, features=features)._repr_html_()
    assert [row[2] for row in table_of(parse(html))[1:]] == ["inf", "nan"]


def test_two_verdicts_on_one_page_do_not_clash() -> None:
    parse(f"<div>{VERDICT._repr_html_()}{VERDICT._repr_html_()}{DRIFT._repr_html_()}</div>")
