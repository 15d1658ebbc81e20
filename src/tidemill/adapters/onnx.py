"""Running an exported model with ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnxruntime

from tidemill.domain.errors import Corrupt


class OnnxRuntime:
    """One loaded graph. `threads` bounds what one call may use."""

    def __init__(self, model: Path, *, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Spinning threads would take the processor from the decoding of the next request.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                str(model), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise Corrupt(f"{model.name} cannot be loaded: {error}.") from error
        self._outputs = [output.name for output in self._session.get_outputs()]

    def run(self, arrays: Mapping[str, Any]) -> dict[str, Any]:
        """Named arrays in, named arrays out; the first axis is the batch on both sides."""
        results = self._session.run(self._outputs, dict(arrays))
        return dict(zip(self._outputs, results, strict=True))
