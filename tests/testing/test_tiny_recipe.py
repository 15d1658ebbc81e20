"""The tiny recipe, which trains by itself without torch, through the real workspace."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import httpx
import numpy as np
import numpy.typing as npt
import pytest

from tidemill.codecs.codec import open_codec
from tidemill.domain.errors import BadPayload, DataError, UsageError
from tidemill.domain.types import Example, Run, Snapshot
from tidemill.learn.plan import TrainPlan
from tidemill.learn.progress import Progress
from tidemill.recipes.recipe import known_recipes, open_recipe
from tidemill.serving import load_routes, open_parts
from tidemill.settings import read_settings
from tidemill.testing.tiny_recipe.codec import Pebble, PebbleCodec
from tidemill.testing.tiny_recipe.entry_points import PLUGINS
from tidemill.testing.tiny_recipe.pebbles import STONES, TARGET, PebbleSource, pebbles
from tidemill.testing.tiny_recipe.perceptron import Perceptron, fit_perceptron
from tidemill.testing.tiny_recipe.recipe import PebbleRecipe
from tidemill.testing.tiny_recipe.training import measure_parity, train
from tidemill.web.app import create_app
from tidemill.workspace.planning import plan
from tidemill.workspace.trainer import open_trainer
from tidemill.workspace.training import TrainedVersion
from tidemill.workspace.workspace import Workspace

NO_POLL_MS = 3_600_000
CODEC = PebbleCodec.from_config({"max_bytes": 100})
PLAN = TrainPlan(epochs=300, learning_rate=0.02, weight_decay=0.001)
CHILD = """
import json, sys
from tidemill.cli.main import main
sys.argv = ["tidemill", *sys.argv[1:]]
try:
    main()
except SystemExit as left:
    assert not left.code, left.code
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


@dataclass(frozen=True)
class Trained:
    """A workspace in which a champion was trained, open."""

    workspace: Workspace
    snapshot: Snapshot
    finished: TrainedVersion
    steps: list[str]


def trained_again(workspace: Workspace, snapshot: Snapshot, *overrides: str) -> TrainedVersion:
    return workspace.train(*overrides, snapshot=snapshot)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    home = tmp_path_factory.mktemp("pebble")
    workspace = Workspace(home, "pebble", actor="ada")
    imported = workspace.snapshot()
    steps = list[str]()
    finished = workspace.train(
        snapshot=imported.snapshot, progress=Progress(stage=steps.append, epoch=steps.append)
    )
    workspace.promote(finished.version.id)
    yield Trained(workspace, imported.snapshot, finished, steps)
    workspace.close()


def test_every_part_of_it_is_found_by_its_name() -> None:
    assert "pebble" in known_recipes()
    assert isinstance(open_recipe("pebble"), PebbleRecipe)
    assert isinstance(open_codec("pebble", CODEC.config()), PebbleCodec)
    assert open_trainer("pebble") is train
    assert load_routes("pebble").__module__ == "tidemill.testing.tiny_recipe.routes"


def test_it_is_trained_and_promoted(trained: Trained) -> None:
    workspace, finished = trained.workspace, trained.finished
    assert trained.snapshot.splits == {"train": 300, "val": 200, "test": 600}
    assert trained.snapshot.classes == {TARGET: STONES}
    assert finished.run.metrics["test"]["accuracy"] >= 0.9
    assert set(finished.run.metrics) == {"val", "test"}
    assert workspace.champion() == finished.version
    predictor = workspace.predictor(finished.version)
    assert len(predictor.bundle.golden) >= len(STONES)
    for sample in predictor.bundle.golden:
        [(answer,)] = predictor.predict([predictor.decode(sample.payload)])
        assert sample.fault(TARGET, answer.label, answer.probabilities) == ""
    lineage = json.loads((predictor.bundle.path / "lineage.json").read_bytes())
    assert (lineage["run"], lineage["config"]) == (finished.run.id, finished.run.config)
    card = (predictor.bundle.path / "card.md").read_text("utf-8")
    assert finished.run.weights[:12] in card
    assert "test: accuracy 0.99" in card


def test_a_person_is_told_the_stages_and_some_epochs(trained: Trained) -> None:
    assert [line for line in trained.steps if "/" not in line] == ["encode", "train", "judge"]
    epochs = [line.split()[1] for line in trained.steps if line.startswith("epoch")]
    assert len(epochs) == 10
    assert epochs[-1] == "300/300"


def test_the_same_run_gives_the_same_weights(trained: Trained) -> None:
    weights = trained.finished.run.weights
    assert trained_again(trained.workspace, trained.snapshot).run.weights == weights
    other = trained_again(trained.workspace, trained.snapshot, "seed=1")
    assert other.run.weights != weights


