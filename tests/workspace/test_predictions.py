"""A workspace uses its champion: it predicts, explains, takes feedback and serves."""

from __future__ import annotations

import json
import linecache
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

from tidemill import Client, Workspace, open_bundle
from tidemill.domain.errors import (
    BadPayload,
    DataError,
    ForeignLabel,
    InvalidRequest,
    NotFound,
    NotReady,
    StorageFailed,
    Unavailable,
    UsageError,
)
from tidemill.engine.engine import Engine
from tidemill.learn.progress import Progress
from tidemill.testing.in_process import OpenLoop
from tidemill.testing.tiny_recipe.pebbles import pebbles

pytestmark = pytest.mark.xdist_group("pebbles")
FLINT = {"gloss": 40.0, "length": 30.0, "weight": 60.0}


@pytest.fixture
def workspace(begin: OpenLoop) -> Iterator[Workspace]:
    """A workspace of its own over a copy of the trained one."""
    with Workspace(begin().workspace.home, actor="ada") as workspace:
        yield workspace


def test_a_prediction_is_recorded_and_takes_feedback(workspace: Workspace) -> None:
    prediction = workspace.predict(FLINT)
    assert (prediction.label, prediction.version) == ("flint", "v1")
    assert prediction.confidence > 0.5
    assert workspace.prediction(prediction.id).answers == prediction.answers
    record = workspace.feedback(prediction, "slate")
    assert (record.label, record.predicted_label, record.actor) == ("slate", "flint", "ada")
    assert workspace.list_feedback() == [record]
    causes = " ".join(workspace.why(prediction))
    assert "v1 answered stone flint" in causes
    assert "ada gave the label slate" in causes
    assert workspace.lineage(prediction).version.id == "v1"
    assert workspace.why() == workspace.why("v1")


def test_the_engine_counts_what_was_predicted_at_home(workspace: Workspace) -> None:
    rows = [row.payload for row in pebbles(250, 50, 0.0)]
    workspace.predict_many(rows)
    workspace.predict_many(rows, record=False)
    with Engine(workspace, "drift.every_s=0") as engine:
        engine.catch_up()
    [verdict] = workspace.drift().verdicts
    assert (verdict.n, verdict.drifted) == (250, False)


def test_many_payloads_keep_their_order(workspace: Workspace, tmp_path: Path) -> None:
    rows = pebbles(150, 3, 0.0)
    steps: list[tuple[int, int]] = []
    payloads = [row.payload for row in rows]
    progress = Progress(step=lambda done, total: steps.append((done, total)))
    predictions = workspace.predict_many(payloads, progress=progress)
    assert [row.example for row in predictions] == [row.id for row in rows]
    assert steps == [(64, 150), (128, 150), (150, 150)]
    assert len({row.id for row in predictions}) == 150
    folder = tmp_path / "pebbles"
    folder.mkdir()
    for at, row in enumerate(rows[:3]):
        (folder / f"{at}.json").write_bytes(row.payload)
    again = workspace.predict_many(folder, record=False)
    assert [row.answers for row in again] == [row.answers for row in predictions[:3]]
    assert {row.id for row in again} == {""}
    assert workspace.find_files(folder) == sorted(folder.iterdir())


