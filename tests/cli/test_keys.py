"""`tidemill keys` prints a secret once, and never a digest."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Ask

pytestmark = pytest.mark.xdist_group("pebble commands")


def test_keys_are_created_listed_and_revoked(tell: Ask) -> None:
    words = ("--scope", "review", "--days", "3", "--rate", "5", "--json")
    created = tell("keys", "create", "ana", *words).body
    assert created["secret"].startswith("tidemill_")
    assert (created["key"]["scopes"], created["key"]["rate"]) == (["review"], 5)
    plain = tell("keys", "create", "ben")
    [secret] = plain.out.split()
    assert secret.startswith("tidemill_")
    assert "may predict, feedback" in plain.err
    listed = tell("keys", "list", "--json")
    assert [key["name"] for key in listed.body["keys"]] == ["ben", "ana"]
    assert tell("keys", "revoke", "ana", "--json").body["revoked"][0]["revoked_at"]
    table = tell("keys", "list")
    assert "revoked" in table.out
    for output in (listed.out, table.out):
        assert secret not in output
        assert "digest" not in output


def test_what_cannot_be_is_said(tell: Ask) -> None:
    assert "'root' is no scope" in tell("keys", "create", "ana", "--scope", "root").err
    unknown = tell("keys", "revoke", "nobody")
    assert (unknown.code, "tidemill keys list" in unknown.err) == (3, True)
