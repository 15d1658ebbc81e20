"""`tidemill lineage`: which settings of a run differ from the defaults of its recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from uuid_utils import uuid7

from tests.cli.conftest import Ask
from tidemill.adapters.hydra import MISSING
from tidemill.adapters.memory import FixedClock
from tidemill.adapters.traffic import SqliteTraffic
from tidemill.domain.events import SnapshotTaken
from tidemill.domain.types import Answer, ModelVersion, Prediction, Run, Snapshot
from tidemill.provenance import package_digest
from tidemill.workspace.run_settings import RunSetting, compare_settings
from tidemill.workspace.workspace import Workspace

NOW = FixedClock().now()
CODE = {"revision": "", "changed": None}
Record = Callable[..., str]


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Record:
    """Writes a prediction of a run with this configuration; its id."""
    home = tmp_path / "empty"

    def write(config: Mapping[str, Any], recipe: str = "coffee", package: str = "") -> str:
        monkeypatch.setenv("TIDEMILL_HOME", str(home))
        code = CODE | {"package": package or package_digest()}
        event = SnapshotTaken(actor="test", subject="s1", rows=3)
        classes = {"disease": ("healthy", "rust")}
        with Workspace(home).create() as workspace, workspace.ledger.begin() as unit:
            unit.add(Snapshot("s1", recipe, 3, {"train": 3}, classes, "stop", None, NOW), event)
            unit.add(Run("r1", recipe, "s1", 0, config, code, {}, NOW), event)
            unit.add(ModelVersion("v1", "b" * 64, "r1", "s1", recipe, None, NOW), event)
        server, id = str(uuid7()), str(uuid7())
        answer = Answer("disease", "rust", 0.9, {"rust": 0.9, "healthy": 0.1})
        log = SqliteTraffic(home / "traffic", server)
        row = Prediction(id, server, 1, "v1", NOW, "live", b"leaf", (answer,))
        log.append([replace(row, request_id="order-7", traceparent="00-a-b-01")])
        log.close()
        return id

    return write


def test_only_the_changed_settings_are_shown(tell: Ask, record: Record) -> None:
    default = Workspace(recipe="coffee").experiment()["train"]["epochs"]
    config = Workspace(recipe="coffee").experiment(f"train.epochs={default + 1}")
    id = record(config)
    result = tell("lineage", id)
    assert result.code == 0
    title, *lines = configuration(result.out)
    assert title.startswith("configuration: 1 of ")
    assert lines == [f"train.epochs: {default + 1} (default {default})"]
    body = tell("lineage", id, "--json").body
    assert body["run"]["config"] == config
    assert body["settings"] == {
        "changed": [{"key": "train.epochs", "value": default + 1, "default": default}],
        "note": "",
    }
    title, *lines = configuration(tell("lineage", id, "--full").out)
    assert f"configuration: 1 of {len(lines)} settings" in title
    assert f"train.epochs: {default + 1} (default {default})" in lines
    assert f"checks.policy: {config['checks']['policy']}" in lines


def test_the_request_is_named(tell: Ask, record: Record) -> None:
    id = record(Workspace(recipe="coffee").experiment())
    out = tell("lineage", id).out
    assert "request order-7" in out
    assert "trace 00-a-b-01" in out
    assert "a client sent the request order-7." in tell("why", id).out


def test_another_option_of_a_group_is_a_change(tell: Ask, record: Record) -> None:
    """What the option sets elsewhere is one too; a path in brackets is no markup."""
    config = Workspace(recipe="coffee").experiment("data=folder", "data.path=[leaves]")
    id = record(config)
    changed = tell("lineage", id, "--json").body["settings"]["changed"]
    assert {"key": "data.name", "value": "folder", "default": "sample"} in changed
    assert {"key": "data.path", "value": config["data"]["path"]} in changed
    assert "codec.width" in [row["key"] for row in changed]
    assert "[leaves]" in "".join(configuration(tell("lineage", id).out))


def configuration(out: str) -> list[str]:
    """The lines of the tree from the configuration on."""
    lines = [line.strip(" │├└─") for line in out.splitlines()]
    return lines[[line.startswith("configuration: ") for line in lines].index(True) :]


def test_a_run_of_the_defaults_has_no_changed_setting(tell: Ask, record: Record) -> None:
    id = record(Workspace(recipe="coffee").experiment())
    assert "configuration: 0 of " in tell("lineage", id).out
    assert tell("lineage", id, "--json").body["settings"] == {"changed": [], "note": ""}


def test_a_recipe_that_is_not_installed_is_named(tell: Ask, record: Record) -> None:
    id = record({"seed": 4, "train": {"epochs": 2}}, recipe="vanished")
    result = tell("lineage", id)
    assert result.code == 0
    flat = " ".join(result.out.replace("│", " ").split())
    assert "The defaults of the recipe vanished cannot be read: There is no recipe" in flat
    assert "train.epochs: 2" in result.out
    settings = tell("lineage", id, "--json").body["settings"]
    assert settings["changed"] is None
    assert "vanished" in settings["note"]


def test_a_run_of_other_code_is_compared_with_a_note(tell: Ask, record: Record) -> None:
    id = record({"seed": 4, "dropped": 1}, package="0" * 64)
    settings = tell("lineage", id, "--json").body["settings"]
    assert settings["note"].startswith("The run used another version of Tidemill")
    assert settings["changed"] == [
        {"key": "seed", "value": 4, "default": 0},
        {"key": "dropped", "value": 1},
    ]


def test_what_a_person_has_to_give_has_no_default() -> None:
    defaults = {"path": MISSING, "a": {"b": 1, "c": {}}, "other": 2}
    rows = compare_settings({"path": "x", "a": {"b": 1, "c": {}}}, defaults)
    assert rows == (
        RunSetting("path", "x"),
        RunSetting("a.b", 1, 1, has_default=True),
        RunSetting("a.c", {}, {}, has_default=True),
    )
    assert [row.key for row in rows if row.changed] == ["path"]
