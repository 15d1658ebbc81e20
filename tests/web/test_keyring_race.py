"""A request may add a bucket while the keys are read again."""

from __future__ import annotations

from typing import Any

from tests.web.test_keys import bearer, create_key
from tidemill.web.keyring import Keyring


class MeddlingId(str):
    """An id whose look-up lets another request use its key first."""

    __slots__ = ("meddle",)
    meddle: Any

    def __hash__(self) -> int:
        if hasattr(self, "meddle"):
            self.meddle()
        return super().__hash__()


def test_a_bucket_added_meanwhile_stops_no_refresh(workspace: Any) -> None:
    _, first = create_key(workspace, "predict", rate=5)
    _, second = create_key(workspace, "predict", name="bob", rate=5)
    keyring = Keyring(workspace.ledger, workspace.clock)
    keyring.refresh()
    header = bearer(first)["Authorization"].encode()
    keyring.find(header)
    [(id, bucket)] = keyring._buckets.items()
    meddling = MeddlingId(id)
    keyring._buckets = {meddling: bucket}
    meddling.meddle = lambda: keyring.find(bearer(second)["Authorization"].encode())
    keyring.refresh()
    assert id in keyring._buckets
