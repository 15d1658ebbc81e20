"""A digest of weights names them: equal exactly when the graphs are."""

from __future__ import annotations

from tidemill.demo.claims.training_reproducible import WeightDigests, find_contradiction


def test_different_digests_of_different_weights_are_accepted() -> None:
    one, other = WeightDigests("d1", "g1"), WeightDigests("d2", "g2")
    assert find_contradiction({"v1": one, "v2": other, "v1 again": one}) == ""


def test_one_digest_for_all_weights_is_noticed() -> None:
    sentence = find_contradiction({"v1": WeightDigests("d", "g1"), "v2": WeightDigests("d", "g2")})
    assert sentence == "v1 and v2 have the same digest and another model.onnx"


def test_two_digests_of_the_same_weights_are_noticed() -> None:
    sentence = find_contradiction(
        {"v1": WeightDigests("d1", "g"), "again": WeightDigests("d2", "g")}
    )
    assert sentence == "v1 and again have the same model.onnx and another digest"
