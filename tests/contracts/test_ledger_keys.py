"""What every ledger must do with API keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from tidemill.adapters.memory import FixedClock
from tidemill.domain.api_key import ApiKey
from tidemill.domain.errors import Conflict, NotFound
from tidemill.domain.events import KeyCreated, KeyRevoked
from tidemill.domain.ledger import Ledger, UnitOfWork

Race = Callable[[Callable[[UnitOfWork, str], object]], list[str]]

NOW = FixedClock().now()
KEY = ApiKey("k1", "ana", "d" * 64, ("predict", "review"), NOW, 60, NOW + timedelta(days=1))
REVOKED = replace(KEY, revoked_at=NOW)
CREATED = KeyCreated(actor="eve", subject="k1", name="ana", scopes="predict,review", rate=60)
GONE = KeyRevoked(actor="eve", subject="k1", reason="lost", name="ana")


@pytest.fixture
def one_key(ledger: Ledger) -> Ledger:
    with ledger.begin() as unit:
        unit.add(KEY, CREATED)
    return ledger


def test_a_key_comes_back_as_it_was(one_key: Ledger) -> None:
    with one_key.begin(write=False) as unit:
        assert unit.get(ApiKey, "k1") == KEY
        assert unit.latest(ApiKey) == unit.unrevoked_keys() == [KEY]
        [event] = unit.events(subject="k1")
    assert event.detail == {"name": "ana", "scopes": "predict,review", "rate": 60, "expires_at": ""}


def test_a_revoked_key_stays_and_is_no_longer_among_the_others(one_key: Ledger) -> None:
    other = replace(KEY, id="k2", digest="e" * 64)
    with one_key.begin() as unit:
        unit.add(other, CREATED)
        unit.revoke_key(REVOKED, GONE)
    with one_key.begin(write=False) as unit:
        assert unit.unrevoked_keys() == [other]
        assert unit.get(ApiKey, "k1") == REVOKED
        assert unit.events(subject="k1")[0].kind == "KeyRevoked"


def test_a_key_is_revoked_once(one_key: Ledger, race: Race) -> None:
    assert race(lambda unit, _: unit.revoke_key(REVOKED, GONE)) == ["Conflict", "won"]


def test_a_key_changes_only_by_its_revocation(one_key: Ledger) -> None:
    with pytest.raises(Conflict, match="only by its revocation"), one_key.begin() as unit:
        unit.revoke_key(replace(KEY, scopes=("admin",)), GONE)
    with one_key.begin() as unit:
        unit.revoke_key(replace(REVOKED, scopes=("admin",), name="eve"), GONE)
    with one_key.begin(write=False) as unit:
        assert unit.get(ApiKey, "k1") == REVOKED


def test_an_unknown_key_cannot_be_revoked(ledger: Ledger) -> None:
    with pytest.raises(NotFound), ledger.begin() as unit:
        unit.revoke_key(REVOKED, GONE)
