"""A run of a model that does not end is ended from another thread."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import repeat

import numpy as np
import pytest
from onnx import TensorProto, helper

from tidemill.adapters.onnx import OnnxRuntime
from tidemill.domain.errors import TimedOut

SIDE = 2


@cache
def counting_model() -> bytes:
    """Multiplies `x` as often as `times` says, in a loop of the graph."""
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["state", "state"], ["next"]),
            helper.make_node("Identity", ["going"], ["going_on"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, [SIDE, SIDE]),
        ],
        [
            helper.make_tensor_value_info("going_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, [SIDE, SIDE]),
        ],
    )
    graph = helper.make_graph(
        [
            helper.make_node("Squeeze", ["times"], ["turns"]),
            helper.make_node("Loop", ["turns", "true", "x"], ["y"], body=body),
        ],
        "counting",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [SIDE, SIDE]),
            helper.make_tensor_value_info("times", TensorProto.INT64, [1]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [SIDE, SIDE])],
        [helper.make_tensor("true", TensorProto.BOOL, [], [True])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    content: bytes = model.SerializeToString()
    return content


def arrays(times: int) -> dict[str, np.ndarray]:
    return {"x": np.eye(SIDE, dtype=np.float32), "times": np.array([times], np.int64)}


def test_runs_in_progress_are_ended_and_later_ones_are_not() -> None:
    runtime = OnnxRuntime(counting_model())
    stop = threading.Event()

    def end_again_and_again() -> None:
        # A run that has not begun yet is not in progress.
        while not stop.wait(0.01):
            runtime.terminate()

    ending = threading.Thread(target=end_again_and_again)
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(runtime.run, arrays(1 << 50)) for _ in repeat(None, 2)]
        ending.start()
        for future in running:
            with pytest.raises(TimedOut, match="took too long"):
                future.result(60)
    stop.set()
    ending.join()
    assert runtime.run(arrays(3))["y"].tolist() == [[1, 0], [0, 1]]


def test_to_end_what_does_not_run_does_nothing() -> None:
    runtime = OnnxRuntime(counting_model())
    runtime.terminate()
    assert runtime.run(arrays(1))["y"].shape == (SIDE, SIDE)
