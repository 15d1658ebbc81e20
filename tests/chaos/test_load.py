"""Users without pause notice no swap, and a killed server loses nothing that it acknowledged."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from bench.attack import resident
from bench.swaps import serve_pebbles, swap, train_versions
from bench.users import Users

from tests.chaos import processes
from tests.chaos.records import Records
from tidemill.adapters.child_process import ServerProcess
from tidemill.domain.feedback import Feedback
from tidemill.testing.processes import require_ready
from tidemill.testing.tiny_recipe.entry_points import PLUGINS
from tidemill.testing.tiny_recipe.pebbles import TARGET, pebbles
from tidemill.workspace.workspace import Workspace

pytestmark = [
    pytest.mark.xdist_group("chaos"),
    pytest.mark.skipif(not processes.PROC.is_dir(), reason="memory is read from /proc"),
]
SEED = 20_26
USERS = 50
SWAPS = 100
SETTLED = 30
"""Swaps after which the memory counts as that of a running server."""
FLAT = 1.1
MOST_ANSWERS = 400
"""Up to so many requests are answered between the start of a server and its death."""


@pytest.mark.slow
def test_swaps_under_load_fail_no_request_and_take_no_memory(tmp_path: Path) -> None:
    home = tmp_path / "home"
    versions = train_versions(home)
    payloads = pebbles(USERS, 7, 0.0)
    with (
        Workspace(home, "pebble") as workspace,
        serve_pebbles(home) as server,
        Users(lambda: server.url, USERS, payloads) as users,
    ):
        swap(workspace, server.url, versions, SETTLED)
        before = resident(server.pid)
        swap(workspace, server.url, versions, SWAPS - SETTLED, at=SETTLED)
        after = resident(server.pid)
    assert users.faults == {}
    assert set(users.versions) == set(versions), "each one answered"
    assert len(users.answered) > SWAPS
    assert after <= FLAT * before, (before, after)


class MortalServer:
    """A server that is killed and started again; `url` is where it is now."""

    def __init__(self, home: Path) -> None:
        path = os.pathsep.join(filter(None, [str(PLUGINS), os.environ.get("PYTHONPATH")]))
        self._home, self._settings = home, {"PYTHONPATH": path}
        self._start()

    def _start(self) -> None:
        self.process = ServerProcess(self._home, settings=self._settings)
        require_ready(self.process.url)
        self.url = self.process.url

    def kill(self) -> None:
        self.process.kill()
        self.process.stop()  # closes the pipes
        self._start()


@pytest.fixture
def server(home: Path) -> Iterator[MortalServer]:
    mortal = MortalServer(home)
    yield mortal
    mortal.process.stop()


def give_label(url: str, prediction: str) -> str:
    """Label a prediction, and return the id of the feedback."""
    row = {"prediction": prediction, "label": "flint"}
    body = {"feedback": [row]}
    response = httpx.post(f"{url}/v1/feedback", json=body, timeout=60, trust_env=False)
    assert response.status_code == 200, response.text
    return str(response.json()["feedback"][0]["id"])


@pytest.mark.parametrize(
    "kills", [pytest.param(4, marks=pytest.mark.slow), pytest.param(100, marks=pytest.mark.chaos)]
)
def test_a_killed_server_loses_nothing_that_it_acknowledged(
    home: Path, server: MortalServer, kills: int
) -> None:
    draw = random.Random(SEED)
    payloads = pebbles(USERS, 11, 0.0)
    labels: list[str] = []
    with Users(lambda: server.url, USERS, payloads, may_end=True) as users:
        for _ in range(kills):
            users.wait_for_answers(draw.randint(1, MOST_ANSWERS))
            labels.append(give_label(server.url, users.answered[-1]))
            server.kill()
        users.wait_for_answers(USERS)
    server.process.stop()
    with closing(Records(home)) as records:
        logged = [row[2] for row in records.logged()]
    assert users.faults.keys() == set(), users.faults
    assert len(logged) == len(set(logged)), "no id is there twice"
    assert set(users.answered) <= set(logged)
    assert len(users.answered) > kills
    with Workspace(home) as workspace, workspace.ledger.begin(write=False) as unit:
        assert {unit.get(Feedback, id).target for id in labels} == {TARGET}
        for id in draw.sample(users.answered, 20):
            assert workspace.prediction(id).id == id
