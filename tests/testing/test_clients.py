"""Clients count every request, whatever a server does to them. The server here is a real one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from tidemill.domain.types import payload_id
from tidemill.testing.clients import CLIENTS, Reply, as_json, run_clients

ROW = {
    "id": "p1",
    "version": "v1",
    "target": "disease",
    "item": "",
    "label": "rust",
    "probabilities": {"rust": 0.75, "spot": 0.25},
}
OTHER = {**ROW, "target": "crop", "label": "bean", "probabilities": {"bean": 1.0}}
GOOD = json.dumps({"predictions": [ROW]}).encode()
PAYLOADS = [b"one leaf", b"another leaf", b"a third"]


class _Handler(BaseHTTPRequestHandler):
    response: ClassVar[tuple[int, bytes]]

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, body = self.response
        if status:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@contextmanager
def start_server(status: int, body: bytes) -> Iterator[str]:
    """Start a server that always gives this response; status 0 breaks the connection instead."""
    handler = type("Handler", (_Handler,), {"response": (status, body)})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def collect_replies(status: int, body: bytes, limit: int = 12) -> list[Reply]:
    with start_server(status, body) as url, run_clients(url, PAYLOADS, limit=limit) as clients:
        pass
    assert clients.missing == 0
    assert clients.sent == len(clients.replies)
    return clients.replies


def test_a_reply_names_its_payload() -> None:
    replies = collect_replies(200, GOOD)
    assert len(replies) == 12
    assert {reply.payload for reply in replies} == {payload_id(payload) for payload in PAYLOADS}
    assert all(reply.ok and not reply.cut_off for reply in replies)
    assert replies[0].label == "rust"
    assert replies[0].probabilities == ROW["probabilities"]
    assert all(reply.sent_at <= reply.received_at for reply in replies)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"[]",
        b"null",
        b"{}",
        b'{"predictions": []}',
        b'{"predictions": [null]}',
        b'{"predictions": [{"id": "p1"}]}',
        b'{"predictions": [{"id": "p", "version": "v", "label": "l", "probabilities": 3}]}',
    ],
)
def test_a_malformed_reply_is_a_counted_failure(body: bytes) -> None:
    replies = collect_replies(200, body)
    assert len(replies) == 12
    assert all(reply.status == 200 and reply.fault and not reply.ok for reply in replies)


def test_the_answers_for_several_targets_are_sorted() -> None:
    [reply, *_] = collect_replies(200, json.dumps({"predictions": [ROW, OTHER]}).encode())
    assert [(answer.target, answer.label) for answer in reply.answers] == [
        ("crop", "bean"),
        ("disease", "rust"),
    ]
    assert (reply.label, reply.probabilities) == ("bean", {"bean": 1.0})


def test_a_reply_with_two_prediction_ids_is_a_failure() -> None:
    replies = collect_replies(
        200, json.dumps({"predictions": [ROW, {**OTHER, "id": "p2"}]}).encode()
    )
    assert all(reply.fault == "ValueError" and not reply.ok for reply in replies)


def test_a_json_payload_is_sent_as_it_is() -> None:
    assert as_json(b'{"nodes":["a"]}') == {"json": {"nodes": ["a"]}}


def test_an_error_keeps_its_code_and_a_malformed_one_its_status() -> None:
    refused = collect_replies(503, b'{"error": {"code": "storage_failed"}}')
    assert {(reply.status, reply.fault) for reply in refused} == {(503, "storage_failed")}
    for body in (b"<html>", b"{}", b'{"error": "x"}', b'{"error": {"code": null}}'):
        broken = collect_replies(500, body)
        assert len(broken) == 12
        assert all(reply.status == 500 and reply.fault and not reply.ok for reply in broken)


def test_a_broken_connection_is_counted_as_cut_off_and_ends_its_client() -> None:
    replies = collect_replies(0, b"")
    assert len(replies) == CLIENTS
    assert all(reply.status == 0 and reply.cut_off for reply in replies)


def test_a_refused_connection_is_counted_and_not_as_cut_off() -> None:
    with start_server(200, GOOD) as url:
        pass
    with run_clients(url, PAYLOADS, limit=12) as clients:
        pass
    assert (clients.sent, clients.missing) == (CLIENTS, 0)
    assert {(reply.status, reply.fault) for reply in clients.replies} == {(0, "ConnectError")}
    assert not any(reply.cut_off for reply in clients.replies)


def test_clients_without_a_bound_work_until_they_are_stopped() -> None:
    with start_server(200, GOOD) as url, run_clients(url, PAYLOADS) as clients:
        clients.wait(20)
    assert len(clients.replies) >= 20
    assert clients.missing == 0