def test_a_payload_at_fault_is_named(workspace: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "bad.json"
    file.write_text("{}")
    with pytest.raises(BadPayload, match=r"bad\.json: This is no pebble"):
        workspace.predict(file)
    with pytest.raises(BadPayload, match=r"^Payload 1: This is no pebble"):
        workspace.predict_many([FLINT, b"{}"])
    with pytest.raises(InvalidRequest, match=r"^Payload 1: weight: Field required"):
        workspace.predict_many([FLINT, {"gloss": 1, "length": 2}])
    with pytest.raises(InvalidRequest, match=r"^weight: Field required"):
        workspace.predict({"gloss": 1, "length": 2})


def test_labels_are_checked(workspace: Workspace) -> None:
    prediction = workspace.predict(FLINT, record=False)
    with pytest.raises(UsageError, match="was not recorded"):
        workspace.feedback(prediction, "flint")
    with pytest.raises(ForeignLabel, match="'gold'"):
        workspace.feedback(FLINT, "gold")
    assert workspace.list_feedback() == []
    assert workspace.feedback(FLINT, "flint", actor="bob").actor == "bob"


def test_only_images_are_explained(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match="takes pebble"):
        workspace.explain(FLINT)


def test_a_workspace_without_a_champion_predicts_nothing(tmp_path: Path) -> None:
    with Workspace(tmp_path / "home").create() as workspace, pytest.raises(NotFound):
        workspace.predict(FLINT)
    assert not (tmp_path / "home" / "traffic").exists()


def test_several_threads_may_predict(workspace: Workspace) -> None:
    with ThreadPoolExecutor(4) as pool:
        predictions = list(pool.map(lambda _: workspace.predict(FLINT), range(40)))
    assert len({row.id for row in predictions}) == 40
    assert sorted(row.sequence for row in predictions) == list(range(1, 41))


def test_a_prediction_that_cannot_be_recorded_is_not_returned(workspace: Workspace) -> None:
    workspace.predict(FLINT)
    workspace.close()
    (workspace.home / "traffic").rename(workspace.home / "elsewhere")
    (workspace.home / "traffic").write_text("no folder")
    with pytest.raises(StorageFailed):
        workspace.predict(FLINT)


def test_a_new_champion_answers_at_once(begin: OpenLoop, workspace: Workspace) -> None:
    assert workspace.predict(FLINT).version == "v1"
    other = begin().workspace
    other.train("seed=9")
    other.promote("v2", override="for the test")
    assert workspace.predict(FLINT).version == "v2"


def test_a_bundle_needs_no_workspace(workspace: Workspace, tmp_path: Path) -> None:
    bundle = workspace.champion().bundle
    predictor = open_bundle(workspace.home / "bundles" / bundle)
    payload = json.dumps(FLINT).encode()
    answers = predictor.predict_payload(payload)
    assert answers == predictor.predict_payload(FLINT) == workspace.predict(FLINT).answers
    assert repr(workspace.versions()).startswith("Versions(v1 champion ")
    with pytest.raises(NotFound):
        open_bundle(tmp_path / "none")


def test_a_server_at_home_answers_a_client(workspace: Workspace) -> None:
    with workspace.serve() as server, Client(server.url) as client:
        assert client.require_ready() == "v1"
        prediction = client.predict(FLINT)
        assert prediction.answers == workspace.predict(FLINT).answers
        assert workspace.prediction(prediction.id).server
        pid = server.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_server_that_cannot_start_or_be_ready_says_why(
    workspace: Workspace, tmp_path: Path
) -> None:
    with Workspace(tmp_path / "none") as nothing, pytest.raises(Unavailable):
        nothing.serve()
    next(workspace.home.glob("bundles/*/model.onnx")).write_bytes(b"")
    with pytest.raises(NotReady, match="not ready"):
        workspace.serve()


def test_the_server_gets_the_settings_of_the_workspace(begin: OpenLoop) -> None:
    home = begin().workspace.home
    with (
        Workspace(home, durability="host") as workspace,
        workspace.serve() as server,
        Client(server.url) as client,
    ):
        assert client.info()["durability"] == "host"


def test_a_fork_has_a_log_of_its_own(workspace: Workspace) -> None:
    first = workspace.predict(FLINT)
    child = os.fork()
    if not child:
        try:
            workspace.predict(FLINT)
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert workspace.predict(FLINT).sequence == first.sequence + 1
    assert len(list((workspace.home / "traffic").glob("*.sqlite"))) >= 2


def test_a_server_ends_with_its_parent_in_spite_of_a_fork(workspace: Workspace) -> None:
    server = workspace.serve()
    child = os.fork()
    if not child:
        # As a worker of multiprocessing does: it lives on, with all that the parent had open.
        signal.pause()
    try:
        # What the end of the parent does: the last known end of the pipe is closed.
        server.stop()
        assert server.wait() == 0
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_an_interrupted_append_does_not_stop_later_ones(workspace: Workspace) -> None:
    workspace.predict(FLINT)

    def interrupt(frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code.co_name == "append" and event == "line":
            text = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
            if "COMMIT" in text:
                raise KeyboardInterrupt
        return interrupt

    before = sys.gettrace()
    sys.settrace(interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            workspace.predict(FLINT)
    finally:
        sys.settrace(before)
    assert workspace.prediction(workspace.predict(FLINT).id)


def test_a_workspace_stays_where_it_was_opened(
    begin: OpenLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = begin().workspace.home
    monkeypatch.chdir(home.parent)
    with Workspace(home.name) as workspace:
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        prediction = workspace.predict(FLINT)
        assert workspace.lineage(prediction).version.id == "v1"
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_one_payload_is_no_folder_and_an_array_is_no_list(
    workspace: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "one.json").write_text(json.dumps(FLINT))
    with pytest.raises(DataError, match="cannot be read"):
        workspace.predict(tmp_path)
    with pytest.raises(DataError):
        workspace.predict("a\0b")
    with pytest.raises(DataError):
        workspace.predict("x" * 5_000)
    with pytest.raises(InvalidRequest, match="array"):
        workspace.predict_many(np.zeros((4, 4, 3), np.uint8))


def test_a_record_in_place_of_its_id_is_no_damage(workspace: Workspace) -> None:
    version: Any = workspace.champion()
    with pytest.raises(UsageError, match="ModelVersion is no id"):
        workspace.evaluate(version)


def test_a_hint_is_shown_by_a_traceback(tmp_path: Path) -> None:
    with Workspace(tmp_path / "home").create() as workspace, pytest.raises(NotFound) as raised:
        workspace.predict(FLINT)
    assert raised.value.__notes__ == [f"Hint: {raised.value.hint}"]


def test_a_bundle_may_have_another_name(workspace: Workspace, tmp_path: Path) -> None:
    bundle = workspace.champion().bundle
    shutil.copytree(workspace.home / "bundles" / bundle, tmp_path / "my model")
    assert open_bundle(tmp_path / "my model").bundle.id == bundle
