"""The Open Inference Protocol as NVIDIA's client speaks it, with a real server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tidemill import Workspace
from tidemill.testing.tiny_recipe.entry_points import PLUGINS

SCRIPT = Path(__file__).parent.parent / "clients" / "triton_client.py"
FLINT = {"gloss": 40.0, "length": 30.0, "weight": 60.0}

pytestmark = [pytest.mark.xdist_group("pebbles"), pytest.mark.train_extra, pytest.mark.client]


def client_python() -> str | None:
    """An interpreter that has the client: this one, or that of the environment of Locust."""
    if find_spec("tritonclient") is not None:
        return sys.executable
    locust = shutil.which("locust")
    beside = Path(locust).with_name("python") if locust else None
    if beside is None or not beside.exists():
        return None
    words = [str(beside), "-c", "import tritonclient.http"]
    return (
        str(beside)
        if subprocess.run(words, capture_output=True, check=False).returncode == 0
        else None
    )


@pytest.fixture
def workspace(beach: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    path = os.pathsep.join(filter(None, [str(PLUGINS), os.environ.get("PYTHONPATH")]))
    monkeypatch.setenv("PYTHONPATH", path)
    with Workspace(beach) as workspace:
        yield workspace


def test_the_client_gets_the_answers_of_the_workspace(workspace: Workspace) -> None:
    python = client_python()
    if python is None:
        pytest.skip("tritonclient[http] is not installed; `make integration` installs it")
    with workspace.serve() as server:
        words = [python, str(SCRIPT), server.url.removeprefix("http://"), "pebble"]
        own = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        done = subprocess.run(words, capture_output=True, text=True, check=False, env=own)
    assert done.returncode == 0, done.stderr
    body: dict[str, Any] = json.loads(done.stdout)
    assert [body[f"{name}ready"] for name in ("", "model_", "version_", "other_")] == [
        True,
        True,
        True,
        False,
    ]
    assert body["live"]
    assert (body["server"]["name"], body["model"]["versions"]) == ("tidemill", ["v1"])
    expected = workspace.predict(FLINT, record=False).answers[0]
    for answers in body["answers"].values():
        assert answers["labels"][0] == expected.label
        assert answers["shares"][0] == list(expected.probabilities.values())
        assert answers["response"] == {"id": "42", "model_name": "pebble"}
        for id in answers["ids"]:
            assert workspace.prediction(id).kind == "live"
    assert body["columns"] == [expected.label]
    assert [status for status, _ in body["errors"]] == ["404", "404"]
    assert "no model 'nothing'" in body["errors"][0][1]