def test_a_process_that_trains_it_loads_no_torch(tmp_path: Path, trained: Trained) -> None:
    words = ["train", "pebble", "--promote", "--json", "--home", str(tmp_path / "home")]
    inherited = filter(None, [os.environ.get("PYTHONPATH")])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CHILD, *words],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(PLUGINS), *inherited])},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    result, loaded = map(json.loads, done.stdout.splitlines())
    assert (result["version"], result["champion"]) == ("v1", True)
    assert result["weights"] == trained.finished.run.weights
    assert {"torch", "lightning", "matplotlib"} & set(loaded) == set()
    assert {"tidemill", "numpy", "onnx"} <= set(loaded)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def served(home: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the app over a workspace, after one turn of the app's slots."""
    parts, routes = open_parts(read_settings(home=home, poll_ms=NO_POLL_MS))
    app = create_app(parts, routes)
    try:
        async with app.router.lifespan_context(app):
            await asyncio.to_thread(app.state.slots.refresh)
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://localhost"
            ) as client:
                yield client
    finally:
        parts.close()


@pytest.mark.anyio
async def test_a_server_of_it_is_proved_and_answers(trained: Trained) -> None:
    [example] = pebbles(1, 7, 0.0)
    async with served(trained.workspace.home) as client:
        assert (await client.get("/v1/ready")).status_code == 200
        assert (await client.get("/health")).json() == {"status": "healthy"}
        weighed = await client.post("/weigh", json=json.loads(example.payload))
        assert weighed.json()["stone"] == example.labels[TARGET]
        assert weighed.headers["X-Prediction-Id"]
        own = await client.post("/v1/predict", files={"file": example.payload})
        [entry] = own.json()["predictions"]
        assert entry["probabilities"] == weighed.json()["probabilities"]
        assert (await client.post("/weigh", json={"weight": 1})).status_code == 422
        assert "Pebble" in (await client.get("/openapi.json")).json()["components"]["schemas"]


@pytest.mark.anyio
async def test_before_there_is_a_champion_its_server_is_not_healthy(tmp_path: Path) -> None:
    with Workspace(tmp_path, "pebble") as workspace:
        workspace.train()
    async with served(tmp_path) as client:
        assert (await client.get("/health")).status_code == 503


Rows = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]


def rows_of(*examples: list[Example]) -> Rows:
    every = [row for part in examples for row in part]
    rows = CODEC.encode([CODEC.decode(row.payload) for row in every])["pebble"]
    return rows, np.array([STONES.index(row.labels[TARGET]) for row in every])


def learned(*examples: list[Example]) -> Perceptron:
    return fit_perceptron(
        *rows_of(*examples),
        3,
        hidden=16,
        plan=PLAN,
        seed=0,
        report_epoch=lambda *_: None,
    )


def share(model: Perceptron, rows: Rows) -> float:
    return float((model.probabilities(rows[0]).argmax(axis=1) == rows[1]).mean())


