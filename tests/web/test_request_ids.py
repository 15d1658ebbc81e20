"""Ids and traces of requests, with their predictions, and the access log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tidemill.domain.errors import Unavailable
from tidemill.web.access_log import AccessLog
from tidemill.web.request_ids import read_headers

TRACE = f"00-{'a' * 32}-{'b' * 16}-01"


def test_the_id_and_the_trace_are_returned_and_kept_with_the_prediction(
    client: Any, workspace: Any, red: bytes
) -> None:
    headers = {"X-Request-Id": "order-7", "traceparent": TRACE}
    response = client.request("POST", "/predict", files={"file": ("a.png", red)}, headers=headers)
    assert response.headers["x-request-id"] == "order-7"
    id = response.headers["x-prediction-id"]
    record = workspace.traffic.find(id)
    assert (record.request_id, record.traceparent) == ("order-7", TRACE)
    body = client.request("GET", f"/v1/predictions/{id}").json()
    assert (body["request_id"], body["traceparent"]) == ("order-7", TRACE)
    golden = [row for row in workspace.traffic._predictions.values() if row.kind == "golden"]
    assert {row.request_id for row in golden} == {""}


def test_a_request_without_an_id_gets_one(client: Any, red: bytes) -> None:
    for path in ("/v1/live", "/nowhere", "/v2/none"):
        ids = {client.request("GET", path).headers["x-request-id"] for _ in range(2)}
        assert len({UUID(id) for id in ids}) == 2


@pytest.mark.parametrize(
    "value",
    [b"", b"a b", b"a\x00", b"x" * 129, b'"', b"<script>", "ü".encode(), b"a\r\nb", b"%0a", b"{}"],
)
def test_an_id_that_is_not_plain_is_replaced(value: bytes) -> None:
    id, _ = read_headers({"headers": [(b"x-request-id", value)]})
    assert UUID(id).version == 7
    plain = b"Az09._:/+=@-"
    assert read_headers({"headers": [(b"x-request-id", plain)]})[0] == plain.decode()


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        (TRACE, True),
        (f"cc-{'a' * 32}-{'b' * 16}-01", True),
        (f"cc-{'a' * 32}-{'b' * 16}-01-more", True),
        (f"{TRACE}-more", False),
        (f"ff-{'a' * 32}-{'b' * 16}-01", False),
        (f"00-{'0' * 32}-{'b' * 16}-01", False),
        (f"00-{'a' * 32}-{'0' * 16}-01", False),
        (TRACE.upper(), False),
        (TRACE[:-1], False),
        ("", False),
    ],
)
def test_only_a_well_formed_trace_is_taken(value: str, taken: bool) -> None:
    headers = [(b"traceparent", value.encode())]
    assert read_headers({"headers": headers})[1] == (value if taken else "")


def test_the_access_log_has_a_line_per_request_without_user_text(
    workspace: Any, start_app: Any, red: bytes, tmp_path: Path
) -> None:
    workspace.promote(workspace.register())
    file = tmp_path / "logs" / "access.jsonl"
    client = start_app(workspace.parts(access_log=str(file)))
    headers = {"X-Request-Id": "order-7", "traceparent": TRACE, "X-Secret": "word"}
    client.request(
        "POST", "/predict?secret=word", files={"file": ("secret.png", red)}, headers=headers
    )
    client.request("GET", "/v1/models/secret")
    moved = tmp_path / "moved.jsonl"
    file.rename(moved)
    client.request("SECRET", "/secret")
    first, second = (json.loads(line) for line in moved.read_text().splitlines())
    [third] = (json.loads(line) for line in file.read_text().splitlines())
    assert list(first) == [
        "at",
        "request_id",
        "traceparent",
        "method",
        "route",
        "status",
        "seconds",
        "version",
    ]
    assert (first["request_id"], first["traceparent"]) == ("order-7", TRACE)
    rows = [
        (row["method"], row["route"], row["status"], row["version"])
        for row in (first, second, third)
    ]
    assert rows == [
        ("POST", "/predict", 200, "v1"),
        ("GET", "/v1/models/{id}", 404, None),
        ("other", "unmatched", 404, None),
    ]
    assert "secret" not in moved.read_text() + file.read_text()
    assert all(isinstance(row["seconds"], float) for row in (first, second, third))


def test_the_access_log_is_off_by_default(client: Any, tmp_path: Path) -> None:
    client.request("GET", "/v1/live")
    assert not list(tmp_path.rglob("*.jsonl"))


def test_a_log_that_cannot_be_written_is_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="cannot be written"):
        AccessLog(str(tmp_path / "file" / "access.jsonl"))
    log = AccessLog("/dev/full")
    for _ in range(2):
        log.write({"method": "GET"}, "r1", "", 200, 0.1)
    assert [row.message[:33] for row in caplog.records] == ["The access log cannot be written:"]
    assert capsys.readouterr().err == ""
    log.close()
    AccessLog(None).close()
    stdout = AccessLog("-")
    stdout.write({"method": "GET"}, "r1", "", 200, 0.1)
    assert json.loads(capsys.readouterr().out)["request_id"] == "r1"
