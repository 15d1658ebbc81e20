"""Run an exported model with ONNX Runtime."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

from tidemill.domain.errors import Corrupt, TimedOut, Unavailable, UsageError

CPU = "CPUExecutionProvider"


def require_providers(providers: Sequence[str]) -> None:
    """Raise UsageError when the installed ONNX Runtime lacks one of these execution providers."""
    available = onnxruntime.get_available_providers()
    if unknown := [name for name in providers if name not in available]:
        raise UsageError(
            f"TIDEMILL_PROVIDERS: {', '.join(unknown)} is not in the installed ONNX Runtime.",
            hint=f"It has {', '.join(available)}. Others need another build of onnxruntime.",
        )


class OnnxRuntime:
    """One loaded graph; `model` contains it completely. `threads` limits one call."""

    def __init__(
        self, model: bytes, *, threads: int = 1, providers: Sequence[str] = (CPU,)
    ) -> None:
        """Load the graph. Raises Corrupt when that fails, and when it refers to other files.

        Raises Unavailable when one of the execution providers does not work here.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Spinning threads would take the processor from the decoding of the next request.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Nobody verifies the digest of weights in a separate file, and ONNX Runtime would search
        # for it in the current folder. A device cannot contain a file.
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", os.devnull
        )
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=[*providers])
        except Exception as error:
            raise Corrupt(f"The model cannot be loaded: {error}.") from error
        # ONNX Runtime goes on with the processor when a library or a device is missing.
        if missing := [name for name in providers if name not in self._session.get_providers()]:
            raise Unavailable(
                f"The execution provider {', '.join(missing)} does not work on this machine.",
                hint="ONNX Runtime's lines above say why. TIDEMILL_PROVIDERS chooses another one.",
            )
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._running: set[onnxruntime.RunOptions] = set()
        self._guard = threading.Lock()
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.alone = metadata.get("single") == "true"

    def run(self, arrays: Mapping[str, Any]) -> dict[str, Any]:
        """Map named arrays to named arrays; the first axis is the batch on both sides.

        Raises Corrupt when the graph does not accept these arrays, and TimedOut when `terminate`
        ended the run.
        """
        options = onnxruntime.RunOptions()
        with self._guard:
            self._running.add(options)
        try:
            results = self._session.run(self._outputs, dict(arrays), options)
        except (ValueError, InvalidArgument) as error:
            raise Corrupt(f"The model does not take what its codec makes: {error}.") from error
        except Exception as error:
            if options.terminate:
                raise TimedOut("The run of the model took too long and was ended.") from error
            raise
        finally:
            with self._guard:
                self._running.discard(options)
        return dict(zip(self._outputs, results, strict=True))

    def terminate(self) -> None:
        """End the runs in progress, between two nodes of the graph."""
        with self._guard:
            for options in self._running:
                options.terminate = True
