"""Preprocesses payloads, in as many threads as there are processors."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

from tidemill.domain.errors import BadPayload
from tidemill.predictor import Predictor, Preprocessed


def at_index(error: BadPayload, index: int, *, of: int) -> BadPayload:
    """Return the same error, naming which of the `of` payloads of a request has it."""
    message = f"Payload {index}: {error.message}" if of > 1 else error.message
    return BadPayload(message, hint=error.hint, index=index)


class Preprocessor:
    """Keeps the event loop free of decoding. The caller bounds how many payloads wait here."""

    def __init__(self) -> None:
        self._threads = os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="tidemill-preprocess")

    async def preprocess(
        self, predictor: Predictor, payloads: Sequence[bytes]
    ) -> list[Preprocessed]:
        """Preprocess every payload, in order. Raises BadPayload for the first unreadable one."""
        loop = asyncio.get_running_loop()
        size = -(-len(payloads) // self._threads)
        parts = await asyncio.gather(
            *(
                loop.run_in_executor(
                    self._pool, _preprocess, predictor, payloads, start, start + size
                )
                for start in range(0, len(payloads), size)
            ),
            return_exceptions=True,
        )
        for part in parts:
            if isinstance(part, BaseException):
                raise part
        return list(chain.from_iterable(part for part in parts if isinstance(part, list)))

    def close(self) -> None:
        """Wait for the running work."""
        self._pool.shutdown()


def _preprocess(
    predictor: Predictor, payloads: Sequence[bytes], start: int, stop: int
) -> list[Preprocessed]:
    rows = []
    for index, payload in enumerate(payloads[start:stop], start):
        try:
            rows.append(predictor.preprocess(payload))
        except BadPayload as error:
            raise at_index(error, index, of=len(payloads)) from error
    return rows
