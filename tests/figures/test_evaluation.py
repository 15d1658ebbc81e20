"""How an evaluation looks in a notebook, from its file."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.figures.page import classes_of, parse, table_of, text_of
from tidemill.evaluation.evaluation import Evaluation
from tidemill.evaluation.notebook import MAX_CLASS_ROWS, MAX_SCORED, MAX_TARGETS
from tidemill.figures.confusion import MAX_CLASSES, MAX_CONFUSIONS, tabulate_confusion

SCRIPT = "<script>alert('x')</script>"


def class_score(label: str, right: int, support: int) -> dict[str, Any]:
    recall = right / support if support else 0.0
    return {"label": label, "precision": 0.5, "recall": recall, "f1": 0.5, "support": support}


def scores(**figures: Any) -> dict[str, Any]:
    return {"accuracy": 0.75, "macro_f1": 0.5} | figures


FULL = scores(
    examples=4,
    nll=0.2,
    ece=0.015,
    ece_unscaled=0.068,
    classes=[class_score(SCRIPT, 1, 2), class_score("rust", 2, 2), class_score("miner", 0, 0)],
    confusion=[[1, 1, 0], [0, 2, 0], [0, 0, 0]],
    reliability=[{"examples": 4, "confidence": 0.8, "accuracy": 0.75}],
    sources={"field": {"examples": 1, "accuracy": 1.0}, "list": {"examples": 3, "accuracy": 0.5}},
)
CORRUPTIONS = {
    "examples": 9,
    "targets": {"disease": {"untouched": 1.0, "kinds": {"noise": [0.5, 0.25], "blur": [0.75]}}},
}


def evaluation(body: dict[str, Any]) -> Evaluation:
    return Evaluation.from_bytes(json.dumps(body).encode())


def many(count: int) -> dict[str, Any]:
    """The scores of many classes, of which the first is never right."""
    rows = [class_score(f"class {at}", min(at, 1), 1) for at in range(count)]
    confusion = [[int(at == (row or 1)) for at in range(count)] for row in range(count)]
    return scores(classes=rows, confusion=confusion)


def test_every_score_of_the_file_is_typed() -> None:
    body = {"targets": {"disease": {"test": FULL}}, "corruptions": CORRUPTIONS, "other": [1]}
    parsed = evaluation(body)
    row = parsed.targets["disease"]["test"]
    assert (row.examples, row.nll, row.ece, row.ece_unscaled) == (4, 0.2, 0.015, 0.068)
    assert (row.classes[1].label, row.classes[1].recall, row.classes[1].auc) == ("rust", 1, None)
    assert row.confusion[0] == [1, 1, 0]
    assert row.sources["list"].examples == 3
    assert (row.reliability[0].confidence, row.reliability[0].accuracy) == (0.8, 0.75)
    assert row.figures == FULL
    assert parsed.robustness["disease"].kinds == {"noise": [0.5, 0.25], "blur": [0.75]}
    assert parsed.figures == body


@pytest.mark.parametrize(
    ("figures", "place"),
    [
        ({"classes": [{"label": "rust"}]}, "classes.0.precision"),
        ({"classes": [class_score("rust", 1, 1)], "confusion": [[1, 2]]}, "no matrix of 1 classes"),
        ({"confusion": [["a"]]}, "confusion.0.0"),
        ({"ece": "low"}, "ece"),
    ],
    ids=["class", "shape", "count", "number"],
)
def test_a_score_that_does_not_fit_is_an_error(figures: dict[str, Any], place: str) -> None:
    with pytest.raises(ValueError, match=place):
        evaluation({"targets": {"disease": {"test": scores(**figures)}}})


def test_the_scores_of_each_split_and_the_classes_of_test() -> None:
    body = {"targets": {"disease": {"val": scores(), "test": FULL}}, "corruptions": CORRUPTIONS}
    html = evaluation(body)._repr_html_()
    root = parse(html)
    assert "<script" not in html
    splits, classes, confusion, sources, robustness = (table_of(root, at) for at in range(5))
    assert splits[1:] == [
        ["disease", "val", "", "0.750", "0.500", "", "", ""],
        ["disease", "test", "4", "0.750", "0.500", "0.200", "0.015", "0.068"],
    ]
    assert [row[:3] for row in classes[1:]] == [
        [SCRIPT, "0.500", "0.500"],
        ["rust", "0.500", "1.000"],
    ]
    assert confusion[1:] == [[SCRIPT, "1", "1", "0"], ["rust", "0", "2", "0"], ["miner", *"000"]]
    assert sources[1:] == [["list", "3", "0.500"], ["field", "1", "1.000"]]
    assert robustness == [
        ["corruption", "none", "1", "2"],
        ["noise", "1.000", "0.500", "0.250"],
        ["blur", "1.000", "0.750", ""],
    ]
    assert "Recall of each class on test" in text_of(root)
    assert "0.500 of 2" in text_of(root)
    assert "Accuracy by confidence on test" in text_of(root)
    assert "1 of 3 classes have no example in test." in text_of(root)


def test_without_a_test_split_the_classes_of_val_are_shown() -> None:
    root = parse(evaluation({"targets": {"disease": {"val": FULL}}})._repr_html_())
    assert "Recall of each class on val" in text_of(root)


def test_without_classes_there_are_the_scores_alone() -> None:
    root = parse(evaluation({"targets": {"disease": {"test": scores()}}})._repr_html_())
    assert len([*root.iter("table")]) == 1
    assert [*root.iter("svg")] == []
    confusion = scores(confusion=[[1]])
    parse(evaluation({"targets": {"disease": {"test": confusion}}})._repr_html_())


@pytest.mark.parametrize("body", [{}, {"targets": {"disease": {"test": None}}}])
def test_an_evaluation_without_scores_is_a_sentence(body: dict[str, Any]) -> None:
    assert "No target was scored." in text_of(parse(evaluation(body)._repr_html_()))


def test_a_score_that_is_no_number_is_written() -> None:
    body = b'{"targets": {"a": {"test": {"accuracy": NaN, "macro_f1": Infinity}}}}'
    root = parse(Evaluation.from_bytes(body)._repr_html_())
    assert table_of(root)[1][3:5] == ["nan", "inf"]


def test_a_thousand_classes_are_told_in_a_few_rows() -> None:
    html = evaluation({"targets": {"disease": {"test": many(1_000)}}})._repr_html_()
    root = parse(html)
    assert len(html) < 20_000
    assert f"The {MAX_CLASS_ROWS} of 1000 classes with the lowest recall" in text_of(root)
    assert classes_of(root, "rect") == ["before"] * MAX_CLASS_ROWS
    assert table_of(root, 2) == [
        ["true class", "predicted class", "examples"],
        ["class 0", "class 1", "1"],
    ]


def test_the_classes_of_many_targets_are_not_all_shown() -> None:
    body = {"targets": {f"target {at}": {"test": FULL} for at in range(1_000)}}
    html = evaluation(body)._repr_html_()
    root = parse(html)
    assert len(html) < 80_000
    assert len(table_of(root)) == 1 + MAX_SCORED
    # The recall and the reliability of each.
    assert len([*root.iter("svg")]) == 2 * MAX_TARGETS
    assert f"{1_000 - MAX_TARGETS} more targets are in `targets`." in text_of(root)


def test_of_many_sources_those_with_the_lowest_accuracy_are_shown() -> None:
    sources = {f"s{at}": {"examples": 9, "accuracy": at / 100} for at in range(99, -1, -1)}
    body = {"targets": {"disease": {"test": scores(sources=sources)}}}
    root = parse(evaluation(body)._repr_html_())
    assert [row[0] for row in table_of(root, 1)[1:3]] == ["s0", "s1"]
    assert len(table_of(root, 1)) == 1 + MAX_CLASS_ROWS
    assert f"{100 - MAX_CLASS_ROWS} more sources have a higher accuracy." in text_of(root)


def test_of_many_confusions_the_commonest_come_first() -> None:
    size = MAX_CLASSES + 1
    counts = [[row * size + column for column in range(size)] for row in range(size)]
    table = table_of(parse(tabulate_confusion([str(at) for at in range(size)], counts)))
    assert len(table) == 1 + MAX_CONFUSIONS
    assert table[1] == ["16", "15", "287"]
    nothing = [[0] * size] * size
    assert "No example" in tabulate_confusion([str(at) for at in range(size)], nothing)


def test_a_shade_is_the_share_of_a_true_class() -> None:
    root = parse(tabulate_confusion(["a", "b"], [[1, 3], [0, 0]]))
    styles = [cell.get("style", "") for cell in root.iter("td")]
    assert [style[-5:] for style in styles] == ["0.17)", "0.52)", "", ""]
