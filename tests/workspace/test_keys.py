"""Keys are created, listed and revoked; the ledger holds no secret."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tidemill import Workspace
from tidemill.adapters.memory import FixedClock
from tidemill.domain.errors import Conflict, NotFound, Unavailable, UsageError


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(tmp_path, actor="ada", clock=FixedClock()).create() as workspace:
        yield workspace


def test_a_secret_is_shown_once_and_its_digest_stored(workspace: Workspace) -> None:
    new = workspace.create_key("ana", ["review", "predict", "review"], days=2, rate=9)
    assert new.key.digest == hashlib.sha256(new.secret.encode()).hexdigest()
    assert (new.key.name, new.key.scopes, new.key.rate) == ("ana", ("predict", "review"), 9)
    assert new.key.expires_at == workspace.clock.now() + timedelta(days=2)
    assert workspace.list_keys() == [new.key]
    # The secret has 256 random bits, in 43 characters, behind a mark.
    assert len(new.secret.removeprefix("tidemill_")) == 43
    assert workspace.create_key("ana").secret != new.secret
    files = [path for path in workspace.home.rglob("*") if path.is_file()]
    assert files
    assert not any(new.secret.encode() in path.read_bytes() for path in files)


def test_the_creation_and_the_revocation_have_events(workspace: Workspace) -> None:
    id = workspace.create_key("ana").key.id
    [revoked] = workspace.revoke_key(id, reason="lost")
    assert revoked.revoked_at == workspace.clock.now()
    with workspace.ledger.begin(write=False) as unit:
        events = unit.events(subject=id)
    assert [(row.kind, row.actor, row.reason) for row in events] == [
        ("KeyRevoked", "ada", "lost"),
        ("KeyCreated", "ada", ""),
    ]
    with pytest.raises(Conflict, match="revoked already"):
        workspace.revoke_key(id)


def test_a_name_revokes_all_of_its_keys(workspace: Workspace) -> None:
    first, second, other = (workspace.create_key(name).key for name in ("ana", "ana", "ben"))
    assert [row.id for row in workspace.revoke_key("ana")] == [first.id, second.id]
    assert [row.id for row in workspace.list_keys() if not row.revoked_at] == [other.id]
    for unknown in ("ana", "nobody"):
        with pytest.raises(NotFound):
            workspace.revoke_key(unknown)


@pytest.mark.parametrize(
    "name", ["", " ana", "a\nb", "a\x1b[2J", "x" * 101, "anonymous", "Engine", "feedback_table"]
)
def test_a_name_that_would_mislead_is_refused(workspace: Workspace, name: str) -> None:
    with pytest.raises(UsageError):
        workspace.create_key(name)
    assert workspace.list_keys() == []


def test_a_wrong_scope_time_or_rate_is_refused(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match="'root' is no scope"):
        workspace.create_key("ana", ["predict", "root"])
    with pytest.raises(UsageError, match="needs a scope"):
        workspace.create_key("ana", [])
    for days in (0, -1, float("nan"), 1e9):
        with pytest.raises(UsageError, match="expires after"):
            workspace.create_key("ana", days=days)
    with pytest.raises(UsageError, match="requests a minute"):
        workspace.create_key("ana", rate=-1)
    with pytest.raises(UsageError, match="requests a minute"):
        workspace.create_key("ana", rate=99_999_999_999_999_999_999)
    assert workspace.list_keys() == []


def test_without_a_workspace_there_is_no_key(tmp_path: Path) -> None:
    with Workspace(tmp_path / "none") as workspace, pytest.raises(Unavailable):
        workspace.create_key("ana")
    assert not (tmp_path / "none").exists()
