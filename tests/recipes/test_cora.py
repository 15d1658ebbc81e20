"""cora from end to end: trained on its sample, asked over HTTP, taught one node, trained again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.web.conftest import NO_POLL_MS, AppClient, run_app
from tidemill.data.retraining_set import AcceptedLabels, extend_snapshot
from tidemill.domain.events import SnapshotTaken
from tidemill.domain.types import Example
from tidemill.recipes.cora.sample.citations import FEATURES, TARGET, TOPICS, Citations, examples
from tidemill.serving import open_parts
from tidemill.settings import read_settings
from tidemill.web.app import create_app
from tidemill.workspace.training import TrainedVersion
from tidemill.workspace.workspace import Workspace

pytestmark = pytest.mark.xdist_group("cora")
SAMPLE = Citations(train=200, val=150, test=400)
SMALL = ("data.train=200", "data.val=150", "data.test=400", "train.epochs=30", "gate.margin=0.1")


def learn(workspace: Workspace) -> TrainedVersion:
    return workspace.train(*SMALL)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cora") / "home"
    workspace = Workspace(folder, "cora", actor="ada")
    finished = learn(workspace)
    workspace.promote(finished.version.id)
    workspace.close()
    return folder


@pytest.fixture(scope="module")
def client(home: Path) -> Iterator[AppClient]:
    parts, routes = open_parts(read_settings(home=home, poll_ms=NO_POLL_MS))
    try:
        with run_app(create_app(parts, routes)) as app_client:
            app_client.slots.refresh()
            yield app_client
    finally:
        parts.close()


@pytest.fixture(scope="module")
def test() -> list[Example]:
    return [row for row in examples(SAMPLE) if row.split == "test"]


def node(row: Example) -> dict[str, Any]:
    [fields] = json.loads(row.payload)["nodes"]
    return dict(fields)


def answers_of(client: AppClient, body: dict[str, Any]) -> list[dict[str, Any]]:
    response = client.request("POST", "/v1/predict", json=body)
    assert response.status_code == 200, response.text
    rows: list[dict[str, Any]] = response.json()["predictions"]
    return rows


def test_a_model_that_was_proved_on_both_routes_is_served(client: AppClient) -> None:
    response = client.request("GET", "/v1/ready")
    assert response.status_code == 200, response.text


def test_papers_are_answered_by_id_and_by_what_they_say_alike(
    client: AppClient, test: list[Example]
) -> None:
    rows = test[:50]
    ids = [node(row)["id"] for row in rows]
    by_id = answers_of(client, {"nodes": ids})
    assert [row["item"] for row in by_id] == ids
    assert set(by_id[0]["probabilities"]) == set(TOPICS)
    assert len({row["id"] for row in by_id}) == 1
    for row, known in zip(rows[:10], by_id, strict=False):
        [sent] = answers_of(client, {"nodes": [node(row)]})
        assert sent["label"] == known["label"]
        assert sent["probabilities"] == pytest.approx(known["probabilities"], abs=1e-4)


def test_papers_are_named_far_better_than_by_chance(client: AppClient, test: list[Example]) -> None:
    answers = answers_of(client, {"nodes": [node(row)["id"] for row in test]})
    right = [row["label"] == true.labels[TARGET] for row, true in zip(answers, test, strict=True)]
    assert 0.6 < sum(right) / len(right) < 1


def test_a_new_paper_is_answered_by_those_it_cites(client: AppClient, test: list[Example]) -> None:
    for topic in TOPICS:
        cited = [node(row)["id"] for row in test if row.labels[TARGET] == topic][:6]
        [answer] = answers_of(client, {"nodes": [{"id": "new", "links": cited}]})
        assert (answer["item"], answer["label"]) == ("new", topic)
    [answer] = answers_of(client, {"nodes": [{"id": "new", "links": ["nobody"]}]})
    assert "'nobody'" in answer["remarks"][0]


def upload(rows: list[Example]) -> dict[str, Any]:
    known = {node(row)["id"] for row in rows}
    content, cites = [], []
    for row in rows:
        paper = node(row)
        words = ["1" if at in paper["features"] else "0" for at in range(FEATURES)]
        content.append("\t".join([paper["id"], *words, row.labels[TARGET]]))
        cites += [f"{paper['id']}\t{link}" for link in paper["links"] if link in known]
    return {"files": {"data1": "\n".join(content).encode(), "data2": "\n".join(cites).encode()}}


def test_an_upload_gives_what_the_same_graph_as_a_payload_gives(
    client: AppClient, test: list[Example]
) -> None:
    rows = test[:120]
    known = {node(row)["id"] for row in rows}
    nodes = [{**(n := node(row)), "links": [x for x in n["links"] if x in known]} for row in rows]
    whole = answers_of(client, {"nodes": nodes, "whole": True})
    response = client.request("POST", "/test/", **upload(rows))
    assert response.status_code == 200, response.text
    names = sorted(TOPICS)
    assert [names[number] for number in response.json()] == [row["label"] for row in whole]
    stored = client.request("GET", f"/v1/predictions/{response.headers['X-Prediction-Id']}").json()
    assert len(stored["answers"]) == len(rows)


def test_a_paper_that_was_taught_joins_the_next_snapshot_and_model_with_its_links(
    client: AppClient, home: Path, test: list[Example]
) -> None:
    cited = sorted(node(row)["id"] for row in test[:3])
    new = [{"id": name, "features": [1, 2], "links": cited} for name in ("mine", "other")]
    answers = answers_of(client, {"nodes": new})
    body = {"prediction": answers[0]["id"], "item": "mine", "label": TOPICS[2], "actor": "bob"}
    response = client.request("POST", "/v1/feedback", json=body)
    assert response.status_code == 200, response.text
    workspace = Workspace(home, actor="ada")
    try:
        with workspace.ledger.begin(write=False) as unit:
            [heard] = unit.feedback(limit=None)
        assert (heard.item, heard.label) == ("mine", TOPICS[2])
        champion = workspace.champion()
        extended = extend_snapshot(
            workspace.snapshots.open(champion.snapshot),
            [
                AcceptedLabels(
                    (heard.id,),
                    heard.example,
                    {heard.target: heard.label},
                    lambda: workspace.blobs.get(heard.example),
                )
            ],
            workspace.bundles.open(champion.bundle).codec,
            workspace.snapshots,
            recipe="cora",
            near_distance=0,
            at=heard.at,
        )
        assert extended.feedback == (heard.id,)
        [new_row] = [
            row
            for row in workspace.snapshots.open(extended.snapshot.id).rows()
            if b'"mine"' in row.payload
        ]
        assert node(new_row) == {"features": [1, 2], "id": "mine", "links": cited}
        assert dict(new_row.labels) == {TARGET: TOPICS[2]}
        with workspace.ledger.begin() as unit:
            taken = SnapshotTaken(
                actor="ada", subject=extended.snapshot.id, rows=extended.snapshot.rows
            )
            unit.add(extended.snapshot, taken)
        finished = workspace.train(*SMALL, snapshot=extended.snapshot)
        model = workspace.predictor(finished.version)
        [[answer]] = model.predict([model.decode(b'{"nodes":["mine"]}')])
        assert answer.item == "mine"
        assert model.preprocess(b'{"nodes":["mine"]}').features[0]["degree"] == len(cited)
    finally:
        workspace.close()
