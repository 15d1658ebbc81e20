"""Whatever a record holds, its block is well-formed and stays small."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.figures.page import parse
from tidemill.domain.drift import DriftVerdict, FeatureDrift
from tidemill.domain.types import Answer, Check, Prediction, Verdict
from tidemill.evaluation.evaluation import Evaluation
from tidemill.evaluation.scores import ClassScore, ConfidenceBin, SplitScores, TargetRobustness

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
NAMES = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["", "x" * 3_000, "漢" * 300, "</style><script>", "\ud800", "\x00", "]]>", "&#0;"]
    ),
)
NUMBERS = st.floats()
COUNTS = st.integers(0, 10**12)
CHECKS = st.lists(
    st.builds(
        Check,
        st.sampled_from(["floor", "non_inferiority", "fresh_gain"]),
        st.booleans(),
        NAMES,
        st.none() | NUMBERS,
        NAMES,
        st.none() | NUMBERS,
    ),
    max_size=6,
)
FEATURES = st.lists(
    st.builds(FeatureDrift, NAMES, NUMBERS, NUMBERS, NUMBERS, st.booleans()), max_size=6
)
CLASSES = st.lists(
    st.builds(ClassScore, NAMES, NUMBERS, NUMBERS, NUMBERS, COUNTS, st.none() | NUMBERS), max_size=5
)
BINS = st.lists(st.builds(ConfidenceBin, COUNTS, NUMBERS, NUMBERS), max_size=5)


@settings(deadline=None, max_examples=60)
@given(checks=CHECKS, reason=NAMES)
def test_any_verdict(checks: list[Check], reason: str) -> None:
    html = Verdict("d", "v2", None, False, tuple(checks), 1, NOW, reason)._repr_html_()
    parse(html)
    assert "<script" not in html
    assert len(html) < 40_000


@settings(deadline=None, max_examples=60)
@given(features=FEATURES, threshold=st.floats(0, 1e6))
def test_any_drift_verdict(features: list[FeatureDrift], threshold: float) -> None:
    verdict = DriftVerdict(
        "w", "v1", True, 0, 0, NOW, NOW, tuple(features), NOW, threshold=threshold
    )
    html = verdict._repr_html_()
    parse(html)
    assert "<script" not in html
    assert len(html) < 20_000


@settings(deadline=None, max_examples=60)
@given(classes=CLASSES, bins=BINS, target=NAMES, value=NUMBERS, count=COUNTS)
def test_any_evaluation(
    classes: list[ClassScore], bins: list[ConfidenceBin], target: str, value: float, count: int
) -> None:
    scores = SplitScores(
        value,
        value,
        {},
        examples=count,
        ece=value,
        classes=classes,
        confusion=[[count] * len(classes) for _ in classes],
        reliability=bins,
    )
    robustness = TargetRobustness(value, {target: [value], "blur": []})
    html = Evaluation({target: {"test": scores}}, {}, {target: robustness})._repr_html_()
    parse(html)
    assert "<script" not in html
    assert len(html) < 40_000


@settings(deadline=None, max_examples=60)
@given(label=NAMES, share=NUMBERS, remark=NAMES)
def test_any_prediction(label: str, share: float, remark: str) -> None:
    answer = Answer(label, label, share, {label: share, "other": share}, label)
    html = Prediction(
        "p", "web", 1, "v1", NOW, "live", b"", (answer,), remarks=(remark,)
    )._repr_html_()
    parse(html)
    assert "<script" not in html
    assert len(html) < 20_000
