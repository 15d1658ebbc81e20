"""The comparison with peers: its pure parts, and its generator before tiny servers.

Nothing here needs the peers' own environments. What the comparison finds is not judged here.
"""

from __future__ import annotations

import json
import math
from email import message_from_bytes
from email.policy import HTTP
from pathlib import Path

import numpy as np
import pytest
from bench.peers.contestants import floor, start
from bench.peers.generator import Plan, Result
from bench.peers.installs import read_pins
from bench.peers.intervals import interval
from bench.peers.judge import judge, tell
from bench.peers.measured import BARE, BARE_ONE, FLOOR, OURS, Measured
from bench.peers.messages import BENTOML, LITSERVE, TIDEMILL, http_request
from bench.peers.peer_log import PeerLog
from bench.peers.peer_model import Images
from bench.peers.turns import LOG_SECONDS, differs, send
from bench.peers.workloads import to_jpeg
from bench.record import Record
from PIL import Image

from tests.test_bench import server
from tidemill.adapters.traffic import SqliteTraffic, TrafficFiles
from tidemill.codecs.image import ImageCodec
from tidemill.domain.errors import UsageError

ROOT = Path(__file__).parents[1]
PEERS = ("bentoml", "litserve")
SHARED = ("onnxruntime", "numpy", "orjson", "tokenizers", "pillow")
"""What does the model's work, here and there."""


def pins_of_ours() -> dict[str, str]:
    lines = (ROOT / "requirements" / "train.txt").read_text(encoding="utf-8").splitlines()
    rows = (line.partition(";")[0].split("==") for line in lines if not line.startswith("#"))
    return dict(rows)


@pytest.mark.parametrize("peer", PEERS)
def test_a_peer_runs_the_model_with_our_versions(peer: str) -> None:
    ours, theirs = pins_of_ours(), read_pins(peer)
    assert {name: theirs[name] for name in SHARED} == {name: ours[name] for name in SHARED}


@pytest.mark.parametrize(("peer", "version"), [("bentoml", "1.4.40"), ("litserve", "0.2.19")])
def test_a_peer_is_pinned_with_the_faster_loop(peer: str, version: str) -> None:
    pins = read_pins(peer)
    assert (pins[peer], pins["uvloop"]) == (version, pins_of_ours()["uvloop"])


def test_an_interval_treats_a_ratio_and_its_inverse_alike() -> None:
    ratios = [1.2, 1.3, 1.25]
    one, other = interval(ratios), interval([1 / ratio for ratio in ratios])
    assert (one.mean, one.low, one.high) == pytest.approx(
        (1 / other.mean, 1 / other.high, 1 / other.low)
    )
    assert 1.2 > one.low > 1.1
    assert one.low < one.mean < one.high


def test_one_round_proves_nothing() -> None:
    assert interval([3.0]).low == 0.0
    assert math.isinf(interval([3.0]).high)


@pytest.fixture
def requests(tmp_path: Path) -> list[str]:
    files = [tmp_path / str(number) for number in range(3)]
    for number, file in enumerate(files):
        file.write_bytes(http_request("/", "text/plain", b"x" * (number + 1)))
    return [str(file) for file in files]


def test_users_take_the_requests_in_turn(requests: list[str]) -> None:
    with server(lambda _: 200) as (url, bodies):
        port = int(url.rpartition(":")[2])
        result = send(Plan(port, requests, users=2, seconds=1.0, warmup=0.0))
    assert (result.faults, result.bodies) == ({}, {"0": "{}", "1": "{}", "2": "{}"})
    assert {body.partition(b"\n")[2] for body in bodies} == {b"x", b"xx", b"xxx"}
    assert result.answered <= len(result.ms) == len(bodies)


def test_a_refusal_is_a_fault_and_no_answer(requests: list[str]) -> None:
    with server(lambda _: 503) as (url, bodies):
        port = int(url.rpartition(":")[2])
        result = send(Plan(port, requests, users=1, seconds=0.2, warmup=0.0))
    assert (result.answered, result.faults, result.bodies) == (0, {"503": len(bodies)}, {})


