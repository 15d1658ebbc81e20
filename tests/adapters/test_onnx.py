"""The runtime takes a whole graph, from the bytes that were verified, or none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tidemill.adapters.onnx import OnnxRuntime
from tidemill.domain.errors import Corrupt, Unavailable

TinyFiles = Callable[..., dict[str, bytes]]


def scaling(weights: onnx.TensorProto) -> bytes:
    """A graph that multiplies a row of a thousand numbers with a thousand weights."""
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", weights.name], ["y"])],
        "scaling",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1000])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1000])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    content: bytes = model.SerializeToString()
    return content


def test_a_whole_graph_runs() -> None:
    weights = numpy_helper.from_array(np.full(1000, 2, np.float32), "w")
    ones = np.ones((3, 1000), np.float32)
    np.testing.assert_array_equal(OnnxRuntime(scaling(weights)).run({"x": ones})["y"], 2 * ones)


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_provider_that_does_not_work_is_no_reason_to_use_the_processor() -> None:
    graph = scaling(numpy_helper.from_array(np.full(1000, 2, np.float32), "w"))
    OnnxRuntime(graph, providers=("CPUExecutionProvider",))
    with pytest.raises(Unavailable, match="TensorrtExecutionProvider does not work"):
        OnnxRuntime(graph, providers=("TensorrtExecutionProvider", "CPUExecutionProvider"))


@pytest.mark.parametrize("place", ["weights.bin", "../here/weights.bin", "{folder}/weights.bin"])
def test_weights_in_a_file_beside_the_graph_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "weights.bin").write_bytes(np.full(1000, 2, np.float32).tobytes())
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1000])
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value=place.format(folder=folder))
    with pytest.raises(Corrupt, match="cannot be loaded"):
        OnnxRuntime(scaling(weights))


def test_bytes_that_are_no_graph_are_refused() -> None:
    with pytest.raises(Corrupt, match="cannot be loaded"):
        OnnxRuntime(b"no graph")


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"photo": np.zeros((1, 8, 8, 3), np.uint8)},
        {"image": np.zeros((1, 4, 4, 3), np.uint8)},
    ],
)
def test_arrays_that_the_graph_does_not_take_are_told(
    tiny_files: TinyFiles, arrays: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]
) -> None:
    with pytest.raises(Corrupt, match="does not take"):
        OnnxRuntime(tiny_files()["model.onnx"]).run(arrays)
