"""`tidemill why`: sentences on stdout, or one JSON object of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Ask
from tidemill.workspace.workspace import Workspace

pytestmark = pytest.mark.xdist_group("pebble commands")


def test_a_version_is_explained_in_a_sentence_a_line(tell: Ask) -> None:
    result = tell("why", "v1")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0] == "v1 is champion."
    assert all(line.endswith(".") for line in lines)
    assert tell("why", "v1", "--json").body == {"id": "v1", "why": lines}


def test_a_person_s_words_are_printed_as_they_are(tell: Ask, beach: Path) -> None:
    workspace = Workspace(beach)
    cycle = workspace.trigger_cycle(reason="the [north] field, [/b]")
    workspace.close()
    result = tell("why", cycle.id)
    assert result.code == 0
    assert "the [north] field, [/b].\n" in result.out


@pytest.mark.parametrize("id", ["v9", "01a1fb4b-8215-74df-a5f3-d6fc45fa526e"])
def test_an_unknown_id_is_not_found_with_a_hint(tell: Ask, id: str) -> None:
    result = tell("why", id, "--json")
    assert result.code == 3
    assert result.body["error"]["code"] == "not_found"
    assert id in result.body["error"]["message"]
    assert "tidemill models list" in result.body["error"]["hint"]
    assert result.err.count("error:") == 1
