"""What the gate is shown: true names from the snapshot, both models on the same examples."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from herd.codec import HerdCodec
from tests import herds
from tidemill.adapters.onnx import OnnxRuntime
from tidemill.bundle import REFERENCE, BundleStore, Golden
from tidemill.domain.types import Example, Labels, Split, payload_id
from tidemill.loop.evidence import Evidence, HeldOut, LabelUse, gather
from tidemill.loop.gate import GatePolicy, judge
from tidemill.predictor import Predictor

Tiny = Callable[..., Predictor]
Paint = Callable[[Sequence[int]], bytes]
GoldenOf = Callable[[Mapping[str, Sequence[str]]], list[Golden]]
TRUE = {"disease": ("miner", "healthy", "phoma")}
SWAPPED = {"disease": ("healthy", "miner", "phoma")}


@pytest.fixture
def truth(
    paint: Paint, tiny_colours: Sequence[tuple[int, int, int]], golden_of: GoldenOf
) -> list[Example]:
    """Seventy test and five fresh examples of three colours, and the golden ones in val."""
    dice = random.Random(5)
    sizes: list[tuple[Split, int]] = [("test", 70), ("fresh", 5)]
    rows = []
    for split, size in sizes:
        for at in range(size):
            colour = [min(255, max(0, c + dice.randint(-5, 5))) for c in tiny_colours[at % 3]]
            payload, label = paint(colour), TRUE["disease"][at % 3]
            rows.append(example(payload, {"disease": label}, split))
    rows += [example(sample.payload, sample.labels, "val") for sample in golden_of(TRUE)]
    return rows


def example(payload: bytes, labels: Labels, split: Split) -> Example:
    return Example(payload_id(payload), payload, labels, "test", "", split)


def hold_out(rows: Sequence[Example], labels: Mapping[str, Sequence[str]] = TRUE) -> HeldOut:
    def of_split(split: Split) -> list[Example]:
        return [row for row in rows if row.split == split]

    def labels_of(ids: Collection[str]) -> dict[str, list[Labels]]:
        labels_by_id: dict[str, list[Labels]] = {}
        for row in rows:
            if row.id in ids:
                labels_by_id.setdefault(row.id, []).append(row.labels)
        return labels_by_id

    return HeldOut(labels, len(of_split("val")), of_split, labels_of)


def with_golden(predictor: Predictor, golden: Sequence[Golden]) -> Predictor:
    """The same model with samples that no bundle on disk could hold."""
    return Predictor(
        replace(predictor.bundle, golden=tuple(golden)), OnnxRuntime(predictor.bundle.model)
    )


def failed(evidence: Evidence) -> set[str]:
    policy = GatePolicy(fresh_minimum=1)
    return {check.name for check in judge(evidence, policy) if not check.passed}


def test_a_right_model_is_right_everywhere(tiny: Tiny, truth: list[Example]) -> None:
    steps: list[int] = []
    evidence = gather(tiny(), None, hold_out(truth), progress=steps.append)
    (target,) = evidence.targets
    assert (target.target, target.class_count) == ("disease", 3)
    assert target.prior == pytest.approx(24 / 70)
    assert target.test.correct.shape == (70,)
    assert target.test.correct.all()
    assert target.fresh.correct.shape == (5,)
    assert target.test_champion is None
    assert target.fresh_champion is None
    assert (evidence.golden_samples, evidence.golden_faults) == (3, ())
    assert evidence.parity_gap < 1e-5
    assert sum(steps) == 75
    assert failed(evidence) == set()


def test_swapped_label_names_are_seen(
    tiny: Tiny, truth: list[Example], golden_of: GoldenOf
) -> None:
    swapped = tiny(SWAPPED, golden=golden_of(TRUE))
    evidence = gather(swapped, None, hold_out(truth))
    assert len(evidence.golden_faults) == 2
    assert "'healthy' is predicted where the snapshot has 'miner'" in evidence.golden_faults
    assert evidence.parity_gap > 0.9
    assert {"label_names", "onnx_parity", "floor"} <= failed(evidence)


def test_swapped_label_names_are_seen_when_the_golden_samples_agree_with_them(
    tiny: Tiny, truth: list[Example], golden_of: GoldenOf
) -> None:
    swapped = tiny(SWAPPED, golden=golden_of(SWAPPED))
    for sample in swapped.bundle.golden:  # the forgery is perfect: the bundle believes itself
        [(answer,)] = swapped.predict([swapped.decode(sample.payload)])
        assert sample.fault("disease", answer.label, answer.probabilities) == ""
    evidence = gather(swapped, None, hold_out(truth))
    assert len(evidence.golden_faults) == 2
    assert evidence.parity_gap < 1e-5
    assert "label_names" in failed(evidence)


def test_a_golden_sample_that_is_not_in_the_snapshot_is_a_fault(
    tiny: Tiny, truth: list[Example]
) -> None:
    known = [row for row in truth if row.split != "val"]
    evidence = gather(tiny(), None, hold_out(known))
    assert evidence.golden_faults == ("a golden sample is not in the snapshot",) * 3
    assert failed(evidence) == {"label_names"}


def test_swapped_label_names_are_seen_when_their_golden_samples_were_taken_out(
    tiny: Tiny, truth: list[Example], golden_of: GoldenOf
) -> None:
    """All that is left proves `phoma`, and nothing in the bundle contradicts itself."""
    golden = [sample for sample in golden_of(SWAPPED) if sample.labels["disease"] == "phoma"]
    evidence = gather(tiny(SWAPPED, golden=golden), None, hold_out(truth))
    assert (len(golden), evidence.golden_faults, evidence.class_faults) == (1, (), ())
    assert evidence.parity_gap < 1e-5
    assert "label_names" in failed(evidence)
    (check,) = [c for c in judge(evidence, GatePolicy()) if c.name == "label_names"]
    assert check.reason.endswith("47 of 70 test examples: healthy (24), miner (23)")


def test_a_class_that_is_never_met_needs_no_proof(
    tiny: Tiny, truth: list[Example], golden_of: GoldenOf
) -> None:
    golden = [sample for sample in golden_of(TRUE) if sample.labels["disease"] != "phoma"]
    rows = [row for row in truth if row.labels["disease"] != "phoma" or row.split == "val"]
    evidence = gather(tiny(golden=golden), None, hold_out(rows))
    assert [use.label for use in evidence.targets[0].label_uses] == ["healthy", "miner"]
    assert failed(evidence) == set()


def test_how_names_are_used_is_counted(
    tiny: Tiny, truth: list[Example], golden_of: GoldenOf
) -> None:
    both = {"disease": TRUE["disease"], "part": ("leaf", "stem", "fruit")}
    part = dict(zip(both["disease"], both["part"], strict=True)) | {"phoma": "leaf"}
    rows = [
        replace(row, labels={**row.labels, "part": part[row.labels["disease"]]}) for row in truth
    ]
    evidence = gather(tiny(both, golden=golden_of(both)[:1]), None, hold_out(rows, both))
    assert evidence.validation_rows == 3
    disease, other = evidence.targets
    assert disease.label_uses == (
        LabelUse("healthy", 23, 23, 23, golden=False),
        LabelUse("miner", 24, 24, 24, golden=True),
        LabelUse("phoma", 23, 23, 0, golden=False),
    )
    assert other.label_uses[0] == LabelUse("fruit", 23, 0, 0, golden=False)


@pytest.mark.parametrize(
    ("names", "faults"),
    [
        (("miner", "healthy", "plague"), ("lacks phoma", "invents plague")),
        (("miner", "healthy", "miner"), ("names twice miner", "lacks phoma")),
        (("miner", "healthy"), ("lacks phoma",)),
        (("phoma", "miner", "healthy"), ()),
    ],
)
def test_the_label_table_must_name_what_the_snapshot_names(
    tiny: Tiny,
    truth: list[Example],
    golden_of: GoldenOf,
    names: tuple[str, ...],
    faults: tuple[str, ...],
) -> None:
    classes = {"disease": names}
    evidence = gather(tiny(classes, golden=golden_of(classes)[:1]), None, hold_out(truth))
    assert evidence.class_faults == tuple(f"for disease the bundle {fault}" for fault in faults)
    assert not faults or "label_names" in failed(evidence)


def test_a_payload_that_the_snapshot_keeps_under_two_labels_may_bear_either(
    tiny: Tiny, truth: list[Example]
) -> None:
    disputed = [
        replace(row, labels={"disease": other})
        for row in truth
        if row.split == "val"
        for other in TRUE["disease"]
    ]
    assert failed(gather(tiny(), None, hold_out([*disputed, *truth]))) == set()
    never = [replace(row, labels={"disease": "rust"}) for row in disputed]
    rows = [row for row in truth if row.split != "val"] + never
    assert len(gather(tiny(), None, hold_out(rows)).golden_faults) == 3


def test_a_bundle_without_golden_samples_proves_nothing(tiny: Tiny, truth: list[Example]) -> None:
    evidence = gather(tiny(golden=[]), None, hold_out(truth))
    assert evidence.golden_samples == 0
    assert failed(evidence) == {"label_names", "onnx_parity"}


def test_a_recorded_probability_that_is_not_reproduced_is_measured(
    tiny: Tiny, truth: list[Example], golden_of: GoldenOf
) -> None:
    first, *others = golden_of(TRUE)
    row = first.probabilities["disease"]
    changed = {**row, "phoma": row["phoma"] + 0.01}
    golden = [replace(first, probabilities={"disease": changed}), *others]
    evidence = gather(tiny(golden=golden), None, hold_out(truth))
    assert evidence.parity_gap == pytest.approx(0.01, abs=1e-5)
    assert failed(evidence) == {"onnx_parity"}


@pytest.mark.parametrize("recorded", [{}, {"disease": {}}, {"disease": {"other": 0.5}}])
def test_a_missing_or_strange_record_is_no_parity(
    tiny: Tiny, truth: list[Example], golden_of: GoldenOf, recorded: dict[str, dict[str, float]]
) -> None:
    first, *others = golden_of(TRUE)
    strange = with_golden(tiny(), [*others, replace(first, probabilities=recorded)])
    evidence = gather(strange, None, hold_out(truth))
    assert evidence.parity_gap >= 1
    assert "onnx_parity" in failed(evidence)


class Dazed:
    """A runtime whose every number is NaN, as a graph gives that overflowed."""

    alone = False

    def __init__(self, labels: int) -> None:
        self._labels = labels

    def terminate(self) -> None:
        """Its runs are short."""

    def run(self, arrays: Mapping[str, Sequence[object]]) -> dict[str, object]:
        return {"logits_disease": np.full((len(arrays["image"]), self._labels), np.nan)}


def test_a_model_that_gives_no_numbers_does_not_pass_parity(
    tiny: Tiny, truth: list[Example]
) -> None:
    dazed = Predictor(tiny().bundle, Dazed(3))
    evidence = gather(dazed, None, hold_out(truth))
    assert not evidence.parity_gap <= 1
    assert {"onnx_parity", "not_untrained"} <= failed(evidence)


def test_both_models_answer_the_same_examples_in_the_same_order(
    tiny: Tiny, truth: list[Example]
) -> None:
    evidence = gather(tiny(), tiny(SWAPPED), hold_out(truth))
    (target,) = evidence.targets
    assert target.test_champion is not None
    assert target.fresh_champion is not None
    test = [row for row in truth if row.split == "test"]
    right = [row.labels["disease"] == "phoma" for row in test]
    assert target.test.correct.all()
    assert target.test_champion.correct.tolist() == right
    assert target.fresh_champion.correct.tolist() == [False, False, True, False, False]


def test_a_champion_of_another_codec_decodes_for_itself(tiny: Tiny, truth: list[Example]) -> None:
    evidence = gather(tiny(), tiny(side=4), hold_out(truth))
    (target,) = evidence.targets
    assert target.test_champion is not None
    assert target.test_champion.correct.all()


def test_a_model_without_a_target_is_wrong_about_it(
    tiny: Tiny, truth: list[Example], golden_of: GoldenOf
) -> None:
    both = {"disease": TRUE["disease"], "part": ("leaf", "stem", "fruit")}
    part = dict(zip(both["disease"], both["part"], strict=True))
    rows = [
        replace(row, labels={**row.labels, "part": part[row.labels["disease"]]}) for row in truth
    ]
    evidence = gather(tiny(both), tiny(), hold_out(rows, both))
    disease, other = evidence.targets
    assert disease.test_champion is not None
    assert disease.test_champion.correct.all()
    assert other.test.correct.all()
    assert other.test_champion is not None
    assert not other.test_champion.correct.any()
    assert not other.test_champion.confidence.any()
    lacking = gather(tiny(), None, hold_out(rows, both))
    assert not lacking.targets[1].test.correct.any()
    assert "floor" in failed(lacking)


def test_a_model_with_a_target_that_the_snapshot_lacks_is_at_fault(
    tiny: Tiny, truth: list[Example]
) -> None:
    evidence = gather(tiny({**TRUE, "part": ("leaf", "stem", "fruit")}), None, hold_out(truth))
    assert len(evidence.golden_faults) == 3
    assert "has None" in evidence.golden_faults[0]


def test_a_snapshot_without_held_back_examples_gives_empty_evidence(
    tiny: Tiny, truth: list[Example]
) -> None:
    rows = [row for row in truth if row.split == "val"]
    evidence = gather(tiny(), tiny(), hold_out(rows))
    (target,) = evidence.targets
    assert (len(target.test.correct), len(target.fresh.correct), target.prior) == (0, 0, 0.0)
    assert failed(evidence) == {"floor"}


def test_each_model_reads_what_was_asked_with_its_own_codec(
    bundles: BundleStore, reference_for: Callable[..., bytes]
) -> None:
    """Codecs of two configurations are two codecs, and an example is one item to either."""

    def opened(year: int) -> Predictor:
        contents, held_out = herds.files(year=year)
        content = {**contents, REFERENCE: reference_for(contents, held_out)}
        bundle = bundles.open(bundles.write("herd", content))
        return Predictor(bundle, OnnxRuntime(bundle.model))

    rows = [
        example(sample.payload, sample.labels, split)
        for split in ("val", "test", "fresh")
        for sample in herds.golden()
    ]
    labels = {herds.TARGET: herds.LABELS}
    challenger, same, other = opened(1), opened(1), opened(2)
    evidence = gather(challenger, other, hold_out(rows, labels))
    (target,) = evidence.targets
    assert target.test.correct.all()
    assert target.fresh_champion is not None
    assert target.fresh_champion.correct.all()
    assert (evidence.golden_faults, evidence.parity_gap < 1e-5) == ((), True)
    assert readings(other) == 12
    gather(challenger, same, hold_out(rows, labels))
    assert readings(same) == 0


def readings(predictor: Predictor) -> int:
    assert isinstance(predictor.codec, HerdCodec)
    return predictor.codec.readings
