"""Which hosts and web pages may ask, and what every answer carries."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, Response

from tidemill.recipes.plants.routes import CONTENT_POLICY
from tidemill.recipes.routes import Routes
from tidemill.settings import read_settings
from tidemill.web.caller import ClientAddresses
from tidemill.web.hosts import HostCheck, is_loopback
from tidemill.web.origins import Origins, is_same_origin

EVERY = "0.0.0.0"  # noqa: S104  nothing is bound
PAGE, EVIL = "https://page.example", "http://evil.example"
FOREIGN = {"Origin": EVIL, "Sec-Fetch-Site": "cross-site"}
ASKS = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type",
}


def feedback_count(workspace: Any) -> int:
    with workspace.ledger.begin(write=False) as unit:
        return len(unit.feedback(limit=None))


def is_forbidden(response: httpx.Response) -> bool:
    return response.status_code == 403 and response.json()["error"]["code"] == "forbidden"


@pytest.mark.parametrize(
    ("bound", "names", "host", "allowed"),
    [
        ("127.0.0.1", (), "localhost", True),
        ("127.0.0.1", (), "LOCALHOST:8000", True),
        ("127.0.0.1", (), "127.0.0.1:8000", True),
        ("127.0.0.1", (), "[::1]:8000", True),
        ("127.0.0.1", (), "localhost.:8000", True),
        ("127.0.0.7", (), "127.0.0.7", True),
        ("127.0.0.1", (), "evil.example", False),
        ("127.0.0.1", (), "localhost.evil.example", False),
        ("127.0.0.1", (), "10.0.0.1:8000", False),
        ("127.0.0.1", (), "", False),
        ("127.0.0.1", (), "[::1].evil.example", False),
        ("127.0.0.1", (), "localhost:x.evil.example", False),
        ("::1", (), "evil.example", False),
        ("localhost", (), "evil.example", False),
        ("127.0.0.1", ("models.example",), "Models.Example:443", True),
        ("127.0.0.1", ("models.example",), "a.models.example", False),
        ("127.0.0.1", ("*.models.example",), "a.models.example", True),
        ("127.0.0.1", ("*.models.example",), "models.example", False),
        ("127.0.0.1", ("*.models.example",), "evilmodels.example", False),
        ("127.0.0.1", ("*",), "evil.example", True),
        (EVERY, (), "server:8000", True),
        (EVERY, ("models.example",), "models.example", True),
        (EVERY, ("models.example",), "10.0.0.1:8000", True),
        (EVERY, ("models.example",), "localhost", True),
        (EVERY, ("models.example",), "evil.example", False),
    ],
)
def test_a_server_answers_to_its_own_names(
    bound: str, names: tuple[str, ...], host: str, allowed: bool
) -> None:
    check = HostCheck(bound, names)
    assert [check.allows(host.encode()), check.allows(host.encode())] == [allowed, allowed]


def test_what_is_remembered_of_hosts_is_bounded() -> None:
    check = HostCheck("127.0.0.1", ())
    assert all(check.allows(f"localhost:{port}".encode()) for port in range(1000))
    assert len(check._known) < 100


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), (EVERY, False), ("", False)],
)
def test_a_loopback_address_is_known(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_a_foreign_host_reaches_no_route(client: Any) -> None:
    for path in ("/v1/events", "/v1/live", "/nowhere"):
        assert is_forbidden(client.request("GET", path, headers={"Host": "evil.example"}))
    two = [("Host", "localhost"), ("Host", "evil.example")]
    assert is_forbidden(client.request("GET", "/v1/live", headers=two))


@pytest.mark.parametrize(
    "headers",
    [
        FOREIGN,
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": "http://localhost:9"},
        {"Origin": "https://localhost:80"},
        {"Origin": "null", "Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://localhost", "Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_foreign_page_gives_no_label(
    client: Any, workspace: Any, red: bytes, headers: dict[str, str]
) -> None:
    answer = client.request("POST", "/v1/predict", files={"file": red}).json()
    row = {"prediction": answer["predictions"][0]["id"], "label": "Phoma"}
    assert is_forbidden(client.request("POST", "/v1/feedback", json=row, headers=headers))
    assert is_forbidden(client.request("PUT", "/v1/feedback", json=row, headers=headers))
    assert feedback_count(workspace) == 0


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://localhost"},
        {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "https://models.example", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_an_own_page_and_other_clients_go_on(
    client: Any, red: bytes, headers: dict[str, str]
) -> None:
    response = client.request("POST", "/predict", files={"file": red}, headers=headers)
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("http://localhost:8000", "localhost:8000", True),
        ("http://localhost:8000", "LocalHost:8000", True),
        ("http://models.example", "models.example:80", True),
        ("https://models.example", "models.example", True),
        ("https://models.example:443", "models.example", True),
        ("http://models.example:443", "models.example", False),
        ("http://localhost:8000", "localhost:8001", False),
        ("null", "null", False),
        ("file://localhost", "localhost", False),
        ("http://", "", False),
    ],
)
def test_an_origin_is_compared_with_the_host(origin: str, host: str, same: bool) -> None:
    assert is_same_origin(origin.encode(), host.encode()) is same


def test_an_allowed_origin_may_be_written_with_its_default_port() -> None:
    origins = Origins(("https://a.example:443", "http://b.example:443"))
    assert origins.allows(b"https://a.example")
    assert not origins.allows(b"http://b.example")


def test_without_the_setting_no_page_may_read(client: Any) -> None:
    for headers in ({"Origin": EVIL}, FOREIGN):
        response = client.request("GET", "/v1/info", headers=headers)
        assert response.status_code == 200
        assert not [name for name in response.headers if name.startswith("access-control")]
    assert is_forbidden(client.request("OPTIONS", "/predict", headers={"Origin": EVIL, **ASKS}))
    assert client.request("OPTIONS", "/predict").status_code == 405


def test_a_page_of_an_allowed_origin_asks_and_reads(
    workspace: Any, start_app: Callable[..., Any], red: bytes
) -> None:
    workspace.promote(workspace.register())
    client = start_app(workspace.parts(cors_origins=f"{PAGE},http://localhost:3000"))
    preflight = client.request("OPTIONS", "/predict", headers={"Origin": PAGE, **ASKS})
    assert (preflight.status_code, preflight.content) == (204, b"")
    assert preflight.headers["access-control-allow-origin"] == PAGE
    assert "content-type" in preflight.headers["access-control-allow-headers"].lower()
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert "access-control-allow-private-network" not in preflight.headers
    asks = {"Origin": PAGE, **ASKS, "Access-Control-Request-Private-Network": "true"}
    private = client.request("OPTIONS", "/predict", headers=asks)
    assert private.headers["access-control-allow-private-network"] == "true"

    headers = {"Origin": PAGE, "Sec-Fetch-Site": "cross-site"}
    response = client.request("POST", "/predict", files={"file": red}, headers=headers)
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == PAGE
    assert "X-Prediction-Id" in response.headers["access-control-expose-headers"]
    assert "access-control-allow-credentials" not in response.headers
    failure = client.request("GET", "/nowhere", headers=headers)
    assert (failure.status_code, failure.headers["access-control-allow-origin"]) == (404, PAGE)
    for answer in (preflight, response, failure, client.request("GET", "/v1/live")):
        assert answer.headers["vary"] == "Origin"

    assert is_forbidden(client.request("OPTIONS", "/predict", headers={"Origin": EVIL, **ASKS}))
    assert is_forbidden(client.request("POST", "/predict", files={"file": red}, headers=FOREIGN))


@pytest.mark.parametrize(
    ("proxies", "peer", "forwarded", "address"),
    [
        ("", "10.0.0.9", [b"1.2.3.4"], "10.0.0.9"),
        ("10.0.0.9", "10.0.0.9", [], "10.0.0.9"),
        ("10.0.0.9", "10.0.0.9", [b"1.2.3.4"], "1.2.3.4"),
        ("10.0.0.0/24", "10.0.0.9", [b"6.6.6.6, 1.2.3.4, 10.0.0.8"], "1.2.3.4"),
        ("10.0.0.0/24", "10.0.0.9", [b"6.6.6.6", b"1.2.3.4"], "1.2.3.4"),
        ("10.0.0.9", "10.0.0.7", [b"1.2.3.4"], "10.0.0.7"),
        ("10.0.0.9", "10.0.0.9", [b"1.2.3.4, \x1b[2J"], "10.0.0.9"),
        ("10.0.0.9", "10.0.0.9", [b"::1:2:3"], "::1:2:3"),
        ("fd00::/8", "fd00::1", [b"2001:db8::5"], "2001:db8::5"),
        ("10.0.0.9", None, [b"1.2.3.4"], ""),
        ("10.0.0.9", "::ffff:10.0.0.9", [b"::ffff:1.2.3.4"], "1.2.3.4"),
        ("10.0.0.9", "10.0.0.9", [b"1.2.3.4:5678"], "1.2.3.4"),
        ("10.0.0.9", "10.0.0.9", [b"[2001:db8::5]:443"], "2001:db8::5"),
        ("10.0.0.9", "10.0.0.9", [b"1.2.3.4:x"], "10.0.0.9"),
        ("10.0.0.9", "10.0.0.9", [b"fe80::1%" + b"z" * 5000], "10.0.0.9"),
        ("", "fe80::1%eth0", [], "fe80::1"),
        ("", "a name", [], ""),
    ],
)
def test_only_a_trusted_proxy_names_the_client(
    proxies: str, peer: str | None, forwarded: list[bytes], address: str
) -> None:
    addresses = ClientAddresses(read_settings(trusted_proxies=proxies).trusted_proxies)
    scope = {"client": (peer, 4711) if peer else None}
    assert addresses.find(scope, forwarded) == address


def test_a_label_knows_the_address_of_its_client(
    workspace: Any, start_app: Callable[..., Any], red: bytes
) -> None:
    workspace.promote(workspace.register())
    client = start_app(workspace.parts(trusted_proxies="127.0.0.1"))
    body = {"payload": {"image": base64.b64encode(red).decode()}, "label": "Phoma", "actor": "ana"}
    for address in ("1.2.3.4", "1.2.3.5", "1.2.3.5"):
        headers = {"X-Forwarded-For": address}
        answer = client.request("POST", "/v1/feedback", json=body, headers=headers)
        assert answer.status_code == 200
    with workspace.ledger.begin(write=False) as unit:
        rows = unit.feedback(limit=None)
    assert [(row.client, row.claimed_actor) for row in rows] == [
        ("1.2.3.4", "ana"),
        ("1.2.3.5", "ana"),
    ]


def test_a_fault_of_a_middleware_is_a_failure_like_any_other(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bool:
        raise RuntimeError("a secret of the server")

    monkeypatch.setattr(HostCheck, "allows", fail)
    answer = client.request("GET", "/v1/info", headers={"X-Request-Id": "r1"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert "secret" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers.get_list("x-request-id") == ["r1"]


def failing(server: Any) -> Routes:
    router = APIRouter()

    @router.get("/broken")
    def broken() -> Response:
        raise RuntimeError("a secret of the server")

    @router.get("/page")
    def page() -> Response:
        headers = {"Content-Security-Policy": CONTENT_POLICY, "Cache-Control": "max-age=9"}
        return Response("<p>", headers=headers, media_type="text/html")

    return Routes(router)


def test_every_answer_carries_the_security_headers(
    workspace: Any, start_app: Callable[..., Any]
) -> None:
    client = start_app(workspace.parts(), failing)
    answers = {
        path: client.request("GET", path)
        for path in ("/v1/live", "/v1/ready", "/metrics", "/docs", "/nowhere", "/broken", "/page")
    }
    refused = client.request("GET", "/v1/live", headers={"Host": "evil.example"})
    for answer in (*answers.values(), refused):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert "frame-ancestors 'none'" in answer.headers.get_list("content-security-policy")
    assert answers["/broken"].status_code == 500
    assert "secret" not in answers["/broken"].text
    assert answers["/v1/live"].headers["cache-control"] == "no-store"
    page = answers["/page"].headers
    assert page["cache-control"] == "max-age=9"
    assert page.get_list("content-security-policy") == [CONTENT_POLICY, "frame-ancestors 'none'"]