def test_a_connection_that_is_closed_is_a_fault(requests: list[str]) -> None:
    with server(lambda _: 200, protocol="HTTP/1.0") as (url, _):
        port = int(url.rpartition(":")[2])
        result = send(Plan(port, requests, users=2, seconds=0.2, warmup=0.0))
    assert result.faults["closed"] == 2


def test_an_open_loop_sends_at_its_rate(requests: list[str]) -> None:
    with server(lambda _: 200) as (url, bodies):
        port = int(url.rpartition(":")[2])
        result = send(Plan(port, requests, users=1, seconds=0.5, warmup=0.0, rate=100.0))
    assert result.faults == {}
    assert 20 < len(bodies) < 90, "a Poisson process with a mean of 50"


def test_the_floor_answers_whole_requests(tmp_path: Path) -> None:
    file = tmp_path / "0"
    file.write_bytes(http_request("/", "text/plain", b"x" * 1_000_000))
    with floor(7, 0) as least:
        result = send(Plan(least.port, [str(file)], users=2, seconds=0.2, warmup=0.0))
    assert (result.faults, result.bodies) == ({}, {"0": " " * 7})


def test_each_server_is_asked_in_its_own_words() -> None:
    bodies = [
        json.loads(dialect.request("text", "é".encode()).partition(b"\r\n\r\n")[2])
        for dialect in (TIDEMILL, BENTOML, LITSERVE)
    ]
    assert bodies == [{"text": "é"}, {"texts": ["é"]}, {"text": "é"}]
    row = {"label": "a", "probabilities": {"a": 1.0}}
    answers = [
        TIDEMILL.read(json.dumps({"predictions": [row]})),
        BENTOML.read(json.dumps([row])),
        LITSERVE.read(json.dumps(row)),
    ]
    assert answers == [row, row, row]


@pytest.mark.parametrize(
    ("label", "probabilities", "other"),
    [
        ("a", {"a": 0.7, "b": 0.3}, False),
        ("a", {"a": 0.7005, "b": 0.2995}, False),
        ("a", {"a": 0.702, "b": 0.298}, True),
        ("b", {"a": 0.7, "b": 0.3}, True),
        ("a", {"a": 0.7, "c": 0.3}, True),
    ],
)
def test_an_answer_is_held_against_the_bare_loop(
    label: str, probabilities: dict[str, float], other: bool
) -> None:
    expected = {"label": "a", "probabilities": {"a": 0.7, "b": 0.3}}
    assert differs({"label": label, "probabilities": probabilities}, expected) is other


def test_the_seconds_of_the_log_are_read_from_the_metrics() -> None:
    text = 'tidemill_stage_duration_seconds_sum{stage="log"} 0.25\nother 1.0\n'
    match = LOG_SECONDS.search(text)
    assert match is not None
    assert float(match[1]) == 0.25


def test_an_unknown_contestant_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no contestant 'nobody'"):
        start("nobody", None, 0, tmp_path)  # type: ignore[arg-type]


def measured(ours: float, *, p99: float = 12.0, log: float = 0.01, faults: int = 0) -> Measured:
    """Three rounds in which the bare loop does 100/s and the peers 50/s; ours as given."""

    def rounds(rate: float, tail: float = 12.0) -> list[Result]:
        ms = [10.0] * 98 + [tail] * 2
        fault = {"503": faults} if faults else {}
        return [Result(1.0, round(rate * part), ms, fault) for part in (0.99, 1.0, 1.01)]

    one = Measured(batch=8, log_share={50: [log] * 3}, differing={OURS: 0})
    one.rounds[BARE, ""] = one.rounds[BARE_ONE, ""] = rounds(10_000)
    for users in (1, 8, 50, 200):
        one.rounds[OURS, users] = rounds(ours, p99)
        for peer in PEERS:
            one.rounds[peer, users] = rounds(5_000)
    one.rounds[FLOOR, 50] = rounds(100_000)
    return one


