"""The benchmarks' own parts: what they write, count and ask. What they find is not judged here."""

from __future__ import annotations

import base64
import json
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path

import pytest
from bench import live_loop
from bench.command import run
from bench.environment import content_mb, disk_mb, parts_mb
from bench.figure import bars
from bench.record import Record
from bench.serving import alternate, quarters

from tidemill.domain.errors import TidemillError
from tidemill.domain.types import Example
from tidemill.testing.clients import Reply
from tidemill.testing.load import LoadResult, percentile, run_load
from tidemill.testing.load_client import Form, LoadPlan

ROOT = Path(__file__).parents[1]
IMAGE = b"not really a leaf \x00\xff\r\n--"
Status = Callable[[int], int]
"""What the n-th request gets."""


@contextmanager
def server(status: Status, *, protocol: str = "HTTP/1.1") -> Iterator[tuple[str, list[bytes]]]:
    """A tiny server: its address, and the bodies that it was sent, with each type in front."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = protocol

        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            bodies.append(self.headers["Content-Type"].encode() + b"\n" + self.rfile.read(size))
            self._answer()

        def do_GET(self) -> None:
            bodies.append(self.path.encode())
            self._answer()

        def _answer(self) -> None:
            self.send_response(status(len(bodies)))
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{serving.server_address[1]}", bodies
        finally:
            serving.shutdown()
            thread.join()


def always_ok(_: int) -> int:
    return 200


@pytest.fixture
def leaf(tmp_path: Path) -> str:
    file = tmp_path / "leaf.bmp"
    file.write_bytes(IMAGE)
    return str(file)


def record_of(folder: Path, *, met: bool) -> int:
    record = Record("sizes", out=folder / "out")
    record.row(what="one", seconds=1.5)
    record.row(what="two", errors=0)
    record.goal("small", "it is small", 0.25, met=True)
    record.goal("fast", "it is fast", 123.4, met=met)
    return record.finish(bars({"one": 1.5}, title="Sizes", unit="seconds", goal=2))


def test_a_record_is_written_as_json_table_and_image(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert record_of(tmp_path, met=True) == 0
    body = json.loads((tmp_path / "out" / "sizes.json").read_text())
    assert list(body) == ["machine", "rows", "goals"]
    assert {"processor", "cores", "memory_gb", "system", "python"} <= set(body["machine"])
    assert body["rows"] == [{"what": "one", "seconds": 1.5}, {"what": "two", "errors": 0}]
    assert body["goals"][1] == {"id": "fast", "goal": "it is fast", "value": 123.4, "met": True}
    page = (tmp_path / "out" / "sizes.md").read_text()
    assert "| two |  | 0 |" in page
    assert "| fast | it is fast | 123 | met |" in page
    assert (tmp_path / "out" / "sizes.png").read_bytes().startswith(b"\x89PNG")
    assert "it is fast" in capsys.readouterr().out


@pytest.mark.parametrize(("met", "status"), [(True, 0), (False, 1)])
def test_an_unmet_goal_is_the_exit_status(
    met: bool, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure() -> int:
        return record_of(tmp_path, met=met)

    monkeypatch.setattr(sys, "argv", ["bench"])
    with pytest.raises(SystemExit) as left:
        run(measure)
    assert left.value.code == status
    assert (tmp_path / "out" / "sizes.json").exists()


@pytest.mark.parametrize(
    ("share", "value"), [(0.01, 1), (0.5, 50), (0.505, 51), (0.99, 99), (1.0, 100)]
)
def test_a_percentile_is_the_nearest_rank(share: float, value: float) -> None:
    assert percentile(list(range(100, 0, -1)), share) == value


def test_a_percentile_of_one_value_is_that_value() -> None:
    assert percentile([7.0], 0.5) == percentile([7.0], 0.99) == 7.0


@pytest.mark.parametrize(("values", "share"), [([], 0.5), ([1.0], 0.0), ([1.0], 1.1)])
def test_no_percentile_is_made_up(values: list[float], share: float) -> None:
    with pytest.raises(ValueError, match="no percentile"):
        percentile(values, share)


def test_a_rounds_figures() -> None:
    one = LoadResult(2.0, [3.0, 1.0, 2.0, 4.0], {"503": 2, "timeout": 1})
    assert (one.rate, one.p50, one.p99, one.errors) == (2.0, 2.0, 4.0, 3)


def test_quarters_are_the_first_and_the_last() -> None:
    assert quarters([1, 1, 9, 9, 9, 9, 2, 2]) == (1, 2)


def test_rounds_alternate_and_turn_around() -> None:
    order: list[str] = []

    def case(name: str) -> Callable[[], LoadResult]:
        def measured() -> LoadResult:
            order.append(name)
            return LoadResult(1.0, [1.0], {})

        return measured

    result = alternate({name: case(name) for name in "abc"}, 3)
    assert "".join(order) == "abc" + "cba" + "abc"
    assert [len(rounds) for rounds in result.values()] == [3, 3, 3]


@pytest.mark.parametrize(
    ("form", "head", "content"),
    [
        ("multipart", b"multipart/form-data; boundary=", b'name="file"'),
        ("json", b"application/json\n", b'{"image": "' + base64.b64encode(IMAGE) + b'"}'),
    ],
)
def test_the_client_sends_images(form: Form, head: bytes, content: bytes, leaf: str) -> None:
    with server(always_ok) as (url, bodies):
        result = run_load(LoadPlan(url, form, users=3, requests=10, warmup=2, images=[leaf]))
    assert len(result.ms) == 10
    assert min(result.ms) > 0
    assert result.seconds * 1000 >= max(result.ms)
    assert result.errors == 0
    assert len(bodies) == 10 + 3 * 2
    assert all(body.startswith(head) and content in body for body in bodies)
    if form == "multipart":
        assert all(IMAGE in body for body in bodies)


def test_the_client_asks_for_the_floor_without_a_image() -> None:
    with server(always_ok) as (url, bodies):
        result = run_load(LoadPlan(url, "live", users=1, requests=3, warmup=0))
    assert result.errors == 0
    assert bodies == [b"/v1/live"] * 3


def test_the_client_counts_what_failed(leaf: str) -> None:
    with server(lambda number: 503 if number % 2 else 200) as (url, _):
        result = run_load(LoadPlan(url, "multipart", users=1, requests=6, warmup=0, images=[leaf]))
    assert result.faults == {"503": 3}


def test_a_connection_that_is_not_kept_is_a_fault() -> None:
    with server(always_ok, protocol="HTTP/1.0") as (url, _):
        result = run_load(LoadPlan(url, "live", users=1, requests=2, warmup=0))
    assert result.faults == {"connection not kept alive": 2}


def test_a_server_that_is_gone_is_a_fault() -> None:
    with server(always_ok) as (url, _):
        pass
    result = run_load(LoadPlan(url, "live", users=2, requests=4, warmup=1))
    assert result.faults == {"ConnectionRefusedError": 4}


def test_a_loop_that_records_nothing_is_reported() -> None:
    leaf = Example("1", IMAGE, {"disease": "rust"}, "folder", "leaf.jpg")
    with server(lambda _: 500) as (url, bodies):
        with pytest.raises(TidemillError, match="Feedback got the response"):
            live_loop.give_feedback(url, [(Reply("1", 0, 0, id="p"), leaf)])
        with pytest.raises(TidemillError, match="1 requests failed, the first with"):
            live_loop.predict_all(url, [leaf])
    assert b'"prediction":"p","label":"rust"' in bodies[0]


def test_sizes_are_in_millions_of_bytes(tmp_path: Path) -> None:
    (tmp_path / "large").mkdir()
    (tmp_path / "large" / "a").write_bytes(b"a" * 2_000_000)
    (tmp_path / "small").write_bytes(b"b" * 500_000)
    assert content_mb(tmp_path) == 2.5
    assert disk_mb(tmp_path) == pytest.approx(2.5, abs=0.05)
    assert list(parts_mb(tmp_path)) == ["large", "small"]


@pytest.mark.parametrize("name", ["leaves", "nodes", "upload", "circle", "texts", "finetune"])
def test_without_the_real_data_it_says_so(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    measure = import_module(f"bench.{name}").measure
    out = ROOT / "bench" / "out" / f"{name}.json"
    before = out.stat().st_mtime_ns if out.exists() else None
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [name])
    for place in ("", str(tmp_path / "nowhere")):
        monkeypatch.setenv("TIDEMILL_REAL_DATA", place)
        with pytest.raises(SystemExit) as left:
            run(measure)
        printed = capsys.readouterr().err
        assert left.value.code == 4
        assert printed.startswith("error: The real data is not here")
        assert "hint: Set TIDEMILL_REAL_DATA" in printed
    assert list(tmp_path.iterdir()) == []
    assert (out.stat().st_mtime_ns if out.exists() else None) == before
