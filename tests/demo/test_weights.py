"""A digest of weights names them: equal exactly when the graphs are."""

from __future__ import annotations

from tidemill.demo.claims.same_weights import Weights, contradicted


def test_digests_that_tell_weights_apart_are_believed() -> None:
    one, other = Weights("d1", "g1"), Weights("d2", "g2")
    assert contradicted({"v1": one, "v2": other, "v1 again": one}) == ""


def test_one_digest_for_all_weights_is_noticed() -> None:
    said = contradicted({"v1": Weights("d", "g1"), "v2": Weights("d", "g2")})
    assert said == "v1 and v2 have the same digest and another model.onnx"


def test_two_digests_of_the_same_weights_are_noticed() -> None:
    said = contradicted({"v1": Weights("d1", "g"), "again": Weights("d2", "g")})
    assert said == "v1 and again have the same model.onnx and another digest"