def flipped(rows: Rows, seed: int) -> Rows:
    """Half of the labels, drawn by chance, are another stone's."""
    draw = np.random.default_rng(seed)
    wrong = draw.permutation(len(rows[1]))[: len(rows[1]) // 2]
    labels = rows[1].copy()
    labels[wrong] = (labels[wrong] + draw.integers(1, len(STONES), len(wrong))) % len(STONES)
    return rows[0], labels


@pytest.mark.parametrize("seed", range(3))
def test_other_instruments_fool_it_until_it_has_learned_from_them(seed: int) -> None:
    taught = pebbles(300, seed, 0.0, split="train")
    test = rows_of(pebbles(600, seed, 0.0, split="test"))
    fresh = rows_of(pebbles(300, seed, 1.0, split="fresh"))
    champion = learned(taught)
    challenger = learned(taught, pebbles(120, seed, 1.0))
    assert share(champion, test) >= 0.9
    assert share(champion, fresh) <= 0.6
    assert share(challenger, fresh) >= 0.85
    assert share(challenger, test) > share(champion, test) - 0.02


@pytest.mark.parametrize("seed", range(3))
def test_no_model_agrees_with_labels_half_of_which_are_wrong(seed: int) -> None:
    fresh = flipped(rows_of(pebbles(300, seed, 1.0, split="fresh")), seed)
    rows, labels = flipped(rows_of(pebbles(120, seed, 1.0)), seed + 1)
    taught = rows_of(pebbles(300, seed, 0.0, split="train"))
    both = np.concatenate([taught[0], rows]), np.concatenate([taught[1], labels])
    misled = fit_perceptron(*both, 3, hidden=16, plan=PLAN, seed=0, report_epoch=lambda *_: None)
    assert share(misled, fresh) < 0.5


def test_a_seed_has_the_same_pebbles_however_many_and_on_whatever_instruments() -> None:
    assert pebbles(5, 3, 0.0) == pebbles(9, 3, 0.0)[:5]
    assert len({row.id for row in pebbles(900, 3, 0.0)}) == 900
    here, there = (rows_of(pebbles(6, 3, shift)) for shift in (0.0, 1.0))
    assert here[1].tolist() == there[1].tolist() == [0, 1, 2, 0, 1, 2]
    assert np.allclose(there[0] - here[0], there[0][0] - here[0][0], atol=1e-3)
    splits = [pebbles(5, 3, 0.0, split=split) for split in (None, "train", "val", "test")]
    assert len({row.id for part in splits for row in part}) == 20


def test_its_source_knows_how_many_it_has() -> None:
    source = PebbleSource(seed=1, train=3, val=4, test=0, shift=0.5)
    steps = list[tuple[int, int]]()
    source.prepare(lambda done, total: steps.append((done, total)))
    assert (len(source), steps) == (7, [])
    assert [row.split for row in source.examples()] == ["train"] * 3 + ["val"] * 4


def test_a_pebble_is_itself_however_its_json_is_written() -> None:
    plain, spaced = (
        b'{"gloss":1.5,"length":2.0,"weight":3.0}',
        b'{ "weight": 3, "gloss": 1.5, "length": 2.0 }',
    )
    assert CODEC.decode(plain) == CODEC.decode(spaced)
    assert CODEC.fingerprint(plain) == CODEC.fingerprint(spaced)
    assert Pebble.from_bytes(plain).to_bytes() == plain
    assert CODEC.features(CODEC.decode(plain)) == {"gloss": 1.5, "length": 2.0, "weight": 3.0}
    assert CODEC.encode([])["pebble"].shape == (0, 3)


def test_pebbles_have_no_near_duplicates() -> None:
    prints = [CODEC.fingerprint(row.payload).near for row in pebbles(300, 1, 0.0)]
    apart = [(one ^ other).bit_count() for one, other in pairwise(prints)]
    assert min(apart) > 6


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"stone", "JSON"),
        (b"[1, 2, 3]", "JSON"),
        (b'{"gloss": 1, "length": 2}', "weight"),
        (b'{"gloss": 1, "length": 2, "weight": NaN}', "weight|JSON"),
        (b'{"gloss": 1, "length": 2, "weight": "heavy"}', "weight"),
        (b'{"gloss": 1, "length": 2, "weight": 3, "name": 4}', "name"),
        (b"\xff\xd8\xff", "JSON"),
        (b" " * 101, "101 bytes are too many"),
    ],
)
def test_what_is_no_pebble_is_refused(payload: bytes, message: str) -> None:
    with pytest.raises(BadPayload, match=message):
        CODEC.decode(payload)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("codec.max_bytes=0", "max_bytes"),
        ("model.hidden=0", "model.hidden"),
        ("data.train=0", "data.train"),
        ("data.shift=nan", "data.shift"),
        ("data.shfit=1", "data.shfit"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(override: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plan("pebble", [override])


def test_a_training_that_diverges_says_so(trained: Trained) -> None:
    with pytest.raises(UsageError, match="diverged in epoch"):
        trained_again(trained.workspace, trained.snapshot, "train.learning_rate=1e200")


def test_a_graph_that_answers_otherwise_is_refused() -> None:
    rows, _ = rows_of(pebbles(30, 1, 0.0))
    one, other = learned(pebbles(30, 1, 0.0)), learned(pebbles(30, 1, 1.0))
    assert measure_parity(one, one.graph(TARGET), rows)["difference"] < 1e-4
    with pytest.raises(DataError, match="off by"):
        measure_parity(one, other.graph(TARGET), rows)


@pytest.mark.parametrize(
    ("target", "split", "message"), [("shape", "val", "one target"), (TARGET, "test", "no val")]
)
def test_a_snapshot_that_cannot_be_learnt_from_is_refused(
    trained: Trained, target: str, split: str, message: str
) -> None:
    workspace = trained.workspace
    rows = pebbles(30, 1, 0.0, split="train")
    rows += pebbles(30, 1, 0.0, split="val" if split == "val" else "test")
    renamed = [
        Example(row.id, row.payload, {target: row.labels[TARGET]}, "x", row.origin, row.split)
        for row in rows
    ]
    now = workspace.clock.now()
    snapshot = workspace.snapshots.write(
        renamed, recipe="pebble", policy="stop", parent=None, at=now
    )
    run = Run("r", "pebble", snapshot.id, 0, trained.finished.run.config, {}, {}, now)
    with pytest.raises(DataError, match=message):
        train(
            run,
            workspace.snapshots.open(snapshot.id),
            CODEC,
            description="",
            parent=None,
            scratch=workspace.scratch,
            progress=Progress(),
        )
