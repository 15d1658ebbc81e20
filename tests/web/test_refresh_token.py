"""What a caller may do who knows the refresh token alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request, Response

from tests.web.test_keys import bearer
from tidemill.recipes.routes import Routes, Server


def refreshing(server: Server) -> Routes:
    router = APIRouter()

    @router.post("/refresh")
    def refresh(request: Request) -> Response:
        return Response(server.refresh(request))

    return Routes(router, silent_paths=("/refresh",))


def test_the_refresh_token_opens_its_route_alone(
    workspace: Any, start_app: Callable[..., Any]
) -> None:
    workspace.promote(workspace.register())
    parts = workspace.parts(public_scopes="", refresh_token="a" * 40)
    client = start_app(parts, refreshing)
    token = bearer("a" * 40)
    assert client.request("POST", "/refresh", headers=token).status_code == 200
    for path in ("/v1/events", "/v1/feedback", "/metrics", "/docs", "/refresh"):
        assert client.request("GET", path, headers=token).status_code == 401, path
    assert client.request("POST", "/v1/predict", headers=token, json={}).status_code == 401
    assert client.request("POST", "/refresh", headers=bearer("b" * 40)).status_code == 401


def test_where_everybody_may_read_the_refresh_token_takes_nothing_away(
    workspace: Any, start_app: Callable[..., Any]
) -> None:
    workspace.promote(workspace.register())
    client = start_app(workspace.parts(refresh_token="a" * 40), refreshing)
    assert client.request("GET", "/v1/events", headers=bearer("a" * 40)).status_code == 200
