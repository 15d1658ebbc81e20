"""Load pretrained encoders of transformers: a folder with `config.json` and the weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from logging import ERROR
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModel, PreTrainedModel
from transformers.utils import logging

from tidemill.domain.errors import DataError


def load_encoder(path: Path) -> tuple[PreTrainedModel, frozenset[str]]:
    """Return the encoder in a folder, without the heads it was saved with, and the weights that it
    lacks.

    Those are random. The global generator is left as it was. Raises DataError when the folder
    holds no encoder that can be loaded without running code of its own.
    """
    with torch.random.fork_rng(devices=[]), _quiet():
        torch.manual_seed(0)
        try:
            config = AutoConfig.from_pretrained(
                path, local_files_only=True, trust_remote_code=False
            )
            encoder, loaded = AutoModel.from_pretrained(
                path,
                config=config,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
                dtype=torch.float32,
            )
        except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise DataError(f"{path} holds no encoder: {reason.rstrip('.')}.") from error
    return encoder, frozenset(loaded["missing_keys"])


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the report on weights, which callers check, and the bar over a moment's work."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(ERROR)
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
