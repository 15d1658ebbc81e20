"""Clients count every request, whatever a server does to them. The server here is a real one."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from tidemill.demo.clients import CLIENTS, Reply, as_json, crowd
from tidemill.domain.types import payload_id

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

Serve = Callable[[int, bytes], str]


class _Handler(BaseHTTPRequestHandler):
    answer: ClassVar[tuple[int, bytes]]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status, body = self.answer
        if status:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving(status: int, body: bytes) -> Iterator[str]:
    """A server that gives everybody this answer; status 0 breaks the connection instead."""
    handler = type("Handler", (_Handler,), {"answer": (status, body)})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def asked(status: int, body: bytes, most: int = 12) -> list[Reply]:
    with serving(status, body) as url, crowd(url, PAYLOADS, most=most) as people:
        pass
    assert people.lost == 0
    assert people.begun == len(people.replies)
    return people.replies


def test_an_answer_is_kept_with_the_payload_that_was_asked() -> None:
    replies = asked(200, GOOD)
    assert len(replies) == 12
    assert {reply.payload for reply in replies} == {payload_id(payload) for payload in PAYLOADS}
    assert all(reply.ok and not reply.cut_off for reply in replies)
    assert replies[0].label == "rust"
    assert replies[0].probabilities == ROW["probabilities"]
    assert all(reply.asked <= reply.answered for reply in replies)


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
def test_a_malformed_answer_is_a_counted_failure(body: bytes) -> None:
    replies = asked(200, body)
    assert len(replies) == 12
    assert all(reply.status == 200 and reply.fault and not reply.ok for reply in replies)


def test_an_answer_to_several_targets_is_heard_whole_and_sorted() -> None:
    [reply, *_] = asked(200, json.dumps({"predictions": [ROW, OTHER]}).encode())
    assert [(said.target, said.label) for said in reply.heard] == [
        ("crop", "bean"),
        ("disease", "rust"),
    ]
    assert (reply.label, reply.probabilities) == ("bean", {"bean": 1.0})


def test_an_answer_of_two_predictions_is_a_failure() -> None:
    replies = asked(200, json.dumps({"predictions": [ROW, {**OTHER, "id": "p2"}]}).encode())
    assert all(reply.fault == "ValueError" and not reply.ok for reply in replies)


def test_a_payload_that_is_json_is_asked_as_it_is() -> None:
    assert as_json(b'{"nodes":["a"]}') == {"json": {"nodes": ["a"]}}


def test_an_error_keeps_its_code_and_a_malformed_one_its_status() -> None:
    refused = asked(503, b'{"error": {"code": "storage_failed"}}')
    assert {(reply.status, reply.fault) for reply in refused} == {(503, "storage_failed")}
    for body in (b"<html>", b"{}", b'{"error": "x"}', b'{"error": {"code": null}}'):
        broken = asked(500, body)
        assert len(broken) == 12
        assert all(reply.status == 500 and reply.fault and not reply.ok for reply in broken)


def test_a_broken_connection_is_counted_as_cut_off_and_ends_its_client() -> None:
    replies = asked(0, b"")
    assert len(replies) == CLIENTS
    assert all(reply.status == 0 and reply.cut_off for reply in replies)


def test_a_refused_connection_is_counted_and_not_as_cut_off() -> None:
    with serving(200, GOOD) as url:
        pass
    with crowd(url, PAYLOADS, most=12) as people:
        pass
    assert (people.begun, people.lost) == (CLIENTS, 0)
    assert {(reply.status, reply.fault) for reply in people.replies} == {(0, "ConnectError")}
    assert not any(reply.cut_off for reply in people.replies)


def test_clients_without_a_bound_work_until_they_are_stopped() -> None:
    with serving(200, GOOD) as url, crowd(url, PAYLOADS) as people:
        people.wait(20)
    assert len(people.replies) >= 20
    assert people.lost == 0