def judged(one: Measured, tmp_path: Path) -> dict[str, bool]:
    record = Record("peers", out=tmp_path)
    tell(record, "bert", one)
    judge(record, {"bert": one}, ["bert"])
    return {goal.id: goal.met for goal in record.goals}


def test_a_server_that_keeps_all_promises_meets_all_goals(tmp_path: Path) -> None:
    goals = judged(measured(9_500), tmp_path)
    assert [id for id, met in goals.items() if not met] == []
    assert len(goals) == 15


@pytest.mark.parametrize(
    ("one", "missed"),
    [
        (measured(9_000), {"bert_bare_50"}),
        (measured(9_500, p99=16.0), {"bert_tail_50"}),
        (measured(9_500, log=0.04), {"bert_log"}),
        (measured(9_500, faults=1), {"bert_no_errors"}),
        (
            measured(5_000),
            {"bert_bare_50", "bert_bare_1"}
            | {f"bert_{peer}_{users}" for peer in PEERS for users in (8, 50, 200)},
        ),
    ],
    ids=["bare", "tail", "log", "errors", "peers"],
)
def test_a_missed_goal_is_named(one: Measured, missed: set[str], tmp_path: Path) -> None:
    goals = judged(one, tmp_path)
    assert {id for id, met in goals.items() if not met} == missed


def test_what_was_not_measured_is_not_met(tmp_path: Path) -> None:
    one = measured(9_500)
    for case in [case for case in one.rounds if case[0] in PEERS or case == (OURS, 1)]:
        del one.rounds[case]
    missed = {id for id, met in judged(one, tmp_path).items() if not met}
    assert {"bert_bare_1", "bert_best_1", "bert_bentoml_8", "bert_litserve_200"} <= missed


def test_the_peers_log_is_as_durable_as_ours(tmp_path: Path) -> None:
    ours = SqliteTraffic(tmp_path, "ours")
    theirs = PeerLog(tmp_path / "theirs.sqlite", "sentiment")
    theirs.append([b"text"], [{"label": "a", "probabilities": {"a": 0.6, "b": 0.4}}])
    for pragma in ("journal_mode", "synchronous", "wal_autocheckpoint", "page_size"):
        values = [log._db.execute(f"PRAGMA {pragma}").fetchone() for log in (ours, theirs)]
        assert values[0] == values[1], pragma
    ours.close()
    theirs._db.close()
    (row,) = TrafficFiles(tmp_path).after("theirs", 0, limit=9)
    assert (row.answers[0].label, row.answers[0].confidence) == ("a", 0.6)


def test_the_peers_decode_a_photo_to_our_pixels(tmp_path: Path) -> None:
    file = tmp_path / "leaf.bmp"
    Image.effect_mandelbrot((90, 60), (-2, -1.5, 1, 1.5), 60).convert("RGB").save(file)
    payload = to_jpeg(file, (901, 601))
    for draft in (False, True):
        config = {"width": 64, "height": 64, "draft": draft, "mean": [0.5] * 3, "std": [0.5] * 3}
        codec = ImageCodec.from_config(config)
        ours = codec.encode([codec.decode(payload)])["image"]
        theirs = Images(config).decode([payload])["image"]
        assert np.array_equal(ours, theirs), draft


def test_an_upload_is_whole(tmp_path: Path) -> None:
    payload = b"\xff\xd8 no image \r\n--"
    for dialect, field in ((TIDEMILL, "file"), (BENTOML, "images"), (LITSERVE, "file")):
        head, _, body = dialect.request("image", payload).partition(b"\r\n\r\n")
        form = parse_form(head, body)
        assert form == {field: payload}


def parse_form(head: bytes, body: bytes) -> dict[str, object]:
    """The files of a form, as a parser of others reads them."""
    media = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-type"))
    message = message_from_bytes(media + b"\r\n\r\n" + body, policy=HTTP)
    return {
        str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True)
        for part in message.iter_parts()
    }
